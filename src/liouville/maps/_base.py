import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from liouville.numerics.types import Point, Scalar

Push = Callable[[Point], Point]


class AbstractTransform(eqx.Module):
    r"""A map at one time: an invertible function $T$ of the point, both ways.

    Both directions return the same logarithm, $\log|\det \partial T/\partial x|$ at the pair
    $(x, y)$, so that no sign depends on the direction. All methods answer for one point.
    """

    @abc.abstractmethod
    def forward(self, x: Point) -> tuple[Point, Scalar]:
        r"""$y = T(x)$ of shape `(dim,)`, and $\log|\det \partial T/\partial x|$ at $x$."""

    @abc.abstractmethod
    def inverse(self, y: Point) -> tuple[Point, Scalar]:
        r"""$x = T^{-1}(y)$ of shape `(dim,)`, and $\log|\det \partial T/\partial x|$ at $x$."""

    @abc.abstractmethod
    def inverse_and_push(self, rate: Any, y: Point) -> tuple[Point, Push]:
        r"""The point $x = T^{-1}(y)$, and the function $v \mapsto \dot T(x) + T'(x) v$.

        The function is linear in `(rate, v)`: it carries the velocity of $x$ to that of $y$.
        What the way back has evaluated, such as a network, is not evaluated again.

        Args:
            rate: the rate of the transform in time, a pytree of the transform's structure.
            y: point, shape `(dim,)`.
        """


class AbstractMap(eqx.Module):
    r"""A map $T(t, \cdot)$ that is invertible at every time; `at(t)` does the work of a time."""

    @property
    @abc.abstractmethod
    def dim(self) -> int:
        """The number of coordinates of a point."""

    @abc.abstractmethod
    def at(self, t: Scalar) -> AbstractTransform:
        """The map at time `t` of shape `()`."""


def transform_and_rate(
    mapping: AbstractMap, t: Scalar
) -> tuple[AbstractTransform, AbstractTransform]:
    r"""A map at one time and the rate of all its numbers, by one forward-mode product.

    Args:
        mapping: the map.
        t: time, shape `()`.

    Returns:
        Two pytrees of one structure; the rate is per unit of time.
    """
    transform, rate = eqx.filter_jvp(mapping.at, (t,), (jnp.ones_like(t),))
    # What does not move comes back without a rate, and products want numbers.
    full = jax.tree.map(lambda leaf, r: jnp.zeros_like(leaf) if r is None else r, transform, rate)
    return transform, full


def push(transform: AbstractTransform, rate: Any, x: Point) -> Push:
    r"""The function $v \mapsto \dot T(x) + T'(x) v$ by one forward-mode product.

    For transforms whose way back has evaluated nothing that this could use again.

    Args:
        transform: the map at one time.
        rate: its rate, a pytree of the same structure.
        x: point, shape `(dim,)`.
    """

    def image(transform: AbstractTransform, x: Point) -> Point:
        return transform.forward(x)[0]

    return lambda v: jax.jvp(image, (transform, x), (rate, v))[1]
