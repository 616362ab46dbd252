"""Simulated catalogues: what a point process says may happen."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.errors import LiouvilleError
from liouville.processes import History, PointProcess, Polygon, simulate_times

_CHUNK = 50  # catalogues drawn at once


class Catalogue(NamedTuple):
    """Simulated catalogues, one after the other.

    Attributes:
        number: of the catalogue an event is in, shape `(n,)`.
        times: on the clock of the sequence, shape `(n,)`.
        places: in the user's coordinates, shape `(n, dim)`.
        marks: shape `(n,)`.
        size: how many catalogues there are, with those that are empty.
    """

    number: np.ndarray
    times: np.ndarray
    places: np.ndarray
    marks: np.ndarray
    size: int


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

    The local time of the history ends at zero. Room for the `expected` events of a catalogue is
    doubled until it is enough, or `most` is reached; see `EventModel.forecast`.
    """
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
