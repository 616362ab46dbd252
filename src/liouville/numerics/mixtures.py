"""Gaussian mixtures that stand still: ends, starts and rivals of moving densities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp, ndtri

from liouville.errors import LiouvilleError
from liouville.numerics.arguments import check_covariance, check_weights, numbers

Array = np.ndarray

# Points are asked in blocks, of which all parts together hold so many numbers: they stay in the
# cache, and their products are too small for threads, which wait for each other on busy cores.
_NUMBERS = 2**14


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A mixture of Gaussians with full covariances.

    It is looked at by what takes it from a user: `check_mixture`.

    Attributes:
        weights: shape `(parts,)`, positive, of sum one.
        means: shape `(parts, dim)`.
        covariances: shape `(parts, dim, dim)`, symmetric and positive definite.

    Raises:
        LiouvilleError: if one of them is not made of numbers.
    """

    weights: Array
    means: Array
    covariances: Array

    def __post_init__(self) -> None:
        for name, value in vars(self).copy().items():
            object.__setattr__(self, name, numbers(f"{name} of a mixture", value))

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.means.shape[1]

    @property
    def mean(self) -> Array:
        """The mean of the whole, shape `(dim,)`."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Array:
        """The covariance of the whole, shape `(dim, dim)`."""
        centred = self.means - self.mean
        between = np.einsum("k,ki,kj->ij", self.weights, centred, centred)
        return np.tensordot(self.weights, self.covariances, axes=1) + between

    def rescaled(self, center: Array, scale: Array) -> "GaussianMixture":
        """The density of `center + scale * x` for `x` of this one, both of shape `(dim,)`."""
        covariances = self.covariances * (scale[:, None] * scale)
        return GaussianMixture(self.weights, center + scale * self.means, covariances)

    def sample(self, n: int, *, seed: int = 0) -> tuple[Array, Array]:
        """`n` independent draws, shape `(n, dim)`, and the part each is from, shape `(n,)`."""
        rng = np.random.default_rng(seed)
        part = rng.choice(len(self.weights), n, p=self.weights)
        factors = np.linalg.cholesky(self.covariances)
        x = rng.normal(size=(n, self.dim))
        for k, (mean, factor) in enumerate(zip(self.means, factors)):
            x[part == k] = mean + x[part == k] @ factor.T
        return x, part

    def spread(self, n: int, *, seed: int = 0) -> Array:
        """`n` points that stand for the density more evenly than draws, shape `(n, dim)`.

        Every part has its share of them, and in each they are scrambled Sobol points: averages and
        transport distances are less far from those of the density. Points of several seeds are
        independent; the points of one are not.
        """
        from scipy.stats import qmc  # slow to import

        counts = np.floor(self.weights * n).astype(int)
        counts[np.argsort(counts - self.weights * n)[: n - counts.sum()]] += 1
        factors, clouds = np.linalg.cholesky(self.covariances), []
        for part, count in enumerate(counts):
            sobol = qmc.Sobol(self.dim, rng=np.random.default_rng([seed, part]))
            even = sobol.random_base2(int(np.ceil(np.log2(max(count, 1)))))[:count]
            z = ndtri(np.clip(even, 1e-9, 1.0 - 1e-9))
            clouds.append(self.means[part] + z @ factors[part].T)
        return np.concatenate(clouds)

    def log_density(self, x: Array, degrees: float = np.inf) -> Array:
        """The log-density in nats at points of shape `(n, dim)`, shape `(n,)`; see `log_joint`."""
        return np.asarray(logsumexp(self.log_joint(x, degrees), axis=1))

    def log_joint(self, x: Array, degrees: float = np.inf) -> Array:
        """Log-weight plus log-density of every part at points `(n, dim)`, shape `(n, parts)`.

        Args:
            x: the points.
            degrees: of freedom of Student parts of these places and scales, see `log_radial`.
        """
        factors = np.linalg.cholesky(self.covariances)
        log_volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)
        found = log_radial(self._squares(x, factors), self.dim, degrees)
        found += np.log(self.weights) - log_volume
        return found

    def _squares(self, x: Array, factors: Array) -> Array:
        """The squared distance of points from every part, in units of its scale."""
        parts, dim = self.means.shape
        inverse = np.linalg.inv(factors)
        shift = np.einsum("kij,kj->ki", inverse, self.means)
        squares = np.empty((len(x), parts))
        rows = max(_NUMBERS // (parts * dim), 1)
        factor = inverse.reshape(parts * dim, dim).T
        for i in range(0, len(x), rows):
            # One matrix product for all parts: z = L^-1 x - L^-1 m.
            z = (x[i : i + rows] @ factor).reshape(-1, parts, dim)
            z -= shift
            squares[i : i + rows] = np.einsum("nki,nki->nk", z, z)
        return squares


def log_radial(squares: Array, dim: int, degrees: float = np.inf) -> Array:
    r"""The logarithm of the normal density by $|z|^2$, or of Student's with degrees of freedom.

    It is that of `liouville.paths.Student`; of infinitely many degrees it is normal.
    """
    if np.isinf(degrees):
        return -0.5 * (squares + dim * np.log(2.0 * np.pi))
    half = 0.5 * (degrees + dim)
    constant = gammaln(half) - gammaln(0.5 * degrees) - 0.5 * dim * np.log(degrees * np.pi)
    return constant - half * np.log1p(squares / degrees)


def check_mixture(what: str, mixture: Any, dim: int | None = None) -> GaussianMixture:
    """A mixture that a user gave.

    Args:
        what: its name in messages, such as `the source`.
        mixture: what was given.
        dim: the number of coordinates it must have; by default any.

    Raises:
        LiouvilleError: if it is no mixture, its shapes do not belong together, its means are not
            finite, its weights are no shares, or a covariance is not symmetric and positive
            definite.
    """
    if not isinstance(mixture, GaussianMixture):
        raise LiouvilleError(
            f"{what} is of type {type(mixture).__name__}; give a GaussianMixture, such as "
            "liouville.numerics.mixtures.gaussian(mean, covariance)"
        )
    shapes = [a.shape for a in (mixture.weights, mixture.means, mixture.covariances)]
    if len(shapes[1]) != 2 or not mixture.means.size:
        raise LiouvilleError(f"the means of {what} have shape {shapes[1]}; give (parts, dim)")
    parts, own = shapes[1]
    if shapes[0] != (parts,) or shapes[2] != (parts, own, own):
        raise LiouvilleError(
            f"{what} has means of shape {shapes[1]}, but weights {shapes[0]} and covariances "
            f"{shapes[2]}; give {(parts,)} and {(parts, own, own)}"
        )
    if dim is not None and own != dim:
        raise LiouvilleError(f"{what} has {own} coordinates, not {dim}; they must be the same")
    if not np.isfinite(mixture.means).all():
        bad = int(np.argwhere(~np.isfinite(mixture.means))[0][0])
        raise LiouvilleError(f"mean {bad} of {what} is not finite: {mixture.means[bad].tolist()}")
    check_weights(what, mixture.weights, parts)
    check_covariance(f"the covariance of {what}", mixture.covariances, own)
    return mixture


def gaussian(mean: Array, covariance: Array) -> GaussianMixture:
    """One Gaussian, mean `(dim,)` and covariance `(dim, dim)`, as a mixture of one part."""
    mean, covariance = numbers("the mean", mean), numbers("the covariance", covariance)
    return GaussianMixture(np.ones(1), mean[None], covariance[None])


def with_parts(mixture: GaussianMixture, parts: int) -> GaussianMixture:
    """The same density of so many parts, no fewer than it has."""
    weights, origin = list(mixture.weights), list(range(len(mixture.weights)))
    while len(weights) < parts:
        heaviest = int(np.argmax(weights))
        weights[heaviest] *= 0.5
        weights.append(weights[heaviest])
        origin.append(origin[heaviest])
    return GaussianMixture(np.array(weights), mixture.means[origin], mixture.covariances[origin])


def log_floor(covariances: Array, most: float) -> float:
    """The logarithm of a floor below every scale of covariances, or they would not be met."""
    least = float(np.linalg.eigvalsh(covariances).min())
    return float(np.log(min(most, 0.5 * float(np.sqrt(max(least, 1e-24))))))
