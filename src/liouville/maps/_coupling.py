from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.curves import Opening, opening
from liouville.maps._base import AbstractMap, AbstractTransform, Push
from liouville.maps._groups import Group, join, members, pick
from liouville.maps._scalars import AbstractScalarMap, AbstractScalars, Affine
from liouville.numerics.networks import Conditioned, SpaceNetwork, SpaceTimeNetwork
from liouville.numerics.types import Point, RandomKey, Scalar


class Coupling(AbstractMap):
    r"""One group of coordinates stays and says how the others move.

    $$y_a = x_a, \qquad y_b = f(x_b;\ \gamma(t)\,\phi(t, x_a)),$$

    with increasing functions $f$ of one coordinate each and a network $\phi$. The Jacobian is
    triangular, so its determinant is the product of the slopes of $f$, and the inverse needs
    $f^{-1}$ but no inverse of the network.

    Attributes:
        network: $\phi$, of time and the coordinates that stay; with a `context` of some size, it
            awaits one (`liouville.given`).
        scalar: the kind of the functions $f$; zero parameters are the identity.
        kept: the coordinates that stay, as progressions `(start, stop, step)`.
        moved: the coordinates that move; together with `kept` every coordinate once.
        interval: $(t_0, t_1)$, the times on which the network's features are scaled.
        gate: how $\gamma$ opens from zero at $t_0$ to one at $t_1$, so that the map starts as
            the identity; with `None`, $\gamma = 1$.

    Source: Dinh, Sohl-Dickstein and Bengio, *Density estimation using Real NVP* (ICLR 2017).

    Raises:
        ValueError: if the two groups are not all coordinates, or one is empty.
    """

    network: SpaceTimeNetwork | Conditioned
    scalar: AbstractScalarMap
    kept: Group = eqx.field(static=True)
    moved: Group = eqx.field(static=True)
    interval: tuple[float, float] = eqx.field(static=True)
    gate: Opening | None = eqx.field(static=True)

    def __init__(
        self,
        kept: Group,
        moved: Group,
        interval: tuple[float, float],
        *,
        scalar: AbstractScalarMap | None = None,
        width: int = 64,
        depth: int = 2,
        gate: Opening | None = "linear",
        context: int = 0,
        key: RandomKey,
    ):
        self.scalar = Affine() if scalar is None else scalar
        self.kept, self.moved, self.gate = kept, moved, gate
        self.interval = (float(interval[0]), float(interval[1]))
        every = sorted([*members(kept), *members(moved)])
        if not kept or not moved or every != list(range(len(every))):
            raise ValueError(
                f"the groups {kept} and {moved} must hold some coordinates each and every "
                "coordinate once, as progressions (start, stop, step); for one coordinate use "
                "Elementwise"
            )
        if not self.interval[0] < self.interval[1]:
            raise ValueError(f"interval {interval} is empty; give (start, end) with start < end")
        if gate not in ("linear", "fast", None):
            raise ValueError(f"gate is {gate!r}; use 'linear', 'fast' or None")
        keys = jr.split(key)
        outputs = self.scalar.parameters * len(members(moved))
        inputs = len(members(kept))
        network = SpaceTimeNetwork(inputs, outputs, width=width, depth=depth, key=keys[0])
        self.network = Conditioned(network, context, key=keys[1]) if context else network

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return len(members(self.kept)) + len(members(self.moved))

    def at(self, t: Scalar) -> "CouplingTransform":
        """The map at time `t` of shape `()`: the network's time part and the gate."""
        start, end = self.interval
        network = self.network.at((t - start) / (end - start))
        gate = jnp.ones_like(t) if self.gate is None else opening(self.interval, t, self.gate)
        return CouplingTransform(network, gate, self.scalar, self.kept, self.moved)


class CouplingTransform(AbstractTransform):
    """A `Coupling` at one time."""

    network: SpaceNetwork
    opening: Scalar
    scalar: AbstractScalarMap
    kept: Group = eqx.field(static=True)
    moved: Group = eqx.field(static=True)

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        """The image: one evaluation of the network."""
        kept = pick(x, self.kept)
        moved, log_slopes = self._scalars(kept).forward(pick(x, self.moved))
        return self._joined(kept, moved), log_slopes.sum()

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """The point: one evaluation of the same network at the same coordinates."""
        kept = pick(y, self.kept)
        moved, log_slopes = self._scalars(kept).inverse(pick(y, self.moved))
        return self._joined(kept, moved), log_slopes.sum()

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        """The point and how its velocity is carried: one network, linearised where it is.

        Only the shift of the network's first layer and the gate move in time; the rates of the
        weights are zero and are not multiplied.
        """

        def scalars_of(shift: Array, gate: Scalar, kept: Array) -> AbstractScalars:
            network = eqx.tree_at(lambda net: net.shift, self.network, shift)
            return self._functions(gate * network(kept))

        kept = pick(y, self.kept)
        scalars, linear = jax.linearize(scalars_of, self.network.shift, self.opening, kept)
        moved, _ = scalars.inverse(pick(y, self.moved))

        def push(v: Point) -> Point:
            kept_rate = pick(v, self.kept)
            scalars_rate = linear(rate.network.shift, rate.opening, kept_rate)
            _, moved_rate = jax.jvp(
                lambda functions, x: functions.forward(x)[0],
                (scalars, moved),
                (scalars_rate, pick(v, self.moved)),
            )
            return self._joined(kept_rate, moved_rate)

        return self._joined(kept, moved), push

    def _scalars(self, kept: Float[Array, " kept"]) -> AbstractScalars:
        return self._functions(self.opening * self.network(kept))

    def _functions(self, outputs: Float[Array, " outputs"]) -> AbstractScalars:
        return self.scalar.of(outputs.reshape(self.scalar.parameters, -1))

    def _joined(self, kept: Float[Array, " kept"], moved: Float[Array, " moved"]) -> Point:
        return join((kept, self.kept), (moved, self.moved))
