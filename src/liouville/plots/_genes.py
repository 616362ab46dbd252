"""Figures of genes: how they change on the way to a fate, and which change most."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from liouville.plots._clock import Clock
from liouville.plots._groups import Colours, group_colours
from liouville.plots._style import (
    GROWTH,
    INK,
    canvas,
    colour_bar,
    headline,
    label,
    name_axes,
    panels,
    plain,
    shown,
)

_MOST_GENES = 24
_MOST_ROWS = 60
_ROW = 0.17  # inches


class Trend(NamedTuple):
    """The mean of genes by time, and the band around it.

    Attributes:
        times: shape ``(times,)``.
        mean: shape ``(times, genes)``.
        low: lower end of the band, of the same shape.
        high: its upper end.
    """

    times: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def gene_trends(
    trends: Mapping[str, Trend],
    genes: Sequence[str],
    *,
    colours: Colours | None = None,
    clock: Clock | None = None,
) -> Figure:
    """The expression of genes against time on the way to each fate, one panel a gene.

    Args:
        trends: By fate.
        genes: The names of the genes; of more than 24 the first.
        colours: By fate; by default a fixed order.
        clock: How times are said.
    """
    palette, clock = group_colours(list(trends), colours), clock or Clock()
    some = genes[:_MOST_GENES]
    figure, axes = panels(len(some), 0.66, width=2.5, share=False)
    for number, (panel, gene) in enumerate(zip(axes, some, strict=True)):
        for fate, trend in trends.items():
            low, high = trend.low[:, number], trend.high[:, number]
            panel.fill_between(trend.times, low, high, color=palette[fate], alpha=0.2, linewidth=0)
            panel.plot(
                trend.times,
                trend.mean[:, number],
                color=palette[fate],
                linewidth=1.6,
                label=plain(fate, 24),
            )
        headline(panel, plain(gene, 20))
    axes[0].legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.2)
    name_axes(axes, clock.label, "expression")
    return figure


def gene_heat_map(
    times: Sequence[float] | np.ndarray,
    values: np.ndarray,
    genes: Sequence[str],
    *,
    clock: Clock | None = None,
    axes: Axes | None = None,
) -> Axes:
    """The expression of many genes against time, a row each, in deviations from its own mean.

    Args:
        times: Evenly spaced, shape ``(times,)``.
        values: Shape ``(times, genes)``; of more than 60 genes the first are drawn.
        genes: Their names, in the order of the rows.
        clock: How times are said.
        axes: Where to draw; by default a new figure, which a notebook shows.
    """
    times, clock = np.asarray(times, float), clock or Clock()
    some = min(len(genes), _MOST_ROWS)
    rows = np.asarray(values, float)[:, :some].T
    spread = rows.std(axis=1, keepdims=True)
    rows = (rows - rows.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    place = canvas(axes, 5.2, (_ROW * some + 0.5) / 5.2)
    half = 0.5 * (times[1] - times[0]) if len(times) > 1 else 0.5
    norm = TwoSlopeNorm(0.0, -2.0, 2.0)
    place.imshow(
        rows,
        aspect="auto",
        cmap=GROWTH,
        norm=norm,
        extent=(times[0] - half, times[-1] + half, some - 0.5, -0.5),
        interpolation="nearest",
    )
    place.set_yticks(range(some), [plain(gene, 20) for gene in genes[:some]], fontsize=7)
    place.tick_params(axis="y", length=0)
    label(place, clock.label)
    figure = place.figure
    assert isinstance(figure, Figure)
    colour_bar(figure, [place], norm, GROWTH, "deviations from the mean")
    return shown(place, axes)
