"""Tables as benchmarks leave them: files that the pages of the documentation are made of.

A benchmark calls `save(NAME, columns, rows)`, which writes `benchmarks/results/NAME.json` with the
command, commit, machine and date, or has a `Table` do so row by row. A page holds the table between
two comments,

    <!-- result: NAME -->
    ...
    <!-- end -->

and a figure in a sentence, which row (by a text in it) and which column,

    <!-- figure: NAME; ROW; COLUMN -->...<!-- end -->

and `python benchmarks/results.py` fills in all pages; with `--check` it only says what differs.
What stands in the place of a result that was not measured yet is left, and the name of it is said.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "results"
_BLOCK = re.compile(r"(<!-- result: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_FIGURE = re.compile(r"(<!-- figure: ([\w-]+); ([^;\n]+); ([^\n]+?) -->)(.*?)(<!-- end -->)")


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: its head; units belong into it.
        format: of its numbers, as for `format`; text stays as it is.
        best: `min` or `max` of a column or, if `among`, of the columns of a row: it is bold.
        among: columns of the same name here are compared within a row.
        error: the column of standard errors that is written behind this one, with ±.
    """

    name: str
    format: str = ""
    best: str = ""
    among: str = ""
    error: str = ""


def save(
    name: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]], note: str = ""
) -> None:
    """Writes a table; cells are looked up in every row by the name of the column."""
    _write(name, _facts(note), columns, rows)


class Table:
    """A table that is printed row by row, and written after each one if it is to be kept.

    Commit, date and load of the machine are those of the beginning.
    """

    def __init__(self, name: str, columns: Sequence[Column], *, keep: bool, note: str = ""):
        self.name, self.columns, self.keep = name, columns, keep
        self.facts = _facts(note)
        self.rows: list[dict[str, Any]] = []
        print(*_head(_shown(columns)), sep="\n", flush=True)

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        print(_line(row, [], _shown(self.columns)), flush=True)
        if self.keep:
            _write(self.name, self.facts, self.columns, self.rows)


def _facts(note: str) -> dict[str, str]:
    return {
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "commit": _commit(),
        "machine": _machine(),
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "note": note,
    }


def _write(name: str, facts: dict, columns: Sequence[Column], rows: Sequence[dict]) -> None:
    table = {"columns": [column._asdict() for column in columns], "rows": list(rows)}
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({**facts, **table}, indent=1, ensure_ascii=False, default=float)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def _machine() -> str:
    count, load = os.cpu_count() or 1, os.getloadavg()[1]
    busy = f", busy (load {load:.0f})" if load > 1.5 * count else ""
    return f"{count} {platform.machine()} cores{busy}"


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True)
    return found.stdout.decode().strip()


def markdown(result: dict[str, Any]) -> str:
    """The table as a page has it, the best of each comparison in bold, and what it was run on."""
    columns = [Column(**column) for column in result["columns"]]
    shown = _shown(columns)
    lines = _head(shown) + [_line(row, result["rows"], shown) for row in result["rows"]]
    facts = [result["machine"], result["date"], f"commit {result['commit']}"]
    note = f"{result['note']} " if result["note"] else ""
    lines += ["", f"*{note}`{result['command']}`; {', '.join(facts)}.*"]
    return "\n".join(lines) + "\n"


def figure(result: dict[str, Any], row: str, column: str) -> str:
    """One number as its table has it."""
    (values,) = [values for values in result["rows"] if row in values.values()]
    (form,) = [c["format"] for c in result["columns"] if c["name"] == column]
    return format(values[column], form)


def _shown(columns: Sequence[Column]) -> list[Column]:
    errors = {column.error for column in columns}
    return [column for column in columns if column.name not in errors]


def _head(columns: list[Column]) -> list[str]:
    return ["| " + " | ".join(c.name for c in columns) + " |", "|---" * len(columns) + "|"]


def _line(row: dict, rows: list[dict], columns: list[Column]) -> str:
    return "| " + " | ".join(_cell(column, row, rows, columns) for column in columns) + " |"


def _cell(column: Column, row: dict, rows: list[dict], columns: list[Column]) -> str:
    value = row.get(column.name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = format(value, column.format)
    if column.error and row.get(column.error) is not None:
        text += f" ± {format(row[column.error], column.format.lstrip('+'))}"
    return f"**{text}**" if _is_best(column, value, row, rows, columns) else text


def _is_best(
    column: Column, value: float, row: dict, rows: list[dict], columns: list[Column]
) -> bool:
    if not column.best:
        return False
    if column.among:
        others = [row.get(c.name) for c in columns if c.among == column.among]
    else:
        others = [r.get(column.name) for r in rows]
    numbers = [float(v) for v in others if isinstance(v, int | float)]
    if not numbers:  # alone, a row is not compared
        return False
    best = min(numbers) if column.best == "min" else max(numbers)
    return format(value, column.format) == format(best, column.format)


def pages() -> Iterator[Path]:
    """README and the pages of the documentation."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def filled(text: str, folder: Path = FOLDER) -> str:
    """A page with every table as its result has it, if there is one."""

    def written(found: re.Match[str]) -> str:
        file = folder / f"{found[2]}.json"
        if not file.exists():
            return found[0]
        result = json.loads(file.read_text())
        is_table = found.re is _BLOCK
        inside = markdown(result) if is_table else figure(result, found[3], found[4])
        return f"{found[1]}{inside}<!-- end -->"

    return _FIGURE.sub(written, _BLOCK.sub(written, text))


def named(text: str) -> list[str]:
    """The names of the results that a page shows."""
    return [found[2] for found in _BLOCK.finditer(text)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--check", action="store_true")
    chosen = options.parse_args()
    differ = [page for page in pages() if filled(page.read_text()) != page.read_text()]
    for page in differ:
        print(page.relative_to(ROOT))
        if not chosen.check:
            page.write_text(filled(page.read_text()))
    written = {name for page in pages() for name in named(page.read_text())}
    typed = sorted(written - {file.stem for file in FOLDER.glob("*.json")})
    if typed:
        print("not measured yet, as typed:", ", ".join(typed))
    sys.exit(bool(differ) and chosen.check)


if __name__ == "__main__":
    main()
