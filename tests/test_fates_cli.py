"""The commands `fates` and `transitions` on a small model and small files."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from commands import call, error_of
from liouville.curves import Constant, Knots
from liouville.data import Standardisation
from liouville.model import MODEL_FILE, Model
from liouville.paths import LocationScale, Masses


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a model of two parts that move apart, and a table of its cells."""
    folder = tmp_path_factory.mktemp("run")
    places = jnp.asarray([[[-0.5, 0.0], [0.5, 0.0]], [[-4.0, 1.0], [4.0, -1.0]]])
    masses = Knots((0.0, 1.0), jnp.log(jnp.asarray([[0.5, 0.5], [0.4, 1.6]])))
    path = LocationScale(Knots((0.0, 1.0), places), Constant(jnp.zeros((2, 2))), Masses(masses))
    units = Standardisation(np.zeros(2), np.ones(2), 0.0, 2.0)
    model = Model(path, units, np.array([0.0, 1.0, 2.0]), ("a", "b"), "day", sigma=0.3)
    model.save(folder / MODEL_FILE)
    lines = ["barcode,day,a,b,type"]
    for day in (0.0, 1.0, 2.0):
        for i, (a, b) in enumerate(model.sample(day, 40, seed=int(day))):
            kind = ("left", "right")[int(a > 0)] if day else ("up", "down")[int(b > 0)]
            lines.append(f"c{day:g}_{i},{day:g},{a},{b},{kind}")
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    return folder


def table(file):
    names, *rows = (line.split(",") for line in file.read_text().splitlines())
    return {name: np.array(column) for name, column in zip(names, zip(*rows))}


def test_fates_are_written_with_barcodes(run, tmp_path, capsys):
    out = tmp_path / "fates.csv"
    found = call("fates", run, run / "cells.csv", "--terminal", "type", "-o", out, "--json")
    assert found == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 120
    written = table(out)
    assert list(written) == ["identifier", "day", "fate left", "fate right"]
    assert written["identifier"][0] == "c0_0"
    chances = np.stack([written["fate left"], written["fate right"]], 1).astype(float)
    assert np.allclose(chances.sum(1), 1.0)
    days = written["day"].astype(float)
    assert (chances[days == 2.0].max(1) > 0.95).all()
    # More descendants go right.
    assert chances[days == 0.0, 1].mean() > 0.65


def test_ancestors_islands_and_other_times(run, tmp_path, capsys):
    out = tmp_path / "found.csv"
    assert call("fates", run, run / "cells.csv", "--groups", "type", "--backward", "-o", out) == 0
    assert list(table(out)) == ["identifier", "day", "ancestor down", "ancestor up"]
    assert call("fates", run, run / "cells.csv", "-o", out, "--by", "flow") == 0
    assert list(table(out))[2:] == ["fate part 1", "fate part 2"]
    capsys.readouterr()
    assert call("fates", run, run / "cells.csv", "--terminal", "type", "--to", 1, "-o", out) == 0
    assert "warning: 40 cells of" in capsys.readouterr().err
    assert len(table(out)["day"]) == 80


def test_transitions_are_written(run, tmp_path):
    out, options = tmp_path / "table.csv", ("--groups", "type", "--from", 1, "--to", 2)
    assert call("transitions", run, run / "cells.csv", *options, "-o", out) == 0
    written = table(out)
    assert written["from"].tolist() == ["left", "right"]
    rows = np.stack([written["to left"], written["to right"]], 1).astype(float)
    assert np.allclose(rows, np.eye(2), atol=0.1)
    assert np.allclose(rows.sum(1), 1.0)
    assert written["share at 2"].astype(float).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--terminal", "typ"), "no column 'typ' in"),
        (("--terminal", "type", "--to", 1.5), "no cells at day 1.5 in"),
        (("--terminal", "type", "--to", 9), "time 9 is outside the fitted range"),
        (("--terminal", "barcode", "--by", "magic"), "magic"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(run, tmp_path, capsys, options, message):
    out = tmp_path / "fates.csv"
    assert call("fates", run, run / "cells.csv", *options, "-o", out) == 2
    assert message in error_of(capsys)
    assert not out.exists()


def test_one_group_alone_is_refused(run, tmp_path, capsys):
    text = (run / "cells.csv").read_text().replace("left", "right")
    (tmp_path / "one.csv").write_text(text)
    found = call("fates", run, tmp_path / "one.csv", "--terminal", "type", "-o", tmp_path / "o.csv")
    assert found == 2
    assert "all labelled cells are of the group right" in error_of(capsys)
