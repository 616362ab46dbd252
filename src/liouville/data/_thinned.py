"""Files larger than memory: of their rows as many as fit, chosen at random and read in pieces."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from liouville.data._tables import LazyColumns, Table
from liouville.errors import LiouvilleError

# What a fit takes for each number of a row, all its copies together, and what is read at a time.
_BYTES_A_NUMBER, _PIECE = 32, 2**26
_TOGETHER = 4096  # rows of which a share is drawn


def chosen(count: int, width: int, memory: float, source: str) -> np.ndarray | None:
    """As many rows of so many numbers as fit in some gigabytes, in order; None if all do.

    Of every few thousand rows the same share is drawn, so that a file in the order of its times
    gives each its part.

    Warns:
        UserWarning: If not all rows fit.
    """
    most = max(int(memory * 1e9 / (_BYTES_A_NUMBER * max(width, 1))), 1)
    if count <= most:
        return None
    warnings.warn(
        f"of the {count:,} rows of {source} {most:,} are read, chosen at random: more would take "
        f"over {memory:g} GB (data.memory)",
        stacklevel=2,
    )
    rng, rows, drawn = np.random.default_rng(0), [], 0
    for begin in range(0, count, _TOGETHER):
        end = min(begin + _TOGETHER, count)
        due = end * most // count
        found = rng.choice(end - begin, due - drawn, replace=False, shuffle=False)
        rows.append(begin + np.sort(found))
        drawn = due
    return np.concatenate(rows)


def thinned_table(table: Table, memory: float) -> Table:
    """A table of a file with as many of its rows as fit."""
    columns = table.columns
    assert isinstance(columns, LazyColumns)
    rows = chosen(columns.count, len(columns), memory, table.source)
    if rows is None:
        return table

    def batches(asked: Sequence[str]) -> Iterator[list[np.ndarray]] | None:
        found = columns.batches(asked)
        return None if found is None else _of_batches(found, rows)

    def make(name: str) -> np.ndarray:
        found = batches([name])
        return columns[name][rows] if found is None else np.concatenate([x for (x,) in found])

    labels = table.labels
    return replace(
        table,
        columns=LazyColumns(columns.of, len(rows), make, batches),
        where=lambda row: table.where(int(rows[row])),
        labels=None if labels is None else lambda: labels()[rows],
    )


def _of_batches(found: Iterator[list[np.ndarray]], rows: np.ndarray) -> Iterator[list[np.ndarray]]:
    begin = 0
    for columns in found:
        end = begin + len(columns[0])
        inside = rows[slice(*np.searchsorted(rows, (begin, end)))] - begin
        yield [column[inside] for column in columns]
        begin = end


@dataclass(frozen=True)
class OnDisk:
    """What readers ask of an AnnData, of some rows of its file (h5py or zarr) alone.

    Attributes:
        root: the group of the file.
        rows: those that are read, in order; None for all.
    """

    root: Any
    rows: np.ndarray | None = None

    def thinned(self, rows: np.ndarray | None) -> "OnDisk":
        """The same file with some rows."""
        return replace(self, rows=rows)

    @property
    def obs(self) -> "Columns":
        """The columns of the cells."""
        return Columns(self.root["obs"], self.rows)

    @property
    def obs_names(self) -> Any:
        """The names of the cells."""
        return self.obs.index

    @property
    def n_obs(self) -> int:
        """How many cells are read."""
        return self.obs.whole if self.rows is None else len(self.rows)

    @property
    def obsm(self) -> dict[str, Any]:
        """The arrays beside the matrix."""
        return self._arrays("obsm")

    @property
    def layers(self) -> dict[str, Any]:
        """The other matrices."""
        return self._arrays("layers")

    @property
    def X(self) -> Any:
        """The matrix, or None if there is none."""
        found = self.root.get("X")
        return None if found is None else Matrix(found, self.rows)

    @property
    def raw(self) -> None:
        """Not read in pieces."""
        return

    @property
    def var_names(self) -> Any:
        """The names of the genes."""
        return Columns(self.root["var"], None).index

    @property
    def uns(self) -> dict[str, Any]:
        """What else there is, of which colours alone are asked for."""
        found = self.root.get("uns", {})
        return {name: _whole(found[name]) for name in found if name.endswith("_colors")}

    @property
    def isbacked(self) -> bool:
        """Whether there is a file to be closed: not by whom this is given to."""
        return False

    def _arrays(self, place: str) -> dict[str, Any]:
        found = self.root.get(place, {})
        return {name: _array(found[name], self.rows) for name in found}


@dataclass(frozen=True)
class Matrix:
    """Some rows of a matrix on disk, dense or sparse."""

    of: Any
    rows: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of these rows."""
        whole = self.of.shape if hasattr(self.of, "shape") else tuple(self.of.attrs["shape"])
        return whole if self.rows is None else (len(self.rows), *whole[1:])

    def __getitem__(self, _: Any) -> Any:
        """The rows, in memory."""
        if hasattr(self.of, "shape"):
            return _picked(self.of, self.rows)
        import anndata
        from scipy.sparse import vstack

        if "csc" in str(self.of.attrs["encoding-type"]):
            raise LiouvilleError(
                "a matrix that is sparse by columns cannot be read in rows; save it as a CSR "
                "matrix, or take principal components"
            )
        return _picked(anndata.io.sparse_dataset(self.of), self.rows, vstack)


@dataclass(frozen=True)
class Columns:
    """The columns of a frame on disk, of some rows."""

    of: Any
    rows: np.ndarray | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(str(name) for name in self.of.attrs["column-order"])

    @property
    def index(self) -> np.ndarray:
        """The names of the rows."""
        return _picked(self._index, self.rows)

    @property
    def whole(self) -> int:
        """How many rows the file has."""
        return self._index.shape[0]

    @property
    def _index(self) -> Any:
        return self.of[self.of.attrs["_index"]]

    def __getitem__(self, name: str) -> Any:
        """A column as pandas has it."""
        import pandas as pd

        found = self.of[name]
        kind = found.attrs.get("encoding-type", "array")
        if kind == "categorical":
            codes, categories = _picked(found["codes"], self.rows), _whole(found["categories"])
            values: Any = pd.Categorical.from_codes(codes, categories)
        elif hasattr(found, "shape"):
            values = _picked(found, self.rows)
        else:
            whole = _whole(found)
            values = whole if self.rows is None else whole[self.rows]
        return pd.Series(values)


def _array(found: Any, rows: np.ndarray | None) -> Any:
    if found.attrs.get("encoding-type") != "dataframe":
        return Matrix(found, rows)
    import pandas as pd

    frame = Columns(found, rows)
    return pd.DataFrame({name: frame[name] for name in frame.columns})


def _whole(found: Any) -> Any:
    import anndata

    return anndata.io.read_elem(found)


def _picked(
    array: Any, rows: np.ndarray | None, join: Callable[[list[Any]], Any] = np.concatenate
) -> Any:
    """Some rows of an array on disk, read a piece at a time."""
    if getattr(getattr(array, "dtype", None), "kind", "") == "O" and hasattr(array, "asstr"):
        array = array.asstr()
    count = array.shape[0] if hasattr(array, "shape") else len(array)
    width = int(np.prod(getattr(array, "shape", (1,))[1:], dtype=np.int64))
    step = max(_PIECE // (8 * max(width, 1)), 1)
    parts = []
    for begin in range(0, count, step):
        end = min(begin + step, count)
        piece = array[begin:end]
        if rows is not None:
            piece = piece[rows[slice(*np.searchsorted(rows, (begin, end)))] - begin]
        parts.append(piece)
    return join(parts) if parts else array[:]
