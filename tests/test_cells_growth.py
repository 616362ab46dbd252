"""Snapshots whose masses and proportions change: what is growth, and what is motion."""

import dataclasses
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from liouville.data import Snapshots
from liouville.errors import LiouvilleError
from liouville.numerics.couplings import growth_length
from liouville.numerics.distances import Cloud
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.shrunken import follow
from liouville.runs.config import merge
from liouville.tasks.cells._gaps import unfilled
from liouville.tasks.cells.bootstrap import Sample
from liouville.tasks.cells.conditions import Totals, masses_by_time
from liouville.tasks.cells.config import CellsConfig, PathConfig
from liouville.tasks.cells.doubts import say_steps_of_chance
from liouville.tasks.cells.fit import fit_cells
from liouville.tasks.cells.groups import changing_shares, mixtures, more_than_chance
from liouville.tasks.cells.growth import (
    growth_factors,
    totals_by_time,
)
from liouville.tasks.cells.initial import (
    chains_through,
    choose_groups,
    growth_of_groups,
    initial_path,
    total_curves,
)
from liouville.tasks.cells.read import read
from tolerances import ROUNDING

SIDES = np.array([[-3.0, 0.0], [3.0, 0.0]])
COUNTS = ((100, 200), (200, 200), (400, 200))
TIMES = np.array([0.0, 0.5, 1.0])


def two_types(seed: int = 0) -> list[np.ndarray]:
    """Two resting types whose proportions change: 1 to 2, 1 to 1 and 2 to 1."""
    rng = np.random.default_rng(seed)
    return [np.repeat(SIDES, n, axis=0) + 0.5 * rng.normal(size=(sum(n), 2)) for n in COUNTS]


def moving(seed: int = 0) -> list[np.ndarray]:
    """One type that moves from one place to the other."""
    rng = np.random.default_rng(seed)
    return [0.5 * rng.normal(size=(300, 2)) + [x, 0.0] for x in (-3.0, 0.0, 3.0)]


# Masses


def test_the_mass_of_a_snapshot_is_one_or_its_cells_or_what_is_said():
    cells = Snapshots.of([np.zeros((3, 1)), np.zeros((5, 1))], [0.0, 2.0])
    assert totals_by_time(cells, "relative").tolist() == [1.0, 1.0]
    assert totals_by_time(cells, "counts").tolist() == [3.0, 5.0]
    assert totals_by_time(cells, "2=7.5, 0=1e3").tolist() == [1000.0, 7.5]
    weighted = Snapshots(cells.points, cells.times, weights=np.arange(1.0, 9.0))
    assert totals_by_time(weighted, "counts").tolist() == [6.0, 30.0]
    whole = np.array([1.0, 15.0])
    first, last = masses_by_time(weighted, Totals(np.ones(1), whole[None], whole))
    np.testing.assert_allclose(first, np.arange(1.0, 4.0) / 6.0)
    np.testing.assert_allclose(last, np.arange(4.0, 9.0) / 2.0)


@pytest.mark.parametrize(
    ("mass", "message"),
    [
        ("cells", "give relative, counts, a column, a table, or the total at every time: 0=1,2=1"),
        ("0=1", "no total at time 2"),
        ("0=1,2=-3", "the total -3 at time 2"),
        ("0=1,2=many", "give relative"),
        ("", "give relative"),
    ],
)
def test_masses_that_are_not_understood(mass, message):
    cells = Snapshots.of([np.zeros((3, 1)), np.zeros((5, 1))], [0.0, 2.0])
    with pytest.raises(LiouvilleError, match=message):
        totals_by_time(cells, mass)


def test_masses_of_a_column_and_of_a_table(tmp_path):
    frame = pd.DataFrame({"day": [0, 0, 2, 2], "x": np.arange(4.0), "culture": [5, 5, 9, 9]})
    config = merge(CellsConfig, flags={"growth.mass": "culture", "data.min_cells": 1})
    cells = read(config, frame)
    assert cells.features == ("x",)
    assert totals_by_time(cells, "culture").tolist() == [5.0, 9.0]
    assert totals_by_time(cells.select(cells.times == 2.0), "culture").tolist() == [9.0]
    file = tmp_path / "totals.csv"
    file.write_text("day,million cells\n2,9e6\n0,5e6\n")
    assert totals_by_time(cells, str(file)).tolist() == [5e6, 9e6]
    frame.loc[0, "culture"] = 6
    with pytest.raises(LiouvilleError, match=r"total mass at day 0 of .* is 5 and 6; give all"):
        read(config, frame)
    with pytest.raises(LiouvilleError, match=r"no column 'cult'.*did you mean 'culture'"):
        read(merge(CellsConfig, flags={"growth.mass": "cult"}), frame)
    file.write_text("day,a,b\n0,1,1\n2,1,1\n")
    with pytest.raises(LiouvilleError, match="one row a time, and one total in it"):
        totals_by_time(cells, str(file))


def test_expected_growth_follows_rates_and_gaps():
    cells = Snapshots.of([np.zeros((2, 1))] * 3, [0.0, 1.0, 3.0], rates=np.array([1.0, 0] * 3))
    factors = growth_factors(cells)
    assert factors is not None
    first, second = factors
    np.testing.assert_allclose(first, [np.e, 1.0])
    np.testing.assert_allclose(second, [np.e**2, 1.0])
    with pytest.raises(LiouvilleError, match=r"exp\(20\) from time 1 to 3"):
        growth_factors(dataclasses.replace(cells, rates=np.full(6, 10.0)))


def default_length(clouds: list[np.ndarray]) -> float:
    return growth_length(clouds, chains_through(clouds))


def test_what_growth_costs_follows_the_units_and_not_the_noise():
    clouds = two_types()
    assert default_length([7.0 * x for x in clouds]) == pytest.approx(7.0 * default_length(clouds))
    noise = [0.1 * np.random.default_rng(i).normal(size=(len(x), 40)) for i, x in enumerate(clouds)]
    wide = [np.concatenate(pair, axis=1) for pair in zip(clouds, noise)]
    assert default_length(wide) == pytest.approx(default_length(clouds), rel=0.02)
    # What moves as a whole may go as far as it does.
    assert default_length(moving()) == pytest.approx(0.75 * 3.0, rel=0.05)


def test_steps_that_are_chance_are_said():
    """Two types at rest, alone and with forty coordinates of noise; then all of them move."""
    noise = [np.random.default_rng(i).normal(size=(len(x), 40)) for i, x in enumerate(two_types())]
    wide = [np.concatenate(pair, axis=1) for pair in zip(two_types(), noise)]
    with pytest.warns(
        UserWarning, match="as far as between two halves of one .*--growth none, and with fewer"
    ):
        say_steps_of_chance(wide, chains_through(wide))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        say_steps_of_chance(two_types(), chains_through(two_types()))
        moved = [x + 5.0 * i for i, x in enumerate(wide)]
        say_steps_of_chance(moved, chains_through(moved))


def test_growth_of_groups_is_that_of_the_cheapest_curve():
    r"""From mass 1 to 4 in time 2, $\sqrt m$ is linear: $\int h^2 m/2 = 2 \cdot 1/2$, over 5/2."""
    joined = chains_through([np.zeros((5, 1)), np.zeros((5, 1))])
    grown = joined._replace(masses=np.array([[0.2, 0.8]] * 5))
    times, one = np.array([0.0, 2.0]), np.zeros(5, int)
    assert growth_of_groups(times, grown, one) == pytest.approx(0.4)
    assert growth_of_groups(times, joined, one) == pytest.approx(0.0, abs=ROUNDING)


# Parts


@pytest.mark.parametrize(("make", "parts"), [(two_types, 2), (moving, 1)])
def test_cells_kept_apart_say_how_many_parts_there_are(make, parts):
    clouds = make()
    masses = [np.full(len(x), 1.0 / len(x)) for x in clouds]
    delta = default_length(clouds)
    found = choose_groups(clouds, masses, PathConfig(), delta=delta)
    assert found.parts == parts
    assert found.prior is not None
    # What is given stays.
    assert choose_groups(clouds, masses, PathConfig(parts=5), delta=delta).parts == 5
    given = PathConfig(parts=5, prior=2.0, family="gaussian")
    assert choose_groups(clouds, masses, given) is given


def heavy_types(degrees: float) -> list[np.ndarray]:
    """Three types in four coordinates, whose tails are of so many degrees of freedom."""
    rng, clouds = np.random.default_rng(0), []
    for _ in range(3):
        kind, z = rng.integers(3, size=300), rng.normal(size=(300, 4))
        wide = np.sqrt(degrees / rng.chisquare(degrees, size=(300, 1)))
        clouds.append(4.0 * np.eye(4)[kind] + 0.5 * wide * z)
    return clouds


def chosen(clouds: list[np.ndarray], **given: Any) -> PathConfig:
    masses = [np.full(len(x), 1.0 / len(x)) for x in clouds]
    return choose_groups(clouds, masses, PathConfig(**given), delta=default_length(clouds))


def test_tails_of_types_are_no_types():
    found = chosen(heavy_types(3.0))
    assert (found.family, found.parts) == ("student", 3)
    assert found.degrees in (2.0, 3.0, 5.0)
    # As Gaussian parts they are twice as many.
    assert (chosen(heavy_types(3.0), family="gaussian").parts or 0) >= 6
    light = chosen(heavy_types(1e6))
    assert (light.family, light.degrees, light.parts) == ("gaussian", None, 3)


def test_tails_that_are_given_stay():
    clouds = heavy_types(1e6)
    found = chosen(clouds, degrees=4.0, parts=3)
    assert (found.family, found.degrees, found.parts) == ("student", 4.0, 3)
    assert chosen(clouds, family="student", parts=3).degrees == 50.0
    with pytest.raises(LiouvilleError, match=r"path.degrees is 4, but path.family is logistic; .*"):
        chosen(clouds, degrees=4.0, family="logistic")


def test_of_heavy_tails_a_cell_tells_less():
    """The place of a Student part is off by (nu + d + 2) / (nu + d) of what it is of a Gaussian."""
    rng, n, places = np.random.default_rng(0), 100, []
    one = GaussianMixture(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    options: Any = {"strength": 0.0, "steps": 10, "leading": 3, "degrees": 4.0}
    for _ in range(400):
        x = rng.normal(size=(n, 3)) * np.sqrt(4.0 / rng.chisquare(4.0, size=(n, 1)))
        places.append(follow(one, x, np.ones(n), **options).means[0])
    assert n * np.mean(np.square(places)) == pytest.approx(9.0 / 7.0, abs=0.12)
    # So a step that would be told from chance in a Gaussian part is not in this one.
    pair = [one, dataclasses.replace(one, means=np.array([[0.41, 0.0, 0.0]]))]

    def step(degrees: float) -> float:
        before, after = more_than_chance(pair, [n, n], 1.0, degrees)
        return float(after.means[0, 0] - before.means[0, 0])

    assert step(4.0) == 0.0 < step(np.inf)


def test_the_initial_path_has_the_totals_and_the_shares():
    clouds, totals = two_types(), np.array([300.0, 400.0, 600.0])
    masses = [np.full(len(x), total / len(x)) for x, total in zip(clouds, totals)]
    joined = chains_through(clouds, masses, delta=2.0)
    config = PathConfig(parts=2, prior=3.0, members=2)
    filled = unfilled(TIMES, joined)
    cells = list(map(Cloud, clouds, masses))
    samples = [Sample(filled, cells, [])] * config.members
    path = initial_path(samples, config, totals=total_curves(TIMES, totals[None]))

    @jax.jit
    def mass_and_growth_at_rest(path):
        marginal = path.at(jnp.asarray(0.0))
        return marginal.log_mass, marginal.growth(jnp.asarray([3.0, 0.0]))

    @jax.jit
    def mass_and_particles(t):
        marginal = path.at(t)
        return marginal.log_mass, *marginal.particles(400, key=jax.random.key(0))

    for t, total, counts in zip(TIMES, totals, COUNTS):
        log_mass, x, w = mass_and_particles(jnp.asarray(t))
        assert float(log_mass) == pytest.approx(np.log(total))
        assert float(w @ (x[:, 0] < 0)) == pytest.approx(counts[0] / sum(counts), abs=0.01)
    log_mass, growth = mass_and_growth_at_rest(initial_path(samples, config))
    assert float(log_mass) == 0.0
    assert float(growth) == 0.0


def snapshots_of_parts(steps: np.ndarray, shares: np.ndarray, numbers: np.ndarray):
    """What cells say of parts of unit spread in two coordinates, and their true means."""
    rng, places = np.random.default_rng(0), 6.0 * np.arange(shares.shape[1])[:, None]
    found, means = [], places + np.cumsum(steps, axis=0)
    for mean, share, n in zip(means, shares, numbers):
        clouds = [rng.normal(size=(k, 2)) + m for k, m in zip(rng.multinomial(n, share), mean)]
        counts = np.array([len(x) for x in clouds])
        moments = [x.mean(axis=0) for x in clouds], [np.cov(x.T) for x in clouds]
        found.append(GaussianMixture(counts / n, *map(np.stack, moments)))
    return found, means


def test_parts_move_and_grow_by_what_is_more_than_chance():
    # One rests, one moves by an error of its mean, and one by four spreads a time.
    steps = np.zeros((5, 3, 2))
    steps[1:, 1, 0], steps[1:, 2, 0] = 0.05, 4.0
    shares, numbers = np.tile([0.5, 0.3, 0.2], (5, 1)), np.full(5, 600)
    found, means = snapshots_of_parts(steps, shares, numbers)
    told = more_than_chance(found, numbers.tolist(), 0.0)
    seen, kept = (np.stack([mixture.means for mixture in own]) for own in (found, told))
    assert np.ptp(kept[:, 0], axis=0).max() < 1e-9 < 0.05 < np.ptp(seen[:, 0], axis=0).max()
    np.testing.assert_allclose(np.diff(kept[:, 2, 0], axis=0), 4.0, atol=0.3)
    assert np.square(kept - means).mean() < 0.7 * np.square(seen - means).mean()
    at_rest = np.stack([mixture.covariances[0] for mixture in told])
    assert np.ptp(at_rest, axis=0).max() < 1e-9
    counted, shown = (np.ptp([m.weights for m in own], axis=0).max() for own in (found, told))
    assert shown < 1e-9 < 0.01 < counted


def test_members_whose_spread_is_the_error_keep_what_chance_does():
    clouds = two_types()
    joined = chains_through(clouds, [np.ones(len(x)) for x in clouds], delta=2.0)
    label = (joined.points[:, 0, 0] > 0).astype(int)
    cells = list(map(Cloud.of, clouds))
    rows, options = (joined.points, joined.masses, label, cells), {"prior": 3.0, "leading": 2}
    told, kept = (
        np.stack([mixture.means for mixture in mixtures(*rows, with_chance=is_kept, **options)])
        for is_kept in (False, True)
    )
    assert np.ptp(told, axis=0).max() < 1e-9 < 0.01 < np.ptp(kept, axis=0).max()


def test_types_that_are_born_or_grow_are_told():
    shares = np.array([[0.0, 1.0], [0.1, 0.9], [0.3, 0.7]])
    numbers = np.array([200, 300, 600])
    told = changing_shares(shares, numbers)
    np.testing.assert_allclose(told, shares, atol=0.02)
    # Negative control: of a hundredth of the cells the same is chance.
    few = changing_shares(shares, numbers / 100)
    assert np.ptp(few, axis=0).max() < 1e-9


# Fits

BRIEF = {
    "path.members": 1,
    "training.steps": 40,
    "objective.times": 8,
    "objective.particles": 16,
}


@pytest.mark.parametrize("mass", ["counts", pytest.param("relative", marks=pytest.mark.slow)])
def test_resting_types_rest_and_grow(mass):
    # A quarter of the cells of either type.
    clouds = [x[::4] for x in two_types()]
    fitted = fit_cells(Snapshots.of(clouds, [0.0, 1.0, 2.0]), {**BRIEF, "growth.mass": mass})
    model = fitted.model
    assert fitted.summary["parts"] == 2
    for t, counts in zip((0.0, 1.0, 2.0), COUNTS):
        x = model.sample(t, 4000, seed=1)
        assert np.mean(x[:, 0] < 0) == pytest.approx(counts[0] / sum(counts), abs=0.03)
        assert np.mean(np.abs(x[:, 0]) < 1.5) < 0.005
        total = sum(counts) / 4 if mass == "counts" else 1.0
        assert float(model.log_mass(t)) == pytest.approx(np.log(total), abs=1e-4)
    rates = [model.growth(t, SIDES) for t in (0.5, 1.5)]
    assert np.mean([a - b for a, b in rates]) == pytest.approx(np.log(2), abs=0.15)
    ends = model.trajectories(two_types()[0], [0.0, 2.0])[-1]
    assert np.sum((ends[:, 0] > 0) != (two_types()[0][:, 0] > 0)) <= 2


def neighbours() -> tuple[list[np.ndarray], np.ndarray]:
    """Three resting types side by side, one dies, one stays, one grows; and the rate of each."""
    rng = np.random.default_rng(0)
    counts = ((200, 200, 200), (140, 200, 280), (100, 200, 400))
    centers = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    clouds = [np.repeat(centers, n, axis=0) + 0.3 * rng.normal(size=(sum(n), 2)) for n in counts]
    rates = np.concatenate([np.repeat([-1.0, 0.0, 1.0], n) for n in counts])
    return clouds, 0.5 * np.log(2.0) * rates


@pytest.mark.slow
def test_expected_rates_say_what_is_growth_and_what_is_motion():
    """Right ones tell all of it; those of the opposite sign turn it into motion, none a part."""
    clouds, rates = neighbours()
    speeds = []
    for expected in (None, rates, -rates):
        cells = Snapshots.of(clouds, [0.0, 1.0, 2.0], rates=expected)
        model = fit_cells(cells, {**BRIEF, "path.members": 3}).model
        speeds.append(float(model.velocity(1.0, np.array([[1.0, 0.0]]))[0, 0]))
    none, right, wrong = speeds
    assert abs(right) < 0.01
    # Over draws of the cells it is .04, .07, .08 and .04.
    assert abs(none) < 0.06
    assert wrong > none + 0.04


@pytest.mark.slow
def test_totals_with_errors_are_met_as_well_as_these_allow():
    clouds = [x[::4] for x in two_types()]
    settings = {**BRIEF, "growth.mass": "0=100,1=300,2=100", "growth.mass_error": 0.2}
    model = fit_cells(Snapshots.of(clouds, [0.0, 1.0, 2.0]), settings).model
    log_mass = model.log_mass([0.0, 1.0, 2.0])
    np.testing.assert_allclose(log_mass, np.log([100, 300, 100]), atol=0.4)
    with pytest.raises(LiouvilleError, match="relative has no totals that could be wrong"):
        fit_cells(Snapshots.of(clouds, [0.0, 1.0, 2.0]), {**BRIEF, "growth.mass_error": 0.2})


@pytest.mark.slow
def test_mass_is_conserved_on_request():
    cells = Snapshots.of(two_types(), [0.0, 1.0, 2.0])
    model = fit_cells(cells, {**BRIEF, "training.steps": 20, "growth.of": "none"}).model
    assert np.all(model.growth(1.0, SIDES) == 0.0)
    assert float(model.log_mass(2.0)) == 0.0


def test_conserved_mass_has_no_settings_of_growth():
    cells = Snapshots.of(two_types(), [0.0, 1.0, 2.0])
    for setting in ({"growth.mass": "counts"}, {"growth.delta": 1.0}, {"growth.rates": "r"}):
        with pytest.raises(LiouvilleError, match="--growth none conserves mass"):
            fit_cells(cells, {**BRIEF, "growth.of": "none", **setting})


@pytest.mark.slow
def test_a_type_that_moves_does_not_grow():
    model = fit_cells(Snapshots.of(moving(), [0.0, 1.0, 2.0]), BRIEF).model
    x = model.sample(1.0, 500)
    assert np.abs(model.growth(1.0, x)).mean() < 0.1
    np.testing.assert_allclose(model.velocity(1.0, x).mean(0), [3.0, 0.0], atol=0.3)
