"""What a path says at many points and times, in the model's own units."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville import paths, quantities
from liouville.model._compiled import (
    answers_at,
    answers_given,
    answers_quickly,
    blocks,
    errors_at,
    is_brief,
    numbers_in,
    rows,
)

# What is asked by itself: of many points, or not of `quantities.answers`.
_APART = (("log_density",), ("log_parts",))


def is_scalar(name: str) -> bool:
    """Whether an answer is one number at a point; the others are one for each coordinate."""
    return name in ("log_density", "growth")


def answers_of(
    path: paths.AbstractPath, names: Sequence[str], times: np.ndarray, x: np.ndarray
) -> list[np.ndarray]:
    """Some of `quantities.Answers`, or `log_parts`, at points `(..., dim)` of times `(...)`."""
    is_quick, asked = is_brief(path, times.size), tuple(names)
    if is_quick and asked not in _APART:  # the same program answers other questions, too
        asked = quantities.Answers._fields
    function = answers_quickly if is_quick else answers_at

    def evaluate(times: np.ndarray, points: np.ndarray) -> list[jax.Array]:
        found = function(path, asked, times.astype(points.dtype), points)
        return [found[asked.index(name)] for name in names]

    return _in_rows(path, names, times, x, evaluate)


def answers_in_contexts(
    path: paths.AbstractPath,
    names: Sequence[str],
    times: np.ndarray,
    x: np.ndarray,
    contexts: np.ndarray,
) -> list[np.ndarray]:
    """The same of a path of contexts; every point has its own, shape `(points, size)`."""
    columns = np.column_stack([times.ravel(), contexts])
    given, place = np.unique(columns, axis=0, return_inverse=True)

    def evaluate(place: np.ndarray, points: np.ndarray) -> list[jax.Array]:
        row = given[place].astype(points.dtype)
        return answers_given(path, tuple(names), row[:, 0], row[:, 1:], points)

    return _in_rows(path, names, place, x, evaluate)


def errors_of(
    path: paths.AbstractPath,
    names: Sequence[str],
    times: np.ndarray,
    x: np.ndarray,
    noise: np.ndarray,
) -> list[np.ndarray]:
    """The standard errors of some answers, or of the drift with a noise `(dim,)`."""
    assert isinstance(path, paths.Ensemble)

    def evaluate(times: np.ndarray, points: np.ndarray) -> list[jax.Array]:
        g, times = jnp.asarray(noise, points.dtype), times.astype(points.dtype)
        return errors_at(g, path, tuple(names), times, points)

    return _in_rows(path, names, times, x, evaluate)


def _in_rows(
    path: paths.AbstractPath,
    names: Sequence[str],
    keys: np.ndarray,
    x: np.ndarray,
    evaluate: Callable[[np.ndarray, np.ndarray], list[jax.Array]],
) -> list[np.ndarray]:
    """What is asked for once for all points of one key: of a time, or of one and a context."""
    batch, flat = x.shape[:-1], x.reshape(-1, x.shape[-1]).astype(jnp.zeros(()).dtype)
    shapes = [_shape(path, name) for name in names]
    results = [np.empty((len(flat), *shape)) for shape in shapes]
    for row, index in rows(keys.ravel(), numbers_in(path)):
        for result, values in zip(results, evaluate(row, flat[index])):
            result[index] = values
    return [result.reshape((*batch, *shape)) for result, shape in zip(results, shapes)]


def _shape(path: paths.AbstractPath, name: str) -> tuple[int, ...]:
    """The shape of an answer at one point."""
    if name != "log_parts":
        return () if is_scalar(name) else (path.dim,)
    time = jax.ShapeDtypeStruct((), jnp.zeros(()).dtype)
    return eqx.filter_eval_shape(lambda p, t: p.at(t).log_part_masses, path, time).shape


def at_times(
    ask: Callable[[paths.AbstractPath, np.ndarray], jax.Array],
    path: paths.AbstractPath,
    times: np.ndarray,
) -> np.ndarray:
    """What is asked of the marginals alone, at times of any shape."""
    flat = times.astype(jnp.zeros(()).dtype).reshape(-1)
    found = np.concatenate([np.asarray(ask(path, block)) for block in blocks(flat)] or [flat])
    return found[: flat.size].reshape((*times.shape, *found.shape[1:])).astype(float)
