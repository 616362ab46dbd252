"""Densities of places where a region is known: exact masses, kernels at its border, levels."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import kstest, norm

from liouville.data import Events, Region
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed
from liouville.processes import (
    ConstantRate,
    FinitePowerLaw,
    History,
    PointProcess,
    Poisson,
    PowerZones,
    Reach,
    Triggered,
    Unmarked,
)
from liouville.tasks.events import residuals
from liouville.tasks.events.ask import answers
from liouville.tasks.events.declustered import Declustered, declustered
from liouville.tasks.events.edges import masses_inside, mirrored
from liouville.tasks.events.etas import fit_etas, static
from liouville.tasks.events.forecast import expected_on_grid, forecast_events
from liouville.tasks.events.grid import cells_of
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.units import EventUnits

BOX = Region.box(-2.0, -1.0, 2.0, 1.0)
# With a notch and a hole, so that lines cross it more than twice.
OUTLINE = Region(
    (
        np.array([[-2.0, -1.0], [2.0, -1.0], [2.0, 1.0], [0.0, 0.4], [-2.0, 1.0]]),
        np.array([[-0.5, -0.5], [-0.5, 0.0], [0.5, 0.0], [0.5, -0.5]]),
    )
)


def parts() -> GaussianMixture:
    """Wide and narrow ones, in the middle, at an edge, in a corner and outside."""
    means = np.array([[0.0, 0.2], [1.999, 0.0], [1.99, 0.99], [0.0, 3.0], [-1.0, -0.5]])
    covariances = np.stack(
        [
            [[1.0, 0.6], [0.6, 0.5]],
            1e-6 * np.eye(2),
            np.diag([1e-4, 1e-2]),
            0.25 * np.eye(2),
            [[0.04, -0.03], [-0.03, 0.04]],
        ]
    )
    return GaussianMixture(np.full(5, 0.2), means, covariances)


@pytest.mark.parametrize("region", [BOX, OUTLINE])
def test_masses_in_a_region(region):
    own = parts()
    found = masses_inside(own, region)
    units = EventUnits(np.zeros(2), np.ones(2))
    for i in (0, 3, 4):  # as wide as the nodes of the other way are near
        one = static(GaussianMixture(np.ones(1), own.means[[i]], own.covariances[[i]]))
        other = units.polygon(region).mass(one.at(jnp.asarray(0.0)))
        assert found[i] == pytest.approx(float(other), abs=1e-7)
    assert found[1] == pytest.approx(norm.cdf(1.0), abs=1e-9)
    if region is BOX:
        corner = norm.cdf(0.01 / 0.01) * norm.cdf(0.01 / 0.1)
        assert found[2] == pytest.approx(corner, abs=1e-9)


def test_images_are_across_the_border():
    places = np.array([[1.9, 0.0], [0.0, -0.8], [0.4, -0.25], [2.0, 0.3]])
    images, ways = mirrored(places, BOX)
    np.testing.assert_allclose(images[:2], [[2.1, 0.0], [0.0, -1.2]], atol=1e-12)
    np.testing.assert_allclose(ways[:2], [0.1, 0.2], atol=1e-12)
    assert np.isinf(ways[3])  # on the border: there is no other side
    images, ways = mirrored(places, OUTLINE)
    np.testing.assert_allclose(images[2], [0.6, -0.25], atol=1e-12)
    assert np.isinf(ways[2])  # the image in the hole's other side is inside


def uniform(n: int, region: Region, seed: int = 0) -> np.ndarray:
    west, south, east, north = region.bounds
    x = np.random.default_rng(seed).uniform([west, south], [east, north], (4 * n, 2))
    return x[region.contains(x)][:n]


def of_region(found: Declustered, x: np.ndarray) -> np.ndarray:
    return found.mixture.log_density(x) - np.log(found.inside)


@pytest.mark.slow
@pytest.mark.parametrize("region", [BOX, OUTLINE])
def test_a_background_knows_the_border(region):
    x, fold = uniform(1500, region), np.arange(1500) * 5 // 1500
    weights, other, true = np.ones(1500), uniform(2000, region, 1), -np.log(region.area)
    own = declustered(x, weights, fold, region=region)
    alone = declustered(x, weights, fold)
    assert of_region(own, other).mean() == pytest.approx(true, abs=0.01)
    assert own.log_density.mean() == pytest.approx(true, abs=0.015)
    assert of_region(alone, other).mean() < true - 0.05  # the negative control
    # All of its mass is inside.
    grid = uniform(20_000, region, 2)
    assert region.area * np.exp(of_region(own, grid)).mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.slow
def test_kernels_at_the_border_have_images():
    rng = np.random.default_rng(3)
    x = np.abs(rng.normal(size=(3000, 2)) * [0.7, 0.4])  # densest in the corner
    region, fold = Region.box(0.0, 0.0, 10.0, 10.0), np.arange(3000) * 5 // 3000
    found = declustered(x, np.ones(3000), fold, region=region)
    other = np.abs(np.random.default_rng(4).normal(size=(3000, 2)) * [0.7, 0.4])
    true = np.log(4.0) + norm.logpdf(other / [0.7, 0.4]).sum(axis=1) - np.log(0.7 * 0.4)
    lost = (true - of_region(found, other)).mean()
    alone = declustered(x, np.ones(3000), fold)
    assert lost < 0.02
    assert (true - alone.mixture.log_density(other)).mean() > lost + 0.02


def triggered(log_inside: float, background: GaussianMixture) -> Triggered:
    zones = PowerZones(
        Unmarked.of(0.8),
        FinitePowerLaw.of(0.1, 1.2, 100.0),
        np.log(0.05) * jnp.eye(2),
        jnp.asarray(-0.5),
    )
    return Triggered(Fixed(static(background)), zones, log_inside=float(log_inside))


def case() -> tuple[EventModel, Triggered, History]:
    """A wide background in a box, and three events in the middle of it."""
    background = GaussianMixture(np.ones(1), np.array([[0.5, 0.5]]), np.eye(2)[None])
    inside = float(masses_inside(background, BOX)[0])
    places = triggered(np.log(inside), background)
    process = PointProcess(Poisson(ConstantRate.of(1.0)), places)
    units = EventUnits(np.zeros(2), np.ones(2))
    model = EventModel(process, units, Reach(8), ("x", "y"), region=BOX)
    past = History.of(
        np.array([-3.0, -1.0, -0.2]), np.array([[0.0, 0.0], [0.5, 0.1], [-0.4, -0.1]])
    )
    return model, places, past


@pytest.mark.slow
def test_the_density_in_a_region_sums_to_one():
    _, places, past = case()
    path, now = places.after(past), jnp.asarray(0.0)
    w = np.polynomial.legendre.leggauss(400)
    x, y = 2.0 * w[0], w[0]
    points = jnp.asarray(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2))
    values = np.exp(np.asarray(jax.vmap(lambda p: path.log_density(now, p))(points)))
    mass = float(values @ np.outer(2.0 * w[1], w[1]).ravel())
    # What is lacking are the tails of the zones.
    assert 0.985 < mass < 1.0
    region = EventUnits(np.zeros(2), np.ones(2)).polygon(BOX)
    inside = float(region.mass(path.at(now)) * jnp.exp(path.log_share(now)))
    assert inside == pytest.approx(mass, abs=2e-3)
    x = jnp.asarray([0.3, 0.2])
    own, wide = path.log_density(now, x), path.at(now).log_density(x)
    assert float(own - wide) == pytest.approx(float(path.log_share(now)), abs=2e-3)
    assert float(own - wide) > 0.1


@pytest.mark.slow
def test_levels_of_places_in_a_region_are_uniform():
    model, places, past = case()
    path, now = places.after(past), jnp.asarray(0.0)
    polygon, marginal = model.units.polygon(BOX), path.at(now)
    keys = jr.split(jr.key(0), 800)
    drawn = np.asarray(jax.vmap(lambda key: polygon.sample(marginal, key=key))(keys))
    assert BOX.contains(drawn).all()
    assert isinstance(places.background, Fixed)
    cut = residuals._Cut.of(places.background.value.at(now), polygon)
    found = np.asarray(jax.vmap(lambda x: cut.levels_of(marginal, x))(jnp.asarray(drawn)))
    assert all(kstest(column, "uniform").pvalue > 1e-3 for column in found.T)
    wide = np.asarray(jax.vmap(lambda x: residuals.levels_of(marginal, x))(jnp.asarray(drawn)))
    assert min(kstest(column, "uniform").pvalue for column in wide.T) < 1e-6


def known() -> Events:
    """The history of the case on a clock of its own."""
    _, _, past = case()
    times, places = (np.asarray(a, float) for a in (past.times + 4.0, past.places))
    windows = np.array([[0.0, 5.0]])
    return Events(times, places, np.zeros(3, int), windows, features=("x", "y"), region=BOX)


def test_nothing_is_expected_outside():
    model, _, _ = case()
    points = np.array([[0.0, 0.0], [3.0, 0.0]])
    density = model.density(4.0, points, known())
    assert density[0] > 0.1
    assert density[1] == 0.0
    assert 0.98 < model.mass_inside(4.0, known()) < 1.0
    with pytest.warns(UserWarning, match="1 of 2 points are outside"):
        answers(model, known(), np.full(2, 4.0), points)


@pytest.mark.parametrize("rate", [1e-6, pytest.param(2e3, marks=pytest.mark.slow)])
def test_expected_numbers_in_a_region_are_those_of_the_rate(rate):
    model, places, _ = case()
    process = PointProcess(Poisson(ConstantRate.of(rate)), places)
    model = dataclasses.replace(model, process=process)
    forecast = forecast_events(model, known(), 1e-3, 20, start=4.0)
    cells = cells_of(model, BOX, known(), 0.5)
    grid = expected_on_grid(model, cells, forecast)
    if rate > 1.0:
        assert len(forecast.drawn.times)
        assert BOX.contains(forecast.drawn.places).all()
        assert grid.expected.sum() == pytest.approx(forecast.numbers.mean())
        return
    # No catalogue has an event.
    assert grid.expected.sum() == pytest.approx(1e-3 * rate, rel=0.02)
    density = model.density(4.0, np.array([[1.25, 0.75], [-1.25, -0.75]]), known())
    found = np.array([grid.expected[6, 3], grid.expected[1, 0]]) / grid.expected.sum()
    np.testing.assert_allclose(found, 0.25 * density, rtol=0.1)


@pytest.mark.slow
def test_the_plain_law_of_a_region():
    rng = np.random.default_rng(0)
    x = uniform(800, BOX)
    times = np.sort(rng.uniform(0.0, 800.0, 800))
    columns = (times, x, np.zeros(800, int), np.array([[0.0, 800.0]]))
    events = Events(*columns, features=("x", "y"), region=BOX).check()
    units = EventUnits.of(events, geographic=False)
    found = fit_etas(events, units, 64)
    volume = float(units.log_volume(x[:1])[0])
    assert found.declustered.log_density.mean() + volume == pytest.approx(
        -np.log(BOX.area), abs=0.03
    )
    assert found.declustered.shares[2] > 0.5
