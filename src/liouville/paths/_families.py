import abc

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.nn import log_sigmoid, softplus
from jaxtyping import Array, Float, Int

from liouville.numerics.special import log_mills, log_ndtr
from liouville.numerics.types import RandomKey

_HALF_LOG_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))


class AbstractShape(eqx.Module):
    """The standard density of a point; parts are built from it by location and scale.

    Numbers of its own have the parts as their leading axis, so points come as `(..., parts, dim)`.
    """

    @abc.abstractmethod
    def log_joint(self, z: Float[Array, "*n dim"]) -> Float[Array, "*n"]:
        """The log-density of points, their coordinates along the last axis."""

    def log_radial(self, squares: Float[Array, "*n"], dim: int) -> Float[Array, "*n"]:
        r"""The log-density of points of `dim` coordinates by $|z|^2$, if it knows no direction."""
        raise TypeError(f"{type(self).__name__} parts do not look the same from all directions")

    @abc.abstractmethod
    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        """Independent draws of the given shape, the coordinates of a point along the last axis."""

    def of_part(self, part: Int[Array, ""]) -> "AbstractShape":
        """The shape of one part alone, whose number may be traced: the same for all by default."""
        del part
        return self

    @property
    @abc.abstractmethod
    def is_symmetric(self) -> bool:
        """Whether $p(-z) = p(z)$: then draws are mirrored, which costs nothing."""

    @property
    @abc.abstractmethod
    def is_rotation_invariant(self) -> bool:
        """Whether the density looks the same from all directions."""


class AbstractFamily(AbstractShape):
    r"""A shape of independent coordinates, by a standard density $p$ on the line.

    A family of one's own needs a density and the two tails of its distribution function in closed
    form. All methods work on arrays of any shape, element by element.
    """

    def log_joint(self, z: Float[Array, "*n dim"]) -> Float[Array, "*n"]:
        r"""$\sum_i \log p(z_i)$."""
        return self.log_density(z).sum(-1)

    @abc.abstractmethod
    def log_density(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$\log p(z)$."""

    @abc.abstractmethod
    def log_tails(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""$\log F(z)$ and $\log(1 - F(z))$."""

    @abc.abstractmethod
    def log_mills(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""$\log(F(z)/p(z))$ and $\log((1 - F(z))/p(z))$.

        Each is used in its own tail, where a difference of the logarithms may lose all digits;
        where it does not, `log_tails` minus `log_density` will do.
        """


class Gaussian(AbstractFamily):
    r"""The standard normal density, $-z^2/2 - \log\sqrt{2\pi}$."""

    def log_density(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The log-density of each coordinate."""
        return -0.5 * z * z - _HALF_LOG_TWO_PI

    def log_radial(self, squares: Float[Array, "*n"], dim: int) -> Float[Array, "*n"]:
        """The log-density by the squared norm."""
        return -0.5 * squares - dim * _HALF_LOG_TWO_PI

    def log_tails(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The logarithms of the distribution function and of its complement."""
        return log_ndtr(z), log_ndtr(-z)

    def log_mills(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The logarithms of Mills' ratios of both tails."""
        return log_mills(z), log_mills(-z)

    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        """Independent standard normal draws."""
        return jr.normal(key, shape)

    @property
    def is_symmetric(self) -> bool:
        """Yes."""
        return True

    @property
    def is_rotation_invariant(self) -> bool:
        """Yes."""
        return True


class Logistic(AbstractFamily):
    r"""The logistic density, $-|z| - 2\log(1 + e^{-|z|})$: heavier tails, variance $\pi^2/3$."""

    def log_density(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The log-density of each coordinate."""
        # The textbook form -z - 2 softplus(-z): smooth at zero, unlike its form in |z|, and
        # finite for every z because softplus is.
        return -z - 2.0 * softplus(-z)

    def log_tails(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The logarithms of the distribution function and of its complement."""
        return log_sigmoid(z), log_sigmoid(-z)

    def log_mills(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""$-\log(1 - F)$ and $-\log F$, because $p = F(1 - F)$."""
        return softplus(z), softplus(-z)

    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        """Independent standard logistic draws."""
        return jr.logistic(key, shape, dtype=jnp.zeros(()).dtype)

    @property
    def is_symmetric(self) -> bool:
        """Yes."""
        return True

    @property
    def is_rotation_invariant(self) -> bool:
        """No: the product of logistic densities prefers the axes."""
        return False
