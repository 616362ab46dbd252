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
from liouville.tasks.cells.config import donors_column
from liouville.tasks.cells.growth import masses_by_time

_FEWEST = 3  # donors, and cells, of which the spread says how much others would differ
_LEAST = 1e-9  # of the weights, whose mean is one


class Sample(NamedTuple):
    """What a member starts from."""

    filled: Filled
    cells: list[Cloud]  # of every snapshot, with their masses


def factors_by_time(cells: Snapshots, by: str, members: int, seed: int) -> list[np.ndarray] | None:
    """By how much every member weighs the cells of each time, shapes `(members, n_i)`.

    The mass of each time stays what it is.

    Args:
        cells: the snapshots.
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
    times = cells.distinct_times
    masses = masses_by_time(cells, np.ones(len(times)))
    if donors_column(by) is None:
        drawn = [_weights(rng, (members, len(mass)), len(mass)) for mass in masses]
    else:
        drawn = _of_donors(cells, by, members, rng)
    return [f / (f @ mass)[:, None] for f, mass in zip(drawn, masses)]


def _of_donors(
    cells: Snapshots, by: str, members: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Weights of the cells of each time that are those of their donors."""
    times = cells.distinct_times
    if cells.donors is None:
        raise LiouvilleError(f"the cells have no donors for --bootstrap {by}; give them a column")
    names, label = np.unique(cells.donors, return_inverse=True)
    own = [label[cells.times == t] for t in times]
    counts = np.array([len(np.unique(donors)) for donors in own])
    if counts.min() < _FEWEST:
        t = times[int(counts.argmin())]
        raise LiouvilleError(
            f"{cells.time_name} {t:g} has {counts.min()} of the {len(names)} donors of {by!r}, "
            f"whose spread is not known from fewer than {_FEWEST}; use --bootstrap cells, and "
            "errors are of these donors alone"
        )
    drawn = _weights(rng, (members, len(names)), int(counts.min()))
    return [drawn[:, donors] for donors in own]


def _weights(rng: np.random.Generator, shape: tuple[int, int], n: int) -> np.ndarray:
    """Positive weights of `n` things, up to a factor."""
    parameter = max(n - 2, 1) / max(n, _FEWEST)
    return np.maximum(rng.gamma(parameter, size=shape), _LEAST)


def samples(
    filled: Filled,
    rows: np.ndarray,
    cells: list[Cloud],
    factors: list[np.ndarray] | None,
    members: int,
) -> list[Sample]:
    """What every member starts from.

    Args:
        filled: the chains through all cells.
        rows: which cell each chain has at every snapshot, shape `(chains, times)`.
        cells: of every snapshot.
        factors: see `factors_by_time`; by default all members start from the same.
        members: how many there are.
    """
    if factors is None:
        return [Sample(filled, cells)] * members
    return [
        Sample(
            filled.weighted([f[i][own] for f, own in zip(factors, rows.T)]),
            [Cloud(x, m * f[i]) for (x, m), f in zip(cells, factors)],
        )
        for i in range(members)
    ]
