import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath

_HALF_LOG_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))


class Normal(AbstractPath):
    r"""The standard normal density at rest, $\rho = N(0, I)$ and $u = 0$: a base to push forward.

    Nothing in it is learned.

    Attributes:
        size: the number of coordinates.

    Raises:
        ValueError: on a dimension below one.
    """

    size: int = eqx.field(static=True)

    def __check_init__(self):
        if self.size < 1:
            raise ValueError(f"a normal density of {self.size} coordinates; give one or more")

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.size

    def at(self, t: Scalar) -> "NormalMarginal":
        """The same marginal at every time, in the precision of `t`."""
        return NormalMarginal(jnp.zeros_like(t), self.size)


class NormalMarginal(AbstractMarginal):
    """A `Normal` at one time; draws have the precision of `zero`."""

    zero: Scalar
    size: int = eqx.field(static=True)

    def log_density(self, x: Point) -> Scalar:
        r"""$-\tfrac12 |x|^2 - \tfrac d2 \log 2\pi$."""
        return -0.5 * (x @ x) - self.size * _HALF_LOG_TWO_PI

    def velocity(self, x: Point) -> Point:
        """Zero."""
        return jnp.zeros_like(x)

    def sample(self, *, key: RandomKey) -> Point:
        """One draw."""
        return jr.normal(key, (self.size,), self.zero.dtype)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """Points and their mirror images, of equal weight: exact for odd moments."""
        half = jr.normal(key, (-(-n // 2), self.size), self.zero.dtype)
        points = jnp.concatenate([half, -half])[:n]
        return points, jnp.full((n,), 1.0 / n, self.zero.dtype)
