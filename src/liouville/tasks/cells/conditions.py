"""Cells of several conditions: those of a time and a condition, and the masses of each.

Cells without conditions are all of one. Nothing here imports JAX.
"""

from typing import NamedTuple

import numpy as np

from liouville.data import Snapshots
from liouville.tasks.cells.growth import totals_by_time


class Stratum(NamedTuple):
    """The cells of one time and one condition."""

    time: float
    place: int  # of the time
    condition: int  # its number
    rows: np.ndarray  # which cells


class Totals(NamedTuple):
    """The masses of all conditions.

    Attributes:
        shares: what each condition counts in the whole, of sum one, shape `(conditions,)`.
        each: its mass at every time, shape `(conditions, times)`.
        whole: the mean of all of them by their shares, shape `(times,)`.
    """

    shares: np.ndarray
    each: np.ndarray
    whole: np.ndarray


def names_of(cells: Snapshots) -> tuple[str, ...]:
    """The names of the conditions in order; none if cells have no condition."""
    return () if cells.condition is None else tuple(np.unique(cells.condition).tolist())


def ordered(cells: Snapshots) -> Snapshots:
    """The cells by time, and those of a time by condition."""
    second = np.zeros(len(cells), int) if cells.condition is None else cells.condition
    return cells.select(np.lexsort((second, cells.times)))


def numbers_of(cells: Snapshots, names: tuple[str, ...]) -> np.ndarray:
    """The number of the condition of every cell, shape `(n,)`; zero if there are no conditions."""
    if cells.condition is None:
        return np.zeros(len(cells), int)
    return np.searchsorted(np.array(names), cells.condition)


def strata(cells: Snapshots, names: tuple[str, ...]) -> list[Stratum]:
    """The cells of each time and condition that has some, as `ordered` puts them."""
    number, found = numbers_of(cells, names), []
    for place, t in enumerate(cells.distinct_times.tolist()):
        for condition in range(max(len(names), 1)):
            rows = np.flatnonzero((cells.times == t) & (number == condition))
            if len(rows):
                found.append(Stratum(t, place, condition, rows))
    return found


def totals(cells: Snapshots, mass: str) -> Totals:
    """The masses of the conditions, see `liouville.tasks.cells.growth.totals_by_time`.

    If cells are counted, those of each condition are, and its mass where it has no cells is
    interpolated; all conditions then count the same in the whole. Else each has the totals that
    are given, and counts by the number of its cells.
    """
    names, given = names_of(cells), totals_by_time(cells, mass)
    if not names:
        return Totals(np.ones(1), given[None], given)
    if mass != "counts":
        shares = np.bincount(numbers_of(cells, names)) / len(cells)
        return Totals(shares, np.tile(given, (len(names), 1)), given)
    each, times = np.full((len(names), len(given)), np.nan), cells.distinct_times
    weights = np.ones(len(cells)) if cells.weights is None else cells.weights
    for stratum in strata(cells, names):
        each[stratum.condition, stratum.place] = weights[stratum.rows].sum()
    each = np.exp(interpolated(times, np.log(each)))
    return Totals(np.full(len(names), 1.0 / len(names)), each, each.mean(axis=0))


def interpolated(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rows `(..., times)` with what is NaN in them interpolated, constant beyond both ends."""
    flat = values.reshape(-1, len(times))
    rows = [np.interp(times, times[~np.isnan(v)], v[~np.isnan(v)]) for v in flat]
    return np.stack(rows).reshape(values.shape)


def masses_by_time(cells: Snapshots, known: Totals) -> list[np.ndarray]:
    """The mass of every cell of each time, as `ordered` puts them.

    A condition has its share of the whole, however many of its cells were seen; so proportions
    of conditions that only the design of an experiment changes are no growth.
    """
    names = names_of(cells)
    weights = np.ones(len(cells)) if cells.weights is None else cells.weights
    found: list[list[np.ndarray]] = [[] for _ in known.whole]
    for stratum in strata(cells, names):
        own, (i, c) = weights[stratum.rows], (stratum.place, stratum.condition)
        found[i].append(known.shares[c] * known.each[c, i] * own / own.sum())
    every = [np.concatenate(parts) for parts in found]
    return [mass * (total / mass.sum()) for mass, total in zip(every, known.whole)]
