"""Reading events from tables, archives of arrays, and earthquake catalogues."""

import gzip
import importlib
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._columns import names_among
from liouville.data._event_archives import read_event_archive
from liouville.data._event_checks import Missing, missing_rows
from liouville.data._event_times import Clock, clock_of, given_windows, guessed_windows
from liouville.data._events import Events
from liouville.data._regions import Region
from liouville.data._tables import (
    MISSING,
    TextTable,
    existing_file,
    not_found,
    one_line,
    read_text_table,
    readable,
)
from liouville.errors import LiouvilleError

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".npz", ".xml", ".quakeml")
TIME_COLUMNS = ("time", "times", "datetime", "timestamp", "origin_time", "date", "t", "day", "days")
"""Column names, in any case, that are taken for the time when none is named."""

_LONGITUDES = ("longitude", "lon", "long", "lng")
_LATITUDES = ("latitude", "lat")
_MARKS = ("magnitude", "mag", "mark", "marks")
_SEQUENCES = ("sequence", "sequences", "sequence_id", "seq")
_NONE = "none"


def read_events(
    file: str | Path,
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

    Names are found in any case: time (or datetime, timestamp, origin_time, date, t, day); longitude
    and latitude (lon, lat), else x and y (and z); magnitude (mag, mark); sequence. Places named as
    longitude and latitude are geographic, with longitude first whatever the order. Time stamps
    become days since midnight (UTC) of the first event; numbers stay as they are.

    Args:
        file: The file, in the user's units.
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

    Returns:
        The events of the file in the order of sequence; `Events.check` looks further.

    Raises:
        LiouvilleError: If the file, a name in it or a value cannot be used.

    Warns:
        UserWarning: If rows are dropped, stamps have no zone, or the window is guessed.
    """
    path = _existing(file)
    where = None if region is None else Region.parse(region)
    names = None if features is None else names_among(features, "features", example="x,y")
    if path.suffix.lower() == ".npz":
        found = read_event_archive(path, names, mark, window, missing)
        if is_geographic(found.features[::-1]):
            found = replace(found, places=found.places[:, ::-1], features=found.features[::-1])
        return replace(found, region=where, is_geographic=is_geographic(found.features))
    table = _table(path)
    found = _from_table(table, time, names, mark, sequence, window, missing)
    return replace(found, region=where)


def is_geographic(features: Sequence[str]) -> bool:
    """Whether names of coordinates are those of longitude and latitude, in this order."""
    lower = [name.casefold() for name in features]
    return len(lower) == 2 and lower[0] in _LONGITUDES and lower[1] in _LATITUDES


def _existing(file: str | Path) -> Path:
    path = Path(file)
    if path.suffix.lower() == ".gz":
        inner = existing_file(path, (".gz",)).with_suffix("").suffix.lower()
        if inner not in (".csv", ".tsv"):
            raise LiouvilleError(
                f"cannot read {path}: only .csv.gz and .tsv.gz are read compressed; unpack it"
            )
        return path
    return existing_file(path, _SUFFIXES)


def _table(path: Path) -> TextTable:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return _unpacked(path)
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in (".xml", ".quakeml"):
        return _quakeml(path)
    return read_text_table(path)


def _unpacked(path: Path) -> TextTable:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        with readable(path):
            plain.write_bytes(gzip.decompress(path.read_bytes()))
        try:
            return replace(read_text_table(plain), source=str(path))
        except LiouvilleError as error:
            raise LiouvilleError(str(error).replace(str(plain), str(path))) from None


def _parquet(path: Path) -> TextTable:
    """A table of the texts of all cells, so that one reader serves all files."""
    try:
        pandas = importlib.import_module("pandas")
        frame = pandas.read_parquet(path)
    except ImportError as error:
        raise LiouvilleError(
            f"cannot read {path}: {one_line(error)}; install pandas and pyarrow "
            "(pip install 'liouville[events]'), or save the table as .csv"
        ) from None
    except Exception as error:  # pyarrow has its own kinds
        raise LiouvilleError(
            f"cannot read {path}: {one_line(error)}; save it as Parquet again, or as .csv"
        ) from None
    columns = []
    for name in frame.columns:
        column = frame[name]
        absent = column.isna().tolist()
        cells = [
            "" if gone else (cell.isoformat() if hasattr(cell, "isoformat") else str(cell))
            for cell, gone in zip(column.tolist(), absent, strict=True)
        ]
        columns.append(cells)
    rows = [list(row) for row in zip(*columns, strict=True)]
    return TextTable(str(path), tuple(map(str, frame.columns)), rows, list(range(1, len(rows) + 1)))


def _quakeml(path: Path) -> TextTable:
    try:
        obspy = importlib.import_module("obspy")
    except ImportError:
        raise LiouvilleError(
            f"{path} is QuakeML, which obspy reads; install obspy, or download the catalogue as "
            "CSV (format=csv)"
        ) from None
    try:
        catalogue = obspy.read_events(str(path))
    except Exception as error:  # obspy raises many kinds
        raise LiouvilleError(
            f"cannot read {path}: {one_line(error)}; is it QuakeML? CSV is read too"
        ) from None
    rows = []
    for event in catalogue:
        origin = event.preferred_origin() or next(iter(event.origins), None)
        size = event.preferred_magnitude() or next(iter(event.magnitudes), None)
        values = [getattr(origin, name, None) for name in ("time", "longitude", "latitude")] + [
            getattr(size, "mag", None)
        ]
        rows.append(["" if value is None else str(value) for value in values])
    names = ("time", "longitude", "latitude", "magnitude")
    return TextTable(str(path), names, rows, list(range(1, len(rows) + 1)))


def _from_table(
    table: TextTable,
    time: str | None,
    features: tuple[str, ...] | None,
    mark: str | None,
    sequence: str | None,
    window: Any,
    missing: Missing,
) -> Events:
    source = table.source
    if not table.rows:
        raise LiouvilleError(f"{source} has no rows; an event is a row of time and place")
    for name in features or ():
        _named(table, name)
    apart = set(features or ())
    time = _named(table, time) or _first(table, TIME_COLUMNS, apart)
    if time is None:
        raise not_found("column", "time", table.names, source)
    features = _ordered(features or _coordinates(table), source)
    apart = {time, *features}
    mark = None if mark == _NONE else _named(table, mark) or _first(table, _MARKS, apart)
    key = None if sequence == _NONE else _named(table, sequence) or _first(table, _SEQUENCES, apart)
    for name in (mark, key):
        if name in apart:
            raise LiouvilleError(f"column {name!r} of {source} is used twice; name another")
    columns = {name: table.numbers(name) for name in features}
    kinds: tuple[str, ...] = ()
    if mark is not None:
        columns[mark], kinds = _marks(table, mark)
    texts = table.text(time)
    absent = np.array([text.casefold() in {*MISSING, "nat"} for text in texts.tolist()])
    columns[time] = np.where(absent, np.nan, 0.0)
    said: list[str] = []
    whole = missing_rows(columns, missing, source, lambda i: f"line {table.lines[i]}", said)
    for message in said:
        warnings.warn(message, stacklevel=3)
    lines = np.array(table.lines)[whole]
    if not lines.size:
        raise LiouvilleError(f"{source} has no row with a time and a place; check the columns")
    clock = clock_of(texts[whole], time, lambda i: f"line {lines[i]} of {source}")
    numbers, names = _sequences(table, key, whole)
    if window is None:
        windows = guessed_windows(clock, len(names), source, stacklevel=4)
    else:
        windows, names, numbers = given_windows(window, clock, names, numbers, source)
    return _events(table, clock, columns, features, mark, kinds, whole, (numbers, names), windows)


def _events(
    table: TextTable,
    clock: Clock,
    columns: Mapping[str, np.ndarray],
    features: tuple[str, ...],
    mark: str | None,
    kinds: tuple[str, ...],
    whole: np.ndarray,
    sequences: tuple[np.ndarray, tuple[str, ...]],
    windows: np.ndarray,
) -> Events:
    numbers, names = sequences
    order = np.argsort(numbers, kind="stable")
    rows = np.flatnonzero(whole)[order]
    return Events(
        clock.times[order],
        np.stack([columns[name][rows] for name in features], axis=1),
        numbers[order],
        windows,
        None if mark is None else columns[mark][rows],
        names=names,
        features=features,
        mark_name=mark or "magnitude",
        kinds=kinds,
        origin=clock.origin,
        time_unit=clock.unit,
        is_geographic=is_geographic(features),
        source=table.source,
    )


def _named(table: TextTable, name: str | None) -> str | None:
    """A name given by the user, if there is such a column."""
    if name is not None and name not in table.names:
        raise not_found("column", name, table.names, table.source)
    return name


def _first(table: TextTable, names: Sequence[str], apart: set[str]) -> str | None:
    """The column with the first of some usual names, in any case."""
    lower = {name.casefold(): name for name in table.names if name not in apart}
    return next((lower[name] for name in names if name in lower), None)


def _coordinates(table: TextTable) -> tuple[str, ...]:
    longitude, latitude = _first(table, _LONGITUDES, set()), _first(table, _LATITUDES, set())
    if longitude and latitude:
        return longitude, latitude
    plain = [_first(table, (name,), set()) for name in ("x", "y", "z")]
    found = tuple(name for name in plain if name is not None)
    if not found or plain[0] is None:
        raise LiouvilleError(
            f"{table.source} has no columns longitude and latitude, or x and y; name the "
            f"coordinates with features. It has: {', '.join(table.names)}"
        )
    return found


def _ordered(features: tuple[str, ...], source: str) -> tuple[str, ...]:
    """Longitude before latitude."""
    if is_geographic(features[::-1]):
        return features[::-1]
    known = [n for n in features if n.casefold() in (*_LONGITUDES, *_LATITUDES)]
    if known and not is_geographic(features):
        warnings.warn(
            f"places of {source} are {', '.join(features)}: not longitude and latitude alone, so "
            "degrees are taken as plain coordinates",
            stacklevel=4,
        )
    return features


def _marks(table: TextTable, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of a column of marks, and the names of kinds if it holds text."""
    if table.is_numeric(name):
        return table.numbers(name), ()
    texts = table.text(name)
    absent = np.array([text.casefold() in MISSING for text in texts.tolist()])
    kinds = np.unique(texts[~absent])
    numbers = np.searchsorted(kinds, texts).astype(np.float64)
    return np.where(absent, np.nan, numbers), tuple(str(kind) for kind in kinds)


def _sequences(
    table: TextTable, key: str | None, whole: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number of the sequence of each row, and the names: numbers by value, text by name."""
    if key is None:
        return np.zeros(int(whole.sum()), np.intp), ("all",)
    texts = table.text(key)[whole]
    absent = [text.casefold() in MISSING for text in texts.tolist()]
    if any(absent):
        raise LiouvilleError(
            f"{sum(absent)} rows of {table.source} have no {key!r}, the first on line "
            f"{np.array(table.lines)[whole][np.argmax(absent)]}; fill it in or drop those rows"
        )
    names, numbers = np.unique(texts, return_inverse=True)
    if table.is_numeric(key):
        order = np.argsort(names.astype(np.float64), kind="stable")
        names, numbers = names[order], np.argsort(order)[numbers]
    return numbers.astype(np.intp), tuple(str(name) for name in names)
