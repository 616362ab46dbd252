"""Arrays that are drawn beside others."""

from typing import Any

import numpy as np

from liouville.errors import LiouvilleError


def array_of(values: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Anything of a shape as an array, by place and not by label; refuses another shape."""
    found = np.asarray(values)
    if found.shape != shape:
        raise LiouvilleError(f"{what} have shape {found.shape} but {shape} is drawn; give that")
    return found
