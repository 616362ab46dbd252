"""From which mark on events were seen, as that changes with time."""

from dataclasses import dataclass, replace

import numpy as np

# Steps of a completeness that falls after a great event, in units of the mark: within a step the
# share of the events that are seen changes by 12 % about the one in its middle, and the integral
# over it is off by two in a thousand (for b = 1).
_STEP = 0.1
# Shorter times of incompleteness are passed over, in days.
_SHORTEST = 1e-3


@dataclass(frozen=True, eq=False)
class Completeness:
    """The least mark that was seen: each value holds from its time on, the first before it, too.

    Attributes:
        times: on the clock of the events, increasing, shape ``(n,)``.
        least: the least marks, shape ``(n,)``.
    """

    times: np.ndarray
    least: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """The least marks at times of any shape."""
        return self.least[np.maximum(np.searchsorted(self.times, times, side="right") - 1, 0)]

    def shifted(self, by: float) -> "Completeness":
        """The same on another clock, on which all times are so much larger."""
        return replace(self, times=self.times + by)

    def after_great(
        self, times: np.ndarray, marks: np.ndarray, offset: float, slope: float, day: float = 1.0
    ) -> "Completeness":
        r"""The same, and higher for a while after great events.

        After an event of mark $M$ no event is seen below $M - a - b \log_{10}(\tau/\mathrm{day})$,
        but all from $M$ on; in steps of a tenth. Source: Helmstetter, Kagan and Jackson (2006),
        Comparison of short-term and time-independent earthquake forecast models for southern
        California, with $a = 4.5$ and $b = .75$.

        Args:
            times: of the events, shape ``(n,)``.
            marks: shape ``(n,)``.
            offset: $a$.
            slope: $b$, positive.
            day: what a day is on the clock.
        """
        base = self.at(times)
        lasts = 10.0 ** ((marks - offset - base) / slope)
        falls = []
        great = (lasts > _SHORTEST) & (marks > base)
        for time, mark, low in zip(*(a[great] for a in (times, marks, base)), strict=True):
            count = int(np.ceil((mark - low) / _STEP - 1e-9))
            edges = mark - (mark - low) * np.arange(1, count + 1) / count
            ends = 10.0 ** ((mark - offset - edges) / slope)
            # The event itself was seen.
            begins = time + day * np.concatenate([[0.0], ends[:-1]])
            begins[0] = np.nextafter(time, np.inf)
            falls.append((begins, edges + 0.5 * (mark - low) / count, time + day * ends[-1]))
        every = [self.times, *(np.append(begins, end) for begins, _, end in falls)]
        moments = np.unique(np.concatenate(every))
        least = self.at(moments)
        for begins, values, end in falls:
            during = (moments >= begins[0]) & (moments < end)
            own = values[np.searchsorted(begins, moments[during], side="right") - 1]
            least[during] = np.maximum(least[during], own)
        changes = np.diff(least, prepend=np.nan) != 0
        return Completeness(moments[changes], least[changes])
