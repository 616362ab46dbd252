import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from liouville.numerics.couplings import (
    assignment,
    chains,
    sinkhorn,
    unbalanced_sinkhorn,
    wasserstein,
)
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
    assert joined.points.shape == (8, 3, 2)
    assert np.allclose(np.diff(joined.points, axis=1), 0.01)
    assert np.allclose(joined.masses, 1 / 8)
    assert np.array_equal(chains(shuffled, 8, seed=3).points, joined.points)


@pytest.mark.parametrize("noise", [0.25, 1.0, 4.0])
def test_noisy_chains_are_about_those_of_a_coupling_with_entropy(noise):
    r"""Of two normal laws: their covariance is $\sqrt{s^2 r^2 + e^2/16} - e/4$."""
    rng, n = np.random.default_rng(0), 500
    x, y = rng.normal(size=(n, 1)), 1.0 + 1.5 * rng.normal(size=(n, 1))
    exact, noisy = (chains([x, y], n, seed=1, noise=a).points[..., 0] for a in (0.0, noise))
    epsilon = noise * np.mean(np.diff(exact, axis=1) ** 2)
    product = np.cov(*exact.T)[0, 1]  # of monotone chains: the product of the deviations
    expected = np.sqrt(product**2 + epsilon**2 / 16.0) - epsilon / 4.0
    assert abs(np.cov(*noisy.T)[0, 1] - expected) < 0.06 * product
    # Both ends stay what they are.
    np.testing.assert_allclose(np.sort(noisy, axis=0), np.sort(exact, axis=0))


def test_coordinates_that_only_add_noise_do_not_raise_that_of_chains():
    rng, n = np.random.default_rng(0), 400
    x, y = rng.normal(size=(2, n, 1)) + np.array([[[0.0]], [[2.0]]])
    wide = [np.concatenate([z, rng.normal(size=(n, 15))], axis=1) for z in (x, y)]
    # Two types far apart in another coordinate do not mix.
    kinds = [np.concatenate([z, np.repeat([[9.0], [-9.0]], n // 2, axis=0)], axis=1) for z in wide]
    joined = chains(kinds, n, noise=1.0).points[..., -1]
    assert np.mean(joined[:, 0] != joined[:, 1]) == 0.0


def test_chains_use_every_point_before_any_twice():
    small, large = np.arange(3.0)[:, None], np.arange(10.0)[:, None]
    joined = chains([small, large], 7).points
    assert joined.shape == (7, 2, 1)
    counts = np.unique(joined[:, 0, 0], return_counts=True)[1]
    assert sorted(counts) == [2, 2, 3]
    assert len(np.unique(joined[:, 1, 0])) == 7


def test_points_of_different_mass_are_used_by_their_mass():
    x = np.array([[0.0], [1.0]])
    joined = chains([x, x], 400, masses=[np.array([1.0, 3.0]), np.array([2.0, 2.0])])
    for i, totals in enumerate(([1.0, 3.0], [2.0, 2.0])):
        found = np.bincount(joined.points[:, i, 0].astype(int), joined.masses[:, i])
        np.testing.assert_allclose(found, totals, rtol=0.01)


# Couplings that may fail the masses.


def test_two_points_travel_with_the_mass_that_is_worth_it():
    a, b, cost, relaxation, epsilon = 2.0, 0.7, 1.3, 0.9, 0.2
    found = unbalanced_sinkhorn(
        np.array([[cost]]), relaxation, epsilon, np.array([a]), np.array([b]), tolerance=1e-12
    )
    # The derivative of the objective: c + l log(p/a) + l log(p/b) + e log(p/(a b)) = 0.
    log_plan = (relaxation + epsilon) * np.log(a * b) - cost
    expected = np.exp(log_plan / (2.0 * relaxation + epsilon))
    assert found.converged
    assert np.isclose(found.plan[0, 0], expected, rtol=1e-9)


def test_the_unbalanced_coupling_is_the_least_of_its_objective():
    rng = np.random.default_rng(0)
    cost, a, b = rng.uniform(size=(3, 4)), rng.uniform(0.5, 2.0, 3), rng.uniform(0.5, 2.0, 4)
    relaxation, epsilon = 0.4, 0.05

    def divergence(p, q):
        return (p * np.log(p / q) - p + q).sum()

    def objective(log_plan):
        plan = np.exp(log_plan).reshape(cost.shape)
        sums = divergence(plan.sum(1), a) + divergence(plan.sum(0), b)
        blur = divergence(plan, a[:, None] * b)
        return (plan * cost).sum() + relaxation * sums + epsilon * blur

    found = unbalanced_sinkhorn(cost, relaxation, epsilon, a, b, tolerance=1e-10)
    slow = minimize(objective, np.zeros(cost.size), tol=1e-12)
    np.testing.assert_allclose(found.plan.ravel(), np.exp(slow.x), atol=1e-4)
    assert objective(np.log(found.plan).ravel()) <= slow.fun + 1e-9


def test_masses_that_must_be_met_are_met():
    rng = np.random.default_rng(1)
    cost = rng.uniform(size=(5, 6))
    a, b = np.full(5, 0.2), np.full(6, 1 / 6)
    found = unbalanced_sinkhorn(cost, 1e4, 0.05, a, b, tolerance=1e-8, iterations=20_000)
    np.testing.assert_allclose(found.plan, sinkhorn(cost, 0.05, a, b).plan, atol=1e-5)


def test_an_unbalanced_coupling_that_is_not_solved_says_so():
    rng = np.random.default_rng(2)
    cost, a = 10.0 * rng.uniform(size=(20, 20)), rng.uniform(0.1, 1.0, 20)
    assert not unbalanced_sinkhorn(cost, 1.0, 1e-3, a, a, iterations=2).converged
    with pytest.raises(ValueError, match="must be positive"):
        unbalanced_sinkhorn(cost, 0.0, 1.0, a, a)
    with pytest.raises(ValueError, match="masses of"):
        unbalanced_sinkhorn(cost, 1.0, 1.0, a, a[1:])


def two_types() -> list[np.ndarray]:
    """Two resting types whose proportions change: 1 to 2, 1 to 1 and 2 to 1."""
    rng = np.random.default_rng(0)
    sides = np.array([[-3.0, 0.0], [3.0, 0.0]])
    counts = ((100, 200), (200, 200), (400, 200))
    return [np.repeat(sides, n, axis=0) + 0.5 * rng.normal(size=(sum(n), 2)) for n in counts]


def crossing(joined) -> np.ndarray:
    side = joined.points[..., 0] > 0
    return (joined.masses[:, :-1] * (side[:, :-1] != side[:, 1:])).sum(axis=0)


def test_types_whose_proportions_change_grow_and_do_not_travel():
    joined = chains(two_types(), 600, delta=2.0)
    assert joined.converged
    assert crossing(joined).max() < 0.005
    # The negative control: without growth a sixth of the mass has to cross.
    np.testing.assert_allclose(crossing(chains(two_types(), 600)), 1 / 6, atol=0.01)
    upper = joined.points[:, 0, 0] > 0
    totals = np.stack([joined.masses[~upper].sum(0), joined.masses[upper].sum(0)])
    np.testing.assert_allclose(totals, [[1 / 3, 1 / 2, 2 / 3], [2 / 3, 1 / 2, 1 / 3]], atol=0.005)


def test_a_population_that_moves_as_a_whole_is_not_seen_as_growth():
    rng = np.random.default_rng(0)
    moving = [0.5 * rng.normal(size=(300, 2)) + [x, 0.0] for x in (-3.0, 0.0, 3.0)]
    joined = chains(moving, 300, delta=2.5)
    assert np.log(joined.masses * 300).std() < 0.25
    np.testing.assert_allclose(np.diff(joined.points[..., 0], axis=1).mean(0), 3.0, atol=0.2)
    # The negative control: where growth costs next to nothing, cells die and others are born.
    assert np.log(chains(moving, 300, delta=0.3).masses * 300).std() > 1.0


def test_chains_stand_for_every_snapshot():
    rng = np.random.default_rng(0)
    snapshots = [rng.normal(size=(n, 2)) * (1 + t) + t for t, n in enumerate((200, 300, 450))]
    masses = [rng.uniform(0.5, 1.5, size=len(x)) for x in snapshots]
    joined = chains(snapshots, 450, masses=masses, delta=2.0)
    for i, (x, m) in enumerate(zip(snapshots, masses)):
        share = joined.masses[:, i] / joined.masses[:, i].sum()
        assert np.isclose(joined.masses[:, i].sum(), m.sum(), rtol=0.03)
        error = share @ joined.points[:, i] - m @ x / m.sum()
        assert np.abs(error).max() < 0.1 * x.std()


def test_an_outlier_grows_where_it_is_and_the_rest_does_not_care():
    clouds = [x.copy() for x in two_types()]
    clouds[0][0] = [1e4, -1e4]
    joined = chains(clouds, 600, delta=2.0)
    assert joined.converged
    assert np.isfinite(joined.masses).all()
    assert crossing(joined).max() < 0.01


def test_what_is_expected_to_grow_sends_more_chains():
    """Two points that are one place for the cost: only what is expected tells them apart."""
    x = np.array([[0.0], [0.01]])
    masses = [np.array([0.5, 0.5])] * 2
    factors = [np.array([3.0, 1.0])]
    joined = chains([x, x], 400, masses=masses, delta=1.0, factors=factors)
    own = joined.points[:, 0, 0] == 0.0
    # Three chains in four leave the first point, which stands for half of the mass all the same.
    assert np.mean(own) == pytest.approx(0.75, abs=0.02)
    np.testing.assert_allclose(joined.masses[own, 0].sum(), 0.5, atol=0.01)
    growth = joined.masses[:, 1] / joined.masses[:, 0]
    assert np.median(growth[own]) / np.median(growth[~own]) == pytest.approx(3.0, rel=0.05)
