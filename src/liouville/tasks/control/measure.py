"""What a control costs: from the closed forms, from a rollout, and as others measure it."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.model import Model
from liouville.numerics.couplings import wasserstein
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.objectives import AbstractRunningCost, MeanField, Running, Terminal
from liouville.paths import AbstractPath
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.problem import ControlProblem, Loaded
from liouville.tasks.control.rollout import AbstractCrowd, Rollout, equal_particles, roll_out
from liouville.tasks.task import Start
from liouville.tasks.transport.judge import Carry, judge_ends

_REPLICATES = 16
# Particles for costs of places, and how many numbers there are at most in points and in pairs.
_PLACES, _POINTS, _PAIRS = 4096, 2**26, 2**29
# Above this share of path time inside an obstacle the scene is said to be infeasible.
_MOST_INSIDE = 0.01
# Exact assignment takes a few seconds at this size.
_MOST_MATCHED = 2000
_LOGGED, _BANDWIDTH = 15, 0.2
# What arrives is not the target where it is so many times as far away as two draws of it.
_NEAR = 1.25
_STEPS = "the simulation misses the end that the density meets; give more rollout.steps"
_MIXTURES = "give that end as a mixture of your own, or more samples"
_INSIDE = "inside an obstacle (share of path time)"


class Costs(NamedTuple):
    """An objective and its standard error, and each weighted cost by name."""

    total: float
    error: float
    parts: dict[str, float]


def measure(model: Model, start: Start, loaded: Loaded) -> tuple[dict[str, Any], dict[str, Any]]:
    """All figures of a control, and the rollout they are from."""
    config: ControlConfig = start.config
    found, rollout = _figures(model, loaded, config, config.training.seed + 1000)
    share = found.get(_INSIDE, 0.0)
    if share > _MOST_INSIDE:
        warnings.warn(
            f"the population spends {100 * share:.1f} % of its time inside an obstacle: either no "
            "free way exists, or more path.bends, path.parts or training.steps are needed",
            stacklevel=2,
        )
    if not _arrives(found):
        warnings.warn(
            f"the simulation ends {found['W2 of arrival']:.3g} from the target (W2), of which two "
            f"draws are {found['W2 of two draws of the target']:.3g} apart: {_STEPS}",
            stacklevel=2,
        )
    return found, {"rollout": rollout}


def evaluate(model: Model, loaded: Loaded, config: ControlConfig) -> dict[str, Any]:
    """The figures of a run again, with other random numbers."""
    return _figures(model, loaded, config, config.training.seed + 2000)[0]


def running_term(problem: ControlProblem, **options: Any) -> Running:
    """The running costs of a problem as one term, in the user's units."""
    return Running((0.0, problem.horizon), problem.running, problem.weights, **options)


def closed_form(
    path: AbstractPath, problem: ControlProblem, *, crowding: float = 0.0, seed: int = 0
) -> Costs:
    """The objective from density and velocity alone, without a simulation, in the user's units."""
    term = running_term(problem.exact(), crowding=crowding, **_sizes(problem))
    keys = jr.split(jr.key(seed), _REPLICATES)
    values = np.asarray(_replicates(term.each, path, keys), float) * np.asarray(term.weights, float)
    parts = dict(zip(term.names, values.mean(axis=0).tolist()))
    totals = values.sum(axis=1)
    if problem.terminal is not None:
        paid = Terminal(time=problem.horizon, cost=problem.terminal, particles=4096)
        end = np.asarray(_replicates(paid, path, keys), float)
        parts["terminal"], totals = float(end.mean()), totals + end
    return Costs(float(totals.mean()), float(totals.std(ddof=1) / np.sqrt(_REPLICATES)), parts)


def _sizes(problem: ControlProblem) -> dict[str, int]:
    """Times and particles of an estimate, fewer where points are long: memory and time are held."""
    crowd = problem.drift.crowd if isinstance(problem.drift, MeanField) else 0
    times = int(np.clip(_POINTS // (problem.dim * max(crowd, 512)), 8, 128))
    particles = int(np.clip((_PAIRS / (problem.dim * times)) ** 0.5, 64, 512))
    places = int(np.clip(_POINTS // (problem.dim * times), particles, _PLACES))
    return {"times": times, "particles": particles, "places": places}


@eqx.filter_jit
def _replicates(
    estimate: Callable, path: AbstractPath, keys: jax.Array
) -> Float[Array, "keys ..."]:
    return jax.lax.map(lambda key: estimate(path, key=key), keys)


def of_rollout(rollout: Rollout, problem: ControlProblem) -> Costs:
    """The objective along simulated trajectories, with the path's own density."""
    weights = np.array([problem.weights.get(name, 1.0) for name in problem.running])
    rates = np.asarray(rollout.rates, float) * weights
    parts = dict(zip(problem.running, (problem.horizon * rates.mean(axis=0)).tolist()))
    parts |= _terminal_part(rollout, problem)
    return Costs(float(sum(parts.values())), float("nan"), parts)


def of_log(rollout: Rollout, problem: ControlProblem) -> Costs:
    """The objective as Generalized Schrödinger Bridge Matching reports it.

    It is the mean over 15 equally spaced times of the rollout; the entropy is that of a Gaussian
    kernel density estimate of width 0.2, which counts each point itself (Liu et al., ICLR 2024).
    """
    steps, kept = len(rollout.rates), len(rollout.times) - 1
    moments = np.linspace(0, kept, _LOGGED).round().astype(int)
    rows = np.minimum(moments * (steps // kept), steps - 1)
    parts = {"effort": np.asarray(rollout.rates, float)[rows, 0].mean()}
    for name, cost in problem.exact().costs.items():
        values = [_of_points(cost, rollout.times[i], rollout.points[i], jr.key(0)) for i in moments]
        parts[name] = problem.weights.get(name, 1.0) * float(np.mean(values))
    parts = {name: problem.horizon * float(value) for name, value in parts.items()}
    parts |= _terminal_part(rollout, problem)
    return Costs(sum(parts.values()), float("nan"), parts)


def _terminal_part(rollout: Rollout, problem: ControlProblem) -> dict[str, float]:
    """The terminal cost of where trajectories end, if the problem has one."""
    if problem.terminal is None:
        return {}
    return {"terminal": float(jax.vmap(problem.terminal)(rollout.points[-1]).mean())}


@eqx.filter_jit
def _of_points(cost: AbstractRunningCost, t: Scalar, points: Points, key: RandomKey) -> Scalar:
    return cost(t, KernelMarginal(points), *equal_particles(points), key=key)


class KernelMarginal(AbstractCrowd):
    """A kernel density estimate; it does not move."""

    points: Points

    def log_density(self, x: Point) -> Scalar:
        """The logarithm of the mean of round Gaussians at the points."""
        squares = jnp.sum((x - self.points) ** 2, axis=-1) / _BANDWIDTH**2
        constant = self.points.shape[1] * jnp.log(_BANDWIDTH * jnp.sqrt(2.0 * jnp.pi))
        return jax.nn.logsumexp(-0.5 * squares) - jnp.log(self.points.shape[0]) - constant

    def velocity(self, x: Point) -> Point:
        """Zero."""
        return jnp.zeros_like(x)


def _figures(
    model: Model, loaded: Loaded, config: ControlConfig, seed: int
) -> tuple[dict[str, Any], Rollout]:
    path, problem, options = model.path_in_user, loaded.problem, config.rollout
    exact = closed_form(path, problem, crowding=config.objective.crowding or 0.0, seed=seed)
    starts = problem.source.sample(options.trajectories, seed=seed)[0]
    x0 = jnp.asarray(starts, jnp.zeros(()).dtype)
    rollout = roll_out(path, problem, x0, steps=options.steps, key=jr.key(seed))
    simulated, theirs = of_rollout(rollout, problem), of_log(rollout, problem)
    found: dict[str, Any] = {
        "objective (closed form)": exact.total,
        "objective (closed form), standard error": exact.error,
        "objective (rollout)": simulated.total,
        "objective (15 logged times, kernel density)": theirs.total,
    }
    for name in exact.parts:
        found[f"{name} (closed form)"] = exact.parts[name]
        found[f"{name} (rollout)"] = simulated.parts[name]
    if problem.target is not None:
        found |= _arrival(rollout, problem, seed)
    if problem.obstacle is not None:
        found[_INSIDE] = float(np.mean(rollout.inside))
    told = {} if _arrives(found) else {"why": _STEPS}
    carry = _along(path, problem, options.steps, seed)
    found |= judge_ends(loaded.ends, carry, seed=seed, remedy=_MIXTURES, **told)
    return {k: float(f"{v:.6g}") for k, v in found.items()}, rollout


def _arrives(found: Mapping[str, Any]) -> bool:
    """Whether a simulation ends where the density does, but for chance."""
    floor = found.get("W2 of two draws of the target", np.inf)
    return found.get("W2 of arrival", 0.0) <= _NEAR * floor


def _along(path: AbstractPath, problem: ControlProblem, steps: int, seed: int) -> Carry:
    """What takes points of the source under the control; what it costs is not asked."""
    free = replace(problem, costs={}, weights={}, obstacle=None)

    def carry(points: np.ndarray, number: int) -> np.ndarray:
        del number  # there is one end to go to
        x0 = jnp.asarray(points, jnp.zeros(()).dtype)
        rollout = roll_out(path, free, x0, steps=steps, key=jr.key(seed + 1))
        return np.asarray(rollout.points[-1], float)

    return carry


def _arrival(rollout: Rollout, problem: ControlProblem, seed: int) -> dict[str, float]:
    assert problem.target is not None
    arrived = np.asarray(rollout.points[-1], float)[:_MOST_MATCHED]
    clouds = [problem.target.sample(len(arrived), seed=seed + i)[0] for i in range(1, 5)]
    # Two independent clouds for each: one is a noisy judge where modes are far apart.
    ours = [wasserstein(arrived, cloud) for cloud in clouds[:2]]
    floor = [wasserstein(clouds[2], cloud) for cloud in clouds[:2]]
    return {
        "W2 of arrival": float(np.mean(ours)),
        "W2 of two draws of the target": float(np.mean(floor)),
    }
