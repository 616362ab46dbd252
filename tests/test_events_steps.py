"""Times that many events share: cases by day, counts by week."""

import warnings
from typing import Any

import numpy as np
import pytest

from liouville import fit_events
from liouville.data import Events
from liouville.problems.events import HawkesProcess


def events_at(times: np.ndarray, end: float, places: Any = None, **options: Any) -> Events:
    places = np.zeros((len(times), 0)) if places is None else places
    return Events(times, places, np.zeros(len(times), int), np.array([[0.0, end]]), **options)


def checked(events: Events, **options: Any) -> tuple[Events, str]:
    """The events as they can be fitted, and all that is said about it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = events.check(**options)
    return found, "; ".join(str(w.message) for w in said)


def by_day(n: int = 300, days: int = 60) -> np.ndarray:
    return np.sort(np.random.default_rng(0).integers(0, days, n)).astype(float)


@pytest.mark.parametrize("step", [1.0, 7.0, 1.0 / 24.0])
def test_days_are_filled_and_keep_their_order(step):
    times = step * by_day()
    found, said = checked(events_at(times, 60.0 * step, time_unit="days"))
    assert "repeat another's time, as many do, and are kept" in said
    assert f"within the {step:.3g} days that begin with its own" in said
    off = (found.times - times) / step
    assert len(found) == len(times)
    assert (np.diff(found.times) > 0).all()
    assert off.min() >= -1e-9
    assert off.max() < 1.0
    # Sorted within their days, they are as even as uniform ones.
    assert off.mean() == pytest.approx(0.5, abs=0.05)
    assert off.std() == pytest.approx(1.0 / np.sqrt(12.0), rel=0.1)


def test_the_same_events_are_at_the_same_times_in_a_longer_history():
    times = by_day()
    long = checked(events_at(times, 60.0))[0].times
    short = checked(events_at(times[times < 40.0], 60.0))[0].times
    np.testing.assert_array_equal(short, long[: len(short)])


def test_none_is_after_the_window():
    times = by_day()
    found = checked(events_at(times, 59.0))[0].times
    assert found.max() <= 59.0
    assert np.sum(found > 58.0) == np.sum(times >= 58.0)


def test_cases_of_a_day_and_town_are_events_of_their_own():
    towns = np.random.default_rng(1).integers(0, 5, (300, 1)) * np.array([1.0, 2.0])
    times = by_day(days=20)
    found, said = checked(events_at(times, 20.0, towns))
    assert len(found) == 300
    assert "another's time and place, as many do, and are kept" in said
    found, said = checked(events_at(times, 20.0, towns), repeats="drop")
    assert len(found) < 100
    assert "are dropped" in said


def test_a_catalogue_that_lists_events_twice_is_none_of_days():
    rng = np.random.default_rng(0)
    times, places = np.sort(rng.uniform(0.0, 365.0, 200)).round(5), rng.normal(size=(200, 2))
    with pytest.warns(UserWarning, match="200 events of data repeat another's"):
        twice = events_at(np.repeat(times, 2), 365.0, np.repeat(places, 2, axis=0)).check()
    np.testing.assert_array_equal(twice.times, times)


@pytest.mark.parametrize("times", [np.arange(100.0), np.repeat([0.0, 0.1, 0.25], 2)])
def test_few_that_share_stay(times):
    found = checked(events_at(times, 101.0), repeats="keep")[0].times
    np.testing.assert_array_equal(found, times)


@pytest.mark.slow
def test_clusters_by_day_are_told_as_those_of_exact_times():
    """Rounded to days, a process that triggers over five days loses little, and by far not all."""
    # One background event in four days, so that clusters of five days can be told apart.
    truth = HawkesProcess(rate=0.25, children=0.7, kernel=("exponential", 5.0), decay=1.0)
    drawn = truth.sample(2400.0, seed=0)
    scores = []
    for times in (drawn.times, np.floor(drawn.times)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            events = Events(times, drawn.places[:, :0], drawn.sequence, drawn.windows)
            fitted = fit_events(events, progress=False)
        scores.append(fitted.summary)
    exact, days = (s["test nats in time"] for s in scores)
    # A Poisson process of the rate of training.
    test, training = fitted.data.parts.test, fitted.data.parts.training
    rate = training.counts.sum() / float(np.diff(training.windows[0])[0])
    plain = rate * float(np.diff(test.windows[0])[0]) / test.counts.sum() - np.log(rate)
    assert days < exact + 0.05
    assert days < plain - 0.05
