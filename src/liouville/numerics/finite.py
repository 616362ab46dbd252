"""Answers that are no finite numbers, refused with the first point they are for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from liouville.errors import LiouvilleError

# The one column that may be minus infinity: a density is zero outside its support.
_MAY_BE_ZERO = "log_density"
_REMEDY = (
    "too far from the data for single precision; ask nearer to them in place and time, or leave it "
    "out"
)


def check_answers(what: str, values: np.ndarray, t: Any, x: Any) -> np.ndarray:
    """Answers, one number or several for each point, refused if one is not finite.

    Args:
        what: the name of the answer; a `log_density` may be minus infinity.
        values: shape `(...)` or `(..., k)`.
        t: one time, or one for each point.
        x: the points, shape `(..., dim)`; the values themselves if these are places.

    Returns:
        The values.

    Raises:
        LiouvilleError: if one is not finite; it names the first point, from 0, and its time.
    """
    wrong = _wrong(what, values)
    if not wrong.any():
        return values
    batch = np.shape(x)[:-1]
    row = tuple(np.argwhere(wrong.reshape(*batch, -1).any(axis=-1))[0].tolist())
    time = np.broadcast_to(np.asarray(t, np.float64), batch)[row]
    at = f"t = {time:g}" + ("" if x is values else f", x = {show(np.asarray(x)[row])}")
    raise LiouvilleError(
        f"the {what.replace('_', '-')} of {point_name(row)} is {show(values[row])} at {at}: "
        f"{_REMEDY}"
    )


def check_columns(columns: Mapping[str, Any]) -> None:
    """Refuses a table, by column, with a number that is not finite; it names row and values."""
    for name, values in columns.items():
        values = np.asarray(values)
        if values.dtype.kind != "f" or not (wrong := _wrong(name, values)).any():
            continue
        row = int(np.argwhere(wrong)[0][0])
        given = ", ".join(f"{n} {np.asarray(v)[row]}" for n, v in list(columns.items())[:6])
        raise LiouvilleError(f"{name} is {show(values[row])} in row {row} ({given}): {_REMEDY}")


def point_name(row: Sequence[int]) -> str:
    """A point in a message, by its place in the batch, from 0."""
    return f"point {', '.join(map(str, row))}".strip()


def show(x: Any) -> str:
    """A number, or a point in brackets, in a message."""
    values = np.ravel(x)
    text = ", ".join(f"{v:.4g}" for v in values[:6]) + (", ..." if len(values) > 6 else "")
    return f"({text})" if np.ndim(x) else text


def _wrong(name: str, values: np.ndarray) -> np.ndarray:
    wrong = np.asarray(~np.isfinite(values))
    return np.asarray(wrong & (values != -np.inf)) if name == _MAY_BE_ZERO else wrong
