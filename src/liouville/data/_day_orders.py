"""Dates with the year last, where the column itself tells the day from the month."""

import re
import warnings

import numpy as np

from liouville.data._tables import is_missing

YEAR_LAST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})")
"""A date such as ``3/11/2011``."""

_CLOCK = re.compile(
    r"[T,\s]+(\d{1,2}):(\d{2}(?::\d{2}(?:\.\d+)?)?)(?:\s*([AaPp])\.?[Mm]\.?)?"
    r"\s*(Z|[A-Z]{3,5}|[+-]\d{2}:?\d{2})?"
)
_MONTHS = 12


def with_year_first(values: np.ndarray, name: str) -> np.ndarray:
    """A column of dates as text with the year first, if they have only one order; shape ``(n,)``.

    Day and month of ``3/11/2011`` can be mistaken. In a column that has a number above twelve in
    one of the two places, and none in the other, they cannot: it is read, with a warning that says
    the order. Hours may be of half days (``PM``). All other columns stay as they are.
    """
    if values.dtype.kind != "U":
        return values
    absent = is_missing(values)
    texts = values[~absent].tolist()
    dates = [YEAR_LAST.match(text) for text in texts]
    if not dates or not all(dates):
        return values
    first, second = (np.array([int(date[i]) for date in dates if date]) for i in (1, 3))
    is_day_first = bool(first.max() > _MONTHS)
    if is_day_first == bool(second.max() > _MONTHS):
        return values
    stamps = [_stamp(text, is_day_first) for text in texts]
    if not all(stamps):
        return values
    tells = (first if is_day_first else second) > _MONTHS
    warnings.warn(
        f"dates in {name!r} are read as {'day, month' if is_day_first else 'month, day'}, year: "
        f"{int(tells.sum())} of {len(texts)}, such as {texts[int(np.argmax(tells))]!r}, have no "
        "other order",
        stacklevel=5,
    )
    found = np.full(len(values), "", dtype=f"<U{max(map(len, stamps))}")
    found[~absent] = stamps
    return found


def _stamp(text: str, is_day_first: bool) -> str:
    """A date and perhaps a time of day as a stamp; no text if it is something else."""
    date = YEAR_LAST.match(text)
    clock = _CLOCK.fullmatch(text[date.end() :]) if date else None
    if date is None or (clock is None and date.end() < len(text)):
        return ""
    day, month = (date[1], date[3]) if is_day_first else (date[3], date[1])
    stamp = f"{date[4]}-{int(month):02d}-{int(day):02d}"
    if clock is None:
        return stamp
    hour, rest, half, zone = int(clock[1]), clock[2], (clock[3] or "").lower(), clock[4] or ""
    if half and not 1 <= hour <= _MONTHS:
        return ""
    hour = hour % 12 + 12 * (half == "p") if half else hour
    return f"{stamp}T{hour:02d}:{rest}{zone}"
