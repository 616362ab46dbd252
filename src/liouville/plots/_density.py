"""Figures of the density, one panel per snapshot."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from liouville.plots._clock import Clock, clock_of
from liouville.plots._fields import known_times, line_density, mass_level, plane_density, some_of
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._plane import limits_of, plane_of
from liouville.plots._style import (
    DENSITY,
    INK,
    Scenery,
    colour_bar,
    frame_plane,
    headline,
    name_axes,
    panels,
    scatter_size,
    show_field,
)
from liouville.plots._view import View, thin

# With more snapshots some are left out evenly; more points in a panel hide the density.
_MOST_PANELS = 24
_MOST_CELLS = 600


def density_panels(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    view: View | None = None,
    *,
    scenery: Scenery | None = None,
) -> Figure:
    """The density of the model at every snapshot time, with the data on top.

    All panels share axes and colour scale. Colours are spaced by the square root of the
    density, so that sparse regions remain visible beside dense ones. Models of dimension one
    are drawn as curves over histograms.

    Args:
        model: The model.
        snapshots: The data.
        view: The plane to look at; by default the embedding of the data, if the model
            has more than two coordinates, else the first two coordinates.
        scenery: Draws what stands in the plane on a panel.
    """
    times = some_of(known_times(model, snapshots), _MOST_PANELS)
    if model.dim == 1:
        return _line_panels(model, snapshots, times)
    plane, clock = plane_of(model, snapshots, view), clock_of(model, snapshots)
    fields = [plane_density(model, float(t), plane.window, plane.view) for t in times]
    norm = density_norm(np.stack(fields))
    figure, axes = panels(len(times), plane.window.ratio)
    for panel, t, field in zip(axes, times, fields, strict=True):
        show_field(panel, field, plane.window.extent, norm)
        levels = sorted({mass_level(field, mass) for mass in (0.9, 0.5)})
        if np.isfinite(levels).all() and levels[0] > 0:
            x, y = plane.window.centres(len(field))
            panel.contour(x, y, field, levels, colors=INK, linewidths=0.6, alpha=0.55, zorder=1)
        own = plane.seen(t)
        draw_cells(panel, own, clock, float(t), _MOST_CELLS)
        headline(panel, clock.say(float(t)), f"{len(own):,} points")
    frame_plane(axes, plane, scenery, times)
    colour_bar(figure, axes, norm, DENSITY, "density")
    return figure


def density_norm(fields: np.ndarray) -> PowerNorm:
    """One colour scale for all fields, spaced by the square root of the density."""
    top = float(fields.max(initial=0.0))
    return PowerNorm(0.5, vmin=0.0, vmax=top if top > 0 else 1.0)


def draw_cells(
    axes: Axes,
    places: np.ndarray,
    clock: Clock,
    t: float,
    most: int,
    *,
    alpha: float = 0.8,
    larger: float = 0.0,
    zorder: int = 2,
) -> PathCollection:
    """Data points in the colour of their time, with a white edge that lifts them off."""
    chosen = places[thin(len(places), most)]
    return axes.scatter(
        *chosen.T,
        s=scatter_size(len(chosen)) + larger,
        color=clock.colour(t),
        edgecolors="white",
        linewidths=0.25,
        alpha=alpha,
        zorder=zorder,
        rasterized=True,
    )


def _line_panels(model: DrawableModel, snapshots: DrawableSnapshots, times: np.ndarray) -> Figure:
    """Histograms of one-dimensional data under the curves of the model."""
    values, seen = np.asarray(snapshots.points, float)[:, 0], np.asarray(snapshots.times)
    limits, clock = limits_of(values, seen), clock_of(model, snapshots)
    x = np.linspace(*limits, 400)
    figure, axes = panels(len(times), 0.6)
    top = 0.0
    for panel, t in zip(axes, times, strict=True):
        own, colour = values[seen == t], clock.colour(float(t))
        curve = line_density(model, float(t), x)
        heights = draw_histogram(panel, own, limits, colour)
        panel.plot(x, curve, color=colour, linewidth=1.8)
        headline(panel, clock.say(float(t)), f"{len(own):,} points")
        top = max(top, float(curve.max()), float(heights.max(initial=0.0)))
    for panel in axes:
        panel.set(xlim=limits, ylim=(0.0, 1.06 * top if top > 0 else 1.0))
    name_axes(axes, model.features[0], "density")
    return figure


def draw_histogram(
    axes: Axes, values: np.ndarray, limits: tuple[float, float], colour: tuple[float, ...]
) -> np.ndarray:
    """A pale histogram on the scale of a density; returns the heights of its bars."""
    bins = int(np.clip(4.0 * len(values) ** (1 / 3), 12, 80))
    counts, edges = np.histogram(values, bins=bins, range=limits)
    heights = counts / max(len(values), 1) / (edges[1] - edges[0])
    axes.stairs(heights, edges, fill=True, color=colour, alpha=0.22, zorder=0)
    return heights
