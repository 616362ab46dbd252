"""Files of events, and what is in memory, as tables; the rows that meet conditions."""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from liouville.data._archives import Archive
from liouville.data._event_archives import EventTable, read_archive
from liouville.data._event_formats import GEOJSON, OBSPY, read_geojson, read_with_obspy
from liouville.data._event_select import selected
from liouville.data._frames import FRAMES
from liouville.data._sources import Source, existing, opened
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


def _read(source: Source, features: tuple[str, ...] | None, mark: str | None) -> EventTable:
    if isinstance(source, str | os.PathLike):
        path = existing(source, _SUFFIXES)
        readers = dict.fromkeys(GEOJSON, read_geojson) | dict.fromkeys(OBSPY, read_with_obspy)
        reader = readers.get(path.suffix.lower())
        if reader is not None:
            return EventTable(reader(path))
    with opened(source, _SUFFIXES, what="the events") as found:
        if isinstance(found, Archive):
            return read_archive(found, features, mark)
        if isinstance(found, Table):
            return EventTable(found)
    raise LiouvilleError(
        f"events cannot be of type {type(source).__name__}, whose columns have no names; give a "
        "file, a data frame with columns of time and place, or Events"
    )


def _rows(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table, which stand where they stood."""
    return Table(
        table.source,
        {name: table.values(name)[rows] for name in table.names},
        lambda row: table.where(int(rows[row])),
        {name: numbers[rows] for name, numbers in table.parsed.items()},
    )
