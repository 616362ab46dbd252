"""Commands that ask a fitted run."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from liouville.cli._app import (
    DropFuture,
    Extrapolate,
    Given,
    History,
    Json,
    Out,
    RunFolder,
    Seed,
    SequenceName,
    Trust,
    figures,
    finish,
    finish_table,
)
from liouville.errors import LiouvilleError

_POINTS_HELP = "Any file that models are fitted to: .csv, .parquet, .npz, .npy, .h5ad, ..."
SigmaOption = Annotated[
    float | None,
    typer.Option(help="Noise, in your length per root of your time; by default the run's."),
]


def info(run: RunFolder, as_json: Json = False) -> None:
    """Say what a run holds."""
    from liouville.runs.folder import CONFIG_FILE, open_run
    from liouville.tasks import load_model
    from liouville.tasks.ask import load

    # A folder that holds a model alone, without a run, is asked as well.
    is_run = (run / CONFIG_FILE).is_file()
    model = load_model(run, open_run(run).task) if is_run else load(run)
    result = {"run": str(run), **model.facts()}
    finish(result, as_json, figures(result))


def check(
    run: RunFolder,
    seed: Seed = 0,
    points: Annotated[
        int, typer.Option(min=1, help="Points at which the equations are tested.")
    ] = 512,
    as_json: Json = False,
) -> None:
    """Measure the laws on a fitted model, in double precision; exit code 1 if one fails."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from liouville.checks import check_path
    from liouville.model import load

    model = load(run)
    path = jax.tree.map(lambda a: a.astype("float64"), model.path)
    times = model.units.time_to_model(np.asarray(model.times)).tolist()
    reports = check_path(path, times, n=points, seed=seed)
    passed = all(report.passed for report in reports)
    laws = [
        {key: getattr(r, key) for key in ("law", "value", "tolerance", "passed")} for r in reports
    ]
    lines = [str(report) for report in reports]
    finish({"run": str(run), "passed": passed, "laws": laws}, as_json, lines)
    if not passed:
        raise typer.Exit(1)


def sample(
    run: RunFolder,
    out: Out,
    time: Annotated[
        float | None,
        typer.Option("--time", "-t", help="Time, in the data's units; of a density that of them."),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Number of draws.")] = 1000,
    seed: Seed = 0,
    given: Given = None,
    extrapolate: Extrapolate = False,
    as_json: Json = False,
) -> None:
    """Draw points from the density at one time and write them to a file."""
    from liouville.tasks.ask import columns, drawn_values, usual_time

    model = _model(run, given)
    time = usual_time(model, time)
    if time is None:
        first, last = model.times[0], model.times[-1]
        raise LiouvilleError(f"name the time of the draws, from {first:g} to {last:g}: --time T")
    drawn = model.sample(time, n, seed=seed, extrapolate=extrapolate)
    drawn = drawn_values(model, time, drawn)
    found = {model.time_name: np.full(n, time), **columns("", model.features, drawn)}
    finish_table(out, found, as_json, time=time)


def query(
    run: RunFolder,
    out: Out,
    points: Annotated[Path | None, typer.Argument(metavar="[POINTS]", help=_POINTS_HELP)] = None,
    at: Annotated[
        Path | None, typer.Option("--at", "--points", help="The points, likewise.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            "-t",
            help="Time; by default the file's time column, or that of the data of a density.",
        ),
    ] = None,
    sigma: SigmaOption = None,
    given: Given = None,
    against: Annotated[
        str | None,
        typer.Option(help="Another class: log_ratio is the log-density of --given less its own."),
    ] = None,
    extrapolate: Extrapolate = False,
    std: Annotated[
        bool, typer.Option("--std", help="Standard errors besides, of a fit with --bootstrap.")
    ] = False,
    history: History = None,
    sequence_name: SequenceName = None,
    drop_future: DropFuture = False,
    as_json: Json = False,
) -> None:
    """Write what a model says at given points.

    Log-density, velocity, score, drift and growth; for a run of events rate, density and intensity
    given what came before.
    """
    from liouville.runs.folder import open_run
    from liouville.tasks import answers_of
    from liouville.tasks.ask import Question

    asked = Question(
        points or at,
        time,
        sigma,
        given,
        against,
        extrapolate,
        std,
        history,
        sequence_name,
        drop_future,
    )
    opened = open_run(run)
    finish_table(out, answers_of(opened.task).query(opened, asked), as_json)


def trajectories(
    run: RunFolder,
    start: Annotated[float, typer.Option("--from", help="First time.")],
    end: Annotated[float, typer.Option("--to", help="Last time; before --from to go back.")],
    out: Out = Path("trajectories.csv"),
    points: Annotated[
        Path | None, typer.Option(help="Starting points; by default draws from the density.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Number of draws to start from.")] = 100,
    times: Annotated[int, typer.Option(min=1, help="Times written on each trajectory.")] = 50,
    stochastic: Annotated[bool, typer.Option("--stochastic", help="Follow the diffusion.")] = False,
    sigma: SigmaOption = None,
    seed: Seed = 0,
    given: Given = None,
    extrapolate: Extrapolate = False,
    as_json: Json = False,
) -> None:
    """Carry points along the velocity, or along the diffusion with the same densities.

    With weights exp(log_weight), draws have the density of every time, also where mass grows.
    """
    from liouville.data import write_table
    from liouville.tasks.ask import columns, identified, points_for

    model = _model(run, given)
    if points is None:
        x0, names = model.sample(start, n, seed=seed, extrapolate=extrapolate), None
    else:
        x0, _, names = points_for(run, model, points)
    clock = np.linspace(start, end, times)
    moved = model.weighted_trajectories(
        x0, clock, seed=seed, stochastic=stochastic, sigma=sigma, extrapolate=extrapolate
    )
    count, by_trajectory = len(x0), partial(np.swapaxes, axis1=0, axis2=1)
    write_table(
        out,
        {
            **identified(None if names is None else np.repeat(names, times)),
            "trajectory": np.repeat(np.arange(count), times),
            model.time_name: np.tile(clock, count),
            **columns("", model.features, by_trajectory(moved.points).reshape(-1, model.dim)),
            "log_weight": by_trajectory(moved.log_weights).reshape(-1),
        },
    )
    told = f"{count} trajectories at {times} times in {out}"
    finish({"file": str(out), "trajectories": count, "times": times}, as_json, [told])


def map_command(
    run: RunFolder,
    points: Annotated[Path, typer.Argument(metavar="POINTS", help=_POINTS_HELP)],
    out: Out,
    start: Annotated[float | None, typer.Option("--from", help="Time of the points.")] = None,
    end: Annotated[float | None, typer.Option("--to", help="Time they are wanted at.")] = None,
    draws: Annotated[
        int,
        typer.Option(min=0, help="Diffusions to average; 1: a stochastic map, 0: the velocity."),
    ] = 0,
    law: Annotated[
        bool, typer.Option("--law", help="Mean and spread of where the diffusion takes them.")
    ] = False,
    seed: Seed = 0,
    given: Given = None,
    as_json: Json = False,
) -> None:
    """Carry points from one time to another, by default from the first to the last.

    Of a run that depends on numbers each row goes given its own, or all given one (--given).
    """
    from liouville.tasks.ask import columns, identified, points_for
    from liouville.tasks.transport.answers import transport_map

    model = _model(run, given)
    has_contexts = bool(model.contexts) and not (law or draws)
    x, _, names = points_for(run, model, points, with_contexts=has_contexts)
    x, contexts = x[:, : model.dim], x[:, model.dim :] if has_contexts else None
    found = {**identified(names), **columns("", model.features, x)}
    if contexts is not None:
        found |= columns("", model.contexts, contexts)
    if law:
        # Draws count only where there is no closed form.
        told = model.conditional(x, start=start, end=end, draws=draws or 200, seed=seed)
        spread = np.sqrt(np.diagonal(told.covariance, axis1=-2, axis2=-1))
        found |= columns("mean ", model.features, told.mean)
        found |= columns("spread ", model.features, spread)
    else:
        more = {"draws": draws, "seed": seed, "contexts": contexts}
        moved = transport_map(model, x, start=start, end=end, **more)
        found |= columns("mapped ", model.features, moved)
    finish_table(out, found, as_json)


def couple_command(
    run: RunFolder,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help=_POINTS_HELP)],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help=_POINTS_HELP)],
    out: Out,
    start: Annotated[float | None, typer.Option("--from", help="Time of SOURCE.")] = None,
    end: Annotated[float | None, typer.Option("--to", help="Time of TARGET.")] = None,
    given: Given = None,
    as_json: Json = False,
) -> None:
    """Pair samples of two times: rows of both files, counted from 0, that belong together."""
    from liouville.tasks.ask import identified, points_for
    from liouville.tasks.transport.answers import couple

    model = _model(run, given)
    x, y = points_for(run, model, source), points_for(run, model, target)
    pairs = couple(model, x.points, y.points, start=start, end=end)
    found = {"source row": pairs[:, 0], "target row": pairs[:, 1]}
    for read, rows, prefix in ((x, pairs[:, 0], "source "), (y, pairs[:, 1], "target ")):
        names = None if read.identifiers is None else read.identifiers[rows]
        found |= identified(names, prefix)
    finish_table(out, found, as_json, "pairs")


def plot(
    run: RunFolder,
    movie: Annotated[bool, typer.Option(help="Draw the GIF too.")] = True,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Draw the report of a run again."""
    from liouville.tasks.skeleton import redraw_run

    file = redraw_run(run, movie=movie, trust=trust)
    finish({"report": str(file)}, as_json, [f"report  {file}"])


def _model(run: Path, given: str | None) -> Any:
    from liouville.tasks.ask import load

    model = load(run)
    return model if given is None else model.given(given)
