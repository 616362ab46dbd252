import abc
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import log_sigmoid, softplus
from jaxtyping import Array, Bool, Float

from liouville.maps._base import AbstractMap, AbstractTransform, Push
from liouville.numerics.types import Point, Scalar

Values = Float[Array, " dim"]
Bound = float | None


class AbstractBounded(AbstractMap):
    r"""A map of each coordinate from the line onto an open interval, the same at all times.

    With an increasing function $f$ of the line onto $(0, \infty)$ or $(0, 1)$, $y = l + w f(x)$;
    a coordinate without bounds stays as it is. A density pushed through it has all its mass on the
    support. Points outside have no origin: there the log-density of a
    `liouville.paths.Pushforward` is minus infinity, and its velocity and gradients are zero.
    """

    @property
    @abc.abstractmethod
    def bounds(self) -> tuple[tuple[float, float] | None, ...]:
        """The support of each coordinate, none for the line; upper bounds may be infinite."""

    @abc.abstractmethod
    def onto(self, x: Values) -> tuple[Values, Values]:
        r"""$f(x)$ and $\log f'(x)$."""

    @abc.abstractmethod
    def back(self, u: Values, rest: Values) -> tuple[Values, Values]:
        r"""$x = f^{-1}(u)$ and $\log f'(x)$; `rest` is $1 - u$ if that is the other bound."""

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return len(self.bounds)

    def at(self, t: Scalar) -> "BoundedTransform":
        """The same map at every time."""
        del t
        return BoundedTransform(self)


class Exp(AbstractBounded):
    r"""$y = l + e^x$: a normal density becomes a log-normal one, with a long tail to the right.

    Attributes:
        low: the bound $l$ of each coordinate, `None` where there is none.
    """

    low: tuple[Bound, ...] = eqx.field(static=True, converter=tuple)

    @property
    def bounds(self) -> tuple[tuple[float, float] | None, ...]:
        """From each lower bound to infinity."""
        return _half_lines(self.low)

    def onto(self, x: Values) -> tuple[Values, Values]:
        """$e^x$ and $x$."""
        return jnp.exp(x), x

    def back(self, u: Values, rest: Values) -> tuple[Values, Values]:
        r"""$\log u$, twice."""
        del rest
        return jnp.log(u), jnp.log(u)


class Softplus(AbstractBounded):
    r"""$y = l + \log(1 + e^x)$: near the bound as `Exp`, far from it as the base.

    Attributes:
        low: the bound $l$ of each coordinate, `None` where there is none.
    """

    low: tuple[Bound, ...] = eqx.field(static=True, converter=tuple)

    @property
    def bounds(self) -> tuple[tuple[float, float] | None, ...]:
        """From each lower bound to infinity."""
        return _half_lines(self.low)

    def onto(self, x: Values) -> tuple[Values, Values]:
        r"""$\log(1 + e^x)$ and $-\log(1 + e^{-x})$."""
        return softplus(x), log_sigmoid(x)

    def back(self, u: Values, rest: Values) -> tuple[Values, Values]:
        r"""$u + \log(1 - e^{-u})$ and $\log(1 - e^{-u})$."""
        del rest
        log_slope = jnp.log(-jnp.expm1(-u))
        return u + log_slope, log_slope


class Logit(AbstractBounded):
    r"""$y = l + (h - l)/(1 + e^{-x})$, whose inverse is the logit of the share of the interval.

    Attributes:
        low: the lower bound $l$ of each coordinate, `None` where there is none.
        high: the upper bound $h$ of each coordinate, `None` where there is none.

    Raises:
        ValueError: on bounds that are not in order, or if only one of the two is there.
    """

    low: tuple[Bound, ...] = eqx.field(static=True)
    high: tuple[Bound, ...] = eqx.field(static=True)

    def __init__(self, low: Sequence[Bound], high: Sequence[Bound]):
        self.low, self.high = tuple(low), tuple(high)
        pairs = list(zip(self.low, self.high))
        if len(self.low) != len(self.high) or any((a is None) != (b is None) for a, b in pairs):
            raise ValueError(
                f"lower bounds {self.low} and upper bounds {self.high}; give both or neither for "
                "every coordinate, or Exp or Softplus for a half line"
            )
        for pair in self.bounds:
            if pair is not None and not pair[0] < pair[1]:
                raise ValueError(f"an interval from {pair[0]} to {pair[1]} is empty; swap the two")

    @property
    def bounds(self) -> tuple[tuple[float, float] | None, ...]:
        """From each lower bound to its upper bound."""
        pairs = zip(self.low, self.high)
        return tuple(None if a is None or b is None else (float(a), float(b)) for a, b in pairs)

    def onto(self, x: Values) -> tuple[Values, Values]:
        """The logistic function and the logarithm of its slope."""
        return jax.nn.sigmoid(x), log_sigmoid(x) + log_sigmoid(-x)

    def back(self, u: Values, rest: Values) -> tuple[Values, Values]:
        r"""$\log(u/(1-u))$ and $\log(u(1-u))$."""
        return jnp.log(u) - jnp.log(rest), jnp.log(u) + jnp.log(rest)


class BoundedTransform(AbstractTransform):
    """An `AbstractBounded` map, which is the same at all times."""

    map: AbstractBounded

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        """The images, never on a bound, and the sum of the log-slopes."""
        low, high, width, is_free = self._constants(x)
        u, log_slopes = self.map.onto(jnp.where(is_free, 0.0, x))
        # Rounding must not put a point on its bound, where it would have no density.
        y = jnp.clip(low + width * u, _next(low, np.inf), _next(high, -np.inf))
        total = jnp.where(is_free, 0.0, log_slopes + np.log(width)).sum()
        return jnp.where(is_free, x, y), total

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """The points, and the sum of the log-slopes, which is infinite outside the support."""
        x, log_slopes, is_inside = self._back(y)
        return x, jnp.where(is_inside.all(), log_slopes.sum(), jnp.inf)

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        """The points, and their velocity times the slopes; zero outside the support."""
        del rate
        x, log_slopes, is_inside = self._back(y)
        slopes = jnp.where(is_inside.all(), jnp.exp(log_slopes), 0.0)
        return x, lambda v: slopes * v

    def _back(self, y: Point) -> tuple[Point, Values, Bool[Array, " dim"]]:
        """Origins, log-slopes and who is inside; outside the numbers are those of some point."""
        low, high, width, is_free = self._constants(y)
        is_inside = ((y > low) & (y < high)) | is_free
        is_bounded = is_inside & ~is_free
        above = jnp.where(is_bounded, (y - low) / width, 0.5)
        rest = jnp.where(is_bounded & np.isfinite(high), (high - y) / width, 0.5)
        tiny = jnp.finfo(y.dtype).tiny
        x, log_slopes = self.map.back(jnp.maximum(above, tiny), jnp.maximum(rest, tiny))
        # Outside, a point that nothing moves.
        x = jnp.where(is_free, y, jnp.where(is_inside, x, 0.0))
        return x, jnp.where(is_bounded, log_slopes + np.log(width), 0.0), is_inside

    def _constants(self, like: Point) -> tuple[np.ndarray, ...]:
        """Lower and upper bounds, widths (one for half lines) and who is free."""
        bounds = self.map.bounds
        low, high = np.array([(0.0, math.inf) if b is None else b for b in bounds], like.dtype).T
        width = np.where(np.isfinite(high), high - low, np.ones_like(low))
        return low, high, width, np.array([b is None for b in bounds])


def _next(bound: np.ndarray, toward: float) -> np.ndarray:
    """The next number inside, and none of those so small that processors take them for zero."""
    found = np.nextafter(bound, np.asarray(toward, bound.dtype))
    tiny = np.finfo(bound.dtype).tiny
    inside = np.where(np.abs(found) < tiny, np.copysign(tiny, toward), found)
    return np.where(np.isfinite(bound), inside, bound).astype(bound.dtype)


def _half_lines(low: tuple[Bound, ...]) -> tuple[tuple[float, float] | None, ...]:
    return tuple(None if bound is None else (float(bound), math.inf) for bound in low)
