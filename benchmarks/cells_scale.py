"""Time and memory of `liouville fit cells`, from the file to the report, by the size of the data.

    python benchmarks/cells_scale.py [--only N] [--cells 2750 --dims 5 --times 5] [--set KEY=VALUE]

Every row is one command in a process of its own, with default settings, on a file of a population
of twelve types that move and grow at different rates, in coordinates whose spreads fall like those
of principal components. Memory is the most the process took; beside it that of the file's numbers.
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
        file, out = Path(folder, "cells.npz"), Path(folder, "RUN")
        np.savez(file, X=points, t=moments)
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
            raise SystemExit(f"the fit of {cells} x {dims} ended with {status}")
        summary = json.loads((out / "summary.json").read_text())
    return {
        "seconds": seconds,
        "training": sum(summary["seconds"][name] for name in ("start", "compile", "train")),
        "parts": summary["parts"],
        "steps": summary["steps"],
        "above": summary["held-out nats above the mixture"],
        "memory": usage.ru_maxrss / 2**20,
        "data": points.nbytes * 2 / 2**30,
    }


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
    chosen = parser.parse_args()
    sizes = SIZES[: chosen.only]
    if chosen.cells is not None:
        sizes = ((chosen.cells, chosen.dims, chosen.times, None),)
    print(f"{os.cpu_count()} cores; a process that only imports takes {bare_memory():.2f} GiB")
    print(
        "| cells | dim | times | parts | steps | training, s | whole, s | aim | GiB | data | nats |"
    )
    print("|" + "---:|" * 11)
    for cells, dims, times, aim in sizes:
        row = run(cells, dims, times, chosen.set)
        print(
            f"| {cells:,} | {dims} | {times} | {row['parts']} | {row['steps']} "
            f"| {row['training']:.0f} | {row['seconds']:.0f} | {aim or ''} "
            f"| {row['memory']:.2f} | {row['data']:.2f} | {row['above']:+.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
