from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.data import Standardisation
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath


class Rescaled(AbstractPath):
    r"""A path seen in other units: $x = c + \ell z$ at the time $t = t_0 + \tau s$.

    $$\rho_t(x) = \prod_i \ell_i^{-1}\, \rho_s(z), \qquad u_t(x) = \ell\, u_s(z) / \tau.$$

    Learning happens in units in which everything is about one, and costs are paid in the user's.

    Attributes:
        path: the path of $z$ and $s$.
        center: $c$, shape `(dim,)`, fixed.
        scale: $\ell$, positive, shape `(dim,)`, fixed.
        origin: $t_0$.
        duration: $\tau$, positive.
    """

    path: AbstractPath
    center: Fixed[Float[Array, " dim"]]
    scale: Fixed[Float[Array, " dim"]]
    origin: float = eqx.field(static=True, default=0.0)
    duration: float = eqx.field(static=True, default=1.0)

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.path.dim

    @property
    def units(self) -> Standardisation:
        """The units of `path`, of which this is `path_in_user`."""
        center, scale = (np.asarray(part.value, float) for part in (self.center, self.scale))
        return Standardisation(center, scale, self.origin, self.duration)

    def at(self, t: Scalar) -> "RescaledMarginal":
        """The marginal at time `t` of shape `()`."""
        inner = self.path.at((t - self.origin) / self.duration)
        return RescaledMarginal(inner, self.center.value, self.scale.value, self.duration)


def path_in_user(path: AbstractPath, units: Standardisation) -> Rescaled:
    """A path of the model's units in the user's; `Rescaled.path` and `Rescaled.units` undo it."""
    dtype = jnp.zeros(()).dtype
    center, scale = (Fixed(jnp.asarray(part, dtype)) for part in (units.center, units.scale))
    return Rescaled(path, center, scale, units.time_origin, units.time_scale)


def function_in_model(function: Callable, units: Standardisation, factor: float = 1.0) -> Callable:
    """A function of time and place in the user's units as one of the model's, times a factor.

    Args:
        function: from a time of shape `()` and a point of shape `(dim,)` to an array.
        units: the map between both.
        factor: the model's unit of the values per the user's.
    """
    center, scale = jnp.asarray(units.center), jnp.asarray(units.scale)
    origin, duration = units.time_origin, units.time_scale
    return lambda t, x: factor * function(origin + duration * t, center + scale * x)


class RescaledMarginal(AbstractMarginal):
    """A `Rescaled` path at one time."""

    marginal: AbstractMarginal
    center: Float[Array, " dim"]
    scale: Float[Array, " dim"]
    duration: float = eqx.field(static=True)

    def log_density(self, x: Point) -> Scalar:
        r"""$\log\rho_s(z) - \sum_i \log\ell_i$."""
        return self.marginal.log_density(self._inner(x)) - jnp.sum(jnp.log(self.scale))

    def velocity(self, x: Point) -> Point:
        r"""$\ell\, u_s(z) / \tau$."""
        return self.scale * self.marginal.velocity(self._inner(x)) / self.duration

    def growth(self, x: Point) -> Scalar:
        r"""$h_s(z) / \tau$."""
        return self.marginal.growth(self._inner(x)) / self.duration

    @property
    def log_mass(self) -> Scalar:
        """The mass, which has no unit of space or time."""
        return self.marginal.log_mass

    def log_parts(self, x: Point) -> Float[Array, " parts"]:
        """The parts in the other units."""
        return self.marginal.log_parts(self._inner(x)) - jnp.sum(jnp.log(self.scale))

    @property
    def log_part_masses(self) -> Float[Array, " parts"]:
        """Their masses, which have no unit of space or time."""
        return self.marginal.log_part_masses

    def sample(self, *, key: RandomKey) -> Point:
        """One draw."""
        return self._outer(self.marginal.sample(key=key))

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The particles of the path in the other units."""
        points, weights = self.marginal.particles(n, key=key)
        return jax.vmap(self._outer)(points), weights

    def _inner(self, x: Point) -> Point:
        return (x - self.center) / self.scale

    def _outer(self, z: Point) -> Point:
        return self.center + self.scale * z
