"""Reading events from tables, archives of arrays, and earthquake catalogues."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from liouville.data._degrees import degrees
from liouville.data._event_archives import NONE, EventTable
from liouville.data._event_checks import Missing, missing_rows
from liouville.data._event_columns import (
    coordinates,
    count_column,
    is_degrees,
    is_geographic,
    mark_columns,
    sequence_column,
    type_column,
    words_of,
)
from liouville.data._event_marks import marks_of
from liouville.data._event_select import counted
from liouville.data._event_tables import read_event_table
from liouville.data._event_times import TimeUnit, moments_of, times_of
from liouville.data._event_windows import given_windows, guess_windows
from liouville.data._events import Events
from liouville.data._names import listed, names_among
from liouville.data._regions import Region
from liouville.data._sources import Source
from liouville.data._tables import Table, as_numbers, is_missing
from liouville.errors import LiouvilleError

# More different texts in a column are no types of events.
_MOST_TYPES = 20
# Columns with these names may be a part of the time, up to a number at which it begins again.
_CYCLES = {"day": 31.0, "hour": 24.0}


def read_events(
    file: Source,
    *,
    time: str | None = None,
    features: str | Sequence[str] | None = None,
    mark: str | None = None,
    sequence: str | None = None,
    window: Any = None,
    region: Region | str | Path | Sequence[int | float] | None = None,
    missing: Missing = "refuse",
    time_unit: TimeUnit = "auto",
    select: str | Sequence[str] | None = None,
    kinds: bool = False,
    counts: str | None = None,
) -> Events:
    """Reads events: when, where, and if known how large or of which kind.

    * ``.csv``, ``.tsv``, ``.txt``, ``.dat`` (also ``.gz``), ``.parquet``, ``.feather``, and data
      frames: one event a row, with named columns. The files of earthquake services, also FDSN text
      with bars, are read as they are.
    * ``.geojson``, ``.json``: a FeatureCollection of points, such as that of the USGS.
    * ``.npz``: arrays of one axis by the names of columns; flat arrays ``times``, ``places`` and
      perhaps ``sequence``, ``marks``, ``windows``, ``names``; or one array per sequence, with the
      time and the columns that `features` and `mark` name. Python objects are never unpickled.
    * ``.xml``, ``.quakeml`` and others: what obspy reads, if it is installed.

    Names are found in any case, with any signs between their words: time (or datetime, timestamp,
    Origin Time, date and time of day, year to second, …); longitude and latitude (lon, lat), else
    x and y (and z), else events are in time alone; magnitude (mag, Mw, ML, …); sequence. Places
    named as longitude and latitude are geographic, with longitude first whatever the order, and may
    be written in degrees and minutes. Time stamps become days since midnight (UTC) of the first
    event; numbers stay as they are unless they are decimal years or counts since 1970. Events are
    in the order of sequence; `Events.check` looks further.

    Args:
        file: The file, or a data frame, in the user's units.
        time: Column of times: numbers, or stamps such as ``2011-03-11T05:46:24Z``. With commas a
            date and a time of day, or year, month, day, hour, minute and second.
        features: Columns of coordinates, as a list or separated by commas; names of the columns in
            an archive. ``"none"`` for events in time alone.
        mark: Column of marks: numbers, or text for kinds. ``"none"`` for none.
        sequence: Column that says to which sequence an event belongs. ``"none"`` for one sequence.
        window: Begin and end of observation: two stamps, or numbers as in the file, as a pair or as
            text with a comma; one pair for all sequences, or a mapping from every name to its pair
            (this also adds sequences without events). Without it a window around the events is
            guessed.
        region: Where events are observed: a region, a box ``"west,south,east,north"``, or a
            GeoJSON file.
        missing: Whether rows without a time, place or mark are refused or dropped.
        time_unit: What one is in a column of numbers: a unit, or decimal years, or a count since
            1970; ``"auto"`` takes the latter two by their size, with a warning.
        select: Conditions that rows must meet, as a list or with commas: ``"type=earthquake"``,
            ``"depth<30"``, ``"magType=mw|mww"``.
        kinds: Whether marks that are numbers are names of kinds, too.
        counts: Column of whole numbers: how many events a row stands for. By default one called
            ``cases``, ``count`` or the like, with a warning; ``"none"`` for one event a row.

    Raises:
        LiouvilleError: If the file, a name in it or a value cannot be used.

    Warns:
        UserWarning: If rows are dropped, stamps have no zone, numbers are taken as instants, or
            the window is guessed; if there are several types of events or of magnitudes; if no
            coordinates are found, with the columns that are not used.
    """
    where = None if region is None else Region.parse(region)
    names = None if features is None else names_among(features, "features", example="x,y")
    found = read_event_table(file, names, mark, select)
    if found.names:  # an archive, whose columns have no names of their own
        time, sequence, names = "time", "sequence", found.features
    if not len(found.table) and not found.names:
        raise LiouvilleError(
            f"{found.table.source} has no rows; an event is a row of a time, and a place if any"
        )
    if not select:
        _say_types(found.table)
    columns = _columns(found.table, time, names, mark, sequence, counts)
    events = _events(found, columns, window, missing, time_unit, kinds)
    if found.names and mark in (None, NONE):
        events = replace(events, mark_name="magnitude")
    return replace(events, region=where)


@dataclass(frozen=True)
class _Columns:
    """Names of columns, and the times, which may be of several."""

    time: str
    times: np.ndarray  # shape ``(n,)``, text or numbers
    features: tuple[str, ...]
    mark: str | None
    sequence: str | None
    counts: str | None  # of the number of events of each row


def _columns(
    table: Table,
    time: str | None,
    features: tuple[str, ...] | None,
    mark: str | None,
    sequence: str | None,
    counts: str | None,
) -> _Columns:
    """The columns that were named, and those found for what was not."""
    source = table.source
    is_open = features is None
    features = () if features == (NONE,) else features
    used, times = times_of(table, time, features or ())
    features = _sort(coordinates(table) if features is None else features, source)
    used = (*used, *features)
    named_mark = mark
    if mark is None:
        several = mark_columns(table, used)
        if len(several) > 1:
            warnings.warn(
                f"{source} has several magnitudes ({listed(several)}); {several[0]!r} is taken: "
                "name another with mark (--mark)",
                stacklevel=4,
            )
        mark = several[0] if several else NONE
    is_unmarked = named_mark is None and mark == NONE
    if sequence is None:
        sequence = sequence_column(table, (*used, mark)) or NONE
    if sequence == NONE and time is None:
        _refuse_part(table, used[0], times)
    is_guess = counts is None
    counts = counts or count_column(table, (*used, mark, sequence)) or NONE
    for name in (*features, mark, sequence, counts):
        if name != NONE:
            table.values(name)  # refuses an unknown name
    kept = [name for name in (*used, mark, sequence, counts) if name != NONE]
    twice = next((name for name in kept if kept.count(name) > 1), None)
    if twice is not None:
        raise LiouvilleError(f"column {twice!r} of {source} is used twice; name another")
    rest = [name for name in table.names if name not in kept]
    if is_open and not features:
        unused = f"; not used: {listed(rest)}" if rest else ""
        warnings.warn(
            f"{source} has no columns longitude and latitude, or x and y: its events are in time "
            f"alone{unused}. Name coordinates with features (--features), or say 'none' if there "
            "are none",
            stacklevel=4,
        )
    elif features and is_unmarked and rest:
        warnings.warn(
            f"{source} has no column of magnitudes or kinds that is known by its name: its events "
            f"are without; not used: {listed(rest)}. Name one with mark (--mark), or say 'none'",
            stacklevel=4,
        )
    if is_guess and counts != NONE:
        warnings.warn(
            f"{counts!r} of {source} is taken as the number of events of a row; name another "
            "column with counts (--counts), or say 'none' if a row is one event",
            stacklevel=4,
        )
    named = listed(used[: len(used) - len(features)])
    own = (None if name == NONE else name for name in (mark, sequence, counts))
    return _Columns(named, times, features, *own)


def _events(
    given: EventTable,
    own: _Columns,
    window: Any,
    missing: Missing,
    time_unit: TimeUnit,
    kinds: bool,
) -> Events:
    """The events of a table in its columns."""
    table, source, mark = given.table, given.table.source, own.mark
    columns = {
        name: degrees(table, name) if is_degrees(name) else table.numbers(name)
        for name in own.features
    }
    names_of_kinds: tuple[str, ...] = ()
    if mark is not None:
        columns[mark], names_of_kinds = marks_of(table, mark, missing, kinds=kinds)
    if own.counts is not None:
        columns[own.counts] = _counts(table, own.counts)
    columns[own.time] = np.where(is_missing(own.times), np.nan, 0.0)
    said: list[str] = []
    whole = missing_rows(columns, missing, source, table.where, said)
    for message in said:
        warnings.warn(message, stacklevel=3)
    rows = np.flatnonzero(whole)
    if own.counts is not None:
        rows = np.repeat(rows, columns[own.counts][rows].astype(np.intp))
    if not rows.size and (window is None or not given.names):
        raise LiouvilleError(
            f"{source} has no row with a time and all else it needs, and so no events; give "
            "events, or at least the window"
        )
    moments = moments_of(
        own.times[rows],
        own.time,
        lambda i: f"{table.where(int(rows[i]))} of {source}",
        time_unit,
    )
    if given.names:
        numbers, names = table.numbers(own.sequence or "")[rows].astype(np.intp), given.names
    else:
        numbers, names = _sequences(table, own.sequence, rows)
        if own.sequence is None:
            _say_restarts(table, own, moments.times, rows)
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
        np.reshape([columns[n][rows] for n in own.features], (len(own.features), len(rows))).T,
        numbers[order],
        windows,
        None if mark is None else columns[mark][rows],
        names=names,
        features=own.features,
        mark_name=mark or "magnitude",
        kinds=names_of_kinds,
        origin=moments.origin,
        time_unit=moments.unit,
        is_geographic=is_geographic(own.features),
        source=source,
    )


def _counts(table: Table, name: str) -> np.ndarray:
    """Numbers of events by row, NaN where there is none; refuses what counts nothing."""
    numbers = table.numbers(name)
    bad = np.flatnonzero(np.isfinite(numbers) & ((numbers < 0) | (numbers != np.floor(numbers))))
    if bad.size:
        raise LiouvilleError(
            f"column {name!r} of {table.source} has {numbers[bad[0]]:g} on "
            f"{table.where(int(bad[0]))}, which is no number of events; name a column of whole "
            "numbers with counts (--counts), or say 'none'"
        )
    return numbers


def _sort(features: tuple[str, ...], source: str) -> tuple[str, ...]:
    """Longitude before latitude, and both before the depth."""
    for order in itertools.permutations(features) if len(features) <= 3 else ():
        if is_geographic(order):
            return order
    if any(map(is_degrees, features)):
        warnings.warn(
            f"places of {source} are {', '.join(features)}: not longitude and latitude alone, or "
            "with a depth, so degrees are taken as plain coordinates",
            stacklevel=5,
        )
    return features


def _say_types(table: Table) -> None:
    """Says that a table holds several types of events, such as earthquakes and quarry blasts."""
    name = type_column(table)
    if name is None or table.is_numeric(name):
        return
    types = counted(table, name)
    if 1 < len(types) <= _MOST_TYPES:
        warnings.warn(
            f"{name!r} of {table.source} tells {len(types)} types of events, "
            f"{listed([f'{kind} ({count})' for kind, count in types], 4)}; all of them are taken: "
            f"keep one with select (--select '{name}={types[0][0]}')",
            stacklevel=4,
        )


def _refuse_part(table: Table, name: str, times: np.ndarray) -> None:
    """Refuses days of months and hours of days that begin again, of which no time is known."""
    most = _CYCLES.get("_".join(words_of(name)))
    numbers = None if most is None else as_numbers(times)
    if numbers is None or not np.isfinite(numbers).all():
        return
    restarts = int(np.sum(np.diff(numbers) < 0))
    is_part = (numbers == np.floor(numbers)).all() and numbers.min() >= 0 and numbers.max() <= most
    if is_part and restarts > 1:
        raise LiouvilleError(
            f"column {name!r} of {table.source} is from {numbers.min():g} to {numbers.max():g} and "
            f"begins again {restarts} times, as days of a month and hours of a day do: name all "
            "columns of the time (--time year,month,day), write one with the date, or say that "
            f"these go on from a start: --time {quote(name)}, and --sequence if several have one"
        )


def _say_restarts(table: Table, own: _Columns, times: np.ndarray, rows: np.ndarray) -> None:
    """Says where times begin again with every new value of a column, as those of patients do."""
    is_earlier = np.diff(times) < 0
    if not is_earlier.any():
        return
    for name in table.names:
        if name in (*own.features, own.counts) or name in own.time.split(", "):
            continue
        values = table.values(name)[rows]
        is_new, different = values[1:] != values[:-1], len(np.unique(values))
        is_sorted = is_new[is_earlier].all() and is_new.sum() == different - 1
        if is_sorted and 2 * different <= len(rows) and 2 * is_earlier.sum() >= is_new.sum():
            warnings.warn(
                f"times of {table.source} begin again {int(is_earlier.sum())} times where {name!r} "
                f"changes, but all rows are taken as one sequence; if each of its {different} "
                f"values (patients, machines) has a course of its own, say so with sequence "
                f"(--sequence {quote(name)})",
                stacklevel=4,
            )
            return


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
