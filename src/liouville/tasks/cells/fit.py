"""Fitting a path to snapshots of cells."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax.random as jr
import numpy as np

from liouville.data import Snapshots, Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.couplings import Chains, growth_length
from liouville.numerics.distances import Cloud
from liouville.objectives import PerContext, PerMember
from liouville.paths import AbstractPath
from liouville.tasks.cells import conditions, measure
from liouville.tasks.cells._gaps import Filled, fill_gaps, unfilled
from liouville.tasks.cells._terms import (
    LARGEST_BATCH,
    Known,
    energy_term,
    mass_term,
    noise_of,
    training_likelihood,
    weight_of_growth,
)
from liouville.tasks.cells.bootstrap import factors_by_time, samples
from liouville.tasks.cells.conditions import names_of, ordered
from liouville.tasks.cells.config import CellsConfig, GrowthConfig
from liouville.tasks.cells.demo import demonstration
from liouville.tasks.cells.doubts import say_batches, say_few_cells, say_steps_of_chance
from liouville.tasks.cells.groups import clusters
from liouville.tasks.cells.growth import growth_factors
from liouville.tasks.cells.initial import (
    FEW_COORDINATES,
    chains_through,
    choose_groups,
    energy_of_chains,
    initial_path,
    total_curves,
)
from liouville.tasks.cells.read import read
from liouville.tasks.notebook import as_html, as_text
from liouville.tasks.skeleton import fit_given
from liouville.tasks.task import Start, Task, later
from liouville.training import Fit, Reason

# What the motion along the chains costs by default, in nats per cell and coordinate.
_ENERGY_SHARE = 0.025
# Up to so many coordinates the rate is the largest, and the energy is measured at all times.
_RATE, _TIMES = 0.01, (32, 8)
# By so many standard errors of what held-out cells gain training must be worth more than its start:
# it is the best of several validations, of which chance alone makes more than one.
_ERRORS = 2.0
# Of the pace of training in more of them, all are so many steps.
_PACE, _SHORT = ("validate_every", "checkpoint_every", "chunk"), 10


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
    data: Any
    held_out: dict[str, dict[float, float]] = {}  # noqa: RUF012 - a tuple's default

    __repr__ = as_text
    _repr_html_ = as_html


def fit_cells(
    cells: Any,
    settings: CellsConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    **flags: Any,
) -> CellsFit:
    """Fits a path to snapshots by likelihood plus kinetic energy.

    The cells are snapshots, or whatever `liouville.read_cells` reads: a file, a data frame,
    AnnData, or arrays of points and times. Every flag of `liouville fit cells` is a
    keyword: `fit_cells(adata, time_key="day", parts=8)`. All other arguments, and the errors, are
    those of `liouville.tasks.skeleton.fit_given`.
    """
    more: Any = {"folder": folder, "resume": resume, "progress": progress, "keywords": flags}
    return fit_given(TASK, cells, settings, **more)


def resolve(cells: Snapshots, config: CellsConfig, progress: bool | None = None) -> Start:
    """Chains through the snapshots, and the mixture paths that start along them."""
    seed = config.training.seed
    known = _divide(cells, config)
    units, training, held_out, _ = known
    say_few_cells(training)
    times = np.asarray(units.time_to_model(training.distinct_times))
    clouds = [units.to_model(training.at(t)) for t in training.distinct_times]
    config = _with_delta(config, clouds, seed)
    names, error = names_of(cells), config.growth.mass_error
    if names and error > 0 and config.growth.mass == "counts":
        raise LiouvilleError(
            f"growth.mass_error is {error:g}, but the counts of each condition are met exactly; "
            "leave it out, or give the totals"
        )
    delta, totals = config.growth.delta, conditions.totals(cells, config.growth.mass)
    masses = conditions.masses_by_time(training, totals)
    coupled: dict[str, Any] = {
        "delta": delta,
        "factors": growth_factors(training),
        "noise": config.gaps.noise,
        "seed": seed,
    }
    joined = chains_through(clouds, masses, **coupled)
    straight = energy_of_chains(times, joined)
    path = choose_groups(clouds, masses, config.path, **coupled)
    config = _resolved(dataclasses.replace(config, path=path), joined, straight)
    options = config.objective
    assert options.energy is not None  # just filled in
    assert options.times is not None
    assert config.path.parts is not None  # chosen just now
    label = clusters(joined.points, config.path.parts, seed)
    say_batches(joined, label)
    filled = _fill(config, times, joined, straight, label)
    batch_size = options.batch_size or LARGEST_BATCH
    members = config.path.members
    factors = factors_by_time(training, config.path.bootstrap, members, seed)
    number = conditions.numbers_of(training, names)
    labels = [number[training.times == t] for t in training.distinct_times]
    of_cells = list(map(Cloud, clouds, masses))
    drawn = samples(filled, joined.rows, of_cells, labels, factors, members)
    every = None if factors is None else np.concatenate(factors, axis=1)
    cells_term = measure.likelihood(training, units, "likelihood", batch_size)
    likelihood = training_likelihood(cells_term, drawn, batch_size, every)
    length = weight_of_growth(times, joined, label, config, len(training)) if delta else 0.0
    energy = options.energy * energy_term(config, known, times, clouds, totals.whole, length, every)
    objective = likelihood + energy
    if delta is not None and error > 0:
        objective = objective + 1.0 / len(training) * PerMember(
            PerContext(mass_term(times, totals.whole, error))
        )
    return Start(
        config,
        initial_path(
            drawn,
            config.path,
            totals=None if delta is None else total_curves(times, totals.each, is_free=error > 0),
            shares=totals.shares if names else None,
            seed=seed,
        ),
        objective,
        None if held_out is None else measure.likelihood(held_out, units, "validation"),
        facts={
            "cells": len(cells),
            "times": len(times),
            "coordinates": cells.dim,
            "parts": config.path.parts,
            **({} if config.path.degrees is None else {"degrees of freedom": config.path.degrees}),
            "members": config.path.members,
            **({"conditions": ", ".join(names)} if names else {}),
        },
        known=known._replace(energy=energy),
    )


def model(start: Start, result: Fit) -> Model:
    """The model in the units of the cells: what was trained, if that is more than chance.

    Chains tell motion and growth. Training adds to the likelihood, and what it adds by chance costs
    both: parts that lie upon each other trade masses, which hardly any cell sees. So the start is
    kept unless the held-out cells gain, with what motion and growth are saved, more than two
    standard errors of their paired difference. Where rates or errors of masses
    are given, the start has not met them.
    """
    trained, held_out = _model(start, result.path), start.known.held_out
    growth, is_given = start.config.growth, start.known.training.rates is not None
    if held_out is None or is_given or growth.mass_error > 0:
        return trained
    first = _model(start, start.path)
    gained = measure.gain_over(first, trained, held_out)
    cost = eqx.filter_jit(lambda path: start.known.energy(path, key=jr.key(0))[0])
    # Without a gain the start was the best state, and is the same.
    saved = float(cost(start.path) - cost(result.path)) if gained.value else 0.0
    found = trained if gained.value + saved > _ERRORS * gained.error else first
    told = measure.gained(gained, is_kept=found is trained)
    return dataclasses.replace(found, notes={**found.notes, **told})


def _model(start: Start, path: AbstractPath) -> Model:
    """A path as a model in the units of the cells."""
    cells: Snapshots = start.known.training
    return Model(
        path=path,
        units=start.known.units,
        times=cells.distinct_times,
        features=cells.features,
        time_name=cells.time_name,
        time_unit=cells.time_unit,
        sigma=noise_of(start.config, start.known.units),
        classes=names_of(cells),
        notes={
            "parts": start.config.path.parts,
            "bootstrap": start.config.path.bootstrap,
            **_reading(start.config),
        },
    )


def _reading(config: CellsConfig) -> dict[str, Any]:
    """How other cells are to be read as these were, where that is not the usual way."""
    data = {name: getattr(config.data, name) for name in ("basis", "times", "bins")}
    given = {name: value for name, value in data.items() if value is not None}
    return {"data": given} if given else {}


def _divide(cells: Snapshots, config: CellsConfig) -> Known:
    """The units of all cells, and the cells for training and those held out."""
    units = Standardisation.fit(
        cells.points, cells.times, mode=config.data.scaling, features=cells.features
    )
    if not config.data.held_out > 0:
        return Known(units, ordered(cells), None)
    training, held_out = map(ordered, cells.split(config.data.held_out, config.training.seed))
    return Known(units, training, held_out if len(held_out) else None)


def _with_delta(config: CellsConfig, clouds: list[np.ndarray], seed: int) -> CellsConfig:
    """The configuration with what growth costs, if there is any."""
    growth = config.growth
    if growth.mass_error and growth.mass == "relative":
        raise LiouvilleError(
            f"growth.mass_error is {growth.mass_error:g}, but --mass relative has no totals that "
            "could be wrong; give them, or leave the error out"
        )
    if growth.of == "parts":
        if growth.delta is None:
            options: Any = {"noise": config.gaps.noise, "seed": seed}
            conserved = chains_through(clouds, **options)
            say_steps_of_chance(clouds, conserved, **options)
            delta = growth_length(clouds, conserved)
            growth = dataclasses.replace(growth, delta=float(f"{delta:.3g}"))
        return dataclasses.replace(config, growth=growth)
    set_apart = dataclasses.replace(growth, of="parts")
    for field in dataclasses.fields(GrowthConfig):
        if getattr(set_apart, field.name) != field.default:
            raise LiouvilleError(
                f"growth.{field.name} is {getattr(growth, field.name)}, but --growth none "
                "conserves mass; leave one of them out"
            )
    return config


def _fill(
    config: CellsConfig,
    times: np.ndarray,
    joined: Chains,
    energy: float,
    label: np.ndarray | None = None,
) -> Filled:
    """The chains with the gaps filled, unless that is not wanted or would need too many knots."""
    if not config.gaps.fill or 2 * len(times) - 1 > config.path.knots:
        return unfilled(times, joined)
    seed = config.training.seed
    return fill_gaps(times, joined, config.gaps, energy=energy, label=label, seed=seed)


def _resolved(config: CellsConfig, joined: Chains, energy: float) -> CellsConfig:
    """Fills in what the kinetic energy weighs, at how many times it is measured, and the rate.

    The motion along the chains costs a fortieth of a nat a coordinate. The rule has no unit: it
    gives the same answer whatever the scale of space, of time and of the displacements.
    """
    objective, training, dim = config.objective, config.training, joined.points.shape[-1]
    if objective.energy is None:
        weight = _ENERGY_SHARE * dim / max(energy, 1e-6)
        objective = dataclasses.replace(objective, energy=float(f"{weight:.3g}"))
    if objective.times is None:
        objective = dataclasses.replace(objective, times=_TIMES[dim > FEW_COORDINATES])
    if training.rate is None:
        # Steps of many entries of a covariance add up.
        rate = _RATE * min(1.0, FEW_COORDINATES / dim)
        training = dataclasses.replace(training, rate=rate)
        usual = CellsConfig().training
        if dim > FEW_COORDINATES and all(
            getattr(training, name) == getattr(usual, name) for name in _PACE
        ):
            # The start is near what is best there, and soon only the training cells gain.
            training = dataclasses.replace(training, **dict.fromkeys(_PACE, _SHORT))
    return dataclasses.replace(config, objective=objective, training=training)


def _arrays(cells: Snapshots) -> list[np.ndarray | None]:
    labels = [
        None if texts is None else np.unique(texts, return_inverse=True)[1]
        for texts in (cells.donors, cells.condition)
    ]
    numbers = [cells.points, cells.times, cells.weights, cells.totals, cells.rates]
    return [*numbers, *labels]


TASK = Task(
    name="cells",
    config=CellsConfig,
    result=CellsFit,
    read=read,
    arrays=_arrays,
    resolve=resolve,
    model=model,
    measure=measure.measure,
    contents=later("liouville.tasks.cells.report:contents"),
    evaluate=measure.evaluate,
    recall=measure.recall,
    demo=demonstration,
)
