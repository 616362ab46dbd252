"""The rate of the background as it changes in time: in pieces, and with the rhythms of clocks."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from liouville.data import Events
from liouville.numerics.types import as_float
from liouville.processes import (
    AbstractRate,
    ConstantRate,
    PeriodicSeries,
    Piecewise,
    ProductOfSeries,
    WithCovariates,
)
from liouville.tasks.events.rhythm import Rhythms, positive

# Of the chances and the factor of triggering: the least, and where the factor begins; the most
# iterations, and a change of chances that is none.
_LEAST, LITTLE, _ITERATIONS, _SETTLED = 1e-3, 0.05, 200, 1e-4
_GRID, _TINY = 256, 1e-12  # parts of a period, and what is no time
# Numbers of pieces to choose from, events that one has on average, and what draws it to the mean.
_PIECES, _EVENTS_A_PIECE, _PRIOR_EVENTS = (2, 4, 8, 16), 20, 10.0


class Separated(NamedTuple):
    r"""A background that changes, and a factor of triggering whose form is known.

    Attributes:
        edges: of the pieces, in the unit of time, both ends included.
        levels: the rates in the pieces, events per unit of time.
        series: the Fourier coefficients of each rhythm, of its factor of mean one.
        periods: of the rhythms.
        factor: of the triggering.
        chance: that each event is background, shape `(n,)`.
        log_likelihood: of the events, up to a constant of all that was given.
    """

    edges: np.ndarray
    levels: np.ndarray
    series: tuple[np.ndarray, ...]
    periods: tuple[float, ...]
    factor: float
    chance: np.ndarray
    log_likelihood: float

    @property
    def price(self) -> float:
        """What the Bayesian information criterion takes for all pieces but one, in nats."""
        return 0.5 * (len(self.levels) - 1) * float(np.log(len(self.chance)))

    @property
    def triggered(self) -> float:
        """The share of the events that are triggered."""
        return float(1.0 - self.chance.mean())

    def rate(self) -> AbstractRate:
        """The background as a rate to be learned."""
        mean = float(np.exp(np.log(self.levels).mean()))
        inner = tuple(self.edges[1:-1].tolist())
        if not self.series and not inner:
            return ConstantRate.of(mean)
        if not self.series:
            return Piecewise(inner, as_float(np.log(self.levels)))
        own = zip(self.series, self.periods, strict=True)
        factors = tuple(_factor(series, period) for series, period in own)
        first = dataclasses.replace(factors[0], log_level=as_float(np.log(mean)))
        found = first if len(factors) == 1 else ProductOfSeries((first, *factors[1:]))
        if not inner:
            return found
        # A piece is a covariate that is one in it.
        pieces = WithCovariates.of(found, inner, np.eye(len(self.levels)))
        return dataclasses.replace(pieces, coefficients=as_float(np.log(self.levels / mean)))


def separated(
    events: Events,
    chance: np.ndarray,
    rates: np.ndarray | None = None,
    rhythms: Rhythms = Rhythms(),  # noqa: B008 - a tuple
    *,
    pieces: int = 1,
    factor: float = 1.0,
) -> Separated:
    r"""A background that changes beside triggering whose form is known, and a factor of the latter.

    A law that was fitted with a constant background has taken its changes for triggering. The rate
    is taken as $\ell_{k(t)} \prod_j f_j(t) + \kappa g$ and fitted by expectation maximisation: an
    event is background by its share of the sum; levels $\ell$ are counts of such events in pieces
    of one length, drawn to their mean by some more; $f_j$ is their Fourier series in the phase of a
    period; and $\kappa$ makes the triggered ones as many as there are.

    Args:
        events: of one law.
        chance: that each is background by a law, shape `(n,)`.
        rates: the background of the law at each, shape `(n,)`; by default it is constant.
        rhythms: that the background has.
        pieces: of the window of observation.
        factor: where $\kappa$ begins; a little one leaves to the background what both can say.
    """
    times, windows = events.times[~events.is_history], events.windows
    edges = np.linspace(windows[:, 0].min(), windows[:, 1].max(), pieces + 1)
    piece = np.clip(np.searchsorted(edges, times, "right") - 1, 0, pieces - 1)
    starts, ends = (np.clip(e[:, None], *windows.T) for e in (edges[:-1], edges[1:]))
    exposure = (ends - starts).sum(axis=1)
    own_each = zip(rhythms.periods, rhythms.harmonics, strict=True)
    dials = [_Dial.of(times, starts, ends, *each) for each in own_each]
    mean = chance.sum() / exposure.sum()
    triggered = (mean if rates is None else rates) * (1.0 / np.maximum(chance, _LEAST) - 1.0)
    whole = max(len(times) - float(chance.sum()), _LEAST)
    own = chance if factor == 1.0 else np.ones(len(times))
    levels, series = np.full(pieces, mean), [np.zeros(dial.waves.shape[1]) for dial in dials]
    rate, seen = triggered, exposure
    for _ in range(_ITERATIONS):
        counts, background = np.bincount(piece, own, pieces), np.ones(len(times))
        seen, series = exposure, [dial.series(own, levels) for dial in dials]
        for dial, each in zip(dials, series, strict=True):
            value = dial.values(each)
            background = background * value[dial.place]
            seen = seen * dial.mean(value)
        mean = own.sum() / seen.sum()
        levels = (counts + _PRIOR_EVENTS) / (seen + _PRIOR_EVENTS / mean)
        background = background * levels[piece]
        rate = background + factor * triggered
        before, own = own, background / rate
        factor = max((len(times) - own.sum()) / whole, _LEAST)
        if np.abs(own - before).max() < _SETTLED:
            break
    likelihood = float(np.log(rate).sum() - levels @ seen - factor * whole)
    return Separated(edges, levels, tuple(series), rhythms.periods, factor, own, likelihood)


class _Dial(NamedTuple):
    """A period in equal parts, like the dial of a clock."""

    waves: np.ndarray  # of all harmonics in the middle of each part, (parts, harmonics)
    place: np.ndarray  # the part of each event, (n,)
    cover: np.ndarray  # the time that pieces spend in each part, (pieces, parts)

    @staticmethod
    def of(
        times: np.ndarray, starts: np.ndarray, ends: np.ndarray, period: float, harmonics: int
    ) -> "_Dial":
        """Of pieces from `starts` to `ends` in every window, shape `(pieces, windows)`."""
        middles = (np.arange(_GRID) + 0.5) / _GRID
        place = np.minimum((times / period % 1.0 * _GRID).astype(int), _GRID - 1)
        turns = (ends - starts) / period
        is_in_rest = (middles - (starts / period)[..., None]) % 1.0 < (turns % 1.0)[..., None]
        cover = (np.floor(turns)[..., None] + is_in_rest).sum(axis=1) * period / _GRID
        orders = np.arange(1, harmonics + 1)
        return _Dial(np.exp(2j * np.pi * np.outer(middles, orders)), place, cover)

    def series(self, own: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Of events that count `own`, over how long they could be seen at levels of the rate."""
        share = np.bincount(self.place, own, _GRID) / np.maximum(levels @ self.cover, _TINY)
        return share @ self.waves.conj() / share.sum()

    def values(self, series: np.ndarray) -> np.ndarray:
        """The factor that a series is, in each part."""
        return positive(1.0 + 2.0 * np.real(self.waves @ series))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Of values over each piece."""
        return self.cover @ values / np.maximum(self.cover.sum(axis=1), _TINY)


def changes_of(
    events: Events,
    chance: np.ndarray,
    rates: np.ndarray | None = None,
    rhythms: Rhythms = Rhythms(),  # noqa: B008 - a tuple
) -> list[Separated]:
    """The backgrounds in one piece, two and more, as far as there are events for them.

    Each number of pieces is begun with all the triggering of the law, and with little.

    Args:
        events: one window, all of it seen alike; of others nothing is said.
        chance: that each is background by a law, shape `(n,)`.
        rates: as in `separated`.
        rhythms: that all of them have.
    """
    is_alike = len(events.windows) == 1 and events.completeness is None
    more = _PIECES if is_alike else ()
    numbers = [1, *(k for k in more if k * _EVENTS_A_PIECE <= len(chance))]
    return [f for k in numbers for f in _begun_both_ways(events, chance, rates, rhythms, k)]


def in_pieces(
    events: Events,
    chance: np.ndarray,
    rates: np.ndarray,
    rhythms: Rhythms,
    number: int,
) -> Separated:
    """The likelier of the two that begin with all the triggering of a law, and with little."""
    return best_of(_begun_both_ways(events, chance, rates, rhythms, number))


def _begun_both_ways(
    events: Events, chance: np.ndarray, rates: np.ndarray | None, rhythms: Rhythms, pieces: int
) -> list[Separated]:
    starts = (1.0, LITTLE)
    return [separated(events, chance, rates, rhythms, pieces=pieces, factor=f) for f in starts]


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
    turns = np.exp(2j * np.pi * np.outer(np.arange(_GRID) / _GRID, orders))
    logs = np.fft.fft(np.log(positive(1.0 + 2.0 * np.real(turns @ series)))) / _GRID
    logs[0] /= 2.0
    logs[_GRID // 2 :] = 0.0
    root = np.fft.fft(np.exp(np.fft.ifft(logs) * _GRID)) / _GRID
    return root[orders] / root[0]
