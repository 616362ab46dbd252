"""One catalogue in several forms wherever events are read: fits, forecasts, questions."""

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import call, draw_nothing, error_of
from liouville.data import Events, read_events
from liouville.errors import LiouvilleError
from liouville.processes import (
    DetectedMagnitudes,
    GutenbergRichter,
    Kinds,
    MixtureMarks,
    Rounded,
)
from liouville.runs.config import merge
from liouville.tasks.events import fit
from liouville.tasks.events._initial import initial_marks
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.units import EventUnits
from test_events_cli import FAST, REGION, WINDOW, rows_of, write


def _moment(stamp: Any) -> np.datetime64:
    return np.datetime64(stamp.removesuffix("Z"), "us")


def _forms(folder: Path) -> dict[str, Path]:
    """The same events under other names, in other forms of time and place, and in other files."""
    rows: Any = rows_of(60)
    stamps = [str(_moment(row[0])) for row in rows]
    own: Any = [(s[:10], s[11:], row[1], row[2], row[3]) for s, row in zip(stamps, rows)]
    parts = [
        [s[:4], s[5:7], s[8:10], s[11:13], s[14:16], s[17:], *row[1:]]
        for s, row in zip(stamps, rows)
    ]
    sides = [[row[0], f"{row[1]}N", f"{row[2]}E", row[3]] for row in rows]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [row[2], row[1], 10]},
            "properties": {"mag": row[3], "time": s},
        }
        for s, row in zip(stamps, rows)
    ]
    geojson = folder / "a.geojson"
    geojson.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    instants = np.array([_moment(row[0]) for row in rows])
    places = np.array([row[1:3] for row in rows], float)
    arrays = {"time": instants, "lat": places[:, 0], "lon": places[:, 1]}
    np.savez(folder / "a.npz", **arrays, Mw=np.array([row[3] for row in rows]))
    return {
        "plain": write(folder / "plain.csv", rows),
        "two columns": write(folder / "two.csv", own, "Date,OriginTime,Lat,Long,Mw"),
        "six columns": write(
            folder / "six.csv", parts, "year,month,day,hour,minute,second,lat,lon,ML"
        ),
        "sides": write(folder / "sides.csv", sides, "Origin Time,Latitude,Longitude,Mag."),
        "geojson": geojson,
        "npz": folder / "a.npz",
    }


@pytest.fixture(scope="module")
def forms(tmp_path_factory) -> dict[str, Path]:
    return _forms(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def run(forms, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "RUN"
    words = ("--window", WINDOW, "--region", REGION)
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        assert call("fit", "events", forms["plain"], "--out", folder, *words, *FAST) == 0
    return folder


def test_a_fit_reads_every_form(forms):
    settings = {"data.window": WINDOW, "data.region": REGION}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no zone")
        read = {
            name: fit.read(merge(EventsConfig, values=settings | {"data.file": str(file)})).events
            for name, file in forms.items()
        }
    for found in read.values():
        assert found.origin == read["plain"].origin
        np.testing.assert_allclose(found.times, read["plain"].times, atol=1e-9)
        np.testing.assert_array_equal(found.places, read["plain"].places)
        np.testing.assert_array_equal(found.marks, read["plain"].marks)
        law = initial_marks(found, EventUnits.of(found, geographic=True))
        assert isinstance(law, Rounded)


def _answers(file: Path) -> np.ndarray:
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    columns = [n for n in rows[0] if n not in ("time", "longitude", "latitude")]
    return np.array([[float(row[n]) for n in columns] for row in rows])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["two columns", "six columns", "sides", "geojson", "npz"])
def test_questions_and_forecasts_read_what_a_fit_reads(run, forms, form, tmp_path):
    later = ("2020-03-02T00:00:00Z", "2020-03-03T06:00:00Z")
    points = write(tmp_path / "p.csv", [[t, 36.0, 135.0] for t in later], "time,latitude,longitude")
    moved: Any = [[t[:10], t[11:19], "135.0E", "36.0N"] for t in later]
    other = write(tmp_path / "q.csv", moved, "date,time,lon,lat")
    for name, at in (("plain", points), (form, other)):
        words = ("--history", forms[name], "--at", at, "--out", tmp_path / f"{name}.csv")
        assert call("query", run, *words) == 0
    plain, again = _answers(tmp_path / "plain.csv"), _answers(tmp_path / f"{form}.csv")
    np.testing.assert_allclose(again, plain, rtol=1e-5)
    words = ("--horizon", "1d", "-n", 5, "--out", tmp_path / "FORECAST")
    assert call("forecast", run, "--history", forms[form], *words) == 0
    assert (tmp_path / "FORECAST" / "catalogues.csv").is_file()


@pytest.mark.slow
def test_conditions_and_repeats_of_a_fit_hold_for_its_histories(tmp_path, capsys, monkeypatch):
    draw_nothing(monkeypatch)
    drawn: Any = rows_of()
    rows: Any = [[row[0][:10], *np.round(row[1:3], 0), "case"] for row in drawn]
    rows += [*rows[:40], [*rows[0][:3], "test"]]
    file = write(tmp_path / "cases.csv", rows, "date,lat,lon,type")
    words = ("fit", "events", file, "--window", WINDOW, "--select", "type=case", *FAST)
    for repeats in ("keep", "count"):
        folder = tmp_path / repeats
        assert call(*words, "--select", "lat>0", "--repeats", repeats, "--out", folder) == 0
        # An hour: of days alone, so brief a training leaves a process that explodes.
        forecast = ("--horizon", "1h", "-n", 5, "--json", "--out", tmp_path / f"{repeats}.f")
        capsys.readouterr()
        assert call("forecast", folder, "--history", file, *forecast) == 0
        known = json.loads(capsys.readouterr().out.splitlines()[-1])["events known"]
        assert known == len(rows) - 1 if repeats == "keep" else known < len(rows) - 41
    assert call(*words, "--select", "age>3", "--out", tmp_path / "none") == 2
    assert "no column 'age'" in error_of(capsys)
    assert not (tmp_path / "none").exists()


# Laws of marks.


def _marked(marks: np.ndarray, **options) -> Events:
    rng = np.random.default_rng(1)
    times, places = np.sort(rng.uniform(0, 9, len(marks))), rng.normal(size=(len(marks), 2))
    sequence = np.zeros(len(marks), int)
    return Events(times, places, sequence, np.array([[0.0, 9.0]]), marks, **options)


def _law(marks: np.ndarray, law: str = "auto", **options: Any) -> Any:
    events = _marked(marks, **options)
    return initial_marks(events, EventUnits.of(events, geographic=False), law)


@pytest.mark.parametrize("name", ["magnitude", "Mw", "ML", "size"])
def test_the_law_follows_from_the_numbers(name):
    rng = np.random.default_rng(0)
    sizes = 4 + np.round(rng.exponential(0.43, 3000), 1)
    law = _law(sizes, mark_name=name)
    assert isinstance(law, Rounded)
    assert isinstance(law.law, GutenbergRichter)
    assert law.width == pytest.approx(0.1)
    # One odd value changes neither the rounding nor b.
    sizes[5] = 4.234
    odd = _law(sizes, mark_name=name)
    assert odd.width == pytest.approx(0.1)
    assert float(odd.law.b_value) == pytest.approx(float(law.law.b_value), rel=2e-3)
    assert isinstance(_law(rng.normal(5, 1, 1000), mark_name=name), MixtureMarks)
    seen = 2 + rng.exponential(0.43, 9000)
    seen = seen[rng.random(9000) < 1 / (1 + np.exp((3.2 - seen) / 0.1))]
    with pytest.warns(UserWarning, match=f"most values of {name} are near"):
        assert isinstance(_law(seen, mark_name=name), DetectedMagnitudes)


def test_the_law_can_be_chosen():
    sizes = np.random.default_rng(0).exponential(1.0, 300)
    assert isinstance(_law(sizes, "mixture"), MixtureMarks)
    assert isinstance(_law(sizes, "detected"), DetectedMagnitudes)
    assert isinstance(_law(sizes**0.2, "exponential"), GutenbergRichter)
    assert isinstance(_law(sizes > 1, kinds=("small", "large")), Kinds)
    with pytest.raises(LiouvilleError, match="all magnitude values of data are 3, which"):
        _law(np.full(9, 3.0))


def test_numbers_are_kinds_if_asked(tmp_path):
    rows: Any = [[i, i % 7, i % 5, 1 + i % 2] for i in range(40)]
    file = write(tmp_path / "a.csv", rows, "t,x,y,mark")
    config = merge(EventsConfig, values={"data.file": str(file), "data.mark_law": "kinds"})
    with pytest.warns(UserWarning, match="no window"):
        assert fit.read(config).events.kinds == ("1", "2")
    assert read_events(file, window=(0, 40)).kinds == ()
