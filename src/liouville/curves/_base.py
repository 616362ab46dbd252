import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.networks import Conditioned
from liouville.numerics.types import Scalar


class AbstractCurve(eqx.Module):
    r"""A differentiable map $t \mapsto \theta(t)$ from a time to an array of fixed shape."""

    @abc.abstractmethod
    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""


def value_and_rate(
    curve: AbstractCurve, t: Scalar
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""The value $\theta(t)$ and the rate $\theta'(t)$ per unit of time, both of the curve's shape.

    By one forward-mode product, at a time of shape `()`.
    """
    return jax.jvp(curve, (t,), (jnp.ones_like(t),))


def shape_of(curve: AbstractCurve) -> tuple[int, ...]:
    """The shape of a curve's values, also while it awaits a context, which does not change it."""
    plain = jax.tree.map(
        lambda node: node.network if isinstance(node, Conditioned) else node,
        curve,
        is_leaf=lambda node: isinstance(node, Conditioned),
    )
    time = jax.ShapeDtypeStruct((), jnp.zeros(()).dtype)
    return jax.eval_shape(_value, plain, time).shape


def _value(curve: AbstractCurve, t: Scalar) -> Float[Array, "..."]:
    return curve(t)  # a function that is known: the shape of such a curve is found out once
