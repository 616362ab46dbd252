import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.types import Point
from liouville.paths._squares import squares

Locations = Float[Array, "parts dim"]

# Triangular matrices are inverted element by element up to this size: more takes long to compile.
_LARGEST_BLOCK = 8


class AbstractFrames(eqx.Module):
    r"""The moving frames $x = \mu_k + L_k z$ of all parts at one time.

    Every array has the parts as its leading axis.

    Attributes:
        location: $\mu$, shape `(parts, dim)`.
        log_scale: $\log L_{k,ii}$, of coordinate $i$ given those before it, shape `(parts, dim)`.
    """

    location: eqx.AbstractVar[Locations]
    log_scale: eqx.AbstractVar[Locations]

    @abc.abstractmethod
    def to_standard(self, x: Point) -> Locations:
        r"""$z_k = L_k^{-1}(x - \mu_k)$ for every part, shape `(parts, dim)`."""

    def squares(self, x: Point) -> Float[Array, " parts"]:
        r"""$|z_k|^2$ for every part, shape `(parts,)`."""
        return jnp.sum(self.to_standard(x) ** 2, axis=-1)

    def from_standard(self, z: Locations) -> Locations:
        r"""$\mu_k + L_k z_k$ for every part, shape `(parts, dim)`."""
        return self.location + self.stretch(z)

    @abc.abstractmethod
    def stretch(self, z: Locations) -> Locations:
        r"""$L_k z_k$ for every part, shape `(parts, dim)`."""

    @abc.abstractmethod
    def place(self, part: Int[Array, ""], z: Point) -> Point:
        r"""$\mu_k + L_k z$ for one part $k$, whose number may be traced, shape `(dim,)`."""

    @abc.abstractmethod
    def velocity(self, x: Point, weights: Float[Array, " parts"]) -> Point:
        r"""$\sum_k \gamma_k (\mu_k' + A_k (x - \mu_k))$ for weights $\gamma$."""

    @property
    @abc.abstractmethod
    def log_volumes(self) -> Float[Array, " parts"]:
        r"""$\log|\det L_k|$, shape `(parts,)`."""

    @property
    def log_narrowing(self) -> Float[Array, " parts"]:
        r"""$\log\epsilon_k$ such that axis-parallel boxes of the narrow part stay in the wide one.

        With the standard deviations $s_i$ of the coordinates and $M = \operatorname{diag}(s)^{-1}
        L$, $\epsilon^2 = 1/(2 \lVert M^{-1}\rVert^2)$ makes the product of the coordinates'
        densities, each narrowed by $\epsilon$, lighter than the part in every direction.
        """
        parts, dim = self.location.shape
        axes = jnp.broadcast_to(jnp.eye(dim, dtype=self.location.dtype)[:, None], (dim, parts, dim))
        factor = jnp.moveaxis(jax.vmap(self.stretch)(axes), 0, -1)
        spread = jnp.sqrt(jnp.sum(factor**2, axis=-1, keepdims=True))
        inverse = inverse_of_triangular(factor / spread)
        return -0.5 * jnp.log(2.0 * jnp.sum(inverse**2, axis=(-2, -1)))


class AbstractScale(eqx.Module):
    r"""How unconstrained parameters become the scales $L_k$ of the parts.

    The diagonal of $L$ is $\exp(\lambda)$ with $\lambda = f + \mathrm{softplus}(p - f)$: a
    log-scale $p$ with a smooth floor $f$, so that no parameter value makes a part a point.
    """

    @abc.abstractmethod
    def raw_shape(self, parts: int, dim: int) -> tuple[int, ...]:
        """The shape of the unconstrained parameters."""

    @abc.abstractmethod
    def from_covariance(self, covariance: Float[Array, "*n dim dim"]) -> Float[Array, "..."]:
        """Unconstrained parameters with the given covariance, or its diagonal if that is all."""

    @abc.abstractmethod
    def frames(
        self,
        location: Locations,
        location_rate: Locations,
        raw: Float[Array, "parts ..."],
        raw_rate: Float[Array, "parts ..."],
        *,
        is_rotation_invariant: bool,
    ) -> AbstractFrames:
        """The frames at one time, from values and rates of the parameters."""


def _floor(p: Float[Array, "..."], floor: float) -> Float[Array, "..."]:
    return floor + jax.nn.softplus(p - floor)


def _unfloor(log_scale: Float[Array, "..."], floor: float) -> Float[Array, "..."]:
    """The inverse of `_floor`; scales at or below the floor are put just above it."""
    above = jnp.maximum(log_scale - floor, 1e-4)
    return floor + above + jnp.log(-jnp.expm1(-above))


class Diagonal(AbstractScale):
    """Scales along the axes, one log-scale a coordinate: raw shape `(parts, dim)`.

    Attributes:
        floor: the smallest log-scale.
    """

    floor: float = eqx.field(static=True, default=-12.0)

    def raw_shape(self, parts: int, dim: int) -> tuple[int, ...]:
        """`(parts, dim)`."""
        return (parts, dim)

    def from_covariance(self, covariance: Float[Array, "*n dim dim"]) -> Float[Array, "*n dim"]:
        """The log-scales of the diagonal of a covariance."""
        variance = jnp.diagonal(covariance, axis1=-2, axis2=-1)
        return _unfloor(0.5 * jnp.log(variance), self.floor)

    def frames(
        self,
        location: Locations,
        location_rate: Locations,
        raw: Float[Array, "parts dim"],
        raw_rate: Float[Array, "parts dim"],
        *,
        is_rotation_invariant: bool,
    ) -> "DiagonalFrames":
        """The frames at one time. Scales along the axes never turn, so there is no gauge to fix."""
        del is_rotation_invariant
        log_scale, log_scale_rate = jax.jvp(lambda p: _floor(p, self.floor), (raw,), (raw_rate,))
        return DiagonalFrames(location, location_rate, log_scale, log_scale_rate)


class DiagonalFrames(AbstractFrames):
    """Frames with scales along the axes."""

    location: Locations
    location_rate: Locations
    log_scale: Locations
    log_scale_rate: Locations

    def to_standard(self, x: Point) -> Locations:
        r"""$(x - \mu) / s$, element by element."""
        return (x - self.location) * jnp.exp(-self.log_scale)

    def squares(self, x: Point) -> Float[Array, " parts"]:
        r"""$|z_k|^2$, element by element, with matrix products as derivatives."""
        return squares(x, self.location, self.log_scale)

    def stretch(self, z: Locations) -> Locations:
        r"""$s z$, element by element."""
        return jnp.exp(self.log_scale) * z

    def place(self, part: Int[Array, ""], z: Point) -> Point:
        r"""$\mu_k + s_k z$."""
        return self.location[part] + jnp.exp(self.log_scale[part]) * z

    def velocity(self, x: Point, weights: Float[Array, " parts"]) -> Point:
        r"""$\sum_k \gamma_k (\mu_k' + (\log s_k)' (x - \mu_k))$ as two products over the parts."""
        # Distances are taken from the middle of the parts: fewer digits are lost in the sums.
        middle = self.location.mean(axis=0)
        offset = self.location_rate - self.log_scale_rate * (self.location - middle)
        return weights @ offset + (weights @ self.log_scale_rate) * (x - middle)

    @property
    def log_volumes(self) -> Float[Array, " parts"]:
        """The sums of the log-scales."""
        return self.log_scale.sum(axis=-1)


class Full(AbstractScale):
    r"""Lower triangular scales: raw shape `(parts, dim, dim)`, log-scales on the diagonal.

    A density that looks the same from all directions may turn in its own frame without changing:
    for any antisymmetric $W$, the rate $L' + L W$ gives the same $\partial_t\rho$. For such
    families we choose the $W$ that makes $A = (L' + L W) L^{-1}$ symmetric. Each part then moves
    by a gradient, which is its motion of least energy (Bures): $A \Sigma + \Sigma A = \Sigma'$.

    Attributes:
        floor: the smallest log-scale on the diagonal.
    """

    floor: float = eqx.field(static=True, default=-12.0)

    def raw_shape(self, parts: int, dim: int) -> tuple[int, ...]:
        """`(parts, dim, dim)`; the entries above the diagonal are not used."""
        return (parts, dim, dim)

    def from_covariance(self, covariance: Float[Array, "*n dim dim"]) -> Float[Array, "*n dim dim"]:
        """The Cholesky factor, with the logarithm of its diagonal."""
        return self.from_factor(jnp.linalg.cholesky(covariance))

    def from_factor(self, factor: Float[Array, "*n dim dim"]) -> Float[Array, "*n dim dim"]:
        """The same from the Cholesky factor, which keeps its digits where a covariance has few."""
        diagonal = jnp.diagonal(factor, axis1=-2, axis2=-1)
        log_scale = _unfloor(jnp.log(diagonal), self.floor)
        return jnp.tril(factor, -1) + _diagonal_matrix(log_scale)

    def frames(
        self,
        location: Locations,
        location_rate: Locations,
        raw: Float[Array, "parts dim dim"],
        raw_rate: Float[Array, "parts dim dim"],
        *,
        is_rotation_invariant: bool,
    ) -> "FullFrames":
        """The frames at one time: one inverse a part, then matrix products."""
        factor, factor_rate = jax.jvp(self.factor, (raw,), (raw_rate,))
        inverse = inverse_of_triangular(factor)
        if is_rotation_invariant:
            factor_rate = factor_rate + factor @ _least_energy_spin(factor, factor_rate)
        # Not as log(exp(.)) of the diagonal.
        log_scale = self.log_scale(raw)
        return FullFrames(
            location, location_rate, factor, inverse, factor_rate @ inverse, log_scale
        )

    def factor(self, raw: Float[Array, "parts dim dim"]) -> Float[Array, "parts dim dim"]:
        """The lower triangular $L$ of unconstrained parameters."""
        return jnp.tril(raw, -1) + _diagonal_matrix(jnp.exp(self.log_scale(raw)))

    def log_scale(self, raw: Float[Array, "parts dim dim"]) -> Locations:
        r"""$\log L_{ii}$ of unconstrained parameters."""
        return _floor(jnp.diagonal(raw, axis1=-2, axis2=-1), self.floor)


class FullFrames(AbstractFrames):
    """Frames with lower triangular scales."""

    location: Locations
    location_rate: Locations
    factor: Float[Array, "parts dim dim"]
    inverse: Float[Array, "parts dim dim"]
    generator: Float[Array, "parts dim dim"]
    log_scale: Locations

    def to_standard(self, x: Point) -> Locations:
        r"""$L^{-1}(x - \mu)$ with one matrix product for all parts."""
        parts, dim = self.location.shape
        middle = jax.lax.stop_gradient(self.location.mean(axis=0))
        shift = jnp.einsum("kij,kj->ki", self.inverse, self.location - middle)
        # The shift is the last column: its derivative is then part of the product, and no sum over
        # points of an array (points, parts, dim).
        rows = jnp.concatenate([self.inverse, -shift[..., None]], axis=-1)
        product = jnp.append(x - middle, 1.0) @ rows.T.reshape(dim + 1, dim * parts)
        return product.reshape(dim, parts).T

    def stretch(self, z: Locations) -> Locations:
        r"""$L z$."""
        return jnp.einsum("kij,kj->ki", self.factor, z)

    def place(self, part: Int[Array, ""], z: Point) -> Point:
        r"""$\mu_k + L_k z$."""
        return self.location[part] + self.factor[part] @ z

    def velocity(self, x: Point, weights: Float[Array, " parts"]) -> Point:
        r"""$\sum_k \gamma_k (\mu_k' + A_k (x - \mu_k))$: the mean matrix first, then the point."""
        parts, dim = self.location.shape
        middle = self.location.mean(axis=0)
        shift = jnp.einsum("kij,kj->ki", self.generator, self.location - middle)
        generator = weights @ self.generator.reshape(parts, dim * dim)
        return weights @ (self.location_rate - shift) + generator.reshape(dim, dim) @ (x - middle)

    @property
    def log_volumes(self) -> Float[Array, " parts"]:
        r"""$\log\det L$."""
        return self.log_scale.sum(axis=-1)


def _diagonal_matrix(diagonal: Float[Array, "*n dim"]) -> Float[Array, "*n dim dim"]:
    return diagonal[..., None] * jnp.eye(diagonal.shape[-1], dtype=diagonal.dtype)


@jax.custom_jvp
def inverse_of_triangular(factor: Float[Array, "*n dim dim"]) -> Float[Array, "*n dim dim"]:
    """Inverse of lower triangular matrices, with two products as its derivative.

    `[[A, 0], [C, B]]` has the inverse `[[A^-1, 0], [-B^-1 C A^-1, B^-1]]`: blocks on the diagonal
    are inverted element by element, then all pairs of neighbours at once are made one block, until
    one is left. As a few batched products this is far faster on CPU than a batched triangular
    solve, which runs matrix by matrix, and it is done once a time.
    """
    dim = factor.shape[-1]
    count = 1
    while dim > count * _LARGEST_BLOCK:
        count *= 2
    size = -(-dim // count)
    # Beyond the matrix the diagonal goes on with ones.
    more = [(0, 0)] * (factor.ndim - 2) + [(0, count * size - dim)] * 2
    padded = jnp.pad(factor, more) + jnp.diag((np.arange(count * size) >= dim).astype(factor.dtype))

    def blocks(below: int) -> Float[Array, "*n count size size"]:
        """Those of the diagonal, or every second one of the diagonal below."""
        corners = range(0, count * size, (1 + below) * size)
        rows = [slice(i + below * size, i + (1 + below) * size) for i in corners]
        columns = [slice(i, i + size) for i in corners]
        return jnp.stack([padded[..., r, c] for r, c in zip(rows, columns)], axis=-3)

    inverse = _inverse_by_elements(blocks(0))
    while count > 1:
        first, second = inverse[..., ::2, :, :], inverse[..., 1::2, :, :]
        corner = -second @ (blocks(1) @ first)
        upper = jnp.concatenate([first, jnp.zeros_like(first)], axis=-1)
        lower = jnp.concatenate([corner, second], axis=-1)
        inverse = jnp.concatenate([upper, lower], axis=-2)
        count, size = count // 2, 2 * size
    return inverse[..., 0, :dim, :dim]


@inverse_of_triangular.defjvp
def _rate_of_inverse(primals, tangents):
    (factor,), (rate,) = primals, tangents
    inverse = inverse_of_triangular(factor)
    return inverse, -inverse @ jnp.tril(rate) @ inverse


def _inverse_by_elements(factor: Float[Array, "*n dim dim"]) -> Float[Array, "*n dim dim"]:
    """Forward substitution, written out, so that it becomes one loop over the matrices."""
    dim = factor.shape[-1]
    zero, found = jnp.zeros_like(factor[..., 0, 0]), {}
    for j in range(dim):
        found[j, j] = 1.0 / factor[..., j, j]
        for i in range(j + 1, dim):
            known = sum((factor[..., i, k] * found[k, j] for k in range(j, i)), zero)
            found[i, j] = -known / factor[..., i, i]
    rows = [jnp.stack([found.get((i, j), zero) for j in range(dim)], -1) for i in range(dim)]
    return jnp.stack(rows, -2)


def _least_energy_spin(
    factor: Float[Array, "parts dim dim"], rate: Float[Array, "parts dim dim"]
) -> Float[Array, "parts dim dim"]:
    r"""The antisymmetric $W$ with $(L' + L W) L^{-1}$ symmetric.

    With $P = L^\top L$ and $M = L^{-1} L'$ the condition reads $P W + W P = M^\top P - P M$.
    """
    gram = factor.swapaxes(-1, -2) @ factor
    skew = rate.swapaxes(-1, -2) @ factor
    return jax.vmap(_lyapunov)(gram, skew - skew.swapaxes(-1, -2))


def _lyapunov(
    p: Float[Array, "dim dim"], right: Float[Array, "dim dim"]
) -> Float[Array, "dim dim"]:
    """The antisymmetric `W` with `P W + W P = R`, for `P` symmetric positive definite."""
    if p.shape[-1] == 1:
        return jnp.zeros_like(right)
    if p.shape[-1] == 2:
        return right / (p[0, 0] + p[1, 1])
    # Differentiating the eigenvectors would divide by gaps of eigenvalues; the equation does not,
    # and `custom_linear_solve` differentiates the equation.
    values, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(p))

    def solve(_, b):
        inner = vectors.T @ b @ vectors
        return vectors @ (inner / (values[:, None] + values[None, :])) @ vectors.T

    return jax.lax.custom_linear_solve(lambda w: p @ w + w @ p, right, solve, symmetric=True)
