"""Reads many wrong files in processes of their own, and counts what happens.

    python tests/fuzz/harness.py --cases 20000 [--first SEED] [--only NAME] [--plain]

prints a table by reader and every fault: a traceback, a hang, more than 2 GiB, or a message that is
not one line. A case is a target and a seed; it is the same wherever it is run.
"""

import argparse
import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

WORKER = Path(__file__).with_name("worker.py")
# Of the clock on the wall, after which a worker that says nothing is ended.
PATIENCE = 120.0
FINE = ("read", "refused")


class Case(NamedTuple):
    """What came of a case."""

    target: str
    seed: int
    outcome: str
    place: str
    seconds: float


class Worker:
    """A process that runs cases."""

    def __init__(self, *, needs_jax: bool):
        self._needs_jax = needs_jax
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Programs run for a millisecond: to make them fast takes longer.
            env={**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        )
        self.targets: list[str] = self._ask(self._needs_jax) or []

    def _ask(self, question: Any) -> Any:
        """The answer, or `None` if the process ended or says nothing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            self._process.kill()
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def run(self, target: str, seed: int) -> Case:
        """Runs a case; a worker that dies of it is replaced."""
        found = self._ask([target, seed])
        if found is None:
            self.close()
            self._start()
            return Case(target, seed, "death", "the worker ended or said nothing", PATIENCE)
        return Case(target, seed, found["outcome"], found["place"], found["seconds"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


def run(cases: int, *, first: int = 0, only: str = "", needs_jax: bool = True) -> Iterator[Case]:
    """So many cases, the same number of every target whose name begins with `only`."""
    worker = Worker(needs_jax=needs_jax)
    try:
        targets = [name for name in worker.targets if name.startswith(only)]
        assert targets, "the worker did not start"
        for number in range(cases):
            seed, place = divmod(number, len(targets))
            yield worker.run(targets[place], first + seed)
    finally:
        worker.close()


def table(cases: list[Case]) -> str:
    """Counts by reader, as a table in Markdown."""
    heads = ("reader", "cases", "read", "refused", "faults", "slowest, s")
    rows = [heads, ("---", *["---:"] * 5)]
    for name in [*dict.fromkeys(case.target for case in cases), ""]:
        own = [case for case in cases if name in ("", case.target)]
        count = Counter(case.outcome for case in own)
        faults = len(own) - count["read"] - count["refused"]
        slowest = max((case.seconds for case in own), default=0.0)
        shown = (len(own), count["read"], count["refused"], faults, f"{slowest:.2f}")
        rows.append((name or "all", *map(str, shown)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--plain", action="store_true", help="only readers that need no JAX")
    chosen = parser.parse_args()
    cases = []
    options = {"first": chosen.first, "only": chosen.only, "needs_jax": not chosen.plain}
    for case in run(chosen.cases, **options):
        cases.append(case)
        if case.outcome not in FINE:
            print(f"{case.outcome}: {case.target!r} {case.seed}: {case.place}", flush=True)
    print(table(cases))


if __name__ == "__main__":
    main()
