"""Forecasts: catalogues drawn from a process, what they say on average, and files of both."""

import dataclasses
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Events, write_table
from liouville.errors import LiouvilleError
from liouville.processes import Rounded
from liouville.runs.files import hidden_folder, write_bytes
from liouville.runs.folder import writing
from liouville.tasks.events import csep
from liouville.tasks.events._masses import Cells
from liouville.tasks.events.ask import known_at, known_to
from liouville.tasks.events.catalogues import Catalogue
from liouville.tasks.events.grid import Grid, expected_numbers, round_number
from liouville.tasks.events.model import EventModel

FILES = ("catalogues.csv", "expected.dat", "numbers.csv", "forecast.png", "summary.json")
# In place of the second where CSEP has no form.
PLAIN = "expected.csv"
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
_MOST_BINS = 1000
_SHOWN = 100  # latest events in the picture
_SPANS, _MOST_SPANS = 50, 100_000  # of time, where events have no places


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
    history = known_to(model, history)
    start = float(history.times.max()) if start is None else float(start)
    known = known_at(model, history, start, "drop" if drop_future else "refuse")
    drawn = model.forecast(known, start, horizon, n, seed=seed, say=say)
    return Forecast(start, horizon, known, drawn)


def expected_on_grid(model: EventModel, cells: Cells, forecast: Forecast) -> Grid:
    """The mean number of events in every cell; see `expected_numbers`."""
    own = (forecast.drawn, forecast.history, forecast.start, forecast.horizon)
    return expected_numbers(model, cells, *own)


def bins_of(text: str | None, model: EventModel) -> np.ndarray | None:
    """Edges of bins of magnitudes from `first,last,width`, or a width from the least magnitude on.

    The first two are the lower edges of the first and the last bin, which is open above.

    Raises:
        LiouvilleError: if the text has another form, or the model has no magnitudes.
    """
    if text is None:
        return None
    if not model.mark_name or model.kinds:
        raise LiouvilleError("--bins divides magnitudes, and the model has none; leave it out")
    least, largest = model.units.mark_origin, model.units.largest_mark
    try:
        numbers = [float(part) for part in text.split(",")]
        first, last, width = (least, largest, *numbers) if len(numbers) == 1 else numbers
    except ValueError:
        raise LiouvilleError(
            f"--bins is {text!r}; give first,last,width such as 4.95,8.95,0.1, or a width"
        ) from None
    if not (width > 0 and np.isfinite([first, last, width]).all() and first < last):
        raise LiouvilleError(f"--bins is {text}; give a positive width, and last above first")
    count = int(np.ceil((last - first) / width - 1e-6)) + (len(numbers) > 1)
    if count > _MOST_BINS:
        raise LiouvilleError(f"--bins {text} are {count} bins; give a larger width")
    if first < least - width:
        warnings.warn(
            f"the model knows no {model.mark_name} below {least:g}: bins below hold nothing, and "
            f"--bins may begin at {least:g}",
            stacklevel=2,
        )
    edges = np.round(first + width * np.arange(count + 1), 10)
    return edges if len(numbers) == 1 else np.append(edges[:-1], max(edges[-1], largest))


def spans_of(horizon: float, size: float | None = None) -> np.ndarray:
    """Edges of spans of the time of a forecast, after its start, shape `(spans + 1,)`.

    Args:
        horizon: how long it lasts, in the model's unit of time.
        size: of a span, likewise; by default about 1/50 of the horizon.

    Raises:
        LiouvilleError: if there would be too many.
    """
    size = round_number(horizon / _SPANS) if size is None else size
    count = int(np.ceil(horizon / size - 1e-9))
    if count > _MOST_SPANS:
        raise LiouvilleError(f"--grid {size:g} makes {count} spans of time; give a larger one")
    return np.minimum(size * np.arange(count + 1), horizon)


def span_table(model: EventModel, forecast: Forecast, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Spans of time as columns: begin, end, the mean number of events, and of each kind."""
    drawn = forecast.drawn
    after, marks = drawn.times - forecast.start, drawn.marks.round()
    means = {"expected": np.histogram(after, edges)[0] / drawn.size}
    for number, kind in enumerate(model.kinds):
        means[f"expected {kind}"] = np.histogram(after[marks == number], edges)[0] / drawn.size
    moments: Any = forecast.start + edges
    if model.origin is not None:
        moments = np.array([forecast.history.instant(t) for t in moments.tolist()])
    return {"begin": moments[:-1], "end": moments[1:], **means}


def grid_table(model: EventModel, grid: Grid) -> dict[str, np.ndarray]:
    """The cells as columns: their edges, the expected number, whether they are in the region."""
    numbers = np.indices(grid.expected.shape).reshape(len(grid.edges), -1)
    columns: dict[str, np.ndarray] = {}
    names = model.features[: len(grid.edges)]  # cells hold all depths
    for name, edges, i in zip(names, grid.edges, numbers, strict=True):
        columns |= {f"{name}_min": edges[i], f"{name}_max": edges[i + 1]}
    return columns | {"rate": grid.expected.ravel(), "mask": grid.mask.ravel().astype(int)}


def mark_shares(model: EventModel, edges: np.ndarray) -> np.ndarray:
    """The chance of a mark in every bin, the last one open above, shape `(bins,)`."""
    law = model.process.marks
    if isinstance(law, Rounded):
        # Rounded magnitudes are on a grid: an edge between two of them stands for the upper one.
        least = float(model.units.marks_to_user(np.asarray(law.origin)))
        width = law.width * model.units.mark_scale
        edges = least + width * np.ceil((edges - least) / width - 1e-6)
    above = model.mark_survival(edges)
    above[-1] = 0.0
    return above[:-1] - above[1:]


def summary_of(model: EventModel, forecast: Forecast, grid: Grid | None) -> dict[str, Any]:
    """Figures of a forecast, as JSON can hold them."""
    numbers, drawn, history = forecast.numbers, forecast.drawn, forecast.history
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
        **({} if grid is None else _in_cells(grid)),
        "quantiles": {f"{q:g}": round(float(np.quantile(numbers, q)), 4) for q in QUANTILES},
    }
    if model.mark_name and not model.kinds and len(drawn.marks):
        one = model.units.mark_scale
        least = int(np.ceil(model.units.mark_origin / one))
        largest = int(np.floor(drawn.marks.max() / one))
        found[f"chance of {model.mark_name} at least"] = {
            f"{m * one:.12g}": len(np.unique(drawn.number[drawn.marks >= m * one])) / drawn.size
            for m in range(least, largest + 1)
        }
    if model.kinds:
        counts = np.bincount(drawn.marks.round().astype(int), minlength=len(model.kinds))
        means = (counts / drawn.size).tolist()
        found["expected events by kind"] = dict(zip(model.kinds, means, strict=True))
    return found


def _in_cells(grid: Grid) -> dict[str, Any]:
    return {
        "expected events in the grid": round(float((grid.expected * grid.mask).sum()), 4),
        "expected events are": "masses of the density" if grid.is_exact else "counts of the draws",
    }


def write_forecast(
    folder: Path,
    model: EventModel,
    forecast: Forecast,
    grid: Grid | None,
    *,
    bins: np.ndarray | None = None,
    spans: np.ndarray | None = None,
    coast: Sequence[np.ndarray] = (),
    force: bool = False,
) -> dict[str, Any]:
    """Writes the files of a forecast into a folder, all of them or none; see `check_folder`.

    Args:
        folder: where they go.
        model: which drew the forecast.
        forecast: the catalogues.
        grid: the expected events in cells; `None` for events in time alone.
        bins: edges of bins of magnitudes; by default one with all.
        spans: of time, for those; by default as `spans_of` says.
        coast: lines for the map, shapes `(n, 2)`.
        force: replace a forecast that is there.

    Returns:
        The figures of `summary.json`.
    """
    check_folder(folder, force=force)
    summary = summary_of(model, forecast, grid)
    with writing(folder), hidden_folder(folder) as partial:
        if grid is not None and csep.has_form(model):
            assert model.origin is not None
            edges = (
                np.array([model.units.mark_origin, model.units.largest_mark])
                if bins is None
                else bins
            )
            text = csep.gridded(grid, edges, mark_shares(model, edges))
            (partial / "expected.dat").write_text(text)
            (partial / "catalogues.csv").write_text(csep.catalogues(forecast.drawn, model.origin))
        else:
            table = (
                span_table(model, forecast, spans_of(forecast.horizon) if spans is None else spans)
                if grid is None
                else grid_table(model, grid)
            )
            write_table(partial / PLAIN, table)
            write_table(partial / "catalogues.csv", _catalogue_table(model, forecast))
        values, counts = np.unique(forecast.numbers, return_counts=True)
        share = counts / forecast.drawn.size
        write_table(partial / "numbers.csv", {"events": values, "share": share})
        write_bytes(partial / "forecast.png", _picture(model, forecast, grid, coast))
        (partial / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        for name in (*FILES, PLAIN):
            (folder / name).unlink(missing_ok=True)
            if (partial / name).exists():
                (partial / name).replace(folder / name)
    return summary


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuses a folder that is a file, or holds a forecast that is not to be replaced."""
    if folder.exists() and not folder.is_dir():
        raise LiouvilleError(f"{folder} is a file; choose another --out")
    taken = [name for name in (*FILES, PLAIN) if (folder / name).exists()]
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


def _picture(
    model: EventModel, forecast: Forecast, grid: Grid | None, coast: Sequence[np.ndarray]
) -> bytes:
    from liouville.plots import forecast_figure, to_png
    from liouville.tasks.events.report import clock_of, ground_of

    history, drawn = forecast.history, forecast.drawn
    ground = ground_of(model, history)
    if ground is not None and grid is not None:
        (x, y) = ((float(e[0]), float(e[-1])) for e in grid.edges)
        outline = () if grid.region is None else tuple(grid.region.rings)
        ground = dataclasses.replace(ground, x=x, y=y, outline=outline, coast=coast)
    after = np.linspace(0.0, forecast.horizon, 61)
    counts = np.zeros((drawn.size, len(after)))
    slots = np.searchsorted(after, drawn.times - forecast.start)
    np.add.at(counts, (drawn.number, np.minimum(slots, len(after) - 1)), 1.0)
    fan = np.quantile(counts.cumsum(axis=1), QUANTILES, axis=0)
    latest = slice(max(0, len(history) - _SHOWN), None)
    marks = None if history.marks is None or model.kinds else history.marks[latest]
    field = None if ground is None or grid is None else grid.expected.T
    clock = clock_of(model)
    title = f"{clock.say(forecast.start)} to {clock.say(forecast.start + forecast.horizon)}"
    known = (history.places[latest, :2], marks)
    numbers = forecast.numbers
    return to_png(
        forecast_figure(ground, clock, field, *known, numbers, (after, fan), title, model.mark_name)
    )
