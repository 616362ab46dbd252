"""Cells in terms of genes: loadings, trends, drivers."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import liouville as lv
from cells_cases import GENES, annotated, growing_model
from liouville.cells import drivers, gene_trends, loadings_of, trends
from liouville.errors import LiouvilleError
from tolerances import ROUNDING

TIMES = np.repeat([0.0, 1.0, 3.0], 5)


def test_trends_are_weighted_means_with_bands():
    rng = np.random.default_rng(0)
    values, weights = 100 + rng.normal(size=(15, 3)), rng.uniform(size=15)
    found = trends(values, TIMES, weights=weights, genes=("a", "b", "c"))
    assert found.genes == ("a", "b", "c")
    assert found.times.tolist() == [0.0, 1.0, 3.0]
    for row, t in enumerate(found.times):
        own, w = values[t == TIMES], weights[t == TIMES] / weights[t == TIMES].sum()
        mean = w @ own
        assert np.allclose(found.mean[row], mean, atol=ROUNDING)
        assert np.allclose(found.spread[row], np.sqrt(w @ (own - mean) ** 2), atol=ROUNDING)
        assert np.isclose(found.cells[row], 1 / np.sum(w**2))
    equal = trends(values, TIMES)
    assert np.allclose(equal.error[0], values[:5].std(axis=0, ddof=1) / np.sqrt(5))
    sparse = trends(csr_matrix(values), TIMES, weights=weights)
    assert np.allclose(sparse.mean, found.mean, atol=1e-9)


def test_the_band_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = trends(rng.normal(size=(2 * 30, 4000)), np.repeat([0.0, 1.0], 30))
    assert 0.64 < np.mean(np.abs(found.mean) < found.error) < 0.71


def test_a_heat_map_runs_from_early_to_late_genes():
    times = np.arange(5.0)
    late, early, flat = times, -times, np.ones(5)
    middle = -((times - 2) ** 2)
    found = trends(np.column_stack([late, flat, early, middle]), times)
    scores, order = found.heat_map()
    assert order.tolist().index(2) < order.tolist().index(3) < order.tolist().index(0)
    assert scores.shape == (4, 5)
    assert np.allclose(scores[order.tolist().index(1)], 0.0)
    assert np.allclose(scores.mean(axis=1), 0.0, atol=ROUNDING)


def test_refused_trends():
    values = np.zeros((15, 2))
    with pytest.raises(LiouvilleError, match="does not fit times of shape"):
        trends(values, TIMES[:3])
    with pytest.raises(LiouvilleError, match="negative or NaN"):
        trends(values, TIMES, weights=np.full(15, -1.0))
    with pytest.raises(LiouvilleError, match="all weights at time 1 are zero"):
        trends(values, TIMES, weights=(TIMES != 1).astype(float))


@pytest.fixture(scope="module")
def known():
    """Annotated cells with fates, of which `gene3` rises on the right and `gene5` falls there.

    `gene7` rises everywhere, which makes it no driver.
    """
    model = growing_model()
    cells = annotated(model, 600)
    lv.annotate(cells, model, layer=False)
    t, right = cells.obs["day"].to_numpy(), np.asarray(cells.obsm["X_pca"])[:, 0] > 0
    share = np.where(right, 0.9, 0.1)
    cells.obsm["liouville_fates"] = np.column_stack([1 - share, share])
    cells.uns["liouville"]["fates"] = np.array(["left", "right"], object)
    values = np.random.default_rng(1).normal(size=(600, GENES))
    values[:, 3] += t * right
    values[:, 5] -= 2 * t * right
    values[:, 7] += 3 * t
    cells.layers["known"] = values
    return cells


def test_genes_that_change_along_a_fate_come_first(known):
    table = drivers(known, "right", layer="known")
    assert (table.index[0], table.index[-1]) == ("gene3", "gene5")
    assert table.loc["gene5", "change"] < -5 < 2 < table.loc["gene3", "change"]
    assert table.loc["gene5", "correlation"] < 0 < table.loc["gene3", "correlation"]
    seventh = table.loc["gene7"]
    assert seventh["change"] > 10
    assert abs(seventh["contrast"]) < 4 * seventh["contrast_error"]
    other = drivers(known, "left", layer="known")
    assert np.allclose(other["contrast"].sort_index(), -table["contrast"].sort_index(), atol=1e-6)


def test_trends_of_annotated_cells(known):
    all_cells = gene_trends(known, genes=["gene7", "gene3"], layer="known")
    assert all_cells.genes == ("gene7", "gene3")
    assert np.allclose(np.diff(all_cells.mean[:, 0]), 6.0, atol=0.6)
    along = gene_trends(known, fate="right", genes="gene3", layer="known")
    assert along.mean[-1, 0] > all_cells.mean[-1, 1]
    counts = gene_trends(known)
    assert np.allclose(counts.mean[0], known[known.obs["day"] == 0].X.toarray().mean(axis=0))


def test_genes_without_numbers_are_last_and_same_names_are_refused(known):
    cells = known.copy()
    matrix = np.array(cells.X.toarray() if hasattr(cells.X, "toarray") else cells.X, float)
    matrix[0, 0] = np.nan
    cells.X = matrix
    table = drivers(cells, "right")
    assert table.index[-1] == cells.var_names[0]
    assert np.isnan(table.to_numpy()[-1]).all()
    assert np.isfinite(table.to_numpy()[:-1]).all()
    scores, order = gene_trends(cells).heat_map()
    assert order[-1] == 0
    assert np.isnan(scores[-1]).all()
    cells.var_names = ["same"] * GENES
    with pytest.raises(LiouvilleError, match=f"{GENES} genes are called 'same'; tell them apart"):
        gene_trends(cells, genes=["same"])


def test_refused_genes(known):
    with pytest.raises(LiouvilleError, match=r"no fate 'rihgt' in cells; did you mean 'right'"):
        drivers(known, "rihgt")
    with pytest.raises(LiouvilleError, match=r"no gene 'gene99'"):
        gene_trends(known, genes=["gene99"])
    with pytest.raises(LiouvilleError, match=r"no layer 'knwon' in cells; did you mean 'known'"):
        gene_trends(known, layer="knwon")
    bare = annotated(growing_model())
    with pytest.raises(LiouvilleError, match="annotate them first"):
        gene_trends(bare)
    with pytest.raises(LiouvilleError, match="annotate them with terminal="):
        gene_trends(bare, fate="right")


def test_loadings_of_a_trajectory_are_its_expression():
    """The velocity of genes is the rate at which their expression changes along the motion."""
    model = growing_model()
    cells = annotated(model)
    loadings = loadings_of(cells, model.features, "X_pca")
    assert loadings is not None
    clock = np.array([1.0, 1.01, 1.02])
    moved = model.trajectories(model.sample(1.0, 5), clock)
    expressed = moved @ loadings.matrix.T
    rate = (expressed[2] - expressed[0]) / 0.02
    found = loadings.velocities(model.velocity(1.01, moved[1]))
    assert np.allclose(found[:, loadings.has], rate[:, loadings.has], atol=1e-3)
    assert np.isnan(found[:, ~loadings.has]).all()
    assert loadings_of(cells, model.features, "X_umap") is None
