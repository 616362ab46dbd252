"""Catalogues by generations and places in one sweep, against draws from event to event."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats

from forecast_cases import places, process
from liouville.errors import LiouvilleError
from liouville.numerics.parameters import Fixed
from liouville.processes import (
    ByMagnitude,
    ConstantRate,
    Hawkes,
    History,
    PointProcess,
    Poisson,
    PowerLaws,
    Triggered,
    When,
    follow,
    shares_parts,
    simulate_clusters,
    simulate_times,
)
from liouville.tasks.events.catalogues import arrivals
from processes_cases import FAR_P, LEAST_P, RATES
from registry import build

HORIZON = 2.0


def known() -> History:
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(-3.0, 0.0, 12))
    marks = rng.exponential(0.4, 12)
    return History.of(times, 0.3 * rng.normal(size=(12, 2)), marks)


def by_steps(n: int, law: PointProcess) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of events of catalogues, and all their times."""
    past = known()

    @eqx.filter_jit
    def drawn(keys):
        one = partial(simulate_times, law.intensity, law.marks, past, jnp.asarray(0.0))
        has_heirs = isinstance(law.intensity, Hawkes) and law.intensity.heredity is not None
        where = law.places if has_heirs else None
        end = jnp.asarray(HORIZON)
        found, _ = jax.vmap(lambda key: one(end, 64, places=where, key=key))(keys)
        return found.valid[:, 12:], found.times[:, 12:]

    valid, times = map(np.asarray, drawn(jr.split(jr.key(1), n)))
    return valid.sum(axis=1), times[valid]


@pytest.mark.slow
def test_generations_are_draws_from_event_to_event():
    law = process()
    assert isinstance(law.intensity, Hawkes)
    found = simulate_clusters(law.intensity, law.marks, known(), HORIZON, 1500, most=1000, seed=0)
    numbers, times = by_steps(1500, law)
    counts = np.bincount(found.number, minlength=1500)
    assert scipy.stats.kstest(counts, numbers).pvalue > LEAST_P
    assert scipy.stats.kstest(found.times, times).pvalue > LEAST_P
    # Negative control: without children there are fewer events, and they come evenly.
    alone = Poisson(ConstantRate.of(1.0))
    other = simulate_clusters(alone, law.marks, known(), HORIZON, 1500, most=1000, seed=0)
    fewer = np.bincount(other.number, minlength=1500)
    assert scipy.stats.kstest(fewer, numbers).pvalue < FAR_P
    assert np.all((found.times > 0) & (found.times <= HORIZON))
    assert np.all(np.diff(found.number * HORIZON * 2 + found.times) >= 0)


@pytest.mark.slow
@pytest.mark.parametrize("drawn_before", [True, False])
def test_times_drawn_with_the_places_are_draws_from_event_to_event(drawn_before):
    """Where what an event triggers depends on its place, time and place are drawn in turn."""
    law = process()
    assert isinstance(law.intensity, Hawkes)
    assert isinstance(law.places, Triggered)
    places = dataclasses.replace(law.places, plain=Fixed(law.places))
    hawkes = dataclasses.replace(law.intensity, heredity=jnp.asarray(0.1))
    with pytest.raises(ValueError, match="no independent clusters"):
        simulate_clusters(hawkes, law.marks, known(), HORIZON, 5, most=1000, seed=0)
    heirs = PointProcess(hawkes, places, law.marks)
    numbers, times = by_steps(600, heirs)
    room, first = 64, None
    if drawn_before:
        first = jnp.asarray(arrivals(heirs, known(), HORIZON, 601, seed=6))
    when = When(hawkes, law.marks, jnp.asarray(HORIZON), first)
    empty, keys = jnp.zeros((601, room)), jr.split(jr.key(5), 601)
    counts, edges = jnp.zeros(601, int).at[600].set(-1), jnp.asarray([1.0])
    found = follow(places, known(), empty, empty, counts, edges, None, keys, when)
    drawn = np.asarray(found.counts)
    assert drawn[600] == -1
    assert drawn[:600].max() < room
    happens = np.arange(room) < drawn[:, None]
    assert scipy.stats.kstest(drawn[:600], numbers).pvalue > LEAST_P
    assert scipy.stats.kstest(np.asarray(found.times)[happens], times).pvalue > LEAST_P
    # An event counts by the chance that its part is shared, and by one if it was not: in the mean
    # by one, with the variance of a coin.
    total, late = happens.sum(), float(found.late.sum())
    assert 0 < late < total
    assert float(found.weights.sum()) + late == pytest.approx(total, abs=2.5 * total**0.5)
    # Negative control: without the heredity there are fewer.
    other = simulate_clusters(law.intensity, law.marks, known(), HORIZON, 600, most=1000, seed=0)
    fewer = np.bincount(other.number, minlength=600)
    assert abs(fewer.mean() - numbers.mean()) > 5.0 * numbers.std() / np.sqrt(600)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["piecewise", "covariates", "series"])
def test_backgrounds_of_the_clock(name):
    rate, _ = RATES[name]
    past = dataclasses.replace(known(), origin=jnp.asarray(0.7))
    found = simulate_clusters(Poisson(rate), None, past, 8.0, 400, most=1000, seed=0)
    whole = float(rate.integral(jnp.asarray(0.0), jnp.asarray(8.0), jnp.asarray(0.7)))
    assert len(found.times) / 400 == pytest.approx(whole, abs=5.0 * (whole / 400) ** 0.5)

    def cdf(t):
        ends = jnp.asarray(np.atleast_1d(t))
        values = jax.vmap(lambda e: rate.integral(jnp.asarray(0.0), e, jnp.asarray(0.7)))(ends)
        return np.asarray(values) / whole

    assert scipy.stats.kstest(found.times, cdf).pvalue > LEAST_P


def test_processes_that_explode():
    wild = Hawkes(ConstantRate.of(1.0), ByMagnitude.of(3.0, 0.0, 0.0), PowerLaws.of([0.01], [2.0]))
    with pytest.raises(LiouvilleError, match="explodes"):
        simulate_clusters(wild, None, known(), 100.0, 5, most=1000, seed=0)


# Places.


def drawn(law, n: int, room: int = 4):
    times = jnp.tile(jnp.linspace(0.1, 1.0, room), (n, 1))
    marks = jnp.tile(jnp.linspace(0.0, 2.0, room), (n, 1))
    edges, counts = jnp.asarray([0.5]), jnp.full(n, room)
    return follow(law, known(), times, marks, counts, edges, None, jr.split(jr.key(2), n))


@pytest.mark.slow
def test_places_follow_the_density_given_all_before():
    law = places()
    found, past = drawn(law, 600), known()
    # Levels of the last event, given those before it, in the order of its catalogue.

    @eqx.filter_jit
    def level(where):
        new = History.of(np.linspace(0.1, 1.0, 4)[:3], np.zeros((3, 2)), np.linspace(0, 2, 4)[:3])
        both = jax.tree.map(
            lambda a, b: jnp.concatenate([a, b]) if a.ndim else a,
            past,
            dataclasses.replace(new, places=where[:3]),
        )
        marginal = law.after(both).at(jnp.asarray(1.0))
        at_x = marginal.coordinates(where[3])
        return jnp.exp(marginal.log_weights) @ jnp.exp(at_x.log_left[:, 0])

    levels = np.asarray(jax.lax.map(level, found.places))
    assert scipy.stats.kstest(levels, "uniform").pvalue > LEAST_P
    # The weights of the parts that all share, and of those that were drawn otherwise, are all.
    assert float(found.weights.sum() + found.late.sum()) == pytest.approx(2400, abs=150)
    assert float(found.late.sum()) > 200


@pytest.mark.slow
def test_which_places_share_parts():
    assert shares_parts(places(), known())
    for name, shared in [("routed", True), ("recalled", False)]:
        path = build(name)
        law = path.law if shared else path.location.base  # pyright: ignore
        assert shares_parts(law, known()) == shared
        found = drawn(law, 3)
        assert np.isfinite(np.asarray(found.places)).all()
        assert float(found.weights.sum()) == pytest.approx(12.0 if shared else 0.0)
