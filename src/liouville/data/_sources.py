"""Whatever a user has, a file or an object in memory, as one of four things that readers know."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from liouville.data._annotated import ANNOTATED, Annotated, annotated_file, is_annotated
from liouville.data._archives import Archive, load_array
from liouville.data._frames import FRAMES, frame_file, frame_table
from liouville.data._tables import Table, existing_file
from liouville.data._text_tables import TEXT, TEXT_PACKED, read_table
from liouville.data._thinned import thinned_table
from liouville.errors import LiouvilleError, one_line

Source: TypeAlias = Any
"""A path, or an object in memory; see `opened`."""

Opened: TypeAlias = Table | Archive | Annotated | np.ndarray | tuple[np.ndarray, ...]

ALL = (*TEXT, *TEXT_PACKED, *FRAMES, ".npz", ".npy", *ANNOTATED)
"""The suffixes of all files that are read."""

_ACCEPTED = (
    "a path, an array or nested list, an iterator of arrays, a data frame (pandas, polars, "
    "pyarrow), AnnData or MuData"
)


@contextlib.contextmanager
def opened(
    source: Source,
    suffixes: Sequence[str] = ALL,
    *,
    what: str = "the data",
    header: bool = True,
    memory: float | None = None,
) -> Iterator[Opened]:
    """Opens a path or an object.

    * A text table, a Parquet or Feather file and a data frame become a `Table`.
    * A ``.npz`` file becomes an `Archive`; a ``.npy`` file, an array of NumPy, JAX or torch, a
      sparse matrix and a nested list become an array; a tuple becomes a tuple of arrays. Batches
      of an iterator or a loader, arrays of rows, become one array.
    * ``.h5ad``, ``.zarr``, AnnData and MuData become `Annotated`.

    Args:
        source: the path, or the object.
        suffixes: those that make sense here.
        what: what an object is called in messages.
        header: whether a text table needs a line of names.
        memory: the most gigabytes that the rows of a file may take, of which others are left out.

    Raises:
        LiouvilleError: If there is no such file, its suffix is another, it cannot be read, or the
            object is of a kind that holds no data.
    """
    if not isinstance(source, str | os.PathLike):
        if memory is not None:
            raise LiouvilleError(_whole(memory, f"{what} of type {type(source).__name__}"))
        yield in_memory(source, what)
        return
    path = existing(source, suffixes)
    suffix = path.suffix.lower()
    if suffix in ANNOTATED:
        with annotated_file(path, memory=memory) as found:
            yield found
        return
    if memory is not None:
        if suffix != ".parquet":
            raise LiouvilleError(_whole(memory, str(path)))
        yield thinned_table(frame_file(path), memory)
        return
    readers: dict[str, Callable[[Path], Opened]] = {
        ".npz": Archive.open,
        ".npy": load_array,
        **dict.fromkeys(FRAMES, frame_file),
    }
    yield readers.get(suffix, lambda path: read_table(path, header=header))(path)


def _whole(memory: float, what: str) -> str:
    return (
        f"data.memory is {memory:g}, but {what} is read whole; leave it out, or give a file that "
        f"is read in pieces: {', '.join((*ANNOTATED, '.parquet'))}"
    )


def existing(source: str | os.PathLike, suffixes: Sequence[str]) -> Path:
    """The path, if it is a file, or a folder of zarr, with one of some suffixes."""
    path = Path(source)
    if path.suffix.lower() == ".zarr" and ".zarr" in suffixes and path.is_dir():
        return path
    return existing_file(path, suffixes)


def in_memory(source: Any, what: str = "the data") -> Opened:
    """An object in memory as `opened` gives it."""
    if is_annotated(source):
        return Annotated(source, what)
    if isinstance(source, tuple):
        return tuple(array_of(part, what) for part in source)
    if isinstance(source, np.ndarray) and source.dtype.names:
        columns = {name: source[name] for name in source.dtype.names}
        return Table(what, columns, lambda row: f"row {row + 1}")
    if not isinstance(source, np.ndarray | list):
        table = frame_table(source, what)
        if table is not None:
            return table
    return array_of(source, what)


def source_of(found: Opened, given: Source, what: str) -> str:
    """Where the data came from, for messages."""
    if isinstance(given, str | os.PathLike):
        return str(given)
    return getattr(found, "source", what)


def array_of(source: Any, what: str, *, least: int = 1) -> np.ndarray:
    """An array of at least so many axes, of whatever can be one."""
    if hasattr(source, "toarray"):
        source = source.toarray()
    if _gives_batches(source):
        source = _joined(source, what)
    is_array = hasattr(source, "__array__") or isinstance(source, list | tuple)
    if not is_array or getattr(source, "ndim", 1) < least:
        kind = type(source).__name__
        raise LiouvilleError(f"{what} cannot be of type {kind}; give {_ACCEPTED}")
    try:
        if isinstance(source, np.ma.MaskedArray):
            source = np.ma.filled(source.astype(np.float64), np.nan)
        return np.asarray(source)
    except Exception as error:  # every library has its own kinds
        raise LiouvilleError(
            f"{what} of type {type(source).__name__} cannot be an array: {one_line(error)[:120]}"
        ) from None


def _gives_batches(source: Any) -> bool:
    """Whether it is an iterator, or a loader, which is iterated over and nothing else."""
    if isinstance(source, str | bytes | Mapping | Set | list | tuple):
        return False
    is_other = hasattr(source, "__array__") or hasattr(source, "read")  # an array, an open file
    return hasattr(source, "__iter__") and not is_other


def _joined(batches: Iterable[Any], what: str) -> np.ndarray:
    """All rows of batches, in their order."""
    found: list[np.ndarray] = []
    for batch in batches:
        is_rows = hasattr(batch, "__array__") or isinstance(batch, list)
        rows = np.asarray(batch) if is_rows else np.zeros(0)
        if rows.ndim < 2 or (found and rows.shape[1:] != found[0].shape[1:]):
            raise LiouvilleError(
                f"batch {len(found) + 1} of {what} is no array of rows like those before: "
                f"{type(batch).__name__} of shape {rows.shape}; of pairs give the first alone: "
                "(x for x, _ in loader)"
            )
        found.append(rows)
    if not found:
        raise LiouvilleError(f"the iterator of {what} has no batches left; make a new one")
    return np.concatenate(found)
