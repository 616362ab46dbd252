"""One configuration for all tests: double precision, fixed seeds, quick compilation."""

import itertools
import zlib

import jax
import jax.random as jr
import pytest
from hypothesis import settings

jax.config.update("jax_enable_x64", True)
# Nearly all the time goes into compiling programs that run for a millisecond. The tests that
# start a process of their own run the code as users do, fully optimised.
jax.config.update("jax_disable_most_optimizations", True)

settings.register_profile("liouville", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("liouville")


@pytest.fixture
def getkey(request):
    """A function that gives a fresh random key a call, the same ones in every run of a test."""
    seed, numbers = zlib.crc32(request.node.nodeid.encode()), itertools.count()
    return lambda: jr.fold_in(jr.key(seed), next(numbers))
