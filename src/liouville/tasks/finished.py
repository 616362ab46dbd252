"""What the folder of a finished run holds: its task, its data, its result."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from liouville.errors import LiouvilleError, one_line
from liouville.runs.folder import Run, data_of, open_run
from liouville.runs.reading import parse_json, read_text
from liouville.tasks import load_model, load_task
from liouville.tasks.task import Task
from liouville.training import read_metrics

SUMMARY_FILE, METRICS_FILE = "summary.json", "metrics.jsonl"


@contextlib.contextmanager
def of_this_run(folder: Path) -> Iterator[None]:
    """Refuses figures of a run that are not what its model says."""
    try:
        yield
    except LiouvilleError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise LiouvilleError(
            f"{folder / SUMMARY_FILE} is not the summary of this run ({one_line(error)}); restore "
            "it or fit again"
        ) from error


def recalled(task: Task, folder: Path, data: Any, config: Any) -> Any:
    """What the fit of a finished run returned, from its files."""
    model = load_model(folder, task.name)
    file = folder / SUMMARY_FILE
    summary = parse_json(read_text(file, "summary"), file, "restore it or fit again")
    return task.result(
        model=model,
        config=config,
        history=read_metrics(folder / METRICS_FILE),
        summary=summary,
        reason=summary["stopped"],
        data=data,
        **task.recall(model, data, config, summary),
    )


def task_and_data(folder: Path, trust: bool) -> tuple[Task, Any, Any]:
    """The task of a finished run, and the data it was fitted to with its configuration."""
    run = open_finished(folder)
    task = load_task(run.task)

    def read(config: Any) -> Any:
        if task.recover is None:
            return task.read(config, None)
        return task.recover(config, folder, trust)

    data, config = data_of(run, task.config, read, task.arrays)
    return task, data, config


def open_finished(folder: Path) -> Run:
    """The run of a folder, refused if it is not finished."""
    run = open_run(folder)
    if not run.is_finished:
        raise LiouvilleError(f"the run in {folder} is not finished; go on with it by --resume")
    return run
