"""Time and memory of `liouville fit cells`, from the file to the report, by the size of the data.

    python benchmarks/cells_scale.py [--only N] [--cells 2750 --dims 5 --times 5] [--set KEY=VALUE]
        [--save]
    python benchmarks/cells_scale.py --stream [--memory 0.5] [--cells 1000000 --dims 30]

Every row is one command in a process of its own, with default settings, on a file of a population
of twelve types that move and grow at different rates, in coordinates whose spreads fall like those
of principal components. Memory is the most the process took; beside it that of the file's numbers.

With `--stream` the cells are a file of AnnData, of which the command reads in pieces as many as
fit in some gigabytes (`--memory`); beside it, whole and in memory, a tenth of the cells. Both
models are then asked for the same 20,000 cells that neither has seen.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from results import Column, Table

COLUMNS = (
    *(Column("cells", ",d"), Column("coordinates"), Column("times"), Column("parts")),
    *(Column("steps"), Column("training, s", ".0f"), Column("whole, s", ".0f")),
    *(Column("aim, s"), Column("GiB", ".2f"), Column("numbers of the file, GiB", ".2f")),
    Column("held-out nats above a mixture", "+.3f"),
)
# Cells, coordinates, times, and the seconds aimed at.
SIZES = (
    (2_750, 5, 5, 35),
    (2_750, 50, 5, 75),
    (2_750, 5, 2, None),
    (2_750, 5, 50, None),
    (20_000, 30, 5, 150),
    (200_000, 30, 5, 360),
    (1_000_000, 30, 5, None),
)
TYPES = 12
KEPT = 20_000  # cells that no model has seen


def population(cells: int, dims: int, times: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points and times: types that drift in straight lines, and grow or shrink."""
    rng = np.random.default_rng(seed)
    spread = 10.0 / np.sqrt(1.0 + np.arange(dims))
    start, drift = rng.normal(size=(2, TYPES, dims)) * spread
    rates = rng.normal(size=TYPES)
    clock = np.linspace(0.0, 1.0, times)
    points, moments = [], []
    for t, n in zip(clock, np.full(times, cells // times)):
        share = np.exp(rates * t)
        kind = rng.choice(TYPES, n, p=share / share.sum())
        noise = 0.3 * spread * rng.normal(size=(n, dims))
        points.append(start[kind] + 0.5 * t * drift[kind] + noise)
        moments.append(np.full(n, t))
    return np.concatenate(points).astype(np.float32), np.concatenate(moments)


def run(cells: int, dims: int, times: int, more: list[str]) -> dict[str, object]:
    """Fits one population and says what it took."""
    with tempfile.TemporaryDirectory() as folder:
        points, moments = population(cells, dims, times)
        file = Path(folder, "cells.npz")
        np.savez(file, X=points, t=moments)
        return {**fit(file, Path(folder, "RUN"), more), "data": points.nbytes * 2 / 2**30}


def fit(file: Path, out: Path, more: list[str]) -> dict[str, object]:
    """Fits the cells of a file and says what it took."""
    command = [sys.executable, "-m", "liouville", "fit", "cells", str(file), "--out", str(out)]
    begun = time.monotonic()
    pid = os.posix_spawn(
        sys.executable,
        [*command, *(word for setting in more for word in ("--set", setting))],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun
    if status:
        raise SystemExit(f"the fit of {file} ended with {status}")
    summary = json.loads((out / "summary.json").read_text())
    return {
        "seconds": seconds,
        "training": sum(summary["seconds"][name] for name in ("start", "compile", "train")),
        "parts": summary["parts"],
        "steps": summary["steps"],
        "above": summary["held-out nats above the mixture"],
        "memory": usage.ru_maxrss / 2**20,
        "cells": summary["cells"],
        "processors": usage.ru_utime + usage.ru_stime,
    }


def stream(cells: int, dims: int, times: int, memory: float, more: list[str]) -> None:
    """Fits a file in pieces and a tenth of it in memory, and asks both of other cells."""
    import anndata
    import pandas as pd

    import liouville as lv

    points, moments = population(cells + KEPT, dims, times)
    order = np.random.default_rng(1).permutation(len(points))
    points, moments = points[order], moments[order]
    asked = slice(0, KEPT)
    seen = {"whole": slice(KEPT, None), "tenth": slice(KEPT, KEPT + cells // 10)}
    nats = {}
    print("| cells | read | training, s | whole, s | of processors | GiB | nats of 20,000 others |")
    print("|" + "---:|" * 7)
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in seen.items():
            file, out = Path(folder, f"{name}.h5ad"), Path(folder, name)
            obs = pd.DataFrame({"t": moments[rows]})
            obs.index = obs.index.astype(str)
            anndata.AnnData(obs=obs, obsm={"X_pca": points[rows]}).write_h5ad(file)
            limit = [f"data.memory={memory:g}"] if name == "whole" else []
            row = fit(file, out, ["data.time_key=t", *limit, *more])
            found = lv.load(out).log_density(moments[asked], points[asked])
            nats[name] = -np.asarray(found)
            mean = f"{nats[name].mean():.4f} ± {nats[name].std() / KEPT**0.5:.4f}"
            print(
                f"| {len(obs):,} | {row['cells']:,} | {row['training']:.0f} | {row['seconds']:.0f} "
                f"| {row['processors']:.0f} | {row['memory']:.2f} | {mean} |",
                flush=True,
            )
    difference = nats["whole"] - nats["tenth"]
    print(f"in pieces less in memory, cell by cell: {difference.mean():+.4f} ", end="")
    print(f"± {difference.std() / KEPT**0.5:.4f} nats")


def bare_memory() -> float:
    """GiB of a process that imports the library and does nothing."""
    command = [sys.executable, "-c", "import liouville.tasks.cells.fit"]
    subprocess.run(command, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", type=int, default=len(SIZES), help="the first so many rows")
    parser.add_argument("--cells", type=int)
    parser.add_argument("--dims", type=int, default=5)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--memory", type=float, default=0.5)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    chosen = parser.parse_args()
    if chosen.stream:
        cells = chosen.cells or 1_000_000
        dims = 30 if chosen.cells is None else chosen.dims
        stream(cells, dims, chosen.times, chosen.memory, chosen.set)
        return
    sizes = SIZES[: chosen.only]
    if chosen.cells is not None:
        sizes = ((chosen.cells, chosen.dims, chosen.times, None),)
    note = f"A process that only imports takes {bare_memory():.2f} GiB."
    table = Table("cells_scale", COLUMNS, keep=chosen.save, note=note)
    for cells, dims, times, aim in sizes:
        found = run(cells, dims, times, chosen.set)
        row = {"cells": cells, "coordinates": dims, "times": times, "parts": found["parts"]}
        row |= {"steps": found["steps"], "training, s": found["training"], "aim, s": aim}
        row |= {"whole, s": found["seconds"], "GiB": found["memory"]}
        row |= {"numbers of the file, GiB": found["data"]}
        table.add({**row, "held-out nats above a mixture": found["above"]})


if __name__ == "__main__":
    main()
