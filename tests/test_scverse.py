"""What `annotate` writes, as scanpy, scVelo and CellRank read it, each by its usual names.

These tools are not among what the tests need, and want an older NumPy than we do:
`pip install scanpy scvelo cellrank 'numpy<2.3'` in an environment of its own.
"""

import matplotlib
import numpy as np
import pytest

import liouville as lv
from cells_cases import annotated, growing_model

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cells():
    matplotlib.use("agg")
    sc = pytest.importorskip("scanpy")
    found = annotated(growing_model(), 300)
    lv.annotate(found, growing_model())
    sc.pp.neighbors(found, use_rep="X_pca")
    return found


def test_scanpy_colours_an_embedding_by_what_is_written(cells, tmp_path):
    sc = pytest.importorskip("scanpy")
    names = ["liouville_log_density", "liouville_growth", "liouville_speed", "kind"]
    drawn = sc.pl.embedding(cells, basis="X_umap", color=names, show=False)
    assert len(drawn) == len(names)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = sc.read_h5ad(tmp_path / "cells.h5ad")
    assert np.allclose(again.obsm["velocity_umap"], cells.obsm["velocity_umap"])


def test_scvelo_draws_our_streams(cells):
    scv = pytest.importorskip("scvelo")
    before = np.array(cells.obsm["velocity_umap"])
    scv.pl.velocity_embedding_stream(cells, basis="umap", color="kind", show=False)
    scv.pl.velocity_embedding(cells, basis="pca", show=False)
    # It draws what is there, and does not compute velocities of its own.
    assert np.array_equal(cells.obsm["velocity_umap"], before)


@pytest.mark.parametrize(
    "names",
    [
        {"attr": "obsm", "xkey": "X_pca", "vkey": "velocity_pca"},
        {"attr": "layers", "xkey": "X", "vkey": "velocity"},
    ],
    ids=["basis", "genes"],
)
def test_cellrank_follows_our_velocities(cells, names):
    cellrank = pytest.importorskip("cellrank")
    if names["attr"] == "layers":
        cells = cells.copy()
        # Cells that lie where the principal components say.
        cells.X = np.asarray(cells.obsm["X_pca"] @ cells.varm["PCs"].T)
    kernel = cellrank.kernels.VelocityKernel(cells, **names).compute_transition_matrix()
    moves = kernel.transition_matrix
    # On the whole the cells that follow lie further out, where both branches go.
    outward = np.abs(np.asarray(cells.obsm["X_pca"])[:, 0])
    side = np.abs(cells.obsm["velocity_pca"][:, 0]) > 1.0
    assert np.mean((moves @ outward - outward)[side & (outward < 3)]) > 0
