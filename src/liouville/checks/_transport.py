"""Transport of the density along the trajectories of its velocity."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from liouville.checks._equations import value_and_trace
from liouville.checks._report import Report, report_of
from liouville.dynamics import runge_kutta_step
from liouville.numerics.types import RandomKey
from liouville.paths import AbstractPath


def transport(
    path: AbstractPath,
    interval: tuple[float, float],
    *,
    n: int = 256,
    steps: int = 200,
    key: RandomKey,
) -> Report:
    r"""Measures whether the velocity transports the density along its trajectories.

    Points start as samples of $\rho_{t_0}$ and follow $\dot x = u$; the density of mass along the
    way must follow $\tfrac{d}{dt}\log(M_t\rho_t(x_t)) = h - \nabla\cdot u$ (instantaneous change of
    variables), trajectory by trajectory.

    Args:
        path: the path.
        interval: $(t_0, t_1)$.
        n: the number of trajectories.
        steps: steps of the classical Runge-Kutta method.
        key: random key of the starting points.

    Returns:
        The median defect of $\log(M_{t_1}\rho_{t_1}(x_{t_1}))$, in nats.
    """
    ends = jnp.asarray(interval, jnp.zeros(()).dtype)
    values = _density_defects(path, ends, steps, jr.split(key, n))
    detail = f"nats lost along {n} trajectories over {interval[0]:.3g} to {interval[1]:.3g}"
    return report_of("transport", float(jnp.median(values)), detail, values)


@eqx.filter_jit
def _density_defects(
    path: AbstractPath, ends: Float[Array, "2"], steps: int, keys: Key[Array, " n"]
) -> Float[Array, " n"]:
    start, h = ends[0], (ends[1] - ends[0]) / steps

    def slope(t, state):
        x, _ = state
        marginal = path.at(t)
        velocity, trace = jax.vmap(lambda y: value_and_trace(marginal.velocity, y))(x)
        return velocity, jax.vmap(marginal.growth)(x) - trace

    def step(state, i):
        return runge_kutta_step(slope, start + i * h, state, h), None

    first = path.at(start)
    x = jax.vmap(lambda k: first.sample(key=k))(keys)
    last = path.at(ends[1])
    state = (x, jax.vmap(first.log_density)(x) + first.log_mass)
    (x, carried), _ = jax.lax.scan(step, state, jnp.arange(steps))
    return jnp.abs(jax.vmap(last.log_density)(x) + last.log_mass - carried)
