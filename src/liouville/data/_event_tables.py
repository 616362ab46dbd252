"""Files of events, and what is in memory, as tables; the rows that meet conditions."""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from liouville.data._archives import Archive
from liouville.data._arrays import real_matrix
from liouville.data._event_archives import NONE, EventTable, read_archive
from liouville.data._event_formats import GEOJSON, OBSPY, read_geojson, read_with_obspy
from liouville.data._event_select import selected
from liouville.data._frames import FRAMES
from liouville.data._sources import Source, existing, in_memory, opened
from liouville.data._tables import Table
from liouville.data._text_tables import TEXT, TEXT_PACKED
from liouville.errors import LiouvilleError

_SUFFIXES = (*TEXT, *TEXT_PACKED, *FRAMES, ".npz", *GEOJSON, *OBSPY)


def read_event_table(
    source: Source,
    features: tuple[str, ...] | None,
    mark: str | None,
    select: str | Sequence[str] | None = None,
) -> EventTable:
    """Reads the rows of a file of events, or a frame, that meet some conditions; see `selected`.

    Names of the coordinates and the mark are for archives, whose columns may have none.
    """
    found = _read(source, features, mark)
    if not select:
        return found
    rows = np.flatnonzero(selected(found.table, select))
    return replace(found, table=_rows(found.table, rows))


def open_table(source: Source, *, header: bool = True) -> Table | None:
    """The table of a text, a frame or a catalogue of a service; None if it is made of arrays.

    Raises:
        LiouvilleError: If it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        path = existing(source, (*_SUFFIXES, ".npy"))
        suffix = path.suffix.lower()
        if suffix in GEOJSON or suffix in OBSPY:
            return read_geojson(path) if suffix in GEOJSON else read_with_obspy(path)
    with opened(source, (*_SUFFIXES, ".npy"), what="the events", header=header) as found:
        return found if isinstance(found, Table) else None


def _read(source: Source, features: tuple[str, ...] | None, mark: str | None) -> EventTable:
    if isinstance(source, str | os.PathLike):
        path = existing(source, _SUFFIXES)
        if path.suffix.lower() == ".npz":
            return read_archive(Archive.open(path), features, mark)
    table = open_table(source)
    return EventTable(table if table is not None else _of_array(source, features, mark))


def _of_array(source: Source, features: tuple[str, ...] | None, mark: str | None) -> Table:
    """An array in memory, with time, coordinates and perhaps a mark in each row."""
    found = in_memory(source, "events")
    if not isinstance(found, np.ndarray):
        raise LiouvilleError(
            f"events cannot be of type {type(source).__name__}; give a file, a data frame, an "
            "array of time and coordinates in each row, or Events"
        )
    whole = real_matrix(found, "events", "events")
    own = mark if mark not in (None, NONE) else "mark"
    places = ("x", "y")[: max(whole.shape[1] - 1, 1)]
    if features is not None:
        places = () if features == (NONE,) else features
    names = ("time", *places, own)
    if not len(names) - 1 <= whole.shape[1] <= len(names):
        raise LiouvilleError(
            f"an array of events has the columns {', '.join(names[:-1])} and perhaps a mark, got "
            f"shape {found.shape}; name the coordinates with features"
        )
    columns = dict(zip(names, whole.T, strict=False))
    return Table("events", columns, lambda row: f"row {row + 1}")


def _rows(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table, which stand where they stood."""
    return Table(
        table.source,
        {name: table.values(name)[rows] for name in table.names},
        lambda row: table.where(int(rows[row])),
        {name: numbers[rows] for name, numbers in table.parsed.items()},
    )
