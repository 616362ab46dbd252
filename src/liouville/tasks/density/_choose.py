"""Between families that the number of coordinates leaves open, a short trial decides."""

import dataclasses
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Samples
from liouville.objectives import PerMember
from liouville.paths import AbstractPath
from liouville.tasks.density._columns import Columns
from liouville.tasks.density._families import initial_path, resolve_choices
from liouville.tasks.density._terms import training_likelihood
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.skeleton import train
from liouville.tasks.task import Start

# A gap of hundredths of a nat is not seen in fewer rows, nor is a sharp edge.
_FEWEST_KEPT = 200
_STEPS = 600
# Maps cost time at every step and every question, so they must win by this many nats for each
# row, and by this many standard errors of the difference.
_LEAST_GAIN = 0.01
_ERRORS = 1.5


class Choice(NamedTuple):
    """A configuration without open choices, the path to start from, and how it was chosen."""

    config: DensityConfig
    path: AbstractPath
    gain: float | None = None  # what the trial said for maps, in nats a validation row
    is_interrupted: bool = False  # the user stopped the trial


def choose(
    config: DensityConfig,
    training: Samples,
    validation: Samples | None,
    units: Columns,
    *,
    progress: bool | None = None,
) -> Choice:
    """Fills in what the configuration leaves to the data, if need be by a trial.

    A mixture of a moderate number of parts cannot follow a sharp edge; seen through maps it can.
    Where both are open and there are enough validation samples, one is trained for the likelihood
    alone for a few hundred steps, the other has a fitted end, and the maps are taken if they win on
    the validation samples by more than chance and by more than their cost.
    """
    lattice = training.quantisation
    whole = 0.0 if lattice is None else float(lattice.is_discrete.mean())
    known = (training.dim, len(training), int(training.counts.min()), whole)
    points, seed = units.to_model(training.points), config.training.seed
    start = partial(initial_path, points, training.labels, seed=seed)
    plain = resolve_choices(config, *known)
    is_open = config.path.model == "auto" and plain.path.model == "mixture"
    if not is_open or validation is None or len(validation) < _FEWEST_KEPT:
        return Choice(plain, start(plain.path))
    wished = dataclasses.replace(config.path, model="warped")
    warped = resolve_choices(dataclasses.replace(config, path=wished), *known)
    tried = []
    for candidate in (plain, warped):
        path = start(candidate.path)
        nats = _try_out(path, candidate, training, validation, units, progress)
        if nats is None:
            return Choice(candidate, path, is_interrupted=True)
        tried.append((candidate, path, nats))
    gains = tried[0][2] - tried[1][2]
    gain, error = float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))
    is_better = gain > max(_LEAST_GAIN, _ERRORS * error)
    candidate, path, _ = tried[1] if is_better else tried[0]
    return Choice(candidate, path, gain)


def _try_out(
    path: AbstractPath,
    config: DensityConfig,
    training: Samples,
    validation: Samples,
    units: Columns,
    progress: bool | None,
) -> np.ndarray | None:
    """The negative log-likelihoods of validation samples after a trial; `None` if stopped."""
    options = config.training
    assert options.steps is not None  # filled in by `resolve_choices`
    if config.path.model != "mixture":  # whose end is fitted already
        short = dataclasses.replace(options, steps=min(_STEPS, options.steps))
        trial = dataclasses.replace(config, training=short)
        objective = training_likelihood(training, units, config.objective.batch_size)
        result = train(Start(trial, path, 1.0 * PerMember(objective)), progress=progress)
        if result.reason == "interrupted":
            return None
        path = result.path
    points = jnp.asarray(units.to_model(validation.points), jnp.zeros(()).dtype)
    log_density = eqx.filter_jit(lambda path, x: jax.vmap(path.at(jnp.ones(())).log_density)(x))
    return -np.asarray(log_density(path, points), float)
