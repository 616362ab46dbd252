"""The report of a point process: what it learned, and how it judges the events it did not see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Events
from liouville.plots import (
    Clock,
    Film,
    Ground,
    Page,
    Picture,
    Table,
    event_likelihoods,
    event_maps,
    event_movie,
    kinds_figure,
    magnitude_figure,
    offspring_figure,
    rate_over_time,
    residual_figure,
    tables_of,
    training_picture,
)
from liouville.tasks.events._answer import answer
from liouville.tasks.events._triggering import triggering_picture
from liouville.tasks.events.fit import EventsFit
from liouville.tasks.events.grid import surface_intensity
from liouville.tasks.events.kinds import mean_chances, offspring, plain_laws
from liouville.tasks.events.measure import (
    Judged,
    beside_plain_models,
    coordinate_names,
    judge,
    standard_shift,
)
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.residuals import Residuals
from liouville.tasks.events.split import Loaded, Split

_COLUMNS = 96
_FILM_COLUMNS = 60
_FRAMES = 40
_FILM_EVENTS = 300
_FILM_SHARES = 40
_RATES = 600
_MARKS = 200


def contents(fitted: EventsFit, data: Loaded) -> Page:
    """Likelihoods, maps, rates, residuals, marks and triggering, and the moving intensity."""
    model, events, parts = fitted.model, data.events, data.parts
    judged = fitted.judged or judge(model, parts, fitted.scores)
    shown, begins = _choose_shown(events, parts)
    clock, ground = clock_of(model), ground_of(model, shown)
    items: list[Table | Picture] = []
    if ground is not None:
        items.append(_map_picture(model, shown, ground, clock))
    rate, likelihood = _over_time(model, shown, begins, clock)
    items.append(rate)
    if fitted.summary.get("baselines"):
        reading = (
            "Nats per event, smaller is better. The plain models were fitted to the same training "
            "events; an empty cell means that a model says nothing about time or about space."
        )
        rows = beside_plain_models(fitted.summary)
        items.append(Table("Beside plain models", reading, rows, own=(0,)))
    if fitted.summary.get("gains"):
        reading = (
            "Nats per event that the model says more than ETAS, of events kept from training, with "
            "the error and interval of a block bootstrap: aftershocks are not independent."
        )
        items.append(Table("Gain over ETAS", reading, fitted.summary["gains"]))
    items += triggering_picture(model, parts.training, clock)
    items += _offspring_pictures(fitted, parts.training)
    items += _mark_pictures(model, judged)
    details: list[Table | Picture] = [
        _residual_picture(model, p.name, p.residuals) for p in judged if p.residuals
    ]
    details += [likelihood, _likelihood_table(model, parts, judged)]
    details.append(training_picture(_without_constants(fitted.history)))
    shown_above = ("baselines", "gains")
    details += [
        Table(name, "", rows) for name, rows in tables_of(fitted.summary) if name not in shown_above
    ]
    film = None
    if fitted.config.report.movie and ground is not None:
        film = Film(
            "movie.gif",
            "The intensity as it moves",
            "Darker is more likely, on one log scale for the whole film; rings are events in the "
            "frames after they happened. The strip shows all events and where the frame stands.",
            lambda path, say: _make_film(path, model, shown, ground, clock),
        )
    title = f"Events: {Path(events.source).name}"
    subject = _subject(model, events)
    return Page(title, subject, fitted.summary, items, film, answer(fitted.summary), details)


def clock_of(model: EventModel) -> Clock:
    """How the times of a model are said."""
    return Clock(model.time_unit, model.origin)


def ground_of(model: EventModel, events: Events) -> Ground | None:
    """The plane of a map that holds the region, or all events; None unless there are two axes.

    Depths are below the map.
    """
    if len(model.units.surface.center) != 2:
        return None
    region = model.region
    if region is not None:
        low, high = np.array(region.bounds[:2]), np.array(region.bounds[2:])
    else:
        low, high = events.places[:, :2].min(axis=0), events.places[:, :2].max(axis=0)
        pad = 0.03 * np.where(high > low, high - low, 1.0)
        low, high = low - pad, high + pad
    x, y = (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
    outline = () if region is None else tuple(region.rings)
    if model.units.projection is not None:
        aspect = 1.0 / max(float(np.cos(np.radians(0.5 * (y[0] + y[1])))), 0.1)
        return Ground(x, y, ("longitude (°)", "latitude (°)"), "degree²", aspect, outline)
    ratio = (y[1] - y[0]) / (x[1] - x[0])
    aspect = 1.0 if 0.3 < ratio < 3.0 else 0.8 / ratio
    return Ground(x, y, (model.features[0], model.features[1]), "unit of area", aspect, outline)


def with_powers(unit: str) -> str:
    """A unit such as `km2` with its power as one: `km²`."""
    return unit.translate(str.maketrans("23", "²³"))


def _choose_shown(events: Events, parts: Split) -> tuple[Events, list[tuple[str, float]]]:
    """One sequence to draw over time, kept from training if whole ones were; begins of parts."""
    kept = {name: e for name, e in parts._asdict().items() if e is not None}
    end = float(parts.training.windows[:, 1].max())
    later = [(name, float(e.windows[:, 0].min())) for name, e in kept.items() if name != "training"]
    is_by_time = all(begin >= end for _, begin in later)
    if is_by_time:
        begins = [("training", float(parts.training.windows[:, 0].min())), *later]
        return events.select([int(np.argmax(events.counts))]), begins if later else []
    held = list(kept.values())[-1]
    return held.select([int(np.argmax(held.counts))]), []


def _subject(model: EventModel, events: Events) -> str:
    begin, end = float(events.windows[:, 0].min()), float(events.windows[:, 1].max())
    many = len(events.windows)
    places = f"places are {', '.join(model.features)}" if model.dim else "in time alone"
    where = f"{many:,} sequences" if many > 1 else "one sequence"
    marks = f", with {model.mark_name}" if model.mark_name else ""
    return (
        f"{len(events):,} events in {where}, observed from {events.instant(begin)} to "
        f"{events.instant(end)}; {places}{marks}."
    )


def _without_constants(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The log without a law of marks that was fitted in closed form and does not change.

    Nor with a prior, whose value says nothing.
    """
    values = [row["marks"] for row in history if "marks" in row] or [0.0]
    moves = np.ptp(values) > 1e-3 * max(1.0, abs(float(np.mean(values))))
    left = {"prior"} if moves else {"prior", "marks"}
    return [{k: v for k, v in row.items() if k not in left} for row in history]


def _likelihood_table(model: EventModel, parts: Split, judged: Sequence[Judged]) -> Table:
    """Negative log-likelihoods a part, in every unit that is in use."""
    shift, rows = standard_shift(parts), []
    projection = model.units.projection
    for part in judged:
        space = part.scores.nats_in_space
        row: dict[str, Any] = {
            "part": part.name,
            "events": len(part.scores.log_rates),
            f"in time (events per {clock_of(model).per})": part.scores.nats_in_time,
        }
        if projection is None and model.dim:
            row["in space, your units"] = space
        elif projection is not None:
            places = part.events.places[~part.events.is_history]
            degrees, km = map(with_powers, model.units.spaces)
            row[f"in space, per {degrees}"] = space
            row[f"in space, per {km}"] = space + float(projection.log_volume(places).mean())
        if model.dim:
            row["in space, standardised"] = space - shift
        if part.events.marks is not None:
            row[f"of the {model.mark_name}"] = part.scores.nats_of_marks
        if model.kinds:
            laws = plain_laws(parts.training, part.events)
            row |= {law: float(-logs.mean()) for law, logs in laws.items()}
        rows.append(row)
    reading = "Smaller is better. In time, the rate is per unit of time and its integral is exact."
    if model.dim:
        reading += (
            " In space, the density is per unit of area; standardised means that every coordinate "
            "is divided by its standard deviation over the training events."
        )
    if model.kinds:
        reading += (
            " Kinds given all that was before, the time and the place, beside their shares and a "
            "table by the kind of the event before."
        )
    return Table(
        "Negative log-likelihood, nats per event",
        reading,
        rows,
        own=range(len(rows)),
    )


def field_at(
    model: EventModel,
    history: Events,
    now: float,
    ground: Ground,
    columns: int,
    log_odds: np.ndarray | None = None,
) -> np.ndarray:
    """The intensity on the grid of a map, of all depths, shape `(rows, columns)`.

    Who asks at many times gives the `log_odds` of all events, which are to be `counted` then.
    """
    points, rows, across = ground.grid(columns)
    is_past = history.times <= now
    past, odds = history.keep(is_past), None if log_odds is None else log_odds[is_past]
    if model.dim > 2:
        axes = points[:across, 0], points[::across, 1]
        return surface_intensity(model, past, now, axes, odds).T
    return model.intensity(now, points, past, log_odds=odds).reshape(rows, across)


def _map_picture(model: EventModel, shown: Events, ground: Ground, clock: Clock) -> Picture:
    end = float(shown.windows[0, 1])
    return Picture(
        "map.png",
        "Where events happen",
        "Left: all events, the latest in orange. Right: the intensity at the end of the data, on a "
        "log scale, with the latest events: how many are expected per unit of time and of area.",
        lambda: event_maps(
            ground,
            clock,
            shown.places[:, :2],
            shown.times,
            None if shown.kinds else shown.marks,
            field_at(model, shown, end, ground, _COLUMNS),
            end,
        ),
    )


def _over_time(
    model: EventModel, shown: Events, begins: list[tuple[str, float]], clock: Clock
) -> list[Picture]:
    """The rate with the count of events, and the likelihood of every event."""
    scores = model.scores(shown)
    begin, end = shown.windows[0].tolist()
    times = shown.times[~shown.is_history]
    middle = np.linspace(begin, end, _RATES + 2)[1:-1]
    integral = np.concatenate([[0.0], np.cumsum(scores.rescaled)])
    total = np.append(integral, integral[-1] + scores.rest[0])
    counted = (np.array([begin, *times, end]), total)
    rates = model.rate(middle, shown)
    # The rate just before each event is known too, and holds the peaks.
    chosen = np.unique(np.linspace(0, len(times) - 1, min(len(times), 4 * _RATES)).astype(int))
    grid = np.concatenate([middle, times[chosen]])
    values = np.concatenate([rates, np.exp(scores.log_rates[chosen])])
    order = np.argsort(grid, kind="stable")
    space = with_powers(model.units.spaces[0])
    area = space if model.units.projection is not None else "unit of area"
    series = {f"time, log of events per {clock.per}": scores.log_rates - scores.rescaled}
    if model.dim:
        series[f"space, log of the density per {area}"] = scores.log_places
    if model.kinds:
        series[f"{model.mark_name}, log of its chance"] = scores.log_marks
    return [
        Picture(
            "rate.png",
            "When events happen",
            "Above, the rate of events given what came before, with a tick for every event. Below, "
            "the count of events against what the model expected step by step: the lines should "
            "stay together.",
            lambda: rate_over_time(clock, grid[order], values[order], times, counted, begins),
        ),
        Picture(
            "likelihood.png",
            "Log-likelihood of single events",
            "Dots are events, the line is their moving average; larger is better. In time it is "
            "the log of the rate at the event minus the integral of the rate since the event "
            "before. A drop marks a stretch that the model did not expect.",
            lambda: event_likelihoods(clock, times, series, begins),
        ),
    ]


def _residual_picture(model: EventModel, part: str, found: Residuals) -> Picture:
    names = coordinate_names(model)
    return Picture(
        f"residuals_{part}.png",
        f"Residuals, {part}",
        "If the model were true, integrals of the rate between events would follow the exponential "
        "law, and the level of every coordinate (its distribution function at the event, given the "
        "time, the past and the coordinates before it) the uniform one. Curves should stay in the "
        "grey bands, which hold the whole curve in 95 of 100 cases; p is that of the "
        "Kolmogorov-Smirnov test. A bar of a histogram leaves its band in 5 of 100 cases.",
        lambda: residual_figure(found.gaps, found.levels, names, list(found.p_values().values())),
    )


def _offspring_pictures(fitted: EventsFit, training: Events) -> list[Picture]:
    """Which kinds of events trigger which, if kinds are inherited."""
    found = offspring(fitted.model, training)
    if found is None:
        return []
    return [
        Picture(
            "offspring.png",
            "Which kinds trigger which",
            "The expected number of events of each kind (columns) that one event of a kind (rows) "
            "triggers directly, with standard errors where there are few kinds. The branching "
            "ratio is the largest eigenvalue: clusters are finite if it is below one.",
            lambda: offspring_figure(
                found.kinds, found.matrix, found.errors, found.branching_ratio
            ),
        )
    ]


def _mark_pictures(model: EventModel, judged: Sequence[Judged]) -> list[Picture]:
    law, given = model.process.marks, {part.name: part.events for part in judged}
    if law is None:
        return []
    marks = {k: e.marks[~e.is_history] for k, e in given.items() if e.marks is not None}
    if model.kinds:
        count = len(model.kinds)
        last = judged[-1]
        shares = np.bincount(marks[last.name].astype(int), minlength=count)
        return [
            Picture(
                "marks.png",
                "Kinds of events",
                f"Bars are shares in the {last.name} data, dots the chances that the model gave to "
                "each kind just before these events, on average.",
                lambda: kinds_figure(
                    model.kinds, shares / shares.sum(), mean_chances(model, last.events)
                ),
            )
        ]
    seen = np.concatenate(list(marks.values()))
    grid = np.linspace(seen.min(), seen.max(), _MARKS)
    note = "" if model.b_value is None else f"b = {model.b_value:.4g}"
    return [
        Picture(
            "marks.png",
            f"The law of the {model.mark_name}",
            "Dots are the data, the line is the model: the share of events at least as large. A "
            "straight line is the law of Gutenberg and Richter, and b its slope.",
            lambda: magnitude_figure(marks, grid, model.mark_survival(grid), model.mark_name, note),
        )
    ]


def _make_film(path: Path, model: EventModel, shown: Events, ground: Ground, clock: Clock) -> Path:
    """The stretch with the most events if there are many, else all of them."""
    begin, end = shown.windows[0].tolist()
    if len(shown) > _FILM_EVENTS:
        length = (end - begin) / _FILM_SHARES
        counts = np.searchsorted(shown.times, shown.times + length) - np.arange(len(shown))
        first = float(shown.times[int(np.argmax(counts))])
        begin = float(np.clip(first - 0.2 * length, begin, end - length))
        end = begin + length
    frames = np.linspace(begin, end, _FRAMES + 1)[1:]
    known = model.counted(shown)
    more = (ground, _FILM_COLUMNS, model.log_odds(known))
    fields = np.stack([field_at(model, known, t, *more) for t in frames.tolist()])
    near = (shown.times >= begin) & (shown.times <= end)
    marks = None if shown.marks is None or shown.kinds else shown.marks[near]
    return event_movie(
        path, ground, clock, frames, fields, shown.times[near], shown.places[near, :2], marks
    )
