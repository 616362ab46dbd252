"""Control with a folder around it: what the command line does."""

import dataclasses
import json
import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.errors import LiouvilleError
from liouville.model import MODEL_FILE, load
from liouville.runs import config as configuration
from liouville.runs.folder import Run, begin, data_of, open_run, write_json
from liouville.tasks.control import scenes
from liouville.tasks.control._check import check
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.fit import ControlFit, chosen_problem, fit_control
from liouville.tasks.control.measure import figures
from liouville.tasks.control.policy import Policy
from liouville.tasks.control.problem import ControlProblem
from liouville.tasks.control.rollout import roll_out
from liouville.training import read_metrics

Say = Callable[[str], None]
_DRAWN = 1000


def run_control(
    folder: Path,
    *,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> ControlFit:
    """Solves a control problem and fills a folder: model, log, summary, report.

    All input is checked before anything is written. The arguments are those of
    `runs.folder.begin`, besides `progress` (a bar; by default on a terminal only) and `say`
    (told what is going on).

    Raises:
        LiouvilleError: on unusable input.
        TrainingError: if training meets a number that is not finite; the checkpoint stays.
    """
    run, chosen, (problem, text) = begin(
        folder,
        "control",
        ControlConfig,
        _problem,
        _arrays,
        file=file,
        flags=flags,
        settings=settings,
        force=force,
        resume=resume,
    )
    say("looking for ways around what is dear")
    result = fit_control(problem, chosen, folder=folder, resume=resume, progress=progress)
    if result.reason == "interrupted":
        return result
    dataclasses.replace(run, settings=configuration.to_dict(result.config)).write()
    result.model.save(folder / MODEL_FILE)
    write_json(folder / "summary.json", result.summary)
    say("drawing the report")
    report(folder, result, (problem, text))
    return result


def problem_of(run: Run) -> tuple[ControlProblem, ControlConfig]:
    """Makes again the problem of a run.

    Raises:
        LiouvilleError: if its Python file is gone, or the ends it makes have changed.
    """
    (problem, _), settings = data_of(run, ControlConfig, _problem, _arrays)
    return problem, settings


def load_policy(folder: Path | str) -> Policy:
    """The feedback control of a run. A problem from a Python file executes that file again.

    Raises:
        LiouvilleError: if the folder holds no run of control, or the problem has changed.
    """
    folder = Path(folder)
    problem, _ = problem_of(open_run(folder))
    return Policy(load(folder), problem)


def evaluate(folder: Path, *, seed: int = 1) -> dict[str, Any]:
    """Measures a run again, with other random numbers.

    Raises:
        LiouvilleError: if the folder holds no run, or the problem has changed.
    """
    problem, settings = problem_of(open_run(folder))
    found, _ = figures(
        Policy(load(folder), problem).path,
        problem,
        trajectories=settings.rollout.trajectories,
        steps=settings.rollout.steps,
        seed=settings.training.seed + 1000 * (1 + seed),
    )
    return found


def redraw(folder: Path, *, movie: bool = True) -> Path:
    """Draws the report of a run again from what its folder holds.

    Raises:
        LiouvilleError: if the folder holds no model or the problem has changed.
    """
    problem, settings = problem_of(open_run(folder))
    policy = Policy(load(folder), problem)
    settings = dataclasses.replace(
        settings, report=dataclasses.replace(settings.report, movie=movie)
    )
    starts = jnp.asarray(problem.source.sample(_DRAWN, seed=1)[0], jnp.zeros(()).dtype)
    rollout = roll_out(policy.path, problem, starts, steps=settings.rollout.steps, key=jr.key(1))
    summary = json.loads((folder / "summary.json").read_text())
    history = read_metrics(folder / "metrics.jsonl")
    fitted = ControlFit(policy, settings, problem, history, summary, "finished", rollout)
    return report(folder, fitted, (problem, b""))


def report(folder: Path, fitted: ControlFit, read: tuple[ControlProblem, bytes]) -> Path:
    """Draws the report of a run: `report.html` and the same pictures in `figures`."""
    from liouville.plots import write_page
    from liouville.tasks.control.report import contents

    return write_page(folder, contents(fitted, read))


def read_problem(name: str) -> ControlProblem:
    """A problem by its name, or from a Python file that makes `problem`, which is executed.

    Raises:
        LiouvilleError: if there is neither, or the file makes no `ControlProblem`.
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise LiouvilleError(f"there is no file {name}; check the path")
        problem = runpy.run_path(name).get("problem")
        if not isinstance(problem, ControlProblem):
            raise LiouvilleError(
                f"{name} makes no `problem = ControlProblem(...)`; see docs/control.md"
            )
        return (
            dataclasses.replace(problem, name=Path(name).stem)
            if problem.name == "problem"
            else problem
        )
    if name not in scenes.NAMES:
        raise LiouvilleError(
            f"there is no problem {name!r}; the names are: {', '.join(scenes.NAMES)}; or give a "
            "Python file"
        )
    return scenes.NAMES[name]()


def _problem(settings: ControlConfig) -> tuple[ControlProblem, bytes]:
    """The problem, and the text of the file it is from, by which a change is seen."""
    name = settings.problem.name
    problem = chosen_problem(read_problem(name), settings)
    check(problem)
    return problem, Path(name).read_bytes() if name.endswith(".py") else name.encode()


def _arrays(read: tuple[ControlProblem, bytes]) -> list[np.ndarray | None]:
    problem, text = read
    ends = [problem.source] if problem.target is None else [problem.source, problem.target]
    arrays = [array for end in ends for array in (end.weights, end.means, end.covariances)]
    return [*arrays, np.frombuffer(text, np.uint8)]
