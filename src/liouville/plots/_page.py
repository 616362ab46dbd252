"""One HTML page with everything inside it: the answer, pictures and a film, folded details."""

import base64
import html
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from matplotlib.figure import Figure
from PIL import Image

from liouville.plots._html import CSS
from liouville.plots._palette import Palette
from liouville.runs.files import write_bytes
from liouville.runs.words import say_value, with_error

DPI = 150
LARGEST_PAGE = 3_000_000
# A picture of this width over height, or of so many pixels, has a row of its own.
_WIDE, _LARGE = 1.8, 1150
_LEAST_SHARE = 0.4  # of its width that a picture keeps at least on a page that is too large
_ERROR = "_error"
_STANDARD_ERROR = ", standard error"


@dataclass(frozen=True)
class Key:
    """A figure of the answer."""

    name: str
    value: float
    error: float | None = None  # its standard error


@dataclass(frozen=True)
class Answer:
    """What a reader sees first: a few figures, and what is good and what doubtful of the fit."""

    keys: Sequence[Key] = ()
    said: Sequence[tuple[bool, str]] = ()  # sentences, and whether what they say is good


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
    """A table of the page.

    A column `NAME_error` is the standard error of the column `NAME`, and is shown with it.
    """

    title: str
    reading: str
    rows: Sequence[Mapping[str, Any]]
    own: Sequence[int] = ()

    @property
    def body(self) -> str:
        """The table as an element of the page."""
        every = dict.fromkeys(name for row in self.rows for name in row)
        names = [n for n in every if not (n.endswith(_ERROR) and n.removesuffix(_ERROR) in every)]
        text = "".join(_cell("th", name, self._is_number(name)) for name in names)
        text = f"<tr>{text}</tr>"
        for number, row in enumerate(self.rows):
            cells = "".join(_cell("td", _said(row, name), self._is_number(name)) for name in names)
            text += f"<tr{' class=own' if number in self.own else ''}>{cells}</tr>"
        return f'<div class="wide"><table class="grid">{text}</table></div>'

    def _is_number(self, name: str) -> bool:
        values = [row.get(name) for row in self.rows]
        return all(v is None or _is_number(v) for v in values)


@dataclass(frozen=True)
class Page:
    """What a report holds, before anything is drawn.

    Attributes:
        title: heading of the page.
        subject: what was fitted to what, in a sentence.
        summary: all figures by name; nested mappings are flattened, lists of rows are tables.
        contents: what is shown, the best picture first.
        film: shown after the first picture.
        answer: what stands above them.
        details: what is folded.
        made: when and how it was made, by name.
        settings: the configuration of the fit.
    """

    title: str
    subject: str
    summary: Mapping[str, Any]
    contents: Sequence[Table | Picture]
    film: Film | None = None
    answer: Answer = Answer()
    details: Sequence[Table | Picture | Film] = ()
    made: Mapping[str, str] | None = None
    settings: Mapping[str, Any] | None = None


def write_page(folder: Path, page: Page, say: Callable[[str], None] | None = None) -> Path:
    """Writes ``report.html`` and its pictures.

    The page loads nothing from anywhere: pictures are inside it, smaller than drawn if they would
    make it larger than 3 MB. The same pictures are in ``folder / "figures"``.

    Args:
        folder: Where to write; made if needed.
        page: What to write.
        say: Told in words what is being drawn.
    """
    folder, say = Path(folder), say or (lambda _: None)
    items: list[Table | Picture | Film] = list(page.contents)
    if page.film is not None:
        items.insert(min(1, len(items)), page.film)
    drawn: dict[str, bytes] = {}
    for item in (*items, *page.details):
        if not isinstance(item, Table):
            say(f"drawing {item.title.lower()}")
            drawn[item.name] = _make(item, folder / "figures" / item.name, say)
    room = LARGEST_PAGE * 3 // 4 - 100_000  # three bytes are four letters
    drawn = _fitting(drawn, room)
    cards = "".join(_card(item, drawn) for item in items)
    title = html.escape(page.title)
    text = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head><body><main>"
        f"<h1>{title}</h1><p>{_text(page.subject)}</p>{_answer(page.answer)}"
        f'<div class="items">{cards}</div>{_folded(page, drawn)}</main></body></html>\n'
    )
    return write_bytes(folder / "report.html", text.encode("utf-8"))


def to_png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG bytes of at most 256 colours, the same for the same figure."""
    out = io.BytesIO()
    tight = {"facecolor": "white", "bbox_inches": "tight", "pad_inches": 0.1}
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None}, **tight)
    return _few_colours(Image.open(out))


def _few_colours(image: Image.Image) -> bytes:
    """A picture as PNG bytes of at most 256 colours, a third of the size of one of all colours."""
    out = io.BytesIO()
    picture = image.convert("RGB")
    few = Palette.of([picture]).index(picture)
    few.save(out, format="PNG", optimize=True)
    return out.getvalue()


def _make(item: Picture | Film, file: Path, say: Callable[[str], None]) -> bytes:
    """The bytes of a picture or a film, which are in a file, too."""
    if isinstance(item, Picture):
        data = to_png(item.draw())
        write_bytes(file, data)
        return data
    file.parent.mkdir(parents=True, exist_ok=True)
    item.make(file, say)
    return file.read_bytes()


def _fitting(drawn: dict[str, bytes], most: int) -> dict[str, bytes]:
    """Pictures of `most` bytes together, made smaller alike if they are larger; films are not."""
    films = sum(len(data) for name, data in drawn.items() if name.endswith(".gif"))
    found, share = drawn, 1.0
    while (total := sum(map(len, found.values()))) > most and share > _LEAST_SHARE:
        # As many bytes fewer as pixels.
        share *= min(0.95, math.sqrt(max(most - films, 1) / max(total - films, 1)))
        share = max(share, _LEAST_SHARE)
        found = {
            name: data if name.endswith(".gif") else _smaller(data, share)
            for name, data in drawn.items()
        }
    return found


def _smaller(data: bytes, share: float) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = (max(1, round(share * side)) for side in image.size)
    return _few_colours(image.resize((width, height), Image.Resampling.LANCZOS))


def flatten(summary: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and values of a nested mapping as text, figures with their standard errors.

    Lists of rows, tables of their own, are left out.
    """
    rows = []
    for name, value in summary.items():
        is_table = isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
        error = summary.get(f"{name}{_STANDARD_ERROR}")
        if isinstance(value, Mapping):
            rows += flatten(value, f"{prefix}{name}: ")
        elif _is_number(value) and _is_number(error):
            rows.append((f"{prefix}{name}", with_error(value, error)))
        elif not is_table and not _is_error(name, summary):
            rows.append((f"{prefix}{name}", say_value(value)))
    return rows


def _is_error(name: str, summary: Mapping[str, Any]) -> bool:
    base = name.removesuffix(_STANDARD_ERROR)
    return base != name and _is_number(summary.get(base))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(row: Mapping[str, Any], name: str) -> str:
    value, error = row.get(name), row.get(f"{name}{_ERROR}")
    if value is None:
        return ""
    return say_value(value) if error is None else with_error(float(value), error)


def _cell(kind: str, text: str, is_number: bool) -> str:
    return f"<{kind}{' class=number' if is_number else ''}>{html.escape(text)}</{kind}>"


def _text(words: str) -> str:
    """Words as HTML, in which a number stays with its error and with its percent sign."""
    whole = words.replace(" ± ", "\u00a0±\u00a0").replace(" %", "\u00a0%")
    return html.escape(whole)


def _answer(answer: Answer) -> str:
    """The figures, and what is good and what doubtful."""
    keys = ""
    for key in answer.keys:
        value, _, error = with_error(key.value, key.error).partition(" ± ")
        error = f" <small>± {error}</small>" if error else ""
        name = html.escape(key.name)
        keys += f'<div class="card key"><b>{value}{error}</b><span>{name}</span></div>'
    lists = ""
    for is_good, name, heading in (
        (True, "good", "What is good"),
        (False, "doubtful", "What is doubtful"),
    ):
        said = [_text(text) for good, text in answer.said if good == is_good]
        if said:
            entries = "".join(f"<li>{text}</li>" for text in said)
            lists += f'<section class="card {name}"><h2>{heading}</h2><ul>{entries}</ul></section>'
    text = f'<div class="keys">{keys}</div>' if keys else ""
    return text + (f'<div class="said">{lists}</div>' if lists else "")


def _folded(page: Page, drawn: Mapping[str, bytes]) -> str:
    """What only some readers ask for: details, all figures, and how the page was made."""
    parts = [(item.title, _inside(item, drawn)) for item in page.details]
    if rows := flatten(page.summary):
        parts.append(("All figures", _pairs(rows)))
    made = [(name, value) for name, value in (page.made or {}).items() if value]
    settings = flatten(page.settings or {})
    if made or settings:
        settings = [(name.replace(": ", "."), value) for name, value in settings]
        parts.append(("How this was made", _pairs(made) + _pairs(settings)))
    return "".join(
        f"<details><summary>{html.escape(title[:1].upper() + title[1:])}</summary>{body}</details>"
        for title, body in parts
    )


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values as a table; what is a number is never broken."""
    text = ""
    for name, value in rows:
        is_number = len(value) < 24 and value[:1] in "-.0123456789" and "," not in value[-2:]
        text += f"<tr><td>{html.escape(name)}</td>{_cell('td', value, is_number)}</tr>"
    return f'<table class="pairs">{text}</table>' if text else ""


def _card(item: Picture | Film | Table, drawn: Mapping[str, bytes]) -> str:
    """An item with its heading and how to read it."""
    whole = " whole" if isinstance(item, Table) or _is_wide(item, drawn) else ""
    body = f"<h2>{html.escape(item.title)}</h2>{_inside(item, drawn)}"
    return f'<section class="card{whole}">{body}</section>'


def _inside(item: Picture | Film | Table, drawn: Mapping[str, bytes]) -> str:
    body = item.body if isinstance(item, Table) else _image(item, drawn[item.name])
    return f"<p>{_text(item.reading)}</p>{body}"


def _is_wide(item: Picture | Film, drawn: Mapping[str, bytes]) -> bool:
    try:
        width, height = Image.open(io.BytesIO(drawn[item.name])).size
    except OSError:  # what is no picture is shown as it is
        return True
    return isinstance(item, Picture) and (width > _WIDE * height or width > _LARGE)


def _image(item: Picture | Film, data: bytes) -> str:
    """An image element that carries its own data, and fills the screen when it is tapped."""
    kind = item.name.rsplit(".", 1)[-1]
    code = base64.b64encode(data).decode("ascii")
    name = html.escape(item.title)
    image = f'<img alt="{name}" src="data:image/{kind};base64,{code}">'
    box = f'<input type="checkbox" aria-label="Enlarge: {name}">'
    return f'<label class="zoom">{box}<span>{image}</span></label>'
