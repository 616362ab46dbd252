"""What tasks and models make of files and objects of every kind."""

import json
import warnings
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from commands import call, draw_nothing, error_of
from liouville.curves import Constant
from liouville.data import Standardisation, read_points, read_table
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.mixtures import GaussianMixture
from liouville.paths import Diagonal, LocationScale
from liouville.tasks import load_task
from liouville.tasks.control.problem import ControlProblem
from liouville.tasks.transport.problem import Given

pd = pytest.importorskip("pandas")
anndata = pytest.importorskip("anndata")

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(60, 2))
_T = np.repeat([0.0, 1.0, 2.0], 20)
_CODES = np.array([f"AAC{i}-1" for i in range(60)])


def _as(kind: str, array: np.ndarray, names: list[str]) -> Any:
    makers = {
        "frame": lambda: pd.DataFrame(array, columns=names),
        "list": array.tolist,
        "jax": lambda: jnp.asarray(array),
        "numpy": lambda: array,
    }
    return makers[kind]()


def _read(task: str, given: Any, **data: Any) -> Any:
    found = load_task(task)
    config = found.config()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return found.read(config, given)


@pytest.mark.parametrize("kind", ["frame", "list", "jax", "numpy"])
def test_every_task_reads_objects(kind: str) -> None:
    whole = np.column_stack([_T, _X])
    cells = _read("cells", _as(kind, whole, ["t", "u", "v"]))
    np.testing.assert_allclose(cells.points, _X, rtol=1e-6)
    samples = _read("density", _as(kind, _X, ["u", "v"]))
    np.testing.assert_allclose(samples.points, _X, rtol=1e-6)
    ends = _read(
        "transport", Given((_as(kind, _X, ["u", "v"]), _as(kind, _X + 3, ["u", "v"])))
    ).ends
    assert [end.dim for end in ends] == [2, 2]
    ends = {"source": _as(kind, _X, ["u", "v"]), "target": _as(kind, _X + 3, ["u", "v"])}
    problem = _read("control", ControlProblem(**ends)).problem
    assert isinstance(problem.source, GaussianMixture)
    np.testing.assert_allclose(problem.target.mean, _X.mean(0) + 3, atol=0.1)
    events = _read("events", _as(kind, np.column_stack([np.arange(60.0), _X]), ["time", "x", "y"]))
    np.testing.assert_allclose(events.events.places, _X, rtol=1e-6)


@pytest.mark.parametrize("task", ["cells", "density", "control", "events"])
@pytest.mark.parametrize("given", [5, {"x": 1}, {1}, 0.5, object()])
def test_wrong_kinds_are_one_line(task: str, given: Any) -> None:
    with pytest.raises(LiouvilleError, match=f"of type {type(given).__name__}; give") as info:
        _read(task, given)
    assert str(info.value).isprintable()


def test_masses_of_points() -> None:
    x = np.concatenate([np.zeros((50, 2)), np.full((50, 2), 10.0)]) + _RNG.normal(size=(100, 2))
    masses = np.repeat([3.0, 1.0], 50)
    ends = _read("transport", Given(((x, masses), (x.tolist(), np.ones(100).tolist())))).ends
    assert ends[0].mixture.mean[0] == pytest.approx(2.5, abs=0.4)
    assert ends[1].mixture.mean[0] == pytest.approx(5.0, abs=0.4)
    for wrong in (-masses, masses[:5], 0 * masses, masses * np.nan):
        with pytest.raises(LiouvilleError, match="weights"):
            _read("transport", Given(((x, wrong), x)))


@pytest.fixture
def model() -> Model:
    path = LocationScale(
        location=Constant(jnp.array([[0.0, 1.0]])),
        raw_scale=Constant(Diagonal().from_covariance(jnp.eye(2)[None])),
        logits=jnp.zeros(1),
        scale=Diagonal(),
    )
    units = Standardisation(np.array([1.0, 2.0]), np.array([2.0, 3.0]), 0.0, 1.0)
    return Model(path, units, np.array([0.0, 1.0]), ("u", "v"))


def test_models_take_objects(model: Model) -> None:
    expected = model.log_density(0.5, _X)
    frame = pd.DataFrame({"v": _X[:, 1], "note": "a", "u": _X[:, 0], "t": 0.5})
    cells = anndata.AnnData(_X[:, ::-1], var=pd.DataFrame(index=["v", "u"]))
    cells.obsm["only"] = pd.DataFrame(_X[:, ::-1], columns=["v", "u"], index=cells.obs_names)
    for x in (_X.tolist(), jnp.asarray(_X), frame, cells, list(_X), tuple(_X)):
        np.testing.assert_allclose(model.log_density(0.5, x), expected, rtol=1e-5)
        found = model.answers(frame["t"], x)
        np.testing.assert_allclose(found.log_density, expected, rtol=1e-5)
        assert model.trajectories(x, [0.0, 1.0], steps=1).shape == (2, 60, 2)
    for method in (model.velocity, model.score, model.drift):
        np.testing.assert_allclose(method(0.5, frame), method(0.5, _X), rtol=1e-5)
    with pytest.raises(LiouvilleError, match=r"no column 'u' in points.*It has: v, note, t"):
        model.log_density(0.5, frame.drop(columns="u"))
    for wrong in (None, {"u": 1}, {1.0}, "points.csv", [["a", "b"]]):
        with pytest.raises(LiouvilleError, match=r"of type|real numbers") as info:
            model.log_density(0.5, wrong)
        assert str(info.value).isprintable()
    for wrong in (None, "0.5", {}):
        with pytest.raises(LiouvilleError, match="times"):
            model.log_density(wrong, _X)


_BRIEF = ["--set=path.members=1", "--set=gaps.fill=false", "--parts=2", "--steps=2"]


@pytest.mark.slow
def test_answers_about_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    draw_nothing(monkeypatch)
    stages = np.array(["MEF", "D2", "iPSC"])[_T.astype(int)]
    order = _RNG.permutation(60)
    obs = pd.DataFrame({"stage": stages, "leiden": "1"}, index=pd.Index(_CODES)).iloc[order]
    cells = anndata.AnnData(np.ones((60, 1)), obs)
    cells.obsm["X_pca"], cells.obsm["X_umap"] = np.c_[_X, _X, _X][order], _X[order]
    file, run = tmp_path / "a.h5ad", tmp_path / "run"
    cells.write_h5ad(file)
    fit = ["fit", "cells", file, "--time-key=stage", "--times=MEF=0,D2=2,iPSC=18", "--dims=2"]
    assert call(*fit, *_BRIEF, "--basis=X_pca", "--out", run) == 0
    assert call("query", run, file, "--out", tmp_path / "q.csv", "--json") == 0
    capsys.readouterr()
    found = read_table(tmp_path / "q.csv")
    assert found.values("identifier").tolist() == _CODES[order].tolist()
    assert set(found.numbers("stage").tolist()) == {0.0, 2.0, 18.0}
    np.testing.assert_array_equal(found.matrix(["PC1", "PC2"]), _X[order])
    options = ["--from=0", "--to=2", "--times=3", "--out", tmp_path / "t.csv"]
    assert call("trajectories", run, "--points", file, *options) == 0
    moved = read_table(tmp_path / "t.csv")
    assert moved.values("identifier")[::3].tolist() == _CODES[order].tolist()
    capsys.readouterr()
    assert call("query", run, file, "--out", tmp_path / "q.xlsx") == 2
    assert "is not one of .csv" in error_of(capsys)
    frame = pd.DataFrame({"PC2": _X[:, 1], "PC1": _X[:, 0]}, index=pd.Index(_CODES))
    frame.to_csv(tmp_path / "p.csv", sep=";", decimal=",")
    frame.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        out = tmp_path / "q2.csv"
        assert call("query", run, tmp_path / name, "--time=2", "--out", out) == 0
        found = read_table(out)
        assert found.values("identifier").tolist() == _CODES.tolist()
        np.testing.assert_array_equal(found.matrix(["PC1", "PC2"]), _X)
    capsys.readouterr()
    assert call("query", run, tmp_path / "p.csv", "--out", tmp_path / "q2.csv") == 2
    assert "no column 'stage'" in error_of(capsys)


@pytest.mark.slow
def test_pseudotime_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    draw_nothing(monkeypatch)
    frame = pd.DataFrame({"latent_time": np.linspace(0, 1, 60), "a": _X[:, 0], "leiden": _T})
    frame.to_csv(tmp_path / "a.csv", index=False)
    fit = ["fit", "cells", tmp_path / "a.csv", "--time-key=latent_time", "--without=leiden"]
    assert call(*fit, "--out", tmp_path / "run") == 2
    assert "cut it into bins of equal counts with --bins 10" in error_of(capsys)
    assert not (tmp_path / "run").exists()
    assert call(*fit, *_BRIEF, "--bins=3", "--out", tmp_path / "run", "--json") == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["times"], summary["coordinates"]) == (3, 1)
    assert read_points(tmp_path / "a.csv", ("a",), dim=1)[0].shape == (60, 1)
