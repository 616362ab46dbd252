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
