"""The application object, and what all commands share; nothing here imports JAX."""

import contextlib
import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from liouville import __version__
from liouville.errors import LiouvilleError, one_line, shown
from liouville.runs.job import VARIABLE
from liouville.runs.words import with_error
from liouville.tasks.settings import MOST_SEED


class FitsFirst(TyperGroup):
    """Commands in their order, but what the program is for comes first."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands."""
        return sorted(self.commands, key=lambda name: name not in ("demo", "fit"))


SHORT_HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="liouville",
    cls=FitsFirst,
    help="Learn how probability distributions move, without simulating them.",
    no_args_is_help=True,
    context_settings=SHORT_HELP,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a fitted run.")]
RunOut = Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder to fill.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write: .csv, .tsv or .npz.")]
Extrapolate = Annotated[
    bool, typer.Option("--extrapolate", help="Allow times outside the fitted range.")
]
Given = Annotated[
    str | None,
    typer.Option(
        "--given",
        metavar="CLASS",
        help="One class, or one context (0.3,1), if the run has classes or contexts.",
    ),
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
Trust = Annotated[
    bool, typer.Option("--trust", help="Run the Python file that a run of control holds.")
]
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of the random numbers.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run the folder holds.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")]
Distributed = Annotated[
    bool,
    typer.Option(
        "--distributed",
        envvar=VARIABLE,
        help="This is one of several processes that fit together; see docs/scale.md.",
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=c", help="One setting; may be given several times."),
]
# What the command line refuses; its public name depends on the version of typer.
_UsageError: Any = typer.BadParameter.__base__


# Characters of a printed line.
_WIDEST = 100_000


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """User errors are one line on stderr and exit code 2; warnings are one line each.

    What the system refuses, such as a folder without permission or a full disk, is the user's to
    mend, too. A reader of our output that has gone, for instance `| head`, is nothing wrong.
    """
    warnings.showwarning = _warn
    try:
        if sys.stdout is None:  # the next file that is opened would take its number
            raise LiouvilleError("standard output is closed; send it to a file or to /dev/null")
        try:
            yield
        finally:
            sys.stdout.flush()
    except _UsageError as error:
        message = error.format_message()
        # Of several lines is only the help, where nothing was asked for.
        _stop(message if "\n" in message else f"error: {message}", 2)
    except LiouvilleError as error:
        _stop(f"error: {error}", 2)
    except (KeyboardInterrupt, typer.Abort):
        _stop("stopped", 130)
    except BrokenPipeError:
        _forget_output()
        sys.exit(0)
    except OSError as error:
        _forget_output()
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"error: {where}{error.strerror or error}; change that, or name another place", 2)
    except MemoryError as error:
        reason = f" ({' '.join(str(error).split())})" if str(error) else ""
        _stop(f"error: there is not enough memory{reason}; ask for less at a time", 2)


def _warn(message: Warning | str, *_: Any) -> None:
    global _told
    _told = ""
    # On a terminal it may stand in the line of a progress bar, which is drawn again below.
    clear = "\r\x1b[2K" if sys.stderr.isatty() else ""
    print(f"{clear}warning: {one_line(message)}", file=sys.stderr)


def _forget_output() -> None:
    """Throws away what can no longer be printed, which Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)


_told = ""  # what was said last, as long as nothing else was written below it


def say(message: str) -> None:
    """Tells a person at a terminal what is going on, in a line for each phase; quiet in a pipe.

    What comes after a colon is how far the phase is, and is said in the line of its phase.
    """
    global _told
    if not sys.stderr.isatty():
        return
    phase = message.partition(": ")[0]
    again = "\x1b[1A\x1b[2K" if ": " in message and _told.partition(": ")[0] == phase else ""
    columns = max(shutil.get_terminal_size().columns, 20)
    print(f"{again}{shown(message, _WIDEST)[: columns - 1]}", file=sys.stderr)
    _told = message


def finish(result: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    """Ends a command: lines for a person, or one JSON object for a program."""
    if as_json:
        print(json.dumps(result))
    else:
        # Names come from files: their control characters must not reach the terminal.
        print("\n".join(shown(line, _WIDEST) for line in lines))


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
        # What was warned of has been said.
        and name != "warnings"
    ]


def table(rows: Sequence[dict[str, Any]], columns: dict[str, str], title: str) -> None:
    """Prints rows as a table; `columns` maps keys to headings, errors stand behind their figure."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # text in brackets is no markup

    drawn = Table(title=Text(shown(title)), title_justify="left")
    for head in columns.values():
        drawn.add_column(Text(shown(head)))
    for row in rows:
        drawn.add_row(*(Text(_cell(row.get(key), row.get(f"{key}_error"))) for key in columns))
    Console(width=None if sys.stdout.isatty() else 120).print(drawn)


def _cell(value: Any, error: float | None = None) -> str:
    if value is None:
        return ""
    if error is not None:
        return with_error(value, error)
    return f"{value:.4g}" if isinstance(value, float) else shown(value)


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
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
