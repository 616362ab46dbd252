"""The parts between two ends: closed forms, cuts, hard ends, joined pieces."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.diffusions.bridges import (
    Parts,
    between,
    opening_between,
    path_along,
    split_parts,
    whole_parts,
)
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.numerics.parameters import value_of
from liouville.paths import Joined, LocationScale
from liouville.problems import bridge_cross, bures
from liouville.tasks.transport.measure import bounds
from makers import cast, jolted
from registry import build
from test_problems import M0, M1, S0, S1, bridge
from tolerances import ROUNDING, SINGLE
from transport_cases import mixture

# Relative error of the discrete estimates from 500 points in the plane, twice repeated.
DISCRETE = 0.05
# What draws tell of the covariance of an end part that was cut along some 2,000 of them.
CUT = 0.15


# Closed forms.


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.0])
def test_bridge_cross_is_that_of_the_bridge(sigma):
    cross, t = bridge_cross(S0, S1, sigma**2), 0.3
    expected = bridge(sigma).cov(t)
    found = (1 - t) ** 2 * S0 + t**2 * S1 + t * (1 - t) * (cross + cross.T + sigma**2 * np.eye(2))
    assert np.allclose(found, expected, atol=ROUNDING)
    # The law of both ends is a Gaussian: its covariance is positive definite.
    assert np.linalg.eigvalsh(np.block([[S0, cross], [cross.T, S1]])).min() > -ROUNDING


def test_bridge_cross_without_noise_is_that_of_the_optimal_map():
    cross = bridge_cross(S0, S1, 0.0)
    distance = np.sum((M0 - M1) ** 2) + np.trace(S0 + S1 - 2.0 * cross)
    assert np.isclose(distance, bures(M0, S0, M1, S1), rtol=1e-10)
    # The map is S0^-1 C transposed: symmetric, and it carries S0 to S1.
    matrix = np.linalg.solve(S0, cross)
    assert np.allclose(matrix, matrix.T, atol=1e-10)
    assert np.allclose(matrix @ S0 @ matrix.T, S1, atol=1e-10)


def test_with_much_noise_the_ends_are_nearly_independent():
    assert np.abs(bridge_cross(S0, S1, 1e4)).max() < 1e-3


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_bounds_of_gaussians(sigma):
    found = bounds(gaussian(M0, S0), gaussian(M1, S1), sigma, points=500, repeats=2)
    exact = bridge(sigma).energy()
    assert found.is_exact
    assert found.gaussian is not None
    assert np.isclose(found.gaussian, exact, rtol=1e-7)
    assert found.least == found.gaussian
    assert abs(found.discrete.value / exact - 1.0) < DISCRETE
    assert np.isfinite(found.discrete.error)


def test_no_least_energy_is_below_the_bound_of_the_moments():
    """One part in 2,000 is a thousand away: few draws see it, the moments do."""
    far = GaussianMixture(
        np.array([0.9995, 0.0005]), np.array([[0.0], [1000.0]]), np.ones((2, 1, 1))
    )
    found = bounds(far, gaussian(np.zeros(1), np.eye(1)), 0.0, points=500, repeats=2)
    assert found.gaussian is not None
    assert found.discrete.value < found.gaussian == found.least


def test_bounds_of_mixtures():
    source, target = gaussian(np.zeros(2), np.eye(2)), mixture(1, 3)
    found = bounds(source, target, 0.0, points=500, repeats=2)
    assert not found.is_exact
    assert found.gaussian is not None
    # Gelbrich's bound, up to what draws leave.
    assert found.gaussian < found.discrete.value * (1.0 + DISCRETE)
    assert found.least == found.discrete.value
    assert bounds(source, target, 1.0, points=200, repeats=2).gaussian is None


# Parts.


ENDS = (mixture(1, 2), mixture(2, 3))


def parts_of(kind: str) -> Parts:
    found = whole_parts(*ENDS) if kind == "whole" else split_parts(*ENDS, 9, 0.3)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [pytest.param("whole", marks=pytest.mark.slow), "cut"])
def test_weights_of_parts_couple_the_ends(kind):
    parts = parts_of(kind)
    for own, end in zip((parts.sources, parts.targets), ENDS):
        assert np.allclose(np.bincount(own, parts.weights), end.weights, atol=1e-9)
    assert parts.weights.min() > 0
    assert parts.means.shape == (2, len(parts.weights), 2)
    assert np.linalg.eigvalsh(parts.covariances).min() > 0


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "sigma"), [(1e-4, 0.0), (1e-2, 1.0)])
def test_parts_leave_narrow_ends_as_fast_as_bridges(scale, sigma):
    """Bridges are met at the share of the time in which they leave, and far from it."""
    source, target = (
        gaussian(np.array([x, 0.0]), s**2 * np.eye(2)) for x, s in ((-1.0, 0.5), (1.0, scale))
    )
    opening = opening_between(source, target, sigma**2)
    whole = whole_parts(source, target)
    path = path_along(whole, source, target, (0.0, 1.0), sigma, opening=min(opening, 0.02))
    shares = np.array([0.5, *(1.0 - opening * np.array([5.0, 1.0, 0.1]))])
    first, last = ((m.means[0], m.covariances[0]) for m in (source, target))
    for s in shares:
        mean, covariance = between(first, last, s, sigma**2)
        # Of a Gaussian the density at the mean says the scale.
        found = path.at(jnp.asarray(s)).log_density(jnp.asarray(mean))
        truth = -np.log(2.0 * np.pi) - 0.5 * np.log(np.linalg.det(covariance))
        assert abs(found - truth) < 0.1, s


def test_whole_parts_follow_the_best_coupling_of_gaussians():
    parts = whole_parts(*ENDS)
    assert len(parts.weights) <= 2 + 3 - 1
    assert np.array_equal(parts.means[0], ENDS[0].means[parts.sources])
    assert np.array_equal(parts.covariances[1], ENDS[1].covariances[parts.targets])


def test_opening_changes_neither_mean_nor_covariance_of_an_end_part():
    parts = parts_of("cut")
    for side, own in enumerate((parts.sources, parts.targets)):
        for k in range(len(ENDS[side].weights)):
            chosen = own == k
            group = GaussianMixture(
                parts.weights[chosen] / parts.weights[chosen].sum(),
                parts.means[side][chosen],
                parts.covariances[side][chosen],
            )
            assert np.allclose(group.mean, ENDS[side].means[k], atol=1e-9)
            whole = ENDS[side].covariances[k]
            error = np.linalg.norm(group.covariance - whole) / np.linalg.norm(whole)
            assert error < CUT
            # And it is cut: the parts alone are smaller than the whole.
            if chosen.sum() > 1:
                alone = np.trace(np.tensordot(group.weights, group.covariances, axes=1))
                assert alone < 0.9 * np.trace(whole)


# Hard ends.


@eqx.filter_jit
def densities(path: Any, t: Any, x: Any) -> jax.Array:
    marginal = path.at(t)
    return jax.vmap(marginal.log_density)(x)


def moving(kind: str, weights: Any = "learned", ends: Any = ENDS) -> LocationScale:
    """A path between ends whose learned numbers are all moved, as by any training."""
    source, target = ends
    whole = kind == "whole"
    made = whole_parts(source, target) if whole else split_parts(source, target, 9, 0.3)
    assert made is not None
    path = path_along(made, source, target, (0.2, 1.5), 0.5, weights=weights)
    return jolted(path, jr.key(4), 0.3)


def largest_error(path: Any, dtype: Any = jnp.float64, ends: Any = ENDS) -> float:
    """The largest error of the log-density at both ends, at draws of them."""
    errors = []
    for t, end in zip((0.2, 1.5), ends):
        x, _ = end.sample(100, seed=3)
        found = densities(cast(path, dtype), jnp.asarray(t, dtype), jnp.asarray(x, dtype))
        errors.append(np.abs(np.asarray(found) - end.log_density(x)).max())
    return max(errors)


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        pytest.param("cut", "learned", marks=pytest.mark.slow),
        ("whole", "fixed"),
        pytest.param("cut", "fixed", marks=pytest.mark.slow),
        pytest.param("whole", "learned", marks=pytest.mark.slow),
    ],
)
def test_ends_are_met_whatever_is_learned(kind, weights):
    path = moving(kind, weights)
    assert largest_error(path) < 1e-9
    if weights == "learned":
        assert largest_error(path, jnp.float32) < SINGLE
    # In between the learned numbers do count.
    x = jnp.asarray(ENDS[0].sample(5)[0])
    still = path_along(parts_of(kind), *ENDS, (0.2, 1.5), 0.5, weights=weights)  # pyright: ignore[reportArgumentType]
    there = [densities(p, jnp.asarray(0.8), x) for p in (path, still)]
    assert np.abs(there[0] - there[1]).max() > 0.01


@pytest.mark.slow
def test_free_weights_miss_the_ends():
    """The negative control: logits that move without being coupled."""
    path = moving("cut")
    loose = eqx.tree_at(lambda p: p.logits, path, jnp.asarray(value_of(path.logits)))
    assert largest_error(loose) < 1e-9
    assert largest_error(jolted(loose, jr.key(5), 0.3)) > 0.01


@pytest.mark.slow
def test_ends_narrower_than_the_smallest_scale_are_met():
    ends = (gaussian(np.zeros(2), 1e-8 * np.eye(2)), gaussian(np.ones(2), np.diag([1e-7, 1.0])))
    assert largest_error(moving("whole", ends=ends), ends=ends) < 1e-6


@pytest.mark.slow
def test_the_first_path_between_gaussians_is_the_bridge():
    ends = (gaussian(M0, S0), gaussian(M1, S1))
    path = path_along(whole_parts(*ends), *ends, (0.0, 1.0), 0.7)
    problem = bridge(0.7)
    for t in (0.0, 0.15, 0.5, 0.85, 1.0):
        frames: Any = path.at(jnp.asarray(t)).frames
        factor = frames.factor[0]
        assert np.allclose(frames.location[0], problem.mean(t), atol=1e-6)
        assert np.allclose(factor @ factor.T, problem.cov(t), atol=1e-6)


# Joined paths.


@pytest.mark.slow
def test_densities_agree_on_both_sides_of_a_joint():
    path: Any = build("joined")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(20, 2)))
    first, last = (densities(piece, jnp.asarray(1.2), x) for piece in path.pieces)
    assert np.allclose(first, last, atol=1e-9)
    assert np.allclose(densities(path, jnp.asarray(1.2), x), last, atol=ROUNDING)
    sides = [densities(path, jnp.asarray(1.2 + s), x) for s in (-1e-9, 1e-9)]
    assert np.allclose(*sides, atol=1e-6)
    # The velocity jumps.
    velocities = eqx.filter_jit(lambda p, y: jax.vmap(p.at(jnp.asarray(1.2)).velocity)(y))
    rates = [velocities(p, x) for p in path.pieces]
    assert np.abs(rates[0] - rates[1]).max() > 0.01


@pytest.mark.parametrize(("t", "piece"), [(-2.0, 0), (1.1, 0), (1.2, 1), (1.3, 1), (4.0, 1)])
def test_each_time_is_answered_by_its_piece(t, piece):
    path: Any = build("joined")
    x = jnp.asarray([[0.3, -0.2]])
    assert np.allclose(
        densities(path, jnp.asarray(t), x), densities(path.pieces[piece], jnp.asarray(t), x)
    )


@pytest.mark.slow
def test_particles_of_a_piece_with_fewer_parts_are_filled_up_without_weight(getkey):
    """The pieces of four and of two parts give eight and six points where six are wanted."""
    path: Any = build("joined")
    key = getkey()
    draw = eqx.filter_jit(lambda p, t, k: p.at(t).particles(6, key=k))
    for t, number, own in ((0.2, 0, 8), (1.9, 1, 6)):
        x, weights = draw(path, jnp.asarray(t), key)
        points, shares = draw(path.pieces[number], jnp.asarray(t), jr.fold_in(key, number))
        assert len(weights) == 8
        assert len(shares) == own
        assert np.allclose(x[:own], points, atol=ROUNDING)
        assert np.allclose(weights[:own], shares, atol=ROUNDING)
        assert not np.any(weights[own:])
        assert np.isfinite(x).all()


BAD_JOINTS = [
    ((0.0, 1.0), "2 pieces need 3 times"),
    ((0.0, 1.0, 1.0), "are not increasing"),
    ((0.0, float("nan"), 1.0), "are not increasing"),
]


@pytest.mark.parametrize(("times", "message"), BAD_JOINTS)
def test_joints_must_fit(times, message):
    pieces: Any = build("joined")
    with pytest.raises(ValueError, match=message):
        Joined(pieces.pieces, times)


def test_joined_paths_have_one_dimension():
    with pytest.raises(ValueError, match=r"need one dimension, got \[1, 2\]"):
        Joined([build("gaussian-diagonal-linear"), build("joined")], (0.0, 1.0, 2.0))
    with pytest.raises(ValueError, match="0 pieces need 1 times"):
        Joined([], (0.0,))
