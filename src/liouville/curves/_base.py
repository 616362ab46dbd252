import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.types import Scalar


class AbstractCurve(eqx.Module):
    r"""A differentiable map $t \mapsto \theta(t)$ from a time to an array of fixed shape."""

    @abc.abstractmethod
    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""


def value_and_rate(
    curve: AbstractCurve, t: Scalar
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""The value $\theta(t)$ and the rate $\theta'(t)$ of a curve, by one forward-mode product.

    Args:
        curve: the curve.
        t: time, shape `()`.

    Returns:
        Two arrays of the curve's shape; the rate is per unit of time.
    """
    return jax.jvp(curve, (t,), (jnp.ones_like(t),))
