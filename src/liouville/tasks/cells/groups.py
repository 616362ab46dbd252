"""Groups of chains that run together, and the mixtures they make."""

from collections.abc import Sequence

import numpy as np

from liouville.numerics.clusters import clusters as kmeans
from liouville.numerics.distances import Cloud
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.shrunken import follow, of_groups

_RESTARTS = 4  # of k-means, of which the best is taken
_STEPS = 5  # of expectation maximisation


def mixtures(
    points: np.ndarray,
    masses: np.ndarray,
    label: np.ndarray,
    cells: Sequence[Cloud | None],
    *,
    prior: float,
    leading: int,
) -> list[GaussianMixture]:
    """The mixture at each time whose parts are the groups, with the groups' shares of the mass.

    A group is where its chains are, improved by a few steps of expectation maximisation on the
    cells: chains that run together need not be a cluster at every time, nor pass all cells. In many
    coordinates that is worth more than two nats a cell. Where no cells were seen, the moments are
    the means of those before and after, and bend as the group does.

    Args:
        points: of the chains, shape `(chains, times, dim)`.
        masses: of them, shape `(chains, times)`.
        label: the group of each, none empty.
        cells: of every time, or `None` between two times that have some.
        prior: as how many chains the covariance within all groups counts in that of each.
        leading: beyond so many coordinates, covariances are diagonal.
    """
    share, options = np.eye(label.max() + 1)[label], {"strength": prior, "leading": leading}
    found = []
    for x, m, cloud in zip(points.swapaxes(0, 1), masses.T, cells):
        mixture = of_groups(x, m, share, **options)
        found.append(mixture if cloud is None else follow(mixture, *cloud, steps=_STEPS, **options))
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
