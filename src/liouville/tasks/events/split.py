"""Reading events and dividing them into training, validation and test."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Events, read_events
from liouville.errors import LiouvilleError
from liouville.runs.config import to_dict
from liouville.tasks.events._covariates import Covariates
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.counted import ROUNDING

# Below so many sequences a share of them is too coarse: each is divided in time instead.
_FEWEST_SEQUENCES = 10


class Split(NamedTuple):
    """The events of a fit. Later parts of a sequence keep the earlier ones as history."""

    training: Events
    validation: Events | None
    test: Events | None


class Loaded(NamedTuple):
    """The data of a run: all events of its file, how they are divided, what else is known."""

    events: Events
    parts: Split
    covariates: Covariates | None


def read_catalogue(source: Any, settings: EventsConfig) -> Events:
    """Reads the events of a configuration from a file or a frame."""
    options = settings.data
    events = read_events(
        source,
        **columns_of(to_dict(options)),
        window=options.window,
        region=options.region,
        missing=options.missing,
    )
    return events if options.least_mark is None else above(events, options.least_mark)


def columns_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `read_events` is told of columns and rows: a run's histories are read as its data."""
    names = ("time", "time_unit", "features", "mark", "sequence", "select", "counts")
    found = {name: options[name] for name in names if options.get(name) is not None}
    return {**found, "kinds": options.get("mark_law") == "kinds"}


def above(events: Events, least: float) -> Events:
    """Leaves out events with a smaller mark."""
    if events.marks is None or events.kinds:
        raise LiouvilleError(
            f"{events.source} has no sizes to compare with the least mark {least:g}; name their "
            "column with --mark, or leave data.least_mark out"
        )
    return events.keep(~(events.marks < least - ROUNDING))


def divide(events: Events, settings: EventsConfig) -> Split:
    """Divides events: by files of their own, by whole sequences, or by time."""
    options = settings.data
    if options.validation_file or options.test_file:
        own = (options.validation_file, options.test_file)
        kept = [
            None if file is None else read_catalogue(file, settings).check(repeats=options.repeats)
            for file in own
        ]
        return Split(events, kept[0], kept[1])
    dated = options.validate_from is not None or options.test_from is not None
    if len(events.windows) >= _FEWEST_SEQUENCES and not dated:
        return _by_sequence(events, settings)
    return _by_time(events, settings)


def _by_sequence(events: Events, settings: EventsConfig) -> Split:
    options, total = settings.data, len(events.windows)
    order = np.random.default_rng(settings.training.seed).permutation(total)
    sizes = [round(share * total) for share in (options.test, options.validation)]
    test, validation, training = np.split(order, np.cumsum(sizes))
    if not len(training):
        raise LiouvilleError(
            f"data.validation {options.validation:g} and data.test {options.test:g} leave none of "
            f"{total} sequences to train on; give smaller shares"
        )
    kept = [events.select(np.sort(rows)) if len(rows) else None for rows in (validation, test)]
    return Split(events.select(np.sort(training)), *kept)


def _by_time(events: Events, settings: EventsConfig) -> Split:
    options = settings.data
    begin, end = float(events.windows[:, 0].min()), float(events.windows[:, 1].max())
    seen = np.sort(events.times[~events.is_history])

    def moment(given: str | None, share: float) -> float:
        if given is not None:
            return events.number(given)
        return float(np.quantile(seen, 1.0 - share)) if share > 0 else end

    last = moment(options.test_from, options.test)
    middle = moment(options.validate_from, options.test + options.validation)
    if options.validation == 0 and options.validate_from is None:
        middle = last
    if not begin < middle <= last <= end:
        raise LiouvilleError(
            f"validation from {events.instant(middle)} and test from {events.instant(last)} are "
            f"not one after the other within {events.instant(begin)} to {events.instant(end)}; "
            "set data.validate_from and data.test_from"
        )

    def part(start: float, stop: float) -> Events | None:
        if not start < stop:
            return None
        found = events.between(start, stop, history_from=min(begin, float(events.times.min())))
        return found if found.counts.sum() else None

    training = part(begin, middle)
    if training is None:
        raise LiouvilleError(
            f"no event before {events.instant(middle)} is left to train on; set "
            "data.validate_from later"
        )
    return Split(training, part(middle, last), part(last, end))
