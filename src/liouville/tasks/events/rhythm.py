"""Rhythms of the clock: days, weeks and years in which events keep to the same hours."""

import dataclasses
import warnings
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from liouville.data import Events
from liouville.numerics.types import as_float
from liouville.processes import PeriodicSeries
from liouville.tasks.events.config import TimesConfig

# Days in a period, the words for it, and how many harmonics may tell it. Those of the week reach
# to the second of the day: hours differ on Sundays.
_DAY, _WEEK, _YEAR = (1.0, "day"), (7.0, "week"), (365.2425, "year")
_PERIODS = ((*_DAY, 2), (*_DAY, 5), (*_WEEK, 2), (*_WEEK, 15), (*_YEAR, 2), (*_YEAR, 5))
_FEWEST, _MOST = 4, 50  # stretches of whole periods
_LEVEL, _LEAST_GAIN = 1e-3, 0.005  # the level of the test, and nats per event
_HARMONICS = 2
# Of the chances and the factor of triggering: the least, and where the factor begins.
_LEAST, _LITTLE, _ITERATIONS = 1e-3, 0.05, 200
_FLOOR, _GRID = 0.05, 256  # of a series, which may be negative; points of its mean


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


def with_rhythm(options: TimesConfig, events: Events) -> TimesConfig:
    """The configuration with the period of the background and its harmonics, where they are open.

    Warns:
        UserWarning: if a period is found, with what it is worth.
    """
    harmonics = options.harmonics
    if options.period is not None or harmonics == 0:
        return dataclasses.replace(
            options, harmonics=_HARMONICS if harmonics is None else harmonics
        )
    found = rhythm_of(events)
    if found is None:
        return options
    warnings.warn(
        f"events of {events.source} have a rhythm of a {found.name} ({found.gain:.2g} nats an "
        f"event), and so has their background: times.period={found.period:.7g}; "
        "times.harmonics=0 leaves it out",
        stacklevel=3,
    )
    own = found.harmonics if harmonics is None else harmonics
    return dataclasses.replace(options, period=found.period, harmonics=own)


def rhythm_of(events: Events) -> Rhythm | None:
    r"""The day, week or year that events keep to, if they do.

    The Fourier series $f_{-s}$ of the phases $\theta$ of all stretches of time but one says the
    events of that one: $g_s = \sum_{i \in s} \log f_{-s}(\theta_i)$. If there is no rhythm its
    mean is not above zero whatever the clusters are, as these do not come back: it is asked of
    Student's $t$ over the stretches. Of the rhythms that pass the one of the largest gain counts.

    Args:
        events: with an origin, in days; others have no clock.
    """
    if events.origin is None or events.time_unit != "days":
        return None
    found = [_judged(events, *each) for each in _PERIODS]
    return max((f for f in found if f is not None), key=lambda f: f.gain, default=None)


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
        return _positive(1.0 + 2.0 * np.real(series.conj() * at).sum(axis=-1))

    grid = np.exp(np.outer((np.arange(_GRID) + 0.5) / _GRID, orders))
    mean = factor(others[:, None], grid).mean(axis=1)
    gains = np.zeros(stretches)
    np.add.at(gains, stretch, np.log(factor(others[stretch], waves) / mean[stretch]))
    least = student.ppf(1.0 - _LEVEL, stretches - 1) * gains.std(ddof=1) / np.sqrt(stretches)
    gain = float(gains.sum() / max(len(cycles), 1))
    if gain < _LEAST_GAIN or gains.mean() <= least:
        return None
    return Rhythm(period, harmonics, name, gain)


def periodic_start(
    times: np.ndarray, chance: np.ndarray, duration: float, period: float, harmonics: int
) -> tuple[PeriodicSeries, float]:
    r"""A periodic background beside triggering whose form is known, and a factor of the latter.

    A law that was fitted without the rhythm has taken it for triggering. The rate is taken as
    $\mu f(t) + \kappa g$ and fitted by expectation maximisation: an event is background by the
    chance $\mu f / (\mu f + \kappa g)$, $f$ is the Fourier series of such events, and $\mu$ and
    $\kappa$ are as many as there are of both. It begins with little triggering, so that what both
    can say is said by the rhythm.

    Args:
        times: of the events, shape `(n,)`.
        chance: that each is background by the law without a rhythm, shape `(n,)`.
        duration: of the observation.
        period: of the background.
        harmonics: of its series.
    """
    total, orders = len(times), np.arange(1, harmonics + 1)
    waves = np.exp(-2j * np.pi * np.outer(times / period, orders))
    triggered = chance.sum() / duration * (1.0 / np.maximum(chance, _LEAST) - 1.0)
    whole = max(total - float(chance.sum()), _LEAST)
    own, level, factor, series = np.ones(total), total / duration, _LITTLE, np.zeros(harmonics)
    for _ in range(_ITERATIONS):
        series = own @ waves / own.sum()
        background = level * _positive(1.0 + 2.0 * np.real(waves.conj() @ series))
        own = background / (background + factor * triggered)
        level = own.sum() / duration
        factor = max((total - own.sum()) / whole, _LEAST)
    root = _root(series)
    coefficients = as_float(np.stack([np.real(root), np.imag(root)]))
    return PeriodicSeries(as_float(np.log(level)), coefficients, period), float(factor)


def _positive(series: np.ndarray) -> np.ndarray:
    return np.maximum(series, _FLOOR)


def _root(series: np.ndarray) -> np.ndarray:
    r"""The $z$ of a factor $A = 1 + \sum_k z_k e^{ik\theta}$ of a positive Fourier series.

    $|A|^2 \propto 1 + 2 \Re \sum_k c_k e^{ik\theta}$. The logarithm of $A$ is the half of that of
    the series which has no negative orders (Szegő).
    """
    orders = np.arange(1, len(series) + 1)
    turns = np.exp(2j * np.pi * np.outer(np.arange(_GRID) / _GRID, orders))
    logs = np.fft.fft(np.log(_positive(1.0 + 2.0 * np.real(turns @ series)))) / _GRID
    logs[0] /= 2.0
    logs[_GRID // 2 :] = 0.0
    root = np.fft.fft(np.exp(np.fft.ifft(logs) * _GRID)) / _GRID
    return root[orders] / root[0]
