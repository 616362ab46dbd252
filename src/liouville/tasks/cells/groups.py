"""Groups of chains that run together, and the mixtures they make."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from liouville.numerics.clusters import clusters as kmeans
from liouville.numerics.distances import Cloud
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.shares import effective
from liouville.numerics.shrunken import follow, of_groups

_RESTARTS = 4  # of k-means, of which the best is taken
# Fewer cells than so many a coordinate do not tell the shape of a cloud.
_ENOUGH = 5


def mixtures(
    points: np.ndarray,
    masses: np.ndarray,
    label: np.ndarray,
    cells: Sequence[Cloud | None],
    *,
    prior: float,
    leading: int,
    steps: int = 5,
) -> list[GaussianMixture]:
    """The mixture at each time whose parts are the groups, with the groups' shares of the mass.

    A group is where its chains are, improved by a few steps of expectation maximisation on the
    cells: chains that run together need not be a cluster at every time, nor pass all cells. In many
    coordinates that is worth more than two nats a cell. Where cells are fewer than five a
    coordinate, the covariances at other times stand for the missing ones, see `together`. Where no
    cells were seen, the moments are the means of those before and after, and bend as the group
    does.

    Args:
        points: of the chains, shape `(chains, times, dim)`.
        masses: of them, shape `(chains, times)`.
        label: the group of each, none empty.
        cells: of every time, or `None` between two times that have some.
        prior: as how many chains the covariance within all groups counts in that of each.
        leading: beyond so many coordinates, covariances are diagonal.
        steps: of expectation maximisation.
    """
    share, options = np.eye(label.max() + 1)[label], {"strength": prior, "leading": leading}
    found = []
    for x, m, cloud in zip(points.swapaxes(0, 1), masses.T, cells):
        mixture = of_groups(x, m, share, **options)
        found.append(mixture if cloud is None else follow(mixture, *cloud, steps=steps, **options))
    seen = [(i, effective(x.weights)) for i, x in enumerate(cells) if x is not None]
    shapes = together(np.stack([found[i].covariances for i, _ in seen]), [n for _, n in seen])
    for (i, _), covariances in zip(seen, shapes):
        found[i] = dataclasses.replace(found[i], covariances=covariances)
    means, _ = moments(points, masses, label)
    for i in (i for i, cloud in enumerate(cells) if cloud is None):
        before, after = found[i - 1], found[i + 1]
        bend = means[:, i] - 0.5 * (means[:, i - 1] + means[:, i + 1])
        found[i] = GaussianMixture(
            found[i].weights,
            0.5 * (before.means + after.means) + bend,
            0.5 * (before.covariances + after.covariances),
        )
    return found


def enough(dim: int) -> int:
    """How many cells of a time tell the shape of their cloud."""
    return _ENOUGH * dim


def together(covariances: np.ndarray, numbers: Sequence[float] | np.ndarray) -> np.ndarray:
    r"""Covariances of each time, of which those from too few cells are made up by other times.

    With $n_i$ cells of the wanted $n$, five a coordinate, they are
    $(n_i S_i + (n - n_i) \bar S_i) / n$, where in $\bar S_i$ the time $j$ counts
    $n_j / (i - j)^2$. A few cells overfit their time without a trace in the figures: hardly any of
    those held out are of it.

    Args:
        covariances: $S$, shape `(times, parts, dim, dim)`.
        numbers: of cells, shape `(times,)`.
    """
    numbers = np.asarray(numbers)
    missing = np.maximum(1.0 - numbers / enough(covariances.shape[-1]), 0.0)
    if len(numbers) < 2 or not missing.any():
        return covariances
    place = np.arange(len(numbers))
    apart = (place[:, None] - place) ** 2.0 + np.where(np.eye(len(place)) > 0, np.inf, 0.0)
    share = numbers / apart
    others = np.einsum("ij,j...->i...", share / share.sum(axis=1, keepdims=True), covariances)
    part = missing[:, None, None, None]
    return (1.0 - part) * covariances + part * others


def moments(
    points: np.ndarray, masses: np.ndarray, label: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The means and standard deviations of groups of chains, shapes `(groups, times, dim)`."""
    means, spreads = [], []
    for group in range(label.max() + 1):
        x, m = points[label == group], masses[label == group]
        share = (m / m.sum(axis=0))[..., None]
        means.append((share * x).sum(axis=0))
        spreads.append(np.sqrt((share * (x - means[-1]) ** 2).sum(axis=0)))
    return np.stack(means), np.stack(spreads)


def clusters(points: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """The group of each chain by k-means in the space of all times; no group is empty."""
    flat = points.reshape(len(points), -1)
    parts = min(parts, len(np.unique(flat, axis=0)))
    label = kmeans(flat, parts, [[seed, i] for i in range(_RESTARTS)])
    rng = np.random.default_rng(seed)
    for empty in np.setdiff1d(np.arange(parts), label):
        crowded = np.flatnonzero(np.bincount(label, minlength=parts)[label] > 1)
        label[rng.choice(crowded)] = empty
    return label
