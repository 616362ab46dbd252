"""The homogeneous Poisson process that other models are measured against."""

import numpy as np

from liouville.data import Events
from liouville.numerics.expectation import fit_mixture
from liouville.numerics.mixtures import GaussianMixture
from liouville.tasks.events._initial import parts_for
from liouville.tasks.events.kinds import INDEPENDENT, plain_laws
from liouville.tasks.events.scores import Scores
from liouville.tasks.events.units import EventUnits

_MOST_ROWS = 20_000
_MOST_PARTS = 100


def static_mixture(training: Events, units: EventUnits, *, seed: int = 0) -> GaussianMixture:
    """A Gaussian mixture of the places of training events, in the model's units.

    It has as many parts whatever the model has, so that it is the same beside any.
    """
    places = units.to_model(training.places[~training.is_history])
    chosen = np.random.default_rng(0).permutation(len(places))[:_MOST_ROWS]
    number = parts_for(places, _MOST_PARTS)
    return fit_mixture(places[chosen], parts=number, seed=seed, iterations=50)


def poisson_scores(events: Events, training: Events, units: EventUnits, *, seed: int = 0) -> Scores:
    r"""What a Poisson process says of events: one rate, one density of places, no memory.

    The rate is the number of training events over the time in which they were observed; the
    density is their `static_mixture`. Kinds have their shares among the training events; marks that
    are numbers have no law, and log-densities of zero.

    Args:
        events: what is scored.
        training: what the process is fitted to, on the same clock.
        units: the map between places of the user and of the model.
        seed: of the mixture's start.
    """
    rate = float(training.counts.sum() / training.durations.sum())
    seen = ~events.is_history
    times, places, own = events.times[seen], events.places[seen], events.sequence[seen]
    begins, ends = events.windows.T
    is_first = np.diff(own, prepend=-1) != 0
    before = np.where(is_first, begins[own], np.roll(times, 1))
    last = begins.copy()
    last[own] = times  # the latest of each sequence, as events are in order
    density, marks = np.zeros(len(times)), np.zeros(len(times))
    if training.dim:
        mixture = static_mixture(training, units, seed=seed)
        density = mixture.log_density(units.to_model(places)) + units.log_volume(places)
    if training.kinds:
        marks = plain_laws(training, events)[INDEPENDENT]
    return Scores(
        np.full(len(times), np.log(rate)),
        density,
        marks,
        rate * (times - before),
        rate * (ends - last),
    )
