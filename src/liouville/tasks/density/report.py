"""What the report of a density holds: besides the usual, samples that are images, as images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Samples, Snapshots
from liouville.model import Model
from liouville.plots import Answer, Key, Page, Picture, Words, density_page, image_grid
from liouville.runs.words import in_words, is_noise
from liouville.tasks.density.fit import DensityFit
from liouville.tasks.density.split import divide, image_shape, quantisation_of

_SHOWN = 10
_ERROR = ", standard error"
_MOST_MOVING = 8
_WORDS = Words(
    density="From noise to the data",
    velocity="How noise becomes data",
    paths="Paths of single draws",
    film="The density as it forms",
    of_density=(
        "Left the standard normal law, from which every draw starts; right the samples (dots) on "
        "the density of the model. Thin lines enclose 50 % and 90 % of its mass: dots should fill "
        "them evenly, with few outside."
    ),
    of_velocity=(
        "Streamlines follow the velocity halfway, darker where it is faster, over noise and "
        "samples. Regions with the last percent of the mass are left out."
    ),
    of_paths=(
        "Draws of the noise (rings) and where the velocity carries them (dots): every draw of the "
        "model is made so."
    ),
    of_film="Darker is denser, on one scale for the whole film, which ends at the samples.",
)


def contents(fitted: DensityFit, samples: Samples) -> Page:
    """The density on its way from noise, and samples as images if they are images."""
    model, settings = fitted.model, fitted.config
    parts = divide(samples, settings)
    is_discrete = bool(quantisation_of(parts.training).is_discrete.all())
    shape = image_shape(settings, samples.dim, is_discrete)
    # Beyond, a picture of the motion is a projection that costs minutes and shows little.
    is_low = samples.dim <= _MOST_MOVING
    kept = parts.test or parts.validation or parts.training
    points = parts.training.points
    clouds, names = [model.sample(0.0, len(points)), points], parts.training.features
    ends = Snapshots.of(clouds, [0.0, 1.0], features=names, source=parts.training.source)
    return density_page(
        model,
        ends,
        fitted.history,
        fitted.summary,
        title=f"Density: {Path(samples.source).name}",
        subject=_subject(parts.training, kept if kept is not parts.training else None),
        words=_WORDS,
        answer=answer(fitted.summary),
        of_times=[1.0],
        movie=settings.report.movie and is_low,
        more=[] if shape is None else _images(model, samples, kept, shape, settings.training.seed),
        motion=is_low,
    )


def _subject(training: Samples, kept: Samples | None) -> str:
    """What was fitted to what, in a sentence."""
    names = ", ".join(training.features[:6]) + (", …" if training.dim > 6 else "")
    apart = "" if kept is None else f", and judged on {len(kept):,} that were kept from it"
    columns = "column" if training.dim == 1 else "columns"
    return (
        f"A density of {training.dim} {columns} ({names}), fitted to {len(training):,} samples"
        f"{apart}."
    )


def answer(summary: Mapping[str, Any]) -> Answer:
    """The nats of samples kept from training beside the plain mixture."""
    name = next((n for n in ("test", "held-out") if f"{n} nats per sample" in summary), None)
    if name is None:
        return Answer((), [(False, "No samples were kept, so nothing says how good the fit is.")])
    gain, error = (summary[f"{name} gain{n}"] for n in (" over the plain mixture", _ERROR))
    keys = [
        Key(
            "nats per sample kept from training; less is better",
            summary[f"{name} nats per sample"],
            summary[f"{name} standard error"],
        ),
        Key("of a plain mixture", summary[f"{name} nats per sample, plain mixture"]),
        Key("nats gained over that mixture", gain, error),
    ]
    words = in_words((gain, error), "nats a sample")
    if is_noise(gain, error):
        said = [(False, f"No better than a mixture of Gaussians: it gains {words}.")]
    else:
        better = "Better" if gain > 0 else "Worse"
        said = [(gain > 0, f"{better} than a mixture of Gaussians: it gains {words}.")]
    lost = summary.get("share of trajectories lost in gaps", 0.0)
    if lost:
        told = f"{100 * lost:.1f} % of the trajectories leapt out of a gap of the density."
        said.append((False, told))
    return Answer(keys, said)


def _images(
    model: Model, samples: Samples, kept: Samples, shape: tuple[int, int], seed: int
) -> list[Picture]:
    """Draws from the model under images of the data, and on their way from noise."""
    limits = (float(samples.points.min()), float(samples.points.max()))
    rows = _rows_of_images(model, kept, seed)
    images = np.stack([x.reshape(-1, *shape) for x in rows.values()])
    times = np.linspace(0.0, 1.0, 9)
    some = model.classes[:6] or ("model",) * 6
    film = np.stack([_emergence(model, name, times, i) for i, name in enumerate(some)])
    film = film.reshape(len(some), len(times), *shape)
    columns = [f"{t:.2g}" for t in times]
    return [
        Picture(
            "samples.png",
            "Samples as images",
            "Draws from the model, class by class if there are classes, under images of the "
            "data that were kept from training.",
            lambda: image_grid(images, rows=list(rows), limits=limits),
        ),
        Picture(
            "emergence.png",
            "From noise to images",
            "Draws of the standard normal law, carried along the velocity from time 0 to 1.",
            lambda: image_grid(film, rows=some, columns=columns, limits=limits),
        ),
    ]


def _emergence(model: Model, name: str, times: np.ndarray, seed: int) -> np.ndarray:
    """One draw of the start, carried to the end along the velocity of its class."""
    own = model.given(name) if model.classes else model
    return own.trajectories(own.sample(0.0, 1, seed=seed), times, steps=4)[:, 0]


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
