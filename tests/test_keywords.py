"""The flags of the command line as keywords of the functions `fit_...`."""

import numpy as np
import pytest

import liouville
from liouville.errors import LiouvilleError
from liouville.runs.config import describe
from liouville.tasks import TASKS
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.settings import settings_of


@pytest.mark.parametrize("name", TASKS)
def test_every_flag_is_a_keyword(name):
    kind = TASKS[name].config
    entries = [entry for entry in describe(kind) if entry.flag]
    assert {"seed", "steps"} <= {entry.flag.lstrip("-").replace("-", "_") for entry in entries}
    for entry in entries:
        keyword = entry.flag.lstrip("-").replace("-", "_")
        assert settings_of(kind, None, {keyword: entry.default}) == kind()
    function = getattr(liouville, f"fit_{name}")
    with pytest.raises(LiouvilleError, match="unknown argument 'stepz'; did you mean 'steps'"):
        function(None, stepz=3)


def test_keywords_win_over_settings_and_take_what_python_has(tmp_path):
    given = {"training.seed": 3, "path.parts": 5, "data.held_out": 0.2}
    keywords = {
        "seed": np.int64(7),
        "parts": None,
        "features": "PC1,PC2",
        "without": ("a", "b"),
        "times": {"iPSC": 18, "MEF": 0},
        "mass": tmp_path / "totals.csv",
        "mass_error": 0,
    }
    for settings in (given, settings_of(CellsConfig, given)):
        made = settings_of(CellsConfig, settings, keywords)
        assert (made.training.seed, made.path.parts, made.data.held_out) == (7, None, 0.2)
        assert (made.data.features, made.data.without) == (("PC1", "PC2"), ("a", "b"))
        assert made.data.times == "iPSC=18,MEF=0"
        assert made.growth.mass == str(tmp_path / "totals.csv")
    with pytest.raises(LiouvilleError, match=r"path\.parts is 0 but must be a whole number"):
        settings_of(CellsConfig, given, {"parts": 0})
    with pytest.raises(LiouvilleError, match=r"training\.seed is None but must be"):
        settings_of(CellsConfig, given, {"seed": None})
