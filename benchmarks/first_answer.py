"""Seconds from a command to its answer: cold, with no program kept from before, and warm.

    python benchmarks/first_answer.py CELLS.npz EVENTS.csv [--only demo] [--old SRC] [--save]

`CELLS.npz` has points `X`, of which the first five coordinates count, and times `t`; of the
catalogue `EVENTS.csv` (time, longitude, latitude, magnitude) the latest 2,000 rows count. Every
figure is one command in a process of its own: cold with an empty folder of compiled programs, and
warm with the folder that the cold one left. `--old` is the folder `src` of a version to compare
with, run in turn. Printed are medians of seconds and, where other jobs make those long, of seconds
of the processors, the ratio of the latter, and where the time of a warm one went.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from results import Column, save

import liouville

LATEST, POINTS, DIMS = 2000, 1000, 5
PHASES = ("read", "start", "compile", "train", "measure", "pictures")
# What is run, `{}` for the folder of the data.
COMMANDS = {
    "import": "-c __import__('liouville')",
    "help": "-m liouville --help",
    "demo": "-m liouville demo --force --out {}/demo",
    "cells": "-m liouville fit cells {}/cells.npz --force --out {}/cells",
    "query": "-m liouville query {}/cells {}/points.csv --out {}/answers.csv",
    "transport": "-m liouville fit transport gaussian 8gaussians --force --out {}/transport",
    "events": "-m liouville fit events {}/events.csv --features longitude,latitude "
    "--mark magnitude --force --out {}/events",
}

TOLD = {
    "import": "`import liouville`",
    "help": "help of `liouville`",
    "demo": "`liouville demo`",
    "cells": "`liouville fit cells`, 2,750 x 5",
    "query": "`liouville query`, 1,000 points",
    "transport": "`liouville fit transport gaussian 8gaussians`",
    "events": "`liouville fit events`, 2,000 events",
}
STATES = ("cold", "warm")
COLUMNS = [
    Column("command"),
    *(Column(f"{state}, {of}", ".1f") for state in STATES for of in ("s", "of the processors")),
]


class Took(NamedTuple):
    """What a process took: seconds of the clock and of the processors, and by phase."""

    clock: float
    processors: float
    phases: dict[str, float]


def run(name: str, source: Path, data: Path, cache: Path) -> Took:
    """Runs a command with the package in `source`; `data` and `cache` are of this version alone."""
    words = [word.replace("{}", str(data)) for word in COMMANDS[name].split()]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    # As installed, with compiled modules, which are kept out of the source.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= {"PYTHONPATH": str(source), "PYTHONPYCACHEPREFIX": str(data / "bytecode")}
    environment["LIOUVILLE_CACHE"] = str(cache)
    begun = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *words],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, str(data / "errors"), os.O_WRONLY | os.O_CREAT, 0o600),
        ],
    )
    _, status, usage = os.wait4(pid, 0)
    clock = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {status}: {(data / 'errors').read_text()}")
    summary = data / name / "summary.json"
    found = json.loads(summary.read_text()).get("seconds") if summary.exists() else None
    phases = found if isinstance(found, dict) else {}
    return Took(clock, usage.ru_utime + usage.ru_stime, phases)


def write_data(cells: Path, events: Path, folder: Path) -> None:
    """The data of all commands."""
    arrays = np.load(cells)
    points, times = arrays["X"][:, :DIMS].astype(float), arrays["t"].astype(float)
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    np.savez(folder / "cells.npz", X=points, t=times)
    head, *rows = events.read_text().splitlines()
    (folder / "events.csv").write_text("\n".join([head, *rows[-LATEST:]]) + "\n")
    rng = np.random.default_rng(0)
    asked = points[rng.integers(0, len(points), POINTS)]
    names = ",".join(f"x{i + 1}" for i in range(DIMS))
    np.savetxt(
        folder / "points.csv",
        np.c_[np.full(POINTS, 1.5), asked],
        "%.6g",
        ",",
        header=f"time,{names}",
        comments="",
    )


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cells", type=Path)
    parser.add_argument("events", type=Path)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    sources = {"new": Path(liouville.__file__).parents[1]}
    if options.old is not None:
        sources["old"] = options.old.resolve()
    names = [name for name in COMMANDS if name in options.only]
    took: dict[tuple[str, str, str], list[Took]] = {}
    with tempfile.TemporaryDirectory() as place:
        for version, source in sources.items():
            (folder := Path(place, version)).mkdir()
            write_data(options.cells, options.events, folder)
            run("help", source, folder, Path(place, "none"))  # compiles the modules
        for name in names:
            for repeat in range(options.repeats):
                for version, source in sources.items():
                    folder, cache = Path(place, version), Path(place, f"{version} {name} {repeat}")
                    if name == "query" and not (folder / "cells").exists():
                        run("cells", source, folder, Path(place, f"{version} cells 0"))
                    for state in STATES:
                        found = run(name, source, folder, cache)
                        took.setdefault((name, state, version), []).append(found)
                        print(name, state, version, found, file=sys.stderr, flush=True)
    show(names, list(sources), took)
    if options.save:
        rows = []
        for name in names:
            row: dict[str, str | float] = {"command": TOLD[name]}
            for state in STATES:
                own = took[name, state, "new"]
                row[f"{state}, s"] = median(own, "clock")
                row[f"{state}, of the processors"] = median(own, "processors")
            rows.append(row)
        note = f"Medians of {options.repeats}, each in a process of its own."
        save("first_answer", COLUMNS, rows, note)


def median(runs: list[Took], what: str) -> float:
    """The median of a figure of several runs."""
    return statistics.median(getattr(one, what) for one in runs)


def show(
    names: list[str], versions: list[str], took: dict[tuple[str, str, str], list[Took]]
) -> None:
    """Prints the medians, and the phases of the warm ones of this version."""
    heads = [f"{version}, {unit}" for version in versions for unit in ("s", "processors")]
    print(f"| command | | {' | '.join(heads)} |{' ratio |' if len(versions) > 1 else ''}")
    print("|---|---|" + "--:|" * (len(heads) + (len(versions) > 1)))
    for name in names:
        for state in STATES:
            row = {
                v: [median(took[name, state, v], w) for w in ("clock", "processors")]
                for v in versions
            }
            cells = [f"{value:.1f}" for version in versions for value in row[version]]
            if len(versions) > 1:
                cells.append(f"{row['new'][1] / row['old'][1]:.2f}")
            print(f"| {name} | {state} | {' | '.join(cells)} |")
    print(f"\n| seconds | | {' | '.join(PHASES)} |\n|---|---|" + "--:|" * len(PHASES))
    for name in names:
        for state in STATES:
            phases = [one.phases for one in took[name, state, "new"]]
            if all(phases):
                cells = [f"{statistics.median(p.get(n, 0.0) for p in phases):.1f}" for n in PHASES]
                print(f"| {name} | {state} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
