r"""The law of the end given the start: plans of Schrödinger bridges in closed form."""

from typing import Any

import numpy as np

from liouville.data import read_samples
from liouville.diffusions import entropic_plan
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.arguments import check_counts, check_positive
from liouville.numerics.couplings import mean_distance
from liouville.numerics.mixtures import GaussianMixture, check_mixture
from liouville.numerics.plans import Plan
from liouville.tasks.transport.config import PlanConfig, TransportConfig
from liouville.tasks.transport.problem import Given, Problem, problem_of

Array = np.ndarray

# Draws that stand for an end that is given exactly, and the fewest samples of an end.
_DRAWS, _FEWEST = 2**16, 10
# Independent sets of draws by which plans are judged, and the points of a set for expectations.
_SETS, _SPREAD = 10, 4096


def fit_plan(
    source: Any,
    target: Any,
    *,
    sigma: float,
    duration: float = 1.0,
    parts: int | None = None,
    seed: int = 0,
) -> Plan:
    r"""The plan of the Schrödinger bridge between two distributions, by maximum likelihood.

    Samples are taken as they are, without a mixture between. The law of the end given the start is
    `plan.given(x)`: weights, means and covariances, exact for the start and for the potential that
    is found. The end that the plan leads to is the target up to what samples tell: the relative
    entropy to it is no more than what the likelihood falls short of its best.

    Args:
        source: samples, shape `(n, dim)`, or whatever they are read from, or a `GaussianMixture`.
        target: likewise; no sample of it belongs to one of the source.
        sigma: the noise of $dX = b\,dt + \sigma\,dW$, in your length per root of your time.
        duration: the time from one to the other.
        parts: the number of parts of the potential; by default chosen on rows kept aside.
        seed: of starts and draws.

    Raises:
        LiouvilleError: if an end or a number cannot be used.
    """
    check_positive("the plan", sigma=sigma, duration=duration)
    if parts is not None:
        check_counts(parts=parts)
    x, y = _rows("the source", source, seed), _rows("the target", target, seed + 1)
    if x.shape[1] != y.shape[1]:
        raise LiouvilleError(
            f"the source has {x.shape[1]} coordinates but the target {y.shape[1]}; give the same "
            "ones"
        )
    return entropic_plan(x, y, sigma**2 * duration, parts=parts, seed=seed)


def _rows(name: str, end: Any, seed: int) -> Array:
    """Samples of an end, or evenly spread points of one that is given exactly."""
    if isinstance(end, GaussianMixture):
        return check_mixture(name, end).spread(_DRAWS, seed=seed)
    return read_samples(end).check(min_rows=_FEWEST).points


def plans_of(problem: Problem, config: PlanConfig, *, seed: int = 0) -> tuple[Plan, ...]:
    """The plan of every piece of a problem, in the model's units; none if there can be none.

    They are of Brownian motion: there is none without noise, with a reference or with a cost.
    """
    if not problem.sigma > 0 or problem.reference is not None or problem.cost is not None:
        return ()
    found = []
    for number, (source, target, times) in enumerate(problem.pieces):
        own = seed + 2 * number
        x, y = source.spread(config.draws, seed=own), target.spread(config.draws, seed=own + 1)
        noise = problem.sigma**2 * (times[1] - times[0])
        options: Any = {"parts": config.parts, "most": config.most, "seed": own}
        found.append(entropic_plan(x, y, noise, **options))
    return tuple(found)


def plan_figures(
    model: Model, given: Given, config: TransportConfig, *, seed: int
) -> dict[str, float]:
    """What the plans of a model say of every piece, on fresh draws of its ends.

    The lower bound on the energy that every plan gives, and the distance of where its draws arrive
    from draws of the end.
    """
    problem, clock = problem_of(given, model.units, config), np.asarray(model.times, float)
    points, told = config.certificate.points, {}
    for number, plan in enumerate(model.plans):
        ends, times = problem.pieces[number][:2], problem.pieces[number][2]
        seeds = range(seed + 11, seed + 11 + 10 * _SETS, 10)
        scale = problem.energy_scale / (times[1] - times[0])
        spreads = [
            [end.spread(_SPREAD, seed=own + i) for i, end in enumerate(ends)] for own in seeds
        ]
        bounds = [plan.least_energy(*rows) * scale for rows in spreads]
        starts, reached = (
            [end.sample(points, seed=own + 2 + i)[0] for own in seeds] for i, end in enumerate(ends)
        )
        moved = [plan.given(x).sample(1, seed=own)[0] for x, own in zip(starts, seeds)]
        away = mean_distance(moved, reached)
        length = float(model.units.scale[0])
        span = f"{clock[number]:g} to {clock[number + 1]:g}: "
        prefix = "" if len(model.plans) == 1 else span
        found = {
            "lower bound (plan)": np.mean(bounds),
            "lower bound (plan), standard error": np.std(bounds, ddof=1) / np.sqrt(_SETS),
            "W2 of arrival (plan)": length * away.value,
            "W2 of arrival (plan), standard error": length * away.error,
        }
        told |= {prefix + name: float(f"{value:.6g}") for name, value in found.items()}
    return told
