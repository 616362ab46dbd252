"""Which columns of a table are kept: by name, or the first so many."""

from collections.abc import Sequence

import numpy as np

from liouville.data._tables import not_found
from liouville.errors import LiouvilleError


def names_among(
    names: str | Sequence[str], what: str, *, example: str = "PC1,PC2"
) -> tuple[str, ...]:
    """Names given as a list or separated by commas.

    Args:
        names: The names.
        what: What they are, for messages.
        example: Two names, for messages.

    Raises:
        LiouvilleError: If there are none, or one stands twice.
    """
    parts = names.split(",") if isinstance(names, str) else names
    found = tuple(part.strip() for part in parts if part.strip())
    if not found or len(set(found)) < len(found):
        raise LiouvilleError(f"{what} must be different names, such as {example!r}, got {names!r}")
    return found


def kept_columns(
    points: np.ndarray,
    names: tuple[str, ...],
    features: tuple[str, ...] | None,
    dims: int | None,
    source: str,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of some names, in their order, and of these the first `dims`.

    Args:
        points: Shape ``(n, d)``.
        names: Names of the columns, shape ``(d,)``.
        features: Names to keep; None keeps all.
        dims: How many to keep; None keeps all.
        source: Where the points came from, for messages.

    Returns:
        The kept points and names.

    Raises:
        LiouvilleError: If a name is missing, or there are fewer columns than asked for.
    """
    if features is not None:
        for name in features:
            if name not in names:
                raise not_found("column", name, names, source)
        points, names = points[:, [names.index(name) for name in features]], features
    if dims is None:
        return points, names
    if not 1 <= dims <= len(names):
        raise LiouvilleError(
            f"cannot keep the first {dims} of {len(names)} columns of {source}; "
            f"ask for 1 to {len(names)}"
        )
    return points[:, :dims], names[:dims]
