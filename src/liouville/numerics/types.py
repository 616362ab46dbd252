"""Array aliases used across the package; shapes are checked at run time in the tests only."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

Scalar = Float[Array, ""]
Point = Float[Array, " dim"]
Points = Float[Array, "n dim"]
RandomKey = Key[Array, ""]


def as_float(values: ArrayLike | Sequence[float]) -> Array:
    """Numbers in JAX's own floating-point type, which is that of every model."""
    return jnp.asarray(values, jnp.zeros(()).dtype)
