import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from liouville.numerics.types import RandomKey, Scalar
from liouville.processes._base import (
    AbstractHazard,
    AbstractIntensity,
    AbstractMarks,
    AbstractPlaces,
)
from liouville.processes._history import History
from liouville.processes._nowhere import Nowhere
from liouville.processes._polygon import Polygon
from liouville.processes._process import PointProcess


def next_time(hazard: AbstractHazard, start: Scalar, limit: Scalar, *, key: RandomKey) -> Scalar:
    r"""The time of the next event after `start`, drawn exactly by inversion of the integral.

    It solves $\int_{start}^t \lambda = E$ with $E$ exponential of mean one. Not to be
    differentiated.

    Args:
        hazard: given the events up to and with `start`.
        start: local time from which on nothing has happened yet.
        limit: a finite local time.
        key: random key.

    Returns:
        The time, to the rounding of its floating-point type, or infinity if it is after `limit`.
    """
    return inverse_integral(hazard, start, limit, jr.exponential(key, dtype=start.dtype))


def inverse_integral(
    hazard: AbstractHazard, start: Scalar, limit: Scalar, target: Scalar
) -> Scalar:
    r"""The time $t$ with $\int_{start}^t \lambda =$ `target`, infinity if it is after `limit`."""
    longest = jnp.maximum(limit - start, 0.0)

    def mass(duration: Scalar) -> Scalar:
        return hazard.integral(start, start + duration)

    found = jnp.minimum(start + inverse_mass(mass, longest, target), limit)
    return jnp.where(mass(longest) < target, jnp.inf, found)


def inverse_mass(mass: Callable[[Scalar], Scalar], longest: Scalar, target: Scalar) -> Scalar:
    """The duration up to `longest` at which a function that never falls reaches `target`.

    Bisection on the floating-point numbers themselves, in their order: durations of any size are
    found to their last digit in as many steps as the type has bits, whatever the function's shape.
    """
    bits = jnp.finfo(longest.dtype).bits
    whole = jnp.int64 if bits == 64 else jnp.int32
    if bits not in (32, 64):
        raise ValueError(f"times are {longest.dtype}; give float32 or float64")

    def step(_, bracket):
        low, high = bracket
        middle = low + (high - low) // 2
        is_early = mass(jax.lax.bitcast_convert_type(middle, longest.dtype)) < target
        return jnp.where(is_early, middle, low), jnp.where(is_early, high, middle)

    # The order of floats that are not negative is that of their bits read as whole numbers.
    ends = (jnp.zeros_like(longest), longest)
    bracket = tuple(jax.lax.bitcast_convert_type(end, whole) for end in ends)
    _, high = jax.lax.fori_loop(0, bits - 1, step, bracket)
    return jax.lax.bitcast_convert_type(high, longest.dtype)


def simulate_times(
    intensity: AbstractIntensity,
    marks: AbstractMarks | None,
    history: History,
    start: Scalar,
    limit: Scalar,
    max_events: int,
    *,
    places: AbstractPlaces | None = None,
    region: Polygon | None = None,
    key: RandomKey,
) -> tuple[History, Bool[Array, ""]]:
    """Draws what follows a history, event by event, exactly.

    Args:
        intensity: when events happen.
        marks: the law of marks; without it new events have the mark zero.
        history: the events up to and with `start`; later ones must not be valid.
        start: local time at which the simulation begins.
        limit: local time at which it ends.
        max_events: room for so many new events.
        places: where events happen; without it all new events are at zero.
        region: where they are observed: places are drawn given that they are inside.
        key: random key; event number `i` is a function of the key and `i`.

    Returns:
        The history with room for `max_events` more entries at its end, of which those that
        happened are valid; and whether `limit` was reached. If not, the room was too small and
        what is there is a part of the draw only: give more.
    """
    first = len(history.times)
    nowhere = jnp.zeros_like(history.places, shape=history.places.shape[1:])

    def drawn(events: History, now: Scalar, number: Array) -> tuple[Array, ...]:
        time_key, mark_key, place_key = jr.split(jr.fold_in(key, number), 3)
        t = next_time(intensity.after(events), now, limit, key=time_key)
        when = jnp.where(jnp.isfinite(t), t, limit)
        place, odds = nowhere, jnp.zeros_like(t)
        if places is not None:
            marginal = places.after(events).at(when)
            draw = marginal.sample if region is None else functools.partial(region.sample, marginal)
            place = draw(key=place_key).astype(nowhere.dtype)
            odds = places.log_odds(events, when, place)
        if marks is None:
            return t, place, jnp.zeros_like(t), odds
        law = PointProcess(intensity, places or Nowhere(), marks).mark_law(events, when, place)
        return t, place, law.sample(key=mark_key).astype(t.dtype), odds

    def step(state):
        events, now, number, _ = state
        t, *values = drawn(events, now, number)
        happened = jnp.isfinite(t)
        at = first + number
        columns = zip(("times", "places", "marks", "log_odds"), (t, *values))
        olds = ((name, getattr(events, name), value) for name, value in columns)
        news = {name: a.at[at].set(jnp.where(happened, v, a[at])) for name, a, v in olds}
        valid = events.valid.at[at].set(happened)
        events = dataclasses.replace(events, **news, valid=valid)
        return events, jnp.where(happened, t, now), number + happened, ~happened

    def goes_on(state):
        _, _, number, is_complete = state
        # One draw more than there is room for: what it writes out of bounds is dropped.
        return ~is_complete & (number <= max_events)

    state = (history.longer(max_events), start, jnp.zeros((), int), jnp.zeros((), bool))
    events, _, _, is_complete = jax.lax.while_loop(goes_on, step, state)
    return events, is_complete


def rescale_times(
    hazard: AbstractHazard, times: Float[Array, " n"], start: Scalar
) -> Float[Array, " n"]:
    r"""The integrals of the hazard between events, $\int_{t_{i-1}}^{t_i} \lambda$.

    If the hazard is true they are independent exponential draws of mean one (time rescaling).

    Args:
        hazard: given all events.
        times: local times of valid events, not decreasing, shape `(n,)`.
        start: local time at which the observation begins.
    """
    earlier = jnp.concatenate([start[None], times[:-1]])
    return jax.vmap(hazard.integral)(earlier, times)
