"""Fitting to cells with a folder around it: what the command line does."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Snapshots
from liouville.errors import LiouvilleError
from liouville.model import MODEL_FILE
from liouville.model import load as load_model
from liouville.runs import config as configuration
from liouville.runs.folder import Run, begin, data_of, open_run, write_json
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.fit import CellsFit, fit_cells, read
from liouville.training import read_metrics
from liouville.training._fit import check_options

Say = Callable[[str], None]


def run_cells(
    folder: Path,
    *,
    cells: Snapshots | None = None,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> CellsFit:
    """Fits to cells and fills a folder: model, configuration, metrics, summary, report.

    All input is checked before anything is written.

    Args:
        folder: the folder to fill.
        cells: the cells; by default they are read from the configured file.
        file: the values of a YAML file.
        flags: values by dotted key; `None` for not given. They win over the file.
        settings: `key=value` strings; they win over the flags.
        force: replace the run the folder holds.
        resume: go on with it. The configuration is then the run's own.
        progress: show a progress bar; by default on a terminal only.
        say: told what is going on.

    Raises:
        LiouvilleError: on unusable input.
        TrainingError: if training meets a number that is not finite; the checkpoint stays.
    """

    def load(chosen: CellsConfig) -> Snapshots:
        if cells is None and chosen.data.file is None:
            raise LiouvilleError("no data: name a file")
        check_options(chosen.training)
        loaded = read(str(chosen.data.file), chosen) if cells is None else cells
        return loaded.check(min_cells=chosen.data.min_cells)

    run, chosen, loaded = begin(
        folder,
        "cells",
        CellsConfig,
        load,
        _arrays,
        file=file,
        flags=flags,
        settings=settings,
        force=force,
        resume=resume,
    )
    result = fit_cells(loaded, chosen, folder=folder, resume=resume, progress=progress)
    if result.reason == "interrupted":
        return result
    # The configuration again, now with every automatic choice in it.
    dataclasses.replace(run, settings=configuration.to_dict(result.config)).write()
    result.model.save(folder / MODEL_FILE)
    write_json(folder / "summary.json", {**result.summary, "held_out": _plain(result.held_out)})
    say("drawing the report")
    report(folder, result, loaded)
    return result


def report(folder: Path, fitted: CellsFit, cells: Snapshots) -> Path:
    """Draws the report of a run: `report.html` and the same pictures in `figures`."""
    from liouville.plots import write_page
    from liouville.tasks.cells.report import contents

    return write_page(folder, contents(fitted, cells))


def redraw(folder: Path, *, movie: bool = True) -> Path:
    """Draws the report of a run again from what its folder holds.

    Raises:
        LiouvilleError: if the folder holds no model or the data have changed.
    """
    model = load_model(folder)
    cells, settings = cells_of(open_run(folder))
    settings = dataclasses.replace(
        settings, report=dataclasses.replace(settings.report, movie=movie)
    )
    summary = json.loads((folder / "summary.json").read_text())
    held_out = {
        name: {float(t): v for t, v in values.items()}
        for name, values in summary.pop("held_out").items()
    }
    history = read_metrics(folder / "metrics.jsonl")
    return report(folder, CellsFit(model, settings, history, held_out, summary, "finished"), cells)


def cells_of(run: Run) -> tuple[Snapshots, CellsConfig]:
    """Reads again the cells a run was fitted to.

    Raises:
        LiouvilleError: if the file is gone or its content has changed.
    """
    return data_of(run, CellsConfig, lambda chosen: read(str(chosen.data.file), chosen), _arrays)


def _arrays(cells: Snapshots) -> list[np.ndarray | None]:
    return [cells.points, cells.times, cells.weights]


def _plain(held_out: dict[str, dict[float, float]]) -> dict[str, dict[str, float]]:
    return {name: {str(t): v for t, v in values.items()} for name, values in held_out.items()}
