"""Ends that depend on a context: the law of each given its class or numbers, and a path for all.

Of classes every end has a mixture for each, and every class parts of its own. Of numbers every end
has a mixture whose weights, means and scales are functions of them (`liouville.tasks.conditional`).
"""

from collections.abc import Sequence

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.data import Standardisation
from liouville.diffusions.bridges import Parts, path_along, split_parts, whole_parts
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture, log_floor, with_parts
from liouville.paths import (
    AbstractPath,
    ConditionalBridge,
    ConditionalMixture,
    Contextual,
    Joined,
    Selected,
)
from liouville.tasks.conditional import MOST_PARTS, law_given, listed_contexts
from liouville.tasks.transport.config import EndsConfig, TransportConfig
from liouville.tasks.transport.ends import End
from liouville.tasks.transport.laws import mixture_of
from liouville.tasks.transport.problem import Problem


def conditional_path(
    ends: Sequence[End], problem: Problem, units: Standardisation, config: TransportConfig
) -> Joined:
    """The path to start from, which meets the law of every end given every context.

    Raises:
        LiouvilleError: if a class has too few rows of an end.
    """
    first = ends[0].contexts
    assert first is not None  # checked by `read_ends`
    seed = config.training.seed
    if first.has_classes:
        made = _of_classes(ends, problem, units, config, seed)
    else:
        laws = [_law(end, units, config.ends, seed + i) for i, end in enumerate(ends)]
        rows = [end.contexts.rows for end in ends if end.contexts is not None]
        listed = listed_contexts(np.concatenate(rows), seed=seed)
        made = []
        for i, (*_, times) in enumerate(problem.pieces):
            bridge = ConditionalBridge.between(
                laws[i],
                laws[i + 1],
                times,
                width=config.path.width,
                opening=config.path.opening,
                key=jr.key(seed + i),
            )
            made.append(Contextual(bridge, *listed))
    return Joined(made, problem.times)


# Classes.


def _of_classes(
    ends: Sequence[End],
    problem: Problem,
    units: Standardisation,
    config: TransportConfig,
    seed: int,
) -> list[AbstractPath]:
    laws = [_mixtures(end, units, config.ends, seed + 100 * i) for i, end in enumerate(ends)]
    every = np.concatenate([mixture.covariances for law in laws for mixture in law])
    # One floor for all classes, so that their paths are of one structure.
    floor = float(np.exp(log_floor(every, config.path.min_scale)))
    shares = np.mean([end.contexts.rows.mean(axis=0) for end in ends if end.contexts], axis=0)
    made: list[AbstractPath] = []
    for i, (*_, times) in enumerate(problem.pieces):
        noise = problem.sigma**2 * (times[1] - times[0])
        parts = [
            _parts(source, target, config.path.parts, noise, seed)
            for source, target in zip(laws[i], laws[i + 1])
        ]
        most = max(len(own.weights) for own in parts)
        paths = [
            path_along(
                _filled(own, most),
                source,
                target,
                times,
                problem.sigma,
                opening=config.path.opening,
                min_scale=floor,
                weights=config.path.weights,
            )
            for own, source, target in zip(parts, laws[i], laws[i + 1])
        ]
        counts = jnp.asarray(shares, jnp.zeros(()).dtype)
        made.append(Contextual.of_classes(Selected.of(paths), counts))
    return made


def _mixtures(
    end: End, units: Standardisation, config: EndsConfig, seed: int
) -> list[GaussianMixture]:
    """The law of every class in the model's units, all with as many parts."""
    assert end.contexts is not None
    assert end.points is not None
    points, found = units.to_model(end.points), []
    for number, name in enumerate(end.contexts.names):
        own = points[end.contexts.rows[:, number] > 0.5]
        if len(own) < 2 * end.dim:
            raise LiouvilleError(
                f"class {name!r} of {end.source} has {len(own)} rows to fit, but {2 * end.dim} are "
                "needed; give more, or leave the class out"
            )
        found.append(mixture_of(own, None, config, seed + number))
    return [with_parts(mixture, max(len(m.weights) for m in found)) for mixture in found]


def _parts(
    source: GaussianMixture, target: GaussianMixture, parts: int, noise: float, seed: int
) -> Parts:
    is_plain = all(len(end.weights) == 1 for end in (source, target))
    cut = None if is_plain else split_parts(source, target, parts, noise, seed=seed)
    return whole_parts(source, target) if cut is None else cut


def _filled(parts: Parts, most: int) -> Parts:
    """As many parts as are wanted: a part that is cut in two equal ones changes nothing."""
    origin, weights = list(range(len(parts.weights))), list(parts.weights)
    while len(weights) < most:
        heaviest = int(np.argmax(weights))
        weights[heaviest] *= 0.5
        weights.append(weights[heaviest])
        origin.append(origin[heaviest])
    own = np.array(origin)
    return Parts(
        parts.sources[own],
        parts.targets[own],
        np.array(weights),
        parts.means[:, own],
        parts.covariances[:, own],
    )


def _law(end: End, units: Standardisation, config: EndsConfig, seed: int) -> ConditionalMixture:
    """The law of an end given its numbers, in the model's units."""
    assert end.contexts is not None
    assert end.points is not None
    points, most = units.to_model(end.points), min(MOST_PARTS, config.most)
    return law_given(points, end.contexts.rows, parts=config.parts, most=most, seed=seed)
