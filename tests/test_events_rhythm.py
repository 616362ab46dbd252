"""Days, weeks and years in the rate of events: found where they are, and nowhere else."""

import warnings
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from liouville.data import Events
from liouville.problems.events import HawkesProcess
from liouville.tasks.events.config import TimesConfig
from liouville.tasks.events.rhythm import _root, periodic_start, rhythm_of, with_rhythm


def _events(times: np.ndarray, days: float, **more) -> Events:
    columns = (np.sort(times), np.zeros((len(times), 0)), np.zeros(len(times), int))
    names = {"origin": "2020-01-01T00:00:00Z", "time_unit": "days", "features": (), **more}
    return Events(*columns, np.array([[0.0, days]]), source="a law", **names)


def _drawn(rng, days: float, count: int, *swings: tuple[float, float]) -> np.ndarray:
    """Times of the rate that is a product of factors 1 + a cos(2 pi t / p), by rejection."""
    t = rng.uniform(0.0, days, 8 * count)
    share = np.prod([(1 + a * np.cos(2 * np.pi * t / p)) / (1 + a) for a, p in swings], axis=0)
    return t[rng.uniform(size=len(t)) < share][:count]


@pytest.mark.parametrize(
    ("days", "swings", "period", "harmonics"),
    [
        (30.0, [(0.6, 1.0)], 1.0, 2),
        (365.0, [(0.6, 7.0)], 7.0, 2),
        (365.0, [(0.8, 1.0), (0.5, 7.0)], 7.0, 15),
        (3650.0, [(0.8, 365.2425)], 365.2425, 2),
    ],
)
def test_periods_are_found_and_said(days, swings, period, harmonics):
    events = _events(_drawn(np.random.default_rng(0), days, 2500, *swings), days)
    with pytest.warns(UserWarning, match="have a rhythm of a .*times.harmonics=0 leaves"):
        found = with_rhythm(TimesConfig(), events)
    assert (found.period, found.harmonics) == (period, harmonics)
    # The gain is the divergence of the shares of the parts from equal ones, less what is not known.
    own = rhythm_of(events)
    assert own is not None
    a = np.array([a for a, _ in swings])
    whole = float(np.sum(np.log((1 + np.sqrt(1 - a**2)) / 2) + 1 - np.sqrt(1 - a**2)))
    assert 0.6 * whole < own.gain < 1.1 * whole
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_rhythm(TimesConfig(harmonics=0), events).period is None
        given = with_rhythm(TimesConfig(period=3.0), events)
        assert (given.period, given.harmonics) == (3.0, 2)
        # Numbers without an instant have no clock.
        assert rhythm_of(replace(events, origin=None)) is None


def test_clusters_are_no_rhythm():
    law = HawkesProcess(
        rate=0.3, children=0.8, kernel=("omori", 0.01, 1.2), displacement=("gaussian", 1.0)
    )
    for seed in range(20):
        drawn = law.sample(1500.0, seed=seed)
        assert rhythm_of(_events(drawn.times, 1500.0)) is None, seed
    # Neither is chance, nor a window of less than four periods.
    rng = np.random.default_rng(1)
    found = [rhythm_of(_events(rng.uniform(0.0, 400.0, 500), 400.0)) for _ in range(100)]
    assert sum(f is not None for f in found) <= 1
    short = _events(_drawn(rng, 3.5, 2000, (0.9, 1.0)), 3.5)
    assert rhythm_of(short) is None


def test_a_rhythm_taken_for_triggering_is_taken_back():
    """A law without a rhythm says that events follow others when the rate is high."""
    rng = np.random.default_rng(0)
    times = np.sort(_drawn(rng, 20.0, 1200, (0.8, 1.0)))
    gaps = np.tril(times[:, None] - times, -1)
    near = 20.0 * np.where(gaps > 0.0, np.exp(-20.0 * gaps), 0.0).sum(axis=1)
    rate, children, chance = 30.0, 0.5, np.ones(1200)
    for _ in range(300):  # the likeliest law without a rhythm
        chance = rate / (rate + children * near)
        rate, children = chance.sum() / 20.0, (1.0 - chance).mean()
    assert children > 0.6
    series, factor = periodic_start(times, chance, 20.0, 1.0, 2)
    assert factor < 0.05
    t = np.linspace(0.0, 1.0, 9)
    found = np.exp([float(series.log_rate(jnp.asarray(s, float))) for s in t])
    rate = 1200 / 20.0 * (1.0 + 0.8 * np.cos(2 * np.pi * t))
    np.testing.assert_allclose(found, rate, atol=0.12 * rate.max())
    # Triggering at hours of its own is left.
    own = rng.uniform(size=1200) < 0.5
    series, factor = periodic_start(times, np.where(own, 0.99, 0.01), 20.0, 1.0, 2)
    assert 0.9 < factor < 1.1


def test_the_root_of_a_series_is_that_of_fejer_and_riesz():
    root = np.array([0.5 - 0.2j, 0.1 + 0.1j])
    whole = np.array([1.0, *root])
    own = [np.sum(whole[k:] * whole[: 3 - k].conj()) for k in range(3)]
    np.testing.assert_allclose(_root(np.array(own[1:]) / own[0]), root, atol=1e-6)
