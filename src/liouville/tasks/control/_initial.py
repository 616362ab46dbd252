r"""Where training starts: parts whose means already go around what is dear.

Each part is first a single curve, with a small cloud around it that feels the walls. From several
bent starts it is carried to a least action, and the least of these is kept: this is the choice
between the ways around an obstacle, which gradients of the whole path would never change.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from liouville.data import Standardisation
from liouville.diffusions.bridges import (
    opening_between,
    path_along,
    split_parts,
    whole_parts,
)
from liouville.diffusions.inertial import inertial_path
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.objectives import Potential, noise_matrix
from liouville.paths import Rescaled, function_in_model, path_in_user
from liouville.tasks.control.config import PathConfig
from liouville.tasks.control.problem import ControlProblem

Array = np.ndarray

_MODES, _DIRECTIONS = 8, 8
_MOMENTS = 96
OPENING = 0.1


def initial_path(problem: ControlProblem, config: PathConfig, *, seed: int = 0) -> Rescaled:
    """The path to start from, in the user's units; source and target are met exactly.

    Raises:
        LiouvilleError: if no way of finite cost is found.
    """
    assert problem.target is not None
    if problem.momenta:
        return _inertial(problem, config, seed)
    units = units_of(problem)
    noise = float(units.noise_to_model(noise_of(problem))[0])
    scale = 1.0 / units.scale
    source, target = (
        end.rescaled(-units.center * scale, scale) for end in (problem.source, problem.target)
    )
    leading = _leading(config, source, target)
    parts = None
    if leading == problem.dim:
        parts = split_parts(source, target, config.parts, noise**2, seed=seed)
    parts = whole_parts(source, target) if parts is None else parts
    potential = _potential(problem)
    bend = None
    assert config.opening is not None  # filled in by `resolve_choices`
    if potential is not None and config.bends > 0:
        # Half way a bridge has a quarter of the variance the noise adds.
        bend, actions = least_curves(
            parts.means,
            0.5 * config.spread * noise,
            function_in_model(potential, units, problem.horizon),
            noise,
            starts=config.bends,
            steps=config.bend_steps,
            seed=seed,
        )
        if not np.isfinite(actions).all():
            raise LiouvilleError(
                "no way of finite cost from the source to the target was found; look at the "
                "running costs between them"
            )
    inner = path_along(
        parts,
        source,
        target,
        (0.0, 1.0),
        noise,
        opening=config.opening,
        min_scale=config.min_scale,
        clock=np.linspace(0.0, 1.0, config.knots + 2)[1:-1].tolist(),
        bend=bend,
        leading=leading,
    )
    return path_in_user(inner, units)


def _inertial(problem: ControlProblem, config: PathConfig, seed: int) -> Rescaled:
    """The same if noise and control act on momenta alone."""
    assert problem.target is not None
    units, d = units_of(problem), problem.dim // 2
    scale = 1.0 / units.scale
    source, target = (
        end.rescaled(-units.center * scale, scale) for end in (problem.source, problem.target)
    )
    noise = np.asarray(problem.noise, float)[d:] * scale[d] * problem.horizon**0.5
    inner = inertial_path(
        source,
        target,
        noise,
        clock=np.linspace(0.0, 1.0, config.knots + 2)[1:-1].tolist(),
        min_scale=config.min_scale,
        bend=_bent(problem, config, units, noise, seed),
    )
    return path_in_user(inner, units)


def _bent(
    problem: ControlProblem, config: PathConfig, units: Standardisation, noise: Array, seed: int
) -> Callable[[Array], Callable[[float], Array]] | None:
    """How positions go around what is dear, of which the way is chosen at rest; none if nothing."""
    potential = _potential(problem)
    if potential is None or not config.bends:
        return None
    felt = function_in_model(potential, units, problem.horizon)
    reach = float(units.noise_to_model(noise_of(problem))[0])

    def bend(places: Array) -> Callable[[float], Array]:
        return least_curves(
            places,
            0.5 * config.spread * reach,
            lambda t, q: felt(t, jnp.concatenate([q, jnp.zeros_like(q)])),
            float(np.sqrt(np.mean(np.sum(noise**2, axis=1)))),
            is_inertial=True,
            starts=config.bends,
            steps=config.bend_steps,
            seed=seed,
        )[0]

    return bend


def _leading(config: PathConfig, *ends: GaussianMixture) -> int:
    """The coordinates in which parts have full covariances, as the ends allow it."""
    dim, r = ends[0].dim, config.leading
    if r >= dim:
        return dim
    beyond = [end.covariances[:, r:] * (1.0 - np.eye(dim)[r:]) for end in ends]
    return dim if any(block.any() for block in beyond) else r


def opening_of(problem: ControlProblem) -> float:
    """The share of the time in which parts leave the ends, less where one is narrow."""
    if problem.momenta or problem.target is None:
        return OPENING
    noise = noise_of(problem) ** 2 * problem.horizon
    return min(OPENING, opening_between(problem.source, problem.target, noise))


def units_of(problem: ControlProblem) -> Standardisation:
    """One length for all coordinates, from the ends and what the noise adds.

    Of momenta it is that of their positions over the horizon, and zero is rest.
    """
    d = problem.dim // 2 if problem.momenta else problem.dim
    means = np.stack([end.mean for end in problem.ends])
    within = float(np.mean([np.trace(end.covariance[:d, :d]) / d for end in problem.ends]))
    added = 0.25 * noise_of(problem) ** 2 * problem.horizon
    between = float(means[:, :d].var(axis=0).sum()) / d
    lengths = np.full(problem.dim, np.sqrt(within + added + between))
    center = means.mean(axis=0)
    lengths[d:] /= problem.horizon
    center[d:] = 0.0
    return Standardisation(center, lengths, 0.0, problem.horizon)


def noise_of(problem: ControlProblem) -> float:
    """One number for the noise: the root mean square over the coordinates at the source's mean.

    Of momenta it is the noise that would lead positions from rest to rest with the same effort.
    """
    if problem.momenta:
        own = np.asarray(problem.noise, float)[problem.dim // 2 :]
        return float(np.sqrt(np.mean(np.sum(own**2, axis=1)) / 12.0) * problem.horizon)
    if isinstance(problem.noise, float):
        return problem.noise
    mean = jnp.asarray(problem.source.mean, jnp.zeros(()).dtype)
    matrix = np.asarray(noise_matrix(problem.noise, jnp.zeros(()), mean), float)
    return float(np.sqrt(np.mean(np.sum(matrix**2, axis=1))))


def _potential(problem: ControlProblem) -> Callable | None:
    """All costs of the place together, weighted, or `None` if there are none."""
    costs = [
        (problem.weights.get(name, 1.0), _felt(cost, problem.dim))
        for name, cost in problem.costs.items()
        if isinstance(cost, Potential)
    ]
    if not costs:
        return None
    return lambda t, x: sum((w * cost(t, x) for w, cost in costs), jnp.zeros(()))


def _felt(cost: Potential, dim: int) -> Callable:
    """A cost of the place, averaged over a few directions if it is smoothed."""
    if not cost.smoothing:
        return cost.cost
    directions = jr.normal(jr.key(0), (_DIRECTIONS, dim))
    return lambda t, x: jax.vmap(lambda z: cost.around(t, x, z))(directions).mean()


def least_curves(
    means: Array,
    spread: float,
    potential: Callable[[jax.Array, jax.Array], jax.Array],
    sigma: float,
    *,
    starts: int,
    steps: int,
    seed: int = 0,
    is_inertial: bool = False,
) -> tuple[Callable[[float], Array], Array]:
    r"""Curves of least action $\int \tfrac12 |m'|^2/\sigma^2 + E\,V(t, m + r z)\,dt$ on $[0, 1]$.

    The `means` where they begin and end have the shape `(2, parts, dim)`; of the bent `starts` of
    each part the first is straight. Returns a function from a share of the time to how far the
    curves are from the straight line there, shape `(parts, dim)`, and the action of each, shape
    `(parts,)`. The speed $m'$ makes the action, or, of curves that run from rest to rest
    (`is_inertial`), the acceleration $m''$.
    """
    _, parts, dim = means.shape
    dtype = jnp.zeros(()).dtype
    length = float(np.sqrt(np.mean(np.sum((means[1] - means[0]) ** 2, axis=-1)))) + spread
    modes = np.arange(1, _MODES + 1)
    s = (np.arange(_MOMENTS) + 0.5) / _MOMENTS
    line, line_rate, shapes, rates = (
        jnp.asarray(a, dtype) for a in (_rests if is_inertial else _runs)(s, modes)
    )
    begin, end = (jnp.asarray(m, dtype) for m in means)
    clock = jnp.asarray(s, dtype)
    rays = float(np.sqrt(dim)) * spread * np.eye(dim)
    cloud = jnp.asarray(np.concatenate([np.zeros((1, dim)), rays, -rays]), dtype)

    def action(coefficients, first, last, factor):
        way = last - first
        place = first + line[:, None] * way + shapes @ coefficients
        speed = line_rate[:, None] * way + rates @ coefficients
        felt = jax.vmap(lambda t, x: jax.vmap(lambda y: potential(t, x + y))(cloud).mean())
        return jnp.mean(0.5 * jnp.sum(speed**2, -1) / sigma**2 + factor * felt(clock, place))

    def every(coefficients, factor):
        of_part = jax.vmap(action, in_axes=(0, 0, 0, None))
        return jax.vmap(of_part, in_axes=(0, None, None, None))(coefficients, begin, end, factor)

    @jax.jit
    def descend(coefficients, rate, least):
        # Every curve is a problem of its own, and some are much steeper than others.
        schedule = optax.cosine_decay_schedule(1.0, steps, alpha=0.03)
        optimizer = optax.adam(schedule)

        def step(carry, i):
            coefficients, state = carry
            factor = least ** jnp.maximum(0.0, 1.0 - 5.0 / 3.0 * i / steps)
            slope = jax.grad(lambda c: every(c, factor).sum())(coefficients)
            norm = jnp.sqrt(jnp.sum(slope**2, axis=(-2, -1), keepdims=True)) + 1e-12
            updates, state = optimizer.update(slope * jnp.minimum(1.0, 1e3 / norm), state)
            updates = jax.tree.map(lambda u: rate * u, updates)
            return (optax.apply_updates(coefficients, updates), state), None

        carry = (coefficients, optimizer.init(coefficients))
        (coefficients, _), _ = jax.lax.scan(step, carry, jnp.arange(steps))
        actions = every(coefficients, 1.0)
        return coefficients, jnp.where(jnp.isfinite(actions), actions, jnp.inf)

    bends = 0.3 * length * jr.normal(jr.key(seed), (starts, parts, _MODES, dim), dtype)
    bends = (bends / modes[:, None].astype(dtype)).at[0].multiply(0.02)
    found, actions = descend(bends, 0.03 * length, 1e-3)
    best = _best(found, actions)
    # What the best of all parts found is tried by the others, next to what they have.
    order = jnp.argsort(actions.min(axis=0))[jnp.arange(starts - 1) % parts]
    shared = jnp.repeat(best[order][:, None], parts, axis=1)
    found, actions = descend(jnp.concatenate([best[None], shared]), 0.01 * length, 1.0)
    chosen = np.asarray(_best(found, actions), float)

    def bend(share: float) -> Array:
        shape = (_rests if is_inertial else _runs)(np.array([share]), modes)[2][0]
        return np.einsum("m,pmd->pd", shape, chosen)

    return bend, np.asarray(actions.min(axis=0), float)


def _runs(s: Array, modes: Array) -> tuple[Array, ...]:
    """The share of a straight line at constant speed, bends from it, and the rates of both."""
    angle = np.pi * np.outer(s, modes)
    return s, np.ones_like(s), np.sin(angle) / modes, np.pi * np.cos(angle)


def _rests(s: Array, modes: Array) -> tuple[Array, ...]:
    r"""The same from rest to rest, and accelerations: bends are $\sin(\pi s)\sin(\pi k s)/k^2$."""
    line = s**2 * (3.0 - 2.0 * s)
    waves = [(np.pi * (modes + k), np.cos(np.pi * np.outer(s, modes + k))) for k in (-1, 1)]
    (slow, low), (fast, high) = waves
    bends, rates = 0.5 * (low - high), 0.5 * (fast**2 * high - slow**2 * low)
    return line, 6.0 - 12.0 * s, bends / modes**2, rates / modes**2


def _best(found: jax.Array, actions: jax.Array) -> jax.Array:
    """Of all starts of every part the one of least action."""
    return found[actions.argmin(axis=0), jnp.arange(found.shape[1])]
