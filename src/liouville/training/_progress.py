"""How far training is: a line on a terminal, a bar in a notebook, nothing elsewhere."""

import html
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO

from liouville.runs.notebook import in_notebook, shelf

Row = dict[str, Any]

_BAR = 20  # characters of the bar on a terminal
_RECENT = 20  # updates by which the speed is measured


class ProgressBar:
    """Says how far training is and how long the rest takes at the speed of the latest steps.

    The first steps, in which the program is compiled, say nothing of that speed. Training that may
    end early takes at most so long.

    Args:
        total: steps.
        may_end_early: whether fewer may do.
        shown: whether to show it; by default on a terminal and in a notebook.
        stream: where; by default the standard error output.
    """

    def __init__(
        self,
        total: int,
        *,
        may_end_early: bool = False,
        shown: bool | None = None,
        stream: TextIO | None = None,
    ):
        self._stream = stream or sys.stderr
        self._in_notebook = in_notebook() and stream is None
        self._shown = (self._in_notebook or self._stream.isatty()) if shown is None else shown
        self._total, self._may_end_early = max(total, 1), may_end_early
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._begun, self._step = time.monotonic(), 0
        self._replace: Callable[[str], None] | None = None
        self._draw("compiling the first steps")

    def update(self, step: int, row: Row) -> None:
        """Redraws the line for a step and its metrics."""
        self._step = step
        self._recent.append((time.monotonic(), step))
        values = [f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "gradient")]
        left = self.seconds_left
        told = [] if left is None else [self._say_left(left)]
        self._draw(f"{step}/{self._total}", *told, *values)

    @property
    def seconds_left(self) -> float | None:
        """What the steps that are left take at the speed of the latest, if that is known."""
        if len(self._recent) < 2:
            return None
        (first, before), (last, now) = self._recent[0], self._recent[-1]
        return (self._total - now) * (last - first) / max(now - before, 1)

    def close(self) -> None:
        """Ends the line with the steps that were taken, and their time."""
        spent = _seconds(time.monotonic() - self._begun)
        self._draw(f"{self._step}/{self._total}", f"in {spent}")
        if self._shown and not self._in_notebook:
            self._stream.write("\n")
            self._stream.flush()

    def _say_left(self, seconds: float) -> str:
        return f"{'at most ' if self._may_end_early else ''}{_seconds(seconds)} left"

    def _draw(self, *parts: str) -> None:
        if not self._shown:
            return
        if self._in_notebook:
            text = html.escape(" · ".join(parts))
            body = f"<progress value='{self._step}' max='{self._total}'></progress> {text}"
            if self._replace is None:
                self._replace = shelf(body)
            else:
                self._replace(body)
            return
        done = int(_BAR * min(self._step / self._total, 1.0))
        line = "  ".join(["█" * done + "·" * (_BAR - done), *parts])
        self._stream.write(f"\r\x1b[2K{line[: _columns(self._stream) - 1]}")
        self._stream.flush()


def _columns(stream: TextIO) -> int:
    """The width of the terminal that a stream writes to, of 80 characters if it is none."""
    try:
        return max(os.get_terminal_size(stream.fileno()).columns, 20)
    except (OSError, ValueError):
        return max(shutil.get_terminal_size().columns, 20)


def _seconds(seconds: float) -> str:
    """A time as a person says it: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
