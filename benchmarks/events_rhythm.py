"""Events that keep to the hours of a day, a week or a year: with and without the period.

    python benchmarks/events_rhythm.py [--laws day week year clusters] [--events 2000]

A Poisson process whose rate has a period, and a self-exciting one of a constant background. Nats
per event in time of the test (the last tenth; smaller is better) of the truth, of the fit with its
defaults, and of the fit without a period; and the branching ratio of both beside the true one.
"""

import argparse
import warnings

import numpy as np
from results import Column, Table

from liouville.data import Events
from liouville.problems.events import HawkesProcess
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.split import divide

SWINGS = {"day": (0.7, 1.0, 7.0), "week": (0.6, 7.0, 365.0), "year": (0.9, 365.2425, 3650.0)}
MEAN = 0.5  # of the delay of a child, in days
CLUSTERS = HawkesProcess(
    rate=1.0, children=0.5, kernel=("exponential", MEAN), displacement=("gaussian", 1.0)
)
COLUMNS = (
    *(Column("rate"), Column("truth", ".3f"), Column("with its period", ".3f", "min", "nats")),
    *(Column("without", ".3f", "min", "nats"), Column("branching ratio: true", ".2f")),
    *(Column("branching ratio: with its period", ".2f"), Column("branching ratio: without", ".2f")),
)


def drawn(law: str, events: int) -> tuple[np.ndarray, float, float]:
    """Times, the end of their window, and the true branching ratio."""
    if law == "clusters":
        end = events * (1.0 - CLUSTERS.branching_ratio) / CLUSTERS.rate
        return CLUSTERS.sample(end, seed=0).times, end, CLUSTERS.branching_ratio
    swing, period, end = SWINGS[law]
    rng = np.random.default_rng(0)
    times = rng.uniform(0.0, end, 4 * events)
    share = (1.0 + swing * np.cos(2.0 * np.pi * times / period)) / (1.0 + swing)
    return np.sort(times[rng.uniform(size=len(times)) < share][:events]), end, 0.0


def true_nats(law: str, times: np.ndarray, begin: float, end: float) -> float:
    """Of the events from `begin` on."""
    late = times[times >= begin]
    if law == "clusters":
        children, mean = CLUSTERS.children, MEAN
        gaps = late[:, None] - times
        past = np.where(gaps > 0.0, np.exp(-np.maximum(gaps, 0.0) / mean), 0.0).sum(axis=1)
        rates = CLUSTERS.rate + children / mean * past
        left = np.exp(-np.maximum(begin - times, 0.0) / mean) - np.exp(-(end - times) / mean)
        integral = CLUSTERS.rate * (end - begin) + children * left.sum()
        return float(integral - np.log(rates).sum()) / len(late)
    swing, period, whole = SWINGS[law]
    turn = 2.0 * np.pi / period
    level = len(times) / (whole + swing * np.sin(turn * whole) / turn)
    ends = np.sin(turn * end) - np.sin(turn * begin)
    integral = level * (end - begin + swing * ends / turn)
    return float(integral - np.log(level * (1.0 + swing * np.cos(turn * late))).sum()) / len(late)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--laws", nargs="+", default=[*SWINGS, "clusters"])
    options.add_argument("--events", type=int, default=2000)
    options.add_argument("--save", action="store_true", help="write the table of the pages")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    note = f"{chosen.events:,} events."
    table = Table("events_rhythm", COLUMNS, keep=chosen.save, note=note)
    for law in chosen.laws:
        times, end, ratio = drawn(law, chosen.events)
        columns = (times, np.zeros((len(times), 0)), np.zeros(len(times), int))
        names = {"features": (), "time_unit": "days", "origin": "2020-01-01T00:00:00Z"}
        events = Events(*columns, np.array([[0.0, end]]), source=law, **names).check()
        parts = divide(events, EventsConfig())
        assert parts.test is not None
        own, without = (
            fit_events(parts, {"measure.baselines": False, **more}, progress=False).summary
            for more in ({}, {"times.harmonics": 0})
        )
        truth = true_nats(law, times, float(parts.test.windows[0, 0]), end)
        row = {"rate": law, "truth": truth, "branching ratio: true": ratio}
        for name, found in (("with its period", own), ("without", without)):
            row[name] = found["test nats in time"]
            row[f"branching ratio: {name}"] = found["branching ratio"]
        table.add(row)


if __name__ == "__main__":
    main()
