"""What is wrong with a problem, said before anything is trained."""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from liouville.diffusions import check_noise, check_values, show
from liouville.errors import LiouvilleError
from liouville.objectives import Interaction, Potential
from liouville.tasks.control.problem import ControlProblem

_DRAWS = 256
# A tail of an end may touch an obstacle; more of it than this share is a mistake.
_MOST_INSIDE = 0.01


def check(problem: ControlProblem) -> None:
    """Evaluates every function of a problem at draws of its ends."""
    ends = problem.ends
    if ends[-1].dim != problem.dim:
        raise LiouvilleError(
            f"the source has {problem.dim} coordinates but the target {ends[-1].dim}; they must "
            "have the same"
        )
    if problem.target is None and problem.terminal is None and not problem.costs:
        raise LiouvilleError(
            "the problem has neither target, nor terminal cost, nor running cost: doing nothing "
            "solves it; give one of them"
        )
    names = set(problem.weights) - set(problem.costs) - {"effort"}
    if names:
        known = ", ".join(problem.costs) or "none"
        raise LiouvilleError(f"there is no cost {min(names)!r} to weigh; the costs are: {known}")
    clouds = [end.sample(_DRAWS, seed=i)[0] for i, end in enumerate(ends)]
    points = np.concatenate(clouds)
    check_noise(points, problem.drift, problem.sigma, problem.horizon)
    for t in (0.0, 0.5 * problem.horizon, problem.horizon):
        for what, function, shape in _functions(problem, jnp.asarray(t), jnp.asarray(points[0])):
            check_values(what, function, points, shape, t)
    if problem.terminal is not None:
        check_values("the terminal cost", problem.terminal, points, (), problem.horizon)
    if problem.obstacle is not None:
        for end, cloud in zip(("source", "target"), clouds):
            inside = check_values("the obstacle", problem.obstacle, cloud, (), 0.0) > 0
            if inside.mean() > _MOST_INSIDE:
                raise LiouvilleError(
                    f"{100 * inside.mean():.0f} % of the {end} lies inside an obstacle, for "
                    f"instance {show(cloud[inside][0])}; move the {end} or the obstacle"
                )


def _functions(
    problem: ControlProblem, t: jax.Array, other: jax.Array
) -> Iterator[tuple[str, Callable, tuple[int, ...]]]:
    """What is asked at single points at one time: name, function of a point, shape."""
    if problem.drift is not None:
        yield "the drift", partial(problem.drift, t), (problem.dim,)
    for name, cost in problem.costs.items():
        if isinstance(cost, Potential):
            yield f"the cost {name!r}", partial(cost.cost, t), ()
        elif isinstance(cost, Interaction):
            yield f"the kernel of {name!r}", partial(cost.kernel, other), ()
