"""Data frames of any library, and the files that hold them, as tables."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._arrays import plain_array
from liouville.data._tables import LazyColumns, Table, foreign
from liouville.errors import LiouvilleError, one_line
from liouville.runs.archives import check_unpacked

FRAMES = (".parquet", ".feather")
"""The suffixes of files that hold a frame."""

# Rows that are read together, so many that they stay in the cache.
_BATCH = 1 << 16

_ABSENT = "it needs pyarrow; install it"

_INDEX = ("__index_level_0__", "Unnamed: 0")
"""Names under which pandas writes an index that has none."""


def frame_table(frame: Any, source: str) -> Table | None:
    """The columns of a data frame; None for what is none.

    It is a frame of pandas, polars, pyarrow or another library that narwhals knows, or an object
    with the interchange methods ``__arrow_c_stream__`` or ``__dataframe__``. Numbers become
    float64, categories and text become text, dates and durations those of NumPy, with time zones
    moved to UTC.

    Raises:
        LiouvilleError: If it is not collected, or two columns have one name.
    """
    import narwhals as nw

    try:
        found = nw.from_native(frame, pass_through=True)
        if isinstance(found, nw.LazyFrame):
            raise LiouvilleError(f"{source} is not computed yet; collect it first")
        if not isinstance(found, nw.DataFrame):
            found = _exchanged(frame)
    except LiouvilleError:
        raise
    except Exception as error:  # every library has its own kinds
        raise LiouvilleError(f"cannot read {source}: {one_line(error)}") from None
    if found is None:
        return None
    names = tuple(map(str, found.columns))
    own = dict(zip(names, found.columns, strict=True))
    kept = tuple(name for name in names if name not in _INDEX)
    columns = LazyColumns(kept, len(found), lambda name: series_array(found[own[name]]))
    written = [name for name in names if name in _INDEX]
    labels = (lambda: series_array(found[written[0]])) if written else _index(frame)
    return Table(source, columns, lambda row: f"row {row + 1}", labels=labels)


def frame_file(path: Path) -> Table:
    """The table of a Parquet or Feather file; a column is read when it is asked for."""
    damaged = "{}; save it again, or as .csv"
    with foreign(path, _ABSENT, damaged):
        if path.suffix.lower() == ".feather":
            from pyarrow import feather

            table = feather.read_table(path)
            table.validate(full=True)  # or damage shows when a column is asked for
            return _known(frame_table(table, str(path)))
        from pyarrow import parquet

        file = parquet.ParquetFile(path, memory_map=True)
        names, rows = tuple(file.schema_arrow.names), file.metadata.num_rows
        check_unpacked(path, 8 * rows * len(names))
    kept = tuple(name for name in names if name not in _INDEX)
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise LiouvilleError(
            f"{path} has several columns named {repeated[0]!r}; give every column its own name"
        )

    def make(name: str) -> np.ndarray:
        with foreign(path, _ABSENT, damaged):
            return arrow_array(file.read([name]).column(0))

    written = [name for name in names if name in _INDEX]
    labels = (lambda: make(written[0])) if written else None

    def read(asked: list[str]) -> Iterator[list[np.ndarray]]:
        with foreign(path, _ABSENT, damaged):
            for part in file.iter_batches(_BATCH, columns=asked):
                yield [floats(part.column(name)) for name in asked]

    def batches(asked: Sequence[str]) -> Iterator[list[np.ndarray]] | None:
        kinds = [file.schema_arrow.field(name).type for name in asked if name in names]
        if len(kinds) < len(asked) or not asked or not all(map(_is_plain, kinds)):
            return None
        return read(list(asked))

    columns = LazyColumns(kept, rows, make, batches)
    return Table(str(path), columns, lambda row: f"row {row + 1}", labels=labels)


def arrow_array(column: Any) -> np.ndarray:
    """A column of pyarrow as `series_array` does; numbers without a way around by pandas."""
    if _is_plain(column.type):
        return np.concatenate([np.zeros(0), *map(floats, column.chunks)])
    import narwhals as nw

    return series_array(nw.from_native(column, series_only=True))


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def floats(chunk: Any) -> np.ndarray:
    """Numbers of an array of pyarrow as float64, NaN for those that are missing."""
    import pyarrow as pa

    whole = chunk.cast(pa.float64(), safe=False)
    if whole.null_count:
        # A number of Python would make it import pandas, which takes longer than most files.
        nan = pa.py_buffer(np.array([np.nan]).tobytes())
        whole = whole.fill_null(pa.Array.from_buffers(pa.float64(), 1, [None, nan])[0])
    return np.from_dlpack(whole) if len(whole) else np.zeros(0)


def series_array(series: Any) -> np.ndarray:
    """A column that narwhals knows as an array of numbers, instants or text, shape ``(n,)``."""
    import narwhals as nw

    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if series.dtype == nw.Boolean and not series.is_null().any():
        return np.asarray(series.to_numpy(), bool)
    if series.dtype.is_numeric() and not series.dtype.is_decimal():
        if series.implementation.is_pyarrow():
            # Its own cast refuses integers that float64 must round.
            return floats(series.to_native().combine_chunks())
        return np.asarray(series.cast(nw.Float64).fill_null(np.nan).to_numpy(), np.float64)
    return plain_array(np.asarray(series.to_numpy()))


def _exchanged(frame: Any) -> Any:
    """What another library gives away of itself, as narwhals takes it; None if it does not."""
    import narwhals as nw

    if hasattr(frame, "__arrow_c_stream__"):
        import pyarrow as pa

        return nw.from_native(pa.table(frame), eager_only=True)
    if hasattr(frame, "__dataframe__"):
        from pyarrow import interchange

        return nw.from_native(interchange.from_dataframe(frame), eager_only=True)
    return None


def _index(frame: Any) -> Any:
    """The index of a frame of pandas, unless it only counts the rows."""
    index = getattr(frame, "index", None)
    if index is None or type(index).__name__ in ("RangeIndex", "method", "builtin_function"):
        return None
    return lambda: plain_array(np.asarray(index))


def _known(table: Table | None) -> Table:
    assert table is not None
    return table
