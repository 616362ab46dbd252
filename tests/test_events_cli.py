"""Events at the command line: runs, reports, forecasts, questions, unusable input."""

import contextlib
import csv
import datetime
import json
import signal
from pathlib import Path

import numpy as np
import pytest

import liouville as lv
from commands import call, draw_nothing, error_of
from liouville.errors import LiouvilleError
from liouville.runs.interruption import Interruption
from liouville.tasks import skeleton
from liouville.tasks.events import forecast as forecasts
from liouville.training import _fit as training

BRIEF = {
    "training.steps": 20,
    "training.chunk": 10,
    "training.validate_every": 10,
    "training.checkpoint_every": 10,
    "objective.reach": 16,
    "objective.targets": 16,
    "times.exponentials": 1,
    "times.powers": 0,
    "places.parts": 2,
    "places.zones": "free",
    "places.widths": 1,
    "places.rates": 1,
    "places.network": "false",
    "report.movie": "false",
    "measure.baselines": "false",
}
FAST = [word for key, value in BRIEF.items() for word in ("--set", f"{key}={value}")]
WINDOW = "2020-01-01T00:00Z,2020-03-01T00:00Z"
REGION = "130,30,140,40"
BEGIN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def stamp(day: float) -> str:
    return (BEGIN + datetime.timedelta(days=day)).isoformat().replace("+00:00", "Z")


def rows_of(count: int = 90) -> list[list[object]]:
    rng = np.random.default_rng(0)
    days = np.sort(rng.uniform(0.0, 59.0, count))
    places = rng.normal([36.0, 135.0], 1.0, (count, 2)).round(3)
    marks = (4.0 + rng.exponential(0.4, count)).round(2)
    return [[stamp(d), *p, m] for d, p, m in zip(days.tolist(), places.tolist(), marks.tolist())]


def write(file: Path, rows: list[list[object]], header="time,latitude,longitude,mag") -> Path:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
    return file


def read(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("catalogues") / "quakes.csv", rows_of())


def arguments(file: Path, out: Path) -> tuple[object, ...]:
    return (
        *("fit", "events", file, "--out", out),
        *("--window", WINDOW, "--region", REGION, *FAST),
    )


@pytest.fixture(scope="module")
def run(catalogue, tmp_path_factory) -> Path:
    """A run without a report, which takes longer than a brief fit; a slow test draws it."""
    folder = tmp_path_factory.mktemp("runs") / "RUN"
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        assert call(*arguments(catalogue, folder)) == 0
    return folder


@pytest.fixture
def without_report(monkeypatch):
    """The report takes longer than a brief fit."""
    draw_nothing(monkeypatch)


# Runs.


def test_a_run_has_a_model_and_figures(run):
    names = {p.name for p in run.iterdir()}
    assert {"checkpoint.lv", "config.yaml", "metrics.jsonl", "model.lv", "summary.json"} <= names
    summary = json.loads((run / "summary.json").read_text())
    assert summary["test next events predicted"] == 9
    assert 0.0 <= summary["test p-value, north"] <= 1.0
    assert np.isfinite([v for v in summary.values() if isinstance(v, float)]).all()
    assert 0.0 <= summary["share of the training events that are triggered"] < 1.0


def test_the_model_is_loaded_from_python(run):
    model = lv.load_events(run)
    assert model.features == ("longitude", "latitude")
    assert model.origin == "2020-01-01T00:00:00Z"
    assert model.notes["task"] == "events"


def test_a_run_is_evaluated_and_described(run, capsys):
    assert call("evaluate", run, "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    summary = json.loads((run / "summary.json").read_text())
    for name, value in found.items():
        if name != "run":
            assert value == pytest.approx(summary[name]), name
    assert call("info", run) == 0
    assert "equal-area, km" in capsys.readouterr().out
    assert call("settings", "events") == 0
    assert "places.model" in capsys.readouterr().out


@pytest.mark.slow
def test_a_report_is_drawn_with_and_without_a_film(run):
    assert call("plot", run) == 0
    names = {
        "likelihood.png", "loss.png", "map.png", "marks.png", "movie.gif", "rate.png",
        "residuals_test.png", "residuals_validation.png", "triggering.png",
    }  # fmt: skip
    assert {p.name for p in (run / "figures").iterdir()} == names
    page = (run / "report.html").read_text()
    for text in ("in space, per km²", "in space, per degree²", "standardised", "in time"):
        assert text in page
    (run / "figures" / "movie.gif").unlink()
    assert call("plot", run, "--no-movie") == 0
    assert not (run / "figures" / "movie.gif").exists()


@contextlib.contextmanager
def _always_interrupted():
    yield Interruption(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.usefixtures("without_report")
def test_an_interrupted_run_goes_on_to_the_same_model(
    run, catalogue, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.setattr(training, "graceful_interruption", _always_interrupted)
        assert call(*arguments(catalogue, tmp_path / "RUN")) == 130
    assert "--resume" in capsys.readouterr().err
    assert not (tmp_path / "RUN" / "model.lv").exists()
    assert call("fit", "events", catalogue, "--out", tmp_path / "RUN", "--resume") == 0
    events = lv.read_events(catalogue, window=WINDOW).check()
    ours, theirs = (lv.load_events(f).scores(events) for f in (tmp_path / "RUN", run))
    np.testing.assert_array_equal(ours.log_places, theirs.log_places)


def test_other_questions_say_that_the_run_is_of_events(run, tmp_path, capsys):
    assert call("sample", run, "--time", 1, "--out", tmp_path / "x.csv") == 2
    assert "holds a events" in error_of(capsys)


# Forecasts.


def test_a_forecast_fills_a_folder(run, tmp_path, capsys):
    out = tmp_path / "F"
    words = ("forecast", run, "--horizon", "1d", "-n", 20, "--out", out, "--grid", 1.0)
    assert call(*words, "--bins", 0.5, "--json") == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {p.name for p in out.iterdir()} == set(forecasts.FILES)
    assert summary["horizon"] == 1.0
    cells = np.loadtxt(out / "expected.dat")
    assert cells.shape[1] == 10
    assert cells[:, 8].sum() == pytest.approx(summary["expected events in the grid"], rel=1e-3)
    drawn = [row for row in read(out / "catalogues.csv") if row["lon"]]
    assert len(drawn) == round(20 * summary["expected events"])
    assert min(row["time_string"] for row in drawn) > summary["start"].removesuffix("Z")
    assert max(row["time_string"] for row in drawn) < summary["end"].removesuffix("Z")
    shares = [float(row["share"]) for row in read(out / "numbers.csv")]
    assert sum(shares) == pytest.approx(1.0)
    assert call(*words) == 2
    assert "--force" in error_of(capsys)
    assert call(*words, "--force") == 0


def test_a_forecast_from_another_history_and_time(run, tmp_path, capsys):
    history = write(tmp_path / "new.csv", [[stamp(60.5), 36.0, 135.0, 5.0]])
    words = ("forecast", run, "--history", history, "--horizon", "24h", "-n", 20)
    assert call(*words, "--start", stamp(61), "--out", tmp_path / "F", "--json") == 0
    captured = capsys.readouterr()
    summary = json.loads(captured.out.splitlines()[-1])
    assert captured.err == ""
    assert (summary["events known"], summary["horizon"]) == (1, 1.0)
    assert summary["start"] == "2020-03-02T00:00:00Z"


def test_a_history_of_elsewhere_is_left_out(run, tmp_path, capsys):
    rows = [[stamp(60.5), 36.0, 135.0, 5.0]]
    history = write(tmp_path / "one.csv", rows)
    far = write(tmp_path / "far.csv", [*rows, *([stamp(60.9), 50.0, 135.0, 7.0],) * 1])
    said = []
    for file in (history, far):
        words = ("forecast", run, "--history", file, "--horizon", "24h", "-n", 20, "--start")
        assert call(*words, stamp(61), "--out", tmp_path / file.stem, "--json") == 0
        captured = capsys.readouterr()
        said.append(json.loads(captured.out.splitlines()[-1])["expected events"])
    assert said[0] == said[1]
    assert "1 are outside of its region" in captured.err
    nothing = write(tmp_path / "nothing.csv", [[stamp(60.9), 50.0, 135.0, 7.0]])
    words = ("forecast", run, "--history", nothing, "--horizon", "1d", "--out", tmp_path / "N")
    assert call(*words) == 2
    assert "no event of" in error_of(capsys)


def test_a_series_of_forecasts(run, tmp_path, capsys):
    history = write(tmp_path / "history.csv", FUTURE)
    coast = tmp_path / "coast.geojson"
    coast.write_text(json.dumps({"type": "LineString", "coordinates": [[131, 31], [139, 39]]}))
    words = ("forecast", run, "--history", history, "--horizon", "1d", "-n", 20, "--out")
    words = (*words, tmp_path / "S", "--start", stamp(28), "--every", "1d", "--coast", coast)
    assert call(*words, "--until", stamp(30), "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["forecasts"]
    assert [row["observed"] for row in found] == ["0", "1"]
    assert [row["known"] for row in found] == [1, 1]
    assert (tmp_path / "S" / "2020-01-29" / "forecast.png").exists()


def test_nothing_of_a_forecast_that_fails_is_written(run, tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise LiouvilleError("the disk is full")

    monkeypatch.setattr(forecasts, "_picture", broken)
    out = tmp_path / "F"
    assert call("forecast", run, "--horizon", "1d", "-n", 20, "--out", out) == 2
    assert "disk is full" in error_of(capsys)
    assert not out.exists()


FUTURE = [[stamp(20.0), 36.0, 135.0, 5.0], [stamp(30.0), 36.0, 135.0, 5.0]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--horizon", "soon"), "neither a number"),
        (("--horizon", "-3d"), "positive"),
        (("--horizon", "1d", "--start", stamp(25)), "must not know them"),
        (("--horizon", "1d", "--start", stamp(5)), "before the first event"),
        (("--horizon", "1d", "-n", 0), "at least 1"),
        (("--horizon", "1d", "-n", 2, "--grid", -1), "positive size"),
        (("--horizon", "1d", "--bins", -1), "positive width"),
        (("--horizon", "1d", "--region", "1,2,3"), "region"),
        (("--horizon", "1d", "--every", "1d"), "belong together"),
        (("--horizon", "1d", "--every", "1d", "--until", stamp(40)), "--start"),
        (("--horizon", "1d", "--coast", "none.geojson"), "none.geojson"),
        (("--horizon", "1d", "--sequence-name", "7"), "--sequence-name"),
    ],
)
def test_forecasts_that_cannot_be(run, tmp_path, capsys, words, message):
    history = write(tmp_path / "history.csv", FUTURE)
    out = tmp_path / "F"
    assert call("forecast", run, "--history", history, *words, "--out", out) == 2
    assert message in error_of(capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("time,latitude,longitude", [stamp(20.0), 36.0, 135.0], "marks"),
        ("time,x,y,mag", [stamp(20.0), 36.0, 135.0, 5.0], "longitude"),
        ("time,latitude,longitude,mag", [20.0, 36.0, 135.0, 5.0], "plain numbers"),
        ("time,latitude,longitude,mag", [stamp(20.0), 36.0, 135.0, ""], "missing"),
    ],
)
def test_histories_that_do_not_fit(run, tmp_path, capsys, header, row, message):
    history = write(tmp_path / "history.csv", [row], header)
    words = ("forecast", run, "--history", history, "--horizon", "1d", "--out", tmp_path / "F")
    assert call(*words) == 2
    assert message in error_of(capsys)
    assert not (tmp_path / "F").exists()


# Questions.


def test_a_question_at_points_and_times(run, tmp_path):
    points = write(
        tmp_path / "points.csv",
        [[stamp(10), 135.0, 36.0], [stamp(60), 134.0, 35.0]],
        "time,longitude,latitude",
    )
    out = tmp_path / "answers.csv"
    assert call("query", run, "--at", points, "--out", out) == 0
    rows = read(out)
    assert rows[0]["time"] == stamp(10)
    for row in rows:
        rate, density = float(row["rate per day"]), float(row["density per degree2"])
        assert float(row["intensity per day degree2"]) == pytest.approx(rate * density)
        assert 0 < float(row["density per km2"]) < density
    one = tmp_path / "one.csv"
    assert call("query", run, points, "--time", stamp(60), "--out", one) == 0
    assert read(one)[1]["density per km2"] == rows[1]["density per km2"]


def test_questions_that_cannot_be(run, tmp_path, capsys):
    points = write(tmp_path / "points.csv", [[135.0, 36.0]], "longitude,latitude")
    out = tmp_path / "answers.csv"
    for words, message in [
        (("--at", points), "--time for all points"),
        (("--at", points, "--time", stamp(25)), "must not know them"),
        (("--time", stamp(25)), "no points"),
        (("--at", points, "--time", "yesterday"), "yesterday"),
    ]:
        assert call("query", run, *words, "--out", out) == 2
        assert message in error_of(capsys)
        assert not out.exists()
    assert call("query", run, points, "--time", stamp(25), "--drop-future", "--out", out) == 0


# Scores of events that a run has not seen.


@pytest.fixture(scope="module")
def later(tmp_path_factory) -> Path:
    """Events of the two months after those of the run, one of them outside of its region."""
    rng = np.random.default_rng(1)
    days = np.sort(rng.uniform(60.5, 120.0, 80)).tolist()
    rows = [[stamp(d), *rng.normal([36.0, 135.0], 1.0).round(3), 4.5] for d in days]
    rows.append([stamp(120), 36.0, 100.0, 4.5])
    return write(tmp_path_factory.mktemp("later") / "later.csv", rows)


def scored(run: Path, file: Path, *words: object) -> int:
    return call("evaluate", run, "--data", file, *words)


MAY = ("--from", stamp(61), "--to", stamp(120))


def test_events_that_a_run_has_not_seen_are_scored(run, later, catalogue, tmp_path, capsys):
    (tmp_path / "RUN").mkdir()
    for name in ("config.yaml", "model.lv"):
        (tmp_path / "RUN" / name).write_bytes((run / name).read_bytes())
    assert scored(tmp_path / "RUN", later, *MAY, "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert captured.err.count("\n") == captured.err.count("warning: ") == 1
    assert "1 are outside of its region" in captured.err
    seen = read(later)
    early = sum(row["time"] < stamp(61) for row in seen)
    assert found["events"] == 80 - early
    assert (found["events of history"], found["of these, the run's own"]) == (90 + early, 90)
    # Times are in days, whose logarithm the rates and their integrals have.
    model = lv.load_events(run)
    rows: list[list[object]] = [[*row.values()] for row in [*read(catalogue), *seen[:-1]]]
    both = write(tmp_path / "both.csv", rows)
    events = lv.read_events(both, window=f"{stamp(0)},{stamp(120)}", region=REGION).check()
    events = events.between(61.0, 120.0, history_from=0.0)
    scores = model.scores(events)
    assert found["nats in time, days"] == pytest.approx(scores.nats_in_time, abs=1e-4)
    assert found["nats in space, degree2"] == pytest.approx(scores.nats_in_space, abs=1e-4)
    per_km = scores.nats_in_space + np.log(111.2**2 * np.cos(np.radians(36.0)))
    assert found["nats in space, km2"] == pytest.approx(per_km, abs=0.05)
    total = found["nats in time, days"] + found["nats in space, km2"]
    assert found["nats in all, days, km2"] == pytest.approx(total, abs=2e-4)
    assert found["log-likelihood per event in all, days, km2"] == -found["nats in all, days, km2"]
    gains = {(row["gain over"], row["in"]): row for row in found["gains"]}
    assert len(gains) == 6
    poisson = gains["homogeneous Poisson", "all"]
    assert poisson["95 % from"] < poisson["nats per event"] < poisson["to"]
    plain = model.plain_model
    assert plain is not None
    theirs = plain.scores(events)
    wanted = theirs.nats_in_time + theirs.nats_in_space
    wanted -= scores.nats_in_time + scores.nats_in_space
    assert gains["space-time ETAS", "all"]["nats per event"] == pytest.approx(wanted, abs=1e-4)


def test_tests_of_a_forecast_are_asked_for(run, later, capsys):
    words = ("--from", stamp(61), "--to", stamp(63), "--tests", "-n", 20, "--grid", 2.0)
    assert scored(run, later, *words) == 0
    captured = capsys.readouterr()
    for word in ("gain over", "homogeneous Poisson", "share as small", "events of history"):
        assert word in captured.out
    assert scored(run, later, *words, "--json") == 0
    tests = json.loads(capsys.readouterr().out.splitlines()[-1])["tests"]
    assert [row["test"] for row in tests] == ["N", "M", "S", "L"]
    assert all(0.0 <= row["p-value"] <= 1.0 for row in tests)
    assert all(row["passes"] is (row["p-value"] > 0.05) for row in tests)


def test_what_makes_scores_odd_is_said(run, later, catalogue, capsys):
    for words, message in [
        (("--from", stamp(20), "--to", stamp(59)), "when training ended"),
        (("--from", stamp(0), "--to", stamp(59)), "no events before"),
    ]:
        assert scored(run, catalogue, *words) == 0
        assert message in capsys.readouterr().err
    assert scored(run, later, "--from", stamp(61), "--to", stamp(400)) == 0
    assert "expects" in capsys.readouterr().err
    # A run whose own data are gone is scored by what is left.
    text = catalogue.read_text()
    try:
        catalogue.write_text(text.replace("135.", "134."))
        assert scored(run, later, *MAY, "--json") == 0
    finally:
        catalogue.write_text(text)
    captured = capsys.readouterr()
    assert "has changed" in captured.err
    found = json.loads(captured.out.splitlines()[-1])
    assert {row["gain over"] for row in found["gains"]} == {"space-time ETAS"}
    assert "nats in space, standardised" not in found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--from and --to"),
        (("--from", stamp(61)), "--from and --to"),
        (("--from", stamp(70), "--to", stamp(61)), "begin before it ends"),
        (("--from", "spring", "--to", stamp(61)), "spring"),
        (("--from", stamp(200), "--to", stamp(300)), "has no event from"),
        ((*MAY, "--standard"), "standard has no meaning"),
        ((*MAY, "-n", 50), "ask for them with --tests"),
        ((*MAY, "--tests", "--grid", -1.0), "positive size"),
    ],
)
def test_windows_that_cannot_be(run, later, capsys, words, message):
    assert scored(run, later, *words) == 2
    assert message in error_of(capsys)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("time,latitude,longitude", [stamp(70.0), 36.0, 135.0], "marks"),
        ("time,x,y,mag", [stamp(70.0), 36.0, 135.0, 5.0], "longitude"),
        ("time,latitude,longitude,mag", [70.0, 36.0, 135.0, 5.0], "plain numbers"),
        ("time,latitude,longitude,mag", [stamp(70.0), 36.0, 135.0, 3.0], "counts for the model"),
    ],
)
def test_catalogues_that_do_not_fit(run, tmp_path, capsys, header, row, message):
    file = write(tmp_path / "other.csv", [row], header)
    assert scored(run, file, *MAY) == 2
    assert message in error_of(capsys)


def test_a_window_needs_new_events_and_they_a_run(run, later, catalogue, capsys):
    for words, message in [
        (("evaluate", run, "--from", stamp(61)), "name them with --data"),
        (("evaluate", run, later), "--data NEW"),
        (("evaluate", "cells", catalogue, "--data", later), "name a run"),
    ]:
        assert call(*words) == 2
        assert message in error_of(capsys)


# Unusable input.


def changed(row: int, column: int, value: object) -> list[list[object]]:
    rows = rows_of(40)
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "words", "message"),
    [
        (rows_of(1), (), "1 events"),
        ([], (), "no "),
        (changed(3, 0, ""), (), "missing"),
        (changed(3, 3, "nan"), (), "missing"),
        (changed(3, 1, 95.0), (), "latitude"),
        (changed(3, 0, "3/11/2020"), (), "3/11/2020"),
        (rows_of(40), ("--window", "2021-01-01T00:00Z,2021-03-01T00:00Z"), "0 events"),
        (rows_of(40), ("--window", "2020-03-01T00:00Z,2020-01-01T00:00Z"), "begin before it ends"),
        (rows_of(40), ("--window", "2020-01-01"), "begin and its end"),
        (rows_of(40), ("--region", "0,0,1,1"), "outside the region"),
        (rows_of(40), ("--features", "east,north"), "east"),
        (rows_of(40), ("--mark", "size"), "size"),
        (rows_of(40), ("--time", "when"), "when"),
        (rows_of(40), ("--test-from", "2019-01-01T00:00Z"), "one after the other"),
        (rows_of(40), ("--places", "nearby"), "places.model"),
        (rows_of(40), ("--set", "training.chunk=7"), "multiple"),
    ],
)
def test_unusable_input_is_one_line_and_writes_nothing(tmp_path, capsys, rows, words, message):
    file, out = write(tmp_path / "quakes.csv", rows), tmp_path / "RUN"
    window = () if "--window" in words else ("--window", WINDOW)
    assert call("fit", "events", file, "--out", out, *FAST, *window, *words) == 2
    assert message in error_of(capsys)
    assert not out.exists()


def test_what_can_be_put_right_is_said(tmp_path, monkeypatch, capsys):
    def not_now(*_, **__):
        raise LiouvilleError("enough")

    monkeypatch.setattr(skeleton, "fit_task", not_now)
    rows = rows_of(60)
    rows = [rows[5], *rows, [stamp(70), 36.0, 135.0, 4.5], [stamp(7), 36.0, 100.0, 4.5]]
    rows[10][0] = str(rows[10][0]).removesuffix("Z")
    file, out = write(tmp_path / "quakes.csv", rows), tmp_path / "RUN"
    assert call(*arguments(file, out)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if not line.startswith("warning: ")] == ["error: enough"]
    for message in (
        "not in order",
        "repeat",
        "after the end",
        "outside the region",
        "taken as UTC",
    ):
        assert any(message in line for line in lines), message


def test_a_changed_file_is_refused(run, tmp_path, catalogue, capsys):
    text = catalogue.read_text()
    try:
        catalogue.write_text(text.replace("135.", "134."))
        assert call("evaluate", run) == 2
        assert "has changed" in error_of(capsys)
    finally:
        catalogue.write_text(text)


def test_commands_that_need_more(tmp_path, capsys):
    assert call("demo", "--task", "traffic", "--out", tmp_path / "D") == 2
    assert "the demos are" in error_of(capsys)
    span = ("--start", "2020-01-02T00:00Z", "--end", "2020-01-01T00:00Z")
    assert call("download", "usgs", tmp_path / "q.csv", *span) == 2
    assert "start before it ends" in error_of(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_sequences_kinds_and_the_plain_models(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = [
        [number, t, *rng.normal(size=2).round(3), rng.choice(["a", "b"])]
        for number in range(12)
        for t in np.sort(rng.uniform(0, 10, 8)).round(4)
    ]
    file = write(tmp_path / "visits.csv", rows, "sequence,time,x,y,mark")
    out = tmp_path / "RUN"
    fast = [*FAST, "--set", "measure.baselines=true", "--set", "data.validation=0.2"]
    assert call("fit", "events", file, "--out", out, "--window", "0,10", *fast) == 0
    assert "space-time ETAS" in (out / "report.html").read_text()
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["baselines"]) == 7
    words = ("forecast", out, "--horizon", "2", "-n", 5, "--out", tmp_path / "F")
    assert call(*words) == 2
    assert "--sequence-name" in error_of(capsys)
    assert call(*words, "--sequence-name", "3") == 0
    assert {row["mark"] for row in read(tmp_path / "F" / "catalogues.csv")} <= {"a", "b"}
    assert "rate" in read(tmp_path / "F" / "expected.csv")[0]
    # The same window of every sequence of other events, whose times have no unit.
    capsys.readouterr()
    assert call("evaluate", out, "--data", file, "--from", "5", "--to", "10", "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert found["events"] == sum(float(row["time"]) >= 5 for row in read(file))
    parts = [found[f"nats {of}"] for of in ("in time", "in space", "of marks")]
    assert found["nats in all"] == pytest.approx(sum(parts), abs=2e-4)
    assert {row["block of events"] for row in found["gains"]} == {1}
    assert call("evaluate", out, "--data", file, "--from", "5", "--to", "10", "--tests") == 2
    assert "12 sequences" in error_of(capsys)


@pytest.mark.slow
def test_the_demo_recovers_the_process(tmp_path, capsys, monkeypatch):
    draw_nothing(monkeypatch)
    assert call("demo", "--task", "events", "--out", tmp_path / "D", "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = {row["parameter"]: row for row in found["parameters beside the truth"]}
    for name, share in [
        ("background events per day", 0.25),
        ("branching ratio", 0.25),
        ("mean delay of a child (days)", 0.25),
        ("standard deviation of its displacement", 0.15),
        ("b-value", 0.15),
    ]:
        # Several standard errors of some 500 children among 1,300 events.
        assert rows[name]["recovered"] == pytest.approx(rows[name]["true"], rel=share), name
    assert all(abs(row["above the truth"]) < 0.3 for row in found["events beside the truth"])


def test_small_events_are_left_out(tmp_path):
    from liouville.runs.config import merge
    from liouville.tasks.events.config import EventsConfig
    from liouville.tasks.events.split import read_catalogue as read_data

    file = write(tmp_path / "events.csv", rows_of())
    flags = {"data.least_mark": 4.4, "data.window": WINDOW}
    found = read_data(str(file), merge(EventsConfig, flags=flags))
    marks = np.array([row[3] for row in rows_of()], float)
    assert found.marks is not None
    assert found.marks.min() >= 4.4
    assert len(found) == (marks >= 4.4).sum()
    with pytest.raises(LiouvilleError, match="no sizes"):
        read_data(str(file), merge(EventsConfig, flags=flags | {"data.mark": "none"}))
