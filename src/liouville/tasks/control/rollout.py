"""What a control costs on fresh noise: simulated once, after training, to check it."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.objectives import Interaction, Noise, control_at, drift_among, noise_matrix
from liouville.paths import AbstractMarginal, AbstractPath
from liouville.tasks.control.problem import ControlProblem

# So many numbers of places are kept, 1 GB in single precision, and so many are made of pairs.
_KEPT, _PAIRED = 2**28, 2**24


class Rollout(NamedTuple):
    """Simulated trajectories and what they pay."""

    times: Float[Array, " moments"]  # at which places were kept, equally spaced
    points: Float[Array, "moments n dim"]  # where everybody is then
    rates: Float[Array, "steps costs"]  # each running cost at the start of each step
    inside: Float[Array, " steps"]  # the share of the population inside an obstacle then


def equal_particles(points: Points) -> tuple[Points, Float[Array, " n"]]:
    """Points as particles of the same weight each."""
    count = points.shape[0]
    return points, jnp.full((count,), 1.0 / count, points.dtype)


class AbstractCrowd(AbstractMarginal):
    """A marginal whose particles are given points."""

    points: eqx.AbstractVar[Points]

    def sample(self, *, key: RandomKey) -> Point:
        """One of the points."""
        return jr.choice(key, self.points)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The points."""
        del n, key
        return equal_particles(self.points)


class _Met(AbstractCrowd):
    """The density of a path with the points of a rollout, so that pairs are pairs of it."""

    marginal: AbstractMarginal
    points: Points

    def log_density(self, x: Point) -> Scalar:
        """That of the path."""
        return self.marginal.log_density(x)

    def velocity(self, x: Point) -> Point:
        """That of the path."""
        return self.marginal.velocity(x)


@eqx.filter_jit
def roll_out(
    path: AbstractPath, problem: ControlProblem, x0: Points, *, steps: int = 1000, key: RandomKey
) -> Rollout:
    r"""Euler-Maruyama for the controlled process, and every cost along it.

    The noise is that of the problem and the control $c(t, x)$ that of the path. The density that
    costs ask for is the path's own. Pairs are pairs of different trajectories: costs are
    averaged over the first half of them, and the second half is whom they meet, or less of both
    where these are too many. A drift that depends on the law meets all trajectories. The path is in
    the user's units, `x0` an even number of draws of the start, shape `(n, dim)`. Places are kept
    of all times, or of as many equally spaced ones as 1 GB holds.
    """
    sigma, drift = problem.noise, problem.motion
    costs = problem.exact().costs
    half, h = x0.shape[0] // 2, problem.horizon / steps
    few = min(half, int((_PAIRED / x0.shape[1]) ** 0.5))

    def step(x, i):
        t = jnp.asarray(i * h, x.dtype)
        step_key = jr.fold_in(key, i)
        marginal = path.at(t)
        # A mean field meets the trajectories themselves.
        field = drift_among(drift, *equal_particles(x))
        controls = jax.vmap(lambda y: control_at(t, marginal, y, sigma, field))(x)
        effort = 0.5 * jnp.mean(jnp.sum(controls**2, axis=-1))

        def paid(cost, key):
            among = few if isinstance(cost, Interaction) else half
            crowd = _Met(marginal=marginal, points=x[half : half + among])
            return cost(t, crowd, *equal_particles(x[:among]), key=key)

        others = [paid(c, jr.fold_in(step_key, n)) for n, c in enumerate(costs.values())]
        hit = jnp.mean(jax.vmap(partial(_depth(problem), t))(x) > 0.0)
        noise = jr.normal(jr.fold_in(step_key, 1 + len(costs)), controls.shape, x.dtype)
        kick = h * controls + jnp.sqrt(jnp.asarray(h, x.dtype)) * noise
        moved = x + jax.vmap(lambda y, k: _noise(sigma, t, y, k))(x, kick)
        if field is not None:
            moved = moved + h * jax.vmap(partial(field, t))(x)
        return moved, (jnp.stack([effort, *others]), hit)

    def steps_between(x, numbers):
        moved, paid = jax.lax.scan(step, x, numbers)
        return moved, (x, paid)

    apart = _stride(steps, x0.size)
    numbers = jnp.arange(steps).reshape(-1, apart)
    last, (points, (rates, hits)) = jax.lax.scan(steps_between, x0, numbers)
    times = jnp.linspace(0.0, problem.horizon, steps // apart + 1).astype(x0.dtype)
    rates, hits = rates.reshape(steps, -1), hits.reshape(steps)
    return Rollout(times, jnp.concatenate([points, last[None]]), rates, hits)


def _stride(steps: int, size: int) -> int:
    """Of how many steps the places are kept once: the fewest that divide all of them."""
    most = max(1, _KEPT // size - 1)
    return next(k for k in range(1, steps + 1) if steps % k == 0 and steps // k <= most)


def _depth(problem: ControlProblem) -> Callable[[Scalar, Point], Scalar]:
    return problem.obstacle or (lambda t, x: jnp.full((), -1.0, x.dtype))


def _noise(sigma: Noise, t: Scalar, x: Point, z: Point) -> Point:
    if isinstance(sigma, float):
        return sigma * z
    return noise_matrix(sigma, t, x) @ z
