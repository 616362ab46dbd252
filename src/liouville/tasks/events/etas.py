"""The space-time epidemic-type model: what a catalogue says by the law of the field."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from liouville.curves import Constant, Knots
from liouville.data import Events
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import as_float
from liouville.objectives import WithBackground
from liouville.paths import Full, LocationScale
from liouville.processes import (
    AbstractProductivity,
    AbstractZones,
    ByKind,
    ByMagnitude,
    ConstantRate,
    Excerpts,
    Hawkes,
    Nowhere,
    Piecewise,
    PointProcess,
    PowerZones,
    Triggered,
    Unmarked,
    log_rates,
)
from liouville.tasks.events._etas_law import Etas, chances, chances_by_kind, maximised, start_of
from liouville.tasks.events.declustered import Choice, Declustered, declustered
from liouville.tasks.events.inherited import Inheritance, inherited
from liouville.tasks.events.units import EventUnits

# Past events an event sees, and events an excerpt predicts.
_MOST_PAST, _TARGETS = 256, 32
_FOLDS = 10
_ROUNDS = ((0.25, 40), (0.25, 20), (1.0, 25))  # share of the excerpts, most iterations
# The kernels before anything is declustered.
_FIRST = Choice(5, 0.01)
# The parts of the smooth mixtures that a background has which is not only of kernels.
_MIXTURES = (4, 16)
# Numbers of pieces of the background rate to choose from, and what draws them to its mean.
_PIECES, _PRIOR_EVENTS = (1, 2, 4, 8, 16), 10.0


class EtasFit(NamedTuple):
    """A fitted epidemic-type law.

    Attributes:
        law: the law.
        declustered: its background, and that of each event by the kernels of other folds.
        recent: with smooth mixtures beside the kernels, which may move, and where old events may
            weigh less. The law itself, as the field has it, is of kernels and stays.
        span: the times of the first and the last event, at which `recent` is known.
        chance: that an event is background, shape `(n,)`.
        inheritance: of the kinds, and what drew it; `None` without kinds.
    """

    law: Etas
    declustered: Declustered
    recent: Declustered
    span: tuple[float, float]
    chance: np.ndarray
    inheritance: Inheritance | None = None

    def pieces(self, events: Events, number: int) -> Piecewise:
        """The rate of background events in stretches of the window of training of one length.

        Rates are counts of the chances to be background, drawn to the mean by a few events more.
        """
        begin, end = float(events.windows[:, 0].min()), float(events.windows[:, 1].max())
        edges = np.linspace(begin, end, number + 1)
        times = events.times[~events.is_history]
        counts = np.histogram(times, edges, weights=self.chance)[0]
        mean = float(np.exp(self.background.log_level))
        levels = (counts + _PRIOR_EVENTS) / (np.diff(edges) + _PRIOR_EVENTS / mean)
        return Piecewise(tuple(edges[1:-1].tolist()), as_float(np.log(levels)))

    @property
    def background(self) -> ConstantRate:
        """The rate of background events."""
        rate = self.law.times.background
        assert isinstance(rate, ConstantRate)
        return rate

    def process(self) -> PointProcess:
        """The law as a point process: its zones have its own weights and fading."""
        times, dim = self.law.times, self.declustered.mixture.dim
        kinds = None if self.law.kinds is None else self.law.kinds.value
        if not dim:
            return PointProcess(times, Nowhere(), kinds)
        zones = PowerZones(
            louder_by(times.productivity, -self.background.log_level),
            times.kernel,
            self.law.log_distance * jnp.eye(dim),
            self.law.log_excess,
            growth=self.law.growth,
        )
        return PointProcess(times, _beside(self.declustered, zones), kinds)

    def places(self) -> Triggered:
        """The places of the law with its recent background."""
        zones = self.process().places
        assert isinstance(zones, Triggered)
        return _beside(self.recent, zones.zones, self.span)


def fit_etas(events: Events, units: EventUnits, most: int) -> EtasFit:
    """Fits the law by maximum likelihood, the background declustered by the law itself.

    Rounds of both: the chance that an event is background makes the background, whose density at
    every event, by the kernels of other stretches of time, is what the next fit sees.

    Args:
        events: the events of training.
        units: those of the model.
        most: past events that an event sees at most.
    """
    excerpts = units.excerpts(events, units.reach(events, min(most, _MOST_PAST)), _TARGETS)
    seen = ~events.is_history
    places, marks = units.to_model(events.places)[seen], units.marks(events)[seen]
    fold = np.arange(len(places)) * _FOLDS // max(len(places), 1)
    is_event = np.asarray(excerpts.is_event)
    law, chance = start_of(events, marks), np.ones(len(places))
    more: Any = {"repeated": len(events.windows) > 1, "region": units.region(events.region)}
    like: Choice | None = _FIRST
    kinds = marks.astype(int) if law.kinds is not None else None
    inheritance = None

    def with_kinds(law: Etas, every: WithBackground) -> tuple[Etas, Inheritance | None]:
        """The law with the shares of children that its other parameters make the best."""
        if kinds is None:
            return law, None
        of_parents = np.asarray(chances_by_kind(law, every), np.float64)[is_event]
        inheritance = inherited(of_parents, kinds, fold)
        return dataclasses.replace(law, kinds=Fixed(inheritance.law)), inheritance

    for share, iterations in _ROUNDS:
        found = declustered(places, chance, fold, like=like, **more)
        # Chosen once, when events are declustered for the first time.
        like = None if like is _FIRST else found.choice
        every = WithBackground(excerpts, on_targets(found.log_density, excerpts))
        law, _ = with_kinds(law, every)
        law = maximised(law, _every(every, max(1, round(1.0 / share))), iterations)
        law, inheritance = with_kinds(law, every)
        chance = np.asarray(chances(law, every), np.float64)[is_event]
    found = declustered(places, chance, fold, like=like, **more)
    # Sequences are no stretches of one time.
    times, is_one = events.times[seen], len(events.windows) == 1
    more |= {"times": times if is_one else None, "mixtures": _MIXTURES}
    recent = declustered(places, chance, fold, like=like, **more)
    span = (float(times.min()), float(times.max()))
    return EtasFit(law, found, recent, span, chance, inheritance)


def _beside(
    background: Declustered, zones: AbstractZones, span: tuple[float, float] | None = None
) -> Triggered:
    """A declustered background and zones; one that moves needs its span of time."""
    inside, path = float(np.log(background.inside)), static(background.mixture)
    if not background.density.is_still:
        assert span is not None
        last, way = background.mixture.means, (span[1] - span[0]) * background.density.velocities
        line = Knots(span, as_float(np.stack([last - way, last])), "linear")
        path = dataclasses.replace(path, location=line)
    return Triggered(Fixed(path), zones, log_inside=inside)


def _every(known: WithBackground, step: int) -> WithBackground:
    """Every so many of the excerpts."""
    return jax.tree.map(lambda a: a[::step], known)


def preferred_pieces(
    etas: EtasFit, training: Events, validation: Events | None, log_rates: np.ndarray
) -> int:
    """How many pieces of the background rate say the most of the events of validation.

    The last of them holds on, so that what an event triggered makes no difference between numbers.

    Args:
        etas: the plain law.
        training: the events it was fitted to.
        validation: later events of the same sequence; without them, or where not all events were
            seen at all times, the rate is constant.
        log_rates: the law's log-rates at these, shape `(n,)`.
    """
    if validation is None or len(training.windows) > 1 or training.completeness is not None:
        return 1
    mean = float(np.exp(etas.background.log_level))
    triggered = np.maximum(np.exp(log_rates) - mean, 0.0)
    duration = float(validation.durations.sum())

    def nats(number: int) -> float:
        rate = float(np.exp(etas.pieces(training, number).log_levels[-1])) if number > 1 else mean
        return rate * duration - float(np.log(rate + triggered).sum())

    return min(_PIECES, key=nats)


def on_targets(values: np.ndarray, excerpts: Excerpts) -> Array:
    """Numbers of all events in their order, as the targets of excerpts, zero on padding."""
    is_event = np.asarray(excerpts.is_event)
    found = np.zeros(is_event.shape)
    found[is_event] = values
    return as_float(found)


def static(mixture: GaussianMixture) -> LocationScale:
    """A mixture of Gaussians that does not move, in the model's own type."""
    scale = Full()
    return LocationScale(
        Constant(as_float(mixture.means)),
        Constant(scale.from_covariance(as_float(mixture.covariances))),
        as_float(np.log(mixture.weights)),
        scale=scale,
    )


def log_rates_of(etas: EtasFit, excerpts: Excerpts) -> np.ndarray:
    """The log-rates at the events that excerpts predict, shape `(n,)`."""
    found = np.asarray(_log_rates(etas.law.times, excerpts), np.float64)
    return found[np.asarray(excerpts.is_event)]


@eqx.filter_jit
def _log_rates(times: Hawkes, excerpts: Excerpts) -> Array:
    return jax.lax.map(lambda e: log_rates(times.after(e.history), e), excerpts)


def louder_by(productivity: AbstractProductivity, more: Array | float) -> AbstractProductivity:
    """The same productivity with another level."""
    if isinstance(productivity, ByKind):
        return eqx.tree_at(lambda p: p.log_levels, productivity, productivity.log_levels + more)
    assert isinstance(productivity, ByMagnitude | Unmarked)
    return eqx.tree_at(lambda p: p.log_level, productivity, productivity.log_level + more)
