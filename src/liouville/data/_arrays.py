"""Arrays of anything as arrays of numbers, instants or text."""

import datetime
import numbers
from decimal import Decimal
from typing import Any

import numpy as np

from liouville.errors import LiouvilleError


def plain_array(values: np.ndarray) -> np.ndarray:
    """An array of objects or bytes as one of numbers, instants, durations or text; others stay."""
    if values.dtype.kind == "T":
        return values.astype(np.str_)
    if values.dtype.kind not in "OS":
        return values
    items: list[Any] = [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values.tolist()
    ]
    gone = [is_gone(v) for v in items]
    there: list[Any] = [v for v, none in zip(items, gone, strict=True) if not none]

    def all_are(*kinds: Any) -> bool:
        return bool(there) and all(isinstance(v, kinds) for v in there)

    if all_are(bool, np.bool_) and not any(gone):
        return np.array(items, bool)
    if all_are(numbers.Real, Decimal) and not any(isinstance(v, bool | np.bool_) for v in there):
        return np.array([np.nan if n else float(v) for v, n in zip(items, gone)], np.float64)
    if all_are(datetime.date):
        moments = [None if n else in_utc(v) for v, n in zip(items, gone)]
        return np.array(moments, "datetime64[us]")
    if all_are(datetime.timedelta):
        return np.array([None if n else v for v, n in zip(items, gone)], "timedelta64[us]")
    return np.array(["" if n else str(v).strip() for v, n in zip(items, gone)], np.str_)


def is_gone(value: Any) -> bool:
    """Whether an object stands for a value that is not there."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def in_utc(date: datetime.date) -> datetime.date:
    """Moves a date with a time zone to UTC and forgets the zone, which NumPy does not know."""
    if isinstance(date, datetime.datetime) and date.tzinfo is not None:
        return date.astimezone(datetime.UTC).replace(tzinfo=None)
    return date


def real_matrix(array: np.ndarray, what: str, one: str = "cells") -> np.ndarray:
    """A table of real numbers as float64, shape ``(n, d)``; one axis becomes one column."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise LiouvilleError(f"{what} holds {array.dtype} values; give real numbers")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise LiouvilleError(f"{what} must have shape ({one}, columns), got {array.shape}")
    return array.astype(np.float64, copy=False)
