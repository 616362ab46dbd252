"""The rate of the background as it changes in time: in lines, and with the rhythms of clocks."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from liouville.data import Events
from liouville.numerics.types import as_float
from liouville.processes import (
    AbstractRate,
    ConstantRate,
    PeriodicSeries,
    PiecewiseLinear,
    ProductOfSeries,
)
from liouville.tasks.events.rhythm import PARTS, Rhythms, positive

# Of the chances and the factor of triggering: the least, and where the factor begins; the most
# iterations, and a change of rates that is none, relative.
_LEAST, LITTLE, _ITERATIONS, _SETTLED = 1e-3, 0.05, 1000, 1e-5
# Turns of a period in which its parts are told apart, and what is no time.
_TURNS, _TINY = 1024, 1e-12
# Numbers of knots to choose from, events that one has on average, and what draws it to the mean.
_KNOTS, _EVENTS_A_KNOT, _PRIOR_EVENTS = (2, 3, 5, 9, 17), 20, 1.0


class Separated(NamedTuple):
    r"""A background that changes, and a factor of triggering whose form is known.

    Attributes:
        knots: between which the rate is a line, on the clock of the events.
        levels: the rates at the knots, events per unit of time.
        series: the Fourier coefficients of each rhythm, of its factor of mean one.
        periods: of the rhythms.
        factor: of the triggering.
        chance: that each event is background, shape `(n,)`.
        log_likelihood: of the events, up to a constant of all that was given.
    """

    knots: np.ndarray
    levels: np.ndarray
    series: tuple[np.ndarray, ...]
    periods: tuple[float, ...]
    factor: float
    chance: np.ndarray
    log_likelihood: float

    @property
    def price(self) -> float:
        """What the criterion takes for its knots; see `price`."""
        return price(len(self.levels), len(self.chance))

    @property
    def triggered(self) -> float:
        """The share of the events that are triggered."""
        return float(1.0 - self.chance.mean())

    def rate(self) -> AbstractRate:
        """The background as a rate to be learned."""
        own = zip(self.series, self.periods, strict=True)
        factors = tuple(_factor(series, period) for series, period in own)
        if len(self.levels) > 1:
            knots, levels = tuple(self.knots.tolist()), as_float(np.log(self.levels))
            return PiecewiseLinear(knots, levels, factors)
        if not factors:
            return ConstantRate.of(float(self.levels[0]))
        first = dataclasses.replace(factors[0], log_level=as_float(np.log(self.levels[0])))
        return first if len(factors) == 1 else ProductOfSeries((first, *factors[1:]))


def separated(
    events: Events,
    chance: np.ndarray,
    rates: np.ndarray | None = None,
    rhythms: Rhythms = Rhythms(),  # noqa: B008 - a tuple
    *,
    knots: int = 1,
    factor: float = 1.0,
) -> Separated:
    r"""A background that changes beside triggering whose form is known, and a factor of the latter.

    A law that was fitted with a constant background has taken its changes for triggering. The rate
    is taken as $\sum_k \ell_k b_k(t) \prod_j f_j(t) + \kappa g$, with the hats $b_k$ of linear
    interpolation, and fitted by expectation maximisation: an event is background, of one of the
    hats, by their shares of the sum; levels $\ell$ are counts of such events over what hats could
    see, drawn to their mean by some more; $f_j$ is their Fourier series in the phase of a period;
    and $\kappa$ makes the triggered ones as many as there are.

    Args:
        events: of one law.
        chance: that each is background by a law, shape `(n,)`.
        rates: the background of the law at each, shape `(n,)`; by default it is constant.
        rhythms: that the background has.
        knots: at equal distances, from the beginning to the end of observation.
        factor: where $\kappa$ begins; a little one leaves to the background what both can say.
    """
    times, windows = events.times[~events.is_history], events.windows
    at = np.linspace(windows[:, 0].min(), windows[:, 1].max(), knots)
    hats, (middles, watched) = _hats(times, at), _watched(windows, at)
    exposure = watched @ _hats(middles, at)
    own_each = zip(rhythms.periods, rhythms.harmonics, strict=True)
    dials = [_Dial.of(times, windows, at, exposure, *each) for each in own_each]
    mean = chance.sum() / exposure.sum()
    triggered = (mean if rates is None else rates) * (1.0 / np.maximum(chance, _LEAST) - 1.0)
    whole = max(len(times) - float(chance.sum()), _LEAST)
    own = chance if factor == 1.0 else np.ones(len(times))
    levels, series = np.full(knots, mean), [np.zeros(dial.waves.shape[1]) for dial in dials]
    rate, seen = mean + triggered, exposure
    for _ in range(_ITERATIONS):
        counts, background = levels * (own / (hats @ levels) @ hats), np.ones(len(times))
        seen, series = exposure, [dial.series(own, levels) for dial in dials]
        for dial, each in zip(dials, series, strict=True):
            value = dial.values(each)
            background = background * value[dial.place]
            seen = seen * dial.mean(value)
        mean = own.sum() / seen.sum()
        levels = (counts + _PRIOR_EVENTS) / (seen + _PRIOR_EVENTS / mean)
        background = background * (hats @ levels)
        before, rate = rate, background + factor * triggered
        own = background / rate
        factor = max((len(times) - own.sum()) / whole, _LEAST)
        if np.abs(rate / before - 1.0).max() < _SETTLED:
            break
    likelihood = float(np.log(rate).sum() - levels @ seen - factor * whole)
    return Separated(at, levels, tuple(series), rhythms.periods, factor, own, likelihood)


def _hats(t: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """The weights of the knots in linear interpolation, shape `(n, knots)`."""
    return np.stack([np.interp(t, knots, own) for own in np.eye(len(knots))], axis=1)


def _watched(windows: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middles of all intervals between cuts and ends of windows, and how long each was seen."""
    edges = np.unique(np.concatenate([windows.ravel(), cuts]))
    middles, (begins, ends) = 0.5 * (edges[1:] + edges[:-1]), np.sort(windows, axis=0).T
    number = np.searchsorted(begins, middles) - np.searchsorted(ends, middles)
    return middles, np.diff(edges) * number


class _Dial(NamedTuple):
    """A period in equal parts, like the dial of a clock."""

    waves: np.ndarray  # of all harmonics in the middle of each part, (parts, harmonics)
    place: np.ndarray  # the part of each event, (n,)
    cover: np.ndarray  # the time that hats see in each part, (knots, parts)

    @staticmethod
    def of(
        times: np.ndarray,
        windows: np.ndarray,
        knots: np.ndarray,
        exposure: np.ndarray,
        period: float,
        harmonics: int,
    ) -> "_Dial":
        """Of hats that see so long in all."""
        shape = (len(knots), PARTS)
        cover = np.broadcast_to(exposure[:, None] / PARTS, shape)  # as good for very many turns
        first, last = np.floor(windows.min() / period), np.ceil(windows.max() / period)
        if last - first <= _TURNS:
            edges = np.arange(first * PARTS, last * PARTS + 1.0) * period / PARTS
            middles, seen = _watched(windows, np.concatenate([edges, knots]))
            part, hats = _part(middles, period), _hats(middles, knots)
            cover = np.stack([np.bincount(part, seen * own, PARTS) for own in hats.T])
        orders = np.arange(1, harmonics + 1)
        phases = (np.arange(PARTS) + 0.5) / PARTS
        return _Dial(np.exp(2j * np.pi * np.outer(phases, orders)), _part(times, period), cover)

    def series(self, own: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Of events that count `own`, over how long they could be seen at levels of the rate."""
        share = np.bincount(self.place, own, PARTS) / np.maximum(levels @ self.cover, _TINY)
        return share @ self.waves.conj() / share.sum()

    def values(self, series: np.ndarray) -> np.ndarray:
        """The factor that a series is, in each part."""
        return positive(1.0 + 2.0 * np.real(self.waves @ series))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Of values over each hat."""
        return self.cover @ values / np.maximum(self.cover.sum(axis=1), _TINY)


def _part(times: np.ndarray, period: float) -> np.ndarray:
    return np.minimum((times / period % 1.0 * PARTS).astype(int), PARTS - 1)


def changes_of(
    events: Events,
    chance: np.ndarray,
    rates: np.ndarray | None = None,
    rhythms: Rhythms = Rhythms(),  # noqa: B008 - a tuple
) -> list[Separated]:
    """The backgrounds with one knot, two and more, as far as there are events for them.

    Each number of knots is begun with all the triggering of the law, and with little.

    Args:
        events: one window, all of it seen alike; of others nothing is said.
        chance: that each is background by a law, shape `(n,)`.
        rates: as in `separated`.
        rhythms: that all of them have.
    """
    is_alike = len(events.windows) == 1 and events.completeness is None
    more = _KNOTS if is_alike else ()
    numbers = [1, *(k for k in more if k * _EVENTS_A_KNOT <= len(chance))]
    return [f for k in numbers for f in _begun_both_ways(events, chance, rates, rhythms, k)]


def _begun_both_ways(
    events: Events, chance: np.ndarray, rates: np.ndarray | None, rhythms: Rhythms, knots: int
) -> list[Separated]:
    starts = (1.0, LITTLE) if (chance < 1.0).any() else (1.0,)  # without triggering both are one
    return [separated(events, chance, rates, rhythms, knots=knots, factor=f) for f in starts]


def expected(rate: AbstractRate, events: Events) -> float:
    """How many events a rate expects over all windows."""
    begins, ends = as_float(events.windows.T)
    return float(np.asarray(jax.vmap(rate.integral)(begins, ends), np.float64).sum())


def price(knots: int, events: int) -> float:
    """What the Bayesian information criterion takes for all knots but one, in nats."""
    return 0.5 * (knots - 1) * float(np.log(events))


def best_of(found: Sequence[Separated]) -> Separated:
    """That of the greatest likelihood less its price."""
    return max(found, key=lambda f: f.log_likelihood - f.price)


def _factor(series: np.ndarray, period: float) -> PeriodicSeries:
    root = _root(series)
    coefficients = as_float(np.stack([np.real(root), np.imag(root)]))
    return PeriodicSeries(as_float(0.0), coefficients, period)


def _root(series: np.ndarray) -> np.ndarray:
    r"""The $z$ of a factor $A = 1 + \sum_k z_k e^{ik\theta}$ of a positive Fourier series.

    $|A|^2 \propto 1 + 2 \Re \sum_k c_k e^{ik\theta}$. The logarithm of $A$ is the half of that of
    the series which has no negative orders (Szegő).
    """
    orders = np.arange(1, len(series) + 1)
    turns = np.exp(2j * np.pi * np.outer(np.arange(PARTS) / PARTS, orders))
    logs = np.fft.fft(np.log(positive(1.0 + 2.0 * np.real(turns @ series)))) / PARTS
    logs[0] /= 2.0
    logs[PARTS // 2 :] = 0.0
    root = np.fft.fft(np.exp(np.fft.ifft(logs) * PARTS)) / PARTS
    return root[orders] / root[0]
