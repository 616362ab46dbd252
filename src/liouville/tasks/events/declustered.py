"""Where events happen that no other triggered: kernels of adaptive width, judged across folds."""

import heapq
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from liouville.numerics.mixtures import GaussianMixture

# A kernel is as wide as the way to its neighbour of one of these numbers, and no narrower than one
# of these widths, in standardised units: where events crowd, their places are not that exact.
_NEIGHBOURS = (3, 5, 8, 13, 21, 34)
_WIDTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
# Kernels count up to so many widths; beyond there is the broad part.
_FARTHEST = 5.0
# The share of a Gaussian as wide as all events, so that no place is impossible.
_BROAD = 0.01
# Events on which the number of neighbours is chosen, and centers handled at once.
_SAMPLE, _BLOCK = 3000, 1000
_MOST_PARTS = 2000
_TINY = 1e-300


class Declustered(NamedTuple):
    """A density of places, and what it says of each event when it did not see its time.

    Attributes:
        mixture: all kernels, near ones merged.
        log_density: of every event's place, by the kernels of the other folds, shape `(n,)`.
        neighbours: whose distance is a kernel's width.
        narrowest: the least width.
    """

    mixture: GaussianMixture
    log_density: np.ndarray
    neighbours: int
    narrowest: float


class _Centers(NamedTuple):
    """Different places of events, and the weights that the events of every fold give them."""

    places: np.ndarray  # (centers, dim)
    weights: np.ndarray  # (centers, folds)
    of: np.ndarray  # the center of every event, (n,)


def declustered(
    places: np.ndarray, weights: np.ndarray, fold: np.ndarray, *, repeated: bool = False
) -> Declustered:
    r"""The density $f(x) \propto \sum_j p_j N(x; x_j, h_j^2 I)$ of events of the weights $p_j$.

    The width $h_j$ is the distance to the neighbour of a number, and at least a narrowest one; both
    are chosen by the weighted log-likelihood of events under the kernels of the other folds, which
    are stretches of time: an event's own cluster does not speak for it. Source:
    Zhuang, Ogata and Vere-Jones (2002), Stochastic declustering of space-time earthquake
    occurrences, with their probabilities of being
    background as weights.

    Args:
        places: standardised, shape `(n, dim)`.
        weights: the chance $p$ that an event is background, shape `(n,)`.
        fold: the number of the fold of every event, shape `(n,)`.
        repeated: the same place in another fold may be the same event.
    """
    found, of = np.unique(places, axis=0, return_inverse=True)
    own = np.zeros((len(found), int(fold.max()) + 1))
    np.add.at(own, (of.ravel(), fold), weights)
    centers = _Centers(found, own, of.ravel())
    most = min(max(_NEIGHBOURS), len(found) - 1)
    if most < 1:
        covariance = np.full((1, found.shape[1], found.shape[1]), np.eye(found.shape[1]))
        return Declustered(
            GaussianMixture(np.ones(1), found, covariance), np.zeros(len(of)), 0, 1.0
        )
    ways = KDTree(found).query(found, most + 1)[0]
    rows = np.random.default_rng(0).permutation(len(places))[:_SAMPLE]

    def widths(number: int, narrowest: float) -> np.ndarray:
        return np.maximum(ways[:, number], narrowest)

    def crossed(rows: np.ndarray, *width: Any) -> np.ndarray:
        return _crossed(centers, widths(*width), places, fold, rows, repeated)

    def gain(*width: Any) -> float:
        return float(weights[rows] @ crossed(rows, *width))

    numbers = [k for k in _NEIGHBOURS if k <= most] or [most]
    number = max(numbers, key=lambda k: gain(k, _WIDTHS[len(_WIDTHS) // 2]))
    narrowest = max(_WIDTHS, key=lambda width: gain(number, width))
    number = max(numbers, key=lambda k: gain(k, narrowest))
    mixture = _merged(found, widths(number, narrowest), own.sum(axis=1), _broad(places))
    every = crossed(np.arange(len(places)), number, narrowest)
    return Declustered(mixture, every, number, narrowest)


def _crossed(
    centers: _Centers,
    widths: np.ndarray,
    places: np.ndarray,
    fold: np.ndarray,
    rows: np.ndarray,
    repeated: bool,
) -> np.ndarray:
    """The log-density of some events by the kernels of the other folds."""
    dim, tree = places.shape[1], KDTree(places[rows])
    total, found = centers.weights.sum(axis=1), np.zeros(len(rows))
    constant = (2.0 * np.pi) ** (-0.5 * dim)
    for begin in range(0, len(widths), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        near = tree.query_ball_point(centers.places[block], _FARTHEST * widths[block])
        center = begin + np.repeat(np.arange(len(near)), [len(n) for n in near])
        event = np.concatenate([np.asarray(n, int) for n in near])
        square = ((centers.places[center] - places[rows[event]]) ** 2).sum(axis=1)
        weight = total[center] - centers.weights[center, fold[rows[event]]]
        if repeated:
            weight = np.where(centers.of[rows[event]] == center, 0.0, weight)
        kernel = constant * widths[center] ** -dim * np.exp(-0.5 * square / widths[center] ** 2)
        found += np.bincount(event, weight * kernel, len(rows))
    others = total.sum() - centers.weights.sum(axis=0)[fold[rows]]
    mean, covariance = _broad(places)
    centred = places[rows] - mean
    squares = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
    broad = constant * np.linalg.det(covariance) ** -0.5 * np.exp(-0.5 * squares)
    share = found / np.maximum(others, _TINY)
    return np.log((1.0 - _BROAD) * share + _BROAD * broad + _TINY)


def _broad(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the broad part."""
    spread = np.cov(places.T).reshape(places.shape[1], -1)
    return places.mean(axis=0), spread + _WIDTHS[0] ** 2 * np.eye(len(spread))


def _merged(
    centers: np.ndarray,
    widths: np.ndarray,
    weights: np.ndarray,
    broad: tuple[np.ndarray, np.ndarray],
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
        np.append((1.0 - _BROAD) * shares / shares.sum(), _BROAD),
        np.concatenate([means, broad[0][None]]),
        np.concatenate([covariances, broad[1][None]]),
    )
