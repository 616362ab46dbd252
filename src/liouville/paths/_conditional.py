from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.curves import AbstractCurve, Constant, HardEnded, Network, gate_value
from liouville.numerics.conditioning import AWAITS, AbstractConditional, given
from liouville.numerics.networks import MLP
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import RandomKey, Scalar
from liouville.numerics.weights import CoupledWeights
from liouville.paths._base import AbstractPath
from liouville.paths._location_scale import LocationScale
from liouville.paths._scales import Full

# How far pairs of parts are joined at first: a share of their mean squared distance.
_BLUR = 0.05


class ConditionalMixture(AbstractPath, AbstractConditional):
    r"""A Gaussian mixture that depends on a context and stands still.

    $$\rho(x \mid c) = \sum_k w_k(c)\, N(x \mid \mu_k(c), L_k L_k^\top(c)), \qquad
      (\log w, \mu, L)(c) = \theta + W z + \mathrm{net}(z), \quad z = (c - c_0)/s.$$

    The network starts at zero, so the law starts as a linear regression.

    Attributes:
        offset: $\theta$, shape `(parts * (1 + dim + dim**2),)`.
        slope: $W$, shape `(parts * (1 + dim + dim**2), size)`.
        network: from the context in standard units.
        center: $c_0$, shape `(size,)`, not learned.
        spread: $s$, likewise.
        parts: the number of parts.
        width: the number of coordinates.
        scale: how numbers become $L$.
    """

    offset: Float[Array, " outputs"]
    slope: Float[Array, "outputs size"]
    network: MLP
    center: Fixed[Float[Array, " size"]]
    spread: Fixed[Float[Array, " size"]]
    parts: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    scale: Full = Full()

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.width

    def given(self, context: Float[Array, " size"]) -> LocationScale:
        """The mixture of one context."""
        z = (context - self.center.value) / self.spread.value
        every = self.offset + self.slope @ z + self.network(z)
        k, d = self.parts, self.width
        logits, means, raw = jnp.split(every, [k, k + k * d])
        return LocationScale(
            Constant(means.reshape(k, d)), Constant(raw.reshape(k, d, d)), logits, scale=self.scale
        )

    def at(self, t: Scalar) -> NoReturn:
        """Raises an error: no context was given."""
        raise ValueError(AWAITS)


class ConditionalBridge(AbstractPath, AbstractConditional):
    r"""Moving parts between two mixtures that depend on a context, which are met for each.

    Of every context each pair $(k, l)$ of parts of the ends is one moving part. It follows the
    optimal transport of its Gaussians, $\Sigma_s = B \Sigma_k B$ with $B = (1 - s) I + s A_{kl}$,
    and learned curves of time and context open by a gate between the ends. The weights of the pairs
    couple those of the ends (`CoupledWeights`). Between Gaussians it is the optimal transport of
    each context before anything is learned.

    Attributes:
        source: the mixture at the start, not learned.
        target: the mixture at the end, not learned.
        location: the learned curve inside of the locations, which awaits a context.
        raw_scale: the learned curve inside of the raw scales, likewise.
        logits: a network from the context to what is added to the logits of the pairs.
        interval: $(t_0, t_1)$.
        opening: the share of the interval in which the gate opens.
    """

    source: Fixed[ConditionalMixture]
    target: Fixed[ConditionalMixture]
    location: Network
    raw_scale: Network
    logits: MLP
    interval: tuple[float, float] = eqx.field(static=True)
    opening: float = eqx.field(static=True)

    @staticmethod
    def between(
        source: ConditionalMixture,
        target: ConditionalMixture,
        interval: tuple[float, float],
        *,
        width: int = 32,
        opening: float = 0.02,
        key: RandomKey,
    ) -> "ConditionalBridge":
        """The bridge between two laws of the same contexts, with networks that start at zero."""
        size, d, count = source.slope.shape[1], source.dim, source.parts * target.parts
        keys, dtype = jr.split(key, 3), source.offset.dtype
        inner = [
            Network(jnp.zeros(shape, dtype), interval, width=width, context=size, key=k)
            for shape, k in zip(((count, d), (count, d, d)), keys)
        ]
        logits = MLP(size, count, width=width, depth=1, key=keys[2])
        location, raw = inner
        return ConditionalBridge(
            Fixed(source), Fixed(target), location, raw, logits, interval, opening
        )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.source.value.dim

    def given(self, context: Float[Array, " size"]) -> LocationScale:
        """The path of one context."""
        first, last = self.source.value, self.target.value
        z = (context - first.center.value) / first.spread.value
        time = jnp.asarray(self.interval[0], z.dtype)
        ends: list[Any] = [law.given(context) for law in (first, last)]
        pairs = jnp.indices((first.parts, last.parts)).reshape(2, -1)
        means = jnp.stack([end.location(time)[own] for end, own in zip(ends, pairs)])
        factors = [jnp.tril(end.at(time).frames.factor)[own] for end, own in zip(ends, pairs)]
        covariances = [factor @ factor.mT for factor in factors]
        moves = _transport_maps(*covariances)
        costs = ((means[0] - means[1]) ** 2).sum(-1)
        excess = moves - jnp.eye(self.dim, dtype=moves.dtype)
        costs = costs + jnp.einsum("kij,kjl,kil->k", excess, covariances[0], excess)
        weights = [jax.nn.softmax(end.logits) for end in ends]
        logits = CoupledWeights(
            jax.lax.stop_gradient(-costs / (_BLUR * costs.mean() + 1e-12)) + self.logits(z),
            pairs[0],
            pairs[1],
            Fixed(weights[0]),
            Fixed(weights[1]),
        )
        location, raw = (given(curve, z) for curve in (self.location, self.raw_scale))
        return LocationScale(
            HardEnded(self.interval, means, location, "fast", self.opening),
            Geodesic(
                Fixed(factors[0]), Fixed(moves), raw, self.interval, self.opening, first.scale
            ),
            logits,
            scale=first.scale,
        )

    def at(self, t: Scalar) -> NoReturn:
        """Raises an error: no context was given."""
        raise ValueError(AWAITS)


class Geodesic(AbstractCurve):
    r"""Raw scales along the optimal transport of centred Gaussians, $\Sigma_s = B\Sigma_0 B^\top$.

    Attributes:
        factor: $L_0$, shape `(parts, dim, dim)`, not learned.
        move: $A$, the optimal map, shape `(parts, dim, dim)`, not learned.
        inside: the learned curve, open between the ends.
        interval: $(t_0, t_1)$.
        opening: the share of the interval in which the gate opens.
        scale: how raw scales stand for $L$.
    """

    factor: Fixed[Float[Array, "parts dim dim"]]
    move: Fixed[Float[Array, "parts dim dim"]]
    inside: AbstractCurve
    interval: tuple[float, float] = eqx.field(static=True)
    opening: float = eqx.field(static=True)
    scale: Full

    def __call__(self, t: Scalar) -> Float[Array, "parts dim dim"]:
        """The raw scales at time `t` of shape `()`."""
        start, end = self.interval
        s = jnp.asarray((t - start) / (end - start))
        move = self.move.value
        factor = (1.0 - s) * self.factor.value + s * move @ self.factor.value
        raw = self.scale.from_covariance(factor @ factor.mT)
        return raw + gate_value(self.interval, t, "fast", self.opening) * self.inside(t)


def _transport_maps(
    first: Float[Array, "parts dim dim"], last: Float[Array, "parts dim dim"]
) -> Float[Array, "parts dim dim"]:
    r"""$S_0^{-1/2}(S_0^{1/2} S_1 S_0^{1/2})^{1/2} S_0^{-1/2}$, symmetric."""
    values, axes = jnp.linalg.eigh(first)
    root, inverse = (
        jnp.einsum("kij,kj,klj->kil", axes, power, axes)
        for power in (jnp.sqrt(values), 1.0 / jnp.sqrt(values))
    )
    values, axes = jnp.linalg.eigh(root @ last @ root)
    middle = jnp.einsum("kij,kj,klj->kil", axes, jnp.sqrt(jnp.maximum(values, 0.0)), axes)
    return inverse @ middle @ inverse
