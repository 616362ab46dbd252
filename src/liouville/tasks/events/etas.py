"""The space-time epidemic-type model: what a catalogue says by the law of the field."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.optimize import minimize

from liouville.curves import Constant, Knots
from liouville.data import Events
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed, split
from liouville.numerics.types import as_float
from liouville.objectives import AbstractEventTerm, WithBackground, compensate
from liouville.paths import Full, LocationScale
from liouville.processes import (
    AbstractProductivity,
    AbstractZones,
    ByKind,
    ByMagnitude,
    ConstantRate,
    Excerpts,
    FinitePowerLaw,
    Hawkes,
    InheritedKinds,
    Nowhere,
    Piecewise,
    PointProcess,
    PowerZones,
    Triggered,
    Unmarked,
    log_power_law,
    log_rates,
)
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
_SHARE_TRIGGERED = 0.5
# Numbers of pieces of the background rate to choose from, and what draws them to its mean.
_PIECES, _PRIOR_EVENTS = (1, 2, 4, 8, 16), 10.0
_DISTANCE, _EXCESS, _OFFSET = 0.02, 0.6, 0.02  # where the search begins; the last in mean gaps
_MOST_EXCESS = 3.0
# As if so many more events of each kind had the mean number of children.
_MORE_PARENTS = 10.0


class Etas(eqx.Module):
    r"""The space-time epidemic-type law.

    $$\lambda(t, x \mid H) = \mu f(x) + \sum_{t_i < t} \kappa(m_i)\, g(t - t_i)\, q(x - x_i; m_i),
      \qquad q(y; m) \propto \bigl(|y|^2 + D^2 e^{2\gamma m}\bigr)^{-(\rho + \dim/2)},$$

    with one law of Omori and Utsu $g$ and one power law $q$, normalised on the plane: time and
    space share their parameters. Source: Ogata (1998), Space-time point-process models for
    earthquake occurrences; the width that grows with the magnitude is that of Zhuang, Ogata and
    Vere-Jones (2005). Of events that have kinds, $\mu$ is multiplied by the share $b_k$ of the
    event's kind, and $\kappa$ by that of the children of its parent's kind, $B_{jk}$: a
    multivariate law. Of events in time alone, $f = q = 1$.
    """

    times: Hawkes  # mu, kappa and g
    log_distance: Float[Array, ""]  # log D
    log_excess: Float[Array, ""]  # log rho
    growth: Float[Array, ""] | None  # gamma
    kinds: Fixed[InheritedKinds] | None = None  # b and B, by expectation maximisation

    def log_displacement(self, y: Float[Array, " dim"], mark: Float[Array, ""]) -> Array:
        r"""$\log q$."""
        log_distance, dim = self.log_distance, y.shape[0]
        if self.growth is not None:
            log_distance = log_distance + self.growth * mark
        square = jnp.sum(y**2) * jnp.exp(-2.0 * log_distance)
        return log_power_law(square, jnp.exp(self.log_excess), dim) - dim * log_distance

    def log_parts(self, item: WithBackground) -> tuple[Array, Array]:
        r"""The logarithms of $\mu f(x)$ and of the sum over past events, at the targets."""
        parents, (_, _, marks) = self.log_parents(item), item.excerpts.predicted
        if self.kinds is not None:
            law, own = self.kinds.value, item.excerpts.history
            parents = parents + jax.vmap(lambda mark: law.log_parts(own, mark))(marks)
        return parents[:, 0], jax.nn.logsumexp(parents[:, 1:], axis=1)

    def log_parents(self, item: WithBackground) -> Float[Array, "targets parents"]:
        r"""The logarithms of $\mu f(x)$ and of each term of the sum, whatever the kinds."""
        excerpt = item.excerpts
        own, hazard = excerpt.history, self.times.after(excerpt.history)

        def one(t: Array, x: Array, log_background: Array) -> Array:
            displaced = jax.vmap(self.log_displacement)(x - own.places, own.marks)
            return hazard.log_parents(t) + jnp.concatenate([log_background[None], displaced])

        times, places, _ = excerpt.predicted
        assert item.log_background is not None
        found = jax.vmap(one)(times, places, item.log_background)
        return found if excerpt.pieces is None else found + excerpt.pieces.log_share[:, None]


class EtasLikelihood(AbstractEventTerm):
    """Nats per event of an `Etas`, time and space together; see `AbstractEventTerm`."""

    excerpts: Excerpts
    log_background: Float[Array, "excerpts targets"]
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="etas")

    @property
    def items(self) -> WithBackground:
        """The excerpts with the density of the background."""
        return WithBackground(self.excerpts, self.log_background)

    def each(self, process: Etas, item: WithBackground) -> Float[Array, " targets"]:
        """The logarithms of the intensity at the targets less the integrals between them."""
        values = jnp.where(item.excerpts.is_event, jnp.logaddexp(*process.log_parts(item)), 0.0)
        return compensate(values, process.times.after(item.excerpts.history), item.excerpts)


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
            _louder(times.productivity, -self.background.log_level),
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
    law, chance = _start(events, marks), np.ones(len(places))
    more: Any = {"repeated": len(events.windows) > 1, "region": units.region(events.region)}
    like: Choice | None = _FIRST
    kinds = marks.astype(int) if law.kinds is not None else None
    inheritance = None

    def with_kinds(law: Etas, every: WithBackground) -> tuple[Etas, Inheritance | None]:
        """The law with the shares of children that its other parameters make the best."""
        if kinds is None:
            return law, None
        of_parents = np.asarray(_by_kind(law, every), np.float64)[is_event]
        inheritance = inherited(of_parents, kinds, fold)
        return dataclasses.replace(law, kinds=Fixed(inheritance.law)), inheritance

    for share, iterations in _ROUNDS:
        found = declustered(places, chance, fold, like=like, **more)
        # Chosen once, when events are declustered for the first time.
        like = None if like is _FIRST else found.choice
        every = WithBackground(excerpts, on_targets(found.log_density, excerpts))
        law, _ = with_kinds(law, every)
        law = _maximise(law, _every(every, max(1, round(1.0 / share))), iterations)
        law, inheritance = with_kinds(law, every)
        chance = np.asarray(_chances(law, every), np.float64)[is_event]
    found = declustered(places, chance, fold, like=like, **more)
    # Sequences are no stretches of one time.
    times, is_one = events.times[seen], len(events.windows) == 1
    more |= {"times": times if is_one else None, "mixtures": _MIXTURES}
    recent = declustered(places, chance, fold, like=like, **more)
    span = (float(times.min()), float(times.max()))
    return EtasFit(law, found, recent, span, chance, inheritance)


def evenness(law: Etas, events: int) -> Array:
    """How much the numbers of children by kind are drawn to their mean, per event; else zero."""
    own = law.times.productivity
    mean = jnp.mean(jnp.exp(own.log_levels)) if isinstance(own, ByKind) else jnp.zeros(())
    return jax.lax.stop_gradient(_MORE_PARENTS * mean / events)


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


def _start(events: Events, marks: np.ndarray) -> Etas:
    gap = events.mean_gap
    longest = float(events.windows[:, 1].max() - events.times.min())
    productivity = initial_productivity(events, marks)
    kernel = FinitePowerLaw.of(_OFFSET * gap, 1.2, longest)
    times = Hawkes(ConstantRate.of((1.0 - _SHARE_TRIGGERED) / gap), productivity, kernel)
    growth = as_float(0.0) if isinstance(productivity, ByMagnitude) else None
    kinds = None
    if len(events.kinds) > 1:
        shares = np.bincount(marks.astype(int), minlength=len(events.kinds)) + 1.0
        kinds = Fixed(InheritedKinds.of(shares, np.tile(shares, (len(shares), 1))))
    return Etas(times, as_float(np.log(_DISTANCE)), as_float(np.log(_EXCESS)), growth, kinds)


def initial_productivity(events: Events, marks: np.ndarray) -> AbstractProductivity:
    """Half an event for each on average: more for great ones, the same for all kinds."""
    if events.kinds:
        return ByKind.of([_SHARE_TRIGGERED] * len(events.kinds))
    if events.marks is None:
        return Unmarked.of(_SHARE_TRIGGERED)
    slope = 0.5 / max(float(np.mean(marks)), 1e-3)
    return ByMagnitude.of(_SHARE_TRIGGERED / float(np.exp(slope * marks).mean()), slope, 0.0)


def _maximise(law: Etas, known: WithBackground, iterations: int) -> Etas:
    """The law of greatest likelihood, by steps of L-BFGS on all excerpts."""
    number = int(np.asarray(known.excerpts.is_event).sum())
    excerpts = dataclasses.replace(known.excerpts, number=number)
    assert known.log_background is not None
    term = EtasLikelihood(excerpts=excerpts, log_background=known.log_background)
    learned, rest = split(law)
    start, unravel = ravel_pytree(learned)

    def asked(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _value_and_slope(unravel(jnp.asarray(numbers, start.dtype)), rest, term)
        return float(value), np.asarray(ravel_pytree(slope)[0], np.float64)

    options = {"maxiter": iterations, "gtol": 1e-4}
    first = np.asarray(start, np.float64)
    found = minimize(asked, first, jac=True, method="L-BFGS-B", options=options)
    return eqx.combine(unravel(jnp.asarray(found.x, start.dtype)), rest)


@eqx.filter_jit
@eqx.filter_value_and_grad
def _value_and_slope(learned: Any, rest: Any, term: EtasLikelihood) -> Array:
    law = eqx.combine(learned, rest)
    # A tail so light that it says nothing would go on to be lighter for ever.
    excess = jnp.maximum(law.log_excess - np.log(_MOST_EXCESS), 0.0)
    value, own = term(law, key=jax.random.key(0)) + excess**2, law.times.productivity
    if isinstance(own, ByKind):
        value += evenness(law, term.excerpts.number) * own.unevenness
    return value


def log_rates_of(etas: EtasFit, excerpts: Excerpts) -> np.ndarray:
    """The log-rates at the events that excerpts predict, shape `(n,)`."""
    found = np.asarray(_log_rates(etas.law.times, excerpts), np.float64)
    return found[np.asarray(excerpts.is_event)]


@eqx.filter_jit
def _log_rates(times: Hawkes, excerpts: Excerpts) -> Array:
    return jax.lax.map(lambda e: log_rates(times.after(e.history), e), excerpts)


@eqx.filter_jit
def _by_kind(law: Etas, known: WithBackground) -> Array:
    """The chances of each target to have no parent and one of each kind, whatever its own."""
    assert law.kinds is not None
    kinds = law.kinds.value

    def one(item: WithBackground) -> Array:
        own = item.excerpts.history
        return jax.vmap(lambda parents: kinds.by_kind(own, parents))(law.log_parents(item))

    return jax.lax.map(one, known)


@eqx.filter_jit
def _chances(law: Etas, known: WithBackground) -> Array:
    """The chance that each target is background, shape `(excerpts, targets)`."""

    def one(item: WithBackground) -> Array:
        background, triggered = law.log_parts(item)
        return jax.nn.sigmoid(background - triggered)

    return jax.lax.map(one, known)


def _louder(productivity: AbstractProductivity, more: Array) -> AbstractProductivity:
    """The same productivity with another level."""
    if isinstance(productivity, ByKind):
        return eqx.tree_at(lambda p: p.log_levels, productivity, productivity.log_levels + more)
    assert isinstance(productivity, ByMagnitude | Unmarked)
    return eqx.tree_at(lambda p: p.log_level, productivity, productivity.log_level + more)
