"""Degrees as text: minutes and seconds, and letters for the side of the equator or of Greenwich."""

import re

import numpy as np

from liouville.data._event_columns import is_latitude
from liouville.data._tables import Table, is_missing
from liouville.errors import LiouvilleError

_NUMBER = r"(\d+(?:\.\d*)?)"
# One to three numbers, each with its sign (°, ', ") or a blank behind.
_DEGREES = re.compile(
    rf"([NSEW])?\s*([-+−]?)\s*{_NUMBER}\s*[°º:]?\s*"
    rf"(?:(?<=[°º:\s]){_NUMBER}\s*['′’:]?\s*(?:(?<=['′’:\s]){_NUMBER}\s*(?:\"|″|'')?\s*)?)?"
    r"([NSEW])?"
)


def degrees(table: Table, name: str) -> np.ndarray:
    """A column of longitudes or latitudes as numbers, NaN where missing, shape ``(n,)``.

    Cells are numbers (``-35.2``), or have minutes and seconds or a letter for the side: ``35.2S``,
    ``35 12.3 N``, ``35°12'18"S``. South and west are negative.

    Raises:
        LiouvilleError: If a cell is neither.
    """
    cells = table.values(name)
    if cells.dtype.kind != "U" or table.is_numeric(name):
        return table.numbers(name)
    sides = "NS" if is_latitude(name) else "EW"
    found = np.full(len(cells), np.nan)
    for i in np.flatnonzero(~is_missing(cells)).tolist():
        value = _value(str(cells[i]), sides)
        if value is None:
            raise LiouvilleError(
                f"{name} {str(cells[i])!r} on {table.where(i)} of {table.source} is no place in "
                f"degrees; write 35.205, -35.205, 35.205{sides[1]} or 35 12.3 {sides[1]}"
            )
        found[i] = value
    return found


def _value(text: str, sides: str) -> float | None:
    """Degrees of one cell with a letter of two sides, the first one positive; or None."""
    found = _DEGREES.fullmatch(text.strip().upper())
    if found is None:
        return None
    before, sign, whole, minutes, seconds, behind = found.groups()
    shares = [float(part or 0) for part in (minutes, seconds)]
    side = before or behind or ""
    if (before and behind) or (side and sign) or side not in sides or max(shares) >= 60:
        return None
    if (minutes and float(whole) % 1) or (seconds and shares[0] % 1):
        return None
    size = float(whole) + shares[0] / 60 + shares[1] / 3600
    return -size if sign in ("-", "−") or side == sides[1] else size
