"""Reading points at which a model is to be evaluated."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from liouville.data._archives import Archive, load_array
from liouville.data._names import listed, usual
from liouville.data._tables import (
    DELIMITERS,
    existing_file,
    real_matrix,
)
from liouville.data._text_tables import read_table
from liouville.data._times import numbers_from_times
from liouville.errors import LiouvilleError

_SUFFIXES = (".npz", ".npy", ".csv", ".tsv")


def read_points(
    path: str | Path, features: Sequence[str], *, dim: int, time_key: str | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads points at which a model is to be evaluated.

    A text table gives the columns named in `features` if it has them all; if it has none of them,
    its numeric columns (the time apart) must be exactly `dim`. A first line of names is then
    optional. A ``.npz`` file gives ``X`` (or ``points``, or its only array) and, if present,
    ``t``; a ``.npy`` file gives one array, shape ``(n, dim)`` or ``(dim,)`` for one point.

    Args:
        path: A ``.npz``, ``.npy``, ``.csv`` or ``.tsv`` file, in the user's units.
        features: Names of the model's columns, shape ``(dim,)``.
        dim: Number of the model's columns.
        time_key: Column or array of times; by default one of the usual names, if present.

    Returns:
        Points, shape ``(n, dim)``, and times, shape ``(n,)``, or None if the file has none.

    Raises:
        LiouvilleError: If the file cannot be read, has the wrong columns, or holds numbers that
            are not finite.
    """
    path = existing_file(path, _SUFFIXES)
    if path.suffix.lower() in DELIMITERS:
        points, times = _from_text(path, features, dim, time_key)
    else:
        points, times = _from_arrays(path, dim, time_key)
    if points.shape[1] != dim:
        raise LiouvilleError(
            f"{path} has {points.shape[1]} columns but the model has {dim} "
            f"({listed(features)}); give those columns"
        )
    if times is not None and times.shape != points.shape[:1]:
        raise LiouvilleError(
            f"{path} has {points.shape[0]} points but times of shape {times.shape}; give one each"
        )
    bad = int(np.sum(~np.isfinite(points)))
    bad += 0 if times is None else int(np.sum(~np.isfinite(times)))
    if bad or not points.size:
        what = f"{bad} values that are NaN or infinite" if bad else "no points"
        raise LiouvilleError(f"{path} has {what}; give finite numbers")
    return points, times


def _from_text(
    path: Path, features: Sequence[str], dim: int, time_key: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    table = read_table(path, header=False)
    present = [name for name in features if name in table.names]
    if present and len(present) < len(features):
        missing = [name for name in features if name not in table.names]
        raise LiouvilleError(
            f"{path} lacks the columns {listed(missing)} of the model; "
            f"it has: {listed(table.names)}"
        )
    found = usual("time", table.names, present)
    time_key = time_key or (found[0] if len(found) == 1 else None)
    times = None if time_key is None else table.values(time_key)
    named = present or [n for n in table.names if n != time_key and table.is_numeric(n)]
    if len(named) != dim:
        raise LiouvilleError(
            f"{path} has {len(named)} numeric columns ({listed(named)}) but the model has {dim} "
            f"({listed(features)}); name the columns as the model does"
        )
    if times is not None:
        times = numbers_from_times(times, name=time_key or "", dates=False)[0]
    return table.matrix(named), times


def _from_arrays(
    path: Path, dim: int, time_key: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    if path.suffix.lower() == ".npy":
        return _rows(load_array(path), dim, str(path)), None
    archive = Archive.open(path)
    key = archive.points()
    points = _rows(archive.array(key), dim, f"array {key!r} of {path}")
    time_key = time_key or archive.usual("time")
    if time_key is None:
        return points, None
    times = np.atleast_1d(archive.array(time_key))
    return points, numbers_from_times(times, name=time_key, dates=False)[0]


def _rows(array: np.ndarray, dim: int, what: str) -> np.ndarray:
    """Points as rows; one axis of length `dim` is one point, unless points have one coordinate."""
    single = array.ndim == 1 and dim > 1
    return real_matrix(array[None] if single else array, what)
