"""Figures of genes: how they change on the way to a fate, and which change most."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from liouville.plots._clock import Clock
from liouville.plots._fields import some_of
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


@runtime_checkable
class DrawableTrends(Protocol):
    """The expression of genes by time, as `liouville.cells.trends` gives it."""

    @property
    def genes(self) -> tuple[str, ...]:
        """Their names."""
        ...

    @property
    def times(self) -> np.ndarray:
        """Shape ``(times,)``."""
        ...

    @property
    def mean(self) -> np.ndarray:
        """Shape ``(times, genes)``."""
        ...

    @property
    def error(self) -> np.ndarray:
        """The standard error of the mean, shape ``(times, genes)``."""
        ...

    def heat_map(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard scores over the times, shape ``(genes, times)``, in an order, and the order."""
        ...


def gene_trends(
    trends: Mapping[str, DrawableTrends],
    genes: Sequence[str] | None = None,
    *,
    colours: Colours | None = None,
    clock: Clock | None = None,
) -> Figure:
    """The expression of genes against time on the way to each fate, one panel a gene.

    Lines are means over cells, bands reach two standard errors to both sides.

    Args:
        trends: By fate, all of the same genes.
        genes: Which of them, in order; by default all. Of more than 24 the first are drawn.
        colours: By fate; by default a fixed order.
        clock: How times are said.
    """
    palette, clock = group_colours(list(trends), colours), clock or Clock()
    known = next(iter(trends.values())).genes
    some = list(known if genes is None else genes)[:_MOST_GENES]
    figure, axes = panels(len(some), 0.66, width=2.5, share=False)
    for panel, gene in zip(axes, some, strict=True):
        column = known.index(gene)
        for fate, trend in trends.items():
            mean, error = trend.mean[:, column], 2.0 * trend.error[:, column]
            band = {"color": palette[fate], "alpha": 0.2, "linewidth": 0}
            panel.fill_between(trend.times, mean - error, mean + error, **band)
            line = {"color": palette[fate], "linewidth": 1.6, "label": plain(fate, 24)}
            panel.plot(trend.times, mean, **line)
        headline(panel, plain(gene, 20))
    axes[0].legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.2)
    name_axes(axes, clock.label, "expression")
    return figure


def gene_heat_map(
    trends: DrawableTrends, *, clock: Clock | None = None, axes: Axes | None = None
) -> Axes:
    """The expression of many genes against time, a row each, in deviations from its own mean.

    Genes stand in the order of the time at which they are highest; of more than 60 that many are
    drawn, evenly.

    Args:
        trends: The expression, at evenly spaced times.
        clock: How times are said.
        axes: Where to draw; by default a new figure, which a notebook shows.
    """
    times, clock = np.asarray(trends.times, float), clock or Clock()
    rows, order = trends.heat_map()
    some = some_of(np.arange(len(order)), _MOST_ROWS)
    place = canvas(axes, 5.2, (_ROW * len(some) + 0.5) / 5.2)
    half = 0.5 * (times[1] - times[0]) if len(times) > 1 else 0.5
    norm = TwoSlopeNorm(0.0, -2.0, 2.0)
    place.imshow(
        rows[some],
        aspect="auto",
        cmap=GROWTH,
        norm=norm,
        extent=(times[0] - half, times[-1] + half, len(some) - 0.5, -0.5),
        interpolation="nearest",
    )
    names = [plain(trends.genes[i], 20) for i in order[some]]
    place.set_yticks(range(len(some)), names, fontsize=7)
    place.tick_params(axis="y", length=0)
    label(place, clock.label)
    figure = place.figure
    assert isinstance(figure, Figure)
    colour_bar(figure, [place], norm, GROWTH, "deviations from the mean")
    return shown(place, axes)
