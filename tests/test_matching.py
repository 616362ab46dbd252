"""Drift matching: what paths are made of, moments, the Fokker-Planck equation."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.linalg import expm

from diffusions import (
    CENTER,
    HORIZON,
    LINE,
    NOISE,
    PAIR,
    RATE,
    TURNING,
    WELL,
    densities,
    finite_volume,
    narrow,
    turning_drift,
    well_drift,
)
from liouville.checks import continuity
from liouville.curves import Constant, Jumping, Kinked, Knots
from liouville.diffusions._free import free_paths, free_pieces
from liouville.diffusions._matching import solve_fokker_planck
from liouville.diffusions._moments import grade_clock
from liouville.diffusions._smoothing import (
    gaussian_observations,
    smooth,
)
from liouville.diffusions._turning import spins
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.weights import GroupedWeights
from liouville.paths import Full, LocationScale, Turning
from liouville.problems.control import DoubleWell, OrnsteinUhlenbeck
from tolerances import ROUNDING

# Nats, at every time: what is asked of a linear diffusion.
OU_KL = 1e-4
# Moments carried with 400 graded steps, and then the nearest curve on 17 knots.
CARRIED = 1e-5
# Total variation and nats of 16 parts after 1,500 steps in a double well.
WELL_TV, WELL_KL = 0.02, 5e-3
# Nats over all ten coordinates of eight parts after 1,000 steps.
TEN_KL = 5e-3


def divergence(path, law: GaussianMixture, t: float, n: int = 2000) -> float:
    """Nats from the path to a mixture, over draws of the path."""
    marginal = path.at(jnp.asarray(t))
    points = jax.vmap(lambda k: marginal.sample(key=k))(jr.split(jr.key(0), n))
    ours = np.asarray(jax.vmap(marginal.log_density)(points))
    ratio = law.log_density(np.asarray(points)) - ours
    # E[e^r] = 1, so this has the same mean as -r and far less spread.
    return float(np.mean(np.expm1(ratio) - ratio))


# The parts that paths are made of.


def test_weights_of_a_group_share_what_it_has():
    groups = jnp.array([0, 0, 1, 1, 1])
    logits = jnp.array([0.3, -2.0, 5.0, 1.0, 0.0])
    weights = np.exp(GroupedWeights(logits, groups, Fixed(jnp.array([0.2, 0.8]))).value)
    assert np.allclose(np.bincount(groups, weights), [0.2, 0.8], atol=ROUNDING)
    assert np.isclose(weights[0] / weights[1], np.exp(2.3))


@pytest.mark.slow
def test_turning_changes_the_velocity_and_nothing_else():
    knots = [0.0, 0.5, 1.0]
    raw = jr.normal(jr.key(0), (3, 2, 3, 3))
    where = Knots(knots, jr.normal(jr.key(1), (3, 2, 3)))
    turning, still = (
        LocationScale(where, Knots(knots, raw), jnp.array([0.2, -0.1]), scale=s)
        for s in (Turning(), Full())
    )
    t, x = jnp.asarray(0.3), jnp.array([0.4, -1.0, 0.2])
    ours, other = turning.at(t), still.at(t)
    assert np.isclose(ours.log_density(x), other.log_density(x), atol=ROUNDING)
    assert np.abs(ours.velocity(x) - other.velocity(x)).max() > 0.01
    points = 3.0 * jr.normal(jr.key(2), (64, 3))
    assert continuity(turning, jr.uniform(jr.key(3), (64,)), points).passed


def test_the_turn_of_a_linear_drift():
    """A part with this turn moves by the current velocity, J + D S^-1 / 2: no symmetric one."""
    covariance, noise = PAIR.covariances[0], NOISE @ NOISE.T
    raw = np.asarray(Turning().from_covariance(jnp.asarray(covariance)))
    turn = spins(covariance, -RATE, noise)
    rate = -RATE @ covariance
    moved = (covariance + e * (rate + rate.T + noise) for e in (-1e-5, 1e-5))
    less, more = (np.asarray(Turning().from_covariance(jnp.asarray(s))) for s in moved)
    numbers = (np.zeros(2), np.zeros(2), raw + np.triu(turn, 1), (more - less) / 2e-5)
    frames = Turning().frames(*(jnp.asarray(a)[None] for a in numbers), is_rotation_invariant=True)
    wanted = -RATE + 0.5 * noise @ np.linalg.inv(covariance)
    assert np.allclose(frames.generator[0], wanted, atol=1e-6)
    assert not np.allclose(wanted, wanted.T, atol=0.1)


def test_a_kinked_curve_bends_where_it_should():
    smooth = Knots([0.0, 1.0], jnp.array([[1.0], [2.0]]))
    curve = Kinked(smooth, jnp.array([[0.3]]), (0.4,), (0.1,))
    slope = jax.jit(jax.jacfwd(curve))
    before, after = (slope(jnp.asarray(t))[0] for t in (0.4 - 1e-9, 0.4 + 1e-9))
    assert np.isclose(after - before, -2.0 * 0.3 / 0.1, atol=1e-6)
    assert np.isclose(curve(jnp.asarray(0.4))[0], 1.7)


def test_only_turns_may_jump():
    flat = Constant(jnp.zeros((1, 2, 2)))
    curve = Jumping(flat, jnp.ones((1, 1, 2, 2)), (0.4,), (0.1,))
    before, after = (curve(jnp.asarray(t))[0] for t in (0.4 - 1e-9, 0.4 + 1e-9))
    assert np.allclose(after - before, [[0.0, 2.0], [0.0, 0.0]], atol=1e-6)


# Moments.


@pytest.mark.slow
def test_pieces_of_a_linear_diffusion_add_up():
    clock = grade_clock(PAIR, jnp.asarray(NOISE), HORIZON, 100)
    _, ways = free_pieces(PAIR, jnp.asarray(NOISE), clock, turning_drift, parts=12, is_cut=True)
    assert len(ways) == 8
    for pieces in ways:
        for j in (0, 30, 100):
            law = TURNING.law(clock[j], PAIR)
            found = GaussianMixture(pieces.weights, pieces.moments.means[j], pieces.covariances[j])
            assert np.allclose(found.mean, law.mean, atol=1e-3)
            assert np.allclose(found.covariance, law.covariance, atol=5e-3)


@pytest.mark.slow
def test_paths_start_as_the_source_and_stay_near_a_linear_diffusion():
    (path,) = free_paths(PAIR, jnp.asarray(NOISE), HORIZON, turning_drift, parts=12)
    assert divergence(path, PAIR, 0.0) < ROUNDING
    for t in (0.01, 0.3, 1.0):
        assert divergence(path, TURNING.law(t, PAIR), t) < CARRIED
        assert divergence(path, TURNING.law(t + 0.05, PAIR), t) > 10.0 * CARRIED


@pytest.mark.slow
def test_cut_parts_start_as_the_source():
    paths = free_paths(narrow(0.1), 0.7, 1.0, well_drift, parts=6, knots=9)
    assert len(paths) == 4
    for path in paths:
        assert isinstance(path.path, LocationScale)
        assert value_of(path.path.logits).shape == (6,)
        assert divergence(path, narrow(0.1), 0.0) < ROUNDING


# Fokker-Planck.


@pytest.mark.slow
def test_ornstein_uhlenbeck_from_a_mixture():
    found = solve_fokker_planck(turning_drift, PAIR, NOISE, HORIZON, parts=2, steps=300)
    assert found.bound < 1e-3
    for t in np.linspace(0.0, HORIZON, 13):
        assert divergence(found.path, TURNING.law(t, PAIR), t) < OU_KL
    # A plane that turns the other way.
    other = OrnsteinUhlenbeck(RATE.T, CENTER, NOISE)
    assert divergence(found.path, other.law(0.5, PAIR), 0.5) > 100.0 * OU_KL


def true_densities(source: GaussianMixture, times, well=WELL):
    start = np.exp(source.log_density(LINE[:, None]))
    return finite_volume(well.drift, well.sigma, start, LINE, times)


def test_finite_volumes_keep_mass_and_find_the_stationary_law():
    times = np.array([0.0, 0.5, 30.0])
    found = true_densities(narrow(0.1), times)
    cell = LINE[1] - LINE[0]
    assert np.allclose(cell * found.sum(axis=1), 1.0, atol=1e-9)
    assert np.isclose(cell * found[-1] @ LINE**2, WELL.moment(2), atol=1e-3)
    assert not np.isclose(cell * found[1] @ LINE**2, WELL.moment(2), atol=1e-2)


@pytest.mark.slow
def test_a_double_well_splits_as_it_should():
    source, times = narrow(0.1), np.array([0.0, 0.05, 0.2, 0.5, 1.0, 1.5, 2.0])
    found = solve_fokker_planck(well_drift, source, WELL.sigma, 2.0, parts=16, steps=1500)
    ours, truth = densities(found.path, times), true_densities(source, times)
    cell = LINE[1] - LINE[0]
    nats = cell * np.sum(np.exp(ours) * (ours - np.log(np.maximum(truth, 1e-300))), axis=1)
    variation = 0.5 * cell * np.abs(np.exp(ours) - truth).sum(axis=1)
    print(found.bound, found.bound_error, nats, variation)
    assert variation.max() < WELL_TV
    assert nats.max() < WELL_KL
    # The bound holds at all times; finite volumes themselves are off by 1e-5 nats.
    bounds = np.interp(times, found.times, found.bounds)
    assert np.all(nats <= bounds + 5.0 * found.bound_error + 1e-4)
    assert variation.max() <= found.total_variation + 1e-3
    # It does not hold for wells that are half as deep.
    other = true_densities(source, times, DoubleWell(0.5, 0.7))
    wrong = cell * np.sum(np.exp(ours) * (ours - np.log(np.maximum(other, 1e-300))), axis=1)
    assert wrong.max() > 10.0 * found.bound


def ten_coordinates():
    """A double well and nine linear coordinates, seen through a rotation."""
    rng = np.random.default_rng(0)
    turn = expm((lambda a: a - a.T)(rng.normal(size=(10, 10)) / 3.0))
    return turn, np.linspace(0.5, 2.0, 9)


@pytest.mark.slow
def test_ten_coordinates():
    turn, rates = ten_coordinates()
    matrix, slow = jnp.asarray(turn), jnp.asarray(rates)

    def drift(t, x):
        z = matrix.T @ x
        return matrix @ jnp.concatenate([-4.0 * z[:1] * (z[:1] ** 2 - 1.0), -slow * z[1:]])

    start = np.concatenate([[0.2], np.ones(9)])
    variances = np.concatenate([[0.1], np.full(9, 0.5)])
    source = GaussianMixture(
        np.ones(1), (turn @ start)[None], (turn @ np.diag(variances) @ turn.T)[None]
    )
    found = solve_fokker_planck(drift, source, 0.7, 1.0, parts=8, steps=1000, knots=13)
    times = np.array([0.0, 0.3, 1.0])
    truth = true_densities(narrow(0.2, 0.1), times)
    process = OrnsteinUhlenbeck(np.diag(rates), np.zeros(9), 0.7 * np.eye(9))

    @jax.jit
    def draws(t, keys):
        marginal = found.path.at(t)
        points = jax.vmap(lambda k: marginal.sample(key=k))(keys)
        return points, jax.vmap(marginal.log_density)(points)

    nats, keys = [], jr.split(jr.key(0), 4000)
    for t, density in zip(times, truth):
        points, ours = (np.asarray(a) for a in draws(jnp.asarray(t), keys))
        z = points @ turn
        rest = GaussianMixture(np.ones(1), start[None, 1:], np.diag(variances[1:])[None])
        logs = np.interp(z[:, 0], LINE, np.log(density)) + process.law(t, rest).log_density(
            z[:, 1:]
        )
        nats.append(np.mean(np.expm1(logs - ours) - (logs - ours)))
    print(found.bound, found.bound_error, nats)
    assert max(nats) < TEN_KL
    assert max(nats) < found.bound + 5.0 * found.bound_error + 0.01
    # The law of a start that does not move is another one.
    points, ours = (np.asarray(a) for a in draws(jnp.asarray(1.0), keys))
    assert np.mean(ours - source.log_density(points)) > 10.0 * TEN_KL


# What cannot be used.


def broken(t, x):
    return jnp.where(x > 0.0, jnp.nan, -x)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": 0.0}, "sigma is 0"),
        ({"sigma": -1.0}, "sigma is -1"),
        ({"sigma": np.zeros((1, 1))}, "no inverse"),
        ({"sigma": np.eye(2)}, r"shape \(2, 2\)"),
        ({"sigma": lambda t, x: jnp.eye(3)}, r"sigma returns shape \(3, 3\) for t of"),
        ({"horizon": 0.0}, "horizon is 0"),
        ({"horizon": np.inf}, "horizon is inf"),
        (
            {"drift": lambda t, x: x @ x},
            r"returns shape \(\) for t of shape \(\), x of shape \(1,\)",
        ),
        ({"drift": lambda t, x: jnp.ones(2)}, r"returns shape \(2,\)"),
        ({"drift": broken}, r"the drift is \(nan\) at t = 0, x = \(0\."),
    ],
)
def test_processes_that_are_none(change, message):
    given = {"drift": well_drift, "sigma": 0.7, "horizon": 1.0, **change}
    with pytest.raises(LiouvilleError, match=message):
        solve_fokker_planck(source=narrow(0.1), steps=1, parts=2, **given)
    seen = gaussian_observations([0.0], [0.2], 0.1)
    with pytest.raises(LiouvilleError, match=message):
        smooth(source=narrow(0.1), observations=seen, steps=1, parts=2, **given)


def test_a_drift_that_breaks_where_the_population_goes():
    def drift(t, x):
        return jnp.where(x > 2.0, jnp.nan, 3.0 * jnp.ones_like(x))

    with pytest.raises(LiouvilleError, match=r"leave all bounds|the drift is"):
        solve_fokker_planck(drift, narrow(0.0, 0.01), 0.5, 1.0, steps=1, parts=2)
