"""One HTML page with everything inside it: key numbers, tables, pictures and a film."""

import base64
import html
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from liouville.runs.files import write_bytes

DPI = 150
CSS = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f8fa; color: #1f2933;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 0 0 14px; color: #46525e; max-width: 74ch; overflow-wrap: anywhere; }
.first { display: flex; flex-wrap: wrap; gap: 28px; align-items: flex-start; margin: 26px 0 34px; }
.first > * { flex: 1 1 380px; min-width: 0; }
.card { background: #fff; border: 1px solid #e1e6eb; border-radius: 10px; padding: 20px 22px;
  margin: 0 0 22px; }
.first .card { margin: 0; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
td { padding: 6px 0; border-top: 1px solid #edf0f3; vertical-align: top;
  overflow-wrap: anywhere; }
tr:first-child td { border-top: 0; }
td:first-child { color: #5b6773; padding-right: 18px; }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
.grid th { text-align: right; font-weight: 600; font-size: 13px; color: #5b6773;
  padding: 6px 0 6px 14px; vertical-align: bottom; }
.grid th:first-child { text-align: left; padding-left: 0; }
.grid td { text-align: right; padding-left: 14px; font-variant-numeric: tabular-nums; }
.grid td:first-child { text-align: left; padding-left: 0; }
.grid tr.own td { font-weight: 600; color: #0072b2; }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Picture:
    """A picture of the page, before it is drawn."""

    name: str  # of the file
    title: str
    reading: str  # how to read it, in a sentence or two
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Film:
    """A film of the page, before it is made."""

    name: str
    title: str
    reading: str
    # Writes the file it is given, and may say in words how far it has come.
    make: Callable[[Path, Callable[[str], None]], Any]


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    title: str
    reading: str
    rows: Sequence[Mapping[str, Any]]
    own: Sequence[int] = ()

    @property
    def body(self) -> str:
        """The table as an element of the page."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        text = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        text = f"<tr>{text}</tr>"
        for number, row in enumerate(self.rows):
            values = ["" if row.get(name) is None else say_value(row[name]) for name in names]
            cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
            text += f"<tr{' class=own' if number in self.own else ''}>{cells}</tr>"
        return f'<div class="wide"><table class="grid">{text}</table></div>'


@dataclass(frozen=True)
class Page:
    """What a report holds, before anything is drawn."""

    title: str
    subject: str  # a sentence below it
    summary: Mapping[str, Any]  # key numbers by name; nested mappings are flattened
    contents: Sequence[Table | Picture]
    film: Film | None = None  # shown first


def write_page(folder: Path, page: Page, say: Callable[[str], None] | None = None) -> Path:
    """Writes ``report.html`` and its pictures.

    The page loads nothing from anywhere: pictures are inside it. The same pictures are in
    ``folder / "figures"``.

    Args:
        folder: Where to write; made if needed.
        page: What to write.
        say: Told in words what is being drawn.
    """
    folder, say = Path(folder), say or (lambda _: None)
    cards = []
    for item in page.contents:
        if isinstance(item, Table):
            cards.append(_card(item, item.body))
            continue
        say(f"drawing {item.title.lower()}")
        data = to_png(item.draw())
        write_bytes(folder / "figures" / item.name, data)
        cards.append(_card(item, _image(item, data)))
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in flatten(page.summary)
    )
    first = f'<div class="card"><h2>Key numbers</h2><table>{rows}</table></div>' if rows else ""
    if page.film is not None:
        say(f"drawing {page.film.title.lower()}")
        path = folder / "figures" / page.film.name
        path.parent.mkdir(parents=True, exist_ok=True)
        page.film.make(path, say)
        first += _card(page.film, _image(page.film, path.read_bytes()))
    title = html.escape(page.title)
    text = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head><body><main>"
        f"<h1>{title}</h1><p>{html.escape(page.subject)}</p>"
        f'<div class="first">{first}</div>{"".join(cards)}</main></body></html>\n'
    )
    return write_bytes(folder / "report.html", text.encode("utf-8"))


def to_png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG bytes, the same for the same figure."""
    out = io.BytesIO()
    tight = {"facecolor": "white", "bbox_inches": "tight", "pad_inches": 0.1}
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None}, **tight)
    return out.getvalue()


def flatten(summary: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and values of a nested mapping as text; lists of rows, tables of their own, are not."""
    rows = []
    for name, value in summary.items():
        is_table = isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
        if isinstance(value, Mapping):
            rows += flatten(value, f"{prefix}{name}: ")
        elif not is_table:
            rows.append((f"{prefix}{name}", say_value(value)))
    return rows


def say_value(value: object) -> str:
    """A value as a reader would like to see it: four digits, thousands separated."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(say_value(item) for item in value)
    if isinstance(value, str):
        return value
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return str(value)
    if math.isfinite(number) and number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:.4g}"


def _card(item: Picture | Film | Table, body: str) -> str:
    """An item with its heading and how to read it."""
    return (
        f'<section class="card"><h2>{html.escape(item.title)}</h2>'
        f"<p>{html.escape(item.reading)}</p>{body}</section>"
    )


def _image(item: Picture | Film, data: bytes) -> str:
    """An image element that carries its own data."""
    kind = item.name.rsplit(".", 1)[-1]
    code = base64.b64encode(data).decode("ascii")
    return f'<img alt="{html.escape(item.title)}" src="data:image/{kind};base64,{code}">'
