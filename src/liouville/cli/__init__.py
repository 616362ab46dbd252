"""The command line: `liouville COMMAND`. JAX is imported by the commands, not by their help."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import typer

from liouville.cli import _cells, _events, _fit, _query
from liouville.cli._app import SHORT_HELP, app, one_line_errors
from liouville.runs.job import ending
from liouville.runs.programs import compile_quickly, keep_programs
from liouville.tasks import TASKS

# Every command with an example of what is typed after its name.
_FITS = {
    "cells": "cells.h5ad --time-key day --basis X_pca --out RUN",
    "density": "samples.csv --label kind --out RUN",
    "transport": "gaussian 8gaussians --out RUN",
    "control": "s-tunnel --out RUN",
    "events": "catalogue.csv --out RUN",
}
_COMMANDS: dict[str, tuple[Callable[..., Any], str]] = {
    "demo": (_fit.demo, "--task events --out DEMO"),
    "evaluate": (_fit.evaluate, "RUN"),
    "settings": (_fit.settings, "cells"),
    "forecast": (_events.forecast, "RUN --horizon 7d -n 1000 --out FORECAST"),
    "info": (_query.info, "RUN"),
    "check": (_query.check, "RUN"),
    "sample": (_query.sample, "RUN --time 1.5 -n 1000 -o samples.csv"),
    "query": (_query.query, "RUN points.csv --time 1.5 -o answers.csv"),
    "trajectories": (_query.trajectories, "RUN --from 0 --to 4 --stochastic -o ways.csv"),
    "fates": (_cells.fates, "RUN cells.h5ad --terminal cell_type -o fates.csv"),
    "transitions": (
        _cells.transitions,
        "RUN cells.h5ad --groups cell_type --from 0 --to 2 -o transitions.csv",
    ),
    "map": (_query.map_command, "RUN points.csv -o mapped.csv"),
    "couple": (_query.couple_command, "RUN source.csv target.csv -o pairs.csv"),
    "plot": (_query.plot, "RUN"),
    "annotate": (_cells.annotate, "RUN cells.h5ad -o annotated.h5ad"),
}
_DOWNLOADS = {
    "usgs": (_events.usgs, "quakes.csv --start 2010-01-01T00:00Z --end 2020-01-01T00:00Z"),
}


def _add(group: typer.Typer, path: str, name: str, command: Callable[..., Any], example: str):
    """Adds a command whose line in the list is its whole first sentence."""
    summary = " ".join((inspect.getdoc(command) or "").split("\n\n")[0].split())
    epilog = f"Example: {path} {name} {example}"
    group.command(name, short_help=summary, epilog=epilog, context_settings=SHORT_HELP)(command)


_fit_app = typer.Typer(help="Fit a model to data.", no_args_is_help=True)
_download_app = typer.Typer(help="Download data.", no_args_is_help=True)
app.add_typer(_fit_app, name="fit", context_settings=SHORT_HELP)
app.add_typer(_download_app, name="download", context_settings=SHORT_HELP)
for _name in TASKS:
    _add(_fit_app, "liouville fit", _name, _fit.fit_command(_name), _FITS[_name])
for _name, (_command, _example) in _COMMANDS.items():
    _add(app, "liouville", _name, _command, _example)
for _name, (_command, _example) in _DOWNLOADS.items():
    _add(_download_app, "liouville download", _name, _command, _example)


def main() -> None:
    """Runs the command line: user errors are one line on stderr and exit code 2."""
    with ending(), one_line_errors():
        compile_quickly()
        keep_programs()
        sys.exit(app(standalone_mode=False))
