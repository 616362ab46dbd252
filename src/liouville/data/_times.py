"""Times of any common type as numbers: numbers, text such as "day 3", durations and dates."""

import datetime
import re
from typing import Any

import numpy as np

from liouville.data._instants import is_stamp
from liouville.data._names import listed
from liouville.data._roles import MISSING, unit_of
from liouville.errors import LiouvilleError

_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})\s*(?:-|–|to)\s*({_NUMBER})")
# A minus after a letter or digit ("day-3") is a hyphen, not a sign.
_SIGNED = re.compile(rf"(?:(?<![A-Za-z0-9.])[-+−])?{_NUMBER}")
_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DAY = np.timedelta64(1, "D")


def numbers_from_times(
    values: np.ndarray, *, name: str = "time", dates: bool = True
) -> tuple[np.ndarray, str]:
    """Reads times of any common type as float64 numbers; the unit that they name comes with them.

    Numbers stay as they are. Text must hold one number per value and the same words around it
    (``"day 3"``, ``"D7.5"``, ``"3h"``, ``"E8.5"``, ``"t2"``); a range such as ``"Day 00-03"``
    becomes its midpoint, 1.5. Durations become days. Dates, if allowed, become days since the
    first. Values that are missing, cannot be read, or are worded differently are refused; the unit
    is empty if they name none.
    """
    values = np.asarray(values)
    if values.dtype.kind in "OUST":
        values = _unwrap(values, name)
    kind = values.dtype.kind
    if kind in "iuf":
        return values.astype(np.float64), ""
    if kind in "mM":
        return _days(values, name, dates), "days"
    if kind == "U":
        return _numbers_from_text(values, name, dates)
    raise LiouvilleError(
        f"time column {name!r} holds {values.dtype} values; give numbers, text such as 'day 3', "
        "durations or dates"
    )


def _unwrap(values: np.ndarray, name: str) -> np.ndarray:
    """Text as a unicode array, and objects as the array type that they all belong to."""
    items: list[Any] = values.tolist()
    items = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in items]
    missing = sum(map(_is_missing, items))
    if missing:
        raise LiouvilleError(
            f"time column {name!r} has {missing} missing values; fill them in or drop those cells"
        )
    if all(isinstance(v, str) for v in items):
        return np.array(items, dtype=np.str_)
    if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in items):
        return np.array(items, dtype=np.float64)
    if all(isinstance(v, datetime.timedelta) for v in items):
        return np.array(items, dtype="timedelta64[us]")
    if all(isinstance(v, datetime.date) for v in items):
        return np.array([_naive(v) for v in items], dtype="datetime64[us]")
    kinds = sorted({type(v).__name__ for v in items})
    raise LiouvilleError(
        f"time column {name!r} mixes or holds values of type {', '.join(kinds)}; give numbers, "
        "text such as 'day 3', durations or dates"
    )


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return value.strip().casefold() in MISSING
    return isinstance(value, float) and value != value


def _naive(date: datetime.date) -> datetime.date:
    """Moves a date with a time zone to UTC and forgets the zone, which NumPy does not know."""
    if isinstance(date, datetime.datetime) and date.tzinfo is not None:
        return date.astimezone(datetime.UTC).replace(tzinfo=None)
    return date


def _days(values: np.ndarray, name: str, dates: bool) -> np.ndarray:
    if np.isnat(values).any():
        raise LiouvilleError(
            f"time column {name!r} has {int(np.isnat(values).sum())} missing values; "
            "fill them in or drop those cells"
        )
    if values.dtype.kind == "m":
        if np.datetime_data(values.dtype)[0] in ("Y", "M", "generic"):
            raise LiouvilleError(
                f"time column {name!r} holds durations of type {values.dtype}, no fixed number of "
                "days; give numbers, or durations in days, hours or seconds"
            )
        return values / _DAY
    if not dates:
        raise LiouvilleError(
            f"time column {name!r} holds dates, whose first day is unknown here; give the number "
            "of days since the first date of the data"
        )
    if np.datetime_data(values.dtype)[0] in ("Y", "M", "W"):
        values = values.astype("datetime64[D]")
    return (values - values.min()) / _DAY if values.size else np.zeros(0)


def _numbers_from_text(values: np.ndarray, name: str, dates: bool) -> tuple[np.ndarray, str]:
    unique, inverse = np.unique(values, return_inverse=True)
    texts = [text.strip() for text in unique.tolist()]
    if texts and all(map(is_stamp, texts)):
        try:
            moments = [_naive(datetime.datetime.fromisoformat(text)) for text in texts]
        except ValueError as error:
            raise LiouvilleError(
                f"time column {name!r} has an unreadable date: {error}; write 2021-03-04T05:06"
            ) from None
        return _days(np.array(moments, dtype="datetime64[us]")[inverse], name, dates), "days"
    read = [_number_and_words(text) for text in texts]
    pairs = [pair for pair in read if pair is not None]
    if len(pairs) < len(texts):
        unreadable = [repr(text) for text, pair in zip(texts, read, strict=True) if not pair]
        raise LiouvilleError(
            f"time column {name!r} has values without exactly one number: {listed(unreadable, 5)}; "
            "write numbers, or text with one number such as 'day 3'"
        )
    wordings: dict[str, str] = {}
    for text, (_, words) in zip(texts, pairs, strict=True):
        wordings.setdefault(words, text)
    if len(wordings) > 1:
        examples = [repr(text) for text in wordings.values()]
        raise LiouvilleError(
            f"time column {name!r} words its values differently: {listed(examples, 5)}; "
            "use the same words, or numbers only"
        )
    numbers = np.array([number for number, _ in pairs], dtype=np.float64)
    return numbers[inverse], unit_of(next(iter(wordings), ""))


def _number_and_words(text: str) -> tuple[float, str] | None:
    """The one number in a text and the words around it, or None."""
    if _PLAIN.fullmatch(text):
        return float(text), ""
    ranges = list(_RANGE.finditer(text))
    if ranges:
        low, high = (float(group) for group in ranges[0].groups())
        number, span = (low + high) / 2, ranges[0].span()
        if low > high:
            return None
    else:
        found = _SIGNED.search(text)
        if found is None:
            return None
        number, span = float(found.group().replace("−", "-")), found.span()
    words = text[: span[0]] + "#" + text[span[1] :]
    if re.search(r"\d", words):
        return None
    return number, re.sub(r"\s+", "", words).casefold()
