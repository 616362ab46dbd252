"""Least-energy paths through given distributions, from Python."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np

from liouville.gauges import AbstractGauge, FullGauge, LowRankGauge
from liouville.model import Model
from liouville.numerics.parameters import value_of
from liouville.objectives import (
    Cost,
    Field,
)
from liouville.paths import (
    AbstractPath,
    Ensemble,
    Gauged,
    Joined,
    LocationScale,
    Mixture,
    Pushforward,
)
from liouville.runs import config as configuration
from liouville.tasks.transport._crossing import piece_between
from liouville.tasks.transport.config import PathConfig, TransportConfig
from liouville.tasks.transport.ends import End, Source, read_ends
from liouville.tasks.transport.measure import certify, measured
from liouville.tasks.transport.problem import (
    Problem,
    objective_of,
    problem_of,
    resolved,
    total_term,
    units_of,
)
from liouville.training import fit
from liouville.training._fit import Reason

# In so many dimensions one potential for each plane of rotation is cheap.
_MOST_FULL_GAUGE = 3
_RANK = 8


class TransportFit(NamedTuple):
    """What fitting a transport path returns.

    Attributes:
        model: the fitted model, in the user's units.
        config: the configuration with every automatic choice filled in.
        ends: the distributions it meets, in the user's units.
        history: the rows of the training log.
        summary: the figures of the fit, as JSON can hold them.
        reason: why training ended.
    """

    model: Model
    config: TransportConfig
    ends: list[End]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason


def fit_transport(
    *sources: Source | End,
    times: Sequence[float] | None = None,
    settings: TransportConfig | Mapping[str, Any] | None = None,
    reference: Field | None = None,
    cost: Cost | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> TransportFit:
    r"""Finds the path of least energy through two or more distributions, which it meets exactly.

    $$\min \int \tfrac12 E|b_t - f_t|^2 + E V_t\,dt, \qquad
      dX = b\,dt + \sigma\,dW, \quad X_{t_i} \sim \rho_i.$$

    With $\sigma = 0$ it is dynamical optimal transport (Benamou and Brenier 2000), with
    $\sigma > 0$ the Schrödinger bridge. Samples are replaced by a mixture fitted to them; each
    pair of mixture parts is joined by moving parts whose ends are fixed. The density of a fitted
    model is met as it is.

    Args:
        *sources: at least two: mixtures, samples, arrays of shape `(n, dim)`, files, names of
            distributions such as `gaussian`, `8gaussians` and `moons`, and fitted densities: a
            loaded model or the folder of a run, of which the density at the last time counts.
        times: when each is met, increasing; 0, 1, 2, ... by default.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"objective.sigma": 1.0}`.
        reference: $f(t, x)$ in JAX, in the user's units; none for zero.
        cost: $V(t, x)$ in JAX, in the user's units: energy over time; none for zero.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal only.

    Returns:
        The model, the resolved configuration, the ends, the log and the figures.

    Raises:
        LiouvilleError: if the input cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    begun = time.monotonic()
    if not isinstance(settings, TransportConfig):
        settings = configuration.merge(TransportConfig, values=settings)
    if times is not None:
        settings = dataclasses.replace(
            settings, data=dataclasses.replace(settings.data, times=tuple(map(float, times)))
        )
    ends = read_ends(sources, settings.data, settings.ends, seed=settings.training.seed)
    settings = resolved(settings, ends)
    units = units_of(ends, settings)
    problem = problem_of(ends, units, settings, reference, cost)
    options = settings.training
    path = initial_path(problem, settings.path, seed=options.seed)
    objective = objective_of(problem, settings.objective)
    asymmetry = settings.objective.asymmetry
    result = fit(
        path,
        objective,
        steps=options.steps,
        optimizer=options.rate,
        seed=options.seed,
        decay=options.average,
        validation=total_term(problem, times=32, particles=256, asymmetry=asymmetry),
        patience=options.patience,
        tolerance=options.tolerance,
        validate_every=options.validate_every,
        chunk=options.chunk,
        checkpoint=None if folder is None else folder / "checkpoint.lv",
        checkpoint_every=options.checkpoint_every,
        metrics=None if folder is None else folder / "metrics.jsonl",
        resume=resume,
        progress=progress,
    )
    trained = result.path
    if result.reason != "interrupted":
        # A start that is optimal already, as between two Gaussians, is only shaken by few steps.
        total = total_term(problem, times=64, particles=512, asymmetry=asymmetry)
        trained = min(path, trained, key=lambda candidate: measured(total, candidate).value)
    assert settings.data.times is not None
    model = Model(
        path=trained,
        units=units,
        times=np.array(settings.data.times),
        features=ends[0].features,
        sigma=settings.objective.sigma,
        notes={
            "task": "transport",
            "ends": [end.source for end in ends],
            "steps": result.step,
        },
    )
    summary: dict[str, Any] = {
        "ends": len(ends),
        "coordinates": model.dim,
        "parts of the ends": [len(end.mixture.weights) for end in ends],
        "moving parts": [_count(piece) for piece in result.path.pieces],
        "sigma": settings.objective.sigma,
        "steps": result.step,
        "stopped": result.reason,
    }
    if result.reason != "interrupted":
        summary |= certify(
            model, ends, settings, reference=reference, cost=cost, seed=options.seed + 1000
        )
    summary["seconds"] = round(time.monotonic() - begun, 1)
    return TransportFit(model, settings, ends, result.history, summary, result.reason)


def initial_path(problem: Problem, config: PathConfig, *, seed: int = 0) -> Joined:
    """The path to start from, piece by piece."""
    pieces: list[AbstractPath] = []
    for number, (source, target, times) in enumerate(problem.pieces):
        path = piece_between(source, target, times, problem, config, seed=seed + number)
        if config.gauge:
            path = Gauged(path, _gauge(path.dim, times, config.width, seed + number))
        pieces.append(path)
    return Joined(pieces, problem.times)


def _gauge(dim: int, times: tuple[float, float], width: int, seed: int) -> AbstractGauge:
    if dim <= _MOST_FULL_GAUGE:
        return FullGauge(dim, times, width=width, key=jr.key(seed))
    return LowRankGauge(dim, _RANK, times, width=width, key=jr.key(seed))


def _count(path: AbstractPath) -> int:
    """The number of moving parts, of all members together."""
    if isinstance(path, Gauged):
        return _count(path.path)
    if isinstance(path, Pushforward):
        return _count(path.base)
    if isinstance(path, Ensemble):
        return path.size * _count(path.member(0))
    if isinstance(path, Mixture):
        return sum(_count(part) for part in path.parts)
    assert isinstance(path, LocationScale)
    return jax.eval_shape(value_of, path.logits).shape[0]
