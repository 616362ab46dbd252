"""Entropic couplings against a plain iteration in the log domain, and against their limits."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from liouville.numerics.couplings import sinkhorn, transport_plan
from tolerances import OTHER_LIBRARY, ROUNDING

# Iterations of the oracle; its rate on these problems leaves rounding after a fraction of them.
ORACLE_ROUNDS = 20_000


def problem(n: int, m: int, equal: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A cost of order one between two clouds in the plane, and masses."""
    rng = np.random.default_rng(n + 100 * m)
    cost = 0.5 * cdist(rng.normal(size=(n, 2)), 1.0 + rng.normal(size=(m, 2)), "sqeuclidean")
    if equal:
        return cost, np.full(n, 1.0 / n), np.full(m, 1.0 / m)
    return cost, rng.dirichlet(np.full(n, 3.0)), rng.dirichlet(np.full(m, 3.0))


def oracle(cost: np.ndarray, epsilon: float, a: np.ndarray, b: np.ndarray) -> tuple:
    """The plan and the least value, by the plain iteration, every step a sum of exponentials."""
    f, g = np.zeros(len(a)), np.zeros(len(b))
    for _ in range(ORACLE_ROUNDS):
        before = f
        f = -epsilon * np.asarray(logsumexp((g - cost) / epsilon + np.log(b), axis=1))
        g = -epsilon * np.asarray(
            logsumexp((f[:, None] - cost) / epsilon + np.log(a)[:, None], axis=0)
        )
        if np.abs(f - before).max() < 1e-15:
            break
    plan = a[:, None] * b * np.exp((f[:, None] + g - cost) / epsilon)
    return plan, float(f @ a + g @ b)


@pytest.mark.parametrize("epsilon", [3.0, 0.5, 0.05])
@pytest.mark.parametrize(("n", "m"), [(6, 6), (7, 4), (1, 5), (5, 1)])
def test_against_the_plain_iteration(n, m, epsilon):
    cost, a, b = problem(n, m)
    found = sinkhorn(cost, epsilon, a, b, tolerance=1e-11)
    plan, least = oracle(cost, epsilon, a, b)
    assert found.converged
    assert np.allclose(found.plan, plan, rtol=0, atol=1e-8)
    assert np.isclose(found.value, least, rtol=1e-8)
    assert np.isclose(found.dual, least, rtol=1e-8)
    # The columns are met exactly, the rows within the error that is reported.
    assert np.allclose(found.plan.sum(0), b, rtol=0, atol=ROUNDING)
    assert np.isclose(np.abs(found.plan.sum(1) - a).sum(), found.error, atol=ROUNDING)


@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-6])
def test_the_dual_is_a_lower_bound_however_loose_the_tolerance(tolerance):
    cost, a, b = problem(9, 8)
    found = sinkhorn(cost, 0.1, a, b, tolerance=tolerance)
    _, least = oracle(cost, 0.1, a, b)
    assert found.error <= tolerance
    assert found.dual <= least + ROUNDING
    # Both differ by the rows' error times the potentials, which are of the order of the cost.
    assert abs(found.value - found.dual) <= 2.0 * found.error * np.ptp(cost) + ROUNDING


def test_equal_masses_are_the_default():
    cost, a, b = problem(6, 5, equal=True)
    one, other = sinkhorn(cost, 0.3), sinkhorn(cost, 0.3, a, b)
    assert np.array_equal(one.plan, other.plan)
    assert one.value == other.value


def test_value_is_the_cost_plus_the_entropy_of_the_plan():
    cost, a, b = problem(6, 5)
    found = sinkhorn(cost, 0.4, a, b, tolerance=1e-10)
    entropy = (found.plan * np.log(found.plan / (a[:, None] * b))).sum()
    assert np.isclose(found.value, (found.plan * cost).sum() + 0.4 * entropy, rtol=1e-10)
    # The independent coupling costs no entropy, and more in all.
    assert found.value < (a[:, None] * b * cost).sum()


def test_no_feasible_plan_costs_less():
    """Moves that keep both marginals raise the value: the first control of the minimum."""
    cost, a, b = problem(5, 4)
    found = sinkhorn(cost, 0.4, a, b, tolerance=1e-12)

    def value(plan):
        return (plan * cost).sum() + 0.4 * (plan * np.log(plan / (a[:, None] * b))).sum()

    rng = np.random.default_rng(0)
    for _ in range(20):
        rows, columns = rng.permutation(5)[:2], rng.permutation(4)[:2]
        moved = found.plan.copy()
        size = 0.3 * moved[np.ix_(rows, columns)].min()
        moved[rows[:, None], columns] += size * np.array([[1.0, -1.0], [-1.0, 1.0]])
        assert value(moved) > found.value


@pytest.mark.parametrize("equal", [True, False])
def test_small_epsilon_approaches_the_exact_coupling(equal):
    cost, a, b = problem(8, 8, equal)
    exact = transport_plan(cost, a, b)
    least = (exact * cost).sum()
    excess = []
    for epsilon in (1e-1, 1e-2, 1e-3):
        found = sinkhorn(cost, epsilon, a, b, tolerance=1e-5, iterations=100_000)
        assert found.converged
        assert np.isfinite(found.plan).all()
        # Entropy of a coupling of 8 by 8 masses is at most log 8 or so.
        assert least - 1e-4 <= found.value <= least + 3.0 * epsilon
        excess.append((found.plan * cost).sum() - least)
    assert excess[0] > excess[1] > excess[2] - 1e-4
    assert abs(excess[2]) < 1e-3


def test_tiny_epsilon_and_huge_costs_stay_finite():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30, 2))
    cost = 1e4 * cdist(x, x[::-1] + 1.0, "sqeuclidean")
    found = sinkhorn(cost, 1e-2, iterations=300)
    assert np.isfinite(found.plan).all()
    assert np.isfinite([found.value, found.dual, found.error]).all()
    assert np.allclose(found.plan.sum(0), 1.0 / 30, atol=ROUNDING)


def test_a_cost_of_one_value_gives_the_independent_coupling():
    _, a, b = problem(4, 3)
    found = sinkhorn(np.full((4, 3), 7.0), 0.1, a, b)
    assert np.allclose(found.plan, a[:, None] * b, atol=1e-6)
    assert np.isclose(found.value, 7.0)


def test_what_is_not_converged_says_so():
    cost, a, b = problem(20, 20)
    found = sinkhorn(cost, 1e-3, a, b, tolerance=1e-12, iterations=3)
    assert not found.converged
    assert found.error > 1e-12
    assert found.iterations == 3
    assert sinkhorn(cost, 1.0, a, b).converged


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan")])
def test_epsilon_must_be_positive(epsilon):
    with pytest.raises(ValueError, match="give a positive one, or use transport_plan"):
        sinkhorn(np.ones((2, 2)), epsilon)


@pytest.mark.parametrize(("n", "m"), [(3, 2), (2, 3)])
def test_masses_must_fit(n, m):
    with pytest.raises(ValueError, match=r"needs masses \(2,\) and \(2,\)"):
        sinkhorn(np.ones((2, 2)), 1.0, np.full(n, 1.0 / n), np.full(m, 1.0 / m))


# The linear programme.


@pytest.mark.parametrize(("n", "m"), [(6, 6), (9, 5), (1, 4)])
def test_transport_plan_against_pot(n, m):
    ot = pytest.importorskip("ot")
    cost, a, b = problem(n, m)
    plan = transport_plan(cost, a, b)
    assert np.isclose((plan * cost).sum(), ot.emd2(a, b, cost), rtol=OTHER_LIBRARY)
    assert np.allclose(plan.sum(1), a, atol=ROUNDING)
    assert np.allclose(plan.sum(0), b, atol=ROUNDING)
    assert plan.min() >= 0
    assert np.sum(plan > ROUNDING) <= n + m - 1


def test_transport_plan_of_equal_masses_is_the_assignment():
    cost, a, b = problem(9, 9, equal=True)
    plan = transport_plan(cost, a, b)
    rows, columns = linear_sum_assignment(cost)
    assert np.isclose((plan * cost).sum(), cost[rows, columns].mean(), rtol=OTHER_LIBRARY)


def test_entropic_coupling_against_pot():
    ot = pytest.importorskip("ot")
    cost, a, b = problem(10, 7)
    found = sinkhorn(cost, 0.2, a, b, tolerance=1e-11)
    expected = ot.sinkhorn(a, b, cost, 0.2, stopThr=1e-14, numItermax=100_000)
    assert np.allclose(found.plan, expected, atol=1e-9)
