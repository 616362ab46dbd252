from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.curves import opening
from liouville.numerics.networks import Conditioned, MaskedNetwork
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath
from liouville.paths._families import AbstractFamily, Gaussian
from liouville.paths._line import MixtureOnLine
from liouville.paths._lines import Lines


class Autoregressive(AbstractPath):
    r"""Coordinate after coordinate a mixture on the line whose parameters depend on the earlier.

    $$\rho_t(x) = \prod_i f_i(t, x_i \mid x_{<i}), \qquad
      J u = -\partial_t F, \quad J_{im} = \partial F_i / \partial x_m,$$

    where $F_i$ is the distribution function of $f_i$ and $J$ is lower triangular with the diagonal
    $f_i$. This velocity keeps every level $F_i(t, x_i \mid x_{<i})$ along a trajectory: it is the
    velocity of the Knothe-Rosenblatt map. Row $i$ says that $u_i$ is what carries the mixture
    $f_i$ if its parameters change at the rate they have along $(1, u_{<i})$
    (`MixtureOnLine.carry`), so $u$ is found from the first coordinate to the last, and no term of
    it is a difference of numbers that underflow.

    The parameters are $\theta_i = \theta^0_i + \gamma(t)\, b(\eta_i + \mathrm{net}_i(t, x_{<i}))$
    with a masked network that is zero at initialisation. The map $b$ makes a location of every
    part from one common shift and a bounded distance to it, and bounds log-scales and logits.
    With `hard_start` the gate $\gamma$ opens linearly over the interval, so the path starts
    exactly as the product $\theta^0$; without it $\gamma = 1$.

    Weights that move carry mass from part to part across whatever lies between: in a gap where
    $f_i$ is $e^{-80}$ the velocity is $e^{80}$, by right, and rarely seen. With
    `moving_weights=False` the logits are learned numbers, and $u_i$ is an average of the parts'
    velocities, which cannot explode; then the parts of the start must be alike, for the start to
    be the same whatever the weights.

    Source: the factorisation is that of Hua, Vanden-Eijnden and Chen (UAI 2025); the velocity is
    the triangular solution instead of a flux coordinate by coordinate.

    Attributes:
        network: the masked network; with a context it awaits one (`liouville.given`).
        offset: $\eta$, shape `(dim, 1 + 3 * parts)`: the common shift, then the parts' distances
            to it, log-scales and logits; learned.
        start: $\theta^0$, shape `(3, dim, parts)`: locations, log-scales, logits; not learned.
        order: `order[i]` is the coordinate that comes as number `i`, shape `(dim,)`.
        interval: $(t_0, t_1)$, on which time is scaled.
        family: the standard density of every part.
        hard_start: whether the path starts exactly as `start`.
        floor: log-scales differ from those of `start` by less than `-floor`.
        moving_weights: whether weights depend on time and on the earlier coordinates.

    Raises:
        ValueError: on shapes that do not belong together, an empty interval, a floor that is not
            negative.
    """

    network: MaskedNetwork | Conditioned
    offset: Float[Array, "dim outputs"]
    start: Fixed[Float[Array, "3 dim parts"]]
    order: Int[Array, " dim"]
    interval: tuple[float, float] = eqx.field(static=True)
    family: AbstractFamily = Gaussian()
    hard_start: bool = eqx.field(static=True, default=True)
    floor: float = eqx.field(static=True, default=-5.0)
    moving_weights: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        _, dim, parts = self.start.value.shape
        if self.offset.shape != (dim, 1 + 3 * parts) or self.order.shape != (dim,):
            raise ValueError(
                f"start has shape {self.start.value.shape}, so offset must be "
                f"{(dim, 1 + 3 * parts)} and order {(dim,)}; "
                f"they are {self.offset.shape} and {self.order.shape}"
            )
        if not self.interval[0] < self.interval[1]:
            raise ValueError(
                f"interval {self.interval} is empty; give (start, end) with start < end"
            )
        if self.floor >= 0:
            raise ValueError(f"floor is {self.floor}; log-scales need room, give a negative one")

    @staticmethod
    def standard(
        dim: int,
        parts: int,
        interval: tuple[float, float],
        *,
        hard_start: bool = True,
        order: Sequence[int] | np.ndarray | None = None,
        family: AbstractFamily | None = None,
        units: int = 16,
        depth: int = 2,
        frequencies: int = 4,
        context: int = 0,
        floor: float = -5.0,
        moving_weights: bool = True,
        key: RandomKey,
    ) -> "Autoregressive":
        """A path for standardised data.

        It starts as (or, without a hard start, around) the product of standard densities. The
        parts are spread evenly over [-2, 2] in every coordinate, so that they differ from the
        first step of training on.

        Args:
            dim: the number of coordinates.
            parts: the number of parts of the mixture of every coordinate.
            interval: start and end of the times.
            hard_start: whether the path starts exactly as the standard density.
            order: a permutation of the coordinates; by default they keep their own.
            family: the standard density of every part, Gaussian by default.
            units: the number of units each coordinate has in every layer.
            depth: the number of hidden layers.
            frequencies: the number of harmonics among the features of time.
            context: the size of the context, none by default.
            floor: log-scales stay above it (and below minus it).
            moving_weights: whether weights depend on time and on the earlier coordinates; with an
                objective that counts energy they had better not.
            key: random key.

        Raises:
            ValueError: if `order` is no permutation, or sizes are below one.
        """
        order = np.arange(dim) if order is None else np.asarray(order)
        if sorted(order.tolist()) != list(range(dim)):
            raise ValueError(f"order {order.tolist()} is no permutation of 0 to {dim - 1}")
        keys = jr.split(key)
        network = MaskedNetwork(
            dim, 1 + 3 * parts, units=units, depth=depth, frequencies=frequencies, key=keys[0]
        )
        spread = np.linspace(-2.0, 2.0, parts) if parts > 1 else np.zeros(1)
        narrow = np.full(parts, min(0.0, float(np.log(4.0 / parts))))
        offset = np.concatenate([[0.0], spread, narrow, np.zeros(parts)])
        return Autoregressive(
            Conditioned(network, context, key=keys[1]) if context else network,
            jnp.tile(jnp.asarray(offset, jnp.zeros(()).dtype), (dim, 1)),
            Fixed(jnp.zeros((3, dim, parts))),
            jnp.asarray(order),
            (float(interval[0]), float(interval[1])),
            Gaussian() if family is None else family,
            hard_start,
            floor,
            moving_weights,
        )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.order.shape[0]

    def at(self, t: Scalar) -> "AutoregressiveMarginal":
        """The marginal at time `t` of shape `()`."""

        def moving(t):
            network = self.network.at((t - self.interval[0]) / length)
            gate = opening(self.interval, t, "linear") if self.hard_start else jnp.ones_like(t)
            return (network.shift, gate), network

        length = self.interval[1] - self.interval[0]
        (_, gate), rates, network = jax.jvp(moving, (t,), (jnp.ones_like(t),), has_aux=True)
        lines = Lines(
            network,
            gate,
            self.offset[self.order],
            self.start.value[:, self.order],
            self.family,
            self.floor,
            self.moving_weights,
        )
        return AutoregressiveMarginal(lines, rates[0], rates[1], self.order)


class AutoregressiveMarginal(AbstractMarginal):
    r"""An `Autoregressive` at one time.

    Beyond what every marginal does, it maps points to *levels* and back: the level of a coordinate
    is $\log F_i - \log(1 - F_i)$, and the levels of a draw are independent logistic numbers.
    """

    lines: Lines
    shift_rate: Float[Array, "dim units"]
    gate_rate: Scalar
    order: Int[Array, " dim"]

    def log_density(self, x: Point) -> Scalar:
        r"""$\sum_i \log f_i(x_i \mid x_{<i})$."""
        y = x[self.order]
        return jax.vmap(MixtureOnLine.log_density)(self.lines(y), y).sum()

    def velocity(self, x: Point) -> Point:
        """The velocity of the Knothe-Rosenblatt map, by forward substitution."""
        y, lines = x[self.order], self.lines

        def opened(gate):
            return eqx.tree_at(lambda at: at.gate, lines, gate)(y)

        # The shift's rate goes through the network together with the coordinates that move.
        rate = jax.jvp(opened, (lines.gate,), (self.gate_rate,))[1]
        move = lines.carry(
            y, rate, jnp.zeros_like(y), self.shift_rate, crossing=lines.moving_weights
        )
        return self._ordered(move)

    def line_rates(self, y: Point) -> MixtureOnLine:
        """The rates in time of the mixtures at a fixed point, stacked, in order."""

        def moving(lines):
            return lines.network.shift, lines.gate

        def at(*now):
            return eqx.tree_at(moving, self.lines, now)(y)

        return jax.jvp(at, moving(self.lines), (self.shift_rate, self.gate_rate))[1]

    def levels(self, x: Point) -> Point:
        r"""The level $\log F_i - \log(1 - F_i)$ of each coordinate: the Knothe-Rosenblatt map."""
        y = x[self.order]
        left, right = jax.vmap(MixtureOnLine.log_tails)(self.lines(y), y)
        return self._ordered(left - right)

    def from_levels(self, levels: Point) -> Point:
        """The point of any given levels, the inverse of `levels`; it moves with the parameters."""
        ordered = levels[self.order]
        level, at_rest = jax.lax.stop_gradient((ordered, self.lines))
        found = at_rest.drawn(lambda one, line: line.quantile(one), level)
        return self._ordered(_attach(self.lines, ordered, found))

    def sample(self, *, key: RandomKey) -> Point:
        """One draw: for every coordinate a part, then a point of it; it keeps its levels."""
        return self._drawn(*self._noise((), key))

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """Points of equal weight; if possible in pairs, of opposite parts and mirrored in them."""
        if self.lines.family.is_symmetric:
            u, z = self._noise((-(-n // 2),), key)
            u, z = (jnp.concatenate(pair)[:n] for pair in ((u, 1.0 - u), (z, -z)))
        else:
            u, z = self._noise((n,), key)
        points = jax.vmap(self._drawn)(u, z)
        return points, jnp.full((n,), 1.0 / n, points.dtype)

    def _noise(self, shape: tuple[int, ...], key: RandomKey) -> tuple[Array, Array]:
        """Uniform numbers that pick the parts, and standard draws within them."""
        parts_key, points_key = jr.split(key)
        dtype = self.lines.offset.dtype
        z = self.lines.family.sample((*shape, len(self.order)), key=points_key).astype(dtype)
        return jr.uniform(parts_key, z.shape, dtype), z

    def _drawn(self, u: Point, z: Point) -> Point:
        found = jax.lax.stop_gradient(self.lines).drawn(_pick, (u, z))
        return self._ordered(_attach(self.lines, jnp.zeros_like(z), found))

    def _ordered(self, values: Point) -> Point:
        """Numbers in the order of the network, each put at the place of its coordinate."""
        return jnp.zeros_like(values).at[self.order].set(values)


def _pick(drawn: tuple[Array, Array], line: MixtureOnLine) -> Scalar:
    u, z = drawn
    below = jnp.cumsum(jnp.exp(line.log_weights))[:-1]
    part = jnp.sum(below < u)
    return line.location[part] + jnp.exp(line.log_scale[part]) * z


@eqx.filter_custom_jvp
def _attach(lines: Lines, levels: Point, found: Point) -> Point:
    """The point `found`, with the derivative of the point that keeps its levels.

    The derivative is implicit: the parameters' change carries every coordinate, and the change of
    the earlier coordinates carries the later ones, the same equation as that of the velocity. A
    change of `levels` moves the point as well.
    """
    return found


@_attach.def_jvp
def _attached_jvp(primals: Any, tangents: Any) -> tuple[Point, Point]:
    (lines, _, found), (lines_rate, levels_rate, _) = primals, tangents
    mixtures, rate = eqx.filter_jvp(lambda at: at(found), (lines,), (lines_rate,))
    # Without a tangent of the lines their rate is none.
    rate = jax.tree.map(lambda m, r: jnp.zeros_like(m) if r is None else r, mixtures, rate)
    lift = jnp.zeros_like(found)
    if levels_rate is not None:
        left, right = jax.vmap(MixtureOnLine.log_tails)(mixtures, found)
        density = jax.vmap(MixtureOnLine.log_density)(mixtures, found)
        # The slope of log F - log(1 - F) is f / (F (1 - F)).
        lift = levels_rate * jnp.exp(left + right - density)
    return found, lines.carry(found, rate, lift)
