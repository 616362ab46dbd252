"""Commands that fit, measure and list settings: one for each of `TASKS`."""

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from liouville.cli._app import (
    ConfigFile,
    Distributed,
    Force,
    Json,
    Resume,
    RunOut,
    Seed,
    Settings,
    Trust,
    figures,
    finish,
    say,
    table,
)
from liouville.cli._flags import with_flags
from liouville.errors import LiouvilleError
from liouville.runs import interruption, job
from liouville.runs.config import describe, load_yaml, merge
from liouville.runs.folder import is_unfinished
from liouville.runs.warned import noted, quiet
from liouville.tasks import TASKS, load_task, read_early, room_of

_DEMOS = ", ".join(name for name, room in TASKS.items() if room.has_demo)


def fit_command(name: str) -> Callable[..., None]:
    """The command `liouville fit NAME`."""

    def fit(
        flags: Mapping[str, Any],
        out: RunOut = Path("RUN"),
        config: ConfigFile = None,
        settings: Settings = None,
        force: Force = False,
        resume: Resume = False,
        distributed: Distributed = False,
        as_json: Json = False,
    ) -> None:
        begun = time.monotonic()
        interruption.set_last_words(partial(_how_to_go_on, out, is_ours=resume))
        if distributed and not TASKS[name].is_shared:
            raise LiouvilleError(
                f"fit {name} is the work of one process, which others cannot divide; leave "
                "--distributed out"
            )
        is_first = not distributed or job.join() == 0
        file = None if config is None else load_yaml(config)
        chosen = merge(TASKS[name].config, file=file, flags=flags, settings=settings or [])
        say("reading and checking")
        with noted(), contextlib.nullcontext() if is_first else quiet():
            data = None if resume else read_early(name, chosen)
            from liouville.tasks.skeleton import run_task

            task = load_task(name)
            result = run_task(
                task,
                out,
                data=data,
                file=file,
                flags=flags,
                settings=settings or [],
                force=force,
                resume=resume,
                begun=begun,
                say=say,
            )
        if is_first:
            _finish(task, out, result, as_json)
        elif result.reason == "interrupted":
            raise typer.Exit(interruption.exit_code())

    kind = TASKS[name].config
    more = f"Everything that can be set, with its default: liouville settings {name}."
    fit.__doc__ = f"{kind.__doc__}\n\n{more}"
    return with_flags(fit, describe(kind))


def _how_to_go_on(out: Path, *, is_ours: bool = False) -> str:
    """The last words of a fit that a signal ended, whatever it was doing.

    A run that is finished is `ours` if this process has only gone on with it.
    """
    if is_unfinished(out):
        again = interruption.command(without="--force", more="--resume")
        return f"stopped; to go on: {again}"
    if is_ours:
        return f"stopped; the run in {out} is finished"
    return f"stopped; nothing was changed in {out}, to start again: {interruption.command()}"


def _finish(task: Any, out: Path, result: Any, as_json: bool, further: Sequence[str] = ()) -> None:
    """Ends a fit; `further` are commands to go on with."""
    if result.reason == "interrupted":
        if as_json:
            finish({"run": str(out), **result.summary}, True, [])
        print(f"at step {result.summary['steps']}, {_how_to_go_on(out)}", file=sys.stderr)
        raise typer.Exit(interruption.exit_code())
    interruption.set_last_words(partial(_how_to_go_on, out, is_ours=True))
    if not as_json:
        for rows in task.tables(result.summary):
            table(rows.rows, dict(rows.headings), rows.title)
    lines = figures(result.summary)
    lines += ["", f"model   {out / 'model.lv'}", f"report  {out / 'report.html'}"]
    if further:
        lines += ["", "try next", *(f"  {command}" for command in further)]
    finish({"run": str(out), **result.summary}, as_json, lines)


def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="RUN", help="Folder to fill [default: liouville-demo...]."
        ),
    ] = None,
    task: Annotated[str, typer.Option(help=f"One of {_DEMOS}.")] = "cells",
    seed: Seed = 0,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Fit data with a known truth, and print how far the model is from it.

    Cells are a branching population, events a self-exciting process with magnitudes. The run keeps
    the data, so that all other commands can be tried on it.
    """
    if task not in TASKS or not TASKS[task].has_demo:
        raise LiouvilleError(f"there is no demo of {task!r}; the demos are: {_DEMOS}")
    folder = Path("liouville-demo" if task == "cells" else f"liouville-demo-{task}")
    folder = folder if out is None else out
    interruption.set_last_words(partial(_how_to_go_on, folder, is_ours=resume))
    begun = time.monotonic()
    from liouville.tasks.demo import run_demo

    shown = run_demo(task, folder, seed, force=force, resume=resume, begun=begun, say=say)
    _finish(shown.task, folder, shown.result, as_json, shown.next)


def _evaluate(
    flags: Mapping[str, Any],
    target: Annotated[str, typer.Argument(metavar="RUN|cells", help="A run, or 'cells' DATA.")],
    data: Annotated[Path | None, typer.Argument(metavar="[DATA]", help="Data file.")] = None,
    more: Annotated[
        list[float] | None, typer.Argument(metavar="[TIME]...", hidden=True, help="More times.")
    ] = None,
    leave_out: Annotated[
        list[float] | None,
        typer.Option(metavar="TIME [TIME]...", help="Times to leave out in turn."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fits of every left-out time.")] = 1,
    standard: Annotated[
        bool,
        typer.Option(
            "--standard",
            help="Divide each coordinate by its standard deviation first, as published figures do.",
        ),
    ] = False,
    config: ConfigFile = None,
    settings: Settings = None,
    new: Annotated[
        Path | None, typer.Option("--data", metavar="NEW", help="New events to score a run on.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="When they count; those before are history.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Until when they count.")] = None,
    tests: Annotated[
        bool, typer.Option("--tests", help="CSEP's tests of a forecast of that time, too.")
    ] = False,
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="Catalogues of this forecast [default: 1000].")
    ] = None,
    grid: Annotated[
        float | None, typer.Option(help="Size of its cells, in units of the coordinates.")
    ] = None,
    seed: Seed = 0,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Measure a run on what it kept from training or on new data, or the method on left-out times.

    liouville evaluate RUN

    liouville evaluate RUN --data NEW.csv --from 2020-01-01T00:00Z --to 2021-01-01T00:00Z

    liouville evaluate cells DATA --dims 5 --leave-out 1 2 3
    """
    from liouville.tasks.task import tables_of

    room = TASKS.get(target)
    if room is not None and data is None and not Path(target).exists():
        raise LiouvilleError(f"name the data: liouville evaluate {target} DATA --leave-out TIME")
    of_method = {**flags, "leave-out": leave_out, "set": settings, "config": config}
    of_method |= {"seeds": None if seeds == 1 else seeds, "standard": standard or None}
    of_window = {"from": start, "to": end, "tests": tests or None}
    of_tests = {"n": n, "grid": grid, "seed": seed or None}
    if data is None:
        _refuse(
            of_method,
            "for a run, which is measured as it was fitted; leave it out, or use 'evaluate cells "
            "DATA'",
        )
        found = _of_run(Path(target), new, of_window, of_tests, trust)
        shown = {"run": target}
    elif room is None or not room.leave_out:
        raise LiouvilleError(
            f"'evaluate {target} {data}' is not understood; use 'evaluate RUN', 'evaluate RUN "
            "--data NEW' or 'evaluate cells DATA --leave-out TIME ...'"
        )
    else:
        of_run = {"data": new, **of_window, **of_tests}
        _refuse(of_run, "for times left out; leave it out, or name a run")
        file = None if config is None else load_yaml(config)
        flags = {**flags, "data.file": str(data)}
        chosen = merge(room.config, file=file, flags=flags, settings=settings or [])
        times = [*(leave_out or []), *(more or [])]
        module = importlib.import_module(room.leave_out)
        found = module.leave_out_table(chosen, times, seeds, say, standard=standard)
        shown = {}
    if isinstance(found, Mapping):
        for rows in [] if as_json else tables_of(found):
            table(rows.rows, dict(rows.headings), rows.title)
        finish({**shown, **found}, as_json, figures(dict(found)))
    else:
        if not as_json:
            table(found.rows, dict(found.headings), found.title)
        remarks = list(found.remarks)
        finish({**shown, found.key: found.rows, "remarks": remarks}, as_json, remarks)


def _of_run(
    run: Path,
    new: Path | None,
    window: Mapping[str, Any],
    tests: Mapping[str, Any],
    trust: bool,
) -> Any:
    """The figures of a run, on the data it kept or on new ones."""
    from liouville.tasks.skeleton import evaluate_run
    from liouville.tasks.task import NewData

    if new is None:
        _refuse({**window, **tests}, "without new data; name them with --data")
        return evaluate_run(run, trust=trust)
    drawn = (tests["n"] or 1000) if window["tests"] else 0
    if not drawn:
        _refuse(tests, "without tests; ask for them with --tests")
    asked = NewData(new, window["from"], window["to"], drawn, tests["grid"], tests["seed"] or 0)
    return evaluate_run(run, trust=trust, new=asked, say=say)


def _refuse(asked: Mapping[str, Any], why: str) -> None:
    if given := [name for name, value in asked.items() if value is not None]:
        raise LiouvilleError(f"{', '.join(given)} has no meaning {why}")


# Of a configuration whose file is an argument of its own here.
evaluate = with_flags(
    _evaluate,
    [e for e in describe(TASKS["cells"].config) if e.key.startswith("data.") and not e.argument],
)
evaluate.__name__ = "evaluate"


def settings(
    task: Annotated[str, typer.Argument(help=f"One of {', '.join(TASKS)}.")] = "cells",
    as_json: Json = False,
) -> None:
    """List every setting of a task with its type, default and meaning."""
    entries = [
        {"key": e.key, "type": e.type, "default": e.default, "doc": e.doc}
        for e in describe(room_of(task).config)
    ]
    if as_json:
        finish({"task": task, "settings": entries}, True, [])
        return
    for entry in entries:
        entry["default"] = "automatic" if entry["default"] is None else str(entry["default"])
    table(entries, {"key": "setting", "type": "type", "default": "default", "doc": "meaning"}, task)
