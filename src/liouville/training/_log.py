import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from liouville.errors import LiouvilleError, shown
from liouville.runs.files import atomic_path
from liouville.runs.reading import read_text

Row = dict[str, Any]


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics file, one JSON object a line; a torn last line is left out.

    Raises:
        LiouvilleError: if there is no such file, or another line of it is no row of numbers with a
            step.
    """
    lines = read_text(path, "log of training").splitlines()
    rows = [_row(line) for line in lines]
    if rows and rows[-1] is None:
        rows.pop()
    for number, row in enumerate(rows):
        if row is None:
            raise LiouvilleError(
                f"line {number + 1} of {path} is {shown(lines[number], 60)!r}, no row of metrics; "
                "restore the file or fit again"
            )
    return [row for row in rows if row is not None]


def _row(line: str) -> Row | None:
    """A row of metrics, or `None` if the line is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_row = isinstance(row, dict) and type(row.get("step")) is int
    return row if is_row and all(type(value) in (int, float) for value in row.values()) else None


class MetricsFile:
    """A file of metrics to which rows are appended; on resume, rows after `step` are dropped."""

    def __init__(self, path: Path, step: int):
        kept = [row for row in read_metrics(path) if row["step"] <= step] if path.exists() else []
        if step == 0:
            kept = []
        # The kept rows replace the file in one go: a kill at this moment loses none of them.
        with atomic_path(path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept))
        self._file = open(path, "a")  # noqa: SIM115 (closed by `close`)

    def append(self, rows: list[Row]) -> None:
        """Appends rows and hands them to the operating system."""
        with self._told():
            self._file.writelines(json.dumps(row) + "\n" for row in rows)
            self._file.flush()

    def sync(self) -> None:
        """Waits until the rows are on disk; called before a checkpoint refers to them."""
        with self._told():
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):  # what could not be written has been told
            self._file.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LiouvilleError(
                f"cannot write {self._file.name}: {error.strerror}; make space and resume"
            ) from error
