"""Densities at the command line: runs with classes, resuming, questions, awkward tables."""

import contextlib
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

import liouville as lv
from commands import call, draw_nothing, error_of
from liouville.data import Quantisation
from liouville.runs.interruption import Interruption
from liouville.training import _fit as training

# Half a unit of uniform noise, and the tails of the Gaussian parts fitted to it.
NOISE = 3.0

BRIEF = {
    "training.steps": 20,
    "training.chunk": 10,
    "training.validate_every": 10,
    "training.checkpoint_every": 10,
    "objective.particles": 4,
    "path.parts": 2,
    "path.width": 3,
    "path.members": 1,
    "path.depth": 1,
    "report.movie": "false",
}
FAST = [word for key, value in BRIEF.items() for word in ("--set", f"{key}={value}")]


def write(file: Path, columns: dict[str, np.ndarray]) -> Path:
    rows = zip(*columns.values())
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    species = np.where(np.arange(120) % 3 == 0, "ant", "bee")
    shift = np.where(species == "ant", 0.0, 6.0)
    columns = {
        "species": species,
        "a": rng.normal(size=120) + shift,
        "count": rng.poisson(3.0, 120),
        "same": np.full(120, 2.5),
    }
    return write(tmp_path_factory.mktemp("tables") / "insects.csv", columns)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory) -> Path:
    """A run without a report, which takes longer than a brief fit; a slow test draws it."""
    folder = tmp_path_factory.mktemp("runs") / "RUN"
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        assert call("fit", "density", table, "--label", "species", "--out", folder, *FAST) == 0
    return folder


@pytest.fixture
def without_report(monkeypatch):
    """The report takes longer than a brief fit."""
    draw_nothing(monkeypatch)


@contextlib.contextmanager
def _always_interrupted():
    yield Interruption(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.usefixtures("without_report")
def test_an_interrupted_run_goes_on_to_the_same_model(run, table, tmp_path, monkeypatch, capsys):
    arguments = ("fit", "density", table, "--label", "species", "--out", tmp_path / "RUN")
    with monkeypatch.context() as patch:
        patch.setattr(training, "graceful_interruption", _always_interrupted)
        assert call(*arguments, *FAST) == 130
    assert "--resume" in capsys.readouterr().err
    assert not (tmp_path / "RUN" / "model.lv").exists()
    assert call(*arguments, "--resume") == 0
    x = np.random.default_rng(1).normal(size=(5, 3))
    ours, theirs = lv.load(tmp_path / "RUN"), lv.load(run)
    np.testing.assert_array_equal(ours.log_density(1.0, x), theirs.log_density(1.0, x))


@pytest.mark.slow
@pytest.mark.usefixtures("without_report")
def test_a_finished_run_is_resumed_without_a_step(run, table, tmp_path):
    shutil.copytree(run, tmp_path / "RUN")
    before = lv.load(run).sample(1.0, 3)
    assert (
        call("fit", "density", table, "--label", "species", "--resume", "--out", tmp_path / "RUN")
        == 0
    )
    np.testing.assert_array_equal(lv.load(tmp_path / "RUN").sample(1.0, 3), before)


@pytest.mark.usefixtures("without_report")
@pytest.mark.slow
def test_a_new_run_that_was_stopped_before_it_took_its_place_takes_it(run, table, tmp_path):
    folder, new = tmp_path / "RUN", tmp_path / "RUN" / ".new"
    shutil.copytree(run, folder)
    shutil.copytree(run, new)
    model = (run / "model.lv").read_bytes()
    (folder / "model.lv").write_bytes(b"of the old run")
    arguments = ("fit", "density", table, "--label", "species", "--out", folder)
    assert call(*arguments, "--resume") == 0
    assert (folder / "model.lv").read_bytes() == model
    assert not list(folder.glob(".*"))


def test_resume_refuses_another_label(run, table, capsys):
    assert call("fit", "density", table, "--label", "count", "--resume", "--out", run) == 2
    assert "data.label is species in the run and count now" in error_of(capsys)


@pytest.mark.slow
def test_plot_draws_the_report(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "RUN")
    again = tmp_path / "RUN"
    assert call("plot", again, "--no-movie") == 0
    before = {file.name for file in (again / "figures").iterdir()}
    shutil.rmtree(again / "figures")
    (again / "report.html").unlink()
    capsys.readouterr()
    assert call("plot", again, "--no-movie", "--json") == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(again / "report.html")
    assert {file.name for file in (again / "figures").iterdir()} == before
    assert "ant" in (again / "report.html").read_text()


def test_evaluate_scores_the_run_again(run, capsys):
    capsys.readouterr()
    assert call("evaluate", run, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    summary = json.loads((run / "summary.json").read_text())
    assert found.pop("run") == str(run)
    assert found == {key: summary[key] for key in found}
    assert {"test nats per sample", "test nats per sample, class given"} <= set(found)


def test_draws_of_a_class_are_of_that_class(run, tmp_path):
    means = []
    for name in ("ant", "bee"):
        out = tmp_path / f"{name}.npz"
        arguments = ("--time", 1, "-n", 50, "--given", name, "-o", out)
        assert call("sample", run, *arguments) == 0
        with np.load(out) as drawn:
            assert len(drawn["a"]) == 50
            means.append(drawn["a"].mean())
    assert means[0] < 3.0 < means[1]


def test_draws_of_whole_steps_are_whole(run, tmp_path, capsys):
    drawn, half, asked = (tmp_path / f"{name}.npz" for name in ("one", "half", "asked"))
    # Without a time that of the data is meant.
    assert call("sample", run, "-n", 50, "-o", drawn) == 0
    assert "count, same are of whole steps: draws are the values below" in capsys.readouterr().err
    with np.load(drawn) as found:
        assert np.array_equal(found["count"], np.floor(found["count"]))
        assert np.all(found["same"] % 1.0 == 0.5)
        assert np.any(found["a"] != np.floor(found["a"]))
    # On the way there are no values, only a density.
    assert call("sample", run, "--time", 0.5, "-n", 50, "-o", half) == 0
    with np.load(half) as found:
        assert np.any(found["count"] != np.floor(found["count"]))
    assert call("query", run, drawn, "--time", 1, "-o", asked) == 0
    assert "uniform noise of one step added" in capsys.readouterr().err
    with np.load(drawn) as found:
        points = {name: found[name] for name in ("a", "b", "count", "same") if name in found}
    plain, again = tmp_path / "plain.npz", tmp_path / "again.npz"
    np.savez(plain, **points, t=np.full(50, 30.0))  # an age, say, which is no time of the model
    assert call("query", run, plain, "-o", again) == 0
    with np.load(asked) as first, np.load(again) as second:
        assert np.array_equal(first["log_density"], second["log_density"])


def test_a_class_nobody_has_seen(run, tmp_path, capsys):
    out = tmp_path / "cows.csv"
    assert call("sample", run, "--time", 1, "--given", "cow", "-o", out) == 2
    assert "knows no class 'cow'; its classes: ant, bee" in error_of(capsys)
    assert not out.exists()


# Awkward tables


def test_counts_get_noise_and_other_columns_none(run):
    quantisation = Quantisation.from_dict(lv.load(run).notes["quantisation"])
    # A constant column gets a unit of noise, or it would have no density.
    assert quantisation.step.tolist() == [0.0, 1.0, 1.0]


def test_a_constant_column_stays_where_it_is(run):
    model = lv.load(run)
    drawn = model.sample(1.0, 50)
    assert np.isfinite(drawn).all()
    assert np.abs(drawn[:, 2] - 2.5).max() < NOISE
    assert np.isfinite(model.log_density(1.0, drawn)).all()


@pytest.mark.slow
@pytest.mark.usefixtures("without_report")
def test_fewer_samples_than_coordinates(tmp_path, capsys):
    rng = np.random.default_rng(5)
    columns = {f"x{i}": rng.normal(size=25) for i in range(30)}
    file = write(tmp_path / "table.csv", columns)
    assert call("fit", "density", file, "--out", tmp_path / "RUN", *FAST) == 0
    assert "25 rows but 30 columns" in capsys.readouterr().err
    summary = json.loads((tmp_path / "RUN" / "summary.json").read_text())
    numbers = [v for v in summary.values() if isinstance(v, int | float)]
    assert np.isfinite(numbers).all()
    assert lv.load(tmp_path / "RUN").sample(1.0, 4).shape == (4, 30)
