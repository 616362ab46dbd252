"""Reading events from tables, archives of arrays, and earthquake catalogues."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._event_checks import Missing, missing_rows
from liouville.data._event_tables import EventTable, read_event_table
from liouville.data._event_times import given_windows, guess_windows, moments_of
from liouville.data._events import Events
from liouville.data._names import USUAL, names_among, not_found
from liouville.data._regions import Region
from liouville.data._tables import Table, is_missing
from liouville.errors import LiouvilleError

_NONE = "none"


def read_events(
    file: Any,
    *,
    time: str | None = None,
    features: str | Sequence[str] | None = None,
    mark: str | None = None,
    sequence: str | None = None,
    window: Any = None,
    region: Region | str | Path | Sequence[int | float] | None = None,
    missing: Missing = "refuse",
) -> Events:
    """Reads events: when, where, and if known how large or of which kind.

    * ``.csv``, ``.tsv`` (also ``.gz``), ``.parquet``: one event a row, with named columns. The
      file of the USGS catalogue is read as it is.
    * ``.npz``: either one array per sequence, with columns time, coordinates and perhaps a mark,
      or flat arrays ``times``, ``places`` and perhaps ``sequence``, ``marks``, ``windows``,
      ``names``. Python objects are never unpickled.
    * ``.xml``, ``.quakeml``: QuakeML, if obspy is installed.

    Names are found in any case: time (or datetime, timestamp, origin_time, date, t, day, hour, …);
    longitude and latitude (lon, lat), else x and y (and z); magnitude (mag, mark); sequence.
    Places named as longitude and latitude are geographic, with longitude first whatever the order.
    Time stamps become days since midnight (UTC) of the first event; numbers stay as they are.
    Events are in the order of sequence; `Events.check` looks further.

    Args:
        file: The file, in the user's units, or a data frame, or an array with time, coordinates
            and perhaps a mark in each row.
        time: Column of times: numbers, or ISO stamps such as ``2011-03-11T05:46:24Z``.
        features: Columns of coordinates, as a list or separated by commas; names of the columns in
            an archive.
        mark: Column of marks: numbers, or text for kinds. ``"none"`` for none.
        sequence: Column that says to which sequence an event belongs. ``"none"`` for one sequence.
        window: Begin and end of observation: two numbers or stamps, as a pair or as text with a
            comma; one pair for all sequences, or a mapping from every name to its pair (this also
            adds sequences without events). Without it a window around the events is guessed.
        region: Where events are observed: a region, a box ``"west,south,east,north"``, or a
            GeoJSON file.
        missing: Whether rows without a time, place or mark are refused or dropped.

    Raises:
        LiouvilleError: If the file, a name in it or a value cannot be used.

    Warns:
        UserWarning: If rows are dropped, stamps have no zone, or the window is guessed.
    """
    where = None if region is None else Region.parse(region)
    names = None if features is None else names_among(features, "features", example="x,y")
    given = Path(file) if isinstance(file, str | os.PathLike) else file
    found = read_event_table(given, names, None if mark == _NONE else mark)
    if found.names:  # an archive, whose columns have no names of their own
        time, sequence, names = "time", "sequence", found.features
    own = (time, names, mark, sequence)
    return replace(_events(found, own, window, missing), region=where)


def is_geographic(features: Sequence[str]) -> bool:
    """Whether names of coordinates are those of longitude and latitude, in this order."""
    lower = [name.casefold() for name in features]
    return len(lower) == 2 and lower[0] in USUAL["longitude"] and lower[1] in USUAL["latitude"]


def _events(
    given: EventTable,
    own: tuple[str | None, tuple[str, ...] | None, str | None, str | None],
    window: Any,
    missing: Missing,
) -> Events:
    """The events of a table; `own` are names of the time, coordinates, mark and sequence."""
    table, source = given.table, given.table.source
    if not len(table) and not given.names:
        raise LiouvilleError(f"{source} has no rows; an event is a row of time and place")
    time, features, asked, key = own
    time = time or table.usual("time", *(features or ()))
    if time is None:
        raise not_found("column", "time", table.names, source)
    features = _sort(features or _coordinates(table), source)
    mark = None if asked == _NONE else asked or table.usual("mark", time, *features)
    key = None if key == _NONE else key or table.usual("sequence", time, *features)
    for name in (mark, key):
        if name in (time, *features):
            raise LiouvilleError(f"column {name!r} of {source} is used twice; name another")
    columns = {name: table.numbers(name) for name in features}
    kinds: tuple[str, ...] = ()
    if mark is not None:
        columns[mark], kinds = _marks(table, mark)
    texts = table.values(time)
    columns[time] = np.where(is_missing(texts), np.nan, 0.0)
    said: list[str] = []
    whole = missing_rows(columns, missing, source, table.where, said)
    for message in said:
        warnings.warn(message, stacklevel=3)
    rows = np.flatnonzero(whole)
    if not rows.size and (window is None or not given.names):
        raise LiouvilleError(
            f"{source} has no row with a time and a place, and so no events; give events, or at "
            "least the window"
        )
    moments = moments_of(texts[rows], time, lambda i: f"{table.where(int(rows[i]))} of {source}")
    if given.names:
        numbers, names = table.numbers(key or "")[rows].astype(np.intp), given.names
    else:
        numbers, names = _sequences(table, key, rows)
    if window is not None:
        windows, names, numbers = given_windows(window, moments, names, numbers, source)
    elif given.windows is not None:
        windows = given.windows
    else:
        windows = guess_windows(moments, len(names), source)
    order = np.argsort(numbers, kind="stable")
    rows = rows[order]
    return Events(
        moments.times[order],
        np.stack([columns[name][rows] for name in features], axis=1),
        numbers[order],
        windows,
        None if mark is None else columns[mark][rows],
        names=names,
        features=features,
        mark_name=(asked if given.names and mark else mark) or "magnitude",
        kinds=kinds,
        origin=moments.origin,
        time_unit=moments.unit,
        is_geographic=is_geographic(features),
        source=source,
    )


def _coordinates(table: Table) -> tuple[str, ...]:
    longitude, latitude = table.usual("longitude"), table.usual("latitude")
    if longitude and latitude:
        return longitude, latitude
    lower = {name.casefold(): name for name in table.names}
    found = tuple(lower[name] for name in "xyz" if name in lower)
    if "x" not in lower:
        raise LiouvilleError(
            f"{table.source} has no columns longitude and latitude, or x and y; name the "
            f"coordinates with features. It has: {', '.join(table.names)}"
        )
    return found


def _sort(features: tuple[str, ...], source: str) -> tuple[str, ...]:
    """Longitude before latitude."""
    if is_geographic(features[::-1]):
        return features[::-1]
    known = [n for n in features if n.casefold() in (*USUAL["longitude"], *USUAL["latitude"])]
    if known and not is_geographic(features):
        warnings.warn(
            f"places of {source} are {', '.join(features)}: not longitude and latitude alone, so "
            "degrees are taken as plain coordinates",
            stacklevel=4,
        )
    return features


def _marks(table: Table, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of a column of marks, and the names of kinds if it holds text."""
    if table.is_numeric(name):
        return table.numbers(name), ()
    texts = table.values(name)
    absent = is_missing(texts)
    kinds = np.unique(texts[~absent])
    numbers = np.searchsorted(kinds, texts).astype(np.float64)
    return np.where(absent, np.nan, numbers), tuple(str(kind) for kind in kinds)


def _sequences(
    table: Table, key: str | None, rows: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number of the sequence of some rows, and the names: numbers by value, text by name."""
    if key is None:
        return np.zeros(len(rows), np.intp), ("all",)
    texts = table.values(key)[rows]
    absent = np.flatnonzero(is_missing(texts))
    if absent.size:
        raise LiouvilleError(
            f"{absent.size} rows of {table.source} have no {key!r}, the first on "
            f"{table.where(int(rows[absent[0]]))}; fill it in or drop those rows"
        )
    names, numbers = np.unique(texts, return_inverse=True)
    if table.is_numeric(key):
        order = np.argsort(names.astype(np.float64), kind="stable")
        names, numbers = names[order], np.argsort(order)[numbers]
    return numbers.astype(np.intp), tuple(str(name) for name in names)
