"""The completeness of a catalogue: which events were seen, and which others are left out."""

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Completeness, Events, open_table, seconds_of, times_on_clock
from liouville.errors import LiouvilleError
from liouville.tasks.events.counted import ROUNDING

_DAY = 86_400.0  # seconds


def complete(events: Events, data: Mapping[str, Any], file: Any = None) -> Events:
    """Events with the completeness that a configuration asks for; those below it are left out.

    Args:
        events: the events.
        data: the configuration of the data: `completeness`, `short_term`, `time`, `time_unit`.
        file: what the events were read from, of which the completeness may be a column.

    Raises:
        LiouvilleError: if there is no such table or column, or events have no magnitudes.

    Warns:
        UserWarning: if events are left out.
    """
    name, after = data.get("completeness"), data.get("short_term")
    if name is None and after is None:
        return events
    marks = events.marks
    if marks is None or events.kinds:
        raise LiouvilleError(
            f"{events.source} has no magnitudes to compare with their completeness; name their "
            "column with --mark, or leave --mc and data.short_term out"
        )
    for other in ("validation_file", "test_file"):
        if data.get(other):
            raise LiouvilleError(
                f"a completeness is that of one catalogue, and data.{other} is another one; give "
                "dates instead, such as --validate-from"
            )
    if len(events.windows) > 1:
        raise LiouvilleError(
            f"{events.source} has {len(events.windows)} sequences, and a completeness is that of "
            "one; leave --mc and data.short_term out"
        )
    found = Completeness(np.zeros(1), np.array([float(marks.min())]))
    if name is not None:
        found = _read(name, events, data, file)
    if after is not None:
        offset, slope = after
        if not slope > 0:
            raise LiouvilleError(f"the slope of data.short_term is {slope:g}; give a positive one")
        day = _DAY / _second(events)
        found = found.after_great(events.times, marks, offset, slope, day)
    seen = ~(marks < found.at(events.times) - ROUNDING)
    if not seen.all():
        warnings.warn(
            f"{int(np.sum(~seen))} of {len(events)} events of {events.source} are below the "
            "completeness of their time and are left out",
            stacklevel=2,
        )
    return dataclasses.replace(events.keep(seen), completeness=found)


def _second(events: Events) -> float:
    """How many seconds a unit of the clock has."""
    found = seconds_of(events.time_unit)
    if found is None:
        raise LiouvilleError(
            f"times of {events.source} are in no unit with a name, and data.short_term is in days; "
            "name it with --time-unit"
        )
    return found


def _read(name: str, events: Events, data: Mapping[str, Any], file: Any) -> Completeness:
    """The rows of a table of its own, or of a column of the catalogue."""
    is_table = Path(name).is_file()
    source = name if is_table else file
    table = open_table(source) if isinstance(source, str | Path) else None
    if table is None:
        raise LiouvilleError(
            f"--mc is {name!r}, which is neither a table of times and magnitudes nor a column of "
            "the catalogue's file; name one of them"
        )
    time = None if is_table else data.get("time")
    used, times = times_on_clock(
        table, events.origin, time=time, time_unit=data.get("time_unit") or "auto"
    )
    others = [column for column in table.names if column not in used]
    column = name if not is_table else others[0] if len(others) == 1 else "mc"
    if column not in others:
        shown = ", ".join(others) or "none"
        raise LiouvilleError(f"{source} has no column {column!r} besides times; it has {shown}")
    least = table.numbers(column)
    known = np.isfinite(times) & np.isfinite(least)
    if (is_table and not known.all()) or not known.any():
        raise LiouvilleError(f"{column!r} or a time is missing in {source}; fill it in")
    times, least = times[known], least[known]
    order = np.argsort(times, kind="stable")
    times, least = times[order], least[order]
    # Of rows of one time the last one holds; rows that change nothing are none.
    kept = np.append(np.diff(times) > 0, True)
    times, least = times[kept], least[kept]
    changes = np.diff(least, prepend=np.nan) != 0
    return Completeness(times[changes], least[changes])
