"""What is learned and what is held fixed.

A model is a pytree. Every inexact array in it is learned, except those inside a `Fixed`.
"""

import abc
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
from jaxtyping import Array, Float

Value = TypeVar("Value")


class Fixed(eqx.Module, Generic[Value]):
    """A part of a model that training must not move, such as a hard end of a path.

    Attributes:
        value: any pytree; read it as `fixed.value`.
    """

    value: Value


class AbstractParameter(eqx.Module):
    """An array that is computed from learned ones, so that it keeps a constraint."""

    @property
    @abc.abstractmethod
    def value(self) -> Float[Array, "..."]:
        """The array."""


def value_of(part: Any) -> Any:
    """The value of a `Fixed` or an `AbstractParameter`, and anything else as it is."""
    return part.value if isinstance(part, Fixed | AbstractParameter) else part


def _is_fixed(node: Any) -> bool:
    return isinstance(node, Fixed)


def split(tree: Any) -> tuple[Any, Any]:
    """Splits a pytree into its learned arrays and everything else.

    Each tree has `None` where the other one has the leaf, and `equinox.combine(learned, rest)`
    gives the whole back.
    """
    learned = jax.tree.map(
        lambda node: not _is_fixed(node) and eqx.is_inexact_array(node), tree, is_leaf=_is_fixed
    )
    return eqx.partition(tree, learned, is_leaf=_is_fixed)


def learned_leaves(tree: Any) -> dict[str, jax.Array]:
    """The learned arrays of a model by their place in it, for instance `.location.values`."""
    flat, _ = jax.tree_util.tree_flatten_with_path(split(tree)[0])
    return {jax.tree_util.keystr(place): leaf for place, leaf in flat}
