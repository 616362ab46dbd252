from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.networks import MaskedSpaceNetwork
from liouville.numerics.types import Point, Scalar
from liouville.paths._families import AbstractFamily
from liouville.paths._line import MixtureOnLine

# How far the parts of one conditional may stand from their common location, and how far their
# logits from those of the start, in standardised units: wide enough for data, and narrow enough
# that a network read far outside of the data does not tear the parts apart.
_SPREAD = 8.0
_CONTRAST = 8.0


class Lines(eqx.Module):
    """The mixtures of all coordinates as a function of the point, at one time and in order."""

    network: MaskedSpaceNetwork
    gate: Scalar
    offset: Float[Array, "dim outputs"]
    start: Float[Array, "3 dim parts"]
    family: AbstractFamily
    floor: float = eqx.field(static=True)
    moving_weights: bool = eqx.field(static=True)

    def __call__(self, y: Point) -> MixtureOnLine:
        """The mixtures given a point, stacked along a leading axis, from one network pass."""
        return self._all(self.network(y), self.offset, self.start)

    def drawn(self, choose: Callable[[Any, MixtureOnLine], Scalar], given: Any) -> Point:
        """The point whose coordinates are chosen from their mixtures, one after the other."""

        def next_one(entry, outputs):
            own, offset, start = entry
            return choose(own, self._line(outputs, offset, start))

        given = (given, self.offset, jnp.swapaxes(self.start, 0, 1))
        return self.network.filled(next_one, given)

    def carry(
        self,
        y: Point,
        rate: MixtureOnLine,
        lift: Point,
        shift_rate: Float[Array, "dim units"] | None = None,
        *,
        crossing: bool = True,
    ) -> Point:
        r"""How a point moves whose levels rise at a given rate while the parameters change.

        The mixture of coordinate $i$ changes at `rate` if the point is fixed, and at
        $D\theta_i\, v$ because the earlier coordinates move at $v_{<i}$; both carry $y_i$, and
        `lift` is added: a linear equation for $v$. `shift_rate` is that of the network's shift, if
        `rate` does not hold what it does; for `crossing` see `MixtureOnLine.leverage`.
        """
        outputs, offset, start = self.network(y), self.offset, self.start
        lines, pulled = jax.vjp(lambda o: self._all(o, offset, start), outputs)
        covector = jax.vmap(lambda line, at: line.leverage(at, crossing=crossing))(lines, y)
        right = lift + jax.vmap(MixtureOnLine.paired)(covector, rate)
        return self.network.solve(y, pulled(covector)[0], right, shift_rate)

    def _all(
        self,
        outputs: Float[Array, "dim outputs"],
        offset: Float[Array, "dim outputs"],
        start: Float[Array, "3 dim parts"],
    ) -> MixtureOnLine:
        return jax.vmap(self._line, in_axes=(0, 0, 1))(outputs, offset, start)

    def _line(
        self,
        outputs: Float[Array, " outputs"],
        offset: Float[Array, " outputs"],
        start: Float[Array, "3 parts"],
    ) -> MixtureOnLine:
        raw = offset + outputs
        distance, log_scale, logits = raw[1:].reshape(3, -1)
        location = start[0] + self.gate * (raw[0] + _bound(distance, _SPREAD))
        log_scale = start[1] + self.gate * _bound(log_scale, -self.floor)
        if self.moving_weights:
            logits = start[2] + self.gate * _bound(logits, _CONTRAST)
        else:
            logits = start[2] + _bound(offset[1:].reshape(3, -1)[2], _CONTRAST)
        return MixtureOnLine(location, log_scale, jax.nn.log_softmax(logits), self.family)


def _bound(raw: Array, bound: float) -> Array:
    """The identity near zero, within the bound everywhere."""
    return bound * jnp.tanh(raw / bound)
