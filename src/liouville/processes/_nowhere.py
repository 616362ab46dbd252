import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths import AbstractMarginal, AbstractPath
from liouville.processes._base import AbstractPlaces
from liouville.processes._history import History


class Nowhere(AbstractPlaces):
    """Events in time alone: a place has no coordinates, and the density one.

    Of events that have places it says nothing about them, as if all were at one.
    """

    def after(self, history: History) -> "NowherePath":
        """The same path whatever happened."""
        return NowherePath(jnp.zeros_like(history.origin))


class NowherePath(AbstractPath):
    """The density one of the only place; draws have the precision of `zero`."""

    zero: Scalar

    @property
    def dim(self) -> int:
        """None: zero."""
        return 0

    def at(self, t: Scalar) -> "NowhereMarginal":
        """The same at every time."""
        del t
        return NowhereMarginal(self.zero)


class NowhereMarginal(AbstractMarginal):
    """The density one of the only place."""

    zero: Scalar

    def log_density(self, x: Point) -> Scalar:
        """Zero."""
        del x
        return self.zero

    def velocity(self, x: Point) -> Point:
        """Zero."""
        return jnp.zeros_like(x)

    def sample(self, *, key: RandomKey) -> Point:
        """A place without coordinates."""
        del key
        return jnp.zeros((0,), self.zero.dtype)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """So many of them."""
        del key
        return jnp.zeros((n, 0), self.zero.dtype), jnp.full((n,), 1.0 / n, self.zero.dtype)
