"""Marks in any unit: what is fitted does not depend on it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville import fit_events
from liouville.data import Events
from liouville.problems.events import HawkesProcess
from liouville.processes import MixtureMarks, Rounded
from liouville.tasks.events._etas_law import initial_productivity
from liouville.tasks.events._initial import initial_marks
from liouville.tasks.events.units import EventUnits

TRUTH = HawkesProcess(
    rate=1.0,
    children=0.3,
    kernel=("exponential", 0.5),
    decay=2.3,
    slope=0.8,
    displacement=("gaussian", 0.05),
)


def law_of(events: Events) -> Any:
    return initial_marks(events, EventUnits.of(events, geographic=False))


def drawn(one: float, least: float = 0.0) -> Events:
    """Events whose marks are counted in a unit of so many."""
    found = TRUTH.sample(200.0, seed=0)
    columns = (found.times, found.places, found.sequence, found.windows)
    return Events(*columns, marks=least + one * found.marks)


@pytest.mark.parametrize("least", [0.0, 4.0, -2.0])
def test_magnitudes_keep_their_unit(least):
    units = EventUnits.of(drawn(1.0, least), geographic=False)
    assert units.mark_scale == 1.0
    assert units.mark_origin == pytest.approx(least, abs=0.1)


@pytest.mark.parametrize("one", [1e-3, 1e4])
def test_the_model_counts_marks_of_any_unit_alike(one):
    plain, other = drawn(1.0), drawn(one)
    units, own = (EventUnits.of(e, geographic=False) for e in (plain, other))
    assert own.mark_scale == pytest.approx(one)
    np.testing.assert_allclose(own.marks(other), units.marks(plain), rtol=1e-6, atol=1e-9)
    assert other.marks is not None
    np.testing.assert_allclose(own.marks_to_user(own.marks(other)), other.marks, rtol=1e-12)
    assert own.reach(other, 64).slope == pytest.approx(units.reach(plain, 64).slope, rel=1e-6)
    law, same = law_of(plain), law_of(other)
    assert float(same.b_value) == pytest.approx(float(law.b_value), rel=1e-5)


def test_amounts_with_a_heavy_tail_are_said_and_start_with_children_that_are_numbers():
    events = drawn(1.0)
    amounts = np.exp(8.0 + 2.0 * np.random.default_rng(0).normal(size=len(events))).round()
    heavy = dataclasses.replace(events, marks=amounts)
    units = EventUnits.of(heavy, geographic=False)
    with pytest.warns(UserWarning, match=r"times what it is on average.*--mark"):
        initial_marks(heavy, units)
    productivity = initial_productivity(heavy, units.marks(heavy))
    children = np.exp([float(productivity.log_mean(m)) for m in units.marks(heavy)])
    assert children.mean() == pytest.approx(0.5, rel=1e-3)
    # One event has not all of them, as it had by the exponential law's slope.
    assert children.max() < 0.9 * children.sum()


@pytest.mark.slow
def test_marks_in_whole_numbers_have_a_law_of_their_bins():
    rng = np.random.default_rng(0)
    severity = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], 400, p=[0.1, 0.3, 0.2, 0.1, 0.3])
    columns = (np.sort(rng.uniform(0.0, 9.0, 400)), rng.random((400, 2)), np.zeros(400, int))
    events = Events(*columns, np.array([[0.0, 9.0]]), marks=severity)
    law = law_of(events)
    assert isinstance(law, Rounded)
    assert isinstance(law.law, MixtureMarks)
    assert law.width == 1.0

    # Parts on the points: their likelihood has a largest value, the entropy of the shares.
    location = law.law.location.at[:].set([0.0, 1.0, 2.0, 4.0])
    free = dataclasses.replace(law.law, log_scale=law.law.log_scale * 0.0 - 4.0, location=location)
    points = dataclasses.replace(law, law=free)
    grid = jnp.arange(-40.0, 45.0, dtype=jnp.float32)
    for own in (law, points):
        logs = np.array(jax.vmap(own.log_density)(grid))
        assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-5)
        assert np.exp(logs).max() <= 1.0 + 1e-5
        above = np.exp(jax.vmap(own.log_survival)(grid))
        np.testing.assert_allclose(above[:-1] - above[1:], np.exp(logs)[:-1], atol=2e-6)
        slopes = jax.vmap(jax.grad(lambda m, own=own: own.log_density(m)))(grid[36:50])
        assert np.isfinite(np.asarray(slopes)).all()
    drawn_marks = jax.vmap(lambda key: law.sample(key=key))(jr.split(jr.key(0), 200))
    np.testing.assert_array_equal(drawn_marks, np.round(drawn_marks))
    # The control: a density has no bound.
    assert float(free.log_density(jnp.float32(1.0))) > 1.0


@pytest.mark.slow
def test_a_fit_does_not_depend_on_the_unit_of_marks():
    settings = {"training.steps": 100, "measure.baselines": False, "report.movie": False}
    found = [fit_events(drawn(one), settings).summary for one in (1.0, 1e4)]
    plain, other = found
    for name in ("branching ratio", "test nats in time", "test nats in space"):
        assert other[name] == pytest.approx(plain[name], abs=0.02)
    shift = other["test nats of marks"] - plain["test nats of marks"]
    assert shift == pytest.approx(np.log(1e4), abs=0.02)
    assert other["b-value"] * 1e4 == pytest.approx(plain["b-value"], rel=0.02)
