"""The demonstration's population, fitted from several draws of it, beside the truth.

    python benchmarks/demo.py [--seeds 4] [--save]

The first table is that of the draw which `liouville demo` shows, day by day: divergence, and
relative errors of velocity and growth rate. The second has a row for each draw: the largest
divergence at any day, the mean error of the velocity half-way between the days, the means of that
of the growth rate, and what the held-out cells have above the truth. Nothing is drawn, and the
seconds are of the fit alone.
"""

import argparse
import time

import numpy as np
from results import Column, Table, save

from liouville.tasks.cells.demo import demo_cells, demonstration
from liouville.tasks.cells.fit import fit_cells

KL, VELOCITY, GROWTH = (
    "KL to the truth (nats)",
    "relative error of the velocity",
    "relative error of the growth",
)
DAYS = [
    Column("day", "g"),
    Column("in the data"),
    Column(KL, ".3f", error=f"{KL}_error"),
    Column(VELOCITY, ".2f"),
    Column(GROWTH, ".2f"),
]
HELD_OUT = "held-out cells beside the truth"
SEEDS = [
    Column("draw", "d"),
    Column("largest KL, nats", ".3f", error="KL, error"),
    Column("error of the velocity between the days", ".3f"),
    Column("largest", ".3f"),
    Column("error of the growth rate", ".2f"),
    Column("held-out nats above the truth", ".4f", error="above, error"),
    Column("kept"),
    Column("seconds", ".0f"),
]


def main() -> None:
    """Prints both tables, and writes them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--save", action="store_true", help="write the tables of the pages")
    options = parser.parse_args()
    table = Table("demo_seeds", SEEDS, keep=options.save)
    for seed in range(options.seeds):
        begun = time.monotonic()
        settings = {"growth.mass": "counts", "training.seed": seed}
        fitted = fit_cells(demo_cells(seed).cells, settings, progress=False)
        seconds = time.monotonic() - begun
        found = demonstration(seed).compare(fitted)
        rows = found["distance to the truth"]
        if seed == 0 and options.save:
            save("demo", DAYS, rows)
        between = [row[VELOCITY] for row in rows if row["in the data"] == "no"]
        largest = max(rows, key=lambda row: row[KL])
        (ours,) = [row for row in found[HELD_OUT] if row["method"] == "liouville"]
        figures = {
            "draw": seed,
            "largest KL, nats": largest[KL],
            "KL, error": largest[f"{KL}_error"],
            "error of the velocity between the days": float(np.mean(between)),
            "largest": max(between),
            "error of the growth rate": float(np.mean([row[GROWTH] for row in rows])),
            "held-out nats above the truth": ours["above the truth"],
            "above, error": ours["above the truth_error"],
            "kept": fitted.summary["kept"],
            "seconds": seconds,
        }
        table.add(figures)


if __name__ == "__main__":
    main()
