"""Laws of diffusions given observations, against Kalman smoothers and weighted trajectories."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from diffusions import (
    HORIZON,
    LINE,
    NOISE,
    PAIR,
    TURNING,
    WELL,
    densities,
    narrow,
    rauch_tung_striebel,
    turning_drift,
    weighted_trajectories,
    well_drift,
)
from liouville.curves import Constant
from liouville.diffusions._free import free_pieces
from liouville.diffusions._moments import grade_clock
from liouville.diffusions._posterior import posterior
from liouville.diffusions._smoothing import (
    Observations,
    StartEntropy,
    gaussian_observations,
    smooth,
)
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.paths import Full, LocationScale
from tolerances import ROUNDING

# Moments carried with 400 graded steps, and then the nearest curve on 17 knots.
CARRIED = 1e-5
# Means and variances after smoothing a linear diffusion; nats between the bound and the evidence.
SMOOTHED, SHORT = 1e-2, 0.1
# 40,000 weighted trajectories of 200 steps tell means and chances to about this, and the evidence
# to a hundredth; the rest is what 12 parts miss.
PARTICLES, EVIDENCE = 0.05, 0.15
SEEN_AT = np.array([0.3, 0.7, 1.2])
SEEN = np.array([[-0.5], [1.2], [0.6]])
OPERATOR, SPREAD = np.array([[1.0, 0.5]]), 0.2
ONE = GaussianMixture(np.ones(1), PAIR.means[:1], 2.0 * PAIR.covariances[:1])


def smoothed_by_kalman(times):
    return rauch_tung_striebel(
        TURNING,
        ONE.means[0],
        ONE.covariances[0],
        times,
        np.searchsorted(times, SEEN_AT),
        SEEN,
        OPERATOR,
        np.array([[SPREAD**2]]),
    )


@pytest.mark.slow
def test_one_piece_of_a_linear_diffusion_is_smoothed_exactly():
    clock = np.union1d(grade_clock(ONE, jnp.asarray(NOISE), HORIZON, 200), SEEN_AT)
    _, (pieces,) = free_pieces(ONE, jnp.asarray(NOISE), clock, turning_drift, parts=4)
    seen = gaussian_observations(SEEN_AT, SEEN, SPREAD, OPERATOR)
    after = posterior(pieces, np.searchsorted(clock, SEEN_AT), seen.values, seen.log_likelihood)
    means, covariances, _ = smoothed_by_kalman(clock)
    assert np.allclose(after.means[:, 0], means, atol=CARRIED)
    assert np.allclose(after.covariances[:, 0], covariances, atol=CARRIED)
    # Without the second observation it is another posterior.
    fewer = posterior(
        pieces, np.searchsorted(clock, SEEN_AT[[0, 2]]), SEEN[[0, 2]], seen.log_likelihood
    )
    assert not np.allclose(fewer.means[:, 0], means, atol=0.1)


@pytest.mark.slow
def test_weights_after_observations_are_bayes_rule():
    """Two parts that do not move, one observation: the weights are known."""
    clock = np.linspace(0.0, 1.0, 11)
    pair = GaussianMixture(
        np.array([0.4, 0.6]), np.array([[-1.0], [2.0]]), np.array([[[0.5]], [[0.2]]])
    )
    _, (pieces,) = free_pieces(pair, 0.5, clock, lambda t, x: 0.0 * x, parts=2)
    seen = gaussian_observations([1.0], [0.3], 0.4)
    after = posterior(pieces, np.array([10]), seen.values, seen.log_likelihood)
    variances = pair.covariances[:, 0, 0] + 0.25 + 0.16
    joint = pair.weights * np.exp(-0.5 * (0.3 - pair.means[:, 0]) ** 2 / variances)
    joint /= np.sqrt(variances)
    assert np.allclose(after.weights, joint / joint.sum(), atol=1e-6)


def test_the_entropy_of_a_start_that_is_the_prior_is_zero():
    still = LocationScale(
        Constant(jnp.asarray(PAIR.means)),
        Constant(Full().from_covariance(jnp.asarray(PAIR.covariances))),
        jnp.log(jnp.asarray(PAIR.weights)),
        scale=Full(),
    )
    entropy = eqx.filter_jit(lambda term: term(still, key=jr.key(0)))
    assert abs(entropy(StartEntropy.of(PAIR, 64))) < ROUNDING
    other = GaussianMixture(PAIR.weights, PAIR.means + 1.0, PAIR.covariances)
    assert entropy(StartEntropy.of(other, 64)) > 1.0


def moments_of(path, times):
    """Means and covariances of a rescaled mixture at some times, exactly."""

    def at(t):
        marginal = path.at(t)
        weights, frames = jnp.exp(marginal.marginal.log_weights), marginal.marginal.frames
        means = marginal.center + marginal.scale * frames.location
        factors = marginal.scale[:, None] * frames.factor
        mean = weights @ means
        within = factors @ factors.swapaxes(-1, -2)
        off = means - mean
        return mean, jnp.tensordot(weights, within, axes=1) + (weights * off.T) @ off

    return tuple(np.asarray(a) for a in jax.lax.map(at, jnp.asarray(times)))


@pytest.mark.slow
def test_a_linear_diffusion_is_smoothed_as_by_rauch_tung_and_striebel():
    times = np.union1d(np.linspace(0.0, HORIZON, 31), SEEN_AT)
    means, covariances, evidence = smoothed_by_kalman(times)
    seen = gaussian_observations(SEEN_AT, SEEN, SPREAD, OPERATOR)
    found = smooth(turning_drift, ONE, NOISE, HORIZON, seen, parts=1, steps=1000, rate=3e-3)
    ours, spreads = moments_of(found.path, times)
    print(found.elbo, evidence, np.abs(ours - means).max(), np.abs(spreads - covariances).max())
    assert np.abs(ours - means).max() < SMOOTHED
    assert np.abs(spreads - covariances).max() < SMOOTHED
    # A lower bound, and nearly equal.
    assert evidence - SHORT < found.elbo < evidence + 5.0 * found.elbo_error
    assert np.isclose(sum(found.terms.values()), -found.elbo, rtol=1e-6)
    # An ignored observation would show.
    alone = np.union1d(times, SEEN_AT)
    ignored = rauch_tung_striebel(
        TURNING,
        ONE.means[0],
        ONE.covariances[0],
        alone,
        np.searchsorted(alone, SEEN_AT[:2]),
        SEEN[:2],
        OPERATOR,
        np.array([[SPREAD**2]]),
    )
    assert np.abs(ignored[0] - ours).max() > 5.0 * SMOOTHED


@pytest.mark.slow
def test_a_double_well_is_smoothed_as_by_particles():
    times, seen_at = np.linspace(0.0, 1.5, 201), np.array([0.6, 1.2])
    values, spread = np.array([[-0.3], [0.6]]), 0.4
    source, places = narrow(-0.8, 0.1), np.searchsorted(times, seen_at - 1e-9)

    def log_likelihood(i, x):
        y = values[places == i, 0]
        if not y.size:
            return np.zeros(len(x))
        return -0.5 * ((y[0] - x) / spread) ** 2 - np.log(spread * np.sqrt(2.0 * np.pi))

    start = source.sample(40_000, seed=1)[0][:, 0]
    x, weights, evidence = weighted_trajectories(
        WELL.drift, start, WELL.sigma, times, log_likelihood
    )
    means = x @ weights
    spreads, right = x**2 @ weights - means**2, (x > 0) @ weights
    seen = gaussian_observations(seen_at, values, spread)
    found = smooth(well_drift, source, WELL.sigma, 1.5, seen, parts=12, steps=3000)
    some = slice(None, None, 20)
    ours, variances = moments_of(found.path, times[some])
    chances = [
        np.exp(row)[LINE > 0].sum() * (LINE[1] - LINE[0])
        for row in densities(found.path, times[some])
    ]
    errors = [
        np.abs(ours[:, 0] - means[some]).max(),
        np.abs(variances[:, 0, 0] - spreads[some]).max(),
        np.abs(chances - right[some]).max(),
    ]
    print(found.elbo, found.elbo_error, evidence, errors)
    assert max(errors) < PARTICLES
    assert evidence - EVIDENCE < found.elbo < evidence + 0.02
    # The prior, which saw nothing, is another law.
    assert np.abs(x.mean(axis=1)[some] - ours[:, 0]).max() > 3.0 * PARTICLES


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (gaussian_observations([1.2], [0.2], 0.1), r"t = 1.2 lies outside \[0, 1\]"),
        (gaussian_observations([-0.1], [0.2], 0.1), "lies outside"),
        (gaussian_observations([0.1, 0.2], [0.2], 0.1), "2 times but 1 observations"),
        (gaussian_observations([0.1, 0.2], [0.2, np.nan], 0.1), "observation 1 at t = 0.2"),
        (Observations(np.array([0.5]), np.ones((1, 1)), lambda y, x: y - x), "log-likelihood"),
        (
            Observations(np.array([0.5]), np.ones((1, 1)), lambda y, x: jnp.log(-1.0 - x @ x)),
            r"at t = 0.5 is nan at x = \[0.1\]",
        ),
    ],
)
def test_observations_that_are_none(seen, message):
    with pytest.raises(LiouvilleError, match=message):
        smooth(well_drift, narrow(0.1), 0.7, 1.0, seen, steps=1, parts=2)


def test_observations_need_noise():
    with pytest.raises(LiouvilleError, match="noise of the observations is 0"):
        gaussian_observations([0.1], [0.2], 0.0)
