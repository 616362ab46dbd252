from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.devices import divided, places, rows_of
from liouville.numerics.types import Points, RandomKey, Scalar

# All points of a time are asked at once up to so many; of more, a block after the other, so that
# memory does not grow with them.
_BLOCK = 4096

Quantity = Callable[[Scalar, Points, Int[Array, " m"]], Float[Array, " m"]]


class Clouds(eqx.Module):
    """Points with weights, some at each of a few times, and sums over all or a batch of them.

    The points stand one after the other, time by time, so that times with few of them cost no more
    than these.

    Attributes:
        times: shape `(times,)`.
        points: shape `(n, dim)`; with rows of zeros at the end where devices divide them.
        weights: shape `(n,)`, of sum one.
        starts: the first row of each time, shape `(times,)`.
        sizes: the number of points of each time, shape `(times,)`.
        blocks: the time, first row and size of each block, shape `(blocks, 3)`.
        width: the largest size of a block.
        batch_size: points drawn from each time, or `None` for all.
    """

    times: Float[Array, " times"]
    points: Float[Array, "n dim"]
    weights: Float[Array, " n"]
    starts: Int[Array, " times"]
    sizes: Int[Array, " times"]
    blocks: Int[Array, "blocks 3"]
    width: int = eqx.field(static=True)
    batch_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        times: Sequence[float] | np.ndarray,
        points: Sequence[np.ndarray],
        weights: Sequence[np.ndarray] | None = None,
        batch_size: int | None = None,
    ):
        """Of one cloud `(n_i, dim)` a time.

        Raises:
            ValueError: if there are not as many times as clouds, or a cloud is empty.
        """
        sizes = np.array([len(x) for x in points])
        if len(times) != len(points) or not len(points) or sizes.min() == 0:
            raise ValueError(
                f"{len(times)} times and snapshots of sizes {sizes.tolist()}; give one time for "
                "each snapshot and at least one point in each"
            )
        every = np.concatenate([np.ones(n) for n in sizes] if weights is None else weights)
        dtype, starts = jnp.zeros(()).dtype, np.cumsum(sizes) - sizes
        largest = int(sizes.max())
        self.width = min(largest, _BLOCK)
        self.times = jnp.asarray(np.asarray(times), dtype)
        self.points = jnp.asarray(np.concatenate(points), dtype)
        self.weights = jnp.asarray(every / every.sum(), dtype)
        self.starts, self.sizes = jnp.asarray(starts), jnp.asarray(sizes)
        self.blocks = jnp.asarray(
            [
                (i, start + first, min(self.width, size - first))
                for i, (start, size) in enumerate(zip(starts.tolist(), sizes.tolist()))
                for first in range(0, size, self.width)
            ]
        )
        self.batch_size = None if batch_size is None or batch_size >= largest else batch_size

    def sum(self, quantity: Quantity, *, key: RandomKey) -> Scalar:
        """The weighted sum of a quantity, or an unbiased estimate from a batch.

        The quantity is asked of a time, points `(m, dim)` and their rows `(m,)`.
        """
        if self.batch_size is None:
            return self.sums(quantity).sum()
        picks = jr.randint(key, (len(self.sizes), self.batch_size), 0, self.sizes[:, None])
        place, counts = places(self.batch_size)
        rows = self.starts[:, None] + picks[:, place]
        shares = self.weights[rows] * (self.sizes[:, None] / self.batch_size)
        shares = divided(jnp.where(counts, shares, 0.0), axis=1)
        points = rows_of(self.points, rows)

        def at_one_time(t, points, rows, shares):
            return shares @ quantity(t, points, rows)

        return jax.vmap(at_one_time)(self.times, points, rows, shares).sum()

    def sums(self, quantity: Quantity) -> Float[Array, " times"]:
        """The weighted sum of a quantity over all points of each time, shape `(times,)`."""

        def of_block(block):
            time, start, size = block
            # What is beyond the block is evaluated at its last point and multiplied by zero.
            place, counts = places(self.width)
            rows = start + jnp.minimum(place, size - 1)
            shares = jnp.where(counts & (place < size), self.weights[rows], 0.0)
            return shares @ quantity(self.times[time], rows_of(self.points, rows), rows)

        every_at_once = len(self.blocks) == len(self.times)
        blocks = self.blocks
        found = jax.vmap(of_block)(blocks) if every_at_once else jax.lax.map(of_block, blocks)
        return jnp.zeros_like(self.times).at[self.blocks[:, 0]].add(found)
