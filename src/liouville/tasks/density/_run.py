"""Fitting to samples with a folder around it: what the command line does."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Samples
from liouville.errors import LiouvilleError
from liouville.model import MODEL_FILE, load
from liouville.runs import config as configuration
from liouville.runs.folder import Run, begin, data_of, open_run, write_json
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.fit import (
    DensityFit,
    divide,
    fit_density,
    read,
    scores,
)
from liouville.training import read_metrics
from liouville.training._fit import check_options

Say = Callable[[str], None]


def run_density(
    folder: Path,
    *,
    samples: Samples | None = None,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> DensityFit:
    """Fits to samples and fills a folder: model, configuration, metrics, summary, report.

    All input is checked before anything is written. The arguments are those of
    `runs.folder.begin`, besides `samples` (by default read from the configured file), `progress`
    (a bar; by default on a terminal only) and `say` (told what is going on).

    Raises:
        LiouvilleError: on unusable input.
        TrainingError: if training meets a number that is not finite; the checkpoint stays.
    """
    from liouville.tasks.density.report import image_shape

    def read_all(chosen: DensityConfig) -> Samples:
        if samples is None and chosen.data.file is None:
            raise LiouvilleError("no data: name a file")
        check_options(chosen.training)
        loaded = read(str(chosen.data.file), chosen) if samples is None else samples
        image_shape(chosen, loaded.dim, False)
        return loaded.check(min_rows=chosen.data.min_samples)

    run, chosen, loaded = begin(
        folder,
        "density",
        DensityConfig,
        read_all,
        _arrays,
        file=file,
        flags=flags,
        settings=settings,
        force=force,
        resume=resume,
    )
    result = fit_density(loaded, chosen, folder=folder, resume=resume, progress=progress)
    if result.reason == "interrupted":
        return result
    # The configuration again, now with every automatic choice in it.
    dataclasses.replace(run, settings=configuration.to_dict(result.config)).write()
    result.model.save(folder / MODEL_FILE)
    write_json(folder / "summary.json", result.summary)
    say("drawing the report")
    report(folder, result, loaded)
    return result


def samples_of(run: Run) -> tuple[Samples, DensityConfig]:
    """Reads again the samples a run was fitted to.

    Raises:
        LiouvilleError: if the file is gone or its content has changed.
    """
    return data_of(run, DensityConfig, lambda chosen: read(str(chosen.data.file), chosen), _arrays)


def evaluate(folder: Path) -> dict[str, float]:
    """Scores a run again on the samples it kept from training.

    Raises:
        LiouvilleError: if the data are gone or have changed, or no sample was kept.
    """
    samples, settings = samples_of(open_run(folder))
    found = scores(load(folder), divide(samples, settings))
    if not found:
        raise LiouvilleError(f"{folder} kept no samples; fit with --set data.test=0.1")
    return found


def redraw(folder: Path, *, movie: bool = True) -> Path:
    """Draws the report of a run again from what its folder holds.

    Raises:
        LiouvilleError: if the folder holds no model or the data have changed.
    """
    model = load(folder)
    samples, settings = samples_of(open_run(folder))
    settings = dataclasses.replace(
        settings, report=dataclasses.replace(settings.report, movie=movie)
    )
    summary = json.loads((folder / "summary.json").read_text())
    history = read_metrics(folder / "metrics.jsonl")
    return report(folder, DensityFit(model, settings, history, summary, "finished"), samples)


def report(folder: Path, fitted: DensityFit, samples: Samples) -> Path:
    """Draws the report of a run: `report.html` and the same pictures in `figures`."""
    from liouville.plots import write_page
    from liouville.tasks.density.report import contents

    return write_page(folder, contents(fitted, samples))


def _arrays(samples: Samples) -> list[np.ndarray | None]:
    return [samples.points, samples.labels]
