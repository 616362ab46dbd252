"""Tables in files of text: small ones row by row, large ones by pyarrow, with the same result."""

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._dialects import (
    SPACES,
    Dialect,
    dialect_of,
    is_row,
    rows_of,
    said,
    utf8,
    without_decimal_commas,
)
from liouville.data._formulas import unguarded
from liouville.data._frames import floats
from liouville.data._roles import MISSING
from liouville.data._tables import LazyColumns, Table, existing_file
from liouville.errors import LiouvilleError, one_line
from liouville.runs.archives import check_unpacked, most_unpacked

TEXT = (".csv", ".tsv", ".txt", ".dat")
"""The suffixes of text tables; each may be followed by ``.gz``."""

TEXT_PACKED = tuple(f"{suffix}.gz" for suffix in TEXT)

LARGE = 1 << 20
"""From so many bytes on pyarrow, which takes a while to import, is faster."""

# What a column of text may take: so many bytes, or so many times the size of the file.
_MOST_BYTES, _MOST_RATIO = 1 << 27, 50

_CHUNK = 1 << 20
_IS_BLANK = np.isin(np.arange(256), list(b" \r\n"))

_SPELLINGS = sorted({t for m in MISSING for t in (m, m.upper(), m.title(), m.capitalize())})
_MISSING_TEXTS = [*_SPELLINGS, "NaN", "NaT"]
_COLUMN = re.compile(r"CSV column #(\d+)")


@dataclass(frozen=True)
class _Text:
    """The text of a table in UTF-8, and how it is a table."""

    source: str
    data: bytes
    dialect: Dialect

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns but the labels of rows."""
        names = tuple(unguarded(self.dialect.names))
        return names[1:] if names[0] == "" and len(names) > 1 else names

    def reader(self) -> Any:
        """A reader of the rows below the header."""
        return rows_of(self.data[self.dialect.start :].decode(), self.dialect.separator)

    def array(self, cells: Sequence[str], name: str, rows: int | None = None) -> np.ndarray:
        """Cells of a column without blanks around them, as an array that may be of many rows.

        In an array all texts take the place of the longest: one long cell is enough to fill the
        memory.
        """
        stripped = unguarded([cell.strip() for cell in cells])
        longest = max(map(len, stripped), default=0)
        size = 4 * longest * (len(stripped) if rows is None else rows)
        if size > max(_MOST_BYTES, _MOST_RATIO * len(self.data)):
            raise LiouvilleError(
                f"column {name!r} of {self.source} has a cell of {longest:,} characters, "
                f"{next(c for c in stripped if len(c) == longest)!r}; shorten it, or leave the "
                "column out of the file"
            )
        return np.array(stripped, dtype=np.str_)

    def decimal(self, cells: np.ndarray, name: str) -> np.ndarray:
        """Cells of a column with decimal points."""
        quoted = self.dialect.separator == ","
        return without_decimal_commas(cells, f"column {name!r} of {self.source}", quoted=quoted)


def read_table(file: str | Path, *, header: bool = True) -> Table:
    """Reads a table of text: ``.csv``, ``.tsv``, ``.txt`` or ``.dat``, perhaps with ``.gz``.

    Cells are separated by tabs, semicolons, bars, commas or runs of spaces: what makes all rows
    equally long. Numbers may have decimal commas where these do not separate cells. The encoding is
    UTF-8, UTF-16 with a mark, or otherwise Latin-1, which a warning says. Blank lines, and lines
    that begin with ``#`` above the header, are skipped. A first column without a name (row labels)
    is left out. Without a `header`, a first line of numbers is a row, and columns are named ``1``,
    ``2``, ….

    Raises:
        LiouvilleError: If the file cannot be read, is empty, lacks names, repeats a name, holds
            control characters, or has a row of another length.
    """
    path = existing_file(file, (*TEXT, *TEXT_PACKED))
    source = str(path)
    data = utf8(_content(path), source)
    text = _Text(source, data, dialect_of(data, source, header=header))
    names = text.names
    if "" in names:
        raise LiouvilleError(
            f"column {text.dialect.names.index('', 1) + 1} of {path} has no name; name it"
        )
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise LiouvilleError(
            f"{path} has several columns named {repeated[0]!r}; give every column its own name"
        )
    return (_by_arrow(text) if len(data) >= LARGE else None) or by_rows(text)


def _content(path: Path) -> bytes:
    """The bytes of a file, unpacked."""
    try:
        if path.suffix.lower() != ".gz":
            return path.read_bytes()
        with gzip.open(path) as stream:
            data = stream.read(most_unpacked(path) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LiouvilleError(f"cannot read {path}: {one_line(error)}; check the file") from None
    check_unpacked(path, len(data))
    return data


def by_rows(text: _Text) -> Table:
    """The table row by row, with the line of every row for messages."""
    rows, lines = [], []
    reader, first, width = text.reader(), text.dialect.line - 1, len(text.dialect.names)
    try:
        for row in reader:
            if is_row(row):
                if len(row) != width:
                    raise LiouvilleError(
                        f"line {first + reader.line_num} of {text.source} has {len(row)} values "
                        f"but there are {width} columns, separated by "
                        f"{said(text.dialect.separator)}; correct the line (quote values that "
                        "contain the separator)"
                    )
                rows.append(row)
                lines.append(first + reader.line_num)
    except csv.Error as error:
        raise LiouvilleError(
            f"cannot read {text.source}: {one_line(error)}; check the file"
        ) from None
    cells = list(zip(*rows, strict=True)) or [()] * width
    columns = {}
    unnamed = ("",) * (width - len(text.names))
    for name, column in zip((*unnamed, *text.names), cells, strict=True):
        columns[name] = text.decimal(text.array(column, name), name)
    labels = columns.pop("", None) if unnamed else None
    own = None if labels is None else lambda: labels
    return Table(text.source, columns, lambda i: f"line {lines[i]}", labels=own)


def _by_arrow(text: _Text) -> Table | None:
    """The same by pyarrow; None where its rules differ from ours, so that rows must be read."""
    if len(text.dialect.names) < 2 or not text.dialect.sample:
        return None
    arrow = _Arrow.of(text)
    found = None if arrow is None else arrow.read()
    if arrow is None or found is None:
        return None
    table, numeric = found
    parsed = {}
    for name in numeric:
        parsed[name] = np.concatenate(list(map(floats, table.column(name).chunks)))
    if any(arrow.may_be_thousands(values) for values in parsed.values()):
        return None
    texts = {name: table.column(name) for name in text.names if name not in numeric}
    del table

    def make(name: str) -> np.ndarray:
        column = texts.get(name)
        again = arrow.texts(name) if column is None else column
        coded = again.combine_chunks().dictionary_encode()
        different = text.array(coded.dictionary.to_pylist(), name, len(coded))
        # Equal cells are converted once.
        every = (
            different[np.from_dlpack(coded.indices).astype(np.intp)] if len(coded) else different
        )
        return text.decimal(every, name)

    def where(i: int) -> str:
        reader = text.reader()
        next(islice((row for row in reader if is_row(row)), i, None))
        return f"line {text.dialect.line - 1 + reader.line_num}"

    rows = len(next(iter((*parsed.values(), *texts.values()))))
    labels = (lambda: make("")) if len(text.names) < len(text.dialect.names) else None
    return Table(text.source, LazyColumns(text.names, rows, make), where, parsed, labels)


@dataclass(frozen=True)
class _Arrow:
    """A text that pyarrow reads as we do."""

    body: Any  # the bytes of the rows
    text: _Text
    comma: bool  # whether numbers have decimal commas

    @classmethod
    def of(cls, text: _Text) -> "_Arrow | None":
        """None if it has cells that pyarrow would read in another way."""
        dialect, data = text.dialect, text.data
        body = memoryview(data)[dialect.start :]
        if dialect.separator == SPACES:
            if b'"' in data:
                return None
            body = memoryview(_single_spaces(body))
        elif b'"' in data and not _quotes_are_plain(data, dialect):
            return None
        # It takes nan(...) for a number.
        if b"(" in data and re.search(rb"(?i)nan\(", data):
            return None
        cells = [cell for row in dialect.sample for cell in row]
        commas = dialect.separator != "," and any("," in cell for cell in cells)
        return cls(body, text, commas)

    @cached_property
    def _options(self) -> dict[str, Any]:
        import pyarrow.csv as arrow

        quoted = b'"' in self.text.data
        return {
            "read_options": arrow.ReadOptions(
                column_names=[str(i) for i in range(len(self.text.dialect.names))]
            ),
            "parse_options": arrow.ParseOptions(
                delimiter=self.text.dialect.separator, newlines_in_values=quoted
            ),
        }

    def _read(self, types: dict[str, Any]) -> Any:
        import pyarrow as pa
        import pyarrow.csv as arrow

        convert = arrow.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=_MISSING_TEXTS,
            strings_can_be_null=False,
            decimal_point="," if self.comma else ".",
        )
        return arrow.read_csv(pa.py_buffer(self.body), convert_options=convert, **self._options)

    def read(self) -> tuple[Any, list[str]] | None:
        """All columns, those of numbers as numbers, and the names of these; None on trouble."""
        import pyarrow as pa

        all_names, names = self.text.dialect.names, self.text.names
        skipped = len(all_names) - len(names)
        types = {str(i + skipped): pa.float64() for i in range(len(names))}
        while True:
            try:
                table = self._read(types)
                break
            except pa.ArrowInvalid as error:
                found = _COLUMN.search(str(error))
                if found is None or types.get(found[1]) != pa.float64():
                    return None
                types[found[1]] = pa.string()
        numeric = [names[int(i) - skipped] for i, kind in types.items() if kind == pa.float64()]
        return table.rename_columns(list(names)), numeric

    def texts(self, name: str) -> Any:
        """One column as text."""
        import pyarrow as pa

        names = self.text.names
        unnamed = ("",) * (len(self.text.dialect.names) - len(names))
        place = (*unnamed, *names).index(name)
        return self._read({str(place): pa.string()}).column(0)

    def may_be_thousands(self, values: np.ndarray) -> bool:
        """Whether commas of a column may mark thousands, which `by_rows` looks at."""
        whole = np.abs(values) * 1000
        return self.comma and bool(np.all((whole == np.round(whole)) | ~np.isfinite(whole)))


def _quotes_are_plain(data: bytes, dialect: Dialect) -> bool:
    """Whether quotes stand only at the begin or the end of cells, where all rules agree."""
    codes = np.frombuffer(data, np.uint8)
    inside = np.flatnonzero(codes == ord('"'))
    inside = inside[(inside > 0) & (inside < len(codes) - 1)]
    edges = np.frombuffer(f"{dialect.separator}\r\n".encode(), np.uint8)
    before, after = codes[inside - 1], codes[inside + 1]
    return bool(np.all(np.isin(before, edges) | np.isin(after, edges)))


def _single_spaces(data: memoryview) -> bytes:
    """Text whose cells are separated by runs of spaces and tabs, with one space between them."""
    kept, before = [], ord("\n")
    for begin in range(0, len(data), _CHUNK):
        codes = np.frombuffer(data[begin : begin + _CHUNK], np.uint8)
        codes = np.where(codes == ord("\t"), np.uint8(ord(" ")), codes)
        blank = _IS_BLANK[codes]
        after = np.concatenate([[_IS_BLANK[before]], blank[:-1]])
        kept.append(codes[~((codes == ord(" ")) & after)].tobytes())
        before = int(codes[-1])
    # What is left of the blanks at the end of a line is one of them.
    return b"".join(kept).replace(b" \n", b"\n").replace(b" \r", b"\r").rstrip(b" ")
