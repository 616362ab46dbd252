import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.curves import gate_value
from liouville.numerics.networks import SpaceTimeNetwork
from liouville.numerics.types import Point, Scalar


class AbstractGaugeField(eqx.Module):
    """A gauge at one time."""

    @abc.abstractmethod
    def velocity(self, x: Point, score: Point) -> Point:
        r"""The velocity $\operatorname{div} B + B \nabla\log\rho$ at one point.

        Args:
            x: point, shape `(dim,)`.
            score: $\nabla\log\rho(x)$ of the density to be kept, shape `(dim,)`.
        """


class AbstractGauge(eqx.Module):
    """An antisymmetric field $B(t, x)$; `at(t)` does the work that depends on time alone."""

    @abc.abstractmethod
    def at(self, t: Scalar) -> AbstractGaugeField:
        """The gauge at time `t` of shape `()`."""


class Potentials(eqx.Module):
    r"""The scalar fields $\phi_r(t, x)$ of a gauge: a network, zero at first, gated if wanted."""

    network: SpaceTimeNetwork
    interval: tuple[float, float] = eqx.field(static=True)
    gated: bool = eqx.field(static=True)

    def at(self, t: Scalar) -> Callable[[Point], Float[Array, " potentials"]]:
        """The fields at one time, as a function from `(dim,)` to `(potentials,)`."""
        start, end = self.interval
        network = self.network.at((t - start) / (end - start))
        gate = 4.0 * gate_value(self.interval, t, "smooth") if self.gated else jnp.ones_like(t)
        return jax.tree_util.Partial(lambda net, g, x: g * net(x), network, gate)


def twist(
    potentials: Callable[[Point], Float[Array, " potentials"]], x: Point, score: Point
) -> Float[Array, "potentials dim"]:
    r"""The vectors $\nabla\phi_r + \phi_r \nabla\log\rho$ that the generators rotate."""
    values = potentials(x)
    return jax.jacrev(potentials)(x) + values[:, None] * score[None, :]
