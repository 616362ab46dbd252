"""What is wrong with a problem, said before anything is trained."""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from liouville.diffusions import shown
from liouville.errors import LiouvilleError
from liouville.objectives import Interaction, Potential
from liouville.tasks.control.problem import ControlProblem

_DRAWS = 256
# A tail of an end may touch an obstacle; more of it than this share is a mistake.
_MOST_INSIDE = 0.01


def check(problem: ControlProblem) -> None:
    """Evaluates every function of a problem at draws of its ends.

    Raises:
        LiouvilleError: naming the function, the point and the value that cannot be used.
    """
    if not (np.isfinite(problem.horizon) and problem.horizon > 0):
        raise LiouvilleError(f"the horizon is {problem.horizon}; give a positive duration")
    ends = [problem.source] if problem.target is None else [problem.source, problem.target]
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
    points = jnp.asarray(np.concatenate(clouds), jnp.zeros(()).dtype)
    _check_noise(problem, points)
    for t in (0.0, 0.5 * problem.horizon, problem.horizon):
        for what, function, shape in _functions(problem, jnp.asarray(t, points.dtype), points[0]):
            _check_values(what, function, points, shape, t)
    if problem.terminal is not None:
        _check_values("the terminal cost", problem.terminal, points, (), problem.horizon)
    if problem.obstacle is not None:
        _check_values("the obstacle", problem.obstacle, points, (), 0.0)
        for end, cloud in zip(("source", "target"), clouds):
            inside = np.asarray(jax.vmap(problem.obstacle)(jnp.asarray(cloud, points.dtype))) > 0
            if inside.mean() > _MOST_INSIDE:
                raise LiouvilleError(
                    f"{100 * inside.mean():.0f} % of the {end} lies inside an obstacle, for "
                    f"instance {shown(cloud[inside][0])}; move the {end} or the obstacle"
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


def _check_noise(problem: ControlProblem, points: jax.Array) -> None:
    sigma, dim = problem.sigma, problem.dim
    if isinstance(sigma, int | float | np.floating):
        if not (np.isfinite(sigma) and sigma > 0):
            raise LiouvilleError(
                f"sigma is {sigma}; control acts through the noise, so give a positive number (for "
                "motion without noise use 'fit transport')"
            )
        return
    if callable(sigma):
        time = jnp.zeros((), points.dtype)
        _check_values("sigma", lambda x: sigma(time, x), points, (dim, dim), 0.0)
        matrices = np.asarray(jax.vmap(lambda x: sigma(time, x))(points), float)
    else:
        matrices = np.asarray(sigma, float)[None]
        if matrices.shape != (1, dim, dim):
            raise LiouvilleError(
                f"sigma has shape {matrices.shape[1:]}; give a number or a matrix {(dim, dim)}"
            )
    values = np.linalg.svd(matrices, compute_uv=False)
    if not np.all(values[:, -1] > 1e-6 * values[:, 0]):
        raise LiouvilleError(
            "sigma is a singular matrix: some directions cannot be controlled, and a given density "
            "cannot be met; give an invertible one"
        )


def _check_values(
    what: str, function: Callable, points: jax.Array, shape: tuple[int, ...], t: float
) -> None:
    """Every value must have the shape and be finite."""
    found = jax.eval_shape(function, jax.ShapeDtypeStruct(points.shape[1:], points.dtype))
    found_shape = getattr(found, "shape", None)
    if found_shape != shape:
        raise LiouvilleError(
            f"{what} returns shape {found_shape} at one point of shape {points.shape[1:]}; it must "
            f"return {shape}: write it for one point"
        )
    values = np.asarray(jax.vmap(function)(points)).reshape(len(points), -1)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        point = np.asarray(points)[bad][0]
        raise LiouvilleError(
            f"{what} is {values[bad][0].squeeze()} at t = {t:g}, x = {shown(point)}; it must be "
            "finite wherever the population goes"
        )
