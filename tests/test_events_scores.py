"""Scores of events: gains over other models with their errors, and CSEP's tests of forecasts."""

import dataclasses
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from events_cases import drawn
from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.problems.events import HawkesProcess
from liouville.tasks.events.consistency import (
    bin_numbers,
    cell_numbers,
    consistency,
    magnitude_test,
    number_test,
    pseudo_likelihood_test,
    spatial_test,
)
from liouville.tasks.events.gain import block_length, information_gain, mean_of_blocks
from liouville.tasks.events.poisson import poisson_scores
from liouville.tasks.events.score import figures
from liouville.tasks.events.scores import Scores
from liouville.tasks.events.units import EventUnits
from tolerances import ROUNDING

# Gains.


def clustered(n: int, mean: float, seed: int) -> np.ndarray:
    """A series of mean zero in runs of one level, as of aftershocks."""
    rng = np.random.default_rng(seed)
    runs = rng.geometric(1.0 / mean, size=n)
    return np.repeat(rng.normal(size=n), runs)[:n] + rng.normal(size=n)


def test_the_interval_of_a_clustered_series_holds_its_mean():
    held = plain = 0
    for seed in range(400):
        x = clustered(500, 5.0, seed)
        gain = mean_of_blocks(x, np.ones(500), block_length(x))
        held += gain.low <= 0.0 <= gain.high
        plain += abs(x.mean()) < 1.96 * x.std() / np.sqrt(500)
    # Of 400 true ones at 95 % all but 20 plus or minus 4; what takes them for independent fails.
    assert held > 0.92 * 400
    assert plain < 0.75 * 400


def test_blocks_grow_with_dependence_and_errors_are_those_of_replicates():
    white = np.random.default_rng(0).normal(size=1000)
    assert block_length(white) == 20  # twice the third root
    assert block_length(clustered(1000, 20.0, 0)) > 60
    assert block_length(np.ones(1000)) == 20
    x, rng = clustered(300, 5.0, 1), np.random.default_rng(0)
    block = 20
    starts = rng.integers(300, size=(20_000, 15))
    rows = (starts[:, :, None] + np.arange(block)) % 300
    replicates = x[rows.reshape(len(rows), -1)].mean(axis=1)
    gain = mean_of_blocks(x, np.ones(300), block)
    assert gain.mean == pytest.approx(x.mean(), rel=ROUNDING)
    assert gain.error * np.sqrt(14 / 15) == pytest.approx(replicates.std(), rel=0.03)


def test_a_mean_of_few_has_no_error():
    for n in (1, 2):
        gain = mean_of_blocks(
            np.arange(1.0, n + 1), np.ones(n), block_length(np.arange(1.0, n + 1))
        )
        assert np.isnan([gain.error, gain.low, gain.high]).all()


def units_of(events: Events) -> EventUnits:
    return EventUnits.of(events, geographic=False)


@pytest.mark.parametrize("sequences", [1, 3, 12])
def test_a_gain_is_the_difference_of_the_nats(sequences):
    training, events = drawn(60.0, 3, 0), drawn(30.0, sequences, 1)
    if sequences > 1:  # one of them without events, which says something too
        kept = events.keep(events.sequence != 1)
        events = dataclasses.replace(kept, windows=events.windows)
    ours = poisson_scores(events, training, units_of(training))
    theirs = poisson_scores(events, drawn(60.0, 3, 5), units_of(training))
    found = information_gain(ours, theirs, events)
    time = theirs.nats_in_time - ours.nats_in_time
    space = theirs.nats_in_space - ours.nats_in_space
    assert found["time"].mean == pytest.approx(time, abs=1e-9)
    assert found["space"].mean == pytest.approx(space, abs=1e-9)
    assert found["all"].mean == pytest.approx(time + space, abs=1e-9)
    assert all(g.low < g.mean < g.high for g in found.values())
    swapped = information_gain(theirs, ours, events)
    assert swapped["all"].error == pytest.approx(found["all"].error, rel=1e-9)
    assert information_gain(ours, ours, events)["all"][:4] == (0.0, 0.0, 0.0, 0.0)


def test_gains_are_of_the_same_events():
    training = drawn(60.0, 3, 0)
    ours, theirs = (
        poisson_scores(e, training, units_of(training))
        for e in (drawn(30.0, 1, 1), drawn(20.0, 1, 2))
    )
    with pytest.raises(LiouvilleError, match="the same events"):
        information_gain(ours, theirs, drawn(30.0, 1, 1))


def test_poisson_scores_are_those_of_the_closed_form():
    training, events = drawn(60.0, 3, 0), drawn(30.0, 4, 1)
    scores = poisson_scores(events, training, units_of(training))
    rate = training.counts.sum() / training.durations.sum()
    nats = rate * events.durations.sum() / events.counts.sum() - np.log(rate)
    assert scores.nats_in_time == pytest.approx(nats, rel=1e-9)
    # Whatever the units, the density is one of the user's.
    doubled = EventUnits(np.zeros(2), np.full(2, 2.0))
    other = poisson_scores(events, training, doubled)
    assert other.nats_in_space == pytest.approx(scores.nats_in_space, abs=0.05)


@pytest.mark.parametrize(
    ("unit", "days"), [("hours", np.log(24.0)), ("days", 0.0), ("years", -np.log(365.25))]
)
def test_times_are_told_in_days_whatever_the_unit(unit, days):
    training, events = drawn(60.0, 3, 0), drawn(30.0, 1, 1)
    units = units_of(training)
    model: Any = SimpleNamespace(time_unit=unit, units=units)
    scores = poisson_scores(events, training, units)
    found = figures(model, events, scores, None)
    # There are 24 times as many events a day as an hour.
    assert found["log-likelihood per event in time, days"] == pytest.approx(
        days - scores.nats_in_time, abs=1e-3
    )
    total = found["nats in time, days"] + found["nats in space"]
    assert found["nats in all, days"] == pytest.approx(total, abs=2e-4)
    model = SimpleNamespace(time_unit="", units=units)
    assert figures(model, events, scores, None)["nats in time"] == round(scores.nats_in_time, 4)


def test_history_is_not_scored():
    training, events = drawn(60.0, 3, 0), drawn(30.0, 1, 1)
    later = events.between(10.0, 30.0, history_from=0.0)
    scores = poisson_scores(later, training, units_of(training))
    whole: Scores = poisson_scores(events, training, units_of(training))
    n = int(later.counts.sum())
    np.testing.assert_array_equal(scores.log_places, whole.log_places[-n:])
    rate = np.exp(scores.log_rates[0])
    first = float(later.times[~later.is_history][0])
    assert scores.rescaled[0] == pytest.approx(rate * (first - 10.0))
    assert scores.rescaled.sum() + scores.rest.sum() == pytest.approx(rate * 20.0)


# Tests of forecasts.

NUMBER = np.array([0, 0, 2, 2, 2])
CELLS = np.array([0, 1, 1, 1, 0])


def test_statistics_by_hand():
    n = number_test(NUMBER, 4, 2)
    np.testing.assert_array_equal(n.simulated, [2, 0, 3, 0])
    assert (n.at_least, n.at_most, n.p_value) == (0.5, 0.75, 1.0)
    counted = np.array([0.5, 0.75])
    s = spatial_test(NUMBER, 4, CELLS, np.array([1, 1]), counted)
    p = np.log([0.4, 0.6])
    np.testing.assert_allclose(s.simulated, [p.mean(), (2 * p[1] + p[0]) / 3])
    assert s.observed == pytest.approx(p[1])
    lam = np.log(counted)
    found = pseudo_likelihood_test(NUMBER, 4, CELLS, np.array([1, 1]), counted)
    np.testing.assert_allclose(
        found.simulated, [lam.sum() - 1.25, -1.25, 2 * lam[1] + lam[0] - 1.25, -1.25]
    )
    assert found.observed == pytest.approx(2 * lam[1] - 1.25)
    m = magnitude_test(NUMBER, 4, CELLS, np.array([1, 1]), seed=None)
    level = np.log10(2 / 5 * np.array([2, 3]) + 1)
    own = [np.log10([2, 2]), np.log10([2 / 3 + 1, 4 / 3 + 1])]
    np.testing.assert_allclose(m.simulated, [((o - level) ** 2).sum() for o in own])
    assert m.observed == pytest.approx(((np.log10([1, 3]) - level) ** 2).sum())


def test_a_catalogue_does_not_help_to_expect_itself():
    found = spatial_test(NUMBER, 4, CELLS, np.array([1, 1]))
    # Of the others: the second has one event in either cell, the first one and two.
    others = [np.log([1 / 3, 2 / 3]).mean(), np.log([1 / 2, 1 / 2]).mean()]
    np.testing.assert_allclose(found.simulated, others)
    assert found.observed == pytest.approx(np.log(0.6))
    likelihood = pseudo_likelihood_test(NUMBER, 4, CELLS, np.array([1, 1]))
    np.testing.assert_allclose(likelihood.simulated[0], np.log([1 / 3, 2 / 3]).sum() - 1.0)
    alone = spatial_test(np.array([0, 1]), 2, np.array([0, 1]), np.array([0]))
    assert not len(alone.simulated)


def test_cells_that_no_catalogue_reached_are_counted():
    for test in (spatial_test, pseudo_likelihood_test):
        found = test(NUMBER, 4, CELLS, np.array([1, 7]))
        assert found.left_out == 1
        assert found.is_valid
        only = test(NUMBER, 4, CELLS, np.array([7]))
        assert (only.left_out, only.passes()) == (1, None)
        known = np.full(8, 0.1)
        assert test(NUMBER, 4, CELLS, np.array([1, 7]), known).left_out == 0


def test_no_events_have_no_places_and_no_magnitudes():
    none = np.empty(0, int)
    assert number_test(NUMBER, 4, 0).at_most == 0.5
    assert spatial_test(NUMBER, 4, CELLS, none).passes() is None
    assert magnitude_test(NUMBER, 4, CELLS, none).passes() is None
    assert pseudo_likelihood_test(NUMBER, 4, CELLS, none).observed == pytest.approx(-1.25)
    assert spatial_test(none, 4, none, CELLS).passes() is None
    assert magnitude_test(none, 4, none, CELLS).passes() is None


def test_cells_and_bins():
    edges = (np.array([0.0, 1.0, 2.0]), np.array([0.0, 10.0, 20.0, 30.0]))
    places = np.array([[0.0, 0.0], [1.5, 25.0], [0.5, 10.0], [2.0, 5.0], [-0.1, 5.0], [1.0, 30.0]])
    np.testing.assert_array_equal(cell_numbers(places, edges), [0, 5, 1, -1, -1, -1])
    bins = 4.0 + 0.1 * np.arange(6)
    np.testing.assert_array_equal(
        bin_numbers(np.array([3.9, 4.0, 4.1, 4.3, 9.0]), bins), [-1, 0, 1, 3, 4]
    )


BOX = ((0.0, 0.0), (10.0, 10.0))
MIXTURE = GaussianMixture(
    np.array([0.5, 0.3, 0.2]),
    np.array([[3.0, 3.0], [7.0, 6.0], [4.0, 8.0]]),
    np.stack([np.eye(2) * s for s in (0.3, 1.0, 0.5)]),
)
TRUTH = HawkesProcess(
    rate=2.0,
    children=0.3,
    kernel=("omori", 0.05, 1.4),
    decay=np.log(10.0),
    slope=1.0,
    minimum=4.0,
    displacement=("power", 0.05, 1.8),
    box=BOX,
    mixture=MIXTURE,
)
SHIFTED = dataclasses.replace(MIXTURE, means=MIXTURE.means + np.array([0.7, -0.7]))
HORIZON, CATALOGUES = 10.0, 250
GRID = (np.linspace(0.0, 10.0, 21),) * 2
BINS = 4.0 + 0.1 * np.arange(61)


def passes_of(truth: HawkesProcess, forecasts: int, seed: int) -> dict[str, float]:
    """The share of forecasts by `TRUTH` whose tests are passed by what another truth makes."""
    size = forecasts * CATALOGUES
    simulated = TRUTH.sample(HORIZON, size, seed=seed)
    observed = truth.sample(HORIZON, forecasts, seed=seed + 1)
    begins = np.searchsorted(simulated.sequence, CATALOGUES * np.arange(forecasts + 1))
    found: dict[str, list[bool]] = {}
    for i in range(forecasts):
        rows, own = slice(*begins[i : i + 2]), observed.sequence == i
        for outcome in consistency(
            simulated.sequence[rows] - i * CATALOGUES,
            CATALOGUES,
            simulated.places[rows],
            observed.places[own],
            GRID,
            marks=simulated.marks[rows],
            observed_marks=observed.marks[own],
            magnitude_edges=BINS,
            seed=i,
        ):
            found.setdefault(outcome.name, []).append(outcome.passes() is True)
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.slow
def test_a_true_forecast_passes_at_the_nominal_rate():
    """A forecast of what goes on after a history is one of a cluster process, as these are."""
    found = passes_of(TRUTH, 200, 0)
    assert set(found) == set("NMSL")
    for name, share in found.items():
        assert 0.92 <= share <= 0.98, (name, share)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"rate": 4.0}, "NL"),
        ({"mixture": SHIFTED}, "S"),
        ({"decay": 0.5 * np.log(10.0), "slope": 0.5, "children": 0.2}, "M"),
    ],
    ids=["twice the rate", "shifted places", "another b-value"],
)
def test_a_false_forecast_fails(change, failed):
    found = passes_of(dataclasses.replace(TRUTH, **change), 40, 1)
    for name in failed:
        assert found[name] < 0.7, found


@pytest.mark.filterwarnings("ignore")
def test_the_tests_are_those_of_pycsep():
    """Statistics and quantiles; its magnitude test without resampling is that of no seed."""
    pytest.importorskip("csep", reason="pycsep is not installed")
    names = ("catalog_evaluations", "catalogs", "forecasts", "regions")
    theirs, catalogs, forecasts, regions = (import_module(f"csep.core.{n}") for n in names)
    size = 60
    simulated, observed = (TRUTH.sample(HORIZON, n, seed=i) for i, n in enumerate((size, 1)))
    corners = np.stack(np.meshgrid(GRID[0][:-1], GRID[1][:-1], indexing="ij"), -1).reshape(-1, 2)
    cartesian = regions.CartesianGrid2D.from_origins(corners, dh=0.5)
    region = regions.create_space_magnitude_region(cartesian, BINS[:-1])
    inside = [cell_numbers(s.places, GRID) >= 0 for s in (simulated, observed)]

    def catalogue(found, rows, number):
        x, y = found.places[rows].T
        columns = (found.times[rows] * 86_400_000, y, x, np.zeros(len(x)), found.marks[rows])
        data = [(str(i), int(t), *rest) for i, (t, *rest) in enumerate(zip(*columns))]
        return catalogs.CSEPCatalog(data=data, catalog_id=number, region=region)

    catalogues = [
        catalogue(simulated, inside[0] & (simulated.sequence == i), i) for i in range(size)
    ]
    forecast = forecasts.CatalogForecast(catalogs=catalogues, region=region, n_cat=size)
    own = catalogue(observed, inside[1], 0)
    number, cells = simulated.sequence[inside[0]], cell_numbers(simulated.places, GRID)[inside[0]]
    seen = cell_numbers(observed.places, GRID)[inside[1]]
    bins, seen_bins = (
        bin_numbers(s.marks[rows], BINS) for s, rows in zip((simulated, observed), inside)
    )
    counted = np.bincount(cells, minlength=400) / size
    pairs = [
        (number_test(number, size, len(seen)), theirs.number_test),
        (magnitude_test(number, size, bins, seen_bins, seed=None), theirs.magnitude_test),
        (spatial_test(number, size, cells, seen, counted), theirs.spatial_test),
        (pseudo_likelihood_test(number, size, cells, seen, counted), theirs.pseudolikelihood_test),
    ]
    for ours, test in pairs:
        other = test(forecast, own)
        np.testing.assert_allclose(ours.simulated, other.test_distribution, rtol=1e-9)
        assert ours.observed == pytest.approx(other.observed_statistic, rel=1e-9), ours.name
        assert (ours.at_least, ours.at_most) == pytest.approx(other.quantile), ours.name
