"""What a person is told while a command works, and what a report keeps of it."""

import io
import warnings

import numpy as np

from liouville.cli import _app
from liouville.runs import warned
from liouville.runs.folder import Run, made_of


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(_app, "_told", "")
    return stream


def test_a_phase_has_one_line(monkeypatch):
    terminal = terminal_of(monkeypatch)
    for text in ("measuring", "film: frame 1 of 2", "film: frame 2 of 2", "drawing " + 60 * "x"):
        _app.say(text)
    up = "\x1b[1A\x1b[2K"
    lines = terminal.getvalue().splitlines()
    assert lines[:3] == ["measuring", "film: frame 1 of 2", f"{up}film: frame 2 of 2"]
    assert len(lines[3]) == 39


def test_no_warning_is_written_over(monkeypatch):
    terminal = terminal_of(monkeypatch)
    _app.say("film: frame 1 of 2")
    _app._warn(UserWarning("look here"))
    _app.say("film: frame 2 of 2")
    told = ["film: frame 1 of 2", "\r\x1b[2Kwarning: look here", "film: frame 2 of 2"]
    assert terminal.getvalue().split("\n")[:-1] == told


def test_nothing_is_said_in_a_pipe(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    _app.say("measuring")
    assert stream.getvalue() == ""


def test_our_warnings_are_noted_and_all_are_shown():
    ours, theirs = warned.__file__, np.__file__
    same = None
    with warnings.catch_warnings(record=True) as shown, warned.noted() as texts:
        warnings.simplefilter("always")
        for _ in range(2):
            with warned.noted() as same:
                warnings.warn_explicit("few steps", UserWarning, ours, 1)
        warnings.warn_explicit("no cache", UserWarning, theirs, 1)
        warnings.warn_explicit("overflow", RuntimeWarning, ours, 1)
    assert texts == ["few steps"]
    assert same is texts
    assert [str(one.message) for one in shown] == ["few steps", "few steps", "no cache", "overflow"]
    with warned.noted() as other:
        assert other == []


def test_a_run_says_when_and_how_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["liouville", "fit", "cells", "a b.csv"])
    Run(tmp_path, "cells", {"size": 3}, "0" * 64).write()
    found = made_of(tmp_path)
    assert found["command"] == "liouville fit cells 'a b.csv'"
    assert found["date"].endswith(" UTC")
    assert {"python", "jax", "liouville"} <= set(found)
    (tmp_path / "config.yaml").write_text("task: cells\nversions: 3\n")
    assert made_of(tmp_path) == {}
