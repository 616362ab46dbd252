"""Solving a control problem."""

import dataclasses
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
from liouville.numerics.mixtures import GaussianMixture, check_mixture
from liouville.numerics.parameters import value_of
from liouville.objectives import Objective, Terminal
from liouville.paths import Inertial, LocationScale
from liouville.runs.folder import data_of, open_run
from liouville.tasks.ask import load
from liouville.tasks.control._check import check
from liouville.tasks.control._gradients import smoothed_costs, with_gradients
from liouville.tasks.control._initial import OPENING, initial_path, opening_of
from liouville.tasks.control._source import (
    SCENE_FILE,
    digest,
    is_code,
    kept_source,
    problem_of,
    source_of,
)
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.measure import evaluate, measure, running_term
from liouville.tasks.control.policy import Policy
from liouville.tasks.control.problem import ControlProblem, Loaded
from liouville.tasks.control.rollout import Rollout, roll_out
from liouville.tasks.notebook import as_html, as_text
from liouville.tasks.skeleton import fit_given
from liouville.tasks.task import Start, Task, later
from liouville.tasks.transport.config import DataConfig, EndsConfig
from liouville.tasks.transport.ends import End, check_columns, end_of, named_columns
from liouville.training import Fit, Reason

# Times a step, steps, their size, and how often validation may bring nothing: in up to so many
# coordinates, and in more.
_MANY = 100
_OF_FEW, _OF_MANY = (64, 5000, 0.01, None), (8, 100, 0.002, 2)
# Trajectories of a report that is drawn again.
_DRAWN = 1000


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
    data: Any
    problem: ControlProblem
    rollout: Rollout | None = None

    __repr__ = as_text
    _repr_html_ = as_html

    @property
    def policy(self) -> Policy:
        """The feedback control, in the user's units."""
        return Policy(self.model, self.problem)


def fit_control(
    problem: ControlProblem | Any,
    settings: ControlConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    **flags: Any,
) -> ControlFit:
    r"""Finds the control of least cost that carries the source to the target.

    $$\min \int_0^T \Big( \tfrac12 E|c_t|^2 + \sum_j \lambda_j C_j(\rho_t) \Big) dt
      + E\,\varphi(X_T), \qquad dX = (f + \sigma c)\,dt + \sigma\,dW.$$

    Density and drift are parameterised together, so nothing is simulated in training: for every
    path the control $c = \sigma^{-1}(b - f)$ that has its densities is known, and all costs are
    expectations of an exact density. Afterwards the control is simulated once on fresh noise.
    Every flag of `liouville fit control` is a keyword. All other arguments, and the errors, are
    those of `liouville.tasks.skeleton.fit_given`.
    """
    more: Any = {"folder": folder, "resume": resume, "progress": progress, "keywords": flags}
    return fit_given(TASK, problem, settings, **more)


def read(config: ControlConfig, given: Any = None) -> Loaded:
    """The problem of a configuration, or the one given, checked.

    A Python file that the configuration names is run: whoever fits has named it.
    """
    name, source = config.problem.name, b""
    if not isinstance(given, ControlProblem | None):
        kind = type(given).__name__
        raise LiouvilleError(
            f"a control problem cannot be of type {kind}; give ControlProblem(source=..., "
            "target=...), whose ends are mixtures or samples"
        )
    if given is None:
        source = source_of(name)
        given = problem_of(source, name)
    return _loaded(config, given, source)


def _ends_of(problem: ControlProblem, seed: int) -> tuple[End, ...]:
    """The ends as they are given, each by samples with a mixture that is fitted to them.

    Raises:
        LiouvilleError: if an end is no mixture and no samples, or both have other columns.
    """
    found, given = [], {"source": problem.source, "target": problem.target}
    for name, end in given.items():
        if isinstance(end, GaussianMixture):
            check_mixture(f"the {name}", end)
        if end is not None:
            made = end_of(end, DataConfig(), EndsConfig(), seed=seed)
            found.append(dataclasses.replace(made, source=f"the {name}"))
            if not isinstance(found[-1].mixture, GaussianMixture):
                raise LiouvilleError(
                    f"the {name} is a density seen through maps, but control meets mixtures; give "
                    "samples of it (liouville sample)"
                )
    check_columns(found, "give both the same columns in the same order")
    return tuple(found)


def _with_mixtures(problem: ControlProblem, ends: tuple[End, ...]) -> ControlProblem:
    """The problem with the mixtures of its ends."""
    mixtures = dict(zip(("source", "target"), (end.mixture for end in ends)))
    return dataclasses.replace(problem, **mixtures)


def load_policy(folder: Path | str, *, trust: bool = False) -> Policy:
    """The feedback control of a run; no code of the folder is run.

    Args:
        folder: of a run of control.
        trust: run the Python file that made the problem, as the run kept it. Without it only runs
            of named problems have a policy.

    Raises:
        LiouvilleError: if the folder holds no run of control, the problem has changed, or it is
            code that is not trusted.
    """
    folder = Path(folder)
    run = open_run(folder)
    if run.task != TASK.name:
        raise LiouvilleError(f"{folder} is a run of {run.task}, which has no policy")
    loaded, _ = data_of(run, ControlConfig, lambda c: recover(c, folder, trust), _arrays)
    return Policy(load(folder), loaded.problem)


def keeps(config: ControlConfig, loaded: Loaded) -> dict[str, bytes]:
    """The Python file of the problem, if one made it."""
    is_kept = is_code(config.problem.name) and bool(loaded.source)
    return {SCENE_FILE: loaded.source} if is_kept else {}


def recover(config: ControlConfig, folder: Path, trust: bool) -> Loaded:
    """The problem of a run: of its name, or of the Python file that it kept, if it is trusted."""
    name = config.problem.name
    if not is_code(name):
        return read(config)
    source = kept_source(folder, config.problem.sha256, trust)
    return _loaded(config, problem_of(source, name), source)


def _loaded(config: ControlConfig, problem: ControlProblem, source: bytes) -> Loaded:
    ends, wanted = _ends_of(problem, config.training.seed), config.problem.sha256
    problem = choose_problem(_with_mixtures(problem, ends), config)
    check(problem)
    problem = with_gradients(problem)
    if wanted is not None and wanted != digest(source):
        raise LiouvilleError(
            f"{config.problem.name} has the SHA-256 {digest(source)}, but problem.sha256 is "
            f"{wanted}; restore the file, or leave the setting out"
        )
    return Loaded(problem, source, ends)


def resolve(loaded: Loaded, config: ControlConfig, progress: bool | None = None) -> Start:
    """The path to start from: laid between both ends, or carried by the drift from one."""
    problem, seed = loaded.problem, config.training.seed
    config = resolve_choices(config, problem.dim, opening_of(problem))
    options = config.path
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
    assert isinstance(path.path, LocationScale | Inertial)
    facts: dict[str, Any] = {
        "problem": problem.name,
        "coordinates": problem.dim,
        "moving parts": int(jax.eval_shape(value_of, path.path.logits).shape[0]),
    }
    lengths = smoothed_costs(problem)
    if lengths:
        facts["smoothed in training"] = {name: float(f"{s:.3g}") for name, s in lengths.items()}
    if keeps(config, loaded):
        own = dataclasses.replace(config.problem, sha256=digest(loaded.source))
        config = dataclasses.replace(config, problem=own)
    return Start(
        config,
        path,
        objective,
        objective if config.training.patience is not None else None,
        facts,
        known=loaded,
        details={"problem": problem},
    )


def resolve_choices(config: ControlConfig, dim: int, opening: float = OPENING) -> ControlConfig:
    """Fills in what is left to choose, by the number of coordinates and the `opening` of the ends.

    In many of them a step is dear, and the bridges that training starts from are so near to the
    least that steps of the usual size lead away: few small ones, and the best that is seen counts.
    Next to a narrow end the effort is spent in a short time, in which parts open and more of the
    times are.
    """
    times, steps, rate, patience = _OF_MANY if dim > _MANY else _OF_FEW
    asked, training = config.objective, config.training
    crowding = 1.0 - opening / OPENING if asked.crowding is None else asked.crowding
    return dataclasses.replace(
        config,
        path=dataclasses.replace(config.path, opening=config.path.opening or opening),
        objective=dataclasses.replace(asked, times=asked.times or times, crowding=crowding),
        training=dataclasses.replace(
            training,
            steps=training.steps or steps,
            rate=training.rate or rate,
            patience=training.patience or patience,
        ),
    )


def model(start: Start, result: Fit) -> Model:
    """The model in the units of the problem."""
    problem: ControlProblem = start.known.problem
    return Model(
        path=result.path.path,
        units=result.path.units,
        times=np.array([0.0, problem.horizon]),
        features=_names(start.known),
        # Another than scalar noise has no place in a model; its own paths then are the flow's.
        sigma=problem.noise if isinstance(problem.noise, float) else 0.0,
        notes={"problem": problem.name},
    )


def _names(loaded: Loaded) -> tuple[str, ...]:
    """Of the coordinates: columns of samples, or `x1`, ..., or `q1`, ... and `p1`, ...."""
    problem = loaded.problem
    if named := named_columns(loaded.ends):
        return named[0].features
    kinds = ("q", "p") if problem.momenta else ("x",)
    return tuple(f"{kind}{i + 1}" for kind in kinds for i in range(problem.dim // len(kinds)))


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
    """The problem with the noise and the weights of a configuration."""
    if settings.problem.sigma is not None:
        problem = dataclasses.replace(problem, sigma=settings.problem.sigma)
    return problem.weighted(**settings.weights)


def objective_of(problem: ControlProblem, settings: ControlConfig) -> Objective:
    """What training makes small: all running costs at the same particles, and the terminal one."""
    options, steps = settings.objective, settings.training.steps
    assert options.times is not None  # filled in by `resolve_choices`
    assert options.crowding is not None
    assert steps is not None
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
    keeps=keeps,
    recover=recover,
)
