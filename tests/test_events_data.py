import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from liouville.data import (
    Events,
    Region,
    check_history,
)
from liouville.errors import LiouvilleError


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


def _events(times: Any = (0.5, 1.0, 2.5), **options: Any) -> Events:
    times = np.asarray(times, float)
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {
        "places": rng.normal(size=(len(times), 2)),
        "sequence": np.zeros(len(times), int),
        "windows": np.array([[0.0, 10.0]]),
        "source": "test",
    }
    given |= options
    for name in ("places", "sequence", "windows", "marks"):
        if name in given:
            given[name] = np.asarray(given[name])
    return Events(times, **given)


# The record.


def test_what_a_record_says() -> None:
    events = _events(
        [-1, 0, 3, 1],
        sequence=[0, 0, 0, 2],
        windows=[[0, 4], [0, 2], [0, 3]],
        marks=[0, 1, 0, 1],
        kinds=("a", "b"),
        mark_name="kind",
    )
    assert (len(events), events.dim, events.names) == (4, 2, ("0", "1", "2"))
    assert events.features == ("x1", "x2")
    np.testing.assert_array_equal(events.is_history, [True, False, False, False])
    np.testing.assert_array_equal(events.counts, [2, 0, 1])
    np.testing.assert_array_equal(events.durations, [4, 2, 3])
    assert events.describe() == (
        "test: 4 events, 3 sequences, 9 observed, 1 events of history, places x1, x2, "
        "marks kind (a, b)"
    )


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"places": np.zeros(3)}, "shape"),
        ({"places": np.zeros((2, 2))}, r"times of test must have shape \(2,\)"),
        ({"marks": np.zeros(2)}, "marks of test"),
        ({"features": ("a",)}, "2 different names"),
        ({"windows": np.zeros((0, 2))}, "windows of test must have shape"),
        ({"windows": [[1, 1]]}, "sequence '0' of test is from 1 to 1"),
        ({"windows": [[0, np.nan]]}, "must begin before it ends"),
        ({"sequence": [0, 0, 1]}, "holds 0 to 1 but there are 1 windows"),
        ({"sequence": [0.0, 0, 0]}, "whole numbers"),
        ({"names": ("a", "b")}, "1 different ones"),
        ({"kinds": ("a",), "marks": [0, 0, 1]}, "numbers of its 1 kinds"),
        ({"kinds": ("a", "a"), "marks": [0, 0, 1]}, "must differ"),
        (
            {"places": np.zeros((3, 4)), "is_geographic": True},
            "longitude, latitude and perhaps a depth",
        ),
        ({"places": np.zeros((3, 1)), "region": Region.box(0, 0, 1, 1)}, "two dimensions"),
    ],
)
def test_records_that_cannot_be(options: dict[str, Any], pattern: str) -> None:
    with _raises(pattern):
        _events(**options)


def test_selecting_sequences() -> None:
    events = _events(
        [1, 2, 3, 4, 5],
        sequence=[0, 0, 1, 2, 2],
        windows=[[0, 9], [0, 8], [0, 7]],
        names=("a", "b", "c"),
        marks=[1, 2, 3, 4, 5],
    )
    found = events.select([2, 0])
    assert found.names == ("c", "a")
    np.testing.assert_array_equal(found.windows, [[0, 7], [0, 9]])
    np.testing.assert_array_equal(found.sequence, [0, 0, 1, 1])
    np.testing.assert_array_equal(found.times, [4, 5, 1, 2])
    np.testing.assert_array_equal(found.marks, [4, 5, 1, 2])
    np.testing.assert_array_equal(found.places, events.places[[3, 4, 0, 1]])
    assert events.select(np.array([False, True, False])).names == ("b",)
    for selection in ([], [0, 0], [3], np.ones(2, bool), np.array([0.5])):
        with _raises("selection"):
            events.select(selection)
    with _raises("selection"):
        events.keep(np.ones(4, bool))


def test_parts_of_a_window_share_no_event() -> None:
    events = _events([0, 1, 2, 2.5, 4, 10])
    parts = [events.between(a, b) for a, b in ((0, 2), (2, 4), (4, 10))]
    assert [part.times.tolist() for part in parts] == [[0, 1], [2, 2.5], [4, 10]]
    assert [part.windows.tolist() for part in parts] == [[[0, 2]], [[2, 4]], [[4, 10]]]
    late = events.between(2, 4, history_from=1)
    assert late.times.tolist() == [1, 2, 2.5]
    assert late.is_history.tolist() == [True, False, False]
    assert late.counts.tolist() == [2]
    with _raises("no window of test is observed between 11 and 12"):
        events.between(11, 12)
    with _raises("start 4, end 2"):
        events.between(4, 2)
    two = _events([1, 6], sequence=[0, 1], windows=[[0, 3], [5, 8]])
    assert two.between(4, 7).names == ("1",)


def test_instants() -> None:
    events = _events(origin="2011-03-11T00:00:00Z")
    assert events.time_unit == "days"
    assert events.number("2011-03-12T12:00:00+00:00") == 1.5
    assert events.number("2011-03-12T12:00:00+09:00") == 1.125
    assert events.number("1.5") == events.number(1.5) == 1.5
    assert events.instant(1.5) == "2011-03-12T12:00:00Z"
    with pytest.warns(UserWarning, match="no zone"):
        assert events.number("2011-03-12") == 1.0
    with _raises("plain numbers"):
        _events().number("2011-03-12T00:00Z")
    assert _events(time_unit="hours").instant(1.5) == "1.5 hours"


# Checking.


def test_good_events_pass_in_silence() -> None:
    events = _events(marks=[1, 2, 3])
    found = events.check(min_events=3)
    np.testing.assert_array_equal(found.times, events.times)


def test_unsorted_events_are_sorted() -> None:
    events = _events([3, 1, 2, 0], sequence=[1, 1, 0, 0], windows=[[0, 9]] * 2)
    with pytest.warns(UserWarning, match="4 events of test were not in order"):
        found = events.check()
    np.testing.assert_array_equal(found.times, [0, 2, 1, 3])
    np.testing.assert_array_equal(found.sequence, [0, 0, 1, 1])
    np.testing.assert_array_equal(found.places, events.places[[3, 2, 1, 0]])


def test_a_second_check_says_nothing() -> None:
    with pytest.warns(UserWarning, match="not in order|the time of another"):
        found = _events([3, 1, 1], places=[[0, 0], [1, 1], [2, 2]]).check()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found.check() is found
    with _raises("3 events in 1 windows but 4 are needed"):
        found.check(min_events=4)
    with pytest.warns(UserWarning, match="have the time of another"):
        found.keep(np.arange(3)).check()


def test_duplicated_events_are_dropped_and_simultaneous_ones_kept() -> None:
    places = np.array([[0.0, 0], [1, 1], [0, 0], [2, 2]])
    events = _events([1, 1, 1, 3], places=places)
    with pytest.warns(UserWarning, match="test have|test repeat") as said:
        found = events.check()
    assert found.places.tolist() == [[0, 0], [1, 1], [2, 2]]
    texts = [str(item.message) for item in said]
    assert len(texts) == 2
    assert "1 events of test repeat another's time, place and mark" in texts[0]
    assert "1 events of test have the time of another" in texts[1]
    # Another mark, or another sequence, makes another event.
    with pytest.warns(UserWarning, match="2 events of test have the time"):
        assert len(replace(events, marks=np.array([1.0, 1, 2, 1])).check()) == 4
    apart = _events([1, 1], places=np.zeros((2, 2)), sequence=[0, 1], windows=[[0, 2]] * 2)
    assert len(apart.check()) == 2


@pytest.mark.parametrize("column", ["times", "places", "marks"])
def test_missing_values_are_refused_or_dropped(column: str) -> None:
    values = {"times": np.arange(3.0), "places": np.zeros((3, 2)), "marks": np.arange(3.0)}
    values[column][1] = np.nan
    events = _events(**values)
    name = {"times": "time", "places": "x1", "marks": "magnitude"}[column]
    with _raises(rf"{name} \(1\).*event 1.*missing='drop'"):
        events.check()
    with pytest.warns(UserWarning, match=rf"1 of 3 events of test have missing.*{name} \(1\)"):
        assert len(events.check(missing="drop")) == 2


def test_too_few_events() -> None:
    with _raises("test has 1 events in 1 windows but 2 are needed"):
        _events([1]).check()
    assert len(_events([1]).check(min_events=1)) == 1
    with _raises("has 2 events in 1 windows but 10 are needed"):
        _events([-1, 1, 2]).check(min_events=10)  # history does not count
    with _raises("has 0 events in 2 windows but 1 are needed"):
        _events([], windows=[[0, 1]] * 2).check(min_events=0)
    quiet = _events([1, 2], windows=[[0, 3]] * 3).check()
    assert quiet.counts.tolist() == [2, 0, 0]


def test_events_outside_the_region_and_after_the_window_are_dropped() -> None:
    places = np.array([[0.5, 0.5], [2, 0.5], [0.1, 0.1], [1, 1]])
    events = _events([1, 2, 11, 3], places=places, region=Region.box(0, 0, 1, 1))
    with pytest.warns(UserWarning, match="are dropped") as said:
        found = events.check()
    assert found.times.tolist() == [1, 3]
    texts = [str(item.message) for item in said]
    assert "1 of 4 events of test are outside the region (0, 0, 1, 1)" in texts[0]
    assert "1 of 3 events of test are after the end of their window" in texts[1]
    with _raises("0 events.*4 of 4 events of test are outside"):
        replace(events, places=places + 5).check()


def test_longitudes_across_the_date_line() -> None:
    places = np.array([[179.0, 0], [-179, 1], [178, 2]])
    events = _events(places=places, is_geographic=True)
    with pytest.warns(UserWarning, match=r"1 longitudes of test are moved by 360 .* around 179"):
        found = events.check()
    np.testing.assert_array_equal(found.places[:, 0], [179, 181, 178])
    # Around a region, whatever the turn of the data.
    region = Region.box(170, -10, -170, 10)
    with pytest.warns(UserWarning, match="1 longitudes"):
        found = replace(events, region=region).check()
    np.testing.assert_array_equal(found.places[:, 0], [179, 181, 178])
    # Neither plain coordinates nor a catalogue of the whole globe are moved.
    assert replace(events, is_geographic=False).check().places[1, 0] == -179
    globe = _events(np.arange(4.0), places=[[-170, 0], [-80, 0], [10, 0], [100, 0]])
    assert replace(globe, is_geographic=True).check().places[0, 0] == -170


def test_impossible_coordinates() -> None:
    swapped = _events(places=[[35.0, 140], [36, 141], [37, 142]], is_geographic=True)
    with _raises(r"latitude 140 of test is beyond 90 degrees \(3 in all\); are .* swapped"):
        swapped.check()
    with _raises("longitude 1000"):
        replace(swapped, places=np.array([[1000.0, 0], [1, 1], [2, 2]])).check()


def test_a_history_ends_now() -> None:
    events = _events([1, 2, 3], origin="2011-03-11T00:00:00Z")
    found = check_history(events, 3.0)
    assert found.times.tolist() == [1, 2, 3]
    assert found.windows.tolist() == [[0, 3]]
    with _raises("1 of 3 events of test are after 2011-03-13T12:00:00Z, the last at 2011-03-14"):
        check_history(events, 2.5)
    with pytest.warns(UserWarning, match="1 of 3 events .* dropped"):
        found = check_history(events, 2.5, future="drop")
    assert found.times.tolist() == [1, 2]
    assert found.windows.tolist() == [[0, 2.5]]
    with _raises("is observed from 2011-03-11"):
        check_history(events, 0.0)
