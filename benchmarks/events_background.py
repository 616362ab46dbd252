"""A background that changes: with the periods and lines that are found, and constant.

    python benchmarks/events_background.py [--laws day week year "day and year" growth gap waves]

Poisson processes in the plane (two clouds) whose rate has a period or two, grows, has a gap or
comes in waves; one of a constant rate; and a self-exciting one. Nats per event in time of the test
(the last tenth; smaller is better) of the truth, of the fit with its defaults, and of the fit with
a constant background; and the branching ratio of both beside the true one.
"""

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from results import Column, Table

from liouville.data import Events
from liouville.problems.events import HawkesProcess
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.split import divide

TURN, YEAR = 2.0 * np.pi, 365.2425


def _swing(size: float, period: float, t: np.ndarray) -> np.ndarray:
    return 1.0 + size * np.cos(TURN * t / period)


def _waves(t: np.ndarray) -> np.ndarray:
    waves = ((400.0, 40.0, 1.0), (1000.0, 60.0, 0.7), (1380.0, 50.0, 0.5))
    each = [size * np.exp(-0.5 * ((t - at) / width) ** 2) for at, width, size in waves]
    return 0.05 + np.sum(each, axis=0)


# The rate up to a factor, and the end of the window in days.
RATES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "day": (lambda t: _swing(0.7, 1.0, t), 7.0),
    "week": (lambda t: _swing(0.6, 7.0, t), 365.0),
    "year": (lambda t: _swing(0.9, YEAR, t), 3650.0),
    "day and year": (lambda t: _swing(0.7, 1.0, t) * _swing(0.7, YEAR, t), 2190.0),
    "growth": (lambda t: 0.1 + 0.9 * t / 1460.0, 1460.0),
    "gap": (lambda t: np.where((t > 500.0) & (t < 640.0), 0.0, 1.0), 1460.0),
    "waves": (_waves, 1460.0),
    "steady": (np.ones_like, 1460.0),
}
MEAN = 0.5  # of the delay of a child, in days
CLUSTERS = HawkesProcess(
    rate=1.0, children=0.5, kernel=("exponential", MEAN), displacement=("gaussian", 0.1)
)
COLUMNS = (
    *(Column("rate"), Column("truth", ".3f"), Column("default", ".3f", "min", "nats")),
    *(Column("constant background", ".3f", "min", "nats"), Column("branching ratio: true", ".2f")),
    *(Column("branching ratio: default", ".2f"), Column("branching ratio: constant", ".2f")),
)
RATIO, CONSTANT = "branching ratio", {"times.harmonics": 0, "times.knots": 1}


def drawn(law: str, events: int) -> tuple[Events, float]:
    """Events in a window, and the true branching ratio."""
    if law == "clusters":
        end = events * (1.0 - CLUSTERS.branching_ratio) / CLUSTERS.rate
        own = CLUSTERS.sample(end, seed=0)
        times, places, ratio = own.times, own.places, CLUSTERS.branching_ratio
    else:
        (rate, end), ratio = RATES[law], 0.0
        rng = np.random.default_rng(0)
        times = rng.uniform(0.0, end, 40 * events)
        share = rate(times) / rate(np.linspace(0.0, end, 100_001)).max()
        times = np.sort(times[rng.uniform(size=len(times)) < share][:events])
        places = rng.normal(size=(events, 2)) * np.array([[1.0], [0.6]])[np.arange(events) % 2]
        places += 4.0 * (np.arange(events) % 2)[:, None]
    names: Any = {"features": ("x", "y"), "time_unit": "days", "origin": "2020-01-01T00:00:00Z"}
    columns = (times, places, np.zeros(len(times), int), np.array([[0.0, end]]))
    return Events(*columns, source=law, **names).check(), ratio


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
    rate, _ = RATES[law]
    every, rest = np.linspace(0.0, end, 2_000_001), np.linspace(begin, end, 200_001)
    level = len(times) / np.trapezoid(rate(every), every)
    integral = level * np.trapezoid(rate(rest), rest)
    return float(integral - np.log(level * rate(late)).sum()) / len(late)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--laws", nargs="+", default=[*RATES, "clusters"])
    options.add_argument("--events", type=int, default=2500)
    options.add_argument("--save", action="store_true", help="write the table of the pages")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    note = f"{chosen.events:,} events."
    table = Table("events_background", COLUMNS, keep=chosen.save, note=note)
    for law in chosen.laws:
        events, ratio = drawn(law, chosen.events)
        parts = divide(events, EventsConfig())
        assert parts.test is not None
        own, constant = (
            fit_events(parts, {"measure.baselines": False, **more}, progress=False).summary
            for more in ({}, CONSTANT)
        )
        truth = true_nats(law, events.times, *parts.test.windows[0])
        row = {"rate": law, "truth": truth, "branching ratio: true": ratio}
        row |= {"default": own["test nats in time"], "branching ratio: default": own[RATIO]}
        row["constant background"] = constant["test nats in time"]
        row["branching ratio: constant"] = constant[RATIO]
        table.add(row)


if __name__ == "__main__":
    main()
