"""Reading samples, with a class for each row if there is one, from tables and arrays."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from liouville.data._archives import Archive, load_array
from liouville.data._names import names_among, usual
from liouville.data._records import number_values
from liouville.data._samples import Samples
from liouville.data._tables import (
    Table,
    as_numbers,
    existing_file,
    is_missing,
    kept_columns,
    real_matrix,
)
from liouville.data._text_tables import read_table
from liouville.errors import LiouvilleError

_SUFFIXES = (".csv", ".tsv", ".npz", ".npy")

_MOST_CLASSES = 1000
"""A column of more different numbers is no class column, however often they repeat."""

_REPEATS = 3
"""A column called like a class is one if its numbers occur this many times each, on average."""


_Columns = tuple[np.ndarray, tuple[str, ...], np.ndarray | None, str]
"""Points and names of their columns, labels before they are numbered and the name of theirs."""


def read_samples(
    file: str | Path,
    *,
    label: str | None = None,
    features: str | Sequence[str] | None = None,
    dims: int | None = None,
) -> Samples:
    """Reads samples, one row each, and their classes if the file has them.

    * ``.csv``, ``.tsv``: a line of names and numeric columns. A first column without a name (row
      labels) is left out.
    * ``.npz``: points ``X`` (or ``points``, ``data``, ``x``, ``images``, ``pcs``, ``embedding``,
      ``phate``, or the only array besides the classes). Python objects are never unpickled.
    * ``.npy``: one array of points, without classes.

    Arrays of more than two axes, such as images, become one row each. The class column is the only
    one called label, labels, class, target or y, in any case, unless `label` names it; one of
    numbers counts only if they are whole and repeat, and a ``y`` beside an ``x`` is a coordinate.
    Numeric classes are ordered by value, others by name. `Samples.describe` says what was found;
    values are finite, and `Samples.check` looks further.

    Args:
        file: The file, in the user's units.
        label: Column or array of classes: text or whole numbers.
        features: Columns to read, as a list or separated by commas. Columns of an array are named
            ``x1``, ``x2``, ….
        dims: Keep only the first columns, this many.

    Raises:
        LiouvilleError: If the file, a name in it or a value cannot be used.
    """
    path = existing_file(file, _SUFFIXES)
    names = None if features is None else names_among(features, "features", example="a,b")
    readers = {".npz": _read_archive, ".npy": _read_array}
    reader = readers.get(path.suffix.lower(), lambda path, *of: _of_table(read_table(path), *of))
    points, found, labels, label_name = reader(path, label, names)
    points, kept = kept_columns(points, found, names, dims, str(path))
    classes: tuple[str, ...] = ()
    if labels is not None:
        labels, classes = _number(labels, label_name, str(path))
    samples = Samples(points, labels, classes, kept, label_name, source=str(path))
    samples.check_numbers()
    return samples


def _of_table(table: Table, label: str | None, features: tuple[str, ...] | None) -> _Columns:
    if label is None:
        lower = {name.casefold() for name in table.names}
        apart = {*(features or ()), *(("y", "Y") if "x" in lower else ())}
        names = [name for name in table.names if name not in apart]
        label = _label_among(names, table.values, table.source)
    labels = None if label is None else table.values(label)
    names = features or tuple(name for name in table.names if name != label)
    if not names:
        raise LiouvilleError(
            f"{table.source} has no columns besides the classes {label!r}; add columns"
        )
    return table.matrix(names), names, labels, label or ""


def _read_archive(path: Path, label: str | None, _: tuple[str, ...] | None) -> _Columns:
    archive = Archive.open(path)
    if label is not None:
        archive.array(label)  # refuses an unknown name
    else:
        label = _label_among(archive.names, archive.array, str(path))
    key = archive.points(label)
    points = _matrix(archive.array(key), f"array {key!r} of {path}")
    labels = None if label is None else archive.column(label, len(points), "row")
    return points, number_values(points.shape[1]), labels, label or ""


def _read_array(path: Path, label: str | None, _: tuple[str, ...] | None) -> _Columns:
    if label is not None:
        raise LiouvilleError(
            f"{path} holds one array, which has no classes {label!r}; save points as X and "
            "classes as label in an .npz file"
        )
    points = _matrix(load_array(path), str(path))
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
