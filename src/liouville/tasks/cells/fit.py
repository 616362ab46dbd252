"""Fitting a path to snapshots of cells."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from liouville.data import Snapshots, Standardisation
from liouville.model import Model
from liouville.objectives import KineticEnergy, NegativeLogLikelihood, Objective, PerMember
from liouville.tasks.cells import measure
from liouville.tasks.cells._gaps import Filled, fill_gaps
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.demo import demonstration
from liouville.tasks.cells.initial import (
    chains_through,
    choose_parts,
    energy_of_chains,
    initial_path,
)
from liouville.tasks.cells.read import read
from liouville.tasks.skeleton import fit_given
from liouville.tasks.task import Start, Task, later
from liouville.training import Fit, Reason

# What the motion along the chains costs by default, in nats per cell and coordinate.
_ENERGY_SHARE = 0.025
# The default noise, in spreads of the data over the root of the whole duration.
_NOISE_SHARE = 0.3
_LARGEST_BATCH = 4096


class CellsFit(NamedTuple):
    """What fitting to cells returns; the fields of all fits are told at `fit_given`.

    `held_out` has the negative log-likelihood per held-out cell in nats (user's units), for the
    model and the baseline, by time; it is empty if no cell was held out.
    """

    model: Model
    config: CellsConfig
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason
    held_out: dict[str, dict[float, float]] = {}  # noqa: RUF012 - a tuple's default


def fit_cells(
    cells: Any,
    settings: CellsConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> CellsFit:
    """Fits a path to snapshots by likelihood plus kinetic energy.

    The cells are snapshots, or whatever `liouville.read_cells` reads: a file, a data frame,
    AnnData, or arrays of points and times. All other arguments, and the errors, are those of
    `liouville.tasks.skeleton.fit_given`.
    """
    return fit_given(TASK, cells, settings, folder=folder, resume=resume, progress=progress)


class _Known(NamedTuple):
    """What is known before training: the units and both parts of the cells."""

    units: Standardisation
    training: Snapshots
    held_out: Snapshots | None


def resolve(cells: Snapshots, config: CellsConfig, progress: bool | None = None) -> Start:
    """Chains through the snapshots, and the mixture paths that start along them."""
    seed = config.training.seed
    units, training, held_out = known = _divide(cells, config)
    times = np.asarray(units.time_to_model(training.distinct_times))
    clouds = [units.to_model(training.at(t)) for t in training.distinct_times]
    joined = chains_through(clouds, seed=seed)
    straight = energy_of_chains(times, joined)
    config = _resolved(config, clouds, straight)
    options = config.objective
    assert options.energy is not None  # just filled in
    filled = _fill(config, times, joined, straight)
    batch_size = options.batch_size or _LARGEST_BATCH
    weights = measure.weights_by_time(training)
    likelihood = _training_likelihood(times, clouds, weights, filled, batch_size)
    noise = units.noise_to_model(_noise(config, units))
    energy = KineticEnergy(
        interval=(float(times[0]), float(times[-1])),
        g=jnp.asarray(noise, jnp.zeros(()).dtype),
        of=options.energy_of,
        times=options.times,
        particles=options.particles,
    )
    return Start(
        config,
        initial_path(filled.times, filled.chains, config.path, seed=seed),
        likelihood + options.energy * PerMember(energy),
        None if held_out is None else measure.likelihood(held_out, units, "validation"),
        facts={
            "cells": len(cells),
            "times": len(times),
            "coordinates": cells.dim,
            "parts": config.path.parts,
            "members": config.path.members,
        },
        known=known,
    )


def model(start: Start, result: Fit) -> Model:
    """The model in the units of the cells."""
    cells: Snapshots = start.known.training
    return Model(
        path=result.path,
        units=start.known.units,
        times=cells.distinct_times,
        features=cells.features,
        time_name=cells.time_name,
        time_unit=cells.time_unit,
        sigma=_noise(start.config, start.known.units),
        notes={"parts": start.config.path.parts},
    )


def _divide(cells: Snapshots, config: CellsConfig) -> _Known:
    """The units of all cells, and the cells for training and those held out."""
    units = Standardisation.fit(
        cells.points, cells.times, mode=config.data.scaling, features=cells.features
    )
    if not config.data.held_out > 0:
        return _Known(units, cells, None)
    training, held_out = cells.split(config.data.held_out, config.training.seed)
    return _Known(units, training, held_out if len(held_out) else None)


def _fill(config: CellsConfig, times: np.ndarray, joined: np.ndarray, energy: float) -> Filled:
    """The chains with the gaps filled, unless that is not wanted or would need too many knots."""
    if not config.gaps.fill or 2 * len(times) - 1 > config.path.knots:
        return Filled(times, joined)
    return fill_gaps(times, joined, config.gaps, energy=energy, seed=config.training.seed)


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
        halves = filled.times[between]
        term = NegativeLogLikelihood(halves, chains, batch_size=batch_size, name="gaps")
        objective = objective + len(chains) / len(times) * PerMember(term)
    return objective


def _resolved(config: CellsConfig, clouds: list[np.ndarray], energy: float) -> CellsConfig:
    """Fills in the number of parts, and what the kinetic energy weighs.

    The motion along the chains costs a fortieth of a nat a coordinate. The rule has no unit: it
    gives the same answer whatever the scale of space, of time and of the displacements.
    """
    path, objective = config.path, config.objective
    if path.parts is None:
        parts = choose_parts(clouds, seed=config.training.seed)
        path = dataclasses.replace(path, parts=parts)
    if objective.energy is None:
        weight = _ENERGY_SHARE * clouds[0].shape[1] / max(energy, 1e-6)
        objective = dataclasses.replace(objective, energy=float(f"{weight:.3g}"))
    return dataclasses.replace(config, path=path, objective=objective)


def _noise(config: CellsConfig, units: Standardisation) -> float | np.ndarray:
    """The noise in the user's units; by default a share of the spread of each coordinate."""
    sigma = config.objective.sigma
    return units.noise_to_user(_NOISE_SHARE) if sigma is None else sigma


TASK = Task(
    name="cells",
    config=CellsConfig,
    result=CellsFit,
    read=read,
    arrays=lambda cells: [cells.points, cells.times, cells.weights],
    resolve=resolve,
    model=model,
    measure=measure.measure,
    contents=later("liouville.tasks.cells.report:contents"),
    evaluate=measure.evaluate,
    recall=measure.recall,
    demo=demonstration,
)
