"""Figures of the motion: the velocity between snapshots and the paths of single points."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from liouville.plots._clock import Clock, clock_of
from liouville.plots._density import draw_cells
from liouville.plots._fields import (
    carry,
    known_times,
    line_density,
    mass_level,
    plane_velocity,
    some_of,
)
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._plane import Window, limits_of, plane_of
from liouville.plots._style import (
    INK,
    MUTED,
    SPEED,
    TIME,
    Scenery,
    colour_bar,
    frame_plane,
    headline,
    name_axes,
    panels,
    scatter_size,
    tidy,
)
from liouville.plots._view import View, thin

# With more intervals some are left out evenly; more points in a panel hide the streamlines.
_MOST_PANELS = 12
_MOST_CELLS = 700
_MOST_BELOW_PATHS = 4000
_PATHS = 80
_PATHS_EMBEDDED = 30  # of those, on an embedding, where they cross between its islands
_STEPS = 50  # times at which each path is asked for


def velocity_stream(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    view: View | None = None,
    *,
    scenery: Scenery | None = None,
) -> Figure:
    """The velocity halfway between snapshots, as streamlines over the data before and after.

    Streamlines are dark where the motion is fast, on one scale for all panels, and are left
    out where the model puts less than one percent of its mass. Models of dimension one are
    drawn as curves of velocity against position. Arguments are those of ``density_panels``, with
    a panel for each interval between snapshots.
    """
    known = known_times(model, snapshots)
    pairs = np.stack([known[:-1], known[1:]], axis=1) if len(known) > 1 else known[[0, 0]][None]
    pairs = some_of(pairs, _MOST_PANELS)
    if model.dim == 1:
        return _line_velocities(model, snapshots, pairs.mean(axis=1))
    plane, clock = plane_of(model, snapshots, view), clock_of(model, snapshots)
    middles = pairs.mean(axis=1)
    fields = [plane_velocity(model, float(t), plane.window, plane.view) for t in middles]
    speeds = np.concatenate([np.linalg.norm(flow, axis=-1)[shown] for flow, shown in fields])
    top = float(np.quantile(speeds, 0.98)) if len(speeds) else 0.0  # outliers do not stretch it
    norm = Normalize(0.0, top if top > 0 else 1.0)
    figure, axes = panels(len(pairs), plane.window.ratio, width=3.2)
    for panel, (before, after), (flow, shown) in zip(axes, pairs, fields, strict=True):
        for t in np.unique([before, after]):
            draw_cells(panel, plane.seen(t), clock, float(t), _MOST_CELLS, alpha=0.45)
        draw_stream(panel, flow, shown, plane.window, norm)
        headline(panel, clock.say(float(before + after) / 2))
    frame_plane(axes, plane, scenery, middles)
    speed = f"speed (per {clock.per})" if plane.view.has_scale else "speed"
    colour_bar(figure, axes, norm, SPEED, speed)
    clock.bar(figure, axes, known)
    return figure


def draw_stream(
    axes: Axes, flow: np.ndarray, shown: np.ndarray, window: Window, norm: Normalize
) -> None:
    """Streamlines of a field ``(n, n, 2)`` where it is `shown`; a panel without any says so."""
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
    view: View | None = None,
    *,
    stochastic: bool = False,
    ways: tuple[np.ndarray, np.ndarray] | None = None,
    scenery: Scenery | None = None,
) -> Figure:
    """Paths of points drawn at the first time, followed to the last, coloured by time.

    Seen through an embedding, paths are smoothed lightly in time.

    Args:
        model: The model.
        snapshots: The data, drawn faintly below in the colours of their times.
        view: The plane to look at; by default as in ``density_panels``.
        stochastic: Whether to draw the noisy paths of the process instead of the flow.
        ways: Paths that were simulated elsewhere, instead: times ``(n,)`` and places
            ``(n, paths, dim)``.
        scenery: Draws what stands in the plane.
    """
    times, paths = _carried(model, stochastic) if ways is None else ways
    clock, known = clock_of(model, snapshots), known_times(model, snapshots)
    if model.dim == 1:
        return _line_trajectories(model, snapshots, times, paths[..., 0])
    plane = plane_of(model, snapshots, view)
    figure, axes = panels(1, plane.window.ratio, width=5.6)
    some = thin(len(plane.places), _MOST_BELOW_PATHS)
    _scatter(axes[0], plane.places[some], plane.times[some], clock, scatter_size(len(some)) + 3.0)
    count = min(_PATHS if plane.view.has_scale else _PATHS_EMBEDDED, paths.shape[1])
    lines = plane.view.points(paths[:, :count])
    if not plane.view.has_scale:
        # An average over nearest cells trembles as neighbours change; the motion does not.
        lines = gaussian_filter1d(lines, 0.02 * _STEPS, axis=0, mode="nearest")
    draw_paths(axes[0], lines, times, clock)
    frame_plane(axes, plane, scenery, [times])
    is_noisy = stochastic or ways is not None
    headline(axes[0], _span(clock, times), f"{count} {'noisy ' if is_noisy else ''}paths")
    clock.bar(figure, axes, known)
    return figure


def _carried(model: DrawableModel, stochastic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Times, and the paths of points that are drawn at the first of them."""
    times = np.linspace(model.interval[0], model.interval[1], _STEPS)
    start = model.sample(float(times[0]), _PATHS)
    return times, carry(model, start, times, stochastic=stochastic)


def _scatter(
    axes: Axes, places: np.ndarray, times: np.ndarray, clock: Clock, size: float, alpha: float = 0.4
) -> None:
    """Data of all times, faintly, in the colours of their times."""
    axes.scatter(
        *places.T,
        c=times,
        norm=clock.norm,
        cmap=TIME,
        s=size,
        alpha=alpha,
        linewidths=0,
        rasterized=True,
    )


def draw_paths(axes: Axes, paths: np.ndarray, times: np.ndarray, clock: Clock) -> None:
    """Paths of shape ``(times, paths, 2)``, with a ring at the start and a dot at the end."""
    pieces = np.stack([paths[:-1], paths[1:]], axis=2).transpose(1, 0, 2, 3).reshape(-1, 2, 2)
    middles = np.tile(0.5 * (times[:-1] + times[1:]), paths.shape[1])
    lines = LineCollection(
        list(pieces), array=middles, norm=clock.norm, cmap=TIME, linewidths=0.8, alpha=0.8, zorder=3
    )
    lines.set_capstyle("round")
    axes.add_collection(lines, autolim=False)
    first, last = clock.colour(float(times[0])), clock.colour(float(times[-1]))
    axes.scatter(*paths[0].T, s=9, facecolors="white", edgecolors=[first], linewidths=0.8, zorder=4)
    axes.scatter(*paths[-1].T, s=13, color=last, edgecolors="white", linewidths=0.4, zorder=4)


def _span(clock: Clock, times: np.ndarray) -> str:
    """First and last time in words."""
    return f"{clock.say(float(times[0]))} to {clock.say(float(times[-1]))}"


def _line_velocities(
    model: DrawableModel, snapshots: DrawableSnapshots, times: np.ndarray
) -> Figure:
    """Velocity against position for models of dimension one."""
    clock = clock_of(model, snapshots)
    limits = limits_of(np.asarray(snapshots.points, float)[:, 0], np.asarray(snapshots.times))
    x = np.linspace(*limits, 400)
    figure, axes = panels(1, 0.62, width=5.6)
    axes[0].axhline(0.0, color=MUTED, linewidth=0.6)
    for t in times:
        density = line_density(model, float(t), x)
        flow = np.asarray(model.velocity(float(t), x[:, None]), float)[:, 0]
        shown = np.where(density >= mass_level(density, 0.99), flow, np.nan)
        axes[0].plot(x, shown, color=clock.colour(float(t)), linewidth=1.8)
    axes[0].set_xlim(*limits)
    headline(axes[0], "velocity halfway between snapshots")
    name_axes(axes, model.features[0], f"velocity (per {clock.per})")
    clock.bar(figure, axes, times)
    return figure


def _line_trajectories(
    model: DrawableModel, snapshots: DrawableSnapshots, times: np.ndarray, paths: np.ndarray
) -> Figure:
    """Position against time for models of dimension one, paths of shape ``(times, paths)``."""
    clock = clock_of(model, snapshots)
    values, seen = np.asarray(snapshots.points, float)[:, 0], np.asarray(snapshots.times, float)
    figure, axes = panels(1, 0.62, width=5.6)
    tidy(axes[0])
    some = thin(len(values), 3000)
    spread = np.random.default_rng(0).uniform(-1, 1, len(some)) * 0.008 * (clock.last - clock.first)
    places = np.stack([seen[some] + spread, values[some]], axis=1)
    _scatter(axes[0], places, seen[some], clock, size=4.0, alpha=0.45)
    axes[0].plot(times, paths, color=INK, linewidth=0.6, alpha=0.35, zorder=0)
    axes[0].set_ylim(*limits_of(values, seen))
    headline(axes[0], _span(clock, times), f"{paths.shape[1]} paths")
    name_axes(axes, clock.label, model.features[0])
    return figure
