"""Figures of the motion: the velocity between snapshots and the paths of single points."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from liouville.plots._density import draw_cells
from liouville.plots._fields import (
    Window,
    carried,
    data_window,
    known_times,
    limits_of,
    line_density,
    mass_level,
    plane_velocity,
    some_of,
)
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._projection import Projection, default_projection, place_data, thin
from liouville.plots._style import (
    INK,
    MUTED,
    SPEED,
    TIME,
    Scenery,
    TimeScale,
    colour_bar,
    frame_plane,
    headline,
    name_axes,
    panels,
    scatter_size,
    set_scene,
    tidy,
    time_bar,
    time_scale,
)


def velocity_stream(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    projection: Projection | None = None,
    *,
    most_panels: int = 12,
    most_cells: int = 700,
    scenery: Scenery | None = None,
) -> Figure:
    """The velocity halfway between snapshots, as streamlines over the data before and after.

    Streamlines are dark where the motion is fast, on one scale for all panels, and are left
    out where the model puts less than one percent of its mass. Models of dimension one are
    drawn as curves of velocity against position.

    Args:
        model: The model.
        snapshots: The data.
        projection: The plane to look at; by default as in ``density_panels``.
        most_panels: With more intervals than this, some are left out evenly.
        most_cells: Most data points to draw from one snapshot.
        scenery: Draws what stands in the plane on a panel.

    Returns:
        A figure.
    """
    known = known_times(model, snapshots)
    pairs = np.stack([known[:-1], known[1:]], axis=1) if len(known) > 1 else known[[0, 0]][None]
    pairs = some_of(pairs, most_panels)
    if model.dim == 1:
        return _line_velocities(model, snapshots, pairs.mean(axis=1))
    projection = projection or default_projection(model, snapshots)
    places, seen = place_data(snapshots, projection), np.asarray(snapshots.times)
    window, scale = data_window(model, snapshots, projection), time_scale(model, snapshots)
    fields = [plane_velocity(model, float(t), window, projection) for t in pairs.mean(axis=1)]
    norm = _speed_norm([np.linalg.norm(flow, axis=-1)[shown] for flow, shown in fields])
    figure, axes = panels(len(pairs), window.ratio, width=3.2)
    for panel, (before, after), (flow, shown) in zip(axes, pairs, fields, strict=True):
        for t in np.unique([before, after]):
            draw_cells(panel, places[seen == t], scale, float(t), most_cells, alpha=0.45)
        draw_stream(panel, flow, shown, window, norm)
        headline(panel, scale.say(float(before + after) / 2))
    frame_plane(axes, window, projection)
    set_scene(axes, scenery)
    speed = f"speed (per {scale.per})" if projection.has_scale else "speed"
    colour_bar(figure, axes, norm, SPEED, speed)
    time_bar(figure, axes, scale, known)
    return figure


def draw_stream(
    axes: Axes, flow: np.ndarray, shown: np.ndarray, window: Window, norm: Normalize
) -> None:
    """Streamlines of a velocity field ``(n, n, 2)`` where ``shown`` is true.

    A field that is zero wherever it is shown has no streamlines; the panel then says so.
    """
    speed = np.linalg.norm(flow, axis=-1)
    if not np.any(speed[shown] > 1e-9 * (norm.vmax or 1.0)):
        axes.text(
            0.5, 0.04, "no motion", transform=axes.transAxes, ha="center", color=MUTED, fontsize=9
        )
        return
    x, y = window.centres(len(flow))
    hidden = ~shown
    axes.streamplot(
        x,
        y,
        np.ma.array(flow[..., 0], mask=hidden),
        np.ma.array(flow[..., 1], mask=hidden),
        color=np.ma.array(speed, mask=hidden),
        norm=norm,
        cmap=SPEED,
        density=1.25,
        linewidth=0.4 + 0.7 * np.clip(speed / (norm.vmax or 1.0), 0.0, 1.0),
        arrowsize=0.6,
        minlength=0.07,
        zorder=3,
    )


def trajectories(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    projection: Projection | None = None,
    *,
    count: int = 80,
    steps: int = 50,
    stochastic: bool = False,
    seed: int = 0,
    most_cells: int = 4000,
    scenery: Scenery | None = None,
) -> Figure:
    """Paths of points drawn at the first time, followed to the last, coloured by time.

    Seen through an embedding, paths are smoothed lightly in time.

    Args:
        model: The model.
        snapshots: The data, drawn faintly below in the colours of their times.
        projection: The plane to look at; by default as in ``density_panels``.
        count: Number of paths.
        steps: Number of times at which each path is asked for.
        stochastic: Whether to draw the noisy paths of the process instead of the flow.
        seed: Seed of the starting points and of the noise.
        most_cells: Most data points to draw.
        scenery: Draws what stands in the plane.

    Returns:
        A figure.
    """
    times = np.linspace(model.interval[0], model.interval[1], steps)
    start = model.sample(float(times[0]), count, seed=seed)
    paths = carried(model, start, times, seed=seed, stochastic=stochastic)
    scale, known = time_scale(model, snapshots), known_times(model, snapshots)
    if model.dim == 1:
        return _line_trajectories(model, snapshots, times, paths[..., 0])
    projection = projection or default_projection(model, snapshots)
    window, places = data_window(model, snapshots, projection), place_data(snapshots, projection)
    figure, axes = panels(1, window.ratio, width=5.6)
    some = thin(len(places), most_cells)
    axes[0].scatter(
        *places[some].T,
        c=np.asarray(snapshots.times)[some],
        norm=scale.norm,
        cmap=TIME,
        s=scatter_size(len(some)) + 3.0,
        alpha=0.4,
        linewidths=0,
        rasterized=True,
    )
    lines = projection.points(paths)
    if not projection.has_scale:
        # An average over nearest cells trembles as neighbours change; the motion does not.
        lines = gaussian_filter1d(lines, 0.02 * steps, axis=0, mode="nearest")
    draw_paths(axes[0], lines, times, scale)
    frame_plane(axes, window, projection)
    set_scene(axes, scenery)
    headline(axes[0], _span(scale, times), f"{count} {'noisy ' if stochastic else ''}paths")
    time_bar(figure, axes, scale, known)
    return figure


def draw_paths(axes: Axes, paths: np.ndarray, times: np.ndarray, scale: TimeScale) -> None:
    """Paths of shape ``(times, paths, 2)``, with a ring at the start and a dot at the end."""
    pieces = np.stack([paths[:-1], paths[1:]], axis=2).transpose(1, 0, 2, 3).reshape(-1, 2, 2)
    middles = np.tile(0.5 * (times[:-1] + times[1:]), paths.shape[1])
    lines = LineCollection(
        list(pieces), array=middles, norm=scale.norm, cmap=TIME, linewidths=0.8, alpha=0.8, zorder=3
    )
    lines.set_capstyle("round")
    axes.add_collection(lines, autolim=False)
    first, last = scale.colour(float(times[0])), scale.colour(float(times[-1]))
    axes.scatter(*paths[0].T, s=9, facecolors="white", edgecolors=[first], linewidths=0.8, zorder=4)
    axes.scatter(*paths[-1].T, s=13, color=last, edgecolors="white", linewidths=0.4, zorder=4)


def _span(scale: TimeScale, times: np.ndarray) -> str:
    """First and last time in words."""
    return f"{scale.say(float(times[0]))} to {scale.say(float(times[-1]))}"


def _speed_norm(speeds: list[np.ndarray]) -> Normalize:
    """One scale from zero to nearly the largest speed, which outliers do not stretch."""
    everything = np.concatenate(speeds)
    top = float(np.quantile(everything, 0.98)) if len(everything) else 0.0
    return Normalize(0.0, top if top > 0 else 1.0)


def _line_velocities(
    model: DrawableModel, snapshots: DrawableSnapshots, times: np.ndarray
) -> Figure:
    """Velocity against position for models of dimension one."""
    scale = time_scale(model, snapshots)
    limits = limits_of(np.asarray(snapshots.points, float)[:, 0], np.asarray(snapshots.times))
    x = np.linspace(*limits, 400)
    figure, axes = panels(1, 0.62, width=5.6)
    axes[0].axhline(0.0, color=MUTED, linewidth=0.6)
    for t in times:
        density = line_density(model, float(t), x)
        flow = np.asarray(model.velocity(float(t), x[:, None]), float)[:, 0]
        shown = np.where(density >= mass_level(density, 0.99), flow, np.nan)
        axes[0].plot(x, shown, color=scale.colour(float(t)), linewidth=1.8)
    axes[0].set_xlim(*limits)
    headline(axes[0], "velocity halfway between snapshots")
    name_axes(axes, model.features[0], f"velocity (per {scale.per})")
    time_bar(figure, axes, scale, times)
    return figure


def _line_trajectories(
    model: DrawableModel, snapshots: DrawableSnapshots, times: np.ndarray, paths: np.ndarray
) -> Figure:
    """Position against time for models of dimension one, paths of shape ``(times, paths)``."""
    scale = time_scale(model, snapshots)
    values, seen = np.asarray(snapshots.points, float)[:, 0], np.asarray(snapshots.times, float)
    figure, axes = panels(1, 0.62, width=5.6)
    tidy(axes[0])
    some = thin(len(values), 3000)
    spread = np.random.default_rng(0).uniform(-1, 1, len(some)) * 0.008 * (scale.last - scale.first)
    axes[0].scatter(
        seen[some] + spread,
        values[some],
        c=seen[some],
        norm=scale.norm,
        cmap=TIME,
        s=4,
        alpha=0.45,
        linewidths=0,
        rasterized=True,
    )
    axes[0].plot(times, paths, color=INK, linewidth=0.6, alpha=0.35, zorder=0)
    axes[0].set_ylim(*limits_of(values, seen))
    headline(axes[0], _span(scale, times), f"{paths.shape[1]} paths")
    name_axes(axes, scale.label, model.features[0])
    return figure
