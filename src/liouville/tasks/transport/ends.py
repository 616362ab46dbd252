"""The distributions between which mass moves: mixtures and fitted densities, frozen."""

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from liouville.data import Samples, Standardisation, read_samples
from liouville.errors import LiouvilleError
from liouville.model import MODEL_FILE, Model, load
from liouville.numerics.mixtures import GaussianMixture, check_mixture
from liouville.numerics.shares import systematic, worth
from liouville.paths import AbstractPath
from liouville.problems import toys
from liouville.tasks.transport._images import Density, Image, density_of
from liouville.tasks.transport.config import DataConfig, EndsConfig
from liouville.tasks.transport.laws import law_of

# A mixture, an image, a model, a path, a name, points with weights, or what samples are read from.
Source: TypeAlias = Any

_ALIASES = {"8gaussians": "eight_gaussians", "gaussian": "normal", "moons": "two_moons"}
_TIES = 0.2
_FEWEST_KEPT = 10  # rows of a class by which it is judged alone


class Contexts(NamedTuple):
    """What the samples of an end depend on: their class, or numbers.

    Attributes:
        names: of the classes, or of the columns of numbers.
        rows: of the samples, shape `(n, size)`: unit vectors for classes.
        test: of the further samples, likewise.
        has_classes: whether they are classes.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    test: np.ndarray
    has_classes: bool


@dataclass(frozen=True, eq=False)
class End:
    """A distribution that a path meets exactly.

    Attributes:
        mixture: the density, in the user's units: a mixture, or mixtures seen through maps.
        points: samples it was fitted to, shape `(n, dim)`; `None` if it is given exactly.
        test: further samples, which no fit has seen; `None` if there are none.
        weights: how much the samples count, shape `(n,)`; `None` for all alike.
        contexts: on what the distribution depends, if it does.
        features: the names of the coordinates.
        source: where it came from, for messages and reports.
    """

    mixture: Density
    points: np.ndarray | None = None
    test: np.ndarray | None = None
    contexts: "Contexts | None" = None
    weights: np.ndarray | None = None
    features: tuple[str, ...] = ()
    source: str = "mixture"

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.mixture.dim

    def given(self, mixture: Density, number: int | None = None) -> "End":
        """This end in one context, with the law there, and the samples of a class of that number.

        Without a number none of the samples are of this context alone.
        """
        points, test, weights = self.points, self.test, self.weights
        if number is None or self.contexts is None:
            points = test = weights = None
        else:
            known = self.contexts.rows, self.contexts.test
            own, kept = (rows[:, number] > 0.5 for rows in known)
            points = None if points is None else points[own]
            test = None if test is None or kept.sum() < _FEWEST_KEPT else test[kept]
            weights = None if weights is None else weights[own]
        return dataclasses.replace(
            self, mixture=mixture, points=points, test=test, weights=weights, contexts=None
        )


def read_ends(
    sources: Sequence[Source | End], data: DataConfig, options: EndsConfig, *, seed: int = 0
) -> list[End]:
    """The ends in the order of time, all of one dimension; each is fitted with a seed of its own.

    Raises:
        LiouvilleError: if there are fewer than two, or they do not belong together.
    """
    if len(sources) < 2:
        raise LiouvilleError(
            f"{len(sources)} distributions were given; transport needs two or more"
        )
    # A Gaussian by name takes the dimension of the others, so it is made last.
    by_name = [str(source) if isinstance(source, str | Path) else "" for source in sources]
    late = [i for i, name in enumerate(by_name) if name in ("gaussian", "normal")]
    made = {
        i: source if isinstance(source, End) else end_of(source, data, options, seed=seed + i)
        for i, source in enumerate(sources)
        if i not in late
    }
    dim = next((end.dim for end in made.values()), 2)
    made |= {i: end_of(by_name[i], data, options, dim=dim) for i in late}
    found = [made[i] for i in range(len(sources))]
    for end in found:
        if end.dim != found[0].dim:
            raise LiouvilleError(
                f"{found[0].source} has {found[0].dim} coordinates but {end.source} has {end.dim}; "
                "choose the same columns with --features or --dims"
            )
    _check_contexts(found, data)
    # Mixtures, arrays and named distributions take the names of the columns of a file or a run.
    check_columns(found, "name the same ones with --features")
    names = (named_columns(found) or found)[0].features
    return [dataclasses.replace(end, features=names) for end in found]


def named_columns(ends: Sequence[End]) -> list[End]:
    """Those whose coordinates have names of their own."""
    return [end for end in ends if end.features and end.features != _features(end.dim)]


def check_columns(ends: Sequence[End], remedy: str) -> None:
    """Refuses ends whose coordinates have other names, or another order."""
    named = named_columns(ends)
    for end in named[1:]:
        if end.features != named[0].features:
            raise LiouvilleError(
                f"{end.source} has the columns {', '.join(end.features[:6])} but others have "
                f"{', '.join(named[0].features[:6])}; {remedy}"
            )


def end_of(
    source: Source, data: DataConfig, ends: EndsConfig, *, dim: int = 2, seed: int = 0
) -> End:
    """Makes an end of whatever a user may name.

    It is a mixture; samples, or whatever they are read from (an array, a data frame, AnnData, a
    file), fitted by a mixture; a pair of points and weights; the name of a distribution (a Gaussian
    of `dim` coordinates); or a fitted density: a model, the folder of a run, or a path, of which
    time 1 counts.
    """
    if isinstance(source, GaussianMixture):
        check_mixture("the mixture", source)
    if isinstance(source, GaussianMixture | Image):
        return End(source, features=_features(source.dim))
    if isinstance(source, AbstractPath):
        still = Standardisation(np.zeros(source.dim), np.ones(source.dim), 0.0, 1.0)
        source = Model(source, still, np.array([0.0, 1.0]), _features(source.dim))
    if isinstance(source, Model):
        return End(density_of(source, "the model"), features=source.features, source="model")
    if isinstance(source, str | Path):
        place, name = Path(source), _ALIASES.get(str(source), str(source))
        if (place / MODEL_FILE).is_file() or (place.is_file() and place.suffix == ".lv"):
            model = load(source)
            return End(density_of(model, str(source)), features=model.features, source=str(source))
        if name in toys.NAMES and not place.exists():
            toy = toys.normal(dim) if name == "normal" else toys.named(name)
            if toy.mixture is not None:
                return End(toy.mixture, features=_features(toy.dim), source=name)
            source = Samples(toy.sample(data.draws, seed=seed), source=name)
            return _fit_end(source, data, ends, seed)
        source = _read(source, data)
    if isinstance(source, tuple):
        source = _weighted(source)
    if not isinstance(source, Samples):
        source = _samples(source, data)
    if data.context is not None and source.contexts is None:
        source = source.with_contexts(data.context)
    source = source.check(min_rows=data.min_samples)
    _check_ties(source)
    return _fit_end(source, data, ends, seed)


def _read(source: str | Path, data: DataConfig) -> Samples:
    if Path(source).is_dir():
        raise LiouvilleError(
            f"the folder {source} holds no fitted density (no {MODEL_FILE}); fit one with "
            f"liouville fit density FILE --out {source}"
        )
    if not Path(source).exists() and not Path(source).suffix:
        known = ", ".join(sorted([*_ALIASES, *toys.NAMES]))
        raise LiouvilleError(f"{source} is neither a file nor a distribution; known are: {known}")
    return _samples(source, data)


def _samples(source: Any, data: DataConfig) -> Samples:
    names = ("label", "features", "without", "dims", "basis", "weights", "context")
    return read_samples(source, **{name: getattr(data, name) for name in names})


def _weighted(pair: tuple[Any, ...]) -> Samples:
    """Points with weights as samples; those of no weight are left out."""
    if len(pair) != 2:
        raise LiouvilleError(
            f"a distribution is points, or (points, weights), got {len(pair)} arrays"
        )
    samples = read_samples(pair[0])
    weights = np.asarray(pair[1], np.float64)
    if weights.shape != (len(samples),) or not np.all(np.isfinite(weights) & (weights >= 0)):
        raise LiouvilleError(
            f"weights must be {len(samples)} numbers that are not negative, one for each point, "
            f"got shape {weights.shape}"
        )
    if not weights.sum() > 0:
        raise LiouvilleError("all weights of a distribution are zero; give masses of its points")
    kept = samples.select(weights > 0)
    return dataclasses.replace(kept, source="points with weights", weights=weights[weights > 0])


def equal_rows(points: np.ndarray, weights: np.ndarray | None, seed: int) -> np.ndarray:
    r"""Points that count the same: each is there as often as its share of the weights says.

    There are as many as the weights are worth, $(\sum w)^2 / \sum w^2$; of equal weights every
    point is there once.
    """
    if weights is None:
        return points
    rng, count = np.random.default_rng(seed), worth(weights)
    return points[rng.permutation(systematic(weights / weights.sum(), count, rng))]


def _fit_end(samples: Samples, data: DataConfig, ends: EndsConfig, seed: int) -> End:
    # With few samples all are needed for the fit.
    share = data.test if len(samples) >= 100 else 0.0
    training, _, test = samples.split(0.0, share, seed)
    contexts = None
    if data.label is not None or data.context is not None:
        rows, kept_rows = training.context_rows, test.context_rows
        if rows is None or kept_rows is None:
            raise LiouvilleError(f"{samples.source} has no classes; leave out --label")
        names = samples.context_names or samples.classes
        contexts = Contexts(names, rows, kept_rows, data.context is None)
    if training.weights is not None and contexts is not None:
        raise LiouvilleError(
            f"{samples.source} has weights and contexts, which go together in no fit; leave out "
            "one of them"
        )
    law = law_of(training, ends, seed)
    # What judges is drawn by its weights, so that all that judge count the same.
    kept = equal_rows(test.points, test.weights, seed) if len(test) else None
    return End(
        law, training.points, kept, contexts, training.weights, training.features, samples.source
    )


def _check_contexts(ends: Sequence[End], data: DataConfig) -> None:
    """Refuses ends without the contexts that were asked for, or of different ones."""
    if data.label is None and data.context is None:
        return
    for end in ends:
        if end.contexts is None:
            raise LiouvilleError(
                f"{end.source} is given without classes and contexts; give samples that have them, "
                "or leave out --label and --context"
            )
    first = ends[0].contexts
    assert first is not None
    for end in ends[1:]:
        assert end.contexts is not None
        if end.contexts.names != first.names:
            raise LiouvilleError(
                f"{ends[0].source} has the classes {', '.join(first.names[:8])} but {end.source} "
                f"has {', '.join(end.contexts.names[:8])}; every class goes to its own"
            )


def _check_ties(samples: Samples) -> None:
    different = len(np.unique(samples.points, axis=0))
    if different == 1:
        raise LiouvilleError(
            f"all {len(samples)} samples of {samples.source} are equal, so they have no density; "
            "give samples that differ, or a narrow Gaussian"
        )
    if different < (1.0 - _TIES) * len(samples):
        warnings.warn(
            f"only {different} of the {len(samples)} samples of {samples.source} differ; a "
            "density puts narrow peaks on repeated points, so remove or jitter them",
            stacklevel=2,
        )


def _features(dim: int) -> tuple[str, ...]:
    return tuple(f"x{i + 1}" for i in range(dim))
