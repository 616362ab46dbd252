"""Columns of a table that are numbers and yet no coordinates, and those that name the rows."""

import shlex
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from liouville.data._names import listed, not_found
from liouville.data._roles import ROLES, usual
from liouville.data._tables import Table, is_missing

_NAMED = ("identifiers", "batch", "cluster", "counts", "weights", "pseudotime")

# So many different whole numbers, each so often on average, are rather classes than coordinates.
_MOST_CLASSES, _REPEATS = 20, 10
_HEAD = 1000

# In fewer rows whole numbers are all different by chance.
_FEWEST_ROWS = 10


_COUNTING = "whole numbers that count the rows"


class Identifiers(NamedTuple):
    """The names of the rows of a table.

    Attributes:
        column: the column that has them, or none: the table has them apart.
        values: shape ``(n,)``, or None if rows have no names.
    """

    column: tuple[str, ...] = ()
    values: np.ndarray | None = None


def identifiers_of(table: Table) -> Identifiers:
    """A column of text that is named as identifiers are, or else names of rows that are text."""
    for name in usual("identifiers", table.names):
        if not table.is_numeric(name):
            return Identifiers((name,), table.values(name).astype(np.str_))
    labels = None if table.labels is None else table.labels()
    if labels is None or labels.dtype.kind != "U" or is_missing(labels).all():
        return Identifiers()
    counted = all(label.isdecimal() for label in labels.tolist())
    return Identifiers() if counted else Identifiers((), labels)


def other_columns(names: Sequence[str], without: Sequence[str], source: str) -> tuple[str, ...]:
    """The names besides some, all of which must be there."""
    for name in without:
        if name not in names:
            raise not_found("column", name, names, source)
    return tuple(name for name in names if name not in without)


def said_columns(points: np.ndarray, names: Sequence[str], source: str) -> None:
    """Says which columns look like no coordinates, before they become some.

    They are named as identifiers, batches, clusters or counts are, or hold whole numbers that count
    the rows or repeat, in a table of which most columns do not.

    Warns:
        UserWarning: With the flag that leaves them out.
    """
    named = {name: ROLES[role].what for role in _NAMED for name in usual(role, names)}
    looks = {}
    for name, column in zip(names, points.T, strict=True):
        whole = _whole(column)
        if whole:
            looks[name] = whole
    if 2 * len(looks) > len(names):  # a table of counts or pixels
        looks = {name: kind for name, kind in looks.items() if kind == _COUNTING}
    found = {
        name: named.get(name) or looks.get(name) for name in names if name in named or name in looks
    }
    if not found or len(found) == len(names):
        return
    shown = [f"{name} ({kind})" for name, kind in found.items()]
    warnings.warn(
        f"columns of {source} that look like no coordinates: {listed(shown)}; leave them out with "
        f"--without {shlex.quote(','.join(found))} (without in Python), or name those to read with "
        "--features",
        stacklevel=4,
    )


def _whole(column: np.ndarray) -> str:
    """What whole numbers look like; empty for others."""
    head = column[:_HEAD]
    if np.any(head[np.isfinite(head)] % 1):  # as of most columns, at once
        return ""
    column = column[np.isfinite(column)]
    if column.size < _FEWEST_ROWS or np.any(column != np.round(column)):
        return ""
    different = np.unique(column)
    if different.size == column.size and different[-1] - different[0] == column.size - 1:
        return _COUNTING
    few = different.size <= min(_MOST_CLASSES, column.size / _REPEATS)
    return f"{different.size} whole numbers" if few and different.size > 1 else ""
