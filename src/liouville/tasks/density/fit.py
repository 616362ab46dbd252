"""Fitting a path to samples, from Python."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Quantisation, Samples, Standardisation, read_samples
from liouville.model import Model
from liouville.numerics.mixtures import fit_by_bic
from liouville.objectives import AbstractTerm, KineticEnergy, Objective, PerContext, PerMember
from liouville.paths import AbstractPath
from liouville.runs import config as configuration
from liouville.tasks.density._choose import chosen
from liouville.tasks.density._families import INTERVAL
from liouville.tasks.density._motion import motion
from liouville.tasks.density._terms import likelihood, start_likelihood, training_likelihood
from liouville.tasks.density.config import DensityConfig, TrainingConfig
from liouville.training import Fit, default_optimizer, fit
from liouville.training._fit import Reason

_TRAJECTORIES = 1000


class DensityFit(NamedTuple):
    """What fitting to samples returns.

    Attributes:
        model: the fitted model, in the user's units; its end time 1 is the data.
        config: the configuration with every automatic choice filled in.
        history: the rows of the training log.
        summary: the figures of the fit, as JSON can hold them.
        reason: why training ended.
    """

    model: Model
    config: DensityConfig
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason


class Parts(NamedTuple):
    """The samples of a fit, dequantised: for training, for stopping and for the report."""

    training: Samples
    validation: Samples | None
    test: Samples | None


def fit_density(
    samples: Samples | Parts | np.ndarray | str | Path,
    settings: DensityConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> DensityFit:
    """Fits a path from the standard normal law to samples by likelihood plus kinetic energy.

    Args:
        samples: the samples, an array of shape `(n, dim)`, a file for `liouville.read_samples`,
            or `Parts` if they are dequantised and divided already.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"path.family": "pushforward", "training.steps": 500}`.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal only.

    Returns:
        The model, the resolved configuration, the log and the figures.

    Raises:
        LiouvilleError: if the samples cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    begun = time.monotonic()
    if not isinstance(settings, DensityConfig):
        settings = configuration.merge(DensityConfig, values=settings)
    if isinstance(samples, np.ndarray):
        samples = Samples(samples)
    if isinstance(samples, str | Path):
        samples = read(str(samples), settings)
    if isinstance(samples, Samples):
        if folder is None:  # with a folder they were checked before it was made
            samples = samples.check(min_rows=settings.data.min_samples)
        parts = divide(samples, settings)
    else:
        parts = samples
    units = parts.training.standardisation(settings.data.scaling)
    training = parts.training
    choice = chosen(settings, training, parts.validation, units, progress=progress)
    settings, path = choice.settings, choice.path
    if choice.is_interrupted:
        result = Fit(path, [], "interrupted", 0)
    else:
        objective, validation = _terms(parts, units, settings)
        result = _trained(path, objective, validation, settings.training, folder, resume, progress)
    model = Model(
        path=result.path,
        units=units,
        times=np.array(INTERVAL),
        features=training.features,
        classes=training.classes,
        notes={
            "task": "density",
            "family": settings.path.family,
            "steps": result.step,
            "quantisation": quantisation_of(parts.training).to_dict(),
        },
    )
    summary = {
        "samples": sum(len(part) for part in parts if part is not None),
        "coordinates": training.dim,
        "classes": len(training.classes),
        "family": settings.path.family,
        "members": settings.path.members,
        "steps": result.step,
        "stopped": result.reason,
    }
    if choice.gain is not None:
        summary["validation nats gained by maps in the trial"] = round(choice.gain, 4)
    if result.reason != "interrupted":
        summary |= scores(model, parts) | _motion(model)
    summary["seconds"] = round(time.monotonic() - begun, 1)
    return DensityFit(model, settings, result.history, summary, result.reason)


def _terms(
    parts: Parts, units: Standardisation, settings: DensityConfig
) -> tuple[Objective, AbstractTerm | None]:
    """What training minimises, and the term that ends it."""
    options = settings.objective
    energy = KineticEnergy(interval=INTERVAL, times=options.times, particles=options.particles)
    training = settings.training
    assert training.noise is not None  # filled in by `automatic`
    objective = PerMember(
        training_likelihood(parts.training, units, training.batch_size, training.noise)
    ) + options.energy * PerMember(PerContext(energy))
    if settings.path.start == "fitted":
        objective = objective + PerMember(start_likelihood(parts.training, training.seed))
    # A mixture starts from a fitted end, and what is left to learn is how to get there: that costs
    # likelihood nothing, so likelihood must not stop it.
    if parts.validation is None or settings.path.family == "mixture":
        return objective, None
    return objective, PerMember(likelihood(parts.validation, units, "validation"))


def _trained(
    path: AbstractPath,
    objective: Objective,
    validation: AbstractTerm | None,
    options: TrainingConfig,
    folder: Path | None,
    resume: bool,
    progress: bool | None,
) -> Fit[AbstractPath]:
    assert options.steps is not None  # filled in by `automatic`
    assert options.rate is not None
    assert options.decay is not None
    return fit(
        path,
        objective,
        steps=options.steps,
        optimizer=default_optimizer(options.rate, options.steps, options.decay),
        seed=options.seed,
        decay=options.average,
        validation=validation,
        patience=options.patience if validation is not None else None,
        validate_every=options.validate_every,
        chunk=options.chunk,
        checkpoint=None if folder is None else folder / "checkpoint.lv",
        checkpoint_every=options.checkpoint_every,
        metrics=None if folder is None else folder / "metrics.jsonl",
        resume=resume,
        progress=progress,
    )


def read(file: str, settings: DensityConfig) -> Samples:
    """Reads the samples of a configuration from a file."""
    options = settings.data
    return read_samples(file, label=options.label, features=options.features, dims=options.dims)


def divide(samples: Samples, settings: DensityConfig) -> Parts:
    """Dequantises the samples and divides them, class by class, as the configuration says."""
    options = settings.data
    seed = settings.training.seed
    samples = samples.dequantise(options.dequantise, seed=seed)
    training, *kept = samples.split(options.validation, options.test, seed)
    validation, test = (part if len(part) else None for part in kept)
    return Parts(training, validation, test)


def scores(model: Model, parts: Parts) -> dict[str, float]:
    """Negative log-likelihoods of samples kept from training, in nats and bits.

    Nats are per sample, for dequantised samples in the user's units; bits are per coordinate. The
    baseline is a full-covariance Gaussian mixture whose number of parts the Bayesian information
    criterion chose.
    """
    kept, name = (parts.test, "test") if parts.test is not None else (parts.validation, "held-out")
    if kept is None:
        return {}
    nats = -log_densities(model, kept)
    # Covariances of many coordinates need more points than a part of a small table has.
    most = int(np.clip(len(parts.training) // (5 * model.dim), 1, 12))
    baseline = fit_by_bic(model.units.to_model(parts.training.points), most=most)
    theirs = -baseline.log_density(model.units.to_model(kept.points)).mean()
    found = {
        f"{name} nats per sample": float(nats.mean()),
        f"{name} standard error": float(nats.std() / np.sqrt(len(nats))),
        f"{name} nats per sample, mixture (BIC)": float(
            theirs - model.units.log_volume(kept.points).mean()
        ),
        f"{name} bits per dimension": float(quantisation_of(kept).bits_per_dimension(-nats.mean())),
    }
    if kept.labels is not None:
        own = -log_densities(model, kept, given=True)
        found[f"{name} nats per sample, class given"] = float(own.mean())
    return {key: round(value, 4) for key, value in found.items()}


def log_densities(model: Model, samples: Samples, *, given: bool = False) -> np.ndarray:
    """The log-densities of samples at time 1, of all classes together or of their own class."""
    if not given or samples.labels is None:
        return model.log_density(1.0, samples.points)
    values = np.empty(len(samples))
    for number, name in enumerate(samples.classes):
        rows = samples.labels == number
        if rows.any():
            values[rows] = model.given(name).log_density(1.0, samples.points[rows])
    return values


def _motion(model: Model) -> dict[str, float]:
    # A trajectory costs about a hundred velocities, each some work for every coordinate.
    n = int(np.clip(_TRAJECTORIES * 8 // model.dim, 100, _TRAJECTORIES))
    measured = motion(model.path, n=n, classes=len(model.classes))
    figures = {
        "path energy": measured.energy,
        "squared distance of its ends": measured.distance,
        "straightness": measured.straightness,
    }
    if measured.lost:
        figures["share of trajectories lost in gaps"] = measured.lost
    return {name: round(value, 4) for name, value in figures.items() if np.isfinite(value)}


def quantisation_of(samples: Samples) -> Quantisation:
    """The lattices of dequantised samples."""
    assert samples.quantisation is not None  # `divide` dequantises
    return samples.quantisation
