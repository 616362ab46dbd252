"""Fitting to samples with a folder around it: what the command line does."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Samples, Snapshots
from liouville.errors import LiouvilleError
from liouville.model import MODEL_FILE, Model, load
from liouville.runs import config as configuration
from liouville.runs.folder import Run, begin, data_of, open_run, write_json
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.fit import (
    DensityFit,
    Parts,
    divide,
    fit_density,
    quantisation_of,
    read,
    scores,
)
from liouville.training import check_options, read_metrics

Say = Callable[[str], None]
_SHOWN = 10
_MOST_MOVING = 8


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

    def read_all(chosen: DensityConfig) -> Samples:
        if samples is None and chosen.data.file is None:
            raise LiouvilleError("no data: name a file")
        check_options(chosen.training)
        loaded = read(str(chosen.data.file), chosen) if samples is None else samples
        _image_shape(chosen, loaded.dim, False)
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
    report(folder, result.model, loaded, result.config, result.history, result.summary)
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
    return report(folder, model, samples, settings, history, summary)


def report(
    folder: Path,
    model: Model,
    samples: Samples,
    settings: DensityConfig,
    history: list[dict[str, Any]],
    summary: dict[str, Any],
) -> Path:
    """Draws the report of a run: `report.html` and the same pictures in `figures`."""
    from liouville.plots import Picture, image_grid, write_report

    parts = divide(samples, settings)
    shape = _image_shape(
        settings, samples.dim, bool(quantisation_of(parts.training).is_discrete.all())
    )
    # Beyond, a picture of the motion is a projection that costs minutes and shows little.
    is_low, more = samples.dim <= _MOST_MOVING, []
    if shape is not None:
        limits = (float(samples.points.min()), float(samples.points.max()))
        kept = parts.test or parts.validation or parts.training
        rows = _rows_of_images(model, kept, settings.training.seed)
        images = np.stack([x.reshape(-1, *shape) for x in rows.values()])
        more.append(
            Picture(
                "samples.png",
                "Samples as images",
                "Draws from the model, class by class if there are classes, under images of the "
                "data that were kept from training.",
                lambda: image_grid(images, rows=list(rows), limits=limits),
            )
        )
        clock = np.linspace(0.0, 1.0, 9)
        some = model.classes[:6] or ("model",) * 6
        film = np.stack([_emergence(model, name, clock, i) for i, name in enumerate(some)])
        film = film.reshape(len(some), len(clock), *shape)
        more.append(
            Picture(
                "emergence.png",
                "From noise to images",
                "Draws of the standard normal law, carried along the velocity from time 0 to 1.",
                lambda: image_grid(
                    film, rows=some, columns=[f"{t:.2g}" for t in clock], limits=limits
                ),
            )
        )
    title = {"title": f"Density: {Path(samples.source).name}"}
    return write_report(
        folder,
        model,
        _snapshots(model, parts),
        history,
        {**title, **summary},
        movie=settings.report.movie and is_low,
        more=more,
        motion=is_low,
    )


def _emergence(model: Model, name: str, clock: np.ndarray, seed: int) -> np.ndarray:
    """One draw of the start, carried to the end along the velocity of its class."""
    own = model.given(name) if model.classes else model
    return own.trajectories(own.sample(0.0, 1, seed=seed), clock, steps=4)[:, 0]


def _rows_of_images(model: Model, kept: Samples, seed: int) -> dict[str, np.ndarray]:
    """Ten images a row: of the data, then of the model, by class if there are classes."""
    rows = {"data": kept.points[np.random.default_rng(seed).permutation(len(kept))[:_SHOWN]]}
    if not model.classes:
        for number in range(3):
            rows[f"model {number + 1}"] = model.sample(1.0, _SHOWN, seed=seed + number)
    for name in model.classes[:20]:
        rows[name] = model.given(name).sample(1.0, _SHOWN, seed=seed)
    rows["data"] = np.resize(rows["data"], (_SHOWN, kept.dim))
    return rows


def _snapshots(model: Model, parts: Parts) -> Snapshots:
    """The two ends as snapshots: draws of the start, and the training samples."""
    points = parts.training.points
    start = model.sample(0.0, len(points))
    return Snapshots(
        points=np.concatenate([start, points]),
        times=np.repeat([0.0, 1.0], len(points)),
        features=parts.training.features,
        source=parts.training.source,
    )


def _image_shape(settings: DensityConfig, dim: int, is_discrete: bool) -> tuple[int, int] | None:
    from liouville.plots import image_shape

    try:
        return image_shape(dim, settings.report.image, is_discrete)
    except ValueError as error:
        raise LiouvilleError(f"report.image: {error}") from error


def _arrays(samples: Samples) -> list[np.ndarray | None]:
    return [samples.points, samples.labels]
