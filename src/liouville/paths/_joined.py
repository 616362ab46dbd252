from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath


class Joined(AbstractPath):
    r"""Paths one after the other: on $[t_i, t_{i+1}]$ the path is piece $i$.

    Where two pieces meet they must have the same density and mass, as hard ends give it; the
    velocity may jump there, and the continuity equation holds on both sides. At a joint the later
    piece answers; before the first time the first one does, and after the last time the last one.

    Attributes:
        pieces: the paths, of one dimension.
        times: $t_0 < \dots < t_n$, one more than there are pieces.

    Raises:
        ValueError: if the times are not increasing, or dimensions or numbers do not fit.
    """

    pieces: tuple[AbstractPath, ...]
    times: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, pieces: Sequence[AbstractPath], times: Sequence[float]):
        self.pieces = tuple(pieces)
        self.times = tuple(float(t) for t in times)
        if len(self.times) != len(self.pieces) + 1 or not self.pieces:
            raise ValueError(
                f"{len(self.pieces)} pieces need {len(self.pieces) + 1} times, got {self.times}"
            )
        if not all(a < b for a, b in zip(self.times, self.times[1:])):
            raise ValueError(f"times {self.times} are not increasing; sort them, merge equal ones")
        dims = sorted({piece.dim for piece in self.pieces})
        if len(dims) != 1:
            raise ValueError(f"joined paths need one dimension, got {dims}")

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.pieces[0].dim

    def at(self, t: Scalar) -> "JoinedMarginal":
        """The marginal at time `t` of shape `()`."""
        inner = jnp.asarray(self.times[1:-1], t.dtype)
        number = jnp.searchsorted(inner, t, side="right")
        marginals = []
        for i, piece in enumerate(self.pieces):
            first, last = i == 0, i == len(self.pieces) - 1
            # A piece that does not answer is asked at its own nearest time, where it is finite.
            early = t if first else jnp.where(t < self.times[i], self.times[i], t)
            own = early if last else jnp.where(early > self.times[i + 1], self.times[i + 1], early)
            marginals.append(piece.at(own))
        return JoinedMarginal(tuple(marginals), number)


class JoinedMarginal(AbstractMarginal):
    """A `Joined` path at one time."""

    marginals: tuple[AbstractMarginal, ...]
    number: Int[Array, ""]

    def log_density(self, x: Point) -> Scalar:
        """The log-density of the piece the time is in."""
        return self._chosen([m.log_density(x) for m in self.marginals])

    def velocity(self, x: Point) -> Point:
        """The velocity of the piece the time is in."""
        return self._chosen([m.velocity(x) for m in self.marginals])

    def growth(self, x: Point) -> Scalar:
        """The growth rate of the piece the time is in."""
        return self._chosen([m.growth(x) for m in self.marginals])

    @property
    def log_mass(self) -> Scalar:
        """The mass of the piece the time is in."""
        return self._chosen(list(jnp.stack([m.log_mass for m in self.marginals])))

    def sample(self, *, key: RandomKey) -> Point:
        """One draw from the piece the time is in."""
        return self._chosen([m.sample(key=key) for m in self.marginals])

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The particles of the piece the time is in; of weight zero where others have more."""
        drawn = [m.particles(n, key=jr.fold_in(key, i)) for i, m in enumerate(self.marginals)]
        most = max(len(w) for _, w in drawn)
        # Copies of the first point, of no weight: finite wherever a function is finite.
        points = [jnp.concatenate([x, jnp.tile(x[:1], (most - len(x), 1))]) for x, _ in drawn]
        weights = [jnp.pad(w, (0, most - len(w))) for _, w in drawn]
        return self._chosen(points), self._chosen(weights)

    def _chosen(self, values: Sequence[Array]) -> Array:
        return jax.lax.select_n(self.number.astype(jnp.int32), *values)
