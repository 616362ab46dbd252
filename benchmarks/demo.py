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

from liouville.tasks.cells.demo import demo_cells, distance_to_truth
from liouville.tasks.cells.fit import fit_cells
from liouville.tasks.cells.measure import gain_over

DAYS = [
    Column("day", "g"),
    Column("in the data"),
    Column("KL to the truth, nats", ".3f", error="KL, error"),
    Column("relative error of the velocity", ".2f"),
    Column("of the growth rate", ".2f"),
]
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
        truth, begun = demo_cells(seed), time.monotonic()
        fitted = fit_cells(
            truth.cells, {"growth.mass": "counts", "training.seed": seed}, progress=False
        )
        seconds = time.monotonic() - begun
        rows = distance_to_truth(fitted.model, truth.model)
        if seed == 0 and options.save:
            save("demo", DAYS, list(map(of_day, rows)))
        _, held_out = truth.cells.split(fitted.config.data.held_out, fitted.config.training.seed)
        between = [row["velocity_error"] for row in rows if not row["seen"]]
        largest = max(rows, key=lambda row: row["divergence"])
        above = gain_over(fitted.model, truth.model, held_out)
        figures = {
            "draw": seed,
            "largest KL, nats": largest["divergence"],
            "KL, error": largest["error"],
            "error of the velocity between the days": float(np.mean(between)),
            "largest": max(between),
            "error of the growth rate": float(np.mean([row["growth_error"] for row in rows])),
            "held-out nats above the truth": above.value,
            "above, error": above.error,
            "kept": fitted.summary["kept"],
            "seconds": seconds,
        }
        table.add(figures)


def of_day(row: dict) -> dict[str, float | str]:
    """A row of the first table."""
    return {
        "day": row["time"],
        "in the data": "yes" if row["seen"] else "no",
        "KL to the truth, nats": row["divergence"],
        "KL, error": row["error"],
        "relative error of the velocity": row["velocity_error"],
        "of the growth rate": row["growth_error"],
    }


if __name__ == "__main__":
    main()
