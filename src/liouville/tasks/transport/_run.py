"""Transport with a folder around it: what the command line does."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Snapshots
from liouville.model import MODEL_FILE, Model, load
from liouville.problems import toys
from liouville.runs import config as configuration
from liouville.runs.folder import Run, begin, data_of, open_run, write_json
from liouville.tasks.transport._images import arrays_of
from liouville.tasks.transport.config import TransportConfig
from liouville.tasks.transport.ends import End, read_ends
from liouville.tasks.transport.fit import TransportFit, fit_transport
from liouville.tasks.transport.measure import certify
from liouville.tasks.transport.problem import resolved
from liouville.training import read_metrics

Say = Callable[[str], None]
_DRAWN = 1000


def run_transport(
    folder: Path,
    *,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> TransportFit:
    """Fits a path through distributions and fills a folder: model, log, summary, report.

    All input is checked before anything is written. The arguments are those of
    `runs.folder.begin`, besides `progress` (a bar; by default on a terminal only) and `say`
    (told what is going on).

    Raises:
        LiouvilleError: on unusable input.
        TrainingError: if training meets a number that is not finite; the checkpoint stays.
    """

    def read_all(chosen: TransportConfig) -> list[End]:
        say("reading the ends")
        ends = _ends(chosen)
        resolved(chosen, ends)
        return ends

    run, chosen, ends = begin(
        folder,
        "transport",
        TransportConfig,
        read_all,
        _arrays,
        file=file,
        flags=flags,
        settings=settings,
        force=force,
        resume=resume,
    )
    result = fit_transport(*ends, settings=chosen, folder=folder, resume=resume, progress=progress)
    if result.reason == "interrupted":
        return result
    # The configuration again, now with every automatic choice in it.
    dataclasses.replace(run, settings=configuration.to_dict(result.config)).write()
    result.model.save(folder / MODEL_FILE)
    write_json(folder / "summary.json", result.summary)
    say("drawing the report")
    report(folder, result.model, ends, result.config, result.history, result.summary)
    return result


def ends_of(run: Run) -> tuple[list[End], TransportConfig]:
    """Makes again the ends a run was fitted to.

    Raises:
        LiouvilleError: if a file is gone or its content has changed.
    """
    return data_of(run, TransportConfig, _ends, _arrays)


def evaluate(folder: Path, *, seed: int = 1) -> dict[str, Any]:
    """Measures a run again, with other random numbers.

    Raises:
        LiouvilleError: if the folder holds no run, or a file has changed.
    """
    ends, settings = ends_of(open_run(folder))
    return certify(load(folder), ends, settings, seed=settings.training.seed + 1000 * (1 + seed))


def redraw(folder: Path, *, movie: bool = True) -> Path:
    """Draws the report of a run again from what its folder holds.

    Raises:
        LiouvilleError: if the folder holds no model or a file has changed.
    """
    model = load(folder)
    ends, settings = ends_of(open_run(folder))
    settings = dataclasses.replace(
        settings, report=dataclasses.replace(settings.report, movie=movie)
    )
    summary = json.loads((folder / "summary.json").read_text())
    history = read_metrics(folder / "metrics.jsonl")
    return report(folder, model, ends, settings, history, summary)


def report(
    folder: Path,
    model: Model,
    ends: Sequence[End],
    settings: TransportConfig,
    history: list[dict[str, Any]],
    summary: dict[str, Any],
) -> Path:
    """Draws the report of a run: `report.html` and the same pictures in `figures`."""
    from liouville.plots import write_report

    # Names of distributions are written as words, names of files as they are.
    words = [
        e.source.replace("_", " ") if e.source in toys.NAMES else Path(e.source).name for e in ends
    ]
    names = " to ".join(words)
    return write_report(
        folder,
        model,
        _snapshots(model, ends, settings.training.seed),
        history,
        {"title": f"Transport: {names}", **summary},
        movie=settings.report.movie,
    )


def _snapshots(model: Model, ends: Sequence[End], seed: int) -> Snapshots:
    """What is shown of each end: its samples, or draws of it if it is given exactly."""
    clouds = []
    for number, end in enumerate(ends):
        if end.points is None:
            clouds.append(end.mixture.sample(_DRAWN, seed=seed + number)[0])
        else:
            rows = np.random.default_rng(seed).permutation(len(end.points))[:_DRAWN]
            clouds.append(end.points[rows])
    return Snapshots(
        points=np.concatenate(clouds),
        times=np.repeat(np.asarray(model.times, float), [len(c) for c in clouds]),
        features=model.features,
        source=", ".join(end.source for end in ends),
    )


def _arrays(ends: Sequence[End]) -> list[np.ndarray | None]:
    return [array for end in ends for array in (end.points, *arrays_of(end.mixture))]


def _ends(settings: TransportConfig) -> list[End]:
    return read_ends(settings.data.ends, settings.data, settings.ends, seed=settings.training.seed)
