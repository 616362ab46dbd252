"""Transport at the command line, and input that cannot be used."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import liouville as lv
from commands import call, draw_nothing, error_of
from liouville.data import Samples
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.plots import explain, loss_curves
from liouville.runs.folder import open_run
from liouville.tasks.transport import measure as measures
from liouville.tasks.transport.answers import transport_map
from liouville.tasks.transport.config import DataConfig, EndsConfig, TransportConfig
from liouville.tasks.transport.ends import End, read_ends
from liouville.tasks.transport.fit import fit_transport
from liouville.tasks.transport.problem import _check_width, say_misfits, units_of
from transport_cases import BRIEF, GOOD


def ends_from(*sources: Any, **more: Any) -> list:
    data, options = DataConfig(), EndsConfig(**more)
    return read_ends(sources, data, options)


def cloud(n: int, dim: int = 2) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, dim))


BAD_ENDS: dict[str, tuple[Any, str]] = {
    "none": ((), "0 distributions were given; transport needs two"),
    "one": ((GOOD,), "1 distributions were given"),
    "dimensions": ((GOOD, gaussian(np.zeros(3), np.eye(3))), "has 2 coordinates but .* has 3"),
    "five": ((GOOD, cloud(5)), "5 rows but 10 are needed"),
    "name": ((GOOD, "9gaussians"), "neither a file nor a distribution; known are: 8gaussians"),
    "file": ((GOOD, "nowhere.csv"), "nowhere.csv"),
    "nan": ((GOOD, np.where(np.arange(20)[:, None] == 3, np.nan, cloud(20))), "NaN"),
    "weights": ((GOOD, GaussianMixture(np.array([0.7]), GOOD.means, GOOD.covariances)), "sum one"),
    "negative": (
        (
            GOOD,
            GaussianMixture(np.array([1.5, -0.5]), np.zeros((2, 2)), np.tile(np.eye(2), (2, 1, 1))),
        ),
        "must be positive",
    ),
    "shapes": ((GOOD, GaussianMixture(np.ones(1), GOOD.means, np.eye(2))), "covariances"),
    "indefinite": ((GOOD, gaussian(np.zeros(2), np.diag([1.0, -1.0]))), "the eigenvalue -1"),
    "singular": ((GOOD, gaussian(np.zeros(2), np.diag([1.0, 0.0]))), "positive definite"),
}


@pytest.mark.parametrize("case", BAD_ENDS)
def test_ends_that_cannot_be_used(case):
    sources, message = BAD_ENDS[case]
    with pytest.raises(LiouvilleError, match=message):
        ends_from(*sources)


def test_equal_samples_have_no_density():
    with (
        pytest.warns(UserWarning, match="constant columns"),
        pytest.raises(LiouvilleError, match="all 50 samples of data are equal"),
    ):
        ends_from(np.ones((50, 2)), cloud(20))


def test_repeated_samples_are_warned_about():
    with pytest.warns(UserWarning, match="only 40 of the 80 samples of data differ"):
        ends_from(np.repeat(cloud(40), 2, axis=0), cloud(30))


@pytest.mark.parametrize("components", [0, -1, 31])
def test_parts_of_an_end_are_as_many_as_samples_at_most(components):
    with pytest.raises(LiouvilleError, match=r"set ends.parts to 1 to 30"):
        ends_from(cloud(30), cloud(30), parts=components)


def test_a_named_gaussian_takes_the_dimension_of_the_others():
    ends = ends_from("gaussian", cloud(40, 3))
    assert [end.dim for end in ends] == [3, 3]
    assert ends_from("gaussian", "gaussian")[0].dim == 2


@pytest.mark.parametrize("least", [1e-5, 1e-9])
def test_columns_of_unlike_size_are_said_and_refused_where_squares_are_lost(least):
    scale, config = np.array([1.0, least]), TransportConfig(data=DataConfig(times=(0.0, 1.0)))
    ends = ends_from(cloud(200) * scale, (cloud(200) + 1.0) * scale)
    units = units_of(ends, config)
    if least > 1e-8:
        with pytest.warns(UserWarning, match=r"invisible: x2 .*; give them in units of like size"):
            say_misfits(ends, units)
    else:
        with pytest.raises(LiouvilleError, match=r"the spread of x2 is .*leave one out"):
            say_misfits(ends, units)


def test_an_end_that_rounding_makes_a_point_is_refused():
    ends = [End(gaussian(np.full(2, m), s**2 * np.eye(2))) for m, s in ((0.0, 1.0), (3.0, 1e-15))]
    units = units_of(ends, TransportConfig(data=DataConfig(times=(0.0, 1.0))))
    with pytest.raises(LiouvilleError, match=r"a part of mixture is 1e-15 wide .*: add noise of"):
        say_misfits(ends, units)
    say_misfits([ends[0], ends[0]], units)
    # A narrow column about zero is not rounded away.
    narrow = End(gaussian(np.zeros(2), np.diag([1.0, 1e-30])))
    _check_width(narrow, np.zeros(2))


def test_columns_of_files_go_together_and_lend_their_names():
    named = Samples(cloud(20), features=("length", "width"))
    for other in (cloud(20), GOOD, "gaussian"):
        assert [e.features for e in ends_from(other, named)] == [("length", "width")] * 2
    with pytest.raises(LiouvilleError, match="name the same ones with --features"):
        ends_from(named, Samples(cloud(20), features=("length", "height")))


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"objective.sigma": -1.0}, "objective.sigma is -1.0 but must be a number at least 0"),
    ({"objective.sigma": float("nan")}, "sigma is nan"),
    ({"objective.sigma": float("inf")}, "sigma is inf"),
    ({"objective.pull": 1.0}, "objective.pull is 1.0 but there is no noise; give --sigma"),
    ({"objective.pull": float("nan")}, "objective.pull is nan"),
    (
        {"objective.asymmetry": float("inf")},
        "objective.asymmetry is inf but must be a finite number",
    ),
    ({"data.times": (0.0,)}, "1 times for 2 distributions; give one each"),
    ({"data.times": (0.0, 1.0, 2.0)}, "3 times for 2 distributions"),
    ({"data.times": (1.0, 0.0)}, "are not increasing"),
    ({"data.times": (0.0, float("nan"))}, "data.times[1] is nan but must be a number"),
    ({"path.opening": 0.0}, "path.opening is 0.0"),
    ({"path.opening": 0.7}, "path.opening is 0.7"),
    ({"path.parts": 0}, "path.parts is 0 but must be a whole number from 1"),
    ({"path.min_scale": -1.0}, "path.min_scale is -1.0"),
    ({"objective.particles": 0}, "objective.particles is 0"),
    ({"training.chunk": 0}, "training.chunk is 0"),
    ({"training.validate_every": 7}, "training.validate_every is 7, which is no multiple"),
    ({"training.checkpoint_every": 0}, "training.checkpoint_every is 0 but must be"),
    ({"path.weights": "free"}, "path.weights"),
    ({"path.part": 3}, "did you mean"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(LiouvilleError, match=re.escape(message)):
        fit_transport(GOOD, GOOD, settings=settings, progress=False)


def test_a_gauge_needs_two_coordinates():
    line = gaussian(np.zeros(1), np.eye(1))
    with pytest.raises(LiouvilleError, match="needs two coordinates"):
        fit_transport(line, line, settings={"path.gauge": True}, progress=False)


def test_a_pull_and_a_reference_exclude_each_other():
    settings = {"objective.pull": 1.0, "objective.sigma": 1.0}
    with pytest.raises(LiouvilleError, match="choose one"):
        fit_transport(GOOD, GOOD, settings=settings, reference=lambda t, x: -x, progress=False)


# The command line.


QUICK = [
    word
    for key, value in (BRIEF | {"certificate.points": 60, "report.movie": "false"}).items()
    if key != "training.steps"
    for word in ("--set", f"{key}={value}")
]
SMALL = [
    word
    for key, value in {
        "training.steps": 50,
        "training.validate_every": 25,
        "training.checkpoint_every": 25,
        "objective.particles": 4,
        "path.parts": 2,
        "path.width": 4,
        "path.depth": 1,
        "path.layers": 2,
        "path.members": 1,
    }.items()
    for word in ("--set", f"{key}={value}")
]
BAD_CALLS = [
    (
        ["gaussian", "8gaussians", "--times", "0,x"],
        "data.times is '0,x' but must be a list of a number",
    ),
    (["gaussian", "8gaussians", "--times", "1,0"], "are not increasing"),
    (["gaussian", "9gaussians"], "neither a file nor a distribution"),
    (["gaussian", "nowhere.csv"], "nowhere.csv"),
    (["gaussian", "8gaussians", "--sigma", "-1"], "sigma is -1"),
    (["gaussian", "8gaussians", "--set", "objective.pull=1"], "give --sigma"),
    (["gaussian", "8gaussians", "--set", "training.validate_every=7"], "no multiple"),
    (["gaussian", "8gaussians", "--set", "path.parts=0"], "path.parts is 0"),
    (["gaussian", "8gaussians", "--resume"], "holds no run to resume"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, tmp_path, capsys):
    assert call("fit", "transport", *arguments, "--out", tmp_path / "RUN") == 2
    assert message in error_of(capsys)
    assert not (tmp_path / "RUN").exists()


def test_settings_are_listed(capsys):
    assert call("settings", "transport") == 0
    listed = capsys.readouterr().out
    assert all(key in listed for key in ("data.ends", "objective.sigma", "path.opening"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "RUN"
    arguments = ("fit", "transport", "gaussian", "8gaussians", "--out", folder)
    patient = ("--set", "training.patience=null")
    assert call(*arguments, *QUICK, *patient, "--steps", 50) == 0
    return folder


@pytest.mark.slow
def test_a_run_is_complete_and_goes_on_to_nothing(run, capsys):
    names = {"model.lv", "config.yaml", "metrics.jsonl", "summary.json", "report.html"}
    assert names <= {file.name for file in run.iterdir()}
    assert not list(run.glob(".*"))
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 50
    assert summary["parts of the ends"] == [1, 8]
    assert summary["moving parts"] == [8]
    model = lv.load(run)
    x = 5.0 * np.array([[1.0, 0.0], [0.0, -1.0]])
    # At the centre of a Gaussian of an eighth of the mass and variance 0.1.
    expected = np.log(0.125 / (2.0 * np.pi * 0.1))
    assert np.allclose(model.log_density(1.0, x), expected, atol=1e-6)
    before = model.sample(1.0, 3)
    arguments = ("fit", "transport", "gaussian", "8gaussians", "--out", run)
    assert call(*arguments, "--resume") == 0
    assert np.array_equal(lv.load(run).sample(1.0, 3), before)
    capsys.readouterr()
    assert call(*arguments, "--resume", "--sigma", "1") == 2
    assert "objective.sigma is 0.0 in the run and 1.0 now" in error_of(capsys)
    assert call(*arguments) == 2
    assert "--resume" in error_of(capsys)


@pytest.mark.slow
def test_a_run_is_measured_and_drawn_again(run, capsys):
    capsys.readouterr()
    assert call("evaluate", run, "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    summary = json.loads((run / "summary.json").read_text())
    assert np.isclose(found["energy"], summary["energy"], rtol=0.1)
    assert {"lower bound (moments)", "gap", "W2"} <= set(found)
    (run / "report.html").unlink()
    assert call("plot", run, "--no-movie") == 0
    assert (run / "report.html").exists()


@pytest.mark.slow
def test_a_run_maps_and_couples_files(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 2))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="x1,x2", comments="")
    out = tmp_path / "y.npz"
    assert call("map", run, tmp_path / "x.csv", "-o", out) == 0
    with np.load(out) as table:
        moved = np.stack([table["mapped x1"], table["mapped x2"]], axis=1)
    assert np.allclose(moved, transport_map(lv.load(run), x), atol=1e-6)
    np.savetxt(tmp_path / "y.csv", moved[::-1], delimiter=",", header="x1,x2", comments="")
    pairs = tmp_path / "pairs.npz"
    assert call("couple", run, tmp_path / "x.csv", tmp_path / "y.csv", "-o", pairs) == 0
    with np.load(pairs) as table:
        assert table["target row"].tolist() == list(range(11, -1, -1))


# Runs between runs.


@pytest.fixture
def without_report(monkeypatch):
    """The report of a density takes longer than a brief fit of it."""
    draw_nothing(monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("without_report")
@pytest.mark.parametrize("families", [("mixture", "mixture"), ("pushforward", "autoregressive")])
def test_runs_of_densities_are_met(families, tmp_path, monkeypatch):
    is_plain = families == ("mixture", "mixture")
    if not is_plain:  # through maps every figure and picture takes minutes here
        monkeypatch.setattr(measures, "certify", lambda *_, **__: {})
    folders = [tmp_path / name for name in ("MONDAY", "FRIDAY")]
    rng = np.random.default_rng(0)
    for number, (folder, family) in enumerate(zip(folders, families)):
        file = folder.with_suffix(".csv")
        x = rng.normal(size=(60, 2)) * [1.0, 3.0] + 5.0 * number
        np.savetxt(file, x, delimiter=",", header="length,width", comments="")
        arguments = ("fit", "density", file, "--model", family, "--out", folder)
        assert call(*arguments, *SMALL) == 0
    out = tmp_path / "RUN"
    assert call("fit", "transport", *folders, "--out", out, *QUICK, "--steps", 10) == 0
    found = lv.load(out)
    assert found.features == ("length", "width")
    for t, folder in zip(found.interval, folders):
        end = lv.load(folder)
        x = end.sample(1.0, 40)
        expected = end.log_density(1.0, x)
        assert np.allclose(found.log_density(t, x), expected, atol=1e-6)
        # Half-way it is another density: the negative control.
        assert np.abs(found.log_density(0.5, x) - expected).max() > 0.01
    summary = json.loads((out / "summary.json").read_text())
    assert np.isfinite([v for v in summary.values() if isinstance(v, int | float)]).all()
    if not is_plain:
        return
    assert [Path(end).name for end in open_run(out).settings["data"]["ends"]] == [
        "MONDAY",
        "FRIDAY",
    ]
    # The same numbers again, from the folders; not if one of them holds another model now.
    assert call("evaluate", out) == 0
    shutil.copy(folders[0] / "model.lv", folders[1] / "model.lv")
    assert call("evaluate", out) == 2


def _panels(rows: list[dict[str, Any]]) -> list[str]:
    return [title for axes in loss_curves(rows).axes if (title := axes.get_title(loc="left"))]


def test_what_is_trained_is_drawn_once_and_explained():
    rows = [{"step": i, "loss": 2.0 / i, "energy": 2.0 / i, "gradient": 1.0} for i in range(1, 9)]
    assert _panels(rows) == ["energy", "gradient"]
    assert "validation" not in explain(rows)
    rows[-1]["validation"] = 0.3
    assert "No data are at stake" in explain(rows)
    # A weighted sum of terms is none of them, and likelihood is of data.
    both = [row | {"loss": 1.0 + row["energy"], "likelihood": 1.0} for row in rows]
    assert _panels(both) == ["loss", "validation", "energy", "gradient", "likelihood"]
    assert "overfitting" in explain(both)
