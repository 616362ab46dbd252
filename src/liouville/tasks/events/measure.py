"""What a model says of every part of its data, and the figures it is judged by."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.objectives import TimeLikelihood
from liouville.processes import ConstantRate, Hawkes, Poisson, WithCovariates
from liouville.tasks.events.background import expected
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.gain import gain_rows, information_gain
from liouville.tasks.events.kinds import offspring, plain_laws
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.next_event import predict_next
from liouville.tasks.events.residuals import Residuals, residuals
from liouville.tasks.events.scores import Scores
from liouville.tasks.events.split import Loaded, Split
from liouville.tasks.task import Start

# Events on which the cut-off is measured.
_SAMPLE = 1000
# A share of triggered events that times have to bear out, and how many numbers tell when.
_SAID, _NUMBERS = 0.1, 3


class Judged(NamedTuple):
    """What a model says of one part of the data."""

    name: str  # training, validation or test
    events: Events
    scores: Scores
    residuals: Residuals | None  # of the parts that were kept from training


def measure(
    model: EventModel, start: Start, loaded: Loaded
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters, likelihoods of the parts kept from training, and what the reach cuts off."""
    del start
    parts = loaded.parts
    scores = scores_of(model, parts)
    found = parameters(model, parts.training) | figures(scores, parts) | cut_off(model, parts)
    return found, {"scores": scores}


def _of_kinds(model: EventModel, training: Events) -> dict[str, Any]:
    """Which kinds of events trigger which, if kinds are inherited."""
    own = offspring(model, training)
    if own is None:
        return {}
    ratio = own.branching_ratio
    if ratio >= 1.0:
        warnings.warn(
            f"the process explodes: its branching ratio is {ratio:.3g}, each cluster of events "
            "grows for ever; forecasts of short horizons only, or fit with more events",
            stacklevel=2,
        )
    return {"branching ratio": round(ratio, 4), **own.tables}


def evaluate(model: EventModel, loaded: Loaded, config: EventsConfig) -> dict[str, float]:
    """A run again on the events it kept from training, with the tests of its residuals."""
    parts = loaded.parts
    scores = scores_of(model, parts)
    if not scores:
        raise LiouvilleError("the run kept no events; fit with --set data.test=0.1")
    return figures(scores, parts) | assess(model, parts, judge(model, parts, scores), config)


def judge(model: EventModel, parts: Split, scores: Mapping[str, Scores]) -> list[Judged]:
    """Takes residuals of the parts kept from training, whose scores are known, and scores it."""
    found = [Judged("training", parts.training, model.scores(parts.training), None)]
    for name, own in scores.items():
        events = getattr(parts, name)
        found.append(Judged(name, events, own, residuals(model, events, own)))
    return found


def assess(
    model: EventModel, parts: Split, judged: Sequence[Judged], settings: EventsConfig
) -> dict[str, float]:
    """Figures of the parts kept from training: tests of the residuals, next-event errors."""
    found: dict[str, float] = {}
    for part in judged:
        values = part.residuals.p_values().values() if part.residuals is not None else ()
        for name, value in zip(["times", *coordinate_names(model)], values):
            found[f"{part.name} p-value, {name}"] = float(f"{value:.3g}")
    last = judged[-1]
    if model.region is not None and len(last.events.windows) == 1:
        end = float(last.events.windows[0, 1])
        mass = model.mass_inside(end, last.events)
        found["mass of the density in the region, at the end"] = round(mass, 4)
    if last.name != "training" and np.any(np.diff(last.events.sequence) == 0):
        gap, seed = parts.training.mean_gap, settings.training.seed
        errors = predict_next(model, last.events, gap, seed=seed)
        time = "error of the time" + (f" ({model.time_unit})" if model.time_unit else "")
        place = "distance" + (" (km)" if model.units.projection is not None else "")
        names = (time, f"{time}, mean gap", place, f"{place}, last place")
        named = [*(f"next event, {name}" for name in names), "next events predicted"]
        for name, value in zip(named, errors, strict=True):
            if model.dim or place not in name:
                found[f"{last.name} {name}"] = float(f"{value:.4g}")
    return found


def coordinate_names(model: EventModel) -> list[str]:
    """The names of the model's coordinates: east and north on a map, and the depth if any."""
    on_map = [] if model.units.projection is None else ["east", "north"]
    return [*on_map, *model.features[len(on_map) :]]


def scores_of(model: EventModel, parts: Split) -> dict[str, Scores]:
    """The log-likelihoods of the parts that were kept from training and hold an event."""
    return {name: model.scores(events) for name, events in kept_parts(parts).items()}


def kept_parts(parts: Split) -> dict[str, Events]:
    """The parts that were kept from training and hold an event, by name."""
    kept = {"validation": parts.validation, "test": parts.test}
    return {name: e for name, e in kept.items() if e is not None and e.counts.sum()}


def gains(
    scores: Mapping[str, Scores], others: Mapping[str, Scores], parts: Split
) -> list[dict[str, Any]]:
    """What a model says more of the latest part than the plain law, with intervals, as rows."""
    kept = kept_parts(parts)
    if not others:
        return []
    name = list(kept)[-1]
    found = information_gain(scores[name], others[name], kept[name])
    return [{"part": name, **row} for row in gain_rows(plain_name(kept[name]), found)]


def plain_name(events: Events) -> str:
    """What the plain law of events is called."""
    return "space-time ETAS" if events.dim else "ETAS in time"


def figures(scores: Mapping[str, Scores], parts: Split) -> dict[str, float]:
    """Nats per event in time and in space, of the events that were kept from training.

    In space they are given per user's unit of area and in standardised units: coordinates of the
    user divided by their standard deviation over the training events.
    """
    shift = standard_shift(parts)
    found = {}
    for name, own in scores.items():
        found[f"{name} nats in time"] = own.nats_in_time
        if parts.training.dim:
            found[f"{name} nats in space"] = own.nats_in_space
            found[f"{name} nats in space, standardised"] = own.nats_in_space - shift
        if parts.training.marks is not None:
            found[f"{name} nats of marks"] = own.nats_of_marks
        if parts.training.kinds:
            for law, logs in plain_laws(parts.training, getattr(parts, name)).items():
                found[f"{name} nats of marks, {law}"] = float(-logs.mean())
    return {key: round(value, 4) for key, value in found.items()}


def cut_off(model: EventModel, parts: Split) -> dict[str, float]:
    """What the past out of reach would have said.

    How much the nats per event change if twice as many past events are seen, on the latest events
    that were kept from training; nothing if all of the past is in reach.
    """
    kept = parts.test or parts.validation
    if (
        kept is None
        or not kept.counts.sum()
        or np.bincount(kept.sequence).max() <= model.reach.most
    ):
        return {}
    sample = _latest(kept)
    wider = model.reach._replace(most=2 * model.reach.most)
    farther, own = replace(model, reach=wider).scores(sample), model.scores(sample)
    return {
        f"nats in {k} changed by twice the reach": round(
            getattr(farther, f"nats_in_{k}") - getattr(own, f"nats_in_{k}"), 4
        )
        for k in (("time", "space") if model.dim else ("time",))
    }


def _latest(events: Events) -> Events:
    """The latest events of the longest sequence, with what came before as history."""
    one = events.select([int(np.argmax(events.counts))])
    times = one.times[~one.is_history]
    if len(times) <= _SAMPLE:
        return one
    first = float(one.times.min())
    return one.between(float(times[-_SAMPLE]), float(one.windows[0, 1]), history_from=first)


def standard_shift(parts: Split) -> float:
    """What standardised units take from a negative log-density per user's unit of area."""
    return float(np.log(parts.training.places.std(axis=0)).sum())


def parameters(model: EventModel, training: Events) -> dict[str, Any]:
    """What a person reads off a fitted process."""
    found: dict[str, float] = {}
    hawkes = model.hawkes
    if hawkes is not None:
        own = jnp.asarray(model.units.marks(training))
        odds = model.log_odds(training)
        found["branching ratio"] = float(hawkes.branching_ratio(own, jnp.asarray(odds)))
        share = 1.0 - expected(hawkes.background, training) / int(training.counts.sum())
        found["share of the training events that are triggered"] = max(share, 0.0)
        if share >= _SAID:
            _say_told_by_places(model, training, share, odds)
        if hawkes.heredity is not None:
            found["heredity"] = float(hawkes.heredity)
    driven = hawkes.background if hawkes is not None else model.process.intensity
    driven = driven.rate if isinstance(driven, Poisson) else driven
    if isinstance(driven, WithCovariates):
        for name, effect in zip(model.notes["covariates"], driven.coefficients.tolist()):
            found[f"background times, one deviation of {name} more"] = float(np.exp(effect))
    shown = {key: round(value, 4) for key, value in found.items()}
    if model.b_value is not None:
        shown["b-value"] = float(f"{model.b_value:.4g}")  # small where marks are amounts
    return shown | _of_kinds(model, training)


def _say_told_by_places(
    model: EventModel, training: Events, share: float, log_odds: np.ndarray
) -> None:
    r"""Says that times do not bear out the triggered events, by the Bayesian information criterion.

    Beside a constant background it is $\frac32 \log n$ that they have to gain over a constant rate.
    """
    law, count = model.process.intensity, int(training.counts.sum())
    is_plain = isinstance(law, Hawkes) and isinstance(law.background, ConstantRate)
    if not (is_plain and model.dim) or training.completeness is not None:
        return
    term = eqx.filter_jit(TimeLikelihood(excerpts=model.excerpts(training, log_odds=log_odds)))
    nats = float(term(model.process, key=jr.key(0)))
    gain, price = count * (1.0 + np.log(training.mean_gap) - nats), 0.5 * _NUMBERS * np.log(count)
    if gain < price:
        warnings.warn(
            f"{share:.0%} of the training events are said to be triggered, but their times do not "
            f"ask for it: {max(gain, 0.0):.1f} nats in all over a constant rate at a price of "
            f"{price:.1f}. Places alone tell it, as they do where they lie on lines (roads, "
            "faults) that the background is too smooth for: the density of places is fitted, but "
            "do not read the branching ratio as triggering",
            stacklevel=3,
        )


def beside_plain_models(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The nats per event of a summary, one row a model, this one first."""
    names = [n for row in summary["baselines"] for n in row if n != "model"]
    names = sorted(dict.fromkeys(names), key=lambda n: (n.split()[0] != "validation", n))
    rows = [{"model": "this model", **{n: summary.get(n) for n in names}}]
    return rows + [
        {"model": r["model"]} | {n: r.get(n) for n in names} for r in summary["baselines"]
    ]
