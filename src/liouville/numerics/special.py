r"""The normal distribution function where it is hard: far out in the tails, with derivatives.

`jax.scipy.special.log_ndtr` is right in single precision, but its derivative is not: it divides
two numbers that underflow. Here the tail is a continued fraction in which nothing cancels, so that
values and derivatives of every order keep their relative accuracy as far as floats go. The
derivatives are formulas, not derivatives of the fraction level by level: with

$$R_k(a) = \frac{k}{a + R_{k+1}(a)}, \qquad \frac{\Phi(-a)}{\phi(a)} = \frac{1}{a + R_1(a)},
  \qquad \frac{dR_k}{da} = R_k (R_k - R_{k+1}),$$

one evaluation has all that a derivative needs. (Induction from the levels above, by
$R_{k+1} R_{k+2} = k + 1 - a R_{k+1}$.)
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Left of this the continued fraction is used, cut off after so many levels: the values and the
# first derivatives of R_1 and R_2 are then right to rounding in single and in double precision.
_TAIL = -5.0
_LEVELS = {True: 12, False: 26}
# Right of this the other tail is zero in double precision; the square in its derivative would
# overflow further out.
_EMPTY = 40.0
# Beyond, the series of the ratio of Gamma functions half a step apart is right to rounding; in odd
# powers of 1/a, highest first.
_GAMMA_FAR = 16.0
_GAMMA_SERIES = (691 / 180224, -31 / 18432, 17 / 14336, -1 / 640, 1 / 192, -1 / 8)
_HALF_LOG_TWO_PI = 0.9189385332046727
_ROOT_TWO_OVER_PI = 0.7978845608028654


@jax.custom_jvp
def log_ndtr(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\log\Phi(z)$, the logarithm of the standard normal distribution function.

    Values and derivatives of every order have relative errors of a few roundings for $z$ from
    $-10^{18}$ (single precision) to infinity.
    """
    tail = _log_mills_tail(z) + _log_density(jnp.minimum(z, _TAIL))
    body = jnp.log1p(-0.5 * jax.lax.erfc(jnp.clip(z, 0.0, _EMPTY) * 0.5**0.5))
    middle = jnp.log(0.5 * jax.lax.erfc(-jnp.clip(z, _TAIL, 0.0) * 0.5**0.5))
    return jnp.where(z < _TAIL, tail, jnp.where(z < 0.0, middle, body))


@log_ndtr.defjvp
def _log_ndtr_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    r"""The derivative is $\phi/\Phi$."""
    (z,), (rate,) = primals, tangents
    a = _outward(z)
    ratio = jnp.where(z < _TAIL, a + _rest(1, a), _ratio(_inward(z)))
    return log_ndtr(z), rate * ratio


@jax.custom_jvp
def log_mills(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\log(\Phi(z)/\phi(z))$, the logarithm of Mills' ratio of the left tail.

    About $-\log|z|$ in the tail; formed without the difference of two numbers of size $z^2/2$.
    """
    centre = jnp.maximum(z, _TAIL)
    return jnp.where(z < _TAIL, _log_mills_tail(z), log_ndtr(centre) - _log_density(centre))


@log_mills.defjvp
def _log_mills_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    r"""The derivative is $z + \phi/\Phi$, in the tail without the difference."""
    (z,), (rate,) = primals, tangents
    slope = jnp.where(z < _TAIL, _rest(1, _outward(z)), z + _ratio(_inward(z)))
    return log_mills(z), rate * slope


def log_sum_exp(values: Float[Array, " n"]) -> Float[Array, ""]:
    r"""$\log\sum_i e^{v_i}$, with zero gradients where all values are minus infinity."""
    is_empty = values.max() == -jnp.inf
    found = jax.nn.logsumexp(jnp.where(is_empty, 0.0, values))
    return jnp.where(is_empty, -jnp.inf, found)


def log_gamma_ratio(a: Float[Array, "..."], steps: int) -> Float[Array, "..."]:
    r"""$\log\Gamma(a + n/2) - \log\Gamma(a) - \tfrac n2 \log a$, which is small for large $a$.

    For $a > 0$ and $n \ge 0$ half steps. As logarithms of the factors between, and half a step by
    its series where the difference of two large numbers would lose all digits.
    """
    offset = 0.5 * (steps % 2)
    factors = jnp.log1p((jnp.arange(steps // 2, dtype=a.dtype) + offset) / a[..., None]).sum(-1)
    if not offset:
        return factors
    near, far = jnp.minimum(a, _GAMMA_FAR), jnp.maximum(a, _GAMMA_FAR)
    difference = jax.lax.lgamma(near + 0.5) - jax.lax.lgamma(near) - 0.5 * jnp.log(near)
    series = jnp.polyval(jnp.asarray(_GAMMA_SERIES, a.dtype), 1.0 / far**2) / far
    return factors + jnp.where(a < _GAMMA_FAR, difference, series)


def _log_density(z: Float[Array, "..."]) -> Float[Array, "..."]:
    return -0.5 * z * z - _HALF_LOG_TWO_PI


def _log_mills_tail(z: Float[Array, "..."]) -> Float[Array, "..."]:
    a = _outward(z)
    return -jnp.log(a + _rest(1, a))


# Each formula is evaluated at points where it is tame, so that the derivative of the other one is
# never infinity times zero. By selection: the derivative of a maximum compares it with its
# arguments, which a compiler may have formed once more, with another last bit.


def _outward(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """$-z$ in the left tail, the end of the tail elsewhere."""
    return jnp.where(z < _TAIL, -z, -_TAIL)


def _inward(z: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.where(z < _TAIL, _TAIL, jnp.where(z < _EMPTY, z, _EMPTY))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _rest(level: int, a: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$R_k(a)$ for $a \ge 5$, the fraction of Laplace from level $k$ on."""
    rest = jnp.zeros_like(a)
    for k in range(_LEVELS[jnp.finfo(a.dtype).bits <= 32], level - 1, -1):
        rest = k / (a + rest)
    return rest


@_rest.defjvp
def _rest_jvp(level: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a,), (rate,) = primals, tangents
    # The compiler finds the second fraction within the first.
    rest, following = _rest(level, a), _rest(level + 1, a)
    return rest, rate * rest * (rest - following)


@jax.custom_jvp
def _ratio(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\phi(z)/\Phi(z)$ outside of the left tail."""
    # Both factors at one rounded number, whose rounding error then cancels.
    u = -z * 0.5**0.5
    return _ROOT_TWO_OVER_PI * jnp.exp(-u * u) / jax.lax.erfc(u)


@_ratio.defjvp
def _ratio_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (z,), (rate,) = primals, tangents
    ratio = _ratio(z)
    return ratio, -rate * ratio * (z + ratio)
