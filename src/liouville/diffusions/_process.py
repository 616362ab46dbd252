"""What a diffusion must be, checked before anything is computed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liouville.errors import LiouvilleError
from liouville.objectives import Field

# Points of a source at which a drift and a noise are asked.
DRAWS = 32


def check_noise(points: np.ndarray, drift: Field | None, sigma: Any, horizon: float) -> Any:
    """The noise as `Effort` takes it, after a look at all that makes up a diffusion.

    Points where the population is, shape `(n, dim)`, are what drift and noise are asked at.
    """
    if not (np.isfinite(horizon) and horizon > 0):
        raise LiouvilleError(f"the horizon is {horizon}; give a positive time")
    dim = points.shape[1]
    for t in (0.0, float(horizon)):
        if drift is not None:
            check_values("the drift", partial(drift, _array(t)), points, (dim,), t)
        if callable(sigma):
            sigmas = check_values("sigma", partial(sigma, _array(t)), points, (dim, dim), t)
            _check_invertible(sigmas)
    if callable(sigma):
        return sigma
    value = np.asarray(sigma, float)
    if value.ndim == 0:
        if not (np.isfinite(value) and value > 0):
            raise LiouvilleError(
                f"sigma is {float(value)}; control acts through the noise, and drifts are matched "
                "through it; give a positive number (for motion without noise use 'fit transport')"
            )
        return float(value)
    if value.shape != (dim, dim):
        raise LiouvilleError(
            f"sigma has shape {value.shape}; give a number or a matrix {(dim, dim)}"
        )
    _check_invertible(value[None])
    return _array(value)


def check_values(
    what: str, function: Callable, points: Any, shape: tuple[int, ...], t: float
) -> np.ndarray:
    """The values of a function of one point at points, which must be finite and have a shape."""
    points = _array(points)
    found = jax.eval_shape(function, points[0])
    found_shape = getattr(found, "shape", type(found).__name__)
    if found_shape != shape:
        raise LiouvilleError(
            f"{what} returns shape {found_shape} at x = {show(points[0])}; it must return "
            f"{shape}: write it for one point"
        )
    values = np.asarray(jax.vmap(function)(points), float)
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        raise LiouvilleError(
            f"{what} is {show(values[bad][0])} at t = {t:.4g}, x = "
            f"{show(np.asarray(points)[bad][0])}; make it finite wherever the population may be"
        )
    return values


def show(x: Any) -> str:
    """A number, or a point in brackets, in a message."""
    text = ", ".join(f"{v:.4g}" for v in np.ravel(x))
    return f"({text})" if np.ndim(x) else text


def _check_invertible(matrices: np.ndarray) -> None:
    if not (np.isfinite(matrices).all() and (np.linalg.cond(matrices) < 1e6).all()):
        raise LiouvilleError(
            f"sigma is a singular matrix, such as {matrices[0].tolist()}, and has no inverse: some "
            "directions cannot be controlled, and a given density cannot be met; give another one"
        )


def _array(value: Any) -> jax.Array:
    return jnp.asarray(value, jnp.zeros(()).dtype)
