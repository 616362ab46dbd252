"""Plans of Schrödinger bridges: closed forms, their fit, and what models say by them."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from commands import call
from liouville.data import Standardisation
from liouville.diffusions import entropic_plan
from liouville.errors import LiouvilleError
from liouville.model import Model, load
from liouville.numerics.mixtures import gaussian
from liouville.numerics.plans import ConditionalLaw, Plan
from liouville.paths import Normal
from liouville.problems import GaussianBridge, bridge_cross, conditional_distance, known_plan
from liouville.tasks.transport.answers import couple, transport_map
from liouville.tasks.transport.fit import fit_transport
from liouville.tasks.transport.plans import fit_plan
from test_problems import M0, M1, S0, S1
from tolerances import PRINTED, ROUNDING, STANDARD_ERRORS
from transport_cases import BRIEF, mixture

NOISE = 0.7
# The trapezoidal rule on densities that vanish at both ends of the grid.
GRID = np.linspace(-25.0, 25.0, 4001)
STEP = GRID[1] - GRID[0]
QUADRATURE = 1e-9


def a_plan(dim: int = 1, parts: int = 3) -> Plan:
    rng = np.random.default_rng(3)
    factors = 0.2 * rng.normal(size=(parts, dim, dim)) + 0.7 * np.eye(dim)
    return Plan(NOISE, rng.normal(size=parts), rng.normal(size=(parts, dim)), factors @ factors.mT)


def densities(plan: Plan, x: np.ndarray, *times: float) -> np.ndarray:
    """The density on the grid given every point of the line, shape `(points, grid)`."""
    law = plan.given(x[:, None, None] + np.zeros((1, len(GRID), 1)), *times)
    return np.exp(law.log_density(np.broadcast_to(GRID[:, None], (len(x), len(GRID), 1))))


def drawn(plan: Plan, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a standard normal start, and of its end from other starts."""
    x, away = np.random.default_rng(seed).normal(size=(2, n, plan.dim))
    return x, plan.given(away).sample(1, seed=seed + 1)[0]


# Closed forms.


def test_a_plan_is_the_tilted_potential():
    plan, x = a_plan(), np.array([-1.0, 0.3, 2.0])
    parts = np.stack([norm.pdf(GRID, m, np.sqrt(NOISE * a)) for m, a in zip(
        plan.shifts[:, 0], plan.slopes[:, 0, 0])])  # fmt: skip
    tilted = np.exp(x[:, None] * GRID / NOISE) * (np.exp(plan.logits) @ parts)
    expected = tilted / (tilted.sum(axis=1, keepdims=True) * STEP)
    assert np.allclose(densities(plan, x), expected, atol=QUADRATURE)
    normaliser = np.logaddexp.reduce(plan.log_joint_start(x[:, None]), axis=1)
    assert np.allclose(normaliser, np.log(tilted.sum(axis=1) * STEP), atol=QUADRATURE)
    end = np.logaddexp.reduce(plan.log_joint_end(GRID[:, None]), axis=1)
    assert np.allclose(np.exp(end), np.exp(plan.logits) @ parts, atol=QUADRATURE)


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.1, 0.6])
def test_a_plan_is_markovian(between):
    """Chapman and Kolmogorov: through a time between as at once."""
    plan, x = a_plan(), np.array([-1.0, 0.3])
    first = densities(plan, x, 0.0, between)
    coarse = slice(None, None, 4)
    onward = densities(plan, GRID[coarse], between, 0.9)
    through = first[:, coarse] @ onward * 4 * STEP
    assert np.allclose(through, densities(plan, x, 0.0, 0.9), atol=QUADRATURE)
    # The negative control: of another noise it is not.
    other = dataclasses.replace(plan, noise=1.3 * NOISE)
    wrong = first[:, coarse] @ densities(other, GRID[coarse], between, 0.9) * 4 * STEP
    assert np.abs(wrong - densities(plan, x, 0.0, 0.9)).max() > 1e-2


def test_the_drift_toward_the_mean_end_is_that_of_the_bridge():
    plan, x, s, h = a_plan(2), np.array([[0.4, -0.3]]), 0.35, 1e-6
    toward = (plan.given(x, s).mean - x) / (1.0 - s)
    step = (plan.given(x, s, s + h).mean - x) / h
    assert np.allclose(step, toward, rtol=1e-4)


def test_moments_are_those_of_draws_and_density():
    law = a_plan().given(np.array([[0.5]]))
    density = np.exp(law.log_density(GRID[:, None, None]))[:, 0]
    mean = density @ GRID * STEP
    assert np.isclose(law.mean[0, 0], mean, atol=QUADRATURE)
    variance = density @ (GRID - mean) ** 2 * STEP
    assert np.isclose(law.covariance[0, 0, 0], variance, atol=QUADRATURE)
    draws = law.sample(4000, seed=1)
    assert draws.shape == (4000, 1, 1)
    assert abs(draws.mean() - mean) < STANDARD_ERRORS * np.sqrt(variance / 4000)


def test_draws_have_moments_and_no_density():
    points = np.random.default_rng(0).normal(size=(3, 7, 2))
    law = ConditionalLaw(np.full((3, 7), 1.0 / 7.0), points, None)
    assert np.allclose(law.mean, points.mean(axis=1))
    assert np.allclose(law.covariance[1], np.cov(points[1].T, bias=True))
    assert law.rescaled(np.ones(2), 2.0 * np.ones(2)).mean.shape == (3, 2)
    with pytest.raises(LiouvilleError, match="have no density"):
        law.log_density(points[:, 0])
    with pytest.raises(LiouvilleError, match="n is 0"):
        law.sample(0)


def test_units_change_a_plan_as_they_change_its_ends():
    plan, x = a_plan(2), np.random.default_rng(1).normal(size=(5, 2))
    center0, center1, scale = np.array([3.0, -2.0]), np.array([-1.0, 4.0]), 2.5
    wide = plan.rescaled(center0, center1, scale)
    found, expected = wide.given(center0 + scale * x), plan.given(x)
    assert np.allclose(found.weights, expected.weights)
    assert np.allclose(found.mean, center1 + scale * expected.mean)
    assert np.allclose(found.covariance, scale**2 * expected.covariance)


def test_the_known_plan_is_as_it_is_written():
    """Against the formula of the benchmark, with its potential and the kernel apart."""
    plan, x = known_plan(1, NOISE, parts=2, radius=1.5, spectrum=(0.4, 0.4)), np.array([-0.5, 1.0])
    # In one dimension the sphere is two points, and the spectrum one number.
    rng = np.random.default_rng(0)
    means = 1.5 * np.sign(rng.normal(size=(2, 1)))[:, 0]
    potential = sum(norm.pdf(GRID, m, np.sqrt(0.4)) for m in means)
    tilted = potential * norm.pdf(GRID, x[:, None], np.sqrt(NOISE))
    expected = tilted / (tilted.sum(axis=1, keepdims=True) * STEP)
    assert np.allclose(densities(plan, x), expected, atol=QUADRATURE)
    with pytest.raises(LiouvilleError, match="noise of the plan is 0"):
        known_plan(2, 0.0)


# The likelihood.


@pytest.mark.slow
def test_what_a_plan_falls_short_of_is_its_relative_entropy():
    """On a grid of starts and the end that the truth leads to, by quadrature."""
    truth, other = a_plan(), dataclasses.replace(a_plan(), shifts=a_plan().shifts + 0.3)
    coarse = GRID[::8]
    start = norm.pdf(coarse) * 8 * STEP
    joint = start[:, None] * densities(truth, coarse) * STEP
    logs = np.log(densities(truth, coarse) + 1e-300) - np.log(densities(other, coarse) + 1e-300)
    entropy = (joint * logs).sum()
    ends = joint.sum(axis=0)

    def gain(plan: Plan) -> float:
        reached = np.logaddexp.reduce(plan.log_joint_end(GRID[:, None]), axis=1)
        started = np.logaddexp.reduce(plan.log_joint_start(coarse[:, None]), axis=1)
        return float(ends @ reached - start @ started)

    assert entropy > 1e-2
    assert np.isclose(gain(truth) - gain(other), entropy, atol=1e-6)


def test_a_single_part_is_the_bridge_between_gaussians():
    x, y = (gaussian(m, s).spread(2**13) for m, s in ((M0, S0), (M1, S1)))
    plan = entropic_plan(x, y, NOISE, parts=1)
    law = plan.given(M0 + np.eye(2))
    cov0, cov1 = (np.cov(z.T, bias=True) for z in (x, y))
    cross = bridge_cross(cov0, cov1, NOISE)
    slope = np.linalg.solve(cov0, cross).T
    expected = y.mean(axis=0) + (M0 + np.eye(2) - x.mean(axis=0)) @ slope.T
    assert np.allclose(law.mean, expected, atol=1e-6)
    assert np.allclose(law.covariance, cov1 - slope @ cross, atol=1e-6)
    energy = GaussianBridge(M0, S0, M1, S1, sigma=float(np.sqrt(NOISE))).energy()
    # What is left is that the points are finitely many.
    assert np.isclose(plan.least_energy(x, y), energy, rtol=1e-3)
    worse = dataclasses.replace(plan, shifts=plan.shifts + 0.5)
    assert worse.least_energy(x, y) < energy - 0.05


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_a_known_plan_is_found_from_samples(noise):
    truth = known_plan(2, noise, seed=1)
    x, y = drawn(truth, 4000, 5)
    at = np.random.default_rng(9).normal(size=(300, 2))
    unit = 0.5 * np.trace(np.cov(y.T))
    errors = {
        parts: conditional_distance(
            entropic_plan(x, y, noise, parts=parts).given(at), truth.given(at)
        )
        / unit
        for parts in (1, 5)
    }
    assert errors[5] < 0.02
    assert errors[1] > 2.0 * errors[5]
    # The negative control: whatever the start.
    still = ConditionalLaw(np.ones((300, 1)), np.tile(y.mean(0), (300, 1, 1)), np.cov(y.T)[None])
    assert conditional_distance(still, truth.given(at)) / unit > 0.5


def test_the_number_of_parts_is_found():
    truth = known_plan(2, 10.0, seed=0)
    found = entropic_plan(*drawn(truth, 4000, 2), 10.0)
    assert 4 <= len(found.logits) <= 8
    one = gaussian(M0, S0).sample(2000, seed=0)[0], gaussian(M1, S1).sample(2000, seed=1)[0]
    assert len(entropic_plan(*one, 1.0).logits) == 1


def test_points_on_a_line_have_a_plan():
    t = np.random.default_rng(0).normal(size=(2, 500, 1))
    x, y = t * np.array([1.0, 2.0])
    plan = entropic_plan(x, y + 1.0, 0.5, parts=2)
    assert np.isfinite(plan.given(x[:5]).mean).all()


# What users ask.


def test_ends_may_be_mixtures_or_samples():
    source = gaussian(M0, S0)
    plan = fit_plan(source, source.sample(800, seed=1)[0] + 2.0, sigma=1.0, duration=2.0, parts=1)
    assert plan.noise == 2.0
    assert np.allclose(plan.given(M0).mean, M0 + 2.0, atol=0.3)
    samples = np.random.default_rng(0).normal(size=(50, 2))
    cases: list[tuple[tuple[Any, Any], dict[str, Any], str]] = [
        ((samples, samples), {"sigma": 0.0}, "sigma of the plan is 0"),
        ((samples, samples[:, :1]), {"sigma": 1.0}, "2 coordinates but the target 1"),
        ((samples, samples), {"sigma": 1.0, "parts": 51}, "51 parts for 50 samples"),
        ((samples, samples), {"sigma": 1.0, "parts": 0}, "parts is 0"),
        ((samples[:5], samples), {"sigma": 1.0}, "5"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(LiouvilleError, match=message):
            fit_plan(*arguments, **options)


@pytest.fixture
def model() -> Model:
    """A model of two gaps, whose diffusion is known by its plans alone."""
    units = Standardisation(np.array([10.0, -3.0]), np.array([2.0, 2.0]), 5.0, 4.0)
    plans = (a_plan(2), a_plan(2))
    # The noise of a plan in the user's squared length, over the two units of time of a gap.
    sigma = float(np.sqrt(NOISE * 2.0**2 / 2.0))
    return Model(Normal(2), units, np.array([5.0, 7.0, 9.0]), ("a", "b"), sigma=sigma, plans=plans)


def test_a_model_says_the_law_in_the_users_units(model):
    z = np.random.default_rng(0).normal(size=(2, 3, 2))
    x, plan = model.units.to_user(z), model.plans[1]
    found = model.conditional(x, start=7.5, end=8.5)
    expected = plan.given(z, 0.25, 0.75)
    assert np.allclose(found.mean, model.units.to_user(expected.mean))
    assert np.allclose(found.covariance, 4.0 * expected.covariance)
    assert found.covariance.shape == (2, 3, 2, 2)
    moved = transport_map(model, x, start=7.5, end=8.5, draws=3000)
    spread = np.sqrt(np.einsum("...ii->...i", found.covariance) / 3000)
    assert (np.abs(moved - found.mean) < STANDARD_ERRORS * spread).all()


def test_through_two_gaps_the_law_is_known_by_draws(model):
    z = np.array([[0.3, -0.2]])
    law = model.conditional(model.units.to_user(z), draws=20_000)
    first, second = model.plans
    between = first.given(z).sample(20_000, seed=3)[:, 0]
    onward = second.given(between)
    expected = model.units.to_user(onward.mean.mean(axis=0))
    spread = 2.0 * np.sqrt(np.diag(np.cov(onward.sample(1)[0].T)) / 20_000)
    assert (np.abs(law.mean[0] - expected) < 2.0 * STANDARD_ERRORS * spread).all()
    assert law.covariances is None


def test_plans_are_kept_in_files(model, tmp_path):
    model.save(tmp_path / "m.lv")
    again = load(tmp_path / "m.lv")
    x = np.array([[9.0, -2.0]])
    for one, other in zip(model.plans, again.plans):
        for name in ("noise", "logits", "shifts", "slopes"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
    found, expected = (m.conditional(x, end=7.0) for m in (again, model))
    assert np.allclose(found.mean, expected.mean, rtol=ROUNDING)
    dataclasses.replace(model, plans=model.plans[:1]).save(tmp_path / "bad.lv")
    with pytest.raises(LiouvilleError, match="a plan for every gap"):
        load(tmp_path / "bad.lv")


@pytest.mark.parametrize("times", [(5.0, 7.0), (7.4, 8.2)])
def test_couples_are_the_most_probable_ones(model, times):
    rng = np.random.default_rng(6)
    x, y = (model.units.to_user(rng.normal(size=(n, 2))) for n in (3, 5))
    start, end = times
    laws = [model.conditional(np.tile(a, (5, 1)), start=start, end=end) for a in x]
    logs = np.stack([law.log_density(y) for law in laws])
    best = max(itertools.permutations(range(5), 3), key=lambda p: logs[range(3), p].sum())
    found = couple(model, x, y, start=start, end=end)
    assert found.tolist() == [[i, j] for i, j in enumerate(best)]


def test_the_command_writes_mean_and_spread(model, tmp_path, capsys):
    model.save(tmp_path / "model.lv")
    x = model.units.to_user(np.random.default_rng(2).normal(size=(4, 2)))
    lines = ["a,b", *(f"{a:.17g},{b:.17g}" for a, b in x)]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    out = tmp_path / "law.csv"
    asked = ("map", tmp_path, tmp_path / "x.csv", "--law", "--to", 7.0, "--out", out)
    assert call(*asked) == 0
    capsys.readouterr()
    names = out.read_text().splitlines()[0].split(",")
    assert names == ["a", "b", "mean a", "mean b", "spread a", "spread b"]
    law = model.conditional(x, end=7.0)
    spread = np.sqrt(np.einsum("...ii->...i", law.covariance))
    found = np.loadtxt(out, delimiter=",", skiprows=1)
    assert np.allclose(found[:, 2:], np.concatenate([law.mean, spread], axis=1), rtol=PRINTED)


def test_laws_that_cannot_be_asked_for(model):
    x = np.array([[9.0, -2.0]])
    still = dataclasses.replace(model, sigma=0.0, plans=())
    for asked, message in (
        (lambda: model.conditional(x, start=7.0, end=7.0), "given itself is x"),
        (lambda: model.conditional(x, end=9.5), "outside the fitted range"),
        (lambda: model.conditional(x[:, :1]), "do not fit a model of 2"),
        (lambda: model.conditional(x, draws=0), "draws is 0"),
        (lambda: still.conditional(x), "need noise"),
    ):
        with pytest.raises(LiouvilleError, match=message):
            asked()


@pytest.mark.slow
def test_fits_with_noise_have_plans_and_a_lower_bound():
    ends = gaussian(np.zeros(2), np.eye(2)), mixture(1, 2)
    settings = {**BRIEF, "objective.sigma": 1.0, "certificate.points": 100, "plan.most": 4}
    fit = fit_transport(*ends, settings=settings, progress=False)
    found, (plan,) = fit.summary, fit.model.plans
    assert 2 <= len(plan.logits) <= 4
    bound, error = found["lower bound (plan)"], found["lower bound (plan), standard error"]
    assert bound < found["energy"] + STANDARD_ERRORS * (error + found["energy, standard error"])
    assert bound > 0.9 * found["least energy (discrete problem)"]
    # By the diffusion, known by draws, and by the plan in closed form.
    x = ends[0].sample(20, seed=4)[0]
    by_draws = dataclasses.replace(fit.model, plans=()).conditional(x, draws=400)
    law = fit.model.conditional(x)
    assert np.abs(by_draws.mean - law.mean).mean() < 0.2
    with_cost = {**settings, "training.steps": 10}
    bent = fit_transport(*ends, settings=with_cost, cost=lambda t, x: 0.0 * x[0], progress=False)
    assert bent.model.plans == ()
