import abc

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.nn import softplus
from jaxtyping import Array, Float

from liouville._types import RandomKey

_HALF_LOG_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))


class AbstractFamily(eqx.Module):
    """A symmetric standard density on the line; parts are built from it by location and scale."""

    @abc.abstractmethod
    def log_density(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The log-density of each standardised coordinate, same shape as `z`."""

    @abc.abstractmethod
    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        """Independent draws of the given shape."""

    @property
    @abc.abstractmethod
    def is_rotation_invariant(self) -> bool:
        """Whether the product of copies of the density looks the same from all directions."""


class Gaussian(AbstractFamily):
    r"""The standard normal density, $-z^2/2 - \log\sqrt{2\pi}$."""

    def log_density(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The log-density of each coordinate."""
        return -0.5 * z * z - _HALF_LOG_TWO_PI

    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        """Independent standard normal draws."""
        return jr.normal(key, shape)

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

    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        """Independent standard logistic draws."""
        return jr.logistic(key, shape, dtype=jnp.zeros(()).dtype)

    @property
    def is_rotation_invariant(self) -> bool:
        """No: the product of logistic densities prefers the axes."""
        return False
