"""Transport between given distributions: fits, units, least energies, answers."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.curves import Constant, Knots
from liouville.diffusions import bridges
from liouville.errors import LiouvilleError
from liouville.numerics.distances import Estimate
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.paths import Full, Joined, LocationScale
from liouville.problems import bridge_cross, bures
from liouville.runs.config import merge
from liouville.tasks import skeleton
from liouville.tasks.transport import measure as measures
from liouville.tasks.transport.answers import couple, transport_map
from liouville.tasks.transport.config import TransportConfig
from liouville.tasks.transport.ends import End, read_ends
from liouville.tasks.transport.fit import TransportFit, fit_transport
from liouville.tasks.transport.measure import _compare, bounds, certify, estimate
from liouville.tasks.transport.problem import (
    Given,
    energy_term,
    problem_of,
    resolve_times,
    total_term,
    units_of,
)
from liouville.training import Fit
from makers import jolted
from test_problems import M0, M1, S0, S1, bridge
from tolerances import STANDARD_ERRORS
from transport_cases import BRIEF, GOOD, mixture

# A path there and back with some 30 steps of order four between two ends.
ROUND_TRIP = 1e-4
# Runs in other units do the same up to rounding, which some steps of training enlarge.
SAME_RUN = 1e-5


def moved(end: GaussianMixture, factor: float, shift: Sequence[float]) -> GaussianMixture:
    return GaussianMixture(
        end.weights, factor * end.means + np.array(shift), factor**2 * end.covariances
    )


@pytest.fixture
def brief(monkeypatch) -> Callable[..., TransportFit]:
    """A fit of few steps, cut along few draws and without its certificate."""
    monkeypatch.setattr(bridges, "_DRAWS", 300)
    monkeypatch.setattr(measures, "certify", lambda *_, **__: {})

    def run(*sources: Any, times: Any = None, reference: Any = None, cost: Any = None, **more: Any):
        settings = BRIEF | {key.replace("__", "."): value for key, value in more.items()}
        return fit_transport(
            *sources, times=times, settings=settings, reference=reference, cost=cost, progress=False
        )

    return run


def energy_of(fit: TransportFit, piece: int = 0) -> float:
    """The energy of a piece in the user's units, from common random numbers."""
    problem = problem_of(Given(fit.ends), fit.model.units, fit.config)
    path: Any = fit.model.path
    term = energy_term(problem, problem.times[piece : piece + 2], 32, 128)  # pyright: ignore[reportArgumentType]
    return estimate(term, path.pieces[piece]).value * problem.energy_scale


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
        (lambda: transport_map(fit.model, points, draws=-1), "draws is -1"),
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

    monkeypatch.setattr(skeleton, "fit", shaken)
    fit = brief(gaussian(M0, S0), gaussian(M1, S1), objective__asymmetry=asymmetry)
    least = 0.5 * bures(M0, S0, M1, S1)
    assert np.isclose(energy_of(fit), least, rtol=1e-3)
    # The negative control.
    shaken_fit = fit._replace(model=dataclasses.replace(fit.model, path=ruined[0]))
    assert energy_of(shaken_fit) > 1.1 * least


@pytest.mark.slow
def test_what_is_measured_has_the_weight_of_the_asymmetry():
    ends = [End(gaussian(M0, S0)), End(gaussian(M1, S1))]
    chosen = resolve_times(TransportConfig(), ends)
    problem = problem_of(Given(ends), units_of(ends, chosen), chosen)
    parts = LocationScale(
        Knots((0.0, 1.0), jnp.zeros((2, 2, 2)), "linear"),
        Knots((0.0, 1.0), 0.4 * jr.normal(jr.key(1), (2, 2, 2, 2)), "linear"),
        jnp.zeros(2),
        scale=Full(),
    )
    path = Joined([parts], (0.0, 1.0))
    values = [
        estimate(total_term(problem, times=4, particles=32, asymmetry=w), path).value
        for w in (0.0, 1.0, 3.0)
    ]
    assert values[1] > values[0]
    assert np.isclose(values[2] - values[0], 3.0 * (values[1] - values[0]), rtol=1e-9)


def test_one_discrete_problem_has_no_error():
    found = bounds(GOOD, mixture(1, 2), 0.0, points=50, repeats=1)
    assert np.isnan(found.discrete.error)
    written = _compare(Estimate(1.0, 0.0), found, 1.0, 1.0)
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
        chosen = merge(TransportConfig, flags={"objective.sigma": 1.0, **settings})
        found = read_ends(ends, chosen.data, chosen.ends)
        chosen = resolve_times(chosen, found)
        units = units_of(found, chosen)
        assert np.allclose(units.scale, np.sqrt(0.5))
        problem = problem_of(Given(found), units, chosen)
        return estimate(energy_term(problem, (0.0, 1.0), 8, 64), path).value * problem.energy_scale

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
    plain = certify(straight.model, Given(straight.ends, cost=hill), straight.config)
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
    settings = BRIEF | {"certificate.points": 30, "training.steps": 1, "training.rate": 1e-12}
    fit = fit_transport("gaussian", "gaussian", settings=settings, progress=False)
    assert fit.summary["energy"] < 1e-3
    # No share of nothing is left.
    assert "gap" not in fit.summary
    json.dumps(fit.summary, allow_nan=False)
