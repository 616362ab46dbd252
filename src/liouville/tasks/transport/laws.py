"""The law that stands for the samples of an end: a mixture, or a richer density fitted to them."""

import warnings

import numpy as np

from liouville.data import Samples
from liouville.errors import LiouvilleError
from liouville.numerics.expectation import fit_by_validation, fit_mixture
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.shares import worth
from liouville.tasks.density.fit import DensityFit, fit_density
from liouville.tasks.transport._images import Density, density_of
from liouville.tasks.transport.config import EndsConfig

# Expectation maximisation sees at most so many samples of an end.
_MOST_POINTS = 20_000
# A richer law is taken if it gains so many standard errors on rows that no fit has seen.
_GAIN, _ERROR = "test gain over the plain mixture", "test gain, standard error"
_ERRORS = 1.5


def law_of(samples: Samples, ends: EndsConfig, seed: int) -> Density:
    """The law of samples: a mixture, the family that is asked for, or the better of them.

    With `ends.model` `auto` a density is fitted as by `fit_density`, and taken if it gives rows
    kept apart more than a mixture does, beyond chance.

    Raises:
        LiouvilleError: if the samples are too few for the parts that are asked for, or a column is
            determined by others, so that the family that is asked for cannot stand for them.
    """
    if ends.model == "mixture":
        return _mixture(samples, ends, seed)
    fitted = _fitted(samples, ends, seed)
    is_whole = fitted.model.features == samples.features
    if ends.model == "auto" and not (is_whole and _gains(fitted)):
        return _mixture(samples, ends, seed)
    if not is_whole:
        left = ", ".join(sorted(set(samples.features) - set(fitted.model.features)))
        raise LiouvilleError(
            f"the columns {left} of {samples.source} are determined by others, so only a mixture "
            "can stand for them; leave out --ends, or these columns (--without)"
        )
    return density_of(fitted.model, samples.source)


def _gains(fitted: DensityFit) -> bool:
    """Whether a density is richer than a mixture, and says more of rows that no fit has seen."""
    found = fitted.summary
    is_richer = fitted.config.path.model != "mixture"
    return is_richer and found[_GAIN] > _ERRORS * found[_ERROR]


def _fitted(samples: Samples, ends: EndsConfig, seed: int) -> DensityFit:
    """A density of one member, which sees the columns as they are: maps of bounds cannot open."""
    settings = {
        "path.model": ends.model,
        "path.members": 1,
        "path.marginals": False,
        "data.maps": "none",
        "data.dequantise": "none",
        "data.min_samples": len(samples),
        "training.seed": seed,
    }
    with warnings.catch_warnings():
        # What is amiss with the samples is said where they are read.
        warnings.simplefilter("ignore", UserWarning)
        return fit_density(samples, settings, progress=False)


def _mixture(samples: Samples, ends: EndsConfig, seed: int) -> GaussianMixture:
    points, weights = samples.points, samples.weights
    chosen = np.random.default_rng(seed).permutation(len(points))[:_MOST_POINTS]
    if ends.parts is not None and not 1 <= ends.parts <= len(chosen):
        raise LiouvilleError(
            f"{ends.parts} parts for {len(chosen)} samples of {samples.source}; "
            f"set ends.parts to 1 to {len(chosen)}"
        )
    return mixture_of(points[chosen], None if weights is None else weights[chosen], ends, seed)


def mixture_of(
    points: np.ndarray, weights: np.ndarray | None, ends: EndsConfig, seed: int
) -> GaussianMixture:
    """The mixture that stands for points, of as many parts as are asked for, or as suit them."""
    if ends.parts is not None:
        return fit_mixture(points, weights, parts=ends.parts, seed=seed)
    # A part of a full covariance needs more points than coordinates.
    count = len(points) if weights is None else worth(weights)
    most = int(np.clip(count // (2 * points.shape[1] + 1), 1, ends.most))
    return fit_by_validation(points, weights, most=most, seed=seed)
