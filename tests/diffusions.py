"""Diffusions whose laws are known, and slow obvious ways to find them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse import csc_matrix, identity
from scipy.sparse.linalg import splu

from liouville.numerics.mixtures import GaussianMixture
from liouville.problems.control import DoubleWell, OrnsteinUhlenbeck

# A plane that turns, seen from a mixture.
RATE = np.array([[0.7, 2.0], [-1.5, 0.4]])
CENTER = np.array([1.0, -0.5])
NOISE = np.array([[0.5, 0.0], [0.2, 0.8]])
TURNING = OrnsteinUhlenbeck(RATE, CENTER, NOISE)
PAIR = GaussianMixture(
    np.array([0.3, 0.7]),
    np.array([[-2.0, 0.0], [2.0, 1.0]]),
    np.array([[[0.2, 0.05], [0.05, 0.1]], [[0.3, -0.1], [-0.1, 0.2]]]),
)
HORIZON = 1.5
WELL = DoubleWell(1.0, 0.7)


def turning_drift(t, x):
    return -jnp.asarray(RATE) @ (x - jnp.asarray(CENTER))


def well_drift(t, x):
    return -4.0 * x * (x**2 - 1.0)


def narrow(center: float, variance: float = 0.04) -> GaussianMixture:
    return GaussianMixture(np.ones(1), np.array([[center]]), np.array([[[variance]]]))


LINE = np.linspace(-3.0, 3.0, 1501)


def densities(path, times):
    marginals = jax.jit(lambda t: jax.vmap(path.at(t).log_density)(jnp.asarray(LINE)[:, None]))
    return np.stack([np.asarray(marginals(jnp.asarray(t))) for t in times])


def finite_volume(drift, sigma, density, x, times, steps=200):
    """The Fokker-Planck equation on the line by exponentially fitted fluxes (Scharfetter and
    Gummel) and an L-stable Runge-Kutta method of second order, shape `(times, cells)`."""
    h, spread = x[1] - x[0], 0.5 * sigma**2
    peclet = drift(0.5 * (x[1:] + x[:-1])) * h / spread

    def bernoulli(z):
        small = np.abs(z) < 1e-8
        return np.where(small, 1.0 - 0.5 * z, z / np.expm1(np.where(small, 1.0, z)))

    left, right = (spread / h**2 * bernoulli(z) for z in (peclet, -peclet))
    middle = np.zeros(len(x))
    middle[:-1] -= right
    middle[1:] -= left
    generator = csc_matrix(np.diag(right, -1) + np.diag(middle) + np.diag(left, 1))
    found, p, share = [density], density, 1.0 - np.sqrt(0.5)
    for begin, end in itertools.pairwise(times):
        k = (end - begin) / steps
        solver = splu((identity(len(x)) - share * k * generator).tocsc())
        for _ in range(steps):
            first = solver.solve(generator @ p)
            second = solver.solve(generator @ (p + (1.0 - share) * k * first))
            p = p + k * ((1.0 - share) * first + share * second)
        found.append(p)
    return np.stack(found)


def rauch_tung_striebel(process, mean, covariance, times, seen, values, operator, spread):
    """Smoothed means and covariances at all times, and the log-likelihood of what was seen."""
    predicted, filtered, carried, evidence = [], [], [], 0.0
    m, s = mean, covariance
    for i in range(len(times)):
        if i:
            flow, gathered = process.transition(times[i] - times[i - 1])
            m = process.center + flow @ (m - process.center)
            s = flow @ s @ flow.T + gathered
            carried.append(flow)
        predicted.append((m, s))
        for k in np.flatnonzero(seen == i):
            inner = operator @ s @ operator.T + spread
            gain, off = np.linalg.solve(inner, operator @ s).T, values[k] - operator @ m
            evidence -= 0.5 * off @ np.linalg.solve(inner, off)
            evidence -= 0.5 * np.linalg.slogdet(2.0 * np.pi * inner)[1]
            m, s = m + gain @ off, s - gain @ inner @ gain.T
        filtered.append((m, s))
    smoothed = [filtered[-1]]
    for i in range(len(times) - 2, -1, -1):
        (m, s), (n, r) = filtered[i], predicted[i + 1]
        gain = np.linalg.solve(r, carried[i] @ s).T
        later_m, later_s = smoothed[-1]
        smoothed.append((m + gain @ (later_m - n), s + gain @ (later_s - r) @ gain.T))
    means, covariances = (np.stack(a) for a in zip(*smoothed[::-1]))
    return means, covariances, evidence


def weighted_trajectories(drift, start, sigma, times, log_likelihood, seed=0):
    """Euler-Maruyama trajectories, their weights after observations, and the log-evidence.

    `log_likelihood` maps a step's number and all points to numbers, or is zero.
    """
    rng, x = np.random.default_rng(seed), start
    rows, logs = [x], log_likelihood(0, x)
    for i, h in enumerate(np.diff(times)):
        x = x + h * drift(x) + sigma * np.sqrt(h) * rng.normal(size=x.shape)
        rows.append(x)
        logs = logs + log_likelihood(i + 1, x)
    weights = np.exp(logs - logs.max())
    evidence = logs.max() + np.log(weights.mean())
    return np.stack(rows), weights / weights.sum(), evidence
