"""Whether a person looks on in a notebook, and how to show something there or in a console."""

import abc
import html
import sys
from collections.abc import Callable, Iterable
from typing import Any


def in_notebook() -> bool:
    """Whether this is the process of a notebook, which shows objects and not only text."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return shell is not None and shell.has_trait("kernel")


def show(thing: Any) -> None:
    """Shows an object below the cell that runs, in a notebook alone."""
    if in_notebook():
        sys.modules["IPython"].display.display(thing)


def shelf(body: str) -> Callable[[str], None]:
    """Shows HTML below the cell that runs, and returns what puts other HTML in its place."""
    tools = sys.modules["IPython"].display
    handle = tools.display(tools.HTML(body), display_id=True)
    return lambda other: handle.update(tools.HTML(other))


def html_table(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values as a table."""
    cells = (f"<td>{html.escape(name)}</td><td>{html.escape(value)}</td>" for name, value in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def text_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Names and values below a title, one a line."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows)])


class AbstractFacts(abc.ABC):
    """What is told by a few facts: a console and a notebook show these, not all of its numbers."""

    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """Names and values, as JSON can hold them."""

    def __repr__(self) -> str:
        return text_table(type(self).__name__, self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.facts().items()]
