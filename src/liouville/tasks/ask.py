"""Questions about a fitted model: what `query` writes."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Points, Quantisation, points_of
from liouville.errors import LiouvilleError
from liouville.model import Model, ModelAnswers
from liouville.model import load as load
from liouville.runs.folder import CONFIG_FILE, Run, open_run


class Question(NamedTuple):
    """What `query` was asked; what a task does not know it refuses."""

    points: Path | None
    time: str | None = None  # one for all points, as it was written
    sigma: float | None = None  # the noise of the drift
    given: str | None = None  # one class
    against: str | None = None  # another one, whose density that of the first is compared with
    extrapolate: bool = False  # whether times outside the fitted range are allowed
    std: bool = False  # whether standard errors are wanted besides
    history: Path | None = None  # file of the events so far
    sequence_name: str | None = None  # which sequence of it
    drop_future: bool = False  # whether its later events are dropped


def query(run: Run, question: Question) -> dict[str, np.ndarray]:
    """Log-density, velocity, score, drift and growth at the points of a file, by column.

    A column `NAME_error` is the standard error of the column `NAME`.

    Raises:
        LiouvilleError: if points or times cannot be used.
    """
    if question.points is None:
        raise LiouvilleError("no points: name a file of them")
    if question.history is not None:
        raise LiouvilleError(f"{run.folder} is no run of events; leave --history out")
    whole = load(run.folder)
    if question.against is not None and question.given is None:
        raise LiouvilleError(
            f"--against {question.against} compares one class with another; name the first: --given"
        )
    model = whole if question.given is None else whole.given(question.given)
    try:
        time = None if question.time is None else float(question.time)
    except ValueError:
        message = f"--time is {question.time!r}; give a number in the data's units"
        raise LiouvilleError(message) from None
    # A column of samples that has a name of times, such as an age, is no time of theirs.
    time = usual_time(model, time)
    try:
        x, own, identifiers = points_for(
            run.folder, model, question.points, needs_time=time is None, with_contexts=True
        )
    except LiouvilleError as error:
        remedy = "" if time is not None else "; a --time need not be in the file"
        if model.contexts:
            remedy += f"; {', '.join(model.contexts)} need not be, if one --given is for all points"
        raise LiouvilleError(f"{error}{remedy}") from error
    t = np.full(len(x), time) if time is not None else np.asarray(own)
    lattice = _lattice(model)
    if lattice is not None and np.any(t == model.times[-1]):
        warnings.warn(
            f"{_whole(model, lattice)} of whole steps: the density is that of values with uniform "
            "noise of one step added; that at a value and half a step, times the step, is about "
            "its probability",
            stacklevel=2,
        )
    more: dict[str, Any] = {"std": question.std, "extrapolate": question.extrapolate}
    x, contexts = x[:, : model.dim], x[:, model.dim :] if model.contexts else None
    found = model.answers(t, x, sigma=question.sigma, contexts=contexts, **more)
    ratio = None
    if question.against is not None:
        ratio = whole.log_ratio(t, x, question.given, question.against, **more)
    about = {
        **identified(identifiers),
        model.time_name: t,
        **columns("", model.features, x),
        **({} if contexts is None else columns("", model.contexts, contexts)),
    }
    if not question.std:
        return about | _columns_of(model, found, ratio)
    values, errors = (
        _columns_of(
            model,
            ModelAnswers(*(answer[i] for answer in found)),
            None if ratio is None else ratio[i],
        )
        for i in (0, 1)
    )
    for name, value in values.items():
        about |= {name: value, f"{name}_error": errors[name]}
    return about


def usual_time(model: Model, time: float | None) -> float | None:
    """The time that is meant: where none is named that of the data of a density, which has one."""
    is_one = time is None and model.notes.get("task") == "density"
    return float(model.times[-1]) if is_one else time


def drawn_values(model: Model, time: float, drawn: np.ndarray) -> np.ndarray:
    """Draws `(n, d)` at a time as the data have them: on whole steps at the last time, said."""
    lattice = _lattice(model)
    if lattice is None or time != model.times[-1]:
        return drawn
    warnings.warn(
        f"{_whole(model, lattice)} of whole steps: draws are the values below those of the density",
        stacklevel=2,
    )
    return lattice.remove_noise(drawn)


def _lattice(model: Model) -> Quantisation | None:
    """The steps of columns that were fitted with noise of one step; `None` if there are none."""
    known = model.notes.get("quantisation")
    lattice = None if known is None else Quantisation.from_dict(known)
    is_own = lattice is not None and len(lattice.step) == model.dim and lattice.is_discrete.any()
    return lattice if is_own else None


def _whole(model: Model, lattice: Quantisation) -> str:
    names = [name for name, is_whole in zip(model.features, lattice.is_discrete) if is_whole]
    more = f" and {len(names) - 6} more are" if len(names) > 6 else " are"
    return ", ".join(names[:6]) + (" is" if len(names) == 1 else more)


def _columns_of(
    model: Model, found: ModelAnswers, ratio: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Answers by column."""
    return {
        **({} if ratio is None else {"log_ratio": ratio}),
        "log_density": found.log_density,
        **columns("velocity ", model.features, found.velocity),
        **columns("score ", model.features, found.score),
        **columns("drift ", model.features, found.drift),
        "growth": found.growth,
    }


def points_for(
    folder: Path,
    model: Model,
    source: Any,
    *,
    needs_time: bool = False,
    with_contexts: bool = False,
) -> Points:
    """Points for a fitted model from a file, read as the data of its run were.

    Args:
        folder: of the run, or of a model alone.
        model: the model.
        source: the file.
        needs_time: whether points must have times.
        with_contexts: whether the numbers on which the model depends are further coordinates.

    Raises:
        LiouvilleError: if the file has no such points, or no times and they are needed.
    """
    is_run = (folder / CONFIG_FILE).is_file()
    data = open_run(folder).settings.get("data", {}) if is_run else {}
    labels = data.get("times")  # of the ends of transport they are numbers
    names = (*model.features, *(model.contexts if with_contexts else ()))
    found = points_of(
        source,
        names,
        dim=len(names),
        time_key=None,
        time_name=model.time_name if needs_time else None,
        time_unit=model.time_unit,
        basis=data.get("basis"),
        times=labels if isinstance(labels, str) else None,
    )
    if needs_time and found.times is None:
        raise LiouvilleError(f"{source} has no times; give a file with them")
    return found


def identified(identifiers: np.ndarray | None, prefix: str = "") -> dict[str, np.ndarray]:
    """A column of the names of points, if they have any, to be put before their answers."""
    return {} if identifiers is None else {f"{prefix}identifier": identifiers}


def columns(prefix: str, features: tuple[str, ...], x: np.ndarray) -> dict[str, np.ndarray]:
    """The coordinates of points, each under its name."""
    return {f"{prefix}{name}": x[:, i] for i, name in enumerate(features)}
