"""Files that are read in pieces, of which as many rows as fit in memory count."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix

from liouville.data import _on_disk, read_cells, read_samples
from liouville.errors import LiouvilleError

CELLS, DIMS = 1000, 3
FEW = 200 * DIMS * 32 / 1e9  # gigabytes of so many cells


def cells() -> anndata.AnnData:
    """Cells in the order of their times, that say in their first coordinate which row they are."""
    rng = np.random.default_rng(0)
    points = np.c_[np.arange(CELLS) + 0.25, rng.normal(size=(CELLS, DIMS - 1))].astype(np.float32)
    day = np.repeat(["day 0", "day 2"], [CELLS // 5, CELLS - CELLS // 5])
    return anndata.AnnData(
        X=csr_matrix(points * (points > 0.5)),
        obs=pd.DataFrame(
            {
                "day": pd.Categorical(day),
                "size": np.arange(1.0, CELLS + 1.0),
                "donor": list("ab" * (CELLS // 2)),
            },
            index=pd.Index([f"cell{i}" for i in range(CELLS)]),
        ),
        obsm={"X_pca": points, "X_umap": points[:, :2]},
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same cells in every format that is read in pieces."""
    folder = tmp_path_factory.mktemp("cells")
    whole = cells()
    whole.write_h5ad(folder / "cells.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of formats to come
        whole.write_zarr(folder / "cells.zarr")
    frame = pd.DataFrame(whole.obsm["X_pca"], columns=pd.Index(["PC1", "PC2", "PC3"]))
    frame["day"] = whole.obs["day"].astype(str).to_numpy()
    frame.to_parquet(folder / "cells.parquet", row_group_size=170)
    return folder


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces of a hundred rows."""
    monkeypatch.setattr(_on_disk, "_PIECE", 8 * DIMS * 99)


FORMATS = pytest.mark.parametrize("suffix", ["h5ad", "zarr", "parquet"])


def read(files, suffix: str, **more):
    named = {} if suffix == "parquet" else {"weights": "size", "donors": "donor", "groups": "day"}
    return read_cells(files / f"cells.{suffix}", time_key="day", **named, **more)


@FORMATS
def test_cells_that_fit_are_those_read_whole(files, suffix):
    whole, limited = read(files, suffix), read(files, suffix, memory=1.0)
    for name in ("points", "times", "weights", "donors", "groups", "identifiers"):
        one, other = getattr(whole, name), getattr(limited, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
    assert whole.features == limited.features


@FORMATS
def test_of_more_cells_as_many_as_fit_are_chosen_evenly(files, suffix):
    most = FEW * (4 / 3 if suffix == "parquet" else 1.0)  # a table has one more column
    with pytest.warns(UserWarning, match=r"of the 1,000 rows of .* 200 are read"):
        few = read(files, suffix, memory=most)
    assert len(few) == 200
    assert 20 <= few.counts[0] <= 60  # of a fifth of the cells, four standard deviations
    rows = few.points[:, 0].astype(int)
    assert np.all(np.diff(rows) > 0)
    # What belongs to a cell stays with it.
    whole = read(files, suffix)
    np.testing.assert_array_equal(few.points, whole.points[rows])
    np.testing.assert_array_equal(few.times, whole.times[rows])
    if few.weights is not None:
        np.testing.assert_array_equal(few.weights, rows + 1.0)
        assert few.identifiers is not None
        assert few.identifiers.tolist() == [f"cell{row}" for row in rows]


def test_a_sparse_matrix_is_read_in_rows(files):
    whole = read_samples(files / "cells.h5ad", basis="X")
    with pytest.warns(UserWarning, match="200 are read"):
        few = read_samples(files / "cells.h5ad", basis="X", memory=FEW)
    rows = few.points[:, 0].astype(int)
    np.testing.assert_array_equal(few.points, whole.points[rows])


def test_what_cannot_be_read_in_pieces_is_refused(tmp_path):
    np.savez(tmp_path / "cells.npz", X=np.zeros((30, 2)), t=np.repeat([0.0, 1.0], 15))
    with pytest.raises(LiouvilleError, match=r"data.memory is 1, but .*cells.npz is read whole"):
        read_cells(tmp_path / "cells.npz", memory=1.0)
    with pytest.raises(LiouvilleError, match="of type ndarray is read whole"):
        read_samples(np.zeros((30, 2)), memory=1.0)
    by_columns = cells()
    by_columns.X = csc_matrix(by_columns.X)
    by_columns.write_h5ad(tmp_path / "columns.h5ad")
    with pytest.raises(LiouvilleError, match="cannot be read in rows; save it as a CSR"):
        read_samples(tmp_path / "columns.h5ad", basis="X", memory=1.0)
