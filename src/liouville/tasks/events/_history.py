"""What a model sees of a history: events that fit it, those that count, in its own units."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from liouville.data import Events, check_history
from liouville.errors import LiouvilleError
from liouville.processes import AbstractPlaces, History, Reach
from liouville.tasks.events.odds import log_odds
from liouville.tasks.events.units import EventUnits


def check_events(
    events: Events, features: tuple[str, ...], origin: str | None, mark_name: str
) -> None:
    """Refuses events of other coordinates, of another clock, or with marks where there are none."""
    if events.features != features:
        raise LiouvilleError(
            f"events have the coordinates {', '.join(events.features) or 'none'}, the model "
            f"{', '.join(features) or 'none'}; name the columns with --features"
        )
    if events.origin != origin:
        clocks = (f"days after {o}" if o else "plain numbers" for o in (events.origin, origin))
        raise LiouvilleError(
            f"times of {events.source} are {next(clocks)}, those of the model {next(clocks)}; "
            "bring them to its clock with liouville.tasks.events.ask.on_clock(model, events)"
        )
    if bool(mark_name) != (events.marks is not None):
        have, want = ("no marks", "marks") if mark_name else ("marks", "no marks")
        raise LiouvilleError(f"events of {events.source} have {have}, the model has {want}")


def entries(
    law: AbstractPlaces,
    units: EventUnits,
    reach: Reach,
    history: Events,
    now: float,
    odds: np.ndarray | None = None,
) -> History:
    """The events up to `now` that are seen; their local time ends at zero, their room is fixed.

    The arrays are NumPy's, of which many are put together in no time. Events are to be counted
    before; `odds` are those of all of them, if they are known, else as the law of places has them.
    """
    if len(history.windows) != 1:
        raise LiouvilleError(
            f"the history has {len(history.windows)} sequences; select one of them"
        )
    history = check_history(history, now)
    elapsed, marks = now - history.times, units.marks(history)
    rows, room = reach.chosen(elapsed, marks), reach.most
    own = log_odds(law, units, history, reach, rows) if odds is None else odds[rows]
    places = units.to_model(history.places[rows])
    columns = (-elapsed[rows], places, marks[rows], own)
    missing = room - len(places)
    dtype = jnp.zeros(()).dtype
    padded = (np.pad(a, [(missing, 0)] + [(0, 0)] * (a.ndim - 1)).astype(dtype) for a in columns)
    every: Any = (*padded, np.arange(room) >= missing, np.asarray(now, dtype))
    return History(*every)
