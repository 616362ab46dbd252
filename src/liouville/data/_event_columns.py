"""Which columns of a table of events hold the time, the place, the mark and so on, by their names.

A name is read as its words, in any case: ``Origin Time``, ``origin_time`` and ``OriginTime`` are
one, and units such as ``(deg)`` are no part of it. A column with a usual name is taken for its
role; without one, a column that has such a word among others (``start_lat``) if there is only one.
"""

import re
from collections.abc import Collection, Sequence

import numpy as np

from liouville.data._names import listed
from liouville.data._roles import USUAL
from liouville.data._tables import Table
from liouville.errors import LiouvilleError

# Letters of all alphabets: without them the name of summer in French, *été*, would be *t*.
_WORD = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|[0-9]+")
_UNITS = {"deg", "degree", "degrees", "km", "utc", "gmt", "wgs", "84", "dd"}
# A column with one of these words says something about a role, and is not it.
_ABOUT = {
    *("error", "err", "type", "nst", "source", "author", "uncertainty", "std", "sigma", "zone"),
    *("updated", "stations", "count", "id", "name", "scale", "method", "quality", "gap"),
}

# Beside English, names in other languages that mean nothing else.
_LONGITUDE = {
    *(*USUAL["longitude"], "longitud", "longitudine", "längengrad", "länge", "lengtegraad"),
    *("lengdegrad", "longitudo", "długość", "долгота", "boylam", "経度", "经度", "經度", "경도"),
}
_LATITUDE = {
    *(*USUAL["latitude"], "latitud", "latitudine", "breitengrad", "breite", "breedtegraad"),
    *("breddegrad", "latitudo", "szerokość", "широта", "enlem", "緯度", "纬度", "위도"),
}
_DEPTH = {"depth", "profundidad", "profondeur", "profundidade", "tiefe", "深さ", "深度"}
_EAST, _NORTH = {"x", "east", "easting", "eastings"}, {"y", "north", "northing", "northings"}
_SIZE = {
    *("magnitude", "mag", "mw", "mww", "mwc", "mwb", "mwr", "mwp", "ml", "mlh", "mb"),
    *("mblg", "mj", "mjma", "magnitud", "magnitudine", "マグニチュード", "震级"),
}

_TIME_NAMES = (
    *("time", "times", "datetime", "date_time", "timestamp", "origin_time", "event_time"),
    *("origin_datetime", "decimal_year", "year_decimal", "decyear", "epoch", "date"),
    *("origin_date", "event_date", "occurred_at", "origintime", "t", "day", "days", "hour"),
    *("hpf", "dpf", "hpi", "fecha", "fecha_hora", "datum", "zeit", "日時", "発生日時", "日付"),
)
_TIME_WORDS = {"time", "date", "datetime", "timestamp", "at", "week", "fecha", "datum", "zeit"}
_CLOCKS = {"hora", "heure", "uhrzeit", "ora", "時刻"}
_MARK_NAMES = (
    *("magnitude", "mag", "magnitude_value", "mag_value", "preferred_magnitude", "mark", "marks"),
    *("mw", "mww", "mw_pref", "mwc", "mwb", "mwr", "ml", "mj", "mjma", "mb"),
)
# In small letters these are milliseconds, metres or months.
_SHORT_MARK_NAMES = ("Ms", "MS", "Md", "MD", "M")
_COUNT_NAMES = (
    *("cases", "case_count", "n_cases", "num_cases", "number_of_cases", "new_cases", "count"),
    *("counts", "n_events", "num_events", "event_count", "number_of_events", "frequency"),
)
_SEQUENCE_NAMES = USUAL["sequence"]
_TYPE_NAMES = ("type", "event_type", "eventtype", "evtype", "etype", "type_of_event")

PARTS_OF_TIME = {
    "year": ("year", "yr", "yyyy"),
    "month": ("month", "mon", "mo", "mm"),
    "day": ("day", "dd", "day_of_month"),
    "hour": ("hour", "hr", "hh"),
    "minute": ("minute", "min", "mi"),
    "second": ("second", "seconds", "sec", "secs", "ss"),
}
"""Names of the columns that are a time together, from the largest part to the smallest."""


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, without units: ``("origin", "time")``."""
    found = tuple(word.casefold() for word in _WORD.findall(name))
    return tuple(word for word in found if word not in _UNITS) or found


def is_geographic(features: Sequence[str]) -> bool:
    """Whether coordinates are longitude and latitude by their names, and perhaps then a depth."""
    place, below = features[:2], features[2:]
    if len(place) < 2 or len(below) > 1 or not all(is_depth(name) for name in below):
        return False
    (first, rest), (second, other) = (_without(name, _LONGITUDE | _LATITUDE) for name in place)
    return rest == other and len(first & _LONGITUDE) == 1 and len(second & _LATITUDE) == 1


def is_degrees(name: str) -> bool:
    """Whether a coordinate has the name of a longitude or a latitude."""
    return bool(_without(name, _LONGITUDE | _LATITUDE)[0]) and not _is_about(name)


def is_depth(name: str) -> bool:
    """Whether a coordinate has the name of a depth."""
    return bool(_without(name, _DEPTH)[0]) and not _is_about(name)


def is_latitude(name: str) -> bool:
    """Whether a coordinate has the name of a latitude."""
    return bool(_without(name, _LATITUDE)[0])


def find(table: Table, names: Sequence[str], apart: Collection[str] = ()) -> str | None:
    """The first column, besides some, that has one of some names; the first of these names wins."""
    rank = {name: i for i, name in enumerate(dict.fromkeys(names))}
    found = [(rank.get("_".join(words_of(n)), len(rank)), n) for n in table.names if n not in apart]
    best = min(found, default=(len(rank), ""), key=lambda pair: pair[0])
    return best[1] if best[0] < len(rank) else None


def time_columns(table: Table, apart: Collection[str] = ()) -> list[str]:
    """Columns that may hold times: the one with a usual name, else all that have such a word."""
    usual = find(table, _TIME_NAMES, apart)
    return [usual] if usual else _with_word(table, _TIME_WORDS, apart)


def dated_columns(table: Table, apart: Collection[str] = ()) -> list[str]:
    """Columns with a word of time in their names, of which two can be a date and a time of day."""
    return _with_word(table, {*_TIME_WORDS, "day", "hms", "clock", *_CLOCKS}, apart)


def part_columns(table: Table, apart: Collection[str] = ()) -> list[str]:
    """Columns year, month, day and as many smaller parts of the time as there are, or none."""
    found = [find(table, names, apart) for names in PARTS_OF_TIME.values()]
    count = found.index(None) if None in found else len(found)
    return [name for name in found[:count] if name] if count >= 3 else []


def coordinates(table: Table) -> tuple[str, ...]:
    """Longitude and latitude, or x and y (and z); none of events in time alone.

    Raises:
        LiouvilleError: If there are several pairs, or some of them without the others.
    """
    lower = {name.strip().casefold(): name for name in table.names}
    pairs = geographic_pairs(table) or _planar_pairs(table)
    if len(pairs) == 1:
        has_height = pairs[0] == (lower.get("x"), lower.get("y")) and "z" in lower
        return (*pairs[0], lower["z"]) if has_height else pairs[0]
    if pairs:
        shown = " or ".join(",".join(pair) for pair in pairs)
        raise LiouvilleError(
            f"{table.source} has several places of an event: {shown}; name one pair with "
            "features (--features)"
        )
    some = [n for n in table.names if is_degrees(n)] + [lower[n] for n in "yz" if n in lower]
    if "x" not in lower and some:
        raise LiouvilleError(
            f"{table.source} has no columns longitude and latitude, or x and y, but {some[0]!r}; "
            "name the coordinates with features, or 'none' for events in time alone. It has: "
            f"{', '.join(table.names)}"
        )
    return tuple(lower[name] for name in "xyz" if name in lower)


def geographic_pairs(table: Table) -> list[tuple[str, str]]:
    """Columns of longitude and latitude whose names differ in this alone; plain names win."""
    return _pairs(table.names, _LONGITUDE, _LATITUDE)


def _planar_pairs(table: Table) -> list[tuple[str, str]]:
    """Columns of numbers called x and y, or easting and northing, likewise."""
    pairs = _pairs(table.names, _EAST, _NORTH)
    return [pair for pair in pairs if all(map(table.is_numeric, pair))]


def _pairs(names: Sequence[str], first: set[str], second: set[str]) -> list[tuple[str, str]]:
    own = [(n, *_without(n, first | second)) for n in names if not _is_about(n)]
    pairs = [
        (one, two)
        for one, words, rest in own
        for two, other, other_rest in own
        if words and words <= first and other and other <= second and rest == other_rest
    ]
    plain = [pair for pair in pairs if not _without(pair[0], first)[1]]
    return plain or pairs


def mark_columns(table: Table, apart: Collection[str] = ()) -> list[str]:
    """Columns of marks, best first: magnitudes under any of their names, or ``mark``."""
    usual = find(table, _MARK_NAMES[:7], apart)
    if usual:
        return [usual]
    rank = {name: i for i, name in enumerate(_MARK_NAMES)}
    found = [n for n in _with_word(table, _SIZE, apart) if table.is_numeric(n)]
    found.sort(key=lambda name: rank.get("_".join(words_of(name)), len(rank)))
    return found + [n for n in table.names if n.strip(" .") in _SHORT_MARK_NAMES and n not in apart]


def count_column(table: Table, apart: Collection[str] = ()) -> str | None:
    """The column of whole numbers, not all one, that says how many events each row stands for."""
    name = find(table, _COUNT_NAMES, apart)
    if name is None or not table.is_numeric(name):
        return None
    numbers = table.numbers(name)
    numbers = numbers[np.isfinite(numbers)]
    is_count = numbers.size and (numbers >= 0).all() and (numbers == np.floor(numbers)).all()
    return name if is_count and (numbers != 1).any() else None


def sequence_column(table: Table, apart: Collection[str] = ()) -> str | None:
    """The column that says to which sequence an event belongs, if there is one."""
    return find(table, _SEQUENCE_NAMES, apart)


def type_column(table: Table, apart: Collection[str] = ()) -> str | None:
    """The column that tells types of events, such as earthquakes and quarry blasts, if any."""
    return find(table, _TYPE_NAMES, apart)


def only(candidates: Sequence[str], what: str, flag: str, source: str) -> str | None:
    """The one candidate, or None if there is none; refuses several.

    Raises:
        LiouvilleError: If there are several.
    """
    if len(candidates) > 1:
        raise LiouvilleError(
            f"{source} has several columns of {what}: {listed(candidates)}; name one with {flag}"
        )
    return candidates[0] if candidates else None


def _without(name: str, some: set[str]) -> tuple[set[str], tuple[str, ...]]:
    """The words of a name that are among some, and the others in their order."""
    words = words_of(name)
    return {w for w in words if w in some}, tuple(w for w in words if w not in some)


def _is_about(name: str) -> bool:
    return not _ABOUT.isdisjoint(words_of(name))


def _with_word(table: Table, some: set[str], apart: Collection[str]) -> list[str]:
    return [n for n in table.names if n not in apart and _without(n, some)[0] and not _is_about(n)]
