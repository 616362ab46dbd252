"""Days, weeks and years in the rate of events: found where they are, and nowhere else."""

import warnings
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.numerics.types import as_float
from liouville.problems.events import HawkesProcess
from liouville.tasks.events.background import (
    LITTLE,
    Separated,
    _root,
    best_of,
    changes_of,
    separated,
)
from liouville.tasks.events.config import TimesConfig
from liouville.tasks.events.rhythm import Rhythms, rhythms_of, with_rhythms


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
        (1200.0, [(0.8, 365.2425)], 365.2425, 2),
    ],
)
def test_periods_are_found_and_said(days, swings, period, harmonics):
    events = _events(_drawn(np.random.default_rng(0), days, 2500, *swings), days)
    with pytest.warns(UserWarning, match="have a rhythm of a .*times.harmonics=0 leaves"):
        found = with_rhythms(TimesConfig(), events)
    assert (found.period, found.harmonics) == ((period,), (harmonics,))
    # The gain is the divergence of the shares of the parts from equal ones, less what is not known.
    (own,) = rhythms_of(events)
    a = np.array([a for a, _ in swings])
    whole = float(np.sum(np.log((1 + np.sqrt(1 - a**2)) / 2) + 1 - np.sqrt(1 - a**2)))
    assert 0.6 * whole < own.gain < 1.1 * whole
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_rhythms(TimesConfig(harmonics=0), events).period == ()
        given = with_rhythms(TimesConfig(period=3.0), events)
        assert (given.period, given.harmonics) == ((3.0,), (2,))
        given = with_rhythms(TimesConfig(period=(3.0, 5.0), harmonics=4), events)
        assert (given.period, given.harmonics) == ((3.0, 5.0), (4, 4))
        # Numbers without an instant have no clock.
        assert rhythms_of(replace(events, origin=None)) == ()
    with pytest.raises(LiouvilleError, match="2 numbers for 1 periods"):
        with_rhythms(TimesConfig(period=3.0, harmonics=(1, 2)), events)


def test_clusters_are_no_rhythm():
    law = HawkesProcess(
        rate=0.3, children=0.8, kernel=("omori", 0.01, 1.2), displacement=("gaussian", 1.0)
    )
    for seed in range(20):
        drawn = law.sample(1500.0, seed=seed)
        assert rhythms_of(_events(drawn.times, 1500.0)) == (), seed
    # Neither is chance, nor a window of less than three periods.
    long = HawkesProcess(
        rate=0.5, children=0.8, kernel=("exponential", 100.0), displacement=("gaussian", 1.0)
    )
    seasons = [rhythms_of(_events(long.sample(1200.0, seed=s).times, 1200.0)) for s in range(50)]
    assert sum(map(bool, seasons)) <= 1
    rng = np.random.default_rng(1)
    found = [rhythms_of(_events(rng.uniform(0.0, 400.0, 500), 400.0)) for _ in range(100)]
    assert sum(map(bool, found)) <= 1
    short = _events(_drawn(rng, 2.9, 2000, (0.9, 1.0)), 2.9)
    assert rhythms_of(short) == ()


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
    events, more = _events(times, 20.0), {"rhythms": Rhythms((1.0,), (2,)), "factor": LITTLE}
    found = separated(events, chance, **more)
    assert found.factor < 0.05
    t = np.linspace(0.0, 1.0, 9)
    rates = np.exp([float(found.rate().log_rate(jnp.asarray(s, float))) for s in t])
    truth = 1200 / 20.0 * (1.0 + 0.8 * np.cos(2 * np.pi * t))
    np.testing.assert_allclose(rates, truth, atol=0.12 * truth.max())
    # Triggering at hours of its own is left.
    own = rng.uniform(size=1200) < 0.5
    assert 0.9 < separated(events, np.where(own, 0.99, 0.01), **more).factor < 1.1


def test_hours_and_seasons_and_lines_are_factors_of_one_rate():
    days, swings = 8 * 365.2425, [(0.6, 1.0), (0.7, 365.2425)]
    times = _drawn(np.random.default_rng(2), days, 6000, *swings)
    times = times[np.random.default_rng(3).uniform(size=6000) < 0.4 + 0.6 * times / days]
    events = _events(times, days)
    with pytest.warns(UserWarning, match="rhythm of a (day|year)") as said:
        found = with_rhythms(TimesConfig(), events)
    assert len(said) == 2
    assert (found.period, found.harmonics) == ((1.0, 365.2425), (2, 2))
    both = Rhythms.of(found)
    own = separated(events, np.ones(len(times)), rhythms=both, knots=2)
    rate, t = own.rate(), np.linspace(0.0, days, 40_001)
    logs = np.asarray(jax.vmap(rate.log_rate)(as_float(t)), np.float64)
    factors = [(1 + a * np.cos(2 * np.pi * t / p)) for a, p in swings]
    truth = np.prod(factors, axis=0) * 6000 / days * (0.4 + 0.6 * t / days)
    assert np.mean((np.exp(logs) - truth) ** 2) < 0.003 * np.mean(truth**2)
    whole = float(rate.integral(*map(as_float, (0.0, days))))
    np.testing.assert_allclose(whole, len(times), rtol=0.02)


def _with_clusters(times: np.ndarray, end: float, children: float) -> np.ndarray:
    """A law's chances that events are background, fitted by expectation maximisation."""
    gaps = np.tril(times[:, None] - times, -1)
    near = np.where(gaps > 0.0, np.exp(-gaps / 30.0) / 30.0, 0.0).sum(axis=1)
    rate, chance = len(times) / end, np.ones(len(times))
    for _ in range(300):
        chance = rate / (rate + children * near)
        rate, children = chance.sum() / end, (1.0 - chance).mean()
    return chance


def _best(events: Events, chance: np.ndarray) -> Separated:
    return best_of(changes_of(events, chance))


@pytest.mark.slow
def test_a_background_that_changes_is_told_from_clusters():
    rng, end = np.random.default_rng(4), 1000.0
    for share in (lambda t: 0.1 + 0.9 * t / end, lambda t: (t < 500.0) | (t > 620.0)):
        t = rng.uniform(0.0, end, 20_000)
        times = np.sort(t[rng.uniform(size=len(t)) < share(t)][:1500])
        chance = _with_clusters(times, end, 0.5)
        assert 1.0 - chance.mean() > 0.3
        found = _best(_events(times, end), chance)
        assert len(found.levels) > 1
        assert 1.0 - found.chance.mean() < 0.1
        # Far from jumps, which lines have not.
        at = np.linspace(0.0, end, 401)
        at = at[(np.abs(at - 500.0) > 100.0) & (np.abs(at - 620.0) > 100.0)]
        expected = share(at) / np.mean(share(t)) * 1500 / end
        rates = np.exp(np.asarray(jax.vmap(found.rate().log_rate)(as_float(at)), np.float64))
        np.testing.assert_allclose(rates, expected, atol=0.5)
    # A constant rate, and clusters about one, do not change.
    times = np.sort(rng.uniform(0.0, end, 1500))
    assert len(_best(_events(times, end), np.ones(1500)).levels) == 1
    law = HawkesProcess(
        rate=0.4, children=0.7, kernel=("exponential", 30.0), displacement=("gaussian", 1.0)
    )
    # A great cluster may look like a change here; the law that is fitted again decides.
    for seed in (0, 1, 3, 4, 5, 6):
        times = law.sample(3000.0, seed=seed).times
        chance = _with_clusters(times, 3000.0, 0.5)
        assert len(_best(_events(times, 3000.0), chance).levels) == 1, seed


def test_the_root_of_a_series_is_that_of_fejer_and_riesz():
    root = np.array([0.5 - 0.2j, 0.1 + 0.1j])
    whole = np.array([1.0, *root])
    own = [np.sum(whole[k:] * whole[: 3 - k].conj()) for k in range(3)]
    np.testing.assert_allclose(_root(np.array(own[1:]) / own[0]), root, atol=1e-6)
