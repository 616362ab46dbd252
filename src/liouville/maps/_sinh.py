import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.maps._base import AbstractMap, AbstractTransform, Push
from liouville.numerics.types import Point, Scalar


class Sinh(AbstractMap):
    r"""$y_i = w_i \sinh(x_i / w_i)$: straight near zero, and with the tails of a power law.

    A density with exponential tails $e^{-\alpha |x|}$ becomes one with tails
    $|y|^{-\alpha w - 1}$, so that parts of moderate spread hold heavy tails and outliers.

    Attributes:
        width: the width $w$ of the straight stretch of each coordinate, `None` for a coordinate
            that stays as it is.

    Raises:
        ValueError: on a width that is not positive and finite.
    """

    width: tuple[float | None, ...] = eqx.field(static=True)

    def __init__(self, width: Sequence[float | None]):
        self.width = tuple(None if w is None else float(w) for w in width)
        for w in self.width:
            if w is not None and not (w > 0 and math.isfinite(w)):
                raise ValueError(f"a width is {w}; give a positive number, or None")

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return len(self.width)

    def at(self, t: Scalar) -> "SinhTransform":
        """The same map at every time."""
        del t
        return SinhTransform(self)


class SinhTransform(AbstractTransform):
    """A `Sinh` map, which is the same at all times."""

    map: Sinh

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        """The images, and the sum of the log-slopes."""
        width, is_free = self._constants(x)
        share = jnp.where(is_free, 0.0, x / width)
        y = jnp.where(is_free, x, width * jnp.sinh(share))
        return y, _log_cosh(share).sum()

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """The points, and the sum of the log-slopes."""
        x, log_slopes = self._back(y)
        return x, log_slopes.sum()

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        """The points, and their velocity times the slopes."""
        del rate
        x, log_slopes = self._back(y)
        return x, lambda v: jnp.exp(log_slopes) * v

    def _back(self, y: Point) -> tuple[Point, Float[Array, " dim"]]:
        width, is_free = self._constants(y)
        share = jnp.arcsinh(jnp.where(is_free, 0.0, y / width))
        return jnp.where(is_free, y, width * share), _log_cosh(share)

    def _constants(self, like: Point) -> tuple[np.ndarray, np.ndarray]:
        """Widths (one where there is none), and who is free."""
        is_free = np.array([w is None for w in self.map.width])
        width = np.array([1.0 if w is None else w for w in self.map.width], like.dtype)
        return width, is_free


def _log_cosh(x: Float[Array, " dim"]) -> Float[Array, " dim"]:
    return jnp.logaddexp(x, -x) - math.log(2.0)
