"""Exact couplings: the assignment problem and linear programmes."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array
from scipy.spatial.distance import cdist

from liouville.numerics.distances import Estimate
from liouville.numerics.matching import matching

Array = np.ndarray


def wasserstein(x: Array, y: Array, order: int = 2) -> float:
    r"""The exact Wasserstein distance $W_p$ between two clouds of equally weighted points.

    Clouds of one size are matched by the assignment problem; of two sizes by a linear programme,
    which is slower: thin the clouds above a thousand points.

    Args:
        x: points, shape `(n, dim)`.
        y: points, shape `(m, dim)`.
        order: $p$, 1 or 2.
    """
    cost = cdist(x, y) ** order
    if len(x) == len(y):
        total = cost[np.arange(len(x)), matching(cost)].mean()
    else:
        source, target = (np.full(n, 1.0 / n) for n in cost.shape)
        total = (transport_plan(cost, source, target) * cost).sum()
    return float(total ** (1.0 / order))


def assignment(x: Array, y: Array) -> Array:
    """For each of `n` points of `x` its partner in `y` under the optimal matching, shape `(n,)`.

    The cost is the squared distance; both clouds have the shape `(n, dim)`.
    """
    return matching(cdist(x, y, "sqeuclidean"))


def transport_plan(cost: Array, source: Array, target: Array) -> Array:
    r"""The coupling of least cost, $\min_\pi \sum_{kl} \pi_{kl} c_{kl}$, by linear programming.

    At most `n + m - 1` of its entries are positive.

    Args:
        cost: $c$, shape `(n, m)`.
        source: the masses of the rows, shape `(n,)`, of sum one.
        target: the masses of the columns, shape `(m,)`, of sum one.

    Returns:
        The coupling, shape `(n, m)`.

    Raises:
        ValueError: if the programme is not solved.
    """
    n, m = cost.shape
    cell = np.arange(n * m)
    rows = np.concatenate([cell // m, n + cell % m])
    ones = np.ones(2 * n * m)
    marginals = coo_array((ones, (rows, np.concatenate([cell, cell]))), shape=(n + m, n * m))
    masses = np.concatenate([source, target])
    # One of the n + m equations follows from the others; leaving it out avoids a false
    # infeasibility from rounding.
    result = linprog(cost.ravel(), A_eq=marginals.tocsr()[:-1], b_eq=masses[:-1], method="highs")
    if not result.success:
        raise ValueError(f"the transport problem was not solved: {result.message}")
    return result.x.reshape(n, m)


def mean_distance(first: Sequence[Array], second: Sequence[Array]) -> Estimate:
    """W2 between two distributions of which several pairs of clouds `(n, dim)` are given.

    Chance decides how many draws fall into each part of a distribution, and a few too many in a far
    one weigh as much as all the rest: so it is the root mean square over the pairs.
    """
    squares = [wasserstein(x, y) ** 2 for x, y in zip(first, second, strict=True)]
    root = np.sqrt(np.mean(squares))
    error = np.std(squares, ddof=1) / np.sqrt(len(squares)) / (2.0 * root)
    return Estimate(float(root), float(error))
