"""Time stamps: ISO 8601 text to instants in UTC, and back."""

import datetime
import re
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from liouville.errors import LiouvilleError

DAY = 86_400_000_000
"""Microseconds in a day."""

_STAMP = re.compile(r"\d{4}([-/])\d{2}\1\d{2}(?!\d)|\d{8}T\d{4}|\d{14}(?!\d)")
_PARTS = re.compile(
    r"(?P<year>\d{4})[-/]?(?P<month>\d{2})[-/]?(?P<day>\d{2})"
    r"(?:[T\s]*(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<share>\d+))?)?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2}|[A-Z]{2,5})?"
)
_EXAMPLE = "2011-03-11T05:46:24Z"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

# Hours east of Greenwich of the zones whose short name has one meaning in the world.
_ZONES = {
    **{"Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2},
    **{"EEST": 3, "MSK": 3, "TRT": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12},
    **{"NZDT": 13, "PST": -8, "PDT": -7, "EDT": -4, "AKST": -9, "AKDT": -8, "HST": -10},
}


def is_stamp(text: str) -> bool:
    """Whether a text begins like a date with the year first, or is one without separators."""
    return _STAMP.match(text.strip()) is not None


def is_date(values: object) -> bool:
    """Whether a column, of NumPy or pandas, holds dates or text that begins like them."""
    array = np.asarray(values)
    if array.dtype.kind not in "OU" or not array.size:
        return array.dtype.kind == "M"
    first = array[0]
    return isinstance(first, datetime.date) or (isinstance(first, str) and is_stamp(first))


def microseconds(
    texts: Sequence[str],
    name: str = "time",
    where: Callable[[int], str] = "value {}".format,
    *,
    stacklevel: int = 3,
) -> np.ndarray:
    """Instants as whole microseconds since 1970 in UTC, shape ``(n,)``, int64.

    Stamps (``2011-03-11Z``, ``2011-03-11 05:46:24.1``, ``20110311054624``) with a zone (``Z``,
    ``+09:00``, ``JST``) are converted; those without are taken as UTC, with a warning. Second 60 is
    the next minute, hour 24 the next day. Formats such as ``3/11/2011``, in which day and month can
    be mistaken, and zones with several meanings (``CST``) are refused; `where` says where the value
    of an index stands.
    """
    found = np.empty(len(texts), np.int64)
    bare = 0
    for i, text in enumerate(texts):
        try:
            if not is_stamp(text):
                raise ValueError("it does not begin with year-month-day")
            moment = _moment(text.strip())
        except (ValueError, OverflowError) as error:
            raise LiouvilleError(
                f"{name} {text!r} on {where(i)} is no time stamp that can be read without guessing "
                f"({error}); write {_EXAMPLE}"
            ) from None
        if moment.tzinfo is None:
            bare += 1
            moment = moment.replace(tzinfo=datetime.UTC)
        found[i] = (moment - _EPOCH) // _MICROSECOND
    if bare:
        count = "" if len(texts) == 1 else f"{bare} of {len(texts)} "
        warnings.warn(
            f"{count}time stamps in {name!r} have no zone and are taken as UTC; "
            f"write {_EXAMPLE} or an offset such as +09:00",
            stacklevel=stacklevel,
        )
    return found


def _moment(text: str) -> datetime.datetime:
    """The instant of a stamp, without a zone if the text has none."""
    if text[4] == "-" and text[10:11] in ("T", " "):
        try:  # much faster than the general way
            return datetime.datetime.fromisoformat(text)
        except ValueError:
            pass
    found = _PARTS.fullmatch(text.upper())
    if found is None:
        raise ValueError("it is no date with an hour and a zone in digits")
    year, month, day, hour, minute, second = (
        int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    whole_day = hour == 24 and not minute and not second and not int(found["share"] or 0)
    if (hour > 23 and not whole_day) or minute > 59 or second > 60:
        raise ValueError(f"{hour:02d}:{minute:02d}:{second:02d} is no time of day")
    after = datetime.timedelta(
        hours=hour, minutes=minute, seconds=second, microseconds=_microseconds(found["share"])
    )
    return datetime.datetime(year, month, day, tzinfo=_zone(found["zone"])) + after


def _microseconds(digits: str | None) -> int:
    return int((digits or "0")[:6].ljust(6, "0"))


def _zone(text: str | None) -> datetime.tzinfo | None:
    if text is None:
        return None
    if text in _ZONES:
        return datetime.timezone(datetime.timedelta(hours=_ZONES[text]))
    if text[0] not in "+-":
        raise ValueError(f"the zone {text} has several meanings or none: write its offset, +09:00")
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"there is no zone {text}")
    offset = datetime.timedelta(hours=hours, minutes=minutes)
    return datetime.timezone(-offset if text[0] == "-" else offset)


def iso(instant: int) -> str:
    """Microseconds since 1970 as ISO text in UTC, such as ``2011-03-11T05:46:24Z``."""
    moment = _EPOCH + datetime.timedelta(microseconds=int(instant))
    return moment.isoformat().replace("+00:00", "Z")


def time_number(time: str | int | float, origin: str | None, source: str) -> float:
    """A time on a clock: a number, or its text, as it is; a stamp in days since the origin."""
    if isinstance(time, str) and is_stamp(time):
        if origin is None:
            raise LiouvilleError(
                f"{time!r} is a date, but times of {source} are plain numbers; give a number"
            )
        return float(microseconds([time])[0] - microseconds([origin])[0]) / DAY
    try:
        return float(time)
    except (TypeError, ValueError):
        raise LiouvilleError(
            f"time {time!r} is neither a number nor a stamp such as {_EXAMPLE}"
        ) from None
