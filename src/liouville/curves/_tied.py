import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.curves._base import AbstractCurve
from liouville.curves._hard_ended import Gate, gate_value
from liouville.numerics.parameters import AbstractParameter
from liouville.numerics.types import Scalar


class Tied(AbstractCurve):
    r"""A curve between two values that are learned and keep a constraint.

    $$\theta(t) = (1 - s)\,\theta_0 + s\,\theta_1 + \gamma(s)\,\eta(t), \qquad
      s = (t - t_0)/(t_1 - t_0),$$

    with the gate $\gamma$ of `HardEnded`, which vanishes at both ends: there the curve is
    $\theta_0$ and $\theta_1$ whatever $\eta$ is. The masses of moving parts are such values, if
    those of every part of an end must have its mass as their sum
    (`liouville.numerics.weights.GroupedWeights`).

    Attributes:
        start: $\theta_0$, an array that is computed from learned ones.
        end: $\theta_1$, likewise.
        inside: the learned curve $\eta$, of the same shape.
        interval: $(t_0, t_1)$.
        gate: which gate.
        opening: the share of the interval in which the fast gate opens.
    """

    start: AbstractParameter
    end: AbstractParameter
    inside: AbstractCurve
    interval: tuple[float, float] = eqx.field(static=True)
    gate: Gate = eqx.field(static=True, default="fast")
    opening: float = eqx.field(static=True, default=0.05)

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""
        first, last = self.interval
        s = jnp.asarray((t - first) / (last - first))
        gate = gate_value(self.interval, t, self.gate, self.opening)
        return (1.0 - s) * self.start.value + s * self.end.value + gate * self.inside(t)
