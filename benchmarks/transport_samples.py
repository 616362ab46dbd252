"""Transport between samples: where rows that no fit has seen say it arrives.

    python benchmarks/transport_samples.py [--cases 2 10 50 moons] [--rows 2000] [--save]

`fit_transport` with its defaults between rows of a standard normal law and rows of one with mean 2
and spreads from 3 to 0.3, in so many dimensions (or the two moons, or clusters of spread .1 at
distance 20). W2 between 1,000 carried fresh rows of the source and 1,000 fresh rows of the target,
beside the floor, the W2 of two clouds of the target; the energy beside half the squared W2 of the
two true laws in closed form; and the figures of the run's own held-out rows.
"""

import argparse
import time
import warnings

import numpy as np
from results import Column, Table

import liouville as lv
from liouville.numerics.couplings import mean_distance
from liouville.problems import bures, toys
from liouville.tasks.transport.answers import transport_map

COLUMNS = (
    *(Column("target"), Column("arrival, W2", ".4g"), Column("floor", ".4g")),
    *(Column("ratio", ".3f"), Column("energy", ".4g"), Column("least", ".4g")),
    *(Column("held-out ratio", ".3f"), Column("seconds", ".0f")),
)


def case(name, rng, rows):
    """Draws of the target, and half the squared W2 from the standard normal law, if known."""
    if name == "moons":
        return toys.named("two_moons").sample(rows, seed=int(rng.integers(2**31))), None
    if name == "clusters":
        part = rng.integers(2, size=rows)
        return 0.1 * rng.normal(size=(rows, 2)) + np.outer(part, [20.0, 0.0]), None
    dim = int(name)
    spread = np.geomspace(3.0, 0.3, dim)
    target = 2.0 + spread * rng.normal(size=(rows, dim))
    moments = (np.zeros(dim), np.eye(dim), np.full(dim, 2.0), np.diag(spread**2))
    return target, 0.5 * bures(*moments)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", nargs="*", default=["2", "10", "50", "moons", "clusters"])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    note = f"{options.rows:,} rows of each end."
    table = Table("transport_samples", COLUMNS, keep=options.save, note=note)
    for name in options.cases:
        rng = np.random.default_rng(0)
        target, least = case(name, rng, options.rows)
        source = rng.normal(size=(options.rows, target.shape[1]))
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = lv.fit_transport(source, target, progress=False)
        seconds, s = time.perf_counter() - begin, fit.summary
        moved, fresh = [], []
        for _ in range(5):
            fresh.append([case(name, rng, 1000)[0] for _ in range(3)])
            moved.append(transport_map(fit.model, rng.normal(size=fresh[-1][0].shape)))
        reached, one, other = zip(*fresh)
        ours, floor = mean_distance(moved, reached).value, mean_distance(one, other).value
        held = "W2 of arrival to held-out rows of the target"
        found = s.get("least energy (discrete problem)") if least is None else least
        row = {"target": name, "arrival, W2": ours, "floor": floor, "ratio": ours / floor}
        row |= {"energy": s["energy"], "least": found}
        row |= {"held-out ratio": s[held] / s[held + ", floor"], "seconds": seconds}
        table.add(row)


if __name__ == "__main__":
    main()
