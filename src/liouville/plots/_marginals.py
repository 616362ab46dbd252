"""Figures of many coordinates: the density of each of them by its name."""

import numpy as np
from matplotlib.figure import Figure

from liouville.plots._clock import clock_of
from liouville.plots._density import draw_histogram
from liouville.plots._fields import known_times, some_of
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._plane import limits_of
from liouville.plots._style import headline, label, panels, plain

_MOST, _MOST_TIMES = 12, 4
_DRAWS, _BINS = 20_000, 60


def density_marginals(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    *,
    times: np.ndarray | None = None,
    most: int = _MOST,
) -> Figure:
    """The density of every coordinate: the data as a histogram, draws of the model as a line.

    Args:
        model: The model.
        snapshots: The data.
        times: Which times; by default those of the data, at most four.
        most: How many coordinates; of more, those that move most in their own spread, in order.
    """
    every = known_times(model, snapshots) if times is None else np.asarray(times, float)
    times, clock = some_of(every, _MOST_TIMES), clock_of(model, snapshots)
    x, seen = np.asarray(snapshots.points, float), np.asarray(snapshots.times)
    is_shown = np.isin(seen, times)
    drawn = [np.asarray(model.sample(float(t), _DRAWS), float) for t in times]
    figure, axes = panels(min(most, model.dim), 0.62, width=2.9, share=False)
    for panel, i in zip(axes, _most_moving(x, seen, most), strict=True):
        limits = limits_of(x[is_shown, i], seen[is_shown])
        edges = np.linspace(*limits, _BINS + 1)
        for t, draws in zip(times.tolist(), drawn, strict=True):
            draw_histogram(panel, x[seen == t, i], limits, clock.colour(t))
            counts = np.histogram(draws[:, i], edges)[0] / (len(draws) * (edges[1] - edges[0]))
            middles = 0.5 * (edges[1:] + edges[:-1])
            panel.plot(middles, _smoothed(counts), color=clock.colour(t), linewidth=1.5)
        panel.set(xlim=limits, yticks=[])
        panel.set_ylim(bottom=0.0)
        label(panel, plain(model.features[i], 28))
    label(axes[0], y="density")
    if len(times) > 1:
        clock.bar(figure, axes, times)
    else:
        headline(axes[0], clock.say(float(times[0])) if len(every) > 1 else "")
    return figure


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """Counts of bins, each averaged with its neighbours."""
    kernel = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    return np.convolve(np.pad(counts, 2, mode="edge"), kernel, mode="valid")


def _most_moving(x: np.ndarray, seen: np.ndarray, most: int) -> np.ndarray:
    """The coordinates whose means move most, in units of their spread, in their own order."""
    means = np.stack([x[seen == t].mean(axis=0) for t in np.unique(seen)])
    moved = np.ptp(means, axis=0) / np.maximum(x.std(axis=0), 1e-12)
    return np.sort(np.argsort(-moved, kind="stable")[:most])
