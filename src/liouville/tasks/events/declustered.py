"""Where events happen that no other triggered: kernels of adaptive width, judged across folds."""

import functools
import heapq
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from liouville.numerics.mixtures import GaussianMixture

# A kernel is as wide as the way to its neighbour of one of these numbers, and no narrower than one
# of these widths, in standardised units: where events crowd, their places are not that exact.
_NEIGHBOURS = (2, 3, 5, 8, 13, 21, 34, 55)
_WIDTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
# Kernels count up to so many widths; beyond there is the broad part.
_FARTHEST = 5.0
# The share of a Gaussian as wide as all events, so that no place is impossible: of few events it
# says more than their kernels.
_BROAD = (0.01, 0.03, 0.1, 0.3, 0.6, 0.9)
# Events on which the number of neighbours is chosen, and centers handled at once.
_SAMPLE, _SOME_FOLDS, _BLOCK = 3000, 3, 1000
_SWEEPS = 2  # over the numbers and the widths
_MOST_PARTS = 2000
_TINY = 1e-300


class Choice(NamedTuple):
    """What is chosen of a density.

    Attributes:
        neighbours: whose distance is a kernel's width.
        narrowest: the least width.
        broad: the share of the broad part.
    """

    neighbours: int
    narrowest: float
    broad: float


class Declustered(NamedTuple):
    """A density of places, and what it says of each event when it did not see its time.

    Attributes:
        mixture: all kernels, near ones merged.
        log_density: of every event's place, by the kernels of the other folds, shape `(n,)`.
        choice: its widths and the share of its broad part.
    """

    mixture: GaussianMixture
    log_density: np.ndarray
    choice: Choice


class _Centers(NamedTuple):
    """Different places of events, and the weights that the events of every fold give them."""

    places: np.ndarray  # (centers, dim)
    weights: np.ndarray  # (centers, folds)
    of: np.ndarray  # the center of every event, (n,)


def declustered(
    places: np.ndarray,
    weights: np.ndarray,
    fold: np.ndarray,
    *,
    repeated: bool = False,
    like: Choice | None = None,
) -> Declustered:
    r"""The density $f(x) \propto \sum_j p_j N(x; x_j, h_j^2 I)$ of events of the weights $p_j$.

    The width $h_j$ is the distance to the neighbour of a number, and at least a narrowest one; both
    are chosen by the weighted log-likelihood of events under the kernels of the other folds, whose
    widths do not know the event either. Folds are stretches of time: an event's own cluster does
    not speak for it. So is the share of one Gaussian as wide as all. Source: Zhuang, Ogata and
    Vere-Jones (2002), Stochastic declustering of space-time earthquake occurrences, with their
    probabilities of being background as weights.

    Args:
        places: standardised, shape `(n, dim)`.
        weights: the chance $p$ that an event is background, shape `(n,)`.
        fold: the number of the fold of every event, shape `(n,)`.
        repeated: the same place in another fold may be the same event.
        like: what is taken if nothing is to be chosen.
    """
    found, of = np.unique(places, axis=0, return_inverse=True)
    own = np.zeros((len(found), int(fold.max()) + 1))
    np.add.at(own, (of.ravel(), fold), weights)
    centers = _Centers(found, own, of.ravel())
    most = min(max(_NEIGHBOURS), len(found) - 1)
    if most < 1:
        covariance = np.full((1, found.shape[1], found.shape[1]), np.eye(found.shape[1]))
        alone = GaussianMixture(np.ones(1), found, covariance)
        return Declustered(alone, np.zeros(len(of)), Choice(0, 1.0, 1.0))
    ways = KDTree(found).query(found, most + 1)[0]
    without = [_Ways.of(centers, number, most) for number in range(own.shape[1])]
    # Of some folds only, as each has its own kernels.
    some = np.flatnonzero(np.isin(fold, np.unique(fold)[:: max(1, own.shape[1] // _SOME_FOLDS)]))
    rows = np.random.default_rng(0).permutation(some)[:_SAMPLE]

    broad = _broad_density(places)

    def kernels(rows: np.ndarray, number: int, narrowest: float) -> np.ndarray:
        found = np.zeros(len(rows))
        for left, part in enumerate(without):
            here = fold[rows] == left
            width = part.widths(number, narrowest)
            twins = centers.of[rows[here]] if repeated else None
            found[here] = part.sums(centers, width, places[rows[here]], twins)
        return found

    @functools.cache
    def best(number: int, narrowest: float) -> tuple[float, float]:
        """The greatest likelihood by these widths, and the share of the broad part it has."""
        own, wide = kernels(rows, number, narrowest), broad[rows]
        return max((float(weights[rows] @ _mixed(own, wide, share)), share) for share in _BROAD)

    if like is None:
        numbers = [k for k in _NEIGHBOURS if k <= most] or [most]
        number, narrowest = numbers[0], _WIDTHS[len(_WIDTHS) // 2]
        for _ in range(_SWEEPS):
            number = max(numbers, key=lambda k: best(k, narrowest))
            narrowest = max(_WIDTHS, key=lambda width: best(number, width))
        like = Choice(number, narrowest, best(number, narrowest)[1])
    like = like._replace(neighbours=min(like.neighbours, most))
    widths = np.maximum(ways[:, like.neighbours], like.narrowest)
    mixture = _merged(found, widths, own.sum(axis=1), _broad(places), like.broad)
    every = kernels(np.arange(len(places)), like.neighbours, like.narrowest)
    return Declustered(mixture, _mixed(every, broad, like.broad), like)


def _mixed(kernels: np.ndarray, broad: np.ndarray, share: float) -> np.ndarray:
    """The log-density of both."""
    return np.log((1.0 - share) * kernels + share * broad + _TINY)


class _Ways(NamedTuple):
    """Centers without the events of one fold, and the ways to their neighbours among these."""

    rows: np.ndarray  # of the centers, (n,)
    weights: np.ndarray  # without the fold, of sum one, (n,)
    ways: np.ndarray  # ascending, (n, neighbours + 1)

    @staticmethod
    def of(centers: _Centers, fold: int, most: int) -> "_Ways":
        weights = centers.weights.sum(axis=1) - centers.weights[:, fold]
        # By rounding, what no other fold has is not quite zero.
        rows = np.flatnonzero(weights > 1e-12 * weights.sum())
        if not len(rows):
            return _Ways(rows, weights[rows], np.zeros((0, 2)))
        places, most = centers.places[rows], min(most, len(rows) - 1)
        ways = KDTree(places).query(places, most + 1)[0].reshape(len(rows), most + 1)
        return _Ways(rows, weights[rows] / weights[rows].sum(), ways)

    def widths(self, number: int, narrowest: float) -> np.ndarray:
        number = min(number, self.ways.shape[1] - 1)
        return np.maximum(self.ways[:, number], narrowest)

    def sums(
        self, centers: _Centers, widths: np.ndarray, x: np.ndarray, twins: np.ndarray | None
    ) -> np.ndarray:
        """The density at places; kernels of the centers `twins` do not count at theirs."""
        found = np.zeros(len(x))
        if not len(x):
            return found
        dim, tree = x.shape[1], KDTree(x)
        constant = (2.0 * np.pi) ** (-0.5 * dim)
        for begin in range(0, len(widths), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            own = centers.places[self.rows[block]]
            near = tree.query_ball_point(own, _FARTHEST * widths[block])
            center = begin + np.repeat(np.arange(len(near)), [len(n) for n in near])
            at = np.concatenate([np.asarray(n, int) for n in near])
            square = ((own[center - begin] - x[at]) ** 2).sum(axis=1)
            kernel = widths[center] ** -dim * np.exp(-0.5 * square / widths[center] ** 2)
            weight = self.weights[center]
            if twins is not None:
                weight = np.where(twins[at] == self.rows[center], 0.0, weight)
            found += np.bincount(at, constant * weight * kernel, len(x))
        return found


def _broad_density(places: np.ndarray) -> np.ndarray:
    mean, covariance = _broad(places)
    centred = places - mean
    squares = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
    return np.exp(-0.5 * squares) / np.sqrt(np.linalg.det(2.0 * np.pi * covariance))


def _broad(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the broad part."""
    spread = np.cov(places.T).reshape(places.shape[1], -1)
    return places.mean(axis=0), spread + _WIDTHS[0] ** 2 * np.eye(len(spread))


def _merged(
    centers: np.ndarray,
    widths: np.ndarray,
    weights: np.ndarray,
    broad: tuple[np.ndarray, np.ndarray],
    share: float,
) -> GaussianMixture:
    """The kernels and the broad part as one mixture of not too many parts.

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
    return GaussianMixture(
        np.append((1.0 - share) * shares / shares.sum(), share),
        np.concatenate([means, broad[0][None]]),
        np.concatenate([covariances, broad[1][None]]),
    )
