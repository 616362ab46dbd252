import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from liouville.cli._app import Json, Seed, app, finish, fit_app, say, table
from liouville.errors import LiouvilleError

DataFile = Annotated[Path, typer.Argument(metavar="DATA", help=".npz, .csv, .tsv or .h5ad file.")]
RunOut = Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder to fill.")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=c", help="One setting; may be given several times."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the run the folder holds.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")]
TimeKey = Annotated[str | None, typer.Option(help="Column, array or obs key of the time.")]
Basis = Annotated[str | None, typer.Option(help="Array or obsm key of the coordinates.")]
Features = Annotated[str | None, typer.Option(help="Columns to use, separated by commas.")]
Dims = Annotated[int | None, typer.Option(help="Keep the first so many coordinates.")]
Embedding = Annotated[str | None, typer.Option(help="2-D embedding for the pictures.")]
Weights = Annotated[str | None, typer.Option(help="Column or array with the mass of each cell.")]
Scaling = Annotated[str | None, typer.Option(help="standard, global or none.")]
Components = Annotated[int | None, typer.Option(help="Number of moving components.")]
Energy = Annotated[float | None, typer.Option(help="Weight of the kinetic energy.")]
Sigma = Annotated[float | None, typer.Option(help="Noise, in length per root of time.")]
Steps = Annotated[int | None, typer.Option(help="Most training steps.")]
HeldOut = Annotated[float | None, typer.Option(help="Share of cells held out for validation.")]
_END_HELP = "File of samples, folder of a fitted density, or a name: 8gaussians, moons, ..."
MaybeSeed = Annotated[int | None, typer.Option("--seed", help="Seed of the random numbers.")]


@fit_app.command("cells")
def fit_cells_command(
    data: DataFile,
    out: RunOut = Path("RUN"),
    time_key: TimeKey = None,
    basis: Basis = None,
    features: Features = None,
    dims: Dims = None,
    embedding: Embedding = None,
    weights: Weights = None,
    scaling: Scaling = None,
    components: Components = None,
    energy: Energy = None,
    sigma: Sigma = None,
    steps: Steps = None,
    held_out: HeldOut = None,
    seed: MaybeSeed = None,
    config: Config = None,
    settings: Settings = None,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Fit a moving density to snapshots of cells and write model, log and report.

    Everything that can be set, with its default: liouville settings cells.
    """
    from liouville.tasks.cells._run import run_cells

    flags = {
        "data.file": str(data),
        "data.time_key": time_key,
        "data.basis": basis,
        "data.features": _names(features),
        "data.dims": dims,
        "data.embedding": embedding,
        "data.weights": weights,
        "data.scaling": scaling,
        "data.held_out": held_out,
        "path.components": components,
        "objective.energy": energy,
        "objective.sigma": sigma,
        "training.steps": steps,
        "training.seed": seed,
    }
    _fit(run_cells, out, flags, config, settings, force, resume, as_json)


@fit_app.command("density")
def fit_density_command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help=".csv, .tsv, .npz or .npy file.")],
    out: RunOut = Path("RUN"),
    label: Annotated[str | None, typer.Option(help="Column or array of the classes.")] = None,
    features: Features = None,
    dims: Dims = None,
    scaling: Scaling = None,
    family: Annotated[
        str | None, typer.Option(help="auto, mixture, warped, autoregressive or pushforward.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="hard or fitted start.")] = None,
    energy: Energy = None,
    steps: Steps = None,
    image: Annotated[str | None, typer.Option(help="Samples are images, for instance 8x8.")] = None,
    seed: MaybeSeed = None,
    config: Config = None,
    settings: Settings = None,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Fit a density to samples, as the end of a path from the standard normal law.

    Everything that can be set, with its default: liouville settings density.
    """
    from liouville.tasks.density._run import run_density

    flags = {
        "data.file": str(data),
        "data.label": label,
        "data.features": _names(features),
        "data.dims": dims,
        "data.scaling": scaling,
        "path.family": family,
        "path.start": start,
        "objective.energy": energy,
        "training.steps": steps,
        "training.seed": seed,
        "report.image": image,
    }
    _fit(run_density, out, flags, config, settings, force, resume, as_json)


@fit_app.command("transport")
def fit_transport_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=_END_HELP)],
    target: Annotated[str, typer.Argument(metavar="TARGET", help=_END_HELP)],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[MORE]...", help="Further ones, in order.")
    ] = None,
    out: RunOut = Path("RUN"),
    times: Annotated[
        str | None, typer.Option(help="When each is met, separated by commas; 0,1,2,... if not.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Noise, length per root of time; 0: optimal transport.")
    ] = None,
    features: Features = None,
    dims: Dims = None,
    components: Annotated[int | None, typer.Option(help="Parts of every end; BIC if not.")] = None,
    parts: Annotated[int | None, typer.Option(help="Moving parts between two ends.")] = None,
    steps: Steps = None,
    seed: MaybeSeed = None,
    config: Config = None,
    settings: Settings = None,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Find the path of least energy through distributions, which it meets exactly.

    Everything that can be set, with its default: liouville settings transport.
    """
    from liouville.tasks.transport._run import run_transport

    flags = {
        "data.ends": [source, target, *(more or [])],
        "data.times": None if times is None else _numbers(times),
        "data.features": _names(features),
        "data.dims": dims,
        "ends.components": components,
        "path.parts": parts,
        "objective.sigma": sigma,
        "training.steps": steps,
        "training.seed": seed,
    }
    _fit(run_transport, out, flags, config, settings, force, resume, as_json)


@fit_app.command("control")
def fit_control_command(
    problem: Annotated[
        str, typer.Argument(metavar="NAME|FILE.py", help="s-tunnel, v-neck, gmm, drones, ...")
    ],
    out: RunOut = Path("RUN"),
    sigma: Annotated[
        float | None, typer.Option(help="Noise, length per root of time; the problem's if not.")
    ] = None,
    parts: Annotated[int | None, typer.Option(help="Moving parts of the density.")] = None,
    steps: Steps = None,
    seed: MaybeSeed = None,
    config: Config = None,
    settings: Settings = None,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Steer a population past obstacles at least cost, and check it on fresh noise.

    A Python file makes `problem = ControlProblem(...)`. Everything that can be set, with its
    default: liouville settings control.
    """
    from liouville.tasks.control._run import run_control

    flags = {
        "problem.name": problem,
        "problem.sigma": sigma,
        "path.parts": parts,
        "training.steps": steps,
        "training.seed": seed,
    }
    _fit(run_control, out, flags, config, settings, force, resume, as_json)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",")]


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise LiouvilleError(f"--times {text!r} must be numbers with commas: 0,1,2.5") from error


def _fit(
    run: Callable[..., Any],
    out: Path,
    flags: dict[str, Any],
    config: Path | None,
    settings: list[str] | None,
    force: bool,
    resume: bool,
    as_json: bool,
    finish_fit: Callable[..., None] | None = None,
) -> None:
    """Runs a fit with what all of them are told, and ends the command."""
    from liouville.runs.config import load_yaml

    result = run(
        out,
        file=None if config is None else load_yaml(config),
        flags=flags,
        settings=settings or [],
        force=force,
        resume=resume,
        say=say,
    )
    (finish_fit or _finish_fit)(out, result, as_json)


def _finish_fit(out: Path, result: Any, as_json: bool, **more: Any) -> None:
    if result.reason == "interrupted":
        message = f"stopped at step {result.summary['steps']}; go on with --resume --out {out}"
        finish({"run": str(out), **result.summary}, as_json, [message])
        raise typer.Exit(130)
    lines = [f"{name:<55} {value}" for name, value in result.summary.items()]
    lines += ["", f"model   {out / 'model.lv'}", f"report  {out / 'report.html'}"]
    finish({"run": str(out), **result.summary, **more}, as_json, lines)


@app.command()
def demo(
    out: RunOut = Path("liouville-demo"),
    task: Annotated[str, typer.Option(help="cells or events.")] = "cells",
    seed: Seed = 0,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Fit data with a known truth, and print how far the model is from it.

    Cells are a branching population, events a self-exciting process with magnitudes.
    """
    if task == "events":
        from liouville.cli._events import demo_events_command

        demo_events_command(out, seed, force, resume, as_json)
        return
    if task != "cells":
        raise LiouvilleError(f"there is no demo of {task!r}; the demos are: cells, events")
    from liouville.tasks.cells._run import run_cells
    from liouville.tasks.cells.demo import demo_cells, distance_to_truth

    truth = demo_cells(seed)
    result = run_cells(
        out, cells=truth.cells, flags={"training.seed": seed}, force=force, resume=resume, say=say
    )
    if result.reason == "interrupted":
        _finish_fit(out, result, as_json)
    rows = distance_to_truth(result.model, truth.model)
    if not as_json:
        table(
            rows,
            {
                "time": "day",
                "seen": "in the data",
                "divergence": "KL to the truth (nats)",
                "standard_error": "± standard error",
                "velocity_error": "relative velocity error",
            },
            "Distance between the model and the truth",
        )
    _finish_fit(out, result, as_json, truth=rows)


@app.command()
def evaluate(
    target: Annotated[str, typer.Argument(metavar="RUN|cells", help="A run, or 'cells' DATA.")],
    data: Annotated[Path | None, typer.Argument(metavar="[DATA]", help="Data file.")] = None,
    more: Annotated[
        list[float] | None, typer.Argument(metavar="[TIME]...", hidden=True, help="More times.")
    ] = None,
    leave_out: Annotated[
        list[float] | None,
        typer.Option(metavar="TIME [TIME]...", help="Times to leave out in turn."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Fits of every left-out time.")] = 1,
    time_key: TimeKey = None,
    basis: Basis = None,
    features: Features = None,
    dims: Dims = None,
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Measure a run on its held-out cells, or the method on whole times left out.

    liouville evaluate RUN

    liouville evaluate cells DATA --dims 5 --leave-out 1 2 3
    """
    if target != "cells" or data is None:
        if target == "cells" and not Path(target).exists():
            raise LiouvilleError("name the data: liouville evaluate cells DATA --leave-out TIME")
        if data is not None:
            raise LiouvilleError(
                f"'evaluate {target} {data}' is not understood; use 'evaluate RUN' or "
                "'evaluate cells DATA --leave-out TIME ...'"
            )
        _evaluate_run(Path(target), as_json)
        return
    from liouville.runs.config import load_yaml, merge
    from liouville.tasks.cells._run import read
    from liouville.tasks.cells.config import CellsConfig
    from liouville.tasks.cells.measure import leave_out as measure

    chosen = merge(
        CellsConfig,
        file=None if config is None else load_yaml(config),
        flags={
            "data.time_key": time_key,
            "data.basis": basis,
            "data.features": None if features is None else features.split(","),
            "data.dims": dims,
        },
        settings=settings or [],
    )
    cells = read(str(data), chosen)
    times = [*(leave_out or []), *(more or [])] or cells.distinct_times[1:-1].tolist()
    rows = measure(cells, times, chosen, seeds=range(seeds), progress=say)
    names = ("push", "direct", "floor", "midpoint", "no_motion")
    means = {name: sum(row[name] for row in rows) / len(rows) for name in names}
    if as_json:
        finish({"rows": rows, "mean": means}, True, [])
        return
    columns = {
        "time": "left out",
        "seed": "seed",
        "push": "W1 push",
        "direct": "W1 direct",
        "floor": "floor",
        "midpoint": "midpoint",
        "no_motion": "no motion",
        "nats": "nats",
        "baseline_nats": "BIC mixture",
        "seconds": "seconds",
    }
    table([*rows, {"time": "mean", **means}], columns, f"Times left out of {data}")


def _evaluate_run(folder: Path, as_json: bool) -> None:
    from liouville.runs.folder import open_run

    task = open_run(folder).task
    if task in ("density", "transport", "control", "events"):
        measure = importlib.import_module(f"liouville.tasks.{task}._run").evaluate
        result = measure(folder)
        finish(
            {"run": str(folder), **result},
            as_json,
            [f"{name:<55} {value}" for name, value in result.items()],
        )
        return
    from liouville.model import load
    from liouville.runs.folder import open_run
    from liouville.tasks.cells._run import cells_of
    from liouville.tasks.cells.fit import compare_held_out
    from liouville.tasks.cells.measure import evaluate_model

    model = load(folder)
    cells, settings = cells_of(open_run(folder))
    training, held_out = cells.split(settings.data.held_out, settings.training.seed)
    if not len(held_out):
        raise LiouvilleError(f"{folder} held no cells out; fit with --held-out 0.1")
    nats = compare_held_out(model, training, held_out)
    rows = evaluate_model(model, training, held_out)
    (ours, mine), (_, baseline) = nats.items()
    for row in rows:
        row["nats"], row["baseline_nats"] = mine[row["time"]], baseline[row["time"]]
    if as_json:
        finish({"run": str(folder), "rows": rows}, True, [])
        return
    columns = {
        "time": model.time_name,
        "cells": "held-out cells",
        "w1": "W1",
        "floor_w1": "W1 floor",
        "w2": "W2",
        "floor_w2": "W2 floor",
        "nats": f"nats, {ours}",
        "baseline_nats": "nats, BIC mixture",
    }
    table(rows, columns, f"{folder} on its held-out cells")


@app.command("settings")
def settings_command(
    task: Annotated[
        str, typer.Argument(help="cells, density, events, transport or control")
    ] = "cells",
    as_json: Json = False,
) -> None:
    """List every setting of a task with its type, default and meaning."""
    from liouville.runs.config import describe
    from liouville.tasks.cells.config import CellsConfig
    from liouville.tasks.control.config import ControlConfig
    from liouville.tasks.density.config import DensityConfig
    from liouville.tasks.events.config import EventsConfig
    from liouville.tasks.transport.config import TransportConfig

    kinds = {
        "cells": CellsConfig,
        "density": DensityConfig,
        "events": EventsConfig,
        "transport": TransportConfig,
        "control": ControlConfig,
    }
    if task not in kinds:
        raise LiouvilleError(
            f"there are no settings for {task!r}; the tasks are: {', '.join(kinds)}"
        )
    entries = [entry._asdict() for entry in describe(kinds[task])]
    if as_json:
        finish({"task": task, "settings": entries}, True, [])
        return
    for entry in entries:
        entry["default"] = "automatic" if entry["default"] is None else str(entry["default"])
    table(entries, {"key": "setting", "type": "type", "default": "default", "doc": "meaning"}, task)
