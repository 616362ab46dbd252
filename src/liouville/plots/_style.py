"""The look of all figures: colours, panels, axes, labels.

Styles are set on each artist and never through ``rcParams``, so that drawing a figure
leaves the user's own settings alone.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from liouville.plots._plane import Plane
from liouville.runs.notebook import show

# Draws what stands in the plane at some of the times, such as obstacles, on axes whose limits are
# set; returns what it drew, which a film removes.
Scenery = Callable[[Axes, np.ndarray], list[Artist]]

_TALL = 1.3  # height over width of panels of which more fit in a row

INK = "#1f2933"
MUTED = "#66727f"
FAINT = "#d5dbe1"
MODEL = "#0072b2"
MARK = "#d55e00"

# Lightness falls evenly from white; the dark end stays lighter than the points drawn on top.
DENSITY = LinearSegmentedColormap.from_list(
    "density", ["#ffffff", "#e1eaf2", "#bdd0e0", "#98b5cd", "#739ab9", "#517fa3", "#36658b"]
)
# Both are perceptually uniform; their pale ends are cut off, as lines and dots of them must have a
# contrast of three to white (WCAG 2.1, 1.4.11).
TIME = ListedColormap(matplotlib.colormaps["plasma"](np.linspace(0.0, 0.64, 256)), "time")
SPEED = ListedColormap(matplotlib.colormaps["gray_r"](np.linspace(0.44, 0.97, 256)), "speed")
# Shares of one: pale where there is none, so that the few that have some stand out.
SHARE = LinearSegmentedColormap.from_list(
    "share", ["#e4e7eb", "#f1c9a5", "#e4885a", "#bb3f67", "#53186b"]
)
# Rates: blue shrinks, grey is at rest, red grows.
GROWTH = LinearSegmentedColormap.from_list(
    "growth", ["#2166ac", "#74a9cf", "#d9d9d9", "#ef8a62", "#b2182b"]
)
# A cost or a potential: dear is dark. Its pale end is for areas, never for lines.
COST = LinearSegmentedColormap.from_list(
    "cost", ["#f4f1e8", "#e8cfa6", "#d9a06b", "#bd6a4b", "#8a3a3f", "#4a1a33"]
)
# Groups: far apart also for the colour blind, dark enough for dots on white; the test of the
# palette says how far.
GROUPS = (
    *("#0072b2", "#d55e00", "#009e73", "#6a1f6e", "#781e0f", "#3c96a5", "#0078f0", "#780f3c"),
    *("#003ca5", "#d22d4b", "#a53c0f", "#3c96f0", "#784b69", "#d2693c", "#2d96c3", "#3c693c"),
)
# All colours of lines, dots and letters.
PALETTE = (INK, MUTED, MODEL, MARK, *GROUPS)


def plain(text: str, longest: int = 40) -> str:
    """Text that matplotlib draws letter by letter, cut if it is very long."""
    text = " ".join(str(text).split())
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return text.replace("$", r"\$")


class Sheet(Figure):
    """A figure that a notebook shows, without the state of pyplot."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=110, facecolor="white", bbox_inches="tight")
        return out.getvalue()


def canvas(axes: Axes | None, width: float, ratio: float) -> Axes:
    """The axes that are given, tidied, or those of a new figure, so wide and high over wide."""
    if axes is None:
        figure = Sheet(figsize=(width, width * ratio + 0.3), layout="constrained")
        axes = figure.subplots()
    tidy(axes)
    return axes


def shown(drawn: Axes, given: Axes | None) -> Axes:
    """What was drawn, after a notebook has shown it unless the user's own axes were given."""
    if given is None:
        show(drawn.figure)
    return drawn


def narrower(width: float, ratio: float) -> float:
    """The width of a panel that is no larger in area for being higher than wide."""
    return width / max(ratio, 1.0) ** 0.5


def panels(
    count: int, ratio: float = 0.75, width: float = 2.9, most: int = 4, share: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels in rows of equal length, and they in reading order.

    `ratio` is height over width of a panel, `width` in inches, `most` the largest number in a row,
    exceeded when there would be many rows or panels are tall. Panels that `share` axes have ticks
    on the outside only.
    """
    most = most if count <= 3 * most and ratio <= _TALL else most + 2
    rows = -(-count // most)
    columns = -(-count // rows)
    width = narrower(max(width, 4.2) if count == 1 else width, ratio)
    figure = Sheet(
        figsize=(columns * width + 1.0, rows * (width * ratio + 0.42) + 0.3), layout="compressed"
    )
    grid = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    axes = list(grid.ravel())
    for spare in axes[count:]:
        spare.set_visible(False)
    for index, panel in enumerate(axes[:count]):
        tidy(panel)
        if share and index + columns >= count:
            panel.tick_params(labelbottom=True)
    return figure, axes[:count]


def sheet(
    width: float, height: float, rows: int = 1, columns: int = 1, **more: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of a size in inches and its tidy panels; `more` goes to ``Figure.subplots``."""
    figure = Sheet(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, **more).flat)
    for panel in axes:
        tidy(panel)
    return figure, axes


def tidy(axes: Axes) -> None:
    """Thin lines, small ticks, no box."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=MUTED, linewidth=0.7)
    axes.tick_params(labelsize=8, color=MUTED, labelcolor=INK, width=0.7, length=3)
    axes.locator_params(nbins=5)


def label(axes: Axes, x: str = "", y: str = "") -> None:
    """Labels of the axes of one panel."""
    if x:
        axes.set_xlabel(plain(x), fontsize=9, color=INK)
    if y:
        axes.set_ylabel(plain(y), fontsize=9, color=INK)


def headline(axes: Axes, text: str, note: str = "") -> None:
    """A title on the left and a small remark on the right."""
    axes.set_title(text, loc="left", fontsize=10, color=INK, fontweight="bold", pad=5)
    if note:
        axes.set_title(note, loc="right", fontsize=8, color=MUTED, pad=5)


def name_axes(axes: Sequence[Axes], x: str, y: str) -> None:
    """Labels below the lowest panels and left of the first ones."""
    for index, panel in enumerate(axes):
        place = panel.get_subplotspec()
        columns = 1 if place is None else place.get_gridspec().ncols
        label(panel, x if index + columns >= len(axes) else "", "" if index % columns else y)


def frame_plane(
    axes: Sequence[Axes],
    plane: Plane,
    scenery: Scenery | None = None,
    times: Iterable[Any] | None = None,
) -> None:
    """Limits, aspect, ticks, labels and scenery of panels that show the plane, each at its times.

    A panel shows one time, or several, which only the scenery asks for.
    """
    for panel, shown in zip(axes, [None] * len(axes) if times is None else times, strict=True):
        panel.set(xlim=plane.window.x, ylim=plane.window.y)
        if plane.window.equal:
            panel.set_aspect("equal", adjustable="box")
        if not plane.view.has_scale:
            panel.set(xticks=[], yticks=[])
        if scenery is not None:
            scenery(panel, np.atleast_1d(np.asarray(shown, float)))
    name_axes(axes, *plane.view.labels)


def show_field(
    axes: Axes,
    field: np.ndarray,
    extent: tuple[float, float, float, float],
    norm: Normalize,
    interpolation: str = "bilinear",
) -> AxesImage:
    """A field ``(rows, columns)``, lowest row first, as an image below everything else."""
    return axes.imshow(
        field,
        origin="lower",
        extent=extent,
        norm=norm,
        cmap=DENSITY,
        interpolation=interpolation,
        aspect="auto",
        zorder=0,
    )


def colour_bar(
    figure: Figure,
    axes: Sequence[Axes],
    norm: Normalize,
    colours: Colormap,
    label: str,
    ticks: np.ndarray | None = None,
) -> Colorbar:
    """A slim colour bar to the right of the panels."""
    single = len(axes) == 1
    place = axes[0].get_subplotspec()
    rows = place.get_gridspec().nrows if place is not None else 1
    bar = figure.colorbar(
        ScalarMappable(norm, colours),
        ax=list(axes),
        fraction=0.05 if single else 0.03,
        shrink=0.8 if rows == 1 else 0.5,
        aspect=28 if rows == 1 else 17 * rows,
        pad=0.02,
    )
    tidy_bar(bar, label)
    if ticks is not None:
        bar.set_ticks([float(t) for t in ticks], labels=[f"{t:.4g}" for t in ticks])
        bar.minorticks_off()
    return bar


def tidy_bar(bar: Colorbar, label: str) -> None:
    """Small ticks, no outline, and a label."""
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    bar.ax.tick_params(labelsize=8, color=MUTED, labelcolor=INK, width=0.7, length=3)
    bar.set_label(plain(label), fontsize=9, color=INK)


def scatter_size(count: int) -> float:
    """Area of a marker in square points: the more points, the smaller."""
    return float(np.clip(1600.0 / max(count, 1), 2.5, 16.0))
