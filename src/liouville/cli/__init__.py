"""The command line: `liouville COMMAND`. JAX is imported by the commands, not by their help."""

import sys

import typer

from liouville.cli import _cells, _events, _fit, _query
from liouville.cli._app import app, one_line_errors
from liouville.cli._compiler import prepare_compiler
from liouville.tasks import TASKS

_fit_app = typer.Typer(help="Fit a model to data.", no_args_is_help=True)
_download_app = typer.Typer(help="Download data.", no_args_is_help=True)
app.add_typer(_fit_app, name="fit")
app.add_typer(_download_app, name="download")
for _name in TASKS:
    _fit_app.command(_name)(_fit.fit_command(_name))
for _command in (_fit.demo, _fit.evaluate, _fit.settings, _events.forecast):
    app.command()(_command)
for _command in (_query.info, _query.check, _query.sample, _query.query, _query.trajectories):
    app.command()(_command)
for _command in (_cells.fates, _cells.transitions):
    app.command()(_command)
app.command("map")(_query.map_command)
app.command("couple")(_query.couple_command)
app.command()(_query.plot)
app.command()(_cells.annotate)
_download_app.command()(_events.usgs)


def main() -> None:
    """Runs the command line: user errors are one line on stderr and exit code 2."""
    prepare_compiler()
    with one_line_errors():
        sys.exit(app(standalone_mode=False))
