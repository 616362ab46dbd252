"""Time stamps: ISO 8601 text to instants in UTC, and back."""

import datetime
import re
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from liouville.errors import LiouvilleError

DAY = 86_400_000_000
"""Microseconds in a day."""

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_UTC = re.compile(r"\s*(?:UTC|GMT)$")
_DAY_AND_ZONE = re.compile(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:?\d{2})")
_EXAMPLE = "2011-03-11T05:46:24Z"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def is_stamp(text: str) -> bool:
    """Whether a text begins like an ISO date, year first."""
    return _STAMP.match(text.strip()) is not None


def microseconds(
    texts: Sequence[str],
    name: str = "time",
    where: Callable[[int], str] = "value {}".format,
    *,
    stacklevel: int = 3,
) -> np.ndarray:
    """Instants as whole microseconds since 1970 in UTC, shape ``(n,)``, int64.

    Stamps (``2011-03-11Z``, ``2011-03-11 05:46:24.1``) with a zone (``Z``, ``UTC``, ``+09:00``) are
    converted; those without are taken as UTC, with a warning. Formats such as ``3/11/2011``, in
    which day and month can be mistaken, and zones by name (``JST``) are refused; `where` says where
    the value of an index stands.
    """
    found = np.empty(len(texts), np.int64)
    bare = 0
    for i, text in enumerate(texts):
        try:
            if not is_stamp(text):
                raise ValueError("it does not begin with year-month-day")
            own = _UTC.sub("Z", text.strip())
            day = _DAY_AND_ZONE.fullmatch(own)  # `fromisoformat` reads no zone after a day
            own = own if day is None else f"{day[1]}T00:00{day[2]}"
            moment = datetime.datetime.fromisoformat(own)
        except ValueError as error:
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
