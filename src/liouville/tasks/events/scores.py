"""What a process says of events, event by event."""

from typing import NamedTuple

import jax
import numpy as np

from liouville.processes import Excerpts, PointProcess, integrals, log_rates
from liouville.tasks.events.pieces import ByPiece


class Scores(NamedTuple):
    r"""What a process says of events, event by event in the order given.

    Attributes:
        log_rates: $\log\lambda(t_i)$, events per unit of time, shape `(n,)`.
        log_places: $\log\rho_{t_i}(x_i)$ per user's unit of area, shape `(n,)`.
        log_marks: $\log f(m_i)$, or of kinds their log-chances, zeros without marks, shape `(n,)`.
        rescaled: $\int\lambda$ since the event before, or the begin of observation, shape `(n,)`:
            exponential of mean one if the process is the true one.
        rest: $\int\lambda$ from the last event of a sequence to its end, shape `(sequences,)`.
    """

    log_rates: np.ndarray
    log_places: np.ndarray
    log_marks: np.ndarray
    rescaled: np.ndarray
    rest: np.ndarray

    @property
    def nats_in_time(self) -> float:
        """The negative log-likelihood of the times, per event."""
        total = self.log_rates.sum() - self.rescaled.sum() - self.rest.sum()
        return float(-total / len(self.log_rates))

    @property
    def nats_in_space(self) -> float:
        """The negative log-likelihood of the places, per event."""
        return float(-self.log_places.mean())

    @property
    def nats_of_marks(self) -> float:
        """The negative log-likelihood of the marks, per event."""
        return float(-self.log_marks.mean())


@ByPiece
def score(process: PointProcess, excerpts: Excerpts) -> tuple[jax.Array, ...]:
    """Log-rates, log-densities of places and of marks, and integrals of the rate, by excerpt."""

    def one(excerpt: Excerpts) -> tuple[jax.Array, ...]:
        hazard = process.intensity.after(excerpt.history)
        return (
            log_rates(hazard, excerpt),
            process.log_places(excerpt),
            process.log_marks(excerpt),
            integrals(hazard, excerpt),
        )

    return jax.lax.map(one, excerpts)


def nats_of(process: PointProcess, excerpts: Excerpts) -> np.ndarray:
    """The negative log-likelihood of the times and places of each excerpt, shape `(excerpts,)`."""
    rates, places, _, passed = (np.asarray(a, np.float64) for a in score(process, excerpts))
    seen = np.where(np.asarray(excerpts.is_event), rates + places, 0.0)
    return passed.sum(axis=1) - seen.sum(axis=1)
