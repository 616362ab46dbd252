"""Simulated catalogues: what a point process says may happen."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.errors import LiouvilleError
from liouville.numerics.types import as_float
from liouville.processes import (
    Hawkes,
    History,
    PointProcess,
    Poisson,
    Polygon,
    follow,
    shares_parts,
    simulate_clusters,
    simulate_times,
)

_CHUNK = 50  # catalogues drawn at once
_LEAST_ROOM = 32
# Spans of time in which the weights of the parts of a density are averaged, with as many events.
_SPANS = 4


class Expected(NamedTuple):
    r"""Where simulated events were expected before they were drawn, summed over all of them.

    Each was drawn from a mixture. Of parts that all catalogues share, of the background and of
    known events, there are the weights; of those of simulated events the one that was drawn from.
    Weights are of the whole plane; with the masses in the region they sum to the number of events.

    Attributes:
        times: the mean times of the events of each span of time, since the start, shape
            `(spans,)`.
        weights: of the parts of the density given the history at those times, shape
            `(spans, parts)`.
        late: weights of parts of simulated events, shape `(n,)`.
        centers: of those, in the model's units, shape `(n, dim)`.
        scales: of those, $x = \mu + L z$, shape `(n, dim, dim)`.
    """

    times: np.ndarray
    weights: np.ndarray
    late: np.ndarray
    centers: np.ndarray
    scales: np.ndarray


class Catalogue(NamedTuple):
    """Simulated catalogues, one after the other.

    Attributes:
        number: of the catalogue an event is in, shape `(n,)`.
        times: on the clock of the sequence, shape `(n,)`.
        places: in the user's coordinates, shape `(n, dim)`.
        marks: shape `(n,)`.
        size: how many catalogues there are, with those that are empty.
        expected: where they were expected before they were drawn; `None` if that is not known.
    """

    number: np.ndarray
    times: np.ndarray
    places: np.ndarray
    marks: np.ndarray
    size: int
    expected: Expected | None = None


def draw_catalogues(
    process: PointProcess,
    past: History,
    horizon: float,
    n: int,
    expected: float,
    region: Polygon | None,
    *,
    most: int,
    seed: int,
    say: Callable[[str], None],
) -> Catalogue:
    """Draws catalogues after a history, exactly, in the model's units; times since the history.

    The local time of the history ends at zero. If places make no difference for times, all times
    are drawn first. For other processes room for the `expected` events of a catalogue is doubled
    until it is enough, or `most` is reached; see `EventModel.forecast`.
    """
    if isinstance(process.intensity, Hawkes | Poisson):
        return _by_clusters(process, past, horizon, n, region, most=most, seed=seed, say=say)
    return _by_steps(process, past, horizon, n, expected, region, most=most, seed=seed, say=say)


def _by_clusters(
    process: PointProcess,
    past: History,
    horizon: float,
    n: int,
    region: Polygon | None,
    *,
    most: int,
    seed: int,
    say: Callable[[str], None],
) -> Catalogue:
    """Times and marks of all catalogues at once, then places in order of time."""
    assert isinstance(process.intensity, Hawkes | Poisson)
    number, times, marks = simulate_clusters(
        process.intensity, process.marks, past, horizon, n, most=most, seed=seed
    )
    say(f"{len(times)} times in {n} catalogues")
    counts = np.bincount(number, minlength=n)
    edges = (
        np.quantile(times, np.arange(1, _SPANS) / _SPANS) if len(times) else np.zeros(_SPANS - 1)
    )
    firsts = np.cumsum(counts) - counts
    parts: list[tuple[np.ndarray, ...]] = []
    places, weights = np.zeros((len(times), past.places.shape[1])), 0.0
    keys = jr.split(jr.fold_in(jr.key(seed), 1), n)
    # Catalogues of one size together, so that few steps are taken for nothing.
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    for begin in range(0, len(order), _CHUNK):
        chosen = order[begin : begin + _CHUNK]
        own = np.resize(chosen, _CHUNK)
        size = np.where(np.arange(_CHUNK) < len(chosen), counts[own], 0)
        room = _LEAST_ROOM
        while room < size.max():
            room *= 4
        slots = np.arange(room) < size[:, None]
        rows = np.where(slots, firsts[own][:, None] + np.arange(room), 0)
        columns = (np.where(slots, times[rows], horizon), np.where(slots, marks[rows], 0.0))
        options = (jnp.asarray(size), as_float(edges), region, keys[own])
        drawn = follow(process.places, past, *map(as_float, columns), *options)
        found = [np.asarray(a, np.float64) for a in drawn]
        places[rows[slots]] = found[0][slots]
        weights = weights + found[-1]
        parts.append(tuple(a[slots & (found[1] > 0)] for a in found[1:4]))
        say(f"{begin + len(chosen)} of {len(order)} catalogues with events")
    expected = None
    if parts and shares_parts(process.places, past):
        span = np.searchsorted(edges, times)
        middle = [times[span == i].mean() if np.any(span == i) else 0.0 for i in range(_SPANS)]
        late = (np.concatenate(a) for a in zip(*parts, strict=True))
        expected = Expected(np.array(middle), np.asarray(weights), *late)
    return Catalogue(number, times, places, marks, n, expected)


def _by_steps(
    process: PointProcess,
    past: History,
    horizon: float,
    n: int,
    expected: float,
    region: Polygon | None,
    *,
    most: int,
    seed: int,
    say: Callable[[str], None],
) -> Catalogue:
    """Event by event, time and place."""
    room = int(2 ** np.ceil(np.log2(max(32.0, 2.0 * expected))))
    found: list[tuple[np.ndarray, ...]] = []
    keys = jr.split(jr.key(seed), n)
    length = jnp.asarray(horizon, past.times.dtype)
    for begin in range(0, n, _CHUNK):
        chunk = keys[begin : begin + _CHUNK]
        while True:
            drawn, is_whole = _simulate(process, past, length, room, region, chunk)
            if np.all(is_whole):
                break
            if room >= most:
                raise LiouvilleError(
                    f"a simulated catalogue has more than {room} events in {horizon:g} units of "
                    "time: the process explodes; shorten the horizon, or fit with more events "
                    "(its branching ratio is in the report)"
                )
            room *= 2
        valid = np.asarray(drawn.valid)
        columns = (drawn.times, drawn.places, drawn.marks)
        own = (np.asarray(column, np.float64)[valid] for column in columns)
        found.append((np.nonzero(valid)[0] + begin, *own))
        say(f"{begin + len(chunk)} of {n} catalogues")
    number, times, places, marks = (np.concatenate(a) for a in zip(*found, strict=True))
    return Catalogue(number, times, places, marks, n)


@eqx.filter_jit
def _simulate(
    process: PointProcess,
    past: History,
    horizon: jax.Array,
    room: int,
    region: Polygon | None,
    keys: jax.Array,
) -> tuple[History, jax.Array]:
    start = jnp.zeros_like(past.origin)

    def one(key: jax.Array) -> tuple[History, jax.Array]:
        own = (process.intensity, process.marks, past, start, start + horizon, room)
        grown, is_whole = simulate_times(*own, places=process.places, region=region, key=key)
        return jax.tree.map(lambda a: a[-room:] if a.ndim else a, grown), is_whole

    return jax.vmap(one)(keys)
