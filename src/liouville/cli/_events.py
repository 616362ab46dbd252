"""Commands for events alone: forecasts and downloads."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from liouville.cli._app import DropFuture, History, Json, RunFolder, Seed, SequenceName, finish, say
from liouville.errors import LiouvilleError

RegionText = Annotated[
    str | None, typer.Option(metavar="W,S,E,N|FILE", help="Box or GeoJSON file.")
]


def forecast(
    run: RunFolder,
    horizon: Annotated[
        str, typer.Option(metavar="7d", help="How long: a number with s, m, h, d, w or none.")
    ],
    history: History = None,
    start: Annotated[
        str | None, typer.Option(help="When it begins; by default at the last event.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Number of catalogues.")] = 1000,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to fill.")] = Path("FORECAST"),
    grid: Annotated[
        float | None, typer.Option(help="Size of a cell, in units of the coordinates.")
    ] = None,
    bins: Annotated[
        float | None, typer.Option(help="Width of magnitude bins; by default all in one.")
    ] = None,
    region: RegionText = None,
    sequence_name: SequenceName = None,
    drop_future: DropFuture = False,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a forecast in it.")] = False,
    as_json: Json = False,
) -> None:
    """Draw catalogues of what may happen next, and count what they expect where.

    Writes catalogues.csv, expected.csv, numbers.csv, summary.json and forecast.png.
    """
    from liouville.tasks.events.ask import duration, model_and_history, region_of
    from liouville.tasks.events.forecast import (
        check_folder,
        expected_on_grid,
        forecast_events,
        write_forecast,
    )

    check_folder(out, force=force)
    if grid is not None and not grid > 0:
        raise LiouvilleError(f"--grid is {grid:g}; give a positive size")
    model, known = model_and_history(run, history, sequence_name)
    length = duration(horizon, model.time_unit)
    edges = _bins(bins, model)
    where = region_of(region, model)
    found = forecast_events(
        model,
        known,
        length,
        n,
        start=None if start is None else known.number(start),
        drop_future=drop_future,
        seed=seed,
        say=say,
    )
    cells = expected_on_grid(found, where, grid)
    summary = write_forecast(out, model, found, cells, bins=edges, force=force)
    lines = [
        f"from {summary['start']} to {summary['end']}, {summary['events known']} events known",
        f"expected events {summary['expected events']:.4g}, "
        f"95 % of catalogues from {summary['quantiles']['0.025']:g} to "
        f"{summary['quantiles']['0.975']:g}",
        f"catalogues   {out / 'catalogues.csv'}",
        f"expected     {out / 'expected.csv'}",
        f"picture      {out / 'forecast.png'}",
    ]
    finish({"folder": str(out), **summary}, as_json, lines)


def _bins(width: float | None, model: Any) -> np.ndarray | None:
    if width is None:
        return None
    if not model.mark_name or model.kinds:
        raise LiouvilleError("--bins divides magnitudes, and the model has none; leave it out")
    if not width > 0:
        raise LiouvilleError(f"--bins is {width:g}; give a positive width")
    first = model.units.mark_origin
    return first + width * np.arange(int(np.ceil((10.0 - first) / width)) + 1)


def usgs(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="File to write.")],
    start: Annotated[str, typer.Option(help="First instant, such as 1990-01-01T00:00Z.")],
    end: Annotated[str, typer.Option(help="Last instant.")],
    min_magnitude: Annotated[float | None, typer.Option(help="Least magnitude.")] = None,
    region: RegionText = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the pieces.")] = None,
    retries: Annotated[int, typer.Option(min=0, help="Repetitions of a query that failed.")] = 5,
    as_json: Json = False,
) -> None:
    """Download a catalogue of earthquakes; one that broke off goes on where it stopped."""
    from liouville.data import download_usgs

    written = download_usgs(
        file,
        start=start,
        end=end,
        min_magnitude=min_magnitude,
        region=region,
        cache=cache,
        retries=retries,
    )
    with written.open() as lines:
        count = sum(1 for _ in lines) - 1
    finish({"file": str(written), "events": count}, as_json, [f"{count} events in {written}"])
