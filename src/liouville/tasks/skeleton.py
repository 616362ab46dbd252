"""What all tasks do alike: fit, fill a folder, measure a run again, draw it again."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from liouville.errors import LiouvilleError, one_line
from liouville.model import MODEL_FILE
from liouville.numerics import devices
from liouville.runs import config as configuration
from liouville.runs.files import write_bytes
from liouville.runs.folder import (
    begin,
    fingerprint,
    finish,
    open_run,
    write_json,
    writing,
)
from liouville.runs.job import leave
from liouville.runs.warned import noted
from liouville.tasks import load_model, load_task
from liouville.tasks.figures import finite, not_finite
from liouville.tasks.finished import (
    METRICS_FILE,
    SUMMARY_FILE,
    of_this_run,
    open_finished,
    recalled,
    task_and_data,
)
from liouville.tasks.pages import WARNINGS, page_of
from liouville.tasks.settings import check_training, settings_of
from liouville.tasks.stopwatch import Stopwatch
from liouville.tasks.task import NewData, Rows, Say, Start, Task
from liouville.training import Fit, default_optimizer, fit, read_metrics

CHECKPOINT_FILE = "checkpoint.lv"
_WHOLE = (MODEL_FILE, SUMMARY_FILE, METRICS_FILE, "report.html")  # what a finished run has


def fit_given(
    task: Task,
    given: Any,
    settings: Any,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    keywords: Mapping[str, Any] | None = None,
) -> Any:
    """What the public functions `fit_...` do: reads and checks what is given, and fits to it.

    Every result has the model, in the user's units; the configuration, of which every open choice
    is filled in; the rows of the training log as its history; the figures as JSON can hold them as
    its summary; the reason why training ended; and the data as they were read. A notebook shows its
    figures and a picture.

    Args:
        task: what is fitted.
        given: the data; what they may be, the function of the task says.
        settings: a configuration, or some of its values by dotted key, for instance
            `{"path.parts": 48, "training.steps": 500}`.
        folder: where the checkpoint and the metrics go, if anywhere.
        resume: go on from the checkpoint in `folder`.
        progress: show a progress bar; by default on a terminal and in a notebook.
        keywords: the flags of the command line by name, `time_key="day"` for `--time-key day`; the
            functions `fit_...` take them as keyword arguments. They win over `settings`.

    Raises:
        LiouvilleError: if the data cannot be used; the message says what to do.
        TrainingError: if training meets a number that is not finite.
    """
    stopwatch = Stopwatch()
    settings = settings_of(task.config, settings, keywords)
    data = _read_checked(task, settings, given)
    return fit_task(
        task, data, settings, stopwatch, folder=folder, resume=resume, progress=progress
    )


def fit_task(
    task: Task,
    data: Any,
    config: Any,
    stopwatch: Stopwatch,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    keep: Callable[[Any], object] = lambda _: None,
    say: Say = lambda _: None,
) -> Any:
    """Fits to data that were read and checked; `keep` is given the model before it is measured.

    The stopwatch has run since reading began.
    """
    stopwatch.end("read")
    say("choosing where training starts")
    start = task.resolve(data, config, progress)
    stopwatch.end("start")
    result = train(start, folder, resume, progress)
    leave()  # the figures and pictures are the first process's alone
    model = task.model(start, result)
    facts = {"task": task.name, "steps": result.step}
    model = dataclasses.replace(model, notes={**facts, **model.notes})
    # Of the steps before a resumption, too.
    log = None if folder is None else folder / METRICS_FILE
    history = read_metrics(log) if log is not None and log.exists() else result.history
    summary = {**start.facts, "steps": result.step, "stopped": result.reason}
    details = dict(start.details)
    if result.reason != "interrupted":
        keep(model)
        stopwatch.end("train")
        say("measuring")
        figures, more = task.measure(model, start, data)
        summary |= figures
        details |= more
        stopwatch.end("measure")
    else:
        stopwatch.end("train")
    summary["seconds"] = stopwatch.seconds
    summary, lost = finite(summary)
    if lost:
        # What was trained for hours is kept, and its user told.
        warnings.warn(f"{not_finite(lost)}; they are left out of the summary", stacklevel=2)
    return task.result(
        model=model,
        config=start.config,
        history=history,
        summary=summary,
        reason=result.reason,
        data=data,
        **details,
    )


def run_task(
    task: Task,
    folder: Path,
    *,
    given: Any = None,
    data: Any = None,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
    progress: bool | None = None,
    begun: float | None = None,
    say: Say = lambda _: None,
) -> Any:
    """Fits and fills a folder: model, configuration, metrics, summary, report.

    All input is checked before anything is written. The data are those that were read and checked
    already (`data`, see `liouville.tasks.read_early`), `given` in Python, or read from where the
    configuration says. Of the settings `key=value` strings win over flags, `None` for not given,
    and these over the values of a file; with `resume` the configuration is the run's own. With
    `force` the run that the folder holds stays until the new one is finished. The seconds of
    reading count from `begun` of `time.monotonic`, by default from now.

    A run that broke off, wherever it did, is resumed to the same files as if it had not, but for
    the seconds it took.

    Of a job of several processes each must call this; the first one alone sees the folder, and the
    others take its configuration. They leave after training, with the `Fit` of it.

    Raises:
        LiouvilleError: on unusable input.
        TrainingError: if training meets a number that is not finite; the checkpoint stays.
    """
    from liouville.plots import write_page

    if not devices.is_first():
        return _help(task, folder, given, data)
    stopwatch = Stopwatch(begun)
    if data is None:
        say("reading and checking")
    with (
        noted() as said,
        begin(
            folder,
            task.name,
            task.config,
            lambda chosen: _read_checked(task, chosen, given) if data is None else data,
            task.arrays,
            file=file,
            flags=flags,
            settings=settings,
            force=force,
            resume=resume,
        ) as (run, config, data),
    ):
        place = run.folder
        is_whole = run.is_finished and all((place / name).is_file() for name in _WHOLE)
        devices.told(None if is_whole else [run.settings, run.fingerprint])
        if is_whole:
            leave()
            if place != folder:  # it was stopped in the moment before it took its place
                finish(folder, run, run.settings)
            return recalled(task, folder, data, config)
        for name, content in task.keeps(config, data).items():
            write_bytes(place / name, content)
        fitted = fit_task(
            task,
            data,
            config,
            stopwatch,
            folder=place,
            resume=resume,
            progress=progress,
            keep=lambda model: model.save(place / MODEL_FILE),
            say=say,
        )
        if fitted.reason == "interrupted":
            return fitted
        write_json(place / SUMMARY_FILE, fitted.summary)
        fitted = _timed(task.judge(fitted, data, say), stopwatch, "measure")
        if said:
            fitted = fitted._replace(summary={**fitted.summary, WARNINGS: [*said]})
        write_json(place / SUMMARY_FILE, fitted.summary)
        say("drawing the report")
        write_page(place, page_of(task, place, fitted, data), say=say)
        fitted = _timed(fitted, stopwatch, "pictures")
        write_json(place / SUMMARY_FILE, fitted.summary)
        # The configuration again, now with every open choice filled in. As long as it has open
        # choices, a resumed run makes them as the first one did.
        finish(folder, run, configuration.to_dict(fitted.config))
        return fitted


def _help(task: Task, folder: Path, given: Any, data: Any) -> Fit:
    """What a process of a job does that is not the first: its part of the training."""
    orders = devices.told()
    if orders is None:
        leave()
        nothing: Any = None
        return Fit(nothing, [], "finished", 0)
    settings, mark = orders
    config = configuration.from_dict(task.config, settings)
    data = _read_checked(task, config, given) if data is None else data
    if fingerprint(task.arrays(data)) != mark:
        raise LiouvilleError(
            "the data are not those of process 0; give all processes the same file"
        )
    result = train(task.resolve(data, config, False), folder, progress=False)
    leave()
    return result


def _timed(fitted: Any, stopwatch: Stopwatch, phase: str) -> Any:
    """A result whose summary has the seconds of one more phase."""
    stopwatch.end(phase)
    return fitted._replace(summary={**fitted.summary, "seconds": stopwatch.seconds})


def evaluate_run(
    folder: Path,
    *,
    trust: bool = False,
    new: NewData | None = None,
    say: Say = lambda _: None,
) -> Mapping[str, Any] | Rows:
    """Measures a run again: on data it kept from training, or with other random numbers.

    No code of a run is executed unless the user says `trust`; so it is in `redraw_run`.

    Args:
        folder: of the run.
        trust: whether the code that a run holds may be executed.
        new: other data, for tasks that can be measured on them.
        say: told how far the work has come.

    Raises:
        LiouvilleError: if the folder holds no run, the task is not measured on new data, or a
            figure is not finite; it names the first.
    """
    if new is not None:
        found = _scored(folder, trust, new, say)
    else:
        task, data, config = task_and_data(folder, trust)
        found = task.evaluate(load_model(folder, task.name), data, config)
    lost = finite({found.key: found.rows} if isinstance(found, Rows) else found)[1]
    if lost:
        raise LiouvilleError(f"{not_finite(lost)}; fit again, or look at the data for outliers")
    return found


def _scored(folder: Path, trust: bool, new: NewData, say: Say) -> Mapping[str, Any]:
    """Measures a run on new data, with its own data beside them if they are still there."""
    run = open_finished(folder)
    task = load_task(run.task)
    if task.score is None:
        raise LiouvilleError(
            f"{folder} is a run of {task.name}, which is measured on the data it kept; leave "
            "--data out"
        )
    try:
        data = task_and_data(folder, trust)[1]
    except LiouvilleError as error:
        warnings.warn(f"{one_line(error)}; scored without these data", stacklevel=3)
        data = None
    return task.score(run, data, new, say)


def redraw_run(folder: Path, *, movie: bool = True, trust: bool = False) -> Path:
    """Draws the report of a run again from what its folder holds."""
    from liouville.plots import write_page

    open_run(folder)  # a folder without a run is told of before its lock is
    with writing(folder):
        task, data, config = task_and_data(folder, trust)
        config = dataclasses.replace(config, report=dataclasses.replace(config.report, movie=movie))
        with of_this_run(folder):
            page = page_of(task, folder, recalled(task, folder, data, config), data)
        return write_page(folder, page)


def _read_checked(task: Task, config: Any, given: Any) -> Any:
    """The data of a configuration, whose training options are checked before they are read."""
    check_training(config)
    return task.read(config, given)


def train(
    start: Start,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    stop: Callable[[int, float], bool] | None = None,
) -> Fit:
    """Trains from a start with the options of its configuration; `stop` is that of `fit`."""
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
        stop=stop,
        validate_every=options.validate_every,
        chunk=options.chunk,
        checkpoint=None if folder is None else folder / CHECKPOINT_FILE,
        checkpoint_every=options.checkpoint_every,
        metrics=None if folder is None else folder / METRICS_FILE,
        resume=resume,
        progress=progress,
    )
