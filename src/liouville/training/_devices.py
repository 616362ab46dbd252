from typing import Any, TypeVar

import equinox as eqx
import jax

from liouville.numerics.devices import agreed, copied, spread
from liouville.objectives import Clouds

Tree = TypeVar("Tree")


def on_all_devices(tree: Tree) -> Tree:
    """A pytree as the first process has it, copied to every device; they divide rows of clouds.

    Each process gives the same clouds, from its own copy of the data.

    Raises:
        LiouvilleError: if another process has arrays of other shapes.
    """

    def without_points(node: Any) -> Any:
        return eqx.tree_at(_points, node, None) if _is_clouds(node) else node

    def with_points(node: Any, own: Any) -> Any:
        if not _is_clouds(node):
            return node
        return eqx.tree_at(_points, node, spread(own.points), is_leaf=lambda x: x is None)

    bare = jax.tree.map(without_points, tree, is_leaf=_is_clouds)
    return jax.tree.map(with_points, copied(agreed(bare)), tree, is_leaf=_is_clouds)


def _points(clouds: Clouds) -> Any:
    return clouds.points


def _is_clouds(node: Any) -> bool:
    return isinstance(node, Clouds)
