"""Events whose space and time are entangled, or whose kernels differ from place to place.

    python benchmarks/events_nests.py               # every truth, about 6,000 events each
    python benchmarks/events_nests.py drift --seed 1
    python benchmarks/events_nests.py --save        # writes the table of the pages

Nats per event of the last tenth under the truth, the plain law that every fit has beside it, and
the fit by default settings, with standard errors of the differences by blocks of 50 events. The
kinds of truths are those of HawkesNest, the generator is our own:

* *plain*: a background that stays and one zone, the same everywhere: what all should reach;
* *drift*: the middle of the background goes east by its standard deviation in the whole time;
* *spread*: the zone of an event is wider the later it triggers, by the root of the time;
* *places*: events in the far east have 2.7 times the children of those in the far west, and a zone
  3.7 times as wide;
* *all*: the three together.
"""

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from results import Column, save
from scipy.special import logsumexp

from liouville.data import Events
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.split import divide

_BLOCK = 500
_EVENTS_A_BLOCK = 50
COLUMNS = (
    Column("truth"),
    *(
        Column(f"{law}, {what}", "+.4f", best="min", among=what, error=f"{law}, {what}, error")
        for law in ("plain law", "ours")
        for what in ("time", "space")
    ),
    *(
        Column(f"{law}, {what}, error", ".4f")
        for law in ("plain law", "ours")
        for what in ("time", "space")
    ),
    *(Column("events", ".0f"), Column("seconds", ".0f")),
)


@dataclass(frozen=True)
class Nest:
    r"""$\lambda = \mu N(x; c(t), s^2) + \sum_i \kappa(x_i) g(\tau) N(x; x_i, w_i(\tau)^2)$.

    The kernel is Omori's and Utsu's, the first coordinate is east.
    """

    drift: float = 0.0  # of c to the east in the whole time
    exponent: float = 0.0  # of the width in time: w = .05 (1 + tau / .1)^exponent
    slope: float = 0.0  # of log kappa from east to west; log w has 1.3 times that
    rate: float = 1.0  # mu
    children: float = 0.5  # in the middle
    omori: tuple[float, float] = (0.05, 1.5)  # c and p
    width: float = 2.0  # s

    def kappa(self, x: np.ndarray) -> np.ndarray:
        return self.children * np.exp(self.slope * np.tanh(x[:, 0]))

    def center(self, t: np.ndarray, horizon: float) -> np.ndarray:
        return np.column_stack([self.drift * (t / horizon - 0.5), np.zeros_like(t)])

    def widths(self, x: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        growth = self.exponent * np.log1p(elapsed / 0.1)
        return 0.05 * np.exp(1.3 * self.slope * np.tanh(x[:, 0]) + growth)

    def sample(self, horizon: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        times = rng.uniform(0.0, horizon, rng.poisson(self.rate * horizon))
        places = self.center(times, horizon) + self.width * rng.normal(size=(len(times), 2))
        found, (c, p) = [(times, places)], self.omori
        while len(times):
            parent = np.repeat(np.arange(len(times)), rng.poisson(self.kappa(places)))
            left = 1.0 - rng.uniform(size=len(parent))
            elapsed = c * np.expm1(-np.log(left) / (p - 1.0))
            width = self.widths(places[parent], elapsed)[:, None]
            places = places[parent] + width * rng.normal(size=(len(parent), 2))
            times = times[parent] + elapsed
            times, places = times[times < horizon], places[times < horizon]
            found.append((times, places))
        times, places = (np.concatenate(a) for a in zip(*found, strict=True))
        order = np.argsort(times)
        return times[order], places[order]

    def logs(
        self, times: np.ndarray, places: np.ndarray, begin: float, horizon: float
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Log-rates and log-densities of places of the events from a time on, and expected."""
        late, (c, p) = np.flatnonzero(times >= begin), self.omori
        log_rates, log_joint = np.empty(len(late)), np.empty(len(late))
        log_kappa = np.log(self.kappa(places))
        for first in range(0, len(late), _BLOCK):
            rows = late[first : first + _BLOCK]
            elapsed = times[rows, None] - times
            past = elapsed > 0
            ages = np.where(past, elapsed, 1.0)
            logs = log_kappa + np.log((p - 1.0) / c) - p * np.log1p(ages / c)
            logs = np.where(past, logs, -np.inf)
            width = np.stack([self.widths(places, age) for age in ages])
            square = ((places[rows, None] - places) ** 2).sum(axis=2) / width**2
            near = logs - np.log(2.0 * np.pi * width**2) - 0.5 * square
            own = np.full(len(rows), np.log(self.rate))
            away = places[rows] - self.center(times[rows], horizon)
            density = own - np.log(2.0 * np.pi * self.width**2)
            density -= 0.5 * (away**2).sum(axis=1) / self.width**2
            log_rates[first : first + _BLOCK] = np.logaddexp(own, logsumexp(logs, axis=1))
            log_joint[first : first + _BLOCK] = np.logaddexp(density, logsumexp(near, axis=1))

        def mass(ages: np.ndarray) -> np.ndarray:
            return 1.0 - (1.0 + np.maximum(ages, 0.0) / c) ** (1.0 - p)

        masses = mass(horizon - times) - mass(begin - times)
        integral = self.rate * (horizon - begin) + float(np.exp(log_kappa) @ masses)
        return log_rates, log_joint - log_rates, integral


TRUTHS = {
    "plain": Nest(),
    "drift": Nest(drift=2.0),
    "spread": Nest(exponent=0.5),
    "places": Nest(slope=0.5),
    "all": Nest(drift=2.0, exponent=0.5, slope=0.5),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("truths", nargs="*", default=list(TRUTHS), help=", ".join(TRUTHS))
    options.add_argument("--events", type=int, default=6000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--set", nargs="*", default=[], help="settings: places.network=false")
    options.add_argument("--save", action="store_true", help="write the table of the pages")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    pairs = (entry.split("=", 1) for entry in chosen.set)
    settings: dict[str, Any] = {name: json.loads(value) for name, value in pairs}
    print(f"{'nats per event of the test':32s} {'time':>9s} {'space':>9s} {'less truth':>23s}")
    rows = []
    for name in chosen.truths:
        truth = TRUTHS[name]
        horizon = chosen.events * (1.0 - truth.children) / truth.rate
        times, places = truth.sample(horizon, chosen.seed)
        columns = (times, places, np.zeros(len(times), int), np.array([[0.0, horizon]]))
        events = Events(*columns, features=("x", "y"), time_unit="days", source=name).check()
        parts = divide(events, EventsConfig())
        assert parts.test is not None
        begun = time.monotonic()
        model = fit_events(parts, settings, progress=False).model
        seconds, plain = time.monotonic() - begun, model.plain_model
        assert plain is not None
        rates, densities, expected = truth.logs(
            times, places, float(parts.test.windows[0, 0]), horizon
        )
        true = (expected / len(rates) - rates.mean(), -densities.mean())
        print(f"{f'{name}, truth ({len(events)} events)':32s} {true[0]:9.4f} {true[1]:9.4f}")
        row: dict[str, Any] = {"truth": name, "events": len(events), "seconds": seconds}
        for law, each in {"plain law": plain, "ours": model}.items():
            own = each.scores(parts.test)
            found = {"time": own.nats_in_time, "space": own.nats_in_space}
            by_event = {"time": rates - own.log_rates, "space": densities - own.log_places}
            text = "".join(f" {value:9.4f}" for value in found.values())
            for what, known in zip(found, true, strict=True):
                lost, error = found[what] - known, block_error(by_event[what])
                row |= {f"{law}, {what}": lost, f"{law}, {what}, error": error}
                text += f" {lost:+7.4f}±{error:.4f}"
            print(f"{law:32s}{text} {seconds:4.0f} s", flush=True)
        rows.append(row)
    if chosen.save:
        save("nests", COLUMNS, rows, "Nats per event of the test less those of the truth.")


def block_error(values: np.ndarray) -> float:
    """The standard error of a mean of what follows one another."""
    blocks = [block.mean() for block in np.array_split(values, len(values) // _EVENTS_A_BLOCK)]
    return float(np.std(blocks, ddof=1) / np.sqrt(len(blocks)))


if __name__ == "__main__":
    main()
