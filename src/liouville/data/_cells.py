"""Reading cells from the files that people have: archives, text tables and AnnData."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._archives import Archive
from liouville.data._names import listed, names_among, not_found, usual
from liouville.data._records import number_values
from liouville.data._roles import unit_of
from liouville.data._snapshots import Snapshots
from liouville.data._tables import (
    existing_file,
    foreign,
    kept_columns,
    real_matrix,
)
from liouville.data._text_tables import read_table
from liouville.data._times import numbers_from_times
from liouville.errors import LiouvilleError

_SUFFIXES = (".npz", ".csv", ".tsv", ".h5ad")


@dataclass(frozen=True)
class _Request:
    """What the caller asked to read; None where the file's usual names apply."""

    time_key: str | None
    basis: str | None
    embedding: str | None
    weights: str | None
    features: tuple[str, ...] | None


@dataclass(frozen=True)
class _Columns:
    """What a file gave, before times are read and columns chosen."""

    points: np.ndarray
    names: tuple[str, ...]
    times: np.ndarray
    time_name: str
    embedding: np.ndarray | None
    weights: np.ndarray | None


def read_cells(
    path: str | Path,
    *,
    time_key: str | None = None,
    basis: str | None = None,
    features: str | Sequence[str] | None = None,
    dims: int | None = None,
    embedding: str | None = None,
    weights: str | None = None,
) -> Snapshots:
    """Reads cells and the times at which they were observed.

    * ``.npz``: points ``X`` and times ``t``, or TrajectoryNet's ``pcs`` (or ``embedding``,
      ``phate``) and ``sample_labels``. Python objects are never unpickled.
    * ``.csv``, ``.tsv``: a line of names, a time column and numeric columns. The time column is
      the only one called time, t, day, hour, date, timepoint, age or stage, in any case, unless
      `time_key` names it. A first column without a name (row labels) is left out.
    * ``.h5ad``: times from ``obs``, points from ``obsm`` (``X_pca``, or the only one), or, with
      ``basis="X"``, the expression matrix. Needs the extra ``cells``.

    Times are numbers; text with one number and the same words everywhere (``"day 3"``, ``"D7.5"``,
    ``"3h"``, ``"E8.5"``); ranges such as ``"Day 00-03"``, which become their midpoint (1.5);
    durations, which become days; or dates, which become days since the first. Values are finite;
    `Snapshots.check` looks further.

    Args:
        path: The file.
        time_key: Column (``obs`` column, array) of times.
        basis: Array or ``obsm`` key of points. Not for text tables.
        features: Columns to read, as a list or separated by commas. Columns of an array are named
            after it: ``PC1``, ``PC2``, … for principal components, ``x1``, ``x2``, … for ``X``.
        dims: Keep only the first columns, this many.
        embedding: Two coordinates for pictures: an array, an ``obsm`` key (their first two columns
            are used), or two columns of a text table, ``"u1,u2"``.
        weights: Column (``obs`` column, array) of the mass of each cell.

    Raises:
        LiouvilleError: If the file, a name in it or a value cannot be used.
    """
    path = existing_file(path, _SUFFIXES)
    names = None if features is None else names_among(features, "features")
    request = _Request(time_key, basis, embedding, weights, names)
    readers = {".npz": _read_archive, ".h5ad": _read_anndata}
    columns = readers.get(path.suffix.lower(), _read_text)(path, request)
    times, unit = numbers_from_times(columns.times, name=columns.time_name)
    if not unit and len(columns.time_name) > 2:  # a column called "w" need not mean weeks
        unit = unit_of(columns.time_name)
    points, kept = kept_columns(columns.points, columns.names, names, dims, str(path))
    snapshots = Snapshots(
        points,
        times,
        kept,
        time_name=columns.time_name,
        time_unit=unit,
        weights=columns.weights,
        embedding=columns.embedding,
        source=str(path),
    )
    snapshots.check_numbers()
    return snapshots


def _column_names(key: str, count: int) -> tuple[str, ...]:
    """Names for the columns of an array: ``X_pca`` gives ``PC1``, ``X_umap`` gives ``umap1``."""
    stem = key.removeprefix("X_")
    return number_values(count, {"X": "x", "pca": "PC", "pcs": "PC"}.get(stem, stem))


def _time_column(names: Sequence[str], time_key: str | None, source: str) -> str:
    """The column of times: the named one, or the only one with a usual name."""
    if time_key is not None:
        if time_key not in names:
            raise not_found("column", time_key, names, source)
        return time_key
    found = usual("time", names)
    if len(found) == 1:
        return found[0]
    problem = f"several time columns ({', '.join(found)})" if found else "no time column"
    raise LiouvilleError(f"{source} has {problem}; name one with time_key. It has: {listed(names)}")


def _read_archive(path: Path, request: _Request) -> _Columns:
    archive = Archive.open(path)
    point_key = request.basis or archive.usual("points")
    time_key = request.time_key or archive.usual("time")
    if point_key is None or time_key is None:
        what = "points (X or pcs)" if point_key is None else "times (t or sample_labels)"
        option = "basis" if point_key is None else "time_key"
        raise LiouvilleError(
            f"{path} has no array of {what}; name one with {option}. "
            f"It has: {listed(archive.described())}"
        )
    points = real_matrix(archive.array(point_key), f"array {point_key!r} of {path}")

    def column(name: str) -> np.ndarray:
        return archive.column(name, len(points), "cell")

    names = _column_names(point_key, points.shape[1])
    return _completed(points, names, time_key, archive.array, column, request, str(path))


def _completed(
    points: np.ndarray,
    names: tuple[str, ...],
    time_name: str,
    array: Callable[[str], Any],
    column: Callable[[str], np.ndarray],
    request: _Request,
    source: str,
) -> _Columns:
    """Points with all else that is asked for; `array` and `column` look up a name in the file."""
    embedding, weights, drawn, masses = request.embedding, request.weights, None, None
    if embedding is not None:
        drawn = real_matrix(array(embedding), f"embedding {embedding!r} of {source}")[:, :2]
        if drawn.shape[1] < 2:
            raise LiouvilleError(
                f"embedding {embedding!r} of {source} has one column but a picture needs two; "
                "name another"
            )
    if weights is not None:
        masses = real_matrix(column(weights), f"weights {weights!r} of {source}")[:, 0]
    return _Columns(points, names, column(time_name), time_name, drawn, masses)


def _read_text(path: Path, request: _Request) -> _Columns:
    if request.basis is not None:
        raise LiouvilleError(
            f"basis {request.basis!r} has no meaning for the text table {path}; "
            "name its columns with features"
        )
    table = read_table(path)
    time_name = _time_column(table.names, request.time_key, str(path))
    drawn = () if request.embedding is None else names_among(request.embedding, "embedding")
    if drawn and len(drawn) != 2:
        raise LiouvilleError(
            f"embedding {request.embedding!r} of {path} must name two columns, such as 'u1,u2'"
        )
    apart = (time_name, *drawn, *(() if request.weights is None else (request.weights,)))
    embedding = table.matrix(drawn) if drawn else None
    weights = None if request.weights is None else table.numbers(request.weights)
    names = request.features or tuple(name for name in table.names if name not in apart)
    if not names:
        raise LiouvilleError(
            f"{path} has no columns besides {listed(apart)}; add columns of coordinates"
        )
    times = table.values(time_name)
    return _Columns(table.matrix(names), names, times, time_name, embedding, weights)


def _read_anndata(path: Path, request: _Request) -> _Columns:
    absent = "it needs anndata; install it with: pip install 'liouville[cells]'"
    with foreign(path, absent, "not an .h5ad file, or damaged ({}); save it again"):
        import anndata

        # Backed, so that an expression matrix that is not asked for stays on disk.
        cells = anndata.read_h5ad(path, backed="r")
    try:
        return _anndata_columns(cells, path, request)
    finally:
        cells.file.close()


def _anndata_columns(cells: Any, path: Path, request: _Request) -> _Columns:
    source, columns = str(path), _texts(cells.obs.columns)

    def obs(name: str) -> np.ndarray:
        if name not in columns:
            raise not_found("obs column", name, columns, source)
        return np.asarray(cells.obs[name])

    def obsm(key: str) -> np.ndarray:
        if key not in cells.obsm:
            raise not_found("obsm array", key, _texts(cells.obsm), source)
        return _dense(cells.obsm[key])

    time_name = _time_column(columns, request.time_key, f"obs of {source}")
    keys = _texts(cells.obsm)
    basis = request.basis or ("X_pca" if "X_pca" in keys else keys[0] if len(keys) == 1 else None)
    if basis is None:
        problem = "no X_pca among several obsm arrays" if keys else "no obsm arrays"
        raise LiouvilleError(
            f"{source} has {problem}; name one with basis, or basis='X' for the expression matrix. "
            f"It has: {listed(keys)}"
        )
    if basis == "X":
        points, names = _dense(cells.X), _texts(cells.var_names)
    else:
        points = obsm(basis)
        # A table in obsm names its own columns.
        names = _texts(getattr(cells.obsm[basis], "columns", ()))
    points = real_matrix(points, f"{basis!r} of {source}")
    names = names or _column_names(basis, points.shape[1])
    return _completed(points, names, time_name, obsm, obs, request, source)


def _texts(names: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in names)


def _dense(array: Any) -> np.ndarray:
    """An array in memory from what AnnData holds: on disk, sparse, a table or an array."""
    memory = array if hasattr(array, "columns") else array[:]
    return np.asarray(memory.toarray() if hasattr(memory, "toarray") else memory)
