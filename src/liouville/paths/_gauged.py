import jax

from liouville.gauges import AbstractGauge, AbstractGaugeField
from liouville.numerics.types import Point, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath, AbstractRedirected


class Gauged(AbstractPath):
    r"""A path with a divergence-free flux added: the same density, another way to get there.

    $$u \mapsto u + \operatorname{div} B + B \nabla\log\rho, \qquad B^\top = -B.$$

    Minimising the kinetic energy over the gauge projects the velocity on the gradient fields
    (Hodge): the remaining energy is what the density alone costs.

    Attributes:
        path: the path.
        gauge: the antisymmetric field $B(t, x)$.
    """

    path: AbstractPath
    gauge: AbstractGauge

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.path.dim

    def at(self, t: Scalar) -> "GaugedMarginal":
        """The marginal at time `t` of shape `()`."""
        return GaugedMarginal(self.path.at(t), self.gauge.at(t))

    def branches(self) -> tuple[tuple[Scalar, AbstractPath], ...]:
        """The branches of the path, whose density the gauge leaves as it is."""
        return self.path.branches()


class GaugedMarginal(AbstractRedirected):
    """A `Gauged` path at one time."""

    marginal: AbstractMarginal
    field: AbstractGaugeField

    def velocity(self, x: Point) -> Point:
        """The velocity of the path plus that of the gauge."""
        score = jax.grad(self.marginal.log_density)(x)
        return self.marginal.velocity(x) + self.field.velocity(x, score)

    def growth(self, x: Point) -> Scalar:
        """The growth rate, untouched by the gauge."""
        return self.marginal.growth(x)
