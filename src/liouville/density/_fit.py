"""Fitting a path to samples, from Python."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from liouville import config as configuration
from liouville.data import Quantisation, Samples, Standardisation, read_samples
from liouville.density._config import DensityConfig
from liouville.density._evaluate import motion
from liouville.density._families import INTERVAL, automatic, initial_path
from liouville.mixtures import fit_by_bic
from liouville.model import Model
from liouville.objectives import (
    AbstractTerm,
    ContextLikelihood,
    KineticEnergy,
    NegativeLogLikelihood,
    PerContext,
    PerMember,
)
from liouville.training import default_optimizer, fit
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
        settings = configuration.merge(DensityConfig, flags=dict(settings or {}))
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
    settings = automatic(settings, training.dim, len(training), int(training.counts.min()))
    options = settings.training
    assert options.steps is not None  # filled in by `automatic`
    assert options.decay is not None
    path = initial_path(
        units.points_to_model(parts.training.points),
        parts.training.labels,
        settings.path,
        seed=options.seed,
    )
    likelihood = PerMember(_likelihood(parts.training, units, "likelihood", options.batch_size))
    energy = KineticEnergy(
        interval=INTERVAL, times=settings.objective.times, particles=settings.objective.particles
    )
    objective = likelihood + settings.objective.energy * PerMember(PerContext(energy))
    if settings.path.start == "fitted":
        objective = objective + PerMember(_start_likelihood(parts.training, options.seed))
    # A mixture starts from a fitted end, and what is left to learn is how to get there: that costs
    # likelihood nothing, so likelihood must not stop it.
    validation = None
    if parts.validation is not None and settings.path.family != "mixture":
        validation = PerMember(_likelihood(parts.validation, units, "validation"))
    result = fit(
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
    if result.reason != "interrupted":
        summary |= scores(model, parts) | _motion(model)
    summary["seconds"] = round(time.monotonic() - begun, 1)
    return DensityFit(model, settings, result.history, summary, result.reason)


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
    baseline = fit_by_bic(model.units.points_to_model(parts.training.points), most=most)
    theirs = -baseline.log_density(model.units.points_to_model(kept.points)).mean()
    found = {
        f"{name} nats per sample": float(nats.mean()),
        f"{name} standard error": float(nats.std() / np.sqrt(len(nats))),
        f"{name} nats per sample, mixture (BIC)": float(theirs + model.units.log_volume),
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
    return {
        "path energy": round(measured.energy, 4),
        "squared distance of its ends": round(measured.distance, 4),
        "straightness": round(measured.straightness, 4),
    }


def _likelihood(
    samples: Samples, units: Standardisation, name: str, batch_size: int | None = None
) -> AbstractTerm:
    points = units.points_to_model(samples.points)
    if samples.labels is None:
        return NegativeLogLikelihood([1.0], [points], batch_size=batch_size, name=name)
    dtype = jnp.zeros(()).dtype
    contexts = np.eye(len(samples.classes))[samples.labels]
    return ContextLikelihood(
        jnp.ones((), dtype),
        jnp.asarray(points, dtype),
        jnp.asarray(contexts, dtype),
        batch_size=batch_size,
        name=name,
    )


def _start_likelihood(samples: Samples, seed: int) -> AbstractTerm:
    draws = np.random.default_rng([seed, 1]).normal(size=samples.points.shape)
    return NegativeLogLikelihood([0.0], [draws], batch_size=512, name="start")


def quantisation_of(samples: Samples) -> Quantisation:
    """The lattices of dequantised samples."""
    assert samples.quantisation is not None  # `divide` dequantises
    return samples.quantisation
