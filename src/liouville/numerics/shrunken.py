"""Gaussian mixtures that hold in many coordinates: starts and rivals of moving densities."""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from liouville.numerics.covariances import drawn_together
from liouville.numerics.expectation import soft_start
from liouville.numerics.mixtures import GaussianMixture, log_radial
from liouville.numerics.repeats import dealt
from liouville.numerics.robust import robust_spread

Array = np.ndarray

# Numbers of parts that are tried, until so many in a row bring nothing.
_PARTS, _PATIENCE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64), 2
# Cells of the common shape that each part is given, a coordinate; the middle one comes first.
_SHRINKAGES = (3.0, 1.0, 10.0, 0.3, 30.0)
# The number of parts and the shrinkage are chosen on at most so many points, one of so many judges.
_MOST_CHOSEN_ON, _FOLDS = 1500, 4
# Starts of k-means, of which the tightest counts.
_TRIES = 8
_ITERATIONS, _LEAST_GAIN = 100, 1e-4
# Added to variances: of what is compared with fits, the square of their smallest scale, and of what
# is only not to be singular.
_RIDGE, _LEAST_RIDGE = 1e-4, 1e-6
_SCALINGS, _TINY = 20, 1e-30


def fit_shrunken_by_validation(
    x: Array, weights: Array | None = None, *, seed: int = 0
) -> GaussianMixture:
    """The shrunken mixture whose number of parts and shrinkage suit points that were kept apart.

    A quarter of the points (of 1,500, if there are more) judges 1, 2, 3, 4, 6, ... 64 parts, and
    then three shrinkages; the winner is fitted to all points.

    Args:
        x: points, shape `(n, dim)`, two or more.
        weights: their masses, shape `(n,)`; equal by default.
        seed: of the division and of the starts.
    """
    rng = np.random.default_rng(seed)
    x, w = _with_mass(x, weights)
    order = rng.permutation(len(x))
    if len(order) < 8:
        return fit_shrunken(x, w, parts=1)
    chosen = order[:_MOST_CHOSEN_ON]
    is_kept = dealt(x[chosen], _FOLDS) == 0
    kept, rest = chosen[is_kept], chosen[~is_kept]

    def score(parts: int, shrinkage: float) -> float:
        found = fit_shrunken(x[rest], w[rest], parts=parts, shrinkage=shrinkage, seed=seed)
        return float(np.average(found.log_density(x[kept]), weights=w[kept]))

    best, parts, worse = -np.inf, 1, 0
    for number in (k for k in _PARTS if 4 * k <= len(rest)):
        found = score(number, _SHRINKAGES[0])
        best, parts, worse = (found, number, 0) if found > best else (best, parts, worse + 1)
        if worse == _PATIENCE:
            break
    scores = [best, *(score(parts, other) for other in _SHRINKAGES[1:])]
    shrinkage = _SHRINKAGES[int(np.argmax(scores))]
    return fit_shrunken(x, w, parts=parts, shrinkage=shrinkage, seed=seed)


def fit_shrunken(
    x: Array,
    weights: Array | None = None,
    *,
    parts: int,
    shrinkage: float = _SHRINKAGES[0],
    seed: int = 0,
) -> GaussianMixture:
    r"""Fits a mixture by expectation maximisation, with covariances drawn toward a common shape.

    The shape that is common to all parts counts as $\kappa d$ points of each, at its own scale: see
    `liouville.numerics.covariances`.

    Args:
        x: points, shape `(n, dim)`.
        weights: their masses, shape `(n,)`, not all zero; equal by default.
        parts: the number of parts; no more than there are distinct points.
        shrinkage: $\kappa$.
        seed: of the start, which is by k-means.
    """
    x, w = _with_mass(x, weights)
    found = _Standardised.of(x, w)
    parts = min(parts, len(np.unique(found.points, axis=0)))
    share = soft_start(found.points, parts, seed, tries=_TRIES)
    strength, before = shrinkage * x.shape[1], -np.inf
    mixture = found.maximise(share, strength)
    for _ in range(_ITERATIONS):
        share, total, _ = found.expect(mixture)
        now = float(np.average(total, weights=found.weights))
        if now - before < _LEAST_GAIN:
            break
        before = now
        mixture = found.maximise(share, strength)
    return mixture.rescaled(found.center, found.scale)


def of_groups(
    x: Array, weights: Array, share: Array, *, strength: float, leading: int
) -> GaussianMixture:
    r"""The mixture whose parts have the given shares of points, shrunken as in `fit_shrunken`.

    Args:
        x: points, shape `(n, dim)`.
        weights: their masses, shape `(n,)`.
        share: of each part in each point, shape `(n, parts)`, of sum one.
        strength: $\kappa d$, as how many points the common shape counts.
        leading: beyond so many coordinates, covariances are diagonal.
    """
    found = _Standardised.of(x, weights)
    mixture = found.maximise(share, strength, _LEAST_RIDGE, leading)
    return mixture.rescaled(found.center, found.scale)


def follow(
    mixture: GaussianMixture,
    x: Array,
    weights: Array,
    *,
    strength: float,
    steps: int,
    leading: int,
    degrees: float = np.inf,
) -> GaussianMixture:
    r"""Improves a mixture by a few steps of expectation maximisation, in which weights stay.

    Parts that are the same at several times stay in step, and what grows is not decided here. The
    shares $r_{ik}$ of parts in points are scaled to $\sum_k r_{ik} = 1$ and
    $\sum_i w_i r_{ik} = \pi_k \sum_i w_i$ in turn (Sinkhorn), so that the mixture keeps the mean of
    the points. In Student parts a point counts by how near it is, $(\nu + d) / (\nu + |z|^2)$, and
    the scales are divided by the sum of these, which takes fewer steps to the same (Kent, Tyler and
    Vardi 1994).

    Args:
        mixture: where to begin.
        x: points, shape `(n, dim)`.
        weights: their masses, shape `(n,)`.
        strength: of the common shape, as in `of_groups`.
        steps: how many.
        leading: beyond so many coordinates, covariances are diagonal.
        degrees: $\nu$, of freedom of the parts, of which the covariances are the scales; by default
            they are Gaussian.
    """
    found = _Standardised.of(x, weights)
    better = mixture.rescaled(-found.center / found.scale, 1.0 / found.scale)
    for _ in range(steps):
        share, _, nearness = found.expect(better, degrees)
        share = _balanced(share, found.weights / found.weights.sum(), mixture.weights)
        better = found.maximise(share * nearness, strength, _LEAST_RIDGE, leading)
        better = dataclasses.replace(better, weights=mixture.weights)
    return better.rescaled(found.center, found.scale)


def _balanced(share: Array, weights: Array, wanted: Array) -> Array:
    """Shares of parts in points whose sums over the points are nearly the wanted weights."""
    for _ in range(_SCALINGS):
        share = share * (wanted / np.maximum(weights @ share, _TINY))
        share = share / share.sum(axis=1, keepdims=True)
    return share


class _Standardised(NamedTuple):
    """Points in units of their robust spread; the steps of expectation maximisation.

    Log-densities and sufficient statistics are one matrix product each with the features.
    """

    points: Array
    features: Array  # 1, the coordinates and their products, shape (n, features)
    weights: Array  # of sum the effective number of points
    center: Array
    scale: Array

    @staticmethod
    def of(x: Array, w: Array) -> "_Standardised":
        center, scale = np.average(x, axis=0, weights=w), robust_spread(x)
        spread = x.std(axis=0)
        scale = np.where(scale > 0, scale, np.where(spread > 0, spread, 1.0))
        z = (x - center) / scale
        rows, columns = np.triu_indices(x.shape[1])
        features = np.column_stack([np.ones(len(z)), z, z[:, rows] * z[:, columns]])
        return _Standardised(z, features, w * (w.sum() / (w**2).sum()), center, scale)

    def expect(
        self, mixture: GaussianMixture, degrees: float = np.inf
    ) -> tuple[Array, Array, Array | float]:
        """The share of each part in each point, the log-density of each, and how far it counts."""
        squares = np.maximum(self.features @ _coefficients(mixture).T, 0.0)
        joint = log_radial(squares, mixture.dim, degrees) + _log_heights(mixture)
        total = np.asarray(logsumexp(joint, axis=1))
        share = np.exp(joint - total[:, None])
        if np.isinf(degrees):
            return share, total, 1.0
        return share, total, (degrees + mixture.dim) / (degrees + squares)

    def maximise(
        self, share: Array, strength: float, ridge: float = _RIDGE, leading: int | None = None
    ) -> GaussianMixture:
        """The mixture of such shares; beyond the leading coordinates covariances are diagonal."""
        mixture = _maximise((self.weights[:, None] * share).T @ self.features, strength, ridge)
        first = np.arange(mixture.dim) < (mixture.dim if leading is None else leading)
        kept = np.outer(first, first) | np.eye(mixture.dim, dtype=bool)
        return dataclasses.replace(mixture, covariances=np.where(kept, mixture.covariances, 0.0))


def _with_mass(x: Array, weights: Array | None) -> tuple[Array, Array]:
    """The points that have mass, and their masses."""
    if weights is None:
        return x, np.ones(len(x))
    return x[weights > 0], weights[weights > 0]


def _coefficients(mixture: GaussianMixture) -> Array:
    """The factors of the features in the squared distance from a part, `(parts, features)`."""
    precision = np.linalg.inv(mixture.covariances)
    linear = np.einsum("kij,kj->ki", precision, mixture.means)
    constant = (linear * mixture.means).sum(axis=1)
    rows, columns = np.triu_indices(mixture.dim)
    square = np.where(rows == columns, 1.0, 2.0) * precision[:, rows, columns]
    return np.column_stack([constant, -2.0 * linear, square])


def _log_heights(mixture: GaussianMixture) -> Array:
    """The logarithm of each part's weight over the volume of its scale."""
    return np.log(mixture.weights) - 0.5 * np.linalg.slogdet(mixture.covariances)[1]


def _maximise(sums: Array, strength: float, ridge: float) -> GaussianMixture:
    """The mixture of sums over the features of points, shape `(parts, features)`."""
    mass = sums[:, 0] + 1e-12
    dim = (int(np.sqrt(8 * sums.shape[1] + 1)) - 3) // 2
    means = sums[:, 1 : 1 + dim] / mass[:, None]
    rows, columns = np.triu_indices(dim)
    scatter = np.empty((len(mass), dim, dim))
    scatter[:, rows, columns] = scatter[:, columns, rows] = sums[:, 1 + dim :]
    scatter -= np.einsum("k,ki,kj->kij", mass, means, means)
    own = scatter / mass[:, None, None] + ridge * np.eye(dim)
    return GaussianMixture(mass / mass.sum(), means, drawn_together(own, mass, strength))
