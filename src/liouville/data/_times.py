"""Times of any common type as numbers: numbers, text such as "day 3", durations and dates."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from liouville.data._arrays import in_utc, is_gone
from liouville.data._instants import is_stamp
from liouville.data._names import listed, not_found
from liouville.data._roles import MISSING, unit_of
from liouville.errors import LiouvilleError, shown

_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})\s*(?:-|–|to)\s*({_NUMBER})")
# A minus after a letter or digit ("day-3") is a hyphen, not a sign.
_SIGNED = re.compile(rf"(?:(?<![A-Za-z0-9.])[-+−])?{_NUMBER}")
_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DAY = np.timedelta64(1, "D")


def named_times(given: str | Mapping[str, float | int]) -> dict[str, float]:
    """Times of labels, as a mapping or as text: ``iPSC=18,MEF=0``.

    Raises:
        LiouvilleError: If a label stands twice, or a time is no finite number.
    """
    if isinstance(given, str):
        pairs = [part.rpartition("=")[::2] for part in given.split(",") if part.strip()]
    else:
        pairs = [(str(label), time) for label, time in given.items()]
    found: dict[str, float] = {}
    for label, time in pairs:
        try:
            number = float(time)
        except (TypeError, ValueError):
            number = np.nan
        if not label.strip() or label.strip() in found or not np.isfinite(number):
            raise LiouvilleError(
                f"times must give every label once and a number, such as 'iPSC=18,MEF=0', got "
                f"{str(given)[:120]!r}"
            )
        found[label.strip()] = number
    return found


def times_of_labels(values: np.ndarray, times: Mapping[str, float | int], name: str) -> np.ndarray:
    """The time of every label, shape ``(n,)``; numbers are looked up by their shortest text."""
    if values.dtype.kind in "iuf":
        labels, which = np.unique(values, return_inverse=True)
        texts = [f"{label:g}" for label in labels.tolist()]
    else:
        labels, which = np.unique(values.astype(np.str_), return_inverse=True)
        texts = [label.strip() for label in labels.tolist()]
    for text in texts:
        if text not in times:
            raise LiouvilleError(
                f"time column {name!r} has {text!r}, for which times gives none; add it, such as "
                f"{shown(text)}=1. Given: {listed(list(times))}"
            )
    unused = [label for label in times if label not in texts]
    if unused:
        raise not_found("value", unused[0], texts, f"time column {name!r}")
    return np.array([times[text] for text in texts], np.float64)[which]


def binned(times: np.ndarray, bins: int, name: str) -> np.ndarray:
    """Every time moved to the median of its bin, of `bins` with about as many times in each.

    Equal times stay together.
    """
    if bins < 2 or bins > np.unique(times).size:
        raise LiouvilleError(
            f"cannot cut {name!r}, which has {np.unique(times).size} different values, into {bins} "
            "bins; ask for two or more, and no more than that"
        )
    inner = np.sort(times)[np.arange(1, bins) * times.size // bins]
    which = np.searchsorted(inner, times, side="right")
    found = np.empty_like(times)
    for number in np.unique(which).tolist():
        found[which == number] = np.median(times[which == number])
    return found


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
        _refuse_missing(int(np.isnan(values).sum()), name)
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
    _refuse_missing(sum(map(_is_missing, items)), name)
    if all(isinstance(v, str) for v in items):
        return np.array(items, dtype=np.str_)
    if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in items):
        return np.array(items, dtype=np.float64)
    if all(isinstance(v, datetime.timedelta) for v in items):
        return np.array(items, dtype="timedelta64[us]")
    if all(isinstance(v, datetime.date) for v in items):
        return np.array([in_utc(v) for v in items], dtype="datetime64[us]")
    kinds = sorted({type(v).__name__ for v in items})
    raise LiouvilleError(
        f"time column {name!r} mixes or holds values of type {', '.join(kinds)}; give numbers, "
        "text such as 'day 3', durations or dates"
    )


def _refuse_missing(count: int, name: str) -> None:
    if count:
        raise LiouvilleError(
            f"time column {name!r} has {count} missing values; fill them in or drop those cells"
        )


def _is_missing(value: Any) -> bool:
    return is_gone(value) or (isinstance(value, str) and value.strip().casefold() in MISSING)


def _days(values: np.ndarray, name: str, dates: bool) -> np.ndarray:
    _refuse_missing(int(np.isnat(values).sum()), name)
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
            moments = [in_utc(datetime.datetime.fromisoformat(text)) for text in texts]
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
            f"write numbers, or text with one number such as 'day 3', or give a time for each: "
            f"--times '{texts[0]}=0,...'"
        )
    wordings: dict[str, str] = {}
    for text, (_, words) in zip(texts, pairs, strict=True):
        wordings.setdefault(words, text)
    if len(wordings) > 1:
        examples = [repr(text) for text in wordings.values()]
        raise LiouvilleError(
            f"time column {name!r} words its values differently: {listed(examples, 5)}; "
            f"use the same words, or give a time for each: --times '{texts[0]}=0,...'"
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
