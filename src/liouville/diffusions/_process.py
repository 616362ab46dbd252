"""What a diffusion must be, checked before anything is computed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.objectives import Field

_DRAWS = 32


def checked_noise(source: GaussianMixture, drift: Field | None, sigma: Any, horizon: float) -> Any:
    """The noise as `Effort` takes it, after a look at all that makes up a diffusion.

    Raises:
        LiouvilleError: if the horizon or the noise is not positive, the noise or the drift has
            the wrong shape, or the drift is not finite at some point of the source.
    """
    if not (np.isfinite(horizon) and horizon > 0):
        raise LiouvilleError(f"horizon is {horizon}; give a positive time")
    points = source.sample(_DRAWS, seed=0)[0]
    for t in (0.0, float(horizon)):
        if drift is not None:
            check_field(drift, t, points)
    dim = source.dim
    if callable(sigma):
        for t in (0.0, float(horizon)):
            for x in points[:4]:
                matrix = np.asarray(sigma(_array(t), _array(x)))
                _check_matrix(matrix, dim, f"sigma at t = {t:.4g}, x = {shown(x)}")
        return sigma
    value = np.asarray(sigma, float)
    if value.ndim == 0:
        if not (np.isfinite(value) and value > 0):
            raise LiouvilleError(f"sigma is {float(value)}; drifts are matched through noise > 0")
        return float(value)
    _check_matrix(value, dim, "sigma")
    return _array(value)


def check_field(drift: Field, t: float, points: np.ndarray) -> None:
    """Evaluates a drift at points, shape `(n, dim)`.

    Raises:
        LiouvilleError: naming the first point at which it is not finite, or the wrong shape.
    """
    dim = points.shape[1]
    found = jax.eval_shape(drift, _array(t), _array(points[0]))
    if getattr(found, "shape", None) != (dim,):
        shape = getattr(found, "shape", type(found).__name__)
        raise LiouvilleError(
            f"the drift returns shape {shape} at x = {shown(points[0])}; it must return ({dim},)"
        )
    values = np.asarray(jax.jit(jax.vmap(drift, (None, 0)))(_array(t), _array(points)))
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise LiouvilleError(
            f"the drift is {shown(values[bad[0]])} at t = {t:.4g}, x = {shown(points[bad[0]])}; "
            "make it finite wherever the population may be"
        )


def _check_matrix(matrix: np.ndarray, dim: int, name: str) -> None:
    if matrix.shape != (dim, dim):
        raise LiouvilleError(f"{name} has shape {matrix.shape}; give a number or ({dim}, {dim})")
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > 1e6:
        raise LiouvilleError(
            f"{name} is {matrix.tolist()}, which has no inverse; noise must reach every direction"
        )


def _array(value: Any) -> jax.Array:
    return jnp.asarray(value, jnp.zeros(()).dtype)


def shown(x: np.ndarray) -> str:
    """A point in a message."""
    return "(" + ", ".join(f"{v:.4g}" for v in np.asarray(x)) + ")"
