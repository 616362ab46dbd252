"""Forecasts one after the other over a period, each with what was known by then."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Events, write_table
from liouville.errors import LiouvilleError
from liouville.tasks.events._masses import Cells
from liouville.tasks.events.forecast import (
    QUANTILES,
    check_folder,
    expected_on_grid,
    forecast_events,
    write_forecast,
)
from liouville.tasks.events.model import EventModel

TABLE = "series.csv"
_MOST = 100_000


def starts_of(start: float, every: float, until: float, history: Events) -> list[float]:
    """The times from a start on in equal steps that are before an end.

    Raises:
        LiouvilleError: if there is none, or there are too many.
    """
    if not until > start:
        raise LiouvilleError(
            f"--until {history.instant(until)} is not after the start, {history.instant(start)}"
        )
    count = int(np.ceil((until - start) / every - 1e-9))
    if count > _MOST:
        raise LiouvilleError(f"{count} forecasts are asked for; give a larger --every")
    return (start + every * np.arange(count)).tolist()


def write_series(
    folder: Path,
    model: EventModel,
    history: Events,
    starts: Sequence[float],
    horizon: float,
    cells: Cells | None,
    n: int,
    *,
    seed: int = 0,
    bins: np.ndarray | None = None,
    spans: np.ndarray | None = None,
    coast: Sequence[np.ndarray] = (),
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Writes a folder for each forecast, named after its start, and a table of all.

    Each forecast knows the events up to its start. The table is written again after every one, so
    that what is done is there if the work is stopped.

    Returns:
        The rows of the table: start, end, the mean and quantiles of the number of events, the
        chance of none, and how many there were if the history reaches beyond the end.
    """
    places = [folder / _name(history, start) for start in starts]
    for place in places:
        check_folder(place, force=force)
    if (folder / TABLE).exists() and not force:
        raise LiouvilleError(
            f"{folder} already holds {TABLE}; replace it with --force, or choose another --out"
        )
    rows: list[dict[str, Any]] = []
    last = float(history.times.max())
    for number, (start, place) in enumerate(zip(starts, places, strict=True)):
        known = history.keep(history.times <= start)
        found = forecast_events(model, known, horizon, n, start=start, seed=seed + number)
        grid = None if cells is None else expected_on_grid(model, cells, found)
        options: Any = {"bins": bins, "spans": spans, "coast": coast, "force": force}
        told = write_forecast(place, model, found, grid, **options)
        end = start + horizon
        seen = int(np.sum((history.times > start) & (history.times <= end)))
        rows.append(
            {
                "start": told["start"],
                "end": told["end"],
                "known": told["events known"],
                "expected": told["expected events"],
                **{f"quantile {q:g}": told["quantiles"][f"{q:g}"] for q in QUANTILES},
                "chance of none": told["chance of none"],
                "observed": str(seen) if last >= end else "",
            }
        )
        write_table(folder / TABLE, {k: np.array([r[k] for r in rows]) for k in rows[0]})
        say(f"{number + 1} of {len(starts)} forecasts, {told['start']}")
    return rows


def _name(history: Events, start: float) -> str:
    """A folder's name: the date, with the time of day if there is one; or the number."""
    if history.origin is None:
        return f"{start:g}"
    date, _, clock = history.instant(start).removesuffix("Z").partition("T")
    clock = clock.removesuffix(":00").replace(":", "-")
    return date if clock == "00-00" else f"{date}T{clock}"
