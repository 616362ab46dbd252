"""The notebooks of the documentation: executed, small, and without a trace of a machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
_NOTEBOOKS = sorted(_FOLDER.glob("*.ipynb"))
# Those whose data everybody has; the others need files or further packages.
_ANYWHERE = ("crimes_and_cases", "events", "transport_and_control")
_PLACES = re.compile(r"/(home|root|tmp|usr|opt|Users|mnt)/")


def test_there_are_notebooks() -> None:
    assert _NOTEBOOKS


@pytest.mark.parametrize("file", _NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_was_run_from_top_to_end(file: Path) -> None:
    cells = [c for c in json.loads(file.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 5


@pytest.mark.parametrize("file", _NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_small_and_names_no_place_of_a_machine(file: Path) -> None:
    text = file.read_text("utf-8")
    assert len(text) < 1_500_000
    images = re.compile(r"[A-Za-z0-9+/=]{200,}")
    assert not _PLACES.search(images.sub("", text))


def test_pictures_of_a_notebook_are_small() -> None:
    for file in _NOTEBOOKS:
        for cell in json.loads(file.read_text("utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                assert len(output.get("data", {}).get("image/png", "")) < 400_000  # 300 kB


@pytest.mark.slow
@pytest.mark.parametrize("name", _ANYWHERE)
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    """As a script, in a process of its own, and a bare figure is what a cell may end with."""
    cells = json.loads((_FOLDER / f"{name}.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = tmp_path / f"{name}.py"
    script.write_text("\n\n".join(code))
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, check=True)
