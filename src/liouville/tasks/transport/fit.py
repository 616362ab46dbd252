"""Least-energy paths through given distributions."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.random as jr
import numpy as np

from liouville.curves import shape_of
from liouville.gauges import FullGauge, LowRankGauge
from liouville.model import Model
from liouville.numerics.arguments import numbers
from liouville.numerics.plans import Plan
from liouville.objectives import Cost, Field
from liouville.paths import AbstractPath, Gauged, Joined, LocationScale, Pushforward
from liouville.tasks.notebook import as_html, as_text
from liouville.tasks.settings import settings_of
from liouville.tasks.skeleton import fit_given
from liouville.tasks.task import Start, Task, later
from liouville.tasks.transport import measure
from liouville.tasks.transport._contexts import conditional_path
from liouville.tasks.transport._crossing import piece_between
from liouville.tasks.transport._images import arrays_of
from liouville.tasks.transport.config import PathConfig, TransportConfig
from liouville.tasks.transport.ends import Contexts, End, Source, read_ends
from liouville.tasks.transport.plans import plan_figures, plans_of
from liouville.tasks.transport.problem import (
    Given,
    Problem,
    check_functions,
    objective_of,
    problem_of,
    resolve_times,
    say_misfits,
    total_term,
    units_of,
)
from liouville.training import Fit, Reason

# In so many dimensions one potential for each plane of rotation is cheap.
_MOST_FULL_GAUGE = 3
_RANK = 8


class TransportFit(NamedTuple):
    """What fitting a transport path returns; the fields of all fits are told at `fit_given`.

    The ends are the distributions that are met, in the user's units.
    """

    model: Model
    config: TransportConfig
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason
    data: Any
    ends: list[End]

    __repr__ = as_text
    _repr_html_ = as_html


def fit_transport(
    *sources: Source | End,
    times: Sequence[float] | None = None,
    settings: TransportConfig | Mapping[str, Any] | None = None,
    reference: Field | None = None,
    cost: Cost | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    **flags: Any,
) -> TransportFit:
    r"""Finds the path of least energy through two or more distributions, which it meets exactly.

    $$\min \int \tfrac12 E|b_t - f_t|^2 + E V_t\,dt, \qquad
      dX = b\,dt + \sigma\,dW, \quad X_{t_i} \sim \rho_i.$$

    With $\sigma = 0$ it is dynamical optimal transport (Benamou and Brenier 2000), with
    $\sigma > 0$ the Schrödinger bridge. Samples are replaced by a mixture fitted to them; each
    pair of mixture parts is joined by moving parts whose ends are fixed. The density of a fitted
    model is met as it is.

    With `masses=(1, 2)`, `delta=1.0` or `unbalanced=True` mass may grow and shrink on the way, and
    ends may have different masses: the path of least

    $$\min \int\int \tfrac12 (|u|^2 + \delta^2 h^2)\,d(M_t\rho_t)\,dt, \qquad
      \partial_t(M\rho) + \nabla\cdot(M\rho u) = h M\rho,$$

    half the squared distance of Wasserstein, Fisher and Rao (Chizat et al. 2018; Liero, Mielke and
    Savare 2018), with the masses met exactly. No mass travels further than $\pi\delta$.

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
        progress: show a progress bar; by default on a terminal and in a notebook.
        **flags: every flag of `liouville fit transport`: `sigma=1.0`; they win over `settings`.

    Raises:
        LiouvilleError: if the input cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    settings = settings_of(TransportConfig, settings, flags)
    if times is not None:
        clock = numbers("the times of the ends", times)
        data = dataclasses.replace(settings.data, times=tuple(clock.ravel().tolist()))
        settings = dataclasses.replace(settings, data=data)
    given = Given(sources, reference, cost)
    return fit_given(TASK, given, settings, folder=folder, resume=resume, progress=progress)


def read(config: TransportConfig, given: Given | None = None) -> Given:
    """The ends of a configuration, or those given, as distributions that fit each other."""
    given = given or Given(config.data.ends)
    ends = read_ends(given.ends, config.data, config.ends, seed=config.training.seed)
    given = given._replace(ends=ends)
    check_functions(given, resolve_times(config, ends))
    return given


def resolve(given: Given, config: TransportConfig, progress: bool | None = None) -> Start:
    """The problem in the model's units, and the path that starts from moving parts of its ends."""
    config = resolve_times(config, given.ends)
    units = units_of(given.ends, config)
    say_misfits(given.ends, units)
    problem = problem_of(given, units, config)
    if problem.is_conditional:
        path = conditional_path(given.ends, problem, units, config)
    else:
        path = initial_path(problem, config.path, seed=config.training.seed)
    facts = {
        "ends": len(given.ends),
        "coordinates": path.dim,
        "parts of the ends": [len(end.mixture.weights) for end in given.ends],
        "moving parts": [_count(piece) for piece in path.pieces],
        "sigma": config.objective.sigma,
    }
    if problem.masses:
        facts |= {"masses": list(problem.masses), "growth length": config.objective.delta}
    return Start(
        config,
        path,
        objective_of(problem, config.objective),
        total_term(problem, times=32, particles=256, asymmetry=config.objective.asymmetry),
        facts,
        known=(given, problem),
        details={"ends": given.ends},
    )


def model(start: Start, result: Fit) -> Model:
    """The model in the units of the ends."""
    config, path = start.config, result.path
    given, problem = start.known
    contexts = given.ends[0].contexts
    plans: tuple[Plan, ...] = ()
    if result.reason != "interrupted":
        if not (problem.masses or problem.is_conditional):
            plans = plans_of(problem, config.plan, seed=config.training.seed)
        # A start that is optimal already, as between two Gaussians, is only shaken by few steps.
        asymmetry = config.objective.asymmetry
        total = total_term(problem, times=64, particles=512, asymmetry=asymmetry)
        path = min(start.path, path, key=lambda p: measure.estimate(total, p).value)
    return Model(
        path=path,
        units=units_of(given.ends, config),
        times=np.array(config.data.times),
        features=given.ends[0].features,
        sigma=config.objective.sigma,
        plans=plans,
        notes={"ends": [end.source for end in given.ends], **_names_of(contexts)},
        classes=contexts.names if contexts is not None and contexts.has_classes else (),
    )


def _names_of(contexts: Contexts | None) -> dict[str, Any]:
    """The note by which a model knows its contexts, if they are numbers."""
    if contexts is None or contexts.has_classes:
        return {}
    return {"contexts": list(contexts.names)}


def figures(model: Model, start: Start, given: Given) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures of a fit: of its path without the plans, and of these."""
    config = start.config
    found, fields = measure.measure(dataclasses.replace(model, plans=()), start, given)
    more = plan_figures(model, given, config, seed=config.training.seed + 1000)
    return {**found, **more}, fields


def evaluate(model: Model, given: Given, config: TransportConfig) -> dict[str, Any]:
    """The figures of a run again, with other random numbers."""
    found = measure.evaluate(dataclasses.replace(model, plans=()), given, config)
    return {**found, **plan_figures(model, given, config, seed=config.training.seed + 2000)}


def initial_path(problem: Problem, config: PathConfig, *, seed: int = 0) -> Joined:
    """The path to start from, piece by piece."""
    pieces: list[AbstractPath] = []
    for number, (source, target, times) in enumerate(problem.pieces):
        masses = problem.masses[number : number + 2]
        path = piece_between(source, target, times, problem, config, masses, seed=seed + number)
        if config.gauge:
            options: dict[str, Any] = {"width": config.width, "key": jr.key(seed + number)}
            if path.dim <= _MOST_FULL_GAUGE:
                path = Gauged(path, FullGauge(path.dim, times, **options))
            else:
                path = Gauged(path, LowRankGauge(path.dim, _RANK, times, **options))
        pieces.append(path)
    return Joined(pieces, problem.times)


def _count(path: AbstractPath) -> int:
    """The number of moving parts, of all branches together."""
    count = 0
    for _, branch in path.in_context(0).branches():
        while isinstance(branch, Pushforward):
            branch = branch.base
        assert isinstance(branch, LocationScale)
        count += shape_of(branch.location)[0]
    return count


def _arrays(given: Given) -> list[np.ndarray | None]:
    return [
        array
        for end in given.ends
        for array in (
            end.points,
            None if end.contexts is None else end.contexts.rows,
            end.weights,
            *arrays_of(end.mixture),
        )
    ]


TASK = Task(
    name="transport",
    config=TransportConfig,
    result=TransportFit,
    read=read,
    arrays=_arrays,
    resolve=resolve,
    model=model,
    measure=figures,
    contents=later("liouville.tasks.transport.report:contents"),
    evaluate=evaluate,
    recall=lambda model, given, config, summary: {"ends": given.ends},
)
