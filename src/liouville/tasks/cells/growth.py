"""Masses of snapshots, and how cells are expected to grow; nothing here imports JAX."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liouville.data import Snapshots, read_cells
from liouville.errors import LiouvilleError
from liouville.runs.reading import is_file

_MOST_EXPONENT = 14.0
_TOTAL = re.compile(r"\s*([^=,\s]+)\s*=\s*([^=,\s]+)\s*")


def totals_by_time(cells: Snapshots, mass: str) -> np.ndarray:
    """The mass of each snapshot, shape `(times,)`.

    Args:
        cells: the snapshots.
        mass: `relative` for one at all times, `counts` for the number of cells or the sum of their
            weights, the total at every time, such as `0=400,1=442`, a file with a column of times
            and one of totals, or the name of a column, which gave the cells their `totals`.

    Raises:
        LiouvilleError: if `mass` is none of these, or a time has no total.
    """
    times = cells.distinct_times
    if mass == "relative":
        return np.ones(len(times))
    if mass == "counts":
        return np.array([own.sum() for own in _weights(cells)])
    if column_of(mass) is not None:
        if cells.totals is None:
            raise _not_understood(mass, times)
        return np.array([cells.totals[cells.times == t][0] for t in times])
    table = _of_file(Path(mass)) if is_file(mass) else _of_pairs(mass, times)
    return _totals(table, times)


def column_of(mass: str) -> str | None:
    """The column that `mass` names, if it is one."""
    is_else = mass in ("relative", "counts", "") or "=" in mass or is_file(mass)
    return None if is_else else mass


def weights_by_time(cells: Snapshots) -> list[np.ndarray] | None:
    """The masses of the cells of each time, or `None` if all are equal."""
    if cells.weights is None:
        return None
    return [cells.weights[cells.times == t] for t in cells.distinct_times]


def _weights(cells: Snapshots) -> list[np.ndarray]:
    return weights_by_time(cells) or [np.ones(n) for n in cells.counts]


def _of_pairs(text: str, times: np.ndarray) -> dict[float, float]:
    """The totals of `TIME=TOTAL,...`."""
    found = [_TOTAL.fullmatch(pair) for pair in text.split(",")]
    try:
        table = {float(pair[1]): float(pair[2]) for pair in found if pair is not None}
    except ValueError:
        table = {}
    if None in found or not table:
        raise _not_understood(text, times)
    return table


def _of_file(path: Path) -> dict[float, float]:
    """The totals of a table with a column of times and one more."""
    read = read_cells(path)
    if read.dim != 1 or len(read.distinct_times) < len(read):
        raise LiouvilleError(
            f"--mass {path} has {len(read)} rows of {len(read.distinct_times)} times and "
            f"{read.dim} columns besides; give a table with one row a time, and one total in it"
        )
    return dict(zip(read.times.tolist(), read.points[:, 0].tolist()))


def _not_understood(text: str, times: np.ndarray) -> LiouvilleError:
    return LiouvilleError(
        f"--mass is {text!r}; give relative, counts, a column, a table, or the total at every "
        "time: " + ",".join(f"{t:g}=1" for t in times[:3])
    )


def _totals(table: Mapping[float, float], times: np.ndarray) -> np.ndarray:
    """The total of each time."""
    totals = []
    for t in times.tolist():
        near = [total for known, total in table.items() if np.isclose(known, t)]
        if not near or not (0 < near[0] < np.inf):
            said = f"the total {near[0]:g}" if near else "no total"
            raise LiouvilleError(f"--mass has {said} at time {t:g}; give a positive one: {t:g}=1")
        totals.append(near[0])
    return np.array(totals)


def growth_factors(cells: Snapshots) -> list[np.ndarray] | None:
    """By how much each cell of each snapshot but the last is expected to grow until the next one.

    Raises:
        LiouvilleError: if that is by more than a factor of a million.
    """
    if cells.rates is None:
        return None
    times, factors = cells.distinct_times, []
    for t, gap in zip(times.tolist(), np.diff(times).tolist()):
        exponents = gap * cells.rates[cells.times == t]
        most = exponents[np.abs(exponents).argmax()]
        if abs(most) > _MOST_EXPONENT:
            raise LiouvilleError(
                f"at the expected rates a cell grows by a factor of exp({most:.3g}) from "
                f"{cells.time_name} {t:g} to {t + gap:g}; give rates in one over the unit of "
                "the times"
            )
        factors.append(np.exp(exponents))
    return factors
