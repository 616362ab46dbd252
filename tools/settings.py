"""Settings of a task as a table, when the site is built.

A page says `<!-- settings: cells -->`; the table has what `liouville settings cells` prints, and
the flags.
"""

import re
from typing import Any

from liouville.runs.config import describe
from liouville.tasks import room_of

_PLACE = re.compile(r"<!-- settings: (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with each page."""
    return _PLACE.sub(lambda found: table(found[1]), markdown)


def table(task: str) -> str:
    """All settings of a task, in Markdown."""
    rows = ["| setting | flag | type | default | meaning |", "|---|---|---|---|---|"]
    for entry in describe(room_of(task).config):
        default = "automatic" if entry.default is None else f"`{entry.default}`"
        flag = f"`{entry.flag or entry.argument}`" if entry.flag or entry.argument else ""
        words = (f"`{entry.key}`", flag, entry.type, default, entry.doc)
        rows.append("| " + " | ".join(word.replace("|", "\\|") for word in words) + " |")
    return "\n".join(rows)
