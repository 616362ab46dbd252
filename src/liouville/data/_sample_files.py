"""Reading samples, with a class for each row if there is one, from tables and arrays."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from liouville.data._annotated import Annotated
from liouville.data._archives import Archive
from liouville.data._arrays import real_matrix
from liouville.data._names import listed, names_among, not_found
from liouville.data._records import number_values
from liouville.data._roles import usual
from liouville.data._samples import Samples
from liouville.data._sources import ALL, Source, opened, source_of
from liouville.data._suspects import identifiers_of, other_columns, said_columns
from liouville.data._tables import Table, as_numbers, is_missing, kept_columns
from liouville.errors import LiouvilleError, shown

_MOST_CLASSES = 1000
"""A column of more different numbers is no class column, however often they repeat."""

_REPEATS = 3
"""A column called like a class is one if its numbers occur this many times each, on average."""


@dataclass(frozen=True)
class _Request:
    """What the caller asked to read; None where the usual names apply."""

    label: str | None
    features: tuple[str, ...] | None
    without: tuple[str, ...]
    basis: str | None


_Columns = tuple[np.ndarray, tuple[str, ...], np.ndarray | None, str]
"""Points and names of their columns, labels before they are numbered and the name of theirs."""


def read_samples(
    source: Source,
    *,
    label: str | None = None,
    features: str | Sequence[str] | None = None,
    without: str | Sequence[str] | None = None,
    dims: int | None = None,
    basis: str | None = None,
    weights: str | None = None,
    context: str | Sequence[str] | None = None,
    memory: float | None = None,
) -> Samples:
    """Reads samples, one row each, and their classes if there are any.

    * Text tables (``.csv``, ``.tsv``, ``.txt``, ``.dat``, also ``.gz``), ``.parquet``,
      ``.feather`` and data frames: numeric columns. Names of rows and text columns of identifiers
      are left out.
    * ``.npz``: points ``X`` (or ``points``, ``data``, ``x``, ``images``, ``pcs``, ``embedding``,
      ``phate``, or the only array besides the classes). Python objects are never unpickled.
    * ``.npy``, arrays of NumPy, JAX or torch and nested lists: points, without classes.
    * ``.h5ad``, ``.zarr``, AnnData and MuData: points from ``obsm`` (``X_pca``, or the only one),
      ``X``, ``raw`` or ``layers/NAME``; classes from ``obs`` if `label` names them.

    Arrays of more than two axes, such as images, become one row each. The class column is the only
    one called label, labels, class, target or y, in any case, unless `label` names it; one of
    numbers counts only if they are whole and repeat, and a ``y`` beside an ``x`` is a coordinate.
    Numeric classes are ordered by value, others by name. `Samples.describe` says what was found;
    values are finite, and `Samples.check` looks further.

    Args:
        source: The file, in the user's units, or the object in memory.
        label: Column or array of classes: text or whole numbers.
        features: Columns to read, as a list or separated by commas. Columns of an array are named
            ``x1``, ``x2``, ….
        without: Columns to leave out, likewise.
        dims: Keep only the first columns, this many.
        basis: Array of points: of an archive, or as for `read_cells`. Not for tables.
        weights: Column of a table that says how much each row counts; rows of zero are left out.
        context: Columns of numbers on which the distribution depends, likewise: no coordinates.
        memory: The most gigabytes the samples may take, as for `read_cells`.

    Raises:
        LiouvilleError: If the source, a name in it or a value cannot be used.

    Warns:
        UserWarning: If columns of a table look like identifiers, batches, clusters or counts.
    """
    names = None if features is None else names_among(features, "features", example="a,b")
    left_out = () if without is None else names_among(without, "without", example="a,b")
    given = () if context is None else names_among(context, "context", example="a,b")
    if names is not None:
        names = (*names, *(name for name in given if name not in names))
    with opened(source, ALL, what="data", memory=memory) as found:
        where = source_of(found, source, "data")
        counts = None if weights is None else _weights_of(found, weights, where)
        left_out = left_out if weights is None else (*left_out, weights)
        request = _Request(label, names, left_out, basis)
        points, every, labels, label_name = _columns_of(found, request, where)
    points, kept = kept_columns(points, every, names, None if given else dims, where)
    classes: tuple[str, ...] = ()
    if labels is not None:
        labels, classes = _number(labels, label_name, where)
    if counts is not None:
        rows = counts > 0
        labels = None if labels is None else labels[rows]
        points, counts = points[rows], counts[rows]
    samples = Samples(points, labels, classes, kept, label_name, source=where, weights=counts)
    samples.check_numbers()
    if not given:
        return samples
    samples = samples.with_contexts(given)
    points, kept = kept_columns(samples.points, samples.features, None, dims, where)
    return replace(samples, points=points, features=kept)


def _weights_of(found: Any, name: str, source: str) -> np.ndarray:
    """How much each row counts, by a column of a table."""
    if not isinstance(found, Table):
        raise LiouvilleError(
            f"{source} is no table, so {name!r} is no column of weights; give a table, or Samples "
            "with weights"
        )
    if name not in found.names:
        raise not_found("column", name, found.names, source)
    counts = found.matrix((name,))[:, 0]
    if not (np.isfinite(counts).all() and np.all(counts >= 0) and counts.any()):
        raise LiouvilleError(
            f"the weights {name!r} of {source} must be numbers that are not negative, and not all "
            "zero"
        )
    return counts


def _columns_of(found: Any, request: _Request, source: str) -> _Columns:
    if isinstance(found, tuple):
        raise LiouvilleError(
            f"samples are one array, not {len(found)} of them; give points of shape (n, dim), or "
            "Samples with labels"
        )
    if isinstance(found, Table):
        return _of_table(found, request)
    readers = {np.ndarray: _of_array, Archive: _of_archive, Annotated: _of_annotated}
    points, names, labels, label = readers[type(found)](found, request, source)
    kept = other_columns(names, request.without, source)
    if len(kept) < len(names):
        points = points[:, [names.index(name) for name in kept]]
    return points, kept, labels, label


def _of_table(table: Table, request: _Request) -> _Columns:
    if request.basis is not None:
        raise LiouvilleError(
            f"basis {request.basis!r} has no meaning for the table {table.source}; name its "
            "columns with features"
        )
    label, features = request.label, request.features
    if label is None:
        lower = {name.casefold() for name in table.names}
        apart = {*(features or ()), *request.without, *(("y", "Y") if "x" in lower else ())}
        names = [name for name in table.names if name not in apart]
        label = _label_among(names, table.typed, table.source)
    labels = None if label is None else table.typed(label)
    every = (*request.without, *identifiers_of(table).column)
    left = other_columns(table.names, every, table.source)
    names = features or tuple(name for name in left if name != label)
    if not names:
        raise LiouvilleError(
            f"{table.source} has no columns besides the classes {label!r}; add columns"
        )
    texts = [] if features else [name for name in names if not table.is_numeric(name)]
    if len(texts) > 1:
        raise LiouvilleError(
            f"columns {listed(texts)} of {table.source} hold text; leave them out: --without "
            f"{shlex.quote(','.join(map(shown, texts)))}, take one as classes (--label), or name "
            "the features to read"
        )
    points = table.matrix(names)
    if features is None:
        said_columns(points, names, table.source)
    return points, names, labels, label or ""


def _of_archive(archive: Archive, request: _Request, source: str) -> _Columns:
    label = request.label
    if label is not None:
        archive.array(label)  # refuses an unknown name
    else:
        label = _label_among(archive.names, archive.array, source)
    key = request.basis or archive.points(label)
    points = _matrix(archive.array(key), f"array {key!r} of {source}")
    labels = None if label is None else archive.column(label, len(points), "row")
    return points, number_values(points.shape[1]), labels, label or ""


def _of_annotated(cells: Annotated, request: _Request, source: str) -> _Columns:
    del source
    basis = cells.basis(request.basis)
    cells = cells.within_memory(basis, request.features)
    points, names = cells.points(basis, request.features)
    label = request.label
    return points, names, None if label is None else cells.column(label), label or ""


def _of_array(array: np.ndarray, request: _Request, source: str) -> _Columns:
    if request.label is not None:
        raise LiouvilleError(
            f"{source} holds one array, which has no classes {request.label!r}; save points as X "
            "and classes as label in an .npz file"
        )
    if request.basis is not None:
        raise LiouvilleError(f"basis {request.basis!r} has no meaning for the array {source}")
    points = _matrix(array, source)
    return points, number_values(points.shape[1]), None, ""


def _matrix(array: np.ndarray, what: str) -> np.ndarray:
    """Rows of numbers; the axes after the first become one."""
    if array.ndim > 2:
        array = array.reshape(array.shape[0], int(np.prod(array.shape[1:])))
    return real_matrix(array, what)


def _label_among(
    names: Sequence[str], read: Callable[[str], np.ndarray], source: str
) -> str | None:
    """The one column with a usual name that can be of classes, or None."""
    found = [name for name in usual("label", names) if _may_be_classes(read(name))]
    if len(found) > 1:
        raise LiouvilleError(
            f"{source} has several class columns ({', '.join(found)}); name one with label"
        )
    return found[0] if found else None


def _may_be_classes(values: np.ndarray) -> bool:
    """Whether values are text, or whole numbers that repeat."""
    if values.dtype.kind == "U":
        numbers = as_numbers(values)
        if numbers is None:
            return True
        values = numbers
    if values.dtype.kind not in "biuf" or not values.size:
        return False
    different = np.unique(values[np.isfinite(values)])
    whole = bool(np.all(different == np.round(different)))
    return whole and different.size <= min(_MOST_CLASSES, max(2, values.size / _REPEATS))


def _number(values: np.ndarray, name: str, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels and names of classes: whole numbers by value, text by name."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    numbers = as_numbers(values) if values.dtype.kind == "U" else values
    if values.dtype.kind not in "UbiufS":
        raise LiouvilleError(
            f"classes {name!r} of {source} hold {values.dtype} values; give text or whole numbers"
        )
    missing = int(np.sum(is_missing(values if numbers is None else numbers)))
    if missing:
        raise LiouvilleError(
            f"classes {name!r} of {source} have {missing} missing values; "
            "fill them in or drop those rows"
        )
    if numbers is None:
        texts, labels = np.unique(np.char.strip(values), return_inverse=True)
        return labels, tuple(str(text) for text in texts)
    different, labels = np.unique(numbers, return_inverse=True)
    if np.any(different != np.round(different)):
        odd = different[different != np.round(different)][0]
        raise LiouvilleError(
            f"classes {name!r} of {source} hold the number {odd:g}, which is not whole; "
            "name a column of classes with label, or cut the numbers into classes first"
        )
    return labels, tuple(str(int(number)) for number in different)
