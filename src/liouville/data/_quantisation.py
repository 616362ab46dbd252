r"""Columns of whole steps, such as pixels and counts: how they are found and made continuous.

A density can grow without bound on values that repeat: a narrower peak on each is always better.
Noise that fills the gap between one value and the next, $x \in [v, v + s)$, takes that away, and
the expected log-density of the noisy point plus $\log s$ is at most the log-probability of the
value itself (Theis, van den Oord and Bethge, arXiv 1511.01844).
"""

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from liouville.data._names import check_choice, listed
from liouville.data._records import from_plain, plain_numbers, put, reals
from liouville.errors import LiouvilleError

DequantisationMode = Literal["auto", "uniform", "none"]

_FEW = 3
"""A column repeats its values if each occurs this many times on average, or more."""

_MOST_LEVELS = 100_000
"""More steps than this between the ends of a column of fractions are not told from rounding."""

_RESOLUTION = 0.1 / _MOST_LEVELS
"""Remainders below this share of a column's span are rounding: float32 is off by 1e-7."""

_FIT = 0.01
"""Distance from a whole number of steps, in steps: float32 pixels of 256 levels are 2e-5 off."""


@dataclass(frozen=True, eq=False)
class Quantisation:
    """The lattices of the discrete columns of a table.

    Attributes:
        origin: The smallest value of each column, shape ``(d,)``.
        step: The distance of neighbouring values, shape ``(d,)``; 0 where a column is continuous.
    """

    origin: np.ndarray
    step: np.ndarray

    def __post_init__(self) -> None:
        origin, step = (np.asarray(a, dtype=np.float64) for a in (self.origin, self.step))
        if origin.ndim != 1 or origin.shape != step.shape:
            raise LiouvilleError(
                f"a quantisation needs one origin and one step per column, got shapes "
                f"{origin.shape} and {step.shape}"
            )
        if not np.all(np.isfinite(origin) & np.isfinite(step) & (step >= 0)):
            raise LiouvilleError(
                f"origins must be finite and steps finite and not negative, got {origin} and {step}"
            )
        put(self, origin=origin, step=step)

    @property
    def is_discrete(self) -> np.ndarray:
        """Whether each column is discrete, shape ``(d,)``."""
        return self.step > 0

    @property
    def log_volume(self) -> float:
        """Sum of the log steps of the discrete columns, in nats."""
        return float(np.sum(np.log(self.step[self.is_discrete])))

    def add_noise(self, points: np.ndarray, seed: int) -> np.ndarray:
        """Points with uniform noise of one step on the discrete columns, shape ``(n, d)``.

        The noise depends on the seed and the shape alone.
        """
        noise = np.random.default_rng(seed).random(points.shape)
        return points + noise * self.step

    def remove_noise(self, points: np.ndarray) -> np.ndarray:
        """The value below each point on the discrete columns, shape ``(n, d)``.

        It undoes `add_noise`, and turns samples of a model into values such as pixels. Points
        below the smallest value become that value.
        """
        step = np.where(self.is_discrete, self.step, 1.0)
        # The sum of a value and its noise may round down by an ulp of the ratio.
        count = np.floor((points - self.origin) / step + 1e-9)
        values = self.origin + np.maximum(count, 0.0) * step
        return np.where(self.is_discrete, values, points)

    def bits_per_dimension(self, nats: np.ndarray | float) -> np.ndarray | float:
        r"""Bits per coordinate from log-densities in nats of dequantised points in user's units.

        $-(\log p + \sum_i \log s_i) / (d \log 2)$, the sum over the discrete columns. If all
        columns are discrete it bounds the code length of the values from above. A continuous
        column enters with its density, whose unit is that of the column.
        """
        return -(nats + self.log_volume) / (self.step.size * np.log(2.0))

    def to_dict(self) -> dict[str, Any]:
        """Plain Python numbers; through JSON and back they return bit for bit."""
        return plain_numbers(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Quantisation":
        """Inverse of `to_dict`; refuses fields that are missing, unknown or unsuitable."""
        claim = "origin and step must be lists of numbers"
        return from_plain(cls, data, lambda _, value: reals(value, claim))


def quantisation(points: np.ndarray, *, repeated: bool = True) -> Quantisation:
    """Finds the columns of points ``(n, d)`` whose values are whole steps from their smallest one.

    The step is the largest one that fits all values. A constant column has step 1, a continuous
    one 0. Every column of numbers with few decimals is on some lattice: if `repeated`, a column
    counts only if its values occur three times each on average, or more.
    """
    steps = [_step(column, repeated) for column in points.T]
    return Quantisation(points.min(axis=0), np.array(steps, dtype=np.float64))


def dequantise(
    points: np.ndarray,
    features: tuple[str, ...],
    *,
    mode: DequantisationMode = "auto",
    seed: int = 0,
    source: str = "data",
) -> tuple[np.ndarray, Quantisation]:
    """Fills the gaps of discrete columns of points ``(n, d)`` with uniform noise.

    ``"auto"`` treats columns of whole steps whose values repeat; ``"uniform"`` every column of
    whole steps, also where few values repeat (small tables); ``"none"`` leaves all values and
    warns about the columns that ``"auto"`` would treat.

    Returns:
        The points, shape ``(n, d)``, and the lattices of the treated columns.
    """
    check_choice(mode, DequantisationMode, "dequantisation")
    if seed < 0:
        raise LiouvilleError(f"the seed of the noise must not be negative, got {seed}")
    found = quantisation(points, repeated=mode != "uniform")
    if mode != "none":
        return found.add_noise(points, seed), found
    names = [name for name, discrete in zip(features, found.is_discrete, strict=True) if discrete]
    if names:
        warnings.warn(
            f"discrete columns of {source} are left as they are: {listed(names)}; the likelihood "
            "of repeated values has no bound, use dequantisation 'auto'",
            stacklevel=3,
        )
    return points.copy(), Quantisation(found.origin, np.zeros(points.shape[1]))


_STEPS = np.array([1.0, 2.0, 5.0])
_BULK = 0.95


def rounding_width(values: np.ndarray) -> float:
    """The step to which most values, shape ``(n,)``, are rounded; 0 if they are not.

    It is the largest of 1, 2 and 5 times a power of ten, not above their spread, of which 95 in 100
    values are whole multiples apart. A few odd values, as in catalogues that were joined, do not
    change it.
    """
    values = np.asarray(values, np.float64)
    spread = float(values.std()) if values.size else 0.0
    if not spread > 0:
        return 0.0
    different, counts = np.unique(values, return_counts=True)
    most_frequent = different[np.argmax(counts)]
    power = np.floor(np.log10(spread)) + 1
    steps = (_STEPS * 10.0 ** (power - np.arange(5)[:, None])).ravel()
    for step in np.sort(steps[steps <= 2 * spread])[::-1].tolist():
        count = (different - most_frequent) / step
        fits = np.abs(count - np.round(count)) < _FIT
        if counts[fits].sum() >= _BULK * values.size:
            return step
    return 0.0


def _step(column: np.ndarray, repeated: bool) -> float:
    """The step of a column on a lattice, 1 for a constant one, 0 for any other."""
    values = np.unique(column)
    if values.size == 1:
        return 1.0
    if repeated and values.size > column.size / _FEW:
        return 0.0
    if np.all(values == np.round(values)) and np.abs(values).max() < 2**53:
        return float(np.gcd.reduce(np.diff(values).astype(np.int64)))
    span = values[-1] - values[0]
    # Large offsets (dates as numbers) cost digits that are no structure.
    rounding = max(_RESOLUTION * span, 64 * np.finfo(np.float64).eps * np.abs(values).max())
    gaps = np.unique(np.diff(values))
    if gaps[0] < 10 * rounding:
        return 0.0
    step = functools.reduce(lambda a, b: _common_step(a, b, 4 * rounding), gaps.tolist())
    levels = round(span / step)
    if levels > _MOST_LEVELS:
        return 0.0
    # The span divided by a whole number has less rounding than the last remainder.
    step = span / levels
    count = (values - values[0]) / step
    return float(step) if np.abs(count - np.round(count)).max() < _FIT else 0.0


def _common_step(a: float, b: float, rounding: float) -> float:
    """The largest common measure of two lengths, by Euclid's algorithm up to rounding."""
    while b > rounding:
        a, b = b, abs(a - b * round(a / b))
    return a
