from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.special import log_sum_exp
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import (
    AbstractMarginal,
    AbstractPath,
    average_velocity,
    branches_of,
    mixed_masses,
)


class Mixture(AbstractPath):
    r"""A mixture of any paths with constant weights.

    $$\rho = \sum_k w_k \rho_k, \qquad u = \sum_k \gamma_k u_k, \qquad
      \gamma_k = \mathrm{softmax}_k(\log w_k + \log\rho_k).$$

    The weights must not depend on time: otherwise mass has to travel between the parts and the
    velocity above does not carry it. Parts that grow are weighted by $w_k M_k$, and the mixture
    grows at the rate $\sum_k \gamma_k h_k$.

    Attributes:
        parts: the paths, of one dimension.
        logits: $\log w$ up to a constant, shape `(len(parts),)`, learned unless in a
            `liouville.numerics.parameters.Fixed`.
    """

    parts: tuple[AbstractPath, ...]
    logits: Float[Array, " parts"] | Fixed

    def __init__(self, parts: Sequence[AbstractPath], logits: Float[Array, " parts"] | Fixed):
        self.parts = tuple(parts)
        self.logits = logits
        dims = sorted({part.dim for part in self.parts})
        shape = value_of(logits).shape
        if len(dims) != 1 or shape != (len(self.parts),):
            raise ValueError(
                f"a mixture needs parts of one dimension and one logit each; got dimensions {dims} "
                f"and logits of shape {shape} for {len(self.parts)} parts"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.parts[0].dim

    def at(self, t: Scalar) -> "MixtureMarginal":
        """The marginal at time `t` of shape `()`."""
        parts = tuple(part.at(t) for part in self.parts)
        masses = jnp.stack([part.log_mass for part in parts])
        return MixtureMarginal(
            parts, *mixed_masses(jax.nn.log_softmax(value_of(self.logits)), masses)
        )

    def branches(self) -> tuple[tuple[Scalar, AbstractPath], ...]:
        """The branches of all parts."""
        return branches_of(jax.nn.log_softmax(value_of(self.logits)), self.parts)

    def mean_over_members(self, function: Callable[..., Scalar], *, key: RandomKey) -> Scalar:
        """The mean over the parts, whatever their weights."""
        keys = jr.split(key, len(self.parts))
        values = [part.mean_over_members(function, key=k) for part, k in zip(self.parts, keys)]
        return jnp.stack(values).mean()


class MixtureMarginal(AbstractMarginal):
    """A `Mixture` at one time."""

    parts: tuple[AbstractMarginal, ...]
    log_weights: Float[Array, " parts"]
    log_total: Scalar

    def log_density(self, x: Point) -> Scalar:
        r"""$\log\sum_k w_k \rho_k(x)$, minus infinity where no part has density."""
        return log_sum_exp(self._log_joint(x))

    def velocity(self, x: Point) -> Point:
        r"""$\sum_k \gamma_k u_k$."""
        velocities = jnp.stack([part.velocity(x) for part in self.parts])
        return average_velocity(self._log_joint(x), velocities)

    def growth(self, x: Point) -> Scalar:
        r"""$\sum_k \gamma_k h_k$."""
        rates = jnp.stack([part.growth(x) for part in self.parts])
        return average_velocity(self._log_joint(x), rates[:, None])[0]

    @property
    def log_mass(self) -> Scalar:
        r"""$\log\sum_k w_k M_k$."""
        return self.log_total

    def log_parts(self, x: Point) -> Float[Array, " parts"]:
        """The parts of all parts, weighted by these."""
        within = [part.log_parts(x) for part in self.parts]
        return jnp.concatenate([w + own for w, own in zip(self.log_weights, within)])

    @property
    def log_part_masses(self) -> Float[Array, " parts"]:
        """The masses of the parts of all parts, as shares of theirs."""
        shares = [part.log_part_masses - part.log_mass for part in self.parts]
        joint = [w + own for w, own in zip(self.log_weights, shares)]
        return self.log_total + jnp.concatenate(joint)

    def sample(self, *, key: RandomKey) -> Point:
        """One draw: a part by its weight, then a point of it."""
        part_key, point_key = jr.split(key)
        chosen = jr.categorical(part_key, self.log_weights)
        return jnp.stack([part.sample(key=point_key) for part in self.parts])[chosen]

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The particles of every part, weighted by the part."""
        each = -(-n // len(self.parts))
        keys = jr.split(key, len(self.parts))
        drawn = [part.particles(each, key=k) for part, k in zip(self.parts, keys)]
        weights = [w * p for (_, w), p in zip(drawn, jnp.exp(self.log_weights))]
        return jnp.concatenate([x for x, _ in drawn]), jnp.concatenate(weights)

    def _log_joint(self, x: Point) -> Float[Array, " parts"]:
        return self.log_weights + jnp.stack([part.log_density(x) for part in self.parts])
