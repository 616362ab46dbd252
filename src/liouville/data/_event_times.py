"""When events are: their times as numbers, and the windows in which they were observed."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from liouville.data._instants import DAY, is_stamp, iso, microseconds, time_number
from liouville.data._names import listed
from liouville.data._times import numbers_from_times
from liouville.errors import LiouvilleError

# Eight digits that look like a year, a month and a day.
_COMPACT_DATE = re.compile(r"(?:1[89]|2[01])[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


@dataclass(frozen=True)
class Moments:
    """Times as numbers, with what zero and one mean."""

    times: np.ndarray  # shape ``(n,)``, float64
    origin: str | None  # the instant of zero, ISO text in UTC; None for plain numbers
    unit: str  # empty if unknown


def moments_of(texts: np.ndarray, name: str, where: Callable[[int], str]) -> Moments:
    """Reads a column of times, none missing, shape ``(n,)``; `where` says where a value stands.

    They are numbers, or as text numbers, numbers with a unit (``day 3``) or ISO stamps. A text that
    can be read in more than one way or in none is refused.
    """
    if texts.dtype.kind != "U":
        return Moments(texts.astype(np.float64), None, "")
    values = texts.tolist()
    if any(map(is_stamp, values)):
        found = microseconds(values, name, where, stacklevel=5)
        midnight = int(found.min()) // DAY * DAY
        return Moments((found - midnight) / DAY, iso(midnight), "days")
    for i, text in enumerate(values):
        if "/" in text or ":" in text or _COMPACT_DATE.fullmatch(text):
            raise LiouvilleError(
                f"{name} {text!r} on {where(i)} can be read in more than one way; "
                "write stamps as 2011-03-11T05:46:24Z, or plain numbers"
            )
    numbers, unit = numbers_from_times(texts, name=name, dates=False)
    return Moments(numbers, None, unit)


def guess_windows(moments: Moments, count: int, source: str) -> np.ndarray:
    """One window for all sequences around all events, shape ``(count, 2)``; a warning says which.

    Stamps: whole days. Numbers: from 0, or from a round number below the first event if that is
    negative or nearer to the last event than to 0, to the next round number.
    """
    first, last = float(moments.times.min()), float(moments.times.max())
    if moments.origin is not None:
        begin, end = np.floor(first), np.floor(last) + 1
        start = int(microseconds([moments.origin])[0])
        shown = f"{iso(start + int(begin) * DAY)} to {iso(start + int(end) * DAY)}"
    else:
        begin, end = _round_interval(first, last)
        shown = f"{begin:g} to {end:g}"
    warnings.warn(
        f"no window of observation is given for {source}; the smallest round one around its events "
        f"is taken, {shown}. Give window to say from when to when events would have been seen",
        stacklevel=4,
    )
    return np.tile([begin, end], (count, 1))


def _round_interval(first: float, last: float) -> tuple[float, float]:
    """The smallest interval between numbers of two digits, from 0 if events begin early."""
    from_zero = first >= 0 and first <= last - first
    size = (last if from_zero else last - first) or abs(last) or 1.0
    step = 10.0 ** (np.floor(np.log10(size)) - 1)
    begin = 0.0 if from_zero else float(np.floor(first / step) * step)
    end = float(np.ceil(last / step) * step)
    return begin, end if end > begin else begin + step


def given_windows(
    window: Any, moments: Moments, names: tuple[str, ...], numbers: np.ndarray, source: str
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Windows that the user gave, shape ``(m, 2)``, names of sequences, and that of each event.

    `names` are sequences that have events, `numbers` the index of that of each event.
    """
    if isinstance(window, Mapping):
        keys = tuple(str(key) for key in window)
        lost = [name for name in names if name not in keys]
        if lost:
            raise LiouvilleError(
                f"sequences of {source} without a window: {listed(lost)}; give one for each"
            )
        windows = [_pair(pair, moments, source) for pair in window.values()]
        rank = np.array([keys.index(name) for name in names], np.intp)
        return np.reshape(windows, (-1, 2)), keys, rank[numbers]
    if isinstance(window, np.ndarray) and window.ndim == 2:
        if window.shape != (len(names), 2):
            raise LiouvilleError(
                f"windows of {source} must have shape ({len(names)}, 2), one row per sequence, "
                f"got {window.shape}"
            )
        return window.astype(np.float64), names, numbers
    return np.tile(_pair(window, moments, source), (len(names), 1)), names, numbers


def _pair(window: Any, moments: Moments, source: str) -> list[float]:
    parts = window.split(",") if isinstance(window, str) else window
    try:
        begin, end = parts
    except (TypeError, ValueError):
        raise LiouvilleError(
            f"a window is its begin and its end, such as '0,30' or "
            f"'2000-01-01T00:00Z,2020-01-01T00:00Z', got {window!r}"
        ) from None
    return [time_number(moment, moments.origin, source) for moment in (begin, end)]
