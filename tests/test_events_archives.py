import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liouville.data import (
    read_events,
)
from liouville.errors import LiouvilleError


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


def _text(folder: Path, content: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def _npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "a.npz", allow_pickle=True, **arrays)
    return folder / "a.npz"


# Reading other files.


def _modules(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_parquet(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    times = pandas.to_datetime(["2011-03-11T05:46:24", "2011-03-12T00:00:00"]).tz_localize(
        "Asia/Tokyo"
    )
    frame = pandas.DataFrame({"time": times, "longitude": [1.5, 2.0], "latitude": [3, 4]})
    frame.to_parquet(tmp_path / "a.parquet")
    found = read_events(tmp_path / "a.parquet", window=("2011-03-10T00:00Z", 5))
    np.testing.assert_array_equal(found.places, [[1.5, 3], [2, 4]])
    assert found.instant(found.times[0]) == "2011-03-10T20:46:24Z"


def test_frames(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    zone = pandas.to_datetime(["2011-03-11T05:46:24.12Z", "2011-03-12T00:00:00.00Z", None])
    frame = pandas.DataFrame({"time": zone, "x": [1.5, 2, 3], "y": [3, 4, 5], "mag": [5, None, 5]})
    frame.to_feather(tmp_path / "a.feather")
    for source in (frame, tmp_path / "a.feather"):
        with _raises(r"mag \(1\), time \(1\).*row 2"):
            read_events(source)
        with pytest.warns(UserWarning, match="2 of 3"):
            found = read_events(source, missing="drop", window=(0, 1))
        assert found.instant(found.times[0]) == "2011-03-11T05:46:24.120000Z"
    with _raises("save it again, or as .csv"):
        read_events(_text(tmp_path, "", "a.parquet"))
    rows = np.array([[1, 5.0, 6.0, 4.5], [2, 7.0, 8.0, 4.0]])
    found = read_events(rows, window=(0, 3), mark="size")
    assert (found.features, found.mark_name) == (("x", "y"), "size")
    np.testing.assert_array_equal(found.places, rows[:, 1:3])
    with _raises(r"has the columns time, x and perhaps a mark, got shape \(2, 4\)"):
        read_events(rows, features="x")
    with _raises("of type tuple"):
        read_events((rows, rows))


def test_quakeml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def event(time: str | None, magnitude: float | None) -> Any:
        origin = types.SimpleNamespace(time=time, longitude=140.0, latitude=35.0)
        size = types.SimpleNamespace(mag=magnitude)
        return types.SimpleNamespace(
            preferred_origin=lambda: origin if time and time.startswith("2011") else None,
            origins=[origin],
            preferred_magnitude=lambda: None,
            magnitudes=[size] if magnitude else [],
        )

    path = _text(tmp_path, "<quakeml/>", "a.xml")
    _modules(monkeypatch, obspy=None)
    with _raises("such as QuakeML; install obspy"):
        read_events(path)
    catalogue = [event("2011-03-11T05:46:24.120000Z", 9.1), event("2012-01-01T00:00:00Z", 5.0)]
    _modules(monkeypatch, obspy=types.SimpleNamespace(read_events=lambda _: catalogue))
    found = read_events(path, window=("2011-01-01T00:00Z", "2013-01-01T00:00Z"))
    assert found.is_geographic
    np.testing.assert_array_equal(found.places, [[140, 35]] * 2)
    np.testing.assert_array_equal(found.marks, [9.1, 5.0])
    catalogue.append(event(None, None))
    with _raises("the first on event 3"):
        read_events(path)

    def broken(_: Any) -> Any:
        raise TypeError("Unknown format")

    _modules(monkeypatch, obspy=types.SimpleNamespace(read_events=broken))
    with _raises("Unknown format; is it QuakeML"):
        read_events(path)


def test_archives_of_sequences(tmp_path: Path) -> None:
    first = np.array([[0.5, 140.0, 35], [29.9, 141, 36]])
    path = _npz(tmp_path, a=first, b=np.zeros((0, 3)), c=first[:1] + 1)
    with pytest.warns(UserWarning, match="0 to 30"):
        found = read_events(path, features="longitude,latitude", region="130,30,150,46")
    assert (found.names, found.is_geographic) == (("a", "b", "c"), True)
    assert found.counts.tolist() == [2, 0, 1]
    assert found.marks is None
    np.testing.assert_array_equal(found.windows, [[0, 30]] * 3)
    np.testing.assert_array_equal(found.places, [[140, 35], [141, 36], [141, 36]])
    swapped = read_events(path, features="lat,lon", window=(0, 30))
    assert swapped.features == ("lon", "lat")
    np.testing.assert_array_equal(swapped.places[0], [35, 140])
    assert read_events(path, features="x", mark="size", window=(0, 30)).mark_name == "size"
    with _raises("no marks, but mark is 'size'"):
        read_events(path, features="x,y", mark="size", window=(0, 30))
    with _raises("3 columns without names, whose order differs"):
        read_events(path)
    with _raises("3 columns; they are time, 3 coordinates"):
        read_events(path, features="x,y,z")
    marked = np.column_stack([first, [4.0, np.nan]])
    path = _npz(tmp_path, a=first[:0], b=marked)
    with _raises(r"mark \(1\); the first on row 2 of array 'b'"):
        read_events(path, features="x,y", mark="mark", window=(0, 30))
    with _raises("the time, x, y and one without a name"):
        read_events(path, features="x,y")
    assert read_events(path, features="x,y", mark="none", window=(0, 30)).marks is None
    with pytest.warns(UserWarning, match="1 of 2"):
        found = read_events(path, features="x,y", mark="size", window=(0, 30), missing="drop")
    assert found.counts.tolist() == [0, 1]
    with _raises("3, 4 columns"):
        read_events(_npz(tmp_path, a=first, b=marked))
    late = np.array([[140.0, 35.0, 1.0], [139.0, 36.0, 2.0], [141.0, 34.0, 3.0]])
    with _raises("column 3 of the arrays of .* is in order, as times are"):
        read_events(_npz(tmp_path, a=late), features="longitude,latitude")
    with _raises("no events; give events"):
        read_events(_npz(tmp_path, a=first[:0]))
    assert len(read_events(_npz(tmp_path, a=first[:0]), window=(0, 1))) == 0
    with _raises("Python objects"):
        read_events(_npz(tmp_path, a=np.array([None, 1])))


def test_flat_archives(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "times": np.array([3.0, 1, 2]),
        "places": np.arange(6.0).reshape(3, 2),
        "sequence": np.array([2, 0, 2]),
        "marks": np.array([5.0, 6, 7]),
        "windows": np.array([[0, 4], [0, 5], [1, 6]]),
    }
    found = read_events(_npz(tmp_path, **arrays))
    assert found.counts.tolist() == [1, 0, 2]
    assert found.features == ("x", "y")
    np.testing.assert_array_equal(found.times, [1, 3, 2])
    np.testing.assert_array_equal(found.marks, [6, 5, 7])
    np.testing.assert_array_equal(found.places, [[2, 3], [0, 1], [4, 5]])
    text = read_events(_npz(tmp_path, **{**arrays, "sequence": np.array(["b", "a", "c"])}))
    assert text.names == ("a", "b", "c")
    named = read_events(_npz(tmp_path, **arrays, names=np.array(["p", "q", "r"])))
    assert named.names == ("p", "q", "r")
    when = np.array(["2011-03-11T05:46:24", "2011-03-11", "2011-03-13"], "datetime64[ns]")
    stamps = read_events(_npz(tmp_path, **{**arrays, "times": when}))
    assert stamps.origin == "2011-03-11T00:00:00Z"
    for changed, pattern in [
        ({"marks": np.zeros(2)}, "one value per event"),
        ({"sequence": np.array([0.5, 0, 0])}, "whole numbers from 0"),
        ({"names": np.array(["a"])}, "1 names but 3 sequences"),
        ({"windows": np.array([[0, 4]])}, "holds numbers up to 2 but there are 1 windows"),
        ({"places": np.zeros((3, 2), "datetime64[s]")}, "give real numbers"),
    ]:
        with _raises(pattern):
            read_events(_npz(tmp_path, **{**arrays, **changed}))
    with _raises("2 coordinates but features names 1"):
        read_events(_npz(tmp_path, **arrays), features="x")
