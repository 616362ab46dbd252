"""The user's units and the model's: maps of space, and the affine one of space and time.

Everything here is float64 on the host. Large origins (epoch seconds, kilometres from a reference)
would lose their low digits in float32, so the origin is subtracted before a model sees a number.
"""

import abc
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from liouville.data._names import check_choice, listed
from liouville.data._records import from_plain, plain_numbers, put
from liouville.errors import LiouvilleError
from liouville.numerics.robust import MOST_RATIO, robust_spread

StandardisationMode = Literal["auto", "standard", "robust", "global", "none"]

# Names of principal components, such as PC1, pca_2 or X_pca3.
_COMPONENT = re.compile(r"(x_)?pca?[ _-]?\d+", re.IGNORECASE)
# Columns whose spreads differ by at most this factor are taken to have one unit.
_ONE_UNIT = 10.0

# The fields of a standardisation and their numbers of axes.
_FIELDS = {"center": 1, "scale": 1, "time_origin": 0, "time_scale": 0}

# A spread below this share of the largest entry is the rounding of a constant column.
_ROUNDING = 64 * np.finfo(np.float64).eps

# A model computes in single precision: it does not see a column that moves by less than this share
# of its unit, nor tell times apart that are nearer than this share of the whole duration.
_INVISIBLE, _LEAST_GAP = 1e-3, 1e-6


class AbstractUnits(abc.ABC):
    """A one-to-one map from points in the user's units to points in the model's."""

    @abc.abstractmethod
    def to_model(self, points: np.ndarray, /) -> np.ndarray:
        """Points in the user's units, shape ``(..., d)``, to the model's."""

    @abc.abstractmethod
    def to_user(self, points: np.ndarray, /) -> np.ndarray:
        """Inverse of `to_model`."""

    @abc.abstractmethod
    def log_volume(self, points: np.ndarray, /) -> np.ndarray:
        """The log of the model's volume per user's volume at points ``(..., d)``, shape ``(...)``.

        It is added to a log-density of the model to get one per user's unit.
        """


@dataclass(frozen=True, eq=False)
class Standardisation(AbstractUnits):
    r"""The affine map $(x, t) \mapsto ((x - c)/s, (t - t_0)/\tau)$, column by column.

    Attributes:
        center: $c$, shape ``(d,)``, in the user's units.
        scale: $s$, shape ``(d,)``, positive.
        time_origin: $t_0$, the user's time that becomes 0.
        time_scale: $\tau$, the user's duration that becomes 1, positive.

    Raises:
        LiouvilleError: If there are not as many scales as centers, a field is not made of finite
            numbers, or a scale is not positive.
    """

    center: np.ndarray
    scale: np.ndarray
    time_origin: float
    time_scale: float

    def __post_init__(self) -> None:
        for name in _FIELDS:
            value = _reals(name, getattr(self, name))
            if name.endswith("scale") and not np.all(np.greater(value, 0)):
                raise LiouvilleError(f"{name} must be finite and positive, got {value}")
            put(self, **{name: value})
        if self.center.shape != self.scale.shape:
            raise LiouvilleError(
                f"a standardisation needs as many scales as centers, got shapes "
                f"{self.center.shape} and {self.scale.shape}; give one of each per column"
            )

    @classmethod
    def fit(
        cls,
        points: np.ndarray,
        times: np.ndarray,
        *,
        mode: StandardisationMode = "standard",
        features: Sequence[str] | None = None,
        values: np.ndarray | None = None,
    ) -> "Standardisation":
        """Measures the map on data: zero mean, unit spread, time from 0 to 1.

        Columns without spread get scale 1. These are said, and so are columns that the scale does
        not fit: `say_misfits`.

        Args:
            points: Shape ``(n, d)``, finite, in the user's units.
            times: Shape ``(n,)``, finite. Equal times get scale 1.
            mode: ``"standard"`` divides each column by its own standard deviation, or by that of
                its quartiles where outliers make more than five times as much of it; ``"global"``
                divides all columns by one number, the root-mean-square of those deviations, and
                so keeps ratios of distances (right for principal components); ``"robust"`` takes
                the median and the distance of the quartiles, for a Gaussian the standard deviation,
                which a few outliers do not move; ``"none"`` leaves space as it is; ``"auto"`` is
                ``"global"`` for principal components by name and for columns whose spreads differ
                at most tenfold, as those of one unit do, and ``"standard"`` for all others.
            features: Names of the columns, shape ``(d,)``, used in warnings.
            values: The points without the noise that was added to columns of whole steps, of which
                quartiles are taken. Noise of one step is the bulk of a column that is mostly zero,
                and not its spread.

        Raises:
            LiouvilleError: If the mode is unknown, or the data are empty, misshapen or not finite,
                or so large that they overflow.

        Warns:
            UserWarning: If columns have no spread, or the scale does not fit them.
        """
        check_choice(mode, StandardisationMode, "standardisation")
        points, times = np.asarray(points, np.float64), np.asarray(times, np.float64)
        if points.ndim != 2 or times.shape != points.shape[:1] or not points.size:
            raise LiouvilleError(
                "points must have shape (n, d) and times (n,) with n and d at least 1, "
                f"got {points.shape} and {times.shape}"
            )
        bad = int(np.sum(~np.isfinite(points))) + int(np.sum(~np.isfinite(times)))
        if bad:
            raise LiouvilleError(
                f"{bad} points or times are NaN or infinite; remove those rows before standardising"
            )
        origin, end = float(times.min()), float(times.max())
        duration = end - origin if end > origin else 1.0
        names = [str(name) for name in (features or range(points.shape[1]))]
        center, spread = _measured(points, names)
        scale, robust = spread, robust_spread(points if values is None else values)
        if mode == "auto":
            mode = "global" if _have_one_unit(spread, names) else "standard"
        if mode == "none":
            center, scale = np.zeros_like(center), np.ones_like(spread)
        elif mode == "robust":
            center, scale = np.median(points, axis=0), np.where(robust > 0, robust, spread)
        elif mode == "standard":
            # Of outliers that make most of a spread, none is in the unit.
            far = (robust > 0) & (spread > MOST_RATIO * robust)
            center = np.where(far, np.median(points, axis=0), center)
            scale = np.where(far, robust, spread)
        elif mode == "global":
            top = max(float(spread.max()), np.finfo(np.float64).tiny)
            scale = np.full_like(spread, top * np.sqrt(np.mean((spread / top) ** 2)))
        units = cls(center, np.where(scale > 0, scale, 1.0), origin, duration)
        still = [name for name, s in zip(names, spread, strict=True) if s == 0]
        if still and mode != "none":
            warnings.warn(
                f"columns without spread keep their units (scale 1): {listed(still)}", stacklevel=2
            )
        # The bulk is what a model must see.
        units.say_misfits(np.where(robust > 0, robust, spread), names)
        return units

    def say_misfits(
        self,
        spread: np.ndarray,
        features: Sequence[str],
        remedy: str = "choose --scaling standard, or leave them out",
    ) -> None:
        """Warns of columns whose spread, shape ``(d,)``, is far from one unit of the model.

        In single precision, and with a least scale of parts, a model does not see those that move
        by less than a thousandth of a unit. One scale for all columns makes them, and none at all.
        """
        share = spread / self.scale
        for what, chosen in (
            (
                "is too large for columns, which become invisible",
                (share < _INVISIBLE) & (share > 0),
            ),
            ("is too small for columns, which models expect near 1", share > 1.0 / _INVISIBLE),
        ):
            if chosen.any():
                named = [f"{features[i]} ({share[i]:.1e})" for i in np.flatnonzero(chosen).tolist()]
                warnings.warn(
                    f"the scale {what}: {listed(named, 6)} of it; {remedy}",
                    stacklevel=3,
                )

    @property
    def dim(self) -> int:
        """Number of columns."""
        return self.center.size

    def to_model(self, points: np.ndarray) -> np.ndarray:
        """Points in the user's units, shape ``(..., d)``, to the model's."""
        return (np.asarray(points, np.float64) - self.center) / self.scale

    def to_user(self, points: np.ndarray) -> np.ndarray:
        """Points in the model's units, shape ``(..., d)``, to the user's."""
        return np.asarray(points, np.float64) * self.scale + self.center

    def log_volume(self, points: np.ndarray) -> np.ndarray:
        r"""$-\sum_i \log s_i$ for each point, shape ``(...)``."""
        return np.full(np.shape(points)[:-1], -np.sum(np.log(self.scale)))

    def time_to_model(self, times: np.ndarray | float) -> np.ndarray:
        """Times in the user's units, any shape, to the model's."""
        return np.asarray((np.asarray(times, np.float64) - self.time_origin) / self.time_scale)

    def time_to_user(self, times: np.ndarray | float) -> np.ndarray:
        """Times in the model's units, any shape, to the user's."""
        return np.asarray(np.asarray(times, np.float64) * self.time_scale + self.time_origin)

    def velocity_to_user(self, velocity: np.ndarray) -> np.ndarray:
        """Velocities of the model, shape ``(..., d)``, to user's length per user's time."""
        return np.asarray(velocity, np.float64) * (self.scale / self.time_scale)

    def rate_to_user(self, rate: np.ndarray) -> np.ndarray:
        """Rates of the model, any shape, to one per user's time."""
        return np.asarray(np.asarray(rate, np.float64) / self.time_scale)

    def score_to_user(self, score: np.ndarray) -> np.ndarray:
        """Gradients of the model's log-density, shape ``(..., d)``, to one per user's length."""
        return np.asarray(score, np.float64) / self.scale

    def noise_to_model(self, sigma: np.ndarray | float) -> np.ndarray:
        r"""$\sigma \sqrt\tau / s$ along each coordinate, shape ``(d,)``.

        The noise is in user's length per root of user's time: a number, or one for each coordinate,
        shape ``(d,)``; others, and what is negative or not finite, are refused.
        """
        noise = np.asarray(sigma, np.float64)
        if noise.shape not in ((), self.scale.shape):
            raise LiouvilleError(
                f"sigma has shape {noise.shape}; give a number, or one for each of the {self.dim} "
                "coordinates"
            )
        if not np.all(np.isfinite(noise) & (noise >= 0)):
            raise LiouvilleError(f"sigma is {sigma}; give a positive noise, or 0 for none")
        return noise * np.sqrt(self.time_scale) / self.scale

    def noise_to_user(self, noise: np.ndarray | float) -> np.ndarray:
        """Inverse of `noise_to_model`, shape ``(d,)``."""
        return noise * self.scale / np.sqrt(self.time_scale)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python numbers; through JSON and back they return bit for bit."""
        return plain_numbers(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Standardisation":
        """Inverse of `to_dict`; refuses fields that are missing, unknown or unsuitable."""
        return from_plain(cls, data, _reals)


def _reals(name: str, value: Any) -> Any:
    """A field as a number or a float64 array, refused if it is not of finite real numbers."""
    try:
        array = np.asarray(value)
        if array.size and array.dtype.kind not in "iuf":
            raise TypeError
    except (TypeError, ValueError):
        raise LiouvilleError(
            f"{name} of a standardisation must be made of numbers, got {value!r}"
        ) from None
    if not np.all(np.isfinite(array)):
        raise LiouvilleError(f"{name} of a standardisation must be finite, got {value}")
    if array.ndim != _FIELDS[name]:
        raise LiouvilleError(
            f"{name} of a standardisation has shape {array.shape}; give "
            f"{'one number per column' if _FIELDS[name] else 'one number'}"
        )
    return array.astype(np.float64) if array.ndim else float(array)


def check_times(times: Any, name: str, source: str) -> None:
    """Refuses times, any shape, that a model cannot tell apart or that overflow.

    Whole numbers above 2^53 may be one number in double precision; the model's times, from 0 to 1,
    are in single precision.
    """
    given = np.unique(np.asarray(times))
    distinct = np.unique(given.astype(np.float64))
    if len(distinct) < len(given):
        twin = int(np.argmin(np.diff(given.astype(np.float64))))
        raise LiouvilleError(
            f"{name} {given[twin]} and {given[twin + 1]} of {source} are one number in double "
            "precision; subtract the first time before"
        )
    if not np.isfinite(distinct).all() or len(distinct) < 2:
        return
    with np.errstate(over="ignore"):
        duration = distinct[-1] - distinct[0]
    if not np.isfinite(duration):
        raise LiouvilleError(
            f"{name} runs from {distinct[0]:g} to {distinct[-1]:g} in {source}, which overflows; "
            "give it in another unit"
        )
    gaps = np.diff(distinct) / duration
    if gaps.min() < _LEAST_GAP:
        first, second = distinct[gaps.argmin() :][:2].tolist()
        raise LiouvilleError(
            f"{name} {first!r} and {second!r} of {source} are {gaps.min():.2g} of the whole "
            "duration apart, and a model in single precision cannot tell them apart; round the "
            "times, or fit a shorter stretch"
        )


def _have_one_unit(spread: np.ndarray, names: Sequence[str]) -> bool:
    """Whether distances in these columns mean something as they are."""
    if all(_COMPONENT.fullmatch(name) for name in names):
        return True
    moving = spread[spread > 0]
    return len(moving) == 0 or float(moving.max()) <= _ONE_UNIT * float(moving.min())


def _measured(points: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per column, refused if they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        center, spread = _mean_and_spread(points)
    bad = np.flatnonzero(~(np.isfinite(center) & np.isfinite(spread)))
    if bad.size:
        worst = int(np.abs(points[:, bad[0]]).argmax())
        raise LiouvilleError(
            f"{names[bad[0]]} is {points[worst, bad[0]]:g} in row {worst}, and its spread "
            "overflows; leave that row out, or give the column in another unit"
        )
    return center, spread


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
