"""The user's units and the model's: an affine map of space and time, and how times are read.

Everything here is float64 on the host. Large origins (epoch seconds, kilometres from a reference)
would lose their low digits in float32, so the origin is subtracted before a model sees a number.
"""

import datetime
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from liouville.data._names import listed
from liouville.errors import LiouvilleError

StandardisationMode = Literal["standard", "global", "none"]
_MODES = ("standard", "global", "none")
_VECTORS = ("center", "scale")
_SCALARS = ("time_origin", "time_scale")

# A spread below this share of the largest entry is the rounding of a constant column.
_ROUNDING = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Affine map between the user's units and the model's.

    Model points are ``(x - center) / scale`` column by column; model times are
    ``(t - time_origin) / time_scale``. All numbers are float64.

    Attributes:
        center: Subtracted from points, shape ``(d,)``, in the user's units.
        scale: Points are divided by it, shape ``(d,)``, positive.
        time_origin: The user's time that becomes 0.
        time_scale: The user's duration that becomes 1, positive.
    """

    center: np.ndarray
    scale: np.ndarray
    time_origin: float
    time_scale: float

    def __post_init__(self) -> None:
        center, scale = _reals("center", self.center), _reals("scale", self.scale)
        if center.ndim != 1 or center.shape != scale.shape:
            raise LiouvilleError(
                f"a standardisation needs as many scales as centers, got shapes {center.shape} "
                f"and {scale.shape}; give one of each per column"
            )
        origin, duration = float(self.time_origin), float(self.time_scale)
        for name, value in (("center", center), ("time_origin", origin)):
            if not np.all(np.isfinite(value)):
                raise LiouvilleError(f"{name} of a standardisation must be finite, got {value}")
        for name, value in (("scale", scale), ("time_scale", duration)):
            if not np.all(np.isfinite(value) & np.greater(value, 0)):
                raise LiouvilleError(f"{name} must be finite and positive, got {value}")
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "time_origin", origin)
        object.__setattr__(self, "time_scale", duration)

    @classmethod
    def fit(
        cls,
        points: np.ndarray,
        times: np.ndarray,
        *,
        mode: StandardisationMode = "standard",
        features: Sequence[str] | None = None,
    ) -> "Standardisation":
        """Measures the map on data: zero mean, unit spread, time from 0 to 1.

        Columns without spread get scale 1 and a warning that names them.

        Args:
            points: Shape ``(n, d)``, finite, in the user's units.
            times: Shape ``(n,)``, finite. Equal times get scale 1.
            mode: ``"standard"`` divides each column by its own standard deviation; ``"global"``
                divides all columns by one number, the root-mean-square of those deviations, and
                so keeps ratios of distances (right for principal components); ``"none"`` leaves
                space as it is.
            features: Names of the columns, shape ``(d,)``, used in the warning.

        Returns:
            The map.

        Raises:
            LiouvilleError: If the mode is unknown, or the data are empty, misshapen or not finite.
        """
        if mode not in _MODES:
            raise LiouvilleError(
                f"no standardisation called {mode!r}; choose one of {', '.join(_MODES)}"
            )
        points, times = np.asarray(points, np.float64), np.asarray(times, np.float64)
        _check_fit_data(points, times)
        origin, end = float(times.min()), float(times.max())
        duration = end - origin if end > origin else 1.0
        if mode == "none":
            return cls(np.zeros(points.shape[1]), np.ones(points.shape[1]), origin, duration)
        center, spread = _mean_and_spread(points)
        if mode == "global":
            spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
        names = features if features is not None else [str(i) for i in range(points.shape[1])]
        return cls(center, _floored(spread, list(names)), origin, duration)

    @property
    def dim(self) -> int:
        """Number of columns."""
        return self.center.size

    @property
    def log_volume(self) -> float:
        """Sum of the log scales: log-density in user's units is the model's minus this."""
        return float(np.sum(np.log(self.scale)))

    def points_to_model(self, points: np.ndarray) -> np.ndarray:
        """Points in the user's units, shape ``(..., d)``, to the model's."""
        return (np.asarray(points, np.float64) - self.center) / self.scale

    def points_to_user(self, points: np.ndarray) -> np.ndarray:
        """Points in the model's units, shape ``(..., d)``, to the user's."""
        return np.asarray(points, np.float64) * self.scale + self.center

    def time_to_model(self, times: np.ndarray | float) -> np.ndarray:
        """Times in the user's units, any shape, to the model's."""
        return np.asarray((np.asarray(times, np.float64) - self.time_origin) / self.time_scale)

    def time_to_user(self, times: np.ndarray | float) -> np.ndarray:
        """Times in the model's units, any shape, to the user's."""
        return np.asarray(np.asarray(times, np.float64) * self.time_scale + self.time_origin)

    def velocity_to_user(self, velocity: np.ndarray) -> np.ndarray:
        """Velocities of the model, shape ``(..., d)``, to user's length per user's time."""
        return np.asarray(velocity, np.float64) * (self.scale / self.time_scale)

    def score_to_user(self, score: np.ndarray) -> np.ndarray:
        """Gradients of the model's log-density, shape ``(..., d)``, to one per user's length."""
        return np.asarray(score, np.float64) / self.scale

    def to_dict(self) -> dict[str, Any]:
        """Plain Python numbers; through JSON and back they return bit for bit."""
        return {
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "time_origin": self.time_origin,
            "time_scale": self.time_scale,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Standardisation":
        """Inverse of `to_dict`.

        Args:
            data: The four fields.

        Returns:
            The map.

        Raises:
            LiouvilleError: If a field is missing, unknown, of the wrong length, not a number, not
                finite, or a scale is not positive.
        """
        expected = {*_VECTORS, *_SCALARS}
        if set(data) != expected:
            raise LiouvilleError(
                f"a standardisation has the fields {', '.join(sorted(expected))}; "
                f"got {', '.join(sorted(map(str, data))) or 'none'}"
            )
        origin, duration = (_reals(key, data[key]) for key in _SCALARS)
        if origin.ndim or duration.ndim:
            raise LiouvilleError(
                f"{' and '.join(_SCALARS)} of a standardisation must be one number each, "
                f"got shapes {origin.shape} and {duration.shape}"
            )
        center, scale = (_reals(key, data[key]) for key in _VECTORS)
        return cls(center, scale, float(origin), float(duration))


def _reals(key: str, value: Any) -> np.ndarray:
    """A field as float64, refused when it is not made of real numbers."""
    try:
        array = np.asarray(value)
        if array.size and array.dtype.kind not in "iuf":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise LiouvilleError(
            f"{key} of a standardisation must be made of numbers, got {value!r}"
        ) from None


def _check_fit_data(points: np.ndarray, times: np.ndarray) -> None:
    if points.ndim != 2 or times.shape != points.shape[:1] or not points.size:
        raise LiouvilleError(
            f"points must have shape (n, d) and times (n,) with n and d at least 1, "
            f"got {points.shape} and {times.shape}"
        )
    bad = int(np.sum(~np.isfinite(points))) + int(np.sum(~np.isfinite(times)))
    if bad:
        raise LiouvilleError(
            f"{bad} points or times are NaN or infinite; remove those rows before standardising"
        )


def _mean_and_spread(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per column; the spread of a constant column is exactly 0."""
    center = points.mean(axis=0)
    deviation = points - center
    largest = np.abs(deviation).max(axis=0)
    # Dividing by the largest deviation keeps the squares from over- and underflowing.
    unit = np.where(largest > 0, largest, 1.0)
    spread = unit * np.sqrt(np.mean((deviation / unit) ** 2, axis=0))
    floor = np.maximum(_ROUNDING * np.abs(points).max(axis=0), np.finfo(np.float64).tiny)
    return center, np.where(spread > floor, spread, 0.0)


def _floored(spread: np.ndarray, names: list[str]) -> np.ndarray:
    constant = [name for name, value in zip(names, spread, strict=True) if value == 0]
    if constant:
        warnings.warn(
            f"columns without spread keep their units (scale 1): {', '.join(constant)}",
            stacklevel=3,
        )
    return np.where(spread > 0, spread, 1.0)


_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})\s*(?:-|–|to)\s*({_NUMBER})")
# A minus after a letter or digit ("day-3") is a hyphen, not a sign.
_SIGNED = re.compile(rf"(?:(?<![A-Za-z0-9.])[-+−])?{_NUMBER}")
_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_MISSING_TEXT = {"", "na", "nan", "none", "null", "nat", "n/a", "<na>"}
_UNITS = {
    "days": ("d", "day", "days"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "minutes": ("min", "mins", "minute", "minutes"),
    "weeks": ("w", "wk", "week", "weeks"),
    "embryonic days": ("e",),
}
_DAY = np.timedelta64(1, "D")


def unit_named(word: str) -> str:
    """The unit of time that a word or abbreviation names, or an empty string."""
    word = word.strip(" _-.:=()#").casefold()
    return next((unit for unit, words in _UNITS.items() if word in words), "")


def numbers_from_times(
    values: np.ndarray, *, name: str = "time", dates: bool = True
) -> tuple[np.ndarray, str]:
    """Reads times of any common type as float64 numbers.

    Numbers stay as they are. Text must hold one number per value and the same words around it
    (``"day 3"``, ``"D7.5"``, ``"3h"``, ``"E8.5"``, ``"t2"``); a range such as ``"Day 00-03"``
    becomes its midpoint, 1.5. Durations become days. Dates become days since the first.

    Args:
        values: Shape ``(n,)``, of numbers, text, durations or dates.
        name: Name of the column, for messages.
        dates: Whether dates are allowed.

    Returns:
        The times, shape ``(n,)``, and the unit that the values name (empty if they name none).

    Raises:
        LiouvilleError: If values are missing, cannot be read, or are worded differently.
    """
    values = np.asarray(values)
    if values.dtype.kind in "OUST":
        values = _unwrapped(values, name)
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


def _unwrapped(values: np.ndarray, name: str) -> np.ndarray:
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
        return value.strip().casefold() in _MISSING_TEXT
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
    if texts and all(map(_DATE.match, texts)):
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
    return numbers[inverse], unit_named(next(iter(wordings), ""))


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
