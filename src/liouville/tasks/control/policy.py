"""A feedback control that was learned, as a user meets it."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.arguments import number, numbers
from liouville.numerics.finite import check_answers
from liouville.objectives import control_at, drift_within
from liouville.tasks.control.problem import ControlProblem

# A drift that depends on the law meets so many particles of the path, or more.
_CROWD = 1024


@dataclass(frozen=True, eq=False)
class Policy:
    r"""The feedback control $c(t, x)$ of $dX = (f + \sigma c)\,dt + \sigma\,dW$.

    Attributes:
        model: the density and its velocity.
        problem: the problem it solves: noise and uncontrolled drift are from there.
    """

    model: Model
    problem: ControlProblem

    def __call__(self, t: float, x: np.ndarray) -> np.ndarray:
        """The control at time `t` and points of shape `(..., dim)`, of the same shape.

        Of a problem with momenta it is that of the momenta, of shape `(..., dim / 2)`.

        Raises:
            LiouvilleError: if the time lies outside the horizon, points do not fit, or the control
                is not finite; it names the point.
        """
        x, t = numbers("points", x), number("the time", t)
        if not 0.0 <= t <= self.problem.horizon:
            raise LiouvilleError(f"time {t} lies outside 0 to {self.problem.horizon:g}")
        self.model.points_to_model(x)
        dtype = jnp.zeros(()).dtype
        flat = jnp.asarray(x.reshape(-1, x.shape[-1]), dtype)
        path, problem = self.model.path_in_user, self.problem
        found = _controls(path, jnp.asarray(t, dtype), flat, problem.noise, problem.motion)
        controls = np.asarray(found, float).reshape(*x.shape[:-1], found.shape[-1])
        return controls if self.model.is_drawn else check_answers("control", controls, t, x)


@eqx.filter_jit
def _controls(path, t, points, sigma, drift):
    marginal = path.at(t)
    crowd = marginal.particles(_CROWD, key=jr.key(0))
    drift = drift_within(drift, marginal, *crowd, key=jr.key(1))
    return jax.vmap(lambda x: control_at(t, marginal, x, sigma, drift))(points)
