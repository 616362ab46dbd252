"""The windows of time in which events were observed: those given, and those guessed."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from liouville.data._event_times import Moments
from liouville.data._instants import DAY, is_stamp, iso, microseconds, time_number
from liouville.data._names import listed
from liouville.errors import LiouvilleError


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
    return [_time(moment, moments, source) for moment in (begin, end)]


def _time(given: Any, moments: Moments, source: str) -> float:
    """A time on the clock of events: a stamp, or a number as those of the file."""
    number = (
        None if isinstance(given, str) and is_stamp(given) else time_number(given, None, source)
    )
    if number is None or moments.read is None or moments.origin is None:
        return time_number(given, moments.origin, source)
    return float(moments.read(np.array([number]))[0] - microseconds([moments.origin])[0]) / DAY
