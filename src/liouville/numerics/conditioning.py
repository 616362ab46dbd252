"""Paths that depend on a context: a class, a dose, an embedding of a history.

A context enters through the modules that carry parameters. Such a module is an
`AbstractConditional`; before a path is used, `given(path, context)` replaces every one of them by
what it is for that context, an ordinary module. So a path needs no argument for the context, and
what depends on the context alone is computed once for all times and points.
"""

import abc
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

AWAITS = "this path awaits a context; use liouville.given(path, context) before you ask it"


class AbstractConditional(eqx.Module):
    """A module that awaits a context."""

    @abc.abstractmethod
    def given(self, context: Float[Array, " context"]) -> Any:
        """The module for one context of shape `(context,)`."""


class Choice(AbstractConditional):
    r"""One module for each unit vector of the context, $\theta = \sum_c e_c \theta_c$ leaf by leaf.

    Attributes:
        modules: a module, or any other pytree, whose arrays have the contexts as leading axis.
    """

    modules: Any

    @classmethod
    def of(cls, modules: Sequence[Any]) -> "Choice":
        """Stacks pytrees of one structure, one for each class."""
        return cls(jax.tree.map(lambda *leaves: jnp.stack(leaves), *modules))

    def given(self, context: Float[Array, " context"]) -> Any:
        """The module of one context."""
        return selected(self.modules, context)


def selected(stacked: Any, context: Float[Array, " context"]) -> Any:
    """The sum over the leading axes of all arrays, weighted by the context."""

    def chosen(leaf):
        # Whole numbers, such as an order of coordinates, have no averages.
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf[jnp.argmax(context)]
        return jnp.tensordot(context, leaf, 1)

    return jax.tree.map(chosen, stacked)


def given(tree: Any, context: Float[Array, " context"]) -> Any:
    """A path, or any other pytree, for one context.

    Args:
        tree: the pytree; without an `AbstractConditional` in it, it comes back as it is.
        context: shape `(context,)`. Use `jax.vmap` over contexts for many.
    """
    return jax.tree.map(
        lambda node: node.given(context) if _awaits(node) else node, tree, is_leaf=_awaits
    )


def is_conditional(tree: Any) -> bool:
    """Whether a pytree awaits a context."""
    return any(_awaits(node) for node in jax.tree.leaves(tree, is_leaf=_awaits))


def _awaits(node: Any) -> bool:
    return isinstance(node, AbstractConditional)
