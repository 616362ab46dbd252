"""What a model says of every part of its data."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from liouville.data import Events
from liouville.tasks.events._divide import Parts
from liouville.tasks.events._next import NextEvents, predict_next
from liouville.tasks.events._residuals import Residuals, residuals
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.model import EventModel, Scores


class Judged(NamedTuple):
    """What a model says of one part of the data.

    Attributes:
        name: `training`, `validation` or `test`.
        events: the events.
        scores: their log-likelihoods.
        residuals: of the parts that were kept from training, else None.
    """

    name: str
    events: Events
    scores: Scores
    residuals: Residuals | None


def judge(model: EventModel, parts: Parts, scores: Mapping[str, Scores]) -> list[Judged]:
    """Takes residuals of the parts kept from training, whose scores are known, and scores it."""
    found = [Judged("training", parts.training, model.scores(parts.training), None)]
    for name, own in scores.items():
        events = getattr(parts, name)
        found.append(Judged(name, events, own, residuals(model, events, own)))
    return found


def assessed(
    model: EventModel, parts: Parts, judged: Sequence[Judged], settings: EventsConfig
) -> dict[str, float]:
    """Figures of the parts kept from training: tests of the residuals, next-event errors."""
    found: dict[str, float] = {}
    coordinates = coordinate_names(model)
    for part in judged:
        if part.residuals is None:
            continue
        names = ["times", *coordinates]
        for name, value in zip(names, part.residuals.p_values().values()):
            found[f"{part.name} p-value, {name}"] = float(f"{value:.3g}")
    last = judged[-1]
    if model.region is not None and len(last.events.windows) == 1:
        end = float(last.events.windows[0, 1])
        found["mass of the density in the region, at the end"] = round(
            model.mass_inside(end, last.events), 4
        )
    if last.name != "training" and np.any(np.diff(last.events.sequence) == 0):
        gap, seed = parts.training.mean_gap, settings.training.seed
        errors = predict_next(model, last.events, gap, seed=seed)
        found |= _next_figures(model, last.name, errors)
    return found


def _next_figures(model: EventModel, part: str, errors: NextEvents) -> dict[str, float]:
    time = f" ({model.time_unit})" if model.time_unit else ""
    place = " (km)" if model.units.projection is not None else ""
    values = {
        f"{part} next event, error of the time{time}": errors.time_error,
        f"{part} next event, error of the time{time}, mean gap": errors.trivial_time_error,
        f"{part} next event, distance{place}": errors.distance,
        f"{part} next event, distance{place}, last place": errors.trivial_distance,
        f"{part} next events predicted": errors.events,
    }
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def coordinate_names(model: EventModel) -> list[str]:
    """The names of the model's coordinates: east and north on a map."""
    return ["east", "north"] if model.units.projection is not None else list(model.features)
