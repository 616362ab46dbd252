"""A background that changes, or triggering: what the events of training and of validation say."""

import warnings

import numpy as np
import pytest

from liouville.data import Events
from liouville.problems.events import HawkesProcess
from liouville.processes import ConstantRate
from liouville.tasks.events.changing import begun_anew, told_apart
from liouville.tasks.events.etas import EtasFit, fit_etas
from liouville.tasks.events.rhythm import Rhythms
from liouville.tasks.events.units import EventUnits

END, PAST = 1000.0, 256


def _events(times: np.ndarray, dim: int, end: float = END) -> Events:
    places = np.random.default_rng(5).normal(size=(len(times), dim))
    columns = (np.sort(times), places, np.zeros(len(times), int))
    return Events(*columns, np.array([[0.0, end]]), source="a law", features=("x", "y")[:dim])


def _drawn(seed: int, count: int, rate) -> np.ndarray:
    """Times of a Poisson process of a rate below one, by rejection."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0.0, END, 20 * count)
    return t[rng.uniform(size=len(t)) < rate(t)][:count]


def _told(times: np.ndarray, dim: int = 2, end: float = END) -> tuple[EtasFit, EtasFit, int]:
    events = _events(times, dim, end)
    training = events.between(0.0, 0.8 * end, history_from=0.0)
    kept = events.between(0.8 * end, end, history_from=0.0)
    units = EventUnits.of(training, geographic=False)
    steady = fit_etas(training, units, PAST)
    excerpts = units.excerpts(kept, units.reach(kept, PAST), 32)
    return steady, *told_apart(steady, training, units, excerpts, PAST)


@pytest.mark.slow
def test_a_rate_that_rose_is_no_triggering():
    times = _drawn(0, 1500, lambda t: np.where(t < 400.0, 0.25, 1.0))
    with pytest.warns(UserWarning, match="the rate of a law changes: .* background changes; times"):
        steady, found, knots = _told(times)
    assert knots > 2
    assert steady.triggered > 0.3
    assert found.triggered < 0.15
    assert found.log_likelihood > steady.log_likelihood + 20.0
    # The level of zones beside the background is that of its mean rate.
    assert found.level == pytest.approx(found.chance.sum() / 800.0, rel=0.05)


@pytest.mark.slow
def test_a_rate_that_grows_is_no_triggering_in_time_alone():
    times = _drawn(0, 1500, lambda t: 0.1 + 0.9 * t / END)
    with pytest.warns(UserWarning, match="the background changes; times.knots="):
        steady, found, knots = _told(times, 0)
    assert knots == 2
    assert steady.triggered > 0.5
    assert found.triggered < 0.05


@pytest.mark.slow
def test_lines_that_validation_refutes_are_said_and_left():
    # Three waves, the last one in validation, of which the line knows nothing.
    waves = ((150.0, 40.0), (500.0, 60.0), (890.0, 40.0))

    def rate(t: np.ndarray) -> np.ndarray:
        heights = [0.9 * np.exp(-0.5 * ((t - at) / width) ** 2) for at, width in waves]
        return 0.05 + np.sum(heights, axis=0)

    with pytest.warns(UserWarning, match="the background stays constant; times.knots="):
        steady, found, knots = _told(_drawn(1, 1500, rate))
    assert knots == 1
    assert isinstance(found.law.times.background, ConstantRate)
    assert min(found.triggered, steady.triggered) > 0.5


@pytest.mark.slow
def test_a_law_beside_a_rhythm_gives_back_what_it_had_taken_for_triggering():
    times = _drawn(3, 1500, lambda t: (1.0 + 0.9 * np.cos(2.0 * np.pi * t / 25.0)) / 1.9)
    training = _events(times, 0)
    units = EventUnits.of(training, geographic=False)
    plain = fit_etas(training, units, PAST)
    found = begun_anew(plain, training, units, PAST, Rhythms((25.0,), (2,)))
    assert plain.triggered > 0.4
    assert found.triggered < 0.1
    assert found.log_likelihood > plain.log_likelihood + 50.0
    assert found.level == pytest.approx(found.chance.sum() / END, rel=0.05)
    rates = found.rates(training)
    expected = found.level * (1.0 + 0.9 * np.cos(2.0 * np.pi * training.times / 25.0))
    assert np.mean((rates - expected) ** 2) < 0.02 * np.mean(expected**2)


@pytest.mark.slow
def test_clusters_are_left_to_triggering():
    law = HawkesProcess(
        rate=0.4, children=0.7, kernel=("exponential", 5.0), displacement=("gaussian", 1.0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steady, found, knots = _told(law.sample(END, seed=2).times, 0)
    assert (found is steady, knots) == (True, 1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the rate of a law changes")
@pytest.mark.parametrize("seed", [1, 2, 7])
def test_great_clusters_are_left_to_triggering(seed):
    # A sixth of the events may be of one cluster: a change, as far as the first law can say.
    law = HawkesProcess(
        rate=0.4, children=0.7, kernel=("exponential", 30.0), displacement=("gaussian", 1.0)
    )
    _, found, knots = _told(law.sample(3.0 * END, seed=seed).times, 0, 3.0 * END)
    assert knots == 1
    assert found.triggered > 0.4
