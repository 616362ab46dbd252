"""Distances between two clouds of points, each with its standard error."""

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from liouville.numerics.matching import matching, prices
from liouville.numerics.shares import systematic

Array = np.ndarray

# Distances are formed in blocks of so many rows: the memory is that of the points.
_BLOCK = 1024


class Estimate(NamedTuple):
    """A number that was measured on a sample.

    Attributes:
        value: the number.
        error: its standard error; not a number if the sample is too small to tell.
    """

    value: float
    error: float


class Cloud(NamedTuple):
    """Points with masses.

    Attributes:
        points: shape `(n, dim)`.
        weights: shape `(n,)`, not negative, of any positive sum.
    """

    points: Array
    weights: Array

    @staticmethod
    def of(points: Array, weights: Array | None = None) -> "Cloud":
        """Points of given masses, by default equal."""
        return Cloud(points, np.ones(len(points)) if weights is None else weights)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def shares(self) -> Array:
        """The masses, of sum one."""
        return self.weights / self.weights.sum()

    @property
    def total_variance(self) -> float:
        """The sum of the variances of all coordinates."""
        return float(self.shares @ ((self.points - self.shares @ self.points) ** 2).sum(axis=1))

    def select(self, rows: Array) -> "Cloud":
        """Some of the points with their masses."""
        return Cloud(self.points[rows], self.weights[rows])

    def equal(self, n: int, rng: np.random.Generator) -> Array:
        """`n` points of equal mass that stand for the cloud, shape `(n, dim)`.

        They are drawn systematically in random order: a point of share $w$ comes $nw$ times, up or
        down to a whole number. Of `n` or more points with equal masses none comes twice.
        """
        order = rng.permutation(len(self))
        return self.points[order[systematic(self.shares[order], n, rng)]]


def energy_distance(x: Cloud, y: Cloud) -> Estimate:
    r"""The energy distance $2E|X-Y| - E|X-X'| - E|Y-Y'|$ of two clouds.

    It is zero for equal laws only (Székely and Rizzo), and its estimate has no bias, whatever the
    number of points or coordinates: pairs of a point with itself are left out, so that it may be
    negative. The error is that of the linear term: the spread of $2E|x-Y| - 2E|x-X'|$ over the
    points of both clouds; where the laws are equal that term vanishes, and the error with it is too
    small.

    Args:
        x: a cloud.
        y: another. With one point alone in either there is no estimate: it is not a number.
    """
    if min(np.count_nonzero(cloud.weights) for cloud in (x, y)) < 2:
        return Estimate(np.nan, np.nan)
    between_x, between_y = _mean_distances(x, y), _mean_distances(y, x)
    value, variance = 2.0 * float(x.shares @ between_x), 0.0
    for cloud, between in ((x, between_x), (y, between_y)):
        w = cloud.shares
        # Of each point to the others of its cloud, whose masses sum to 1 - w.
        within = _mean_distances(cloud, cloud) / np.maximum(1.0 - w, np.finfo(float).tiny)
        value -= float(np.average(within, weights=w * (1.0 - w)))
        influence = 2.0 * (between - within)
        variance += float((w**2) @ (influence - w @ influence) ** 2)
    return Estimate(value, variance**0.5)


def first_wasserstein(x: Array, y: Array) -> Estimate:
    r"""The Euclidean transport distance $W_1$ of two clouds of `n` equal points.

    It is exact by the assignment problem. With its potentials $f$ and $g$ it is the mean of
    $f(x_i) + g(y_i)$, and the error is that of this mean (del Barrio and Loubes, 2019).

    Args:
        x: points, shape `(n, dim)`.
        y: points, shape `(n, dim)`.
    """
    cost = cdist(x, y)
    if len(x) == 1:
        return Estimate(float(cost[0, 0]), np.nan)
    partner = matching(cost)
    own, g = cost[np.arange(len(x)), partner], prices(cost, partner)[partner]
    variance = (own - g).var() + g.var()
    return Estimate(float(own.mean()), float(np.sqrt(variance / len(x))))


def _mean_distances(x: Cloud, y: Cloud) -> Array:
    """The mean distance of each point of a cloud to those of another, shape `(n,)`."""
    blocks = [x.points[i : i + _BLOCK] for i in range(0, len(x), _BLOCK)]
    return np.concatenate([cdist(block, y.points) @ y.shares for block in blocks])
