"""Kernels about events: how wide they are, their sums at places, and few parts for all of them."""

import heapq
import itertools
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from liouville.numerics.mixtures import GaussianMixture

# Kernels count up to so many widths; beyond there is the broad part.
_FARTHEST = 5.0
_BLOCK = 1000  # centers handled at once
_MOST_PARTS = 2000


class Centers(NamedTuple):
    """Different places of events, and the weights that the events of every fold give them."""

    places: np.ndarray  # (centers, dim)
    weights: np.ndarray  # (centers, folds)
    of: np.ndarray  # the center of every event, (n,)
    images: np.ndarray  # across the border of the region, (centers, dim)
    ways: np.ndarray  # to the border, infinite without a region, (centers,)

    def with_images(
        self, rows: np.ndarray, weights: np.ndarray, widths: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Places, weights, widths and rows of kernels, and of the images of those that leak."""
        leaks = np.flatnonzero(self.ways[rows] < _FARTHEST * widths)
        every = np.concatenate([np.arange(len(rows)), leaks])
        places = np.concatenate([self.places[rows], self.images[rows[leaks]]])
        return places, weights[every], widths[every], rows[every]


class Ways(NamedTuple):
    """Centers without the events of a fold, and the ways to their neighbours among these."""

    rows: np.ndarray  # of the centers, (n,)
    ways: np.ndarray  # ascending, (n, neighbours + 1)

    @staticmethod
    def of(centers: Centers, fold: int | None, most: int) -> "Ways":
        """Those to so many neighbours at most; without no fold, if it is `None`."""
        weights = centers.weights.sum(axis=1)
        if fold is None:
            rows = np.arange(len(weights))
            return Ways(rows, KDTree(centers.places).query(centers.places, most + 1)[0])
        weights = weights - centers.weights[:, fold]
        # By rounding, what no other fold has is not quite zero.
        rows = np.flatnonzero(weights > 1e-12 * weights.sum())
        if not len(rows):
            return Ways(rows, np.zeros((0, 2)))
        places, most = centers.places[rows], min(most, len(rows) - 1)
        ways = KDTree(places).query(places, most + 1)[0].reshape(len(rows), most + 1)
        return Ways(rows, ways)

    def widths(self, number: int, narrowest: float) -> np.ndarray:
        """The ways to the neighbour of a number, and no less than the narrowest."""
        number = min(number, self.ways.shape[1] - 1)
        return np.maximum(self.ways[:, number], narrowest)

    def sums(
        self,
        centers: Centers,
        say: np.ndarray,
        widths: np.ndarray,
        x: np.ndarray,
        twins: np.ndarray | None,
    ) -> np.ndarray:
        """The density at places by folds of given weights, none for the fold that is without.

        Kernels of the centers `twins` do not count at their places.
        """
        found, own = np.zeros(len(x)), centers.weights[self.rows] @ say
        if not own.sum() > 0:
            return found
        dim, tree = x.shape[1], KDTree(x)
        constant = (2.0 * np.pi) ** (-0.5 * dim)
        places, weights, widths, rows = centers.with_images(self.rows, own / own.sum(), widths)
        for begin in range(0, len(widths), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            own = places[block]
            near = tree.query_ball_point(own, _FARTHEST * widths[block])
            center = begin + np.repeat(np.arange(len(near)), [len(n) for n in near])
            at = np.fromiter(itertools.chain.from_iterable(near), int)
            square = ((own[center - begin] - x[at]) ** 2).sum(axis=1)
            kernel = widths[center] ** -dim * np.exp(-0.5 * square / widths[center] ** 2)
            weight = weights[center]
            if twins is not None:
                weight = np.where(twins[at] == rows[center], 0.0, weight)
            found += np.bincount(at, constant * weight * kernel, len(x))
        return found


def merged_kernels(centers: np.ndarray, widths: np.ndarray, weights: np.ndarray) -> GaussianMixture:
    """Kernels as a mixture of not too many parts.

    Groups are split in two where that loses the most, beginning with all kernels in one; each ends
    as a Gaussian of the same moments.
    """

    def moments(rows: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
        weight = weights[rows].sum()
        share = weights[rows] / weight
        mean = share @ centers[rows]
        centred = centers[rows] - mean
        spread = (share[:, None] * centred).T @ centred
        return weight, mean, spread, float(share @ widths[rows] ** 2)

    def entry(rows: np.ndarray) -> tuple[float, int, np.ndarray]:
        weight, _, spread, square = moments(rows)
        loss = weight * np.log1p(np.trace(spread) / square) if len(rows) > 1 else 0.0
        return -loss, int(rows[0]), rows

    groups = [entry(np.flatnonzero(weights > 0))]
    while len(groups) < _MOST_PARTS and groups[0][0] < 0:
        _, _, rows = heapq.heappop(groups)
        _, mean, spread, _ = moments(rows)
        axis = int(np.argmax(np.diag(spread)))
        left = centers[rows, axis] <= mean[axis]
        if left.all() or not left.any():
            # Their spread is rounding.
            heapq.heappush(groups, (0.0, int(rows[0]), rows))
            continue
        for part in (rows[left], rows[~left]):
            heapq.heappush(groups, entry(part))
    own = [moments(rows) for *_, rows in groups]
    shares = np.array([weight for weight, *_ in own])
    means = np.stack([mean for _, mean, *_ in own])
    eye = np.eye(centers.shape[1])
    covariances = np.stack([spread + square * eye for *_, spread, square in own])
    return GaussianMixture(shares / shares.sum(), means, covariances)
