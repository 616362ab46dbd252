r"""Networks whose outputs come one after the other, and linear equations in their derivative.

A masked network maps a point of $d$ coordinates to $d$ vectors, the $i$-th of which depends on
the coordinates before $x_i$ alone. Two things follow from this triangular shape:

* a point can be found coordinate by coordinate, $x_i = \mathrm{choose}_i(\theta_i(x_{<i}))$;
* the equation $v_i = b_i + c_i \cdot (D\theta_i(x)\, v)$ is solved by forward substitution.

Both need the work of one evaluation, spread over $d$ steps: each step computes the units that
belong to one coordinate, once, when everything they read is known.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.networks._plain import time_features
from liouville.numerics.types import Point, RandomKey, Scalar

# With so few coordinates the steps of a substitution are written out one after the other: each
# then reads only what is known, and nothing is copied from step to step.
_WRITTEN_OUT = 4


class MaskedNetwork(eqx.Module):
    r"""A network $\theta(t, x)$ whose output $\theta_i$ depends on $t$ and $x_{<i}$ alone.

    Every layer has one block of units for each coordinate. With the activation $a$ (SiLU),

    $$h^1_i = a(W^1_i x_{<i} + T_i f(t) + e_i), \qquad
      h^l_i = h^{l-1}_i + a(W^l_i h^{l-1}_{\le i} + e^l_i), \qquad
      \theta_i = V_i h^L_{\le i}.$$

    The first layer is strict and the others are not, so nothing of $x_i$ or of later coordinates
    reaches $\theta_i$. Time enters the first layer only, once a time (`at`). The last layer is
    zero at initialisation. There is no last bias: whoever uses the network has an offset.

    Source: masks as in Germain, Gregor, Murray and Larochelle, *MADE* (ICML 2015), in blocks so
    that every coordinate has units of its own.

    Attributes:
        time_layer: $T$ and $e$.
        space: $W^1$; the entries that nothing may read stay at zero.
        hidden: $W^2, \dots, W^L$, likewise.
        biases: $e^2, \dots, e^L$.
        out: $V$, likewise.
        frequencies: the number of harmonics among the features of time.

    Raises:
        ValueError: on a number of coordinates, units, outputs or layers below one.
    """

    time_layer: eqx.nn.Linear
    space: Float[Array, "dim units dim"]
    hidden: tuple[Float[Array, "dim units dim units"], ...]
    biases: tuple[Float[Array, "dim units"], ...]
    out: Float[Array, "dim outputs dim units"]
    frequencies: int = eqx.field(static=True)

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        units: int,
        depth: int,
        frequencies: int = 4,
        key: RandomKey,
    ):
        sizes = {"dim": dim, "outputs": outputs, "units": units, "depth": depth}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} is {size}; a masked network needs one or more")
        keys = jr.split(key, depth + 1)
        self.time_layer = eqx.nn.Linear(1 + 2 * frequencies, dim * units, key=keys[0])
        reads = np.arange(dim)
        self.space = _draw((dim, units, dim), reads, keys[1]) * _before(dim)
        self.hidden = tuple(
            _draw((dim, units, dim, units), (reads + 1) * units, k) * _up_to(dim) for k in keys[2:]
        )
        self.biases = tuple(jnp.zeros((dim, units)) for _ in keys[2:])
        self.out = jnp.zeros((dim, outputs, dim, units))
        self.frequencies = frequencies

    @property
    def first(self) -> eqx.nn.Linear:
        """The layer whose bias enters the first activation."""
        return self.time_layer

    def shift(self, s: Scalar) -> Float[Array, "dim units"]:
        """All that depends on time: what time and bias add to what enters the first activation."""
        return self.time_layer(time_features(s, self.frequencies)).reshape(self.space.shape[:2])

    def at(self, s: Scalar) -> "MaskedSpaceNetwork":
        """The network at one time $s$ of the unit interval."""
        dim = self.space.shape[0]
        return MaskedSpaceNetwork(
            self.shift(s),
            self.space * _before(dim),
            tuple(weight * _up_to(dim) for weight in self.hidden),
            self.biases,
            self.out * _up_to(dim),
        )


class MaskedSpaceNetwork(eqx.Module):
    """A `MaskedNetwork` at one time, its masks applied: a function of the point alone."""

    shift: Float[Array, "dim units"]
    space: Float[Array, "dim units dim"]
    hidden: tuple[Float[Array, "dim units dim units"], ...]
    biases: tuple[Float[Array, "dim units"], ...]
    out: Float[Array, "dim outputs dim units"]

    def __call__(self, x: Point) -> Float[Array, "dim outputs"]:
        """The outputs of all coordinates at a point of shape `(dim,)`, in one pass."""
        return self._pass(x)[0]

    def filled(self, choose: Callable[[Any, Array], Scalar], given: Any) -> Point:
        r"""The point with $x_i = \mathrm{choose}(g_i, \theta_i(x_{<i}))$, one after the other.

        The $g_i$ are the entries of `given`, a pytree with the coordinates as leading axis.
        """

        def bend(layer, entry, entering):
            return jax.nn.silu(entering)

        return self._swept(bend, choose, given, self.shift, self.biases)

    def solve(
        self,
        x: Point,
        coefficients: Float[Array, "dim outputs"],
        b: Point,
        shift_rate: Float[Array, "dim units"] | None = None,
    ) -> Point:
        r"""The solution of $v_i = b_i + c_i \cdot (D\theta_i(x)\, v)$, by forward substitution.

        With few coordinates the steps are differentiated as they are. With many, derivatives of
        every order solve equations of the same kind, so that memory grows with the number of units
        and not with its product with the number of coordinates, as it would if reverse mode kept
        every step of the substitution. `shift_rate` is a rate of `shift` that moves the outputs
        together with $v$, none by default.
        """
        _, slopes = self._pass(x)
        still = jax.tree.map(jnp.zeros_like, (self.shift, self.biases))
        if self.shift.shape[0] <= _WRITTEN_OUT:
            shift = still[0] if shift_rate is None else shift_rate
            return self._substituted(slopes, coefficients, b, shift, still[1])
        if shift_rate is not None:
            moved = self._derivative(slopes, jnp.zeros_like(x), shift_rate)
            b = b + jnp.sum(coefficients * moved, axis=-1)

        def residual(v):
            return v - jnp.sum(coefficients * self._derivative(slopes, v, still[0]), axis=-1)

        def substituted(b):
            return self._substituted(slopes, coefficients, b, *still)

        return jax.lax.custom_linear_solve(
            residual,
            b,
            lambda _, right: substituted(right),
            lambda _, right: jax.linear_transpose(substituted, b)(right)[0],
        )

    def _substituted(
        self,
        slopes: tuple[Array, ...],
        coefficients: Float[Array, "dim outputs"],
        b: Point,
        shift: Float[Array, "dim units"],
        biases: tuple[Float[Array, "dim units"], ...],
    ) -> Point:
        """The substitution itself: a sweep of the linearised network."""

        def bend(layer, entry, entering):
            return entry[2][layer] * entering

        def choose(entry, outputs):
            return entry[0] + entry[1] @ outputs

        return self._swept(bend, choose, (b, coefficients, slopes), shift, biases)

    def _pass(self, x: Point) -> tuple[Float[Array, "dim outputs"], tuple[Array, ...]]:
        """The outputs, and the slopes of the activations of every layer."""

        def bend(entering):
            return jax.jvp(jax.nn.silu, (entering,), (jnp.ones_like(entering),))

        h, slope = bend(self.space @ x + self.shift)
        slopes = [slope]
        for weight, bias in zip(self.hidden, self.biases):
            change, slope = bend(jnp.tensordot(weight, h, 2) + bias)
            h = h + change
            slopes.append(slope)
        return jnp.tensordot(self.out, h, 2), tuple(slopes)

    def _derivative(
        self, slopes: tuple[Array, ...], v: Point, shift_rate: Float[Array, "dim units"]
    ) -> Float[Array, "dim outputs"]:
        """The derivative of the outputs along `v` and a rate of the shift, from the slopes."""
        h = slopes[0] * (self.space @ v + shift_rate)
        for weight, slope in zip(self.hidden, slopes[1:]):
            h = h + slope * jnp.tensordot(weight, h, 2)
        return jnp.tensordot(self.out, h, 2)

    def _swept(
        self,
        bend: Callable[[int, Any, Array], Array],
        choose: Callable[[Any, Array], Scalar],
        given: Any,
        shift: Float[Array, "dim units"],
        biases: tuple[Float[Array, "dim units"], ...],
    ) -> Point:
        """One pass block by block, in which each coordinate is chosen before the next is read.

        Units that are not computed yet are zero, so what they would add is zero as well.
        """
        dim, units = shift.shape
        rows = (jnp.arange(dim), given, shift, self.space, self.hidden, biases, self.out)
        if dim <= _WRITTEN_OUT:
            return _written_out(bend, choose, rows[1:], dim)

        def step(state, row):
            x, layers = state
            i, entry, own_shift, space, hidden, own_biases, out = row
            h = bend(0, entry, space @ x + own_shift)
            filled = [layers[0].at[i].set(h)]
            for layer, (weight, bias) in enumerate(zip(hidden, own_biases), start=1):
                h = h + bend(layer, entry, jnp.tensordot(weight, filled[-1], 2) + bias)
                filled.append(layers[layer].at[i].set(h))
            x = x.at[i].set(choose(entry, jnp.tensordot(out, filled[-1], 2)))
            return (x, tuple(filled)), None

        start = (
            jnp.zeros((dim,), shift.dtype),
            tuple(jnp.zeros((dim, units), shift.dtype) for _ in range(len(biases) + 1)),
        )
        return jax.lax.scan(step, start, rows)[0][0]


def _written_out(
    bend: Callable[[int, Any, Array], Array],
    choose: Callable[[Any, Array], Scalar],
    rows: Any,
    dim: int,
) -> Point:
    """`MaskedSpaceNetwork._swept` without a loop: no unit is read before it is known."""
    x: list[Array] = []
    layers: list[list[Array]] = []
    for i in range(dim):
        entry, h, space, hidden, biases, out = jax.tree.map(lambda a, i=i: a[i], rows)
        for earlier, x_earlier in enumerate(x):
            h = h + space[:, earlier] * x_earlier
        layers.append([bend(0, entry, h)])
        for layer, (weight, bias) in enumerate(zip(hidden, biases)):
            read = jnp.concatenate([block[layer] for block in layers])
            entering = weight[:, : i + 1].reshape(len(bias), -1) @ read + bias
            layers[i].append(layers[i][layer] + bend(layer + 1, entry, entering))
        read = jnp.concatenate([block[-1] for block in layers])
        x.append(choose(entry, out[:, : i + 1].reshape(len(out), -1) @ read))
    return jnp.stack(x)


def _before(dim: int) -> np.ndarray:
    """The mask of the first layer: what belongs to a coordinate reads the earlier ones."""
    return np.tri(dim, k=-1, dtype=bool)[:, None, :]


def _up_to(dim: int) -> np.ndarray:
    """The mask of the other layers: what belongs to a coordinate reads itself and the earlier."""
    return np.tri(dim, dtype=bool)[:, None, :, None]


def _draw(shape: tuple[int, ...], reads: np.ndarray, key: RandomKey) -> Array:
    """Uniform numbers within one over the root of how many inputs a block reads."""
    bound = (1.0 / np.sqrt(np.maximum(reads, 1))).reshape(-1, *[1] * (len(shape) - 1))
    return jr.uniform(key, shape, minval=-1.0, maxval=1.0) * jnp.asarray(bound, jnp.zeros(()).dtype)
