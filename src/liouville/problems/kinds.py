r"""Events of several kinds that trigger one another, drawn exactly, with their likelihood in full.

NumPy and float64 throughout: these are answers, not models. See `liouville.problems.events`.
"""

from dataclasses import dataclass

import numpy as np

from liouville.errors import LiouvilleError
from liouville.problems._clusters import Sequences, Values, grow, rows_of

# Rows of a sequence that are looked at together.
_BLOCK = 500


@dataclass(frozen=True, eq=False)
class KindsProcess:
    r"""A multivariate Hawkes process with one exponential kernel, in time or in the plane.

    $$\lambda_k(t, x) = \mu_k\, u(x) + \sum_{t_i < t} A_{k_i k}\, b\, e^{-b(t - t_i)}\,
      N(x; x_i, s^2 I).$$

    The background is uniform in the unit square, whose children may leave it. In time alone there
    are no $u$ and $N$.

    Attributes:
        rates: $\mu$, background events of each kind per unit of time, shape `(kinds,)`.
        matrix: $A$, children of each kind (columns) of an event of a kind (rows) on average, shape
            `(kinds, kinds)`.
        decay: $b$, per unit of time.
        spread: $s$; `None` for events in time alone.

    Raises:
        LiouvilleError: if clusters never end.
    """

    rates: np.ndarray
    matrix: np.ndarray
    decay: float = 1.0
    spread: float | None = None

    def __post_init__(self):
        """The clusters must be finite."""
        if not self.branching_ratio < 1.0:
            raise LiouvilleError(
                f"the matrix has the spectral radius {self.branching_ratio:.3g}, so that clusters "
                "never end; make it smaller"
            )

    @property
    def branching_ratio(self) -> float:
        """The spectral radius of the matrix."""
        return float(np.abs(np.linalg.eigvals(self.matrix)).max())

    @property
    def rate(self) -> float:
        """Events of all kinds per unit of time in the long run."""
        return float(self.rates @ np.linalg.inv(np.eye(len(self.rates)) - self.matrix).sum(axis=1))

    def sample(self, horizon: float, sequences: int = 1, *, seed: int = 0) -> Sequences:
        """Independent sequences of a given length, from an empty beginning; marks are kinds."""
        rng = np.random.default_rng(seed)
        means, total = self.matrix.sum(axis=1), float(np.sum(self.rates))
        dim = 0 if self.spread is None else 2
        size = rng.poisson(total * horizon * sequences)
        kinds = rng.choice(len(self.rates), size, p=self.rates / total)
        steps = np.cumsum(self.matrix / np.maximum(means, 1e-300)[:, None], axis=1)

        def children(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            own = states[:, 0].astype(int)
            levels = rng.uniform(size=len(own))[:, None] * steps[own, -1:]
            moved = states[:, 1:] + (self.spread or 0.0) * rng.normal(size=(len(own), dim))
            born = np.column_stack([(levels >= steps[own]).sum(axis=1), moved])
            return rng.exponential(1.0 / self.decay, len(own)), born

        times, states, sequence, parents = grow(
            rng.uniform(0.0, horizon, size),
            np.column_stack([kinds, rng.uniform(size=(size, dim))]),
            rng.integers(sequences, size=size),
            horizon,
            lambda states: rng.poisson(means[states[:, 0].astype(int)]),
            children,
        )
        windows = np.tile([0.0, horizon], (sequences, 1))
        return Sequences(times, states[:, 1:], states[:, 0], sequence, windows, parents)

    def rates_by_kind(self, events: Sequences, *, anywhere: bool = False) -> np.ndarray:
        r"""$\lambda_k(t_i, x_i)$ at every event given those before, or its integral over places.

        Shape `(n, kinds)`.
        """
        found = np.empty((len(events.times), len(self.rates)))
        for rows in rows_of(events):
            for begin in range(0, len(rows), _BLOCK):
                own, past = rows[begin : begin + _BLOCK], rows[: begin + _BLOCK]
                ages = events.times[own][:, None] - events.times[past]
                near = self.decay * np.exp(-self.decay * np.maximum(ages, 0.0)) * (ages > 0.0)
                first = np.ones(len(own))
                if self.spread is not None and not anywhere:
                    x = events.places[own]
                    square = ((x[:, None] - events.places[past]) ** 2).sum(axis=-1)
                    near *= np.exp(-0.5 * square / self.spread**2) / (2 * np.pi * self.spread**2)
                    first = ((x >= 0.0) & (x <= 1.0)).all(axis=1).astype(float)
                triggered = near @ self.matrix[events.marks[past].astype(int)]
                found[own] = first[:, None] * self.rates + triggered
        return found

    def log_rates(self, events: Sequences) -> Values:
        """The logarithm of the rate of events of any kind, anywhere, at every event."""
        return np.log(self.rates_by_kind(events, anywhere=True).sum(axis=1))

    def log_places(self, events: Sequences) -> Values:
        """The log-density of the place of every event, whatever its kind; zeros in time alone."""
        return np.log(self.rates_by_kind(events).sum(axis=1)) - self.log_rates(events)

    def log_kinds(self, events: Sequences) -> Values:
        """The log-chance of the kind of every event, given its time, its place and the past."""
        rates = self.rates_by_kind(events)
        own = rates[np.arange(len(rates)), events.marks.astype(int)]
        return np.log(own) - np.log(rates.sum(axis=1))

    def integrals(self, events: Sequences) -> Values:
        """The integral of the rate of events of any kind over each sequence."""
        begins, ends = events.windows.T
        means = self.matrix.sum(axis=1)[events.marks.astype(int)]
        masses = -means * np.expm1(-self.decay * (ends[events.sequence] - events.times))
        return np.sum(self.rates) * (ends - begins) + np.bincount(
            events.sequence, masses, len(ends)
        )
