"""What a run has warned of, for its report."""

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from liouville.errors import one_line

# What other libraries warn of says nothing of a fit.
_OURS = Path(__file__).parents[1]

_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """Notes the texts of our warnings in the block, each once; they are shown as always.

    In such a block another one notes in the list of the first.
    """
    known = _noted.get()
    if known is not None:
        yield known
        return
    texts: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def note(message: Warning | str, category: type[Warning], file: str, *more: Any) -> None:
            text = one_line(message)
            is_ours = category is UserWarning and Path(file).is_relative_to(_OURS)
            if is_ours and text not in texts:
                texts.append(text)
            show(message, category, file, *more)

        warnings.showwarning = note  # pyright: ignore[reportAttributeAccessIssue]
        token = _noted.set(texts)
        try:
            yield texts
        finally:
            _noted.reset(token)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Shows no warnings in the block, as another process shows the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
