"""Groups of chains that run together, and the mixtures they make."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from liouville.numerics.clusters import clusters as kmeans
from liouville.numerics.distances import Cloud
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.shares import effective
from liouville.numerics.shrunken import follow, of_groups
from liouville.numerics.signal import bound, signal

Array = np.ndarray

_RESTARTS = 4  # of k-means, of which the best is taken
# Fewer cells than so many a coordinate do not tell the shape of a cloud.
_ENOUGH = 5
_TINY = 1e-30


def mixtures(
    points: np.ndarray,
    masses: np.ndarray,
    label: np.ndarray,
    cells: Sequence[Cloud | None],
    *,
    prior: float,
    leading: int,
    degrees: float = np.inf,
    steps: int = 5,
    with_chance: bool = False,
) -> list[GaussianMixture]:
    """The mixture at each time whose parts are the groups, with the groups' shares of the mass.

    A group is where its chains are, improved by a few steps of expectation maximisation on the
    cells: chains that run together need not be a cluster at every time, nor pass all cells. In many
    coordinates that is worth more than two nats a cell. Where cells are fewer than five a
    coordinate, the covariances at other times stand for the missing ones, see `together`. Where no
    cells were seen, the moments are the means of those before and after, and bend as the group
    does. Groups move and grow by what is `more_than_chance`.

    Args:
        points: of the chains, shape `(chains, times, dim)`.
        masses: of them, shape `(chains, times)`.
        label: the group of each, none empty.
        cells: of every time, or `None` between two times that have some.
        prior: as how many chains the covariance within all groups counts in that of each.
        leading: beyond so many coordinates, covariances are diagonal.
        degrees: of freedom of Student parts, of which the covariances are the scales.
        steps: of expectation maximisation.
        with_chance: parts keep what chance does to them, as where the spread of several such
            mixtures is the error.
    """
    share, options = np.eye(label.max() + 1)[label], {"strength": prior, "leading": leading}
    improved, found = {**options, "degrees": degrees, "steps": steps}, []
    for x, m, cloud in zip(points.swapaxes(0, 1), masses.T, cells):
        mixture = of_groups(x, m, share, **options)
        found.append(mixture if cloud is None else follow(mixture, *cloud, **improved))
    seen = [(i, effective(x.weights)) for i, x in enumerate(cells) if x is not None]
    alone, numbers = [found[i] for i, _ in seen], [n for _, n in seen]
    shapes = together(np.stack([mixture.covariances for mixture in alone]), numbers)
    whole = [dataclasses.replace(m, covariances=shape) for m, shape in zip(alone, shapes)]
    told = whole if with_chance else more_than_chance(whole, numbers, prior, degrees)
    for (i, _), mixture in zip(seen, told):
        found[i] = mixture
    means, _ = moments(points, masses, label)
    for i in (i for i, cloud in enumerate(cells) if cloud is None):
        before, after = found[i - 1], found[i + 1]
        bend = means[:, i] - 0.5 * (means[:, i - 1] + means[:, i + 1])
        # What does not move does not bend either.
        seen_step, step = means[:, i + 1] - means[:, i - 1], after.means - before.means
        size, seen_size = (np.linalg.norm(x, axis=1, keepdims=True) for x in (step, seen_step))
        bend *= np.minimum(size / np.maximum(seen_size, _TINY), 1.0)
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


def more_than_chance(
    mixtures: Sequence[GaussianMixture],
    numbers: Sequence[float],
    strength: float,
    degrees: float = np.inf,
) -> list[GaussianMixture]:
    r"""Mixtures of all times, of which the parts differ by what is more than chance.

    The mean of $n_i$ cells of covariance $S$ is off by $S / n_i$, so that the rows
    $\sqrt{n_i} S^{-1/2} (m_i - \bar m)$ are a table of low rank in white noise, of which the
    signal is kept, see `liouville.numerics.signal`. So are those of the covariances,
    $(n_i + \kappa) / \sqrt{2 n_i} \, (S^{-1/2} S_i S^{-1/2} - 1)$, where $\kappa$ cells draw them
    to a common shape. Otherwise parts at rest move by $S^{1/2} \sqrt{2 / n}$ from one time to the
    next. What moves far stays as it is. Of a Student part, whose scale $S$ is, a point tells
    $(\nu + d) / (\nu + d + 2)$ as much. For the shares see `changing_shares`.

    Args:
        mixtures: of every time, with the same parts.
        numbers: of their cells.
        strength: $\kappa$.
        degrees: $\nu$, of freedom of the parts.
    """
    if len(mixtures) < 2:
        return list(mixtures)
    shares, means, covariances = (
        np.stack(a) for a in zip(*((m.weights, m.means, m.covariances) for m in mixtures))
    )
    told = 1.0 / (1.0 + 2.0 / (degrees + means.shape[-1]))
    counts = told * np.asarray(numbers, float)[:, None] * shares
    for k in range(shares.shape[1]):
        own = means[:, k], covariances[:, k], counts[:, k], strength
        means[:, k], covariances[:, k] = _moved(*own)
    shares = changing_shares(shares, numbers)
    return [GaussianMixture(*of_time) for of_time in zip(shares, means, covariances)]


def changing_shares(shares: Array, numbers: Sequence[float] | Array) -> Array:
    r"""Shares of parts at each time, shape `(times, parts)`, by what is more than chance.

    The root of a number of cells is off by a half, whatever the number. A part whose
    $2 \sqrt{N_i} (\sqrt{w_i} - \sqrt{\bar w})$ at $T$ times are longer than noise, which is
    $1 + \sqrt{T - 1}$ at most, keeps its shares, so that rates of growth are of their true size;
    the others have the same at all times.
    """
    usual = np.average(shares, axis=0, weights=numbers)
    errors = 2.0 * np.sqrt(numbers)[:, None] * (np.sqrt(shares) - np.sqrt(usual))
    is_more = np.linalg.norm(errors, axis=0) > bound(1, len(shares) - 1)
    told = np.where(is_more, shares, usual)
    return told / told.sum(axis=1, keepdims=True)


def _moved(means: Array, covariances: Array, counts: Array, strength: float) -> tuple[Array, Array]:
    """The moments of one part at all times, by what is more than chance of so many cells."""
    center, shape = (np.average(a, axis=0, weights=counts) for a in (means, covariances))
    root, (times, dim) = np.linalg.cholesky(shape), means.shape
    whitener, error = np.linalg.inv(root), np.sqrt(1.0 / counts)[:, None]
    steps = (means - center) @ whitener.T
    means = center + error * signal(steps / error, times - 1, dim) @ root.T
    # Of a covariance that is drawn to the common one the error is less.
    error = np.sqrt(2.0 * counts)[:, None] / (counts[:, None] + strength)
    own = whitener @ covariances @ whitener.T
    free = int(np.count_nonzero(np.tril(shape)))
    told = error * signal((own - np.eye(dim)).reshape(times, -1) / error, times - 1, free)
    changed = np.eye(dim) + told.reshape(own.shape)
    shown = [new if _is_positive(new) else old for new, old in zip(changed, own)]
    return means, root @ np.stack(shown) @ root.T


def _is_positive(matrix: Array) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


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
