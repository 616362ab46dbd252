"""What a model says of cells, in AnnData and its files."""

import dataclasses
import json
import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy.sparse import csc_matrix, issparse

import liouville as lv
from cells_cases import DAYS, DIM, GENES, annotated, growing_model
from commands import call, error_of
from liouville.cells import annotate_file, projected
from liouville.cells._plain import plain
from liouville.errors import LiouvilleError
from liouville.runs.folder import open_run
from tolerances import ROUNDING

OBS = ("time", "log_density", "growth", "speed")


@pytest.fixture(scope="module")
def model():
    return growing_model()


@pytest.fixture
def cells(model):
    return annotated(model)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> Path:
    """A folder that holds a model alone."""
    found = tmp_path_factory.mktemp("model")
    model.save(found / "model.lv")
    return found


def test_answers_stand_beside_their_cells(model, cells):
    before = cells.copy()
    assert lv.annotate(cells, model) is None
    x, t = np.asarray(before.obsm["X_pca"], float), before.obs["day"].to_numpy()
    u = model.velocity(t, x)
    assert np.allclose(cells.obs["liouville_time"], t)
    assert np.allclose(cells.obs["liouville_log_density"], model.log_density(t, x), atol=1e-5)
    assert np.allclose(cells.obs["liouville_growth"], model.growth(t, x), atol=1e-6)
    assert np.allclose(cells.obs["liouville_speed"], np.linalg.norm(u, axis=1), atol=1e-5)
    assert np.allclose(cells.obsm["velocity_pca"], u, atol=1e-5)
    layer = cells.layers["velocity"]
    assert layer.dtype == np.float32
    assert np.allclose(layer[:, :-2], u @ before.varm["PCs"][:-2].T, atol=1e-4)
    assert np.isnan(layer[:, -2:]).all()
    assert cells.var["velocity_genes"].tolist() == [True] * (GENES - 2) + [False] * 2
    assert cells.obs_names.equals(before.obs_names)
    assert cells.obs["kind"].equals(before.obs["kind"])
    assert cells.obs["kind"].cat.categories.tolist() == ["right", "left"]
    assert issparse(cells.X)
    assert (cells.X != before.X).nnz == 0
    said = cells.uns["liouville"]
    assert said["basis"] == "X_pca"
    assert said["time_key"] == "day"
    assert said["model"]["times"].tolist() == list(DAYS)
    assert cells.uns["velocity_params"]["embeddings"].tolist() == ["pca", "umap"]


def test_a_copy_leaves_the_object_as_it_is(model, cells):
    made = lv.annotate(cells, model, copy=True, key="lv", velocity="flow")
    assert "lv_growth" in made.obs
    assert "flow_umap" in made.obsm
    assert "flow" in made.layers
    assert list(cells.obs) == ["day", "label", "kind"]
    assert "lv" not in cells.uns


def test_a_view_becomes_an_object_of_its_own(model, cells):
    view = cells[cells.obs["day"] > 0, :5]
    with pytest.warns(anndata.ImplicitModificationWarning):
        lv.annotate(view, model)
    assert not view.is_view
    assert view.layers["velocity"].shape == view.shape
    assert "liouville_growth" not in cells.obs
    whole = lv.annotate(cells, model, copy=True)
    same = whole[view.obs_names].obs["liouville_growth"]
    assert np.allclose(view.obs["liouville_growth"], same)


def test_times_are_read_as_for_the_fit(model, cells):
    plainly = lv.annotate(cells, model, copy=True).obs["liouville_growth"]
    labels = {"day 0": 0, "day 2": 2, "day 4": 4}
    for times in (None, labels):
        found = lv.annotate(cells, model, copy=True, time_key="label", times=times)
        assert np.allclose(found.obs["liouville_growth"], plainly)
        assert found.uns["liouville"]["time_key"] == "label"
    noted = dataclasses.replace(
        model, time_name="stage", notes={"data": {"times": "a=0,b=2,c=4", "basis": "X_own"}}
    )
    cells.obs["stage"] = pd.Categorical(
        np.array(["a", "b", "c"])[cells.obs["day"].astype(int) // 2]
    )
    cells.obsm["X_own"] = pd.DataFrame(
        cells.obsm["X_pca"], columns=noted.features, index=cells.obs_names
    )
    found = lv.annotate(cells, noted, copy=True)
    assert np.allclose(found.obs["liouville_growth"], plainly)
    assert "velocity_own" in found.obsm


def test_dates_are_days_since_the_first_of_the_fit(model, cells):
    first = pd.Timestamp("2021-03-04")
    cells.obs["date"] = first + pd.to_timedelta(cells.obs["day"], unit="D")
    found = lv.annotate(cells, model, copy=True, time_key="date")
    assert np.array_equal(found.obs["liouville_time"], cells.obs["day"])
    later = cells[cells.obs["day"] > 0].copy()
    with pytest.raises(LiouvilleError, match="dates, and not all those of the fit"):
        lv.annotate(later, model, time_key="date")


def test_a_model_of_arrays_and_one_of_some_columns(model, cells):
    u = np.asarray(lv.annotate(cells, model, copy=True).obsm["velocity_pca"])
    unnamed = dataclasses.replace(model, features=("x1", "x2", "x3", "x4"))
    assert np.allclose(lv.annotate(cells, unnamed, copy=True).obsm["velocity_pca"], u)
    few = growing_model(2, features=("PC3", "PC1"))
    found = lv.annotate(cells, few, copy=True)
    x = np.asarray(cells.obsm["X_pca"], float)[:, [2, 0]]
    own = few.velocity(cells.obs["day"].to_numpy(), x)
    assert np.allclose(found.obsm["velocity_pca"][:, [2, 0]], own, atol=1e-5)
    assert not found.obsm["velocity_pca"][:, [1, 3]].any()
    loadings = cells.varm["PCs"][:, [2, 0]]
    assert np.allclose(found.layers["velocity"][:, :10], own @ loadings[:10].T, atol=1e-4)


def test_a_basis_of_genes_is_its_own_loading(cells):
    genes = ("gene3", "gene1")
    model = growing_model(2, features=genes)
    found = lv.annotate(cells, model, basis="X", copy=True)
    x = cells[:, list(genes)].X.toarray().astype(float)
    u = model.velocity(cells.obs["day"].to_numpy(), x)
    assert np.allclose(found.layers["velocity"][:, [3, 1]], u, atol=1e-5)
    assert found.var["velocity_genes"].sum() == 2
    assert "velocity_X" not in found.obsm
    assert found.uns["liouville"]["basis"] == "X"


def test_loadings_that_are_given(model, cells):
    given = np.eye(GENES, DIM)
    found = lv.annotate(cells, model, loadings=given, copy=True)
    assert np.allclose(found.layers["velocity"][:, :DIM], found.obsm["velocity_pca"])
    cells.varm["mine"] = given
    again = lv.annotate(cells, model, loadings="mine", copy=True)
    assert np.array_equal(again.layers["velocity"], found.layers["velocity"], equal_nan=True)
    del cells.varm["PCs"], cells.varm["mine"]
    found = lv.annotate(cells, model, copy=True)
    assert "velocity" not in found.layers
    assert "velocity_genes" not in found.var
    assert (
        "velocity" not in lv.annotate(cells, model, loadings=given, layer=False, copy=True).layers
    )


@pytest.mark.parametrize("by", ["parts", "flow"])
def test_fates_of_terminal_groups(model, cells, by):
    cells.obs.loc[cells.obs_names[:40], "kind"] = np.nan
    with pytest.warns(UserWarning, match="have no label; they are left out"):
        lv.annotate(cells, model, terminal="kind", by=by)
    x, days = np.asarray(cells.obsm["X_pca"], float), cells.obs["day"].to_numpy(float)
    last = ((cells.obs["day"] == DAYS[-1]) & cells.obs["kind"].notna()).to_numpy()
    groups = lv.Groups.of(x[last], cells.obs["kind"][last])
    right = lv.fates(model, x, days, groups, by=by)
    assert np.allclose(cells.obsm["liouville_fates"], right, atol=1e-6)
    assert cells.uns["liouville"]["fates"].tolist() == ["right", "left"]  # as their categories
    shares = np.asarray(cells.obsm["liouville_fates"], float)
    assert np.allclose(shares.sum(axis=1), 1.0, atol=1e-6)
    entropy = -(shares * np.log(shares)).sum(axis=1)
    assert np.allclose(cells.obs["liouville_fate_entropy"], entropy, atol=1e-5)


def test_fates_keep_the_order_of_categories(folder, model, cells, tmp_path):
    kinds = pd.Categorical(cells.obs["kind"], categories=["right", "none of these", "left"])
    cells.obs["kind"] = kinds
    lv.annotate(cells, model, terminal="kind")
    assert cells.uns["liouville"]["fates"].tolist() == ["right", "left"]
    cells.obs["number"] = pd.Categorical(pd.array(kinds.codes, dtype="Int64"), categories=[2, 0])
    del cells.uns, cells.layers["velocity"]
    cells.write(tmp_path / "cells.h5ad")
    for column, names in {"kind": ["right", "left"], "number": ["2", "0"]}.items():
        out = tmp_path / f"{column}.csv"
        assert call("fates", folder, tmp_path / "cells.h5ad", "--terminal", column, "-o", out) == 0
        header = out.read_text().splitlines()[0].split(",")
        assert header[2:] == [f"fate {name}" for name in names]


def test_terminal_groups_need_cells_at_the_last_time(model, cells):
    early = cells[cells.obs["day"] < 4].copy()
    with pytest.raises(LiouvilleError, match="no cells at the last time, 4"):
        lv.annotate(early, model, terminal="kind")
    with pytest.raises(LiouvilleError, match=r"no obs column 'kin'.*did you mean 'kind'"):
        lv.annotate(cells, model, terminal="kin")


@pytest.mark.parametrize("name", ["X_pca", "X_own"])
def test_annotated_cells_are_read_as_before(model, cells, name):
    """So that they can be fitted again."""
    own = dataclasses.replace(model, features=lv.data.column_names(name, DIM))
    cells.obsm = {name: cells.obsm["X_pca"]}
    before = lv.read_cells(cells)
    lv.annotate(cells, own, loadings="PCs")
    after = lv.read_cells(cells)
    assert set(cells.obsm) == {name, f"velocity_{name[2:]}"}
    assert np.array_equal(after.points, before.points)
    assert np.array_equal(after.times, before.times)
    assert after.features == before.features


# Refusals: nothing is written.


REFUSALS = [
    ({"basis": "X_umap"}, "columns umap1, umap2, not those of the fit, PC1.*name the basis of the"),
    ({"basis": "X_pcs"}, "no obsm array 'X_pcs'.*did you mean 'X_pca'"),
    ({"time_key": "dya"}, "no column 'dya' in obs of cells; did you mean 'day'"),
    ({"embeddings": ["X_umpa"]}, "no obsm array 'X_umpa'.*did you mean 'X_umap'"),
    ({"loadings": "PCS"}, "no varm array 'PCS' in cells; did you mean 'PCs'"),
    ({"loadings": np.ones((3, DIM))}, r"loadings of shape \(3, 4\) do not fit 12 genes"),
    ({"times": "day 0=0"}, "for which times gives none"),
    ({"key": "a/b"}, "key is 'a/b', and names begin with it; give text without a slash"),
    ({"velocity": ""}, "velocity is '', and names begin with it"),
]


@pytest.mark.parametrize(("options", "message"), REFUSALS, ids=[m[:20] for _, m in REFUSALS])
def test_refusals_name_the_remedy_and_write_nothing(model, cells, options, message):
    with pytest.raises(LiouvilleError, match=message) as error:
        lv.annotate(cells, model, **options)
    assert "\n" not in str(error.value)
    assert list(cells.obs) == ["day", "label", "kind"]
    assert list(cells.obsm) == ["X_pca", "X_umap"]
    assert not cells.layers
    assert list(cells.uns) == ["kind_colors"]


def test_more_refusals(model, cells):
    with pytest.raises(LiouvilleError, match=r"has 4 columns but the model 3; name the basis"):
        lv.annotate(cells, growing_model(3, features=("x1", "x2", "x3")))
    with pytest.raises(LiouvilleError, match="not those of the fit, PC1, PC2"):
        lv.annotate(cells, growing_model(6))
    with pytest.raises(LiouvilleError, match="cannot be of type ndarray; give AnnData"):
        lv.annotate(np.zeros((3, 4)), model)
    with pytest.raises(LiouvilleError, match=r"a model cannot be of type str.*fitted\.model"):
        lv.annotate(cells, "RUN")  # pyright: ignore[reportArgumentType]
    late = annotated(model)
    late.obs["day"] += 1.0
    with pytest.raises(LiouvilleError, match="time 5 is outside the fitted range 0 to 4"):
        lv.annotate(late, model)
    assert "liouville_growth" in lv.annotate(late, model, extrapolate=True, copy=True).obs
    hours = dataclasses.replace(model, time_unit="hours")
    with pytest.raises(LiouvilleError, match="in days but those of the model in hours; convert"):
        lv.annotate(cells, hours)
    cells.obsm["X_umap"] = cells.obsm["X_umap"].copy()
    cells.obsm["X_umap"][3, 0] = np.nan
    with pytest.raises(LiouvilleError, match="places that are NaN or infinite"):
        lv.annotate(cells, model)
    lv.annotate(cells, model, embeddings=[])


def test_what_others_wrote_is_not_replaced_without_a_word(model, cells):
    cells.layers["velocity"] = np.zeros(cells.shape)
    with pytest.warns(UserWarning, match=r"layers\['velocity'\] were there and are replaced"):
        lv.annotate(cells, model)
    lv.annotate(cells, model)  # ours may be


# Files.


@pytest.fixture(params=[".h5ad", ".zarr"])
def file(request, cells, tmp_path) -> Path:
    path = tmp_path / f"cells{request.param}"
    if path.suffix == ".h5ad":
        cells.write_h5ad(path)
    else:
        _write_zarr(cells, path, 3)
    return path


def _write_zarr(cells, path: Path, version: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the other version will be the default
        with anndata.settings.override(zarr_write_format=version):
            cells.write_zarr(path)


def _read(path: Path) -> anndata.AnnData:
    return anndata.read_zarr(path) if path.suffix == ".zarr" else anndata.read_h5ad(path)


def _assert_same(found: anndata.AnnData, wanted: anndata.AnnData) -> None:
    assert found.obs_names.equals(wanted.obs_names)
    pd.testing.assert_frame_equal(found.obs, wanted.obs, check_dtype=False)
    pd.testing.assert_frame_equal(found.var, wanted.var)
    for place in ("obsm", "layers", "varm"):
        assert set(getattr(found, place)) == set(getattr(wanted, place))
        for name, value in getattr(wanted, place).items():
            assert np.array_equal(getattr(found, place)[name], value, equal_nan=True), name
    assert found.to_df().equals(wanted.to_df())


def test_a_file_is_annotated_as_the_object_is(model, cells, file):
    out = file.with_stem("out")
    written = annotate_file(file, out, model, figures={"steps": 3, "none": None})
    assert "layers/velocity" in written
    lv.annotate(cells, model)
    found = _read(out)
    _assert_same(found, cells)
    assert found.uns["liouville"]["figures"] == {"steps": 3}
    assert found.uns["kind_colors"].tolist() == ["#ff0000", "#0000ff"]
    assert sorted(p.name for p in file.parent.iterdir()) == sorted([file.name, out.name])
    # Again, in its own place.
    annotate_file(out, out, model, key="more", velocity="more")
    again = _read(out)
    assert {"liouville_growth", "more_growth"} <= set(again.obs)
    assert np.array_equal(again.obs["more_growth"], found.obs["liouville_growth"])


def test_backed_cells_are_annotated_in_place(model, cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    lv.annotate(backed, model)
    assert backed.isbacked
    assert "velocity_pca" in backed.obsm
    with pytest.raises(LiouvilleError, match="a copy of backed AnnData"):
        lv.annotate(backed, model, copy=True)
    with pytest.raises(LiouvilleError, match=r"a view of backed AnnData.*to_memory"):
        lv.annotate(backed[:10], model)
    backed.file.close()


def test_a_matrix_of_genes_is_never_read_from_a_file(model, cells, tmp_path, monkeypatch):
    cells.X = csc_matrix(cells.X)
    cells.layers["counts"] = cells.X.copy()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    opened = []
    read = anndata.io.read_elem

    def noted(element):
        opened.append(element.name)
        return read(element)

    monkeypatch.setattr(anndata.io, "read_elem", noted)
    annotate_file(tmp_path / "cells.h5ad", tmp_path / "out.h5ad", model)
    assert sorted(opened) == ["/obs", "/obsm", "/var", "/varm"]
    monkeypatch.undo()
    assert (_read(tmp_path / "out.h5ad").layers["counts"] != cells.layers["counts"]).nnz == 0


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_old_lists_of_what_zarr_holds_are_renewed(model, cells, tmp_path, version):
    _write_zarr(cells, tmp_path / "cells.zarr", version)
    zarr.consolidate_metadata(str(tmp_path / "cells.zarr"))
    annotate_file(tmp_path / "cells.zarr", tmp_path / "out.zarr", model)
    assert "velocity" in _read(tmp_path / "out.zarr").layers


def test_a_basis_of_genes_in_a_file(cells, file):
    model = growing_model(2, features=("gene3", "gene1"))
    out = file.with_stem("out")
    annotate_file(file, out, model, basis="X")
    found = lv.annotate(cells, model, basis="X", copy=True)
    assert np.array_equal(_read(out).layers["velocity"], found.layers["velocity"], equal_nan=True)


def test_files_that_cannot_be_written_leave_nothing(model, cells, file, monkeypatch):
    other = {".h5ad": ".zarr", ".zarr": ".h5ad"}[file.suffix]
    with pytest.raises(LiouvilleError, match="give files of AnnData of one kind"):
        annotate_file(file, file.with_suffix(other), model)
    with pytest.raises(LiouvilleError, match="there is no file"):
        annotate_file(file.with_stem("nowhere"), file.with_stem("out"), model)
    with pytest.raises(LiouvilleError, match="no directory"):
        annotate_file(file, file.parent / "gone" / file.name, model)
    taken = file.with_stem("taken")
    (taken.mkdir if file.suffix == ".h5ad" else taken.touch)()
    with pytest.raises(LiouvilleError, match="choose another name"):
        annotate_file(file, taken, model)
    before = sorted(p.name for p in file.parent.iterdir())

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("liouville.cells._files._write_layer", broken)
    with pytest.raises(LiouvilleError, match="No space left on device; check permissions"):
        annotate_file(file, file.with_stem("out"), model)
    assert sorted(p.name for p in file.parent.iterdir()) == before


def test_the_command(folder, model, cells, file, capsys):
    out = file.with_stem("out")
    assert call("annotate", folder, file, "-o", out, "--key", "lv", "--no-layer", "--json") == 0
    written = json.loads(capsys.readouterr().out.splitlines()[-1])["written"]
    assert "obs/lv_growth" in written
    assert "layers/velocity" not in written
    found = lv.annotate(cells, model, key="lv", layer=False, copy=True)
    _assert_same(_read(out), found)
    assert call("annotate", folder, file, "-o", out, "--basis", "X_umap") == 2
    assert "name the basis of the fit" in error_of(capsys)


@pytest.mark.slow
def test_annotated_cells_are_fitted_again_to_the_same_run(cells, tmp_path):
    """The labels of times, the basis and the figures of a run reach its cells."""
    cells.obs["stage"] = pd.Categorical(cells.obs["day"].map({0.0: "a", 2.0: "b", 4.0: "c"}))
    cells.obsm["X_own"] = cells.obsm["X_pca"][:, :2]
    source, out = tmp_path / "cells.h5ad", tmp_path / "out.h5ad"
    cells.write_h5ad(source)
    brief = ("--steps", 2, "--set", "path.members=1", "--set", "report.movie=false")
    named = ("--time-key", "stage", "--times", "a=0,b=2,c=4", "--basis", "X_own", "--parts", 2)
    assert call("fit", "cells", source, "--out", tmp_path / "RUN", *named, *brief) == 0
    assert call("annotate", tmp_path / "RUN", source, "-o", out) == 0
    found = _read(out)
    assert np.array_equal(found.obs["liouville_time"], found.obs["day"])
    assert "velocity_own" in found.obsm
    assert found.uns["liouville"]["figures"]["cells"] == len(found)
    model = lv.load(tmp_path / "RUN")
    assert lv.annotate(cells, model, layer=False, copy=True).obs.equals(found.obs)
    assert call("fit", "cells", out, "--out", tmp_path / "AGAIN", *named, *brief) == 0
    runs = (open_run(tmp_path / name).fingerprint for name in ("RUN", "AGAIN"))
    assert len(set(runs)) == 1


# Velocities on pictures.


def test_a_linear_picture_shows_the_velocity_itself():
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(2, 400, 3))
    matrix = rng.normal(size=(3, 2))
    found = projected(x, u, x @ matrix)
    error = np.linalg.norm(found - u @ matrix, axis=1) / np.linalg.norm(u @ matrix, axis=1)
    assert np.median(error) < 0.15
    shown = projected(x, u, x @ matrix, method="cosines")
    cosine = np.sum(shown * (u @ matrix), axis=1)
    cosine /= np.linalg.norm(shown, axis=1) * np.linalg.norm(u @ matrix, axis=1)
    assert np.median(cosine) > 0.9


@pytest.mark.parametrize("method", ["map", "cosines"])
def test_velocities_on_a_picture_have_units(method):
    """Twice as fast is twice as long; a picture twice as large, too; no unit of length matters."""
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(2, 200, 5))
    y = np.tanh(x[:, :2])
    one = projected(x, u, y, method=method)
    assert np.allclose(projected(x, 2 * u, y, method=method), 2 * one, atol=ROUNDING)
    assert np.allclose(projected(x, u, 3 * y, method=method), 3 * one, atol=ROUNDING)
    assert np.allclose(projected(5 * x, 5 * u, y, method=method), one, atol=ROUNDING)
    assert not projected(x, 0 * u, y, method=method).any()


def test_pictures_of_equal_places_stand_still():
    x = np.random.default_rng(0).normal(size=(50, 3))
    for method in ("map", "cosines"):
        found = projected(x, np.ones_like(x), np.zeros((50, 2)), method=method)
        assert not found.any()
        assert np.isfinite(projected(0 * x, x, x[:, :2], method=method)).all()


def test_refused_projections():
    x = np.zeros((4, 3))
    with pytest.raises(LiouvilleError, match="do not fit points of shape"):
        projected(x, x, np.zeros((3, 2)))
    with pytest.raises(LiouvilleError, match="needs two cells"):
        projected(x[:1], x[:1], np.zeros((1, 2)))
    with pytest.raises(LiouvilleError, match="no projection 'cosine'; choose map or cosines"):
        projected(x, x, np.zeros((4, 2)), method="cosine")  # pyright: ignore[reportArgumentType]


def test_values_are_plain_enough_for_a_file(tmp_path):
    said = {
        "a/b": 1,
        "nothing": None,
        "empty": {},
        "rows": [{"t": 0.0, "n": 2}, {"t": 1.0, "n": 3}],
        "texts": ["x", "y"],
        "path": Path("here"),
        "flag": True,
    }
    found = plain(said)
    assert list(found) == ["a-b", "rows", "texts", "path", "flag"]
    assert found["rows"]["n"].tolist() == [2, 3]
    cells = anndata.AnnData(np.zeros((1, 1)), uns={"said": found})
    cells.write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad") as file:
        assert set(file["uns"]["said"]) == set(found)  # pyright: ignore
