from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.maps import AbstractMap, AbstractTransform, transform_and_rate
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath


class Pushforward(AbstractPath):
    r"""A path seen through a map that moves, $y = T(t, x)$ with $x$ from the base.

    $$\log\rho_t(y) = \log\rho^0_t(x) - \log|\det \partial T/\partial x|, \qquad
      u_t(y) = \partial_t T + \frac{\partial T}{\partial x} u^0_t(x), \qquad x = T^{-1}(t, y).$$

    A point of the base moves with $u^0$, so its image moves with the total derivative of
    $T(t, x_t)$; the images carry the mass of the points. The velocity takes one way back and one
    forward-mode product, in any dimension.

    Attributes:
        base: the path of $x$; often one at rest, such as `Normal`.
        map: the map $T$.

    Raises:
        ValueError: if base and map differ in dimension.
    """

    base: AbstractPath
    map: AbstractMap

    def __check_init__(self):
        if self.base.dim != self.map.dim:
            raise ValueError(
                f"the base has {self.base.dim} coordinates and the map {self.map.dim}; "
                "they must have the same number"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.base.dim

    def at(self, t: Scalar) -> "PushforwardMarginal":
        """The marginal at time `t` of shape `()`."""
        return PushforwardMarginal(self.base.at(t), *transform_and_rate(self.map, t))

    def branches(self) -> tuple[tuple[Scalar, AbstractPath], ...]:
        """The branches of the base, seen through the map."""
        return tuple((share, Pushforward(base, self.map)) for share, base in self.base.branches())


class PushforwardMarginal(AbstractMarginal):
    """A `Pushforward` at one time."""

    base: AbstractMarginal
    transform: AbstractTransform
    rate: AbstractTransform

    def log_density(self, x: Point) -> Scalar:
        """The base's log-density at the point the map brings here, less the log-determinant.

        Minus infinity where the map brings none (`liouville.maps.AbstractBounded`).
        """
        return self._carried(self.base.log_density, x)

    def velocity(self, x: Point) -> Point:
        """The rate of the map, plus the base's velocity carried by it."""
        origin, push = self.transform.inverse_and_push(self.rate, x)
        return push(self.base.velocity(origin))

    def growth(self, x: Point) -> Scalar:
        """The base's growth rate at the point the map brings here."""
        return self.base.growth(self.transform.inverse(x)[0])

    @property
    def log_mass(self) -> Scalar:
        """The mass of the base."""
        return self.base.log_mass

    def log_parts(self, x: Point) -> Float[Array, " parts"]:
        """The parts of the base, seen through the map."""
        return self._carried(self.base.log_parts, x)

    @property
    def log_part_masses(self) -> Float[Array, " parts"]:
        """The masses of the parts of the base."""
        return self.base.log_part_masses

    def sample(self, *, key: RandomKey) -> Point:
        """The image of one draw of the base."""
        return self.transform.forward(self.base.sample(key=key))[0]

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The images of the base's particles, with their weights."""
        points, weights = self.base.particles(n, key=key)
        return jax.vmap(lambda x: self.transform.forward(x)[0])(points), weights

    def _carried(self, log_density: Callable[[Point], Array], x: Point) -> Array:
        """A log-density of the base, or several, less the log-determinant of the map."""
        origin, log_det = self.transform.inverse(x)
        found = log_density(origin) - log_det
        # A constant, so that nothing outside has a gradient.
        return jnp.where(log_det == jnp.inf, -jnp.inf, found)
