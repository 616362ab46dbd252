"""Tables in files: text tables and array archives, read with errors that name line and column."""

import contextlib
import csv
import difflib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liouville.data._snapshots import listed
from liouville.data._times import numbers_from_times
from liouville.errors import LiouvilleError
from liouville.runs.files import atomic_path

TIME_NAMES = ("time", "t", "day", "hour", "timepoint", "age", "stage")
"""Column names, in any case, that are taken for the time when none is named."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_POINT_SUFFIXES = (".npz", ".npy", ".csv", ".tsv")
_TABLE_SUFFIXES = (".csv", ".tsv", ".npz")
_POINT_ARRAYS = ("X", "points", "pcs", "embedding", "phate")
_TIME_ARRAYS = ("t", "times", "time", "sample_labels")
MISSING = {"", "na", "n/a", "nan", "null", "none"}
"""Texts, in lower case, that stand for a value that is not there."""


@dataclass(frozen=True)
class TextTable:
    """A text table before its numbers are read.

    Attributes:
        source: Name of the file, for messages.
        names: Column names, different from one another.
        rows: The cells, each row as long as `names`.
        lines: Line of the file on which each row ends.
    """

    source: str
    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def text(self, name: str) -> np.ndarray:
        """One column as text, shape ``(n,)``."""
        index = self.names.index(name)
        return np.array([row[index].strip() for row in self.rows], dtype=np.str_)

    def numbers(self, name: str) -> np.ndarray:
        """One column as numbers, shape ``(n,)``; empty cells and ``NA`` become NaN.

        Raises:
            LiouvilleError: At the first cell that is no number.
        """
        index = self.names.index(name)
        values = np.empty(len(self.rows))
        for i, row in enumerate(self.rows):
            try:
                values[i] = float(row[index])
            except ValueError:
                if row[index].strip().casefold() not in MISSING:
                    raise LiouvilleError(
                        f"column {name!r} of {self.source} has {row[index]!r} on line "
                        f"{self.lines[i]}, which is no number; correct it, or leave the column out "
                        "by naming the features to read"
                    ) from None
                values[i] = np.nan
        return values

    def is_numeric(self, name: str) -> bool:
        """Whether `numbers` can read a column."""
        try:
            self.numbers(name)
        except LiouvilleError:
            return False
        return True


def not_found(kind: str, name: str, available: Sequence[str], source: str) -> LiouvilleError:
    """The error for a name that a file does not have: the nearest one, and those there are."""
    near = difflib.get_close_matches(name, available, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return LiouvilleError(f"no {kind} {name!r} in {source}; {hint}It has: {listed(available)}")


def existing_file(path: str | Path, suffixes: Sequence[str]) -> Path:
    """The path, if it is a file of a supported kind.

    Args:
        path: Where the file should be.
        suffixes: Supported suffixes, in lower case.

    Returns:
        The path.

    Raises:
        LiouvilleError: If there is no such file, it is a directory, or the suffix is not supported.
    """
    path = Path(path)
    if path.is_dir():
        raise LiouvilleError(f"{path} is a directory; name a file ({', '.join(suffixes)}) in it")
    if path.suffix.lower() not in suffixes:
        raise LiouvilleError(
            f"cannot read {path}: the suffix {path.suffix!r} is not one of {', '.join(suffixes)}; "
            "convert the file"
        )
    if not path.is_file():
        raise LiouvilleError(f"no file {path}; check the path (working directory: {Path.cwd()})")
    return path


def read_text_table(path: Path, *, header: bool = True) -> TextTable:
    """Reads a file of comma- or tab-separated values.

    Blank lines are skipped. A first column without a name (row labels) is left out.

    Args:
        path: A ``.csv`` or ``.tsv`` file in UTF-8.
        header: Whether the first line must hold names. If not, and it holds numbers only, columns
            are named ``1``, ``2``, ….

    Returns:
        The table.

    Raises:
        LiouvilleError: If the file cannot be read, is empty, lacks names, repeats a name, or has a
            row of another length.
    """
    rows, lines = _raw_rows(path)
    if not rows:
        raise LiouvilleError(f"{path} is empty; it needs a line of column names and rows of values")
    names = [name.strip() for name in rows[0]]
    if all(_is_number(name) for name in names):
        if header:
            raise LiouvilleError(
                f"{path} starts with numbers, {listed(names, 4)}; add a first line of column names"
            )
        names = [str(i + 1) for i in range(len(names))]
    else:
        rows, lines = rows[1:], lines[1:]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise LiouvilleError(
                f"line {line} of {path} has {len(row)} values but there are {len(names)} columns; "
                "correct the line (quote values that contain the separator)"
            )
    if names[0] == "" and len(names) > 1:
        names, rows = names[1:], [row[1:] for row in rows]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LiouvilleError(
            f"{path} has several columns named {repeated[0]!r}; give every column its own name"
        )
    return TextTable(str(path), tuple(names), rows, lines)


def _raw_rows(path: Path) -> tuple[list[list[str]], list[int]]:
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=_DELIMITERS[path.suffix.lower()], strict=True)
            for row in reader:
                if len(row) > 1 or any(cell.strip() for cell in row):
                    rows.append(row)
                    lines.append(reader.line_num)
    except UnicodeDecodeError:
        raise LiouvilleError(f"{path} is not text in UTF-8; save it as UTF-8") from None
    except (OSError, csv.Error) as error:
        raise LiouvilleError(f"cannot read {path}: {one_line(error)}; check the file") from None
    return rows, lines


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def one_line(error: BaseException) -> str:
    """The message of an error, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class Archive:
    """Arrays of a ``.npz`` file; each is read when asked for, never unpickled.

    Attributes:
        path: The file.
        names: Names of the arrays.
    """

    path: Path
    names: tuple[str, ...]

    def array(self, name: str) -> np.ndarray:
        """One array.

        Raises:
            LiouvilleError: If it is missing, damaged, or made of Python objects.
        """
        if name not in self.names:
            raise not_found("array", name, self.described(), str(self.path))
        with readable(self.path, f"array {name!r} of "), np.load(self.path) as file:
            return file[name]

    def first(self, names: Sequence[str]) -> str | None:
        """The first of some names that the file has."""
        return next((name for name in names if name in self.names), None)

    def described(self) -> list[str]:
        """Name and shape of every array, such as ``pcs (500, 5)``."""
        described = []
        for name in self.names:
            try:
                described.append(f"{name} {self.array(name).shape}")
            except LiouvilleError:
                described.append(f"{name} (unreadable)")
        return described


def open_archive(path: Path) -> Archive:
    """Opens a ``.npz`` file.

    Args:
        path: The file.

    Returns:
        The names of its arrays, and the means to read them.

    Raises:
        LiouvilleError: If it is not such a file, or holds no arrays.
    """
    with readable(path):
        file = np.load(path)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it is one array, not an archive")
        with file:
            names = tuple(file.files)
    if not names:
        raise LiouvilleError(f"{path} holds no arrays; save points as X and times as t")
    return Archive(path, names)


@contextlib.contextmanager
def readable(path: Path, part: str = "") -> Iterator[None]:
    """Turns the many errors of a damaged array file into one of ours."""
    try:
        yield
    except LiouvilleError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if part and "allow_pickle" in str(error):
            raise LiouvilleError(
                f"{part}{path} holds Python objects, which are not read for safety; "
                "save it as numbers or text (array.astype(float) or .astype(str))"
            ) from None
        # NumPy takes any file that it does not know for a pickle, which says little to a reader.
        cause = "" if "pickle" in str(error) else f" ({one_line(error)})"
        raise LiouvilleError(
            f"cannot read {part}{path}: not a {path.suffix} file, or damaged{cause}; save it again"
        ) from None


def real_matrix(array: np.ndarray, what: str) -> np.ndarray:
    """A table of real numbers as float64, shape ``(n, d)``; one axis becomes one column.

    Args:
        array: The array.
        what: Its name, for messages.

    Returns:
        The table.

    Raises:
        LiouvilleError: If it has another number of axes, or is not made of real numbers.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise LiouvilleError(f"{what} holds {array.dtype} values; give real numbers")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise LiouvilleError(f"{what} must have shape (cells, columns), got {array.shape}")
    return array.astype(np.float64)


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
    path = existing_file(path, _POINT_SUFFIXES)
    if path.suffix.lower() in _DELIMITERS:
        points, times = _points_from_text(path, features, dim, time_key)
    else:
        points, times = _points_from_arrays(path, dim, time_key)
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


def _points_from_text(
    path: Path, features: Sequence[str], dim: int, time_key: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    table = read_text_table(path, header=False)
    if time_key is not None and time_key not in table.names:
        raise not_found("column", time_key, table.names, str(path))
    present = [name for name in features if name in table.names]
    if present and len(present) < len(features):
        missing = [name for name in features if name not in table.names]
        raise LiouvilleError(
            f"{path} lacks the columns {listed(missing)} of the model; "
            f"it has: {listed(table.names)}"
        )
    times = [n for n in table.names if n.casefold() in TIME_NAMES and n not in present]
    time_key = time_key or (times[0] if len(times) == 1 else None)
    named = present or [n for n in table.names if n != time_key and table.is_numeric(n)]
    if len(named) != dim:
        raise LiouvilleError(
            f"{path} has {len(named)} numeric columns ({listed(named)}) but the model has {dim} "
            f"({listed(features)}); name the columns as the model does"
        )
    points = np.stack([table.numbers(name) for name in named], axis=1)
    if time_key is None:
        return points, None
    return points, numbers_from_times(table.text(time_key), name=time_key, dates=False)[0]


def _points_from_arrays(
    path: Path, dim: int, time_key: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    if path.suffix.lower() == ".npy":
        with readable(path):
            array = np.load(path)
        if not isinstance(array, np.ndarray):
            raise LiouvilleError(f"{path} is an archive of arrays; name it .npz")
        return _rows(array, dim, str(path)), None
    archive = open_archive(path)
    key = archive.first(_POINT_ARRAYS) or (archive.names[0] if len(archive.names) == 1 else None)
    if key is None:
        raise not_found("array", "X", archive.described(), str(path))
    points = _rows(archive.array(key), dim, f"array {key!r} of {path}")
    time_key = time_key or archive.first(_TIME_ARRAYS)
    if time_key is None:
        return points, None
    times = np.atleast_1d(archive.array(time_key))
    return points, numbers_from_times(times, name=time_key, dates=False)[0]


def _rows(array: np.ndarray, dim: int, what: str) -> np.ndarray:
    """Points as rows; one axis of length `dim` is one point, unless points have one coordinate."""
    single = array.ndim == 1 and dim > 1
    return real_matrix(array[None] if single else array, what)


def write_table(path: str | Path, columns: Mapping[str, np.ndarray]) -> None:
    """Writes columns as a text table or an archive, whole or not at all.

    Numbers are written with all their digits.

    Args:
        path: A ``.csv``, ``.tsv`` or ``.npz`` file; replaced if it exists.
        columns: Name and values of each column, all of shape ``(n,)``.

    Raises:
        LiouvilleError: If the suffix is not supported, the columns differ in length, or the file
            cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _TABLE_SUFFIXES:
        raise LiouvilleError(
            f"cannot write {path}: the suffix {path.suffix!r} is not one of "
            f"{', '.join(_TABLE_SUFFIXES)}"
        )
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        got = listed([f"{name} {array.shape}" for name, array in arrays.items()])
        raise LiouvilleError(f"columns of {path} must be lists of one length, got {got}")
    with atomic_path(path) as temporary:
        if suffix == ".npz":
            np.savez(temporary, allow_pickle=False, **arrays)
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=_DELIMITERS[suffix], lineterminator="\n")
            writer.writerow(arrays)
            writer.writerows(zip(*(array.tolist() for array in arrays.values()), strict=True))
