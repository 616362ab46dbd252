"""Control: costs against closed forms, rollouts, ways around obstacles, policies, bad input."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import norm

import liouville as lv
from commands import call, error_of
from liouville.curves import Constant, Knots
from liouville.data import Samples
from liouville.dynamics import matrix_drift
from liouville.errors import LiouvilleError
from liouville.maps import coupling_flow
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.objectives import (
    Effort,
    Entropy,
    Functional,
    Interaction,
    KineticEnergy,
    Potential,
    Running,
    Terminal,
    control_at,
)
from liouville.paths import AbstractPath, Diagonal, Full, LocationScale, Pushforward
from liouville.paths._time import Retimed
from liouville.problems import GaussianBridge
from liouville.runs.config import to_dict
from liouville.runs.folder import Run
from liouville.tasks.control import measure, scenes
from liouville.tasks.control import rollout as rollout_module
from liouville.tasks.control._check import check
from liouville.tasks.control._gradients import smoothed_costs, with_gradients
from liouville.tasks.control._initial import _potential, least_curves, noise_of, opening_of
from liouville.tasks.control.config import ControlConfig, PathConfig, ProblemConfig
from liouville.tasks.control.fit import (
    ControlFit,
    _names,
    fit_control,
    load_policy,
    read,
    resolve,
    resolve_choices,
)
from liouville.tasks.control.measure import closed_form, of_log, of_rollout
from liouville.tasks.control.problem import ControlProblem
from liouville.tasks.control.report import cost_to_go
from liouville.tasks.control.rollout import roll_out
from tolerances import ROUNDING, STANDARD_ERRORS

# Euler-Maruyama with 100 steps, and some thousand trajectories: shares of costs of order ten.
ROLLED_OUT = 0.03
# A scale is the exponential of what it is made of plus a floor of 1e-6, squared in an effort.
FLOOR = 1e-9

# Rollouts of few steps, which tests can wait for, do not quite arrive.
pytestmark = pytest.mark.filterwarnings("ignore:.*rollout.steps:UserWarning")

TINY: dict[str, Any] = {
    "path.parts": 3,
    "path.knots": 4,
    "path.bends": 2,
    "path.bend_steps": 20,
    "objective.times": 4,
    "objective.particles": 8,
    "training.steps": 10,
    "training.chunk": 10,
    "training.checkpoint_every": 10,
    "rollout.trajectories": 40,
    "rollout.steps": 20,
}


def still(mean: float, scale: float, dim: int = 1) -> LocationScale:
    return LocationScale(
        Constant(jnp.full((1, dim), mean)),
        Constant(jnp.full((1, dim), jnp.log(scale))),
        jnp.zeros(1),
        scale=Diagonal(),
    )


def moving(dim: int = 2) -> LocationScale:
    rng = np.random.default_rng(3)
    scale = Full()
    return LocationScale(
        Knots((0.0, 0.5, 1.0), jnp.asarray(rng.normal(size=(3, 2, dim)))),
        Knots((0.0, 0.5, 1.0), jnp.asarray(0.3 * rng.normal(size=(3, *scale.raw_shape(2, dim))))),
        jnp.asarray([0.2, -0.4]),
        scale=scale,
    )


def estimates(cost: Any, path: AbstractPath, t: float = 0.0, n: int = 64, repeats: int = 200):
    """Independent estimates of one running cost at one time."""

    @eqx.filter_jit
    def one(key):
        marginal = path.at(jnp.asarray(t))
        points, weights = marginal.particles(n, key=key)
        return cost(jnp.asarray(t), marginal, points, weights, key=jr.fold_in(key, 1))

    return np.asarray(jax.lax.map(one, jr.split(jr.key(0), repeats)))


def assert_mean(values: np.ndarray, expected: Any) -> None:
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - expected) <= STANDARD_ERRORS * error + ROUNDING


def test_effort_of_an_equilibrium_is_zero():
    assert (
        estimates(Effort(np.sqrt(2.0), lambda _, x: -x), still(0.0, 1.0), repeats=3).max() < FLOOR
    )
    # Against a drift of twice the strength the control is x / sqrt 2.
    assert_mean(estimates(Effort(np.sqrt(2.0), lambda _, x: -2.0 * x), still(0.0, 1.0)), 0.25)


@pytest.mark.slow
def test_effort_is_the_energy_of_the_drift_over_the_noise():
    path, sigma = moving(), 0.7
    energy = KineticEnergy(interval=(0.0, 1.0), g=sigma, of="drift", times=8, particles=16)
    running = Running((0.0, 1.0), {"effort": Effort(sigma)}, times=8, particles=16)
    key = jr.key(1)
    assert np.isclose(energy(path, key=key) / sigma**2, running(path, key=key), rtol=ROUNDING)


@pytest.mark.parametrize("kind", ["matrix", "function"])
def test_matrix_noise_gives_the_fokker_planck_drift(kind):
    path, x, t = moving(), jnp.array([0.3, -0.8]), jnp.asarray(0.4)
    matrix = jnp.array([[0.8, 0.1], [-0.3, 0.6]])

    def sigma(t, y):
        return matrix * (1.0 + 0.2 * jnp.sin(y[0] + t)) if kind == "function" else matrix

    @jax.jit
    def drift_and_controls(t, x):
        b = matrix_drift(path, t, x, lambda t, y: sigma(t, y) @ sigma(t, y).T)
        noises = (matrix if kind == "matrix" else sigma, 0.7)
        return b, *(control_at(t, path.at(t), x, noise) for noise in noises)

    b, found, even = drift_and_controls(t, x)
    assert np.allclose(sigma(t, x) @ found, b, atol=ROUNDING)
    assert not np.allclose(even * 0.7, b, atol=1e-3)


def test_entropy_and_interaction_of_a_gaussian():
    s = 0.6
    assert_mean(estimates(Entropy(), still(1.0, s)), -0.5 * np.log(2.0 * np.pi * np.e * s**2))
    square = Interaction(lambda x, y: jnp.sum((x - y) ** 2))
    assert_mean(estimates(square, still(1.0, s, dim=2)), 4.0 * s**2)

    @eqx.filter_jit
    def slope(log_scale, key):
        def value(log_scale):
            path = eqx.tree_at(lambda p: p.raw_scale.value, still(1.0, s), log_scale)
            marginal = path.at(jnp.zeros(()))
            points, weights = marginal.particles(64, key=key)
            return square(jnp.zeros(()), marginal, points, weights, key=jr.fold_in(key, 1))

        return jax.grad(value)(log_scale).sum()

    start = jnp.log(jnp.full((1, 1), s))
    keys = jr.split(jr.key(0), 300)
    assert_mean(np.asarray(jax.lax.map(lambda k: slope(start, k), keys)), 4.0 * s**2)


def test_a_cost_without_a_gradient_is_smoothed():
    """An indicator: its mean and its derivative are those of a wider Gaussian's tail."""
    mean, s, width = 0.4, 0.8, 0.5
    wall = Potential(lambda t, x: jnp.where(x[0] > 1.0, 1.0, 0.0), smoothing=width)
    spread = np.hypot(s, width)

    def slope_of(cost):
        @eqx.filter_jit
        def one(key):
            def value(mean):
                path = eqx.tree_at(lambda p: p.location.value, still(0.0, s), mean)
                marginal = path.at(jnp.zeros(()))
                points, weights = marginal.particles(64, key=key)
                return cost(jnp.zeros(()), marginal, points, weights, key=jr.fold_in(key, 1))

            found, slope = jax.value_and_grad(value)(jnp.full((1, 1), mean))
            return jnp.stack([found, slope.sum()])

        return np.asarray(jax.lax.map(one, jr.split(jr.key(0), 400)))

    values = slope_of(wall)
    assert_mean(values[:, 0], norm.sf((1.0 - mean) / spread))
    assert_mean(values[:, 1], norm.pdf((1.0 - mean) / spread) / spread)
    assert np.all(slope_of(dataclasses.replace(wall, smoothing=0.0))[:, 1] == 0.0)


@pytest.mark.slow
def test_weights_ramp_up():
    costs = {"effort": Effort(1.0), "wall": Potential(lambda t, x: x @ x)}
    term = Running((0.0, 1.0), costs, {"wall": 100.0}, ramp={"wall": 1e-2}, ramp_steps=10)
    steps = [0, 5, 10, 99]
    weights = [np.asarray(term.at(jnp.asarray(i)).weights) for i in steps]
    assert np.allclose(weights, [[1.0, 1.0], [1.0, 10.0], [1.0, 100.0], [1.0, 100.0]])
    path, key = moving(), jr.key(0)
    total = term(path, key=key)
    assert np.isclose(total, term.weights @ term.each(path, key=key), rtol=ROUNDING)


def test_a_functional_sees_marginal_and_particles():
    spread = Functional(lambda t, marginal, x, w: w @ (x[:, 0] - w @ x[:, 0]) ** 2)
    # The variance of n points about their own weighted mean, of mirrored pairs exactly about it.
    assert_mean(estimates(spread, still(2.0, 0.5)), 0.25)


def test_terminal_cost():
    term = Terminal(time=1.0, cost=lambda x: x @ x, particles=2000)
    values = np.array([term(still(1.0, 0.5), key=jr.key(i)) for i in range(30)])
    assert_mean(values, 1.25)


class Slowed(AbstractPath):
    """A path whose velocity is wrong: the rollout has to notice."""

    path: AbstractPath

    @property
    def dim(self):
        return self.path.dim

    def at(self, t):
        return Retimed(self.path.at(t), jnp.asarray(0.7))


@pytest.mark.slow
def test_closed_form_and_rollout_agree():
    path = moving()
    start = path.at(jnp.zeros(()))
    problem = ControlProblem(
        source=gaussian(np.zeros(2), np.eye(2)),
        target=gaussian(np.zeros(2), np.eye(2)),
        sigma=0.8,
        drift=lambda t, x: -0.5 * x,
        costs={
            "place": Potential(lambda t, x: jnp.sum((x - 1.0) ** 2)),
            "entropy": Entropy(),
            "pairs": Interaction(lambda x, y: 1.0 / (1.0 + jnp.sum((x - y) ** 2))),
        },
        weights={"place": 3.0, "pairs": 5.0},
    )
    x0 = jax.vmap(lambda k: start.sample(key=k))(jr.split(jr.key(7), 4000))
    exact = closed_form(path, problem)
    found = of_rollout(roll_out(path, problem, x0, steps=100, key=jr.key(8)), problem)
    assert found.parts.keys() == exact.parts.keys()
    for name, value in exact.parts.items():
        assert abs(found.parts[name] - value) < ROLLED_OUT * abs(exact.total), name
    wrong = of_rollout(roll_out(Slowed(path), problem, x0, steps=100, key=jr.key(8)), problem)
    assert abs(wrong.parts["place"] - exact.parts["place"]) > ROLLED_OUT * abs(exact.total)


def test_logged_costs_are_those_of_a_kernel_estimate():
    """For one Gaussian the kernel estimate has the entropy of a wider one."""
    path, s = still(0.0, 1.0, dim=2), 1.0
    problem = ControlProblem(
        gaussian(np.zeros(2), np.eye(2)), sigma=1.0, costs={"entropy": Entropy()}
    )
    x0 = jr.normal(jr.key(0), (2000, 2))
    rollout = roll_out(path, problem, x0, steps=30, key=jr.key(1))
    # E log N(0, s^2 + h^2) under N(0, s^2).
    wide = s**2 + 0.2**2
    expected = -np.log(2.0 * np.pi * wide) - s**2 / wide
    assert np.isclose(of_log(rollout, problem).parts["entropy"], expected, atol=0.1)


@pytest.mark.slow
def test_obstacles_may_come_and_go(monkeypatch):
    """A half plane that stands for half of the time, in a population at rest around its edge."""
    path, ball = still(0.0, 1.0, dim=2), gaussian(np.zeros(2), np.eye(2))
    problem = ControlProblem(ball, obstacle=lambda t, x: jnp.where(t < 0.5, x[0], -1.0))
    x0 = jr.normal(jr.key(0), (2000, 2))
    rollout = roll_out(path, problem, x0, steps=30, key=jr.key(1))
    assert abs(float(rollout.inside.mean()) - 0.25) < 0.02
    assert not rollout.inside[15:].any()
    # Where all places are too many, some equally spaced times are kept, of the same trajectories.
    monkeypatch.setattr(rollout_module, "_KEPT", 8 * x0.size)
    jax.clear_caches()
    fewer = roll_out(path, problem, x0, steps=30, key=jr.key(1))
    assert fewer.points.shape == (7, 2000, 2)
    for few, many in ((fewer.times, rollout.times), (fewer.points, rollout.points)):
        assert np.allclose(few, many[::5], atol=1e-5)
    assert np.allclose(fewer.rates, rollout.rates, atol=1e-5)
    assert len(of_log(fewer, problem).parts) == 1


@pytest.mark.slow
def test_noises_of_all_forms_are_one():
    """The same noise as a number, numbers, a matrix and functions of each."""
    path = moving()
    own = jnp.asarray([0.5, 0.5])
    forms: list[Any] = [0.5, own, jnp.diag(own), lambda t, x: jnp.asarray(0.5)]
    forms += [lambda t, x: own, lambda t, x: jnp.diag(own)]
    t, x = jnp.asarray(0.3), jnp.asarray([0.2, -0.7])
    found = [control_at(t, path.at(t), x, sigma) for sigma in forms]
    assert all(np.allclose(c, found[0], rtol=1e-4) for c in found)
    # A noise that depends on the place, as a number and as the matrix of it.
    one, matrix = (lambda t, x: 1.0 + x[0] ** 2), (lambda t, x: (1.0 + x[0] ** 2) * jnp.eye(2))
    ours, theirs = (control_at(t, path.at(t), x, sigma) for sigma in (one, matrix))
    assert np.allclose(ours, theirs, rtol=1e-5)
    assert not np.allclose(ours, found[0], rtol=0.1)
    for sigma in (np.array([0.5, 0.7]), one):
        problem = ControlProblem(_BALL, _FAR, sigma=sigma)
        check(problem)
        assert noise_of(problem) > 0.5


@pytest.mark.slow
def test_samples_cost_what_their_gaussians_do():
    """The s-tunnel between 2,000 rows of either end."""
    truth, found = scenes.s_tunnel(), []
    rows = {
        n: getattr(truth, n).sample(2000, seed=i)[0] for i, n in enumerate(("source", "target"))
    }
    settings = {
        "path.parts": 8,
        "path.bend_steps": 300,
        "objective.times": 32,
        "training.steps": 500,
        "training.average": 0.98,
        "rollout.trajectories": 200,
        "rollout.steps": 100,
    }
    for problem in (truth, dataclasses.replace(truth, **rows)):
        fitted = fit_control(problem, settings, progress=False)
        found.append(fitted.summary["objective (closed form)"])
    assert abs(found[1] / found[0] - 1.0) < 0.01


def _clouds(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of as many rows, and weights by which the second one is a twentieth."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2 * count, 2)) + np.repeat([[-3.0, 0.0], [-3.0, 9.0]], count, axis=0)
    return rows, np.repeat([0.95, 0.05], count)


@pytest.mark.parametrize(
    "given", [lambda x, w: Samples(x, weights=w), lambda x, w: (x, w)], ids=["samples", "pair"]
)
def test_samples_of_an_end_count_by_their_weights(given):
    problem = dataclasses.replace(_PLAIN, source=given(*_clouds()))
    loaded = read(ControlConfig(), problem)
    assert abs(loaded.problem.source.mean[1] - 0.05 * 9.0) < 0.2  # 4.5 without weights
    assert loaded.ends[0].test is not None  # rows that judge the mixture
    assert loaded.ends[1].points is None


def test_columns_of_samples_are_the_coordinates():
    pandas = pytest.importorskip("pandas")
    rows, _ = _clouds()
    source = pandas.DataFrame(rows, columns=["lon", "lat"])
    problem = ControlProblem(source, _FAR)
    assert _names(read(ControlConfig(), problem)) == ("lon", "lat")
    turned = dataclasses.replace(problem, target=source[["lat", "lon"]])
    with pytest.raises(LiouvilleError, match="the target has the columns lat, lon but others"):
        read(ControlConfig(), turned)


def test_an_end_that_is_no_mixture_is_refused():
    """A density that is one is met as it is."""
    still_path = still(0.0, 1.0, dim=2)
    loaded = read(ControlConfig(), dataclasses.replace(_PLAIN, source=still_path))
    assert np.allclose(loaded.problem.source.covariance, np.eye(2), atol=1e-4)
    flow = coupling_flow(2, (0.0, 1.0), layers=2, width=4, key=jr.key(0))
    seen = Pushforward(still_path, flow)
    with pytest.raises(LiouvilleError, match="the source is a density seen through maps"):
        read(ControlConfig(), dataclasses.replace(_PLAIN, source=seen))


@pytest.mark.slow
def test_held_out_rows_judge_where_samples_are_steered():
    """A ring is no Gaussian: draws of it arrive at draws, and not at rows of the ring."""
    angles = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, 400)
    ring = 3.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    problem = ControlProblem(_clouds()[0], ring)
    loaded = read(ControlConfig(), problem)
    wrong = dataclasses.replace(loaded.ends[1], mixture=gaussian(np.zeros(2), 4.5 * np.eye(2)))
    problem = dataclasses.replace(loaded.problem, target=wrong.mixture)
    fitted = fit_control(problem, TINY, progress=False)
    loaded = loaded._replace(problem=problem, ends=(loaded.ends[0], wrong))
    with pytest.warns(UserWarning, match="than a kernel estimate|its held-out rows") as told:
        found = measure.evaluate(fitted.model, loaded, fitted.config)
    said = " ".join(str(warning.message) for warning in told)
    assert "give that end as a mixture of your own, or more samples" in said
    name = "W2 of arrival to held-out rows of the target"
    assert found[name] > found[f"{name}, floor"]
    assert "held-out nats of the source" in found


def _to_a_point(scale: float) -> tuple[ControlProblem, float]:
    """From a ball to a narrow one without costs, and the effort of the bridge between them."""
    wide, narrow = 0.25 * np.eye(2), scale**2 * np.eye(2)
    means = np.array([-3.0, 0.0]), np.array([3.0, 0.0])
    problem = ControlProblem(gaussian(means[0], wide), gaussian(means[1], narrow))
    return problem, GaussianBridge(means[0], wide, means[1], narrow, sigma=1.0).energy()


def test_parts_open_as_fast_as_bridges_leave_narrow_ends():
    openings = [opening_of(_to_a_point(scale)[0]) for scale in (0.3, 0.03, 0.01)]
    assert np.allclose(openings, [0.1, 9e-3, 1e-3], rtol=0.05)
    assert resolve_choices(ControlConfig(), 2, openings[0]).objective.crowding == 0.0
    chosen = resolve_choices(ControlConfig(), 2, openings[2])
    assert chosen.path.opening == openings[2]
    assert np.isclose(chosen.objective.crowding or 0.0, 0.99, atol=1e-3)
    asked = ControlConfig(path=PathConfig(opening=0.2))
    assert resolve_choices(asked, 2, 1e-3).path.opening == 0.2


@pytest.mark.slow
def test_narrow_ends_cost_what_their_bridge_does():
    """It began at thousands of times that, which uniform times did not see."""
    problem, least = _to_a_point(0.01)
    start = resolve(read(ControlConfig(), problem), ControlConfig())
    found = closed_form(start.path, problem, crowding=start.config.objective.crowding)
    assert abs(found.total / least - 1.0) < 0.05


def _beyond(t, x):
    return jnp.where(x[0] > 1.0, 1.0, 0.0)


def test_figures_are_of_costs_as_they_are(monkeypatch):
    """A smoothed half plane: training pays for what is nearby, figures for what is beyond."""
    monkeypatch.setattr(measure, "_REPLICATES", 4)
    path, ball = still(0.0, 1.0), gaussian(np.zeros(1), np.eye(1))
    problem = ControlProblem(ball, ball, costs={"wall": Potential(_beyond, smoothing=1.0)})
    exact, blurred = norm.cdf(-1.0), norm.cdf(-(0.5**0.5))
    x0 = jr.normal(jr.key(0), (4000, 1))
    rollout = roll_out(path, problem, x0, steps=20, key=jr.key(1))
    for costs in (closed_form(path, problem), of_rollout(rollout, problem)):
        assert abs(costs.parts["wall"] - exact) < 0.01
    assert_mean(estimates(problem.costs["wall"], path), blurred)


def test_costs_without_a_slope_get_one():
    left, right = (gaussian(np.array([x, 0.0]), 0.1 * np.eye(2)) for x in (-2.0, 2.0))

    def disc(t, x):
        return jnp.where(jnp.sum(x**2) < 1.0, 1.0, 0.0)

    costs: dict[str, Any] = {
        "disc": Potential(disc),
        "own": Potential(disc, smoothing=0.3),
        "slope": Potential(lambda t, x: jnp.sum(x**2)),
        "constant": Potential(lambda t, x: jnp.ones(())),
        "entropy": Entropy(),
    }
    found = with_gradients(ControlProblem(left, right, costs=costs))
    assert smoothed_costs(found).keys() == {"disc", "own"}
    assert 0.0 < found.costs["disc"].smoothing < 0.3  # pyright: ignore[reportAttributeAccessIssue]
    assert all(found.costs[n] is costs[n] for n in costs if n != "disc")
    # Where ways are chosen it is felt at the edge, and was not.
    edge = jnp.asarray([1.0, 0.0])
    for problem, felt in ((found, True), (ControlProblem(left, right, costs=costs), False)):
        problem = dataclasses.replace(problem, costs={"disc": problem.costs["disc"]})
        potential: Any = _potential(problem)
        slope = jax.grad(lambda x, ask=potential: ask(jnp.asarray(0.0), x))(edge)
        assert bool(slope[0] < -0.1) is felt


def test_obstacles_are_drawn_where_they_are(tmp_path: Path):
    """A disc that goes from left to right: on a panel at its time, in a film at every frame."""
    from matplotlib.figure import Figure

    from liouville.data import Standardisation
    from liouville.model import Model
    from liouville.plots import density_movie
    from liouville.tasks.control.report import _scenery

    ball = gaussian(np.zeros(2), np.eye(2))
    problem = ControlProblem(
        ball, obstacle=lambda t, x: 0.5 - jnp.abs(x - jnp.stack([4.0 * t - 2.0, 0.0 * t])).max()
    )
    draw = _scenery(problem)
    assert draw is not None
    axes = Figure().add_subplot(xlim=(-3.0, 3.0), ylim=(-3.0, 3.0))
    for t, place in ((0.0, -2.0), (1.0, 2.0)):
        filled: Any = draw(axes, np.array([t]))[0]
        corners = np.concatenate([path.vertices for path in filled.get_paths()])
        assert abs(corners[:, 0].mean() - place) < 0.2
        filled.remove()
    wide: Any = draw(axes, np.linspace(0.0, 1.0, 9))[0]
    corners = np.concatenate([path.vertices for path in wide.get_paths()])
    assert corners[:, 0].min() < -2.0 < 2.0 < corners[:, 0].max()
    units = Standardisation(np.zeros(2), np.ones(2), 0.0, 1.0)
    model = Model(still(0.0, 1.0, dim=2), units, np.array([0.0, 1.0]), ("x", "y"))
    film = density_movie(model, tmp_path / "film.gif", frames=3, scenery=draw)
    assert film.stat().st_size > 0


def test_curves_go_around_an_obstacle():
    """A disc on the straight way: only bent starts leave it, by either side."""

    def disc(t, x):
        return 300.0 * jax.nn.sigmoid(20.0 * (0.5 - jnp.sqrt(jnp.sum(x**2) + 1e-9)))

    means = np.array([[[-2.0, 0.0]] * 3, [[2.0, 0.0]] * 3])
    bend, action = least_curves(means, 0.05, disc, 1.0, starts=6, steps=300)
    straight = 0.5 * 4.0**2
    assert np.all(action < 1.4 * straight)
    assert np.all(action > straight)
    assert np.all(np.abs(bend(0.5)[:, 1]) > 0.5)
    assert np.allclose(bend(0.0), 0.0)
    assert np.allclose(bend(1.0), 0.0, atol=1e-9)
    _, stuck = least_curves(means, 0.05, disc, 1.0, starts=1, steps=1)
    assert np.all(stuck > 2.0 * straight)


@pytest.fixture(scope="module")
def passed() -> ControlFit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "_REPLICATES", 2)
        return fit_control(dataclasses.replace(scenes.v_neck(), name="tiny"), TINY, progress=False)


def test_ends_are_met_exactly(passed):
    """At both ends the density is the given one, whatever training did."""
    problem, path = passed.problem, passed.model.path_in_user
    log_densities = eqx.filter_jit(lambda path, t, x: jax.vmap(path.at(t).log_density)(x))
    for t, end in ((0.0, problem.source), (1.0, problem.target)):
        x, _ = end.sample(50, seed=1)
        found = log_densities(path, jnp.asarray(t), jnp.asarray(x))
        assert np.allclose(found, end.log_density(x), atol=1e-6)
    assert passed.summary["objective (closed form)"] > 0


def test_policy_is_the_control_of_the_path(passed):
    policy = passed.policy
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    control = policy(0.3, x)
    assert control.shape == x.shape
    # The scene has no drift and noise one, so the control is the drift of the model.
    assert np.allclose(control, policy.model.drift(0.3, x), rtol=1e-5, atol=1e-6)
    for t, points, message in ((1.5, x, "outside 0 to 1"), (0.5, x[..., :1], "do not fit")):
        with pytest.raises(LiouvilleError, match=message):
            policy(t, points)


def test_cost_to_go_is_the_potential_of_the_control(passed):
    """Where the control is a gradient: at time zero, for a path of one Gaussian part."""
    still_path = dataclasses.replace(passed.policy.model, path=still(0.3, 1.4, dim=2))
    policy = dataclasses.replace(passed.policy, model=still_path)
    x = np.random.default_rng(0).normal(size=(5, 2))
    start = np.array([0.4, -0.2])
    found = cost_to_go(policy, 0.5, x, start)
    # At rest the control is half the score, so the cost to go is minus half the log-density.
    half = [-0.5 * still_path.log_density(0.5, y) for y in (x, start)]
    assert np.allclose(found, half[0] - half[1], atol=1e-6)
    assert not np.allclose(found, half[0] + half[1], atol=1e-2)


_BALL = gaussian(np.zeros(2), np.eye(2))
_FAR = gaussian(np.full(2, 5.0), np.eye(2))
_PLAIN = ControlProblem(_BALL, _FAR)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": 0.0}, "sigma is 0.0; control acts through the noise"),
        ({"sigma": -1.0}, "sigma is -1.0"),
        ({"sigma": np.ones((2, 2))}, "singular"),
        ({"sigma": np.ones(3)}, "shape"),
        ({"sigma": lambda t, x: x[:1]}, "sigma returns shape (1,)"),
        ({"sigma": np.array([1.0, 0.0])}, "singular"),
        ({"sigma": lambda t, x: 0.0 * x[0]}, "singular"),
        ({"horizon": 0.0}, "horizon is 0.0"),
        ({"target": gaussian(np.zeros(3), np.eye(3))}, "2 coordinates but the target 3"),
        ({"target": None}, "doing nothing solves it"),
        ({"weights": {"wall": 2.0}}, "no cost 'wall' to weigh"),
        ({"drift": lambda t, x: x[0]}, "the drift returns shape ()"),
        (
            {"costs": {"wall": Potential(lambda t, x: jnp.log(x[0] - 100.0))}},
            "the cost 'wall' is nan at t = 0, x = (",
        ),
        ({"costs": {"wall": Potential(lambda t, x: x)}}, "the cost 'wall' returns shape (2,)"),
        ({"costs": {"pairs": Interaction(lambda x, y: x - y)}}, "the kernel of 'pairs' returns"),
        ({"terminal": lambda x: x}, "the terminal cost returns shape (2,)"),
        ({"obstacle": lambda t, x: 1.0 - x @ x}, "of the source lies inside an obstacle"),
        ({"obstacle": lambda t, x: x[0] - 4.0}, "of the target lies inside an obstacle"),
    ],
)
def test_bad_problems_are_named(changes, message):
    with pytest.raises(LiouvilleError, match=re.escape(message)):
        check(dataclasses.replace(_PLAIN, **changes))


def test_settings_that_cannot_be_used_are_named():
    for key, value in (
        ("path.parts", 0),
        ("training.rate", float("nan")),
        ("rollout.trajectories", 41),
        ("training.checkpoint_every", 15),
    ):
        with pytest.raises(LiouvilleError, match=re.escape(key)):
            fit_control(_PLAIN, TINY | {key: value}, progress=False)


@pytest.mark.slow
def test_an_infeasible_scene_is_reported():
    """A wall without a gap: training ends, and the figures say that all go through it."""
    wall = dataclasses.replace(
        ControlProblem(
            gaussian(np.array([-3.0, 0.0]), 0.1 * np.eye(2)),
            gaussian(np.array([3.0, 0.0]), 0.1 * np.eye(2)),
            costs={"wall": Potential(lambda t, x: 50.0 * jnp.exp(-(x[0] ** 2)))},
            obstacle=lambda t, x: 0.5 - jnp.abs(x[0]),
        )
    )
    with pytest.warns(UserWarning, match="inside an obstacle"):
        fit = fit_control(wall, TINY, progress=False)
    assert fit.summary["inside an obstacle (share of path time)"] > 0.02


_FILE = """
import jax.numpy as jnp
import numpy as np
from liouville.tasks.control.problem import ControlProblem
from liouville.numerics.mixtures import gaussian
from liouville.objectives import Potential

problem = ControlProblem(
    source=gaussian(np.array([-3.0, 0.0]), 0.2 * np.eye(2)),
    target=gaussian(np.array([3.0, 0.0]), 0.2 * np.eye(2)),
    costs={"disc": Potential(lambda t, x: jnp.exp(-2.0 * jnp.sum(x**2)))},
    weights={"disc": 20.0},
)
"""


def _settings() -> list[str]:
    return [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.mark.slow
def test_command_line(tmp_path: Path, capsys):
    file, run = tmp_path / "scene.py", tmp_path / "run"
    file.write_text(_FILE)
    more = ["--set", "weights.disc=7", "--set", "report.movie=false", "--sigma", "0.8"]
    assert call("fit", "control", file, "--out", run, *_settings(), *more, "--json") == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["problem"] == "scene"
    for name in ("model.lv", "report.html", "summary.json", "figures/control.png"):
        assert (run / name).stat().st_size
    file.unlink()  # the run keeps its own copy, which is run only if it is trusted
    assert call("evaluate", run, "--json", "--trust") == 0
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    name = "objective (closed form)"
    assert np.isclose(measured[name], summary[name], rtol=0.05)
    policy = load_policy(run, trust=True)
    assert policy.problem.weights["disc"] == 7.0
    assert policy.problem.sigma == 0.8
    assert policy(0.5, np.zeros((5, 2))).shape == (5, 2)
    for command in ("evaluate", "plot"):
        assert call(command, run) == 2
        assert "would be run" in error_of(capsys)
    with pytest.raises(LiouvilleError, match="trust=True"):
        load_policy(run)
    assert call("info", run) == 0


def test_no_code_of_a_run_is_executed(tmp_path: Path, capsys):
    """Not the copy in it, not a file beside it, and not one that has changed, whoever trusts it."""
    run, trace = tmp_path / "run", tmp_path / "ran"
    run.mkdir()
    code = f"open({str(trace)!r}, 'w').close()\n{_FILE}"
    (run / "scene.py").write_text(code)
    (tmp_path / "evil.py").write_text(code)
    right = hashlib.sha256(code.encode()).hexdigest()
    for name, digest, trusts, says in (
        ("scene.py", right, False, "would be run"),
        (str(tmp_path / "evil.py"), right, False, "would be run"),
        (str(tmp_path / "evil.py"), None, True, "has changed"),
        ("scene.py", "0" * 64, True, "has changed"),
    ):
        settings = to_dict(ControlConfig(problem=ProblemConfig(name=name, sha256=digest)))
        Run(run, "control", settings, "0" * 64, True).write()
        for command in ("evaluate", "plot"):
            assert call(command, run, *["--trust"] * trusts) == 2
            assert says in error_of(capsys)
        with pytest.raises(LiouvilleError, match=says):
            load_policy(run, trust=trusts)
        assert not trace.exists()


def test_problems_that_are_not_there(tmp_path: Path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("x = nothing\n")
    for name, message in (
        ("nowhere", "no problem 'nowhere'"),
        (str(tmp_path / "none.py"), "there is no file"),
        (str(tmp_path / "empty.py"), "makes no `problem"),
        (str(tmp_path / "wrong.py"), "cannot be run: NameError"),
    ):
        with pytest.raises(LiouvilleError, match=message):
            read(ControlConfig(problem=ProblemConfig(name=name)))


_LONG = "opinion-1000"  # in a thousand dimensions all checks take seconds


@pytest.mark.parametrize(
    "name", [n if n != _LONG else pytest.param(n, marks=pytest.mark.slow) for n in scenes.NAMES]
)
def test_named_problems_are_in_order(name):
    check(scenes.NAMES[name]())
    assert read(ControlConfig(problem=ProblemConfig(name=name))).problem.name == name


def test_public_names():
    assert lv.fit_control is fit_control
    assert lv.ControlProblem is ControlProblem
    assert isinstance(scenes.gmm().target, GaussianMixture)
