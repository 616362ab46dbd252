"""Places that many events share: towns, cells of a grid, whole degrees."""

import warnings
from typing import Any

import numpy as np
import pytest

from liouville.data import Events, Region, read_events


def events_at(places: np.ndarray, **options) -> Events:
    n = len(places)
    times = np.sort(np.random.default_rng(1).uniform(0.0, 9.0, n))
    return Events(times, places, np.zeros(n, int), np.array([[0.0, 9.0]]), **options)


def moved(places: np.ndarray, **options) -> np.ndarray:
    """How far every event is put from its place."""
    with pytest.warns(UserWarning, match="events of data are at .* places; each is put somewhere"):
        found = events_at(places, **options).check()
    return found.places - places


def test_whole_degrees_are_filled_step_by_step():
    rng = np.random.default_rng(0)
    places = np.stack([rng.integers(130, 136, 300), 2.0 * rng.integers(15, 20, 300)], axis=1)
    off = moved(places.astype(float), is_geographic=True)
    for column, step in zip(off.T, (1.0, 2.0)):
        assert np.abs(column).max() <= 0.5 * step
        # Uniform: the deviation is the step over the root of twelve.
        assert column.std() == pytest.approx(step / np.sqrt(12.0), rel=0.1)
    # The same events are put at the same places.
    np.testing.assert_array_equal(off, moved(places.astype(float), is_geographic=True))


def test_towns_are_as_wide_as_the_way_to_the_next():
    rng = np.random.default_rng(0)
    towns = np.array([[0.123, 0.457], [3.211, 0.9], [3.9, 5.123], [100.7, 90.3]])
    which = rng.integers(0, 4, 400)
    off = moved(towns[which])
    scaled = towns / towns.std(axis=0)
    gaps = np.linalg.norm(scaled[:, None] - scaled, axis=-1) + 1e9 * np.eye(4)
    nearest = np.minimum(gaps.min(1), 2.0 * np.median(gaps.min(1)))
    for town in range(4):
        most = 0.5 * nearest[town] * towns.std(axis=0)
        own = np.abs(off[which == town])
        assert np.all(own <= most)
        assert np.all(own.max(axis=0) > 0.9 * most)


def test_none_leaves_the_region():
    box = Region.box(0.0, 0.0, 4.0, 4.0)
    places = np.random.default_rng(0).integers(0, 5, (500, 2)).astype(float)
    found = places + moved(places, region=box)
    assert box.contains(found).all()
    assert np.abs(found - places).max() > 0.4


def test_a_depth_that_many_have_is_filled_for_these_alone():
    rng = np.random.default_rng(0)
    places = rng.gamma(3.0, 5.0, (1000, 3)).round(1)
    places[:300, 2] = 10.0
    with pytest.warns(UserWarning, match="events of data have a coordinate in common") as said:
        found = events_at(places).check().places - places
    assert "within 0 by 0 by 0.1 around" in str(said[0].message)
    fixed = places[:, 2] == 10.0
    np.testing.assert_array_equal(found[~fixed], 0.0)
    np.testing.assert_array_equal(found[:, :2], 0.0)
    assert found[fixed, 2].std() == pytest.approx(0.1 / np.sqrt(12.0), rel=0.1)


@pytest.mark.parametrize("shared", [0, 20])
def test_places_of_instruments_stay(shared):
    places = np.random.default_rng(0).normal(size=(100, 2)).round(3)
    places[:shared] = places[shared : 2 * shared]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(events_at(places).check().places, places)


def test_one_place_for_all_stays_with_a_word():
    same = np.zeros((50, 2))
    with pytest.warns(UserWarning, match="all 50 events of data are at one place"):
        np.testing.assert_array_equal(events_at(same).check(repeats="keep").places, same)


@pytest.mark.parametrize(("far", "count"), [((1e6, 1e6), 1), ((0.0, 0.0), 60), ((90.0, 9.0), 3)])
def test_places_far_from_all_others_are_said_with_the_condition_that_leaves_them_out(
    tmp_path, far, count
):
    rng = np.random.default_rng(0)
    places = np.array([500.0, 900.0]) + rng.normal(size=(300, 2))
    wrong = rng.permutation(300)[:count]
    places[wrong] = far if count != 3 else places[wrong] + far * rng.uniform(1.0, 1.1, (3, 1))
    table = {"t": np.arange(300) + rng.random(300), "x": places[:, 0], "y": places[:, 1]}
    rows = "\n".join(",".join(map(repr, row)) for row in np.stack(list(table.values()), 1).tolist())
    (tmp_path / "a.csv").write_text(f"t,x,y\n{rows}\n")
    options: Any = {"window": (0.0, 300.0)}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read_events(tmp_path / "a.csv", **options).check(repeats="keep")
    message = next(str(one.message) for one in said if "farther from" in str(one.message))
    assert message.startswith(f"{count} of 300 events")
    condition = message.rpartition("--select '")[2].removesuffix("')")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rest = read_events(tmp_path / "a.csv", select=condition, **options).check()
    np.testing.assert_array_equal(rest.places, np.delete(places, wrong, axis=0))


def test_clusters_and_heavy_tails_are_not_far():
    rng = np.random.default_rng(0)
    tight = np.array([[0.0, 0.0]]) + 0.01 * rng.normal(size=(280, 2))
    around = np.concatenate([tight, rng.uniform(-9.0, 9.0, (20, 2))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        events_at(around).check()
        events_at(np.exp(1.5 * rng.normal(size=(300, 2)))).check()


@pytest.mark.slow
def test_the_density_of_events_on_a_grid_is_that_of_their_areas():
    from liouville import fit_events

    rng = np.random.default_rng(0)
    n = 600
    places = rng.integers(0, 6, (n, 2)) + 0.0
    times = np.sort(rng.uniform(0.0, 300.0, n))
    events = Events(times, places, np.zeros(n, int), np.array([[0.0, 300.0]]))
    with pytest.warns(UserWarning, match="are at 36 places"):
        fitted = fit_events(events, {"measure.baselines": False})
    # Uniform over six steps in each direction: 2 log 6 nats, of which a smooth law loses some. At
    # points it had 10 nats less and more.
    found = fitted.summary["test nats in space"]
    assert 2.0 * np.log(6.0) - 0.1 < found < 2.0 * np.log(6.0) + 0.4
