"""The events that count: inside of a model's region, with marks that it was fitted to."""

import dataclasses
import warnings

import numpy as np

from liouville.data import Events, Region, near_longitude

# A catalogue's magnitudes are decimals: the least one itself must not be lost by rounding.
ROUNDING = 1e-9


def counted(events: Events, region: Region | None, least: float | None) -> Events:
    """Leaves out events outside of a region, or with a mark below the least, and says how many.

    Args:
        events: of any number of sequences; longitudes may be on any turn.
        region: where events count; `None` for everywhere.
        least: the least mark that counts; `None` if all do, or marks are no numbers.

    Warns:
        UserWarning: if any event is left out.
    """
    if events.is_geographic and region is not None:
        west, _, east, _ = region.bounds
        moved = near_longitude(events.places[:, 0], 0.5 * (west + east))
        if np.any(moved != events.places[:, 0]):
            places = np.column_stack([moved, events.places[:, 1]])
            events = dataclasses.replace(events, places=places)
    inside = np.ones(len(events), bool) if region is None else region.contains(events.places)
    large = np.ones(len(events), bool)
    if least is not None and events.marks is not None and not events.kinds:
        large = ~(events.marks < least - ROUNDING)
    if np.all(inside & large):
        return events
    found = []
    if region is not None and not inside.all():
        bounds = ", ".join(f"{bound:g}" for bound in region.bounds)
        found.append(f"{int(np.sum(~inside))} are outside of its region ({bounds})")
    if not large.all():
        found.append(f"{int(np.sum(~large))} are below its least {events.mark_name}, {least:g}")
    warnings.warn(
        f"of {len(events)} events of {events.source} the model leaves out "
        f"{int(np.sum(~(inside & large)))}: {' and '.join(found)}",
        stacklevel=3,
    )
    return events.keep(inside & large)
