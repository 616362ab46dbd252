from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath


class Product(AbstractPath):
    r"""Independent blocks of coordinates: $\rho = \prod_b \rho_b(x_b)$, $u = (u_1, u_2, \dots)$.

    Attributes:
        parts: the paths of the blocks, in the order of the coordinates.
    """

    parts: tuple[AbstractPath, ...]

    def __init__(self, parts: Sequence[AbstractPath]):
        self.parts = tuple(parts)
        if not self.parts:
            raise ValueError("a product needs one part or more; got none")

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return sum(part.dim for part in self.parts)

    def at(self, t: Scalar) -> "ProductMarginal":
        """The marginal at time `t` of shape `()`."""
        ends = np.cumsum([part.dim for part in self.parts])[:-1].tolist()
        return ProductMarginal(tuple(part.at(t) for part in self.parts), tuple(ends))


class ProductMarginal(AbstractMarginal):
    """A `Product` at one time; a block ends where the next one starts."""

    parts: tuple[AbstractMarginal, ...]
    ends: tuple[int, ...] = eqx.field(static=True)

    def log_density(self, x: Point) -> Scalar:
        r"""$\sum_b \log\rho_b(x_b)$."""
        blocks = zip(self.parts, self._blocks(x))
        return jnp.stack([part.log_density(block) for part, block in blocks]).sum()

    def velocity(self, x: Point) -> Point:
        """The velocities of the blocks, one after the other."""
        blocks = zip(self.parts, self._blocks(x))
        return jnp.concatenate([part.velocity(block) for part, block in blocks])

    def growth(self, x: Point) -> Scalar:
        r"""$\sum_b h_b(x_b)$."""
        blocks = zip(self.parts, self._blocks(x))
        return jnp.stack([part.growth(block) for part, block in blocks]).sum()

    @property
    def log_mass(self) -> Scalar:
        r"""$\sum_b \log M_b$: masses multiply."""
        return sum((part.log_mass for part in self.parts), jnp.asarray(0.0))

    def sample(self, *, key: RandomKey) -> Point:
        """One draw of every block."""
        keys = jr.split(key, len(self.parts))
        return jnp.concatenate([part.sample(key=k) for part, k in zip(self.parts, keys)])

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        r"""Particles of the blocks, paired at random.

        If block $b$ has $m_b$ particles, each of the $m = \max_b m_b$ rows picks one of every
        block such that all combinations have the same chance; the weight of a row is
        $m^{-1} \prod_b m_b w_b$. The weights sum to one on average, not in every draw.
        """
        keys = jr.split(key, 2 * len(self.parts))
        drawn = [part.particles(n, key=k) for part, k in zip(self.parts, keys)]
        rows = max(len(w) for _, w in drawn)
        picks = [_fair_picks(len(w), rows, k) for (_, w), k in zip(drawn, keys[len(drawn) :])]
        points = jnp.concatenate([x[i] for (x, _), i in zip(drawn, picks)], axis=1)
        factors = jnp.stack([len(w) * w[i] for (_, w), i in zip(drawn, picks)])
        return points, factors.prod(axis=0) / rows

    def _blocks(self, x: Point) -> list[Float[Array, " _"]]:
        return jnp.split(x, self.ends)


def _fair_picks(available: int, rows: int, key: RandomKey) -> Int[Array, " rows"]:
    """`rows` indices below `available`, in random order, each index equally often on average."""
    shift_key, order_key = jr.split(key)
    shift = jr.uniform(shift_key)
    spaced = jnp.floor((jnp.arange(rows) + shift) * available / rows).astype(int)
    return jr.permutation(order_key, jnp.minimum(spaced, available - 1))
