r"""What each member of an average is fitted to: the cells, or as many drawn anew from them.

Members that see the same cells differ in their start alone, and their spread says nothing of the
error of the sample. In a bootstrap each has its own weights of the cells (or of the donors that
they came from) instead: the Bayesian one of Rubin (Ann. Stat. 1981), whose weights are never zero,
so that no group of cells is lost. Weights of a Dirichlet law with every parameter $(n-2)/n$ give
the mean of $n$ numbers the variance $s^2/n$ exactly, with $s^2$ their unbiased variance: with few
donors, too, where weights of parameter one would give $(n-1)/(n+1)$ of it.
"""

from typing import NamedTuple

import numpy as np

from liouville.data import Snapshots
from liouville.errors import LiouvilleError
from liouville.numerics.distances import Cloud
from liouville.tasks.cells._gaps import Filled
from liouville.tasks.cells.conditions import Stratum, names_of, strata
from liouville.tasks.cells.config import donors_column

_FEWEST = 3  # donors, and cells, of which the spread says how much others would differ
_LEAST = 1e-9  # of the weights, whose mean is one


class Sample(NamedTuple):
    """What a member starts from."""

    filled: Filled
    cells: list[Cloud]  # of every snapshot, with their masses
    labels: list[np.ndarray]  # the numbers of the conditions of these cells


def factors_by_time(cells: Snapshots, by: str, members: int, seed: int) -> list[np.ndarray] | None:
    """By how much every member weighs the cells of each time, shapes `(members, n_i)`.

    The mass of each time, and of each condition at a time, stays what it is.

    Args:
        cells: the snapshots, by time and condition (`conditions.ordered`).
        by: `none`, `cells`, or the name of the column that gave the cells their `donors`.
        members: how many there are.
        seed: of the weights.

    Raises:
        LiouvilleError: if there are fewer than two members, or fewer than three donors at a time.
    """
    if by == "none":
        return None
    if members < 2:
        raise LiouvilleError(
            f"path.members is {members}, but the errors of --bootstrap {by} are the spread of "
            "members; give 6 or more"
        )
    rng = np.random.default_rng([seed, members])
    drawn = np.ones((members, len(cells)))
    groups = strata(cells, names_of(cells))
    if donors_column(by) is None:
        for group in groups:
            drawn[:, group.rows] = _weights(rng, (members, len(group.rows)), len(group.rows))
    else:
        drawn = _of_donors(cells, groups, by, members, rng)
    weights = np.ones(len(cells)) if cells.weights is None else cells.weights
    for group in groups:
        own = weights[group.rows] / weights[group.rows].sum()
        drawn[:, group.rows] /= (drawn[:, group.rows] @ own)[:, None]
    return [drawn[:, cells.times == t] for t in cells.distinct_times]


def _of_donors(
    cells: Snapshots, groups: list[Stratum], by: str, members: int, rng: np.random.Generator
) -> np.ndarray:
    """Weights of the cells that are those of their donors, shape `(members, n)`."""
    if cells.donors is None:
        raise LiouvilleError(f"the cells have no donors for --bootstrap {by}; give them a column")
    names, label = np.unique(cells.donors, return_inverse=True)
    counts = np.array([len(np.unique(label[group.rows])) for group in groups])
    if counts.min() < _FEWEST:
        few = groups[int(counts.argmin())]
        of = "" if cells.condition is None else f" of condition {cells.condition[few.rows[0]]!r}"
        raise LiouvilleError(
            f"{cells.time_name} {few.time:g}{of} has {counts.min()} of the {len(names)} donors of "
            f"{by!r}, whose spread is not known from fewer than {_FEWEST}; use --bootstrap cells, "
            "and errors are of these donors alone"
        )
    return _weights(rng, (members, len(names)), int(counts.min()))[:, label]


def _weights(rng: np.random.Generator, shape: tuple[int, int], n: int) -> np.ndarray:
    """Positive weights of `n` things, up to a factor."""
    parameter = max(n - 2, 1) / max(n, _FEWEST)
    return np.maximum(rng.gamma(parameter, size=shape), _LEAST)


def samples(
    filled: Filled,
    rows: np.ndarray,
    cells: list[Cloud],
    labels: list[np.ndarray],
    factors: list[np.ndarray] | None,
    members: int,
) -> list[Sample]:
    """What every member starts from.

    Args:
        filled: the chains through all cells.
        rows: which cell each chain has at every snapshot, shape `(chains, times)`.
        cells: of every snapshot.
        labels: the numbers of their conditions.
        factors: see `factors_by_time`; by default all members start from the same.
        members: how many there are.
    """
    if factors is None:
        return [Sample(filled, cells, labels)] * members
    return [
        Sample(
            filled.weighted([f[i][own] for f, own in zip(factors, rows.T)]),
            [Cloud(x, m * f[i]) for (x, m), f in zip(cells, factors)],
            labels,
        )
        for i in range(members)
    ]
