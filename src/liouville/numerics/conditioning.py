"""Paths that depend on a context: a class, a dose, an embedding of a history.

A context enters through the modules that carry parameters. Such a module is an
`AbstractConditional`; before a path is used, `given(path, context)` replaces every one of them by
what it is for that context, an ordinary module. So a path needs no argument for the context, and
what depends on the context alone is computed once for all times and points.
"""

import abc
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

AWAITS = "this path awaits a context; use liouville.given(path, context) before you ask it"


class AbstractConditional(eqx.Module):
    """A module that awaits a context."""

    @abc.abstractmethod
    def given(self, context: Float[Array, " context"]) -> Any:
        """The module for one context of shape `(context,)`."""


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
