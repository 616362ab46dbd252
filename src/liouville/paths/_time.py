import equinox as eqx
import jax.numpy as jnp

from liouville.curves import AbstractCurve, value_and_rate
from liouville.numerics.types import Point, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath, AbstractRedirected


class TimeChange(AbstractPath):
    r"""A path run by another clock: density $\rho_{\tau(t)}$, velocity $\tau'(t)\, u_{\tau(t)}$.

    Attributes:
        path: the path.
        clock: curve $\tau$ of shape `()`.
    """

    path: AbstractPath
    clock: AbstractCurve

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.path.dim

    def at(self, t: Scalar) -> "Retimed":
        """The marginal at time `t` of shape `()`."""
        time, pace = value_and_rate(self.clock, t)
        return Retimed(self.path.at(time), pace)


class Reversed(AbstractPath):
    r"""A path run backwards on $[t_0, t_1]$: $\rho_{t_0 + t_1 - t}$, velocity $-u$.

    Attributes:
        path: the path.
        interval: $(t_0, t_1)$.
    """

    path: AbstractPath
    interval: tuple[float, float] = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.path.dim

    def at(self, t: Scalar) -> "Retimed":
        """The marginal at time `t` of shape `()`."""
        start, end = self.interval
        # Counted from the nearer end, so that each end is mapped to the other to the bit.
        mirrored = jnp.where(t - start < end - t, end - (t - start), start + (end - t))
        return Retimed(self.path.at(mirrored), -jnp.ones_like(t))


class Retimed(AbstractRedirected):
    """A marginal whose velocity and growth are multiplied by the pace of the clock."""

    marginal: AbstractMarginal
    pace: Scalar

    def velocity(self, x: Point) -> Point:
        """The velocity of the path times the pace."""
        return self.pace * self.marginal.velocity(x)

    def growth(self, x: Point) -> Scalar:
        """The growth rate of the path times the pace."""
        return self.pace * self.marginal.growth(x)
