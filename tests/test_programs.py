"""The compiled programs that are kept for the next process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liouville.runs.programs import compile_quickly, keep_programs

PROGRAM = """
from liouville.runs.programs import compile_quickly, keep_programs
{before}
compile_quickly()
keep_programs()
import jax
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
for factor in {factors}:
    print(jax.jit(lambda x: x * factor)(2.0))
"""
WITHOUT = "work goes on without"


def start(cache: str | Path, *factors: int, before: str = "", **more: str) -> subprocess.Popen[str]:
    """A process that compiles a program for each factor."""
    left_out = ("XLA_FLAGS", "LIOUVILLE_CACHE")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and not name.startswith("JAX_")
    }
    environment |= {"LIOUVILLE_CACHE": str(cache), "XDG_CACHE_HOME": os.devnull, **more}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(factors=factors or (3,), before=before)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(cache: str | Path, *factors: int, before: str = "", **more: str) -> str:
    """What such a process said on stderr, after it printed what it should."""
    process = start(cache, *factors, before=before, **more)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.split() == [f"{2.0 * factor}" for factor in factors or (3,)]
    return err


def kept(cache: Path) -> dict[str, tuple[int, bytes]]:
    """The programs in a folder, and when each was written."""
    return {f.name: (f.stat().st_mtime_ns, f.read_bytes()) for f in cache.glob("*-cache")}


def test_programs_are_kept_and_found_again(tmp_path: Path):
    cache = tmp_path / "programs"
    assert run(cache) == ""
    first = kept(cache)
    assert first
    assert run(cache) == ""
    assert kept(cache) == first


def test_two_processes_at_once(tmp_path: Path):
    cache, factors = tmp_path / "programs", (3, 4, 5, 6)
    both = [start(cache, *factors) for _ in range(2)]
    assert [process.communicate(timeout=120)[1] for process in both] == ["", ""]
    together = kept(cache)
    assert len(together) >= len(factors)
    assert run(cache, *factors) == ""
    assert kept(cache) == together  # all were there, and sound


def test_a_damaged_program_is_compiled_again(tmp_path: Path):
    cache = tmp_path / "programs"
    run(cache, 3, 4)
    first = kept(cache)
    for number, (name, (_, content)) in enumerate(first.items()):
        half = len(content) // 2
        end = b"" if number % 2 else b"?" * (len(content) - half)
        (cache / name).write_bytes(content[:half] + end)
    assert run(cache, 3, 4) == ""
    again = kept(cache)
    assert set(again) == set(first)
    assert all(len(content) > 0.9 * len(first[name][1]) for name, (_, content) in again.items())
    assert run(cache, 3, 4) == ""
    assert kept(cache) == again  # sound: nothing is written anew


def test_what_a_dead_process_left_is_removed(tmp_path: Path):
    """Without its note of time, a program would keep all others from being written."""
    cache = tmp_path / "programs"
    run(cache)
    old = time.time() - 3600.0
    for note in cache.glob("*-atime"):
        note.unlink()
    for name in kept(cache):
        os.utime(cache / name, (old, old))
    assert run(cache, 4) == ""
    assert len(kept(cache)) == len(list(cache.glob("*-atime"))) > 0


@pytest.mark.slow
def test_no_more_than_so_much_is_kept(tmp_path: Path):
    cache, most = tmp_path / "programs", 9_000
    for factor in range(3, 7):
        assert run(cache, factor, JAX_COMPILATION_CACHE_MAX_SIZE=str(most)) == ""
        assert 0 < sum(len(content) for _, content in kept(cache).values()) <= most


@pytest.mark.parametrize("place", ["null", "read-only", "full"])
def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, place: str):
    cache, before = tmp_path / "programs", ""
    if place == "null":
        cache = Path(os.devnull) / "programs"
    elif place == "read-only":
        if os.geteuid() == 0:
            pytest.skip("root may write anywhere")
        tmp_path.chmod(0o500)
    else:
        before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    said = run(cache, 3, 4, 5, before=before)
    tmp_path.chmod(0o700)
    assert said.count(WITHOUT) == 1
    assert f"cannot be kept in {cache}" in said
    assert "Traceback" not in said
    assert "persistent compilation cache" not in said
    if place == "full":  # what was left there torn does no harm
        assert run(cache, 3, 4, 5) == ""


def test_off_is_off(monkeypatch, tmp_path: Path):
    assert run("off", before=f"import os; os.chdir({str(tmp_path)!r})") == ""
    assert not list(tmp_path.iterdir())
    for choice in ("0", "No"):
        monkeypatch.setenv("LIOUVILLE_CACHE", choice)
        assert keep_programs() is None
        assert keep_programs("off") is None


def test_what_is_set_already_stays(monkeypatch, tmp_path: Path):
    theirs = tmp_path / "theirs"
    assert run(tmp_path / "ours", JAX_COMPILATION_CACHE_DIR=str(theirs)) == ""
    assert kept(theirs)
    assert not (tmp_path / "ours").exists()
    monkeypatch.setenv("XLA_FLAGS", "")
    compile_quickly()
    assert os.environ["XLA_FLAGS"] == ""


@pytest.mark.slow
def test_a_notebook_that_has_compiled_already(tmp_path: Path):
    cache = tmp_path / "programs"
    before = "import jax; jax.jit(lambda x: x + 1.0)(1.0)"
    assert run(cache, before=before) == ""
    first = kept(cache)
    assert first
    assert run(cache, before=before) == ""
    assert kept(cache) == first
