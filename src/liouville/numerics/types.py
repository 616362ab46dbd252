"""Array aliases used across the package; shapes are checked at run time in the tests only."""

from jaxtyping import Array, Float, Key

Scalar = Float[Array, ""]
Point = Float[Array, " dim"]
Points = Float[Array, "n dim"]
RandomKey = Key[Array, ""]
