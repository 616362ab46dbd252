"""Commands for events alone: forecasts and downloads."""

from pathlib import Path
from typing import Annotated, Any

import typer

from liouville.cli._app import DropFuture, History, Json, RunFolder, Seed, SequenceName, finish, say
from liouville.errors import LiouvilleError

RegionText = Annotated[
    str | None,
    typer.Option(metavar="W,S,E,N|FILE", help="Box, or file of GeoJSON or of the cells of a grid."),
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
    every: Annotated[
        str | None, typer.Option(metavar="1d", help="Forecast again in such steps after --start.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="The steps of --every end before.")] = None,
    n: Annotated[int, typer.Option("-n", help="Number of catalogues.")] = 1000,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to fill.")] = Path("FORECAST"),
    grid: Annotated[
        float | None,
        typer.Option(help="Size of a cell, in units of the coordinates; of time without places."),
    ] = None,
    bins: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST,LAST,WIDTH",
            help="Lower edges of magnitude bins, such as 4.95,8.95,0.1; or a width.",
        ),
    ] = None,
    region: RegionText = None,
    coast: Annotated[
        Path | None, typer.Option(help="GeoJSON file of lines to draw on the map.")
    ] = None,
    sequence_name: SequenceName = None,
    drop_future: DropFuture = False,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a forecast in it.")] = False,
    as_json: Json = False,
) -> None:
    """Draw catalogues of what may happen next, and count what they expect where.

    Writes catalogues.csv, expected.dat (.csv), numbers.csv, summary.json and forecast.png. With
    --every a folder of them for each start, and series.csv.
    """
    from liouville.data import read_lines
    from liouville.tasks.events.ask import duration, model_and_history, region_of
    from liouville.tasks.events.forecast import (
        bins_of,
        check_folder,
        expected_on_grid,
        forecast_events,
        spans_of,
        write_forecast,
    )
    from liouville.tasks.events.grid import cells_of
    from liouville.tasks.events.series import TABLE, starts_of, write_series

    check_folder(out, force=force)
    _check_series(start, every, until)
    if grid is not None and not grid > 0:
        raise LiouvilleError(f"--grid is {grid:g}; give a positive size")
    lines = () if coast is None else read_lines(coast)
    model, known = model_and_history(run, history, sequence_name)
    if not model.dim and (region or coast):
        raise LiouvilleError(f"{run} is of events in time alone; leave --region and --coast out")
    length = duration(horizon, model.time_unit)
    edges = bins_of(bins, model)
    begin = float(known.times.max()) if start is None else known.number(start)
    cells = cells_of(model, region_of(region, model), known, grid) if model.dim else None
    spans = None if model.dim else spans_of(length, grid)
    options: dict[str, Any] = {"bins": edges, "spans": spans, "coast": lines, "force": force}
    if every is not None and until is not None:
        step = duration(every, model.time_unit)
        starts = starts_of(begin, step, known.number(until), known)
        own = (model, known, starts, length, cells, n)
        rows = write_series(out, *own, seed=seed, say=say, **options)
        told = [f"{len(rows)} forecasts in {out}", f"table        {out / TABLE}"]
        finish({"folder": str(out), "forecasts": rows}, as_json, told)
        return
    found = forecast_events(
        model, known, length, n, start=begin, drop_future=drop_future, seed=seed, say=say
    )
    expected = None if cells is None else expected_on_grid(model, cells, found)
    summary = write_forecast(out, model, found, expected, **options)
    shown = [
        f"from {summary['start']} to {summary['end']}, {summary['events known']} events known",
        f"expected events {summary['expected events']:.4g}, "
        f"95 % of catalogues from {summary['quantiles']['0.025']:g} to "
        f"{summary['quantiles']['0.975']:g}",
        *(f"{file.stem:<12} {file}" for file in sorted(out.iterdir()) if file.suffix != ".json"),
    ]
    finish({"folder": str(out), **summary}, as_json, shown)


def _check_series(start: str | None, every: str | None, until: str | None) -> None:
    """Refuses a series of forecasts that does not say from when, how often and until when."""
    if (every is None) != (until is None):
        raise LiouvilleError("--every and --until belong together; give both, or none")
    if every is not None and start is None:
        raise LiouvilleError("--every needs the first time of the series; give --start")


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
