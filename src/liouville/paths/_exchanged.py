import jax

from liouville.gauges import Exchange, ExchangeField
from liouville.numerics.types import Point, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath, AbstractRedirected


class Exchanged(AbstractPath):
    r"""A path that moves where it grew, or grows where it moved: the same density and mass.

    $$u \mapsto u + w, \qquad h \mapsto h + \nabla\cdot w + w\cdot\nabla\log\rho.$$

    Attributes:
        path: the path.
        exchange: the field $w(t, x)$.
    """

    path: AbstractPath
    exchange: Exchange

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.path.dim

    def at(self, t: Scalar) -> "ExchangedMarginal":
        """The marginal at time `t` of shape `()`."""
        return ExchangedMarginal(self.path.at(t), self.exchange.at(t))

    def branches(self) -> tuple[tuple[Scalar, AbstractPath], ...]:
        """The branches of the path, whose density the exchange leaves as it is."""
        return self.path.branches()


class ExchangedMarginal(AbstractRedirected):
    """An `Exchanged` path at one time."""

    marginal: AbstractMarginal
    field: ExchangeField

    def velocity(self, x: Point) -> Point:
        """The velocity of the path plus $w$."""
        return self.marginal.velocity(x) + self.field.velocity(x)

    def growth(self, x: Point) -> Scalar:
        r"""The growth rate of the path plus $\nabla\cdot w + w\cdot\nabla\log\rho$."""
        score = jax.grad(self.marginal.log_density)(x)
        return self.marginal.growth(x) + self.field.growth(x, score)
