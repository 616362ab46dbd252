"""Training that is killed, again and again, at random moments."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from liouville.training import read_metrics
from test_training import assert_same, start, state_in

KILLS = 20
STEPS = 4000


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
        torn += (killed / ".checkpoint.partial.lv").exists()
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
