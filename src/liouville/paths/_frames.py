"""Frames made of other frames."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.types import Point
from liouville.paths._scales import AbstractFrames, Locations


class GrowingFrames(AbstractFrames):
    r"""Frames that stand still but for a factor, $x = \mu_k + e^{q_k(t)} L_k z$.

    The factor is all that depends on time, so many times share the work for the frames.

    Attributes:
        still: the frames $x = \mu_k + L_k z$.
        log_factor: $q$, shape `(parts,)`.
        log_factor_rate: $q'$, shape `(parts,)`.
    """

    location: Locations
    log_scale: Locations
    still: AbstractFrames
    log_factor: Float[Array, " parts"]
    log_factor_rate: Float[Array, " parts"]

    @staticmethod
    def of(
        still: AbstractFrames,
        log_factor: Float[Array, " parts"],
        log_factor_rate: Float[Array, " parts"],
    ) -> "GrowingFrames":
        """Frames that stand still, with factors and their rates."""
        return GrowingFrames(
            still.location,
            still.log_scale + log_factor[:, None],
            still,
            log_factor,
            log_factor_rate,
        )

    def to_standard(self, x: Point) -> Locations:
        r"""$e^{-q_k} L_k^{-1}(x - \mu_k)$."""
        return self.still.to_standard(x) * jnp.exp(-self.log_factor)[:, None]

    def squares(self, x: Point) -> Float[Array, " parts"]:
        r"""$e^{-2 q_k} |L_k^{-1}(x - \mu_k)|^2$."""
        return self.still.squares(x) * jnp.exp(-2.0 * self.log_factor)

    def stretch(self, z: Locations) -> Locations:
        r"""$e^{q_k} L_k z_k$."""
        return self.still.stretch(z) * jnp.exp(self.log_factor)[:, None]

    def place(self, part: Int[Array, ""], z: Point) -> Point:
        r"""$\mu_k + e^{q_k} L_k z$."""
        return self.still.place(part, z * jnp.exp(self.log_factor[part]))

    def velocity(self, x: Point, weights: Float[Array, " parts"]) -> Point:
        r"""$\sum_k \gamma_k q_k' (x - \mu_k)$."""
        return (weights * self.log_factor_rate) @ (x - self.location)

    @property
    def log_volumes(self) -> Float[Array, " parts"]:
        r"""$\log\det L_k + d\, q_k$."""
        return self.still.log_volumes + self.location.shape[1] * self.log_factor


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
