"""A background that changes, or triggering: what the events of training and of validation say."""

import warnings

import numpy as np
import pytest

from liouville.data import Events
from liouville.problems.events import HawkesProcess
from liouville.tasks.events.background import LITTLE, separated
from liouville.tasks.events.changing import told_apart
from liouville.tasks.events.etas import EtasFit, fit_etas
from liouville.tasks.events.rhythm import Rhythms
from liouville.tasks.events.units import EventUnits

END, PAST = 1000.0, 256


def _events(times: np.ndarray, dim: int) -> Events:
    places = np.random.default_rng(5).normal(size=(len(times), dim))
    columns = (np.sort(times), places, np.zeros(len(times), int))
    return Events(*columns, np.array([[0.0, END]]), source="a law", features=("x", "y")[:dim])


def _drawn(seed: int, count: int, rate) -> np.ndarray:
    """Times of a Poisson process of a rate below one, by rejection."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0.0, END, 20 * count)
    return t[rng.uniform(size=len(t)) < rate(t)][:count]


def _told(times: np.ndarray, dim: int = 2) -> tuple[EtasFit, EtasFit, int]:
    events = _events(times, dim)
    training = events.between(0.0, 800.0, history_from=0.0)
    kept = events.between(800.0, END, history_from=0.0)
    units = EventUnits.of(training, geographic=False)
    steady = fit_etas(training, units, PAST)
    excerpts = units.excerpts(kept, units.reach(kept, PAST), 32)
    return steady, *told_apart(steady, training, units, excerpts, PAST)


def test_a_rate_that_rose_is_no_triggering():
    times = _drawn(0, 1500, lambda t: np.where(t < 400.0, 0.25, 1.0))
    with pytest.warns(UserWarning, match="the rate of a law changes: .* has the pieces; times"):
        steady, found, pieces = _told(times)
    assert pieces == 2
    assert 1.0 - steady.chance.mean() > 0.3
    assert 1.0 - found.chance.mean() < 0.15
    assert found.log_likelihood > steady.log_likelihood + 20.0
    # The level of zones beside the background is that of its mean rate.
    assert found.level == pytest.approx(found.chance.sum() / 800.0, rel=0.05)


def test_in_time_alone_it_is_said_that_growth_and_triggering_are_alike():
    times = _drawn(0, 1500, lambda t: 0.1 + 0.9 * t / END)
    with pytest.warns(UserWarning, match="the background stays constant; times.pieces="):
        steady, found, pieces = _told(times, 0)
    assert (found is steady, pieces) == (True, 1)


def test_pieces_that_validation_refutes_are_said_and_left():
    # Three waves, the last one in validation, of which the last piece knows nothing.
    waves = ((150.0, 40.0), (500.0, 60.0), (890.0, 40.0))

    def rate(t: np.ndarray) -> np.ndarray:
        heights = [0.9 * np.exp(-0.5 * ((t - at) / width) ** 2) for at, width in waves]
        return 0.05 + np.sum(heights, axis=0)

    with pytest.warns(UserWarning, match="the background stays constant; times.pieces="):
        steady, found, pieces = _told(_drawn(1, 1500, rate))
    assert pieces == 1
    assert found is steady


def test_a_law_beside_a_rhythm_gives_back_what_it_had_taken_for_triggering():
    times = _drawn(3, 1500, lambda t: (1.0 + 0.9 * np.cos(2.0 * np.pi * t / 25.0)) / 1.9)
    training = _events(times, 0)
    units = EventUnits.of(training, geographic=False)
    plain = fit_etas(training, units, PAST)
    rhythm = separated(training, plain.chance, None, Rhythms((25.0,), (2,)), factor=LITTLE)
    found = fit_etas(training, units, PAST, (plain, rhythm))
    assert 1.0 - plain.chance.mean() > 0.4
    assert 1.0 - found.chance.mean() < 0.1
    assert found.log_likelihood > plain.log_likelihood + 50.0
    assert found.level == pytest.approx(found.chance.sum() / END, rel=0.05)
    rates = found.rates(training)
    expected = found.level * (1.0 + 0.9 * np.cos(2.0 * np.pi * training.times / 25.0))
    assert np.mean((rates - expected) ** 2) < 0.02 * np.mean(expected**2)


def test_clusters_are_left_to_triggering():
    law = HawkesProcess(
        rate=0.4, children=0.7, kernel=("exponential", 5.0), displacement=("gaussian", 1.0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steady, found, pieces = _told(law.sample(END, seed=2).times, 0)
    assert (found is steady, pieces) == (True, 1)
