"""Frames made of other frames."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.types import Point
from liouville.paths._scales import AbstractFrames, Locations


class GrowingFrames(AbstractFrames):
    r"""Frames that stand still but for a factor, each in several sizes.

    $x = \mu_k + e^{q_{kj}(t)} L_k z$ for every frame $k$ and size $j$, those of one frame together.
    The factor is all that depends on time, so many times share the work for the frames, and all
    sizes share a point's distance.

    Attributes:
        still: the frames $x = \mu_k + L_k z$.
        log_factor: $q$, shape `(frames, sizes)`.
        log_factor_rate: $q'$, same shape.
    """

    location: Locations
    log_scale: Locations
    still: AbstractFrames
    log_factor: Float[Array, "frames sizes"]
    log_factor_rate: Float[Array, "frames sizes"]

    @staticmethod
    def of(
        still: AbstractFrames,
        log_factor: Float[Array, "frames sizes"],
        log_factor_rate: Float[Array, "frames sizes"],
    ) -> "GrowingFrames":
        """Frames that stand still, with factors and their rates."""
        sizes = log_factor.shape[1]
        return GrowingFrames(
            jnp.repeat(still.location, sizes, axis=0),
            jnp.repeat(still.log_scale, sizes, axis=0) + log_factor.reshape(-1, 1),
            still,
            log_factor,
            log_factor_rate,
        )

    def to_standard(self, x: Point) -> Locations:
        r"""$e^{-q_{kj}} L_k^{-1}(x - \mu_k)$."""
        z = self.still.to_standard(x)[:, None] * jnp.exp(-self.log_factor)[..., None]
        return z.reshape(self.location.shape)

    def squares(self, x: Point) -> Float[Array, " parts"]:
        r"""$e^{-2 q_{kj}} |L_k^{-1}(x - \mu_k)|^2$."""
        return (self.still.squares(x)[:, None] * jnp.exp(-2.0 * self.log_factor)).reshape(-1)

    def stretch(self, z: Locations) -> Locations:
        r"""$e^{q_{kj}} L_k z_{kj}$."""
        frames, sizes = self.log_factor.shape
        own = z.reshape(frames, sizes, -1)
        grown = jax.vmap(self.still.stretch, in_axes=1, out_axes=1)(own)
        return (grown * jnp.exp(self.log_factor)[..., None]).reshape(z.shape)

    def place(self, part: Int[Array, ""], z: Point) -> Point:
        r"""$\mu_k + e^{q_{kj}} L_k z$."""
        factor = jnp.exp(self.log_factor.reshape(-1)[part])
        return self.still.place(part // self.log_factor.shape[1], z * factor)

    def velocity(self, x: Point, weights: Float[Array, " parts"]) -> Point:
        r"""$\sum_{kj} \gamma_{kj} q_{kj}' (x - \mu_k)$."""
        own = weights.reshape(self.log_factor.shape) * self.log_factor_rate
        return own.sum(axis=1) @ (x - self.still.location)

    @property
    def log_volumes(self) -> Float[Array, " parts"]:
        r"""$\log\det L_k + d\, q_{kj}$."""
        dim = self.location.shape[1]
        return (self.still.log_volumes[:, None] + dim * self.log_factor).reshape(-1)


class JoinedFrames(AbstractFrames):
    """The frames of several groups of parts, one group after the other.

    Attributes:
        groups: the groups, of one dimension.
    """

    location: Locations
    log_scale: Locations
    groups: tuple[AbstractFrames, ...]

    @staticmethod
    def of(groups: Sequence[AbstractFrames]) -> "JoinedFrames":
        """The frames of given groups."""
        location = jnp.concatenate([group.location for group in groups])
        log_scale = jnp.concatenate([group.log_scale for group in groups])
        return JoinedFrames(location, log_scale, tuple(groups))

    def to_standard(self, x: Point) -> Locations:
        r"""$L_k^{-1}(x - \mu_k)$ for every part of every group."""
        return jnp.concatenate([group.to_standard(x) for group in self.groups])

    def squares(self, x: Point) -> Float[Array, " parts"]:
        r"""$|z_k|^2$ for every part of every group."""
        return jnp.concatenate([group.squares(x) for group in self.groups])

    def stretch(self, z: Locations) -> Locations:
        r"""$L_k z_k$ for every part of every group."""
        own = zip(self.groups, self._split(z))
        return jnp.concatenate([group.stretch(part) for group, part in own])

    def place(self, part: Int[Array, ""], z: Point) -> Point:
        r"""$\mu_k + L_k z$; parts are numbered through the groups."""
        ends = np.cumsum([len(group.log_volumes) for group in self.groups])
        starts = [0, *ends[:-1]]
        # An index outside of a group is clipped, and what comes of it is not chosen.
        points = [
            group.place(jnp.clip(part - start, 0, end - start - 1), z)
            for group, start, end in zip(self.groups, starts, ends)
        ]
        return jnp.stack(points)[jnp.searchsorted(jnp.asarray(ends), part, side="right")]

    def velocity(self, x: Point, weights: Float[Array, " parts"]) -> Point:
        """The sum of the velocities of the groups."""
        own = zip(self.groups, self._split(weights))
        return sum((group.velocity(x, part) for group, part in own), jnp.zeros_like(x))

    @property
    def log_volumes(self) -> Float[Array, " parts"]:
        r"""$\log\det L$ of every part of every group."""
        return jnp.concatenate([group.log_volumes for group in self.groups])

    def _split(self, values: Array) -> list[Array]:
        sizes = [len(group.log_volumes) for group in self.groups]
        return jnp.split(values, np.cumsum(sizes)[:-1])


class BlockFrames(AbstractFrames):
    """Frames whose coordinates fall into independent blocks, one block after the other.

    Attributes:
        blocks: frames of the same parts, each in its own coordinates.
    """

    location: Locations
    log_scale: Locations
    blocks: tuple[AbstractFrames, ...]

    @staticmethod
    def of(blocks: Sequence[AbstractFrames]) -> "BlockFrames":
        """The frames of given blocks."""
        location = jnp.concatenate([block.location for block in blocks], axis=-1)
        log_scale = jnp.concatenate([block.log_scale for block in blocks], axis=-1)
        return BlockFrames(location, log_scale, tuple(blocks))

    def to_standard(self, x: Point) -> Locations:
        r"""$L_k^{-1}(x - \mu_k)$, block by block."""
        own = zip(self.blocks, self._split(x))
        return jnp.concatenate([block.to_standard(y) for block, y in own], axis=-1)

    def squares(self, x: Point) -> Float[Array, " parts"]:
        r"""$|z_k|^2$, the sum over the blocks."""
        own = zip(self.blocks, self._split(x))
        return sum((block.squares(y) for block, y in own), jnp.zeros_like(self.log_volumes))

    def stretch(self, z: Locations) -> Locations:
        r"""$L_k z_k$, block by block."""
        own = zip(self.blocks, self._split(z))
        return jnp.concatenate([block.stretch(y) for block, y in own], axis=-1)

    def place(self, part: Int[Array, ""], z: Point) -> Point:
        r"""$\mu_k + L_k z$, block by block."""
        own = zip(self.blocks, self._split(z))
        return jnp.concatenate([block.place(part, y) for block, y in own])

    def velocity(self, x: Point, weights: Float[Array, " parts"]) -> Point:
        """The velocities of the blocks, one after the other."""
        own = zip(self.blocks, self._split(x))
        return jnp.concatenate([block.velocity(y, weights) for block, y in own])

    @property
    def log_volumes(self) -> Float[Array, " parts"]:
        r"""$\log\det L$, the sum over the blocks."""
        return self.log_scale.sum(axis=-1)

    def _split(self, values: Array) -> list[Array]:
        sizes = [block.location.shape[-1] for block in self.blocks]
        return jnp.split(values, np.cumsum(sizes)[:-1], axis=-1)
