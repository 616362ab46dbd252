from jaxtyping import Array, Float

from liouville.curves._base import AbstractCurve
from liouville.numerics.types import Scalar


class Constant(AbstractCurve):
    r"""A curve that does not move: $\theta(t) = \theta$, with $\theta$ learned.

    Attributes:
        value: the value, any shape.
    """

    value: Float[Array, "..."]

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value, whatever the time."""
        del t
        return self.value
