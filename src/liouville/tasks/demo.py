"""Demonstrations: fits of data with a known truth, in runs that keep their data."""

import dataclasses
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from liouville.data import write_table
from liouville.errors import LiouvilleError
from liouville.runs.config import merge
from liouville.runs.folder import CONFIG_FILE, open_run
from liouville.tasks import load_task
from liouville.tasks.skeleton import run_task
from liouville.tasks.task import Demo, Rows, Say, Task, tables_of


class Shown(NamedTuple):
    """A demonstration that was run."""

    task: Task  # that prints the tables beside the truth, too
    result: Any
    next: tuple[str, ...]  # commands to go on with


def run_demo(
    name: str,
    folder: Path,
    seed: int = 0,
    *,
    force: bool = False,
    resume: bool = False,
    begun: float | None = None,
    say: Say = lambda _: None,
) -> Shown:
    """Fits the demonstration of a task and fills a folder, in which its data are, too.

    The run is one like any other: it names the file of its data, which every command reads again.
    Its summary and its report say how far the model is from the truth.

    Raises:
        LiouvilleError: if the folder holds a run, or another file of the name of the data.
    """
    known = load_task(name)
    demo: Demo = known.demo(seed)
    file = folder / demo.file
    if file.exists() and not _is_data_of_a_run(folder, file):
        raise LiouvilleError(
            f"{file} is there, and the demo would write its data in its place; choose another --out"
        )
    flags = {**demo.flags, "data.file": str(file)}
    with tempfile.TemporaryDirectory() as place:
        # What is fitted is what the commands will read, to the last digit.
        written = Path(place) / demo.file
        write_table(written, demo.columns)
        chosen = merge(known.config, flags={**flags, "data.file": str(written)})
        data, content = known.read(chosen, None), written.read_bytes()

    def judged(fitted: Any, data: Any, say: Say) -> Any:
        fitted = known.judge(fitted, data, say)
        say("comparing with the truth")
        return fitted._replace(summary={**fitted.summary, **demo.compare(fitted)})

    def tables(summary: Mapping[str, Any]) -> list[Rows]:
        own = known.tables(summary)
        keys = {rows.key for rows in own}
        beside = [rows for rows in tables_of(summary) if "truth" in rows.key]
        return [*own, *(rows for rows in beside if rows.key not in keys)]

    task = dataclasses.replace(
        known,
        keeps=lambda config, data: {**known.keeps(config, data), demo.file: content},
        judge=judged,
        tables=tables,
    )
    result = run_task(
        task, folder, data=data, flags=flags, force=force, resume=resume, begun=begun, say=say
    )
    run = shlex.quote(str(folder))
    return Shown(task, result, tuple(command.format(run=run) for command in demo.next))


def _is_data_of_a_run(folder: Path, file: Path) -> bool:
    """Whether the folder holds a run that was fitted to the file in it."""
    if not (folder / CONFIG_FILE).is_file():
        return False
    named = open_run(folder).settings.get("data", {}).get("file")
    return named is not None and Path(named).resolve() == file.resolve()
