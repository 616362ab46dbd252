"""The demonstrations: runs whose data are theirs, and commands that go on with them."""

import dataclasses
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from commands import call, draw_nothing, error_of
from liouville import tasks
from liouville.data import write_table
from liouville.runs.config import merge
from liouville.runs.words import in_words, with_error
from liouville.tasks import load_task
from liouville.tasks.cells.demo import beside_truth, demo_cells

FEW = {"training.steps": 20, "training.chunk": 10, "training.validate_every": 10}
DEMOS = [name for name, room in tasks.TASKS.items() if room.has_demo]


@pytest.mark.parametrize("name", DEMOS)
def test_the_file_of_a_demo_is_read_as_what_was_drawn(name, tmp_path):
    task = load_task(name)
    demo = task.demo(3)
    again = []
    for file in (tmp_path / demo.file, tmp_path / f"again-{demo.file}"):
        write_table(file, demo.columns)
        data = task.read(merge(task.config, flags={**demo.flags, "data.file": str(file)}), None)
        again.append([a for a in task.arrays(data) if a is not None])
    for one, two in zip(*again, strict=True):
        np.testing.assert_array_equal(one, two)
    drawn = {np.asarray(column, float).tobytes() for column in demo.columns.values()}
    read = {np.ascontiguousarray(c, float).tobytes() for a in again[0] for c in np.atleast_2d(a.T)}
    assert drawn <= read


def test_the_truth_is_at_no_distance_from_itself_on_held_out_cells():
    truth = demo_cells(3)
    config = load_task("cells").config()
    fitted = SimpleNamespace(model=truth.model, data=truth.cells, config=config)
    found = beside_truth(fitted, truth.model)
    rows = {row["method"]: row for row in found["held-out cells beside the truth"]}
    assert rows["liouville"]["above the truth"] == rows["liouville"]["above the truth_error"] == 0
    assert rows["a mixture for each time"]["above the truth_error"] > 0
    # No density is better than the truth but by chance.
    mixture = rows["a mixture for each time"]
    assert mixture["above the truth"] > -3 * mixture["above the truth_error"]


def test_differences_in_words():
    assert with_error(2.1654, 0.0241) == "2.165 ± 0.024"
    assert with_error(512.0, 13.0) == "512 ± 13"
    assert with_error(2.1654, None) == with_error(2.1654, float("nan")) == "2.165"
    assert in_words((0.002, 0.01), "nats") == "0.002 ± 0.010 nats, within noise"
    assert in_words((0.05, 0.01), "nats") == "0.050 ± 0.010 nats, clearly more"
    assert in_words((-0.05, 0.01), "nats") == "-0.050 ± 0.010 nats, clearly less"


def test_a_demo_writes_over_no_file_of_others(tmp_path, capsys):
    (tmp_path / "cells.csv").write_text("mine\n")
    for more in ((), ("--force",)):
        assert call("demo", "--out", tmp_path, *more) == 2
        assert "the demo would write its data in its place" in error_of(capsys)
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("cells.csv", "mine\n")]


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMOS)
def test_every_command_that_a_demo_names_works(name, tmp_path, capsys, monkeypatch):
    real = load_task(name)
    few = {**FEW, "report.movie": False}
    quick = dataclasses.replace(
        real, demo=lambda seed: real.demo(seed)._replace(flags={**real.demo(seed).flags, **few})
    )
    monkeypatch.setattr("liouville.tasks.demo.load_task", lambda _: quick)
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        draw_nothing(patch)
        assert call("demo", "--task", name) == 0
    told = capsys.readouterr().out.splitlines()
    commands = told[told.index("try next") + 1 :]
    assert len(commands) == 3
    run = Path("liouville-demo" if name == "cells" else f"liouville-demo-{name}")
    for command in (*commands, f"liouville plot {run} --no-movie"):
        words = shlex.split(command)
        assert words[0] == "liouville"
        assert call(*words[1:]) == 0, command
    summary = json.loads((run / "summary.json").read_text())
    page = (run / "report.html").read_text()
    for key, value in summary.items():
        if "truth" in key and isinstance(value, list):
            assert f"<summary>{key[:1].upper()}{key[1:]}</summary>" in page
    assert call("demo", "--task", name) == 2
    assert "--force" in error_of(capsys)
    with monkeypatch.context() as patch:
        draw_nothing(patch)
        assert call("demo", "--task", name, "--force") == 0
