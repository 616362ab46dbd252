import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from liouville import __version__
from liouville.errors import LiouvilleError

app = typer.Typer(
    name="liouville",
    help="Learn how probability distributions move, without simulating them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
fit_app = typer.Typer(help="Fit a model to data.", no_args_is_help=True)
app.add_typer(fit_app, name="fit")

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a fitted run.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write: .csv, .tsv or .npz.")]
Time = Annotated[float, typer.Option("--time", "-t", help="Time, in the data's units.")]
Extrapolate = Annotated[
    bool, typer.Option("--extrapolate", help="Allow times outside the fitted range.")
]
Given = Annotated[
    str | None, typer.Option("--given", metavar="CLASS", help="One class, if the run has classes.")
]
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]


def main() -> None:
    """Runs the command line: user errors are one line on stderr and exit code 2."""
    with _one_line_errors():
        app()


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    warnings.showwarning = _one_line_warning
    try:
        yield
    except LiouvilleError as error:
        _stop(f"error: {error}", 2)
    except KeyboardInterrupt:
        _stop("stopped", 130)
    except BrokenPipeError:
        # The reader of our output has gone, for instance `| head`: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _one_line_warning(message: Any, *_args: Any, **_kwargs: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _stop(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)


def say(message: str) -> None:
    """Tells a person at a terminal what is going on; quiet in a pipe."""
    if sys.stderr.isatty():
        print(message, file=sys.stderr)


def finish(result: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    """Ends a command: lines for a person, or one JSON object for a program."""
    if as_json:
        print(json.dumps(result))
    else:
        print("\n".join(lines))


def table(rows: list[dict[str, Any]], columns: dict[str, str], title: str) -> None:
    """Prints rows as a table; `columns` maps keys to headings."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*columns.values(), title=title, title_justify="left")
    for row in rows:
        drawn.add_row(*(_cell(row.get(key)) for key in columns))
    Console(width=None if sys.stdout.isatty() else 120).print(drawn)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"liouville {__version__}")
        raise typer.Exit()


# The commands register themselves on `app` and `fit_app`.
from liouville.cli import _events, _fit, _query  # noqa: E402, F401
