"""Events in archives of arrays: columns by name, flat arrays, or one array per sequence."""

from dataclasses import dataclass

import numpy as np

from liouville.data._archives import Archive
from liouville.data._arrays import real_matrix
from liouville.data._names import listed
from liouville.data._records import number_values
from liouville.data._tables import Table
from liouville.errors import LiouvilleError

# Sequences without events that numbers of sequences may mean.
_MOST_EMPTY = 100_000

NONE = "none"
"""What a user says for a column that is to be left out."""


@dataclass(frozen=True)
class EventTable:
    """What a file holds."""

    table: Table
    # Of an archive without names of columns only, whose time is in column ``time``.
    names: tuple[str, ...] = ()  # of the m sequences that column ``sequence`` numbers
    features: tuple[str, ...] = ()  # the columns of coordinates
    windows: np.ndarray | None = None  # shape ``(m, 2)``


def read_archive(
    archive: Archive, features: tuple[str, ...] | None, mark: str | None
) -> EventTable:
    """The events of a ``.npz`` file; see `read_events`.

    Arrays of one axis are columns by name. Otherwise flat arrays are ``times`` (n,), ``places``
    (n, dim) and perhaps ``sequence`` (n,), ``marks`` (n,), ``windows`` (m, 2) and ``names`` (m,);
    or each array is a sequence, shape ``(events, columns)``, whose columns have no names: time, the
    coordinates that features names, and if there is one more the mark that `mark` names.
    """
    arrays = _columns(archive)
    if arrays is not None:
        return EventTable(Table(str(archive.path), arrays, lambda i: f"row {i + 1}"))
    is_flat = {"times", "places"} <= set(archive.names)
    read = _flat if is_flat else _per_sequence
    if features == (NONE,):
        features = ()
    columns, places, names, rows, windows = read(archive, features, mark)
    if features == ():
        places = places[:, :0]
    path, dim = archive.path, places.shape[1]
    if features is not None and len(features) != dim:
        raise LiouvilleError(
            f"places of {path} have {dim} coordinates but features names {len(features)} "
            f"({listed(features)}); name each"
        )
    if mark == NONE:
        columns.pop("mark", None)
    elif mark is not None and "mark" not in columns:
        raise LiouvilleError(f"{path} has no marks, but mark is {mark!r}; leave it out")
    if features is None:
        features = tuple("xyz"[:dim]) if dim <= 3 else number_values(dim)
    columns |= dict(zip(features, places.T, strict=True))
    if mark is not None and mark != NONE:
        columns[mark] = columns.pop("mark")

    def where(i: int) -> str:
        array = "times" if is_flat else names[int(columns["sequence"][i])]
        return f"row {rows[i]} of array {array!r}"

    return EventTable(Table(str(path), columns, where), names, features, windows)


_Arrays = tuple[dict[str, np.ndarray], np.ndarray, tuple[str, ...], np.ndarray, np.ndarray | None]
"""Columns besides the places, places, names of sequences, rows in their arrays, windows."""


def _columns(archive: Archive) -> dict[str, np.ndarray] | None:
    """The arrays of an archive if all are columns of one length, else None."""
    if {"times", "places"} <= set(archive.names) or len(archive.names) < 2:
        return None
    arrays = {}
    for name in archive.names:
        array = archive.array(name)
        if array.ndim != 1 or (arrays and len(array) != len(next(iter(arrays.values())))):
            return None
        if array.dtype.kind in "biuf":
            array = array.astype(np.float64)
        arrays[name] = array.astype(np.str_) if array.dtype.kind == "S" else array
    return arrays


def _per_sequence(archive: Archive, features: tuple[str, ...] | None, mark: str | None) -> _Arrays:
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
    own = tuple("xy") if features is None else features
    width = widths.pop() if widths else 1 + len(own)
    if features is None and any(table.size for table in tables):
        raise LiouvilleError(
            f"arrays of {archive.path} have {width} columns without names, whose order differs "
            "among publishers; name those behind the time with features and mark, such as "
            "--features longitude,latitude --mark magnitude, or save arrays time, longitude, "
            "latitude, ... by name"
        )
    dim = len(own)
    named = mark not in (None, NONE)
    if not dim <= width - 1 <= dim + 1:
        raise LiouvilleError(
            f"arrays of {archive.path} have {width} columns; they are time, {dim} coordinates "
            f"({listed(own)}) and perhaps a mark: name the coordinates "
            "with features, or make arrays times and places"
        )
    if width == dim + 2 and not named and mark != NONE:
        raise LiouvilleError(
            f"arrays of {archive.path} have {width} columns: {listed(('the time', *own))} "
            "and one without a name; name it with mark (--mark magnitude, or --mark none to leave "
            "it out)"
        )
    _check_order(tables, archive)
    lengths = [len(table) if table.size else 0 for table in tables]
    joined = np.concatenate([np.zeros((0, width)), *(t for t in tables if t.size)])
    columns = {"time": joined[:, 0], "sequence": np.repeat(np.arange(len(tables)), lengths)}
    if width == dim + 2:
        columns["mark"] = joined[:, -1]
    rows = np.concatenate([np.arange(1, length + 1) for length in lengths])
    return columns, joined[:, 1 : dim + 1], archive.names, rows, None


def _check_order(tables: list[np.ndarray], archive: Archive) -> None:
    """Refuses sequences in which another column than the first is in order, as only a time is."""
    long = [table for table in tables if len(table) > 2]
    if not long:
        return
    ordered = np.all([np.all(np.diff(table, axis=0) >= 0, axis=0) for table in long], axis=0)
    if not ordered[0] and ordered.any():
        raise LiouvilleError(
            f"column {int(np.argmax(ordered)) + 1} of the arrays of {archive.path} is in order, as "
            "times are, and the first is not; make the time the first column"
        )


def _flat(archive: Archive, *_: object) -> _Arrays:
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
        if most > count + _MOST_EMPTY:
            raise LiouvilleError(
                f"array {key!r} of {path} holds numbers up to {most - 1} for {count} events; "
                "number the sequences from 0, or give their names"
            )
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
