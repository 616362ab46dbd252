import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from liouville.problems import GaussianBridge, bures
from tolerances import PRINTED, ROUNDING

M0, M1 = np.array([-2.0, 0.0]), np.array([2.0, 1.0])
S0 = np.array([[1.0, 0.3], [0.3, 0.5]])
S1 = np.array([[0.4, -0.2], [-0.2, 1.2]])


def bridge(sigma: float) -> GaussianBridge:
    return GaussianBridge(M0, S0, M1, S1, sigma)


def test_bures_distance():
    assert np.isclose(bures(M0, S0, M1, S1), 17.469813, atol=PRINTED)


def test_bures_of_diagonal_covariances_is_a_sum_over_axes():
    found = bures(np.zeros(2), np.diag([4.0, 9.0]), np.ones(2), np.diag([1.0, 25.0]))
    assert np.isclose(found, 2.0 + 1.0 + 4.0, rtol=1e-10)


@pytest.mark.parametrize(("sigma", "entropy"), [(0.5, 35.018417), (1.0, 9.087098), (2.0, 3.282173)])
def test_entropy_of_the_bridge(sigma, entropy):
    assert np.isclose(bridge(sigma).energy() / sigma**2, entropy, atol=PRINTED)


def test_without_noise_the_bridge_is_optimal_transport():
    assert np.isclose(2.0 * bridge(0.0).energy(), bures(M0, S0, M1, S1), rtol=1e-8)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.0])
def test_the_bridge_meets_its_ends(sigma):
    problem = bridge(sigma)
    for t, mean, cov in ((0.0, M0, S0), (1.0, M1, S1)):
        assert np.allclose(problem.mean(t), mean, atol=ROUNDING)
        assert np.allclose(problem.cov(t), cov, atol=ROUNDING)


@pytest.mark.parametrize("t", [0.2, 0.7])
def test_the_drift_of_the_bridge_solves_its_equation(t):
    """The best drift is a gradient with d/dt B + B^2 = 0 for its matrix B (no cost on the way)."""
    sigma, step = 0.8, 1e-4
    problem = bridge(sigma)

    def matrix(s):
        rate = (problem.cov(s + step) - problem.cov(s - step)) / (2.0 * step)
        cov = problem.cov(s)
        generator = solve_continuous_lyapunov(cov, rate)
        return generator + 0.5 * sigma**2 * -np.linalg.inv(cov)

    rate = (matrix(t + step) - matrix(t - step)) / (2.0 * step)
    assert np.allclose(rate + matrix(t) @ matrix(t), 0.0, atol=1e-5)


def test_no_other_gaussian_path_has_less_energy():
    """Covariances that leave the bridge on the way cost more."""
    sigma = 1.0
    problem = bridge(sigma)
    nodes, weights = np.polynomial.legendre.leggauss(40)

    def energy(bend):
        total = 0.0
        for s, w in zip(0.5 * (nodes + 1.0), 0.5 * weights):

            def cov(r):
                return problem.cov(r) + bend * r * (1.0 - r) * np.array([[1.0, 0.5], [0.5, 1.0]])

            rate = (cov(s + 1e-5) - cov(s - 1e-5)) / 2e-5
            slope = solve_continuous_lyapunov(cov(s), rate) - 0.5 * np.linalg.inv(cov(s))
            total += 0.5 * w * (np.sum((M1 - M0) ** 2) + np.trace(slope @ cov(s) @ slope.T))
        return total

    assert np.isclose(energy(0.0), problem.energy(), rtol=1e-6)
    assert energy(0.1) > energy(0.0)
    assert energy(-0.1) > energy(0.0)
