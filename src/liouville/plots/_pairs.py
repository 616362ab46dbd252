"""Figures of many coordinates: the first of them in pairs."""

import itertools

import numpy as np
from matplotlib.figure import Figure

from liouville.plots._clock import clock_of
from liouville.plots._fields import density_of, known_times, mass_level, some_of
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._plane import Window, limits_of
from liouville.plots._style import Sheet, label, plain, scatter_size, tidy
from liouville.plots._view import thin

_FIRST = 5
_MOST_TIMES, _MOST_CELLS = 5, 400
_INCHES, _GRID, _DRAWS = 2.0, 60, 8000
_MASS = 0.7


def density_pairs(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    *,
    times: np.ndarray | None = None,
    first: int = _FIRST,
) -> Figure:
    """The first coordinates in pairs: the data, and a line around 70 % of the model's mass.

    A projection of many coordinates on two hides most of them, so this shows every pair of the
    first few by name, at most five times, each in its own colour.

    Args:
        model: The model, of three coordinates or more.
        snapshots: The data.
        times: Which times; by default those of the data.
        first: How many coordinates.
    """
    count = min(first, model.dim)
    every = known_times(model, snapshots) if times is None else np.asarray(times, float)
    times, clock = some_of(every, _MOST_TIMES), clock_of(model, snapshots)
    draws = [np.asarray(model.sample(float(t), _DRAWS), float) for t in times]
    x, seen = np.asarray(snapshots.points, float), np.asarray(snapshots.times)
    own = [np.flatnonzero(seen == t) for t in times]
    own = [rows[thin(len(rows), _MOST_CELLS)] for rows in own]
    size = _INCHES * (count - 1)
    figure = Sheet(figsize=(size + 1.0, size), layout="constrained")
    grid = figure.subplots(count - 1, count - 1, squeeze=False, sharex="col", sharey="row")
    for panel in grid.flat:
        panel.set_visible(False)
    for i, j in itertools.combinations(range(count), 2):
        panel = grid[j - 1, i]
        panel.set_visible(True)
        tidy(panel)
        window = Window(*(limits_of(x[:, k], seen) for k in (i, j)), equal=False)
        for t, rows, drawn in zip(times, own, draws, strict=True):
            colour = clock.colour(float(t))
            dots = {"s": 0.5 * scatter_size(len(rows)), "linewidths": 0, "alpha": 0.5}
            panel.scatter(*x[rows][:, [i, j]].T, color=colour, rasterized=True, **dots)
            field = density_of(drawn[:, [i, j]], window, _GRID)
            level = mass_level(field, _MASS)
            if np.isfinite(level) and level > 0:
                lines = {"colors": [colour], "linewidths": 1.1}
                panel.contour(*window.centres(_GRID), field, [level], **lines)
        panel.set(xlim=window.x, ylim=window.y)
        label(
            panel,
            plain(model.features[i], 16) if j == count - 1 else "",
            plain(model.features[j], 16) if i == 0 else "",
        )
    if len(times) > 1:
        clock.bar(figure, list(grid.flat), times)
    return figure
