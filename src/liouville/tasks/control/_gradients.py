"""Costs that have no gradient, such as indicators, get one before anything is trained."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.objectives import Potential
from liouville.tasks.control._initial import noise_of
from liouville.tasks.control.problem import ControlProblem

# Places on the ways from the source to the target at which costs are asked for values and slopes.
_TIMES, _PLACES = 9, 512
# The length of the smoothing, in standard deviations of a bridge half way.
_SHARE = 0.2


def with_gradients(problem: ControlProblem) -> ControlProblem:
    """The problem whose costs of the place that vary without ever a slope are smoothed.

    The slope of an indicator is zero wherever it is asked, so training would not see it.
    """
    flat = {n: c for n, c in problem.costs.items() if isinstance(c, Potential) and not c.smoothing}
    if not flat:
        return problem
    noise = noise_of(problem) * problem.horizon**0.5
    times, places = _ways(problem, noise)
    length = float(0.5 * _SHARE * noise)
    smoothed = {
        name: Potential(cost.cost, length)
        for name, cost in flat.items()
        if _has_no_slope(cost, times, places)
    }
    return dataclasses.replace(problem, costs={**problem.costs, **smoothed})


def smoothed_costs(problem: ControlProblem) -> dict[str, float]:
    """The lengths over which costs are smoothed in training, by name."""
    costs = problem.costs.items()
    return {n: c.smoothing for n, c in costs if isinstance(c, Potential) and c.smoothing}


def _has_no_slope(cost: Potential, times: jax.Array, places: jax.Array) -> bool:
    def of_time(t, x):
        return jax.vmap(jax.value_and_grad(lambda x: cost.cost(t, x)))(x)

    values, slopes = jax.jit(jax.vmap(of_time))(times, places)
    return bool(np.ptp(np.asarray(values)) > 0.0) and not np.asarray(slopes).any()


def _ways(problem: ControlProblem, noise: float) -> tuple[jax.Array, jax.Array]:
    """Times, and places of free bridges at each, shape `(times, places, dim)`."""
    shares = np.linspace(0.0, 1.0, _TIMES)
    first = problem.source.sample(_PLACES, seed=0)[0]
    last = (problem.target or problem.source).sample(_PLACES, seed=1)[0]
    dtype = jnp.zeros(()).dtype
    drift = np.multiply.outer(1.0 - shares, first) + np.multiply.outer(shares, last)
    # A free end spreads as the noise does; about a bridge twice its spread is looked at.
    spread = noise * np.sqrt(shares if problem.target is None else 4.0 * shares * (1.0 - shares))
    z = jr.normal(jr.key(0), (_TIMES, _PLACES, problem.dim), dtype)
    places = jnp.asarray(drift, dtype) + jnp.asarray(spread, dtype)[:, None, None] * z
    return jnp.asarray(shares * problem.horizon, dtype), places
