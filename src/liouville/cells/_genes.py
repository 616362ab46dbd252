"""Expression of genes by time and along fates, and the genes that change there."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Annotated, listed, not_found
from liouville.errors import LiouvilleError

_BLOCK = 4096  # rows of a matrix of genes in memory


class Trends(NamedTuple):
    """The expression of genes by time, with bands.

    Attributes:
        genes: their names.
        times: shape `(times,)`.
        mean: weighted mean over the cells of each time, shape `(times, genes)`.
        error: its standard error, shape `(times, genes)`.
        spread: standard deviation over those cells, shape `(times, genes)`.
        cells: how many cells of equal weight the mean is worth, shape `(times,)`.
    """

    genes: tuple[str, ...]
    times: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    spread: np.ndarray
    cells: np.ndarray

    def heat_map(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers for a picture of genes by time.

        Returns:
            Standard scores of each gene over the times, shape `(genes, times)`, in the order of
            the time at which the genes are highest, and that order, `(genes,)`.
        """
        centred = self.mean - self.mean.mean(axis=0)
        scale = centred.std(axis=0)
        scores = np.divide(centred, scale, out=np.zeros_like(centred), where=scale != 0).T
        # The centre of what is above the mean, so that ties of a peak are told apart.
        above = np.maximum(scores, 0.0)
        total = np.maximum(above.sum(axis=1), np.finfo(float).tiny)
        order = np.argsort(above @ np.arange(len(self.times)) / total, kind="stable")
        return scores[order], order


def trends(
    expression: Any,
    times: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    genes: Sequence[str] | None = None,
) -> Trends:
    r"""Expression by time: the mean over cells, each counted by a weight, with bands.

    Of cells along a fate the weights are the probabilities of that fate; of trajectories the
    expression is that of their points, and the weights their masses. The standard error is
    $s\sqrt{\sum w^2}/\sum w$ with the weighted standard deviation $s$.

    Args:
        expression: dense or sparse matrix, shape `(n, genes)`, also one on disk.
        times: of the cells, shape `(n,)`; the distinct ones are the times of the trends.
        weights: not negative, shape `(n,)`; all one by default.
        genes: names of the columns.

    Raises:
        LiouvilleError: if shapes do not agree, or at a time all weights are zero.
    """
    times = np.asarray(times, float)
    weights = np.ones(len(times)) if weights is None else np.asarray(weights, float)
    shape = tuple(expression.shape)
    if len(shape) != 2 or times.shape != (shape[0],) or weights.shape != times.shape:
        raise LiouvilleError(
            f"expression of shape {shape} does not fit times of shape {times.shape} and weights of "
            f"shape {weights.shape}; give one row, time and weight for each cell"
        )
    if not np.all(weights >= 0):
        raise LiouvilleError("weights of cells are negative or NaN; give numbers of 0 or more")
    names = tuple(genes) if genes is not None else tuple(f"gene {i + 1}" for i in range(shape[1]))
    distinct, place = np.unique(times, return_inverse=True)
    total = np.bincount(place, weights)
    empty = np.flatnonzero(total <= 0)
    if len(empty):
        raise LiouvilleError(
            f"all weights at time {distinct[empty[0]]:g} are zero; leave that time out"
        )
    first, second = np.zeros((2, len(distinct), shape[1]))
    # Sums of squares about the mean of the first rows, which loses no digits.
    origin = next(_blocks(expression))[1].mean(axis=0)
    for rows, block in _blocks(expression):
        share = np.zeros((len(distinct), len(block)))
        share[place[rows], np.arange(len(block))] = weights[rows]
        block = block - origin
        first += share @ block
        second += share @ block**2
    mean = first / total[:, None]
    spread = np.sqrt(np.maximum(second / total[:, None] - mean**2, 0.0))
    count = total**2 / np.bincount(place, weights**2)
    error = spread / np.sqrt(np.maximum(count - 1.0, 1.0))[:, None]
    return Trends(names, distinct, mean + origin, error, spread, count)


def _blocks(matrix: Any) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of a matrix that is dense, sparse or on disk, float64."""
    for begin in range(0, matrix.shape[0], _BLOCK):
        rows = slice(begin, min(begin + _BLOCK, matrix.shape[0]))
        block = matrix[rows]
        yield rows, np.asarray(block.toarray() if hasattr(block, "toarray") else block, float)


def fate_weights(adata: Any, fate: str | None, key: str = "liouville") -> np.ndarray | None:
    """The probability of a fate, of cells that were annotated with terminal groups.

    Raises:
        LiouvilleError: if there are no fates, or not this one.
    """
    if fate is None:
        return None
    if f"{key}_fates" not in adata.obsm:
        raise LiouvilleError(
            f"cells have no obsm[{key + '_fates'!r}]; annotate them with terminal='cell_type' first"
        )
    names = [str(name) for name in adata.uns[key]["fates"]]
    if fate not in names:
        raise not_found("fate", fate, names, "cells")
    return np.asarray(adata.obsm[f"{key}_fates"], float)[:, names.index(fate)]


def gene_trends(
    adata: Any,
    *,
    fate: str | None = None,
    genes: Sequence[str] | None = None,
    layer: str | None = None,
    key: str = "liouville",
) -> Trends:
    """Expression by time of annotated cells, all of them or along a fate; see `trends`.

    Args:
        adata: AnnData that `annotate` has seen.
        fate: one of the terminal groups: each cell counts by its probability.
        genes: some genes, or all.
        layer: of `layers`; by default `X`.
        key: what `annotate` was given.

    Raises:
        LiouvilleError: if the cells are not annotated, or a name is not there.
    """
    matrix, names = _expression(adata, genes, layer)
    weights = fate_weights(adata, fate, key)
    return trends(matrix, _times(adata, key), weights=weights, genes=names)


def drivers(
    adata: Any,
    fate: str,
    *,
    genes: Sequence[str] | None = None,
    layer: str | None = None,
    key: str = "liouville",
) -> Any:
    r"""Genes by how much they change along a fate and not along the others.

    Genes of which a cell has no number are NaN and last.

    Args:
        adata: AnnData that `annotate` has seen, with terminal groups.
        fate: one of these.
        genes: some genes, or all.
        layer: of `layers`; by default `X`.
        key: what `annotate` was given.

    Returns:
        A data frame with a row for each gene. First is the one with the largest `score`, which
        rises most; those that are switched off are last:

        * `score`: `contrast` over the standard deviation of the gene over all cells.
        * `change`: expression at the last time less that at the first, along the fate.
        * `change_error`: its standard error.
        * `contrast`: `change` less that along all other fates (weights $1 - p$).
        * `contrast_error`: its standard error.
        * `correlation`: of expression and the probability of the fate, over cells of one time.

    Raises:
        LiouvilleError: if there is no such fate, or a name is not there.
    """
    import pandas as pd

    matrix, names = _expression(adata, genes, layer)
    times, share = _times(adata, key), fate_weights(adata, fate, key)
    assert share is not None
    along, other, every = (
        trends(matrix, times, weights=w, genes=names) for w in (share, 1.0 - share + 1e-9, None)
    )
    (change, error), (elsewhere, its) = (_change(t) for t in (along, other))
    contrast, deviation = change - elsewhere, _deviation(every)
    found = {
        "score": np.divide(contrast, deviation, out=np.zeros_like(change), where=deviation != 0),
        "change": change,
        "change_error": error,
        "contrast": contrast,
        "contrast_error": np.hypot(error, its),
        "correlation": _correlation(matrix, times, share, every),
    }
    table = pd.DataFrame(found, index=pd.Index(names, name="gene"))
    return table.iloc[np.argsort(-found["score"], kind="stable")]


def _change(found: Trends) -> tuple[np.ndarray, np.ndarray]:
    return found.mean[-1] - found.mean[0], np.hypot(found.error[-1], found.error[0])


def _deviation(found: Trends) -> np.ndarray:
    """The standard deviation of every gene over all cells of all times."""
    share = found.cells[:, None] / found.cells.sum()
    mean = (share * found.mean).sum(axis=0)
    return np.sqrt((share * (found.spread**2 + (found.mean - mean) ** 2)).sum(axis=0))


def _correlation(matrix: Any, times: np.ndarray, share: np.ndarray, every: Trends) -> np.ndarray:
    """The correlation of every gene with a number of each cell, within times."""
    place = np.searchsorted(every.times, times)
    centred = share - (np.bincount(place, share) / np.bincount(place))[place]
    together = np.zeros(len(every.genes))
    for rows, block in _blocks(matrix):
        together += centred[rows] @ (block - every.mean[place[rows]])
    counts = np.bincount(place)[:, None]
    size = np.sqrt(np.sum(centred**2) * (counts * every.spread**2).sum(axis=0))
    return np.divide(together, size, out=np.zeros_like(together), where=size != 0)


def _times(adata: Any, key: str) -> np.ndarray:
    if f"{key}_time" not in adata.obs:
        raise LiouvilleError(
            f"cells have no obs[{key + '_time'!r}]; annotate them first: lv.annotate(adata, model)"
        )
    return np.asarray(adata.obs[f"{key}_time"], float)


def _expression(
    adata: Any, genes: Sequence[str] | None, layer: str | None
) -> tuple[Any, tuple[str, ...]]:
    """A matrix of cells and genes, as it is stored, and the names of its columns."""
    if layer is not None and layer not in adata.layers:
        raise not_found("layer", layer, [str(name) for name in adata.layers], "cells")
    matrix = adata.X if layer is None else adata.layers[layer]
    names = [str(name) for name in adata.var_names]
    if matrix is None:
        raise LiouvilleError("cells have no X; name a layer")
    if genes is None:
        return matrix, tuple(names)
    genes = [genes] if isinstance(genes, str) else list(genes)
    for gene in genes:
        if gene not in names:
            raise not_found("gene", gene, names, "cells")
        if names.count(gene) > 1:
            raise LiouvilleError(
                f"{names.count(gene)} genes are called {gene!r}; tell them apart by "
                "adata.var_names_make_unique()"
            )
    if not genes:
        raise LiouvilleError(f"no genes were named; name some, or leave it out: {listed(names, 4)}")
    return Annotated(adata, "cells").points("X" if layer is None else f"layers/{layer}", genes)[
        0
    ], tuple(genes)
