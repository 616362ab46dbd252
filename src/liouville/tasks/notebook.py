"""What a console or a notebook shows of a fit: key figures, and the first picture of a report."""

import base64
import html
from typing import Any

from liouville.runs.notebook import html_table, text_table
from liouville.tasks import load_task
from liouville.tasks.pages import drawn


def as_text(self: Any) -> str:
    """The figures of the summary of a fit, one a line: its `__repr__`."""
    from liouville.plots import flatten

    return text_table(type(self).__name__, flatten(self.summary))


def as_html(fitted: Any) -> str:
    """The figures of the summary beside a picture; without one if training was interrupted."""
    from liouville.plots import Picture, flatten, to_png

    picture = ""
    if fitted.data is not None and fitted.reason != "interrupted":
        page = load_task(fitted.model.notes["task"]).contents(drawn(fitted), fitted.data)
        first = next((item for item in page.contents if isinstance(item, Picture)), None)
        if first is not None:
            data = base64.b64encode(to_png(first.draw(), dpi=80)).decode("ascii")
            about = f"alt='{html.escape(first.title)}' style='max-width:100%'"
            picture = f"<img {about} src='data:image/png;base64,{data}'>"
    style = "display:flex; flex-wrap:wrap; gap:24px; align-items:flex-start"
    return f"<div style='{style}'>{html_table(flatten(fitted.summary))}<div>{picture}</div></div>"
