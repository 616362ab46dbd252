"""Events in time and space: the record that readers produce and point processes are fitted to."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from liouville.data._completeness import Completeness
from liouville.data._event_checks import (
    Missing,
    Repeats,
    around,
    duplicates,
    missing_rows,
    numbers_of_equals,
)
from liouville.data._event_places import are_shared, around_shared, say_far
from liouville.data._event_steps import step_of, within_steps
from liouville.data._instants import DAY, is_stamp, iso, microseconds, time_number
from liouville.data._names import check_choice, listed
from liouville.data._records import (
    AbstractRecord,
    chosen_rows,
    matrix_of,
    number_values,
    put,
    put_columns,
    put_names,
    take,
)
from liouville.data._regions import Region
from liouville.errors import LiouvilleError


@dataclass(frozen=True, eq=False, repr=False)
class Events(AbstractRecord):
    """Sequences of events, each observed during a window of time, in the user's units.

    An event before the window of its sequence is history: it may excite others but is not itself
    counted. A window without events is a sequence too, and says that nothing happened.

    Attributes:
        times: When, in `time_unit` since `origin`, shape ``(n,)``, float64.
        places: Where, shape ``(n, dim)``, float64; without columns for events in time alone.
        sequence: Number of the sequence of each event, an index into `windows`, shape ``(n,)``.
        windows: Begin and end of the observation of each sequence, shape ``(m, 2)``.
        marks: How large, or the number of the kind, shape ``(n,)``; None without marks.
        names: Name of each sequence, shape ``(m,)``; ``0``, ``1``, … if none are given.
        features: Name of each column of `places`; ``x1``, ``x2``, … if none are given.
        mark_name: What the mark is.
        kinds: Names of the kinds if marks are kinds, else empty.
        origin: The instant of time zero, ISO text in UTC; None if times are plain numbers.
        time_unit: Unit of times; days if there is an origin.
        is_geographic: Whether places are longitude and latitude in degrees, and perhaps then a
            depth in kilometres.
        region: Where events are observed, in the coordinates of `places`; None if unknown.
        completeness: From which mark on events were seen; None if at all times from one.
        source: Where the data came from, for messages and reports.
        is_checked: Whether these are what `check` gave.
    """

    times: np.ndarray
    places: np.ndarray
    sequence: np.ndarray
    windows: np.ndarray
    marks: np.ndarray | None = None
    names: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    mark_name: str = "magnitude"
    kinds: tuple[str, ...] = ()
    origin: str | None = None
    time_unit: str = ""
    is_geographic: bool = False
    region: Region | None = None
    completeness: Completeness | None = None
    source: str = "data"
    is_checked: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        source = self.source
        put(self, places=matrix_of(self, "places", "events, coordinates"), kinds=tuple(self.kinds))
        put_columns(self, len(self), "events", times=(), marks=())
        put_names(self, "features", number_values(self.dim), "names, one per coordinate")
        if self.is_geographic and self.dim not in (2, 3):
            raise LiouvilleError(
                f"geographic places of {source} are longitude, latitude and perhaps a depth, got "
                f"{self.dim} coordinates; leave the others out, or set is_geographic to False"
            )
        if self.region is not None and self.dim != 2:
            raise LiouvilleError(
                f"a region is a polygon in two dimensions, but places of {source} have {self.dim}"
            )
        if self.origin is not None:
            put(self, time_unit="days")
        self._check_windows()
        self._check_kinds()

    def _check_windows(self) -> None:
        source = self.source
        windows = np.asarray(self.windows, dtype=np.float64)
        if windows.ndim != 2 or windows.shape[1] != 2 or not len(windows):
            raise LiouvilleError(
                f"windows of {source} must have shape (sequences, 2), begin and end of each, "
                f"got {windows.shape}"
            )
        count = len(windows)
        put_names(self, "names", map(str, range(count)), "ones, one per sequence")
        bad = np.flatnonzero(~(np.isfinite(windows).all(axis=1) & (windows[:, 0] < windows[:, 1])))
        if bad.size:
            begin, end = windows[bad[0]]
            raise LiouvilleError(
                f"the window of sequence {self.names[bad[0]]!r} of {source} is from {begin:g} to "
                f"{end:g}; it must begin before it ends"
            )
        sequence = np.asarray(self.sequence)
        if sequence.shape != (len(self),) or (sequence.size and sequence.dtype.kind not in "iu"):
            raise LiouvilleError(
                f"sequence of {source} must be {len(self)} whole numbers, one per event, "
                f"got shape {sequence.shape} of {sequence.dtype}"
            )
        sequence = sequence.astype(np.intp)
        if sequence.size and not 0 <= sequence.min() <= sequence.max() < count:
            raise LiouvilleError(
                f"sequence of {source} holds {sequence.min()} to {sequence.max()} but there are "
                f"{count} windows; numbers start at 0"
            )
        put(self, windows=windows, sequence=sequence)

    def _check_kinds(self) -> None:
        kinds, marks = self.kinds, self.marks
        if not kinds:
            return
        if marks is None or not np.all(np.isin(marks, np.arange(len(kinds)))):
            raise LiouvilleError(
                f"marks of {self.source} must be numbers of its {len(kinds)} kinds "
                f"({listed(kinds)}), from 0"
            )
        if len(set(kinds)) < len(kinds):
            raise LiouvilleError(f"kinds of {self.source} must differ, got {listed(kinds)}")

    def __len__(self) -> int:
        return self.places.shape[0]

    @property
    def dim(self) -> int:
        """Number of coordinates of a place."""
        return self.places.shape[1]

    @property
    def is_history(self) -> np.ndarray:
        """Which events are before the window of their sequence, booleans of shape ``(n,)``."""
        return self.times < self.windows[self.sequence, 0]

    @property
    def counts(self) -> np.ndarray:
        """Number of events in the window of each sequence, shape ``(m,)``."""
        return np.bincount(self.sequence[~self.is_history], minlength=len(self.windows))

    @property
    def durations(self) -> np.ndarray:
        """Length of each window, in `time_unit`, shape ``(m,)``."""
        return self.windows[:, 1] - self.windows[:, 0]

    @property
    def mean_gap(self) -> float:
        """Observed time per event, in `time_unit`."""
        return float(self.durations.sum()) / max(int(self.counts.sum()), 1)

    def describe(self) -> str:
        """What was read, in one line."""
        parts = [f"{len(self)} events", f"{len(self.windows)} sequences"]
        unit = f" {self.time_unit}" if self.time_unit else ""
        parts.append(f"{self.durations.sum():g}{unit} observed")
        if self.is_history.any():
            parts.append(f"{int(self.is_history.sum())} events of history")
        parts.append(f"places {listed(self.features)}" if self.dim else "in time alone")
        if self.marks is not None:
            what = f" ({listed(self.kinds)})" if self.kinds else ""
            parts.append(f"marks {self.mark_name}{what}")
        return f"{self.source}: {', '.join(parts)}"

    def number(self, time: str | int | float) -> float:
        """A time on the clock of the events: a number as it is, an ISO stamp since `origin`.

        Raises:
            LiouvilleError: If a stamp is given but there is no origin, or it cannot be read.
        """
        return time_number(time, self.origin, self.source)

    def numbers(self, times: Sequence[str]) -> np.ndarray:
        """Times on the clock of the events, shape ``(n,)``; see `number`."""
        if self.origin is not None and all(map(is_stamp, times)):
            return (microseconds(times) - microseconds([self.origin])) / DAY
        return np.array([self.number(time) for time in times])

    def instant(self, time: int | float) -> str:
        """A time in words: ISO text in UTC if there is an origin, else the number and its unit."""
        if self.origin is None:
            return f"{time:g} {self.time_unit}".strip()
        return iso(int(microseconds([self.origin])[0]) + round(time * DAY))

    def without_places(self) -> "Events":
        """The same events in time alone."""
        own = {"places": self.places[:, :0], "features": (), "is_geographic": False, "region": None}
        return replace(self, **own)

    def keep(self, events: np.ndarray) -> "Events":
        """Keeps some events, by booleans of shape ``(n,)`` or numbers in order, and all windows."""
        chosen = chosen_rows(events, len(self), f"events of {self.source}")
        return take(self, chosen, "times", "places", "sequence", "marks")

    def select(self, sequences: np.ndarray | Sequence[int]) -> "Events":
        """Keeps some sequences, renumbered from 0 in the order given.

        They are given by booleans of shape ``(m,)``, or by numbers, at least one and each once.
        """
        chosen = chosen_rows(sequences, len(self.windows), f"sequences of {self.source}")
        if not chosen.size or np.unique(chosen).size < chosen.size:
            raise LiouvilleError(
                f"a selection of sequences of {self.source} must name at least one, each once, "
                f"got {listed([str(i) for i in chosen])}"
            )
        rank = np.full(len(self.windows), -1)
        rank[chosen] = np.arange(chosen.size)
        found = self.keep(rank[self.sequence] >= 0)
        numbers = rank[found.sequence]
        order = np.argsort(numbers, kind="stable")
        return replace(
            found.keep(order),
            sequence=numbers[order],
            windows=self.windows[chosen],
            names=tuple(self.names[i] for i in chosen),
        )

    def between(
        self, start: int | float, end: int | float, *, history_from: int | float | None = None
    ) -> "Events":
        """Cuts windows to the part from `start` to `end`; sequences without such a part go.

        Consecutive parts share no event: one exactly at `end` belongs to the next part, unless
        the window itself ends there. Events from `history_from` on stay as history; by default none
        before `start`.

        Raises:
            LiouvilleError: If `start` is not before `end`, `history_from` is after `start`, or no
                window has such a part.
        """
        past = start if history_from is None else history_from
        if not (past <= start < end):
            raise LiouvilleError(
                f"a part must be from a start to a later end, with history from before it, got "
                f"history {past:g}, start {start:g}, end {end:g}"
            )
        windows = np.clip(self.windows, start, end)
        kept = windows[:, 0] < windows[:, 1]
        if not kept.any():
            raise LiouvilleError(
                f"no window of {self.source} is observed between {start:g} and {end:g}; "
                f"they are from {self.windows.min():g} to {self.windows.max():g}"
            )
        last = self.windows[self.sequence, 1]
        mine = (self.times >= past) & ((self.times < end) | ((self.times == end) & (last <= end)))
        found = self.keep(mine)
        windows = np.where(kept[:, None], windows, self.windows)
        return replace(found, windows=windows).select(kept)

    def check(
        self, *, min_events: int = 2, missing: Missing = "refuse", repeats: Repeats = "auto"
    ) -> "Events":
        """Events as they can be fitted: puts right what can be put right, and refuses the rest.

        Longitudes across the date line are unwrapped. Events outside the region or after their
        window are dropped. Events are put in order of sequence and time. Where many events share
        their places (towns, whole degrees) each is put somewhere around its own, and where many
        share their times (days, weeks) somewhere within the step. Each of these is said in one
        warning, with how many.

        Args:
            min_events: Events needed in all windows together.
            missing: Whether events with NaN or infinite values are refused or dropped.
            repeats: Whether events that repeat another's sequence, time, place and mark are dropped
                (a catalogue that lists an event twice), kept (cases of one day and town), or made
                one event whose mark is their number. A process has no weights: that number is what
                is drawn with each event. By default they are kept where many events share times
                and places, if they have places, and else dropped.

        Raises:
            LiouvilleError: If values are missing, coordinates are impossible, repeats are to be
                counted but events have marks, or too few events are left.

        Warns:
            UserWarning: If anything was changed, or events of a sequence are simultaneous: those
                are kept, and do not excite one another.
        """
        found, said = (self, []) if self.is_checked else _clean(self, missing, repeats)
        count = int(found.counts.sum())
        if count < max(min_events, 1):
            lost = f" ({'; '.join(said)})" if said else ""
            raise LiouvilleError(
                f"{self.source} has {count} events in {len(self.windows)} windows but "
                f"{max(min_events, 1)} are needed{lost}; give more events or longer windows"
            )
        for message in said:
            warnings.warn(message, stacklevel=2)
        put(found, is_checked=True)
        return found


def _clean(events: Events, missing: Missing, repeats: Repeats) -> tuple[Events, list[str]]:
    """What can be used of events, and what was done to them."""
    source, said = events.source, []
    columns = {"time": events.times, **dict(zip(events.features, events.places.T, strict=True))}
    if events.marks is not None:
        columns[events.mark_name] = events.marks
    whole = missing_rows(columns, missing, source, "event {}".format, said)
    events = events.keep(whole) if not whole.all() else events
    if events.is_geographic and len(events):
        events = replace(events, places=around(events.places, events.region, source, said))
    if events.region is not None:
        inside = events.region.contains(events.places)
        if not inside.all():
            bounds = ", ".join(f"{bound:g}" for bound in events.region.bounds)
            said.append(
                f"{int(np.sum(~inside))} of {len(events)} events of {source} are outside the "
                f"region ({bounds}) and are dropped"
            )
            events = events.keep(inside)
    late = events.times > events.windows[events.sequence, 1]
    if late.any():
        said.append(
            f"{int(late.sum())} of {len(events)} events of {source} are after the end of their "
            "window and are dropped; give the window if it is longer"
        )
        events = events.keep(~late)
    order = np.lexsort((events.times, events.sequence))
    moved = int(np.sum(order != np.arange(len(order))))
    if moved:
        said.append(f"{moved} events of {source} were not in order of time and are sorted")
        events = events.keep(order)
    say_far(events.places, events.features, source, said)
    step = step_of(events.times, events.sequence)
    events = _without_repeats(events, repeats, step, said)
    places = around_shared(events.places, events.is_geographic, events.region, source, said)
    if places is not events.places:
        events = replace(events, places=places)
    if step:
        events = _within(events, step, said)
    together = int(np.sum((np.diff(events.times) == 0) & (np.diff(events.sequence) == 0)))
    if together:
        said.append(
            f"{together} events of {source} have the time of another; they are kept and do not "
            "excite one another"
        )
    return events, said


def _within(events: Events, step: float, said: list[str]) -> Events:
    """Events somewhere within the days, or other steps, that they share."""
    unit = f" {events.time_unit}" if events.time_unit else ""
    said.append(
        f"{len(events)} events of {events.source} are at {len(np.unique(events.times))} times; "
        f"each is put somewhere within the {step:.3g}{unit} that begin with its own, and nothing "
        "is told on a smaller scale"
    )
    times = within_steps(events.times, events.sequence, events.windows, step)
    moved = replace(events, times=times)
    return moved.keep(np.lexsort((times, events.sequence)))


def _without_repeats(events: Events, repeats: Repeats, step: float, said: list[str]) -> Events:
    """Events with those that repeat another dropped, kept or counted."""
    check_choice(repeats, Repeats, "way with repeats")
    source = events.source
    if repeats == "count" and events.marks is not None:
        raise LiouvilleError(
            f"equal rows of {source} cannot be counted: their number would be the mark, which is "
            f"{events.mark_name!r}; leave that out (--mark none), or keep or drop repeats"
        )
    if repeats == "keep":
        return events
    is_shared = bool(step) and (not events.places.size or are_shared(events.places))
    twice = duplicates(events.sequence, events.times, events.places, events.marks)
    if repeats == "count":
        counts = numbers_of_equals(events.sequence, events.times, events.places, twice)
        return replace(events.keep(~twice), marks=counts, mark_name="count")
    if twice.any() and repeats == "auto" and is_shared:
        what = "time and place" if events.places.size else "time"
        said.append(
            f"{int(twice.sum())} events of {source} repeat another's {what}, as many do, and are "
            "kept; repeats='drop' (--repeats) if the catalogue lists events twice"
        )
        return events
    if twice.any():
        said.append(
            f"{int(twice.sum())} events of {source} repeat another's time, place and mark, and "
            "are dropped; repeats='keep' or 'count' (--repeats) if they are events of their own"
        )
    return events.keep(~twice) if twice.any() else events
