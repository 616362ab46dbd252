"""Checks of events on plain arrays, which `Events.check` and the readers put together."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np

from liouville.data._geography import check_depths, check_places, mean_place, near_longitude
from liouville.data._names import listed
from liouville.data._regions import Region
from liouville.errors import LiouvilleError

Missing = Literal["refuse", "drop"]
"""What to do with events that cannot be used."""

Repeats = Literal["auto", "drop", "keep", "count"]
"""What to do with events that repeat another's time, place and mark."""


def missing_rows(
    columns: Mapping[str, np.ndarray],
    missing: Missing,
    source: str,
    where: Callable[[int], str],
    said: list[str],
) -> np.ndarray:
    """Which events have a value in all columns ``(n,)``; `said` is told of those dropped."""
    if missing not in get_args(Missing):
        raise LiouvilleError(f"missing must be 'refuse' or 'drop', got {missing!r}")
    bad = {name: ~np.isfinite(values) for name, values in columns.items()}
    whole = ~np.logical_or.reduce(list(bad.values()))
    if whole.all():
        return whole
    counts = listed([f"{name} ({int(rows.sum())})" for name, rows in bad.items() if rows.any()])
    if missing == "refuse":
        raise LiouvilleError(
            f"missing or infinite values in {source}, by column: {counts}; the first on "
            f"{where(int(np.argmin(whole)))}. Fill them in, leave the column out, or say "
            "missing='drop' (--set data.missing=drop) to drop those events"
        )
    said.append(
        f"{int(np.sum(~whole))} of {whole.size} events of {source} have missing or infinite "
        f"values and are dropped, by column: {counts}"
    )
    return whole


def around(lonlat: np.ndarray, region: Region | None, source: str, said: list[str]) -> np.ndarray:
    """Longitudes on the turn of the region, or without one on the turn that keeps them together.

    Refuses what cannot be a longitude or a latitude; `said` takes a message if any is moved.
    """
    check_places(lonlat[:, :2], source)
    for depth in lonlat[:, 2:].T:
        check_depths(depth, source)
    longitudes = lonlat[:, 0]
    if region is not None:
        west, _, east, _ = region.bounds
        center = (west + east) / 2
    elif np.ptp(longitudes) <= 180:
        return lonlat
    else:
        try:
            center = mean_place(longitudes, np.zeros(len(lonlat)))[0]
        except LiouvilleError:  # all around the globe
            return lonlat
    moved = near_longitude(longitudes, center)
    if region is None and np.ptp(moved) >= np.ptp(longitudes):
        return lonlat
    count = int(np.sum(moved != longitudes))
    if not count:
        return lonlat
    said.append(
        f"{count} longitudes of {source} are moved by 360 degrees to lie around {center:.6g}, so "
        "that the date line does not part them"
    )
    return np.column_stack([moved, lonlat[:, 1:]])


def duplicates(
    sequence: np.ndarray, times: np.ndarray, places: np.ndarray, marks: np.ndarray | None
) -> np.ndarray:
    """Which events repeat an earlier one in everything, booleans of shape ``(n,)``."""
    columns = [sequence, times, *places.T, *([] if marks is None else [marks])]
    # Equal rows are neighbours in lexicographic order, which keeps the order of equal ones.
    order = np.lexsort(columns[::-1])
    rows = np.stack(columns, axis=1)[order]
    found = np.zeros(len(times), bool)
    found[order[1:]] = np.all(rows[1:] == rows[:-1], axis=1)
    return found


def numbers_of_equals(
    sequence: np.ndarray, times: np.ndarray, places: np.ndarray, repeated: np.ndarray
) -> np.ndarray:
    """How many events there are like each one that repeats none, floats of shape ``(n,)``."""
    columns = np.stack([sequence, times, *places.T], axis=1)
    _, groups, counts = np.unique(columns, axis=0, return_inverse=True, return_counts=True)
    return counts[groups.ravel()][~repeated].astype(np.float64)
