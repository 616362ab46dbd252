from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from liouville.maps._base import AbstractMap, AbstractTransform, Push
from liouville.numerics.types import Point, Scalar


class Chain(AbstractMap):
    r"""One map after the other: $T = T_n \circ \dots \circ T_1$.

    Attributes:
        maps: the maps, the one that meets the base first.

    Raises:
        ValueError: on no maps, or maps of different dimensions.
    """

    maps: tuple[AbstractMap, ...]

    def __init__(self, maps: Sequence[AbstractMap]):
        self.maps = tuple(maps)
        dims = [part.dim for part in self.maps]
        if len(set(dims)) != 1:
            raise ValueError(
                f"a chain needs one or more maps of one dimension, got dimensions {dims}"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.maps[0].dim

    def at(self, t: Scalar) -> "ChainTransform":
        """The maps at time `t` of shape `()`."""
        return ChainTransform(tuple(part.at(t) for part in self.maps))


class ChainTransform(AbstractTransform):
    """A `Chain` at one time."""

    parts: tuple[AbstractTransform, ...]

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        """The image under all maps, and the sum of the log-determinants."""
        total = jnp.zeros((), x.dtype)
        for part in self.parts:
            x, log_det = part.forward(x)
            total = total + log_det
        return x, total

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """The point, by the inverses in reverse order."""
        total = jnp.zeros((), y.dtype)
        for part in reversed(self.parts):
            y, log_det = part.inverse(y)
            total = total + log_det
        return y, total

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        """The point, and the pushes of the maps one after the other (the chain rule)."""
        pushes: list[Push] = []
        for part, part_rate in zip(reversed(self.parts), reversed(rate.parts)):
            y, one = part.inverse_and_push(part_rate, y)
            pushes.append(one)

        def push(v: Point) -> Point:
            for one in reversed(pushes):
                v = one(v)
            return v

        return y, push


class Permutation(AbstractMap):
    r"""The coordinates in another order, $y_i = x_{\sigma(i)}$, at all times.

    It is not the identity, so a chain that starts hard has none, or has pairs that undo each
    other. A permutation is a gather, which is slow on CPU; couplings that take turns in which
    coordinates move need none.

    Attributes:
        order: $\sigma$, every coordinate once.

    Raises:
        ValueError: if a coordinate is missing or named twice.
    """

    order: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, order: Sequence[int]):
        self.order = tuple(int(i) for i in order)
        if not self.order or sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"order {self.order} must name every coordinate from 0 on once")

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return len(self.order)

    def at(self, t: Scalar) -> "PermutationTransform":
        """The same map at every time."""
        del t
        return PermutationTransform(self.order)


class PermutationTransform(AbstractTransform):
    """A `Permutation` at one time."""

    order: tuple[int, ...] = eqx.field(static=True)

    def forward(self, x: Point) -> tuple[Point, Scalar]:
        r"""$x_{\sigma(i)}$ at place $i$; volumes stay."""
        return x[np.asarray(self.order)], jnp.zeros((), x.dtype)

    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        """The coordinates back in their places."""
        return y[np.argsort(self.order)], jnp.zeros((), y.dtype)

    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        """The point, and the same order for its velocity."""
        del rate
        return self.inverse(y)[0], lambda v: self.forward(v)[0]
