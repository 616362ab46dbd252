"""A report page put together from key numbers, tables, pictures and a film."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liouville.plots._report import CSS, Picture, _card, _Drawn, flatten, say_value, to_png
from liouville.runs.files import write_bytes

_TABLE_CSS = """
.grid th { text-align: right; font-weight: 600; font-size: 13px; color: #5b6773;
  padding: 6px 0 6px 14px; vertical-align: bottom; }
.grid th:first-child { text-align: left; padding-left: 0; }
.grid td { text-align: right; padding-left: 14px; font-variant-numeric: tabular-nums; }
.grid td:first-child { text-align: left; padding-left: 0; }
.grid tr.own td { font-weight: 600; color: #0072b2; }
.wide { overflow-x: auto; }
"""


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Args:
        title: Heading above it.
        reading: How to read it.
        rows: One mapping a row; its keys are the headings.
        own: Which rows are the model's own, drawn in colour.
    """

    title: str
    reading: str
    rows: Sequence[Mapping[str, Any]]
    own: Sequence[int] = ()

    @property
    def card(self) -> str:
        """The table as a card of the page."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = ""
        for number, row in enumerate(self.rows):
            cells = "".join(f"<td>{html.escape(_cell(row.get(name)))}</td>" for name in names)
            body += f"<tr{' class=own' if number in self.own else ''}>{cells}</tr>"
        return (
            f'<section class="card"><h2>{html.escape(self.title)}</h2>'
            f'<p>{html.escape(self.reading)}</p><div class="wide"><table class="grid">'
            f"<tr>{head}</tr>{body}</table></div></section>"
        )


@dataclass(frozen=True)
class Film:
    """A film of the report: it is written to a file by `make`.

    Args:
        name: File name.
        title: Heading above it.
        reading: How to read it.
        make: Writes the file it is given.
    """

    name: str
    title: str
    reading: str
    make: Callable[[Path], Any]


def write_page(
    folder: Path,
    title: str,
    subject: str,
    summary: Mapping[str, Any],
    contents: Sequence[Table | Picture],
    film: Film | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Writes ``report.html`` with everything inside it, and the same pictures in ``figures``.

    Args:
        folder: Where to write; made if needed.
        title: Heading of the page.
        subject: A sentence below it.
        summary: Key numbers by name; nested mappings are flattened.
        contents: Tables and pictures in order.
        film: A film, shown first.
        progress: Told in words what is being drawn.

    Returns:
        Path of ``report.html``.
    """
    tell = progress or (lambda _: None)
    cards = []
    for item in contents:
        if isinstance(item, Table):
            cards.append(item.card)
            continue
        tell(f"drawing {item.title.lower()}")
        data = to_png(item.draw())
        write_bytes(folder / "figures" / item.name, data)
        cards.append(_card(_Drawn(item.name, item.title, item.reading, data)))
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in flatten(summary)
    )
    first = f'<div class="card"><h2>Key numbers</h2><table>{rows}</table></div>'
    if film is not None:
        tell(f"drawing {film.title.lower()}")
        path = folder / "figures" / film.name
        path.parent.mkdir(parents=True, exist_ok=True)
        film.make(path)
        first += _card(_Drawn(film.name, film.title, film.reading, path.read_bytes()))
    title = html.escape(title)
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{CSS}{_TABLE_CSS}</style></head><body><main>"
        f"<h1>{title}</h1><p>{html.escape(subject)}</p>"
        f'<div class="first">{first}</div>{"".join(cards)}</main></body></html>\n'
    )
    return write_bytes(folder / "report.html", page.encode("utf-8"))


def _cell(value: object) -> str:
    return "" if value is None else say_value(value)
