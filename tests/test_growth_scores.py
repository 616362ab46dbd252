"""Expected rates of growth from what cells express."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from liouville.data import read_cells
from liouville.data._growth_scores import rates_of
from liouville.errors import LiouvilleError
from tolerances import ROUNDING

anndata = pytest.importorskip("anndata")

RNG = np.random.default_rng(0)
# Two genes of division that go together, one of death, one of nothing; 1.5 keeps them no counts.
ACTIVE = np.repeat([0.0, 1.0], 20)
EXPRESSED = np.column_stack([ACTIVE, 3.0 * ACTIVE, 1.0 - ACTIVE, RNG.normal(size=40)]) + 1.5
GENES = ["Mki67", "Top2a", "Bax", "Actb"]
DAYS = np.tile([0.0, 1.0], 20)


def annotated(**obs: Any) -> Any:
    names = pd.Index([f"cell{i}" for i in range(40)])
    frame, genes = pd.DataFrame({"day": DAYS, **obs}, index=names), pd.Index(GENES)
    cells = anndata.AnnData(EXPRESSED, frame, pd.DataFrame(index=genes))
    cells.obsm["X_pca"] = RNG.normal(size=(40, 2))
    return cells


def rates(cells: Any, **more: Any) -> np.ndarray:
    found = read_cells(cells, **more).rates
    assert found is not None
    return found


def logistic(score: np.ndarray, center: float, width: float) -> np.ndarray:
    return 0.3 + 1.4 / (1.0 + np.exp(-4.0 * (score - center) / width))


def test_genes_give_the_rates_of_their_mean_deviation(tmp_path: Path):
    births = logistic(2.0 * ACTIVE - 1.0, 0.25, 0.5)  # deviations are one on either side
    for genes in ("MKI67,TOP2A", ["Mki67", "Top2a"]):
        found = rates(annotated(), proliferation=genes)
        np.testing.assert_allclose(found, births, rtol=ROUNDING)
    file = tmp_path / "death.txt"
    file.write_text("# genes of death\nBAX\n\n")
    found = rates(annotated(), proliferation="MKI67,TOP2A", apoptosis=str(file))
    deaths = logistic(1.0 - 2.0 * ACTIVE, 0.1, 0.2)
    np.testing.assert_allclose(found, births - deaths, rtol=ROUNDING)
    # A gene of raw is preferred, and what one gene shows is cut off at five deviations.
    cells = annotated()
    cells.raw = cells.copy()
    cells = cells[:, ["Actb"]].copy()
    np.testing.assert_allclose(rates(cells, proliferation="mki67"), births)


def test_scores_and_rates_that_are_there_are_taken():
    score = np.linspace(-1.0, 1.0, 40)
    found = rates(annotated(S_score=score), proliferation="S_score")
    np.testing.assert_allclose(found, logistic(score, 0.25, 0.5))
    frame = pd.DataFrame({"day": DAYS, "x": score, "divide": score, "rate": 2.0 * score})
    options: Any = {"proliferation": "divide", "without": "rate"}
    assert read_cells(frame, **options).features == ("x",)
    np.testing.assert_allclose(rates(frame, **options), logistic(score, 0.25, 0.5))
    np.testing.assert_allclose(rates(frame, rates="rate", features="x"), 2.0 * score)
    # Genes are coordinates, too.
    assert read_cells(frame, proliferation="x,divide").features == ("x", "divide", "rate")


def test_rates_are_in_the_unit_of_time():
    score = {"proliferation": np.array([0.25])}
    np.testing.assert_allclose(rates_of(score, ""), 1.0)
    np.testing.assert_allclose(rates_of(score, "hours"), 1.0 / 24.0)
    np.testing.assert_allclose(rates_of(score, "weeks"), 7.0)


def test_genes_that_are_not_there():
    with pytest.warns(UserWarning, match="1 of 3 genes of proliferation are not in .*: CDK1"):
        found = rates(annotated(), proliferation="MKI67,CDK1,TOP2A")
    np.testing.assert_allclose(found, rates(annotated(), proliferation="MKI67,TOP2A"))
    with pytest.raises(LiouvilleError, match="none of the 2 genes of apoptosis"):
        read_cells(annotated(), apoptosis="FAS,BAD")
    with pytest.raises(LiouvilleError, match=r"no column or gene of apoptosis 'dy'.*did you mean"):
        read_cells(annotated(), apoptosis="dy")
    with pytest.raises(LiouvilleError, match="rates 'day' are given, and scores"):
        read_cells(annotated(), rates="day", apoptosis="Bax")
    with pytest.raises(LiouvilleError, match="rates 'r' has no meaning for arrays"):
        read_cells((EXPRESSED, DAYS), rates="r")


def test_counts_are_said_and_their_logarithms_taken():
    cells = annotated()
    cells.X = np.rint(10.0 * EXPRESSED)
    with pytest.warns(UserWarning, match="genes of proliferation in .* are counts"):
        found = rates(cells, proliferation="Mki67,Top2a")
    np.testing.assert_allclose(found, logistic(2.0 * ACTIVE - 1.0, 0.25, 0.5), rtol=ROUNDING)
