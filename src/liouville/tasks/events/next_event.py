"""Predicting the next event from those before it, one by one."""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.data import Events, great_circle_km
from liouville.errors import LiouvilleError
from liouville.processes import History, PointProcess, next_time
from liouville.tasks.events.model import EventModel

_LONGEST = 1e3  # mean gaps: a next event later than this counts as being there


class NextEvents(NamedTuple):
    """Predictions of single events from what came before, against what happened.

    Attributes:
        time_error: mean of |predicted - true| of the time, in the unit of time.
        trivial_time_error: likewise for the last time plus the mean gap of the training events.
        distance: mean distance of the predicted place from the true one, in km for geographic
            places, else in the user's units.
        trivial_distance: likewise for the place of the last event.
        events: how many were predicted.
    """

    time_error: float
    trivial_time_error: float
    distance: float
    trivial_distance: float
    events: int


def predict_next(
    model: EventModel,
    events: Events,
    mean_gap: float,
    *,
    most: int = 200,
    draws: int = 64,
    seed: int = 0,
) -> NextEvents:
    """Predicts events from those before them, by exact draws of the next event.

    The time is the median of the draws, the best for the mean absolute error. The place is the draw
    with the least mean distance to the others, which is nearly the best for the mean distance.

    Args:
        model: the process.
        events: the events to predict. One without an event before it in its sequence is left out.
        mean_gap: between the training events, for the trivial prediction.
        most: events to predict, evenly spread over those there are.
        draws: of each next event.
        seed: of the draws.

    Raises:
        LiouvilleError: if no event has one before it.
    """
    events = model.counted(events)
    follows = np.concatenate([[False], np.diff(events.sequence) == 0])
    rows = np.flatnonzero(~events.is_history & follows)
    if not len(rows):
        raise LiouvilleError(f"no event of {events.source} has one before it to be predicted from")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))]
    keys = jr.split(jr.key(seed), len(rows))
    gaps, places, limit = [], [], float(_LONGEST * mean_gap)
    odds = model.log_odds(events)
    for key, row in zip(keys, rows.tolist(), strict=True):
        own = until(events, row - 1)
        past = known_until(events, row - 1)
        history = model._history(past, float(past.times[-1]), odds[own])
        drawn, where = _draw(model.process, history, limit, jr.split(key, draws))
        gaps.append(float(np.median(np.asarray(drawn, np.float64))))
        places.append(_medoid(np.asarray(where, np.float64)))
    found = model.units.to_user(np.array(places))
    true_gaps = events.times[rows] - events.times[rows - 1]
    truth, last = events.places[rows], events.places[rows - 1]
    return NextEvents(
        float(np.abs(np.array(gaps) - true_gaps).mean()),
        float(np.abs(mean_gap - true_gaps).mean()),
        float(distance(model, found, truth).mean()),
        float(distance(model, last, truth).mean()),
        len(rows),
    )


def until(events: Events, row: int) -> np.ndarray:
    """Which events are of the sequence of one, up to and with it."""
    return (np.arange(len(events)) <= row) & (events.sequence == events.sequence[row])


def known_until(events: Events, row: int) -> Events:
    """The events of one sequence up to and with an event, as a history that ends there."""
    kept = events.keep(until(events, row))
    first, last = float(kept.times[0]), float(kept.times[-1])
    # Where the window began is of no consequence for what comes next.
    begin = min(first, float(np.nextafter(last, -np.inf)))
    return dataclasses.replace(
        kept, sequence=np.zeros(len(kept), int), windows=np.array([[begin, last]]), names=()
    )


def distance(model: EventModel, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances of places in km if the model has a map, else in the user's units, shape `(n,)`."""
    if model.units.projection is not None:
        return great_circle_km(first, second)
    return np.linalg.norm(first - second, axis=-1)


@eqx.filter_jit
def _draw(
    process: PointProcess, past: History, limit: float, keys: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Draws of the time and place of the next event after the local time zero."""
    hazard, path = process.intensity.after(past), process.places.after(past)
    start = jnp.zeros_like(past.origin)

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        time_key, place_key = jr.split(key)
        last = start + limit
        t = jnp.minimum(next_time(hazard, start, last, key=time_key), last)
        return t, path.at(t).sample(key=place_key)

    if not past.places.shape[1]:  # places without coordinates need no memory, and no batches
        return jax.vmap(one)(keys)
    return jax.lax.map(one, keys, batch_size=16)


def _medoid(points: np.ndarray) -> np.ndarray:
    """The point with the least mean distance to the others."""
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    return points[int(np.argmin(apart.mean(axis=0)))]
