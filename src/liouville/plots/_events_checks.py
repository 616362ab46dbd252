"""Figures that judge a point process: residuals, likelihoods, marks, triggering."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liouville.plots._clock import Clock
from liouville.plots._events import mark_parts
from liouville.plots._style import (
    DENSITY,
    FAINT,
    INK,
    MARK,
    MODEL,
    MUTED,
    headline,
    label,
    panels,
    plain,
    sheet,
    tidy_bar,
)
from liouville.plots._training import moving_average

_LEVEL = 0.95
_MOST_NUMBERS, _MOST_NAMES = 12, 40  # kinds of which numbers, or names, can be read
_BINS = 20


def residual_figure(
    gaps: np.ndarray, levels: np.ndarray | None, names: Sequence[str], p_values: Sequence[float]
) -> Figure:
    """Rescaled times against the exponential law, levels of coordinates against the uniform one.

    Bands hold the whole curve with probability 95 % if the model is true (Kolmogorov). Gaps are
    the rescaled times, shape ``(n,)``; levels, shape ``(n, dim)``, and names are of coordinates;
    p-values are of the Kolmogorov-Smirnov tests of times, then of coordinates.
    """
    columns = [] if levels is None else list(levels.T)
    figure, axes = panels(1 + 2 * len(columns), 0.92, width=2.9, most=5, share=False)
    _quantiles(axes[0], gaps, p_values[0])
    for number, column in enumerate(columns):
        own = axes[1 + 2 * number : 3 + 2 * number]
        _levels(own[0], column, names[number], p_values[number + 1])
        _histogram(own[1], column, names[number])
    return figure


def _ranks(n: int) -> tuple[np.ndarray, float]:
    """Levels of ordered values, and how far a true curve stays from them (Kolmogorov)."""
    from scipy.stats import kstwo  # slow to import

    return (np.arange(n) + 0.5) / n, float(kstwo.ppf(_LEVEL, n))


def _quantiles(axes: Axes, gaps: np.ndarray, p_value: float) -> None:
    level, reach = _ranks(len(gaps))
    theory = -np.log1p(-level)
    p = np.linspace(0.0, level[-1], 400)
    x = -np.log1p(-p)
    top = 1.05 * max(float(theory[-1]), float(gaps.max()))
    low = -np.log1p(-np.clip(p - reach, 0.0, 1.0))
    with np.errstate(divide="ignore"):
        high = np.minimum(-np.log1p(-np.minimum(p + reach, 1.0)), 2 * top)
    axes.fill_between(x, low, high, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    axes.plot([0, top], [0, top], color=MUTED, linewidth=0.8)
    axes.plot(theory, np.sort(gaps), color=MODEL, marker=".", markersize=3, linewidth=0.8)
    axes.set(xlim=(0, 1.02 * float(theory[-1])), ylim=(0, top))
    label(axes, "exponential law", "rescaled times")
    headline(axes, "times", f"p = {p_value:.2g}")


def _levels(axes: Axes, levels: np.ndarray, name: str, p_value: float) -> None:
    ranks, reach = _ranks(len(levels))
    x = np.linspace(0.0, 1.0, 3)
    axes.fill_between(x, x - reach, x + reach, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
    axes.plot(ranks, np.sort(levels), color=MODEL, linewidth=1.3)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    label(axes, "uniform law", "level of the event")
    headline(axes, plain(name, 18), f"p = {p_value:.2g}")


def _histogram(axes: Axes, levels: np.ndarray, name: str) -> None:
    n = len(levels)
    bins = int(np.clip(n // 10, 5, _BINS))
    # About the central 95 % of a binomial count, bin by bin.
    spread = 1.96 * np.sqrt(max(bins - 1, 1) / n)
    axes.axhspan(1.0 - spread, 1.0 + spread, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    heights, edges = np.histogram(levels, bins, (0.0, 1.0), density=True)
    axes.stairs(heights, edges, fill=True, color=MODEL, alpha=0.6)
    axes.axhline(1.0, color=MUTED, linewidth=0.8)
    axes.set(xlim=(0, 1), ylim=(0, max(1.6, 1.1 * float(heights.max()))))
    label(axes, "level of the event", "density")
    headline(axes, plain(name, 18), "should be flat")


def event_likelihoods(
    clock: Clock,
    times: np.ndarray,
    series: Mapping[str, np.ndarray],
    parts: Sequence[tuple[str, float]] = (),
) -> Figure:
    """Log-likelihoods of single events over time, with their moving average.

    The series are values of each event, shape ``(n,)``, by name; `parts` is name and begin of the
    parts of the data.
    """
    figure, axes = sheet(8.6, 1.9 * len(series) + 0.4, rows=len(series), sharex=True)
    x = clock.values(times)
    for panel, (name, values) in zip(axes, series.items(), strict=True):
        size = float(np.clip(60.0 / len(values) ** 0.5, 1.5, 4.0))
        panel.plot(x, values, ".", color=MODEL, markersize=size, alpha=0.4, markeredgewidth=0)
        span = max(1.0, len(values) / 40)
        panel.plot(x, moving_average(values, span), color=MODEL, linewidth=1.4)
        low, high = np.quantile(values, [0.002, 0.998])
        pad = 0.08 * (high - low) or 0.5
        panel.set_ylim(low - pad, high + pad)
        label(panel, y="nats")
        headline(panel, plain(name, 60), f"mean {values.mean():.3f}")
        mark_parts(panel, clock, parts, named=panel is axes[0])
    clock.dress(axes[-1])
    return figure


def magnitude_figure(
    marks: Mapping[str, np.ndarray],
    grid: np.ndarray,
    survival: np.ndarray,
    name: str,
    note: str = "",
) -> Figure:
    """The share of events above each mark on a log scale, the data against the law.

    Marks of the events, shape ``(n,)``, come by part; `survival` is the chance of a mark of `grid`
    or more, both of shape ``(m,)``; `note` is a remark, such as the b-value.
    """
    figure, (axes,) = sheet(4.8, 3.5)
    shades = (INK, MARK, MUTED)
    least = 1.0
    for shade, (part, values) in zip(shades, marks.items()):
        ordered, counts = np.unique(values, return_counts=True)
        above = counts[::-1].cumsum()[::-1] / len(values)
        least = min(least, float(above.min()))
        axes.plot(ordered, above, "o", markersize=3, color=shade, label=f"{part} ({len(values):,})")
    shown = survival > 0.3 * least
    axes.plot(grid[shown], survival[shown], color=MODEL, linewidth=1.5, label="model")
    axes.set_yscale("log")
    label(axes, name, "share of events as large or larger")
    axes.legend(frameon=False, fontsize=8)
    headline(axes, plain(f"law of the {name}", 30), note)
    return figure


def kinds_figure(kinds: Sequence[str], shares: np.ndarray, law: np.ndarray) -> Figure:
    """The share of each kind in the data and its probability under the law, shapes ``(kinds,)``."""
    figure, (axes,) = sheet(4.8, 0.32 * len(kinds) + 1.2)
    rows = np.arange(len(kinds))
    axes.barh(rows, shares, color=FAINT, label="data")
    axes.plot(law, rows, "o", color=MODEL, markersize=5, label="model")
    axes.set_yticks(rows, [plain(kind, 24) for kind in kinds])
    axes.invert_yaxis()
    label(axes, "share of events")
    axes.legend(frameon=False, fontsize=8)
    return figure


def offspring_figure(
    kinds: Sequence[str], matrix: np.ndarray, errors: np.ndarray, branching_ratio: float
) -> Figure:
    """How many events of each kind (columns) one of a kind (rows) triggers directly.

    Both arrays have the shape ``(kinds, kinds)``; numbers are written where there are few kinds.
    """
    count = len(kinds)
    with_numbers = count <= _MOST_NUMBERS
    side = float(np.clip((0.62 if with_numbers else 0.22) * count, 2.6, 8.0))
    figure, (axes,) = sheet(side + 2.4, side + 1.2)
    top = max(float(matrix.max()), 1e-12)
    image = axes.imshow(matrix, cmap=DENSITY, vmin=0.0, vmax=top, aspect="equal")
    if count <= _MOST_NAMES:
        names = [plain(kind, 18) for kind in kinds]
        axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 3 else 0)
        axes.set_yticks(range(count), names)
    axes.tick_params(length=0, labelsize=8)
    for side_ in axes.spines.values():
        side_.set_visible(False)
    for i, j in np.ndindex(matrix.shape) if with_numbers else ():
        shade = "white" if matrix[i, j] > 0.7 * top else INK
        text = f"{matrix[i, j]:.2f}"
        if np.isfinite(errors[i, j]):
            text += f"\n±{errors[i, j]:.2f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=7, color=shade, linespacing=1.1)
    label(axes, "kind of the event that is triggered", "kind of the event")
    tidy_bar(figure.colorbar(image, ax=axes, fraction=0.05, shrink=0.8, pad=0.02, aspect=28), "")
    headline(axes, "offspring", f"branching ratio {branching_ratio:.2f}")
    return figure


def triggering_figure(
    clock: Clock,
    elapsed: np.ndarray,
    weights: np.ndarray,
    rates: Mapping[str, np.ndarray],
    distances: np.ndarray,
    zones: Mapping[str, np.ndarray],
    length: str,
) -> Figure:
    """What one event adds: to the rate, to the weight of its surroundings, and how far away.

    Without zones, of events in time alone, the first of these is all there is.

    Args:
        clock: Of the times.
        elapsed: Times since the event, shape ``(m,)``.
        weights: Weight of the zones of an event over that of the background, at the quantiles 10,
            50 and 90 % over events, shape ``(3, m)``.
        rates: Events per unit of time that one event triggers directly, by its description; may be
            empty.
        distances: Shape ``(r,)``.
        zones: Density of a child at these distances per unit of area, by time since the event; may
            be empty, if rates are not.
        length: The unit of length.
    """
    count = bool(rates) + 2 * bool(zones)
    figure, axes = sheet(3.4 * count + 0.6, 3.1, columns=count)
    for panel in axes:
        panel.set(xscale="log", yscale="log")
    since = f"{clock.unit or 'time'} since the event"
    if rates:
        panel = axes.pop(0)
        _lines(panel, elapsed, rates)
        label(panel, since, f"events per {clock.per}")
        if len(rates) > 1:
            panel.legend(frameon=False, fontsize=8)
        headline(panel, "triggered rate")
    if not zones:
        return figure
    weight, zone = axes
    weight.fill_between(elapsed, weights[0], weights[2], color=MODEL, alpha=0.2, linewidth=0)
    weight.plot(elapsed, weights[1], color=MODEL, linewidth=1.4)
    _floor(weight, weights)
    label(weight, since, "weight over the background")
    headline(weight, "weight of an event", "10 to 90 % of events")
    _lines(zone, distances, zones)
    density = "density per km²" if length == "km" else "density"
    label(zone, f"distance ({length})" if length else "distance", density)
    zone.legend(frameon=False, fontsize=8)
    headline(zone, "where it acts")
    return figure


def _lines(axes: Axes, x: np.ndarray, lines: Mapping[str, np.ndarray]) -> None:
    """Up to three curves with names."""
    for shade, (name, values) in zip((MODEL, MARK, MUTED), lines.items()):
        axes.plot(x, np.maximum(values, 1e-300), color=shade, lw=1.4, label=plain(name))
    _floor(axes, np.concatenate(list(lines.values())))


def _floor(axes: Axes, values: np.ndarray, orders: float = 8.0) -> None:
    """Cuts a log axis where values are too small to matter."""
    top = float(np.max(values))
    if top > 0:
        low = float(np.min(values[values > 0]))
        axes.set_ylim(max(0.7 * low, top * 10.0**-orders), 1.6 * top)
