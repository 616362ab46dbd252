from typing import Any

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from liouville.curves import AbstractCurve, shape_of
from liouville.maps._base import AbstractMap, AbstractTransform, Push, push
from liouville.numerics.types import Point, Scalar


class Linear(AbstractMap):
    r"""$y = L(t) U(t) x + b(t)$, $L$ unit lower and $U$ upper triangular, $U_{ii} = e^{p_{ii}}$.

    Almost every matrix of positive determinant can be approached by such products after a
    permutation, and the log-determinant is a sum. All zeros are the identity, so curves that are a
    `liouville.curves.HardStarted` at zeros start there.

    Attributes:
        raw: curve of one square matrix, shape `(dim, dim)`: $L$ below the diagonal, the logarithm
            of the diagonal of $U$ on it, $U$ above it.
        shift: curve of $b$, shape `(dim,)`.

    Raises:
        ValueError: on curves whose shapes do not belong together.
    """

    raw: AbstractCurve
    shift: AbstractCurve

    def __check_init__(self):
        raw, shift = shape_of(self.raw), shape_of(self.shift)
        if len(shift) != 1 or raw != shift * 2:
            raise ValueError(
                f"the raw matrix has shape {raw} and the shift {shift}; "
                "they must be (dim, dim) and (dim,)"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return shape_of(self.shift)[0]

    def at(self, t: Scalar) -> "LinearTransform":
        """The map at time `t` of shape `()`: the factors are inverted here, for all points."""
        raw, shift = self.raw(t), self.shift(t)
        log_diagonal = jnp.diagonal(raw)
        eye = jnp.eye(len(shift), dtype=raw.dtype)
        lower = jnp.tril(raw, -1) + eye
        upper = jnp.triu(raw, 1) + jnp.diag(jnp.exp(log_diagonal))
        halfway = solve_triangular(lower, eye, lower=True, unit_diagonal=True)
        inverse = solve_triangular(upper, halfway, lower=False)
        return LinearTransform(lower @ upper, inverse, shift, log_diagonal.sum())


class LinearTransform(AbstractTransform):
    """A `Linear` map at one time, by its matrix and the inverse of it."""

    matrix: Float[Array, "dim dim"]
    inverse_matrix: Float[Array, "dim dim"]
    shift: Float[Array, " dim"]
    log_det: Scalar

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        """$M x + b$."""
        return self.matrix @ x + self.shift, self.log_det

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """$M^{-1} (y - b)$."""
        return self.inverse_matrix @ (y - self.shift), self.log_det

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        r"""The point, and $v \mapsto \dot M x + \dot b + M v$."""
        x, _ = self.inverse(y)
        return x, push(self, rate, x)
