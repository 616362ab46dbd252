"""Figures of groups of cells: where they are, how many, what fates they have."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import (
    Colormap,
    LinearSegmentedColormap,
    Normalize,
    TwoSlopeNorm,
    is_color_like,
    to_rgba,
)
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from liouville.plots._clock import Clock, clock_of
from liouville.plots._fields import mass_level, mean_velocity, some_of
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._plane import Plane, plane_of
from liouville.plots._shapes import array_of
from liouville.plots._style import (
    GROUPS,
    GROWTH,
    INK,
    SHARE,
    canvas,
    colour_bar,
    frame_plane,
    headline,
    label,
    narrower,
    panels,
    plain,
    scatter_size,
    shown,
)
from liouville.plots._view import View, thin

Colours = Mapping[str, str]

_MOST_CELLS, _MOST_IN_PANEL = 6000, 3000
_MOST_PANELS = 12
_GRID = 44  # cells of the grid of streamlines along each axis
LONGEST = 24  # letters of a name of a group
# Streamlines are clear where this part of the cells is, and gone outside of the other.
_CLEAR, _SEEN = 0.8, 0.99


def group_colours(names: Sequence[str], colours: Colours | None = None) -> dict[str, str]:
    """A colour for every group: those given, and for others the next of a fixed order."""
    given = {} if colours is None else {n: c for n, c in colours.items() if is_color_like(c)}
    rest = (name for name in names if name not in given)
    return {**given, **{name: GROUPS[i % len(GROUPS)] for i, name in enumerate(rest)}}


def group_stream(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    groups: np.ndarray,
    view: View | None = None,
    *,
    colours: Colours | None = None,
    axes: Axes | None = None,
) -> Axes:
    """All cells in the colours of their groups, with the velocity that each has at its own time.

    Streamlines are of the mean velocity of near cells, and fade out where there are few.

    Args:
        model: The model, of two coordinates or more.
        snapshots: The cells.
        groups: The group of each, shape ``(n,)``.
        view: The plane to look at; by default as in ``density_panels``.
        colours: By name of a group; by default a fixed order.
        axes: Where to draw; by default a new figure, which a notebook shows.
    """
    plane = plane_of(model, snapshots, view)
    groups = array_of(groups, (len(plane.places),), "groups of cells")
    names = _names(groups)
    palette = group_colours(names, colours)
    ratio = plane.window.ratio
    place = canvas(axes, narrower(5.6, ratio), ratio)
    some = thin(len(plane.places), _MOST_CELLS)
    place.scatter(
        *plane.places[some].T,
        c=[to_rgba(palette[str(name)]) for name in groups[some]],
        s=scatter_size(len(some)) + 2.0,
        alpha=0.55,
        linewidths=0,
        rasterized=True,
    )
    _fading_stream(place, model, snapshots, plane, some)
    frame_plane([place], plane)
    _legend(place, names, palette)
    headline(place, "cells by group", f"{len(groups):,} cells")
    return shown(place, axes)


def growth_map(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    rates: np.ndarray,
    view: View | None = None,
    *,
    errors: np.ndarray | None = None,
) -> Figure:
    """The growth rate of every cell at its own time, one panel a snapshot.

    Args:
        model: The model.
        snapshots: The cells.
        rates: The growth rate of each, shape ``(n,)``.
        view: The plane to look at; by default as in ``density_panels``.
        errors: Standard errors of the rates; cells whose error is larger than the rate are faded.
    """
    plane, clock = plane_of(model, snapshots, view), clock_of(model, snapshots)
    shape = plane.times.shape
    rates = array_of(rates, shape, "rates")
    errors = None if errors is None else array_of(errors, shape, "errors of rates")
    top = float(np.quantile(np.abs(rates), 0.98)) or 1.0
    norm = TwoSlopeNorm(0.0, -top, top)
    faded = np.zeros(shape, bool) if errors is None else np.abs(rates) < errors
    times = some_of(np.unique(plane.times), _MOST_PANELS)
    figure, axes = panels(len(times), plane.window.ratio)
    for panel, t in zip(axes, times, strict=True):
        own = np.flatnonzero(plane.times == t)
        rows = own[thin(len(own), _MOST_IN_PANEL)]
        _dots(panel, plane.places[rows], rates[rows], norm, GROWTH, faded[rows])
        headline(panel, clock.say(float(t)), f"mean {rates[own].mean():.3g}")
    frame_plane(axes, plane)
    colour_bar(figure, axes, norm, GROWTH, f"growth rate (per {clock.per})")
    return figure


def fate_maps(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    fates: np.ndarray,
    names: Sequence[str],
    view: View | None = None,
    *,
    errors: np.ndarray | None = None,
) -> Figure:
    """The probability of every fate at every cell, one panel a fate.

    Args:
        model: The model.
        snapshots: The cells.
        fates: Probabilities, shape ``(n, fates)``.
        names: Of the fates.
        view: The plane to look at; by default as in ``density_panels``.
        errors: Standard errors of the probabilities; cells are faded where one is above a half of
            what is between the probability and that of all fates alike.
    """
    plane = plane_of(model, snapshots, view)
    shape = (len(plane.places), len(names))
    fates = array_of(fates, shape, "fates")
    faded = np.zeros(shape, bool)
    if errors is not None:
        faded = array_of(errors, shape, "errors of fates") > 0.5 * np.abs(fates - 1.0 / len(names))
    figure, axes = panels(len(names), plane.window.ratio)
    some, norm = thin(len(plane.places), _MOST_IN_PANEL), Normalize(0.0, 1.0)
    for panel, number, name in zip(axes, range(len(names)), names, strict=True):
        rows = some[np.argsort(fates[some, number])]
        shade = (norm, SHARE, faded[rows, number])
        _dots(panel, plane.places[rows], fates[rows, number], *shade)
        headline(panel, plain(name, LONGEST), f"{fates[:, number].mean():.0%} of cells")
    frame_plane(axes, plane)
    colour_bar(figure, axes, norm, SHARE, "probability of the fate")
    return figure


def composition(
    times: Sequence[float] | np.ndarray,
    shares: np.ndarray,
    names: Sequence[str],
    *,
    errors: np.ndarray | None = None,
    colours: Colours | None = None,
    clock: Clock | None = None,
    axes: Axes | None = None,
) -> Axes:
    """The share of each group at each time as stacked bars, with their standard errors.

    Args:
        times: Of the bars.
        shares: Shape ``(times, groups)``, rows of sum one.
        names: Of the groups.
        errors: Standard errors, of the same shape.
        colours: By name of a group; by default a fixed order.
        clock: How times are said.
        axes: Where to draw; by default a new figure, which a notebook shows.
    """
    shape = (len(times), len(names))
    shares = array_of(shares, shape, "shares of groups")
    errors = None if errors is None else array_of(errors, shape, "errors of shares")
    palette, clock = group_colours(names, colours), clock or Clock()
    place = canvas(axes, 0.8 * len(times) + 2.6, 3.4 / (0.8 * len(times) + 2.6))
    below = np.zeros(len(times))
    at = np.arange(len(times))
    for number, name in enumerate(names):
        bars = {"width": 0.72, "color": palette[name], "edgecolor": "white", "linewidth": 0.6}
        place.bar(at, shares[:, number], bottom=below, **bars)
        below = below + shares[:, number]
        if errors is not None and number < len(names) - 1:
            # At the border of the two groups, a little aside so that errors do not overlap.
            aside = 0.3 * (number / max(len(names) - 1, 1) - 0.5)
            line = {"ecolor": INK, "elinewidth": 0.8, "capsize": 1.8, "capthick": 0.8}
            seen = errors[:, number] > 0
            place.errorbar(
                (at + aside)[seen], below[seen], errors[seen, number], fmt="none", **line
            )
    place.set(xlim=(-0.6, len(times) - 0.4), ylim=(0.0, 1.02))
    place.set_xticks(at, [f"{t:.4g}" for t in times])
    label(place, clock.label, "share of the mass")
    _legend(place, names[::-1], palette)  # in the order of the bars, which grow upward
    return shown(place, axes)


def _dots(
    axes: Axes,
    places: np.ndarray,
    values: np.ndarray,
    norm: Normalize,
    colours: Colormap,
    faded: np.ndarray,
) -> None:
    axes.scatter(
        *places.T,
        c=values,
        norm=norm,
        cmap=colours,
        s=scatter_size(len(places)) + 3.0,
        alpha=np.where(faded, 0.18, 0.9),  # pyright: ignore[reportArgumentType]
        edgecolors="none",
        rasterized=True,
    )


def _fading_stream(
    axes: Axes,
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    plane: Plane,
    some: np.ndarray,
) -> None:
    """Streamlines of the mean velocity of near cells, which fade where there are few of them."""
    x = np.asarray(snapshots.points, float)[some]
    u = np.asarray(model.velocity(plane.times[some], x), float)
    moves = plane.view.velocities(x, u)
    places = plane.places[some]
    count, flow = mean_velocity(places, moves, plane.window, _GRID)
    seen, clear = mass_level(count, _SEEN), mass_level(count, _CLEAR)
    hidden = (count < seen) | ~np.isfinite(flow).all(axis=-1)
    speed = np.linalg.norm(np.where(hidden[..., None], 0.0, flow), axis=-1)
    if not speed.max() > 0:
        return
    ink = to_rgba(INK)
    fading = LinearSegmentedColormap.from_list("fading", [(*ink[:3], 0.0), ink])
    axes.streamplot(
        *plane.window.centres(_GRID),
        *(np.ma.array(flow[..., i], mask=hidden) for i in range(2)),
        color=np.ma.array(count, mask=hidden),
        norm=Normalize(0.0, clear, clip=True),
        cmap=fading,
        density=1.5,
        linewidth=0.5 + 0.8 * np.clip(speed / np.quantile(speed[~hidden], 0.95), 0.0, 1.0),
        arrowsize=0.7,
        zorder=3,
    )


def _names(groups: np.ndarray) -> list[str]:
    return [str(name) for name in np.unique(np.asarray(groups).astype(str))]


def _legend(axes: Axes, names: Sequence[str], palette: Colours) -> None:
    """The groups and their colours, right of the panel."""
    marks = [
        Line2D([], [], marker="o", linestyle="", markersize=5, color=palette[name])
        for name in names
    ]
    axes.legend(
        marks,
        [plain(name, LONGEST) for name in names],
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        handletextpad=0.3,
        ncols=1 + len(names) // 18,
    )
