"""Squared distances from parts with scales along the axes, fast for many points."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from liouville.numerics.types import Point

Numbers = Float[Array, "parts dim"]


# Of so few coordinates sums are loops that the compiler writes out, and so are their derivatives.
_FEW = 4


def squares(x: Point, location: Numbers, log_scale: Numbers) -> Float[Array, " parts"]:
    r"""$|(x - \mu_k) / s_k|^2$, element by element, with derivatives as matrix products.

    For many points the derivative of this sum is a sum over points of an array `(points, parts,
    dim)`, which costs ten to forty matrix products on CPU; the sum itself costs no more than one.
    """
    found = _by_elements if len(x) <= _FEW else _by_products
    return found(x, location, log_scale)


def _by_elements(x: Point, location: Numbers, log_scale: Numbers) -> Float[Array, " parts"]:
    # The coordinates come first: sums along the last axis are not vectorised on CPU.
    return jnp.sum(((x[:, None] - location.T) * jnp.exp(-log_scale.T)) ** 2, axis=0)


_by_products = eqx.filter_custom_jvp(_by_elements)


@_by_products.def_jvp
def _rates(primals, tangents):
    r"""$\sum_i (P_{ki})' y_{ki}^2 - 2 P_{ki} \mu_{ki}' y_{ki} + 2 P_{ki} x_i' y_{ki}$.

    Here $P = s^{-2}$ and $y_k = x - \mu_k$. Squares are multiplied out around an anchor $a$, the
    location of the nearest part, $y_k = (x - a) + (a - \mu_k)$, so that they become products of
    $x - a$ and sums of $a - \mu_k$, which are found once for all points. Around one middle of all
    parts, narrow parts would lose twice as many digits as their distance from it has above their
    scale, and their scales could not be learned in single precision.
    """
    x, location, log_scale = primals
    x_rate, location_rate, log_scale_rate = tangents
    frozen = jax.lax.stop_gradient(location)
    middle, precision = frozen.mean(axis=0), jnp.exp(-2.0 * log_scale)
    x, offset, anchors = x - middle, location - middle, frozen - middle
    rate = jnp.zeros_like(location[:, 0])
    if x_rate is not None:
        rate = 2.0 * (precision @ (x * x_rate) - (precision * offset) @ x_rate)
    if location_rate is not None or log_scale_rate is not None:
        still = jnp.zeros_like(location)
        linear = precision * (still if location_rate is None else location_rate)
        square = precision * (still if log_scale_rate is None else -2.0 * log_scale_rate)
        nearest = _nearest(x, anchors, precision)
        anchor = anchors[nearest]
        at_anchors = jnp.sum(square * (anchors[:, None] - offset) ** 2, axis=-1)
        at_anchors -= 2.0 * (anchors @ linear.T - jnp.sum(linear * offset, axis=-1))
        rate = rate + square @ ((x - anchor) * (x + anchor)) + at_anchors[nearest]
        rate = rate - 2.0 * ((square * offset + linear) @ (x - anchor))
    return _by_products(*primals), rate


def _nearest(x: Point, location: Numbers, precision: Numbers) -> Int[Array, ""]:
    """The part whose location is nearest in the mean of all precisions; any near one will do."""
    metric = precision.mean(axis=0)
    return jnp.argmin(location**2 @ metric - 2.0 * (location @ (metric * x)))
