"""Simulated catalogues: what a point process says may happen."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.numerics.types import as_float
from liouville.processes import (
    Followed,
    Hawkes,
    History,
    InheritedKinds,
    Nowhere,
    PointProcess,
    Poisson,
    Polygon,
    When,
    exploded,
    first_generation,
    follow,
    shares_parts,
    simulate_clusters,
    weights_of_parts,
)

_CHUNK = 50  # catalogues drawn at once
# Room for events of a catalogue, of one that is drawn event by event: what is drawn again with more
# room is compiled again, too.
_LEAST_ROOM, _LEAST_IN_ORDER = 32, 128
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

    The local time of the history ends at zero. If places make no difference for times and marks,
    all of these are drawn first. For other processes room for the `expected` events of a catalogue
    is enlarged until it is enough, or `most` is reached; see `EventModel.forecast`.
    """
    intensity = process.intensity
    is_placed = isinstance(process.marks, InheritedKinds) and process.parents == "places"
    is_clustered = isinstance(intensity, Hawkes) and intensity.heredity is None
    if not is_placed and (is_clustered or isinstance(intensity, Poisson)):
        return _times_first(process, past, horizon, n, region, most=most, seed=seed, say=say)
    return _in_order(process, past, horizon, n, expected, region, most=most, seed=seed, say=say)


def _times_first(
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
    if isinstance(process.places, Nowhere):
        return Catalogue(number, times, np.zeros((len(times), 0)), marks, n)
    counts = np.bincount(number, minlength=n)
    edges = (
        np.quantile(times, np.arange(1, _SPANS) / _SPANS) if len(times) else np.zeros(_SPANS - 1)
    )
    firsts = np.cumsum(counts) - counts
    keys = jr.split(jr.fold_in(jr.key(seed), 1), n)
    # Catalogues of one size together, so that few steps are taken for nothing.
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    found = []
    for begin in range(0, len(order), _CHUNK):
        own = np.resize(order[begin : begin + _CHUNK], _CHUNK)
        size = np.where(np.arange(_CHUNK) < len(order) - begin, counts[own], 0)
        room = _room(int(size.max()))
        slots = np.arange(room) < size[:, None]
        rows = np.where(slots, firsts[own][:, None] + np.arange(room), 0)
        drawn = follow(
            process.places,
            past,
            as_float(np.where(slots, times[rows], horizon)),
            as_float(np.where(slots, marks[rows], 0.0)),
            jnp.asarray(size),
            as_float(edges),
            region,
            keys[own],
        )
        found.append(_Chunk.of(own, drawn))
        say(f"{min(begin + _CHUNK, len(order))} of {len(order)} catalogues with events")
    return _joined(found, n, edges, process, past)


def _in_order(
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
    """Event by event, each with its time and its place."""
    edges = horizon * np.arange(1, _SPANS) / _SPANS
    when = When(process.intensity, process.marks, as_float(horizon))
    first = arrivals(process, past, horizon, n, seed)
    keys, found = jr.split(jr.key(seed), n), []
    # Catalogues of about one size together, so that few steps are taken for nothing.
    order = np.arange(n) if first is None else np.argsort(np.isfinite(first).sum(axis=1))
    for begin in range(0, n, _CHUNK):
        size = min(_CHUNK, n - begin)
        own = np.resize(order[begin : begin + size], _CHUNK)
        # Below zero for those that are there only to fill the chunk.
        counts = jnp.where(jnp.arange(_CHUNK) < size, 0, -1)
        room = _room(max(int(2.0 * expected), _LEAST_IN_ORDER))
        asked = dataclasses.replace(when, arrivals=None if first is None else as_float(first[own]))
        while True:
            empty = jnp.zeros((_CHUNK, room), past.times.dtype)
            given = (process.places, past, empty, empty, counts, as_float(edges))
            drawn = follow(*given, region, keys[own], asked)
            if np.all(np.asarray(drawn.counts) < room):
                break
            if room >= most:
                raise exploded(room, horizon)
            room = _room(room + 1)
        found.append(_Chunk.of(own, drawn))
        say(f"{begin + size} of {n} catalogues")
    return _joined(found, n, edges, process, past)


def arrivals(
    process: PointProcess, past: History, horizon: float, n: int, seed: int
) -> np.ndarray | None:
    """What no simulated event triggers, of a Hawkes process, shape `(n, most)`; see `When`."""
    intensity = process.intensity
    if not isinstance(intensity, Hawkes):
        return None
    rng = np.random.default_rng(seed)
    number, times, _ = first_generation(intensity, past, horizon, n, rng)
    counts = np.bincount(number, minlength=n)
    found = np.full((n, _room(int(counts.max()))), np.inf)
    order = np.argsort(number, kind="stable")
    found[np.arange(found.shape[1]) < counts[:, None]] = times[order]
    return found


class _Chunk(NamedTuple):
    """The events of some catalogues, in order of catalogue and time."""

    number: np.ndarray
    times: np.ndarray
    marks: np.ndarray
    places: np.ndarray
    late: tuple[np.ndarray, ...]  # weights, centers and scales of parts of simulated events
    weights: np.ndarray

    @staticmethod
    def of(number: np.ndarray, drawn: Followed) -> "_Chunk":
        """What was drawn for catalogues of these numbers."""
        counts = np.maximum(np.asarray(drawn.counts), 0)
        columns = (drawn.times, drawn.marks, drawn.places, drawn.late, drawn.centers, drawn.scales)
        times, marks, places, *late = (np.asarray(a, np.float64) for a in columns)
        happens = np.arange(times.shape[1]) < counts[:, None]
        is_late = happens & (late[0] > 0)
        own = np.repeat(number, counts)
        return _Chunk(
            own,
            times[happens],
            marks[happens],
            places[happens],
            tuple(a[is_late] for a in late),
            np.asarray(drawn.weights, np.float64),
        )


def _joined(
    found: list[_Chunk], n: int, edges: np.ndarray, process: PointProcess, past: History
) -> Catalogue:
    """All catalogues in their order, and where their events were expected if that is known."""
    dim = past.places.shape[1]
    if not found:
        return Catalogue(np.zeros(0, int), np.zeros(0), np.zeros((0, dim)), np.zeros(0), n)
    columns = zip(*((c.number, c.times, c.places, c.marks) for c in found), strict=True)
    number, times, places, marks = (np.concatenate(a) for a in columns)
    order = np.lexsort((times, number))
    expected = None
    if shares_parts(process.places, past):
        span = np.searchsorted(edges, times)
        middle = [times[span == i].mean() if np.any(span == i) else 0.0 for i in range(_SPANS)]
        late = (np.concatenate(a) for a in zip(*(c.late for c in found), strict=True))
        weights = np.sum([c.weights for c in found], axis=0)
        parts = weights_of_parts(process.places, past, as_float(middle), as_float(weights))
        expected = Expected(np.array(middle), np.asarray(parts, np.float64), *late)
    return Catalogue(number[order], times[order], places[order], marks[order], n, expected)


def _room(size: int) -> int:
    """Room for so many events, in few sizes: each is compiled."""
    room = _LEAST_ROOM
    while room < size:
        room *= 4
    return room
