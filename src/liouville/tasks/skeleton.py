"""What all tasks do alike: fit, fill a folder, measure a run again, draw it again."""

import dataclasses
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from liouville.errors import LiouvilleError, one_line
from liouville.model import MODEL_FILE
from liouville.runs import config as configuration
from liouville.runs.files import write_bytes
from liouville.runs.folder import begin, data_of, open_run, write_json
from liouville.runs.reading import parse_json, read_text
from liouville.tasks import load_model, load_task
from liouville.tasks.task import Rows, Say, Start, Task
from liouville.training import Fit, check_options, default_optimizer, fit, read_metrics

SUMMARY_FILE, METRICS_FILE, CHECKPOINT_FILE = "summary.json", "metrics.jsonl", "checkpoint.lv"


def fit_given(
    task: Task,
    given: Any,
    settings: Any,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Any:
    """What the public functions `fit_...` do: reads and checks what is given, and fits to it.

    Every result has the model, in the user's units; the configuration, of which every open choice
    is filled in; the rows of the training log as its history; the figures as JSON can hold them as
    its summary; and the reason why training ended.

    Args:
        task: what is fitted.
        given: the data; what they may be, the function of the task says.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"path.parts": 48, "training.steps": 500}`.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal only.

    Raises:
        LiouvilleError: if the data cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    if not isinstance(settings, task.config):
        settings = configuration.merge(task.config, values=settings)
    data = _read_checked(task, settings, given)
    return fit_task(task, data, settings, folder=folder, resume=resume, progress=progress)


def fit_task(
    task: Task,
    data: Any,
    config: Any,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Any:
    """Fits to data that were read and checked."""
    begun = time.monotonic()
    start = task.resolve(data, config, progress)
    result = train(start, folder, resume, progress)
    model = task.model(start, result)
    facts = {"task": task.name, "steps": result.step}
    model = dataclasses.replace(model, notes={**facts, **model.notes})
    summary = {**start.facts, "steps": result.step, "stopped": result.reason}
    details = dict(start.details)
    if result.reason != "interrupted":
        summary["seconds of training"] = round(time.monotonic() - begun, 1)
        figures, more = task.measure(model, start, data)
        summary |= figures
        details |= more
    summary["seconds"] = round(time.monotonic() - begun, 1)
    return task.result(
        model=model,
        config=start.config,
        history=result.history,
        summary=summary,
        reason=result.reason,
        **details,
    )


def run_task(
    task: Task,
    folder: Path,
    *,
    given: Any = None,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> Any:
    """Fits and fills a folder: model, configuration, metrics, summary, report.

    All input is checked before anything is written. The data are by default read from where the
    configuration says. Of the settings `key=value` strings win over flags, `None` for not given,
    and these over the values of a file; with `resume` the configuration is the run's own. `force`
    replaces the run the folder holds.

    Raises:
        LiouvilleError: on unusable input.
        TrainingError: if training meets a number that is not finite; the checkpoint stays.
    """
    say("reading and checking")
    run, config, data = begin(
        folder,
        task.name,
        task.config,
        lambda chosen: _read_checked(task, chosen, given),
        task.arrays,
        file=file,
        flags=flags,
        settings=settings,
        force=force,
        resume=resume,
    )
    for name, content in task.keeps(config, data).items():
        write_bytes(folder / name, content)
    fitted = fit_task(task, data, config, folder=folder, resume=resume, progress=progress)
    if fitted.reason == "interrupted":
        return fitted
    # The configuration again, now with every open choice filled in.
    dataclasses.replace(run, settings=configuration.to_dict(fitted.config)).write()
    fitted.model.save(folder / MODEL_FILE)
    write_json(folder / SUMMARY_FILE, fitted.summary)
    fitted = task.judge(fitted, data, say)
    write_json(folder / SUMMARY_FILE, fitted.summary)
    from liouville.plots import write_page

    say("drawing the report")
    write_page(folder, task.contents(fitted, data), say=say)
    return fitted


def evaluate_run(folder: Path, *, trust: bool = False) -> Mapping[str, Any] | Rows:
    """Measures a run again: on data it kept from training, or with other random numbers.

    No code of a run is executed unless the user says `trust`; so it is in `redraw_run`.
    """
    task, data, config = _run_again(folder, trust)
    return task.evaluate(load_model(folder, task.name), data, config)


def redraw_run(folder: Path, *, movie: bool = True, trust: bool = False) -> Path:
    """Draws the report of a run again from what its folder holds."""
    from liouville.plots import write_page

    task, data, config = _run_again(folder, trust)
    model = load_model(folder, task.name)
    config = dataclasses.replace(config, report=dataclasses.replace(config.report, movie=movie))
    file = folder / SUMMARY_FILE
    remedy = "restore it or fit again"
    summary = parse_json(read_text(file, "summary"), file, remedy)
    try:
        fitted = task.result(
            model=model,
            config=config,
            history=read_metrics(folder / METRICS_FILE),
            summary=summary,
            reason=summary["stopped"],
            **task.recall(model, data, config, summary),
        )
        page = task.contents(fitted, data)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise LiouvilleError(
            f"{file} is not the summary of this run ({one_line(error)}); {remedy}"
        ) from error
    return write_page(folder, page)


def _run_again(folder: Path, trust: bool) -> tuple[Task, Any, Any]:
    """The task of a run, and the data it was fitted to with its configuration."""
    run = open_run(folder)
    task = load_task(run.task)

    def read(config: Any) -> Any:
        if task.recover is None:
            return task.read(config, None)
        return task.recover(config, folder, trust)

    data, config = data_of(run, task.config, read, task.arrays)
    return task, data, config


def _read_checked(task: Task, config: Any, given: Any) -> Any:
    """The data of a configuration, whose training options are checked before they are read."""
    check_options(config.training)
    for name, default in vars(task.config().training).items():
        # What a task leaves open by default it can choose; what has a number it cannot.
        is_open = default is None or name == "patience"
        if getattr(config.training, name) is None and not is_open:
            raise LiouvilleError(f"training.{name} is null; give a number, such as {default}")
    return task.read(config, given)


def train(
    start: Start, folder: Path | None = None, resume: bool = False, progress: bool | None = None
) -> Fit:
    """Trains from a start with the options of its configuration."""
    options = start.config.training
    if start.is_interrupted:
        return Fit(start.path, [], "interrupted", 0)
    return fit(
        start.path,
        start.objective,
        steps=options.steps,
        optimizer=default_optimizer(options.rate, options.steps, options.weight_decay),
        seed=options.seed,
        average=options.average,
        validation=start.validation,
        patience=options.patience if start.validation is not None else None,
        tolerance=options.tolerance,
        validate_every=options.validate_every,
        chunk=options.chunk,
        checkpoint=None if folder is None else folder / CHECKPOINT_FILE,
        checkpoint_every=options.checkpoint_every,
        metrics=None if folder is None else folder / METRICS_FILE,
        resume=resume,
        progress=progress,
    )
