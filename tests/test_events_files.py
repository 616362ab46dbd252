import gzip
import time as clock
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


# Reading tables.

_USGS_HEADER = "time,latitude,longitude,depth,mag,magType,id,place,type"
_USGS_ROWS = [
    '2011-03-11T05:46:24.120Z,38.297,142.373,29,9.1,mww,us1,"2011 Great Tohoku, Japan",earthquake',
    "2011-03-11T06:15:37.570Z,36.227,141.088,42.6,7.9,mww,us2,off,earthquake",
    "2011-03-13T01:26:04.480Z,35.687,141.97,8,6.2,mwc,us3,off,earthquake",
]


def test_a_catalogue_of_the_usgs(tmp_path: Path) -> None:
    path = _text(tmp_path, "\n".join([_USGS_HEADER, *_USGS_ROWS]))
    window = "2011-03-11T00:00Z,2011-03-14T00:00Z"
    found = read_events(path, window=window, region="130,30,150,46").check()
    assert found.features == ("longitude", "latitude")
    assert found.is_geographic
    assert (found.origin, found.time_unit) == ("2011-03-11T00:00:00Z", "days")
    assert (found.mark_name, found.kinds, found.names) == ("mag", (), ("all",))
    np.testing.assert_array_equal(found.places[0], [142.373, 38.297])
    np.testing.assert_array_equal(found.marks, [9.1, 7.9, 6.2])
    np.testing.assert_array_equal(found.windows, [[0, 3]])
    seconds = (5 * 60 + 46) * 60 + 24.12
    np.testing.assert_allclose(found.times[0] * 86400, seconds, rtol=1e-14)
    assert found.instant(found.times[2]) == "2011-03-13T01:26:04.480000Z"
    with pytest.warns(UserWarning, match="2011-03-11T00:00:00Z to 2011-03-14T00:00:00Z"):
        assert read_events(path).windows.tolist() == [[0, 3]]
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_events(packed, window=window).times, found.times)
    three = read_events(path, features="depth", mark="none", window=window)
    assert (three.features, three.marks, three.is_geographic) == (("depth",), None, False)
    below = read_events(path, features="longitude,latitude,depth", window=window)
    assert (below.dim, below.is_geographic) == (3, True)
    with pytest.warns(UserWarning, match="taken as plain coordinates"):
        assert read_events(path, features="longitude,depth", mark="none", window=window).dim == 2


def test_names_of_columns(tmp_path: Path) -> None:
    path = _text(tmp_path, "T\tLat\tLON\tx\ty\tkind\n0\t1\t2\t3\t4\tb\n1\t5\t6\t7\t8\ta\n", "a.tsv")
    found = read_events(path, window=(0, 2), mark="kind")
    assert found.features == ("LON", "Lat")
    np.testing.assert_array_equal(found.places, [[2, 1], [6, 5]])
    assert (found.kinds, found.mark_name, found.origin) == (("a", "b"), "kind", None)
    np.testing.assert_array_equal(found.marks, [1, 0])
    with pytest.warns(UserWarning, match="no column of magnitudes or kinds.*not used: Lat, LON, k"):
        plain = read_events(path, window="0,2", features=["x", "y"])
    assert (plain.features, plain.is_geographic, plain.marks) == (("x", "y"), False, None)
    # Longitude comes first whatever the order.
    assert read_events(path, window="0,2", features="Lat,LON", mark="none").features[0] == "LON"
    with _raises("no column 'kid'.*did you mean 'kind'"):
        read_events(path, mark="kid")
    with _raises("used twice"):
        read_events(path, mark="x", features="x,y")
    with _raises("no columns longitude and latitude"):
        read_events(_text(tmp_path, "t,lat\n1,2\n"))
    with pytest.warns(UserWarning, match="no columns longitude and latitude.*not used: a"):
        assert read_events(_text(tmp_path, "t,a\n1,2\n"), window="0,5").dim == 0
    with _raises(r"no column of times; name one with time \(--time\)\. It has: x, y"):
        read_events(_text(tmp_path, "x,y\n1,2\n"))
    with _raises("no rows"):
        read_events(_text(tmp_path, "t,x,y\n"))


def test_sequences_of_a_table(tmp_path: Path) -> None:
    path = _text(tmp_path, "seq,t,x,y\n10,1,0,0\n9,2,1,1\n10,0.5,2,2\n")
    found = read_events(path, window=(0, 3))
    assert found.names == ("9", "10")  # by value
    np.testing.assert_array_equal(found.sequence, [0, 1, 1])
    np.testing.assert_array_equal(found.times, [2, 1, 0.5])
    one = read_events(path, window=(0, 3), sequence="none", mark="none")
    assert one.names == ("all",)
    given = read_events(path, window={"10": (0, 3), "empty": (0, 5), "9": (1, 4)})
    assert given.names == ("10", "empty", "9")
    assert given.counts.tolist() == [2, 0, 1]
    assert given.windows.tolist() == [[0, 3], [0, 5], [1, 4]]
    with _raises("without a window: 9"):
        read_events(path, window={"10": (0, 3)})
    with _raises("no 'seq', the first on line 3"):
        read_events(_text(tmp_path, "seq,t,x,y\na,1,0,0\n,2,0,0\n"), window=(0, 3))
    path = _text(tmp_path, "seq,t,x,y\n10,1,0,0\n9,2,1,1\n")
    with _raises("begin and its end"):
        read_events(path, window="0")
    with _raises("neither a number nor a stamp"):
        read_events(path, window="0,soon")
    with _raises("is a date, but times"):
        read_events(path, window="0,2011-03-11")
    with _raises(r"shape \(2, 2\)"):
        read_events(path, window=np.zeros((3, 2)))
    with _raises("must begin before it ends"):
        read_events(path, window=(3, 0))


def test_missing_values_name_their_line(tmp_path: Path) -> None:
    path = _text(tmp_path, "time,x,y,mag\n1,0,0,5\n\nNA,0,0,5\n3,0,0,\n4,1,1,6\n")
    with _raises(r"mag \(1\), time \(1\); the first on line 4.*missing='drop'"):
        read_events(path, window=(0, 5))
    with pytest.warns(UserWarning, match="2 of 4 events .* are dropped"):
        found = read_events(path, window=(0, 5), missing="drop")
    assert found.times.tolist() == [1, 4]
    with _raises("no row with a time"), pytest.warns(UserWarning, match="1 of 1"):
        read_events(_text(tmp_path, "t,x,y\nnat,0,0\n"), missing="drop")
    with _raises("'east' on line 2, which is no number"):
        read_events(_text(tmp_path, "t,x,y\n1,east,0\n"))


def test_zones(tmp_path: Path) -> None:
    window = ("2011-03-11T00:00Z", "2011-03-12T00:00Z")
    rows = ["2011-03-11T14:46:24+09:00,0,0", "2011-03-11 05:46:24 UTC,1,1"]
    path = _text(tmp_path, "\n".join(["time,x,y", *rows]))
    found = read_events(path, window=window)
    assert found.times[0] == found.times[1]  # one instant
    path = _text(tmp_path, "\n".join(["time,x,y", *rows, "2011-03-11 05:46:24.5,0,0"]))
    with pytest.warns(UserWarning, match="1 of 3 time stamps in 'time' have no zone"):
        found = read_events(path, window=window)
    np.testing.assert_allclose((found.times[2] - found.times[1]) * 86400, 0.5, rtol=1e-9)
    # A whole day with a zone.
    assert found.number("2011-03-12Z") == found.number("2011-03-12 UTC") == 1.0
    assert found.number("2011-03-12+09:00") == 1.0 - 9 / 24
    days = ["2011-03-12Z", "2011-03-13Z"]
    np.testing.assert_array_equal(found.numbers(days), [1.0, 2.0])
    np.testing.assert_array_equal(found.numbers(["1", "2.5"]), [1.0, 2.5])
    # A zone can move an event to the day before, and with it the origin.
    path = _text(tmp_path, "time,x,y\n2011-03-11T03:00:00+09:00,0,0\n")
    assert read_events(path, window=("2011-03-10T00:00Z", 1)).origin == "2011-03-10T00:00:00Z"


@pytest.mark.parametrize(
    "stamp",
    ["03/11/2011", "11/03/2011 05:46", "20110311", "05:46:24", "2011-3-11", "2011-03-11 05:46 CST",
     "2011-13-11", "2011-03-11T05:46:61Z", "2011-03-11T24:01Z", "yesterday"],
)  # fmt: skip
def test_times_that_would_need_a_guess(tmp_path: Path, stamp: str) -> None:
    path = _text(tmp_path, f"time,x,y\n{stamp},0,0\n")
    with _raises("time"):
        read_events(path)
    mixed = _text(tmp_path, f"time,x,y\n2011-03-11T00:00Z,0,0\n{stamp},0,0\n", "b.csv")
    with _raises(f"{stamp!r} on line 3"):
        read_events(mixed)


@pytest.mark.parametrize(
    ("times", "window"),
    [
        ([0.1, 29.9996], [0, 30]),
        ([2, 1234], [0, 1300]),
        ([-0.55, 1.0], [-0.6, 1.0]),
        ([1990.25, 2019.9], [1990, 2020]),
        ([5.0], [5, 5.1]),
        ([0.0], [0, 0.1]),
    ],
)
def test_guessed_windows_are_round(tmp_path: Path, times: list[float], window: Any) -> None:
    path = _text(tmp_path, "t,x,y\n" + "".join(f"{t},0,0\n" for t in times))
    with pytest.warns(UserWarning, match="no window of observation"):
        found = read_events(path)
    np.testing.assert_allclose(found.windows, [window], rtol=1e-12)
    assert not found.is_history.any()
    assert np.all(found.times <= found.windows[0, 1])


def test_big_catalogues_read_fast(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, 10**9, 37_581)) * 1000 + 123
    stamps = np.datetime_as_string(seconds.astype("datetime64[ms]")).tolist()
    rows = [f"{i},{s}Z,{120 + i % 30},35.5,4.{i % 10},1.0,2.0" for i, s in enumerate(stamps)]
    path = _text(tmp_path, "\n".join(["id,time,longitude,latitude,magnitude,x,y", *rows]))
    started = clock.process_time()
    found = read_events(path, window=("1970-01-01T00:00Z", "2010-01-01T00:00Z"))
    assert clock.process_time() - started < 2
    assert len(found) == 37_581
    assert found.origin is not None
    assert found.instant(found.times[-1]) == stamps[-1][:-4] + ".123000Z"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with _raises("no file"):
        read_events(tmp_path / "none.csv")
    with _raises("suffix"):
        read_events(_text(tmp_path, "", "a.doc"))
    with _raises("suffix"):
        read_events(_text(tmp_path, "", "a.doc.gz"))
    with _raises("cannot read .*a.csv.gz"):
        read_events(_text(tmp_path, "no", "a.csv.gz"))
    empty = tmp_path / "b.csv.gz"
    empty.write_bytes(gzip.compress(b""))
    with _raises(rf"^{empty} is empty"):
        read_events(empty)
