"""Rhythms of the clock: days, weeks and years in which events keep to the same hours."""

import dataclasses
import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student

from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.tasks.events.config import TimesConfig

# Days in a period, the words for it, and how many harmonics may tell it. Those of the week reach
# to the second of the day: hours differ on Sundays.
_DAY, _WEEK, _YEAR = (1.0, "day"), (7.0, "week"), (365.2425, "year")
_HOURS = ((*_DAY, 2), (*_DAY, 5), (*_WEEK, 2), (*_WEEK, 15))
_SEASONS = ((*_YEAR, 2), (*_YEAR, 5))
_FEWEST, _MOST = 3, 50  # stretches of whole periods
_LEVEL, _LEAST_GAIN = 0.01, 0.005  # the level of the test, and nats per event
_HARMONICS = 2
_FLOOR = 0.05  # of a series
PARTS = 256  # of a period, in the middles of which a series is taken


class Rhythm(NamedTuple):
    """A period that the rate of events has.

    Attributes:
        period: in the unit of the events.
        harmonics: that tell it.
        name: in words.
        gain: nats per event by which stretches are likelier with the hours of all others.
    """

    period: float
    harmonics: int
    name: str
    gain: float


class Rhythms(NamedTuple):
    """The periods of a background, and the harmonics of each."""

    periods: tuple[float, ...] = ()
    harmonics: tuple[int, ...] = ()

    @staticmethod
    def of(options: TimesConfig) -> "Rhythms":
        """Those of a configuration that `with_rhythms` has filled in."""
        return Rhythms(_each(options.period), _each(options.harmonics))


def with_rhythms(options: TimesConfig, events: Events) -> TimesConfig:
    """The configuration with the periods of the background and their harmonics, where left open.

    Raises:
        LiouvilleError: if there are not as many harmonics as periods.

    Warns:
        UserWarning: if a period is found, with what it is worth.
    """
    given, harmonics = _each(options.period), _each(options.harmonics)
    if harmonics == (0,):
        return dataclasses.replace(options, period=(), harmonics=())
    if options.period is not None:
        own = harmonics or (_HARMONICS,)
        own = own * len(given) if len(own) == 1 else own
        if len(own) != len(given):
            raise LiouvilleError(
                f"times.harmonics has {len(own)} numbers for {len(given)} periods; give one for "
                "each, or one for all"
            )
        return dataclasses.replace(options, period=given, harmonics=own)
    found = rhythms_of(events)
    for each in found:
        warnings.warn(
            f"events of {events.source} have a rhythm of a {each.name} ({each.gain:.2g} nats an "
            f"event), and so has their background: times.period={each.period:.7g}; "
            "times.harmonics=0 leaves it out",
            stacklevel=3,
        )
    own = tuple(f.harmonics for f in found) if len(harmonics) != 1 else harmonics * len(found)
    return dataclasses.replace(options, period=tuple(f.period for f in found), harmonics=own)


def rhythms_of(events: Events) -> tuple[Rhythm, ...]:
    r"""The day or week, and the year, that events keep to, if they do.

    The Fourier series $f_{-s}$ of the phases $\theta$ of all stretches of time but one says the
    events of that one: $g_s = \sum_{i \in s} \log f_{-s}(\theta_i)$. If there is no rhythm its
    mean is not above zero whatever the clusters are, as these do not come back: it is asked of
    Student's $t$ over the stretches. Of the rhythms of hours that pass the one of the largest gain
    counts, and of those of seasons; neither knows of the other, as the phases of both are
    independent over many periods.

    Args:
        events: with an origin, in days; others have no clock.
    """
    if events.origin is None or events.time_unit != "days":
        return ()
    every = ([_judged(events, *each) for each in group] for group in (_HOURS, _SEASONS))
    passed = ([f for f in group if f is not None] for group in every)
    return tuple(max(group, key=lambda f: f.gain) for group in passed if group)


def _judged(events: Events, period: float, name: str, harmonics: int) -> Rhythm | None:
    begin, end = float(events.windows[:, 0].max()), float(events.windows[:, 1].min())
    whole = int((end - begin) / period)
    if whole < _FEWEST:
        return None
    cycles = (events.times[~events.is_history] - begin) / period
    cycles = cycles[(cycles >= 0.0) & (cycles < whole)]
    stretches = min(whole, _MOST)
    stretch = np.floor(cycles).astype(int) * stretches // whole
    orders = 2j * np.pi * np.arange(1, harmonics + 1)
    waves = np.exp(np.outer(cycles % 1.0, orders))
    sums, counts = np.zeros((stretches, harmonics), complex), np.zeros((stretches, 1))
    np.add.at(sums, stretch, waves)
    np.add.at(counts, stretch, 1.0)
    others = (sums.sum(axis=0) - sums) / np.maximum(counts.sum() - counts, 1.0)

    def factor(series: np.ndarray, at: np.ndarray) -> np.ndarray:
        return positive(1.0 + 2.0 * np.real(series.conj() * at).sum(axis=-1))

    grid = np.exp(np.outer((np.arange(PARTS) + 0.5) / PARTS, orders))
    mean = factor(others[:, None], grid).mean(axis=1)
    gains = np.zeros(stretches)
    np.add.at(gains, stretch, np.log(factor(others[stretch], waves) / mean[stretch]))
    least = student.ppf(1.0 - _LEVEL, stretches - 1) * gains.std(ddof=1) / np.sqrt(stretches)
    gain = float(gains.sum() / max(len(cycles), 1))
    if gain < _LEAST_GAIN or gains.mean() <= least:
        return None
    return Rhythm(period, harmonics, name, gain)


def _each(value: float | tuple[float, ...] | None) -> tuple[Any, ...]:
    return () if value is None else value if isinstance(value, tuple) else (value,)


def positive(series: np.ndarray) -> np.ndarray:
    """A series that may be negative between its harmonics, no less than a floor."""
    return np.maximum(series, _FLOOR)
