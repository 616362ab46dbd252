"""Fates, growth and transitions of the simulated population against their truth, and rivals.

`python benchmarks/cells_fates.py` fits with default settings and prints, beside the truth by brute
force, the mean absolute error of fate probabilities by parts, flow and diffusion, of a plain rule
and of balanced optimal transport. `--moscot PYTHON` names the Python of an environment that has
moscot, which then answers for the same cells. `--save` writes the tables of the pages.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from results import Column, Table

from liouville import fit_cells
from liouville.cells import Groups, fates, transitions
from liouville.data import Snapshots
from liouville.model import Model
from liouville.numerics.couplings import sinkhorn
from liouville.problems import BranchingCells
from liouville.problems.cells import TYPES, Population

FATES = TYPES[1:]
MIDDLE, END = 2.0, 4.0
ERRORS = (
    *(Column("fates"), Column("seed"), Column("descendants count"), Column("all", ".3f")),
    *(Column(f"day {day}", ".3f") for day in range(4)),
    Column("seconds", ".1f"),
)
TABLES = (
    *(Column("way"), Column("seed"), Column("largest error of the table", ".3f")),
    *(Column("mean error of the table", ".3f"), Column("correlation of growth", ".3f")),
)
# The cells that moscot is given are read from a file, and what it says is written to one.
MOSCOT = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import anndata, numpy as np, pandas as pd
from moscot.problems.time import TemporalProblem
data, out, growth = np.load(sys.argv[1]), sys.argv[2], sys.argv[3] == "growth"
cells = anndata.AnnData(np.zeros((len(data["x"]), 1), np.float32), obsm={"X_pca": data["x"]})
cells.obs["day"] = pd.Categorical(data["t"])
begin = time.time()
problem, options = TemporalProblem(cells), {}
if growth:  # the true rates, over the day that follows
    cells.obs["growth"] = np.exp(data["division"] - data["death"])
    options = {"a": "growth"}
problem = problem.prepare("day", joint_attr="X_pca", **options)
problem = problem.solve(epsilon=1e-3, tau_a=0.95 if growth else 1.0)
days = np.unique(data["t"])
found = np.full((len(data["x"]), data["types"].max() + 1), np.nan)
last = data["t"] == days[-1]
ends = np.eye(found.shape[1])[data["types"][last]]
found[last] = ends
for first, second in list(zip(days[:-1], days[1:]))[::-1]:
    plan = np.asarray(problem[(first, second)].solution.transport_matrix)
    rows = plan / plan.sum(1, keepdims=True)
    if growth:  # numbers of descendants, not shares, are handed on
        rows = rows * np.asarray(cells.obs["growth"])[data["t"] == first][:, None]
    found[data["t"] == first] = rows @ found[data["t"] == second]
found = found / found.sum(1, keepdims=True)
np.savez(out, fates=found, seconds=time.time() - begin)
"""


def mean_error(found: np.ndarray, right: np.ndarray) -> float:
    """The mean absolute error of the three fate probabilities."""
    return float(np.abs(found - right).mean())


def transported(cells: Population, times: np.ndarray) -> np.ndarray:
    """Balanced optimal transport with a little entropy, snapshot after snapshot."""
    clouds = [cells.points[cells.times == t] for t in times]
    ahead = np.eye(len(TYPES))[cells.types[cells.times == times[-1]]]
    found = []
    for x, y in list(itertools.pairwise(clouds))[::-1]:
        cost = ((x[:, None] - y) ** 2).sum(-1)
        plan = sinkhorn(cost, 1e-2 * cost.mean(), tolerance=1e-3).plan
        ahead = plan / plan.sum(1, keepdims=True) @ ahead
        found.insert(0, ahead)
    return np.concatenate(found)[:, 1:]


def by_moscot(python: str, cells: Population, truth: BranchingCells, growth: bool):
    """The fates of the same cells by moscot, and its seconds; none if it cannot run, said."""
    with tempfile.TemporaryDirectory() as folder:
        given, got = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(
            given,
            x=cells.points,
            t=cells.times,
            types=cells.types,
            division=truth.division(cells.points),
            death=truth.death(cells.points),
        )
        mode = "growth" if growth else "plain"
        command = [python, "-c", MOSCOT, str(given), str(got), mode]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print("moscot failed:", done.stderr.strip().splitlines()[-1])
            return None
        with np.load(got) as found:
            return found["fates"][cells.times < END][:, 1:], float(found["seconds"])


def right_fates(
    truth: BranchingCells, x: np.ndarray, t: np.ndarray, draws: int, growth: bool
) -> np.ndarray:
    """The truth for cells in order of time."""
    parts = []
    for day in np.unique(t):
        counts = truth.descendants(day, x[t == day], growth=growth, draws=draws)
        parts.append(counts / counts.sum(1, keepdims=True))
    return np.concatenate(parts)[:, 1:]


def by_time(found: np.ndarray, right: np.ndarray, times: np.ndarray) -> dict[str, float]:
    days = {
        f"day {t:g}": mean_error(found[times == t], right[times == t]) for t in np.unique(times)
    }
    return {"all": mean_error(found, right), **days}


def table_error(model: Model, truth: BranchingCells, cells: Population, groups: Groups, by: str):
    """The largest and the mean error of the table from the middle to the end."""
    here = cells.times == MIDDLE
    found = transitions(
        model, cells.points[here], cells.names[here], MIDDLE, groups, END, by=by, draws=32
    )
    right = truth.transitions(MIDDLE, END)
    rows = [TYPES.index(name) for name in found.sources]
    off = np.abs(found.table - right[rows][:, 1:])
    return float(off.max()), float(off.mean())


def run(seed: int, options: argparse.Namespace, errors: Table) -> list[dict]:
    """Adds a row for each way, and returns those of the other table."""
    truth = BranchingCells()
    cells = truth.sample(options.cells, seed=seed)
    times, rng = np.asarray(truth.days), np.random.default_rng(seed)
    totals = ",".join(f"{t:g}={size:.6g}" for t, size in zip(times, cells.sizes))
    snapshots = Snapshots(cells.points, cells.times, time_name="day")
    settings = {"training.seed": seed, "growth.mass": totals, **options.set}
    fitted = fit_cells(snapshots, settings)
    model = fitted.model
    last = (cells.times == END) & (cells.types > 0)
    groups = Groups.of(cells.points[last], cells.names[last])
    before = np.flatnonzero(cells.times < END)
    # Some cells of every day are judged, each with many draws of the truth.
    some = [rng.choice(np.flatnonzero(cells.times == d), options.judged, False) for d in times[:-1]]
    judged = np.sort(np.concatenate(some))
    x, t = cells.points[judged], cells.times[judged]
    among = np.searchsorted(before, judged)
    known = np.array([0.15, truth.sigma, truth.sigma, 0.5, 0.5])
    ways = {
        "parts": {},
        "flow": {},
        "diffusion": {},
        "diffusion, true noise": {"sigma": known, "draws": 128},
    }
    right = {growth: right_fates(truth, x, t, options.draws, growth) for growth in (True, False)}
    for growth in (True, False):
        answers = {}
        for name, more in ways.items():
            begin, by = time.time(), name.split(",")[0]
            found = fates(model, x, t, groups, by=by, descendants=growth, **more)
            answers[name] = found, time.time() - begin
        answers["nearest cells"] = groups.memberships(x), 0.0
        begin = time.time()
        answers["balanced transport"] = transported(cells, times)[among], time.time() - begin
        if options.moscot:
            said = by_moscot(options.moscot, cells, truth, growth)
            if said is not None:
                answers["moscot"] = said[0][among], said[1]
        for name, (found, seconds) in answers.items():
            row = {"fates": name, "seed": seed, "descendants count": "yes" if growth else "no"}
            errors.add({**row, **by_time(found, right[growth], t), "seconds": seconds})
    rates = np.concatenate([model.growth(d, cells.points[cells.times == d]) for d in times])
    known = truth.growth(cells.points)
    row, rows = {"seed": seed, "correlation of growth": np.corrcoef(rates, known)[0, 1]}, []
    for by in ("parts", "flow", "diffusion"):
        worst, mean = table_error(model, truth, cells, groups, by)
        row |= {"largest error of the table": worst, "mean error of the table": mean}
        rows.append({"way": by, **row})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cells", type=int, default=1000, help="of every day")
    parser.add_argument("--judged", type=int, default=200, help="cells of every day")
    parser.add_argument("--draws", type=int, default=400, help="of the truth, for each cell")
    parser.add_argument("--moscot", help="the Python of an environment with moscot")
    parser.add_argument("--set", nargs="*", default=[], metavar="a.b=c")
    parser.add_argument("--save", action="store_true", help="write the tables of the pages")
    options = parser.parse_args()
    options.set = dict(pair.split("=") for pair in options.set)
    errors = Table("fates", ERRORS, keep=options.save)
    rows = [row for seed in range(options.seeds) for row in run(seed, options, errors)]
    print()
    table = Table("fates_tables", TABLES, keep=options.save)
    for row in rows:
        table.add(row)


if __name__ == "__main__":
    sys.exit(main())
