from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.curves._base import AbstractCurve
from liouville.numerics.types import Scalar

Interpolation = Literal["linear", "cubic", "monotone"]


class Knots(AbstractCurve):
    r"""A curve through learned values $\theta_i$ at fixed times $t_0 < \dots < t_n$.

    * `linear`: straight pieces; the rate jumps at the knots.
    * `cubic`: the natural cubic spline, of all curves through the knots the one with the least
      acceleration $\int |\theta''|^2$; with two knots it is the straight line. With `tension`
      $\tau$ it is pulled toward the straight pieces: $1 - \tau$ of the bend is left.
    * `monotone`: cubic Hermite pieces with the slopes of Fritsch and Butland (SIAM J. Sci. Stat.
      Comput. 5, 1984): each coordinate stays between its neighbouring knots, no overshoot.

    Outside the interval the curve goes on in a straight line with its last slope.

    Attributes:
        times: the knots' times, strictly increasing.
        values: the values at the knots, shape `(len(times), ...)`, learned.
        interpolation: how the knots are joined.
        tension: the share of the bend that is taken away, from 0 to 1.
    """

    times: tuple[float, ...] = eqx.field(static=True)
    values: Float[Array, "knots ..."]
    interpolation: Interpolation = eqx.field(static=True)
    tension: float = eqx.field(static=True)

    def __init__(
        self,
        times: Sequence[float],
        values: Float[Array, "knots ..."],
        interpolation: Interpolation = "cubic",
        tension: float = 0.0,
    ):
        self.times = tuple(float(t) for t in times)
        self.values = values
        self.interpolation = interpolation
        self.tension = float(tension)
        if len(self.times) < 2 or not all(a < b for a, b in zip(self.times, self.times[1:])):
            raise ValueError(
                f"knots need two or more strictly increasing times, got {self.times}; "
                "sort them and merge equal ones"
            )
        if interpolation not in ("linear", "cubic", "monotone"):
            raise ValueError(
                f"interpolation is {interpolation!r}; use 'linear', 'cubic' or 'monotone'"
            )
        if not 0.0 <= self.tension <= 1.0:
            raise ValueError(f"tension is {tension}; give a number from 0 (cubic) to 1 (straight)")
        if self.values.shape[0] != len(self.times):
            raise ValueError(
                f"{len(self.times)} knot times but values of shape {self.values.shape}; "
                "give one row of values for each time"
            )

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""
        if self.interpolation == "monotone":
            return self._between(t, self.values)
        # Linear in the values: their shares are those of unit vectors, and one product does the
        # rest, whatever the size of a value.
        shares = self._between(t, jnp.eye(len(self.times), dtype=self.values.dtype))
        return jnp.tensordot(shares, self.values, axes=1, precision=jax.lax.Precision.HIGHEST)

    def _between(self, t: Scalar, values: Float[Array, "knots ..."]) -> Float[Array, "..."]:
        """The curve through `values`."""
        times = np.asarray(self.times, values.dtype)
        widths = np.diff(times)
        secants = (values[1:] - values[:-1]) / _column(widths, values.ndim)
        if self.interpolation == "linear":
            i = jnp.sum(t >= times[1:-1])
            # From the last knot on it starts there: then every knot is met to the bit.
            done = t >= times[-1]
            h = t - jnp.where(done, times[-1], jnp.asarray(times)[i])
            return _of_pieces(jnp.where(done, i + 1, i), [1.0], values) + _of_pieces(
                i, [h], secants
            )
        if self.interpolation == "cubic":
            slopes = _natural_slopes(self.times, values)
        else:
            slopes = _monotone_slopes(widths, secants)
        m0, m1 = (self._pulled(m, secants) for m in (slopes[:-1], slopes[1:]))
        return hermite(times, t, values, m0, m1)

    def _pulled(self, slope: Float[Array, "..."], secant: Float[Array, "..."]):
        return (1.0 - self.tension) * slope + self.tension * secant


def hermite(
    times: np.ndarray,
    t: Scalar,
    values: Float[Array, "knots ..."],
    first: Float[Array, "pieces ..."],
    last: Float[Array, "pieces ..."],
) -> Float[Array, "..."]:
    """Cubic pieces through values, with the slopes of each piece where it begins and ends.

    Beyond the knots they go on in a straight line.
    """
    widths = np.diff(times)
    secants = (values[1:] - values[:-1]) / _column(widths, values.ndim)
    # The piece that holds t; times outside use the first or the last one.
    i = jnp.sum(t >= times[1:-1])
    # By `where` and not by `clip`, whose derivative at a bound is the mean of both sides.
    early, late = t < times[0], t > times[-1]
    inside = jnp.where(early, times[0], jnp.where(late, times[-1], t))
    h = inside - jnp.asarray(times)[i]
    # Newton's form of the Hermite cubic: exact at both knots up to rounding of one product.
    bend, twist = 3.0 * secants - 2.0 * first - last, first + last - 2.0 * secants
    s, beyond = h / jnp.asarray(widths)[i], t - inside
    at_start, at_end = h + jnp.where(early, beyond, 0.0), jnp.where(early, 0.0, beyond)
    shares = [1.0, at_start, at_end, h * s, h * s * s]
    return _of_pieces(i, shares, values[:-1], first, last, bend, twist)


def _of_pieces(
    i: Int[Array, ""], shares: Sequence[float | Scalar], *terms: Float[Array, "pieces ..."]
) -> Float[Array, "..."]:
    """The sum of `shares` of the terms of one piece, as a product with all of them.

    All other shares are zero, which changes no digit. For many times this is one product of
    matrices, where picking the piece is a gather and its gradient a scatter, both far slower.
    """
    pieces = jnp.stack(terms)
    chosen = jnp.arange(pieces.shape[1]) == i
    weights = jnp.stack([jnp.where(chosen, share, 0.0) for share in shares])
    precise = jax.lax.Precision.HIGHEST
    return jnp.tensordot(weights.astype(pieces.dtype), pieces, axes=2, precision=precise)


def _column(x: np.ndarray, ndim: int) -> np.ndarray:
    return x.reshape((-1,) + (1,) * (ndim - 1))


def _natural_slopes(
    times: tuple[float, ...], values: Float[Array, "knots ..."]
) -> Float[Array, "knots ..."]:
    """The slopes of the natural cubic spline: linear in the values, by a matrix of the times.

    The second derivative is continuous at the knots and zero at both ends.
    """
    of_slopes, of_values = bends(times)
    matrix = jnp.asarray(np.linalg.solve(of_slopes, of_values), values.dtype)
    return jnp.tensordot(matrix, values, axes=1)


def bends(times: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of slopes and of values whose products are equal where a spline does not bend anew.

    The second derivatives on both sides of a knot are equal, and zero at both ends; each has the
    shape `(knots, knots)`.
    """
    n, inverse = len(times), 1.0 / np.diff(times)
    # The bend of a piece from its slopes at both ends, and from its secant, summed at the knots.
    near, far = np.eye(n)[:-1], np.eye(n)[1:]
    of_slopes = near.T @ (inverse[:, None] * (2.0 * near + far))
    of_slopes += far.T @ (inverse[:, None] * (near + 2.0 * far))
    return of_slopes, 3.0 * (near + far).T @ (inverse[:, None] ** 2 * (far - near))


def _monotone_slopes(
    widths: np.ndarray, secants: Float[Array, "pieces ..."]
) -> Float[Array, "knots ..."]:
    if secants.shape[0] == 1:
        return jnp.concatenate([secants, secants])
    left, right = secants[:-1], secants[1:]
    a = _column(widths[:-1], secants.ndim)
    b = _column(widths[1:], secants.ndim)
    # Weighted harmonic mean where the secants agree in sign, zero where they do not; the
    # guarded denominator keeps the gradient finite at a zero secant.
    agree = left * right > 0
    weight = (a + 2.0 * b) / (3.0 * (a + b))
    mean = jnp.where(agree, weight * right + (1.0 - weight) * left, 1.0)
    inner = jnp.where(agree, left * right / mean, 0.0)
    return jnp.concatenate([secants[:1], inner, secants[-1:]])
