"""The report of a result, as it is drawn."""

import dataclasses
from pathlib import Path
from typing import Any

from liouville.model import Model
from liouville.runs import config as configuration
from liouville.runs.folder import made_of
from liouville.tasks.task import Task

WARNINGS = "warnings"
"""In the summary: what was warned of."""


def page_of(task: Task, folder: Path, fitted: Any, data: Any) -> Any:
    """The report of a result: what the task shows, what was warned of, and how it was made."""
    page = task.contents(drawn(fitted), data)
    told = fitted.summary.get(WARNINGS, [])
    said = [*page.answer.said, _of_training(fitted), *((False, text) for text in told)]
    return dataclasses.replace(
        page,
        answer=dataclasses.replace(page.answer, said=said),
        summary={name: value for name, value in page.summary.items() if name != WARNINGS},
        made=made_of(folder),
        settings=configuration.to_dict(fitted.config),
    )


def _of_training(fitted: Any) -> tuple[bool, str]:
    """Whether training went on until nothing was left to gain, in a sentence."""
    steps = f"{fitted.summary['steps']:,}"
    if fitted.reason == "early":
        return (
            True,
            f"Training ended by itself after {steps} steps, when the validation had settled.",
        )
    return False, (
        f"Training took all of its {steps} steps; the curve of the validation (Training, below) "
        "says whether more would help."
    )


def drawn(fitted: Any) -> Any:
    """A result as pictures need it: where the model has no number they leave places out."""
    if not isinstance(fitted.model, Model):
        return fitted
    return fitted._replace(model=dataclasses.replace(fitted.model, is_drawn=True))
