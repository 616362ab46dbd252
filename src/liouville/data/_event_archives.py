"""Reading events from archives of arrays: one array per sequence, or flat arrays."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._event_checks import Missing, missing_rows
from liouville.data._event_times import Clock, clock_of, given_windows, guessed_windows
from liouville.data._events import Events
from liouville.data._snapshots import listed
from liouville.data._tables import Archive, open_archive, readable, real_matrix
from liouville.errors import LiouvilleError


@dataclass(frozen=True)
class _Arrays:
    """What an archive holds: n events in m sequences, in order of sequence."""

    clock: Clock
    places: np.ndarray
    marks: np.ndarray | None
    sequence: np.ndarray
    names: tuple[str, ...]
    windows: np.ndarray | None
    rows: np.ndarray
    """Number of each event in its array, for messages."""


def read_event_archive(
    path: Path,
    features: tuple[str, ...] | None,
    mark: str | None,
    window: Any,
    missing: Missing,
) -> Events:
    """Reads events from a ``.npz`` file; see `read_events`.

    Args:
        path: The file. Flat arrays are ``times`` (n,), ``places`` (n, dim) and perhaps
            ``sequence`` (n,), ``marks`` (n,), ``windows`` (m, 2) and ``names`` (m,). Otherwise each
            array is a sequence, shape ``(events, columns)``: time, coordinates, mark.
        features: Names of the coordinates. With one array per sequence there are as many
            coordinates as names, by default two, or one if there are two columns; one column more
            is the mark.
        mark: Name of the mark; ``"none"`` to leave it out.
        window: As in `read_events`.
        missing: What to do with missing values.

    Raises:
        LiouvilleError: If the arrays do not fit together.

    Warns:
        UserWarning: If events are dropped or the window is guessed.
    """
    archive, source = open_archive(path), str(path)
    is_flat = {"times", "places"} <= set(archive.names)
    found = _flat(archive) if is_flat else _per_sequence(archive, features)
    dim = found.places.shape[1]
    if features is not None and len(features) != dim:
        raise LiouvilleError(
            f"places of {source} have {dim} coordinates but features names {len(features)} "
            f"({listed(features)}); name each"
        )
    features = features or (tuple("xyz"[:dim]) if dim <= 3 else ())
    marks = None if mark == "none" else found.marks
    if marks is None and mark not in (None, "none"):
        raise LiouvilleError(f"{source} has no marks, but mark is {mark!r}; leave it out")
    names = features or tuple(f"x{i + 1}" for i in range(dim))
    columns = {"time": found.clock.times, **dict(zip(names, found.places.T, strict=True))}
    if marks is not None:
        columns[mark or "mark"] = marks

    def where(i: int) -> str:
        array = "times" if is_flat else found.names[found.sequence[i]]
        return f"row {found.rows[i]} of array {array!r}"

    said: list[str] = []
    whole = missing_rows(columns, missing, source, where, said)
    for message in said:
        warnings.warn(message, stacklevel=3)
    clock = Clock(found.clock.times[whole], found.clock.origin, found.clock.unit)
    numbers, sequences, windows = found.sequence[whole], found.names, found.windows
    if window is not None:
        windows, sequences, numbers = given_windows(window, clock, sequences, numbers, source)
    elif windows is None:
        if not whole.any():
            raise LiouvilleError(f"{source} has no events; give events, or at least the window")
        windows = guessed_windows(clock, len(sequences), source, stacklevel=4)
    order = np.argsort(numbers, kind="stable")
    return Events(
        clock.times[order],
        found.places[whole][order],
        numbers[order],
        windows,
        None if marks is None else marks[whole][order],
        names=sequences,
        features=features,
        mark_name=mark if marks is not None and mark else "magnitude",
        origin=clock.origin,
        time_unit=clock.unit,
        source=source,
    )


def _per_sequence(archive: Archive, features: tuple[str, ...] | None) -> _Arrays:
    tables: list[np.ndarray | None] = []
    # Opened once: a file of a thousand sequences has a long table of contents.
    with np.load(archive.path) as file:
        for name in archive.names:
            with readable(archive.path, f"array {name!r} of "):
                array = file[name]
            empty = not array.size
            what = f"array {name!r} of {archive.path}"
            tables.append(None if empty else real_matrix(array, what))
    widths = {table.shape[1] for table in tables if table is not None}
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
    lengths = [0 if table is None else len(table) for table in tables]
    joined = np.concatenate([np.zeros((0, width)), *(t for t in tables if t is not None)])
    return _Arrays(
        Clock(joined[:, 0], None, ""),
        joined[:, 1 : dim + 1],
        joined[:, -1] if width == dim + 2 else None,
        np.repeat(np.arange(len(tables)), lengths),
        archive.names,
        None,
        np.concatenate([np.arange(1, length + 1) for length in lengths]),
    )


def _flat(archive: Archive) -> _Arrays:
    path = archive.path
    places = real_matrix(archive.array("places"), f"array 'places' of {path}")
    count = len(places)
    times = archive.array("times")
    marks = archive.array("marks") if "marks" in archive.names else None
    key = archive.first(("sequence", "sequences"))
    sequence = np.zeros(count, np.intp) if key is None else archive.array(key)
    for name, array in (("times", times), ("marks", marks), (key, sequence)):
        if array is not None and array.shape != (count,):
            raise LiouvilleError(
                f"array {name!r} of {path} has shape {array.shape} but there are {count} places; "
                "it needs one value per event"
            )
    if marks is not None:
        marks = real_matrix(marks, f"array 'marks' of {path}")[:, 0]
    windows = None
    if "windows" in archive.names:
        windows = real_matrix(archive.array("windows"), f"array 'windows' of {path}")
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
        if len(archive.array("names")) != len(names):
            raise LiouvilleError(
                f"{path} has {len(archive.array('names'))} names but {len(names)} sequences; "
                "give one each"
            )
        names = archive.array("names")
    return _Arrays(
        _clock(times, str(path)),
        places,
        marks,
        sequence.astype(np.intp),
        tuple(str(name) for name in names.tolist()),
        windows,
        np.arange(1, count + 1),
    )


def _clock(times: np.ndarray, source: str) -> Clock:
    if times.dtype.kind == "M" and not np.isnat(times).any():
        # NumPy's instants have no zone by definition: they are UTC.
        times = np.char.add(np.datetime_as_string(times.astype("datetime64[us]")), "Z")
    if times.dtype.kind == "U" and times.size:
        return clock_of(times, "times", lambda i: f"row {i + 1} of {source}")
    return Clock(real_matrix(times, f"array 'times' of {source}")[:, 0], None, "")
