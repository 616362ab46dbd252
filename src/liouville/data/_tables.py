"""Tables: columns of numbers or text by name, before they are given a meaning."""

import contextlib
import csv
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._arrays import plain_array
from liouville.data._formulas import guarded
from liouville.data._names import listed, not_found
from liouville.data._roles import MISSING, usual
from liouville.errors import LiouvilleError, one_line, shown
from liouville.runs.files import atomic_path

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""The separator of a text table that is written, by its suffix."""

_TABLE_SUFFIXES = (".csv", ".tsv", ".npz")

# Python reads 1_0 and digits of other scripts as numbers, which no table means.
_ODD = re.compile(r"_|[^\x00-\x7f]")


@dataclass(frozen=True)
class LazyColumns(Mapping[str, np.ndarray]):
    """Columns that are made when they are asked for, shape ``(count,)`` each."""

    of: tuple[str, ...]
    count: int
    make: Callable[[str], np.ndarray]
    # Some columns of numbers row by row: lists of their arrays for the next rows; None if they are
    # not all plain numbers, or there is no such way.
    batches: Callable[[Sequence[str]], Iterator[list[np.ndarray]] | None] = lambda _: None

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.of:
            raise KeyError(name)
        found = self.make(name)
        if len(found) != self.count:
            raise LiouvilleError(
                f"column {shown(name)!r} has {len(found)} rows where its table has {self.count}: "
                "the file is damaged; save it again"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.of)

    def __len__(self) -> int:
        return len(self.of)


@dataclass(frozen=True)
class Table:
    """Columns by name: arrays of numbers, instants or text.

    A column of a file of text is text for `values`, which shows it as it stands, and a column of
    numbers for `numbers`; of a large file the numbers never were text.
    """

    source: str  # name of the file, for messages
    columns: Mapping[str, Any]  # by name, arrays or lists of text, all of shape ``(n,)``
    where: Callable[[int], str]  # says where a row stands, such as ``line 3``
    # Those columns of a file of text that were read as numbers, float64 with NaN for missing.
    parsed: Mapping[str, np.ndarray] = field(default_factory=dict)
    # The names of rows, shape ``(n,)``: a first column without a name, or the index of a frame.
    labels: Callable[[], np.ndarray] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.columns)

    def __len__(self) -> int:
        if isinstance(self.columns, LazyColumns):
            return self.columns.count
        return len(next(iter(self.columns.values())))

    def values(self, name: str) -> np.ndarray:
        """One column as it stands: text without blanks around it, or an array; shape ``(n,)``.

        Missing cells are empty text, NaN or NaT.
        """
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
        values = self._numbers(name)
        if values is None:
            cells = self.values(name)
            if not len(cells):
                raise LiouvilleError(f"{self.source} has no rows; give a table that has some")
            bad = next(i for i in range(len(cells)) if as_numbers(cells[i : i + 1]) is None)
            cell = shown(str(cells[bad]))
            comma = " (is its comma decimal, or does it mark thousands?)" if "," in cell else ""
            raise LiouvilleError(
                f"column {name!r} of {self.source} has {cell!r} on {self.where(bad)}, which is no "
                f"number{comma}; correct it, or leave the column out: --without "
                f"{shlex.quote(shown(name))}, or name the features to read"
            )
        return values

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """Some columns as numbers, shape ``(n, len(names))``; raises as `numbers` does."""
        found = np.empty((len(self), len(names)))
        batches = self.columns.batches(names) if isinstance(self.columns, LazyColumns) else None
        if batches is None:
            for i, name in enumerate(names):
                found[:, i] = self.numbers(name)
            return found
        start = 0
        for batch in batches:
            stop = start + len(batch[0])
            if stop > len(found) or any(len(column) != stop - start for column in batch):
                break
            for i, column in enumerate(batch):
                found[start:stop, i] = column
            start = stop
        if start != len(found):
            raise LiouvilleError(
                f"columns of {self.source} have not as many rows as the {len(found)} that it says: "
                "the file is damaged; save it again"
            )
        return found

    def typed(self, name: str) -> np.ndarray:
        """One column as numbers if all its cells are numbers, otherwise as it stands."""
        values = self._numbers(name)
        return self.values(name) if values is None else values

    def is_numeric(self, name: str) -> bool:
        """Whether `numbers` can read a column."""
        return self._numbers(name) is not None

    def usual(self, role: str, *apart: str) -> str | None:
        """The first column, besides some, whose name is usual for a role, such as ``time``."""
        return next(iter(usual(role, self.names, apart)), None)

    def _numbers(self, name: str) -> np.ndarray | None:
        parsed = self.parsed.get(name)
        return as_numbers(self.values(name)) if parsed is None else parsed


def is_missing(texts: np.ndarray) -> np.ndarray:
    """Which of some texts stand for a value that is not there; numbers that are not finite."""
    if texts.dtype.kind != "U":
        return ~np.isfinite(texts)
    return np.array([text.strip().casefold() in MISSING for text in texts.tolist()], bool)


def text_labels(values: Any) -> np.ndarray:
    """Labels of any kind as text, whole numbers without a point, empty where there is none."""
    found = plain_array(np.asarray(values))
    gone = is_missing(found) if found.dtype.kind in "Uf" else np.zeros(found.shape, bool)
    # Whole numbers among which one is missing are stored with a point.
    texts = np.char.strip(found.astype(np.str_))
    if found.dtype.kind == "f":
        texts = np.array([text.removesuffix(".0") for text in texts.tolist()], np.str_)
    return np.where(gone, "", texts)


def as_numbers(values: np.ndarray) -> np.ndarray | None:
    """Text or numbers as float64, missing ones as NaN, or None if they are not all numbers."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64, copy=False)
    if values.dtype.kind != "U":
        return None
    try:
        if any(map(_ODD.search, values.tolist())):
            return None
        return np.where(is_missing(values), "nan", values).astype(np.float64)
    except ValueError:
        return None


def existing_file(path: str | Path, suffixes: Sequence[str]) -> Path:
    """The path, if it is a file with one of some suffixes, in lower case."""
    path = Path(path)
    shown = ", ".join([s for s in suffixes if s.count(".") == 1])
    shown += " (text also as .gz)" if len(shown.split()) < len(suffixes) else ""
    if path.is_dir():
        raise LiouvilleError(f"{path} is a directory; name a file ({shown}) in it")
    if not path.name.lower().endswith(tuple(suffixes)):
        raise LiouvilleError(
            f"cannot read {path}: the suffix {path.suffix!r} is not one of {shown}; convert the "
            "file"
        )
    if not path.is_file():
        raise LiouvilleError(f"no file {path}; check the path (working directory: {Path.cwd()})")
    return path


@contextlib.contextmanager
def foreign(path: Path, absent: str, damaged: str) -> Iterator[None]:
    """Says what is wrong if a library for a file is absent, or cannot read it for a reason {}."""
    try:
        yield
    except LiouvilleError:
        raise
    except ImportError:
        raise LiouvilleError(f"cannot read {path}: {absent}") from None
    except Exception as error:  # every library has its own kinds
        raise LiouvilleError(f"cannot read {path}: {damaged.format(one_line(error))}") from None


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

    Text that a spreadsheet would run as a formula is written with an apostrophe before it, which
    `read_table` takes away.

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
            writer.writerow(map(guarded, arrays))
            writer.writerows(zip(*map(_cells, arrays.values()), strict=True))


def _cells(array: np.ndarray) -> list[Any]:
    """A column as it is written."""
    if array.dtype.kind not in "UO":
        return array.tolist()
    return [guarded(cell) if isinstance(cell, str) else cell for cell in array.tolist()]
