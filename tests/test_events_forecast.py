"""Forecasts: what counts of a history, expected numbers in cells, files of CSEP, series."""

import dataclasses
import datetime
import json
import warnings

import jax.random as jr
import numpy as np
import pytest

from forecast_cases import LEAST, REGION, history, model, with_others
from liouville.data import Region
from liouville.errors import LiouvilleError
from liouville.processes import GutenbergRichter, Neural, Reach, Rounded
from liouville.tasks.events import csep
from liouville.tasks.events._masses import Parts, masses_of
from liouville.tasks.events.ask import on_clock
from liouville.tasks.events.forecast import (
    bins_of,
    expected_on_grid,
    forecast_events,
    mark_shares,
    write_forecast,
)
from liouville.tasks.events.grid import cells_of, expected_numbers
from liouville.tasks.events.series import starts_of, write_series
from tolerances import STANDARD_ERRORS

NOW = 40.0

# Events that do not count.


@pytest.mark.parametrize(
    ("where", "mark", "said"),
    [
        ((160.0, 34.0), 6.0, "30 are outside of its region"),
        pytest.param(
            (135.0, 34.0),
            LEAST - 0.5,
            "30 are below its least magnitude",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_does_not_count_changes_no_answer(where, mark, said):
    ours, known = model(), history()
    more = with_others(known, where, mark)
    points = np.array([[135.0, 34.0], [131.0, 31.0]])
    answers = {
        "rate": lambda events: ours.rate(np.array([NOW]), events),
        "density": lambda events: ours.density(NOW, points, events),
        "intensity": lambda events: ours.intensity(NOW, points, events),
        "mass": lambda events: np.array(ours.mass_inside(NOW, events)),
        "velocity": lambda events: ours.velocity(NOW, points, events),
        "scores": lambda events: ours.scores(events).log_places,
        "forecast": lambda events: ours.forecast(events, NOW, 1.0, n=20).places,
    }
    for name, answer in answers.items():
        with pytest.warns(UserWarning, match=said) as told:
            found = answer(more)
        assert len(told) == 1, name
        np.testing.assert_array_equal(found, answer(known), err_msg=name)
    # Where the model has no region, they count.
    far = dataclasses.replace(ours, region=None)
    if mark >= LEAST:
        assert far.rate(np.array([NOW]), more)[0] > 2.0 * far.rate(np.array([NOW]), known)[0]


def test_a_history_of_another_clock_or_of_nothing():
    ours, known = model(), history()
    later = dataclasses.replace(known, origin="2020-01-02T00:00:00Z")
    with pytest.raises(LiouvilleError, match="on_clock"):
        ours.rate(np.array([NOW]), later)
    np.testing.assert_array_equal(on_clock(ours, later).times, known.times + 1.0)
    far = dataclasses.replace(known, places=known.places + np.array([40.0, 0.0]))
    with (
        pytest.warns(UserWarning, match="40 are outside"),
        pytest.raises(LiouvilleError, match="no event of the history counts"),
    ):
        forecast_events(ours, far, 1.0, 5)


def test_kinds_are_no_magnitudes():
    ours, known = model(), history()
    of_kinds = dataclasses.replace(known, marks=np.zeros(len(known)), kinds=("a", "b"))
    with pytest.raises(LiouvilleError, match="the kind 'a'; the model has marks that are numbers"):
        ours.rate(np.array([NOW]), of_kinds)


def test_longitudes_may_be_on_any_turn():
    ours, known = model(), history()
    turned = dataclasses.replace(known, places=known.places - [360.0, 0.0])
    assert ours.rate(np.array([NOW]), turned) == ours.rate(np.array([NOW]), known)


# Expected numbers.


@pytest.mark.parametrize("size", [2.0, 0.5])
@pytest.mark.slow
def test_expected_numbers_are_averages_of_many_catalogues(size):
    ours, known = model(rate=4.0), history()
    cells, alone = cells_of(ours, REGION, known, size), dataclasses.replace(ours, reach=Reach(1))
    counted, expected, wrong = [], [], []
    for seed in range(8):
        forecast = forecast_events(ours, known, 1.0, 120, start=NOW, seed=seed)
        grid = expected_on_grid(ours, cells, forecast)
        assert grid.is_exact
        assert grid.expected.min() > 0.0
        assert grid.expected.sum() == pytest.approx(forecast.numbers.mean())
        expected.append(grid.expected)
        # Other catalogues, so that both are independent.
        drawn = ours.forecast(known, NOW, 1.0, 120, seed=100 + seed)
        counted.append(np.histogramdd(drawn.places, cells.edges)[0] / 120)
        if size > 1.0:  # the negative control: a model that forgets
            other = forecast_events(alone, known, 1.0, 120, start=NOW, seed=seed)
            found = expected_on_grid(alone, cells, other).expected
            wrong.append(found * grid.expected.sum() / found.sum())

    def z(ones: list[np.ndarray], others: list[np.ndarray]) -> np.ndarray:
        error = np.hypot(*(np.std(a, axis=0, ddof=1) for a in (ones, others))) / 8**0.5
        own = np.mean(counted, axis=0) > 0.01
        return ((np.mean(ones, axis=0) - np.mean(others, axis=0)) / error)[own]

    assert np.abs(z(expected, counted)).max() < STANDARD_ERRORS
    assert np.mean(z(expected, counted) ** 2) < 1.6
    # There is less noise in them than in counts.
    noise = [np.std(a, axis=0).mean() for a in (expected, counted)]
    assert noise[0] < 0.8 * noise[1]
    if wrong:
        assert np.mean(z(wrong, counted) ** 2) > 3.0


def test_no_cell_is_empty_because_no_event_was_drawn():
    ours, known = model(rate=1e-6), history()
    cells = cells_of(ours, REGION, known, 1.0)
    far = dataclasses.replace(known, times=known.times - 3000.0)
    quiet = forecast_events(ours, far, 1e-3, 5, start=NOW)
    assert not len(quiet.drawn.times)
    found = expected_on_grid(ours, cells, quiet)
    assert 0.0 < found.expected.min() < found.expected.sum() < 1e-3


def test_masses_of_parts_of_any_width():
    ours = model()
    cells = cells_of(ours, None, history(), 0.25)
    rng = np.random.default_rng(0)
    center = ours.units.to_model(np.array([[135.1, 34.2]]))
    for width in (0.2, 1.0, 1.3, 5.0, 17.0):
        scale = width * cells.side * np.array([[1.0, 0.0], [0.6, 1.5]])
        parts = Parts(np.array([3.0]), center, scale[None])
        found = masses_of(cells, parts)
        drawn = center + rng.normal(size=(200_000, 2)) @ scale.T
        counted, _ = np.histogramdd(ours.units.to_user(drawn), cells.edges)
        expected = 3.0 * counted / len(drawn)
        error = 3.0 * np.sqrt(counted + 1.0) / len(drawn)
        # Narrow parts are split into points, and cells far from wide ones lose a percent.
        slack = 3.0 * (3e-3 if width <= 1.0 else 1e-4)
        assert np.all(np.abs(found - expected) < STANDARD_ERRORS * error + slack), width


@pytest.mark.slow
def test_times_that_places_change_are_drawn_with_them():
    ours, known = model(), history()
    law = dataclasses.replace(ours.process, intensity=Neural(2, rate=1.0, key=jr.key(0)))
    ours = dataclasses.replace(ours, process=law)
    drawn = ours.forecast(known, NOW, 1.0, 20)
    assert drawn.expected is not None
    cells = cells_of(ours, REGION, known, 1.0)
    grid = expected_numbers(ours, cells, drawn, known, NOW, 1.0)
    assert grid.is_exact
    assert grid.expected.min() > 0.0
    assert grid.expected.sum() * 20 == pytest.approx(len(drawn.times))


def test_densities_without_parts_are_counted():
    ours, known = model(), history()
    drawn = ours.forecast(known, NOW, 1.0, 20)._replace(expected=None)
    cells = cells_of(ours, REGION, known, 1.0)
    grid = expected_numbers(ours, cells, drawn, known, NOW, 1.0)
    assert not grid.is_exact
    assert grid.expected.sum() * 20 == pytest.approx(len(drawn.times))


def test_cells_are_those_of_the_grid_of_csep():
    ours = model()
    cells = cells_of(ours, Region.box(130.04, 30.0, 131.0, 31.0), history(), 0.1)
    assert cells.edges[0][0] == 130.0
    np.testing.assert_array_equal(cells.edges[0], np.round(np.arange(1300, 1311) * 0.1, 10))
    assert cells.edges[1].tolist()[-1] == 31.0


# Bins of magnitudes.


def test_bins_of_magnitudes():
    ours = model()
    edges = bins_of("4.95,8.95,0.1", ours)
    assert edges is not None
    assert (len(edges), edges[0], edges[-2], edges[-1]) == (42, 4.95, 8.95, 10.0)
    shares = mark_shares(ours, edges)
    assert shares.sum() == pytest.approx(10.0**-0.95)
    assert bins_of(None, ours) is None
    whole = bins_of("0.5", ours)
    assert whole is not None
    assert mark_shares(ours, whole).sum() == pytest.approx(1.0)
    with pytest.warns(UserWarning, match="may begin at 4"):
        bins_of("3,8,0.5", ours)
    for text, said in [
        ("a", "first,last,width"),
        ("4,8", "first,last,width"),
        ("8,4,0.1", "last above first"),
        ("4,8,0", "positive width"),
        ("4,9,1e-6", "larger width"),
    ]:
        with pytest.raises(LiouvilleError, match=said):
            bins_of(text, ours)


def test_bins_of_rounded_magnitudes_hold_those_between_their_edges():
    ours = model()
    law = Rounded(GutenbergRichter.of(1.0, -0.05), 0.1)
    ours = dataclasses.replace(ours, process=dataclasses.replace(ours.process, marks=law))
    shares = mark_shares(ours, np.array([3.95, 4.05, 4.15, 10.0]))
    decay = np.log(10.0) * 0.1
    assert shares[:2] == pytest.approx([-np.expm1(-decay), np.exp(-decay) - np.exp(-2 * decay)])


# Files.


def test_files_have_the_form_of_csep(tmp_path):
    ours, known = model(), history()
    forecast = forecast_events(ours, known, 0.5, 30, start=NOW)
    triangle = Region(np.array([[131.0, 31.0], [139.0, 31.0], [135.0, 37.0]]))
    grid = expected_on_grid(ours, cells_of(ours, triangle, known, 1.0), forecast)
    bins = bins_of("4.0,6.0,1.0", ours)
    write_forecast(tmp_path / "F", ours, forecast, grid, bins=bins)
    table = np.loadtxt(tmp_path / "F" / "expected.dat")
    assert table.shape == (3 * grid.mask.sum(), 10)
    assert np.all(table[:, 9] == 1)
    np.testing.assert_array_equal(table[:3, 6:8], [[4.0, 5.0], [5.0, 6.0], [6.0, 10.0]])
    assert table[:, 8].sum() == pytest.approx(grid.expected.sum(), rel=1e-6)
    lines = (tmp_path / "F" / "catalogues.csv").read_text().splitlines()
    assert lines[0] == "lon,lat,mag,time_string,depth,catalog_id,event_id"
    rows = [line.split(",") for line in lines[1:]]
    assert sorted({int(row[5]) for row in rows}) == list(range(30))
    full = [row for row in rows if row[0]]
    assert len(full) == len(forecast.drawn.times)
    assert [row for row in rows if not row[0]] == [
        ["", "", "", "", "", str(i), ""] for i in np.flatnonzero(forecast.numbers == 0)
    ]
    when = datetime.datetime.strptime(full[0][3], "%Y-%m-%dT%H:%M:%S.%f")
    since = (when - datetime.datetime(2020, 1, 1)).total_seconds() / 86400
    order = np.lexsort((forecast.drawn.times, forecast.drawn.number))
    assert since == pytest.approx(forecast.drawn.times[order[0]], abs=1e-9)


def test_pycsep_reads_both_files(tmp_path):
    csep_tools = pytest.importorskip("csep", reason="pycsep is not installed")
    ours, known = model(), history()
    forecast = forecast_events(ours, known, 0.5, 50, start=NOW)
    grid = expected_on_grid(ours, cells_of(ours, REGION, known, 0.5), forecast)
    edges = bins_of("4.0,6.0,0.1", ours)
    assert edges is not None
    (tmp_path / "expected.dat").write_text(csep.gridded(grid, edges, mark_shares(ours, edges)))
    assert ours.origin is not None
    (tmp_path / "catalogues.csv").write_text(csep.catalogues(forecast.drawn, ours.origin))
    read = csep_tools.load_gridded_forecast(str(tmp_path / "expected.dat"))
    assert read.event_count == pytest.approx(grid.expected.sum(), rel=1e-6)
    np.testing.assert_allclose(read.magnitudes, edges[:-1])
    assert read.region.num_nodes == grid.mask.sum()
    counts = read.spatial_counts()
    number = read.region.get_index_of([135.25], [34.25])[0]
    i, j = (np.searchsorted(e, x) - 1 for e, x in zip(grid.edges, (135.25, 34.25), strict=True))
    assert counts[number] == pytest.approx(grid.expected[i, j], rel=1e-6)
    drawn = csep_tools.load_catalog_forecast(str(tmp_path / "catalogues.csv"), n_cat=50)
    assert [c.event_count for c in drawn] == forecast.numbers.tolist()


def test_plain_files_for_other_events(tmp_path):
    ours, known = model(), history()
    plain = dataclasses.replace(ours, origin=None)
    known = dataclasses.replace(known, origin=None)
    forecast = forecast_events(plain, known, 0.5, 20, start=NOW)
    grid = expected_on_grid(plain, cells_of(plain, REGION, known, 2.0), forecast)
    (tmp_path / "F").mkdir()
    (tmp_path / "F" / "expected.dat").write_text("of another forecast")
    with pytest.raises(LiouvilleError, match="--force"):
        write_forecast(tmp_path / "F", plain, forecast, grid)
    write_forecast(tmp_path / "F", plain, forecast, grid, force=True)
    names = {p.name for p in (tmp_path / "F").iterdir()}
    assert names == {
        *("catalogues.csv", "expected.csv", "numbers.csv", "summary.json", "forecast.png")
    }


# Series.


@pytest.mark.slow
def test_a_series_is_one_forecast_after_the_other(tmp_path, monkeypatch):
    ours, known = model(), history()
    cells = cells_of(ours, REGION, known, 2.0)
    starts = starts_of(30.0, 1.0, 33.0, known)
    assert starts == [30.0, 31.0, 32.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = write_series(tmp_path, ours, known, starts, 1.0, cells, 20, seed=3)
    assert [row["start"] for row in rows] == [f"2020-01-{d}T00:00:00Z" for d in (31,)] + [
        "2020-02-01T00:00:00Z",
        "2020-02-02T00:00:00Z",
    ]
    folders = sorted(p.name for p in tmp_path.iterdir())
    assert folders == ["2020-01-31", "2020-02-01", "2020-02-02", "series.csv"]
    second = forecast_events(
        ours, known.keep(known.times <= 31.0), 1.0, 20, start=31.0, seed=4
    ).numbers
    summary = json.loads((tmp_path / "2020-02-01" / "summary.json").read_text())
    assert rows[1]["expected"] == summary["expected events"] == second.mean()
    seen = [int(np.sum((known.times > s) & (known.times <= s + 1))) for s in starts]
    assert [row["observed"] for row in rows] == list(map(str, seen))
    with pytest.raises(LiouvilleError, match="--force"):
        write_series(tmp_path, ours, known, starts, 1.0, cells, 20)
    late = write_series(tmp_path / "late", ours, known, [39.5], 1.0, cells, 5)
    assert late[0]["observed"] == ""
    with pytest.raises(LiouvilleError, match="not after the start"):
        starts_of(30.0, 1.0, 30.0, known)
