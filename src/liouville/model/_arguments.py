"""What a user gives a model, looked at and brought to the model's own units."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.random as jr
import numpy as np

from liouville.data import Standardisation, numbers_of
from liouville.errors import LiouvilleError
from liouville.numerics.arguments import numbers, numbers_of_text
from liouville.numerics.finite import point_name

# What NumPy makes an array of, and data frames and AnnData for points.
Numbers: TypeAlias = Any

# Further away, in units of the model, squares of points and powers of times leave single precision.
_FARTHEST = 1e12


def points_to_model(x: np.ndarray, units: Standardisation, features: Sequence[str]) -> np.ndarray:
    """Points, shape `(..., dim)`, as `Model.points_to_model` has them."""
    if x.ndim == 0 or x.shape[-1] != units.dim:
        raise LiouvilleError(
            f"points of shape {x.shape} do not fit a model of {units.dim} coordinates "
            f"({', '.join(features[:6])}{', ...' if units.dim > 6 else ''}); "
            f"give shape (..., {units.dim})"
        )
    with np.errstate(over="ignore"):
        found = units.to_model(x)
    far = np.argwhere(~(np.abs(found) < _FARTHEST))
    if len(far):
        *row, column = far[0].tolist()
        name, value = features[column], x[tuple(far[0])]
        if not np.isfinite(value):
            raise LiouvilleError(
                f"a point has a NaN or infinite {name}: {point_name(row)}; remove or impute it"
            )
        raise LiouvilleError(
            f"{name} of {point_name(row)} is {value:g}, more than {_FARTHEST:g} units of the "
            "model away, where single precision ends; check its unit, or remove it"
        )
    return found


def times_of_points(t: Numbers, shape: tuple[int, ...]) -> np.ndarray:
    """The time of every point of such a shape, `(..., dim)`; shape `(...)`."""
    t = numbers_of(t, "times")
    try:
        return np.broadcast_to(t, shape[:-1])
    except ValueError as error:
        raise LiouvilleError(
            f"times of shape {t.shape} do not fit points of shape {shape}; give one time, or one "
            "for each point"
        ) from error


def times_to_model(
    t: np.ndarray, units: Standardisation, interval: tuple[float, float], extrapolate: bool
) -> np.ndarray:
    """Times of any shape, in the interval if none may be outside."""
    start, end = interval
    if not np.isfinite(t).all():
        raise LiouvilleError("a time is NaN or infinite; remove it")
    slack = 1e-9 * (end - start)
    outside = t[(t < start - slack) | (t > end + slack)]
    if outside.size and not extrapolate:
        raise LiouvilleError(
            f"time {outside.flat[0]:g} is outside the fitted range {start:g} to {end:g}; "
            "choose a time inside, or allow it: --extrapolate (extrapolate=True in Python)"
        )
    with np.errstate(over="ignore"):
        found = np.asarray(units.time_to_model(t))
    far = ~(np.abs(found) < _FARTHEST)
    if far.any():
        raise LiouvilleError(
            f"time {t[far].flat[0]:g} is more than {_FARTHEST:g} durations of the data away, "
            "where single precision ends; check its unit"
        )
    return found


def clock_of(times: Numbers) -> np.ndarray:
    """The times of trajectories, two or more that go one way."""
    clock = numbers("the times of trajectories", times)
    signs = np.sign(np.diff(np.atleast_1d(clock)))
    if clock.ndim != 1 or not signs.any() or np.any(signs != signs[0]):
        raise LiouvilleError(
            f"trajectories need two or more increasing (or decreasing) times, got {clock.tolist()}"
        )
    return clock


def noise_to_model(sigma: Numbers, units: Standardisation) -> np.ndarray:
    """The noise of every coordinate, shape `(dim,)`."""
    with np.errstate(over="ignore"):
        found = units.noise_to_model(numbers("sigma", sigma))
    if not np.all(found < _FARTHEST):
        raise LiouvilleError(
            f"sigma is {sigma}, more than {_FARTHEST:g} units of the model; check its unit"
        )
    return found


def one_context(label: object, names: Sequence[str]) -> np.ndarray:
    """The numbers with such names, or their text; shape `(size,)`."""
    if isinstance(label, str):
        label = numbers_of_text(label)
    context = np.atleast_1d(numbers("the context", label))
    if context.shape != (len(names),) or not np.isfinite(context).all():
        raise LiouvilleError(
            f"the context {np.asarray(label).tolist()} is not {len(names)} finite numbers; "
            f"give {', '.join(names)}"
        )
    return context


def contexts_of_points(
    contexts: Numbers, names: Sequence[str], batch: tuple[int, ...]
) -> np.ndarray:
    """The context of every point of a batch, shape `(points, size)`."""
    found = numbers("the contexts", contexts)
    if not names:
        raise LiouvilleError("the model depends on no numbers; leave out contexts")
    if found.shape != (*batch, len(names)) or not np.isfinite(found).all():
        raise LiouvilleError(
            f"contexts of shape {found.shape} for points of {batch} are not {len(names)} "
            f"finite numbers each; give {', '.join(names)} for every point"
        )
    return found.reshape(-1, len(names))


def check_members(members: int, notes: Mapping[str, Any]) -> None:
    """Refuses a model without members, and says if their spread is not that of a sample."""
    if members < 2:
        raise LiouvilleError(
            f"the model has {members or 'no'} members{' only' if members else ''}, whose "
            "spread is the error of its answers; fit cells with --bootstrap cells"
        )
    if notes.get("bootstrap", "none") == "none":
        warnings.warn(
            "the members of this model were all fitted to the same cells: the errors are those "
            "of its start, and leave out that of the sample; fit with --bootstrap cells",
            stacklevel=4,
        )


def key_of(seed: int) -> jax.Array:
    """The random key of a seed."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or abs(int(seed)) >= 2**63:
        raise LiouvilleError(f"the seed is {seed!r}; give a whole number below 2^63")
    return jr.key(int(seed))
