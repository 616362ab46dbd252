"""How true an end is to its samples: rows that no fit has seen say it."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from liouville.model import Model
from liouville.numerics.couplings import mean_distance
from liouville.tasks.transport._images import Image
from liouville.tasks.transport.answers import arrived
from liouville.tasks.transport.ends import End, equal_rows

Carry: TypeAlias = Callable[[np.ndarray, int], np.ndarray]
"""Takes points of the end before, shape `(n, dim)`, to the end of a number."""

_RICHER = "try --ends auto"
_OTHER = (
    "the law that is met is not that of the samples; look at held-out nats, or give more samples"
)
# Bandwidths of the kernel estimate, as shares of Scott's; rows that it is made of.
_BANDWIDTHS, _MOST_KERNELS = np.geomspace(0.05, 1.5, 12), 4000
# Clouds that are carried; through maps a point takes a hundred times as long.
_CLOUDS, _CLOUDS_THROUGH_MAPS = 10, 3
# Rows of each; exact assignment takes a moment at this size.
_MOST_ROWS = 1000
# A law is another than that of the samples if a kernel estimate gives so many nats more, by so many
# standard errors; no row counts for more than this.
_NATS, _ERRORS, _MOST_NATS = 0.1, 3.0, 10.0
# Arrival is worse than chance above this share of the floor.
_RATIO = 1.2


def judge_ends(
    ends: Sequence[End], carry: Carry, *, seed: int, remedy: str = _RICHER, why: str = _OTHER
) -> dict[str, Any]:
    """Figures of every end that has rows kept apart.

    The nats of the law that is met beside those of a kernel estimate of the training rows, and W2
    between where rows of the end before arrive and the rows kept apart, beside the same for as many
    training rows, which is the floor; both are root mean squares over ten clouds, or three through
    maps.

    Args:
        ends: in the order of time.
        carry: what takes points of one end to the next.
        seed: of rows and draws.
        remedy: what to try where the law that is met is another than that of the samples.
        why: what arrives is not the samples, and what to do.

    Warns:
        UserWarning: If it is.
    """
    found: dict[str, Any] = {}
    for number, end in enumerate(ends):
        if end.points is None or end.test is None:
            continue
        name = name_of_end(number, len(ends))
        training = equal_rows(end.points, end.weights, seed)
        ours, kernel = -end.mixture.log_density(end.test), _kernel_nats(training, end.test)
        found[f"held-out nats of {name}"] = float(ours.mean())
        found[f"held-out nats of {name}, kernel estimate"] = float(kernel.mean())
        lost = np.clip(ours - kernel, -_MOST_NATS, _MOST_NATS)
        error = float(lost.std() / np.sqrt(len(lost)))
        if lost.mean() > max(_NATS, _ERRORS * error):
            warnings.warn(
                f"the law that stands for {end.source} gives its held-out rows "
                f"{lost.mean():.2f} ± {error:.2f} nats less than a kernel estimate does: what is "
                f"met there is not quite the law of the samples; {remedy}",
                stacklevel=2,
            )
        if number:
            arrival = _arrival(ends[number - 1], end, number, carry, seed)
            found[f"W2 of arrival to held-out rows of {name}"] = arrival.ours
            found[f"W2 of arrival to held-out rows of {name}, floor"] = arrival.floor
            if arrival.ours > _RATIO * arrival.floor:
                warnings.warn(
                    f"what arrives at {end.source} is at {arrival.ours:.4g} from its held-out rows "
                    f"(W2), other rows of it at {arrival.floor:.4g}: {why}",
                    stacklevel=2,
                )
    return found


def along(model: Model, seed: int) -> Carry:
    """What takes points along a model, with its noise if there is any."""

    def carry(points: np.ndarray, number: int) -> np.ndarray:
        first, last = (float(t) for t in model.times[number - 1 : number + 1])
        return arrived(model, points, first, last, draws=int(np.any(model.sigma)), seed=seed)[0]

    return carry


class _Arrival(NamedTuple):
    ours: float
    floor: float


def _arrival(before: End, end: End, number: int, carry: Carry, seed: int) -> _Arrival:
    rng = np.random.default_rng(seed)
    assert end.test is not None
    assert end.points is not None
    kept = end.test[rng.permutation(len(end.test))[:_MOST_ROWS]]
    n, clouds = len(kept), clouds_of(before, end)
    if before.points is None:
        starts = before.mixture.sample(clouds * n, seed=seed)[0]
    else:
        rows = equal_rows(before.points, before.weights, seed)
        rows = rows if before.test is None else np.concatenate([rows, before.test])
        starts = rows[_picked(len(rows), n, clouds, rng)]
    moved = carry(starts, number)
    training = equal_rows(end.points, end.weights, seed)
    others = training[_picked(len(training), n, clouds, rng)]

    ours, floor = (mean_distance(np.split(x, clouds), [kept] * clouds) for x in (moved, others))
    return _Arrival(ours.value, floor.value)


def clouds_of(*ends: End) -> int:
    """How many clouds are carried between ends to judge where they arrive."""
    is_seen = any(isinstance(end.mixture, Image) for end in ends)
    return _CLOUDS_THROUGH_MAPS if is_seen else _CLOUDS


def _picked(count: int, n: int, clouds: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of some clouds of `n`, each without repeats where there are enough of them."""
    return np.concatenate([np.resize(rng.permutation(count), n) for _ in range(clouds)])


def _kernel_nats(training: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Negative log-densities of kept rows by Gaussian kernels of the shape of the whole.

    Their width is the one that gives most to training rows left out one by one.
    """
    rows = training[np.random.default_rng(0).permutation(len(training))[:_MOST_KERNELS]]
    n, dim = rows.shape
    covariance = np.cov(rows.T).reshape(dim, dim)
    covariance += 1e-9 * np.trace(covariance) / dim * np.eye(dim)
    factor = np.linalg.cholesky(covariance)
    y, z = np.linalg.solve(factor, rows.T).T, np.linalg.solve(factor, kept.T).T
    among, between = cdist(y, y, "sqeuclidean"), cdist(z, y, "sqeuclidean")
    np.fill_diagonal(among, np.inf)
    constant = np.log(np.diagonal(factor)).sum() + 0.5 * dim * np.log(2.0 * np.pi)

    def nats(squares: np.ndarray, width: float, count: int) -> np.ndarray:
        kernels = logsumexp(-0.5 * squares / width**2, axis=1)
        return constant + dim * np.log(width) + np.log(count) - np.asarray(kernels)

    widths = _BANDWIDTHS * n ** (-1.0 / (dim + 4))
    best = min(widths, key=lambda width: float(nats(among, width, n - 1).mean()))
    return nats(between, best, n)


def name_of_end(number: int, count: int) -> str:
    """What an end is called in figures."""
    if count <= 2:
        return ("the source", "the target")[number]
    return f"end {number + 1}"
