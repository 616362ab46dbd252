"""Calling the command line from tests, in the process of the test."""

import sys
import warnings

from liouville import plots
from liouville.cli import main


def call(*arguments: object) -> int:
    """Runs the command line in this process and returns its exit code."""
    before = sys.argv
    sys.argv = ["liouville", *map(str, arguments)]
    try:
        with warnings.catch_warnings():
            # Warnings are lines for the user here, not errors as in the other tests.
            warnings.simplefilter("always")
            main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


def error_of(capsys) -> str:
    lines = capsys.readouterr().err.splitlines()
    found = [line for line in lines if line.startswith("error: ")]
    assert len(found) == 1
    assert "Traceback" not in "".join(lines)
    return found[0]


def draw_nothing(monkeypatch) -> None:
    """Reports take longer than brief fits: they are not drawn."""
    monkeypatch.setattr(plots, "write_page", lambda folder, *_, **__: folder / "report.html")
