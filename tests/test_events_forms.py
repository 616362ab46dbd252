"""Events as catalogues, spreadsheets and services write them: all of them are one catalogue."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liouville.data import Events, read_events, rounding_width
from liouville.errors import LiouvilleError

DAYS = ("2019-03-01", "2019-03-01", "2019-03-02")
CLOCKS = ("00:00:00", "07:13:17", "21:39:51")
PLACES = np.array([[141.5, 38.0], [140.25, 38.5], [141.0, 37.75]])
SIZES = (4.0, 4.1, 5.3)
WINDOW = ("2019-03-01T00:00Z", "2019-03-03T00:00Z")


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


def _table(folder: Path, columns: dict[str, Any], name: str = "a.csv", by: str = ",") -> Path:
    rows = [by.join(columns), *(by.join(map(str, row)) for row in zip(*columns.values()))]
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def _columns(**changed: Any) -> dict[str, Any]:
    """The columns of the catalogue; those that are changed take the place of the time."""
    own = changed or {"time": [f"{day}T{clock}Z" for day, clock in zip(DAYS, CLOCKS)]}
    places = dict(zip(("longitude", "latitude"), PLACES.T.tolist()))
    return {**own, **places, "magnitude": SIZES}


def _read(path: Any, **options: Any) -> Events:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(no zone|are taken as)")
        return read_events(path, **{"window": WINDOW, **options})


def _is_the_catalogue(found: Events) -> None:
    assert found.origin == "2019-03-01T00:00:00Z"
    seconds = [0, 7 * 3600 + 13 * 60 + 17, 86400 + 21 * 3600 + 39 * 60 + 51]
    np.testing.assert_allclose(found.times * 86400, seconds, atol=1e-3)
    np.testing.assert_allclose(found.places, PLACES, atol=1e-12)
    np.testing.assert_array_equal(found.marks, SIZES)
    assert found.is_geographic
    assert not found.kinds


# Times.


_SPLIT = [tuple(map(int, f"{d}:{c}".replace("-", ":").split(":"))) for d, c in zip(DAYS, CLOCKS)]
_MILLISECONDS = [1551398400000, 1551424397000, 1551562791000]


def _year(milliseconds: int) -> str:
    return f"{2019 + (milliseconds - 1546300800000) / (365 * 864e5):.13f}"


_PARTS = dict(zip(("year", "month", "day", "hour", "minute", "second"), zip(*_SPLIT)))

_LATE = "2019-03-02T21:39:51Z"

TIMES = {
    "day and clock": {"date": DAYS, "time": CLOCKS},
    "day and origin time": {"Date": DAYS, "OriginTime": CLOCKS},
    "slashes": {"date": [d.replace("-", "/") for d in DAYS], "time": ["0:00", *CLOCKS[1:]]},
    "digits": {"date": [d.replace("-", "") for d in DAYS], "time": ["0", "71317", "213951.0"]},
    "Spanish": {"fecha": DAYS, "hora": CLOCKS},
    "German": {"Datum": DAYS, "Uhrzeit": CLOCKS},
    "Japanese": {"日時": [f"{day}T{clock}Z" for day, clock in zip(DAYS, CLOCKS)]},
    "six columns": _PARTS,
    "other names": dict(zip(("YYYY", "MO", "DD", "HH", "MI", "SS"), zip(*_SPLIT))),
    "days and clock": {**{k: _PARTS[k] for k in ("year", "month", "day")}, "time": CLOCKS},
    "no separators": {"time": ["20190301000000", "20190301071317", "20190302213951"]},
    "basic": {"datetime": ["20190301T000000Z", "20190301T071317Z", "20190302T213951Z"]},
    "second 60": {"time": ["2019-02-28T23:59:60.0Z", "2019-03-01 07:13:17", _LATE]},
    "hour 24": {"time": ["2019-02-28T24:00:00Z", "2019/03/01 07:13:17", _LATE]},
    "a zone": {"Origin Time": ["2019-03-01 09:00:00 JST", "2019-03-01T16:13:17+0900", _LATE]},
    "milliseconds": {"time": _MILLISECONDS},
    "seconds": {"timestamp": [n / 1000 for n in _MILLISECONDS]},
    "years": {"decimal_year": [_year(n) for n in _MILLISECONDS]},
}


@pytest.mark.parametrize("form", TIMES)
def test_times_in_all_forms(tmp_path: Path, form: str) -> None:
    _is_the_catalogue(_read(_table(tmp_path, _columns(**TIMES[form]))))


def test_units_of_numbers_are_said_and_can_be_given(tmp_path: Path) -> None:
    path = _table(tmp_path, _columns(t=_MILLISECONDS))
    with pytest.warns(UserWarning, match="1551398400000, which are taken as epoch-milliseconds"):
        read_events(path, window=WINDOW)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _is_the_catalogue(read_events(path, window=WINDOW, time_unit="epoch-milliseconds"))
        plain = read_events(path, window=(0, 2e12), time_unit="seconds")
    assert (plain.origin, plain.time_unit) == (None, "seconds")
    np.testing.assert_array_equal(plain.times, _MILLISECONDS)
    # A window is written as the times are.
    years = _table(tmp_path, _columns(**TIMES["years"]))
    assert _read(years, window=(2019, 2020)).windows.tolist() == [[-59.0, 306.0]]
    # Small numbers stay numbers.
    small = _table(tmp_path, _columns(t=[1990.25, 1991, 2019.9]))
    assert read_events(small, window=(0, 3000)).origin is None


_US, _EU = ["{1}/{2}/{0}", "{2}.{1}.{0}"]
_HALVES = ["12:00:00 AM", "07:13:17 am", "09:39:51 PM"]


@pytest.mark.parametrize(
    ("form", "clocks", "order"),
    [(_US, _HALVES, "month, day"), (_US, CLOCKS, "month, day"), (_EU, CLOCKS, "day, month")],
)
def test_a_column_tells_the_order_of_day_and_month(
    tmp_path: Path, form: str, clocks: Any, order: str
) -> None:
    days = ["2019-12-02", "2019-11-30", "2019-12-01"]
    dates = [form.format(*day.split("-")) for day in days]
    expected = [f"{day}T{clock}Z" for day, clock in zip(days, CLOCKS)]
    columns = _columns(time=[f"{day} {clock}" for day, clock in zip(dates, clocks)])
    with pytest.warns() as said:
        found = read_events(_table(tmp_path, columns), window=(WINDOW))
    texts = " ".join(str(each.message) for each in said)
    assert f"are read as {order}, year: 1 of 3, such as '" in texts
    assert [found.instant(t) for t in found.times] == expected
    if clocks is CLOCKS:
        with pytest.warns():
            apart = read_events(_table(tmp_path, _columns(date=dates, time=clocks)))
        np.testing.assert_array_equal(apart.times, found.times)


def test_times_of_day_by_what_they_are_beside_dates_are_said(tmp_path: Path) -> None:
    path = _table(tmp_path, _columns(date=DAYS, klokke=CLOCKS))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read_events(path, window=WINDOW)
    message = next(str(one.message) for one in said if "klokke" in str(one.message))
    _is_the_catalogue(_read(path, time=message.rpartition("--time ")[2].removesuffix(")")))
    # Where the stamps have times of day themselves, another column of them is something else.
    whole = _columns(date=[f"{d}T{c}Z" for d, c in zip(DAYS, CLOCKS)], sunrise=CLOCKS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_events(_table(tmp_path, whole, "b.csv"), window=WINDOW)


def test_times_that_begin_again_with_a_column_are_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(["ann", "bob", "eve"], 5)
    times = np.sort(rng.uniform(0.0, 9.0, (3, 5)), axis=1).ravel()
    columns = {
        "t": times,
        "x": rng.random(15),
        "y": rng.random(15),
        "who": who,
        "number": range(15),
    }
    path = _table(tmp_path, columns)
    with pytest.warns(UserWarning, match="begin again 2 times where 'who' changes.*--sequence who"):
        read_events(path, window=(0.0, 9.0), mark="none")
    own = read_events(path, window=(0.0, 9.0), mark="none", sequence="who")
    assert own.names == ("ann", "bob", "eve")
    # In no order at all, or where times go on, no column is meant.
    mixed = rng.permutation(15)
    other = {name: np.asarray(column)[mixed] for name, column in columns.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_events(_table(tmp_path, other, "b.csv"), window=(0.0, 9.0), mark="none")
        columns["t"] = np.sort(times)
        read_events(_table(tmp_path, columns, "c.csv"), window=(0.0, 9.0), mark="none")


def test_rows_that_stand_for_several_events(tmp_path: Path) -> None:
    path = _table(
        tmp_path, {"t": [0, 7, 7, 14], "x": 4 * [1], "y": [1, 1, 2, 2], "cases": [2, 0, 1, 3]}
    )
    with pytest.warns(UserWarning, match="'cases' .* number of events of a row.*--counts"):
        found = read_events(path, window=(0, 21))
    np.testing.assert_array_equal(found.times, [0, 0, 7, 14, 14, 14])
    np.testing.assert_array_equal(found.places[:, 1], [1, 1, 2, 2, 2, 2])
    assert len(read_events(path, window=(0, 21), counts="none", mark="none")) == 4
    path = _table(tmp_path, {"t": [0, 7], "x": [1, 1], "y": [1, 2], "n": [1.5, 2]})
    with _raises("'n' of .* has 1.5 on line 2, which is no number of events"):
        read_events(path, window=(0, 21), counts="n")
    # Rates are no numbers of events, and ones say nothing.
    for values in ([0.5, 2], [1, 1]):
        path = _table(tmp_path, {"t": [0, 7], "x": [1, 1], "y": [1, 2], "count": values})
        assert len(read_events(path, window=(0, 21), mark="none")) == 2


@pytest.mark.parametrize(
    ("times", "pattern"),
    [
        ({"date": [190301, 190301, 190302]}, "'190301' on line 2.*more than one way.*time-unit"),
        ({"date": [20190301] * 3}, "'20190301' on line 2.*more than one way"),
        ({"time": CLOCKS}, "times of day, such as '00:00:00', without a date.*--time date,time"),
        ({"date": ["1/3/2019"] * 3, "time": CLOCKS}, "'1/3/2019T00.*more than one way"),
        ({"date": ["13/3/2019", "3/13/2019", "1/3/2019"]}, "more than one way"),
        ({"date": ["1/13/2019 13:00 AM"] * 3}, "more than one way"),
        ({"year": [2019] * 3, "week": [1, 2, 3]}, "'year' and 'week': weeks are numbered"),
        ({"time": ["3/4/2019"] * 3}, "more than one way"),
        ({"started_at": DAYS, "ended_at": DAYS}, "several columns of times: started_at, ended_at"),
        ({**_PARTS, "month": [3, 13, 3]}, "2019-13-01.*line 3"),
        ({**_PARTS, "hour": [3, 4.5, 3]}, "hour 4.5.* on line 3 of .* is no time"),
        ({"month": [3, 4, 5], "day": [3, 2, 1]}, "'day' of .* begins again 2 times.*--time day"),
        ({"hour": [23, 7, 0]}, "'hour' of .* from 0 to 23 and begins again.*year,month,day"),
        ({"time": ["2019-03-01T00:00:00 CST"] * 3}, "CST has several meanings"),
    ],
)
def test_times_that_are_asked_for(tmp_path: Path, times: Any, pattern: str) -> None:
    with _raises(pattern):
        read_events(_table(tmp_path, _columns(**times)))


def test_parts_of_letters_are_no_names(tmp_path: Path) -> None:
    with _raises("no column of times"):
        read_events(_table(tmp_path, _columns(été=[1, 2, 3])))
    # A count from a start, which begins again, can be meant.
    path = _table(tmp_path, {"day": [3, 2, 1], "x": [1, 2, 3], "y": [3, 1, 2]})
    assert read_events(path, time="day", window=(0, 9)).times.tolist() == [3, 2, 1]


def test_times_by_name(tmp_path: Path) -> None:
    path = _table(tmp_path, _columns(recorded_on=DAYS, day_clock=CLOCKS, ended_at=DAYS[::-1]))
    _is_the_catalogue(_read(path, time="recorded_on,day_clock"))
    assert _read(path, time="ended_at").instant(0.0) == "2019-03-01T00:00:00Z"
    with _raises("no dates and times of day"):
        read_events(path, time="recorded_on,ended_at")
    # A missing part is a missing time.
    path = _table(tmp_path, _columns(date=DAYS, time=["00:00", "", "21:39:51"]))
    with _raises(r"date, time \(1\); the first on line 3"):
        read_events(path)


# Places.


def _sided(x: float, sides: str) -> str:
    return f"{abs(x)}{sides[x < 0]}"


def _minutes(x: float, side: str) -> str:
    return f"{int(x)} {(x - int(x)) * 60:.1f} {side}"


@pytest.mark.parametrize(
    ("names", "longitude", "latitude"),
    [
        (("lon", "lat"), "{:.2f}E".format, "{:.2f}N".format),
        (("Longitude (deg)", "Latitude (deg)"), "E{:.2f}".format, "N{:.2f}".format),
        (("lng", "LAT"), lambda x: _minutes(x, "E"), lambda x: _minutes(x, "N")),
        (("long", "lat"), lambda x: _minutes(x, ""), lambda x: f"{int(x)}°{x % 1 * 60:.0f}'0\""),
        (("event_lon", "event_lat"), str, str),
        (("EventLongitude", "EventLatitude"), str, str),
        (("Longitud", "Latitud"), str, str),
        (("Längengrad", "Breitengrad"), str, str),
        (("Länge", "Breite"), str, str),
        (("długość geograficzna", "szerokość geograficzna"), str, str),
        (("経度", "緯度"), str, str),
    ],
)
def test_places_in_all_forms(tmp_path: Path, names: Any, longitude: Any, latitude: Any) -> None:
    time = _columns()["time"]
    lon, lat = (list(map(f, x)) for f, x in zip((longitude, latitude), PLACES.T.tolist()))
    columns = {"time": time, names[1]: lat, names[0]: lon, "mag": SIZES}
    _is_the_catalogue(_read(_table(tmp_path, columns, by=";")))


def test_south_and_west(tmp_path: Path) -> None:
    columns = {"t": [1, 2, 3], "lon": ["70.5W", "0", "W 71 30"], "lat": ["33 30 S", "33.0s", -34]}
    found = read_events(_table(tmp_path, columns), window=(0, 9))
    np.testing.assert_array_equal(found.places, [[-70.5, -33.5], [0, -33], [-71.5, -34]])
    for cell in ("33 61 S", "33.5 10 S", "-33S", "33E", "N33S", "south", "1 2 3 4"):
        with _raises(f"lat '{cell}' on line 3 of .* is no place in degrees; write .*35.205S"):
            read_events(_table(tmp_path, {"t": [1, 2], "lon": [1, 2], "lat": [1, cell]}))


def test_several_places_are_asked_for(tmp_path: Path) -> None:
    names = ("start_lng", "start_lat", "end_lng", "end_lat")
    trips = dict(zip(names, [*PLACES.T, *PLACES.T]))
    path = _table(tmp_path, {"time": _columns()["time"], **trips, "magnitude": SIZES})
    with _raises("several places .*: start_lng,start_lat or end_lng,end_lat; .*--features"):
        read_events(path)
    _is_the_catalogue(_read(path, features="end_lat,end_lng"))
    # A pair without other words is that of the event.
    path = _table(tmp_path, _columns() | {"station_lon": [1, 2, 3], "station_lat": [1, 2, 3]})
    _is_the_catalogue(_read(path))


@pytest.mark.parametrize(
    "names", [("easting", "northing"), ("X Coordinate", "Y Coordinate"), ("x_rd", "y_rd")]
)
def test_places_on_a_plane(tmp_path: Path, names: Any) -> None:
    columns = {"time": _columns()["time"], **dict(zip(names, PLACES.T.tolist())), "mag": SIZES}
    found = _read(_table(tmp_path, columns))
    assert found.features == names
    assert not found.is_geographic
    np.testing.assert_array_equal(found.places, PLACES)
    # Degrees win, and a pair without other words.
    both = _columns() | dict(zip(names, 2 * [[1, 2, 3]]))
    assert _read(_table(tmp_path, both)).is_geographic
    several = {**columns, "home_x": [1, 2, 3], "home_y": [1, 2, 3]}
    if names[0] == "easting":
        assert _read(_table(tmp_path, several)).features == names
    else:
        with _raises("several places of an event"):
            read_events(_table(tmp_path, several))


# Marks.


@pytest.mark.parametrize(
    "name",
    [
        "Mw",
        "ML",
        "Mj",
        "Mjma",
        "mb_Lg",
        "Ms",
        "mb",
        "M",
        "mag",
        "Magnitude",
        "Mag.",
        "mw_pref",
        "MAGNITUDE (Mw)",
    ],
)
def test_names_of_magnitudes(tmp_path: Path, name: str) -> None:
    columns = _columns()
    columns[name] = columns.pop("magnitude")
    columns |= {"magType": ["mw"] * 3, "mag_error": [0.1] * 3, "magNst": [9, 9, 9]}
    found = _read(_table(tmp_path, columns))
    _is_the_catalogue(found)
    assert found.mark_name == name


def test_several_magnitudes_are_said(tmp_path: Path) -> None:
    columns = _columns()
    columns |= {"ML": SIZES, "Mw": columns.pop("magnitude"), "ms": [250, 13, 0]}
    path = _table(tmp_path, columns)
    with pytest.warns(UserWarning, match=r"several magnitudes \(Mw, ML\); 'Mw' is taken"):
        found = read_events(path, window=WINDOW)
    assert found.mark_name == "Mw"
    assert _read(path, mark="ML").mark_name == "ML"


def test_one_text_among_numbers_makes_no_kinds(tmp_path: Path) -> None:
    plain = {"t": range(9), "x": range(9), "y": range(9)}
    path = _table(tmp_path, {**plain, "mag": [4] * 8 + ["<3.5"]})
    with _raises(r"column 'mag' of .* has '<3.5' on line 10 among numbers \(1 of 9.*--mark none"):
        read_events(path)
    assert read_events(path, kinds=True, window=(0, 9)).kinds == ("4", "<3.5")
    numbered = _table(tmp_path, {**plain, "mark": [10, *[2] * 8]})
    found = read_events(numbered, kinds=True, window=(0, 9))
    assert (found.kinds, np.asarray(found.marks).tolist()) == (("2", "10"), [1, *[0] * 8])


@pytest.mark.parametrize("holder", [-9.9, -999, 99, 9999])
def test_place_holders_are_said(tmp_path: Path, holder: float) -> None:
    sizes = [4.0, holder, 4.3, 5.1]
    path = _table(tmp_path, {"t": range(4), "x": range(4), "y": range(4), "mag": sizes})
    with _raises(rf"1 values of 'mag' of .* such as {holder:g}, the first on line 3.*missing=drop"):
        read_events(path)
    with pytest.warns(UserWarning, match="place holders|1 of 4 events"):
        assert len(read_events(path, missing="drop", window=(0, 9))) == 3
    # Near others such a number is a size.
    sizes = [90, 99, 101, 130]
    path = _table(tmp_path, {"t": range(4), "x": range(4), "y": range(4), "mag": sizes})
    assert len(read_events(path, window=(0, 9))) == 4


def test_zeros_far_from_other_sizes_are_said(tmp_path: Path) -> None:
    sizes = np.r_[0.0, 0.0, 1.5 + np.round(np.random.default_rng(0).exponential(0.43, 98), 1)]
    places = {"t": range(100), "x": range(100), "y": range(100)}
    path = _table(tmp_path, {**places, "mag": sizes})
    with pytest.warns(UserWarning, match="2 values of 'mag' .* on line 2.*1.5.*--select 'mag>0'"):
        read_events(path, window=(0, 100))
    # Sizes that zero is one of: whole numbers, and amounts of a wide range.
    for others in (np.arange(1, 99), np.geomspace(1.0, 1e4, 98)):
        path = _table(tmp_path, {**places, "mag": np.r_[0.0, 0.0, others]})
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".* are 0, the first")
            read_events(path, window=(0, 100))


def test_the_width_of_rounding_is_that_of_the_bulk() -> None:
    rng = np.random.default_rng(0)
    sizes = 4 + np.round(rng.exponential(0.43, 3000), 1)
    assert rounding_width(sizes) == pytest.approx(0.1)
    sizes[7] = 4.234
    assert rounding_width(sizes) == pytest.approx(0.1)
    assert rounding_width(sizes[:10]) != pytest.approx(0.1)  # one in ten is no exception
    for step in (1e-3, 0.05, 1, 200):
        assert rounding_width(step * rng.geometric(0.2, 500)) == pytest.approx(step)
    assert rounding_width(sizes + 0.05) == pytest.approx(0.1)  # bins named by their middle
    assert rounding_width(rng.normal(size=500)) == rounding_width(np.ones(5)) == 0.0


# Rows.


def test_conditions_on_rows(tmp_path: Path) -> None:
    columns = _columns() | {
        "depth": [10, "", 600],
        "type": ["earthquake", "Quarry Blast", "earthquake"],
        "mc": ["4.0", "4.5", "4.1"],  # the magnitude of completeness at that time
    }
    path = _table(tmp_path, columns)
    with pytest.warns(UserWarning, match=r"2 types of events, earthquake \(2\), Quarry"):
        read_events(path, window=WINDOW)
    for select, rows in [
        ("type=earthquake", [0, 2]),
        ("type!=earthquake", [1]),
        ("type=quarry blast|earthquake", [0, 1, 2]),
        ("depth<600", [0]),
        ("depth >= 10, magnitude > 4", [2]),
        (["Type=earthquake", "magnitude=4|5"], [0]),
        ("magnitude<=4.1", [0, 1]),
        ("magnitude>=MC", [0, 2]),
        ("magnitude<mc", [1]),
    ]:
        found = _read(path, select=select)
        np.testing.assert_allclose(found.places, PLACES[rows])
    for select, pattern in [
        ("kind=a", "no column 'kind'.*It has"),
        ("type=explosion", r"no row of .* has type=explosion; 'type' holds earthquake \(2\), Qua"),
        ("depth>700", "'depth' is from 10 to 600"),
        ("type<3", "holds text and has no <"),
        ("depth<deep", "compares with no number"),
        ("depth", "such as type=earthquake or depth<30, got 'depth'"),
        ("depth<", "got 'depth<'"),
        ("type=quarry blast,depth>500", "meets all of"),
    ]:
        with _raises(pattern):
            read_events(path, select=select)
    # What is left out need not be readable, and lines are those of the file.
    columns["magnitude"] = ["4", "unknown", "?"]
    with _raises("no number|among numbers"):
        read_events(_table(tmp_path, columns), select="depth>0", mark="depth", features="magnitude")


def test_repeats_are_dropped_kept_or_counted(tmp_path: Path) -> None:
    columns = {"date": [1, 2, 1, 1, 2], "lon": [5, 5, 5, 6, 5], "lat": [1] * 5}
    events = read_events(_table(tmp_path, columns), window=(0, 9))
    events = events.keep(np.argsort(events.times, kind="stable"))
    with pytest.warns(UserWarning, match="are dropped; repeats='keep' or|the time of another"):
        assert len(events.check()) == 3
    with pytest.warns(UserWarning, match="3 events .* have the time of another"):
        assert len(events.check(repeats="keep")) == 5
    with pytest.warns(UserWarning, match="1 events .* have the time of another"):
        counted = events.check(repeats="count")
    assert (counted.mark_name, counted.kinds) == ("count", ())
    np.testing.assert_array_equal(counted.places[:, 0], [5, 6, 5])
    np.testing.assert_array_equal(counted.marks, [2, 1, 2])
    marked = read_events(_table(tmp_path, columns | {"mag": [4] * 5}), window=(0, 9))
    with _raises("cannot be counted: their number would be the mark, which is 'mag'"):
        marked.check(repeats="count")


# Formats.


def test_formats_of_services(tmp_path: Path) -> None:
    time = _columns()["time"]
    names = ["#EventID", "Time", "Latitude", "Longitude", "Depth/km", "Author", "MagType"]
    rows = [
        ["a", t[:-1], lat, lon, 10, "us", "mw", m]
        for t, (lon, lat), m in zip(time, PLACES.tolist(), SIZES)
    ]
    _is_the_catalogue(
        _read(_table(tmp_path, dict(zip([*names, "Magnitude"], zip(*rows))), "a.txt", "|"))
    )
    features = [
        {
            "type": "Feature",
            "id": str(i),
            "geometry": {"type": "Point", "coordinates": [*place, 10.0]},
            "properties": {"mag": m, "time": t, "updated": t + 9, "magType": "mw", "tz": None},
        }
        for i, (place, t, m) in enumerate(zip(PLACES.tolist(), _MILLISECONDS, SIZES))
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _is_the_catalogue(read_events(path, window=WINDOW))
    assert len(read_events(path, window=WINDOW, select="mag>5")) == 1
    features[1]["properties"]["time"] = None
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with _raises(r"time \(1\); the first on feature 2"):
        read_events(path)
    for content, pattern in [
        ('{"features": 3}', "no FeatureCollection of events"),
        ("[1, 2]", "no FeatureCollection of events"),
        ('{"features": [3]}', "feature 1 of .* is no point"),
        ('{"features": [{"geometry": {"type": "Point", "coordinates": ["a", 1]}}]}', "no point"),
        ("{", "is it GeoJSON"),
    ]:
        path.write_text(content)
        with _raises(pattern):
            read_events(path)


def test_quakeml_with_obspy(tmp_path: Path) -> None:
    obspy = pytest.importorskip("obspy")
    event = pytest.importorskip("obspy.core.event")
    events = [
        event.Event(
            origins=[
                event.Origin(time=obspy.UTCDateTime(t), longitude=lon, latitude=lat, depth=1e4)
            ],
            magnitudes=[event.Magnitude(mag=m, magnitude_type="Mw")],
            event_type="earthquake",
        )
        for t, (lon, lat), m in zip(_columns()["time"], PLACES.tolist(), SIZES)
    ]
    catalogue = obspy.Catalog(events)
    catalogue.write(str(tmp_path / "a.xml"), format="QUAKEML")
    catalogue.write(str(tmp_path / "a.zmap"), format="ZMAP")
    _is_the_catalogue(_read(tmp_path / "a.xml"))
    assert len(_read(tmp_path / "a.zmap")) == 3
    assert len(_read(tmp_path / "a.xml", select="depth<=10,magnitude_type=mw,type=earthquake")) == 3


def test_archives_by_name(tmp_path: Path) -> None:
    lon, lat = PLACES.T
    stamps = np.array([f"{day}T{clock}" for day, clock in zip(DAYS, CLOCKS)], "datetime64[s]")
    for times in (stamps, np.array(_MILLISECONDS), np.array(_columns()["time"])):
        arrays = {"Mw": np.array(SIZES), "lat": lat, "origin_time": times, "lon": lon}
        np.savez(tmp_path / "a.npz", **arrays)
        _is_the_catalogue(_read(tmp_path / "a.npz"))
    assert len(_read(tmp_path / "a.npz", select="Mw>5")) == 1
