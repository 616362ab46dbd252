"""Code of README and the guides is understood, and runs in the order in which it is written.

Commands and programs run with simulated data under the names that the pages use, and with few
steps of training. `documents.py` has the data.
"""

import contextlib
import functools
import importlib.util
import os
import re
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

import liouville as lv
from commands import call, draw_nothing
from documents import PAGES, ROOT, Block, blocks, commands, inline, write_data
from liouville.cli import app
from liouville.runs.config import from_dict, load_yaml
from liouville.tasks.cells.config import CellsConfig

# Blocks that are pieces of files, not programs, by their first words.
_PIECES = ("# liouville/tasks/", '"student-full-cubic"', '"distance": Case')
# Of other programs, or of the network.
_ELSEWHERE = {"pip", "pytest", "python", "time", "export", "echo", "mpirun"}
_PYTHON = [b for page in PAGES for b in blocks(page) if b.language == "python"]
# Manifests of a cluster are no settings.
_SETTINGS = [
    b
    for page in PAGES
    for b in blocks(page)
    if b.language == "yaml" and not b.code.startswith("apiVersion")
]
_SHELL = [b for page in PAGES for b in blocks(page) if b.language == "bash"]
# Pages that stand on a run of another page: it is made first.
_BEFORE = {
    "anndata.md": ["liouville fit cells cells.h5ad --time-key day --out RUN"],
    "fates.md": ["liouville fit cells cells.h5ad --time-key day --out RUN"],
}
# What a page lets its reader have.
_HAVE = {
    "anndata.md": (
        "import anndata, numpy as np; adata = anndata.read_h5ad('cells.h5ad'); "
        "adata.obsm['X_pca'] = np.random.default_rng(0).normal(size=(adata.n_obs, 30))"
    ),
    "cells.md": "t = 1.0",
    "control.md": "import numpy as np; x = np.zeros((3, 2))",
    "transport.md": (
        "import numpy as np; x = np.random.default_rng(0).normal(size=(60, 2)); y = x[::-1] + 1.0; "
        "a, b = 'A.csv', 'B.csv'"
    ),
}
# Words that stand for the reader's own, by page.
_OWN = {
    "benchmarks.md": {"DATA": "many.npz"},
    "README.md": {"CLASS": "A", "CATALOGUE": "japan.csv", "POINTS": "POINTS.csv"},
    "cells.md": {"DATA": "cells.h5ad"},
    "transport.md": {"[MORE": "MORE.csv", "...]": "", "POINTS": "POINTS.csv"},
}
_ENDS = {"SOURCE": "SOURCE.csv", "TARGET": "TARGET.csv"}
# README's DATA is of cells once, and of samples with classes once.
_README_DATA = {"cells": "cells.h5ad", "density": "samples.csv"}
_MOST = {"-n": "20", "--draws": "5", "--seeds": "1", "--until": "2020-01-03T00:00Z"}
_FEW = {
    **{"training.steps": 4, "training.chunk": 2},
    **{"training.validate_every": 2, "training.checkpoint_every": 2},
}
_SMALL = {
    "cells": {"path.members": 2},
    "density": {"path.members": 1, "path.parts": 3, "path.width": 8, "path.depth": 1},
    "transport": {"path.parts": 8, "ends.most": 3},
    "control": {
        **{"path.parts": 2, "path.bends": 1, "path.bend_steps": 5},
        **{"rollout.trajectories": 20, "rollout.steps": 20},
    },
    "events": {"measure.baselines": False},
}


def _said(block: Block) -> str:
    return f"{block.page.name}-{block.line}"


def understood(words: Sequence[str], *, whole: bool = True) -> None:
    """Parses a command as the command line does, without running it."""
    command: Any = typer.main.get_command(app)
    rest, name = list(words[1:]), words[0]
    while hasattr(command, "commands"):
        context = command.make_context(name, list(rest), resilient_parsing=True)
        assert rest, f"{words}: no command"
        if rest[0].startswith("-"):
            assert rest[0] in [flag for param in command.params for flag in param.opts]
            return
        name, command, rest = command.resolve_command(context, rest)
    if not rest and not whole:
        return
    try:
        command.make_context(name, rest)
    except Exception as refused:
        if whole or type(refused).__name__ not in ("MissingParameter", "BadOptionUsage"):
            raise AssertionError(f"{' '.join(words)}: {refused}") from refused


@pytest.mark.parametrize("block", _SHELL, ids=_said)
def test_commands_are_understood(block: Block):
    for words in commands(block.code):
        if (
            "liouville" in words and words[0] not in _ELSEWHERE
        ):  # after what launches it, and without what the shell fills in
            own = words[words.index("liouville") :]
            understood([word for word in own if not word.startswith("$")])
        elif words[0] == "python" and not words[1].startswith("-"):
            program = ROOT / words[1]
            flags = [w for w in words[2:] if w.startswith("--")]
            said = program.read_text("utf-8")
            assert [flag for flag in flags if flag not in said] == []
        else:
            assert words[0] in _ELSEWHERE or re.match(r"\w+=", words[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_are_understood(page: Path):
    for words in inline(page):
        understood([word for word in words if word not in ("...", "…")], whole=False)


def test_a_wrong_flag_is_found():
    with pytest.raises(AssertionError, match="--time-kee"):
        understood(["liouville", "fit", "cells", "DATA", "--time-kee", "day"])
    with pytest.raises(AssertionError):
        understood(["liouville", "forecast", "RUN"])


@pytest.mark.parametrize("block", _PYTHON, ids=_said)
def test_programs_name_what_there_is(block: Block):
    if not block.code.startswith('"'):
        compile(block.code, _said(block), "exec")
    for name in re.findall(r"\blv((?:\.\w+)+)", block.code):
        functools.reduce(getattr, name[1:].split(".")[:2], lv)


@pytest.mark.parametrize("block", _SETTINGS, ids=_said)
def test_settings_are_known(block: Block, tmp_path: Path):
    file = tmp_path / "my.yaml"
    file.write_text(block.code)
    assert from_dict(CellsConfig, load_yaml(file)) != CellsConfig()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _briefly(monkeypatch) -> None:
    """Fits of Python take few steps, and draw nothing."""
    from liouville import diffusions

    draw_nothing(monkeypatch)
    for task in ("cells", "density", "transport", "control", "events"):
        fit = getattr(lv, f"fit_{task}")
        few = {**_FEW, **_SMALL.get(task, {})}

        def brief(*data, settings=None, fit=fit, few=few, **keywords):
            if len(data) > 1 and isinstance(data[-1], dict):
                *data, settings = data
            keywords = {k: v for k, v in keywords.items() if k != "steps"}
            return fit(*data, settings={**(settings or {}), **few}, **keywords)

        monkeypatch.setattr(lv, f"fit_{task}", brief)
    fit = lv.fit
    monkeypatch.setattr(lv, "fit", lambda *a, steps, **k: fit(*a, steps=min(steps, 5), **k))
    for name in ("solve_fokker_planck", "smooth"):
        solve = getattr(diffusions, name)
        monkeypatch.setattr(diffusions, name, functools.partial(solve, steps=5))


def _shortened(words: list[str], page: Path) -> list[str]:
    """A command with the reader's own words filled in, and little to do."""
    own = {**_ENDS, **_OWN.get(page.name, {})}
    if page.name == "README.md" and words[1] == "fit" and words[2] in _README_DATA:
        own["DATA"] = _README_DATA[words[2]]
    words = [own.get(word, word) for word in words if own.get(word, word)]
    for flag, most in _MOST.items():
        if flag in words:
            words[words.index(flag) + 1] = most
    is_method = words[1:3] == ["evaluate", "cells"]
    if words[1] == "fit" or is_method:
        few = {**_FEW, **_SMALL.get(words[2], {})}
        words += [w for key, value in few.items() for w in ("--set", f"{key}={value}")]
    return words


def _is_ours(words: Sequence[str]) -> bool:
    """Whether a command is run: not if it needs the network, or is run as it stands elsewhere."""
    return words[0] == "liouville" and words[1] not in ("download", "demo")


def _is_run(block: Block) -> bool:
    """Whether a block runs here, all of it or those of its commands that can."""
    if block.language == "bash":
        return any(map(_is_ours, commands(block.code)))
    is_whole = not block.code.startswith(_PIECES)
    return block.language == "python" and is_whole and not _lacks(block.code)


def _run_shell(code: str, page: Path) -> None:
    for words in filter(_is_ours, commands(code)):
        words = _shortened(words, page)
        assert call(*words[1:]) == 0, " ".join(words)


def _lacks(code: str) -> list[str]:
    """Packages that a program imports and that are not installed."""
    names = re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)
    return [name for name in names if importlib.util.find_spec(name) is None]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # so few steps are warned of
@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(map(_is_run, blocks(p)))], ids=lambda page: page.name
)
def test_a_page_runs(page: Path, tmp_path: Path, monkeypatch, capsys):
    """All its blocks, one after the other, in one folder."""
    write_data(tmp_path, page)
    _briefly(monkeypatch)
    names = types.ModuleType("__main__").__dict__
    with _inside(tmp_path):
        for command in _BEFORE.get(page.name, []):
            _run_shell(command, page)
        exec(_HAVE.get(page.name, ""), names)
        for block in filter(_is_run, blocks(page)):
            if block.language == "bash":
                _run_shell(block.code, page)
            else:
                exec(compile(block.code, _said(block), "exec"), names)
