"""Groups of cells in the report: read with their colours, drawn from what the model says."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from liouville.data import Snapshots, read_cells
from liouville.plots import to_png
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.demo import Truth, demo_cells
from liouville.tasks.cells.pictures import group_pictures
from liouville.tasks.cells.read import read
from test_plots import check_png

_WHOLE = demo_cells()
_TRUTH = Truth(_WHOLE.cells.select(np.arange(0, len(_WHOLE.cells), 8)), _WHOLE.model)
_BRANCH = _TRUTH.model.log_shares(_TRUTH.cells.times, _TRUTH.cells.points).argmax(1)


def _cells(groups: np.ndarray | None) -> Snapshots:
    return dataclasses.replace(_TRUTH.cells, groups=groups, colours={"a": "#123456", "b": "no"})


@pytest.mark.slow
def test_all_pictures_of_groups_are_drawn() -> None:
    groups = np.where(_TRUTH.cells.times < 1, "start", np.array(["a", "b", "-"])[_BRANCH])
    pictures = group_pictures(_TRUTH.model, _cells(groups), errors=False)
    names = [picture.name.removesuffix(".png") for picture in pictures]
    assert names == ["groups", "composition", "growth", "fates", "sankey"]
    for picture in pictures:
        check_png(to_png(picture.draw(), dpi=40))


@pytest.mark.parametrize("groups", [None, np.arange(len(_BRANCH)), np.full(len(_BRANCH), "a")])
def test_without_groups_that_can_be_drawn_growth_is_left(groups: np.ndarray | None) -> None:
    said = contextlib.nullcontext() if groups is None else pytest.warns(match="2 to 16 can be read")
    with said:
        pictures = group_pictures(_TRUTH.model, _cells(groups), errors=False)
    assert [picture.name for picture in pictures] == ["growth.png"]


def test_a_time_whose_cells_have_no_group_has_no_ribbons() -> None:
    groups = np.where(_TRUTH.cells.times == 2.0, "-", np.array(["a", "b", "c"])[_BRANCH])
    names = [picture.name for picture in group_pictures(_TRUTH.model, _cells(groups), errors=False)]
    assert "fates.png" in names
    assert "sankey.png" not in names


def test_groups_of_a_table_may_be_missing(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    file = tmp_path / "a.csv"
    rows = [
        f"{i % 2},{i * 1.37 % 5:.2f},{i * 2.31 % 7:.2f},{('T', '', '7')[i % 3]}" for i in range(12)
    ]
    file.write_text("\n".join(["day,x,y,type", *rows]))
    config = CellsConfig()
    data = dataclasses.replace(config.data, file=str(file), color="type", min_cells=2)
    cells = read(dataclasses.replace(config, data=data))
    assert cells.features == ("x", "y")
    assert cells.groups is not None
    assert cells.groups[:3].tolist() == ["T", "-", "7"]
    assert cells.select(np.arange(3) + 1).groups is not None


def test_colours_of_anndata_come_along() -> None:
    anndata, pd = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    kinds = pd.Categorical(["u", "v", "w"] * 8, categories=["w", "u", "v"])
    obs = pd.DataFrame({"day": np.repeat([0.0, 1.0], 12), "kind": kinds})
    obs.index = obs.index.astype(str)
    cells = anndata.AnnData(np.zeros((24, 2)), obs=obs)
    cells.obsm["X_pca"] = np.random.default_rng(0).normal(size=(24, 2))
    cells.uns["kind_colors"] = ["#ff0000", "#00ff00", "url(evil)"]
    found = read_cells(cells, groups="kind")
    assert found.groups is not None
    assert found.groups[:3].tolist() == ["u", "v", "w"]
    assert found.colours == {"w": "#ff0000", "u": "#00ff00"}
    cells.uns["kind_colors"] = ["#ff0000"]
    assert read_cells(cells, groups="kind").colours == {}
