"""Whether triggering that places tell is borne out by times, where the truth is known."""

import warnings

import numpy as np
import pytest

from liouville import fit_events
from liouville.data import Events
from liouville.problems.events import HawkesProcess

pytestmark = pytest.mark.slow

SETTINGS = {"training.steps": 20, "measure.baselines": False, "places.network": False}
SHARE = "share of the training events that are triggered"


def said(events: Events) -> tuple[bool, float]:
    """Whether a fit says that times do not ask for triggering, and the share it found."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        summary = fit_events(events, SETTINGS).summary
    return any("do not ask for it" in str(one.message) for one in found), summary[SHARE]


def test_events_on_a_road_are_told_by_places_alone():
    rng = np.random.default_rng(0)
    s = rng.uniform(0.0, 1.0, 400)
    places = np.stack([2.0 * s, np.sin(3.0 * s)], axis=1)
    times = np.sort(rng.uniform(0.0, 400.0, 400))
    events = Events(times, places, np.zeros(400, int), np.array([[0.0, 400.0]]))
    is_said, share = said(events)
    assert share >= 0.1, "a false share is what the words are about"
    assert is_said


def test_a_process_that_excites_itself_is_borne_out():
    truth = HawkesProcess(rate=0.5, children=0.4, kernel=("exponential", 1.0))
    drawn = truth.sample(600.0, seed=0)
    is_said, share = said(Events(drawn.times, drawn.places, drawn.sequence, drawn.windows))
    assert share > 0.25
    assert not is_said
