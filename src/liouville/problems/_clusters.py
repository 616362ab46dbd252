from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from liouville.errors import LiouvilleError

Values = Float[np.ndarray, " n"]
Points = Float[np.ndarray, "n dim"]

_MOST_GENERATIONS = 10_000


class Sequences(NamedTuple):
    """Events of several sequences, in order of sequence and time.

    Attributes:
        times: since the beginning of the own sequence, shape `(n,)`.
        places: shape `(n, dim)`.
        marks: magnitudes or numbers of kinds, shape `(n,)`.
        sequence: the number of the sequence of each event, shape `(n,)`.
        windows: beginning and end of the observation of each sequence, shape `(m, 2)`.
        parents: the row of the event that triggered each one, -1 for background, shape `(n,)`.
    """

    times: Values
    places: Points
    marks: Values
    sequence: Int[np.ndarray, " n"]
    windows: Float[np.ndarray, "m 2"]
    parents: Int[np.ndarray, " n"]


def grow(
    times: np.ndarray,
    states: np.ndarray,
    sequence: np.ndarray,
    horizon: float,
    numbers: Callable[[np.ndarray], np.ndarray],
    children: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All generations before the horizon, in order of sequence and time, with parents' rows.

    `times`, `states` (whatever children inherit) and `sequence` are those of the background events,
    `numbers` gives how many children each state has, and `children` their delays and states from
    the states of their parents.
    """
    generations = [(times, states, sequence, np.full(len(times), -1))]
    begin = 0
    for _ in range(_MOST_GENERATIONS):
        times, states, sequence, _ = generations[-1]
        rows = np.repeat(np.arange(len(times)), numbers(states))
        delays, inherited = children(states[rows])
        born = times[rows] + delays
        kept = born < horizon
        generations.append((born[kept], inherited[kept], sequence[rows[kept]], begin + rows[kept]))
        begin += len(times)
        if not kept.any():
            break
    else:
        raise LiouvilleError(
            f"clusters go on after {_MOST_GENERATIONS} generations; lower children"
        )
    times, states, sequence, parents = (np.concatenate(a) for a in zip(*generations))
    order = np.lexsort((times, sequence))
    rank = np.empty(len(order) + 1, int)
    rank[order], rank[-1] = np.arange(len(order)), -1
    return times[order], states[order], sequence[order], rank[parents[order]]


def rows_of(events: Sequences) -> Iterator[np.ndarray]:
    """The rows of each sequence that has events."""
    edges = np.flatnonzero(np.diff(events.sequence)) + 1
    return (rows for rows in np.split(np.arange(len(events.times)), edges) if len(rows))


def ages_of(times: Values) -> Float[np.ndarray, "n n"]:
    """How long before each event each other one was, negative for those after it."""
    return times[:, None] - times
