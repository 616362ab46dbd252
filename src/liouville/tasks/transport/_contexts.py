"""Ends that depend on a context: the law of each given its class or numbers, and a path for all.

Of classes every end has a mixture for each, and every class parts of its own. Of numbers every end
has a mixture whose weights, means and scales are functions of them, fitted by their likelihood.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.data import Standardisation
from liouville.diffusions.bridges import Parts, path_along, split_parts, whole_parts
from liouville.errors import LiouvilleError
from liouville.numerics.expectation import fit_by_validation, fit_mixture
from liouville.numerics.mixtures import GaussianMixture, log_floor, with_parts
from liouville.numerics.networks import MLP
from liouville.numerics.parameters import Fixed
from liouville.objectives import ContextLikelihood
from liouville.paths import (
    AbstractPath,
    ConditionalBridge,
    ConditionalMixture,
    Contextual,
    Full,
    Joined,
    Selected,
)
from liouville.tasks.transport.config import EndsConfig, TransportConfig
from liouville.tasks.transport.ends import End, mixture_of
from liouville.tasks.transport.problem import Problem
from liouville.training import default_optimizer, fit

# Contexts of the rows that stand for all where no context is given.
_LISTED = 32
# Of a law of numbers: the most parts, units of its network, steps and batch of its fit.
_MOST_PARTS, _WIDTH, _STEPS, _BATCH = 4, 64, 2000, 512
# Rows kept apart, and how often they judge; so many times without progress end the fit.
_KEPT, _EVERY, _PATIENCE, _RATE = 0.15, 100, 6, 5e-3


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
        listed = _listed(ends, seed)
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
            shares = jnp.full(len(listed), -np.log(len(listed)), listed.dtype)
            made.append(Contextual(bridge, Fixed(listed), Fixed(shares)))
    return Joined(made, problem.times)


def _listed(ends: Sequence[End], seed: int) -> jax.Array:
    """Contexts that stand for those of all ends."""
    rows = np.concatenate([end.contexts.rows for end in ends if end.contexts is not None])
    chosen = np.random.default_rng(seed).permutation(len(rows))[:_LISTED]
    return jnp.asarray(rows[chosen], jnp.zeros(()).dtype)


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


# Numbers.


def _law(end: End, units: Standardisation, config: EndsConfig, seed: int) -> ConditionalMixture:
    """The law of an end given its numbers, in the model's units, by its likelihood.

    It is one Gaussian, and a mixture only if what this leaves has more than one part and rows that
    are kept apart agree.
    """
    assert end.contexts is not None
    assert end.points is not None
    order = np.random.default_rng(seed).permutation(len(end.points))
    points, rows = units.to_model(end.points)[order], end.contexts.rows[order]
    plain, nats = _trained(points, rows, config.parts or 1, seed)
    if config.parts is not None:
        return plain
    left = np.asarray(_whitened(plain, jnp.asarray(points), jnp.asarray(rows)), float)
    parts = len(fit_by_validation(left, most=min(_MOST_PARTS, config.most), seed=seed).weights)
    if parts == 1:
        return plain
    mixed, found = _trained(points, rows, parts, seed)
    return mixed if found < nats else plain


@eqx.filter_jit
def _whitened(law: ConditionalMixture, points: jax.Array, rows: jax.Array) -> jax.Array:
    """What the points are in the frames of the law of one part, shape `(n, dim)`."""

    def one(x: jax.Array, context: jax.Array) -> jax.Array:
        return law.given(context).at(jnp.zeros((), x.dtype)).frames.to_standard(x)[0]

    return jax.vmap(one)(points.astype(law.offset.dtype), rows.astype(law.offset.dtype))


def _trained(
    points: np.ndarray, rows: np.ndarray, parts: int, seed: int
) -> tuple[ConditionalMixture, float]:
    """A law of so many parts, and the nats of the rows that were kept apart."""
    dtype, kept = jnp.zeros(()).dtype, max(int(_KEPT * len(points)), 1)
    training, validation = (
        ContextLikelihood(
            time=jnp.zeros((), dtype),
            points=jnp.asarray(points[chosen], dtype),
            contexts=jnp.asarray(rows[chosen], dtype),
            batch_size=batch,
        )
        for chosen, batch in ((slice(kept, None), _BATCH), (slice(kept), None))
    )
    found = fit(
        _regression(points[kept:], rows[kept:], parts, seed),
        training,
        steps=_STEPS,
        optimizer=default_optimizer(_RATE, _STEPS),
        seed=seed,
        validation=validation,
        validate_every=_EVERY,
        patience=_PATIENCE,
        progress=False,
    )
    if found.reason == "interrupted":
        raise KeyboardInterrupt
    return found.path, float(validation(found.path, key=jr.key(0)))


def _regression(points: np.ndarray, rows: np.ndarray, parts: int, seed: int) -> ConditionalMixture:
    """A linear regression with a mixture for what is left."""
    center, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(rows)), (rows - center) / spread])
    lines = np.linalg.lstsq(design, points, rcond=None)[0]
    left = points - design @ lines
    rest = fit_mixture(left, parts=parts, seed=seed)
    k, d, size = len(rest.weights), points.shape[1], rows.shape[1]
    dtype = jnp.zeros(()).dtype
    scale = Full(log_floor(rest.covariances, 1e-3))
    raw = np.asarray(scale.from_covariance(jnp.asarray(rest.covariances, dtype)))
    means = rest.means + lines[0]
    slope = np.zeros((k + k * d + k * d * d, size))
    slope[k : k + k * d] = np.tile(lines[1:].T, (k, 1))
    offset = np.concatenate([np.log(rest.weights), means.ravel(), raw.ravel()])
    return ConditionalMixture(
        jnp.asarray(offset, dtype),
        jnp.asarray(slope, dtype),
        MLP(size, len(offset), width=_WIDTH, depth=2, key=jr.key(seed)),
        Fixed(jnp.asarray(center, dtype)),
        Fixed(jnp.asarray(spread, dtype)),
        k,
        d,
        scale,
    )
