"""Texts in tables that a spreadsheet would run as formulas.

Spreadsheets run a cell that begins with one of a few signs, and names of columns and kinds come
from files that anybody may have made. As usual, an apostrophe before it makes such a cell text;
reading takes it away again. A text that begins with apostrophes and then such a sign gets one more,
so that every text comes back as it was.
"""

import re
from collections.abc import Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def guarded(text: str) -> str:
    """A text of a table, which a spreadsheet takes for text; numbers stay as they are."""
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def unguarded(texts: Sequence[str]) -> list[str]:
    """Inverse of `guarded`, for many texts."""
    return [t[1:] if t.startswith("'") and _FORMULA.match(t) else t for t in texts]
