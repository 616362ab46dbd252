"""Fits to events whose truth is known; all of them take a while."""

import dataclasses

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from events_cases import TRUTH, drawn
from liouville.errors import LiouvilleError
from liouville.objectives import PlaceLikelihood, TimeLikelihood
from liouville.tasks.events.baselines import baselines
from liouville.tasks.events.files import load_events
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.measure import standard_shift
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.split import Split

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted():
    parts = Split(drawn(40.0, 6, 0), drawn(40.0, 2, 1), drawn(40.0, 4, 2))
    settings = {
        "training.steps": 300,
        "places.zones": "free",
        "places.widths": 4,
        "places.rates": 4,
        "times.exponentials": 1,
        "times.powers": 0,
        "objective.reach": 128,
        "data.space": "plain",
    }
    return parts, fit_events(parts, settings, progress=False)


def test_a_fit_is_near_the_truth(fitted):
    parts, result = fitted
    found = TRUTH.sample(40.0, 4, seed=2)
    in_time = (TRUTH.integrals(found).sum() - TRUTH.log_rates(found).sum()) / len(found.times)
    in_space = -float(np.mean(TRUTH.log_places(found)))
    scores = result.model.scores(parts.test)
    assert scores.nats_in_time < in_time + 0.03
    rows = {row["model"]: row for row in baselines(parts, result.config, result.model)}
    space, shift = "test nats in space, standardised", standard_shift(parts)
    static = float(rows["static mixture"][space])
    # A few hundred events: most, not all, of what there is to know.
    gained = (static - (scores.nats_in_space - shift)) / (static - (in_space - shift))
    assert 0.6 < gained < 1.0
    assert float(rows["space-time ETAS"][space]) < static - 0.2
    poisson = float(rows["homogeneous Poisson"]["test nats in time"])
    assert scores.nats_in_time < poisson


def test_scores_are_those_of_the_terms(fitted):
    parts, result = fitted
    model: EventModel = result.model
    scores, excerpts = model.scores(parts.test), model.excerpts(parts.test)
    place = float(PlaceLikelihood(excerpts=excerpts)(model.process, key=jr.key(0)))
    when = float(TimeLikelihood(excerpts=excerpts)(model.process, key=jr.key(0)))
    volume = float(np.mean(model.units.log_volume(parts.test.places)))
    assert scores.nats_in_space == pytest.approx(place - volume, rel=1e-5)
    assert scores.nats_in_time == pytest.approx(when, rel=1e-4)
    one = parts.test.select([1])
    row = len(parts.test.select([0])) + 7
    rate = model.rate(one.times[7:8], one.keep(np.arange(7)))
    assert np.log(rate[0]) == pytest.approx(scores.log_rates[row], abs=1e-4)
    density = model.density(one.times[7], one.places[7:8], one.keep(np.arange(7)))
    assert np.log(density[0]) == pytest.approx(scores.log_places[row], abs=1e-3)


def test_a_model_survives_its_file(fitted, tmp_path):
    parts, result = fitted
    result.model.save(tmp_path / "model.lv")
    again = load_events(tmp_path)
    assert again.scores(parts.test).nats_in_space == result.model.scores(parts.test).nats_in_space
    with pytest.raises(LiouvilleError, match="coordinates"):
        again.scores(dataclasses.replace(parts.test, features=("a", "b")))


def test_forecasts_have_the_expected_number(fitted):
    parts, result = fitted
    one = parts.test.select([0])
    past = one.keep(one.times <= 20.0)
    drawn_ones = result.model.forecast(past, 20.0, 1.0, n=400, seed=1)
    assert drawn_ones.size == 400
    assert drawn_ones.times.min() >= 20.0
    assert drawn_ones.times.max() <= 21.0
    counts = np.bincount(drawn_ones.number, minlength=400)
    # Of the background alone there are fewer: the lower bound is the control.
    rate = float(np.exp(result.model.process.intensity.background.log_rate(jnp.zeros(()))))
    assert counts.mean() > rate * 0.8
    assert counts.mean() < 12.0 * rate
    again = result.model.forecast(past, 20.0, 1.0, n=400, seed=1)
    np.testing.assert_array_equal(again.places, drawn_ones.places)
    with pytest.raises(LiouvilleError, match="positive duration"):
        result.model.forecast(past, 20.0, 0.0)
