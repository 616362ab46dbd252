"""Forecasts: catalogues drawn from a process, what they say on average, and files of both."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Events, Region, write_table
from liouville.errors import LiouvilleError
from liouville.runs.files import hidden_folder, write_bytes
from liouville.runs.folder import writing
from liouville.tasks.events.ask import known_at
from liouville.tasks.events.catalogues import Catalogue
from liouville.tasks.events.model import EventModel

FILES = ("catalogues.csv", "expected.csv", "numbers.csv", "forecast.png", "summary.json")
_QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
_CELLS = {1: 100, 2: 50, 3: 20}
_MOST_CELLS = 2_000_000
_LARGEST = 10.0
_DEEPEST = 800.0  # kilometres: the model does not know depths, and means all of them
_SHOWN = 100  # latest events in the picture


class Forecast(NamedTuple):
    """Catalogues of what may happen, and what was known before."""

    start: float  # on the clock of the model
    horizon: float
    history: Events
    drawn: Catalogue

    @property
    def numbers(self) -> np.ndarray:
        """The events of every catalogue, shape `(catalogues,)`."""
        return np.bincount(self.drawn.number, minlength=self.drawn.size)


class Grid(NamedTuple):
    """Cells of equal size in the coordinates."""

    edges: tuple[np.ndarray, ...]  # of every coordinate
    expected: np.ndarray  # events in every cell on average, (cells, cells, ...)
    mask: np.ndarray  # which cells have their center in the region, same shape


def forecast_events(
    model: EventModel,
    history: Events,
    horizon: float,
    n: int = 1000,
    *,
    start: float | None = None,
    drop_future: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Forecast:
    """Draws catalogues of what may happen after a time, exactly.

    Args:
        model: the model.
        history: what was observed, on the clock of the model.
        horizon: how long the forecast lasts, in the model's unit of time.
        n: the number of catalogues.
        start: when it begins; by default at the last event.
        drop_future: drop events after the start, which are refused otherwise.
        seed: of the draws.
        say: told how far the work has come.

    Raises:
        LiouvilleError: if the history does not fit, or the process explodes.
    """
    if n < 1:
        raise LiouvilleError(f"{n} catalogues are asked for; give at least 1")
    start = float(history.times.max()) if start is None else float(start)
    known = known_at(model, history, start, "drop" if drop_future else "refuse")
    drawn = model.forecast(known, start, horizon, n, seed=seed, say=say)
    return Forecast(start, horizon, known, drawn)


def expected_on_grid(forecast: Forecast, region: Region | None, size: float | None = None) -> Grid:
    """The mean number of events in cells that cover the region, or all places if there is none.

    Counts are those of the catalogues, so a cell that is reached in none has the value zero; the
    standard error of a cell with mean m is about the root of m over the number of catalogues.

    Args:
        forecast: the forecast.
        region: where events count; cells with their center outside have mask 0.
        size: of a cell, in units of the coordinates; by default about 1/50 of the longest side.

    Raises:
        LiouvilleError: if the size is not positive or there are too many cells.
    """
    places, dim = forecast.drawn.places, forecast.history.dim
    if region is not None:
        low, high = np.array(region.bounds[:2]), np.array(region.bounds[2:])
    else:
        known = forecast.history.places
        low, high = known.min(axis=0), known.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    if size is None:
        size = _round(float(span.max()) / _CELLS.get(dim, 10))
    if not size > 0:
        raise LiouvilleError(f"the grid has cells of size {size:g}; give a positive size")
    first = size * np.floor(low / size + 1e-9)
    counts = np.maximum(np.ceil((high - first) / size - 1e-9).astype(int), 1)
    number = np.prod(counts.astype(float))
    if number > _MOST_CELLS:
        raise LiouvilleError(
            f"a grid of cells of size {size:g} has {number:.3g} of them; give a larger --grid"
        )
    edges = tuple(first[i] + size * np.arange(counts[i] + 1) for i in range(dim))
    found, _ = np.histogramdd(places.reshape(-1, dim), edges)
    middles = (0.5 * (e[1:] + e[:-1]) for e in edges)
    centers = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1)
    mask = np.ones(found.shape, bool) if region is None else region.contains(centers)
    return Grid(edges, found / forecast.drawn.size, mask)


def _round(value: float) -> float:
    """The number of one digit, 1, 2 or 5, that is nearest."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * (1, 2, 5, 10)[np.searchsorted((1.5, 3.5, 7.5), value / power, "right")])


def grid_table(model: EventModel, grid: Grid, bins: np.ndarray | None) -> dict[str, np.ndarray]:
    """The cells as columns; those of CSEP if places are geographic and marks magnitudes.

    `bins` are the edges among which the law of marks divides a cell; None for one bin with all.
    """
    rate, mask = grid.expected.ravel(), grid.mask.ravel().astype(int)
    is_map = model.units.projection is not None
    columns: dict[str, np.ndarray] = {}
    numbers = np.indices(grid.expected.shape).reshape(len(grid.edges), -1)
    for name, edges, i in zip(("lon", "lat") if is_map else model.features, grid.edges, numbers):
        columns |= {f"{name}_min": edges[i], f"{name}_max": edges[i + 1]}
    if not (is_map and model.mark_name and not model.kinds):
        return columns | {"rate": rate, "mask": mask}
    edges = np.array([model.units.mark_origin, _LARGEST]) if bins is None else bins
    shares = mark_shares(model, edges)
    count = len(shares)
    columns = {name: np.repeat(column, count) for name, column in columns.items()}
    return columns | {
        "depth_min": np.zeros(len(rate) * count),
        "depth_max": np.full(len(rate) * count, _DEEPEST),
        "mag_min": np.tile(edges[:-1], len(rate)),
        "mag_max": np.tile(edges[1:], len(rate)),
        "rate": (rate[:, None] * shares).ravel(),
        "mask": np.repeat(mask, count),
    }


def mark_shares(model: EventModel, edges: np.ndarray) -> np.ndarray:
    """The chance of a mark in every bin, the last one open above, shape `(bins,)`."""
    above = model.mark_survival(edges)
    above[-1] = 0.0
    return above[:-1] - above[1:]


def summary_of(model: EventModel, forecast: Forecast, grid: Grid) -> dict[str, Any]:
    """Figures of a forecast, as JSON can hold them."""
    numbers, drawn, history = forecast.numbers, forecast.drawn, forecast.history
    counted = float((grid.expected * grid.mask).sum())
    found: dict[str, Any] = {
        "start": history.instant(forecast.start),
        "end": history.instant(forecast.start + forecast.horizon),
        "horizon": forecast.horizon,
        "time unit": model.time_unit,
        "catalogues": drawn.size,
        "events known": len(history),
        "expected events": float(numbers.mean()),
        "standard deviation": round(float(numbers.std()), 4),
        "chance of none": float((numbers == 0).mean()),
        "expected events in the grid": round(counted, 4),
        "quantiles": {f"{q:g}": round(float(np.quantile(numbers, q)), 4) for q in _QUANTILES},
    }
    if model.mark_name and not model.kinds and len(drawn.marks):
        least, largest = int(np.ceil(model.units.mark_origin)), int(np.floor(drawn.marks.max()))
        found[f"chance of {model.mark_name} at least"] = {
            f"{m}": len(np.unique(drawn.number[drawn.marks >= m])) / drawn.size
            for m in range(least, largest + 1)
        }
    return found


def write_forecast(
    folder: Path,
    model: EventModel,
    forecast: Forecast,
    grid: Grid,
    *,
    bins: np.ndarray | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Writes the files of a forecast into a folder, all of them or none; see `check_folder`.

    `bins` are those of `grid_table`. Returns the figures of `summary.json`.
    """
    check_folder(folder, force=force)
    summary = summary_of(model, forecast, grid)
    with writing(folder), hidden_folder(folder) as partial:
        write_table(partial / "catalogues.csv", _catalogue_table(model, forecast))
        write_table(partial / "expected.csv", grid_table(model, grid, bins))
        values, counts = np.unique(forecast.numbers, return_counts=True)
        share = counts / forecast.drawn.size
        write_table(partial / "numbers.csv", {"events": values, "share": share})
        write_bytes(partial / "forecast.png", _picture(model, forecast, grid))
        (partial / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        for name in FILES:
            (partial / name).replace(folder / name)
    return summary


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuses a folder that is a file, or holds a forecast that is not to be replaced."""
    if folder.exists() and not folder.is_dir():
        raise LiouvilleError(f"{folder} is a file; choose another --out")
    taken = [name for name in FILES if (folder / name).exists()]
    if taken and not force:
        raise LiouvilleError(
            f"{folder} already holds {taken[0]}; replace it with --force, or choose another --out"
        )


def _catalogue_table(model: EventModel, forecast: Forecast) -> dict[str, np.ndarray]:
    drawn = forecast.drawn
    order = np.lexsort((drawn.times, drawn.number))
    times = drawn.times[order]
    instants = np.array([forecast.history.instant(t) for t in times.tolist()], dtype=object)
    columns = {
        "catalogue": drawn.number[order],
        "time": times if model.origin is None else instants.astype(str),
    }
    columns |= {name: drawn.places[order][:, i] for i, name in enumerate(model.features)}
    if model.kinds:
        columns[model.mark_name] = np.array(model.kinds)[drawn.marks[order].round().astype(int)]
    elif model.mark_name:
        columns[model.mark_name] = drawn.marks[order]
    return columns


def _picture(model: EventModel, forecast: Forecast, grid: Grid) -> bytes:
    from liouville.plots import forecast_figure, to_png
    from liouville.tasks.events.report import clock_of, ground_of

    history, drawn = forecast.history, forecast.drawn
    ground = ground_of(model, history)
    if ground is not None:
        (x, y) = ((float(e[0]), float(e[-1])) for e in grid.edges)
        ground = dataclasses.replace(ground, x=x, y=y)
    after = np.linspace(0.0, forecast.horizon, 61)
    counts = np.zeros((drawn.size, len(after)))
    slots = np.searchsorted(after, drawn.times - forecast.start)
    np.add.at(counts, (drawn.number, np.minimum(slots, len(after) - 1)), 1.0)
    fan = np.quantile(counts.cumsum(axis=1), _QUANTILES, axis=0)
    latest = slice(max(0, len(history) - _SHOWN), None)
    marks = None if history.marks is None or model.kinds else history.marks[latest]
    clock, field = clock_of(model), None if ground is None else grid.expected.T
    title = f"{clock.say(forecast.start)} to {clock.say(forecast.start + forecast.horizon)}"
    known = (history.places[latest], marks)
    numbers = forecast.numbers
    return to_png(forecast_figure(ground, clock, field, *known, numbers, (after, fan), title))
