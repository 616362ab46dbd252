"""Scores of a catalogue that a run need not have seen: likelihoods, gains, tests of a forecast."""

import dataclasses
import warnings
from typing import Any

import numpy as np

from liouville.data import Events, seconds_of
from liouville.errors import LiouvilleError
from liouville.runs.config import from_dict
from liouville.runs.folder import Run
from liouville.tasks.events.ask import model_and_events
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.consistency import consistency
from liouville.tasks.events.forecast import expected_on_grid, forecast_events
from liouville.tasks.events.gain import figure, gain_rows, information_gain
from liouville.tasks.events.grid import cells_of
from liouville.tasks.events.kinds import plain_laws
from liouville.tasks.events.measure import plain_name, standard_shift
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.poisson import poisson_scores
from liouville.tasks.events.scores import Scores
from liouville.tasks.events.split import Loaded
from liouville.tasks.task import NewData, Say

# Of so many events that should have been there, none is seen in one of 10^9 cases.
_SURPRISING = 20.0
_DAY, _YEAR = 86400.0, 31557600.0  # seconds
_BIN = 0.1  # magnitudes, as in CSEP's experiments


def score(run: Run, own: Loaded | None, new: NewData, say: Say) -> dict[str, Any]:
    """Measures a run of events on a catalogue; see `docs/events.md`, Scores.

    Args:
        run: the run.
        own: its own events: its training events are what the Poisson process is fitted to, and
            those before the catalogue begins are history. `None` if they are not known.
        new: the catalogue and the window in which its events count.
        say: told how far the work has come.

    Returns:
        Figures; `gains`, a row for each plain model and for time, space and both; and `tests`, a
        row for each test, if catalogues are to be drawn.

    Raises:
        LiouvilleError: if the catalogue does not fit the run, or has no event in the window.
    """
    model, events = model_and_events(run.folder, new.file)
    start, end = _window(events, new)
    known = model.counted(_with_own_history(events, own, start))
    seen = _in_window(known, start, end)
    _say_what_is_odd(known, seen, own, start)
    scores = model.scores(seen)
    _say_silence(seen, scores)
    found: dict[str, Any] = {
        "events": int(seen.counts.sum()),
        "from": seen.instant(start),
        "to": seen.instant(end),
        "events of history": int(seen.is_history.sum()),
        "of these, the run's own": int((known.times < events.times.min()).sum()),
        **figures(model, seen, scores, own),
    }
    seed = from_dict(EventsConfig, run.settings).training.seed
    others: dict[str, Scores] = {}
    if own is not None:
        training = own.parts.training
        others["homogeneous Poisson"] = poisson_scores(seen, training, model.units, seed=seed)
    if model.plain_model is not None:
        others[plain_name(seen)] = model.plain_model.scores(seen)
    else:
        warnings.warn(
            f"{run.folder} was fitted without the plain models, so that there is no gain over "
            "ETAS; fit with --set measure.baselines=true",
            stacklevel=2,
        )
    found["gains"] = [
        row for n, s in others.items() for row in gain_rows(n, information_gain(scores, s, seen))
    ]
    if new.catalogues:
        found["tests"] = tests(model, known, (start, end), new, say)
    return found


def _window(events: Events, new: NewData) -> tuple[float, float]:
    if new.start is None or new.end is None:
        raise LiouvilleError(
            "the window is open: say from when to when events of "
            f"{events.source} would have been seen, with --from and --to"
        )
    start, end = events.number(new.start), events.number(new.end)
    if not start < end:
        raise LiouvilleError(
            f"the window is from {new.start} to {new.end}; it must begin before it ends"
        )
    return start, end


def _with_own_history(events: Events, own: Loaded | None, start: float) -> Events:
    """A catalogue with the run's own events before it, unless it reaches back as far itself."""
    if own is None or len(events.windows) > 1 or len(own.events.windows) > 1:
        return events
    first = min(float(events.times.min()), start)
    before = own.events.keep(own.events.times < first)
    columns = {
        name: np.concatenate([getattr(before, name), getattr(events, name)])
        for name in ("times", "places", "sequence", "marks")
        if getattr(events, name) is not None
    }
    return dataclasses.replace(events, **columns)


def _in_window(events: Events, start: float, end: float) -> Events:
    """What counts in a window, with all that was before as history."""
    first = min(float(events.times.min()), start)
    windows = np.tile([first - 1.0, end], (len(events.windows), 1))
    found = dataclasses.replace(events, windows=windows).between(start, end, history_from=first)
    if not found.counts.sum():
        raise LiouvilleError(
            f"{events.source} has no event from {events.instant(start)} to {events.instant(end)}; "
            f"the last one is at {events.instant(float(events.times.max()))}"
        )
    return found


def _say_what_is_odd(known: Events, seen: Events, own: Loaded | None, start: float) -> None:
    """Says what makes scores better or worse than a forecast's would be."""
    if not seen.is_history.any():
        warnings.warn(
            f"no events before {seen.instant(start)} are known: the first ones are scored without "
            "a past; give a catalogue that reaches back",
            stacklevel=3,
        )
    if own is None or len(seen.windows) > 1 or len(own.parts.training.windows) > 1:
        return
    begin, end = own.parts.training.windows[0].tolist()
    trained = int(((seen.times >= max(begin, start)) & (seen.times < end)).sum())
    if trained:
        warnings.warn(
            f"{trained} of {int(seen.counts.sum())} events are from before {seen.instant(end)}, "
            f"when training ended: the model may know them; score what came later, --from "
            f"{seen.instant(end)}",
            stacklevel=3,
        )
    times = np.append(known.times[known.times < start], start)
    gap = int(np.argmax(np.diff(times))) if len(times) > 1 else 0
    missed = np.diff(times).max(initial=0.0) / own.parts.training.mean_gap
    if missed > 10.0 * _SURPRISING:
        warnings.warn(
            f"no events are known from {seen.instant(times[gap])} to "
            f"{seen.instant(times[gap + 1])}, where some {missed:.0f} would have been seen while "
            "training: what they triggered is not expected",
            stacklevel=3,
        )


def _say_silence(seen: Events, scores: Scores) -> None:
    """Says that a window seems to end after the catalogue does."""
    worst = int(np.argmax(scores.rest))
    if scores.rest[worst] > _SURPRISING:
        last = float(seen.times[seen.sequence == worst].max(initial=seen.windows[worst, 0]))
        warnings.warn(
            f"from {seen.instant(last)} to {seen.instant(float(seen.windows[worst, 1]))} the model "
            f"expects {scores.rest[worst]:.0f} events and {seen.source} has none: give the end of "
            "the catalogue with --to",
            stacklevel=3,
        )


def figures(
    model: EventModel, seen: Events, scores: Scores, own: Loaded | None
) -> dict[str, float]:
    """Nats per event, smaller is better, and log-likelihoods, larger is better.

    Rates are per day if the model's unit of time is known, whatever it is; densities are per km²
    and degree² on a map, with depths per km³ and degree² km. *Standardised* are coordinates divided
    by their standard deviation over the training events. *All* is the sum of what there is, of
    kinds too, but not of magnitudes.
    """
    seconds = _YEAR if model.time_unit == "years" else seconds_of(model.time_unit)
    projection = model.units.projection
    time, space, days, area = scores.nats_in_time, scores.nats_in_space, "", ""
    others: dict[str, float] = {}
    if seconds is not None:
        time, days = time + float(np.log(seconds / _DAY)), ", days"
    if own is not None and seen.dim:
        others["nats in space, standardised"] = space - standard_shift(own.parts)
    if own is not None and seen.kinds:
        for law, logs in plain_laws(own.parts.training, seen).items():
            others[f"nats of marks, {law}"] = float(-logs.mean())
    if projection is not None:
        degrees, km = model.units.spaces
        others[f"nats in space, {degrees}"] = space
        places = seen.places[~seen.is_history]
        space, area = space + float(projection.log_volume(places).mean()), f", {km}"
    own_parts = {f"in time{days}": time}
    if seen.dim:
        own_parts[f"in space{area}"] = space
    if seen.kinds:
        own_parts["of marks"] = scores.nats_of_marks
    elif seen.marks is not None:
        others["nats of marks"] = scores.nats_of_marks
    if len(own_parts) > 1:
        own_parts[f"in all{days}{area}"] = sum(own_parts.values())
    found = {f"nats {name}": value for name, value in own_parts.items()} | others
    found |= {f"log-likelihood per event {name}": -value for name, value in own_parts.items()}
    return {key: round(value, 4) for key, value in found.items()}


def tests(
    model: EventModel, events: Events, window: tuple[float, float], new: NewData, say: Say
) -> list[dict[str, Any]]:
    """CSEP's tests of one forecast of the whole window, made from the events before it.

    Cells are those of a written forecast; magnitudes are in bins of a tenth.
    """
    if len(events.windows) > 1:
        raise LiouvilleError(
            f"{events.source} has {len(events.windows)} sequences; tests of a forecast are of one"
        )
    start, end = window
    history = events.keep(events.times < start)
    if not len(history):
        raise LiouvilleError(
            f"no events before {events.instant(start)} are known; tests are of a forecast from "
            "such events: give a catalogue that reaches back"
        )
    if not model.dim:
        raise LiouvilleError(
            f"{events.source} has no places; the tests of a forecast divide them in cells, so "
            "leave --tests out"
        )
    cells = cells_of(model, model.region, history, new.grid)
    along = slice(len(cells.edges))  # cells hold all depths
    forecast = forecast_events(
        model, history, end - start, new.catalogues, start=start, seed=new.seed, say=say
    )
    grid, drawn = expected_on_grid(model, cells, forecast), forecast.drawn
    observed = events.keep((events.times >= start) & (events.times <= end))
    marks: dict[str, Any] = {}
    if model.mark_name and not model.kinds:
        # Around the values to which catalogues round; all that the model draws is in one.
        least, width = model.units.mark_origin, _BIN * model.units.mark_scale
        many = int(np.ceil((model.units.largest_mark - least) / width))
        bins = least + width * (np.arange(many + 1) - 0.5)
        bins[0] = -np.inf
        marks = {"marks": drawn.marks, "observed_marks": observed.marks, "magnitude_edges": bins}
    outcomes = consistency(
        drawn.number,
        drawn.size,
        drawn.places[:, along],
        observed.places[:, along],
        grid.edges,
        expected=grid.expected if grid.is_exact else None,
        seed=new.seed,
        **marks,
    )
    lost = max(outcome.left_out for outcome in outcomes)
    if lost:
        warnings.warn(
            f"{lost} of {len(observed)} events are in cells that no catalogue reached, and are "
            "left out of the tests S and L; draw more with -n, or take larger cells with --grid",
            stacklevel=2,
        )
    return [
        {
            "test": outcome.name,
            "observed": figure(outcome.observed),
            "catalogues": figure(outcome.mean),
            "share as small": figure(outcome.at_most),
            "share as large": figure(outcome.at_least),
            "p-value": figure(outcome.p_value),
            "passes": outcome.passes(),
        }
        for outcome in outcomes
    ]
