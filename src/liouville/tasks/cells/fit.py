"""Fitting a path to snapshots of cells, from Python."""

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from liouville.data import Snapshots, Standardisation, read_cells
from liouville.model import Model
from liouville.numerics.mixtures import fit_by_bic
from liouville.objectives import (
    KineticEnergy,
    NegativeLogLikelihood,
    Objective,
    PerMember,
    negative_log_likelihoods,
)
from liouville.runs import config as configuration
from liouville.tasks.cells._gaps import Filled, fill_gaps
from liouville.tasks.cells._initial import (
    automatic_components,
    chains_through,
    energy_of_chains,
    initial_path,
)
from liouville.tasks.cells.config import CellsConfig
from liouville.training import fit
from liouville.training._fit import Reason

# What the motion along the chains costs by default, in nats per cell and coordinate.
_ENERGY_SHARE = 0.025
# The default noise, in spreads of the data over the root of the whole duration.
_NOISE_SHARE = 0.3
_LARGEST_BATCH = 4096


class CellsFit(NamedTuple):
    """What fitting to cells returns.

    Attributes:
        model: the fitted model, in the user's units.
        config: the configuration with every automatic choice filled in.
        history: the rows of the training log.
        held_out: negative log-likelihood per held-out cell in nats (user's units), for the model
            and the baseline, by time; empty if no cell was held out.
        summary: the figures of the fit, as JSON can hold them.
        reason: why training ended.
    """

    model: Model
    config: CellsConfig
    history: list[dict[str, Any]]
    held_out: dict[str, dict[float, float]]
    summary: dict[str, Any]
    reason: Reason


def fit_cells(
    cells: Snapshots | str | Path,
    settings: CellsConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> CellsFit:
    """Fits a path to snapshots by likelihood plus kinetic energy.

    Args:
        cells: the snapshots, or a file for `liouville.read_cells`.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"path.components": 48, "training.steps": 500}`.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal only.

    Returns:
        The model, the resolved configuration, the log and the figures.

    Raises:
        LiouvilleError: if the cells cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    begun = time.monotonic()
    if not isinstance(settings, CellsConfig):
        settings = configuration.merge(CellsConfig, values=settings)
    if not isinstance(cells, Snapshots):
        cells = read(str(cells), settings)
    cells = cells.check(min_cells=settings.data.min_cells)
    units = Standardisation.fit(
        cells.points, cells.times, mode=settings.data.scaling, features=cells.features
    )
    sigma = settings.objective.sigma
    sigma = units.noise_to_user(_NOISE_SHARE) if sigma is None else sigma
    noise = units.noise_to_model(sigma)
    training, held_out = cells, None
    if settings.data.held_out > 0:
        training, held_out = cells.split(settings.data.held_out, settings.training.seed)
    times = np.asarray(units.time_to_model(training.distinct_times))
    clouds = [units.to_model(training.at(t)) for t in training.distinct_times]
    settings = _with_components(settings, clouds)
    joined = chains_through(clouds, seed=settings.training.seed)
    straight = energy_of_chains(times, joined)
    settings = _with_energy(settings, cells.dim, straight)
    filled = _filled(settings, times, joined, straight)
    path = initial_path(filled.times, filled.chains, settings.path, seed=settings.training.seed)
    energy = _energy_term(settings, times, noise)
    options = settings.training
    likelihood = _training_likelihood(
        times, clouds, _weights(training), filled, options.batch_size or _LARGEST_BATCH
    )
    validation = None
    if held_out is not None and len(held_out):
        validation = _likelihood(held_out, units, "validation")
    assert settings.objective.energy is not None  # filled in above
    result = fit(
        path,
        likelihood + settings.objective.energy * PerMember(energy),
        steps=options.steps,
        optimizer=options.rate,
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
        times=cells.distinct_times,
        features=cells.features,
        time_name=cells.time_name,
        time_unit=cells.time_unit,
        sigma=sigma,
        notes={"task": "cells", "components": settings.path.components, "steps": result.step},
    )
    scores = {} if held_out is None else compare_held_out(model, training, held_out)
    summary = {
        "cells": len(cells),
        "times": len(times),
        "coordinates": cells.dim,
        "components": settings.path.components,
        "members": settings.path.members,
        "steps": result.step,
        "stopped": result.reason,
        **_means(scores, held_out),
        "seconds": round(time.monotonic() - begun, 1),
    }
    return CellsFit(model, settings, result.history, scores, summary, result.reason)


def read(file: str, settings: CellsConfig) -> Snapshots:
    """Reads the cells of a configuration from a file."""
    options = settings.data
    return read_cells(
        file,
        time_key=options.time_key,
        basis=options.basis,
        features=options.features,
        dims=options.dims,
        embedding=options.embedding,
        weights=options.weights,
    )


def compare_held_out(
    model: Model, training: Snapshots, held_out: Snapshots
) -> dict[str, dict[float, float]]:
    """Negative log-likelihood per held-out cell by time: the model and a mixture for each time.

    The baseline is a full-covariance Gaussian mixture fitted to each time by itself, its number
    of parts chosen by the Bayesian information criterion on the training cells.
    """
    term = _likelihood(held_out, model.units, "held out")
    times = [float(t) for t in held_out.distinct_times]
    volume = float(model.units.log_volume(held_out.points).mean())
    ours = np.asarray(negative_log_likelihoods(model.path, term)) - volume
    baseline = {}
    for t in times:
        mixture = fit_by_bic(model.units.to_model(training.at(t)))
        nats = -mixture.log_density(model.units.to_model(held_out.at(t))).mean()
        baseline[t] = float(nats - volume)
    return {
        "liouville": dict(zip(times, ours.tolist(), strict=True)),
        "mixture for each time (BIC)": baseline,
    }


def _likelihood(cells: Snapshots, units: Standardisation, name: str) -> NegativeLogLikelihood:
    return NegativeLogLikelihood(
        np.asarray(units.time_to_model(cells.distinct_times)),
        [units.to_model(cells.at(t)) for t in cells.distinct_times],
        weights=_weights(cells),
        name=name,
    )


def _filled(settings: CellsConfig, times: np.ndarray, joined: np.ndarray, energy: float) -> Filled:
    """The chains with the gaps filled, unless that is not wanted or would need too many knots."""
    if not settings.gaps.fill or 2 * len(times) - 1 > settings.path.knots:
        return Filled(times, joined)
    return fill_gaps(times, joined, settings.gaps, energy=energy, seed=settings.training.seed)


def _training_likelihood(
    times: np.ndarray,
    clouds: list[np.ndarray],
    weights: list[np.ndarray] | None,
    filled: Filled,
    batch_size: int,
) -> Objective:
    """The likelihood of the cells, and of the bent chains half-way as snapshots of mean mass."""
    between = np.flatnonzero(~np.isclose(filled.times[:, None], times).any(axis=1))
    chains = [filled.chains[:, i] for i in between]
    cells = NegativeLogLikelihood(times, clouds, weights=weights, batch_size=batch_size)
    objective = 1.0 * PerMember(cells)
    if chains:
        term = NegativeLogLikelihood(
            filled.times[between], chains, batch_size=batch_size, name="gaps"
        )
        objective = objective + len(chains) / len(times) * PerMember(term)
    return objective


def _weights(cells: Snapshots) -> list[np.ndarray] | None:
    if cells.weights is None:
        return None
    return [cells.weights[cells.times == t] for t in cells.distinct_times]


def _with_components(settings: CellsConfig, clouds: list[np.ndarray]) -> CellsConfig:
    if settings.path.components is not None:
        return settings
    components = automatic_components(clouds, seed=settings.training.seed)
    return dataclasses.replace(
        settings, path=dataclasses.replace(settings.path, components=components)
    )


def _energy_term(settings: CellsConfig, times: np.ndarray, noise: np.ndarray) -> KineticEnergy:
    options = settings.objective
    return KineticEnergy(
        interval=(float(times[0]), float(times[-1])),
        g=jnp.asarray(noise, jnp.zeros(()).dtype),
        of=options.energy_of,
        times=options.times,
        particles=options.particles,
    )


def _with_energy(settings: CellsConfig, dim: int, energy: float) -> CellsConfig:
    """Fills in the weight: the motion along the chains costs a fortieth of a nat a coordinate.

    The rule has no unit: it gives the same answer whatever the scale of space, of time and of
    the displacements.
    """
    if settings.objective.energy is not None:
        return settings
    weight = _ENERGY_SHARE * dim / max(energy, 1e-6)
    objective = dataclasses.replace(settings.objective, energy=float(f"{weight:.3g}"))
    return dataclasses.replace(settings, objective=objective)


def _means(scores: dict[str, dict[float, float]], held_out: Snapshots | None) -> dict[str, float]:
    """The mean over held-out cells of each model, in nats per cell."""
    if held_out is None:
        return {}
    counts = held_out.counts
    return {
        f"held-out nats per cell, {name}": round(
            float(np.average(list(values.values()), weights=counts)), 4
        )
        for name, values in scores.items()
    }
