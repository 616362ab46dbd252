"""Transport with a folder around it: what the command line does."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liouville.model import MODEL_FILE, load
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
    report(folder, result, ends)
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
    return report(folder, TransportFit(model, settings, ends, history, summary, "finished"), ends)


def report(folder: Path, fitted: TransportFit, ends: Sequence[End]) -> Path:
    """Draws the report of a run: `report.html` and the same pictures in `figures`."""
    from liouville.plots import write_page
    from liouville.tasks.transport.report import contents

    return write_page(folder, contents(fitted, ends))


def _arrays(ends: Sequence[End]) -> list[np.ndarray | None]:
    return [array for end in ends for array in (end.points, *arrays_of(end.mixture))]


def _ends(settings: TransportConfig) -> list[End]:
    return read_ends(settings.data.ends, settings.data, settings.ends, seed=settings.training.seed)
