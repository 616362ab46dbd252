from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liouville.errors import LiouvilleError
from liouville.runs import storage


def save_state(path: Path, state: Any, content: Any = None) -> None:
    """Writes a pytree of arrays to a file, atomically and sealed; its folder must exist.

    The content, anything JSON can hold, is returned by `restore_state`.

    Raises:
        LiouvilleError: if the file cannot be written.
    """
    storage.write(path, _named_leaves(state), content, kind="checkpoint")


def restore_state(path: Path, like: Any) -> tuple[Any, Any]:
    """Reads a pytree of the same structure, shapes and dtypes as `like`, and the content.

    Raises:
        LiouvilleError: if the file is missing, damaged, or belongs to another model.
    """
    arrays, content = storage.read(path, kind="checkpoint")
    wanted = _named_leaves(like)
    for name, leaf in wanted.items():
        own = arrays.get(name)
        if own is None or (own.shape, own.dtype) != (leaf.shape, leaf.dtype):
            found = "nothing" if own is None else f"{own.dtype}{own.shape}"
            raise LiouvilleError(
                f"{path}: {name} should be {leaf.dtype}{leaf.shape}, found {found}; the "
                "checkpoint belongs to another configuration: resume with the one it was made with"
            )
        # Infinite is only what begins so, such as the best validation before the first.
        if not (np.isfinite(own) | (np.isinf(own) & np.isinf(leaf))).all():
            raise LiouvilleError(
                f"{path}: {name} holds NaN or infinite values; fit again, with --force"
            )
    if len(arrays) != len(wanted):
        extra = sorted(set(arrays) - set(wanted))
        raise LiouvilleError(
            f"{path} holds {extra[0]}, which this model does not have; resume with the "
            "configuration the checkpoint was made with"
        )
    leaves = [jnp.asarray(arrays[name]) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(like), leaves), content


def _named_leaves(tree: Any) -> dict[str, np.ndarray]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(place): np.asarray(leaf) for place, leaf in flat}
