"""Solving a control problem."""

import dataclasses
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.diffusions import best_of, free_paths
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.parameters import value_of
from liouville.objectives import Objective, Terminal
from liouville.paths import LocationScale
from liouville.runs import config as configuration
from liouville.runs.folder import data_of, open_run
from liouville.tasks.ask import load
from liouville.tasks.control import scenes
from liouville.tasks.control._check import check
from liouville.tasks.control._initial import initial_path
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.measure import evaluate, measure, running_term
from liouville.tasks.control.policy import Policy
from liouville.tasks.control.problem import ControlProblem, Loaded
from liouville.tasks.control.rollout import Rollout, roll_out
from liouville.tasks.skeleton import fit_given
from liouville.tasks.task import Start, Task, later
from liouville.training import Fit, Reason

# Trajectories of a report that is drawn again.
_DRAWN = 1000

_POSITIVE = (
    *("path.parts", "path.knots", "path.opening", "path.min_scale", "path.bend_steps"),
    *("objective.times", "objective.particles", "objective.ramp"),
    *("training.steps", "training.rate", "training.chunk", "training.checkpoint_every"),
    *("rollout.trajectories", "rollout.steps"),
)


class ControlFit(NamedTuple):
    """What solving a control problem returns; the fields of all fits are told at `fit_given`.

    The problem has the configuration's noise and weights; without a rollout training was
    interrupted.
    """

    model: Model
    config: ControlConfig
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason
    problem: ControlProblem
    rollout: Rollout | None = None

    @property
    def policy(self) -> Policy:
        """The feedback control, in the user's units."""
        return Policy(self.model, self.problem)


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
    expectations of an exact density. Afterwards the control is simulated once on fresh noise. All
    other arguments, and the errors, are those of `liouville.tasks.skeleton.fit_given`.
    """
    return fit_given(TASK, problem, settings, folder=folder, resume=resume, progress=progress)


def read(config: ControlConfig, given: ControlProblem | None = None) -> Loaded:
    """The problem of a configuration, or the one given, checked."""
    name = config.problem.name
    if given is not None and not isinstance(given, ControlProblem):
        raise LiouvilleError(
            f"the problem is of type {type(given).__name__}; give a ControlProblem"
        )
    problem = choose_problem(read_problem(name) if given is None else given, config)
    check(problem)
    return Loaded(problem, Path(name).read_bytes() if name.endswith(".py") else name.encode())


def load_policy(folder: Path | str) -> Policy:
    """The feedback control of a run. A problem from a Python file executes that file again.

    Raises:
        LiouvilleError: if the folder holds no run of control, or the problem has changed.
    """
    folder = Path(folder)
    loaded, _ = data_of(open_run(folder), ControlConfig, read, _arrays)
    return Policy(load(folder), loaded.problem)


def read_problem(name: str) -> ControlProblem:
    """A problem by its name, or from a Python file that makes `problem`, which is executed."""
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise LiouvilleError(f"there is no file {name}; check the path")
        problem = runpy.run_path(name).get("problem")
        if not isinstance(problem, ControlProblem):
            raise LiouvilleError(
                f"{name} makes no `problem = ControlProblem(...)`; see docs/control.md"
            )
        is_named = problem.name != "problem"
        return problem if is_named else dataclasses.replace(problem, name=Path(name).stem)
    if name not in scenes.NAMES:
        raise LiouvilleError(
            f"there is no problem {name!r}; the names are: {', '.join(scenes.NAMES)}; or give a "
            "Python file"
        )
    return scenes.NAMES[name]()


def resolve(loaded: Loaded, config: ControlConfig, progress: bool | None = None) -> Start:
    """The path to start from: laid between both ends, or carried by the drift from one."""
    problem, options, seed = loaded.problem, config.path, config.training.seed
    objective = objective_of(problem, config)
    if problem.target is not None:
        path = initial_path(problem, options, seed=seed)
    else:
        paths = free_paths(
            problem.source,
            problem.noise,
            problem.horizon,
            problem.drift,
            parts=options.parts,
            knots=options.knots + 2,
            is_cut=True,
        )
        path = best_of(paths, eqx.filter_jit(lambda path: objective(path, key=jr.key(seed))[0]))
    assert isinstance(path.path, LocationScale)
    facts = {
        "problem": problem.name,
        "coordinates": problem.dim,
        "moving parts": int(jax.eval_shape(value_of, path.path.logits).shape[0]),
    }
    return Start(
        config,
        path,
        objective,
        objective if config.training.patience is not None else None,
        facts,
        known=problem,
        details={"problem": problem},
    )


def model(start: Start, result: Fit) -> Model:
    """The model in the units of the problem."""
    problem: ControlProblem = start.known
    return Model(
        path=result.path.path,
        units=result.path.units,
        times=np.array([0.0, problem.horizon]),
        features=tuple(f"x{i + 1}" for i in range(problem.dim)),
        # Another than scalar noise has no place in a model; its own paths then are the flow's.
        sigma=problem.noise if isinstance(problem.noise, float) else 0.0,
        notes={"problem": problem.name},
    )


def recall(
    model: Model, loaded: Loaded, config: ControlConfig, summary: Mapping[str, Any]
) -> dict[str, Any]:
    """The problem, and a rollout on other noise than that of the figures."""
    problem = loaded.problem
    starts = jnp.asarray(problem.source.sample(_DRAWN, seed=1)[0], jnp.zeros(()).dtype)
    path, steps = model.path_in_user, config.rollout.steps
    rollout = roll_out(path, problem, starts, steps=steps, key=jr.key(1))
    return {"problem": problem, "rollout": rollout}


def choose_problem(problem: ControlProblem, settings: ControlConfig) -> ControlProblem:
    """The problem with the noise and the weights of a configuration, whose numbers are checked."""
    configuration.check_positive(settings, _POSITIVE)
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
    options, steps = settings.objective, settings.training.steps
    assert steps is not None  # has a default, and is checked
    running = running_term(
        problem,
        times=options.times,
        particles=options.particles,
        places=options.places,
        crowding=options.crowding,
        ramp=dict.fromkeys(problem.stiff, options.ramp),
        ramp_steps=steps // 2 if options.ramp < 1.0 else 0,
    )
    objective = running * 1.0
    if problem.terminal is not None:
        objective = objective + Terminal(time=problem.horizon, cost=problem.terminal)
    return objective


def _arrays(loaded: Loaded) -> list[np.ndarray | None]:
    problem = loaded.problem
    arrays = [array for end in problem.ends for array in (end.weights, end.means, end.covariances)]
    return [*arrays, np.frombuffer(loaded.source, np.uint8)]


TASK = Task(
    name="control",
    config=ControlConfig,
    result=ControlFit,
    read=read,
    arrays=_arrays,
    resolve=resolve,
    model=model,
    measure=measure,
    contents=later("liouville.tasks.control.report:contents"),
    evaluate=evaluate,
    recall=recall,
)
