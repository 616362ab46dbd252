"""Reads, checks and divides events; bad files are refused before JAX is imported."""

from typing import Any

from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.runs.config import to_dict
from liouville.tasks.events._covariates import read_covariates
from liouville.tasks.events.complete import complete
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.counted import counted
from liouville.tasks.events.split import Loaded, Split, divide, read_catalogue


def read(config: EventsConfig, given: Any = None) -> Loaded:
    """The events of a configuration, or those given, checked and divided."""
    options = config.data
    source = options.file if given is None else given
    if source is None:
        raise LiouvilleError("no data: name a file")
    if isinstance(source, Split):
        events, parts = source.training, source
    else:
        events = source if isinstance(source, Events) else read_catalogue(source, config)
        events = events.check(
            min_events=options.min_events, missing=options.missing, repeats=options.repeats
        )
        events = complete(events, to_dict(options), source)
        parts = divide(events, config)
    # Places that no map can hold are refused here, too; what knows the map imports JAX.
    from liouville.tasks.events.units import EventUnits

    least = EventUnits.chosen(config, parts.training).mark_origin
    training, *later = parts
    own = (None if part is None else counted(part, training.region, least) for part in later)
    parts = Split(training, *own)
    known = read_covariates(config.times.covariates, parts.training, options.time_unit)
    return Loaded(events, parts, known)
