"""The log-odds of events that they were triggered, by the plain law that triggered places hold."""

import dataclasses

import equinox as eqx
import jax
import numpy as np

from liouville.data import Events
from liouville.processes import AbstractPlaces, Excerpts, Reach, Triggered
from liouville.tasks.events.pieces import ByPiece
from liouville.tasks.events.units import EventUnits

# Events a group as one compiled call holds.
_TARGETS = 64


def log_odds(
    places: AbstractPlaces,
    units: EventUnits,
    events: Events,
    reach: Reach,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """The log-odds of events that they were triggered; zeros if the places do not ask for them.

    They are those of all events, also before their windows, or those of one sequence in some rows.
    """
    if not (isinstance(places, Triggered) and places.plain is not None) or not len(events):
        return np.zeros(len(events) if rows is None else len(rows))
    if rows is None:
        # From before the first event of each sequence, so that all of them are looked at.
        windows = events.windows.copy()
        np.minimum.at(windows[:, 0], events.sequence, events.times)
        every = dataclasses.replace(events, windows=windows)
        chosen = units.excerpts(every, reach, _TARGETS)
    else:
        # As many pieces whatever the history has, so that one compiled call does for all.
        padded = np.pad(rows, (0, max(reach.most - len(rows), 0)), "edge")
        chosen = units.excerpts(events, reach, 1, rows=padded)
    odds = _odds_by_piece if rows is None else _odds
    found = np.asarray(odds(places, chosen), np.float64)[np.asarray(chosen.is_event)]
    return found if rows is None else found[: len(rows)]


@eqx.filter_jit
def _odds(places: AbstractPlaces, excerpts: Excerpts) -> jax.Array:
    def one(excerpt: Excerpts) -> jax.Array:
        times, at, _ = excerpt.predicted
        return jax.vmap(lambda t, x: places.log_odds(excerpt.history, t, x))(times, at)

    return jax.lax.map(one, excerpts)


_odds_by_piece = ByPiece(_odds)
