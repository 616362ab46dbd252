from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.curves._base import AbstractCurve
from liouville.curves._knots import bends, hermite
from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.types import Scalar


class Clamped(AbstractCurve):
    r"""A cubic spline with given values, and given or learned slopes, at both ends.

    Its second derivative is continuous, so the curve may be a position whose momentum is given at
    an end, and moves smoothly (`liouville.paths.Inertial`).

    Attributes:
        times: of all knots, strictly increasing.
        ends: the first and the last value, shape `(2, ...)`, not learned.
        slopes: the slopes there, likewise; in a `Fixed` they stay, else they are learned.
        inside: the values at the knots between, shape `(len(times) - 2, ...)`, learned.

    Raises:
        ValueError: if times are not increasing, or there is not a value for each.
    """

    times: tuple[float, ...] = eqx.field(static=True)
    ends: Fixed[Float[Array, "2 ..."]]
    slopes: Float[Array, "2 ..."] | Fixed
    inside: Float[Array, "knots ..."]

    def __init__(
        self,
        times: Sequence[float],
        ends: Float[Array, "2 ..."],
        slopes: Float[Array, "2 ..."] | Fixed,
        inside: Float[Array, "knots ..."],
    ):
        self.times = tuple(float(t) for t in times)
        self.ends, self.slopes, self.inside = Fixed(ends), slopes, inside
        rates = value_of(slopes)
        if not all(a < b for a, b in zip(self.times, self.times[1:])):
            raise ValueError(f"the times {self.times} are not strictly increasing; sort them")
        wanted = (len(self.times) - 2, *ends.shape[1:])
        if inside.shape != wanted or ends.shape != rates.shape or len(ends) != 2:
            raise ValueError(
                f"{len(self.times)} times, ends {ends.shape} and slopes {rates.shape}, but values "
                f"of shape {inside.shape} between them; they must be {wanted}"
            )

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""
        (first, last), slopes = self.ends.value, value_of(self.slopes)
        given = jnp.concatenate([first[None], self.inside, last[None], slopes])
        # Linear in what is given, so its shares are those of unit vectors.
        n, dtype = len(self.times), given.dtype
        values = jnp.asarray(np.eye(n, n + 2), dtype)
        spread = jnp.asarray(_slopes(self.times), dtype)
        times = np.asarray(self.times, dtype)
        shares = hermite(times, t, values, spread[:-1], spread[1:])
        return jnp.tensordot(shares, given, axes=1, precision=jax.lax.Precision.HIGHEST)


def _slopes(times: tuple[float, ...]) -> np.ndarray:
    """The slopes at the knots, as a matrix of the values and of the two slopes that are given."""
    of_slopes, of_values = bends(times)
    right = np.concatenate([of_values, np.zeros((len(times), 2))], axis=1)
    for row in (0, -1):
        of_slopes[row], right[row] = 0.0, 0.0
        of_slopes[row, row] = 1.0
        right[row, -2 if row == 0 else -1] = 1.0
    return np.linalg.solve(of_slopes, right)
