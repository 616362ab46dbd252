r"""Maps whose ends are given: the identity at one end, a frozen map at the other.

A map with parameters $\phi$ that is the identity at $\phi = 0$ is opened by a gate, $T_\gamma(x) =
T(x; \gamma\,\phi)$: with $\gamma = 1$ it is the frozen map of a fitted density, with $\gamma = 0$
nothing. A gate is a curve, so the map moves from one to the other, and with a gate that vanishes
at both ends any learned map joins in between without touching an end.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.maps import (
    AbstractMap,
    AbstractTransform,
    Chain,
    ChainTransform,
    Coupling,
    Elementwise,
    ElementwiseTransform,
    Push,
)
from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.types import Point, Scalar
from liouville.paths._autoregressive import Autoregressive, AutoregressiveMarginal
from liouville.paths._families import Gaussian
from liouville.paths._line import MixtureOnLine
from liouville.paths._lines import Lines


class Opened(AbstractMap):
    r"""A map whose parameters are multiplied by a gate, $T(t, x) = T(x; \gamma(t)\,\phi)$.

    Attributes:
        map: the map, a `Chain` of couplings or functions of single coordinates, or a `Rosenblatt`;
            in a `liouville.numerics.parameters.Fixed` it is not learned.
        gate: curve of $\gamma$, of shape `()`, not learned.
        held: the time at which the map is read, or `None` for the time itself.

    Raises:
        ValueError: if the map has no parameters that a gate could close.
    """

    map: AbstractMap | Fixed
    gate: Fixed
    held: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        """Only maps that are the identity at zero parameters can be closed."""
        if not can_open(value_of(self.map)):
            raise ValueError(
                f"a {type(value_of(self.map)).__name__} cannot be opened by a gate; use Coupling, "
                "Elementwise, Rosenblatt or a Chain of such maps"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return value_of(self.map).dim

    def at(self, t: Scalar) -> AbstractTransform:
        """The map at time `t` of shape `()`, as far open as the gate."""
        time = t if self.held is None else jnp.full_like(t, self.held)
        return _open(value_of(self.map), time, self.gate.value(t))


class Rosenblatt(AbstractMap):
    r"""The map that carries the standard normal law to an autoregressive density.

    $$F_i(x_i \mid x_{<i}) = \Phi(z_i) \quad \text{for every } i:$$

    it keeps the level of every coordinate (Rosenblatt, Ann. Math. Statist. 1952). Its inverse
    needs one evaluation of the network; $x$ itself is found coordinate after coordinate.

    Attributes:
        path: the autoregressive density, of Gaussian parts.
        order: the order of its coordinates, once more as plain numbers.

    Raises:
        ValueError: if the parts are not Gaussian: then the closed map is not the identity.
    """

    path: Autoregressive
    order: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, path: Autoregressive, order: tuple[int, ...] | None = None):
        if not isinstance(path.family, Gaussian):
            raise ValueError(
                f"the parts are {type(path.family).__name__}; the map needs Gaussian ones"
            )
        self.path = path
        order = tuple(np.asarray(path.order).tolist()) if order is None else order
        self.order = tuple(int(i) for i in order)

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return len(self.order)

    def at(self, t: Scalar) -> "RosenblattTransform":
        """The map to the density at time `t` of shape `()`."""
        return RosenblattTransform(self.path.at(t).lines, self.order)


class RosenblattTransform(AbstractTransform):
    """A `Rosenblatt` at one time."""

    lines: Lines
    order: tuple[int, ...] = eqx.field(static=True)

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        """The point of the same levels, coordinate after coordinate."""
        left, right = Gaussian().log_tails(x)
        y = self._marginal().from_levels(left - right)
        return y, self._log_det(x, y)

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """The standard normal point of the same levels."""
        x = jax.vmap(_standard)(self._marginal().levels(y))
        return x, self._log_det(x, y)

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        r"""The point, and how its velocity is carried: by a triangular equation.

        The mixtures change, and the level $F_i = \Phi(x_i)$ rises at $\varphi(x_i) v_i$, which
        moves $y_i$ by that over the density $f_i$.
        """
        x, _ = self.inverse(y)
        order = np.asarray(self.order)
        ordered = y[order]
        change = self._marginal(rate.lines).line_rates(ordered)
        density = jax.vmap(MixtureOnLine.log_density)(self.lines(ordered), ordered)
        slope = jnp.exp(Gaussian().log_density(x[order]) - density)

        def push(v: Point) -> Point:
            crossing = self.lines.moving_weights
            carried = self.lines.carry(ordered, change, slope * v[order], crossing=crossing)
            return carried[np.argsort(order)]

        return x, push

    def _marginal(self, rate: Any = None) -> AutoregressiveMarginal:
        """The density; of its lines only the network's shift and the gate move in time."""
        moving = jax.tree.map(jnp.zeros_like, self.lines) if rate is None else rate
        order = jnp.asarray(self.order)
        return AutoregressiveMarginal(self.lines, moving.network.shift, moving.gate, order)

    def _log_det(self, x: Point, y: Point) -> Scalar:
        return Gaussian().log_density(x).sum() - self._marginal().log_density(y)


def can_open(mapping: AbstractMap) -> bool:
    """Whether a gate can close a map: it is the identity at zero parameters."""
    parts = mapping.maps if isinstance(mapping, Chain) else (mapping,)
    return all(isinstance(part, Coupling | Elementwise | Rosenblatt) for part in parts)


def _open(mapping: AbstractMap, t: Scalar, share: Scalar) -> AbstractTransform:
    """The transform at time `t` with its parameters multiplied by `share`."""
    if isinstance(mapping, Chain):
        return ChainTransform(tuple(_open(part, t, share) for part in mapping.maps))
    if isinstance(mapping, Elementwise):
        return ElementwiseTransform(mapping.scalar.of(share * mapping.raw(t)))
    transform: Any = mapping.at(t)
    if isinstance(mapping, Rosenblatt):
        return eqx.tree_at(lambda at: at.lines.gate, transform, replace_fn=lambda g: share * g)
    return eqx.tree_at(lambda at: at.opening, transform, replace_fn=lambda g: share * g)


@jax.custom_jvp
def _standard(level: Float[Array, ""]) -> Float[Array, ""]:
    r"""The $z$ with $\log\Phi(z) - \log(1 - \Phi(z)) =$ `level`."""
    zero = jnp.zeros((1,), level.dtype)
    return MixtureOnLine(zero, zero, zero, Gaussian()).quantile(level)


@_standard.defjvp
def _standard_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (level,), (rate,) = primals, tangents
    z = _standard(level)
    left, right = Gaussian().log_tails(z)
    # The slope of the level is the density over both tails.
    return z, rate * jnp.exp(left + right - Gaussian().log_density(z))
