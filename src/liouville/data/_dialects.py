"""How a text table is written: its encoding, its separator, its header and its decimal commas."""

import csv
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from liouville.data._names import listed
from liouville.data._tables import as_numbers, is_missing
from liouville.errors import LiouvilleError

_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

# What is looked at to find the separator: so many bytes and lines of the file.
_HEAD_BYTES, _HEAD_LINES = 1 << 18, 200

# Bytes that are looked at together, so many that they stay in the cache.
_CHUNK = 1 << 19

SPACES = " "
"""The separator that stands for any run of spaces and tabs."""

# A separator that stands equally often on every line is hardly ever part of a text, a comma may be.
_SEPARATORS = ("\t", ";", "|", ",")
_SAID = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", SPACES: "spaces"}

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+,[0-9]*|[0-9]*,[0-9]+)(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)")


@dataclass(frozen=True)
class Dialect:
    """How a file of text is a table.

    Attributes:
        separator: between cells: one character, or `SPACES`.
        names: of the columns; the first is empty if it holds the labels of rows.
        start: the byte at which the rows begin.
        line: the number of the line at which they begin, from 1.
        sample: some rows, as text.
    """

    separator: str
    names: tuple[str, ...]
    start: int
    line: int
    sample: tuple[tuple[str, ...], ...]


def utf8(data: bytes, source: str) -> bytes:
    """The text of a file in UTF-8 without its mark, whatever it is encoded in.

    Raises:
        LiouvilleError: If it holds control characters, or is marked as UTF-16 and is not.

    Warns:
        UserWarning: If it is not UTF-8 and taken as Latin-1.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    try:
        if _MARKS.get(mark) == "utf-16":
            data = data.decode("utf-16").encode()
        else:
            data = data[len(mark) :]
            if not data.isascii():
                data.decode()
    except UnicodeDecodeError:
        if mark:
            raise LiouvilleError(
                f"{source} is marked as {_MARKS[mark].upper()} but is not; save it as UTF-8"
            ) from None
        try:
            text = data.decode("cp1252")  # Latin-1 with printable signs for most control codes
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        _check_controls(data, source)  # before its letters are believed
        warnings.warn(
            f"{source} is not UTF-8 and is read as Latin-1; check its letters, or save it as UTF-8",
            stacklevel=2,
        )
        data = text.encode()
    _check_controls(data, source)
    return data


def _check_controls(data: bytes, source: str) -> None:
    """Refuses what no text has, such as NUL and the beginnings of terminal commands."""
    allowed = sum(map(data.count, (b"\n", b"\r", b"\t")))
    for begin in range(0, len(data), _CHUNK):
        codes = np.frombuffer(data, np.uint8, min(_CHUNK, len(data) - begin), begin)
        bad = (codes < 32) | (codes == 127)
        count = int(np.count_nonzero(bad))
        allowed -= count
        if allowed < 0:  # more than line ends and tabs: find the first
            for at in np.flatnonzero(bad).tolist():
                if codes[at] not in b"\n\r\t":
                    line = len(re.findall(rb"\r\n|\r|\n", data[: begin + at])) + 1
                    raise LiouvilleError(
                        f"{source} has the control character {int(codes[at]):#04x} on line {line}, "
                        "so it is no table of text, or damaged; save it as text in UTF-8"
                    )
    # A chunk with a bad character may have come before the counts ran out.
    if allowed < 0:
        raise LiouvilleError(f"{source} has control characters; save it as text in UTF-8")


def dialect_of(data: bytes, source: str, *, header: bool) -> Dialect:
    """Finds the separator and the names of the columns of a text in UTF-8.

    Lines that begin with ``#`` above the header are passed over; the last of them is the header if
    it has a name for every cell of the rows below, and these hold numbers. Without a `header`, a
    first line of numbers is a row, and columns are named ``1``, ``2``, ….

    Raises:
        LiouvilleError: If the text is empty, begins with numbers though a header is needed, or
            several separators fit.
    """
    start, line, comment = _past_comments(data)
    head = data[start : start + _HEAD_BYTES]
    is_cut = start + len(head) < len(data)
    lines = head.decode(errors="ignore").splitlines(keepends=True)
    lines = lines[: -1 if is_cut and len(lines) > 1 else None][:_HEAD_LINES]
    if not any(text.strip() for text in lines):
        raise LiouvilleError(
            f"{source} is empty; it needs a line of column names and rows of values"
        )
    separator = _separator(lines)
    rows = _loosely(lines, separator)
    if not rows:
        raise LiouvilleError(
            f"{source} begins with no rows of cells (is there a quote without an end?); correct it"
        )
    first = tuple(cell.strip() for cell in rows[0])
    above = tuple(cell.strip() for cell in next(iter(_loosely([comment], separator)), ()))
    numeric = [cell != "" and as_numbers(np.array([cell])) is not None for cell in first]
    if len(above) == len(first) > 1 and any(numeric) and "" not in above:
        return Dialect(separator, above, start, line, tuple(map(tuple, rows)))
    if all(numeric):
        if header:
            raise LiouvilleError(
                f"{source} starts with numbers, {listed(first, 4)}; add a first line of column "
                "names"
            )
        names = tuple(str(i + 1) for i in range(len(first)))
        return Dialect(separator, names, start, line, tuple(map(tuple, rows)))
    if separator in (SPACES, "\t") and rows[1:] and {len(r) for r in rows[1:]} == {len(first) + 1}:
        first = ("", *first)  # as R writes the names of rows
    used = _lines_of_first_row(lines, separator)
    for _ in range(used):
        found = _LINE.match(data, start)
        assert found is not None
        start = found.end()
    return Dialect(separator, first, start, line + used, tuple(map(tuple, rows[1:])))


def _past_comments(data: bytes) -> tuple[int, int, str]:
    """Where the first line stands that is neither blank nor a comment, and the last comment."""
    at, line, comment = 0, 1, ""
    while at < len(data):
        found = _LINE.match(data, at)
        assert found is not None
        text = found[0].strip()
        if text and not text.startswith(b"#"):
            break
        if text:
            comment = text[1:].decode()
        at, line = found.end(), line + 1
    return at, line, comment


def rows_of(text: str, separator: str, *, strict: bool = True) -> Any:
    """A reader of rows of cells, which knows the line on which a row ends."""
    if separator != SPACES:
        return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=strict)
    lines = (line.strip().replace("\t", " ") + "\n" for line in io.StringIO(text, newline=""))
    return csv.reader(lines, delimiter=" ", skipinitialspace=True, strict=strict)


def _loosely(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Rows that are not blank, without complaints about quotes."""
    try:
        return [row for row in rows_of("".join(lines), separator, strict=False) if is_row(row)]
    except csv.Error:
        return []


def is_row(row: Sequence[str]) -> bool:
    """Whether a row is not blank."""
    return len(row) > 1 or any(cell.strip() for cell in row)


def _lines_of_first_row(lines: Sequence[str], separator: str) -> int:
    reader = rows_of("".join(lines), separator, strict=False)
    next(row for row in reader if is_row(row))
    return reader.line_num


def _separator(lines: Sequence[str]) -> str:
    """The separator that makes rows of one length, if there is one; else that of the header."""
    widths = {s: [len(row) for row in _loosely(lines, s)] or [1] for s in (*_SEPARATORS, SPACES)}
    for separator in _SEPARATORS:
        if widths[separator][0] > 1 and len(set(widths[separator])) == 1:
            return separator
    by_header = max(_SEPARATORS, key=lambda s: widths[s][0])
    if widths[by_header][0] > 1:
        return by_header
    first, *rest = widths[SPACES]
    spaced = first > 1 and len({*rest, first}) == 1
    # Two words in every cell of the only column are no two columns: numbers make the difference.
    named = first > 0 and len(set(rest)) == 1 and rest[0] in (first, first + 1) and rest[0] > 1
    rows = _loosely(lines, SPACES)[1:] or _loosely(lines, SPACES)
    numeric = sum(as_numbers(np.array([cell])) is not None for row in rows for cell in row)
    enough = 2 * numeric > sum(map(len, rows))
    return SPACES if (spaced or named) and enough else ","


def said(separator: str) -> str:
    """A separator in words."""
    return _SAID[separator]


def without_decimal_commas(cells: np.ndarray, what: str, *, quoted: bool) -> np.ndarray:
    """A column of text whose numbers have decimal commas with points instead; others as they are.

    Args:
        cells: text, shape ``(n,)``.
        what: the column and its file, for messages.
        quoted: whether commas separate the cells, so that those within are quoted.

    Commas that may as well mark thousands are left in quotes, where they hardly are decimal.

    Warns:
        UserWarning: If others of them are read as decimal.
    """
    texts = cells.tolist()
    if not any("," in text for text in texts):
        return cells
    numbers = [t for t, gone in zip(texts, is_missing(cells).tolist()) if not gone]
    with_comma = [t for t in numbers if "," in t]
    if not all(map(_DECIMAL.fullmatch, with_comma)):
        return cells
    if any("." in t or as_numbers(np.array([t])) is None for t in numbers if "," not in t):
        return cells
    if all(map(_THOUSANDS.fullmatch, with_comma)):
        if quoted:  # as spreadsheets in English write them; no number, so as not to guess
            return cells
        warnings.warn(
            f"{what} has numbers such as {with_comma[0]!r}, read as "
            f"{with_comma[0].replace(',', '.')}; if commas mark thousands, leave them out",
            stacklevel=2,
        )
    return np.char.replace(cells, ",", ".")
