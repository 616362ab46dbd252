"""Growth told from motion: two made populations, and simulated networks whose counts are masses.

    python benchmarks/cells_growth.py [--seeds 3] [--save] [TWO_GENE.npz THREE_GENE.npz ...]
    python benchmarks/cells_growth.py --image docs/images/growth.png

Default settings throughout. `resting`: two types at (+-3, 0) with deviation .5, in counts 100:200,
200:200 and 400:200 at times 0, 1 and 2; nothing moves, and one type grows faster than the other by
log 2 a unit of time. `moving`: one cloud that goes from (-3, 0) to (3, 0) at constant mass. For
files, `--mass counts`: all snapshots are seen in training, all cells of the first one are carried
along the velocity, each weighted by the mass it gains, and their distance W1 to all cells of the
later ones is that of an exact plan, beside the W1 between two halves of these cells; the mass error
is that of the sum of the weights. Published on two_gene (W1 at t1..t4): Var-RUOT .045 .039 .045
.057, TIGON .052 .076 .139 .191, DeepRUOT .057 .081 .125 .154. `halves`: the same for a model of one
half of the cells, judged on the other half. `rates` is the correlation over all cells of the
model's growth with the simulator's, a multiple of x_2^2 / (1 + x_2^2).
"""

import argparse
import time
from pathlib import Path

import numpy as np
from results import Column, Table
from scipy.spatial.distance import cdist

from liouville.data import Snapshots, read_cells
from liouville.numerics.couplings import transport_plan
from liouville.tasks.cells.fit import CellsFit, fit_cells

SIDES = np.array([[-3.0, 0.0], [3.0, 0.0]])
COUNTS = ((100, 200), (200, 200), (400, 200))
SHARES = [a / (a + b) for a, b in COUNTS]
ABOVE = Column("held-out nats above the mixture", ".3f", error="its error")
RESTING = (
    *(Column("seed"), ABOVE, Column("its error", ".3f"), Column("largest error of a share", ".3f")),
    *(Column("largest mass in the gap", ".3f"), Column("cells that cross, of 300")),
    *(Column("largest mean speed", ".3f"), Column("difference of the rates (0.693)", ".3f")),
    Column("seconds", ".0f"),
)
MOVING = (
    *(Column("seed"), ABOVE, Column("its error", ".3f"), Column("mean speed (3)", ".2f")),
    *(Column("largest mean rate (0)", ".3g"), Column("largest error of the mean", ".3f")),
    Column("seconds", ".0f"),
)
NETWORKS = (
    *(Column("cells"), Column("seed"), *(Column(f"t = {t}", ".3f") for t in (1, 2, 3, 4))),
    *(Column("halves of the true cells", ".3f"), Column("largest error of the mass", ".3f")),
    *(Column("growth", ".2f"), Column("seconds", ".0f")),
)


def fitted(cells: Snapshots, seed: int, **settings) -> tuple[CellsFit, float]:
    begun = time.monotonic()
    result = fit_cells(cells, {"training.seed": seed, **settings}, progress=False)
    return result, time.monotonic() - begun


def resting_cells(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.repeat(SIDES, n, axis=0) + 0.5 * rng.normal(size=(sum(n), 2)) for n in COUNTS]


def moving_cells(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [0.5 * rng.normal(size=(300, 2)) + [x, 0.0] for x in (-3.0, 0.0, 3.0)]


def above(result: CellsFit) -> dict[str, float]:
    name = "held-out nats above the mixture"
    return {name: result.summary[name], "its error": result.summary[f"{name}, standard error"]}


def resting(seed: int) -> dict[str, float]:
    clouds = resting_cells(seed)
    result, seconds = fitted(Snapshots.of(clouds, [0.0, 1.0, 2.0]), seed)
    model, times = result.model, np.linspace(0.0, 2.0, 9)
    draws = [model.sample(t, 20_000, seed=1) for t in times]
    shares = [float((x[:, 0] < 0).mean()) for x in draws]
    speeds = [np.linalg.norm(model.velocity(t, x), axis=1).mean() for t, x in zip(times, draws)]
    rates = np.array([model.growth(t, SIDES) for t in times])
    ends = model.trajectories(clouds[0], [0.0, 2.0])[-1]
    return {
        "seed": seed,
        **above(result),
        "largest error of a share": max(abs(shares[4 * i] - SHARES[i]) for i in range(3)),
        "largest mass in the gap": max(float((np.abs(x[:, 0]) < 1.5).mean()) for x in draws),
        "cells that cross, of 300": int(((ends[:, 0] > 0) != (clouds[0][:, 0] > 0)).sum()),
        "largest mean speed": float(max(speeds)),
        "difference of the rates (0.693)": float(np.mean(rates[:, 0] - rates[:, 1])),
        "seconds": seconds,
    }


def moving(seed: int) -> dict[str, float]:
    result, seconds = fitted(Snapshots.of(moving_cells(seed), [0.0, 1.0, 2.0]), seed)
    model, times = result.model, np.linspace(0.0, 2.0, 9)
    draws = [model.sample(t, 20_000, seed=1) for t in times]
    velocities = np.array([model.velocity(t, x).mean(axis=0) for t, x in zip(times, draws)])
    return {
        "seed": seed,
        **above(result),
        "mean speed (3)": float(velocities[:, 0].mean()),
        "largest mean rate (0)": max(
            float(np.abs(model.growth(t, x)).mean()) for t, x in zip(times, draws)
        ),
        "largest error of the mean": float(
            max(np.abs(x.mean(axis=0) - [3.0 * t - 3.0, 0.0]).max() for t, x in zip(times, draws))
        ),
        "seconds": seconds,
    }


def plan_distance(x: np.ndarray, weights: np.ndarray, y: np.ndarray) -> float:
    cost = cdist(x, y)
    plan = transport_plan(cost, weights / weights.sum(), np.full(len(y), 1.0 / len(y)))
    return float((plan * cost).sum())


def network(file: Path, seed: int, *, halves: bool = False) -> dict[str, float | str]:
    cells = read_cells(file)
    half = cells.split(0.5, seed)
    seen, judged = half if halves else (cells, cells)
    result, seconds = fitted(seen, seed, **{"growth.mass": "counts"})
    times, model = seen.distinct_times, result.model
    # Without halves the same cells are carried and met, as published.
    moved = model.weighted_trajectories(judged.at(times[0]), times)
    name = file.stem.replace("_", " ")
    row = {"cells": f"{name}, other half" if halves else name, "seed": seed, "seconds": seconds}
    floors, off = [], []
    for i, t in enumerate(times.tolist()[1:], start=1):
        y, weights = judged.at(t), np.exp(moved.log_weights[i])
        x, other = (h.at(t) for h in half)
        floors.append(plan_distance(x, np.ones(len(x)), other))
        off.append(abs(weights.sum() / len(y) - 1.0))
        row[f"t = {i}"] = plan_distance(moved.points[i], weights, y)
    rates = np.concatenate([model.growth(t, judged.at(t)) for t in times])
    gene = np.concatenate([judged.at(t)[:, 1] for t in times])
    row |= {"halves of the true cells": np.mean(floors), "largest error of the mass": max(off)}
    return row | {"growth": float(np.corrcoef(rates, gene**2 / (1.0 + gene**2))[0, 1])}


def picture(file: Path) -> None:
    """The two made populations: where cells are, how they move, and who grows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    made = {"nothing moves, one type grows": resting_cells, "all move, none grows": moving_cells}
    layout = {"sharex": True, "sharey": True, "layout": "constrained"}
    figure, axes = plt.subplots(2, 3, figsize=(9.0, 3.6), **layout)
    for row, (title, make) in zip(axes, made.items()):
        clouds = make(0)
        model = fitted(Snapshots.of(clouds, [0.0, 1.0, 2.0]), 0)[0].model
        for ax, t, x in zip(row, (0.0, 1.0, 2.0), clouds):
            rates = model.growth(t, x)
            shown = {"cmap": "coolwarm", "vmin": -0.7, "vmax": 0.7, "s": 9}
            dots = ax.scatter(*x.T, c=rates, edgecolors="0.4", linewidths=0.2, **shown)
            some = x[:: len(x) // 16]
            arrows = {"angles": "xy", "scale_units": "xy", "scale": 2.0, "width": 0.006}
            ax.quiver(*some.T, *model.velocity(t, some).T, **arrows)
            ax.set_title(f"time {t:g}: {len(x)} cells", fontsize=8)
            ax.set(xlim=(-5.5, 6.5), ylim=(-2.4, 2.4), aspect="equal")
        row[0].set_title(f"{title.capitalize()}\n", loc="left", fontsize=9, fontweight="bold")
    figure.colorbar(dots, ax=axes, label="growth rate", shrink=0.8)
    figure.savefig(file, dpi=150, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--image", type=Path, help="draw the made populations, and nothing else")
    parser.add_argument("--save", action="store_true", help="write the tables of the pages")
    options = parser.parse_args()
    if options.image:
        picture(options.image)
        return
    made = {"resting": (RESTING, resting), "moving": (MOVING, moving)}
    for name, (columns, measured) in made.items():
        table = Table(f"growth_{name}", columns, keep=options.save)
        for seed in range(options.seeds):
            table.add(measured(seed))
        print()
    if options.files:
        table = Table("growth_networks", NETWORKS, keep=options.save, note="W1 to the cells.")
    for file in options.files:
        for halves in (False, True):
            for seed in range(options.seeds):
                table.add(network(file, seed, halves=halves))


if __name__ == "__main__":
    main()
