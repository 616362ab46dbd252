from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.types import as_float


class Seen(NamedTuple):
    r"""Which share of the events is seen, as it changes with time.

    Of a law of magnitudes $\beta e^{-\beta(m - m_0)}$ whose events are seen from $m_c(t)$ on it is
    $e^{-\beta (m_c(t) - m_0)}$: so much of the rate of all events is that of those seen.

    Attributes:
        times: on the clock of the sequence, increasing, shape `(n,)`.
        least: $m_c - m_0$, from each time to the next one, before the first as well, shape `(n,)`.
        decay: $\beta$.
    """

    times: np.ndarray
    least: np.ndarray
    decay: float

    def at(self, times: np.ndarray) -> np.ndarray:
        """$m_c - m_0$ at times."""
        return self.least[np.maximum(np.searchsorted(self.times, times, side="right") - 1, 0)]


class Pieces(eqx.Module):
    """The intervals of excerpts in pieces, in each of which one share of the events is seen.

    Attributes:
        since: when a piece begins, shape `(excerpts, pieces)`.
        until: when it ends, same shape.
        share: of the events that are seen in it, zero on padding, same shape.
        interval: the number of the interval it is a piece of, same shape.
        least: from which mark on events were seen when each target came, shape
            `(excerpts, targets)`.
        log_share: the logarithm of the share then, same shape.
    """

    since: Float[Array, "*excerpts pieces"]
    until: Float[Array, "*excerpts pieces"]
    share: Float[Array, "*excerpts pieces"]
    interval: Int[Array, "*excerpts pieces"]
    least: Float[Array, "*excerpts targets"]
    log_share: Float[Array, "*excerpts targets"]

    @staticmethod
    def of(
        since: np.ndarray,
        until: np.ndarray,
        is_interval: np.ndarray,
        origin: np.ndarray,
        seen: Seen,
    ) -> "Pieces":
        """Cuts the intervals of excerpts, shapes `(excerpts, targets + 1)`, where shares change."""
        rows = []
        for begins, ends, valid, base in zip(since, until, is_interval, origin, strict=True):
            cuts = seen.times - base
            own = []
            for i in np.flatnonzero(valid):
                inner = cuts[np.searchsorted(cuts, begins[i], side="right") :]
                inner = inner[: np.searchsorted(inner, ends[i])]
                edges = np.concatenate([[begins[i]], inner, [ends[i]]])
                middles = 0.5 * (edges[1:] + edges[:-1]) + base
                number = np.full(len(middles), float(i))
                own.append((edges[:-1], edges[1:], np.exp(-seen.decay * seen.at(middles)), number))
            rows.append([np.concatenate(column) for column in zip(*own, strict=True)])
        most = max(len(row[0]) for row in rows)
        columns = (
            np.stack([np.pad(column, (0, most - len(column))) for column in each])
            for each in zip(*rows, strict=True)
        )
        starts, stops, share, interval = columns
        least = np.where(is_interval, seen.at(until + origin[:, None]), 0.0)[:, :-1]
        starts, stops, share, least, log_share = map(
            as_float, (starts, stops, share, least, -seen.decay * least)
        )
        return Pieces(starts, stops, share, as_float(interval).astype(int), least, log_share)
