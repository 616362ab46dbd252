"""A process of known truth, and events drawn from it."""

from liouville.data import Events
from liouville.problems.events import HawkesProcess

TRUTH = HawkesProcess(
    rate=1.0,
    children=0.6,
    kernel=("exponential", 0.3),
    displacement=("gaussian", 0.2),
    box=((-2.0, -2.0), (2.0, 2.0)),
)


def drawn(horizon: float, sequences: int, seed: int) -> Events:
    found = TRUTH.sample(horizon, sequences, seed=seed)
    return Events(found.times, found.places, found.sequence, found.windows, source=f"draw {seed}")
