"""Where the time of a fit goes."""

import time

import jax
import pytest

from liouville.tasks.stopwatch import PHASES, Stopwatch, _Programs

TRACE, COMPILE = "/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/backend_compile"


def test_phases_make_up_the_time():
    begun = time.monotonic()
    watch = Stopwatch(begun - 2.0)
    watch.end("read")
    jax.jit(lambda x: x + 1.0).lower(1.0).compile()
    time.sleep(0.2)
    watch.end("train")
    seconds = watch.seconds
    assert tuple(seconds) == PHASES
    assert seconds["read"] >= 2.0
    assert seconds["train"] >= 0.2
    assert sum(seconds.values()) == pytest.approx(time.monotonic() - begun + 2.0, abs=0.31)


def test_a_program_within_another_counts_once(monkeypatch):
    now = 0.0
    monkeypatch.setattr("liouville.tasks.stopwatch.time.monotonic", lambda: now)
    programs = _Programs()
    now = 0.5
    programs._hear(TRACE, 0.2)
    programs._hear("/jax/another", 100.0)
    programs._hear(TRACE, 0.4)  # around the first
    assert programs.seconds == pytest.approx(0.4)
    programs._hear(COMPILE, 0.0)
    now = 0.9
    programs._hear(COMPILE, 0.3)  # after it
    assert programs.seconds == pytest.approx(0.7)
