"""The process before training: a guess from the events."""

import dataclasses
import warnings
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.curves import Knots
from liouville.data import Events, rounding_width
from liouville.errors import LiouvilleError
from liouville.numerics.expectation import fit_mixture
from liouville.numerics.networks import MLP
from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.types import as_float
from liouville.paths import LocationScale
from liouville.processes import (
    AbstractIntensity,
    AbstractMarks,
    AbstractPlaces,
    ConstantRate,
    DetectedMagnitudes,
    Encoder,
    Exponentials,
    FinitePowerLaw,
    FreeZones,
    Hawkes,
    HistoryFree,
    KernelMixture,
    Kinds,
    MixtureMarks,
    Neural,
    Nowhere,
    PointProcess,
    Poisson,
    PowerLaws,
    PowerZones,
    Recalled,
    Rounded,
    Routed,
    SumOfRates,
    Triggered,
    WithCovariates,
)
from liouville.tasks.events._covariates import Covariates
from liouville.tasks.events._etas_law import initial_productivity
from liouville.tasks.events.background import separated
from liouville.tasks.events.config import EventsConfig, PlacesConfig, TimesConfig
from liouville.tasks.events.etas import EtasFit, static
from liouville.tasks.events.rhythm import Rhythms
from liouville.tasks.events.units import EventUnits, exponential_law, seen_magnitudes
from liouville.tasks.settings import TrainingConfig

Options = TypeVar("Options", PlacesConfig, TrainingConfig)

# The most parts of a background, and the events for each. A network that names parts, or moves
# them, has one output each; where no history helps, they have to say all there is to say.
_MOST_PARTS = {"routed": 250, "recalled": 32, "triggered": 500, "moving": 500, "static": 1000}
_EVENTS_A_PART, _EVENTS_A_PART_ALONE = 60, 30
# From so many events on a network of the place learns more than chance.
_SOME = 1000
_MOST_ROWS = 20_000
_SHARE_TRIGGERED = 0.5
# So many bins above the least magnitude the most frequent one of a catalogue is that is incomplete.
_INCOMPLETE = 4
# Of an exponential law hardly any mark of a million is so many times the mean.
_FAR = 20.0
# How far the law of marks may be from an exponential one, as a probability.
_SHAPE = 0.1
_MARK_PARTS = 4
_COARSE = 0.05  # standard deviations of rounding that a density of marks must not be finer than
# Of the self-exciting rate before training: exponentials beside the law of Omori and Utsu, and the
# least share of the events that are background.
_SHARE_OF_EXPONENTIALS, _LEAST_BACKGROUND = 0.1, 0.01
# How zones spread before training, softplus of it: from the offset of the plain law on.
_LITTLE_SPREAD = -4.0
# Units of a layer of the network that changes zones from place to place.
_ZONES_WIDTH = 24
# Widths of free zones before training, over the distance of the plain law.
_SMALLEST, _LARGEST = 0.3, 30.0


def resolve_choices(settings: EventsConfig, events: Events) -> EventsConfig:
    """Fills in what is left to choose."""
    places, training = settings.places, settings.training
    total = int(events.counts.sum())
    each = _EVENTS_A_PART_ALONE if places.model == "static" else _EVENTS_A_PART
    parts = parts_for(events.places, _MOST_PARTS[places.model], each)
    steps = int(np.clip(total // 25, 600, 1200))
    steps += -steps % training.chunk
    return dataclasses.replace(
        settings,
        places=_filled(places, parts=parts, network=total >= _SOME),
        training=_filled(training, rate=0.01, steps=steps),
    )


def _filled(options: Options, **choices: Any) -> Options:
    """The options with choices for those that are left open."""
    is_open = {name: v for name, v in choices.items() if getattr(options, name) is None}
    return dataclasses.replace(options, **is_open)


def parts_for(places: np.ndarray, most: int, each: int = _EVENTS_A_PART) -> int:
    """How many parts a mixture may have: one for every so many different places."""
    return int(np.clip(len(np.unique(places, axis=0)) // each, 1, most))


def initial(
    settings: EventsConfig,
    events: Events,
    units: EventUnits,
    known: Covariates | None = None,
    etas: EtasFit | None = None,
    triggered: Triggered | None = None,
) -> PointProcess:
    """The process training starts from; `resolve_choices` has filled in the settings.

    A self-exciting rate and `triggered` places begin with what `etas` found.
    """
    intensity = initial_intensity(
        settings.times, events, units, settings.training.seed, known, etas
    )
    if triggered is not None and etas is not None:
        key = jr.key(settings.training.seed)
        places = _triggered(settings.places, events, units, etas, triggered, key)
    else:
        places = _places(settings.places, events, units, settings.training.seed)
    if isinstance(places, Triggered) and places.plain is not None and isinstance(intensity, Hawkes):
        intensity = dataclasses.replace(intensity, heredity=as_float(0.0))
    marks = initial_marks(events, units, settings.data.mark_law)
    process = PointProcess(intensity, places, marks)
    if etas is None or etas.inheritance is None or process.parents is None:
        return process
    return dataclasses.replace(process, marks=etas.inheritance.law)


def initial_intensity(
    options: TimesConfig,
    events: Events,
    units: EventUnits,
    seed: int = 0,
    known: Covariates | None = None,
    etas: EtasFit | None = None,
) -> AbstractIntensity:
    """An intensity of the family of the configuration, of the mean rate of the events."""
    level, longest = 1.0 / events.mean_gap, float(events.durations.max())
    rhythms, least = Rhythms.of(options), _LEAST_BACKGROUND * level
    if etas is None or options.model == "poisson":
        share = 1.0 if options.model == "poisson" else 1.0 - _SHARE_TRIGGERED
        chance = np.full(int(events.counts.sum()), share)
        rate = separated(events, chance, rhythms=rhythms, knots=options.knots or 1).rate()
    else:
        rate = etas.law.times.background
        if isinstance(rate, ConstantRate):
            rate = ConstantRate.of(max(etas.level, least))
    if rhythms.periods:
        rate = SumOfRates((ConstantRate.of(least), rate))
    if known is not None:
        rate = WithCovariates.of(rate, known.times[1:].tolist(), known.values)
    if options.model == "poisson":
        return Poisson(rate)
    gap = min(1.0 / level, 0.1 * longest)
    kernels = []
    if options.exponentials:
        spread = np.geomspace(0.03, 30.0, options.exponentials) if options.exponentials > 1 else [1]
        kernels.append(Exponentials.of([gap * float(s) for s in spread]))
    if options.powers:
        offsets = np.geomspace(0.01, 1.0, options.powers) if options.powers > 1 else [0.05]
        kernels.append(PowerLaws.of([gap * float(s) for s in offsets], [1.3] * options.powers))
    productivity = initial_productivity(events, units.marks(events))
    if etas is not None:
        productivity = etas.law.times.productivity
        if options.powers:
            kernels[-1] = etas.law.times.kernel
    weights = None if len(kernels) == 1 else [_SHARE_OF_EXPONENTIALS, 1.0 - _SHARE_OF_EXPONENTIALS]
    kernel = kernels[0] if len(kernels) == 1 else KernelMixture.of(kernels, weights)
    hawkes = Hawkes(rate, productivity, kernel)
    if options.model == "hawkes":
        return hawkes
    return Neural(events.dim, rate=level, base=hawkes, kinds=len(events.kinds), key=jr.key(seed))


def _places(
    options: PlacesConfig,
    events: Events,
    units: EventUnits,
    seed: int,
) -> AbstractPlaces:
    if not events.dim:
        return Nowhere()
    own = units.to_model(np.unique(events.places, axis=0))
    rng = np.random.default_rng(seed)
    own = own[rng.permutation(len(own))[:_MOST_ROWS]]
    assert options.parts is not None  # filled in by `resolve_choices`
    mixture = fit_mixture(own, parts=options.parts, seed=seed, iterations=10)
    background = static(mixture)
    if options.model == "static":
        return HistoryFree(background)
    if options.model == "moving":
        window = (float(events.windows[:, 0].min()), float(events.windows[:, 1].max()))
        return HistoryFree(_moving(background, window, options.knots))
    gap = events.mean_gap
    rates = 1.0 / np.geomspace(0.1 * gap, 100.0 * gap, options.rates)
    if options.model == "recalled":
        return _make_recalled(background, options, events.dim, rates, jr.key(seed))
    logits = as_float(value_of(background.logits))
    network = MLP(events.dim, len(logits), width=options.width, depth=3, key=jr.key(seed))
    amplitudes = as_float(np.full(len(rates), np.log(_SHARE_TRIGGERED)))
    own, sizes = as_float(np.log(rates)), _zero_of_sizes(events)
    return Routed(background, logits, network, amplitudes, own, sizes)


def _triggered(
    options: PlacesConfig,
    events: Events,
    units: EventUnits,
    etas: EtasFit,
    own: Triggered,
    key: jax.Array,
) -> Triggered:
    """The places of the plain law, with what it does not have: spreading, zones by place."""
    plain = etas.process().places
    assert isinstance(plain, Triggered)
    gap = events.mean_gap
    if options.zones == "free":
        rates = 1.0 / np.geomspace(0.1 * gap, 100.0 * gap, options.rates)
        distance = float(jnp.exp(etas.law.log_distance))
        return dataclasses.replace(own, zones=_free_zones(options, events, rates, distance, key))
    zones = own.zones
    assert isinstance(zones, PowerZones)
    spread = as_float(_LITTLE_SPREAD) if options.spreads else None
    heredity = as_float(0.0) if options.heredity else None
    kernel = etas.law.times.kernel
    begin = kernel.log_offset if isinstance(kernel, FinitePowerLaw) else as_float(np.log(gap))
    more: dict[str, Any] = {"raw_spread": spread, "heredity": heredity}
    more["log_spread_time"] = begin if options.spreads else None
    zones = dataclasses.replace(zones, **more)
    if options.network:
        network = MLP(zones.inputs, zones.outputs, width=_ZONES_WIDTH, depth=2, key=key)
        zones = dataclasses.replace(
            zones,
            network=network,
            mark_scale=float(max(np.std(units.marks(events)), 1e-3))
            if zones.growth is not None and events.marks is not None
            else 1.0,
        )
    return dataclasses.replace(own, zones=zones, plain=Fixed(plain) if options.heredity else None)


def _zero_of_sizes(events: Events) -> jax.Array | None:
    """Where an exponent of the size of an event starts, if events have sizes."""
    return None if events.marks is None or events.kinds else as_float(0.0)


def _free_zones(
    options: PlacesConfig, events: Events, rates: np.ndarray, distance: float, key: jax.Array
) -> FreeZones:
    """Circles of several scales around the parent, about the distance of the plain law."""
    dim, parts = events.dim, options.widths
    factors = np.geomspace(_SMALLEST, _LARGEST, parts) if parts > 1 else np.ones(1)
    log_scales = np.log(distance * factors)
    zones = FreeZones(
        as_float(np.zeros((parts, dim))),
        as_float(log_scales[:, None, None] * np.eye(dim)),
        as_float(np.full((parts, len(rates)), np.log(_SHARE_TRIGGERED / parts))),
        as_float(np.log(rates)),
        productivity=_zero_of_sizes(events),
        reach=_zero_of_sizes(events),
        raw_spread=as_float(np.full(parts, -3.0)) if options.spreads else None,
        spread_time=float(1.0 / np.median(rates)),
    )
    if not options.network:
        return zones
    network = MLP(dim, zones.outputs, width=options.width, depth=2, key=key)
    return dataclasses.replace(zones, network=network)


def _moving(static: LocationScale, window: tuple[float, float], knots: int) -> LocationScale:
    """The same density with knots in time that can be learned."""
    times, zero = np.linspace(*window, knots).tolist(), jnp.zeros(())
    own = (static.location(zero), static.raw_scale(zero), jnp.asarray(value_of(static.logits)))
    location, raw, logits = (Knots(times, jnp.stack([a] * knots), "linear") for a in own)
    return LocationScale(location, raw, logits, scale=static.scale)


def _make_recalled(
    background: LocationScale, options: PlacesConfig, dim: int, rates: np.ndarray, key: jax.Array
) -> Recalled:
    first, second = jr.split(key)
    heads = np.geomspace(rates.max(), rates.min(), options.heads)
    encoder = Encoder.of(dim, as_float(heads), key=first)
    zero = jnp.zeros(())
    location, raw = background.location(zero), background.raw_scale(zero)
    logits = jnp.asarray(value_of(background.logits))
    outputs = location.size + raw.size + logits.size
    network = MLP(encoder.outputs, outputs, width=options.width, depth=2, key=second)
    return Recalled(encoder, network, location, raw, logits)


def initial_marks(events: Events, units: EventUnits, law: str = "auto") -> AbstractMarks | None:
    """The law of marks; without one it follows from the numbers, whatever the mark is called."""
    if events.marks is None:
        return None
    if events.kinds:
        counts = np.bincount(events.marks.astype(int), minlength=len(events.kinds)) + 1.0
        return Kinds.of((counts / counts.sum()).tolist())
    if events.completeness is not None and law in ("auto", "exponential"):
        return seen_magnitudes(events, units.mark_scale)
    marks = units.marks(events)
    if not np.ptp(marks) > 0:
        raise LiouvilleError(
            f"all {events.mark_name} values of {events.source} are {units.mark_origin:g}, which "
            "have no law; leave them out (--mark none)"
        )
    if marks.max() > _FAR * marks.mean() and events.marks.min() > 0.0:
        warnings.warn(
            f"the largest {events.mark_name} of {events.source} is {events.marks.max():g}, "
            f"{marks.max() / marks.mean():.0f} times what it is on average: numbers of triggered "
            "events are exponential in it, as in magnitudes, which are logarithms; write a column "
            "of its logarithm and name that with --mark, or leave it out (--mark none)",
            stacklevel=2,
        )
    width = rounding_width(marks)
    peak = _most_frequent(marks, width, clearly=True)
    if law == "auto" and not _is_exponential(marks, peak):
        peak = _most_frequent(marks, width, clearly=False)
        law = "auto" if _is_exponential(marks, peak) else "mixture"
    if law == "mixture":
        mixture = MixtureMarks.spread(marks, _MARK_PARTS)
        return Rounded(mixture, width) if width > _COARSE * marks.std() else mixture
    if law == "auto" and peak > 0:
        # Their number does not fall from the least one on: small events were missed, and a law
        # that falls from there would draw far too many great ones.
        least = float(units.marks_to_user(np.asarray(peak)))
        warnings.warn(
            f"most values of {events.mark_name} are near {least:.4g}, the least is "
            f"{units.mark_origin:.4g}: smaller events were missed, and their law is fitted with "
            f"the share that was detected; data.least_mark={least:.4g} or above leaves them out",
            stacklevel=2,
        )
        law = "detected"
    if law == "detected":
        return DetectedMagnitudes.spread(marks)
    return exponential_law(marks, width)


def _most_frequent(marks: np.ndarray, width: float, *, clearly: bool) -> float:
    """The middle of the fullest bin if it is (clearly) above the least one and fuller, else 0."""
    # A tenth for magnitudes.
    size = max(10.0 ** np.round(np.log10(marks.std() / 4)), width)
    counts = np.bincount(np.floor(marks / size + 0.5).astype(int))
    peak = int(np.argmax(counts))
    is_far = peak >= _INCOMPLETE and counts[peak] > 3 * counts[0] + 10 if clearly else peak > 0
    return size * peak if is_far else 0.0


def _is_exponential(marks: np.ndarray, least: float) -> bool:
    """Whether marks from a least one on fall like an exponential law, rounded or not."""
    excess = marks[marks >= least - 1e-6] - least
    values, counts = np.unique(excess, return_counts=True)
    survival = 1.0 - (np.cumsum(counts) - counts) / excess.size
    middle = 1.0 - (np.cumsum(counts) - 0.5 * counts) / excess.size
    width = rounding_width(excess)
    mean = float(excess.mean())
    if not mean > 0:
        return False
    decay = np.log1p(width / mean) / width if width else 1.0 / mean
    distance = np.abs((survival if width else middle) - np.exp(-decay * values)).max()
    return bool(distance < max(_SHAPE, 1.36 / np.sqrt(excess.size)))
