from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.gauges._base import AbstractGauge, AbstractGaugeField, Potentials, twist
from liouville.numerics.networks import SpaceTimeNetwork
from liouville.numerics.types import Point, RandomKey, Scalar


class FullGauge(AbstractGauge):
    r"""The general gauge: one potential for each of the $d(d-1)/2$ planes of rotation.

    Attributes:
        potentials: the learned fields $\phi_{ij}$, $i < j$: $d(d-1)/2$ network outputs.
    """

    potentials: Potentials

    def __init__(
        self,
        dim: int,
        interval: tuple[float, float],
        *,
        width: int = 64,
        depth: int = 2,
        gated: bool = False,
        key: RandomKey,
    ):
        if dim < 2:
            raise ValueError(f"a gauge needs two or more dimensions, got {dim}; leave it out")
        network = SpaceTimeNetwork(dim, dim * (dim - 1) // 2, width=width, depth=depth, key=key)
        self.potentials = Potentials(network, (float(interval[0]), float(interval[1])), gated)

    def at(self, t: Scalar) -> "FullGaugeField":
        """The gauge at time `t` of shape `()`."""
        return FullGaugeField(self.potentials.at(t))


class FullGaugeField(AbstractGaugeField):
    """A `FullGauge` at one time."""

    potentials: Callable[[Point], Float[Array, " potentials"]]

    def velocity(self, x: Point, score: Point) -> Point:
        r"""$v_i = \sum_{j>i} w_{ij,j} - \sum_{j<i} w_{ji,j}$ with the vectors of `twist`."""
        rows, columns = np.triu_indices(x.shape[0], k=1)
        w = twist(self.potentials, x, score)
        pair = np.arange(len(rows))
        v = jnp.zeros_like(x).at[rows].add(w[pair, columns])
        return v.at[columns].add(-w[pair, rows])
