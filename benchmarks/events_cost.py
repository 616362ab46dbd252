"""Time and memory of `liouville fit events`, from the table to the report, by number of events.

    python benchmarks/events_cost.py               # 2,500 to 40,000 events
    python benchmarks/events_cost.py --events 150000 --save

Every row is three commands with default settings, each in a process of its own: the fit of a table
drawn from the known law of `events_truth.py`, and two forecasts of a day
by 1,000 catalogues, of which the second finds the programs of the first. Memory is the most that
the fit took; a process that only imports the library takes what stands in the first line. What is
lost are nats per event of the test, in time and in space, less those of the truth, up to 20,000
events: the truth is asked for all pairs.
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
from typing import Any

from events_truth import TRUTH, catalogue, true_nats
from results import Column, save

from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.split import divide

SIZES, _PAIRS = (2_500, 10_000, 40_000), 20_000
COLUMNS = (
    *(Column("events", ",.0f"), Column("fit, s", ".0f"), Column("training, s", ".0f")),
    *(Column("memory, GiB", ".2f"), Column("a day's forecast, s", ".1f")),
    *(Column("again, s", ".1f"), Column("lost in time", "+.4f"), Column("lost in space", "+.4f")),
)


def run(*words: str) -> tuple[float, float]:
    """Seconds and GiB of a command of the library, which prints nothing."""
    begun = time.monotonic()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "liouville", *words],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"liouville {' '.join(words)} ended with {status}")
    return time.monotonic() - begun, usage.ru_maxrss / 2**20


def measured(number: int, seed: int) -> dict[str, Any]:
    """A row of the table."""
    events, drawn = catalogue(TRUTH, number, seed)
    with tempfile.TemporaryDirectory() as place:
        table, out, asked = (str(Path(place, name)) for name in ("events.csv", "RUN", "FORECAST"))
        rows = zip(drawn.times, *drawn.places.T, drawn.marks, strict=True)
        lines = ("time,x,y,magnitude", *(",".join(map(repr, map(float, row))) for row in rows))
        Path(table).write_text("\n".join(lines) + "\n")
        begin, end = (repr(float(t)) for t in drawn.windows[0])
        known = ("--features", "x,y", "--mark", "magnitude", "--window", f"{begin},{end}")
        fit, memory = run("fit", "events", table, *known, "--out", out)
        summary = json.loads(Path(out, "summary.json").read_text())
        words = ("forecast", out, "--horizon", "1", "--start", end, "--out", asked, "--force")
        forecasts = [run(*words)[0] for _ in range(2)]
    row = {
        "events": len(events),
        "fit, s": fit,
        "training, s": summary["seconds"]["train"],
        "memory, GiB": memory,
        "a day's forecast, s": forecasts[0],
        "again, s": forecasts[1],
    }
    if len(events) <= _PAIRS:
        true = true_nats(TRUTH, drawn, divide(events, EventsConfig()))
        row["lost in time"] = summary["test nats in time"] - true[0]
        row["lost in space"] = summary["test nats in space"] - true[1]
    return row


def main() -> None:
    """Prints a row for each number of events."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--events", type=int, nargs="+", default=SIZES)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--save", action="store_true", help="write the table of the pages")
    chosen = options.parse_args()
    subprocess.run([sys.executable, "-c", "import liouville.tasks.events.fit"], check=True)
    bare = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{os.cpu_count()} cores; a process that only imports takes {bare:.2f} GiB")
    rows = []
    for number in chosen.events:
        rows.append(measured(number, chosen.seed))
        own = [column for column in COLUMNS if column.name in rows[-1]]
        print("  ".join(f"{c.name} {format(rows[-1][c.name], c.format)}" for c in own))
        sys.stdout.flush()
    if chosen.save:
        save("events_cost", COLUMNS, rows, f"A process that only imports takes {bare:.2f} GiB.")


if __name__ == "__main__":
    main()
