"""The start of training: parts that follow optimal-transport chains through the snapshots."""

import warnings
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from scipy.cluster.vq import kmeans2

from liouville.curves import Knots
from liouville.diffusions.bridges import group_moments
from liouville.numerics.couplings import chains
from liouville.numerics.mixtures import fit_by_bic
from liouville.paths import Diagonal, Ensemble, Full, Gaussian, LocationScale, Logistic
from liouville.tasks.cells.config import PathConfig

# Chains are matched exactly, which costs their number cubed: about a second a pair of snapshots.
_MOST_CHAINS = 1500
# The criterion settles on a number of parts long before it has seen so many cells.
_MOST_LOOKED_AT = 1000
# What covariances of few chains are drawn toward, see `group_moments`.
_PRIOR_CHAINS, _PRIOR_SHARE = 3.0, 0.1
_LOGISTIC_DEVIATION = float(np.pi / np.sqrt(3.0))


def choose_parts(snapshots: Sequence[np.ndarray], *, seed: int = 0) -> int:
    """The number of parts: the most that the Bayesian information criterion sees at a time."""
    rng = np.random.default_rng(seed)
    thinned = [x[rng.permutation(len(x))[:_MOST_LOOKED_AT]] for x in snapshots]
    return max(len(fit_by_bic(x, seed=seed).weights) for x in thinned)


def chains_through(snapshots: Sequence[np.ndarray], *, seed: int = 0) -> np.ndarray:
    """Optimal-transport chains through clouds `(n_i, dim)`, shape `(chains, times, dim)`.

    They are as many as the largest cloud has cells, or 1500.
    """
    return chains(snapshots, min(_MOST_CHAINS, max(len(x) for x in snapshots)), seed)


def energy_of_chains(times: np.ndarray, joined: np.ndarray) -> float:
    r"""The kinetic energy $\sum_i \tfrac12 E|x_{i+1} - x_i|^2 / (t_{i+1} - t_i)$ of chains."""
    squares = (np.diff(joined, axis=1) ** 2).sum(-1).mean(0)
    return float(0.5 * (squares / np.diff(times)).sum())


def initial_path(
    times: np.ndarray, joined: np.ndarray, config: PathConfig, *, seed: int = 0
) -> Ensemble:
    """An ensemble of mixture paths along chains, which differ in the start of their clusters.

    All is in standardised units: the snapshots' increasing times of shape `(times,)`, and the
    chains `joined` of shape `(chains, times, dim)`.
    """
    if config.parts is None:
        raise ValueError("path.parts is not set; see choose_parts")
    seeds = np.random.SeedSequence(seed).generate_state(config.members)
    return Ensemble.of([_member(times, joined, config, int(member)) for member in seeds])


def _member(times: np.ndarray, joined: np.ndarray, config: PathConfig, seed: int) -> LocationScale:
    """A mixture path along chains.

    k-means groups chains that run together, and each group becomes a part: its mean and
    spread at each snapshot, its share as weight.
    """
    assert config.parts is not None  # checked by `initial_path`
    label, share = _clusters(joined, config.parts, seed)
    moments = group_moments(joined, label, _PRIOR_CHAINS, _PRIOR_SHARE)
    mean, covariance = (m.swapaxes(0, 1) for m in moments)
    is_few = len(times) <= config.knots
    knots = times if is_few else np.linspace(times[0], times[-1], config.knots)
    clock = knots.tolist()
    mean, covariance = _resample(times, knots, mean), _resample(times, knots, covariance)
    family = Gaussian() if config.family == "gaussian" else Logistic()
    if config.family == "logistic":
        covariance = covariance / _LOGISTIC_DEVIATION**2
    floor = float(np.log(config.min_scale))
    scale = Diagonal(floor) if config.scale == "diagonal" else Full(floor)
    dtype = jnp.zeros(()).dtype
    raw = jax.jit(scale.from_covariance)(jnp.asarray(covariance, dtype))
    return LocationScale(
        location=Knots(clock, jnp.asarray(mean, dtype), config.interpolation, config.tension),
        raw_scale=Knots(clock, raw, config.interpolation, config.tension),
        logits=jnp.asarray(np.log(share), dtype),
        family=family,
        scale=scale,
    )


def _clusters(joined: np.ndarray, parts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The group of each chain, and the share of each group; no group is empty."""
    flat = joined.reshape(len(joined), -1)
    parts = min(parts, len(flat))
    with warnings.catch_warnings():
        # An empty cluster is no failure: it is given a chain below.
        warnings.simplefilter("ignore", UserWarning)
        _, label = kmeans2(flat, parts, minit="++", rng=seed)
    rng = np.random.default_rng(seed)
    for empty in np.setdiff1d(np.arange(parts), label):
        crowded = np.flatnonzero(np.bincount(label, minlength=parts)[label] > 1)
        label[rng.choice(crowded)] = empty
    return label, np.bincount(label, minlength=parts) / len(label)


def _resample(times: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values at the snapshots' times, shape `(times, ...)`, interpolated linearly to the knots."""
    i = np.clip(np.searchsorted(times, knots, side="right") - 1, 0, len(times) - 2)
    s = ((knots - times[i]) / (times[i + 1] - times[i])).reshape(-1, *[1] * (values.ndim - 1))
    return (1.0 - s) * values[i] + s * values[i + 1]
