"""One configuration for all tests: double precision, fixed seeds, quick compilation."""

import gc
import itertools
import os
import tempfile
import zlib
from importlib.metadata import version
from pathlib import Path

import jax
import jax.random as jr
import pytest
from hypothesis import settings

jax.config.update("jax_enable_x64", True)
# Nearly all the time goes into compiling programs that run for a millisecond. The tests that
# start a process of their own run the code as users do, fully optimised.
jax.config.update("jax_disable_most_optimizations", True)
# Less than half the time of compilation; versions that do not know a flag refuse to start.
_FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
if "XLA_FLAGS" not in os.environ and version("jaxlib").startswith("0.10."):
    os.environ["XLA_FLAGS"] = _FLAGS
    jax.devices()  # reads the flags
    del os.environ["XLA_FLAGS"]
# Tracing makes many objects that stay: to look for garbage among them is a twentieth of the time.
gc.freeze()
gc.set_threshold(200_000, 50, 50)

# Tests leave nothing in the home of who runs them, and their processes share what they compile.
if "LIOUVILLE_CACHE" not in os.environ:
    _programs = tempfile.TemporaryDirectory(prefix="liouville-programs-")
    os.environ["LIOUVILLE_CACHE"] = _programs.name

settings.register_profile("liouville", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("liouville")


# Every compiled program keeps a few maps of memory, of which Linux allows a process 65,530; beyond,
# the next compilation is a segmentation fault. To forget them takes seconds. A slow test alone may
# need twenty thousand, so after each it is seen to that as many are left.
_MOST_MAPS = {"fast": 50_000, "slow": 30_000}
_EVERY = {"fast": 25, "slow": 1}
_finished = itertools.count(1)


@pytest.fixture(autouse=True)
def few_compiled_programs(request):
    """Forgets compiled programs before a process runs out of memory maps."""
    yield
    pace = "slow" if request.node.get_closest_marker("slow") else "fast"
    if next(_finished) % _EVERY[pace] == 0 and _memory_maps() > _MOST_MAPS[pace]:
        jax.clear_caches()


def _memory_maps() -> int:
    maps = Path("/proc/self/maps")
    return maps.read_bytes().count(b"\n") if maps.exists() else 0


@pytest.fixture
def getkey(request):
    """A function that gives a fresh random key a call, the same ones in every run of a test."""
    seed, numbers = zlib.crc32(request.node.nodeid.encode()), itertools.count()
    return lambda: jr.fold_in(jr.key(seed), next(numbers))
