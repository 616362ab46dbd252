"""Fitting a point process to events, from Python."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from liouville.data import Events
from liouville.objectives import (
    AbstractTerm,
    MarkLikelihood,
    Objective,
    PlaceLikelihood,
    TimeLikelihood,
)
from liouville.processes import (
    Excerpts,
    PointProcess,
    Poisson,
    WithCovariates,
)
from liouville.runs import config as configuration
from liouville.tasks.events._covariates import read_covariates
from liouville.tasks.events._divide import Parts, divide, read
from liouville.tasks.events._initial import automatic, initial
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.measure import Judged
from liouville.tasks.events.model import EventModel, Scores
from liouville.tasks.events.units import EventUnits
from liouville.training import default_optimizer, fit
from liouville.training._fit import Reason

# Events on which the cut-off is measured.
_SAMPLE = 1000


class EventsFit(NamedTuple):
    """What fitting to events returns.

    Attributes:
        model: the fitted process, in the user's units.
        config: the configuration with every automatic choice filled in.
        history: the rows of the training log.
        summary: the figures of the fit, as JSON can hold them.
        scores: the log-likelihoods of the parts that were kept from training, by name.
        reason: why training ended.
        judged: what the model says of every part of the data; empty if it was not asked.
    """

    model: EventModel
    config: EventsConfig
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    scores: dict[str, Scores]
    reason: Reason
    judged: Sequence[Judged] = ()


class EventLikelihood(AbstractTerm):
    """The sum of the terms of time, place and mark, for validation."""

    terms: tuple[AbstractTerm, ...]
    name: str = "validation"

    def __call__(self, path: PointProcess, *, key: Any) -> Any:
        """Nats per event."""
        return sum(term(path, key=key) for term in self.terms)


def fit_events(
    events: Events | Parts | str | Path,
    settings: EventsConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> EventsFit:
    """Fits a point process to events by maximum likelihood.

    Args:
        events: the events, a file for `liouville.read_events`, or `Parts` if they are divided.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"places.family": "routed", "training.steps": 500}`.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal only.

    Returns:
        The model, the resolved configuration, the log and the figures.

    Raises:
        LiouvilleError: if the events cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    begun = time.monotonic()
    if not isinstance(settings, EventsConfig):
        settings = configuration.merge(EventsConfig, values=settings)
    if isinstance(events, str | Path):
        events = read(str(events), settings)
    if isinstance(events, Events):
        events = events.check(min_events=settings.data.min_events, missing=settings.data.missing)
        events = divide(events, settings)
    parts = events
    training = parts.training
    settings = automatic(settings, training)
    units = EventUnits.chosen(settings, training)
    known = read_covariates(settings.times.covariates, training)
    if known is not None and known.times[0] > training.windows[:, 0].min():
        warnings.warn(
            f"the covariates begin at {training.instant(float(known.times[0]))}, after the "
            "observation does; the first row is taken to hold before",
            stacklevel=2,
        )
    options = settings.training
    reach, n = options.reach, options.targets
    chosen = units.excerpts(training, reach, n)
    assert options.steps is not None  # filled in by `automatic`
    assert options.rate is not None
    result = fit(
        initial(settings, training, units, known),
        Objective.of(terms_of(chosen, training, options.batch_size)),
        steps=options.steps,
        optimizer=default_optimizer(options.rate, options.steps, options.decay),
        seed=options.seed,
        decay=options.average,
        validation=None
        if parts.validation is None
        else EventLikelihood(
            terms=terms_of(units.excerpts(parts.validation, reach, n), parts.validation)
        ),
        patience=options.patience if parts.validation is not None else None,
        validate_every=options.validate_every,
        chunk=options.chunk,
        checkpoint=None if folder is None else folder / "checkpoint.lv",
        checkpoint_every=options.checkpoint_every,
        metrics=None if folder is None else folder / "metrics.jsonl",
        resume=resume,
        progress=progress,
    )
    model = EventModel(
        process=result.path,
        units=units,
        reach=reach,
        features=training.features,
        time_unit=training.time_unit,
        origin=training.origin,
        mark_name="" if training.marks is None else training.mark_name,
        kinds=training.kinds,
        region=training.region,
        notes={
            "task": "events",
            "steps": result.step,
            "covariates": [] if known is None else list(known.names),
        },
    )
    summary: dict[str, Any] = {
        "events": int(sum(p.counts.sum() for p in parts if p is not None)),
        "sequences": len(training.windows),
        "steps": result.step,
        "stopped": result.reason,
    }
    scores: dict[str, Scores] = {}
    if result.reason != "interrupted":
        scores = scores_of(model, parts)
        summary |= parameters(model, training) | figures(scores, parts) | cut_off(model, parts)
    summary["seconds"] = round(time.monotonic() - begun, 1)
    return EventsFit(model, settings, result.history, summary, scores, result.reason)


def terms_of(
    excerpts: Excerpts, events: Events, batch_size: int | None = None
) -> tuple[AbstractTerm, ...]:
    """The negative log-likelihoods of times, places and, if there are some, marks."""
    kinds = [TimeLikelihood, PlaceLikelihood] + [MarkLikelihood] * (events.marks is not None)
    return tuple(kind(excerpts=excerpts, batch_size=batch_size) for kind in kinds)


def scores_of(model: EventModel, parts: Parts) -> dict[str, Scores]:
    """The log-likelihoods of the parts that were kept from training and hold an event."""
    kept = {"validation": parts.validation, "test": parts.test}
    return {n: model.scores(e) for n, e in kept.items() if e is not None and e.counts.sum()}


def figures(scores: Mapping[str, Scores], parts: Parts) -> dict[str, float]:
    """Nats per event in time and in space, of the events that were kept from training.

    In space they are given per user's unit of area and in standardised units: coordinates of the
    user divided by their standard deviation over the training events.
    """
    shift = standard_shift(parts)
    found = {}
    for name, own in scores.items():
        found[f"{name} nats in time"] = own.nats_in_time
        found[f"{name} nats in space"] = own.nats_in_space
        found[f"{name} nats in space, standardised"] = own.nats_in_space - shift
        if parts.training.marks is not None:
            found[f"{name} nats of marks"] = float(-own.log_marks.mean())
    return {key: round(value, 4) for key, value in found.items()}


def cut_off(model: EventModel, parts: Parts) -> dict[str, float]:
    """What the past out of reach would have said.

    How much the nats per event change if twice as many past events are seen, on the latest events
    that were kept from training; nothing if all of the past is in reach.
    """
    kept = parts.test or parts.validation
    if kept is None or not kept.counts.sum():
        return {}
    found: dict[str, float] = {}
    longest = int(np.bincount(kept.sequence).max())
    if longest > model.reach:
        sample = _latest(kept)
        farther = replace(model, reach=2 * model.reach).scores(sample)
        scores = model.scores(sample)
        found["nats in time changed by twice the reach"] = (
            farther.nats_in_time - scores.nats_in_time
        )
        found["nats in space changed by twice the reach"] = (
            farther.nats_in_space - scores.nats_in_space
        )
    return {key: round(value, 4) for key, value in found.items()}


def _latest(events: Events) -> Events:
    """The latest events of the longest sequence, with what came before as history."""
    one = events.select([int(np.argmax(events.counts))])
    times = one.times[~one.is_history]
    if len(times) <= _SAMPLE:
        return one
    first = float(one.times.min())
    return one.between(float(times[-_SAMPLE]), float(one.windows[0, 1]), history_from=first)


def standard_shift(parts: Parts) -> float:
    """What standardised units take from a negative log-density per user's unit of area."""
    return float(np.log(parts.training.places.std(axis=0)).sum())


def parameters(model: EventModel, training: Events) -> dict[str, float]:
    """What a person reads off a fitted process."""
    found: dict[str, float] = {}
    hawkes = model.hawkes
    if hawkes is not None:
        own = jnp.asarray(model.units.marks(training))
        found["branching ratio"] = float(hawkes.branching_ratio(own))
    driven = hawkes.background if hawkes is not None else model.process.intensity
    driven = driven.rate if isinstance(driven, Poisson) else driven
    if isinstance(driven, WithCovariates):
        for name, effect in zip(model.notes["covariates"], driven.coefficients.tolist()):
            found[f"background times, one deviation of {name} more"] = float(np.exp(effect))
    if model.b_value is not None:
        found["b-value"] = model.b_value
    return {key: round(value, 4) for key, value in found.items()}
