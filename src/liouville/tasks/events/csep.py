"""Forecast files as the tools of CSEP read them: expected numbers in cells, and catalogues."""

import itertools

import numpy as np

from liouville.tasks.events.catalogues import Catalogue
from liouville.tasks.events.grid import Grid
from liouville.tasks.events.model import EventModel

_DEEPEST = 800.0  # kilometres: cells mean all depths


def has_form(model: EventModel) -> bool:
    """Whether forecasts have the form of CSEP: degrees, magnitudes and dates."""
    is_sized = bool(model.mark_name) and not model.kinds
    return model.units.projection is not None and is_sized and model.origin is not None


def gridded(grid: Grid, bins: np.ndarray, shares: np.ndarray) -> str:
    """Lines of a cell and a bin of magnitudes each, without names.

    `lon_min lon_max lat_min lat_max depth_min depth_max mag_min mag_max rate mask`: magnitudes
    change fastest, then latitudes. Cells are those with a part in the region, so the mask is 1.

    Args:
        grid: of longitude and latitude.
        bins: the edges among which magnitudes are divided.
        shares: the chance of each bin, shape `(bins,)`.
    """
    x, y = ([f"{a:.10g} {b:.10g}" for a, b in itertools.pairwise(e.tolist())] for e in grid.edges)
    sizes = [f"0 {_DEEPEST:g} {a:.10g} {b:.10g}" for a, b in itertools.pairwise(bins.tolist())]
    numbers = np.argwhere(grid.mask)
    rates = (grid.expected[grid.mask][:, None] * shares).tolist()
    lines = (
        f"{x[i]} {y[j]} {size} {rate:.8g} 1\n"
        for (i, j), row in zip(numbers.tolist(), rates, strict=True)
        for size, rate in zip(sizes, row, strict=True)
    )
    return "".join(lines)


def catalogues(drawn: Catalogue, origin: str) -> str:
    """Lines of an event each, by catalogue and time, and one of its number for an empty catalogue.

    `lon,lat,mag,time_string,depth,catalog_id,event_id`. A depth that is not known is left out.

    Args:
        drawn: with times in days after the origin.
        origin: an instant in UTC, ISO text.
    """
    order = np.lexsort((drawn.times, drawn.number))
    since = np.rint(drawn.times[order] * 86_400e6).astype("timedelta64[us]")
    stamps = np.datetime_as_string(np.datetime64(origin.removesuffix("Z"), "us") + since).tolist()
    places, marks = drawn.places[order].tolist(), drawn.marks[order].tolist()
    number = drawn.number[order].tolist()
    lines = ["lon,lat,mag,time_string,depth,catalog_id,event_id\n"]
    row = 0
    for catalogue in range(drawn.size):
        first = row
        while row < len(number) and number[row] == catalogue:
            (x, y, *below), mark, stamp = places[row], marks[row], stamps[row]
            depth = "".join(f"{z:.4g}" for z in below)
            lines.append(f"{x:.8f},{y:.8f},{mark:.6g},{stamp},{depth},{catalogue},{row - first}\n")
            row += 1
        if row == first:
            lines.append(f",,,,,{catalogue},\n")
    return "".join(lines)
