"""Tables in files: text tables and array archives, read with errors that name line and column."""

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liouville.data._names import MISSING, listed, not_found, one_line, usual
from liouville.errors import LiouvilleError
from liouville.runs.files import atomic_path

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""The separator of a text table, by its suffix."""

_TABLE_SUFFIXES = (".csv", ".tsv", ".npz")


@dataclass(frozen=True)
class Table:
    """Columns of text or numbers before they are given a meaning."""

    source: str  # name of the file, for messages
    columns: Mapping[str, Sequence[str] | np.ndarray]  # by name, all of shape ``(n,)``
    where: Callable[[int], str]  # says where a row stands, such as ``line 3``

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def values(self, name: str) -> np.ndarray:
        """One column as text without blanks around it, or as numbers, shape ``(n,)``."""
        if name not in self.columns:
            raise not_found("column", name, self.names, self.source)
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            return column
        return np.array([cell.strip() for cell in column], dtype=np.str_)

    def numbers(self, name: str) -> np.ndarray:
        """One column as float64, shape ``(n,)``; empty cells and ``NA`` become NaN.

        Raises:
            LiouvilleError: If there is no such column, or at its first cell that is no number.
        """
        cells = self.values(name)
        values = as_numbers(cells)
        if values is None:
            bad = next(i for i in range(len(cells)) if as_numbers(cells[i : i + 1]) is None)
            raise LiouvilleError(
                f"column {name!r} of {self.source} has {str(cells[bad])!r} on {self.where(bad)}, "
                "which is no number; correct it, or leave the column out by naming the features to "
                "read"
            )
        return values

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """Some columns as numbers, shape ``(n, len(names))``; raises as `numbers` does."""
        return np.stack([self.numbers(name) for name in names], axis=1)

    def is_numeric(self, name: str) -> bool:
        """Whether `numbers` can read a column."""
        return as_numbers(self.values(name)) is not None

    def usual(self, role: str, *apart: str) -> str | None:
        """The first column, besides some, whose name is usual for a role, such as ``time``."""
        return next(iter(usual(role, self.names, apart)), None)


def is_missing(texts: np.ndarray) -> np.ndarray:
    """Which of some texts stand for a value that is not there; numbers that are not finite."""
    if texts.dtype.kind != "U":
        return ~np.isfinite(texts)
    return np.array([text.strip().casefold() in MISSING for text in texts.tolist()], bool)


def as_numbers(values: np.ndarray) -> np.ndarray | None:
    """Text or numbers as float64, missing ones as NaN, or None if they are not all numbers."""
    try:
        texts = values.dtype.kind == "U"
        return (np.where(is_missing(values), "nan", values) if texts else values).astype(np.float64)
    except ValueError:
        return None


def existing_file(path: str | Path, suffixes: Sequence[str]) -> Path:
    """The path, if it is a file with one of some suffixes, in lower case."""
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


def read_table(file: str | Path, *, header: bool = True) -> Table:
    """Reads a file of comma- or tab-separated values in UTF-8, its columns as text.

    Blank lines are skipped. A first column without a name (row labels) is left out. Without a
    `header`, a first line of numbers is a row, and columns are named ``1``, ``2``, ….

    Raises:
        LiouvilleError: If the file cannot be read, is empty, lacks names, repeats a name, or has a
            row of another length.
    """
    path = existing_file(file, tuple(DELIMITERS))
    rows, lines = _raw_rows(path)
    if not rows:
        raise LiouvilleError(f"{path} is empty; it needs a line of column names and rows of values")
    names = [name.strip() for name in rows[0]]
    if "" not in names and as_numbers(np.array(names)) is not None:
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
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    if names[0] == "" and len(names) > 1:
        names, columns = names[1:], columns[1:]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LiouvilleError(
            f"{path} has several columns named {repeated[0]!r}; give every column its own name"
        )
    return Table(str(path), dict(zip(names, columns, strict=True)), lambda i: f"line {lines[i]}")


def _raw_rows(path: Path) -> tuple[list[list[str]], list[int]]:
    """The rows that are not blank, and the lines on which they end."""
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
            for row in reader:
                if len(row) > 1 or any(cell.strip() for cell in row):
                    rows.append(row)
                    lines.append(reader.line_num)
    except UnicodeDecodeError:
        raise LiouvilleError(f"{path} is not text in UTF-8; save it as UTF-8") from None
    except (OSError, csv.Error) as error:
        raise LiouvilleError(f"cannot read {path}: {one_line(error)}; check the file") from None
    return rows, lines


@contextlib.contextmanager
def foreign(path: Path, absent: str, damaged: str) -> Iterator[None]:
    """Says what is wrong if a library for a file is absent, or cannot read it for a reason {}."""
    try:
        yield
    except ImportError:
        raise LiouvilleError(f"cannot read {path}: {absent}") from None
    except Exception as error:  # every library has its own kinds
        raise LiouvilleError(f"cannot read {path}: {damaged.format(one_line(error))}") from None


def real_matrix(array: np.ndarray, what: str, one: str = "cells") -> np.ndarray:
    """A table of real numbers as float64, shape ``(n, d)``; one axis becomes one column."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise LiouvilleError(f"{what} holds {array.dtype} values; give real numbers")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise LiouvilleError(f"{what} must have shape ({one}, columns), got {array.shape}")
    return array.astype(np.float64)


def kept_columns(
    points: np.ndarray,
    names: tuple[str, ...],
    features: tuple[str, ...] | None,
    dims: int | None,
    source: str,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns named in `features`, in their order, and of these the first `dims`."""
    if features is not None:
        for name in features:
            if name not in names:
                raise not_found("column", name, names, source)
        points, names = points[:, [names.index(name) for name in features]], features
    if dims is not None and not 1 <= dims <= len(names):
        raise LiouvilleError(
            f"cannot keep the first {dims} of {len(names)} columns of {source}; "
            f"ask for 1 to {len(names)}"
        )
    return points[:, :dims], names[:dims]


def write_table(path: str | Path, columns: Mapping[str, np.ndarray]) -> None:
    """Writes columns by name, shape ``(n,)``, whole or not at all, and numbers with all digits.

    Raises:
        LiouvilleError: If the suffix is not .csv, .tsv or .npz, the columns differ in length, or
            the file cannot be written.
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
            writer = csv.writer(file, delimiter=DELIMITERS[suffix], lineterminator="\n")
            writer.writerow(arrays)
            writer.writerows(zip(*(array.tolist() for array in arrays.values()), strict=True))
