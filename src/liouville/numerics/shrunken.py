"""Static Gaussian mixtures that hold in many coordinates: the rival of every moving density."""

import warnings

import numpy as np
from scipy.special import logsumexp

from liouville.numerics.mixtures import GaussianMixture, soft_start
from liouville.numerics.robust import robust_spread

Array = np.ndarray

# Numbers of parts that are tried, until so many in a row bring nothing.
_PARTS, _PATIENCE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64), 2
# Cells of the common covariance that each part is given, a coordinate; the middle one comes first.
_SHRINKAGES = (3.0, 1.0, 10.0)
# The number of parts and the shrinkage are chosen on a quarter of at most so many points.
_MOST_CHOSEN_ON, _KEPT = 1500, 0.25
_ITERATIONS, _LEAST_GAIN, _RIDGE = 100, 1e-4, 1e-3


def fit_by_validation(x: Array, weights: Array | None = None, *, seed: int = 0) -> GaussianMixture:
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
    kept, rest = np.split(chosen, [int(_KEPT * len(chosen))])

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
    r"""Fits a mixture by expectation maximisation, with covariances drawn to a common one.

    $$\Sigma_k = \frac{\sum_i w_i r_{ik} (x_i - m_k)(x_i - m_k)^\top + \kappa d\, \bar\Sigma}
                      {\sum_i w_i r_{ik} + \kappa d}:$$

    the covariance $\bar\Sigma$ within all parts counts as $\kappa d$ points of each. It is itself
    drawn to a multiple of the identity (oracle approximating shrinkage; Chen, Wiesel, Eldar and
    Hero, 2010), all in units of the robust spread of each coordinate.

    Args:
        x: points, shape `(n, dim)`.
        weights: their masses, shape `(n,)`, not all zero; equal by default.
        parts: the number of parts; no more than there are distinct points.
        shrinkage: $\kappa$.
        seed: of the start, which is by k-means.
    """
    x, w = _with_mass(x, weights)
    center, scale = np.average(x, axis=0, weights=w), robust_spread(x)
    spread = x.std(axis=0)
    scale = np.where(scale > 0, scale, np.where(spread > 0, spread, 1.0))
    z = (x - center) / scale
    # Weights of sum the effective number of points.
    w = w * (w.sum() / (w**2).sum())
    parts = min(parts, len(np.unique(z, axis=0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster is no failure
        share = soft_start(z, parts, seed)
    # Log-densities and sufficient statistics are one matrix product each with these.
    rows, columns = np.triu_indices(x.shape[1])
    features = np.column_stack([np.ones(len(z)), z, z[:, rows] * z[:, columns]])
    strength, before = shrinkage * x.shape[1], -np.inf
    mixture = _maximise((w[:, None] * share).T @ features, strength)
    for _ in range(_ITERATIONS):
        joint = features @ _coefficients(mixture).T
        total = np.asarray(logsumexp(joint, axis=1))
        now = float(np.average(total, weights=w))
        if now - before < _LEAST_GAIN:
            break
        before = now
        share = np.exp(joint - total[:, None])
        mixture = _maximise((w[:, None] * share).T @ features, strength)
    return mixture.rescaled(center, scale)


def _with_mass(x: Array, weights: Array | None) -> tuple[Array, Array]:
    """The points that have mass, and their masses."""
    if weights is None:
        return x, np.ones(len(x))
    return x[weights > 0], weights[weights > 0]


def _coefficients(mixture: GaussianMixture) -> Array:
    """The factors of the features in the log-joint of a point, shape `(parts, features)`."""
    precision = np.linalg.inv(mixture.covariances)
    linear = np.einsum("kij,kj->ki", precision, mixture.means)
    _, log_volume = np.linalg.slogdet(mixture.covariances)
    constant = np.log(mixture.weights) - 0.5 * mixture.dim * np.log(2.0 * np.pi)
    constant -= 0.5 * (log_volume + (linear * mixture.means).sum(axis=1))
    rows, columns = np.triu_indices(mixture.dim)
    square = np.where(rows == columns, -0.5, -1.0) * precision[:, rows, columns]
    return np.column_stack([constant, linear, square])


def _maximise(sums: Array, strength: float) -> GaussianMixture:
    """The mixture of sums over the features of points, shape `(parts, features)`."""
    mass = sums[:, 0] + 1e-12
    dim = (int(np.sqrt(8 * sums.shape[1] + 1)) - 3) // 2
    means = sums[:, 1 : 1 + dim] / mass[:, None]
    rows, columns = np.triu_indices(dim)
    scatter = np.empty((len(mass), dim, dim))
    scatter[:, rows, columns] = scatter[:, columns, rows] = sums[:, 1 + dim :]
    scatter -= np.einsum("k,ki,kj->kij", mass, means, means)
    common = _drawn_to_round(scatter.sum(axis=0) / mass.sum(), mass.sum())
    covariances = (scatter + strength * common) / (mass[:, None, None] + strength)
    covariances += _RIDGE * np.eye(dim)
    return GaussianMixture(mass / mass.sum(), means, covariances)


def _drawn_to_round(covariance: Array, count: float) -> Array:
    """Oracle approximating shrinkage of a covariance of so many points."""
    dim = len(covariance)
    trace, square = np.trace(covariance), (covariance**2).sum()
    over = (count + 1.0 - 2.0 / dim) * (square - trace**2 / dim)
    under = (1.0 - 2.0 / dim) * square + trace**2
    share = 1.0 if over <= under else under / over
    return (1.0 - share) * covariance + share * trace / dim * np.eye(dim)
