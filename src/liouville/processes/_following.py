import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int

from liouville.numerics.parameters import value_of
from liouville.numerics.types import Point, RandomKey, Scalar
from liouville.paths import LocationScaleMarginal
from liouville.processes._base import AbstractIntensity, AbstractMarks, AbstractPlaces
from liouville.processes._hawkes import Hawkes
from liouville.processes._history import History
from liouville.processes._history_free import HistoryFree
from liouville.processes._next import next_time
from liouville.processes._polygon import Polygon
from liouville.processes._process import PointProcess
from liouville.processes._rates import ConstantRate
from liouville.processes._routed import Routed
from liouville.processes._triggered import Triggered, TriggeredPath

_MOST_DRAWS = 10_000


class Followed(NamedTuple):
    r"""Simulated events, and where they were expected before they were drawn.

    An event that was drawn several times, until it was inside of the region, counts so many times:
    with the mass in the region the sums of counts are numbers of events on average.

    Attributes:
        times: shape `(catalogues, room)`.
        marks: same shape.
        log_odds: that they were triggered, same shape.
        counts: how many events there are in each catalogue, shape `(catalogues,)`.
        places: shape `(catalogues, room, dim)`.
        late: how often an event was drawn that comes from a part of a simulated event, zero if from
            one that all catalogues share, shape `(catalogues, room)`.
        centers: of the part an event comes from, shape `(catalogues, room, dim)`.
        scales: of it, $x = \mu + L z$, shape `(catalogues, room, dim, dim)`.
        weights: of the sources that all catalogues share, parts of the background and known events
            (else of the parts of a mixture), summed over the events of each span of time, shape
            `(spans, sources)`.
    """

    times: Float[Array, "catalogues room"]
    marks: Float[Array, "catalogues room"]
    log_odds: Float[Array, "catalogues room"]
    counts: Int[Array, " catalogues"]
    places: Float[Array, "catalogues room dim"]
    late: Float[Array, "catalogues room"]
    centers: Float[Array, "catalogues room dim"]
    scales: Float[Array, "catalogues room dim dim"]
    weights: Float[Array, "spans sources"]


class When(eqx.Module):
    r"""When events happen, where that depends on their places, too.

    A Hawkes process is a sum of independent ones: of the background and the direct children of
    known events, which are the same in all catalogues and drawn before (`first_generation`), and of
    what simulated events trigger. The next event is the first of both, and only the latter, of few
    events, are looked at again after each.

    Attributes:
        intensity: the intensity.
        marks: the law of marks; `None` for marks that are all zero.
        limit: local time at which catalogues end.
        arrivals: of a Hawkes process what is drawn before, local times in any order, infinite where
            there are none, shape `(catalogues, most)`; `None` to draw all from the intensity.
    """

    intensity: AbstractIntensity
    marks: AbstractMarks | None
    limit: Scalar
    arrivals: Float[Array, "*catalogues most"] | None = None

    def time(self, known: History, new: History, now: Scalar, *, key: RandomKey) -> Scalar:
        """The time of the next event of one catalogue, infinite after the limit."""
        if self.arrivals is None:
            hazard = self.intensity.after(_both(known, new))
            return next_time(hazard, now, self.limit, key=key)
        assert isinstance(self.intensity, Hawkes)
        none = ConstantRate(jnp.full_like(now, -jnp.inf))
        own = dataclasses.replace(self.intensity, background=none).after(new)
        first = jnp.min(self.arrivals, initial=jnp.inf, where=self.arrivals > now)
        return jnp.minimum(first, next_time(own, now, self.limit, key=key))

    def mark(
        self, places: AbstractPlaces, past: History, t: Scalar, x: Point, *, key: RandomKey
    ) -> Scalar:
        """The mark of an event that comes then and there."""
        if self.marks is None:
            return jnp.zeros_like(t)
        law = PointProcess(self.intensity, places, self.marks).mark_law(past, t, x)
        return law.sample(key=key).astype(t.dtype)


class _Drawn(NamedTuple):
    """A point, the part it comes from, and whether all catalogues share that."""

    x: Point
    center: Point
    scale: Float[Array, "dim dim"]
    is_shared: Bool[Array, ""]


class _Density(NamedTuple):
    """The density of one place: the chances of shared sources, and how a point is drawn."""

    shares: Float[Array, " sources"]
    draw: Callable[[RandomKey], _Drawn]


@eqx.filter_jit
def follow(
    places: AbstractPlaces,
    known: History,
    times: Float[Array, "catalogues room"],
    marks: Float[Array, "catalogues room"],
    counts: Int[Array, " catalogues"],
    edges: Float[Array, " edges"],
    region: Polygon | None,
    keys: Array,
    when: When | None = None,
) -> Followed:
    """Draws places of events, one after the other in all catalogues at once, exactly.

    Their times are known, or drawn each after the place of the one before. Then a catalogue whose
    count is its room may have more events.

    Args:
        places: where events happen.
        known: the events up to local time zero, which all catalogues share.
        times: local times of simulated events, not decreasing; room for them if they are drawn.
        marks: their marks; likewise.
        counts: how many of them there are in each catalogue, the others are padding; zeros if
            they are drawn, or below zero for no catalogue.
        edges: of the spans of time.
        region: where events are observed: places are drawn given that they are inside.
        keys: a random key for each catalogue.
        when: draws the times; `None` if they are known.
    """
    density_at = _densities(places, known)
    room, dim = times.shape[1], known.places.shape[1]
    slots = jnp.arange(room)

    def one(i: Array, new: History, count: Array, key: Array, arrivals: Array | None):
        new, key = dataclasses.replace(new, valid=slots < i), jr.fold_in(key, i)
        both = _both(known, new)
        t, mark, happens = new.times[i], new.marks[i], i < count
        mark_key = key
        if when is not None:
            now = jnp.where(i > 0, new.times[jnp.maximum(i - 1, 0)], 0.0)
            when_key, key = jr.split(key)
            time_key, mark_key = jr.split(when_key)
            own = dataclasses.replace(when, arrivals=arrivals)
            t = own.time(known, new, now, key=time_key)
            happens = (count == i) & jnp.isfinite(t)
            t = jnp.where(happens, t, when.limit)
        density = density_at(t, new)

        def again(state):
            trials, found = state
            is_inside = jnp.asarray(True) if region is None else region.contains(found.x)
            return (trials < _MOST_DRAWS) & ~is_inside

        def draw(state):
            trials, _ = state
            return trials + 1, density.draw(jr.fold_in(key, trials))

        trials, found = jax.lax.while_loop(again, draw, (1, density.draw(key)))
        odds = places.log_odds(both, t, found.x)
        if when is not None:
            mark = when.mark(places, both, t, found.x, key=mark_key)
        drawn = jnp.where(happens, trials, 0).astype(found.x.dtype)
        span = jax.nn.one_hot(jnp.searchsorted(edges, t), len(edges) + 1, dtype=found.x.dtype)
        return (t, mark, odds, happens), found, drawn, density.shares, span

    def step(state: tuple[Array, Followed]) -> tuple[Array, Followed]:
        i, so_far = state
        valid = jnp.zeros(times.shape, bool)
        origins = jnp.broadcast_to(known.origin, times.shape[:1])
        own = (so_far.times, so_far.places, so_far.marks, so_far.log_odds, valid, origins)
        given = (History(*own), so_far.counts, keys, None if when is None else when.arrivals)
        event, found, drawn, shares, spans = jax.vmap(one, (None, 0, 0, 0, 0))(i, *given)
        t, mark, odds, happens = event
        return i + 1, Followed(
            so_far.times.at[:, i].set(t),
            so_far.marks.at[:, i].set(mark),
            so_far.log_odds.at[:, i].set(odds),
            so_far.counts if when is None else so_far.counts + happens,
            so_far.places.at[:, i].set(found.x),
            so_far.late.at[:, i].set(jnp.where(found.is_shared, 0.0, drawn)),
            so_far.centers.at[:, i].set(found.center),
            so_far.scales.at[:, i].set(found.scale),
            so_far.weights + (spans * drawn[:, None]).T @ shares,
        )

    def goes_on(state: tuple[Array, Followed]) -> Bool[Array, ""]:
        i, so_far = state
        if when is None:
            return i < so_far.counts.max()
        return (i < room) & jnp.any(so_far.counts == i)

    start, dtype = jnp.zeros_like(known.origin), known.places.dtype
    parts = jax.eval_shape(lambda: density_at(start, _room(known, room)).shares).shape[0]
    shapes = (*((*times.shape, *more) for more in ((dim,), (), (dim,), (dim, dim))),)
    nothing = (jnp.zeros(shape, dtype) for shape in (*shapes, (len(edges) + 1, parts)))
    begin = Followed(times, marks, jnp.zeros_like(times), counts, *nothing)
    return jax.lax.while_loop(goes_on, step, (jnp.zeros((), int), begin))[1]


def shares_parts(places: AbstractPlaces, known: History) -> bool:
    """Whether catalogues that follow a history share parts of a mixture, whose weights differ."""
    return bool(len(_shared(places, known)))


@eqx.filter_jit
def _shared(places: AbstractPlaces, known: History) -> Array:
    """Its length is what is asked, so that a second question of the same kind is not traced."""
    if isinstance(places, HistoryFree | Routed):
        return jnp.zeros(isinstance(_shape(places, known, 1), LocationScaleMarginal))
    return jnp.zeros(_background(places, known))


def _densities(places: AbstractPlaces, known: History) -> Callable[[Scalar, History], _Density]:
    """The density of a place at a time, given known events and so many simulated ones.

    Where events add parts to a mixture, a draw is one of its source, a part of the background or an
    event, and then one of the parts of that event alone. All work on known events is done once.
    """
    path, own = places.after(known), _background(places, known)

    def joined(t: Scalar, new: History) -> _Density:
        late = places.after(new)
        assert isinstance(path, TriggeredPath)
        assert isinstance(late, TriggeredPath)
        shared, both = path.log_sources(t), _both(known, new)
        logs = jnp.concatenate([shared, late.log_sources(t)[own:]])
        total = jnp.cumsum(jax.nn.softmax(logs))

        def draw(key: RandomKey) -> _Drawn:
            source_key, part_key, point_key = jr.split(key, 3)
            level = jr.uniform(source_key, dtype=total.dtype) * total[-1]
            source = jnp.minimum(jnp.searchsorted(total, level, side="right"), len(total) - 1)
            marginal = places.after(both.entry(jnp.maximum(source - own, 0))).at(t)
            assert isinstance(marginal, LocationScaleMarginal)
            part = own + jr.categorical(part_key, marginal.log_weights[own:])
            part = jnp.where(source < own, source, part)
            family, place = marginal.family.of_part(part), partial(marginal.frames.place, part)
            z = family.sample(known.places.shape[1:], key=point_key).astype(total.dtype)
            center = place(jnp.zeros_like(z))
            axes = jax.vmap(lambda e: place(e) - center)(jnp.eye(len(z), dtype=z.dtype))
            return _Drawn(place(z), center, axes.T, source < len(shared))

        return _Density(jnp.diff(total[: len(shared)], prepend=0.0), draw)

    def alone(t: Scalar, new: History) -> _Density:
        marginal = places.after(_both(known, new)).at(t)
        shares = jnp.zeros((0,), known.places.dtype)
        if isinstance(places, HistoryFree | Routed) and isinstance(marginal, LocationScaleMarginal):
            shares = jnp.exp(marginal.log_weights)

        def draw(key: RandomKey) -> _Drawn:
            x = marginal.sample(key=key).astype(known.places.dtype)
            return _Drawn(x, jnp.zeros_like(x), jnp.zeros((x.size, x.size)), jnp.asarray(True))

        return _Density(shares, draw)

    return joined if own else alone


@eqx.filter_jit
def weights_of_parts(
    places: AbstractPlaces,
    known: History,
    times: Float[Array, " spans"],
    weights: Float[Array, "spans sources"],
) -> Float[Array, "spans parts"]:
    """The `weights` of `Followed`, of the parts of the density given known events at some times."""
    path = places.after(known)
    if not isinstance(path, TriggeredPath):
        return weights
    return jax.vmap(path.of_parts)(times, weights)


def _background(places: AbstractPlaces, known: History) -> int:
    """The parts of the background of a mixture to which every event adds some; zero otherwise."""
    if not isinstance(places, Triggered):
        return 0
    return value_of(places.background).at(known.origin).log_weights.shape[0]


def _shape(places: AbstractPlaces, known: History, n: int):
    """The marginal given so many events; nothing is computed but shapes."""
    return eqx.filter_eval_shape(lambda: places.after(_room(known, n)).at(known.origin))


def _room(like: History, n: int) -> History:
    """A history of `n` entries without an event."""
    none = jax.tree.map(lambda a: a[:0] if a.ndim else a, like)
    return none.longer(n)


def _both(first: History, second: History) -> History:
    columns = ("times", "places", "marks", "log_odds", "valid")
    joined = {c: jnp.concatenate([getattr(h, c) for h in (first, second)]) for c in columns}
    return dataclasses.replace(first, **joined)
