"""Transport between given distributions: hard ends, least energies, units, answers, bad input."""

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville as lv
from commands import call, error_of
from liouville import bridges
from liouville.bridges import Parts, path_along, split_parts, whole_parts
from liouville.curves import Constant, Knots
from liouville.data import Samples
from liouville.errors import LiouvilleError
from liouville.mixtures import GaussianMixture, gaussian
from liouville.parameters import value_of
from liouville.paths import Full, Joined, LocationScale
from liouville.problems import bridge_cross, bures
from liouville.training import Fit
from liouville.transport import TransportConfig, TransportFit, couple, fit_transport, transport_map
from liouville.transport import _fit as fits
from liouville.transport._config import DataConfig, EndsConfig
from liouville.transport._ends import End, read_ends
from liouville.transport._measure import Estimate, _compared, bounds, certify, measured
from liouville.transport._problem import (
    energy_term,
    problem_of,
    resolved,
    total_term,
    units_of,
)
from registry import build, cast, jolted
from test_problems import M0, M1, S0, S1, bridge
from tolerances import ROUNDING, SINGLE, STANDARD_ERRORS

# A path there and back with some 30 steps of order four between two ends.
ROUND_TRIP = 1e-4
# Relative error of the discrete estimates from 500 points in the plane, twice repeated.
DISCRETE = 0.05
# What draws tell of the covariance of an end part that was cut along some 2,000 of them.
CUT = 0.15
# Runs in other units do the same up to rounding, which some steps of training enlarge.
SAME_RUN = 1e-5

BRIEF: dict[str, Any] = {
    "training.steps": 10,
    "training.chunk": 10,
    "training.validate_every": 10,
    "training.checkpoint_every": 10,
    "objective.times": 4,
    "objective.particles": 16,
    "path.parts": 6,
}


def mixture(seed: int, parts: int, dim: int = 2) -> GaussianMixture:
    rng = np.random.default_rng(seed)
    factors = np.tril(0.3 * rng.normal(size=(parts, dim, dim))) + 0.6 * np.eye(dim)
    means = 2.0 * rng.normal(size=(parts, dim))
    return GaussianMixture(rng.dirichlet(np.full(parts, 5.0)), means, factors @ factors.mT)


def moved(end: GaussianMixture, factor: float, shift: Sequence[float]) -> GaussianMixture:
    return GaussianMixture(
        end.weights, factor * end.means + np.array(shift), factor**2 * end.covariances
    )


@pytest.fixture
def brief(monkeypatch) -> Callable[..., TransportFit]:
    """A fit of few steps, cut along few draws and without its certificate."""
    monkeypatch.setattr(bridges, "_DRAWS", 300)
    monkeypatch.setattr(fits, "certify", lambda *_, **__: {})

    def run(*sources: Any, times: Any = None, reference: Any = None, cost: Any = None, **more: Any):
        settings = BRIEF | {key.replace("__", "."): value for key, value in more.items()}
        return fit_transport(
            *sources, times=times, settings=settings, reference=reference, cost=cost, progress=False
        )

    return run


def energy_of(fit: TransportFit, piece: int = 0) -> float:
    """The energy of a piece in the user's units, from common random numbers."""
    problem = problem_of(fit.ends, fit.model.units, fit.config, None, None)
    path: Any = fit.model.path
    term = energy_term(problem, problem.times[piece : piece + 2], 32, 128)  # pyright: ignore[reportArgumentType]
    return measured(term, path.pieces[piece]).value * problem.energy_scale


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


@pytest.mark.parametrize("kind", ["whole", "cut"])
def test_weights_of_parts_couple_the_ends(kind):
    parts = parts_of(kind)
    for own, end in zip((parts.sources, parts.targets), ENDS):
        assert np.allclose(np.bincount(own, parts.weights), end.weights, atol=1e-9)
    assert parts.weights.min() > 0
    assert parts.means.shape == (2, len(parts.weights), 2)
    assert np.linalg.eigvalsh(parts.covariances).min() > 0


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


# Fits.


@pytest.mark.slow
def test_three_ends_at_unequal_times_are_met_after_training(brief):
    ends = [gaussian(np.array([10.0, 20.0]), 9.0 * np.eye(2)), mixture(1, 2), mixture(2, 1)]
    fit = brief(*ends, times=(1.0, 1.5, 4.0))
    assert fit.config.data.times == (1.0, 1.5, 4.0)
    assert fit.summary["steps"] == 10
    for t, end in zip((1.0, 1.5, 4.0), ends):
        x, _ = end.sample(50, seed=1)
        assert np.allclose(fit.model.log_density(t, x), end.log_density(x), atol=1e-6)
    # Away from its time an end is not met: the negative control.
    x, _ = ends[1].sample(50, seed=1)
    assert np.abs(fit.model.log_density(2.5, x) - ends[1].log_density(x)).max() > 0.01
    points = ends[0].sample(20, seed=2)[0]
    there = transport_map(fit.model, points)
    assert np.abs(there - points).max() > 1.0
    back = transport_map(fit.model, there, start=4.0, end=1.0)
    assert np.abs(back - points).max() < ROUND_TRIP * np.abs(points).max()
    partial = transport_map(fit.model, points, start=1.0, end=1.5)
    assert np.allclose(transport_map(fit.model, partial, start=1.5), there, atol=1e-2)
    pairs = couple(fit.model, points, there[::-1])
    assert pairs.tolist() == [[i, 19 - i] for i in range(20)]
    assert couple(fit.model, points, there[:7]).shape == (7, 2)
    for asked, message in (
        (lambda: transport_map(fit.model, points, start=1.0, end=1.0), "to itself moves nothing"),
        (lambda: transport_map(fit.model, points, draws=-1), "-1 draws"),
        (lambda: transport_map(fit.model, points, draws=2), "need noise"),
        (lambda: transport_map(fit.model, points[:, :1]), "do not fit a model of 2"),
        (lambda: couple(fit.model, np.zeros((6001, 2)), points), "too many to match"),
    ):
        with pytest.raises(LiouvilleError, match=message):
            asked()


@pytest.mark.slow
def test_space_and_time_change_the_energy_by_their_units_alone(brief):
    ends = [gaussian(np.zeros(2), np.eye(2)), mixture(1, 2)]
    plain = brief(*ends)
    energy = energy_of(plain)
    wide = brief(*(moved(end, 40.0, (300.0, -7.0)) for end in ends))
    assert np.isclose(energy_of(wide), 1600.0 * energy, rtol=SAME_RUN)
    x, _ = ends[0].sample(20)
    expected = 40.0 * transport_map(plain.model, x) + np.array([300.0, -7.0])
    found = transport_map(wide.model, 40.0 * x + np.array([300.0, -7.0]))
    assert np.allclose(found, expected, atol=40.0 * 1e-3)
    slow = brief(*ends, times=(0.0, 2.0))
    assert np.isclose(energy_of(slow), 0.5 * energy, rtol=SAME_RUN)
    late = brief(*ends, times=(5.0, 6.0))
    assert np.isclose(energy_of(late), energy, rtol=SAME_RUN)


@pytest.mark.slow
def test_ten_samples_are_enough(brief):
    x = np.random.default_rng(0).normal(size=(10, 2))
    fit = brief(x, x + 1.0)
    assert fit.ends[0].test is None
    assert np.isfinite(fit.model.log_density(0.0, x)).all()


@pytest.mark.slow
@pytest.mark.parametrize("asymmetry", [0.0, 0.5])
def test_training_that_does_harm_is_thrown_away(brief, monkeypatch, asymmetry):
    """Between Gaussians the start is optimal; training here does nothing but shake it."""
    ruined = []

    def shaken(path: Any, *_: Any, **__: Any) -> Fit:
        ruined.append(jolted(path, jr.key(1), 1.0))
        return Fit(ruined[0], [], "finished", 10)

    monkeypatch.setattr(fits, "fit", shaken)
    fit = brief(gaussian(M0, S0), gaussian(M1, S1), objective__asymmetry=asymmetry)
    least = 0.5 * bures(M0, S0, M1, S1)
    assert np.isclose(energy_of(fit), least, rtol=1e-3)
    # The negative control.
    shaken_fit = fit._replace(model=dataclasses.replace(fit.model, path=ruined[0]))
    assert energy_of(shaken_fit) > 1.1 * least


@pytest.mark.slow
def test_what_is_measured_has_the_weight_of_the_asymmetry():
    ends = [End(gaussian(M0, S0)), End(gaussian(M1, S1))]
    chosen = resolved(TransportConfig(), ends)
    problem = problem_of(ends, units_of(ends, chosen), chosen)
    parts = LocationScale(
        Knots((0.0, 1.0), jnp.zeros((2, 2, 2)), "linear"),
        Knots((0.0, 1.0), 0.4 * jr.normal(jr.key(1), (2, 2, 2, 2)), "linear"),
        jnp.zeros(2),
        scale=Full(),
    )
    path = Joined([parts], (0.0, 1.0))
    values = [
        measured(total_term(problem, times=4, particles=32, asymmetry=w), path).value
        for w in (0.0, 1.0, 3.0)
    ]
    assert values[1] > values[0]
    assert np.isclose(values[2] - values[0], 3.0 * (values[1] - values[0]), rtol=1e-9)


def test_one_discrete_problem_has_no_error():
    found = bounds(GOOD, mixture(1, 2), 0.0, points=50, repeats=1)
    assert np.isnan(found.discrete.error)
    written = _compared(Estimate(1.0, 0.0), found, 1.0, 1.0)
    assert "least energy (discrete problem)" in written
    assert "least energy, standard error" not in written
    json.dumps(written, allow_nan=False)


# References and costs, on paths whose energy is known.


def test_a_pull_with_its_own_equilibrium_costs_nothing():
    """dX = -x dt + dW keeps N(0, I/2), so to stay there takes no control."""
    ends = [gaussian(np.zeros(2), 0.5 * np.eye(2))] * 2
    path = LocationScale(
        Constant(jnp.zeros((1, 2))),
        Constant(Full().from_covariance(jnp.eye(2))[None]),
        jnp.zeros(1),
        scale=Full(),
    )

    def energy(settings):
        chosen = lv.config.merge(TransportConfig, flags={"objective.sigma": 1.0, **settings})
        found = read_ends(ends, chosen.data, chosen.ends)
        chosen = resolved(chosen, found)
        units = units_of(found, chosen)
        assert np.allclose(units.scale, np.sqrt(0.5))
        problem = problem_of(found, units, chosen, None, None)
        return measured(energy_term(problem, (0.0, 1.0), 8, 64), path).value * problem.energy_scale

    assert abs(energy({"objective.pull": 1.0})) < 1e-10
    # Against Brownian motion it takes the drift -x, of energy E|x|^2 / 2.
    assert np.isclose(energy({}), 0.5, rtol=0.1)


@pytest.mark.slow
def test_a_state_cost_is_avoided_at_the_price_of_energy():
    ends = [gaussian(np.array([-2.0, 0.0]), 0.1 * np.eye(2))]
    ends += [gaussian(np.array([2.0, 0.0]), 0.1 * np.eye(2))]

    def hill(t: Any, x: Any) -> Any:
        return 8.0 * jnp.exp(-0.5 * jnp.sum((x - jnp.asarray([0.0, -0.2])) ** 2) / 0.3)

    settings = BRIEF | {"training.steps": 400, "training.patience": None, "training.chunk": 10}
    settings |= {"certificate.points": 100, "objective.particles": 64, "objective.times": 16}
    straight = fit_transport(*ends, settings=settings | {"training.steps": 10}, progress=False)
    round_about = fit_transport(*ends, settings=settings, cost=hill, progress=False)
    found = round_about.summary
    plain = certify(straight.model, straight.ends, straight.config, cost=hill)
    assert found["cost"] < plain["cost"]
    assert found["energy"] > plain["energy"]
    # What is saved is more than what it costs, and more than the energies are uncertain by.
    totals = [figures["energy"] + figures["cost"] for figures in (found, plain)]
    errors = [figures["energy, standard error"] for figures in (found, plain)]
    assert totals[1] - totals[0] > STANDARD_ERRORS * np.hypot(*errors)


# The least energy.


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "most"), [(0.0, 1e-3), (1.0, 1e-2)])
def test_gaussians_reach_the_least_energy(sigma, most):
    settings = {"objective.sigma": sigma, "certificate.points": 200, "training.steps": 400}
    fit = fit_transport(gaussian(M0, S0), gaussian(M1, S1), settings=settings, progress=False)
    summary = fit.summary
    assert np.isclose(summary["least energy (closed form)"], bridge(sigma).energy(), rtol=1e-4)
    assert -3.0 * summary["energy, standard error"] < summary["gap"] < most
    kinds = ["velocity", "diffusion"][: 1 + (sigma > 0)]
    for kind in kinds:
        arrived = summary[f"W2 of arrival ({kind})"]
        assert arrived < 1.5 * summary["W2 of two draws of the end"] + 0.05


@pytest.mark.slow
def test_the_barycentric_map_of_a_bridge_is_affine(brief):
    ends = (gaussian(M0, S0), gaussian(M1, S1))
    fit = brief(*ends, objective__sigma=1.0, training__rate=1e-6)
    x, _ = ends[0].sample(12, seed=5)
    found = transport_map(fit.model, x, draws=2000)
    cross = bridge_cross(S0, S1, 1.0)
    expected = M1 + (x - M0) @ np.linalg.solve(S0, cross)
    # Given its start the end has variances below those of S1, 0.4 and 1.2, over 2,000 draws; and
    # the bias of Euler's method.
    assert np.abs(found - expected).max() < 5.0 * np.sqrt(1.2 / 2000) + 0.03
    one = transport_map(fit.model, x, draws=1)
    assert np.abs(one - expected).max() > 0.5


@pytest.mark.slow
def test_the_first_path_between_equal_ends_needs_no_energy():
    settings = BRIEF | {"certificate.points": 30, "training.steps": 0}
    fit = fit_transport("gaussian", "gaussian", settings=settings, progress=False)
    assert fit.summary["energy"] < 1e-3
    # No share of nothing is left.
    assert "gap" not in fit.summary
    json.dumps(fit.summary, allow_nan=False)


# Bad input.


def ends_from(*sources: Any, **more: Any) -> list:
    data, options = DataConfig(), EndsConfig(**more)
    return read_ends(sources, data, options)


def cloud(n: int, dim: int = 2) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, dim))


GOOD = gaussian(np.zeros(2), np.eye(2))
BAD_ENDS: dict[str, tuple[Any, str]] = {
    "none": ((), "0 distributions were given; transport needs two"),
    "one": ((GOOD,), "1 distributions were given"),
    "dimensions": ((GOOD, gaussian(np.zeros(3), np.eye(3))), "has 2 coordinates but .* has 3"),
    "five": ((GOOD, cloud(5)), "5 rows but 10 are needed"),
    "name": ((GOOD, "9gaussians"), "neither a file nor a distribution; known are: 8gaussians"),
    "file": ((GOOD, "nowhere.csv"), "nowhere.csv"),
    "nan": ((GOOD, np.where(np.arange(20)[:, None] == 3, np.nan, cloud(20))), "NaN"),
    "weights": ((GOOD, GaussianMixture(np.array([0.7]), GOOD.means, GOOD.covariances)), "sum one"),
    "negative": (
        (
            GOOD,
            GaussianMixture(np.array([1.5, -0.5]), np.zeros((2, 2)), np.tile(np.eye(2), (2, 1, 1))),
        ),
        "must be positive",
    ),
    "shapes": ((GOOD, GaussianMixture(np.ones(1), GOOD.means, np.eye(2))), "covariances"),
    "indefinite": ((GOOD, gaussian(np.zeros(2), np.diag([1.0, -1.0]))), "the eigenvalue -1"),
    "singular": ((GOOD, gaussian(np.zeros(2), np.diag([1.0, 0.0]))), "positive definite"),
}


@pytest.mark.parametrize("case", BAD_ENDS)
def test_ends_that_cannot_be_used(case):
    sources, message = BAD_ENDS[case]
    with pytest.raises(LiouvilleError, match=message):
        ends_from(*sources)


def test_equal_samples_have_no_density():
    with (
        pytest.warns(UserWarning, match="constant columns"),
        pytest.raises(LiouvilleError, match="all 50 samples of data are equal"),
    ):
        ends_from(np.ones((50, 2)), cloud(20))


def test_repeated_samples_are_warned_about():
    with pytest.warns(UserWarning, match="only 40 of the 80 samples of data differ"):
        ends_from(np.repeat(cloud(40), 2, axis=0), cloud(30))


@pytest.mark.parametrize("components", [0, -1, 31])
def test_parts_of_an_end_are_as_many_as_samples_at_most(components):
    with pytest.raises(LiouvilleError, match=r"set ends.components to 1 to 30"):
        ends_from(cloud(30), cloud(30), components=components)


def test_a_named_gaussian_takes_the_dimension_of_the_others():
    ends = ends_from("gaussian", cloud(40, 3))
    assert [end.dim for end in ends] == [3, 3]
    assert ends_from("gaussian", "gaussian")[0].dim == 2


def test_columns_of_files_go_together_and_lend_their_names():
    named = Samples(cloud(20), features=("length", "width"))
    for other in (cloud(20), GOOD, "gaussian"):
        assert [e.features for e in ends_from(other, named)] == [("length", "width")] * 2
    with pytest.raises(LiouvilleError, match="name the same ones with --features"):
        ends_from(named, Samples(cloud(20), features=("length", "height")))


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"objective.sigma": -1.0}, "sigma is -1.0; give a positive noise"),
    ({"objective.sigma": float("nan")}, "sigma is nan"),
    ({"objective.sigma": float("inf")}, "sigma is inf"),
    ({"objective.pull": 1.0}, "objective.pull is 1.0 but there is no noise; give --sigma"),
    ({"objective.pull": float("nan")}, "objective.pull is nan"),
    ({"objective.asymmetry": float("inf")}, "objective.asymmetry is inf; give a number"),
    ({"data.times": (0.0,)}, "1 times for 2 distributions; give one each"),
    ({"data.times": (0.0, 1.0, 2.0)}, "3 times for 2 distributions"),
    ({"data.times": (1.0, 0.0)}, "are not increasing"),
    ({"data.times": (0.0, float("nan"))}, "data.times[1] is nan but must be a number"),
    ({"path.opening": 0.0}, "path.opening is 0.0"),
    ({"path.opening": 0.7}, "path.opening is 0.7"),
    ({"path.parts": 0}, "path.parts is 0; give a positive number"),
    ({"path.min_scale": -1.0}, "path.min_scale is -1.0"),
    ({"objective.particles": 0}, "objective.particles is 0"),
    ({"training.chunk": 0}, "training.chunk is 0"),
    ({"training.validate_every": 7}, "training.validate_every is 7, which is no multiple"),
    ({"training.checkpoint_every": 0}, "training.checkpoint_every is 0; give a positive number"),
    ({"path.weights": "free"}, "path.weights"),
    ({"path.part": 3}, "did you mean"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(LiouvilleError, match=re.escape(message)):
        fit_transport(GOOD, GOOD, settings=settings, progress=False)


def test_a_gauge_needs_two_coordinates():
    line = gaussian(np.zeros(1), np.eye(1))
    with pytest.raises(LiouvilleError, match="needs two coordinates"):
        fit_transport(line, line, settings={"path.gauge": True}, progress=False)


def test_a_pull_and_a_reference_exclude_each_other():
    settings = {"objective.pull": 1.0, "objective.sigma": 1.0}
    with pytest.raises(LiouvilleError, match="choose one"):
        fit_transport(GOOD, GOOD, settings=settings, reference=lambda t, x: -x, progress=False)


# The command line.


QUICK = [
    word
    for key, value in (BRIEF | {"certificate.points": 60, "report.movie": "false"}).items()
    if key != "training.steps"
    for word in ("--set", f"{key}={value}")
]


BAD_CALLS = [
    (["gaussian", "8gaussians", "--times", "0,x"], "--times '0,x' must be numbers with commas"),
    (["gaussian", "8gaussians", "--times", "1,0"], "are not increasing"),
    (["gaussian", "9gaussians"], "neither a file nor a distribution"),
    (["gaussian", "nowhere.csv"], "nowhere.csv"),
    (["gaussian", "8gaussians", "--sigma", "-1"], "sigma is -1"),
    (["gaussian", "8gaussians", "--set", "objective.pull=1"], "give --sigma"),
    (["gaussian", "8gaussians", "--set", "training.validate_every=7"], "no multiple"),
    (["gaussian", "8gaussians", "--set", "path.parts=0"], "path.parts is 0"),
    (["gaussian", "8gaussians", "--resume"], "holds no run to resume"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, tmp_path, capsys):
    assert call("fit", "transport", *arguments, "--out", tmp_path / "RUN") == 2
    assert message in error_of(capsys)
    assert not (tmp_path / "RUN").exists()


def test_settings_are_listed(capsys):
    assert call("settings", "transport") == 0
    listed = capsys.readouterr().out
    assert all(key in listed for key in ("data.ends", "objective.sigma", "path.opening"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "RUN"
    arguments = ("fit", "transport", "gaussian", "8gaussians", "--out", folder)
    assert call(*arguments, *QUICK, "--steps", 50) == 0
    return folder


@pytest.mark.slow
def test_a_run_is_complete_and_goes_on_to_nothing(run, capsys):
    names = {"model.lv", "config.yaml", "metrics.jsonl", "summary.json", "report.html"}
    assert names <= {file.name for file in run.iterdir()}
    assert not list(run.glob(".*"))
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 50
    assert summary["parts of the ends"] == [1, 8]
    assert summary["moving parts"] == [8]
    model = lv.load(run)
    x = 5.0 * np.array([[1.0, 0.0], [0.0, -1.0]])
    # At the centre of a Gaussian of an eighth of the mass and variance 0.1.
    expected = np.log(0.125 / (2.0 * np.pi * 0.1))
    assert np.allclose(model.log_density(1.0, x), expected, atol=1e-6)
    before = model.sample(1.0, 3)
    arguments = ("fit", "transport", "gaussian", "8gaussians", "--out", run)
    assert call(*arguments, "--resume") == 0
    assert np.array_equal(lv.load(run).sample(1.0, 3), before)
    capsys.readouterr()
    assert call(*arguments, "--resume", "--sigma", "1") == 2
    assert "objective.sigma is 0.0 in the run and 1.0 now" in error_of(capsys)
    assert call(*arguments) == 2
    assert "--resume" in error_of(capsys)


@pytest.mark.slow
def test_a_run_is_measured_and_drawn_again(run, capsys):
    capsys.readouterr()
    assert call("evaluate", run, "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    summary = json.loads((run / "summary.json").read_text())
    assert np.isclose(found["energy"], summary["energy"], rtol=0.1)
    assert {"lower bound (moments)", "gap", "W2"} <= set(found)
    (run / "report.html").unlink()
    assert call("plot", run, "--no-movie") == 0
    assert (run / "report.html").exists()


@pytest.mark.slow
def test_a_run_maps_and_couples_files(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 2))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="x1,x2", comments="")
    out = tmp_path / "y.npz"
    assert call("map", run, tmp_path / "x.csv", "-o", out) == 0
    with np.load(out) as table:
        moved = np.stack([table["mapped x1"], table["mapped x2"]], axis=1)
    assert np.allclose(moved, transport_map(lv.load(run), x), atol=1e-6)
    np.savetxt(tmp_path / "y.csv", moved[::-1], delimiter=",", header="x1,x2", comments="")
    pairs = tmp_path / "pairs.npz"
    assert call("couple", run, tmp_path / "x.csv", tmp_path / "y.csv", "-o", pairs) == 0
    with np.load(pairs) as table:
        assert table["target row"].tolist() == list(range(11, -1, -1))
