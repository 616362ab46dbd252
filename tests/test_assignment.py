"""The assignment problem."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from liouville.numerics.matching import matching, prices


def clouds(kind: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    dim = 20 if kind == "many coordinates" else 2
    x, y = rng.normal(size=(n, dim)), 1.5 * rng.normal(size=(n, dim)) + 1.0
    if kind == "far":
        y = y + 1e4
    if kind == "drawn twice":
        return x[rng.integers(0, n // 3, n)], y[rng.integers(0, n // 3, n)]
    return x, y


@pytest.mark.parametrize("kind", ["plane", "many coordinates", "far", "drawn twice"])
@pytest.mark.parametrize("n", [1, 7, 303, 700])
def test_the_matching_is_the_best(kind: str, n: int):
    cost = cdist(*clouds(kind, max(n, 3)), "sqeuclidean")[:n, :n]
    found, rows = matching(cost), np.arange(n)
    assert np.array_equal(np.sort(found), rows)
    best = cost[linear_sum_assignment(cost)].sum()
    assert cost[rows, found].sum() == pytest.approx(best, rel=1e-12)


def test_costs_of_one_kind_that_are_infinite_are_no_obstacle():
    cost = np.random.default_rng(0).random((400, 400))
    cost[:200, 200:] = 1e300
    assert cost[np.arange(400), matching(cost)].max() <= 1.0


def testprices_are_optimal():
    r"""$u_i + v_j \le c_{ij}$, with equality for partners; not so for another matching."""
    cost = np.random.default_rng(1).random((40, 40))

    def off(partner: np.ndarray) -> float:
        columns = prices(cost, partner)
        rows = cost[np.arange(40), partner] - columns[partner]
        return float((rows[:, None] + columns - cost).max())

    best = matching(cost)
    assert off(best) < 1e-10
    assert off(np.roll(best, 1)) > 1e-3
