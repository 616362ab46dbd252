"""What notebooks show: figures and a picture of a fit, a bar of progress."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from liouville.data import Samples
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.demo import demo_cells
from liouville.tasks.cells.fit import CellsFit
from liouville.training._progress import ProgressBar


def _fit(reason: str = "early") -> CellsFit:
    truth = demo_cells()
    model, summary = truth.model, {"cells": 3676, "a <b>": 0.51239, "by time": [{"time": 1.0}]}
    model.notes["task"] = "cells"
    return CellsFit(model, CellsConfig(), [], summary, reason, truth.cells)  # pyright: ignore[reportArgumentType]


def test_a_fit_shows_its_figures_and_a_picture() -> None:
    text = _fit()._repr_html_()
    assert "<td>a &lt;b&gt;</td><td>0.5124</td>" in text
    assert "src='data:image/png;base64," in text
    assert "by time" not in text


def test_an_interrupted_fit_shows_its_figures_alone() -> None:
    text = _fit("interrupted")._repr_html_()
    assert "<td>3,676</td>" in text
    assert "<img" not in text


def test_a_model_shows_its_facts() -> None:
    assert "<td>coordinates</td><td>2</td>" in demo_cells().model._repr_html_()


def test_progress_is_a_bar_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, bodies = io.StringIO(), []
    ProgressBar(10, stream=quiet).update(5, {"step": 5, "loss": 1.0})
    assert quiet.getvalue() == ""  # in a pipe

    def display(body: str, display_id: bool) -> SimpleNamespace:
        bodies.append(body)
        return SimpleNamespace(update=bodies.append)

    shell = SimpleNamespace(has_trait=lambda name: name == "kernel")
    tools = SimpleNamespace(display=display, HTML=str)
    notebook = SimpleNamespace(get_ipython=lambda: shell, display=tools)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    bar = ProgressBar(10)
    bar.update(5, {"step": 5, "<loss>": 1.0})
    bar.close()
    assert "<progress value='5' max='10'>" in bodies[1]
    assert "&lt;loss&gt; 1" in bodies[1]
    assert "5/10 · in 0 s" in bodies[2]


def test_a_console_shows_what_things_are_and_not_their_numbers() -> None:
    truth = demo_cells()
    fitted = CellsFit(truth.model, CellsConfig(), [], {"cells": 3676}, "early", truth.cells)
    assert repr(fitted) == "CellsFit\n  cells  3,676"
    assert repr(truth.model).startswith("Model\n  ")
    samples = Samples(np.zeros((5, 2)) + np.arange(5)[:, None])
    assert repr(samples) == "Samples of data: 5 rows, 2 columns"
    assert "<p>Samples of data" in samples._repr_html_()
    assert repr(truth.cells).endswith("1200 at day 4")
