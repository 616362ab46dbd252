"""Tables larger than memory: of their rows as many as fit, chosen at random and read in pieces."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from liouville.data._tables import LazyColumns, Table

_BYTES_A_NUMBER = 32  # what a fit takes for each, all its copies together
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


def rows_between(rows: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Those of some rows, in order, that are in a piece of a file, counted from its begin."""
    return rows[slice(*np.searchsorted(rows, (begin, end)))] - begin


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
        inside = rows_between(rows, begin, end)
        yield [column[inside] for column in columns]
        begin = end
