from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from liouville.numerics.types import as_float
from liouville.processes._history import History
from liouville.processes._reach import Reach
from liouville.processes._seen import Pieces, Seen


class Excerpts(eqx.Module):
    """Sequences cut into pieces of one shape: a few events to predict and what came before them.

    A likelihood is a sum over events given their past, so pieces can be drawn at random, and
    memory is bounded however long a sequence is. Every piece has its own origin of time.

    Attributes:
        history: the events of the pieces, the ones to predict last; arrays with leading axis
            `(excerpts,)` and `past + targets` entries.
        since: when the interval before each target begins: at the event before it, or the begin
            of observation, shape `(excerpts, targets + 1)`. The last column is the interval from
            the last event of a sequence to the end of its observation.
        until: when it ends, same shape.
        is_interval: which of them there are, same shape; the others are padding.
        number: of events to predict in all.
        pieces: the intervals where not all events were seen at all times; `None` if they were.
    """

    history: History
    since: Float[Array, "*excerpts intervals"]
    until: Float[Array, "*excerpts intervals"]
    is_interval: Bool[Array, "*excerpts intervals"]
    number: int = eqx.field(static=True)
    pieces: Pieces | None = None

    def __len__(self) -> int:
        return len(self.since)

    @property
    def targets(self) -> int:
        """The most events to predict in a piece."""
        return self.since.shape[-1] - 1

    @property
    def is_event(self) -> Bool[Array, "*excerpts targets"]:
        """Which of the events to predict there are; the others are padding."""
        return self.is_interval[..., :-1]

    @property
    def predicted(self) -> tuple[Array, Array, Array]:
        """Times, places and marks of the events to predict of one excerpt."""
        own, n = self.history, self.targets
        return own.times[-n:], own.places[-n:], own.marks[-n:]

    @staticmethod
    def of(
        times: Sequence[np.ndarray],
        places: Sequence[np.ndarray],
        marks: Sequence[np.ndarray],
        windows: np.ndarray,
        *,
        targets: int = 32,
        reach: Reach | None = None,
        log_odds: Sequence[np.ndarray] | None = None,
        rows: np.ndarray | None = None,
        seen: Seen | None = None,
    ) -> "Excerpts":
        """Cuts sequences.

        Events before a window's begin are its past: they are seen and not predicted.

        Args:
            times: of each sequence, float64, not decreasing.
            places: of each sequence, shape `(n, dim)`.
            marks: of each sequence, shape `(n,)`.
            windows: begin and end of observation of each sequence.
            targets: events to predict in a piece.
            reach: which past events are seen; by default all.
            log_odds: of each sequence, shape `(n,)`; see `History`.
            rows: of one sequence, the events at which pieces begin; by default all in the windows.
            seen: which share of the events was seen; by default all.
        """
        pieces = [
            (number, start)
            for number, t in enumerate(times)
            for start in (_starts(t, windows[number], targets) if rows is None else rows.tolist())
        ]
        firsts = [int(np.searchsorted(t, w[0])) for t, w in zip(times, windows)]
        longest = max((start for _, start in pieces), default=0)
        past = longest if reach is None else min(reach.most, longest)
        n, size, dim = len(pieces), past + targets, places[0].shape[1]
        when, where, mark, odds = (np.zeros((n, size, *more)) for more in ((), (dim,), (), ()))
        valid, origin = np.zeros((n, size), bool), np.zeros(n)
        since, until = np.zeros((n, targets + 1)), np.zeros((n, targets + 1))
        is_interval = np.zeros((n, targets + 1), bool)
        for row, (number, start) in enumerate(pieces):
            t, window = times[number], windows[number]
            high = min(start + targets, len(t))
            base = t[start] if start < len(t) else window[0]
            own = np.arange(start)
            if reach is not None:
                own = reach.chosen(base - t[:start], marks[number][:start])
            own = np.concatenate([own, np.arange(start, high)])
            count = high - start
            slots = slice(past + count - len(own), past + count)
            origin[row] = base
            when[row, slots] = t[own] - base
            where[row, slots] = places[number][own]
            mark[row, slots] = marks[number][own]
            if log_odds is not None:
                odds[row, slots] = log_odds[number][own]
            valid[row, slots] = True
            before = np.concatenate([[window[0]], t])[start : high + 1]
            if start == firsts[number]:
                before[0] = window[0]
            since[row, :count] = before[:count] - base
            until[row, :count] = t[start:high] - base
            is_interval[row, :count] = True
            if high == len(t):
                since[row, -1], until[row, -1] = before[-1] - base, window[1] - base
                is_interval[row, -1] = True
        spans = since, until, is_interval, origin
        cut = None if seen is None else Pieces.of(*spans, seen)
        when, where, mark, odds, origin, since, until = map(
            as_float, (when, where, mark, odds, origin, since, until)
        )
        history = History(when, where, mark, odds, jnp.asarray(valid), origin)
        number = int(is_interval[:, :-1].sum())
        return Excerpts(history, since, until, jnp.asarray(is_interval), number, cut)


def _starts(times: np.ndarray, window: np.ndarray, targets: int) -> list[int]:
    """Where the pieces of a sequence begin; a window without events is one piece."""
    first = int(np.searchsorted(times, window[0]))
    return list(range(first, len(times), targets)) or [first]
