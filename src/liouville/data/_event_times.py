"""When events are: the columns of their times, in any form without doubt, as numbers."""

import datetime
import re
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from shlex import quote
from typing import Literal, get_args

import numpy as np

from liouville.data._day_orders import YEAR_LAST, with_year_first
from liouville.data._event_columns import (
    PARTS_OF_TIME,
    dated_columns,
    only,
    part_columns,
    time_columns,
    words_of,
)
from liouville.data._instants import DAY, is_stamp, iso, microseconds
from liouville.data._names import listed, names_among
from liouville.data._tables import Table, as_numbers, is_missing
from liouville.data._times import numbers_from_times
from liouville.errors import LiouvilleError

TimeUnit = Literal[
    "auto",
    "decimal-years",
    "epoch-seconds",
    "epoch-milliseconds",
    "epoch-microseconds",
    "seconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "years",
]
"""What one is in a column of numbers: a plain unit of time, or a count since the year 0 or 1970."""

_EPOCHS = {"epoch-seconds": 10**6, "epoch-milliseconds": 1000, "epoch-microseconds": 1}
"""Microseconds in a unit."""

# Counts since 1970 are told by their size: from 1973 to 2100.
_FIRST, _LAST = 10**14, 4_102_444_800 * 10**6

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{8}")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*(?:Z|[A-Z]{2,5}|[+-]\d.*))?)")
_CLOCK_DIGITS = re.compile(r"\d{1,6}(?:\.\d+)?")
# Six or eight digits that look like a year, a month and a day.
_COMPACT_DATE = re.compile(
    r"(?:1[89]|2[01])[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{4})?"
)
_SHORT_DATE = re.compile(r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


@dataclass(frozen=True)
class Moments:
    """Times as numbers, with what zero and one mean."""

    times: np.ndarray  # shape ``(n,)``, float64
    origin: str | None  # the instant of zero, ISO text in UTC; None for plain numbers
    unit: str  # empty if unknown
    instants: np.ndarray | None = None  # microseconds since 1970, if they have an origin
    # Numbers as the file has them to microseconds since 1970, if they are instants.
    read: Callable[[np.ndarray], np.ndarray] | None = None


def times_of(
    table: Table, named: str | None, apart: Collection[str] = ()
) -> tuple[tuple[str, ...], np.ndarray]:
    """The columns that tell when an event was, and its time, text or numbers, shape ``(n,)``.

    They are the `named` ones (one, a date and a time of day with a comma, or year to second), or
    are found by their names and by what they hold. A missing part makes the time missing.

    Raises:
        LiouvilleError: If there is no such column, or several that could be.
    """
    names = list(names_among(named, "time", example="date,time")) if named else []
    parts = [] if names else part_columns(table, apart)
    if len(parts or names) >= 3:
        return _from_parts(table, parts or names, apart if parts else None)
    pair = _date_and_clock(table, names or dated_columns(table, apart))
    if pair:
        return pair, _joined(table, *pair)
    if len(names) == 2:
        raise LiouvilleError(
            f"times of {table.source} are to be read from {listed(names)}, which are no dates and "
            "times of day, such as 2011-03-11 and 05:46:24; name such columns"
        )
    found = names or time_columns(table, apart)
    name = only(found, "times", "time (--time)", table.source)
    if name is None:
        raise LiouvilleError(
            f"{table.source} has no column of times; name one with time (--time). It "
            f"has: {listed(table.names)}"
        )
    years = [other for other in table.names if "_".join(words_of(other)) in PARTS_OF_TIME["year"]]
    if not names and years and "week" in words_of(name) and table.is_numeric(name):
        raise LiouvilleError(
            f"{table.source} has times in {years[0]!r} and {name!r}: weeks are numbered in several "
            "ways; write a column with the first day of each week, such as 2019-01-07"
        )
    values = with_year_first(table.values(name), name)
    if _all_match(values, _CLOCK):
        raise LiouvilleError(
            f"column {name!r} of {table.source} holds times of day, such as {str(values[0])!r}, "
            f"without a date; name the date, too: --time date,{name}"
        )
    if not names:
        _say_clocks(table, name, values, apart)
    return (name,), values


def _say_clocks(table: Table, date: str, values: np.ndarray, apart: Collection[str]) -> None:
    """Says which columns, by what they hold, are times of day beside a column of mere dates."""
    if not _all_match(values, _DATE):
        return
    others = [name for name in table.names if name not in (date, *apart)]
    clocks = [name for name in others if _all_match(table.values(name), _CLOCK)]
    if clocks:
        warnings.warn(
            f"{date!r} of {table.source} holds dates, and {listed(clocks)} times of day, which are "
            f"not used; if events were at these times, say so with time (--time "
            f"{quote(f'{date},{clocks[0]}')})",
            stacklevel=5,
        )


def times_on_clock(
    table: Table,
    origin: str | None,
    *,
    time: str | None = None,
    apart: Collection[str] = (),
    time_unit: TimeUnit = "auto",
) -> tuple[tuple[str, ...], np.ndarray]:
    """The columns that tell the times of a table, and the times on a clock, shape ``(n,)``.

    Args:
        table: the rows.
        origin: the instant of zero of the clock; None if it has plain numbers.
        time: the columns, as in `read_events`; by default they are found.
        apart: columns that are something else.
        time_unit: what one is in a column of numbers.

    Returns:
        The names, and float64 numbers: plain numbers as they are, stamps in days since the origin,
        NaN where a time is missing.

    Raises:
        LiouvilleError: If there are no times, they cannot be read, or they are dates and the clock
            has plain numbers.
    """
    names, values = times_of(table, time, apart)
    found = np.full(len(table), np.nan)
    rows = np.flatnonzero(~is_missing(values))
    if rows.size:
        moments = moments_of(
            values[rows],
            listed(names),
            lambda i: f"{table.where(int(rows[i]))} of {table.source}",
            time_unit,
        )
        found[rows] = moments.times
        if moments.instants is not None:
            if origin is None:
                raise LiouvilleError(
                    f"times of {table.source} are dates, but those of the model are plain "
                    "numbers; give numbers"
                )
            found[rows] = (moments.instants - microseconds([origin])) / DAY
    return names, found


def moments_of(
    values: np.ndarray, name: str, where: Callable[[int], str], unit: TimeUnit = "auto"
) -> Moments:
    """Reads a column of times, none missing, shape ``(n,)``; `where` says where a value stands.

    They are numbers, or as text numbers, numbers with a unit (``day 3``) or stamps. Numbers that
    are decimal years or counts since 1970 are taken as such, with a warning, unless `unit` says
    what they are. A text that can be read in more than one way or in none is refused.
    """
    if unit not in get_args(TimeUnit):
        raise LiouvilleError(
            f"no unit of time {unit!r}; choose one of {listed(get_args(TimeUnit))}"
        )
    if values.dtype.kind == "M":
        return _instants(values.astype("datetime64[us]").astype(np.int64))
    numbers = as_numbers(values)
    if numbers is None:
        texts = values.tolist() if values.dtype.kind == "U" else []
        if any(map(is_stamp, texts)):
            return _instants(microseconds(texts, name, where, stacklevel=5))
        for i, text in enumerate(texts):
            if "/" in text or ":" in text or _COMPACT_DATE.fullmatch(text):
                raise _ambiguous(name, text, where(i))
        plain, said = numbers_from_times(values, name=name, dates=False)
        return Moments(plain, None, said if unit == "auto" else unit)
    if unit == "auto":
        digits = _digits(values)
        if digits and all(map(is_stamp, digits)):
            return _instants(microseconds(digits, name, where, stacklevel=5))
        _refuse_compact_dates(digits, name, where)
        unit = _guess(numbers, name)
    read = _reader(unit)
    if read is None:
        return Moments(numbers, None, "" if unit == "auto" else unit)
    return _instants(read(numbers), read)


def _instants(found: np.ndarray, read: Callable[[np.ndarray], np.ndarray] | None = None) -> Moments:
    """Instants in microseconds since 1970 as days since midnight of the first."""
    midnight = int(found.min()) // DAY * DAY
    return Moments((found - midnight) / DAY, iso(midnight), "days", found, read)


def _digits(values: np.ndarray) -> list[str]:
    """Whole numbers as their digits; none if some are no whole numbers."""
    if values.dtype.kind == "U":
        texts = values.tolist()
        return texts if all(text[:8].isdigit() or text.isdigit() for text in texts) else []
    whole = np.all(values == np.floor(values)) and np.all(np.abs(values) < 2**63)
    return [str(int(value)) for value in values.tolist()] if whole else []


def _refuse_compact_dates(digits: list[str], name: str, where: Callable[[int], str]) -> None:
    for i, text in enumerate(digits):
        if _COMPACT_DATE.fullmatch(text):
            raise _ambiguous(name, text, where(i))
    if digits and all(_SHORT_DATE.fullmatch(text.zfill(6)) for text in digits):
        raise _ambiguous(name, digits[0], where(0))


def _ambiguous(name: str, text: str, where: str) -> LiouvilleError:
    return LiouvilleError(
        f"{name} {text!r} on {where} can be read in more than one way; write stamps as "
        "2011-03-11T05:46:24Z with the year first, or say with time_unit (--time-unit days) that "
        "they are plain numbers"
    )


def _guess(numbers: np.ndarray, name: str) -> TimeUnit:
    """What numbers are if their size or the name tells; a warning says what was taken."""
    unit: TimeUnit = "auto"
    words = set(words_of(name))
    is_year = not words.isdisjoint(("year", "years", "yr", "decyear")) or "decimal" in words
    if numbers.size and numbers.min() >= 1000 and numbers.max() <= 3000 and is_year:
        unit = "decimal-years"
    for known, factor in _EPOCHS.items():
        if numbers.size and numbers.min() * factor >= _FIRST and numbers.max() * factor <= _LAST:
            unit = known  # pyright: ignore[reportAssignmentType]
    read = _reader(unit)
    if read is not None:
        shown = iso(int(read(numbers[:1])[0]))
        warnings.warn(
            f"{name!r} holds numbers such as {numbers[0]:.17g}, which are taken as {unit} (the "
            f"first is {shown}); if they are something else, say so with time_unit (--time-unit)",
            stacklevel=5,
        )
    return unit


def _reader(unit: TimeUnit) -> Callable[[np.ndarray], np.ndarray] | None:
    """From numbers to microseconds since 1970, or None for plain units."""
    if unit == "decimal-years":
        return _from_years
    if unit in _EPOCHS:
        return lambda numbers: np.rint(numbers * _EPOCHS[unit]).astype(np.int64)
    return None


def _from_years(numbers: np.ndarray) -> np.ndarray:
    """Years with a share of the year, which has 365 or 366 days, to the millisecond."""
    if numbers.size and not (numbers.min() >= 1 and numbers.max() < 9999):
        raise LiouvilleError(
            f"decimal years are from {numbers.min():g} to {numbers.max():g}; give years such as "
            "2011.19, or another time_unit"
        )
    years = np.floor(numbers).astype(np.int64)
    begin = (years - 1970).astype("datetime64[Y]").astype("datetime64[us]")
    end = (years - 1969).astype("datetime64[Y]").astype("datetime64[us]")
    begins, ends = begin.astype(np.int64), end.astype(np.int64)
    # The last digit of such a number is seven microseconds.
    return begins + np.rint((numbers - years) * (ends - begins) / 1000).astype(np.int64) * 1000


def _date_and_clock(table: Table, names: Collection[str]) -> tuple[str, str] | None:
    """A column of dates and one of times of day among some columns, or None."""
    dates = [n for n in names if any(_all_match(table.values(n), p) for p in (_DATE, YEAR_LAST))]
    clocks = [name for name in names if _all_match(table.values(name), _CLOCK)]
    if not clocks and len(dates) == 1:  # times of day in digits, such as 54624
        clocks = [n for n in names if n not in dates and _all_match(table.values(n), _CLOCK_DIGITS)]
    if not dates or not clocks:
        return None
    date = only(dates, "dates", "time (--time DATE,TIME)", table.source)
    clock = only(clocks, "times of day", "time (--time DATE,TIME)", table.source)
    return (date, clock) if date and clock else None


def _all_match(values: np.ndarray, pattern: re.Pattern[str]) -> bool:
    """Whether all cells of a column that are not missing have a form, and there are some."""
    if values.dtype.kind not in "Uf":
        return False
    for some in (values[:50], values):  # a few cells tell most columns apart
        cells = some[~is_missing(some)]
        texts = cells.tolist() if values.dtype.kind == "U" else _digits(cells)
        if not all(map(pattern.fullmatch, texts)) or (cells.size and not texts):
            return False
    return bool(texts)


def _joined(table: Table, date: str, clock: str) -> np.ndarray:
    """Dates and times of day as stamps; the empty text if either is missing."""
    days, hours = with_year_first(table.values(date), date), table.values(clock)
    absent = is_missing(days) | is_missing(hours)
    clocks = _clocks(_texts(hours))
    stamps = [
        "" if gone else f"{_with_dashes(day)}T{hour}"
        for day, hour, gone in zip(_texts(days), clocks, absent.tolist(), strict=True)
    ]
    return np.array(stamps, dtype=np.str_)


def _texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "U":
        return values.tolist()
    return ["" if value != value else f"{value:.12g}" for value in values.tolist()]


def _with_dashes(day: str) -> str:
    if day.isdigit():
        return f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return day.replace("/", "-") if day[:4].isdigit() else day


def _clocks(hours: list[str]) -> list[str]:
    """Times of day with two digits and a colon for each part; without colons they lack zeros."""
    wide = any(len(hour.partition(".")[0]) > 4 or "." in hour for hour in hours)
    return [_with_colons(hour, 6 if wide else 4) for hour in hours]


def _with_colons(hour: str, width: int) -> str:
    found = _CLOCK.fullmatch(hour)
    if found is not None:
        return f"{int(found[1]):02d}:{found[2].replace(',', '.')}"
    whole, dot, share = hour.partition(".")
    return ":".join(re.findall("..", whole.zfill(width))) + dot + share


def _from_parts(
    table: Table, names: list[str], apart: Collection[str] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Stamps from columns of years to seconds, or of years to days and times of day."""
    if len(names) > len(PARTS_OF_TIME):
        raise LiouvilleError(
            f"a time has the parts {', '.join(PARTS_OF_TIME)}, but {len(names)} columns are named "
            f"for it: {listed(names)}; name at most {len(PARTS_OF_TIME)}"
        )
    columns = np.stack([table.numbers(name) for name in names])
    absent = np.asarray(~np.isfinite(columns).all(axis=0))
    whole = columns[:5, ~absent]
    bad = np.flatnonzero((whole != np.floor(whole)).any(axis=0) | (whole < 0).any(axis=0))
    if bad.size or columns[5:, ~absent].min(initial=0) < 0 or (whole[0] < 100).any():
        row = int(np.flatnonzero(~absent)[bad[0] if bad.size else int(np.argmin(whole[0]))])
        shown = ", ".join(f"{n} {v:g}" for n, v in zip(names, columns[:, row], strict=True))
        raise LiouvilleError(
            f"{shown} on {table.where(row)} of {table.source} is no time; years have four digits, "
            "other parts are whole numbers, and seconds are not negative"
        )
    rest = columns[3:].T.tolist()
    clocks = ["" if gone else _clock(row) for row, gone in zip(rest, absent.tolist(), strict=True)]
    extra: tuple[str, ...] = ()
    if len(names) == 3 and apart is not None:  # times of day in a column of their own
        own = [
            name
            for name in dated_columns(table, {*apart, *names})
            if _all_match(table.values(name), _CLOCK)
        ]
        clock = only(own, "times of day", "time (--time)", table.source)
        if clock is not None:
            extra, values = (clock,), table.values(clock)
            absent, clocks = absent | is_missing(values), _clocks(values.tolist())
    stamps = [
        "" if gone else f"{int(year):04d}-{int(month):02d}-{int(day):02d}T{clock}"
        for year, month, day, clock, gone in zip(*columns[:3], clocks, absent.tolist(), strict=True)
    ]
    return (*names, *extra), np.array(stamps, dtype=np.str_)


def _clock(parts: list[float]) -> str:
    hour, minute, second = [*parts, 0.0, 0.0, 0.0][:3]
    whole = datetime.timedelta(seconds=round(second, 6))
    share = whole.microseconds
    return f"{int(hour):02d}:{int(minute):02d}:{whole.days * 86400 + whole.seconds:02d}.{share:06d}"
