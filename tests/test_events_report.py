"""Residuals, next events and forecasts of processes whose laws are known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import kstest

from liouville.curves import Constant
from liouville.data import Events, Region
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.paths import Full, LocationScale
from liouville.plots import (
    Clock,
    Film,
    Ground,
    Page,
    Picture,
    Table,
    event_likelihoods,
    event_maps,
    event_movie,
    forecast_figure,
    kinds_figure,
    magnitude_figure,
    rate_over_time,
    residual_figure,
    to_png,
    triggering_figure,
    write_page,
)
from liouville.problems.events import HawkesProcess
from liouville.processes import (
    ConstantRate,
    Exponentials,
    FreeZones,
    GutenbergRichter,
    Hawkes,
    History,
    HistoryFree,
    PointProcess,
    Poisson,
    Reach,
    Triggered,
    Unmarked,
)
from liouville.tasks.events.ask import answers, duration, known_at, on_clock
from liouville.tasks.events.forecast import (
    expected_on_grid,
    forecast_events,
    grid_table,
    mark_shares,
)
from liouville.tasks.events.grid import cells_of
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.next_event import known_until, predict_next
from liouville.tasks.events.residuals import join_gaps, levels_of, residuals
from liouville.tasks.events.units import EventUnits
from tolerances import STANDARD_ERRORS

RATE, CHILDREN, DECAY, NEAR = 1.0, 0.5, 4.0, 0.05
# A p-value below this of a true model is bad luck of one in a thousand; seeds are fixed.
CHANCE = 1e-3


def background() -> LocationScale:
    covariance = jnp.asarray([[[1.0, 0.3], [0.3, 0.5]]])
    return LocationScale(
        Constant(jnp.zeros((1, 2))),
        Constant(Full().from_covariance(covariance)),
        jnp.zeros(1),
        scale=Full(),
    )


def offspring(shift: float = 0.0) -> FreeZones:
    return FreeZones(
        jnp.full((1, 2), shift),
        Full().from_covariance(NEAR**2 * jnp.eye(2)[None]),
        jnp.log(jnp.asarray([[CHILDREN * DECAY / RATE]])),
        jnp.log(jnp.asarray([DECAY])),
    )


def model_of(intensity, places, marks=None, **more) -> EventModel:
    units = EventUnits(np.zeros(2), np.ones(2))
    names = {"mark_name": "" if marks is None else "magnitude"}
    process = PointProcess(intensity, places, marks)
    return EventModel(process, units, Reach(256), ("x", "y"), **{**names, **more})


@pytest.fixture(scope="module")
def hawkes() -> Hawkes:
    return Hawkes(ConstantRate.of(RATE), Unmarked.of(CHILDREN), Exponentials.of([1.0 / DECAY]))


@pytest.fixture(scope="module")
def events() -> Events:
    """Many short sequences, of which the cut-off last gaps would bias a naive test."""
    law = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.array([[[1.0, 0.3], [0.3, 0.5]]]))
    truth = HawkesProcess(
        RATE,
        CHILDREN,
        ("exponential", 1.0 / DECAY),
        displacement=("gaussian", NEAR),
        box=((-9.0, -9.0), (9.0, 9.0)),
        mixture=law,
    )
    drawn = truth.sample(3.0, 150, seed=4)
    return Events(drawn.times, drawn.places, drawn.sequence, drawn.windows, features=("x", "y"))


# Residuals.


def test_residuals_of_the_true_process_follow_their_laws(hawkes, events):
    model = model_of(hawkes, Triggered(background(), offspring()))
    found = residuals(model, events)
    assert len(found.gaps) == len(events)
    assert found.levels is not None
    assert found.levels.shape == (len(events), 2)
    assert min(found.p_values().values()) > CHANCE
    # East and north are independent, too.
    assert abs(np.corrcoef(found.levels.T)[0, 1]) < STANDARD_ERRORS / np.sqrt(len(events))


@pytest.mark.slow
def test_residuals_of_a_wrong_rate_do_not(events):
    level = len(events) / float(events.durations.sum())
    model = model_of(Poisson(ConstantRate.of(level)), Triggered(background(), offspring()))
    assert residuals(model, events).p_values()["times"] < CHANCE


def test_residuals_of_children_at_a_wrong_place_do_not(hawkes, events):
    model = model_of(hawkes, Triggered(background(), offspring(shift=2 * NEAR)))
    values = residuals(model, events).p_values()
    assert values["times"] > CHANCE
    assert values["coordinate 1"] < CHANCE
    assert values["coordinate 2"] < CHANCE


def test_gaps_of_single_windows_would_be_too_short(hawkes, events):
    model = model_of(hawkes, HistoryFree(background()))
    scores = model.scores(events)
    assert kstest(scores.rescaled, "expon").pvalue < CHANCE
    gaps = join_gaps(events, scores)
    last = float(gaps.sum() + scores.rest[-1])
    assert last == pytest.approx(float(scores.rescaled.sum() + scores.rest.sum()))
    assert kstest(gaps, "expon").pvalue > CHANCE


@pytest.mark.slow
def test_levels_are_integrals_of_the_density():
    past = History.of(np.array([0.0, 0.3]), np.array([[0.1, 0.2], [-0.4, 0.3]]))
    path = Triggered(background(), offspring()).after(past)
    marginal, x = path.at(jnp.asarray(0.5)), jnp.asarray([0.08, 0.25])
    first = jnp.linspace(-5.0, x[0], 601)
    second = jnp.linspace(-4.0, 4.0, 801)
    density = jax.vmap(
        lambda a: jnp.exp(jax.vmap(lambda b: marginal.log_density(jnp.stack([a, b])))(second))
    )
    column = np.asarray(jax.lax.map(lambda a: jnp.trapezoid(density(a[None])[0], second), first))
    row = np.asarray(density(x[:1])[0])
    below = np.trapezoid(row[second <= x[1]], second[second <= x[1]]) / np.trapezoid(row, second)
    found = np.asarray(levels_of(marginal, x))
    # The trapezoidal rule with steps of a fifth to a tenth of the zones' width.
    np.testing.assert_allclose(found, [np.trapezoid(column, first), below], atol=2e-3)


# Next events.


def test_the_next_event_of_a_poisson_process_is_predicted_as_well_as_it_can_be():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(size=400))
    places = rng.multivariate_normal(np.zeros(2), [[1.0, 0.3], [0.3, 0.5]], 400)
    events = Events(
        times, places, np.zeros(400, int), np.array([[0.0, 500.0]]), features=("x", "y")
    )
    model = model_of(Poisson(ConstantRate.of(1.0)), HistoryFree(background()))
    found = predict_next(model, events, 1.0, most=100, draws=32)
    assert found.events == 100
    # E|T - median| = log 2 and E|T - mean| = 2/e, with standard deviations below one.
    error = STANDARD_ERRORS / np.sqrt(100)
    assert abs(found.time_error - np.log(2.0)) < error
    assert abs(found.trivial_time_error - 2.0 / np.e) < error
    assert found.distance < found.trivial_distance


def test_a_prediction_knows_nothing_later():
    events = Events(
        np.array([0.0, 1.0, 2.0, 0.5]),
        np.arange(8.0).reshape(4, 2),
        np.array([0, 0, 0, 1]),
        np.array([[0.0, 3.0], [0.0, 3.0]]),
        features=("x", "y"),
    )
    past = known_until(events, 1)
    assert past.times.tolist() == [0.0, 1.0]
    assert past.windows[0, 1] == 1.0
    model = model_of(Poisson(ConstantRate.of(1.0)), HistoryFree(background()))
    with pytest.raises(LiouvilleError, match="has one before it"):
        predict_next(model, events.keep(np.array([0, 3])), 1.0)


# Forecasts.


@pytest.fixture(scope="module")
def quiet() -> tuple[EventModel, Events]:
    """A Poisson process with magnitudes, after two events."""
    law = GutenbergRichter.of(1.0, 0.0)
    units = EventUnits(np.zeros(2), np.ones(2), mark_origin=4.0)
    model = model_of(Poisson(ConstantRate.of(2.0)), HistoryFree(background()), law)
    model = dataclasses.replace(model, units=units, time_unit="days")
    history = Events(
        np.array([0.5, 1.5]),
        np.zeros((2, 2)),
        np.zeros(2, int),
        np.array([[0.0, 2.0]]),
        marks=np.array([4.2, 5.0]),
        features=("x", "y"),
        time_unit="days",
    )
    return model, history


def test_a_forecast_has_the_mean_and_the_marks_of_the_process(quiet):
    model, history = quiet
    found = forecast_events(model, history, 3.0, 300, seed=2)
    numbers = found.numbers
    assert len(numbers) == 300
    assert found.start == 1.5
    assert abs(numbers.mean() - 6.0) < STANDARD_ERRORS * np.sqrt(6.0 / 300)
    assert found.drawn.times.min() > 1.5
    assert found.drawn.times.max() <= 4.5
    excess = found.drawn.marks - 4.0
    assert kstest(excess * np.log(10.0), "expon").pvalue > CHANCE
    cells = cells_of(model, Region.box(-9.0, -9.0, 9.0, 9.0), history, 0.5)
    grid = expected_on_grid(model, cells, found)
    assert grid.expected.sum() == pytest.approx(numbers.mean(), rel=1e-3)
    again = forecast_events(model, history, 3.0, 300, seed=2)
    np.testing.assert_array_equal(again.drawn.times, found.drawn.times)


def test_cells_have_edges_a_mask_and_all_magnitudes(quiet):
    model, history = quiet
    found = forecast_events(model, history, 1.0, 50)
    triangle = Region(np.array([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]))
    grid = expected_on_grid(model, cells_of(model, triangle, history, 0.5), found)
    assert grid.expected.shape == (4, 4)
    assert 0 < grid.mask.sum() < 16
    plain = grid_table(model, grid)
    assert list(plain) == ["x_min", "x_max", "y_min", "y_max", "rate", "mask"]
    shares = mark_shares(model, np.array([4.0, 4.5, 5.0]))
    np.testing.assert_allclose(shares, [1.0 - 10**-0.5, 10**-0.5], atol=1e-4)
    with pytest.raises(LiouvilleError, match="positive size"):
        cells_of(model, triangle, history, -1.0)
    with pytest.raises(LiouvilleError, match="larger --grid"):
        cells_of(model, triangle, history, 1e-5)


def test_a_forecast_must_not_know_the_future(quiet):
    model, history = quiet
    with pytest.raises(LiouvilleError, match="must not know them"):
        forecast_events(model, history, 1.0, start=1.0)
    with pytest.warns(UserWarning, match="dropped"):
        found = forecast_events(model, history, 1.0, 5, start=1.0, drop_future=True)
    assert len(found.history) == 1
    with pytest.raises(LiouvilleError, match="before the first event"):
        known_at(model, history, 0.2)
    with pytest.raises(LiouvilleError, match="at least 1"):
        forecast_events(model, history, 1.0, 0)


def test_answers_multiply_and_know_only_what_came_before(hawkes):
    model = model_of(hawkes, Triggered(background(), offspring()))
    history = Events(
        np.array([1.0, 2.0]), np.zeros((2, 2)), np.zeros(2, int), np.array([[0.0, 3.0]]),
        features=("x", "y"),
    )  # fmt: skip
    times, places = np.array([1.5, 2.5, 2.5]), np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    found = answers(model, history, times, places)
    rates, densities, intensities = found.values()
    np.testing.assert_allclose(intensities, rates * densities)
    expected = RATE + CHILDREN * DECAY * np.exp(-DECAY * 0.5)
    assert rates[0] == pytest.approx(expected)
    assert rates[1] == rates[2] == pytest.approx(expected + 2.0 * np.exp(-DECAY * 1.5))
    assert densities[1] > densities[2]


# Durations and clocks.


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("7d", "days", 7.0),
        ("12h", "days", 0.5),
        ("2 w", "days", 14.0),
        ("90m", "hours", 1.5),
        ("30s", "minutes", 0.5),
        ("3.5", "", 3.5),
        ("1e1", "days", 10.0),
    ],
)
def test_durations(text, unit, expected):
    assert duration(text, unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "unit", "match"),
    [
        ("-1d", "days", "positive"),
        ("0", "days", "positive"),
        ("soon", "days", "neither a number"),
        ("3y", "days", "none of s, m, h, d, w"),
        ("3d", "", "plain number"),
        ("3d", "generations", "plain number"),
    ],
)
def test_durations_that_mean_nothing(text, unit, match):
    with pytest.raises(LiouvilleError, match=match):
        duration(text, unit)


def test_a_history_goes_to_the_clock_and_the_kinds_of_the_model(hawkes):
    model = model_of(hawkes, HistoryFree(background()))
    model = dataclasses.replace(
        model, origin="2020-01-01T00:00:00Z", time_unit="days", mark_name="kind", kinds=("a", "b")
    )
    history = Events(
        np.array([0.5]), np.zeros((1, 2)), np.zeros(1, int), np.array([[0.0, 1.0]]),
        marks=np.zeros(1), kinds=("b",), mark_name="kind", features=("x", "y"),
        origin="2020-01-03T00:00:00Z",
    )  # fmt: skip
    moved = on_clock(model, history)
    assert moved.times.tolist() == [2.5]
    assert moved.marks is not None
    assert moved.marks.tolist() == [1.0]
    assert moved.instant(2.5) == "2020-01-03T12:00:00Z"
    with pytest.raises(LiouvilleError, match="plain numbers"):
        on_clock(model, dataclasses.replace(history, origin=None))
    with pytest.raises(LiouvilleError, match="kind 'c'"):
        on_clock(model, dataclasses.replace(history, kinds=("c",)))


# Figures.


@pytest.mark.slow
def test_figures_are_drawn_from_arrays(tmp_path):
    rng = np.random.default_rng(0)
    clock = Clock("days", "2020-01-01T00:00:00Z")
    ground = Ground((0.0, 2.0), (0.0, 1.0), ("x", "y"), "unit of area", 1.5)
    times, places = np.sort(rng.uniform(0, 30, 40)), rng.uniform(0, 1, (40, 2))
    points, rows, columns = ground.grid(12)
    assert points.shape == (rows * columns, 2)
    field = np.exp(rng.normal(size=(rows, columns)))
    gaps, levels = rng.exponential(size=40), rng.uniform(size=(40, 2))
    grid = np.linspace(0.1, 30.0, 50)
    rate, series = np.ones(50), {"time": rng.normal(size=40), "space": rng.normal(size=40)}
    parts = [("training", 0.0), ("test", 20.0)]
    fan = (np.linspace(0, 7, 8), np.arange(40.0).reshape(5, 8))
    figures = [
        event_maps(ground, clock, places, times, times, field, 30.0),
        rate_over_time(clock, grid, rate, times, (grid, np.arange(50.0)), parts),
        residual_figure(gaps, levels, ["x", "y"], [0.5, 0.4, 0.3]),
        event_likelihoods(clock, times, series, parts),
        magnitude_figure({"training": 4 + gaps}, grid, np.exp(-grid), "magnitude"),
        kinds_figure(("a", "b"), np.array([0.4, 0.6]), np.array([0.5, 0.5])),
        triggering_figure(
            clock, grid, np.ones((3, 50)), {"any": np.ones(50)}, grid, {"now": np.ones(50)}, "km"
        ),
        forecast_figure(ground, clock, field, places, None, np.arange(20), fan, "soon"),
        forecast_figure(None, clock, None, places, None, np.zeros(20), fan, "soon"),
    ]
    for figure in figures:
        assert to_png(figure, dpi=30).startswith(b"\x89PNG")
    film = event_movie(
        tmp_path / "movie.gif", ground, clock, grid[:3], np.stack([field] * 3), times, places
    )
    assert film.read_bytes().startswith(b"GIF89a")


def test_a_page_holds_its_tables_and_pictures(tmp_path):
    table = Table(
        "Nats <1>", "Smaller is better.", [{"model": "ours", "a": 1.5}, {"b": None}], (0,)
    )
    picture = Picture("one.png", "One", "A line.", lambda: Figure(figsize=(1, 1)))
    film = Film("film.gif", "Film", "It moves.", lambda path, _: path.write_bytes(b"GIF89a"))
    page = Page("Events", "A subject.", {"n": 3}, [table, picture], film)
    page = write_page(tmp_path, page)
    text = page.read_text()
    for part in ("Nats &lt;1&gt;", "<tr class=own>", "A line.", "data:image/gif", "A subject."):
        assert part in text
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"one.png", "film.gif"}
