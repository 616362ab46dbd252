from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.curves import AbstractCurve, shape_of, value_and_rate
from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath, average_velocity
from liouville.paths._ensemble import Ensemble
from liouville.paths._factorised import Factorised, FactorisedMarginal, coordinate_values
from liouville.paths._line import MixtureOnLine
from liouville.paths._transfer_flux import NARROWER, crossing, pick


class FactorisedMixture(AbstractPath):
    r"""A mixture of factorised parts whose weights may move in time.

    $$\rho = \sum_k w_k \rho_k, \quad \rho_k = \prod_i f_{ki}, \qquad
      u = \sum_k \gamma_k u_k + \frac{j}{\rho},$$

    where the parts carry their own mass, and the *transfer flux* $j$ carries mass from parts that
    lose weight to parts that gain it, one coordinate after the other, by way of a reference
    density $r = \prod_i r_i$ with distribution functions $R_i$:

    $$j_i = -\sum_k w_k' \Bigl(\prod_{m<i} f_{km}\Bigr) (F_{ki} - R_i)
            \Bigl(\prod_{m>i} r_m\Bigr).$$

    *Proof.* The sum of $\partial_i j_i$ telescopes to
    $-\sum_k w_k' (\rho_k - r) = -\sum_k w_k' \rho_k$, because $\sum_k w_k' = 0$. Every $j_i$
    vanishes at infinity, as $F_{ki} - R_i$ does at both ends.

    **The reference** changes the velocity and not the density, and may be any product density at
    any time. The transfer velocity of part $k$ is at most
    $|w_k'/w_k| \prod_{m>i} \sup(r_m/f_{km})$ times a ratio of tail to density, so the reference
    should have *lighter* tails than every part: with heavier ones mass travels where there is
    none, at a speed that grows without bound. The default has one part in each coordinate, at
    the mean of the mixture at that time, narrower than the narrowest part by the square root of
    two: it stays right while the parts are learned. Parts far from each other, with nothing
    between them, trade weight at great speed and cost; a broad part in the mixture bridges them.

    Attributes:
        parts: a `Factorised` whose arrays have the parts as leading axis; see `of`.
        logits: curve of $\log w$ up to a constant, shape `(parts,)`.
        reference: a `Factorised` of the same dimension, learned unless in a
            `liouville.numerics.parameters.Fixed`, or none for the default.

    Raises:
        ValueError: if logits, parts and reference do not belong together.
    """

    parts: Factorised
    logits: AbstractCurve
    reference: Factorised | Fixed | None = None

    @classmethod
    def of(
        cls,
        parts: Sequence[Factorised],
        logits: AbstractCurve,
        reference: Factorised | Fixed | None = None,
    ) -> "FactorisedMixture":
        """Stacks parts of one structure.

        Args:
            parts: the parts, with curves of one kind and shape.
            logits: curve of the log-weights, shape `(len(parts),)`.
            reference: see the class.

        Raises:
            ValueError: if there are no parts, or they differ in more than the values of arrays.
        """
        stacked: Any = Ensemble.of(parts).members
        return cls(stacked, logits, reference)

    def __check_init__(self):
        logits = shape_of(self.logits)
        leading = {leaf.shape[:1] for leaf in jax.tree.leaves(self.parts)}
        if len(logits) != 1 or leading != {logits}:
            raise ValueError(
                f"logits have shape {logits} and the arrays of the parts the leading axes "
                f"{sorted(leading)}; both must be (parts,): build it by FactorisedMixture.of"
            )
        reference = value_of(self.reference)
        if reference is not None and reference.dim != self.dim:
            raise ValueError(
                f"the reference has dimension {reference.dim}, the parts have {self.dim}"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return jax.tree.map(lambda leaf: leaf[0], self.parts).dim

    def at(self, t: Scalar) -> "FactorisedMixtureMarginal":
        """The marginal at time `t` of shape `()`."""
        parts = eqx.filter_vmap(lambda part: part.at(t))(self.parts)
        logits, logits_rate = value_and_rate(self.logits, t)
        log_weights, log_weights_rate = jax.jvp(jax.nn.log_softmax, (logits,), (logits_rate,))
        if self.reference is None:
            lines = _default_reference(parts, log_weights)
        else:
            lines = value_of(self.reference).at(t).lines
        return FactorisedMixtureMarginal(parts, log_weights, log_weights_rate, lines)


class FactorisedMixtureMarginal(AbstractMarginal):
    """A `FactorisedMixture` at one time; parts and coordinates of the reference are stacked."""

    parts: FactorisedMarginal
    log_weights: Float[Array, " parts"]
    log_weights_rate: Float[Array, " parts"]
    reference: MixtureOnLine

    def log_density(self, x: Point) -> Scalar:
        r"""$\log\sum_k w_k \rho_k(x)$."""
        log_densities = jax.vmap(lambda part: part.log_density(x))(self.parts)
        return jax.nn.logsumexp(self.log_weights + log_densities)

    def velocity(self, x: Point) -> Point:
        r"""$\sum_k \gamma_k u_k + j/\rho$."""
        at_x = jax.vmap(lambda part: part.coordinates(x))(self.parts)
        joint = self.log_weights + at_x.log_density.sum(-1)
        velocities = jax.vmap(lambda part: part.velocity(x))(self.parts)
        reference = jax.vmap(coordinate_values)(self.reference, x)
        crossed = crossing(at_x, reference, self.log_weights, joint)
        return average_velocity(joint, velocities) - self.log_weights_rate @ crossed

    def sample(self, *, key: RandomKey) -> Point:
        """One draw: a part by its weight, then a point of it."""
        part_key, point_key = jr.split(key)
        chosen = jr.categorical(part_key, self.log_weights)
        return jax.tree.map(lambda leaf: leaf[chosen], self.parts).sample(key=point_key)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The particles of every part, weighted by the part."""
        parts = self.log_weights.shape[0]
        each = -(-n // parts)
        draw = jax.vmap(lambda part, k: part.particles(each, key=k))
        points, weights = draw(self.parts, jr.split(key, parts))
        weights = weights * jnp.exp(self.log_weights)[:, None]
        return points.reshape(-1, points.shape[-1]), weights.reshape(-1)


def _default_reference(
    parts: FactorisedMarginal, log_weights: Float[Array, " parts"]
) -> MixtureOnLine:
    """One narrow part in each coordinate, at the mean of the mixture."""
    lines = parts.lines
    means = (jnp.exp(lines.log_weights) * lines.location).sum(-1)
    location = jnp.exp(log_weights) @ means
    # The widest part of a coordinate rules its tails; the narrowest of those bounds the reference.
    widest = pick(lines.log_scale, jnp.argmax(lines.log_scale, -1))
    log_scale = pick(widest.T, jnp.argmin(widest, 0)) - NARROWER
    return jax.vmap(
        lambda m, s: MixtureOnLine(m[None], s[None], jnp.zeros_like(m)[None], lines.family)
    )(location, log_scale)
