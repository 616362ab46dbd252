"""Annotated matrices, AnnData and MuData, in memory or in files."""

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._arrays import plain_array, real_matrix
from liouville.data._names import listed, not_found
from liouville.data._on_disk import OnDisk, beside_matrices, opened, read_whole
from liouville.data._records import number_values
from liouville.data._tables import text_labels
from liouville.data._thinned import chosen
from liouville.errors import LiouvilleError, one_line

ANNOTATED = (".h5ad", ".zarr")
"""The suffixes of files of annotated matrices."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?")


@dataclass(frozen=True)
class Annotated:
    """A matrix of cells and genes with columns and arrays beside it."""

    data: Any  # AnnData, MuData or views of them; an `OnDisk` if there is a limit
    source: str
    memory: float | None = None  # the most gigabytes that its points may take

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of ``obs``."""
        return _texts(self.data.obs.columns)

    @property
    def identifiers(self) -> np.ndarray:
        """The names of the cells, shape ``(n,)``."""
        return np.array(_texts(self.data.obs_names), np.str_)

    def column(self, name: str) -> np.ndarray:
        """A column of ``obs`` as numbers, instants or text, shape ``(n,)``."""
        return plain_array(np.asarray(self.labels(name)))

    def labels(self, name: str) -> Any:
        """A column of ``obs`` as it is stored, an array with ``categories`` if it has some."""
        if name not in self.columns:
            raise not_found("obs column", name, self.columns, self.source)
        return self.data.obs[name].array

    def colours(self, name: str) -> dict[str, str]:
        """The colours that scanpy keeps for the categories of a column, if they are texts."""
        column, colours = self.data.obs[name], self.data.uns.get(f"{name}_colors", ())
        if not hasattr(column, "cat") or len(colours) != len(column.cat.categories):
            return {}
        named = zip(text_labels(column.cat.categories).tolist(), _texts(colours))
        return {group: colour for group, colour in named if _COLOUR.fullmatch(colour)}

    def expression(self) -> tuple[tuple[str, ...], Callable[[Sequence[str]], np.ndarray]]:
        """The names of all genes, of ``raw`` if there is one, and what reads some of them."""
        raw = getattr(self.data, "raw", None)
        kept, whole = ("X", self.data) if _matrix_of(raw) is None else ("raw", raw)
        names = _texts(getattr(whole, "var_names", ()))

        def read(genes: Sequence[str]) -> np.ndarray:
            return self.points(kept, genes)[0]

        return names, read

    def basis(self, asked: str | None) -> str:
        """The array of points: the one asked for, ``X_pca``, or the only one of ``obsm``.

        Velocities and fates, which we write there ourselves, are no points.
        """
        keys = [
            key
            for key in _texts(self.data.obsm)
            if not (key.startswith("velocity_") or key.endswith("_fates"))
        ]
        found = asked or ("X_pca" if "X_pca" in keys else keys[0] if len(keys) == 1 else None)
        if found is None:
            problem = "no X_pca among several obsm arrays" if keys else "no obsm arrays"
            raise LiouvilleError(
                f"{self.source} has {problem}; name one with basis, or basis='X' for the "
                f"expression matrix. It has: {listed(self._offered())}"
            )
        return found

    def array(self, key: str) -> np.ndarray:
        """An array of ``obsm``, shape ``(n, d)``."""
        if key not in self.data.obsm:
            raise not_found("obsm array", key, _texts(self.data.obsm), self.source)
        return _dense(self.data.obsm[key])

    def names(self, basis: str) -> tuple[str, ...]:
        """The names of the columns of what `points` reads."""
        own, key = self._modality(basis)
        found, names = own._found(key)
        return names or column_names(key, found.shape[1] if len(found.shape) > 1 else 1)

    def points(
        self, basis: str, features: Sequence[str] | None = None
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        """Points and the names of their columns: of some `features` alone, if they are given.

        Args:
            basis: a key of ``obsm``; ``X``; ``raw``; ``layers/NAME``; or any of these of one
                modality of a MuData, ``MODALITY:KEY``.
            features: names of columns, all of which are there if any is.
        """
        own, key = self._modality(basis)
        found, names = own._found(key)
        if features is not None and set(features) <= set(names):
            # A sparse matrix of all genes would not fit in memory as a dense one.
            found = _columns(found, [names.index(name) for name in features])
            names = tuple(features)
        points = real_matrix(_dense(found), f"{basis!r} of {self.source}")
        return points, names or column_names(key, points.shape[1])

    def within_memory(self, basis: str, features: Sequence[str] | None = None) -> "Annotated":
        """The same, of as many cells as may be read."""
        if self.memory is None:
            return self
        shape = self._found(basis)[0].shape
        width = shape[1] if features is None and len(shape) > 1 else len(features or (basis,))
        rows = chosen(self.data.n_obs, width, self.memory, self.source)
        return replace(self, data=self.data.thinned(rows))

    def _modality(self, basis: str) -> tuple["Annotated", str]:
        parts = getattr(self.data, "mod", {})
        name, _, key = basis.partition(":")
        if basis not in self.data.obsm and name in parts and key:
            if parts[name].n_obs != self.data.n_obs:
                raise LiouvilleError(
                    f"modality {name!r} of {self.source} has {parts[name].n_obs} of "
                    f"{self.data.n_obs} cells; give that modality alone, or the cells all have"
                )
            return Annotated(parts[name], f"{name} of {self.source}"), key
        return self, basis

    def _found(self, key: str) -> tuple[Any, tuple[str, ...]]:
        """A matrix as it is stored, and the names of its columns; none if it has none."""
        data = self.data
        if key in data.obsm:
            return data.obsm[key], _texts(getattr(data.obsm[key], "columns", ()))
        if key in ("X", "raw") and hasattr(type(data), "X"):
            whole = data if key == "X" else data.raw
            found = _matrix_of(whole)
            if found is None:
                raise LiouvilleError(
                    f"{self.source} has no {key}; name another basis: {listed(self._offered())}"
                )
            return found, _texts(whole.var_names)
        layer = key.removeprefix("layers/")
        if layer != key and hasattr(data, "layers"):
            if layer not in data.layers:
                raise not_found("layer", layer, _texts(data.layers), self.source)
            return data.layers[layer], _texts(data.var_names)
        raise not_found("obsm array", key, self._offered(), self.source)

    def _offered(self) -> tuple[str, ...]:
        """All that `points` takes."""
        data, found = self.data, _texts(self.data.obsm)
        for name, part in getattr(data, "mod", {}).items():
            found += tuple(f"{name}:{key}" for key in Annotated(part, name)._offered())
        if hasattr(type(data), "X"):  # MuData has none; that of a file may be lost
            found += ("X",) * (_matrix_of(data) is not None) + ("raw",) * (
                _matrix_of(data.raw) is not None
            )
            found += tuple(f"layers/{name}" for name in _texts(data.layers))
        return found


def is_annotated(source: Any) -> bool:
    """Whether an object is an AnnData or a MuData."""
    return all(hasattr(source, name) for name in ("obs", "obsm", "obs_names", "n_obs"))


@contextlib.contextmanager
def annotated_file(
    path: Path, *, is_whole: bool = True, memory: float | None = None
) -> Iterator[Annotated]:
    """An annotated matrix in a file; that of ``.h5ad`` stays on disk until it is asked for.

    Args:
        path: the file.
        is_whole: read ``X``, ``raw``, ``layers``, ``uns`` and pairs of cells, too.
        memory: the most gigabytes that points may take; everything then stays on disk until it is
            asked for.
    """
    if memory is not None:
        with opened(path) as root:
            yield Annotated(OnDisk(root), str(path), memory)
        return
    cells = read_whole(path) if is_whole else beside_matrices(path)
    try:
        yield Annotated(cells, str(path))
    finally:
        if cells.isbacked:
            cells.file.close()


def column_names(key: str, count: int) -> tuple[str, ...]:
    """Names for the columns of an array: ``X_pca`` gives ``PC1``, ``X_umap`` gives ``umap1``."""
    stem = key.removeprefix("X_")
    return number_values(count, {"X": "x", "pca": "PC", "pcs": "PC"}.get(stem, stem))


def _texts(names: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in names)


def _matrix_of(whole: Any) -> Any:
    """The matrix `X` of annotated data or of its `raw`, or None if there is none."""
    try:
        return whole.X
    except (AttributeError, KeyError):  # the file has lost it
        return None


def _memory(array: Any) -> Any:
    """A matrix in memory from what is on disk, sparse, a table or an array."""
    try:
        return array if hasattr(array, "columns") else array[:]
    except Exception as error:  # the file is damaged there
        raise LiouvilleError(
            f"a matrix of the file cannot be read ({one_line(error)}); save it again"
        ) from error


def _columns(array: Any, numbers: list[int]) -> Any:
    memory = _memory(array)
    return memory.iloc[:, numbers] if hasattr(memory, "iloc") else memory[:, numbers]


def check_memory(shape: Sequence[int], kind: Any, what: str, remedy: str) -> None:
    """Refuses an array that would fill more than half of the memory."""
    size = np.dtype(kind).itemsize * math.prod(shape)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > there / 2:
        raise LiouvilleError(
            f"{what} of shape {tuple(shape)} takes {size / 1e9:.3g} GB, and there are "
            f"{there / 1e9:.3g} GB of memory; {remedy}"
        )


def _dense(array: Any) -> np.ndarray:
    remedy = "take principal components, or name some features"
    check_memory(getattr(array, "shape", ()), np.float64, "a matrix", remedy)
    memory = _memory(array)
    return np.asarray(memory.toarray() if hasattr(memory, "toarray") else memory)
