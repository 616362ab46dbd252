r"""Coordinates in terms of genes.

A basis is a linear map of expression if it has loadings: principal components are
$z = W^\top (e - \bar e)$, so a velocity $u$ of them moves expression by $W u$.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from liouville.data import column_names, not_found
from liouville.errors import LiouvilleError

LoadingsLike: TypeAlias = Any
"""A key of `varm`, an array of shape `(genes, coordinates)`, or None for the usual ones."""

_USUAL = {"X_pca": "PCs"}  # the loadings of a basis, by its name


@dataclass(frozen=True, eq=False)
class Loadings:
    """What the coordinates of a basis mean in genes.

    Attributes:
        matrix: change of every gene for one unit of every coordinate, `(genes, dim)`, float32;
            zero for genes without loadings.
        has: which genes have loadings, shape `(genes,)`.
        name: where they are from.
    """

    matrix: np.ndarray
    has: np.ndarray
    name: str = "loadings"

    def velocities(self, u: np.ndarray) -> np.ndarray:
        """Velocities of genes, shape `(n, genes)`, float32; NaN for those without loadings.

        Args:
            u: velocities in the basis, shape `(n, dim)`.
        """
        found = np.full((len(u), len(self.has)), np.nan, np.float32)
        found[:, self.has] = np.asarray(u, np.float32) @ self.matrix[self.has].T
        return found


def loadings_of(
    adata: Any, features: Sequence[str], basis: str, asked: LoadingsLike = None
) -> Loadings | None:
    """The loadings of the coordinates of a model, or `None` if none are known.

    Of coordinates that are genes themselves (`X`, `layers/NAME`) they are one for each gene.

    Args:
        adata: AnnData.
        features: the names of the model's coordinates.
        basis: where they are from.
        asked: a key of `varm`, an array of shape `(genes, coordinates)`, or None for the usual.

    Raises:
        LiouvilleError: if there are none of the name, or of another shape.
    """
    genes, count = [str(name) for name in adata.var_names], len(features)
    if asked is None and set(features) <= set(genes):
        matrix = np.zeros((len(genes), count), np.float32)
        number = {name: row for row, name in enumerate(genes)}
        matrix[[number[name] for name in features], np.arange(count)] = 1.0
        return Loadings(matrix, np.any(matrix, axis=1), basis)
    key = _USUAL.get(basis) if asked is None else asked
    if not isinstance(key, str):
        return None if key is None else _checked(np.asarray(key), len(genes), count, "loadings")
    if key not in adata.varm:
        if asked is None:
            return None
        raise not_found("varm array", key, [str(name) for name in adata.varm], "cells")
    columns = np.asarray(adata.varm[key])
    names = column_names(basis, columns.shape[1]) if columns.ndim == 2 else ()
    if set(features) <= set(names):
        columns = columns[:, [names.index(name) for name in features]]
    return _checked(columns, len(genes), count, f"varm[{key!r}]")


def _checked(matrix: np.ndarray, genes: int, count: int, name: str) -> Loadings:
    if matrix.shape != (genes, count) or matrix.dtype.kind not in "fiu":
        raise LiouvilleError(
            f"{name} of shape {matrix.shape} do not fit {genes} genes and the model's {count} "
            f"coordinates; give numbers of shape ({genes}, {count}), or layer=False"
        )
    matrix = np.nan_to_num(matrix.astype(np.float32))
    return Loadings(matrix, np.any(matrix, axis=1), name)
