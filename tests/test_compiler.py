"""The cache of compiled programs that the command line keeps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from liouville.cli._compiler import prepare_compiler

PROGRAM = """
from liouville.cli._compiler import prepare_compiler
prepare_compiler()
import jax
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(jax.jit(lambda x: x * {factor})(2.0))
"""


def run(cache: str | Path, factor: int = 3) -> str:
    """Compiles something in a process of its own."""
    left_out = ("XLA_FLAGS", "LIOUVILLE_CACHE")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and not name.startswith("JAX_")
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(factor=factor)],
        env={**environment, "LIOUVILLE_CACHE": str(cache), "XDG_CACHE_HOME": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_programs_are_kept_and_found_again(tmp_path: Path):
    cache = tmp_path / "programs"
    assert run(cache) == "6.0"
    kept = {file.name: file.read_bytes() for file in cache.glob("*-cache")}
    assert kept
    assert run(cache) == "6.0"
    assert {file.name: file.read_bytes() for file in cache.glob("*-cache")} == kept
    assert run(cache, 4) == "8.0"
    assert len(list(cache.glob("*-cache"))) > len(kept)


@pytest.mark.parametrize("cache", ["off", "", os.devnull])
def test_without_a_folder_nothing_is_kept(cache: str):
    assert run(cache) == "6.0"


def test_what_is_set_already_stays(monkeypatch, tmp_path: Path):
    given = {"XLA_FLAGS": "", "JAX_COMPILATION_CACHE_DIR": "mine", "LIOUVILLE_CACHE": str(tmp_path)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in ("JAX_COMPILATION_CACHE_MAX_SIZE", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "1")
    prepare_compiler()
    assert os.environ["XLA_FLAGS"] == ""
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"
    assert os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] == "1"
