"""Fitting to events with a folder around it: what the command line does."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.model import MODEL_FILE
from liouville.runs import config as configuration
from liouville.runs.folder import Run, begin, data_of, open_run, write_json
from liouville.tasks.events._baselines import baselines
from liouville.tasks.events._covariates import read_covariates
from liouville.tasks.events._divide import Loaded, divide, read
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.fit import EventsFit, figures, fit_events, scores_of
from liouville.tasks.events.measure import assessed, judge
from liouville.tasks.events.model import load_events
from liouville.tasks.events.units import EventUnits
from liouville.training import read_metrics
from liouville.training._fit import check_options

Say = Callable[[str], None]


def run_events(
    folder: Path,
    *,
    events: Events | None = None,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> EventsFit:
    """Fits to events and fills a folder: model, configuration, metrics, summary, report.

    All input is checked before anything is written. The arguments are those of
    `runs.folder.begin`, besides `events` (by default read from the configured file), `progress`
    (a bar; by default on a terminal only) and `say` (told what is going on).

    Raises:
        LiouvilleError: on unusable input.
        TrainingError: if training meets a number that is not finite; the checkpoint stays.
    """
    run, chosen, loaded = begin(
        folder,
        "events",
        EventsConfig,
        lambda chosen: load_data(chosen, events),
        _arrays,
        file=file,
        flags=flags,
        settings=settings,
        force=force,
        resume=resume,
    )
    result = fit_events(loaded.parts, chosen, folder=folder, resume=resume, progress=progress)
    if result.reason == "interrupted":
        return result
    # The configuration again, now with every automatic choice in it.
    dataclasses.replace(run, settings=configuration.to_dict(result.config)).write()
    result.model.save(folder / MODEL_FILE)
    summary = dict(result.summary)
    write_json(folder / "summary.json", summary)
    say("measuring residuals and next events")
    judged = judge(result.model, loaded.parts, result.scores)
    summary |= assessed(result.model, loaded.parts, judged, result.config)
    result = result._replace(summary=summary, judged=judged)
    if result.config.report.baselines:
        say("fitting the plain models")
        rows = baselines(loaded.parts, result.config, result.model.units)
        if rows:
            summary["baselines"] = rows
    write_json(folder / "summary.json", summary)
    say("drawing the report")
    report(folder, result, loaded, say=say)
    return result


def load_data(chosen: EventsConfig, events: Events | None = None) -> Loaded:
    """Reads, checks and divides the events of a configuration.

    Args:
        chosen: the configuration.
        events: the events, if they are not to be read from its file.

    Raises:
        LiouvilleError: if they cannot be used.
    """
    if events is None and chosen.data.file is None:
        raise LiouvilleError("no data: name a file")
    check_options(chosen.training)
    found = read(str(chosen.data.file), chosen) if events is None else events
    found = found.check(min_events=chosen.data.min_events, missing=chosen.data.missing)
    parts = divide(found, chosen)
    # Places that no map can hold are refused here, too.
    EventUnits.chosen(chosen, parts.training)
    return Loaded(found, parts, read_covariates(chosen.times.covariates, parts.training))


def data_of_run(run: Run) -> tuple[Loaded, EventsConfig]:
    """Reads again the events a run was fitted to.

    Raises:
        LiouvilleError: if a file is gone or its content has changed.
    """
    return data_of(run, EventsConfig, load_data, _arrays)


def evaluate(folder: Path) -> dict[str, float]:
    """Scores a run again on the events it kept from training, with the tests of its residuals.

    Raises:
        LiouvilleError: if the data are gone or have changed, or no event was kept.
    """
    loaded, settings = data_of_run(open_run(folder))
    model = load_events(folder)
    parts, scores = loaded.parts, scores_of(model, loaded.parts)
    if not scores:
        raise LiouvilleError(f"{folder} kept no events; fit with --set data.test=0.1")
    found = figures(scores, parts)
    return found | assessed(model, parts, judge(model, parts, scores), settings)


def redraw(folder: Path, *, movie: bool = True) -> Path:
    """Draws the report of a run again from what its folder holds.

    Raises:
        LiouvilleError: if the folder holds no model or the data have changed.
    """
    model = load_events(folder)
    loaded, settings = data_of_run(open_run(folder))
    settings = dataclasses.replace(
        settings, report=dataclasses.replace(settings.report, movie=movie)
    )
    summary = json.loads((folder / "summary.json").read_text())
    history = read_metrics(folder / "metrics.jsonl")
    scores = scores_of(model, loaded.parts)
    return report(folder, EventsFit(model, settings, history, summary, scores, "finished"), loaded)


def report(folder: Path, fitted: EventsFit, loaded: Loaded, *, say: Say | None = None) -> Path:
    """Draws the report of a run: `report.html` and the same pictures in `figures`."""
    from liouville.plots import write_page
    from liouville.tasks.events.report import contents

    return write_page(folder, contents(fitted, loaded), say)


def _arrays(loaded: Loaded) -> list[np.ndarray | None]:
    """What the data are recognised by: all numbers of all parts that were read."""
    every = [loaded.events, *(part for part in loaded.parts if part is not None)]
    found = [a for e in every for a in (e.times, e.places, e.marks, e.windows)]
    known = loaded.covariates
    return found if known is None else [*found, known.times, known.values]
