"""Catalogues of which not all events were seen at all times."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liouville.data import Completeness, Events
from liouville.errors import LiouvilleError
from liouville.paths import Normal
from liouville.problems.events import HawkesProcess
from liouville.processes import (
    ByMagnitude,
    ConstantRate,
    FinitePowerLaw,
    GutenbergRichter,
    Hawkes,
    HistoryFree,
    PointProcess,
    Poisson,
    integrals,
)
from liouville.tasks.events._initial import initial_marks
from liouville.tasks.events.complete import complete
from liouville.tasks.events.etas import fit_etas
from liouville.tasks.events.scores import score
from liouville.tasks.events.units import EventUnits

DECAY = 2.3
TRUTH = HawkesProcess(
    rate=1.0,
    children=0.1,
    kernel=("omori", 0.02, 1.3),
    decay=DECAY,
    slope=1.8,
    minimum=3.0,
    displacement=("power", 0.02, 1.6),
)
STEPS = Completeness(np.array([0.0, 500.0, 1000.0]), np.array([3.0, 3.8, 3.2]))


def catalogue(horizon: float, seed: int = 0) -> Events:
    drawn = TRUTH.sample(horizon, seed=seed)
    columns = (drawn.times, drawn.places, drawn.sequence, drawn.windows, drawn.marks)
    return Events(*columns, features=("x", "y"), time_unit="days").check()


def thinned(events: Events, known: Completeness) -> Events:
    seen = events.marks >= known.at(events.times)  # pyright: ignore
    return dataclasses.replace(events.keep(seen), completeness=known)


def test_the_completeness_after_great_events():
    flat = Completeness(np.zeros(1), np.array([2.0]))
    own = flat.after_great(np.array([5.0, 9.0]), np.array([7.0, 3.0]), 4.5, 0.75)
    assert own.at(np.array([4.9, 5.0])).tolist() == [2.0, 2.0]  # the event itself was seen
    ages = np.geomspace(1e-5, 4.5, 4000)
    exact = np.clip(7.0 - 4.5 - 0.75 * np.log10(ages), 2.0, 7.0)
    found = own.at(5.0 + ages)
    assert np.abs(found - exact).max() < 0.0501
    # The integral of the share of all events, for b = 1, of a rate that falls as Omori's.
    share = [np.exp(-2.303 * (m - 2.0)) / (ages + 0.01) for m in (found, exact)]
    one, other = (np.trapezoid(s, ages) for s in share)
    assert one == pytest.approx(other, rel=5e-3)
    # On a clock of hours.
    hours = flat.after_great(np.array([0.0]), np.array([7.0]), 4.5, 0.75, day=24.0)
    assert hours.at(24.0 * ages[::100]).tolist() == found[::100].tolist()


def test_integrals_of_what_was_seen():
    events = thinned(catalogue(1200.0), STEPS)
    units = dataclasses.replace(
        EventUnits.of(events, geographic=False), decay=DECAY, mark_origin=3.0
    )
    hawkes = Hawkes(
        ConstantRate.of(1.0), ByMagnitude.of(0.1, 1.8, 0.0), FinitePowerLaw.of(0.02, 1.3, 1e4)
    )
    excerpts = units.excerpts(events, None, 40)
    values = np.asarray(jax.lax.map(lambda e: integrals(hawkes.after(e.history), e), excerpts))
    after = (events.times[:, None] + np.geomspace(1e-3, 2.0, 20)).ravel()
    grid = np.unique(np.concatenate([np.linspace(0.0, 1200.0, 24_001), events.times, after]))
    grid = grid[grid <= 1200.0]
    middles, widths = 0.5 * (grid[1:] + grid[:-1]), np.diff(grid)
    marks = units.marks(events)
    rates, whole = np.ones(len(middles)), 1.0 / (1.0 - (1.0 + 1e4 / 0.02) ** -0.3)
    for time, mark in zip(events.times, marks):
        age = middles - time
        kernel = whole * 0.3 / 0.02 * (1.0 + np.maximum(age, 0.0) / 0.02) ** -1.3
        rates += np.where(age > 0, 0.1 * np.exp(1.8 * mark) * kernel, 0.0)
    share = np.exp(-DECAY * (STEPS.at(middles) - units.mark_origin))
    assert values.sum() == pytest.approx(float((rates * share) @ widths), rel=5e-3)
    assert values.sum() < 0.8 * float(rates @ widths)
    # One number an interval, which the pieces of each are summed to.
    assert values.shape == excerpts.since.shape
    assert np.all(values[~np.asarray(excerpts.is_interval)] == 0.0)


def test_scores_are_those_of_what_was_seen():
    events = thinned(catalogue(1500.0), STEPS)
    units = dataclasses.replace(
        EventUnits.of(events, geographic=False), decay=DECAY, mark_origin=3.0
    )
    law = GutenbergRichter.of(DECAY / np.log(10.0), 0.0)
    process = PointProcess(Poisson(ConstantRate.of(2.0)), HistoryFree(Normal(2)), law)
    excerpts = units.excerpts(events, None, 40)
    rates, _, marks, passed = (np.asarray(a) for a in score(process, excerpts))
    is_event = np.asarray(excerpts.is_event)
    least = STEPS.at(events.times) - units.mark_origin
    np.testing.assert_allclose(rates[is_event], np.log(2.0) - DECAY * least, atol=1e-5)
    excess = units.marks(events) - least
    np.testing.assert_allclose(marks[is_event], np.log(DECAY) - DECAY * excess, atol=1e-4)
    shares = np.exp(-DECAY * (STEPS.least - units.mark_origin))
    assert passed.sum() == pytest.approx(2.0 * float(shares @ [500.0, 500.0, 500.0]), rel=1e-5)
    found = initial_marks(events, units)
    assert isinstance(found, GutenbergRichter)
    assert float(jnp.exp(found.log_decay)) == pytest.approx(DECAY, rel=0.1)


@pytest.mark.slow
def test_parameters_of_a_thinned_catalogue():
    every = catalogue(3000.0, seed=1)
    steps = Completeness(np.array([0.0, 1000.0, 2000.0]), np.array([4.0, 3.5, 3.0]))
    events = thinned(every, steps)
    found = {}
    for name, known in {"known": steps, "not known": None}.items():
        own = dataclasses.replace(events, completeness=known)
        found[name] = fit_etas(own, EventUnits.of(own, geographic=False), 256).law.times

    def of(law: Hawkes) -> tuple[float, float]:
        kernel = law.kernel
        assert isinstance(kernel, FinitePowerLaw)
        return float(jnp.exp(law.background.log_level)), 1.0 + float(kernel.excess)  # pyright: ignore

    rate, p = of(found["known"])
    # Children of events that were not seen count as background.
    assert TRUTH.rate * 0.85 < rate < TRUTH.rate * 1.35
    assert p == pytest.approx(1.3, abs=0.15)
    other, _ = of(found["not known"])
    assert other < 0.6 * TRUTH.rate


def test_a_column_or_a_table_tells_the_completeness(tmp_path):
    events = catalogue(400.0)
    table = tmp_path / "mc.csv"
    table.write_text("time,mc\n0,3.0\n100,3.5\n200,3.5\n300,3.2\n")
    with pytest.warns(UserWarning, match="below the completeness of their time"):
        found = complete(events, {"completeness": str(table)})
    assert found.completeness is not None
    assert found.completeness.times.tolist() == [0.0, 100.0, 300.0]
    assert (found.marks >= found.completeness.at(found.times)).all()  # pyright: ignore
    assert len(found) < len(events)
    file = tmp_path / "catalogue.csv"
    least = np.where(events.times < 200.0, 3.4, 3.0)
    assert events.marks is not None
    rows = np.column_stack([events.times, events.places, events.marks, least])
    lines = [",".join(map(repr, row)) for row in rows.tolist()]
    file.write_text("time,x,y,magnitude,complete\n" + "\n".join(lines) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = complete(events, {"completeness": "complete"}, file)
        short = complete(events, {"short_term": (2.0, 0.75)})
    assert own.completeness is not None
    assert own.completeness.least.tolist() == [3.4, 3.0]
    assert short.completeness is not None
    assert len(short) < len(events)
    assert complete(events, {}) is events
    # Parts and selections keep it.
    part = own.between(100.0, 300.0, history_from=0.0)
    assert part.completeness is own.completeness


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"completeness": "mc"}, "neither a table"),
        ({"short_term": (4.5, -1.0)}, "positive"),
    ],
)
def test_what_is_no_completeness(data, said):
    with pytest.raises(LiouvilleError, match=said):
        complete(catalogue(50.0), data)
    bare = dataclasses.replace(catalogue(50.0), marks=None)
    with pytest.raises(LiouvilleError, match="no magnitudes"):
        complete(bare, data)
