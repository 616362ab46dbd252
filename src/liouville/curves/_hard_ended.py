from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.curves._base import AbstractCurve
from liouville.curves._knots import Knots
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import Scalar

Gate = Literal["smooth", "fast"]


class HardEnded(AbstractCurve):
    r"""A curve that meets given values at given times exactly and is free in between.

    On each piece $[t_i, t_{i+1}]$ with $s = (t - t_i)/(t_{i+1} - t_i)$,

    $$\theta(t) = (1 - s)\,\theta_i + s\,\theta_{i+1} + \gamma(s)\,\eta(t),$$

    where the $\theta_i$ are fixed, $\eta$ is any learned curve and the gate vanishes at the ends:
    $\gamma = s(1 - s)$ (`smooth`) or $\gamma = 1 - \exp(-s(1 - s)/\tau)$ (`fast`: open over most
    of the piece, for paths that must leave an end at once).

    Attributes:
        skeleton: the fixed values, joined linearly.
        inside: the learned curve $\eta$, of the same shape; start it at zero.
        gate: which gate.
        opening: $\tau$, the share of a piece in which the fast gate opens.

    Raises:
        ValueError: if there is no such gate, or the opening is not positive.
    """

    skeleton: Fixed[Knots]
    inside: AbstractCurve
    gate: Gate = eqx.field(static=True)
    opening: float = eqx.field(static=True)

    def __init__(
        self,
        times: Sequence[float],
        values: Float[Array, "knots ..."],
        inside: AbstractCurve,
        gate: Gate = "smooth",
        opening: float = 0.05,
    ):
        if gate not in ("smooth", "fast"):
            raise ValueError(f"gate is {gate!r}; use 'smooth' or 'fast'")
        if not opening > 0:
            raise ValueError(f"opening is {opening}; give a positive share of a piece")
        self.skeleton = Fixed(Knots(times, values, "linear"))
        self.inside = inside
        self.gate = gate
        self.opening = opening

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""
        knots = self.skeleton.value
        gate = gate_value(knots.times, t, self.gate, self.opening)
        return knots(t) + gate * self.inside(t)


def gate_value(times: tuple[float, ...], t: Scalar, gate: Gate, opening: float = 0.05) -> Scalar:
    r"""The gate $\gamma$ of `HardEnded`: zero at and outside of the times, positive between."""
    knots = jnp.asarray(times, t.dtype)
    i = jnp.searchsorted(knots, t, side="right", method="compare_all") - 1
    i = jnp.clip(i, 0, len(times) - 2)
    s = (t - knots[i]) / (knots[i + 1] - knots[i])
    # By `where`, so that at an end the rate is that of the inside, not the mean of both sides;
    # and a few roundings beyond it, because the last step of a solver ends there.
    largest = max(abs(times[0]), abs(times[-1]))
    slack = 8.0 * jnp.finfo(t.dtype).eps * (1.0 + largest / (knots[i + 1] - knots[i]))
    bump = jnp.where((s >= -slack) & (s <= 1.0 + slack), s * (1.0 - s), 0.0)
    return bump if gate == "smooth" else -jnp.expm1(-bump / opening)
