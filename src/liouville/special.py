r"""The normal distribution function where it is hard: far out in the tails, with derivatives.

`jax.scipy.special.log_ndtr` is right in single precision, but its derivative is not: it divides
two numbers that underflow. Here the tail is a continued fraction in which nothing cancels, so that
values and derivatives of every order keep their relative accuracy as far as floats go.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Left of this the continued fraction is used. At 5 its error after n levels is about
# exp(-10 sqrt(2n)): 18 levels give the rounding error of double precision.
_TAIL = -5.0
_LEVELS = 18
# Right of this the other tail is zero in double precision; the square in its derivative would
# overflow further out.
_EMPTY = 40.0
_HALF_LOG_TWO_PI = 0.9189385332046727


def log_ndtr(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\log\Phi(z)$, the logarithm of the standard normal distribution function.

    Args:
        z: any shape.

    Returns:
        The same shape. Values and derivatives of every order have relative errors of a few
        roundings for $z$ from $-10^{18}$ (single precision) to infinity.
    """
    # Each branch is evaluated at points where it is tame, so that the other one's gradient is
    # never infinity times zero.
    tail = _log_mills_tail(jnp.minimum(z, _TAIL)) + _log_density(jnp.minimum(z, _TAIL))
    body = jnp.log1p(-0.5 * jax.lax.erfc(jnp.clip(z, 0.0, _EMPTY) * 0.5**0.5))
    middle = jnp.log(0.5 * jax.lax.erfc(-jnp.clip(z, _TAIL, 0.0) * 0.5**0.5))
    return jnp.where(z < _TAIL, tail, jnp.where(z < 0.0, middle, body))


def log_mills(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\log(\Phi(z)/\phi(z))$, the logarithm of Mills' ratio of the left tail.

    About $-\log|z|$ in the tail; formed without the difference of two numbers of size $z^2/2$.

    Args:
        z: any shape.
    """
    centre = jnp.maximum(z, _TAIL)
    return jnp.where(
        z < _TAIL, _log_mills_tail(jnp.minimum(z, _TAIL)), log_ndtr(centre) - _log_density(centre)
    )


def _log_density(z: Float[Array, "..."]) -> Float[Array, "..."]:
    return -0.5 * z * z - _HALF_LOG_TWO_PI


def _log_mills_tail(z: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Laplace's continued fraction $1/(a + 1/(a + 2/(a + 3/(a + \dots))))$ with $a = -z > 0$."""
    a = -z
    rest = jnp.zeros_like(a)
    for level in range(_LEVELS, 0, -1):
        rest = level / (a + rest)
    return -jnp.log(a + rest)
