r"""Gaussian mixtures fitted by expectation maximisation: ends, starts, and the plain rival.

Covariances are kept away from singular ones by what the parts have in common, so that neither the
unit of a column, nor a rotation, nor a part that is much tighter than another says how much:

$$\Sigma_k = \frac{n_k S_k + \kappa d\, s_k \bar S}{n_k + \kappa d} + \delta^2, \qquad
  s_k = \tfrac1d \mathrm{tr}(\bar S^{-1} S_k),$$

with the scatter $S_k$ and the number $n_k$ of the points of a part, the common shape $\bar S$ (the
mean of $S_k / s_k$, weighted by $n_k$), the part's own scale $s_k$, and the resolution $\delta$ of
the data. How many parts there are and how much they share, $\kappa$, is what suits points that
were kept apart.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from liouville.numerics.clusters import clusters
from liouville.numerics.covariances import drawn_together
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.robust import MOST_RATIO, robust_spread

Array = np.ndarray

# Numbers of parts that are tried, until so many in a row bring nothing.
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_PATIENCE = 2
# Points of a part, and never fewer than the coordinates.
_FEWEST = 4
# Points, a coordinate, as which the common shape counts: where the choice begins, what it is
# changed by, and its bounds.
_SHRINKAGE, _FACTORS, _SHRINKAGES = 1.0, (0.2, 5.0), (0.007, 30.0)
# The choice is made on so many points, a fourth of which judge; where these are few, others take
# their turn.
_MOST_CHOSEN_ON, _FOLDS, _ENOUGH_KEPT = 4000, 4, 250
# What is more complex must be better by so many standard errors of the difference.
_ERRORS = 0.5
# In this no point counts for more nats.
_MOST_GAIN = 10.0
# Starts of the last fit, to all points, of which the likeliest counts.
_RESTARTS = 3
_MOST_ITERATIONS, _LEAST_GAIN = 200, 1e-5
# Before a part is added, and where mixtures are only compared, less is enough.
_FIRST_ITERATIONS, _FEWER_ITERATIONS, _ROUGH_GAIN = 20, 60, 1e-4
# A part is added for the share of points that are denser than the parts before say, by the distance
# of so many neighbours: in tails, and where there are tighter parts than k-means sees.
_DENSER, _NEIGHBOURS, _MOST_ADDED = 0.05, 8, 8
# Starts are found in coordinates that grow like a logarithm beyond so many spreads.
_LINEAR = 3.0
# Resolution, as a share of the spread, below which double precision does not see.
_ROUNDING = 1e-7
# A part that stands for less than so many points stands for none.
_EMPTY = 1e-3
# Arrays of points, parts and coordinates hold at most so many numbers, and so stay in the cache.
_NUMBERS = 2**16


def fit_mixture(
    x: Array,
    weights: Array | None = None,
    *,
    parts: int,
    shrinkage: float = _SHRINKAGE,
    iterations: int = _MOST_ITERATIONS,
    seed: int = 0,
) -> GaussianMixture:
    r"""Fits a mixture of so many parts by expectation maximisation from a k-means start.

    Args:
        x: points, shape `(n, dim)`.
        weights: their masses, shape `(n,)`, not all zero; equal by default.
        parts: the number of parts; no more are made than there are distinct points.
        shrinkage: $\kappa$, as how many points for each coordinate the common shape counts.
        iterations: the most; it stops when a point gains less than 1e-5 nats.
        seed: of the start.
    """
    cloud = _Cloud.of(x, weights)
    start = cloud.clusters(min(parts, cloud.distinct), seed)
    return cloud.in_units_of_user(cloud.climb(start, shrinkage, iterations))


def fit_by_validation(
    x: Array, weights: Array | None = None, *, most: int = 64, seed: int = 0
) -> GaussianMixture:
    """Fits the mixture whose number of parts and shrinkage suit points that were kept apart.

    Numbers of parts are tried in the order 1, 2, 3, 4, 6, 8, ... until two in a row bring nothing,
    each from k-means and from the best so far with a part for the points that it says too little
    of. They are judged on a quarter of 4,000 points, or on more quarters of fewer points in turn;
    the simplest that is no worse than the best by more than chance is fitted to all points, from
    several starts of both kinds, of which the likeliest counts.

    Args:
        x: points, shape `(n, dim)`, two or more.
        weights: their masses, shape `(n,)`, not all zero; equal by default.
        most: the most parts.
        seed: of the divisions and of the starts.
    """
    cloud = _Cloud.of(x, weights)
    if cloud.distinct < 2 * _FOLDS:
        return cloud.in_units_of_user(cloud.climb(np.ones((len(cloud.points), 1)), _SHRINKAGE))
    choice = _choose(cloud, most, seed)
    # Parts that were added one by one may be caught where as many clusters are not.
    recipes = [choice]
    if choice.added:
        recipes.append(choice._replace(clusters=choice.clusters + choice.added, added=0))
    tried = [
        cloud.climb(cloud.recipe(recipe, seed + i), choice.shrinkage)
        for recipe in recipes
        for i in range(_RESTARTS)
    ]
    return cloud.in_units_of_user(max(tried, key=cloud.mean_log_density))


def soft_start(x: Array, parts: int, seed: int, *, tries: int = 1) -> Array:
    """The share of each part in each point by the best of so many k-means, shape `(n, parts)`.

    Every part keeps a little of every point, so none is empty.
    """
    label = clusters(x, parts, [seed, *([seed, i] for i in range(1, tries))])
    return 0.95 * np.eye(parts)[label] + 0.05 / parts


class _Choice(NamedTuple):
    """What a mixture is begun with: clusters, parts added to them, and how much is shared."""

    clusters: int
    added: int = 0
    shrinkage: float = _SHRINKAGE


def _choose(cloud: "_Cloud", most: int, seed: int) -> _Choice:
    """The choice whose mixture gives most to points that it has not seen."""
    folds = list(_divided(cloud, seed))

    def judged(choice: _Choice, before: _Judged | None = None) -> _Judged:
        found, densities = [], []
        for i, (training, kept) in enumerate(folds):
            if before is None:
                start = training.recipe(choice, seed)
            else:
                start = training.shares(before.mixtures[i])
            mixture = training.climb(start, choice.shrinkage, _FEWER_ITERATIONS, _ROUGH_GAIN)
            found.append(mixture)
            densities.append(mixture.log_density(kept.points))
        return _Judged(choice, found, np.concatenate(densities), weights)

    smallest, dim = min(training.distinct for training, _ in folds), cloud.points.shape[1]
    weights = np.concatenate([kept.weights for _, kept in folds])
    best, worse = _sharing(judged(_Choice(1)), judged), 0
    tried = [best]
    for parts in (
        k for k in _PARTS[1:] if k <= most and _FEWEST * k <= smallest and (dim + 1) * k <= smallest
    ):
        was, more = best.choice, parts - best.choice.clusters
        found = judged(was._replace(clusters=parts, added=0))
        if 0 < more <= _MOST_ADDED:
            added = judged(was._replace(added=more))
            found = added if added.beats(found) else found
        found = _sharing(found, judged)
        worse = 0 if found.mean > best.mean else worse + 1
        best = max(best, found, key=lambda one: one.mean)
        tried.append(found)
        if worse == _PATIENCE:
            break
    # The simplest that is no worse than the best by more than chance.
    return next(one.choice for one in tried if not best.beats(one))


class _Judged(NamedTuple):
    """What a choice gives to points that it has not seen."""

    choice: _Choice
    mixtures: list[GaussianMixture]
    log_density: Array
    weights: Array

    @property
    def mean(self) -> float:
        return float(np.average(self.log_density, weights=self.weights))

    def beats(self, other: "_Judged") -> bool:
        """Whether it gives more, by more than chance makes of two that are alike."""
        gain = np.clip(self.log_density - other.log_density, -_MOST_GAIN, _MOST_GAIN)
        mean = np.average(gain, weights=self.weights)
        share = self.weights / self.weights.sum()
        error = np.sqrt((share**2) @ (gain - mean) ** 2)
        return bool(mean > _ERRORS * error)


def _sharing(found: _Judged, judged: Callable[..., _Judged]) -> _Judged:
    """The best of a choice and of those with another shrinkage."""
    for factor in _FACTORS:
        while True:
            shrinkage = factor * found.choice.shrinkage
            if not _SHRINKAGES[0] <= shrinkage <= _SHRINKAGES[1]:
                break
            other = judged(found.choice._replace(shrinkage=shrinkage), found)
            if not other.mean > found.mean:
                break
            found = other
    return found


def _divided(cloud: "_Cloud", seed: int):
    """Pairs of points to fit and points to judge; equal points are on one side."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(cloud.points))[:_MOST_CHOSEN_ON]
    _, group = np.unique(cloud.points[order], axis=0, return_inverse=True)
    number = rng.permutation(group.max() + 1)[group.ravel()]
    count = min(_FOLDS, -(-_ENOUGH_KEPT * _FOLDS // len(order)))
    for fold in range(count):
        kept = number % _FOLDS == fold
        yield cloud.select(order[~kept]), cloud.select(order[kept])


class _Cloud(NamedTuple):
    """Points in units of their spread, and the steps of expectation maximisation on them."""

    points: Array
    weights: Array  # of sum the effective number of points
    center: Array
    scale: Array
    floor: Array  # the least variance of each coordinate, in these units

    @staticmethod
    def of(x: Array, weights: Array | None) -> "_Cloud":
        x = np.asarray(x, np.float64)
        w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
        x, w = x[w > 0], w[w > 0]
        center, robust, spread = np.median(x, axis=0), robust_spread(x), x.std(axis=0)
        scale = np.where((robust > 0) & (spread > MOST_RATIO * robust), robust, spread)
        scale = np.where(scale > 0, scale, 1.0)
        floor = np.square(np.maximum(_resolution(x) / scale, _ROUNDING))
        return _Cloud((x - center) / scale, w * (w.sum() / (w @ w)), center, scale, floor)

    @property
    def distinct(self) -> int:
        """How many different points there are."""
        return len(np.unique(self.points, axis=0))

    def mean_log_density(self, mixture: GaussianMixture) -> float:
        """The mean log-density of the points, in these units."""
        blocks = self._blocks(len(mixture.weights))
        values = [mixture.log_density(self.points[rows]) for rows in blocks]
        return float(np.average(np.concatenate(values), weights=self.weights))

    def select(self, rows: Array) -> "_Cloud":
        """Some of the points, in the same units."""
        return self._replace(points=self.points[rows], weights=self.weights[rows])

    def in_units_of_user(self, mixture: GaussianMixture) -> GaussianMixture:
        """A mixture in the units of the points that were given, without parts of no point."""
        kept = mixture.weights * self.weights.sum() > _EMPTY
        weights = mixture.weights[kept] / mixture.weights[kept].sum()
        full = GaussianMixture(weights, mixture.means[kept], mixture.covariances[kept])
        return full.rescaled(self.center, self.scale)

    def recipe(self, choice: _Choice, seed: int) -> Array:
        """The shares of parts in points to begin with, shape `(n, parts)`."""
        share = self.clusters(choice.clusters, seed)
        crowding = self._log_crowding() if choice.added else 0.0
        for _ in range(choice.added):
            mixture = self.climb(share, choice.shrinkage, _FIRST_ITERATIONS)
            share, total = _posterior(mixture, self.points)
            excess = crowding - total
            chosen = (excess >= np.quantile(excess, 1.0 - _DENSER))[:, None]
            share = share * np.where(chosen, 0.05, 1.0)
            share = np.column_stack([share, 1.0 - share.sum(axis=1)])
        return share

    def _log_crowding(self) -> Array:
        """The log-density at each point but for a constant, by the distance of neighbours."""
        count = min(_NEIGHBOURS, len(self.points) - 1)
        distance = KDTree(self.points).query(self.points, count + 1)[0][:, -1]
        least = np.sqrt(self.floor.mean())
        return -self.points.shape[1] * np.log(np.maximum(distance, least))

    def clusters(self, parts: int, seed: int) -> Array:
        """The share of each part in each point by k-means, shape `(n, parts)`."""
        return soft_start(_LINEAR * np.arcsinh(self.points / _LINEAR), parts, seed)

    def shares(self, mixture: GaussianMixture) -> Array:
        """The share of each part of a mixture in each point, shape `(n, parts)`."""
        return _posterior(mixture, self.points)[0]

    def climb(
        self,
        share: Array,
        shrinkage: float,
        iterations: int = _MOST_ITERATIONS,
        least_gain: float = _LEAST_GAIN,
    ) -> GaussianMixture:
        """Expectation and maximisation in turn, until a point gains next to nothing."""
        sums, before = self._sums_of(share), -np.inf
        for _ in range(iterations):
            mixture = self._maximise(sums, shrinkage)
            sums, now = self._expect(mixture)
            if now - before < least_gain:
                break
            before = now
        return self._maximise(sums, shrinkage)

    def _expect(self, mixture: GaussianMixture) -> tuple["_Sums", float]:
        """The sums of the shares of points in parts, and the mean log-density."""
        sums, total = _Sums.none(mixture.means), 0.0
        for rows in self._blocks(len(mixture.weights)):
            share, log_density = _posterior(mixture, self.points[rows])
            sums = sums.plus(self.points[rows], self.weights[rows, None] * share)
            total += float(self.weights[rows] @ log_density)
        return sums, total / self.weights.sum()

    def _sums_of(self, share: Array) -> "_Sums":
        weighted = self.weights[:, None] * share
        means = (weighted.T @ self.points) / (weighted.sum(axis=0)[:, None] + 1e-12)
        sums = _Sums.none(means)
        for rows in self._blocks(len(means)):
            sums = sums.plus(self.points[rows], weighted[rows])
        return sums

    def _blocks(self, parts: int):
        count = max(_NUMBERS // (parts * self.points.shape[1]), 1)
        for i in range(0, len(self.points), count):
            yield slice(i, i + count)

    def _maximise(self, sums: "_Sums", shrinkage: float) -> GaussianMixture:
        mass, dim = sums.mass + 1e-12, self.points.shape[1]
        shift = sums.first / mass[:, None]
        own = sums.second / mass[:, None, None] - shift[:, :, None] * shift[:, None]
        own = own + np.diag(self.floor)
        covariances = drawn_together(own, mass, shrinkage * dim)
        return GaussianMixture(mass / mass.sum(), sums.origin + shift, covariances)


class _Sums(NamedTuple):
    """Sums over points of the mass, first and second moments of parts, about given origins."""

    origin: Array  # shape `(parts, dim)`
    mass: Array
    first: Array
    second: Array

    @staticmethod
    def none(origin: Array) -> "_Sums":
        parts, dim = origin.shape
        return _Sums(origin, np.zeros(parts), np.zeros((parts, dim)), np.zeros((parts, dim, dim)))

    def plus(self, points: Array, share: Array) -> "_Sums":
        centred = points - self.origin[:, None]
        weighted = (share.T[:, :, None] * centred).swapaxes(1, 2)
        return _Sums(
            self.origin,
            self.mass + share.sum(axis=0),
            self.first + weighted.sum(axis=2),
            self.second + weighted @ centred,
        )


def _posterior(mixture: GaussianMixture, x: Array) -> tuple[Array, Array]:
    """The share of each part in each point, and the log-density of each point."""
    joint = mixture.log_joint(x)
    most = joint.max(axis=1, keepdims=True)
    share = np.exp(joint - most)
    total = share.sum(axis=1, keepdims=True)
    return share / total, (np.log(total) + most)[:, 0]


def _resolution(x: Array) -> Array:
    """The spread of rounding in each column, shape `(dim,)`; 0 where values do not repeat."""
    found = np.zeros(x.shape[1])
    for i, column in enumerate(x.T):
        values = np.unique(column)
        if 1 < len(values) < 0.9 * len(column):
            found[i] = np.median(np.diff(values)) / np.sqrt(12.0)
    return found
