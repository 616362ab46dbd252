"""Standard errors of fits to cells against simulated truths, and what is claimed of conditions.

    python benchmarks/cells_errors.py coverage --seeds 4 --members 12
    python benchmarks/cells_errors.py conditions --members 8 --repeats 20 --save

`coverage` fits the demonstration's population, whose density, velocity and growth are known, and
counts how often the truth is within one error of the answer, at draws from the truth: 68 % if the
errors are right. `conditions` fits it with a knock-out that halves the upper branch, and without a
difference: how often a part is said to differ, and the log-ratio of the upper branch at the end
with its error beside the truth.
"""

import argparse
import itertools
import time
from typing import Any

import jax
import numpy as np
from results import Column, save

from liouville.model import Model
from liouville.tasks.cells.demo import DAYS, demo_cells, demo_conditions
from liouville.tasks.cells.differences import compare_regions
from liouville.tasks.cells.fit import fit_cells

# Of the shares of the upper branch at the last day, with and without the knock-out.
TRUE = float(np.log((0.7 / 1.2) / (0.35 / 0.85)))
ANSWERS = ("log_density", "velocity", "growth")
COVERAGE = [Column("at"), *(Column(name.replace("_", "-"), ".2f") for name in ANSWERS)]
# By whether days were seen.
PLACES = {"at the snapshots": [True], "half-way between them": [False], "all": [True, False]}
RATIO = "log-ratio of the branch at the last day"
CONDITIONS = [
    Column("truth"),
    Column("a difference is said"),
    Column(RATIO, ".3f", error="its error"),
    Column("its spread over repeats", ".3f"),
    Column("true", ".3f"),
    Column("within one error", ".2f"),
]
# Small fits: the parts are given, and no gaps are filled.
SMALL = {
    "path.bootstrap": "cells",
    "path.parts": 3,
    "path.prior": 4.0,
    "gaps.fill": False,
    "training.steps": 40,
    "objective.times": 8,
    "objective.particles": 32,
}


def coverage(seeds: int, members: int, more: dict[str, Any], *, keep: bool) -> None:
    """A row a day, the mean over the seeds: coverage, error of the answer, and standard error."""
    rows: dict[float, list[list[float]]] = {}
    for seed in range(seeds):
        truth, begun = demo_cells(seed), time.monotonic()
        settings = {"growth.mass": "counts", "path.bootstrap": "cells", "path.members": members}
        fitted = fit_cells(truth.cells, {**settings, "training.seed": seed, **more}, progress=False)
        nats = fitted.summary["held-out nats above the mixture"]
        print(
            f"seed {seed}: {time.monotonic() - begun:.0f} s, {nats} above the mixture", flush=True
        )
        for day in sorted({*DAYS, *(0.5 * (a + b) for a, b in itertools.pairwise(DAYS))}):
            rows.setdefault(day, []).append(figures(fitted.model, truth.model, day))
    print("   day  seen  " + "".join(f"{name:^24}" for name in ANSWERS))
    print("              " + "  within    off     se   " * len(ANSWERS))
    for day, found in rows.items():
        print(f"{day:6.1f}  {'yes' if day in DAYS else 'no ':4}  {line(found)}")
    table = []
    for name, kinds in PLACES.items():
        found = [f for day, own in rows.items() if (day in DAYS) in kinds for f in own]
        print(f"{name:>21}  {line(found)}")
        table.append(dict(zip((c.name for c in COVERAGE), (name, *np.mean(found, axis=0)[::3]))))
    if keep:
        save("cells_coverage", COVERAGE, table, f"{seeds} draws of the population.")


def figures(model: Model, truth: Model, day: float, n: int = 1000) -> list[float]:
    """Of each answer how often it is within one error, how far off it is, and the error."""
    x = truth.sample(day, n, seed=99)
    found, right, row = model.answers(day, x, std=True), truth.answers(day, x), []
    for name in ANSWERS:
        (value, error), true = getattr(found, name), getattr(right, name)
        squares = [float(np.sqrt(np.mean(a**2))) for a in (value - true, error)]
        row += [float(np.mean(np.abs(value - true) < error)), *squares]
    return row


def line(found: list[list[float]]) -> str:
    """The means of some rows of figures as text."""
    return "".join(f"{v:7.3f}" + "  " * (i % 3 == 2) for i, v in enumerate(np.mean(found, axis=0)))


def compare(repeats: int, cells: int, members: int, *, keep: bool) -> None:
    """Fits with and without a knock-out; the last line of each counts what was claimed."""
    table = []
    for left in (0.5, 1.0):
        claimed, ratios, gains = [], [], []
        for seed in range(repeats):
            truth, begun = demo_conditions(seed, cells=cells, left=left), time.monotonic()
            settings = {**SMALL, "path.members": members, "training.seed": seed}
            fitted = fit_cells(truth[0].cells, settings, progress=False)
            summary = fitted.summary
            rows = summary["shares of the parts by condition"]
            both, wild = truth[0].cells, truth[0].model
            upper = np.exp(wild.log_shares(both.times, both.points)[:, :1])
            branches = np.concatenate([upper, 1.0 - upper], axis=1)
            upper = compare_regions(fitted.model, both, branches)[-2]
            claims = [(row["time"], row["part"]) for row in rows if row["differs"]]
            name = "held-out nats gained by the condition"
            gains.append((summary[name], summary[f"{name}, standard error"]))
            ratios.append((upper["log_ratio"], upper["log_ratio_error"]))
            claimed.append(bool(claims))
            print(
                f"left {left:g} seed {seed:2d}: log-ratio {ratios[-1][0]:+.3f} ± "
                f"{ratios[-1][1]:.3f}, gain {gains[-1][0]:+.4f} ± {gains[-1][1]:.4f}, differ "
                f"{claims or 'none'} ({time.monotonic() - begun:.0f} s)",
                flush=True,
            )
        (value, error), true = np.array(ratios).T, TRUE if left < 1 else 0.0
        above = np.mean([gain > 2 * error for gain, error in gains])
        within = np.mean(np.abs(value - true) < error)
        print(
            f"left {left:g}: a difference is claimed in {sum(claimed)} of {repeats}; log-ratio "
            f"{value.mean():+.3f} ± {error.mean():.3f} (true {true:+.3f}, spread "
            f"{value.std():.3f}, within one error {within:.2f}); the gain is above two errors in "
            f"{above:.2f}"
        )
        row = {
            "truth": "half the branch is left" if left < 1 else "nothing differs",
            "a difference is said": f"{sum(claimed)} of {repeats}",
            RATIO: value.mean(),
            "its error": error.mean(),
            "its spread over repeats": value.std(),
            "true": true,
            "within one error": within,
        }
        table.append(row)
    if keep:
        save("cells_conditions", CONDITIONS, table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="standard errors against truths")
    parser.add_argument("what", choices=("coverage", "conditions"))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--members", type=int, default=12)
    parser.add_argument("--cells", type=int, default=300, help="of a condition at a day")
    parser.add_argument("--energy", type=float, help="its weight; by default from the data")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    if options.what == "coverage":
        own = {} if options.energy is None else {"objective.energy": options.energy}
        coverage(options.seeds, options.members, own, keep=options.save)
    else:
        # To compile a fit well takes longer than to run one so small.
        jax.config.update("jax_disable_most_optimizations", True)
        compare(options.repeats, options.cells, options.members, keep=options.save)
