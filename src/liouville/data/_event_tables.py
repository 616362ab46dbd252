"""Files of events as tables: packed text, Parquet, QuakeML and archives of arrays."""

import gzip
import importlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from liouville.data._archives import Archive, readable
from liouville.data._arrays import real_matrix
from liouville.data._names import listed
from liouville.data._records import number_values
from liouville.data._tables import (
    DELIMITERS,
    Table,
    existing_file,
    foreign,
)
from liouville.data._text_tables import read_table
from liouville.errors import LiouvilleError

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".npz", ".xml", ".quakeml")


@dataclass(frozen=True)
class EventTable:
    """What a file holds."""

    table: Table
    # Of an archive only, whose time is in column ``time``.
    names: tuple[str, ...] = ()  # of the m sequences that column ``sequence`` numbers
    features: tuple[str, ...] = ()  # the columns of coordinates
    windows: np.ndarray | None = None  # shape ``(m, 2)``


def read_event_table(path: Path, features: tuple[str, ...] | None, mark: str | None) -> EventTable:
    """Reads a file of events; names of the coordinates and the mark are for archives."""
    suffix = path.suffix.lower()
    existing_file(path, (".gz",) if suffix == ".gz" else _SUFFIXES)
    if suffix == ".npz":
        return _archive(Archive.open(path), features, mark)
    readers = {".gz": _unpack, ".parquet": _parquet, ".xml": _quakeml, ".quakeml": _quakeml}
    return EventTable(readers.get(suffix, read_table)(path))


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


def _quakeml(path: Path) -> Table:
    absent = (
        "it is QuakeML, which obspy reads; install obspy, or download the catalogue as CSV "
        "(format=csv)"
    )
    with foreign(path, absent, "{}; is it QuakeML? CSV is read too"):
        catalogue = importlib.import_module("obspy").read_events(str(path))
    columns: dict[str, list[str]] = {n: [] for n in ("time", "longitude", "latitude", "mag")}
    for event in catalogue:
        origin = event.preferred_origin() or next(iter(event.origins), None)
        size = event.preferred_magnitude() or next(iter(event.magnitudes), None)
        for name, cells in columns.items():
            value = getattr(size if name == "mag" else origin, name, None)
            cells.append("" if value is None else str(value))
    columns["magnitude"] = columns.pop("mag")
    return Table(str(path), columns, lambda row: f"line {row + 1}")


def _archive(archive: Archive, features: tuple[str, ...] | None, mark: str | None) -> EventTable:
    """The events of a ``.npz`` file; see `read_events`.

    Flat arrays are ``times`` (n,), ``places`` (n, dim) and perhaps ``sequence`` (n,), ``marks``
    (n,), ``windows`` (m, 2) and ``names`` (m,). Otherwise each array is a sequence, shape
    ``(events, columns)``: time, coordinates, mark. There are as many coordinates as features, by
    default two, or one if there are two columns; one column more is the mark.
    """
    is_flat = {"times", "places"} <= set(archive.names)
    read = _flat if is_flat else _per_sequence
    columns, places, names, rows, windows = read(archive, features)
    path, dim = archive.path, places.shape[1]
    if features is not None and len(features) != dim:
        raise LiouvilleError(
            f"places of {path} have {dim} coordinates but features names {len(features)} "
            f"({listed(features)}); name each"
        )
    if mark is not None and "mark" not in columns:
        raise LiouvilleError(f"{path} has no marks, but mark is {mark!r}; leave it out")
    features = features or (tuple("xyz"[:dim]) if dim <= 3 else number_values(dim))
    columns |= dict(zip(features, places.T, strict=True))
    if mark is not None:
        columns[mark] = columns.pop("mark")

    def where(i: int) -> str:
        array = "times" if is_flat else names[int(columns["sequence"][i])]
        return f"row {rows[i]} of array {array!r}"

    return EventTable(Table(str(path), columns, where), names, features, windows)


_Arrays = tuple[dict[str, np.ndarray], np.ndarray, tuple[str, ...], np.ndarray, np.ndarray | None]
"""Columns besides the places, places, names of sequences, rows in their arrays, windows."""


def _per_sequence(archive: Archive, features: tuple[str, ...] | None) -> _Arrays:
    # Opened once: a file of a thousand sequences has a long table of contents.
    tables = [
        real_matrix(array, f"array {name!r} of {archive.path}", "events")
        for name, array in zip(archive.names, archive.arrays(*archive.names), strict=True)
    ]
    widths = {table.shape[1] for table in tables if table.size}
    if len(widths) > 1:
        raise LiouvilleError(
            f"arrays of {archive.path} have {listed([str(w) for w in sorted(widths)])} columns; "
            "sequences need the same: time, coordinates and perhaps a mark"
        )
    width = widths.pop() if widths else 1 + len(features or "xy")
    dim = min(width - 1, 2) if features is None else len(features)
    if not 1 <= dim <= width - 1 <= dim + 1:
        raise LiouvilleError(
            f"arrays of {archive.path} have {width} columns; they are time, {dim} coordinates "
            f"({listed(features or ('x', 'y')[:dim])}) and perhaps a mark: name the coordinates "
            "with features, or make arrays times and places"
        )
    lengths = [len(table) if table.size else 0 for table in tables]
    joined = np.concatenate([np.zeros((0, width)), *(t for t in tables if t.size)])
    columns = {"time": joined[:, 0], "sequence": np.repeat(np.arange(len(tables)), lengths)}
    if width == dim + 2:
        columns["mark"] = joined[:, -1]
    rows = np.concatenate([np.arange(1, length + 1) for length in lengths])
    return columns, joined[:, 1 : dim + 1], archive.names, rows, None


def _flat(archive: Archive, _: tuple[str, ...] | None) -> _Arrays:
    path = archive.path
    places = real_matrix(archive.array("places"), f"array 'places' of {path}", "events")
    count, windows = len(places), None
    columns = {"time": _moments(archive.column("times", count, "event"))}
    if "marks" in archive.names:
        marks = archive.column("marks", count, "event")
        columns["mark"] = real_matrix(marks, f"array 'marks' of {path}")[:, 0]
    if "windows" in archive.names:
        windows = real_matrix(archive.array("windows"), f"array 'windows' of {path}", "sequences")
    key = archive.usual("sequence")
    sequence = np.zeros(count, np.intp) if key is None else archive.column(key, count, "event")
    if sequence.dtype.kind == "U":
        names, sequence = np.unique(sequence, return_inverse=True)
    elif sequence.dtype.kind in "iu" and sequence.min(initial=0) >= 0:
        most = int(sequence.max(initial=-1)) + 1
        names = np.arange(max(most, 1 if windows is None else len(windows)))
        if windows is not None and len(windows) < most:
            raise LiouvilleError(
                f"array {key!r} of {path} holds numbers up to {most - 1} but there are "
                f"{len(windows)} windows; give one per sequence"
            )
    else:
        raise LiouvilleError(
            f"array {key!r} of {path} must hold whole numbers from 0, or names; got values of "
            f"{sequence.dtype}"
        )
    if "names" in archive.names:
        own = archive.array("names")
        if len(own) != len(names):
            raise LiouvilleError(
                f"{path} has {len(own)} names but {len(names)} sequences; give one each"
            )
        names = own
    columns["sequence"] = sequence.astype(np.intp)
    rows = np.arange(1, count + 1)
    return columns, places, tuple(str(name) for name in names.tolist()), rows, windows


def _moments(times: np.ndarray) -> np.ndarray:
    """Times as numbers or text; NumPy's instants have no zone by definition: they are UTC."""
    if times.dtype.kind == "M":
        texts = np.datetime_as_string(times.astype("datetime64[us]"))
        return np.where(np.isnat(times), "", np.char.add(texts, "Z"))
    return times if times.dtype.kind == "U" else real_matrix(times, "array 'times'")[:, 0]
