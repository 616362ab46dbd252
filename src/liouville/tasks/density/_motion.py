"""What a fitted path costs and how straight it is."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.dynamics import solve_ode
from liouville.numerics.couplings import wasserstein
from liouville.numerics.types import RandomKey
from liouville.paths import AbstractPath

_STEPS = 40
# In a gap of the density weights that move make velocities of e^80, by right; a solver of few steps
# that meets one leaps away. No motion of standardised data is of that order.
_LEAP = 1e6


class Motion(NamedTuple):
    r"""How the mass moves, in standardised units.

    Attributes:
        energy: $\int E|u|^2 dt$.
        displacement: $E|x_1 - x_0|^2$ along the velocity; at most the energy.
        distance: squared $W_2$ between the carried points and where they came from, by exact
            assignment; at most the displacement.
        lost: the share of the trajectories that left a gap by a leap of the solver; the other
            figures are without them.
    """

    energy: float
    displacement: float
    distance: float
    lost: float = 0.0

    @property
    def straightness(self) -> float:
        r"""$1 - \int E|u - (x_1 - x_0)|^2 dt / E|x_1 - x_0|^2$: one for straight, even motion."""
        return 1.0 - (self.energy - self.displacement) / max(self.displacement, 1e-12)


def motion(path: AbstractPath, *, n: int = 1000, seed: int = 0, classes: int = 0) -> Motion:
    r"""Measures the motion of a path from time 0 to 1 along its velocity.

    As $E\int|u - (x_1 - x_0)|^2 = E\int|u|^2 - E|x_1 - x_0|^2$ along trajectories, the energy and
    the displacement say all about straightness (Liu, Gong and Liu, ICLR 2023).

    Args:
        path: the path.
        n: the number of trajectories.
        seed: of their starts.
        classes: the number of classes of a path that has some; the figures are then the means
            over the paths of the classes.
    """
    if classes:
        keys = jr.split(jr.key(seed), classes)
        each = -(-n // classes)
        parts = [_measured(path.in_context(c), keys[c], each) for c in range(classes)]
        return Motion(*np.mean(parts, axis=0).tolist())
    return _measured(path, jr.key(seed), n)


def _measured(path: AbstractPath, key: RandomKey, n: int) -> Motion:
    clock = jnp.linspace(0.0, 1.0, _STEPS + 1)
    found = _trajectories(path, clock, jr.split(key, n))
    start, end, energy = (np.asarray(a, float) for a in found)
    # Whatever is not a number fails the comparison.
    kept = (energy < _LEAP) & (np.abs(end).max(-1) < _LEAP)
    if not kept.any():
        return Motion(np.inf, np.inf, np.inf, 1.0)
    start, end = start[kept], end[kept]
    displacement = float(((end - start) ** 2).sum(-1).mean())
    distance = wasserstein(start, end, 2) ** 2
    return Motion(float(energy[kept].mean()), displacement, distance, float(1.0 - kept.mean()))


@eqx.filter_jit
def _trajectories(path: AbstractPath, clock: jax.Array, keys: jax.Array):
    start = jax.vmap(lambda key: path.at(clock[0]).sample(key=key))(keys)
    trajectory = solve_ode(path, start, clock, steps=1, method="heun")

    def speed(pair):
        t, x = pair
        return (jax.vmap(path.at(t).velocity)(x) ** 2).sum(-1)

    speeds = jax.lax.map(speed, (clock, trajectory))
    # The trapezoidal rule on the same clock as the trajectories.
    energy = jnp.mean(0.5 * (speeds[1:] + speeds[:-1]), axis=0) * (clock[-1] - clock[0])
    return start, trajectory[-1], energy
