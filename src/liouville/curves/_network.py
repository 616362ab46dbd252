import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.curves._base import AbstractCurve
from liouville.numerics.networks import MLP, Conditioned, time_features
from liouville.numerics.types import RandomKey, Scalar


class Network(AbstractCurve):
    r"""A curve $\theta(t) = \theta_* + \mathrm{net}(f(s))$, $s = (t - t_0)/(t_1 - t_0)$.

    The network starts at zero, so the curve starts as the constant $\theta_*$.

    Attributes:
        offset: $\theta_*$, any shape, learned.
        network: the network on the features of `liouville.numerics.networks.time_features`; with a
            `context` of some size, it awaits one (`liouville.given`).
        interval: $(t_0, t_1)$, the times on which the features are scaled.
        frequencies: the number of harmonics among the features.
    """

    offset: Float[Array, "..."]
    network: MLP | Conditioned
    interval: tuple[float, float] = eqx.field(static=True)
    frequencies: int = eqx.field(static=True)

    def __init__(
        self,
        offset: Float[Array, "..."],
        interval: tuple[float, float],
        *,
        width: int = 64,
        depth: int = 2,
        frequencies: int = 4,
        context: int = 0,
        key: RandomKey,
    ):
        self.offset = offset
        keys = jr.split(key)
        network = MLP(
            1 + 2 * frequencies, math.prod(offset.shape), width=width, depth=depth, key=keys[0]
        )
        self.network = Conditioned(network, context, key=keys[1]) if context else network
        self.interval = (float(interval[0]), float(interval[1]))
        self.frequencies = frequencies
        if not self.interval[0] < self.interval[1]:
            raise ValueError(f"interval {interval} is empty; give (start, end) with start < end")

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""
        start, end = self.interval
        features = time_features(jnp.asarray((t - start) / (end - start)), self.frequencies)
        return self.offset + self.network(features).reshape(self.offset.shape)
