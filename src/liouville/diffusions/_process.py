"""What a diffusion must be, checked before anything is computed."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from liouville.errors import LiouvilleError
from liouville.numerics.arguments import number, numbers
from liouville.numerics.functions import check_values
from liouville.objectives import Drift, Noise, drift_among, noise_matrix, noise_shape

# Points of a source at which a drift and a noise are asked.
DRAWS = 32


def check_noise(points: np.ndarray, drift: Drift | None, sigma: Any, horizon: float) -> Any:
    """The noise as `Effort` takes it, after a look at all that makes up a diffusion.

    Points where the population is, shape `(n, dim)`, are what drift and noise are asked at.
    """
    horizon = check_horizon(horizon)
    dim = points.shape[1]
    field = drift_among(drift, _array(points), jnp.full(len(points), 1.0 / len(points)))
    for t in (0.0, horizon):
        if field is not None:
            check_values("the drift", field, points, (dim,), t)
        if callable(sigma):
            shape = noise_shape(sigma, _array(t), _array(points[0]))
            check_values("sigma", sigma, points, shape, t)
            matrices = jax.vmap(lambda x, t=t: noise_matrix(cast(Noise, sigma), _array(t), x))(
                _array(points)
            )
            _check_invertible(np.asarray(matrices, float))
    if callable(sigma):
        return sigma
    value = numbers("sigma", sigma)
    if value.ndim == 0:
        if not (np.isfinite(value) and value > 0):
            raise LiouvilleError(
                f"sigma is {float(value)}; control acts through the noise, and drifts are matched "
                "through it; give a positive number (for motion without noise use 'fit transport')"
            )
        return float(value)
    if value.shape not in ((dim,), (dim, dim)):
        raise LiouvilleError(
            f"sigma has shape {value.shape}; give a number, {dim} numbers or a matrix {(dim, dim)}"
        )
    _check_invertible(value[None] if value.ndim == 2 else np.diag(value)[None])
    return _array(value)


def check_horizon(horizon: Any) -> float:
    """The last time of a diffusion, which is finite and positive."""
    found = number("the horizon", horizon)
    if not found > 0:
        raise LiouvilleError(f"the horizon is {horizon}; give a positive time")
    return found


def _check_invertible(matrices: np.ndarray) -> None:
    if not np.isfinite(matrices).all():
        raise LiouvilleError(f"sigma is not finite: {matrices[0].tolist()}; give finite numbers")
    if not (np.linalg.cond(matrices) < 1e6).all():
        raise LiouvilleError(
            f"sigma is a singular matrix, such as {matrices[0].tolist()}, and has no inverse: some "
            "directions cannot be controlled, and a given density cannot be met; give another one"
        )


def _array(value: Any) -> jax.Array:
    return jnp.asarray(value, jnp.zeros(()).dtype)
