"""Reading points at which a model is to be evaluated."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from liouville.data._annotated import Annotated, column_names
from liouville.data._archives import Archive
from liouville.data._arrays import plain_array, real_matrix
from liouville.data._names import listed, not_found
from liouville.data._records import number_values
from liouville.data._roles import unit_of, usual
from liouville.data._sources import ALL, Source, array_of, in_memory, opened, source_of
from liouville.data._suspects import identifiers_of
from liouville.data._tables import Table
from liouville.data._times import named_times, numbers_from_times, times_of_labels
from liouville.errors import LiouvilleError


class Points(NamedTuple):
    """Points of a source.

    Attributes:
        points: shape ``(n, dim)``.
        times: shape ``(n,)``, or None if there are none.
        identifiers: the name of each point, such as a barcode, shape ``(n,)``, or None.
    """

    points: np.ndarray
    times: np.ndarray | None
    identifiers: np.ndarray | None


class _Request(NamedTuple):
    """What a model needs, and what the caller names."""

    features: tuple[str, ...]
    dim: int
    time_key: str | None
    time_name: str | None
    basis: str | None
    times: Callable[[np.ndarray, str], np.ndarray]  # values and name of a time column as numbers

    def time_among(self, names: Sequence[str], kind: str, source: str) -> str | None:
        """The column of times: the named one, the model's, or the only one with a usual name."""
        if self.time_key is not None and self.time_key not in names:
            raise not_found(kind, self.time_key, names, source)
        found = usual("time", names, self.features)
        likely = self.time_key or (self.time_name if self.time_name in names else None)
        if likely or len(found) == 1 or self.time_name is None:
            return likely or (found[0] if len(found) == 1 else None)
        raise not_found(kind, self.time_name, names, source)

    def of(self, points: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """The model's columns of an array that has more of them, under the names of `names`."""
        if points.shape[1] == self.dim or not set(self.features) <= set(names):
            return points
        return points[:, [names.index(name) for name in self.features]]


def read_points(
    source: Source, features: Sequence[str], *, dim: int, time_key: str | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Points and times as `points_of` reads them, without identifiers."""
    return points_of(source, features, dim=dim, time_key=time_key)[:2]


def points_of(
    source: Source,
    features: Sequence[str],
    *,
    dim: int,
    time_key: str | None = None,
    time_name: str | None = None,
    time_unit: str = "",
    basis: str | None = None,
    times: str | Mapping[str, float | int] | None = None,
) -> Points:
    """Reads points at which a model is to be evaluated, from all that models are fitted to.

    A table or data frame gives the columns named in `features`, in the model's order, if it has
    them all; if it has none of them, its numeric columns (the time apart) must be exactly `dim`. In
    a text table a first line of names is then optional. AnnData gives them from its matrices by
    `basis`. A ``.npz`` file gives an array for each of `features`, or ``X`` (or ``points``, or its
    only array), and, if present, ``t``; a ``.npy`` file or an array gives points of shape
    ``(n, dim)``, or ``(dim,)`` for one point; a pair gives points and times.

    Args:
        source: A file, in the user's units, or an object in memory.
        features: Names of the model's columns, shape ``(dim,)``.
        dim: Number of the model's columns.
        time_key: Column or array of times; by default the one with a usual name, if present.
        time_name: The model's name of time, which is not the only one that is looked for, but
            there must be times.
        time_unit: The model's unit of time; another one is refused.
        basis: Array of points, as for `read_cells`.
        times: The time of every label of the time column, as for `read_cells`.

    Raises:
        LiouvilleError: If the source cannot be read, has the wrong columns, or holds numbers that
            are not finite.
    """
    named = None if times is None else named_times(times)

    def numbers(values: np.ndarray, name: str) -> np.ndarray:
        values = plain_array(values)
        if named is not None and values.dtype.kind == "U":
            return times_of_labels(values, named, name)
        found, unit = numbers_from_times(values, name=name, dates=False)
        unit = unit or (unit_of(name) if len(name) > 2 else "")
        if unit and time_unit and unit != time_unit:
            raise LiouvilleError(
                f"times {name!r} are in {unit} but those of the model in {time_unit}; convert them"
            )
        return found

    request = _Request(tuple(features), dim, time_key, time_name, basis, numbers)
    readers = {Table: _of_table, Archive: _of_archive, Annotated: _of_annotated}
    with opened(source, ALL, what="points", header=False) as found:
        where = source_of(found, source, "points")
        read = readers.get(type(found), _of_arrays)(found, request, where)
    _check(read, request, where)
    return read


def _check(read: Points, request: _Request, source: str) -> None:
    points, times, _ = read
    if points.shape[1] != request.dim:
        raise LiouvilleError(
            f"{source} has {points.shape[1]} columns but the model has {request.dim} "
            f"({listed(request.features)}); give those columns"
        )
    if times is not None and times.shape != points.shape[:1]:
        raise LiouvilleError(
            f"{source} has {points.shape[0]} points but times of shape {times.shape}; give one each"
        )
    bad = int(np.sum(~np.isfinite(points)))
    bad += 0 if times is None else int(np.sum(~np.isfinite(times)))
    if bad or not points.size:
        what = f"{bad} values that are NaN or infinite" if bad else "no points"
        raise LiouvilleError(f"{source} has {what}; give finite numbers")


def _of_table(table: Table, request: _Request, source: str) -> Points:
    features = request.features
    present = [name for name in features if name in table.names]
    if present and len(present) < len(features):
        missing = [name for name in features if name not in table.names]
        raise LiouvilleError(
            f"{source} lacks the columns {listed(missing)} of the model; "
            f"it has: {listed(table.names)}"
        )
    time_key = request.time_among(table.names, "column", source)
    times = None if time_key is None else table.typed(time_key)
    identifiers = identifiers_of(table)
    named = present or [
        n
        for n in table.names
        if n != time_key and n not in identifiers.column and table.is_numeric(n)
    ]
    if len(named) != request.dim:
        raise LiouvilleError(
            f"{source} has {len(named)} numeric columns ({listed(named)}) but the model has "
            f"{request.dim} ({listed(features)}); name the columns as the model does"
        )
    if times is not None:
        times = request.times(times, time_key or "")
    return Points(table.matrix(named), times, identifiers.values)


def _of_annotated(cells: Annotated, request: _Request, source: str) -> Points:
    del source
    points, names = cells.points(cells.basis(request.basis), request.features)
    missing = [name for name in request.features if name not in names]
    if missing and len(names) != request.dim:
        raise LiouvilleError(
            f"{cells.source} lacks the columns {listed(missing)} of the model; it has: "
            f"{listed(names)}"
        )
    if not missing:
        points = points[:, [names.index(name) for name in request.features]]
    time_key = request.time_among(cells.columns, "obs column", cells.source)
    times = None if time_key is None else request.times(cells.column(time_key), time_key)
    return Points(points, times, cells.identifiers)


def _of_archive(archive: Archive, request: _Request, source: str) -> Points:
    if request.basis is None and set(request.features) <= set(archive.names):
        # As columns of a table, which is how draws are written.
        columns = [np.atleast_1d(archive.array(name)) for name in request.features]
        if len({column.shape for column in columns}) > 1:
            shapes = listed([f"{n} {c.shape}" for n, c in zip(request.features, columns)])
            raise LiouvilleError(
                f"columns of {source} differ in length: {shapes}; give one of each"
            )
        points = real_matrix(np.stack(columns, axis=-1), f"columns of {source}")
    else:
        key = request.basis if request.basis in archive.names else archive.points()
        points = _rows(archive.array(key or ""), request.dim, f"array {key!r} of {source}")
        points = request.of(points, column_names(str(key), points.shape[1]))
    time_key = request.time_among(archive.names, "array", source)
    if time_key is None:
        return Points(points, None, None)
    times = np.atleast_1d(archive.array(time_key))
    return Points(points, request.times(times, time_key), None)


def _of_arrays(found: Any, request: _Request, source: str) -> Points:
    """Points, or the pair of points and times."""
    if isinstance(found, np.ndarray):
        points = _rows(found, request.dim, source)
        points = request.of(points, number_values(points.shape[1]))
        return Points(points, None, None)
    if len(found) != 2:
        raise LiouvilleError(f"{source} are one array, or (points, times); got {len(found)} arrays")
    times = request.times(np.atleast_1d(found[1]), "times")
    return Points(_rows(found[0], request.dim, source), times, None)


def _rows(array: np.ndarray, dim: int, what: str) -> np.ndarray:
    """Points as rows; one axis of length `dim` is one point, unless points have one coordinate."""
    single = array.ndim == 1 and dim > 1
    return real_matrix(array[None] if single else array, what)


def points_among(source: Any, features: Sequence[str]) -> np.ndarray:
    """The columns `features` of an object in memory, or all it has if they have no names.

    Returns:
        Float64, shape ``(n, dim)`` of a data frame or AnnData, otherwise the shape of the array.

    Raises:
        LiouvilleError: If columns are missing, or the object is no array of numbers.
    """
    is_plain = isinstance(source, np.ndarray) and not source.dtype.names
    if is_plain or isinstance(source, float | int | np.generic):
        return numbers_of(source, "points")
    if isinstance(source, str | bytes):
        raise LiouvilleError(
            f"points cannot be of type {type(source).__name__}; read a file of them with "
            "liouville.read_points, or liouville query"
        )
    found = in_memory(source, "points") if not isinstance(source, tuple) else source
    if isinstance(found, Table) and tuple(features) != number_values(len(features)):
        for name in features:
            if name not in found.names:
                raise not_found("column", name, found.names, "points")
    if isinstance(found, Table | Annotated):
        return points_of(source, features, dim=len(features)).points
    return numbers_of(found, "points")


def numbers_of(values: Any, what: str) -> np.ndarray:
    """Anything that is an array of real numbers, or one of them, as float64."""
    if isinstance(values, float | int) and not isinstance(values, bool):
        return np.asarray(values, np.float64)
    array = plain_array(array_of(values, what, least=0))
    if array.dtype.kind not in "biuf":
        raise LiouvilleError(f"{what} hold {array.dtype} values; give real numbers")
    return array.astype(np.float64, copy=False)
