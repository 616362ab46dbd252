"""Folders and files of runs: nothing is lost, whoever writes and whenever a process ends."""

import contextlib
import dataclasses
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import call, error_of
from liouville.errors import LiouvilleError
from liouville.runs import files
from liouville.runs.config import Range, describe, merge, option
from liouville.runs.files import atomic_path, clear_leftovers, leftover, lock, write_bytes
from liouville.runs.folder import (
    begin,
    file_of,
    finish,
    is_unfinished,
    open_run,
    write_text,
    writing,
)
from liouville.runs.interruption import Interruption, graceful_interruption
from liouville.runs.locks import only_writer
from liouville.tasks import TASKS
from liouville.tasks.cells.config import CellsConfig, PathConfig
from liouville.tasks.cells.fit import fit_cells


def python(code: str, *arguments: object, **options) -> subprocess.Popen[str]:
    """Another process, which says a line when it has come to the place of interest."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **pipes | options)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """The exit code of a process and the lines of its errors."""
    _, err = process.communicate(timeout=120)
    return process.returncode, err.splitlines()


# Files.

_WRITES = """
import sys
from pathlib import Path
from typing import Any
from liouville.runs.files import atomic_path
folder, letter = Path(sys.argv[1]), sys.argv[2]
print("begun", flush=True)
sys.stdin.readline()
for number in range(40):
    with atomic_path(folder / f"{number}.txt") as temporary, temporary.open("w") as file:
        for _ in range(100):
            file.write(letter * 1000)
            file.flush()
"""


def test_of_two_writers_one_wins_whole(tmp_path):
    writers = [python(_WRITES, tmp_path, letter, stdin=subprocess.PIPE) for letter in "ab"]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [ended(writer) for writer in writers] == [(0, []), (0, [])]
    for number in range(40):
        content = (tmp_path / f"{number}.txt").read_text()
        assert content in ("a" * 100_000, "b" * 100_000)
    assert len(list(tmp_path.iterdir())) == 40


def test_a_folder_that_another_clears_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    locked = []

    def robbed(folder):
        locked.append(folder)
        if len(locked) == 1:  # another writer took it for a dead one's
            folder.rmdir()
        return lock(folder)

    monkeypatch.setattr(files, "lock", robbed)
    with atomic_path(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole")
    assert len(locked) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


_DIES = """
import os, sys
from pathlib import Path
from typing import Any
from liouville.runs.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), 9)
"""


def test_what_killed_writers_leave_is_cleared_and_living_ones_are_left_alone(tmp_path):
    file = tmp_path / "a.csv"
    write_text(file, "old")
    living, *dying = [python(_DIES, file, stdin=subprocess.PIPE) for _ in range(3)]
    for process in (living, *dying):
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
    for process in dying:
        assert ended(process)[0] == -signal.SIGKILL
    assert len(list(tmp_path.glob(".partial-*"))) == 3
    assert file.read_text() == "old"
    write_text(tmp_path / "b.csv", "new")
    assert len(list(tmp_path.glob(".partial-*"))) == 1
    living.kill()
    living.communicate()
    write_text(file, "new")
    assert sorted(tmp_path.iterdir()) == [file, tmp_path / "b.csv"]


def test_names_of_the_greatest_length(tmp_path):
    name = "é" * 125 + "a.csv"
    assert len(name.encode()) == 255
    write_text(tmp_path / name, "x")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with pytest.raises(LiouvilleError, match="File name too long"):
        write_text(tmp_path / f"b{name}", "x")


def test_a_full_disk_leaves_what_was_there(tmp_path):
    file = write_bytes(tmp_path / "a.bin", b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(LiouvilleError, match=r"cannot write .*a\.bin: File too large"):
            write_bytes(file, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [(f, f.read_bytes()) for f in tmp_path.iterdir()] == [(file, b"old")]


def as_another_user(work: Callable[[], object]) -> str:
    """The error that a function raises if a user without rights calls it."""
    reading, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forking with threads: the child calls no library
        child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            work()
            os.write(write, b"nothing raised")
        except LiouvilleError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_folders_without_permission():
    # The folder for tests is closed to others.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for work in (
            lambda: write_text(folder / "a.csv", "x"),
            lambda: writing(folder).__enter__(),
            lambda: writing(folder / "new" / "run").__enter__(),
        ):
            said = as_another_user(work)
            assert "Permission denied" in said
            assert "\n" not in said
        folder.chmod(0o700)
        assert "Permission denied" in as_another_user(lambda: write_text(folder / "a.csv", "x"))
        folder.chmod(0o755)
        assert list(folder.iterdir()) == []


# Locks.

_HOLDS = """
import sys
from pathlib import Path
from typing import Any
from liouville.runs.folder import writing
with writing(Path(sys.argv[1])):
    print("begun", flush=True)
    sys.stdin.readline()
"""


def test_a_folder_has_one_writer_and_says_who(tmp_path):
    folder = tmp_path / "RUN"
    holder = python(_HOLDS, folder, stdin=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "begun\n"
    with pytest.raises(LiouvilleError, match=rf"RUN is being written by process {holder.pid} on "):
        writing(folder).__enter__()
    holder.kill()
    holder.communicate()
    # The kernel has released it.
    with writing(folder), pytest.raises(LiouvilleError, match=f"by process {os.getpid()} on"):
        writing(folder).__enter__()
    # What it made it has taken away; the holder that was killed could not.
    assert list(folder.iterdir()) == []


def test_a_lock_file_with_nonsense(tmp_path):
    with only_writer(tmp_path):
        (tmp_path / ".lock").write_bytes(b'{"pid": "\x1b[31m"}')
        with pytest.raises(LiouvilleError, match="is being written by another process"):
            only_writer(tmp_path).__enter__()
    assert list(tmp_path.iterdir()) == []


# Runs.


_WEIGHTS = option({}, "weights", within=Range(low=0))


@dataclasses.dataclass(frozen=True)
class Plan:
    size: int = option(3, "a size", within=Range(low=1, high=9))
    share: float | None = option(None, "a share", within=Range(above=0, below=1))
    places: tuple[float, ...] = option((), "places")
    weights: dict[str, float] = _WEIGHTS


@contextlib.contextmanager
def opened(
    folder: Path, *, size: int = 3, fail: bool = False, force: bool = False, resume: bool = False
):
    """A run of the plan, in a folder."""

    def load(plan: Plan) -> list[float]:
        if fail:
            raise LiouvilleError("no such data")
        return [1.0]

    arrays = lambda data: [np.array(data)]  # noqa: E731
    how: dict[str, Any] = {"flags": {"size": size}, "force": force, "resume": resume}
    with begin(folder, "test", Plan, load, arrays, **how) as found:
        yield found


def fill(folder: Path, word: str, **options: bool) -> None:
    """Makes a finished run whose files hold a word."""
    with opened(folder, **options) as (run, *_):
        for name in ("model.lv", "summary.json", "report.html"):
            write_text(run.folder / name, word)
        write_bytes(run.folder / "figures" / f"{word}.png", word.encode())
        finish(folder, run, {"size": 3, "word": word})


def content(folder: Path) -> dict[str, object]:
    """What a reader finds in a folder."""
    found = {name: file_of(folder, name).read_text() for name in ("model.lv", "summary.json")}
    return {**found, "settings": open_run(folder).settings}


def of(word: str) -> dict[str, object]:
    return {"model.lv": word, "summary.json": word, "settings": {"size": 3, "word": word}}


def test_bad_data_leave_no_folder(tmp_path):
    with pytest.raises(LiouvilleError, match="no such data"), opened(tmp_path / "a/b", fail=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_finished_when_all_is_there(tmp_path):
    folder = tmp_path / "RUN"
    with opened(folder) as (run, *_):
        assert run.folder == folder
    assert is_unfinished(folder)
    with pytest.raises(LiouvilleError, match="already holds a run"), opened(folder):
        pass
    with pytest.raises(LiouvilleError, match="size is 3 in the run and 4 now"):
        opened(folder, size=4, resume=True).__enter__()
    fill(folder, "one", resume=True)
    assert not is_unfinished(folder)
    assert content(folder) == of("one")


def test_force_keeps_the_old_run_until_the_new_one_is_finished(tmp_path):
    fill(tmp_path, "old")
    (tmp_path / "mine.txt").write_text("mine")
    with opened(tmp_path, force=True) as (run, *_):  # and breaks off
        write_text(run.folder / "model.lv", "new")
    assert content(tmp_path) == of("old")
    assert is_unfinished(tmp_path)
    with pytest.raises(LiouvilleError, match="--resume alone goes on with either run"):
        opened(tmp_path, force=True, resume=True).__enter__()
    with opened(tmp_path, resume=True) as (run, *_):
        assert (run.folder / "model.lv").read_text() == "new"
    fill(tmp_path, "new", resume=True)
    assert content(tmp_path) == of("new")
    assert not is_unfinished(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        *("config.yaml", "figures", "mine.txt", "model.lv", "report.html", "summary.json")
    ]
    assert [file.name for file in (tmp_path / "figures").iterdir()] == ["new.png"]


def test_a_second_force_begins_anew(tmp_path):
    fill(tmp_path, "old")
    with opened(tmp_path, force=True) as (run, *_):
        write_text(run.folder / "checkpoint.lv", "of the first")
    with opened(tmp_path, force=True) as (run, *_):
        assert [file.name for file in run.folder.iterdir()] == ["config.yaml"]
    fill(tmp_path, "new", force=True)
    assert content(tmp_path) == of("new")


def test_whenever_the_swap_is_broken_off_a_reader_finds_one_whole_run(tmp_path, monkeypatch):
    """Every call that changes the folder is the last one in turn, as if a kill had come then."""
    told = []
    for last in range(100):
        folder = tmp_path / str(last)
        fill(folder, "old")
        write_text(folder / "checkpoint.lv", "old")  # which the new one lacks
        with opened(folder, force=True) as (run, *_):
            for name in ("model.lv", "summary.json", "report.html"):
                write_text(run.folder / name, "new")
            write_bytes(run.folder / "figures" / "new.png", b"new")
        calls = 0

        def counted(function, last=last):
            def call(*arguments, **options):
                nonlocal calls
                calls += 1
                if calls > last:
                    raise KeyboardInterrupt
                return function(*arguments, **options)

            return call

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            for place, name in ((os, "replace"), (shutil, "rmtree"), (Path, "unlink")):
                patch.setattr(place, name, counted(getattr(place, name)))
            patch.setattr(Path, "rmdir", counted(Path.rmdir))
            finish(folder, run, {"size": 3, "word": "new"})
        found = content(folder)
        assert found in (of("old"), of("new")), last
        told.append(found["model.lv"])
        with writing(folder):
            pass
        # Whoever writes there next finishes what had begun.
        assert content(folder) == found
        assert not list(folder.glob(".next"))
        if found == of("new"):
            assert not (folder / "checkpoint.lv").exists()
            assert [file.name for file in (folder / "figures").iterdir()] == ["new.png"]
        if calls <= last:
            break
    assert told == sorted(told, reverse=True)  # first the old, then the new
    assert {"old", "new"} == set(told)


# Settings.


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size is 0 but must be a whole number from 1 to 9"),
        ({"size": 10**400}, "size is 1000"),
        ({"share": 0.0}, "share is 0.0 but must be a number above 0 and below 1 or null"),
        ({"share": 1}, "share is 1.0"),
        ({"share": float("inf")}, "share is inf but must be a finite number above 0"),
        ({"share": float("nan")}, "share is nan"),
        ({"places": [1.0, float("-inf")]}, r"places\[1\] is -inf but must be a list of a finite"),
        ({"weights": {"wall": -1.0}}, r"weights\.wall is -1\.0 but must be a mapping of names to"),
    ],
)
def test_numbers_out_of_range(values, message):
    with pytest.raises(LiouvilleError, match=message) as info:
        merge(Plan, values=values)
    assert len(str(info.value)) < 200


def test_a_configuration_made_in_python_is_checked_too(tmp_path):
    config = CellsConfig(path=PathConfig(parts=0))
    with pytest.raises(LiouvilleError, match=r"path\.parts is 0"):
        fit_cells(tmp_path / "nowhere.csv", config)


def test_ranges_are_told():
    told = {entry.key: entry.type for entry in describe(Plan)}
    assert told["size"] == "a whole number from 1 to 9"
    assert told["weights"] == "a mapping of names to a number at least 0"


BAD_SETTINGS = [
    ["training.seed=-1"],
    ["training.seed=18446744073709551616"],
    ["training.steps=0"],
    ["training.steps=1e12"],
    ["training.rate=.nan"],
    ["training.rate=-1"],
    ["training.average=1"],
    ["training.patience=0"],
    ["training.tolerance=.inf"],
    ["training.chunk=0"],
    ["training.chunk=7"],
    ["training.weight_decay=-0.1"],
    ["training.nonsense=1"],
    ["training.steps=many"],
]
ABSURD = {
    "cells": ["path.parts=0", "path.parts=1e9", "objective.sigma=0", "data.held_out=1"],
    "density": ["path.width=0", "path.depth=-1", "data.test=1.5", "objective.energy=.inf"],
    "transport": ["path.opening=0", "objective.pull=1", "objective.sigma=-1", "data.times=1,0"],
    "control": ["rollout.trajectories=3", "path.opening=0.6", "weights.wall=.inf"],
    "events": ["places.widths=0", "objective.targets=0", "times.period=0", "data.test=-0.1"],
}


@pytest.mark.parametrize("task", TASKS)
def test_bad_settings_are_found_before_data_are_read_and_a_folder_is_made(task, tmp_path, capsys):
    data = ["nowhere.csv"] * (2 if task == "transport" else 1)
    for setting in [*(s for (s,) in BAD_SETTINGS), *ABSURD[task]]:
        out = tmp_path / "RUN"
        assert call("fit", task, *data, "--out", out, "--set", setting) == 2
        assert setting.split("=")[0].split(".")[-1] in error_of(capsys)
        assert not out.exists()


# The command line.

LIOUVILLE = [sys.executable, "-m", "liouville"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "RUN", "--time", "1", "--seed", "-1", "-o", "a.csv"],
        ["sample", "RUN", "--time", "1", "--seed", str(2**64), "-o", "a.csv"],
        ["sample", "RUN", "--time", "soon", "-o", "a.csv"],
        ["fit", "cells", "a.npz", "--seed", "one"],
        ["fit", "cells"],
        ["nonsense"],
        ["settings", "cells", "--nonsense"],
    ],
)
def test_impossible_flags_are_one_line(arguments, capsys):
    assert call(*arguments) == 2
    assert "Usage" not in error_of(capsys)


def shell(line: str, folder: Path, **options) -> tuple[int, list[str]]:
    script = line.replace("liouville", f"'{sys.executable}' -m liouville")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    return done.returncode, done.stderr.splitlines()


def test_output_that_nobody_reads(tmp_path):
    code, lines = shell("liouville settings cells | head -0", tmp_path)
    assert (code in (0, 1), lines) == (True, [])
    code, lines = shell("liouville settings cells >&-", tmp_path)
    assert code == 2
    assert lines == ["error: standard output is closed; send it to a file or to /dev/null"]
    if Path("/dev/full").exists():
        code, lines = shell("liouville settings cells > /dev/full", tmp_path)
        assert code == 2
        assert lines == ["error: No space left on device; change that, or name another place"]


def test_a_working_directory_that_was_removed(tmp_path):
    for line in ("liouville fit cells a.npz", "liouville fit cells --config a.yaml a.npz"):
        (tmp_path / "gone").mkdir()
        code, lines = shell(f"rmdir ../gone; {line}", tmp_path / "gone")
        assert code == 2, lines
        assert [line[:6] for line in lines] == ["error:"], lines


# Signals.

_BUSY = """
import hashlib, sys
from liouville.runs import interruption
from liouville.runs.files import atomic_path
with interruption.obeyed(), atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)  # does not come back for minutes
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_obeyed_in_compiled_code_too(number, code, tmp_path):
    process = python(_BUSY, tmp_path / "a.csv")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    begun = time.monotonic()
    process.send_signal(number)
    found, lines = ended(process)
    assert time.monotonic() - begun < 2.0
    assert found == code
    assert [line[:27] for line in lines] == ["stopped; to start again: li"]
    assert list(tmp_path.iterdir()) == []


_PATIENT = """
import hashlib
from liouville.runs import interruption
with interruption.obeyed(), interruption.graceful_interruption() as asked:
    asked.is_patient = True
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)
"""


def test_steps_under_way_are_waited_for_until_a_second_signal():
    process = python(_PATIENT)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("stopping after the steps under way")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130


def test_a_signal_while_importing_is_one_line(tmp_path):
    for delay in (0.15, 0.3, 0.6):
        process = subprocess.Popen(
            [*LIOUVILLE, "fit", "cells", "a.npz", "--out", tmp_path / "RUN"],
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        code, lines = ended(process)
        # Before its first line our code cannot do anything.
        assert code in (130, -signal.SIGINT, 2), lines
        if code == 130:
            assert len(lines) == 1
            assert lines[0].startswith("stopped"), lines


def test_outside_the_main_thread_nothing_is_caught():
    found: list[Interruption] = []

    def work() -> None:
        with graceful_interruption() as asked:
            found.append(asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not found[0].is_set()


def test_leftovers_are_cleared_before_a_sudden_end(tmp_path):
    with atomic_path(tmp_path / "a.csv") as temporary, leftover(tmp_path / "b", os.unlink):
        temporary.write_text("half")
        (tmp_path / "b").write_text("x")
        clear_leftovers()
        assert list(tmp_path.iterdir()) == []
        temporary.parent.mkdir()
        temporary.write_text(hashlib.sha256(b"").hexdigest())
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
