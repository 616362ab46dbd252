"""Between families that the number of coordinates leaves open, a short trial decides."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Samples
from liouville.objectives import PerMember
from liouville.paths import AbstractPath
from liouville.tasks.density._columns import Columns
from liouville.tasks.density._families import initial_path, resolve_choices
from liouville.tasks.density._terms import likelihood, training_likelihood
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.measure import average_of
from liouville.tasks.skeleton import train
from liouville.tasks.task import Start

# A gap of hundredths of a nat is not seen in fewer rows, nor is a sharp edge.
_FEWEST_KEPT = 200
# What is richer costs time at every step and every question, so it must win by this many nats for
# each row, and by this many standard errors of the difference.
_LEAST_GAIN, _ERRORS = 0.01, 1.5
# A trial is judged whenever so many steps were done; by so many times the least gain it is won
# before it ends.
_JUDGED_EVERY, _CHUNK, _CLEAR = 150, 25, 3.0


Family = Literal["mixture", "warped", "autoregressive"]


class Choice(NamedTuple):
    """A configuration without open choices, the path to start from, and how it was chosen."""

    config: DensityConfig
    path: AbstractPath | None = None  # if there is one already
    gain: float | None = None  # what the trial said for the richer family, in nats a row
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
    One whose parts are functions of numbers cannot follow all that depends on them; conditional
    mixtures can, and so they can in many coordinates, unless samples are few. Where both are open
    the mixture has a fitted end and the other is trained for the likelihood alone. It is taken if
    it wins on the validation samples, in few coordinates by more than chance and by more than its
    cost, and given up as soon as it would not win if each doubling of its steps went on to bring as
    much as the last one did.
    """
    lattice = training.quantisation
    whole = 0.0 if lattice is None else float(lattice.is_discrete.mean())
    known = (training.dim, len(training), int(training.counts.min()), whole)
    points, seed = units.to_model(training.points), config.training.seed
    start = partial(initial_path, points, training, seed=seed)
    given_numbers = training.contexts is not None
    plain = resolve_choices(config, *known, given_numbers=given_numbers)
    usual = plain.path.model
    is_many = usual == "autoregressive" and not given_numbers
    is_open = config.path.model == "auto" and (is_many or usual == "mixture")
    # Of many coordinates what is lost by the wrong family is seen in few rows.
    fewest = 1 if is_many else _FEWEST_KEPT
    if not is_open or validation is None or len(validation) < fewest:
        return Choice(plain)

    def of_family(model: Family) -> DensityConfig:
        own = replace(config, path=replace(config.path, model=model))
        return resolve_choices(own, *known, given_numbers=given_numbers)

    plain = of_family("mixture")
    rich = of_family("autoregressive" if is_many or given_numbers else "warped")
    path = start(plain.path)
    # Members that are averaged are better than one, which in few coordinates is enough to win.
    tried = start(rich.path if is_many else replace(rich.path, members=1))
    before = _nats(path, validation, units)
    after = _try_out(tried, rich, training, validation, units, before, progress)
    if after is None:
        return Choice(rich, tried, is_interrupted=True)
    gain, error = average_of(before - after, validation)
    if not gain > max(_LEAST_GAIN, 0.0 if is_many else _ERRORS * error):
        return Choice(plain, path, gain)
    return Choice(rich, tried if is_many or rich.path.members == 1 else None, gain)


def _try_out(
    path: AbstractPath,
    config: DensityConfig,
    training: Samples,
    validation: Samples,
    units: Columns,
    before: np.ndarray,
    progress: bool | None,
) -> np.ndarray | None:
    """The nats of validation samples after training for likelihood, as long as there is hope.

    `before` are those that are to be fallen below; `None` if the user stops it.
    """
    options = config.training
    assert options.steps is not None  # filled in by `resolve_choices`
    whole, gains, goal = options.steps, {}, average_of(before, validation)[0]

    def stop(step: int, nats: float) -> bool:
        gains[step] = goal - nats
        return _is_settled(gains, whole)

    judged = dict.fromkeys(("validate_every", "checkpoint_every"), _JUDGED_EVERY)
    every = replace(options, **judged, chunk=_CHUNK, patience=None)
    objective = 1.0 * PerMember(training_likelihood(training, units, config.objective.batch_size))
    judge = PerMember(likelihood(validation, units, "validation"))
    start = Start(replace(config, training=every), path, objective, judge)
    tried = train(start, progress=progress, stop=stop)
    return None if tried.reason == "interrupted" else _nats(tried.path, validation, units)


def _is_settled(gains: Mapping[int, float], whole: int) -> bool:
    """Whether gains by the number of steps say already who wins after the whole of them.

    Each doubling of the steps is taken to bring as much as the last one did.
    """
    last = max(gains)
    if last % 2 or last // 2 not in gains:
        return False
    rise = max(gains[last] - gains[last // 2], 0.0)
    hope = gains[last] + rise * float(np.log2(max(whole / last, 1.0)))
    return hope < _LEAST_GAIN or gains[last] > _CLEAR * _LEAST_GAIN


def _nats(path: AbstractPath, samples: Samples, units: Columns) -> np.ndarray:
    """The negative log-density at each sample, given its context, in the units of the path."""
    points = jnp.asarray(units.to_model(samples.points), jnp.zeros(()).dtype)
    rows = samples.context_rows
    if rows is None:
        return -np.asarray(_log_densities(path, points, None), float)
    return -np.asarray(_log_densities(path, points, jnp.asarray(rows, points.dtype)), float)


@eqx.filter_jit
def _log_densities(path: AbstractPath, points: jax.Array, rows: jax.Array | None) -> jax.Array:
    if rows is None:
        return jax.vmap(path.at(jnp.ones(())).log_density)(points)

    def one(x: jax.Array, context: jax.Array) -> jax.Array:
        return path.in_context(context).at(jnp.ones(())).log_density(x)

    return jax.vmap(one)(points, rows)
