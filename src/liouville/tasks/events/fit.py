"""Fitting a point process to events."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jax import Array

from liouville.data import Events
from liouville.numerics.types import as_float
from liouville.objectives import (
    AbstractTerm,
    InheritancePrior,
    MarkLikelihood,
    Objective,
    PlaceLikelihood,
    TimeLikelihood,
)
from liouville.processes import Excerpts, InheritedKinds, Nowhere, PointProcess
from liouville.tasks.events import measure
from liouville.tasks.events._etas_law import evenness
from liouville.tasks.events._initial import initial, resolve_choices
from liouville.tasks.events.baselines import baselines
from liouville.tasks.events.changing import begun_anew, told_apart
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.demo import demonstration
from liouville.tasks.events.etas import EtasFit, fit_etas, on_targets, plain_law, recent
from liouville.tasks.events.inherited import MOST_KINDS
from liouville.tasks.events.kinds import MATRIX
from liouville.tasks.events.measure import Judged
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.odds import log_odds
from liouville.tasks.events.read import read
from liouville.tasks.events.rhythm import Rhythms, with_rhythms
from liouville.tasks.events.score import score
from liouville.tasks.events.scores import Scores
from liouville.tasks.events.split import Loaded, Split
from liouville.tasks.events.units import EventUnits
from liouville.tasks.notebook import as_html, as_text
from liouville.tasks.skeleton import fit_given
from liouville.tasks.task import Rows, Say, Start, Task, later
from liouville.training import Fit, Reason

_MOST_SHOWN = 8  # kinds whose matrix is a table in the terminal


class EventsFit(NamedTuple):
    """What fitting to events returns.

    Attributes:
        model: the fitted process, in the user's units.
        config: the configuration with every automatic choice filled in.
        history: the rows of the training log.
        summary: the figures of the fit, as JSON can hold them.
        reason: why training ended.
        data: the events as they were read.
        scores: the log-likelihoods of the parts that were kept from training, by name.
        judged: what the model says of every part; empty until a report asks for it.
    """

    model: EventModel
    config: EventsConfig
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason
    data: Any
    scores: dict[str, Scores] = {}  # noqa: RUF012 - a tuple's default
    judged: Sequence[Judged] = ()

    __repr__ = as_text
    _repr_html_ = as_html


def fit_events(
    events: Events | Split | str | Path | Any,
    settings: EventsConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    **flags: Any,
) -> EventsFit:
    """Fits a point process to events by maximum likelihood.

    Args:
        events: the events, a file or a data frame for `liouville.read_events`, or `Split` if they
            are divided.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"places.model": "routed", "training.steps": 500}`.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal and in a notebook.
        **flags: every flag of `liouville fit events`: `places="routed"`; they win over `settings`.

    Returns:
        The model, the resolved configuration, the log and the figures.

    Raises:
        LiouvilleError: if the events cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    more: Any = {"folder": folder, "resume": resume, "progress": progress, "keywords": flags}
    return fit_given(TASK, events, settings, **more)


def resolve(loaded: Loaded, config: EventsConfig, progress: bool | None = None) -> Start:
    """The process that is guessed from the events, and their likelihood in excerpts."""
    del progress
    parts, known = loaded.parts, loaded.covariates
    training = parts.training
    config = dataclasses.replace(config, times=with_rhythms(config.times, training))
    config = resolve_choices(config, training)
    units = EventUnits.chosen(config, training)
    if known is not None and known.times[0] > training.windows[:, 0].min():
        warnings.warn(
            f"the covariates begin at {training.instant(float(known.times[0]))}, after the "
            "observation does; the first row is taken to hold before",
            stacklevel=2,
        )
    reach, targets = units.reach(training, config.objective.reach), config.objective.targets
    etas, kept = None, parts.validation
    if config.places.model == "triggered" or config.measure.baselines:
        etas = fit_etas(training, units, config.objective.reach)
    first, alone = etas, (training, units)
    if training.kinds and config.places.model != "triggered":
        # Which kinds trigger which is told by their times, as children need not be near.
        bare = training.without_places()
        alone = (bare, EventUnits.of(bare, geographic=False))
        first = fit_etas(*alone, config.objective.reach)
    if len(training.kinds) > MOST_KINDS:
        warnings.warn(
            f"{training.mark_name} has {len(training.kinds)} kinds, more than {MOST_KINDS}: what "
            "an event triggers is of its own kind or drawn from one law for all, not from a "
            "matrix; join rare kinds to have one",
            stacklevel=2,
        )
    config, first = _with_knots(config, first, alone, kept, is_driven=known is not None)
    places, crossed = None, None
    if config.places.model == "triggered" and training.dim:
        assert first is not None
        places, crossed = recent(first, training, units)
    process = initial(config, training, units, known, first, places)

    def excerpts_of(events: Events) -> Excerpts:
        odds = log_odds(process.places, units, events, reach)
        return units.excerpts(events, reach, targets, odds)

    plain = (None, 0) if etas is None else plain_law(etas, training, kept, units, reach)
    excerpts = excerpts_of(training)
    # The background has seen the events; what it says of each without it is what counts.
    crossed = None if crossed is None else on_targets(crossed, excerpts)
    own = _objective(process, excerpts, crossed, config.objective.batch_size)
    if isinstance(process.marks, InheritedKinds):
        assert first is not None
        assert first.inheritance is not None
        counts = as_float(first.inheritance.counts / excerpts.number)
        own = own + InheritancePrior(counts=counts, evenness=evenness(first.law, excerpts.number))
    return Start(
        config,
        process,
        own,
        None if kept is None else _objective(process, excerpts_of(kept)),
        facts={
            "events": int(sum(p.counts.sum() for p in parts if p is not None)),
            "sequences": len(training.windows),
            **_seen(training),
        },
        known=(loaded, units, reach, *plain),
    )


def _with_knots(
    config: EventsConfig,
    law: EtasFit | None,
    training: tuple[Events, EventUnits],
    validation: Events | None,
    *,
    is_driven: bool,
) -> tuple[EventsConfig, EtasFit | None]:
    """The configuration with the knots of the background, and the law that has them."""
    knots, options = config.times.knots, config.objective
    own, units = training
    rhythms = Rhythms.of(config.times)
    if law is not None and (rhythms.periods or (knots is not None and knots > 1)):
        # A law without them has taken for triggering what they are.
        law = begun_anew(law, own, units, options.reach, rhythms, knots or 1)
    is_open = knots is None and config.times.model == "hawkes" and not is_driven
    if law is not None and is_open and validation is not None:
        kept = validation if own.dim else validation.without_places()
        excerpts = units.excerpts(kept, units.reach(kept, options.reach), options.targets)
        law, knots = told_apart(law, own, units, excerpts, options.reach, rhythms)
    times = dataclasses.replace(config.times, knots=knots or 1)
    return dataclasses.replace(config, times=times), law


def _objective(
    process: PointProcess,
    excerpts: Excerpts,
    log_background: Array | None = None,
    batch_size: int | None = None,
) -> Objective:
    """The negative log-likelihoods of times and, if there are some, of places and marks."""
    more: Any = {"excerpts": excerpts, "batch_size": batch_size}
    terms: list[AbstractTerm] = [TimeLikelihood(**more)]
    if not isinstance(process.places, Nowhere):
        terms.append(PlaceLikelihood(log_background=log_background, **more))
    parents = process.parents if isinstance(process.marks, InheritedKinds) else None
    if process.marks is not None:
        known = log_background if parents == "places" else None
        terms.append(MarkLikelihood(log_background=known, parents=parents, **more))
    return Objective.of(terms)


def _seen(events: Events) -> dict[str, Any]:
    """The completeness of events in words, if it changes."""
    known = events.completeness
    if known is None:
        return {}
    low, high = known.least.min(), known.least.max()
    return {"completeness": f"{events.mark_name} {low:g} to {high:g}, {len(known.times)} steps"}


def model(start: Start, result: Fit) -> EventModel:
    """The process in the units of the events."""
    loaded, units, reach, plain, past = start.known
    training, known = loaded.parts.training, loaded.covariates
    return EventModel(
        process=result.path,
        units=units,
        reach=reach,
        plain=plain,
        plain_past=past,
        features=training.features,
        time_unit=training.time_unit,
        origin=training.origin,
        mark_name="" if training.marks is None else training.mark_name,
        kinds=training.kinds,
        region=training.region,
        notes={"covariates": [] if known is None else list(known.names)},
    )


def judge(fitted: EventsFit, loaded: Loaded, say: Say) -> EventsFit:
    """Residuals, errors of the next event and the plain models beside: what only a run has."""
    say("measuring residuals and next events")
    judged = measure.judge(fitted.model, loaded.parts, fitted.scores)
    summary = fitted.summary | measure.assess(fitted.model, loaded.parts, judged, fitted.config)
    if fitted.config.measure.baselines:
        say("fitting the plain models")
        law = fitted.model.plain_model
        others = {} if law is None else measure.scores_of(law, loaded.parts)
        rows = baselines(loaded.parts, fitted.config, fitted.model, others)
        if rows:
            summary["baselines"] = rows
            summary["gains"] = measure.gains(fitted.scores, others, loaded.parts)
    return fitted._replace(summary=summary, judged=judged)


def recall(
    model: EventModel, loaded: Loaded, config: EventsConfig, summary: Mapping[str, Any]
) -> dict[str, Any]:
    """What the model says of every part of its data, again."""
    del config, summary
    scores = measure.scores_of(model, loaded.parts)
    return {"scores": scores, "judged": measure.judge(model, loaded.parts, scores)}


def tables(summary: Mapping[str, Any]) -> list[Rows]:
    """The figures of the model above those of the plain models, and which kinds trigger which."""
    named: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    if summary.get("baselines"):
        named["baselines"] = ("Nats per event", measure.beside_plain_models(summary))
    if summary.get("gains"):
        named["gains"] = ("Gain over the plain law, nats per event", summary["gains"])
    matrix = summary.get(MATRIX, [])
    if 0 < len(matrix) <= _MOST_SHOWN:
        named[MATRIX] = ("Events that one event triggers directly, by kind", matrix)
    return [
        Rows(key, title, rows, {n: n for row in rows for n in row if not n.endswith("_error")})
        for key, (title, rows) in named.items()
    ]


def _arrays(loaded: Loaded) -> list[Any]:
    """What the data are recognised by: all numbers of all parts that were read."""
    every = [loaded.events, *(part for part in loaded.parts if part is not None)]
    found = [a for e in every for a in (e.times, e.places, e.marks, e.windows)]
    for seen in (e.completeness for e in every if e.completeness is not None):
        found += [seen.times, seen.least]
    known = loaded.covariates
    return found if known is None else [*found, known.times, known.values]


TASK = Task(
    name="events",
    config=EventsConfig,
    result=EventsFit,
    read=read,
    arrays=_arrays,
    resolve=resolve,
    model=model,
    measure=measure.measure,
    contents=later("liouville.tasks.events.report:contents"),
    evaluate=measure.evaluate,
    score=score,
    judge=judge,
    recall=recall,
    tables=tables,
    demo=demonstration,
)
