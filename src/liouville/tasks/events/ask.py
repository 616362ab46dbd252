"""A history from a file, on the clock and in the terms of a fitted model; questions at points."""

import dataclasses
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import (
    Events,
    Missing,
    Region,
    Table,
    TimeUnit,
    check_history,
    degrees,
    geographic_pairs,
    is_degrees,
    is_depth,
    is_geographic,
    open_table,
    read_events,
    read_points,
    seconds_of,
    times_on_clock,
)
from liouville.errors import LiouvilleError
from liouville.runs.config import from_dict, to_dict
from liouville.runs.folder import Run, open_run
from liouville.tasks.ask import Question
from liouville.tasks.events._history import check_events
from liouville.tasks.events.complete import complete
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.counted import of_kinds
from liouville.tasks.events.files import load_events as load
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.split import columns_of

_DURATION = re.compile(r"([0-9.eE+-]+)\s*([a-zA-Z]*)")


def query(run: Run, question: Question) -> dict[str, np.ndarray]:
    """Rate, density and intensity at the points of a file, and the chances of kinds, by column."""
    for flag, value in (("--std", question.std), ("--against", question.against)):
        if value:
            raise LiouvilleError(
                f"{run.folder} is a run of events, which has neither members nor classes; leave "
                f"{flag} out"
            )
    model, known = model_and_history(run.folder, question.history, question.sequence_name)
    if question.points is None and not (question.time and not model.dim):
        raise LiouvilleError("no points: name a file with --at, of places and perhaps times")
    unit = _settings(run)["time_unit"]
    places, times, texts = read_points_and_times(
        model, known, question.points, question.time, time_unit=unit
    )
    future = "drop" if question.drop_future else "refuse"
    found = answers(model, known, times, places, future=future)
    return {"time": texts, **{f: places[:, i] for i, f in enumerate(model.features)}, **found}


def _settings(run: Run) -> dict[str, Any]:
    """How the data of a run are read, by its configuration, whose types are checked."""
    return to_dict(from_dict(EventsConfig, run.settings))["data"]


def model_and_history(
    folder: Path, history: Path | None, sequence: str | None
) -> tuple[EventModel, Events]:
    """The model of a run of events and one sequence of events so far, on its clock.

    `sequence` is the name of the one to take if there are several; see `model_and_events`.
    """
    model, events = model_and_events(folder, history)
    return model, _one_sequence(events, sequence)


def model_and_events(folder: Path, history: Path | None) -> tuple[EventModel, Events]:
    """The model of a run of events, and events on its clock.

    They are read with the columns of the run, from its own data if `history` is `None`.
    """
    run = open_run(folder)
    if run.task != "events":
        raise LiouvilleError(
            f"{folder} is a run of {run.task}; forecasts are of runs of 'liouville fit events'"
        )
    model, data = load(folder), _settings(run)
    options = columns_of(data)
    file = history or data.get("file")
    if file is None:
        raise LiouvilleError(f"{folder} was fitted to data in memory; name a --history")
    if not model.mark_name:
        options["mark"] = "none"
    if not model.dim:
        options["features"] = "none"
    missing, repeats = data.get("missing", "refuse"), data.get("repeats", "auto")
    with warnings.catch_warnings():
        # When observation began is of no consequence for what comes after.
        warnings.filterwarnings("ignore", message="no window of observation")
        events = read_events(Path(file), **options, missing=missing)
    if not len(events):
        raise LiouvilleError(f"{file} has no events; a history needs at least one")
    events = events.check(min_events=1, missing=missing, repeats=repeats)
    events = complete(events, data, file)
    return model, known_to(model, on_clock(model, events))


def known_to(model: EventModel, events: Events) -> Events:
    """The events of a history that count, one at least; see `EventModel.counted`."""
    known = model.counted(events)
    if not len(known):
        raise LiouvilleError(
            f"no event of {events.source} counts for the model: all are outside of its region or "
            "too small; give a history of the region of the run"
        )
    return known


def duration(text: str | float, unit: str) -> float:
    """A duration in a model's unit of time: a number, or one with s, m (minutes), h, d or w.

    Raises:
        LiouvilleError: if it is neither, not positive, or the units cannot be converted.
    """
    found = _DURATION.fullmatch(str(text).strip())
    try:
        if found is None:
            raise ValueError
        number, letter = float(found[1]), found[2].lower()
    except ValueError:
        raise LiouvilleError(
            f"the duration {text!r} is neither a number nor one with a unit, such as 7d, 12h, 2w"
        ) from None
    if not (np.isfinite(number) and number > 0):
        raise LiouvilleError(f"the duration is {text}; give a positive one")
    if not letter:
        return number
    given, own = seconds_of("min" if letter == "m" else letter), seconds_of(unit)
    if given is None:
        raise LiouvilleError(f"the unit {letter!r} of {text} is none of s, m, h, d, w")
    if own is None:
        raise LiouvilleError(
            f"times of the model are in {unit or 'a unit without name'}, which is no part of a "
            f"day: give {text} as a plain number of it"
        )
    return number * given / own


def _one_sequence(events: Events, name: str | None) -> Events:
    if name is None and len(events.windows) == 1:
        return events
    if name is None or name not in events.names:
        shown = ", ".join(events.names[:8]) + (", ..." if len(events.names) > 8 else "")
        raise LiouvilleError(
            f"{events.source} has the sequences {shown}; name one of them with --sequence-name"
        )
    return events.select([events.names.index(name)])


def on_clock(model: EventModel, events: Events) -> Events:
    """Events on the clock of a model, their kinds numbered as the model's."""
    if (events.origin is None) != (model.origin is None):
        have, want = ("plain numbers", "dates")[:: 1 if events.origin is None else -1]
        raise LiouvilleError(
            f"times of {events.source} are {have}, those the model was fitted to {want}; convert "
            "them"
        )
    if model.origin is not None:
        # The origin of the model as a time on the clock of the events.
        shift = events.number(model.origin)
        times, windows = events.times - shift, events.windows - shift
        known = events.completeness
        known = None if known is None else known.shifted(-shift)
        moved: Any = {"times": times, "windows": windows, "completeness": known}
        events = dataclasses.replace(events, **moved, origin=model.origin)
    if is_geographic(model.features) and events.is_geographic:  # whatever the columns are called
        events = dataclasses.replace(events, features=model.features)
    events = of_kinds(events, model.kinds)
    check_events(events, model.features, model.origin, model.mark_name)
    return events


def known_at(model: EventModel, history: Events, now: float, future: Missing = "refuse") -> Events:
    """The events that count and are known at a time, observed from before the first of them."""
    history = known_to(model, history)
    first = float(history.times.min())
    if now < first:
        raise LiouvilleError(
            f"{history.instant(now)} is before the first event of {history.source}, "
            f"{history.instant(first)}; choose a later time"
        )
    begin = min(first, float(np.nextafter(now, -np.inf))) - 1e-9 * max(1.0, abs(first))
    end = max(float(history.times.max()), now)
    history = dataclasses.replace(history, windows=np.array([[begin, end]]))
    return check_history(history, now, future=future)


def answers(
    model: EventModel,
    history: Events,
    times: np.ndarray,
    places: np.ndarray,
    *,
    future: Missing = "refuse",
) -> dict[str, np.ndarray]:
    """The rate, density and intensity at times and places, each given the events before its time.

    An event exactly at a time is not known at it: rates are those just before. Events after the
    last of the times are refused or dropped. Columns have shape `(n,)`; those per km² are there if
    the model has a map, those of places if events have places, and the chance of each kind if they
    have kinds.
    """
    places = np.asarray(places, np.float64)
    latest = known_at(model, history, float(times.max()), future)
    outside = 0 if model.region is None else int(np.sum(~model.region.contains(places)))
    if outside:
        warnings.warn(
            f"{outside} of {len(places)} points are outside of the region of the model, where it "
            "expects nothing",
            stacklevel=2,
        )
    rate, density, odds = np.empty(len(times)), np.empty(len(times)), model.log_odds(latest)
    chances = np.empty((len(times), len(model.kinds)))
    for time in np.unique(times).tolist():
        rows, own = np.flatnonzero(times == time), latest.times <= time
        known, more = known_at(model, latest.keep(own), time), {"log_odds": odds[own]}
        rate[rows] = model.rate(np.array([time]), known, **more)[0]
        density[rows] = model.density(time, places[rows], known, **more)
        if model.kinds:
            chances[rows] = model.kind_chances(time, places[rows], known, **more)
    of_kinds = {f"chance of {k}": chances[:, i] for i, k in enumerate(model.kinds)}
    unit = f" per {(model.time_unit.removesuffix('s') or 'time')}"
    if not model.dim:
        return {f"rate{unit}": rate, **of_kinds}
    projection = model.units.projection
    space, on_map = model.units.spaces
    area = f" per {space}"
    found = {
        f"rate{unit}": rate,
        f"density{area}": density,
        f"intensity{unit}{area.replace(' per', '')}": rate * density,
    }
    if projection is not None:
        per_km = density * np.exp(-projection.log_volume(places))
        found |= {f"density per {on_map}": per_km, f"intensity{unit} {on_map}": rate * per_km}
    return found | of_kinds


def region_of(given: str | None, model: EventModel) -> Region | None:
    """A region that was given, or that of the model."""
    return model.region if given is None else Region.parse(given)


def read_points_and_times(
    model: EventModel,
    history: Events,
    file: Path | None,
    time: str | None = None,
    *,
    time_unit: TimeUnit = "auto",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, times on the clock of a history, and the times in words if they are dates.

    They are those of the file, with one `time` for all points if it is given. Of events in time
    alone that time needs no file. Shapes `(n, dim)`, `(n,)` and `(n,)`.
    """
    if file is None:  # of events in time alone
        now = history.number(str(time))
        given = now if model.origin is None else time
        return np.zeros((1, 0)), np.array([now]), np.array([given])
    rows = open_table(file, header=False)
    features = () if rows is None else _features(model, rows)
    if time is not None:
        if rows is not None and (features or not model.dim):
            places = _places(rows, features)
        else:
            places, _ = read_points(file, model.features, dim=model.dim)
        now = history.number(time)
        given = now if model.origin is None else time
        return places, np.full(len(places), now), np.full(len(places), given)
    if rows is None:
        raise LiouvilleError(
            f"{file}: points with times of their own are read from a table with names, such as .csv"
        )
    if not features and model.dim:
        raise LiouvilleError(
            f"{file} has the columns {', '.join(rows.names)}; a question needs time and "
            f"{', '.join(model.features)}, or give --time for all points"
        )
    try:
        names, times = times_on_clock(rows, model.origin, apart=features, time_unit=time_unit)
    except LiouvilleError as error:
        raise LiouvilleError(f"{error}; or give --time for all points") from None
    if not np.isfinite(times).all():
        raise LiouvilleError(f"{file} has times that are missing or infinite; give finite ones")
    if model.origin is None:
        return _places(rows, features), times, times
    is_text = len(names) == 1 and rows.values(names[0]).dtype.kind == "U"
    said = rows.values(names[0]) if is_text else np.array([history.instant(t) for t in times])
    return _places(rows, features), times, said


def _features(model: EventModel, rows: Table) -> tuple[str, ...]:
    """The columns of the coordinates of a model, also if they are called otherwise; or none."""
    if all(name in rows.names for name in model.features):
        return model.features
    pairs = geographic_pairs(rows) if is_geographic(model.features) else []
    below = [name for name in rows.names if is_depth(name)] if model.dim > 2 else []
    return (*pairs[0], *below) if len(pairs) == 1 and len(below) == model.dim - 2 else ()


def _places(rows: Table, features: tuple[str, ...]) -> np.ndarray:
    if not features:
        return np.zeros((len(rows), 0))
    if is_geographic(features):
        columns = [degrees(rows, n) if is_degrees(n) else rows.numbers(n) for n in features]
        places = np.stack(columns, axis=1)
    else:
        places = rows.matrix(features)
    if not len(places) or not np.isfinite(places).all():
        raise LiouvilleError(f"{rows.source} has no points, or places that are missing or infinite")
    return places
