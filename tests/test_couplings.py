import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from liouville.numerics.couplings import assignment, chains, wasserstein
from tolerances import OTHER_LIBRARY


def clouds(n: int, m: int, dim: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n + 100 * m)
    return rng.normal(size=(n, dim)), 1.0 + 1.5 * rng.normal(size=(m, dim))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("n", "m"), [(30, 30), (30, 17), (1, 12), (12, 1)])
def test_against_pot(n, m, order):
    ot = pytest.importorskip("ot")
    x, y = clouds(n, m)
    cost = cdist(x, y) ** order
    expected = ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), cost) ** (1 / order)
    assert np.isclose(wasserstein(x, y, order), expected, rtol=OTHER_LIBRARY)


@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 13)])
def test_on_the_line_against_scipy(n, m):
    x, y = clouds(n, m, dim=1)
    expected = wasserstein_distance(x[:, 0], y[:, 0])
    assert np.isclose(wasserstein(x, y, 1), expected, rtol=OTHER_LIBRARY)


def test_a_shift_costs_its_length():
    x, _ = clouds(15, 1)
    shift = np.array([3.0, -4.0])
    assert np.isclose(wasserstein(x, x + shift), 5.0, rtol=OTHER_LIBRARY)
    assert np.isclose(wasserstein(x, np.repeat(x + shift, 2, axis=0)), 5.0, rtol=OTHER_LIBRARY)
    assert wasserstein(x, x[::-1]) < OTHER_LIBRARY


def test_assignment_is_the_best_of_all_permutations():
    x, y = clouds(6, 6)
    cost = cdist(x, y, "sqeuclidean")
    least = min(sum(cost[i, p] for i, p in enumerate(q)) for q in itertools.permutations(range(6)))
    partner = assignment(x, y)
    assert sorted(partner) == list(range(6))
    assert np.isclose(cost[np.arange(6), partner].sum(), least, rtol=OTHER_LIBRARY)


def test_chains_follow_the_optimal_matchings():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(8, 2))
    # Small moves: the optimal matching of each to the next is the move itself.
    later = [start + 0.01 * k for k in range(3)]
    shuffled = [cloud[rng.permutation(8)] for cloud in later]
    joined = chains(shuffled, 8, seed=3)
    assert joined.shape == (8, 3, 2)
    assert np.allclose(np.diff(joined, axis=1), 0.01)
    assert np.array_equal(chains(shuffled, 8, seed=3), joined)


def test_chains_use_every_point_before_any_twice():
    small, large = np.arange(3.0)[:, None], np.arange(10.0)[:, None]
    joined = chains([small, large], 7)
    assert joined.shape == (7, 2, 1)
    counts = np.unique(joined[:, 0, 0], return_counts=True)[1]
    assert sorted(counts) == [2, 2, 3]
    assert len(np.unique(joined[:, 1, 0])) == 7
