from typing import NamedTuple

import numpy as np


class Reach(NamedTuple):
    r"""Which past events a process sees where only so many can be: those of the most influence.

    An event of magnitude $m$ triggers after a time $\tau$ in proportion to about

    $$e^{\alpha m} (1 + \tau/c)^{-p},$$

    so that a great earthquake is remembered when hundreds of small ones have come after it.
    Without magnitudes ($\alpha = 0$) these are the latest events. It says what is looked at, not
    what that is worth, which is learned. It belongs to the model: likelihood, forecast and
    intensity use the same.

    Attributes:
        most: so many events at most.
        slope: $\alpha$, per unit of the mark.
        offset: $c$, in units of time.
        exponent: $p$.
    """

    most: int
    slope: float = 0.0
    offset: float = 1.0
    exponent: float = 1.0

    def chosen(self, elapsed: np.ndarray, marks: np.ndarray) -> np.ndarray:
        """The rows of the events that are seen, in their order.

        Args:
            elapsed: the times since past events, in order of time, shape `(n,)`.
            marks: their marks as the model counts them, shape `(n,)`.
        """
        if len(elapsed) <= self.most:
            return np.arange(len(elapsed))
        if self.slope == 0.0:
            return np.arange(len(elapsed) - self.most, len(elapsed))
        influence = self.slope * marks - self.exponent * np.log1p(elapsed / self.offset)
        return np.sort(np.argpartition(influence, -self.most)[-self.most :])
