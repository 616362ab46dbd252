from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.curves._base import AbstractCurve
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import Scalar

Opening = Literal["linear", "fast"]


class HardStarted(AbstractCurve):
    r"""A curve that starts at a given value exactly and is free afterwards.

    $$\theta(t) = \theta_0 + \gamma(s)\,\eta(t), \qquad s = (t - t_0)/(t_1 - t_0),$$

    where $\theta_0$ is fixed, $\eta$ is any learned curve and the gate opens from zero at the
    start to one at the end: $\gamma = s$ (`linear`) or $\gamma \propto 1 - e^{-s/0.05}$ (`fast`).

    Attributes:
        start: the fixed value.
        inside: the learned curve $\eta$, of the same shape.
        interval: $(t_0, t_1)$.
        gate: how the gate opens.
    """

    start: Fixed[Float[Array, "..."]]
    inside: AbstractCurve
    interval: tuple[float, float] = eqx.field(static=True)
    gate: Opening = eqx.field(static=True)

    def __init__(
        self,
        start: Float[Array, "..."],
        inside: AbstractCurve,
        interval: tuple[float, float],
        gate: Opening = "linear",
    ):
        if gate not in ("linear", "fast"):
            raise ValueError(f"gate is {gate!r}; use 'linear' or 'fast'")
        self.start = Fixed(start)
        self.inside = inside
        self.interval = (float(interval[0]), float(interval[1]))
        self.gate = gate

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""
        return self.start.value + opening(self.interval, t, self.gate) * self.inside(t)


def opening(interval: tuple[float, float], t: Scalar, gate: Opening) -> Scalar:
    r"""A gate that is zero at the start of an interval and one at its end, and goes on outside.

    `linear` for $s$, `fast` for $(1 - e^{-s/0.05})/(1 - e^{-20})$.
    """
    s = (t - interval[0]) / (interval[1] - interval[0])
    return s if gate == "linear" else jnp.expm1(-s / 0.05) / jnp.expm1(jnp.full_like(s, -20.0))
