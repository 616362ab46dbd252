from typing import Any

from liouville.curves import AbstractCurve, shape_of
from liouville.maps._base import AbstractMap, AbstractTransform, Push, push
from liouville.maps._scalars import AbstractScalarMap, AbstractScalars, Affine
from liouville.numerics.types import Point, Scalar


class Elementwise(AbstractMap):
    r"""Every coordinate by a function of its own, $y_i = f_i(t, x_i)$.

    Attributes:
        raw: curve of the unconstrained parameters, shape `(scalar.parameters, dim)`. The identity
            is zero, so a `liouville.curves.HardStarted` at zeros starts there.
        scalar: the kind of function.

    Raises:
        ValueError: on a curve of another shape.
    """

    raw: AbstractCurve
    scalar: AbstractScalarMap = Affine()

    def __check_init__(self):
        shape = shape_of(self.raw)
        if len(shape) != 2 or shape[0] != self.scalar.parameters:
            raise ValueError(
                f"raw parameters have shape {shape}; {type(self.scalar).__name__} needs "
                f"({self.scalar.parameters}, dim)"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return shape_of(self.raw)[1]

    def at(self, t: Scalar) -> "ElementwiseTransform":
        """The map at time `t` of shape `()`."""
        return ElementwiseTransform(self.scalar.of(self.raw(t)))


class ElementwiseTransform(AbstractTransform):
    """An `Elementwise` map at one time."""

    scalars: AbstractScalars

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        """The images, and the sum of the log-slopes."""
        y, log_slopes = self.scalars.forward(x)
        return y, log_slopes.sum()

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """The points, and the sum of the log-slopes."""
        x, log_slopes = self.scalars.inverse(y)
        return x, log_slopes.sum()

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        """The points, and how their velocity is carried."""
        x, _ = self.scalars.inverse(y)
        return x, push(self, rate, x)
