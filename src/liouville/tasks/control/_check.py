"""What is wrong with a problem, said before anything is trained."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.diffusions import check_noise
from liouville.errors import LiouvilleError
from liouville.numerics.arguments import numbers
from liouville.numerics.finite import show
from liouville.numerics.functions import check_function, check_values
from liouville.numerics.mixtures import check_mixture
from liouville.objectives import AbstractRunningCost, Interaction, Potential, drift_among
from liouville.tasks.control.measure import KernelMarginal
from liouville.tasks.control.problem import ControlProblem
from liouville.tasks.control.rollout import equal_particles

_DRAWS = 256
# A tail of an end may touch an obstacle; more of it than this share is a mistake.
_MOST_INSIDE = 0.01


def check(problem: ControlProblem) -> None:
    """Looks at all that a problem is made of, and evaluates its functions at draws of its ends."""
    for name, end in zip(("source", "target"), problem.ends):
        check_mixture(f"the {name}", end)
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
    _check_names(problem)
    clouds = [end.sample(_DRAWS, seed=i)[0] for i, end in enumerate(ends)]
    points = np.concatenate(clouds)
    if problem.momenta:
        _check_momenta(problem, points)
    else:
        check_noise(points, problem.drift, problem.sigma, problem.horizon)
    _check_costs(problem, points)
    if problem.terminal is not None:
        check_values("the terminal cost", problem.terminal, points, ())
    if problem.obstacle is not None:
        for end, cloud, t in zip(("source", "target"), clouds, (0.0, problem.horizon)):
            inside = check_values("the obstacle", problem.obstacle, cloud, (), t) > 0
            if inside.mean() > _MOST_INSIDE:
                raise LiouvilleError(
                    f"{100 * inside.mean():.0f} % of the {end} lies inside an obstacle, for "
                    f"instance {show(cloud[inside][0])}; move the {end} or the obstacle"
                )


def _check_momenta(problem: ControlProblem, points: np.ndarray) -> None:
    """Refuses what is no problem of positions and momenta."""
    if problem.dim % 2:
        raise LiouvilleError(
            f"the source has {problem.dim} coordinates, but of positions and as many momenta there "
            "is an even number; leave out momenta, or give all of them"
        )
    if problem.target is None:
        raise LiouvilleError(
            "a problem with momenta has no free end yet; give a target, or leave out momenta and "
            "let the noise act on all coordinates"
        )
    if callable(problem.sigma):
        raise LiouvilleError(
            "sigma of momenta is a function; give a number, one for each momentum, or a matrix"
        )
    half = points[:, : problem.dim // 2]
    check_noise(half, None, problem.sigma, problem.horizon)
    if problem.drift is not None:
        crowd = jnp.asarray(points, jnp.zeros(()).dtype)
        force = drift_among(problem.drift, *equal_particles(crowd))
        for t in (0.0, problem.horizon):
            check_values("the drift", force, points, half.shape[1:], t)


def _check_names(problem: ControlProblem) -> None:
    """Refuses costs that are none, and weights and stiffness of what is no cost."""
    for what, value in (("costs", problem.costs), ("weights", problem.weights)):
        if not isinstance(value, Mapping):
            raise LiouvilleError(
                f"the {what} are of type {type(value).__name__}; give a dictionary by name"
            )
    for name, cost in problem.costs.items():
        if not isinstance(cost, AbstractRunningCost):
            raise LiouvilleError(
                f"the cost {name!r} is of type {type(cost).__name__}; give a running cost, such as "
                "Potential(lambda t, x: ...)"
            )
    known = ", ".join(problem.costs) or "none"
    names = set(problem.weights) - set(problem.costs) - {"effort"}
    if names:
        raise LiouvilleError(f"there is no cost {min(names)!r} to weigh; the costs are: {known}")
    for name in problem.stiff:
        if name not in problem.costs:
            raise LiouvilleError(f"there is no cost {name!r} to be stiff; the costs are: {known}")
    for name, weight in problem.weights.items():
        value = numbers(f"the weight of {name!r}", weight)
        if value.shape or not (np.isfinite(value) and value >= 0):
            raise LiouvilleError(
                f"the weight of {name!r} is {weight}; give a finite number, zero or more"
            )


def _check_costs(problem: ControlProblem, points: np.ndarray) -> None:
    """Asks the functions of running costs for values at points, and every cost for its shape."""
    dtype = jnp.zeros(()).dtype
    crowd = jnp.asarray(points, dtype)
    arguments = {"t": jnp.zeros((), dtype), "marginal": KernelMarginal(crowd)}
    arguments |= dict(zip(("points", "weights"), equal_particles(crowd)))
    for t in (0.0, 0.5 * problem.horizon, problem.horizon):
        for what, function in _functions(problem, crowd[0]):
            check_values(what, function, points, (), t)
    for name, cost in problem.costs.items():
        check_function(f"the cost {name!r}", partial(cost, key=jr.key(0)), arguments, ())


def _functions(problem: ControlProblem, other: jax.Array) -> Iterator[tuple[str, Callable]]:
    """What costs ask at single points: name and function of time and point."""
    for name, cost in problem.costs.items():
        if isinstance(cost, Potential):
            yield f"the cost {name!r}", cost.cost
        elif isinstance(cost, Interaction):
            kernel = cost.kernel
            yield f"the kernel of {name!r}", lambda t, x, kernel=kernel: kernel(other, x)
