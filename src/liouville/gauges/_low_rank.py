from collections.abc import Callable

import jax.random as jr
from jaxtyping import Array, Float

from liouville.gauges._base import AbstractGauge, AbstractGaugeField, Potentials, twist
from liouville.numerics.networks import SpaceTimeNetwork
from liouville.numerics.types import Point, RandomKey, Scalar


class LowRankGauge(AbstractGauge):
    r"""A gauge with few learned generators $A_r = c_r q_r^\top - q_r c_r^\top$.

    For many dimensions, where the full basis is too large.

    Attributes:
        potentials: the learned fields $\phi_r$.
        left: the vectors $c_r$, shape `(rank, dim)`, learned.
        right: the vectors $q_r$, shape `(rank, dim)`, learned.
    """

    potentials: Potentials
    left: Float[Array, "rank dim"]
    right: Float[Array, "rank dim"]

    def __init__(
        self,
        dim: int,
        rank: int,
        interval: tuple[float, float],
        *,
        width: int = 64,
        depth: int = 2,
        gated: bool = False,
        key: RandomKey,
    ):
        if dim < 2 or rank < 1:
            raise ValueError(f"a gauge needs dim >= 2 and rank >= 1, got {dim} and {rank}")
        keys = jr.split(key, 3)
        network = SpaceTimeNetwork(dim, rank, width=width, depth=depth, key=keys[0])
        self.potentials = Potentials(network, (float(interval[0]), float(interval[1])), gated)
        self.left = jr.normal(keys[1], (rank, dim)) * dim**-0.5
        self.right = jr.normal(keys[2], (rank, dim)) * dim**-0.5

    def at(self, t: Scalar) -> "LowRankGaugeField":
        """The gauge at time `t` of shape `()`."""
        return LowRankGaugeField(self.potentials.at(t), self.left, self.right)


class LowRankGaugeField(AbstractGaugeField):
    """A `LowRankGauge` at one time."""

    potentials: Callable[[Point], Float[Array, " rank"]]
    left: Float[Array, "rank dim"]
    right: Float[Array, "rank dim"]

    def velocity(self, x: Point, score: Point) -> Point:
        r"""$v = \sum_r c_r (q_r \cdot w_r) - q_r (c_r \cdot w_r)$."""
        w = twist(self.potentials, x, score)
        along_right = (self.right * w).sum(axis=1)
        along_left = (self.left * w).sum(axis=1)
        return along_right @ self.left - along_left @ self.right
