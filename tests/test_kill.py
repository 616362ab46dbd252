"""Training and whole runs that are killed, again and again, at random moments."""

import collections
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from liouville.runs import storage
from liouville.runs.folder import file_of, is_unfinished
from liouville.tasks import TASKS
from liouville.training import read_metrics
from test_training import assert_same, start, state_in

KILLS = 20
STEPS = 12_000


def finish(folder: Path) -> None:
    process = start(folder, STEPS, "--eager")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.split()[-2:] == ["finished", str(STEPS)]


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    finish(whole)
    rng = np.random.default_rng(0)
    reached, torn = [], 0
    for _ in range(KILLS):
        process = start(killed, STEPS, "--eager")
        assert process.stdout is not None
        assert process.stdout.readline().startswith("begun"), process.communicate()[1]
        # A checkpoint a chunk: many of these moments fall into the writing of one.
        time.sleep(rng.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
        torn += any(killed.glob(".partial-*/checkpoint.lv"))
        # Whatever the moment, the checkpoint is whole and not ahead of its metrics.
        step = int(state_in(killed, STEPS).step)
        assert read_metrics(killed / "metrics.jsonl")[-1]["step"] >= step
        reached.append(step)
    assert reached == sorted(reached)
    assert reached[0] < reached[-1] < STEPS
    assert torn > 0, "no kill fell into the writing of a checkpoint; the test shows too little"
    finish(killed)
    assert_same(state_in(killed, STEPS), state_in(whole, STEPS))
    assert (killed / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()


# Whole runs of all tasks, as small as they get.

SIGNALS = 40  # in each task

_PLAN = {
    "training.steps": 40,
    "training.chunk": 5,
    "training.validate_every": 10,
    "training.checkpoint_every": 10,
    "report.movie": "false",
}
_FEW = {"objective.times": 2, "objective.particles": 4}
_PLANS = {
    "cells": {"path.parts": 2, "path.members": 1, **_FEW},
    "density": {"path.model": "mixture", "path.parts": 2, "path.members": 1, **_FEW},
    "transport": {
        **{"path.parts": 4, "ends.parts": 2, **_FEW},
        **{"certificate.points": 20, "certificate.repeats": 1},
    },
    "control": {
        **{"path.parts": 4, "path.knots": 2, "path.bends": 0, **_FEW},
        **{"objective.places": 8, "rollout.trajectories": 20, "rollout.steps": 20},
    },
    "events": {
        **{"objective.reach": 8, "objective.targets": 16, "times.exponentials": 1},
        # Nothing is fitted before the training, so that a run is short.
        **{"times.powers": 0, "places.model": "static", "places.parts": 2},
        **{"measure.baselines": "false"},
    },
}


def make_data(task: str, folder: Path) -> list[str]:
    """Small files, and the arguments that name them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    if task == "cells":
        t = np.repeat([0.0, 1.0], 60)
        np.savez(folder / "a.npz", X=x + t[:, None], t=t)
    elif task == "events":
        t = np.sort(rng.uniform(0.0, 50.0, 120))
        rows = (f"{a},{b},{c}" for a, (b, c) in zip(t, x))
        (folder / "a.csv").write_text("\n".join(["time,x,y", *rows]) + "\n")
        return [str(folder / "a.csv"), "--set", "data.space=plain"]
    elif task == "control":
        return ["double-well"]
    else:
        np.save(folder / "a.npy", x)
    if task == "transport":
        np.save(folder / "b.npy", 2.0 * x + 1.0)
        return [str(folder / "a.npy"), str(folder / "b.npy")]
    return [str(next(folder.glob("a.*")))]


class Runs:
    """Runs of one task in a folder, that may be ended by signals."""

    def __init__(self, task: str, folder: Path):
        self.folder = folder / "RUN"
        plan = {**_PLAN, **_PLANS[task]}
        words = [word for key, value in plan.items() for word in ("--set", f"{key}={value}")]
        self.command = [sys.executable, "-m", "liouville", "fit", task, *make_data(task, folder)]
        self.command += words
        # Compiled programs are kept from the first run on, which saves most of the time. Those
        # that are killed do not write any.
        self.environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1e9",
        }

    def start(self, *more: str, out: Path | None = None, **environment: str) -> subprocess.Popen:
        """Starts the command."""
        return subprocess.Popen(
            [*self.command, "--out", str(out or self.folder), *more],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
        )

    def whole(self, out: Path, **environment: str) -> float:
        """Makes a run that nothing interrupts, and tells how long it took."""
        begun = time.monotonic()
        process = self.start(out=out, **environment)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        return time.monotonic() - begun

    def how(self) -> list[str]:
        """The flags with which the folder can be filled, or filled again."""
        if is_unfinished(self.folder):
            return ["--resume"]
        return ["--force"] if (self.folder / "config.yaml").exists() else []

    def phase(self) -> str:
        """How far the run in the folder is."""
        beside = self.folder / ".new"
        place = beside if (beside / "config.yaml").exists() else self.folder
        if not is_unfinished(self.folder):
            return "outside a run"
        for name, word in (
            ("checkpoint", "start"),
            ("model", "training"),
            ("summary", "measuring"),
        ):
            if not list(place.glob(f"{name}.*")):
                return word
        return "report"


def content(folder: Path) -> object:
    """All that a run holds but for seconds, pictures and the page."""
    arrays, told = storage.read(file_of(folder, "model.lv"), kind=_kind(folder))
    summary = json.loads(file_of(folder, "summary.json").read_text())
    figures = {key: value for key, value in summary.items() if "seconds" not in key}
    metrics = file_of(folder, "metrics.jsonl").read_text()
    numbers = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}
    names = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.*") if file.is_file())
    return numbers, told, figures, metrics, [n for n in names if not n.startswith(".")]


def _kind(folder: Path) -> str:
    is_events = "task: events" in file_of(folder, "config.yaml").read_text()
    return "events" if is_events else "model"


def harass(task: str, folder: Path, signals: int, seed: int = 0) -> dict[str, int]:
    """Sends signals to runs of a task until they were so many; counts what was going on."""
    runs, rng = Runs(task, folder), np.random.default_rng([seed, list(TASKS).index(task)])
    runs.whole(folder / "first", JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")
    seconds = runs.whole(folder / "reference")
    wanted = content(folder / "reference")
    assert content(folder / "first") == wanted
    counts, sent, has_old = collections.Counter(), 0, False
    while sent < signals:
        flags = runs.how()
        processes = [runs.start(*flags)]
        if rng.random() < 0.2:  # a second process wants the same folder
            time.sleep(rng.uniform(0.0, 0.3 * seconds))
            processes.append(runs.start(*flags))
        time.sleep(rng.uniform(0.0, seconds))
        for process in processes:
            number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            alive = process.poll() is None
            process.send_signal(int(number))
            begun = time.monotonic()
            _, err = process.communicate(timeout=120)
            lines, code = err.splitlines(), process.returncode
            assert "Traceback" not in err, err
            if code == 2:
                assert len(processes) == 2, err
                assert "is being written by" in lines[-1] or "holds" in lines[-1], err
                counts["refused beside another process"] += 1
            elif code == 0:
                counts["finished first"] += 1
            else:
                assert alive
                sent += 1
                name = signal.Signals(number).name
                counts[name] += 1
                counts[f"during {runs.phase()}"] += 1
                counts["during --force"] += (runs.folder / ".new").exists()
                counts["with two processes"] += len(processes) == 2
                if number == signal.SIGKILL or code == -number:  # before our first line
                    assert code == -number
                    continue
                assert code == 128 + number, err
                assert "stopped" in lines[-1], err
                told = "--resume" in lines[-1]
                assert told == is_unfinished(runs.folder) or len(processes) == 2, err
                assert time.monotonic() - begun < 5.0
        # The old run is whole, whatever happened to the new one.
        is_run = (runs.folder / "config.yaml").exists()
        has_old = has_old or (is_run and runs.how() == ["--force"])
        if has_old:
            assert content(runs.folder) == wanted
            counts["whole run found"] += 1
    process = runs.start(*runs.how())
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert content(runs.folder) == wanted
    assert not list(runs.folder.glob(".*"))
    return {"signals": sent, **counts}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_no_signal_loses_a_run(task, tmp_path):
    counts = harass(task, tmp_path, SIGNALS)
    print(f"\n{task}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    assert counts["signals"] >= SIGNALS
