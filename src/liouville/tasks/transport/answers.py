"""What a transport path answers about given points."""

import dataclasses
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from liouville.errors import LiouvilleError
from liouville.model import Model, Numbers, bent_clock
from liouville.numerics.arguments import check_counts, number, numbers
from liouville.numerics.shares import systematic

_MOST_POINTS = 6000


def transport_map(
    model: Model,
    x: Numbers,
    *,
    start: float | None = None,
    end: float | None = None,
    draws: int = 0,
    seed: int = 0,
    contexts: Numbers | None = None,
) -> np.ndarray:
    r"""Where points go: along the velocity, or along the diffusion.

    Without noise this is the transport map $x \mapsto X_T$ given $X_0 = x$. With noise one draw is
    a stochastic map, and the mean of many is the barycentric map $E[X_T | X_0 = x]$; draws are of
    `Model.conditional`, whose mean is that map without their noise.

    Args:
        model: a fitted model.
        x: points at `start`, shape `(..., dim)`, in the user's units.
        start: the time they are given at; by default the first.
        end: the time they are wanted at; by default the last. Before `start` it is the way back.
        draws: 0 for the velocity; otherwise the number of diffusions over which to average.
        seed: of the noise.
        contexts: of every point its own, shape `(..., size)`, for models that depend on numbers.

    Returns:
        Points of the shape of `x`.

    Raises:
        LiouvilleError: on points or times that do not fit, or draws without noise.
    """
    start = model.interval[0] if start is None else number("the time of the points", start)
    end = model.interval[1] if end is None else number("the time they are wanted at", end)
    if start == end:
        raise LiouvilleError(f"the map from time {start:g} to itself moves nothing; give two times")
    check_counts(0, draws=draws)
    if draws == 0:
        clock = bent_clock(model.times, start, end)
        return model.trajectories(x, clock, steps=4, contexts=contexts)[-1]
    law = model.conditional(x, start=start, end=end, draws=draws, seed=seed)
    return law.mean if law.covariances is None else law.sample(draws, seed=seed).mean(axis=0)


def arrived(
    model: Model, x: np.ndarray, start: float, end: float, *, draws: int = 0, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Where draws of one time are at another one, and the mass that is there.

    What is born has no draws before, and what dies takes them along. So on a path that grows as
    many draws of the time halfway are carried from there, with their mass: of these parts are
    neither rare. Those that come back are drawn by their weights.

    A point that the solver loses, where the velocity is not finite, stands for no figure: the
    others are drawn in its place, and a warning says how many there are.

    Args:
        model: a fitted model.
        x: draws from the density at `start`, shape `(n, dim)`.
        start: their time.
        end: the time that is asked for.
        draws: see `transport_map`.
        seed: of the noise, of the draws halfway and of those by weights.

    Returns:
        As many points, shape `(n, dim)`, and the mass.

    Warns:
        UserWarning: if points are lost on the way.
    """
    model = dataclasses.replace(model, is_drawn=True)
    if draws or not _grows(model):
        moved = transport_map(model, x, start=start, end=end, draws=draws, seed=seed)
        return _without_lost(moved, start, end, seed), 1.0
    half = 0.5 * (start + end)
    x = model.sample(half, len(x), seed=seed)
    moved, logs = model.weighted_trajectories(x, bent_clock(model.times, half, end), steps=8)
    weights, rng = np.exp(logs[-1]), np.random.default_rng(seed)
    rows = rng.permutation(systematic(weights / weights.sum(), len(x), rng))
    return moved[-1][rows], float(weights.mean() * np.exp(model.log_mass(half)))


def _without_lost(moved: np.ndarray, start: float, end: float, seed: int) -> np.ndarray:
    """Points of which some are not finite, with others in their place if there are any."""
    lost = np.flatnonzero(~np.isfinite(moved).all(axis=-1))
    others = np.delete(moved, lost, axis=0)
    if not len(lost) or not len(others):
        return moved
    warnings.warn(
        f"{len(lost)} of {len(moved)} points are lost on the way from {start:g} to {end:g}, where "
        "the velocity is not finite; where others arrive is measured without them",
        stacklevel=3,
    )
    moved = moved.copy()
    moved[lost] = others[np.random.default_rng(seed).integers(len(others), size=len(lost))]
    return moved


def _grows(model: Model) -> bool:
    """Whether mass is no constant: paths that conserve it say zero at all times."""
    return bool(np.any(model.log_mass(np.linspace(*model.interval, 9)) != 0.0))


def couple(
    model: Model,
    x: Numbers,
    y: Numbers,
    *,
    start: float | None = None,
    end: float | None = None,
) -> np.ndarray:
    """Pairs samples of two times: each of `x` is carried along and matched to the nearest of `y`.

    The matching is the optimal one between where `x` arrives and `y`, so no sample is used twice.
    Of a model that has a plan it is the most probable one, the largest product of
    `Model.conditional`.

    Args:
        model: a fitted model.
        x: samples at `start`, shape `(n, dim)`.
        y: samples at `end`, shape `(m, dim)`.
        start: the time of `x`; by default the first.
        end: the time of `y`; by default the last.

    Returns:
        Rows of `x` and of `y` that belong together, shape `(min(n, m), 2)`, in the order of `x`.

    Raises:
        LiouvilleError: on points or times that do not fit, or too many of them.
    """
    x, y = numbers("the samples x", x), numbers("the samples y", y)
    for name, z in (("x", x), ("y", y)):
        if z.ndim != 2 or not len(z):
            raise LiouvilleError(f"the samples {name} have shape {z.shape}; give (n, {model.dim})")
        model.points_to_model(z)
    if max(len(x), len(y)) > _MOST_POINTS:
        raise LiouvilleError(
            f"{len(x)} and {len(y)} samples are too many to match exactly (most: {_MOST_POINTS}); "
            "take some of them"
        )
    rows, partners = linear_sum_assignment(_costs(model, x, y, start, end))
    return np.stack([rows, partners], axis=1)


def _costs(
    model: Model, x: np.ndarray, y: np.ndarray, start: float | None, end: float | None
) -> np.ndarray:
    """What a pairing makes least in sum, shape `(n, m)`."""
    if model.plans:
        law = model.conditional(x[:1], start=start, end=end, draws=1)
        if law.covariances is not None:
            # The law is a Gaussian kernel times a factor of each end: of that of y one start tells.
            first = model.interval[0] if start is None else float(start)
            last = model.interval[1] if end is None else float(end)
            noise = float(np.mean(np.square(model.sigma))) * (last - first)
            kernel = 0.5 * cdist(x, y, "sqeuclidean") / noise
            return kernel - (law.log_density(y) + kernel[0])
    return cdist(transport_map(model, x, start=start, end=end), y, "sqeuclidean")
