"""Files of events as tables: text, Parquet, catalogues of services, and archives of arrays."""

import gzip
import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from liouville.data._event_archives import EventTable, read_archive
from liouville.data._event_formats import GEOJSON, OBSPY, read_geojson, read_with_obspy
from liouville.data._event_select import selected
from liouville.data._tables import (
    DELIMITERS,
    Archive,
    Table,
    existing_file,
    foreign,
    read_table,
    readable,
)
from liouville.errors import LiouvilleError

_SUFFIXES = (
    *(".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".npz"),
    *GEOJSON,
    *OBSPY,
)


def read_event_table(
    path: Path,
    features: tuple[str, ...] | None,
    mark: str | None,
    select: str | Sequence[str] | None = None,
) -> EventTable:
    """Reads the rows of a file of events that meet some conditions; see `selected`.

    Names of the coordinates and the mark are for archives, whose columns may have none.
    """
    suffix = path.suffix.lower()
    existing_file(path, (".gz",) if suffix == ".gz" else _SUFFIXES)
    if suffix == ".npz":
        found = read_archive(Archive.open(path), features, mark)
    else:
        readers = {".gz": _unpack, ".parquet": _parquet}
        readers |= dict.fromkeys(GEOJSON, read_geojson) | dict.fromkeys(OBSPY, read_with_obspy)
        found = EventTable(readers.get(suffix, read_table)(path))
    if not select:
        return found
    rows = np.flatnonzero(selected(found.table, select))
    return replace(found, table=_rows(found.table, rows))


def _rows(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table, which stand where they stood."""
    columns = {name: table.values(name)[rows] for name in table.names}
    return Table(table.source, columns, lambda row: table.where(int(rows[row])))


def _unpack(path: Path) -> Table:
    if path.with_suffix("").suffix.lower() not in DELIMITERS:
        raise LiouvilleError(
            f"cannot read {path}: only .csv.gz and .tsv.gz are read compressed; unpack it"
        )
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        with readable(path):
            plain.write_bytes(gzip.decompress(path.read_bytes()))
        try:
            return replace(read_table(plain), source=str(path))
        except LiouvilleError as error:
            raise LiouvilleError(str(error).replace(str(plain), str(path))) from None


def _parquet(path: Path) -> Table:
    """A table of the texts of all cells, so that one reader serves all files."""
    absent = (
        "it is Parquet; install pandas and pyarrow (pip install 'liouville[events]'), or save the "
        "table as .csv"
    )
    with foreign(path, absent, "{}; save it as Parquet again, or as .csv"):
        frame = importlib.import_module("pandas").read_parquet(path)
    columns = {}
    for name in frame.columns:
        cells = zip(frame[name].tolist(), frame[name].isna().tolist(), strict=True)
        columns[str(name)] = [
            "" if gone else (cell.isoformat() if hasattr(cell, "isoformat") else str(cell))
            for cell, gone in cells
        ]
    return Table(str(path), columns, lambda row: f"line {row + 1}")
