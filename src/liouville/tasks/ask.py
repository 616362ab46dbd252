"""Questions about a fitted model: what `query` writes."""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from liouville.data import read_points
from liouville.errors import LiouvilleError
from liouville.model import load as load
from liouville.runs.folder import Run

_FEW_POINTS = 100_000


class Question(NamedTuple):
    """What `query` was asked; what a task does not know it refuses."""

    points: Path | None
    time: str | None = None  # one for all points, as it was written
    sigma: float | None = None  # the noise of the drift
    given: str | None = None  # one class
    extrapolate: bool = False  # whether times outside the fitted range are allowed
    history: Path | None = None  # file of the events so far
    sequence_name: str | None = None  # which sequence of it
    drop_future: bool = False  # whether its later events are dropped


def query(run: Run, question: Question) -> dict[str, np.ndarray]:
    """Log-density, velocity, score and drift at the points of a file, by column.

    Raises:
        LiouvilleError: if points or times cannot be used.
    """
    if question.points is None:
        raise LiouvilleError("no points: name a file of them")
    if question.history is not None:
        raise LiouvilleError(f"{run.folder} is no run of events; leave --history out")
    model = load(run.folder)
    model = model if question.given is None else model.given(question.given)
    try:
        time = None if question.time is None else float(question.time)
    except ValueError:
        message = f"--time is {question.time!r}; give a number in the data's units"
        raise LiouvilleError(message) from None
    try:
        time_key = None if time is not None else model.time_name
        x, own = read_points(question.points, model.features, dim=model.dim, time_key=time_key)
    except LiouvilleError as error:
        remedy = "" if time is not None else "; a --time need not be in the file"
        raise LiouvilleError(f"{error}{remedy}") from error
    t = np.full(len(x), time) if time is not None else np.asarray(own)
    # For few points to optimise a program takes longer than to run it as it is.
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", before or len(x) <= _FEW_POINTS)
    try:
        found = model.answers(t, x, sigma=question.sigma, extrapolate=question.extrapolate)
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
    return {
        model.time_name: t,
        **columns("", model.features, x),
        "log_density": found.log_density,
        **columns("velocity ", model.features, found.velocity),
        **columns("score ", model.features, found.score),
        **columns("drift ", model.features, found.drift),
    }


def columns(prefix: str, features: tuple[str, ...], x: np.ndarray) -> dict[str, np.ndarray]:
    """The coordinates of points, each under its name."""
    return {f"{prefix}{name}": x[:, i] for i, name in enumerate(features)}
