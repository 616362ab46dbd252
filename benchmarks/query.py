"""What a question to a fitted model costs: once, from a cold start, and many times over.

    python benchmarks/query.py RUN [--old SRC] [--old-run RUN] [--repeats N]

`RUN` is the folder of a fitted model (`liouville demo --out RUN`), `--old` the folder `src` of a
version to compare with and `--old-run` a run of it, if it cannot read the other. Printed are the
seconds of a whole process of `liouville query` with 1,000 points at one time, of both versions in
turn, and how much longer 2,000 points take that have a time each than 2,000 points of one time, in
a process that has answered both before. All are medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import liouville
from liouville import load
from liouville.data import write_table


def cold(source: Path, run: Path, points: Path, folder: Path) -> float:
    """The seconds of one process of `liouville query` with the package in `source`."""
    environment = {**os.environ, "PYTHONPATH": str(source)}
    # As installed, with compiled modules, which are kept out of the source.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    command = [sys.executable, "-m", "liouville", "query", str(run), str(points)]
    begun = time.perf_counter()
    subprocess.run(
        [*command, "--out", str(folder / "answers.csv")],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def warm(run: Path, repeats: int) -> list[float]:
    """Seconds of 2,000 points at one time, and of as many with a time each."""
    model = load(run)
    x = model.sample(model.interval[0], 2000)
    one, many = float(np.mean(model.interval)), np.linspace(*model.interval, 2000)
    seconds = []
    for t in (one, many):
        took = []
        for _ in range(repeats + 1):
            begun = time.perf_counter()
            model.answers(t, x)
            took.append(time.perf_counter() - begun)
        seconds.append(statistics.median(took[1:]))
    return seconds


def main() -> None:
    """Prints both figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--old-run", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    model = load(options.run)
    sources = {"new": (Path(liouville.__file__).parents[1], options.run)}
    if options.old is not None:
        sources["old"] = (options.old.resolve(), options.old_run or options.run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points, x = folder / "points.csv", model.sample(model.interval[0], 1000)
        columns = dict(zip(model.features, x.T, strict=True))
        middle = np.full(len(x), np.mean(model.interval))
        write_table(points, {model.time_name: middle, **columns})
        took: dict[str, list[float]] = {version: [] for version in sources}
        for repeat in range(options.repeats + 1):
            for version, (source, run) in sources.items():
                seconds = cold(source, run, points, folder)
                if repeat:  # the first one compiles the modules
                    took[version].append(seconds)
    for version, seconds in took.items():
        print(f"query of 1,000 points, {version}: {statistics.median(seconds):.2f} s")
    if "old" in took:
        ratio = statistics.median(took["new"]) / statistics.median(took["old"])
        print(f"new over old: {ratio:.2f}")
    one, many = warm(options.run, 10 * options.repeats)
    print(f"2,000 points at one time: {1e3 * one:.1f} ms; at 2,000 times: {1e3 * many:.1f} ms")
    print(f"many times over one time: {many / one:.2f}")


if __name__ == "__main__":
    main()
