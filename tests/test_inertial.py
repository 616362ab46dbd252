"""Noise and control on momenta alone: the bridge on paper, the path, and control by it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville as lv
from liouville.diffusions.bridges import path_along, whole_parts
from liouville.diffusions.inertial import inertial_path
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.objectives import MeanField, Potential
from liouville.paths import Full, Inertial
from liouville.problems import GaussianBridge, LinearBridge
from liouville.tasks.control._check import check
from liouville.tasks.control.measure import closed_form
from liouville.tasks.control.problem import ControlProblem
from makers import curve, jolted
from tolerances import ROUNDING, SINGLE

CLOCK = np.linspace(0.0, 1.0, 14)[1:-1].tolist()
# Between knots a curve is a cubic and the bridge is none.
BETWEEN_KNOTS = 5e-3
# Of an objective by some thousand particles.
DRAWN = 0.03


def covariance(dim: int, seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(dim, dim))
    return 0.2 * root @ root.T + 0.3 * np.eye(dim)


def ends(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means and covariances of positions and momenta that belong to no product."""
    mean = np.linspace(-1.0, 1.0, 2 * d)
    return mean, covariance(2 * d, 0), mean[::-1] + 0.5, covariance(2 * d, 1)


def bridge(d: int, horizon: float = 1.0) -> LinearBridge:
    return LinearBridge.of_momenta(*ends(d), np.diag([1.2, 0.9][:d]), horizon)


def test_without_a_rate_it_is_the_bridge_of_brownian_motion():
    plain = GaussianBridge(*ends(1), sigma=0.7)
    linear = LinearBridge(*ends(1), np.zeros((2, 2)), 0.7 * np.eye(2))
    for t in (0.0, 0.3, 1.0):
        mean, cov = linear.moments(t)
        assert np.allclose(mean, plain.mean(t), atol=ROUNDING)
        assert np.allclose(cov, plain.cov(t), atol=ROUNDING)
    assert np.isclose(linear.effort(), plain.energy() / 0.7**2, rtol=1e-6)


def test_the_moments_of_the_bridge_move_as_positions_and_momenta_do():
    found, step = bridge(1, 1.3), 1e-5
    (mean, cov), (after, late), (before, early) = (found.moments(0.4 + h) for h in (0, step, -step))
    assert np.isclose((after - before)[0] / (2 * step), mean[1], atol=1e-8)
    assert np.isclose((late - early)[0, 0] / (2 * step), 2.0 * cov[0, 1], atol=1e-8)
    assert np.isclose(found.moments(1.3)[1], ends(1)[3], atol=ROUNDING).all()


def rates(path, t: float, x: jax.Array) -> jax.Array:
    return jax.vmap(path.at(jnp.asarray(t)).velocity)(x)


@pytest.mark.parametrize("d", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_velocity_of_the_positions_is_the_momentum(d):
    keys = jr.split(jr.key(d), 5)
    place, *scales = (
        curve("cubic", shape, k) for shape, k in zip([(3, d), (3, d, d), (3, d, d)], keys)
    )
    path = jolted(Inertial(place, scales[0], scales[1], jnp.zeros(3)), keys[3], 0.2)
    x = jr.normal(keys[4], (20, 2 * d))
    for t in (0.1, 0.7, 1.9):
        assert jnp.allclose(rates(path, t, x)[:, :d], x[:, d:], atol=SINGLE)


@pytest.mark.slow
def test_parts_that_only_meet_the_ends_break_it():
    source, target = gaussian(*ends(1)[:2]), gaussian(*ends(1)[2:])
    path = path_along(whole_parts(source, target), source, target, (0.0, 1.0), 0.5)
    x = jr.normal(jr.key(0), (20, 2))
    assert jnp.abs(rates(path, 0.4, x)[:, 0] - x[:, 1]).max() > 0.1


@pytest.mark.parametrize("d", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_it_starts_as_the_bridge_and_meets_both_ends_whatever_is_learned(d):
    mean0, cov0, mean1, cov1 = ends(d)
    known = bridge(d)
    path = inertial_path(
        gaussian(mean0, cov0), gaussian(mean1, cov1), np.diag([1.2, 0.9][:d]), clock=CLOCK
    )
    moved = jolted(path, jr.key(0), 0.3)
    for t, own, within in (
        *((s, path, BETWEEN_KNOTS) for s in (0.1, 0.4, 0.9)),
        *((s, moved, SINGLE) for s in (0.0, 1.0)),
    ):
        frames: Any = own.at(jnp.asarray(t)).frames
        mean, cov = known.moments(t)
        factor = np.asarray(frames.factor[0], float)
        assert np.allclose(frames.location[0], mean, atol=within)
        assert np.allclose(factor @ factor.T, cov, atol=within)


@pytest.mark.slow
def test_several_parts_are_coupled_by_effort():
    """Who runs to the right arrives on the right, and turns there: to turn around costs more."""
    spread = np.stack([0.05 * np.eye(2)] * 2)
    crowds: Any = [
        GaussianMixture(np.array([0.5, 0.5]), np.array([[0.0, p], [0.0, -p]]) + shift, spread)
        for p, shift in ((1.0, 0.0), (-1.0, np.array([[1.0, 0.0], [-1.0, 0.0]])))
    ]
    path = inertial_path(crowds[0], crowds[1], np.eye(1), clock=CLOCK)
    first, last = (path.at(jnp.asarray(t)).frames.location for t in (0.0, 1.0))
    assert jnp.allclose(first[:, 1], last[:, 0], atol=SINGLE)
    # By distance the others are nearer.
    nearest = whole_parts(crowds[0], crowds[1])
    assert (nearest.means[0, :, 1] * nearest.means[1, :, 0] < 0).all()


def test_shapes_that_do_not_belong_together_are_named():
    curves: Any = [curve("cubic", shape, jr.key(0)) for shape in [(3, 2), (3, 2, 2), (2, 2, 2)]]
    with pytest.raises(ValueError, match=r"twice \(parts, d, d\)"):
        Inertial(curves[0], curves[1], curves[2], jnp.zeros(3), Full())


# Control.

NOISE = np.array([[0.0], [0.8]])


def problem(**more: Any) -> ControlProblem:
    mean0, cov0, mean1, cov1 = ends(1)
    given: Any = {"sigma": 1.2, "horizon": 1.3, "momenta": True, **more}
    return ControlProblem(gaussian(mean0, cov0), gaussian(mean1, cov1), **given)


BRIEF = {"training.steps": 20, "rollout.trajectories": 2000, "rollout.steps": 400}


@pytest.fixture(scope="module")
def steered():
    return lv.fit_control(problem(), BRIEF, progress=False)


@pytest.mark.slow
def test_the_effort_is_the_least_and_a_simulation_pays_it(steered):
    least = LinearBridge.of_momenta(*ends(1), np.array([[1.2]]), 1.3).effort()
    found = steered.summary
    assert np.isclose(found["objective (closed form)"], least, rtol=DRAWN)
    assert np.isclose(found["objective (rollout)"], least, rtol=2 * DRAWN)
    assert found["W2 of arrival"] < 1.5 * found["W2 of two draws of the target"]


@pytest.mark.slow
def test_the_control_is_that_of_the_momenta(steered):
    x = np.zeros((4, 3, 2))
    assert steered.policy(0.3, x).shape == (4, 3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["force", "crowd"])
def test_a_force_acts_on_momenta(kind):
    """A spring to zero, or to the mean of the crowd, which goes from one side to the other."""
    spring = {
        "force": lambda t, x: -2.0 * x[:1],
        "crowd": MeanField(lambda t, x, crowd: -2.0 * (x - crowd.mean())[:1]),
    }[kind]
    spread, step = np.diag([0.5, 1.0]), np.array([1.0, 0.0])
    rate = np.array([[0.0, 1.0], [-2.0, 0.0]])
    moments = (-step, spread, step, spread)
    if kind == "crowd":  # the spring does not pull the mean
        free = LinearBridge(*moments, np.array([[0.0, 1.0], [0.0, 0.0]]), NOISE).effort()
        at_rest = (0.0 * step, spread, 0.0 * step, spread)
        free -= LinearBridge.of_momenta(*at_rest, NOISE[1:]).effort()
        known = free + LinearBridge(*at_rest, rate, NOISE).effort()
    else:
        known = LinearBridge(*moments, rate, NOISE).effort()
    given = ControlProblem(
        gaussian(-step, spread), gaussian(step, spread), sigma=0.8, drift=spring, momenta=True
    )
    found = lv.fit_control(given, {**BRIEF, "training.steps": 1000}, progress=False)
    assert np.isclose(found.summary["objective (closed form)"], known, rtol=DRAWN)


@pytest.mark.slow
def test_ways_around_an_obstacle_are_found():
    disc = Potential(lambda t, x: jnp.exp(-2.0 * jnp.sum(x[:2] ** 2)))
    spread = np.diag([0.1, 0.1, 0.1, 0.1])
    rest: Any = [gaussian(np.array([x, 0.0, 0.0, 0.0]), spread) for x in (-2.0, 2.0)]
    given = ControlProblem(
        rest[0], rest[1], costs={"disc": disc}, weights={"disc": 2000.0}, momenta=True
    )
    brief = {**BRIEF, "training.steps": 1, "path.bend_steps": 200}
    found = lv.fit_control(given, brief, progress=False)
    marginal: Any = found.model.path.at(jnp.asarray(0.5))
    middle = marginal.frames.location[0, :2]
    assert jnp.linalg.norm(middle) > 0.1
    straight = lv.fit_control(given, {**brief, "path.bends": 0}, progress=False)
    costs = [closed_form(f.model.path_in_user, given).total for f in (found, straight)]
    assert costs[0] < costs[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": gaussian(np.zeros(3), np.eye(3)), "target": None}, "even number"),
        ({"target": None, "terminal": lambda x: jnp.sum(x)}, "no free end"),
        ({"sigma": lambda t, x: 1.0}, "sigma of momenta is a function"),
        ({"sigma": [1.0, 1.0]}, "sigma has shape"),
        ({"drift": lambda t, x: x}, "the drift"),
    ],
)
def test_what_is_no_problem_of_momenta_is_named(changes, message):
    changes = {
        **changes,
        **({"terminal": lambda x: x[0]} if changes.get("target", 0) is None else {}),
    }
    with pytest.raises(LiouvilleError, match=message):
        check(dataclasses.replace(problem(), **changes))
