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
    AbstractRate,
    AbstractZones,
    ByKind,
    ByMagnitude,
    Excerpts,
    Nowhere,
    PointProcess,
    PowerZones,
    Reach,
    Triggered,
    Unmarked,
)
from liouville.tasks.events._etas_law import (
    Etas,
    chances,
    chances_by_kind,
    log_likelihood,
    maximised,
    start_of,
)
from liouville.tasks.events.background import LITTLE, Separated, expected
from liouville.tasks.events.declustered import Choice, Declustered, declustered
from liouville.tasks.events.inherited import Inheritance, inherited
from liouville.tasks.events.scores import nats_of
from liouville.tasks.events.units import EventUnits

# Past events an event sees, and events an excerpt predicts.
_MOST_PAST, _TARGETS = 256, 32
_FOLDS = 10
# Past events that the law sees beside a model, as good as all; excerpts that it is fitted to then.
WHOLE_PAST, _STRETCHES = 8192, 128
# Of all rounds, but the last: every so many excerpts where they are many; and most iterations.
_STEP, _MANY, _ROUNDS = 4, 150, (40, 20, 25)
# The kernels before anything is declustered.
_FIRST = Choice(5, 0.01)
# The parts of the smooth mixtures that a background has which is not only of kernels.
_MIXTURES = (4, 16)


class EtasFit(NamedTuple):
    """A fitted epidemic-type law.

    Attributes:
        law: the law.
        declustered: its background, and that of each event by the kernels of other folds.
        chance: that an event is background, shape `(n,)`.
        level: the mean rate of background events.
        log_likelihood: of all events, with the background of each by the other folds.
        inheritance: of the kinds, and what drew it; `None` without kinds.
    """

    law: Etas
    declustered: Declustered
    chance: np.ndarray
    level: float
    log_likelihood: float
    inheritance: Inheritance | None = None

    @property
    def triggered(self) -> float:
        """The share of the events that are triggered."""
        return float(1.0 - self.chance.mean())

    def rates(self, events: Events) -> np.ndarray:
        """The background rate at the events of training, shape `(n,)`."""
        times = as_float(events.times[~events.is_history])
        return np.exp(np.asarray(jax.vmap(self.law.times.background.log_rate)(times), np.float64))

    def beside(self, change: Separated, events: Events) -> "EtasFit":
        """The law with the background and the factor of triggering that were told apart."""
        more = louder_by(self.law.times.productivity, float(np.log(change.factor)))
        times = dataclasses.replace(self.law.times, background=change.rate(), productivity=more)
        law = dataclasses.replace(self.law, times=times)
        level = expected(times.background, events) / float(events.durations.sum())
        return self._replace(law=law, chance=change.chance, level=level)

    def remembering(self, events: Events, units: EventUnits) -> "EtasFit":
        """The law fitted anew with all that each event has before it, as the field fits it.

        To tell the background apart some hundred past events are enough, but where the next one
        comes the rest says more of, too. The background of places stays, the other parameters are
        fitted to stretches of the whole time; of many sequences, which are short, nothing changes.

        Args:
            events: those that it was fitted to.
            units: those of the model.
        """
        if len(events.windows) > 1 or len(events) <= _MOST_PAST:
            return self
        first = int(events.is_history.sum())
        rows = np.arange(first, len(events), _TARGETS)
        rows = rows[:: -(-len(rows) // _STRETCHES)]
        excerpts = units.excerpts(events, units.reach(events, WHOLE_PAST), _TARGETS, rows=rows)
        seen = np.concatenate([np.arange(row, min(row + _TARGETS, len(events))) for row in rows])
        background = on_targets(self.declustered.log_density[seen - first], excerpts)
        law = maximised(self.law, WithBackground(excerpts, background), _ROUNDS[-1])
        level = expected(law.times.background, events) / float(events.durations.sum())
        return self._replace(law=law, level=level)

    def process(self) -> PointProcess:
        """The law as a point process: its zones have its own weights and fading."""
        times, dim = self.law.times, self.declustered.mixture.dim
        kinds = None if self.law.kinds is None else self.law.kinds.value
        if not dim:
            return PointProcess(times, Nowhere(), kinds)
        zones = PowerZones(
            louder_by(times.productivity, -float(np.log(self.level))),
            times.kernel,
            self.law.log_distance * jnp.eye(dim),
            self.law.log_excess,
            growth=self.law.growth,
        )
        return PointProcess(times, _beside(self.declustered, zones), kinds)


def fit_etas(
    events: Events,
    units: EventUnits,
    most: int,
    beside: tuple[EtasFit, AbstractRate] | None = None,
) -> EtasFit:
    """Fits the law by maximum likelihood, the background declustered by the law itself.

    Rounds of both: the chance that an event is background makes the background, whose density at
    every event, by the kernels of other stretches of time, is what the next fit sees.

    Args:
        events: the events of training.
        units: those of the model.
        most: past events that an event sees at most.
        beside: a law, and the rate of the background from which this one is to begin, with hardly
            any triggering; smooth mixtures stand beside the kernels of its places, as those
            without them leave to triggering what is smooth in space.
    """
    excerpts = units.excerpts(events, units.reach(events, min(most, _MOST_PAST)), _TARGETS)
    places, fold, more = _for_declustering(events, units)
    marks = units.marks(events)[~events.is_history]
    is_event = np.asarray(excerpts.is_event)
    law, chance = start_of(events, marks), np.ones(len(places))
    like: Choice | None = _FIRST
    kinds = marks.astype(int) if law.kinds is not None else None
    every, inheritance = WithBackground(excerpts, None), None

    def with_kinds(law: Etas, every: WithBackground) -> tuple[Etas, Inheritance | None]:
        """The law with the shares of children that its other parameters make the best."""
        if kinds is None:
            return law, None
        of_parents = np.asarray(chances_by_kind(law, every), np.float64)[is_event]
        inheritance = inherited(of_parents, kinds, fold)
        return dataclasses.replace(law, kinds=Fixed(inheritance.law)), inheritance

    if beside is not None:
        other, rate = beside
        productivity = louder_by(other.law.times.productivity, float(np.log(LITTLE)))
        times = dataclasses.replace(other.law.times, background=rate, productivity=productivity)
        law, like = dataclasses.replace(other.law, times=times), other.declustered.choice
        more |= {"mixtures": _MIXTURES}
    some = _STEP if len(excerpts) > _MANY else 1
    for iterations, step in zip(_ROUNDS, (some, some, 1), strict=True):
        found = declustered(places, chance, fold, like=like, **more)
        # Chosen once, when events are declustered for the first time.
        like = None if like is _FIRST else found.choice
        every = WithBackground(excerpts, on_targets(found.log_density, excerpts))
        law, _ = with_kinds(law, every)
        law = maximised(law, _every(every, step), iterations)
        law, inheritance = with_kinds(law, every)
        chance = np.asarray(chances(law, every), np.float64)[is_event]
    value = log_likelihood(law, every)
    found = declustered(places, chance, fold, like=like, **more)
    level = expected(law.times.background, events) / float(events.durations.sum())
    return EtasFit(law, found, chance, level, value, inheritance)


def plain_law(
    etas: EtasFit, events: Events, kept: Events | None, units: EventUnits, reach: Reach
) -> tuple[PointProcess, int]:
    """The law that stands beside a model, and how many past events it sees; 0 for the usual ones.

    It is that with the whole past, unless events kept for validation are likelier without.

    Args:
        etas: the law with the usual past.
        events: those that it was fitted to.
        kept: those of validation, if there are some.
        units: those of the model.
        reach: of the model.
    """
    whole = etas.remembering(events, units)
    laws = [(etas.process(), 0), (whole.process(), WHOLE_PAST)]
    if whole is etas or kept is None:
        return laws[whole is not etas]

    def nats(law: tuple[PointProcess, int]) -> float:
        seen = reach._replace(most=law[1] or reach.most)
        return float(nats_of(law[0], units.excerpts(kept, seen, _TARGETS)).sum())

    return min(laws, key=nats)


def without_triggering(etas: EtasFit, events: Events, units: EventUnits, quiet: Separated) -> float:
    """The log-likelihood of events if none is triggered, to be compared with that of a law.

    Args:
        etas: the law, which says how wide kernels are.
        events: those that it was fitted to.
        units: those of the model.
        quiet: the background in time that says the most of them.
    """
    places, fold, more = _for_declustering(events, units)
    more |= {"like": etas.declustered.choice, "mixtures": _MIXTURES}
    found = declustered(places, np.ones(len(places)), fold, **more)
    return quiet.log_likelihood + float(found.log_density.sum())


def recent(etas: EtasFit, events: Events, units: EventUnits) -> tuple[Triggered, np.ndarray]:
    """The places of the law with a background that may change, and this one without each event.

    The law itself, as the field has it, is of kernels and stays. Here smooth mixtures stand beside
    the kernels, which may move, and old events may weigh less.

    Args:
        etas: the law, fitted to these events.
        events: in space.
        units: those of the model.

    Returns:
        The places, and the log-density of the background at every event by the other folds.
    """
    places, fold, more = _for_declustering(events, units)
    # Sequences are no stretches of one time.
    times, is_one = events.times[~events.is_history], len(events.windows) == 1
    more |= {"times": times if is_one else None, "mixtures": _MIXTURES}
    found = declustered(places, etas.chance, fold, like=etas.declustered.choice, **more)
    zones = etas.process().places
    assert isinstance(zones, Triggered)
    span = (float(times.min()), float(times.max()))
    return _beside(found, zones.zones, span), found.log_density


def _for_declustering(
    events: Events, units: EventUnits
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The places of events in the units of the model, their folds, and what else is asked for."""
    places = units.to_model(events.places)[~events.is_history]
    fold = np.arange(len(places)) * _FOLDS // max(len(places), 1)
    more = {"repeated": len(events.windows) > 1, "region": units.region(events.region)}
    return places, fold, more


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


def louder_by(productivity: AbstractProductivity, more: Array | float) -> AbstractProductivity:
    """The same productivity with another level."""
    if isinstance(productivity, ByKind):
        return eqx.tree_at(lambda p: p.log_levels, productivity, productivity.log_levels + more)
    assert isinstance(productivity, ByMagnitude | Unmarked)
    return eqx.tree_at(lambda p: p.log_level, productivity, productivity.log_level + more)
