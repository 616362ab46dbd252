"""The application object, and what all commands share; nothing here imports JAX."""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
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

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a fitted run.")]
RunOut = Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder to fill.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write: .csv, .tsv or .npz.")]
Time = Annotated[float, typer.Option("--time", "-t", help="Time, in the data's units.")]
Extrapolate = Annotated[
    bool, typer.Option("--extrapolate", help="Allow times outside the fitted range.")
]
Given = Annotated[
    str | None, typer.Option("--given", metavar="CLASS", help="One class, if the run has classes.")
]
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
Seed = Annotated[int, typer.Option(help="Seed of the random numbers.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run the folder holds.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=c", help="One setting; may be given several times."),
]


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """User errors are one line on stderr and exit code 2; warnings are one line each."""
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
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


def finish_table(
    out: Path, columns: dict[str, Any], as_json: bool, what: str = "points", **more: Any
) -> None:
    """Ends a command that writes rows to a file; `more` is told to a program, too.

    Rows with a number that is not finite are refused, and nothing is written.
    """
    from liouville.data import write_table
    from liouville.numerics.finite import check_columns

    check_columns(columns)
    write_table(out, columns)
    count = len(next(iter(columns.values())))
    finish({"file": str(out), what: count, **more}, as_json, [f"{count} {what} in {out}"])


def figures(result: dict[str, Any]) -> list[str]:
    """A line for each figure; tables are left out."""
    return [
        f"{name:<55} {_show(value)}"
        for name, value in result.items()
        if not (isinstance(value, list) and value and isinstance(value[0], dict))
    ]


def table(rows: Sequence[dict[str, Any]], columns: dict[str, str], title: str) -> None:
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


def _show(value: Any) -> str:
    if not isinstance(value, list | tuple):
        return str(value)
    shown = ", ".join(map(str, value[:8]))
    return f"{shown}, ... ({len(value)})" if len(value) > 8 else shown


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"liouville {__version__}")
        raise typer.Exit()
