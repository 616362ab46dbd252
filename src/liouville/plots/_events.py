"""Figures of events in time and space: maps, rates over time, forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from liouville.plots._clock import Clock
from liouville.plots._plane import centres
from liouville.plots._style import (
    DENSITY,
    FAINT,
    INK,
    MARK,
    MODEL,
    MUTED,
    TIME,
    colour_bar,
    headline,
    label,
    plain,
    sheet,
    show_field,
    tidy,
    tidy_bar,
)

# Orders of magnitude that the colours of an intensity say apart.
_ORDERS = 4.0
_RECENT = 100  # events drawn on the intensity


@dataclass(frozen=True)
class Ground:
    """The plane of a map."""

    x: tuple[float, float]  # left and right end
    y: tuple[float, float]  # lower and upper end
    labels: tuple[str, str]  # of both axes, with units
    area: str  # its unit, such as ``degree²``
    aspect: float = 1.0  # length of a unit of ``y`` over that of ``x`` on paper
    outline: Sequence[np.ndarray] = ()  # corners of the rings of a region, shapes ``(n, 2)``
    coast: Sequence[np.ndarray] = ()  # lines, shapes ``(n, 2)``

    @property
    def ratio(self) -> float:
        """Height over width on paper."""
        return float(self.aspect * (self.y[1] - self.y[0]) / (self.x[1] - self.x[0]))

    def grid(self, columns: int) -> tuple[np.ndarray, int, int]:
        """Centers of cells that cover the plane, shape ``(rows * columns, 2)``, and both counts."""
        rows = int(np.clip(round(columns * self.ratio), 8, 3 * columns))
        grid = np.meshgrid(centres(self.x, columns), centres(self.y, rows))
        return np.stack(grid, axis=-1).reshape(-1, 2), rows, columns

    def dress(self, axes: Axes) -> None:
        """Limits, aspect, region and labels of a map."""
        tidy(axes)
        axes.set(xlim=self.x, ylim=self.y)
        axes.set_aspect(self.aspect, adjustable="box")
        for line in self.coast:
            axes.plot(*line.T, color=MUTED, linewidth=0.6, zorder=2.4)
        for corners in self.outline:
            ring = np.concatenate([corners, corners[:1]])
            axes.plot(*ring.T, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=2.5)
        label(axes, *self.labels)


def mark_sizes(marks: np.ndarray | None, count: int, *, of: np.ndarray | None = None) -> np.ndarray:
    """Areas of markers in square points: larger for larger marks, smaller if there are many.

    With `of` they are those of other marks on the same scale, for a legend.
    """
    base = float(np.clip(2400.0 / max(count, 1), 2.0, 14.0))
    if marks is None or not len(marks):
        return np.full(count, base)
    least, span = marks.min(), max(float(np.ptp(marks)), 1e-12)
    return base * (0.5 + 4.0 * (((marks if of is None else of) - least) / span) ** 2)


def _mark_legend(axes: Axes, marks: np.ndarray | None, count: int) -> None:
    """Rings of a few round marks beside their numbers."""
    if marks is None or not len(marks) or not np.ptp(marks) > 0:
        return
    ticks = MaxNLocator(4).tick_values(float(marks.min()), float(marks.max()))
    shown = np.array([t for t in ticks if marks.min() <= t <= marks.max()])
    for value, size in zip(shown, mark_sizes(marks, count, of=shown), strict=True):
        _rings(axes, np.full((1, 2), np.nan), np.array([size]), f"{value:g}")
    axes.legend(fontsize=8, loc="lower right", labelcolor=INK, framealpha=0.85, edgecolor=FAINT)


def log_norm(fields: np.ndarray) -> LogNorm:
    """A log scale that ends at the largest value, a few orders of magnitude wide at most."""
    positive = fields[np.isfinite(fields) & (fields > 0)]
    if not positive.size:
        return LogNorm(0.1, 1.0)
    top = float(positive.max())
    low = max(float(np.quantile(positive, 0.02)), top * 10.0**-_ORDERS)
    return LogNorm(min(low, 0.5 * top), top)


def event_maps(
    ground: Ground,
    clock: Clock,
    places: np.ndarray,
    times: np.ndarray,
    marks: np.ndarray | None,
    intensity: np.ndarray,
    now: float,
) -> Figure:
    """All events coloured by time, beside the intensity at the time `now` with the latest events.

    Places have shape ``(n, 2)``, times and marks, which make markers larger, ``(n,)``, all in order
    of time; the intensity is on the grid of the plane, shape ``(rows, columns)``.
    """
    width = 4.6 if ground.ratio < 1.6 else 3.4
    figure, (left, right) = sheet(2 * width + 2.4, width * ground.ratio + 0.9, columns=2)
    sizes = mark_sizes(marks, len(places))
    shades = clock.values(times)
    dots = left.scatter(*places.T, s=sizes, c=shades, cmap=TIME, linewidths=0, alpha=0.75)
    ground.dress(left)
    headline(left, "events", f"{len(places):,}")
    bar = figure.colorbar(dots, ax=left, fraction=0.05, shrink=0.8, pad=0.02, aspect=28)
    tidy_bar(bar, clock.label if clock.origin is None else "")
    if clock.origin is not None:
        clock.tick(bar.ax.yaxis)
    draw_field(figure, right, ground, intensity, f"events per {clock.per} and {ground.area}")
    latest = slice(max(0, len(places) - _RECENT), None)
    _rings(right, places[latest], sizes[latest])
    headline(right, f"intensity, {clock.say(now)}", f"rings: last {min(_RECENT, len(places))}")
    return figure


def draw_field(figure: Figure, axes: Axes, ground: Ground, field: np.ndarray, unit: str) -> None:
    """A field of positive numbers in the plane, on a log scale, with its colour bar."""
    norm = log_norm(field)
    show_logarithm(axes, ground, field, norm)
    ground.dress(axes)
    colour_bar(figure, [axes], norm, DENSITY, unit)


def show_logarithm(axes: Axes, ground: Ground, field: np.ndarray, norm: LogNorm) -> AxesImage:
    """A field as an image of its logarithm, which interpolates without steps."""
    low, high = np.log([float(norm.vmin or 0.0), float(norm.vmax or 1.0)])
    scale = Normalize(float(low), float(high))
    return show_field(axes, logarithm(field, norm), (*ground.x, *ground.y), scale, "bicubic")


def _rings(axes: Axes, places: np.ndarray, sizes: np.ndarray, name: str | None = None) -> None:
    """The latest events."""
    rings = {"facecolors": "none", "edgecolors": MARK, "linewidths": 0.7, "zorder": 3}
    axes.scatter(*places.T, s=sizes + 3.0, label=name, **rings)


def logarithm(field: np.ndarray, norm: LogNorm) -> np.ndarray:
    """The logarithm of a field, that of the palest colour where the field is less."""
    return np.log(np.maximum(field, float(norm.vmin or 0.0)))


def mark_parts(
    axes: Axes, clock: Clock, parts: Sequence[tuple[str, float]], *, named: bool
) -> None:
    """Lines where parts of the data begin, with names in steps so that none hides another."""
    for number, (name, begin) in enumerate(parts):
        at = clock.value(begin)
        axes.axvline(at, color=FAINT, linewidth=1.0, zorder=0)
        if named:
            axes.annotate(
                f" {name}",
                (at, 1.0),
                xytext=(0, -9 * number),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
                fontsize=8,
                color=MUTED,
                zorder=4,
            )


def rate_over_time(
    clock: Clock,
    grid: np.ndarray,
    rates: np.ndarray,
    times: np.ndarray,
    integral: tuple[np.ndarray, np.ndarray],
    parts: Sequence[tuple[str, float]] = (),
) -> Figure:
    """The rate with a tick per event, above the count of events against its expected value.

    Rates per unit of time, and the grid of their times, have shape ``(m,)``; times of events, in
    order, ``(n,)``. `integral` is times and the integral of the rate up to them, `parts` name and
    begin of the parts of the data.
    """
    heights = (3.0, 0.22, 2.4)
    figure, (top, ticks, bottom) = sheet(8.6, 4.6, rows=3, sharex=True, height_ratios=heights)
    x = clock.values(grid)
    top.plot(x, rates, color=MODEL, linewidth=1.1)
    if rates.min() > 0 and rates.max() > 10 * rates.min():
        top.set_yscale("log")
    else:
        top.set_ylim(bottom=0)
    label(top, y=f"events per {clock.per}")
    headline(top, "rate of events")
    alpha = float(np.clip(300.0 / max(len(times), 1), 0.04, 0.8))
    when = clock.values(times)
    ticks.vlines(when, 0, 1, color=INK, linewidth=0.6, alpha=alpha)
    ticks.set(ylim=(0, 1), yticks=[])
    for side in ("left", "bottom"):
        ticks.spines[side].set_visible(False)
    ticks.tick_params(bottom=False)
    bottom.step(when, np.arange(1, len(times) + 1), where="post", color=INK, lw=1.2, label="events")
    bottom.plot(clock.values(integral[0]), integral[1], color=MODEL, lw=1.2, label="expected")
    label(bottom, y="events so far")
    bottom.legend(frameon=False, fontsize=8, loc="upper left")
    bottom.set_ylim(bottom=0)
    for panel in (top, bottom):
        mark_parts(panel, clock, parts, named=panel is top)
    bottom.set_xlim(*x[[0, -1]])
    clock.dress(bottom)
    return figure


def forecast_figure(
    ground: Ground | None,
    clock: Clock,
    expected: np.ndarray | None,
    places: np.ndarray,
    marks: np.ndarray | None,
    numbers: np.ndarray,
    fan: tuple[np.ndarray, np.ndarray],
    when: str,
) -> Figure:
    """Expected events on a map, their number, and how the count grows.

    Args:
        ground: The plane of the map; None leaves the map out.
        clock: Of the times.
        expected: Events per cell, shape ``(rows, columns)``, or None.
        places: The latest events of the history, shape ``(n, 2)``.
        marks: Their marks, or None.
        numbers: Events of each simulated catalogue, shape ``(catalogues,)``.
        fan: Times after the start, shape ``(m,)``, and counts up to them at the quantiles 2.5, 25,
            50, 75 and 97.5 %, shape ``(5, m)``.
        when: Begin and end of the forecast, in words.
    """
    with_map = ground is not None and expected is not None
    ratio = ground.ratio if ground is not None else 1.0
    height = float(np.clip(4.4 * ratio + 0.9, 3.6, 6.0)) if with_map else 3.2
    figure = Figure(figsize=(9.6 if with_map else 7.6, height), layout="constrained")
    if ground is not None and expected is not None:
        grid = figure.add_gridspec(1, 2, width_ratios=(1.5, 1.0))
        axes = figure.add_subplot(grid[0])
        draw_field(figure, axes, ground, expected, "expected events per cell")
        _rings(axes, places, mark_sizes(marks, len(places)))
        _mark_legend(axes, marks, len(places))
        headline(axes, "expected events", f"rings: last {len(places)} known")
        column = grid[1].subgridspec(2, 1)
        count, growth = figure.add_subplot(column[0]), figure.add_subplot(column[1])
    else:
        count, growth = list(figure.subplots(1, 2))
    for axes in (count, growth):
        tidy(axes)
    top = int(max(np.quantile(numbers, 0.995), 1))
    width = max(1, -(-top // 40))
    edges = np.arange(-0.5, top + width, width)
    heights, _ = np.histogram(numbers, edges)
    count.stairs(100.0 * heights / len(numbers), edges, fill=True, color=MODEL, alpha=0.75)
    count.axvline(float(numbers.mean()), color=INK, linewidth=1.0)
    label(count, "events", "catalogues (%)")
    headline(count, "number of events", f"mean {numbers.mean():.3g}")
    after, quantiles = fan
    low, lower, middle, upper, high = quantiles
    growth.fill_between(after, low, high, color=MODEL, alpha=0.18, linewidth=0)
    growth.fill_between(after, lower, upper, color=MODEL, alpha=0.35, linewidth=0)
    growth.plot(after, middle, color=MODEL, linewidth=1.4)
    growth.set(xlim=(0, after[-1]), ylim=(0, None))
    for axis in (count.xaxis, growth.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    label(growth, f"{clock.unit or 'time'} after the start", "events so far")
    headline(growth, "how the number grows", "50 %, 95 %")
    figure.suptitle(plain(when, 80), fontsize=10, color=INK, x=0.01, ha="left")
    return figure
