"""The command line as a user meets it: outputs, exit codes, one-line errors, no half files."""

import json
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import typer

import liouville as lv
from commands import draw_nothing
from liouville.cli import app, main

FAST = [
    "--set",
    "training.steps=40",
    "--set",
    "training.chunk=20",
    "--set",
    "training.validate_every=20",
    "--set",
    "training.checkpoint_every=20",
    "--set",
    "objective.times=4",
    "--set",
    "objective.particles=8",
    "--set",
    "path.parts=3",
    "--set",
    "path.members=2",
    "--set",
    "report.movie=false",
]


def call(*arguments: str) -> int:
    """Runs the command line in this process and returns its exit code."""
    before = sys.argv
    sys.argv = ["liouville", *map(str, arguments)]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that name it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_that_it_accepts(path):
    command = COMMANDS[path]
    words = ("liouville", *path)
    example = shlex.split(command.epilog.removeprefix("Example: "))
    assert tuple(example[: len(words)]) == words
    context = command.make_context(path[-1], example[len(words) :])
    assert context.help_option_names == ["-h", "--help"]


def test_the_list_of_commands_has_whole_sentences(capsys):
    assert call("-h") == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert "..." not in listed
    assert "what they expect where." in " ".join(listed.split())


def one_error(capsys) -> str:
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in captured.err
    return lines[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    t = np.repeat([0.0, 1.0, 3.0], [60, 70, 80])
    x = rng.normal(size=(210, 2)) + t[:, None]
    file = tmp_path_factory.mktemp("data") / "cells.npz"
    np.savez(file, X=x, t=t)
    return file


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    """A run without a report, which takes longer than a brief fit; a slow test draws it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        draw_nothing(patch)
        # So brief a fit is behind a mixture, and says so.
        warnings.filterwarnings("ignore", "the held-out nats are")
        assert call("fit", "cells", data, "--out", folder, *FAST) == 0
    return folder


def test_run_folder_is_complete(run):
    names = {"model.lv", "config.yaml", "metrics.jsonl", "summary.json"}
    assert names <= {file.name for file in run.iterdir()}
    assert not list(run.glob(".*"))


@pytest.mark.slow
def test_a_report_is_drawn(run):
    assert call("plot", run, "--no-movie") == 0
    assert (run / "report.html").stat().st_size
    assert {"density.png", "velocity.png", "trajectories.png", "loss.png", "held_out.png"} <= {
        file.name for file in (run / "figures").iterdir()
    }
    assert not list(run.glob(".*"))


def test_python_and_command_line_agree(run, tmp_path):
    model = lv.load(run)
    points = model.sample(1.0, 7, seed=3)
    np.savez(tmp_path / "p.npz", X=points)
    out = tmp_path / "q.npz"
    assert call("query", run, tmp_path / "p.npz", "--time", "1", "-o", out) == 0
    with np.load(out) as table:
        np.testing.assert_allclose(table["log_density"], model.log_density(1.0, points), rtol=1e-6)
        found = model.answers(1.0, points)
        np.testing.assert_allclose(table["velocity x1"], found.velocity[:, 0])
        np.testing.assert_allclose(table["score x2"], found.score[:, 1])
        np.testing.assert_allclose(table["drift x2"], found.drift[:, 1])
        np.testing.assert_allclose(table["growth"], found.growth, atol=1e-6)


def test_a_query_leaves_the_compiler_as_it_was(run, tmp_path):
    np.savez(tmp_path / "p.npz", X=np.zeros((3, 2)))
    before = jax.config.read("jax_disable_most_optimizations")
    assert call("query", run, tmp_path / "p.npz", "--time", "1", "-o", tmp_path / "q.csv") == 0
    assert jax.config.read("jax_disable_most_optimizations") == before


def test_samples_and_trajectories(run, tmp_path):
    assert call("sample", run, "--time", "2", "-n", "9", "-o", tmp_path / "s.csv") == 0
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 10
    tracks = tmp_path / "t.npz"
    arguments = ("--from", "3", "--to", "0", "-n", "4", "--times", "5", "-o", tracks)
    assert call("trajectories", run, *arguments) == 0
    assert call("trajectories", run, *arguments, "--stochastic") == 0
    with np.load(tracks) as table:
        assert table["trajectory"].tolist() == np.repeat(np.arange(4), 5).tolist()
        assert not table["log_weight"].reshape(4, 5)[:, 0].any()


def test_figures_are_shown_with_their_errors(run, capsys):
    capsys.readouterr()
    assert call("evaluate", run) == 0
    shown = capsys.readouterr().out
    assert "W1 floor" in shown
    assert re.search(r"\d\.\d+ ± \d\.\d+", shown)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("info", ()),
        ("evaluate", ()),
        pytest.param("plot", ("--no-movie",), marks=pytest.mark.slow),
    ],
)
def test_json_is_one_object_on_the_last_line(command, options, run, capsys):
    capsys.readouterr()
    assert call(command, run, *options, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out.splitlines()[-1]), dict)


@pytest.mark.slow
def test_check_passes_on_a_fitted_run(run):
    result = subprocess.run(
        [sys.executable, "-m", "liouville", "check", run, "--points", "64", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["passed"] is True


def test_a_run_is_not_overwritten(run, data, capsys):
    before = (run / "model.lv").read_bytes()
    assert call("fit", "cells", data, "--out", run, *FAST) == 2
    assert "--resume" in one_error(capsys)
    assert (run / "model.lv").read_bytes() == before


def test_resume_refuses_another_configuration_and_other_data(run, data, tmp_path, capsys):
    arguments = ("fit", "cells", data, "--out", run, "--resume")
    assert call(*arguments, "--set", "training.rate=0.5") == 2
    assert "training.rate is 0.01 in the run and 0.5 now" in one_error(capsys)
    with np.load(data) as arrays:
        np.savez(tmp_path / "other.npz", X=arrays["X"] + 1.0, t=arrays["t"])
    assert call("fit", "cells", tmp_path / "other.npz", "--out", run, "--resume") == 2
    assert "not those" in one_error(capsys)


BAD_FITS = [
    (["nowhere.npz"], "no file nowhere.npz"),
    (["{data}", "--set", "path.part=3"], "did you mean 'parts'"),
    (["{data}", "--set", "path.parts=many"], "path.parts"),
    (["{data}", "--dims", "5"], "5"),
    (["{data}", "--time-key", "day"], "day"),
    (["{data}", "--resume"], "holds no run to resume"),
    (["{data}", "--config", "nowhere.yaml"], "nowhere.yaml"),
    (["{data}", "--set", "data.min_cells=65"], "60"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_FITS)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, data, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = [argument.format(data=data) for argument in arguments]
    assert call("fit", "cells", *arguments, "--out", out) == 2
    assert message in one_error(capsys)
    assert not out.exists()


def test_data_that_cannot_be_fitted(tmp_path, capsys):
    cases = {
        "nan": (np.array([[0.0, np.nan]] * 20 + [[1.0, 1.0]] * 20), np.repeat([0, 1], 20), "NaN"),
        "one": (np.random.default_rng(0).normal(size=(40, 2)), np.zeros(40), "at least two"),
        "empty": (np.zeros((0, 2)), np.zeros(0), ""),
    }
    for name, (x, t, message) in cases.items():
        np.savez(tmp_path / f"{name}.npz", X=x, t=t)
        assert call("fit", "cells", tmp_path / f"{name}.npz", "--out", tmp_path / "run") == 2
        assert message in one_error(capsys)
        assert not (tmp_path / "run").exists()


BAD_QUERIES = [
    (["sample", "{run}", "-o", "{tmp}/a.csv"], "name the time of the draws, from 0 to 3: --time"),
    (["sample", "{run}", "--time", "9", "-o", "{tmp}/a.csv"], "outside the fitted range 0 to 3"),
    (["sample", "{run}", "--time", "1", "-n", "0", "-o", "{tmp}/a.csv"], "one or more"),
    (["sample", "{run}", "--time", "1", "-o", "{tmp}/no/a.csv"], "no directory"),
    (["sample", "{run}", "--time", "1", "-o", "{tmp}/a.xlsx"], "suffix"),
    (["query", "{run}", "{tmp}/three.csv", "--time", "1", "-o", "{tmp}/a.csv"], "2"),
    (["query", "{run}", "{tmp}/two.csv", "-o", "{tmp}/a.csv"], "--time"),
    (["info", "{tmp}"], "no file"),
    (["evaluate", "{tmp}"], "holds no run (no config.yaml); fit a model first"),
    (["evaluate", "{run}", "--scaling", "global"], "data.scaling has no meaning for a run"),
    (["evaluate", "{run}", "--standard"], "standard has no meaning for a run"),
    (["evaluate", "{run}", "--data", "{tmp}/two.csv"], "a run of cells, which is measured on"),
    (["trajectories", "{run}", "--from", "0", "--to", "0", "-o", "{tmp}/a.csv"], "increasing"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_QUERIES)
def test_bad_queries(arguments, message, run, tmp_path, capsys):
    (tmp_path / "three.csv").write_text("a,b,c\n1,2,3\n")
    (tmp_path / "two.csv").write_text("a,b\n1,2\n")
    arguments = [argument.format(run=run, tmp=tmp_path) for argument in arguments]
    assert call(*arguments) == 2
    assert message in one_error(capsys)
    assert not list(tmp_path.glob("a.*"))


def test_time_outside_the_range_is_allowed_when_asked(run, tmp_path):
    out = tmp_path / "a.csv"
    assert call("sample", run, "--time", "3.5", "-n", "5", "-o", out, "--extrapolate") == 0
    assert out.exists()


def test_damaged_model_files(run, tmp_path, capsys):
    good = (run / "model.lv").read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    for content in (good[: len(good) // 2], bytes(flipped), b"", b"not a zip"):
        (tmp_path / "model.lv").write_bytes(content)
        assert call("info", tmp_path) == 2
        assert "model.lv" in one_error(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["fit", "cells", "bad.csv"],
        ["fit", "density", "bad.csv"],
        ["fit", "events", "bad.csv"],
        ["fit", "cells", "bad.csv", "--set", "training.steps=many"],
    ],
)
def test_help_and_refusals_do_not_import_jax(arguments, tmp_path, monkeypatch):
    (tmp_path / "bad.csv").write_text("t,x\n0,1\n1\n")
    monkeypatch.chdir(tmp_path)
    code = (
        f"import sys; sys.argv = ['liouville', *{arguments}]\n"
        "from liouville.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'jax' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
