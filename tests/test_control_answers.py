import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import minimize

from liouville.numerics.mixtures import GaussianMixture
from liouville.problems.control import (
    DoubleWell,
    LinearQuadratic,
    MeanFieldBridge,
    OrnsteinUhlenbeck,
    PotentialBridge,
)
from tolerances import EULER_MARUYAMA, PRINTED

# Values are printed to six or seven decimals.
VALUE = 1e-5
# Adaptive integrators and minimisers with tolerances of 1e-9 and below.
SOLVER = 1e-6
# Actions on 400 equal steps: the square of the step times second derivatives of order ten.
TRANSCRIPTION = 2e-3

M0, M1 = np.array([-2.0, 0.0]), np.array([2.0, 1.0])
S0 = np.array([[1.0, 0.3], [0.3, 0.5]])
S1 = np.array([[0.4, -0.2], [-0.2, 1.2]])


def crowd(entropy=0.0, q=0.0, attraction=0.0, sigma=1.0) -> MeanFieldBridge:
    return MeanFieldBridge(-7.0, 0.2, 7.0, 0.2, sigma, entropy, q, attraction)


# Bridges in a potential.


@pytest.mark.parametrize(("q", "value"), [(1.0, 10.639212), (4.0, 14.637243), (9.0, 20.015637)])
def test_bridge_in_a_potential(q, value):
    assert np.isclose(PotentialBridge(M0, S0, M1, S1, q).cost(), value, atol=PRINTED)


def test_no_other_coupling_costs_less():
    problem = PotentialBridge(M0, S0, M1, S1, 4.0, 0.8)
    root = np.linalg.cholesky(S0)

    def cost(c):
        cross = root @ (root.T @ c.reshape(2, 2))
        # Beyond the covariances that there are the cost is not defined.
        least = np.linalg.eigvalsh(S1 - cross.T @ np.linalg.solve(S0, cross))[0]
        return problem.cost(cross) if least > 0 else np.inf

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000}
    found = minimize(cost, np.zeros(4), method="Nelder-Mead", options=options)
    assert np.isclose(found.fun, problem.cost(), atol=SOLVER)
    assert problem.cost(np.zeros((2, 2))) > problem.cost() + 0.01


@pytest.mark.parametrize(("q", "sigma"), [(4.0, 1.0), (2.0, 0.6)])
def test_two_ways_to_the_bridge_on_the_line(q, sigma):
    """Mehler's kernel, and the equations of Euler and Lagrange."""
    ends = (np.array([-7.0]), np.array([[0.2]]), np.array([7.0]), np.array([[0.2]]))
    kernel = PotentialBridge(*ends, q, sigma).cost()
    assert np.isclose(crowd(q=q, sigma=sigma).cost(), kernel, rtol=1e-7)
    assert not np.isclose(crowd(q=1.1 * q, sigma=sigma).cost(), kernel, rtol=1e-3)


# Mean-field bridges.


@pytest.mark.parametrize(
    ("weights", "value"),
    [
        ({}, 98.485099),
        ({"q": 4.0}, 129.688668),
        ({"entropy": 1.0}, 97.583880),
        ({"entropy": 8.0}, 88.890383),
        ({"attraction": 1.0}, 98.769310),
        ({"entropy": 2.0, "q": 1.0, "attraction": 0.5}, 105.069180),
    ],
)
def test_mean_field_bridge(weights, value):
    assert np.isclose(crowd(**weights).cost(), value, atol=VALUE)


def action(moments: np.ndarray, problem: MeanFieldBridge) -> float:
    """The cost of moments on an equal grid, shape `(2, times)`, by the midpoint rule."""
    h = 1.0 / (moments.shape[1] - 1)
    (m, s), (m_rate, s_rate) = 0.5 * (moments[:, 1:] + moments[:, :-1]), np.diff(moments) / h
    noise = problem.sigma**2
    rate = 0.5 * (m_rate**2 + (s_rate - 0.5 * noise / s) ** 2) / noise
    rate = rate + problem.entropy * (-0.5 - 0.5 * np.log(2.0 * np.pi * s**2))
    rate = rate + 0.5 * problem.q * (m**2 + s**2) + 0.5 * problem.attraction * 2.0 * s**2
    return float(h * rate.sum())


def test_no_other_gaussian_path_costs_less():
    problem, clock = crowd(2.0, 1.0, 0.5, 0.7), np.linspace(0.0, 1.0, 401)
    best = problem.moments(clock)[[0, 2]]
    assert np.isclose(action(best, problem), problem.cost(), atol=TRANSCRIPTION)
    bump = np.sin(np.pi * clock)
    for direction in (np.stack([bump, 0 * bump]), np.stack([0 * bump, bump])):
        less, more = (action(best + e * direction, problem) for e in (-0.01, 0.01))
        middle = action(best, problem)
        # A minimum: both sides are dearer, and by the same amount up to third order.
        assert min(less, more) > middle
        assert abs(more - less) < 0.1 * (more + less - 2.0 * middle)


# Linear-quadratic control.


def round_problem(a, p, q, dim=20) -> LinearQuadratic:
    eye = np.eye(dim)
    return LinearQuadratic(a * eye, p * eye, q * eye, eye)


@pytest.mark.parametrize(
    ("constants", "f0", "integral"),
    [((0.2, 0.2, 0.1), 0.2925539, 0.2027691), ((1.0, 1.0, 0.5), 1.3134558, 1.0348624)],
)
def test_riccati(constants, f0, integral):
    f, noise = round_problem(*constants).riccati(0.0)
    assert np.allclose(f, f0 * np.eye(20), atol=PRINTED)
    assert np.isclose(noise / 20, integral, atol=PRINTED)


def general() -> LinearQuadratic:
    a = np.array([[0.2, 1.0], [-0.5, -0.3]])
    sigma = np.array([[0.8, 0.0], [0.3, 0.5]])
    return LinearQuadratic(a, np.diag([1.0, 0.2]), np.diag([0.1, 2.0]), sigma, 1.5)


def test_riccati_by_the_hamiltonian_matrix():
    """Riccati's equation is a linear one for a quotient of matrices."""
    problem = general()
    noise = problem.sigma @ problem.sigma.T
    block = np.block([[problem.drift, -2.0 * noise], [-problem.running, -problem.drift.T]])
    whole = expm(-problem.horizon * block) @ np.concatenate([np.eye(2), problem.final])
    assert np.allclose(whole[2:] @ np.linalg.inv(whole[:2]), problem.riccati(0.0)[0], atol=SOLVER)


def closed_loop_cost(problem: LinearQuadratic, factor: float, mean, covariance) -> float:
    """What the best control times a factor costs, from the equations of the moments."""
    noise, second = problem.sigma @ problem.sigma.T, covariance + np.outer(mean, mean)

    def slope(t, y):
        s = y[:4].reshape(2, 2)
        gain = -2.0 * factor * problem.sigma.T @ problem.riccati(t)[0]
        loop = problem.drift + problem.sigma @ gain
        rate = 0.5 * np.sum((gain @ s) * gain) + np.sum(problem.running * s)
        return np.append((loop @ s + s @ loop.T + noise).ravel(), rate)

    start = np.append(second.ravel(), 0.0)
    end = solve_ivp(slope, (0.0, problem.horizon), start, rtol=1e-8, atol=1e-10).y[:, -1]
    return float(end[4] + np.sum(problem.final * end[:4].reshape(2, 2)))


@pytest.mark.slow
def test_the_value_is_what_its_control_costs_and_no_other_costs_less():
    problem, mean, covariance = general(), np.array([1.0, -0.5]), np.diag([0.3, 0.2])
    value = problem.value(mean, covariance)
    assert np.isclose(closed_loop_cost(problem, 1.0, mean, covariance), value, rtol=SOLVER)
    for factor in (0.9, 1.1):
        assert closed_loop_cost(problem, factor, mean, covariance) > value * (1.0 + 1e-4)
    expected = -2.0 * problem.sigma.T @ problem.riccati(0.3)[0] @ mean
    assert np.allclose(problem.control(0.3, mean), expected)


# Diffusions.


def rotating() -> OrnsteinUhlenbeck:
    a, g = np.array([[0.7, 2.0], [-1.5, 0.4]]), np.array([[0.5, 0.0], [0.2, 0.8]])
    return OrnsteinUhlenbeck(a, np.array([1.0, -0.5]), g)


def test_ornstein_uhlenbeck_by_its_moment_equations():
    process = rotating()

    def slope(_, y):
        m, s = y[:2], y[2:].reshape(2, 2)
        rate = -process.rate @ s
        return np.append(
            -process.rate @ (m - process.center),
            (rate + rate.T + process.noise @ process.noise.T).ravel(),
        )

    end = solve_ivp(slope, (0.0, 1.3), np.append(M0, S0.ravel()), rtol=1e-10, atol=1e-12).y[:, -1]
    mean, covariance = process.moments(1.3, M0, S0)
    assert np.allclose(mean, end[:2], atol=SOLVER)
    assert np.allclose(covariance, end[2:].reshape(2, 2), atol=SOLVER)


def test_a_mixture_moves_part_by_part():
    process = rotating()
    source = GaussianMixture(np.array([0.3, 0.7]), np.stack([M0, M1]), np.stack([S0, S1]))
    moved = process.law(0.4, process.law(0.6, source))
    whole = process.law(1.0, source)
    assert np.allclose(moved.means, whole.means)
    assert np.allclose(moved.covariances, whole.covariances)
    assert np.array_equal(whole.weights, source.weights)


@pytest.mark.parametrize(("kappa", "sigma"), [(1.0, 1.0), (2.0, 0.5), (0.3, 1.5)])
def test_moments_of_the_double_well(kappa, sigma):
    well = DoubleWell(kappa, sigma)
    expected = well.moment(2) + sigma**2 / (8.0 * kappa)
    assert np.isclose(well.moment(4), expected, rtol=1e-8)
    # In the well of half the barrier the identity has another constant.
    assert not np.isclose(DoubleWell(kappa / 2, sigma).moment(4), expected, rtol=1e-3)


def test_the_double_well_by_simulation():
    well, rng = DoubleWell(1.0, 1.0), np.random.default_rng(0)
    x, h = rng.choice([-1.0, 1.0], 20_000), 0.01
    for _ in range(400):
        x = x + h * well.drift(x) + np.sqrt(h) * well.sigma * rng.normal(size=x.shape)
    assert abs(np.mean(x**2) - well.moment(2)) < EULER_MARUYAMA
