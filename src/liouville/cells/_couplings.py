"""Couplings of two snapshots as sparse matrices."""

import warnings
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree

from liouville.cells._fates import push
from liouville.data import points_among
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.arguments import check_counts, check_weights

# The smallest weight of a pair beside the largest of its row and column, as a logarithm.
_LEAST = -60.0
_TINY = float(np.finfo(float).tiny)
_ROUND = 10
# The error of the sums at which the iteration stops, what it may change no more in a round,
# and what is said.
_TOLERANCE, _STALLED, _SAID, _ITERATIONS = 1e-3, 1e-3, 0.02, 1000


def coupling(
    model: Model,
    x: Any,
    t0: float,
    y: Any,
    t1: float,
    *,
    weights0: Any = None,
    weights1: Any = None,
    neighbours: int = 30,
) -> csr_matrix:
    r"""Which cells of a later snapshot are the descendants of which of an earlier one.

    Cells are carried along the flow from $t_0$ to $t_1$, $x_i \to x_i'$ with the gain of mass
    $w_i$, and coupled with those that are near:

    $$\pi_{ij} = u_i\, e^{-|x_i' - y_j|^2 / 2 h^2}\, v_j, \qquad
      \sum_j \pi_{ij} \propto p_i e^{w_i}, \quad \sum_i \pi_{ij} \propto q_j,$$

    on the pairs of nearest neighbours, with $h$ the median distance to the nearest one in the
    model's units and $u, v$ by Sinkhorn's iteration. The sum of all is one. Sums of columns are
    exact. Those of rows are as near as neighbours allow: of two types far apart, no cell of one
    comes from the other because the snapshot has some more of it. It is what
    `cellrank.kernels.RealTimeKernel` takes as `couplings={(t0, t1): pi}`, and what users of moscot
    have in `transport_matrix`.

    Memory is some eighty bytes for each of at most `neighbours (n0 + n1)` pairs.

    Args:
        model: the model.
        x: cells at `t0`, in the user's units, shape `(n0, dim)`.
        t0: their time.
        y: cells at `t1`, shape `(n1, dim)`.
        t1: their time, later.
        weights0: the masses $p$ of the first, equal by default.
        weights1: the masses $q$ of the second.
        neighbours: how many cells are near.

    Returns:
        A sparse matrix of shape `(n0, n1)`.

    Raises:
        LiouvilleError: if cells or times cannot be used.

    Warns:
        UserWarning: if the sums of rows are off by more than a fiftieth of the mass.
    """
    check_counts(neighbours=neighbours)
    y = points_among(y, model.features)
    ahead = model.points_to_model(y)
    moved = push(model, x, t0, t1)
    if not len(moved.points) or ahead.ndim != 2 or not len(ahead):
        raise LiouvilleError(
            f"couplings need cells at both times, got shapes {moved.points.shape} and {y.shape}"
        )
    rows = _masses("the earlier cells", weights0, len(moved.points))
    rows = rows * np.exp(moved.log_weights - moved.log_weights.max())
    rows, columns = rows / rows.sum(), _masses("the later cells", weights1, len(ahead))
    kernel = _kernel(model.units.to_model(moved.points), ahead, neighbours)
    found, error = _scaled(kernel, rows, columns)
    if error > _SAID:
        warnings.warn(
            f"the coupling of {model.time_name} {t0:g} and {t1:g} has {error:.1%} of the mass in "
            "other earlier cells than the model expects, for the later cells near it are too many "
            "or too few; give weights, or more neighbours",
            stacklevel=2,
        )
    return found


def _masses(what: str, weights: Any, count: int) -> np.ndarray:
    found = np.ones(count) if weights is None else weights
    found = check_weights(what, found, count, of_sum_one=False)
    return found / found.sum()


def _kernel(here: np.ndarray, ahead: np.ndarray, count: int) -> csr_matrix:
    """Gaussian weights of the pairs of which either is among the nearest of the other."""
    pairs, widths = [], []
    for points, cells, flipped in ((here, ahead, False), (ahead, here, True)):
        nearest: Any = np.arange(1, min(count, len(cells)) + 1)
        distances, near = KDTree(cells).query(points, nearest, workers=-1)
        own = np.repeat(np.arange(len(points)), len(nearest))
        pair = (near.ravel(), own) if flipped else (own, near.ravel())
        pairs.append((*pair, distances.ravel() ** 2))
        widths.append(distances[:, 0] ** 2)
    i, j, squares = (np.concatenate(part) for part in zip(*pairs))
    _, first = np.unique(i * len(ahead) + j, return_index=True)
    i, j, squares = i[first], j[first], squares[first]
    width = np.median(np.concatenate(widths))
    logs = -0.5 * squares / (width if width > 0 else 1.0)
    for side, size in ((i, len(here)), (j, len(ahead))):
        largest = np.full(size, -np.inf)
        np.maximum.at(largest, side, logs)
        logs = logs - largest[side]
    return csr_matrix((np.exp(np.maximum(logs, _LEAST)), (i, j)), shape=(len(here), len(ahead)))


def _scaled(kernel: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> tuple[csr_matrix, float]:
    """The kernel scaled to sums of rows and columns, and half the error of its rows."""
    across = kernel.T.tocsr()
    u, v, error = np.ones(len(rows)), np.ones(len(columns)), np.inf
    for number in range(_ITERATIONS):
        sums = kernel @ v
        if number % _ROUND == 0:
            before, error = error, 0.5 * float(np.abs(u * sums - rows).sum())
            if error <= _TOLERANCE or before - error <= _STALLED * error:
                break
        # Where all neighbours have no mass, there is none to share out.
        u = rows / np.maximum(sums, _TINY)
        v = columns / np.maximum(across @ u, _TINY)
    scaled = kernel.multiply(u[:, None]).multiply(v[None]).tocsr()
    return scaled, error
