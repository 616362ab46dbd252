"""Places with a depth: longitude, latitude and kilometres below the ground."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from forecast_cases import LEAST, process
from liouville.curves import Constant
from liouville.data import Events, Projection, great_circle_km, read_events
from liouville.errors import LiouvilleError
from liouville.paths import Full, LocationScale
from liouville.processes import FreeZones, Reach, Triggered
from liouville.tasks.events import csep
from liouville.tasks.events.ask import answers
from liouville.tasks.events.forecast import expected_on_grid, forecast_events
from liouville.tasks.events.grid import cells_of, surface_intensity
from liouville.tasks.events.measure import coordinate_names
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.next_event import distance
from liouville.tasks.events.units import EventUnits
from tolerances import PRINTED, STANDARD_ERRORS

NAMES = ("longitude", "latitude", "depth")
NOW = 40.0


def history(n: int = 30, features: tuple[str, ...] = NAMES) -> Events:
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0.0, NOW, n))
    places = rng.normal([135.0, 34.0, 60.0], [1.5, 1.2, 15.0], (n, 3))
    return Events(
        times,
        places,
        np.zeros(n, int),
        np.array([[-1.0, NOW + 1.0]]),
        LEAST + rng.exponential(0.4, n),
        features=features,
        origin="2020-01-01T00:00:00Z",
        is_geographic=True,
    )


def model() -> EventModel:
    """A background that leans in depth, and zones of two widths that do, too."""
    scale = Full()
    leaning = jnp.asarray([[1.0, 0.0, 0.0], [0.1, 0.9, 0.0], [0.3, -0.2, 0.2]])
    background = LocationScale(
        Constant(jnp.asarray([[0.0, 0.0, 0.0], [0.5, -0.5, 0.1]])),
        Constant(scale.from_factor(jnp.stack([leaning, 0.5 * leaning]))),
        jnp.zeros(2),
        scale=scale,
    )
    zones = FreeZones(
        jnp.zeros((2, 3)),
        jnp.asarray(np.log([0.05, 0.2])[:, None, None] * np.eye(3)) + 0.1 * jnp.tri(3, k=-1),
        jnp.asarray(np.log([[0.5, 0.2], [0.3, 0.2]])),
        jnp.log(jnp.asarray([5.0, 0.2])),
        productivity=jnp.asarray(0.8),
    )
    units = dataclasses.replace(EventUnits.of(history(), geographic=True), mark_origin=LEAST)
    law = dataclasses.replace(process(), places=Triggered(background, zones))
    return EventModel(
        law,
        units,
        Reach(64),
        NAMES,
        time_unit="days",
        origin="2020-01-01T00:00:00Z",
        mark_name="magnitude",
    )


def test_columns_in_any_order_are_longitude_latitude_and_depth(tmp_path):
    table = tmp_path / "catalogue.csv"
    rows = [f"2020-01-{i:02d}T00:00Z,{10 * i},{30 + i},{140 + i},5.{i}" for i in range(1, 10)]
    table.write_text("\n".join(["time,depth_km,lat,lon,mag", *rows]) + "\n")
    found = read_events(table, features="depth_km,lat,lon", window=("2020-01-01Z", "2020-02-01Z"))
    assert found.is_geographic
    assert found.features == ("lon", "lat", "depth_km")
    np.testing.assert_allclose(found.places[0], [141.0, 31.0, 10.0])
    # Without being asked for it is left out, as before.
    assert read_events(table, window=("2020-01-01Z", "2020-02-01Z")).features == ("lon", "lat")


def test_depths_in_metres_are_refused():
    places = history().places * [1.0, 1.0, 1000.0]
    with pytest.raises(LiouvilleError, match="give kilometres, not metres"):
        dataclasses.replace(history(), places=places).check()


def test_a_map_leaves_the_depth_and_distances_are_below_the_ground():
    projection, places = Projection(135.0, 34.0), history().places
    on_map = projection.to_model(places)
    np.testing.assert_array_equal(on_map[:, 2], places[:, 2])
    np.testing.assert_allclose(on_map[:, :2], projection.to_model(places[:, :2]))
    np.testing.assert_allclose(projection.to_user(on_map), places, rtol=1e-12)
    # A triangle of three, four and five.
    north = 4.0 / great_circle_km(np.array([0.0, 0.0]), np.array([0.0, 1.0]))
    one, two = np.array([[135.0, 0.0, 7.0]]), np.array([[135.0, north, 10.0]])
    assert float(distance(model(), one, two)[0]) == pytest.approx(5.0)
    assert coordinate_names(model()) == ["east", "north", "depth"]


def test_the_intensity_on_the_ground_is_the_integral_over_depth():
    ours, known = model(), history()
    axes = np.array([134.0, 135.5]), np.array([33.0, 34.2, 35.0])
    depths, step = np.linspace(-400.0, 500.0, 3001, retstep=True)
    wanted = np.empty((2, 3))
    for i, x in enumerate(axes[0]):
        for j, y in enumerate(axes[1]):
            line = np.column_stack([np.full_like(depths, x), np.full_like(depths, y), depths])
            wanted[i, j] = ours.intensity(NOW, line, known).sum() * step
    found = surface_intensity(ours, known, NOW, axes)
    # In single precision, as the intensity is.
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    # Negative control: the depth matters.
    deep = np.array([[135.5, 34.2, 60.0], [135.5, 34.2, 120.0]])
    one, other = ours.intensity(NOW, deep, known)
    assert one > 2.0 * other


def test_a_forecast_has_cells_of_all_depths_and_catalogues_with_depths():
    ours, known = model(), history()
    cells = cells_of(ours, None, known, 0.5)
    drawn = forecast_events(ours, known, 2.0, 400, start=NOW)
    grid = expected_on_grid(ours, cells, drawn)
    assert grid.expected.ndim == 2
    assert grid.is_exact
    low, high = ([e[i] for e in grid.edges] for i in (0, -1))
    places = drawn.drawn.places[:, :2]
    inside = np.all((places >= low) & (places < high), axis=1)
    counts = np.bincount(drawn.drawn.number[inside], minlength=400)
    error = counts.std() / np.sqrt(len(counts))
    assert abs(grid.expected.sum() - counts.mean()) < STANDARD_ERRORS * error
    lines = csep.catalogues(drawn.drawn, "2020-01-01T00:00:00Z").splitlines()
    order = np.lexsort((drawn.drawn.times, drawn.drawn.number))
    told = [line.split(",")[4] for line in lines[1:] if line.split(",")[0]]
    np.testing.assert_allclose(
        np.array(told, float), drawn.drawn.places[order, 2], rtol=1e-3, atol=PRINTED
    )


def test_answers_name_the_units_of_space():
    ours, known = model(), history()
    found = answers(ours, known, np.full(2, NOW), known.places[:2])
    assert {"density per degree2 km", "density per km3"} <= set(found)
    assert ours.units.projection is not None
    per_degree = np.exp(ours.units.projection.log_volume(known.places[:2]))
    ratio = found["density per degree2 km"] / found["density per km3"]
    np.testing.assert_allclose(ratio, per_degree, rtol=1e-6)
