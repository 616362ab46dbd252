from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from liouville.cli._app import Json, RunFolder, Seed, app, finish, fit_app, say, table
from liouville.cli._fit import (
    Config,
    Features,
    Force,
    MaybeSeed,
    Resume,
    RunOut,
    Settings,
    Steps,
    _finish_fit,
    _fit,
    _names,
)
from liouville.errors import LiouvilleError

download_app = typer.Typer(help="Download data.", no_args_is_help=True)
app.add_typer(download_app, name="download")

_EVENTS_HELP = ".csv, .tsv, .parquet, .npz or QuakeML file of events."
History = Annotated[
    Path | None,
    typer.Option("--history", help="File of the events so far; by default the run's own data."),
]
SequenceName = Annotated[
    str | None, typer.Option("--sequence-name", help="Which sequence, if there are several.")
]
DropFuture = Annotated[
    bool, typer.Option("--drop-future", help="Drop later events, which are refused otherwise.")
]
TimeColumn = Annotated[str | None, typer.Option("--time", help="Column of the times.")]
MarkColumn = Annotated[str | None, typer.Option("--mark", help="Column of the marks, or none.")]
RegionText = Annotated[
    str | None, typer.Option(metavar="W,S,E,N|FILE", help="Box or GeoJSON file.")
]


@fit_app.command("events")
def fit_events_command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help=_EVENTS_HELP)],
    out: RunOut = Path("RUN"),
    time: TimeColumn = None,
    features: Features = None,
    mark: MarkColumn = None,
    sequence: Annotated[
        str | None, typer.Option(help="Column of the sequence of an event, or none.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="BEGIN,END", help="When events would have been seen.")
    ] = None,
    region: RegionText = None,
    validate_from: Annotated[
        str | None, typer.Option(help="First instant of validation, instead of a share.")
    ] = None,
    test_from: Annotated[
        str | None, typer.Option(help="First instant of the test, instead of a share.")
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(help="Where: triggered, routed, recalled, moving or static."),
    ] = None,
    times: Annotated[str | None, typer.Option(help="When: hawkes, poisson or neural.")] = None,
    steps: Steps = None,
    seed: MaybeSeed = None,
    config: Config = None,
    settings: Settings = None,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Fit a point process to events in space and time and write model, log and report.

    Everything that can be set, with its default: liouville settings events.
    """
    from liouville.tasks.events._run import run_events

    flags = {
        "data.file": str(data),
        "data.time": time,
        "data.features": _names(features),
        "data.mark": mark,
        "data.sequence": sequence,
        "data.window": window,
        "data.region": region,
        "data.validate_from": validate_from,
        "data.test_from": test_from,
        "places.family": family,
        "times.family": times,
        "training.steps": steps,
        "training.seed": seed,
    }
    _fit(run_events, out, flags, config, settings, force, resume, as_json, _finish)


def _finish(out: Path, result: Any, as_json: bool, **more: Any) -> None:
    """Ends a fit; for a person the plain models are a table of their own."""
    rows = result.summary.get("baselines")
    if as_json or not rows:
        _finish_fit(out, result, as_json, **more)
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    own = {"model": "this model", **{n: result.summary.get(n) for n in names[1:]}}
    table([own, *rows], {name: name for name in names}, "Nats per event")
    shown = {k: v for k, v in result.summary.items() if k != "baselines"}
    _finish_fit(out, result._replace(summary=shown), as_json, **more)


def demo_events_command(out: Path, seed: int, force: bool, resume: bool, as_json: bool) -> None:
    """Fits a catalogue of known parameters, and prints those that were recovered."""
    from liouville.tasks.events._divide import divide
    from liouville.tasks.events._run import run_events
    from liouville.tasks.events.demo import SETTINGS, demo_events, distance_to_truth, recovered

    truth = demo_events(seed)
    flags = {**SETTINGS, "training.seed": seed, "report.baselines": False}
    result = run_events(out, events=truth.events, flags=flags, force=force, resume=resume, say=say)
    if result.reason == "interrupted":
        _finish_fit(out, result, as_json)
    rows = recovered(result.model, truth.process)
    nats = distance_to_truth(result.model, truth, divide(truth.events, result.config))
    if not as_json:
        names = ("parameter", "true", "recovered")
        table(rows, {name: name for name in names}, "Parameters of the process")
        names = ("test events", "truth", "model", "difference")
        table(nats, {name: name for name in names}, "Nats per event kept from training")
    _finish_fit(out, result, as_json, truth=rows, nats=nats)


@app.command("forecast")
def forecast_command(
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
    from liouville.tasks.events.ask import duration, region_of
    from liouville.tasks.events.forecast import (
        check_folder,
        expected_on_grid,
        forecast_events,
        write_forecast,
    )

    check_folder(out, force=force)
    if grid is not None and not grid > 0:
        raise LiouvilleError(f"--grid is {grid:g}; give a positive size")
    model, known = _model_and_history(run, history, sequence_name)
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
        tell=say,
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


def query_events(
    run: Path,
    points: Path | None,
    out: Path,
    time: str | None,
    history: Path | None,
    sequence_name: str | None,
    drop_future: bool,
    as_json: bool,
) -> None:
    """Writes rate, density and intensity at points and times, given the events before."""
    from liouville.data import write_table
    from liouville.tasks.events.ask import answers, read_points_and_times

    if points is None:
        raise LiouvilleError("no points: name a file with --at, of places and perhaps times")
    model, known = _model_and_history(run, history, sequence_name)
    places, times, texts = read_points_and_times(model, known, points, time)
    found = answers(model, known, times, places, future="drop" if drop_future else "refuse")
    columns = {"time": texts, **{f: places[:, i] for i, f in enumerate(model.features)}, **found}
    write_table(out, columns)
    finish({"file": str(out), "points": len(places)}, as_json, [f"{len(places)} points in {out}"])


def info_events(run: Path, as_json: bool) -> None:
    """Says what a run of events holds."""
    from liouville.numerics.parameters import learned_leaves
    from liouville.tasks.events.model import load_events

    model = load_events(run)
    result: dict[str, Any] = {
        "run": str(run),
        **model.notes,
        "when": type(model.process.intensity).__name__,
        "where": type(model.process.places).__name__,
        "features": list(model.features),
        "marks": model.mark_name or "none",
        "time": model.time_unit or "plain numbers",
        "origin": model.origin or "none",
        "map": "equal-area, km" if model.units.projection is not None else "none",
        "reach": model.reach,
        "parameters": sum(leaf.size for leaf in learned_leaves(model.process).values()),
    }
    lines = [f"{k:<12} {', '.join(v) if isinstance(v, list) else v}" for k, v in result.items()]
    finish(result, as_json, lines)


def _model_and_history(run: Path, history: Path | None, sequence: str | None) -> tuple[Any, Any]:
    """The model of a run of events and the events so far, read with the columns of the run."""
    from liouville.runs.folder import open_run
    from liouville.tasks.events.ask import read_history
    from liouville.tasks.events.model import load_events

    opened = open_run(run)
    if opened.task != "events":
        raise LiouvilleError(
            f"{run} is a run of {opened.task}; forecasts are of runs of 'liouville fit events'"
        )
    model = load_events(run)
    data = opened.settings["data"]
    columns = {key: data.get(key) for key in ("time", "features", "mark", "sequence")}
    file = history or data.get("file")
    if file is None:
        raise LiouvilleError(f"{run} was fitted to data in memory; name a --history")
    if history is None:
        columns |= {"region": data.get("region"), "missing": data.get("missing", "refuse")}
    return model, read_history(model, Path(file), columns=columns, sequence=sequence)


@download_app.command("usgs")
def download_usgs_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="File to write.")],
    start: Annotated[str, typer.Option(help="First instant, such as 1990-01-01T00:00Z.")],
    end: Annotated[str, typer.Option(help="Last instant.")],
    min_magnitude: Annotated[float | None, typer.Option(help="Least magnitude.")] = None,
    region: RegionText = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the pieces.")] = None,
    retries: Annotated[int, typer.Option(help="Repetitions of a query that failed.")] = 5,
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
