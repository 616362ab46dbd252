"""The small networks everything learned is made of, and how a context enters them."""

from typing import NoReturn, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.conditioning import AWAITS, AbstractConditional
from liouville.numerics.types import Point, RandomKey, Scalar


def time_features(s: Scalar, frequencies: int) -> Float[Array, " features"]:
    r"""Features of a time $s \in [0, 1]$: $(s, \sin \pi k s, \cos \pi k s)_{k=1..m}$.

    The shape is `(1 + 2 * frequencies,)`, with the number $m$ of harmonics.
    """
    angles = jnp.pi * jnp.arange(1, frequencies + 1, dtype=s.dtype) * s
    return jnp.concatenate([s[None], jnp.sin(angles), jnp.cos(angles)])


class MLP(eqx.Module):
    """A fully connected network whose last layer starts at zero.

    Starting at zero makes the network an exact correction: before training it changes nothing.
    """

    layers: tuple[eqx.nn.Linear, ...]

    def __init__(self, inputs: int, outputs: int, *, width: int, depth: int, key: RandomKey):
        sizes = [inputs, *[width] * depth, outputs]
        keys = jr.split(key, len(sizes) - 1)
        *layers, last = (eqx.nn.Linear(a, b, key=k) for a, b, k in zip(sizes, sizes[1:], keys))
        self.layers = (*layers, jax.tree.map(jnp.zeros_like, last))

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """Maps a vector of shape `(inputs,)` to `(outputs,)`."""
        for layer in self.layers[:-1]:
            x = jax.nn.silu(layer(x))
        return self.layers[-1](x)

    @property
    def first(self) -> eqx.nn.Linear:
        """The first layer."""
        return self.layers[0]


class SpaceTimeNetwork(eqx.Module):
    r"""A network $\phi(t, x)$ whose time part is evaluated once a time.

    Time enters the first layer additively, $h = a(W_x x + W_t f(t) + b)$, so `at(t)` reduces it
    to a shift and the points cost matrix products only. Zero at initialisation.
    """

    time_layer: eqx.nn.Linear
    space_layer: eqx.nn.Linear
    rest: MLP
    frequencies: int = eqx.field(static=True)

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int,
        depth: int,
        frequencies: int = 4,
        key: RandomKey,
    ):
        keys = jr.split(key, 3)
        self.time_layer = eqx.nn.Linear(1 + 2 * frequencies, width, key=keys[0])
        self.space_layer = eqx.nn.Linear(dim, width, use_bias=False, key=keys[1])
        self.rest = MLP(width, outputs, width=width, depth=depth - 1, key=keys[2])
        self.frequencies = frequencies

    def at(self, s: Scalar) -> "SpaceNetwork":
        """The network at one time $s$ of the unit interval."""
        shift = self.time_layer(time_features(s, self.frequencies))
        return SpaceNetwork(shift, self.space_layer, self.rest)

    @property
    def first(self) -> eqx.nn.Linear:
        """The layer whose bias enters the first activation."""
        return self.time_layer


class SpaceNetwork(eqx.Module):
    """A `SpaceTimeNetwork` at one time: a function of the point alone."""

    shift: Float[Array, " width"]
    space_layer: eqx.nn.Linear
    rest: MLP

    def __call__(self, x: Point) -> Float[Array, " outputs"]:
        """Maps a point of shape `(dim,)` to `(outputs,)`."""
        return self.rest(jax.nn.silu(self.space_layer(x) + self.shift))


@runtime_checkable
class Shiftable(Protocol):
    """A network whose first layer has a bias, to which a vector can be added."""

    @property
    def first(self) -> eqx.nn.Linear:
        """The layer whose bias enters the first activation."""
        ...


class Conditioned(AbstractConditional):
    """A network that awaits a context: given one, it is the network with its first layer shifted.

    The shift is computed by a network of the context, once for all times and points; it is zero
    at initialisation.

    Attributes:
        network: the network, anything with a layer `first`.
        encoder: the network from the context to the shift.
    """

    network: Shiftable
    encoder: MLP

    def __init__(self, network: Shiftable, context: int, *, key: RandomKey):
        self.network = network
        width = network.first.weight.shape[0]
        self.encoder = MLP(context, width, width=width, depth=1, key=key)

    def given(self, context: Float[Array, " context"]) -> Shiftable:
        """The network for one context."""
        shift = self.encoder(context)
        return eqx.tree_at(lambda net: net.first.bias, self.network, replace_fn=lambda b: b + shift)

    def __call__(self, *_: object) -> NoReturn:
        """Raises an error: the network has no context yet."""
        raise ValueError(AWAITS)

    at = __call__
