"""Solving a control problem, from Python."""

import dataclasses
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.random as jr
import numpy as np

from liouville.diffusions._free import best_of, free_paths
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.parameters import value_of
from liouville.objectives import Objective, Terminal
from liouville.paths import LocationScale, Rescaled
from liouville.runs import config as configuration
from liouville.tasks.control._check import check
from liouville.tasks.control._initial import initial_path
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.measure import figures, running_term
from liouville.tasks.control.policy import Policy
from liouville.tasks.control.problem import ControlProblem
from liouville.tasks.control.rollout import Rollout
from liouville.training import fit
from liouville.training._fit import Reason, check_options

# Above this share of path time inside an obstacle the scene is said to be infeasible.
_MOST_INSIDE = 0.01


_POSITIVE = (
    *("path.parts", "path.knots", "path.opening", "path.min_scale", "path.bend_steps"),
    *("objective.times", "objective.particles", "objective.ramp"),
    *("training.steps", "training.rate", "training.chunk", "training.checkpoint_every"),
    *("rollout.trajectories", "rollout.steps"),
)


class ControlFit(NamedTuple):
    """What solving a control problem returns.

    Attributes:
        policy: the feedback control, in the user's units.
        config: the configuration.
        problem: the problem, with the configuration's noise and weights.
        history: the rows of the training log.
        summary: the figures, as JSON can hold them.
        reason: why training ended.
        rollout: the simulated check; `None` if training was interrupted.
    """

    policy: Policy
    config: ControlConfig
    problem: ControlProblem
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason
    rollout: Rollout | None

    @property
    def model(self) -> Model:
        """The density and its velocity, in the user's units."""
        return self.policy.model


def fit_control(
    problem: ControlProblem,
    settings: ControlConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> ControlFit:
    r"""Finds the control of least cost that carries the source to the target.

    $$\min \int_0^T \Big( \tfrac12 E|c_t|^2 + \sum_j \lambda_j C_j(\rho_t) \Big) dt
      + E\,\varphi(X_T), \qquad dX = (f + \sigma c)\,dt + \sigma\,dW.$$

    Density and drift are parameterised together, so nothing is simulated in training: for every
    path the control $c = \sigma^{-1}(b - f)$ that has its densities is known, and all costs are
    expectations of an exact density. Afterwards the control is simulated once on fresh noise.

    Args:
        problem: the problem.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"path.parts": 32}`.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal only.

    Returns:
        The policy, the log and the figures.

    Raises:
        LiouvilleError: if the problem cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    begun = time.monotonic()
    if not isinstance(settings, ControlConfig):
        settings = configuration.merge(ControlConfig, values=settings)
    problem = chosen_problem(problem, settings)
    check(problem)
    options, seed = settings.training, settings.training.seed
    objective = objective_of(problem, settings)
    result = fit(
        _start(problem, settings, objective),
        objective,
        steps=options.steps,
        optimizer=options.rate,
        seed=seed,
        decay=options.average,
        chunk=options.chunk,
        checkpoint=None if folder is None else folder / "checkpoint.lv",
        checkpoint_every=options.checkpoint_every,
        metrics=None if folder is None else folder / "metrics.jsonl",
        resume=resume,
        progress=progress,
    )
    inner = result.path.path
    assert isinstance(inner, LocationScale)
    model = Model(
        path=inner,
        units=result.path.units,
        times=np.array([0.0, problem.horizon]),
        features=tuple(f"x{i + 1}" for i in range(problem.dim)),
        # Another than scalar noise has no place in a model; its own paths then are the flow's.
        sigma=problem.noise if isinstance(problem.noise, float) else 0.0,
        notes={"task": "control", "problem": problem.name, "steps": result.step},
    )
    policy = Policy(model, problem)
    summary: dict[str, Any] = {
        "problem": problem.name,
        "coordinates": problem.dim,
        "moving parts": int(jax.eval_shape(value_of, inner.logits).shape[0]),
        "steps": result.step,
        "stopped": result.reason,
    }
    rollout = None
    if result.reason != "interrupted":
        summary["seconds of training"] = round(time.monotonic() - begun, 1)
        found, rollout = figures(
            model.path_in_user,
            problem,
            trajectories=settings.rollout.trajectories,
            steps=settings.rollout.steps,
            seed=seed + 1000,
        )
        summary |= found
        _warn_of_collisions(found)
    summary["seconds"] = round(time.monotonic() - begun, 1)
    return ControlFit(policy, settings, problem, result.history, summary, result.reason, rollout)


def _start(problem: ControlProblem, settings: ControlConfig, objective: Objective) -> Rescaled:
    """The path to start from: laid between both ends, or carried by the drift from one."""
    config, key = settings.path, jr.key(settings.training.seed)
    if problem.target is not None:
        return initial_path(problem, config, seed=settings.training.seed)
    paths = free_paths(
        problem.source,
        problem.noise,
        problem.horizon,
        problem.drift,
        parts=config.parts,
        knots=config.knots + 2,
        is_cut=True,
    )
    return best_of(paths, eqx.filter_jit(lambda path: objective(path, key=key)[0]))


def chosen_problem(problem: ControlProblem, settings: ControlConfig) -> ControlProblem:
    """The problem with the noise and the weights of a configuration.

    Raises:
        LiouvilleError: if a number of the configuration cannot be used.
    """
    configuration.check_positive(settings, _POSITIVE)
    check_options(settings.training)
    if settings.rollout.trajectories % 2:
        raise LiouvilleError(
            f"rollout.trajectories is {settings.rollout.trajectories}; give an even number, as "
            "pairs are drawn from two halves"
        )
    if settings.problem.sigma is not None:
        problem = dataclasses.replace(problem, sigma=settings.problem.sigma)
    return problem.weighted(**settings.weights)


def objective_of(problem: ControlProblem, settings: ControlConfig) -> Objective:
    """What training makes small: all running costs at the same particles, and the terminal one."""
    options = settings.objective
    running = running_term(
        problem,
        times=options.times,
        particles=options.particles,
        places=options.places,
        crowding=options.crowding,
        ramp=dict.fromkeys(problem.stiff, options.ramp),
        ramp_steps=settings.training.steps // 2 if options.ramp < 1.0 else 0,
    )
    objective = running * 1.0
    if problem.terminal is not None:
        objective = objective + Terminal(time=problem.horizon, cost=problem.terminal)
    return objective


def _warn_of_collisions(found: Mapping[str, Any]) -> None:
    share = found.get("inside an obstacle (share of path time)", 0.0)
    if share > _MOST_INSIDE:
        warnings.warn(
            f"the population spends {100 * share:.1f} % of its time inside an obstacle: either no "
            "free way exists, or more path.bends, path.parts or training.steps are needed",
            stacklevel=3,
        )
