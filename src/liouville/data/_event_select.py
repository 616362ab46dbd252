"""Conditions on columns, such as ``type=earthquake`` or ``depth<30``, that rows must meet."""

import operator
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from liouville.data._names import listed, not_found
from liouville.data._tables import Table, as_numbers, is_missing
from liouville.errors import LiouvilleError

_CONDITION = re.compile(r"\s*(.+?)\s*(>=|<=|!=|==|=|>|<)\s*(.*?)\s*")
_ROUNDING = 1e-9
_ORDERS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


def selected(table: Table, conditions: str | Sequence[str]) -> np.ndarray:
    """Which rows of a table meet all conditions, booleans of shape ``(n,)``.

    A condition is the name of a column, one of ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, and a
    value; ``=`` and ``!=`` take several values with bars (``type=earthquake|explosion``). Numbers
    are compared with columns of numbers, texts in any case. After an order the value may be the
    name of another column of numbers (``magnitude>=mc``). A cell without a value meets none.

    Args:
        table: the columns.
        conditions: a list of them, or text with commas between.

    Raises:
        LiouvilleError: If a condition cannot be read, its column is not there, the value does not
            suit the column, or no row is left.
    """
    parts = conditions.split(",") if isinstance(conditions, str) else conditions
    kept = np.ones(len(table), bool)
    for condition in parts:
        name, order, value = _parse(condition)
        found = _column(table, name)
        if found is None:
            raise not_found("column", name, table.names, table.source)
        met = _met(table, found, order, value, condition)
        if not met.any() and len(table):
            raise LiouvilleError(
                f"no row of {table.source} has {condition.strip()}; {_held(table, found)}"
            )
        kept &= met
    if not kept.any() and len(table):
        raise LiouvilleError(
            f"no row of {table.source} meets all of {listed([p.strip() for p in parts])}; "
            "leave one of them out"
        )
    return kept


def _column(table: Table, name: str) -> str | None:
    """The column of a name in any case, if it is there."""
    return {n.strip().casefold(): n for n in reversed(table.names)}.get(name.casefold())


def _parse(condition: str) -> tuple[str, str, str]:
    found = _CONDITION.fullmatch(condition)
    if found is None or not found[3]:
        raise LiouvilleError(
            f"a condition is a column, a comparison and a value, such as type=earthquake or "
            f"depth<30, got {condition!r}"
        )
    name, order, value = found.groups()
    return name, "=" if order == "==" else order, value


def _met(table: Table, name: str, order: str, value: str, condition: str) -> np.ndarray:
    values = [text.strip() for text in value.split("|")]
    wanted = as_numbers(np.array(values))
    if order in _ORDERS:
        other = None if wanted is not None else _column(table, value)
        if other is not None and table.is_numeric(other):
            wanted = table.numbers(other)
        elif wanted is None or len(values) > 1 or not np.isfinite(wanted).all():
            raise LiouvilleError(
                f"{condition.strip()!r} compares with no number and no column of numbers; give one"
            )
        if not table.is_numeric(name):
            raise LiouvilleError(
                f"column {name!r} of {table.source} holds text and has no {order}; compare it "
                f"with = or !=: {_held(table, name)}"
            )
        # A catalogue's numbers are decimals: equal ones must not differ by rounding. NaN: False.
        slack = _ROUNDING if order in (">=", "<") else -_ROUNDING
        return _ORDERS[order](table.numbers(name), wanted - slack)
    if table.is_numeric(name) and wanted is not None:
        cells: Any = table.numbers(name)
        absent, equal = np.isnan(cells), np.isin(cells, wanted)
    else:
        cells = table.values(name)
        texts = np.array([str(cell).casefold() for cell in cells.tolist()])
        absent, equal = is_missing(cells), np.isin(texts, [text.casefold() for text in values])
    return ~absent & (equal if order == "=" else ~equal)


def _held(table: Table, name: str) -> str:
    """What a column holds, for messages."""
    if table.is_numeric(name):
        numbers = table.numbers(name)
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            return f"{name!r} is from {numbers.min():g} to {numbers.max():g}"
        return f"{name!r} has no numbers"
    return f"{name!r} holds {listed([f'{kind} ({count})' for kind, count in counted(table, name)])}"


def counted(table: Table, name: str) -> list[tuple[str, int]]:
    """The different texts of a column and how often each occurs, the most frequent first."""
    cells = table.values(name)
    kinds, counts = np.unique(cells[~is_missing(cells)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(str(kinds[i]), int(counts[i])) for i in order]
