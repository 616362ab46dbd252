"""Files of annotated matrices: opened, and some rows of what they hold read in pieces."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._believable import check_h5ad, check_zarr
from liouville.data._tables import foreign
from liouville.data._thinned import rows_between
from liouville.errors import LiouvilleError

_PIECE = 2**26  # bytes that are read at a time


def _readable(path: Path) -> AbstractContextManager[None]:
    """Says what is wrong if a file cannot be read, or anndata is absent."""
    damaged = f"not an {path.suffix} file, or damaged ({{}}); save it again"
    absent = "it needs anndata; install it with: pip install 'liouville[cells]'"
    return foreign(path, absent, damaged)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The group of a file that is believable, open."""
    with _readable(path):
        if path.suffix.lower() == ".zarr":
            import zarr

            check_zarr(path)
            root: Any = zarr.open_group(str(path), mode="r")
        else:
            import h5py

            check_h5ad(path)
            root = h5py.File(path, "r")
    try:
        yield root
    finally:
        if hasattr(root, "close"):
            root.close()


def read_whole(path: Path) -> Any:
    """AnnData with all of a file; that of ``.h5ad`` stays on disk."""
    with _readable(path):
        import anndata

        if path.suffix.lower() == ".zarr":
            check_zarr(path)
            return anndata.read_zarr(path)
        check_h5ad(path)
        return anndata.read_h5ad(path, backed="r")


def beside_matrices(path: Path) -> Any:
    """AnnData with the columns of cells and genes, and the arrays beside them."""
    with opened(path) as root, _readable(path):
        import anndata

        names = [name for name in ("obs", "var", "obsm", "varm") if name in root]
        parts: Any = {name: _whole(root[name]) for name in names}
        return anndata.AnnData(**parts)


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
            piece = piece[rows_between(rows, begin, end)]
        parts.append(piece)
    return join(parts) if parts else array[:]
