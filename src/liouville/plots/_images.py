"""Grids of small images: samples that are pictures, and how they come out of noise."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from liouville.plots._style import FAINT, INK, plain


def image_grid(
    images: np.ndarray,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    title: str = "",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draws a table of grey images, dark on white, with names of rows and columns.

    Images have shape ``(rows, columns, height, width)``; `limits` are the values drawn white and
    black, by default the ends of the data.
    """
    down, across, height, width = images.shape
    low, high = limits if limits is not None else (float(images.min()), float(images.max()))
    size = 0.62
    figure = Figure(
        figsize=(size * across + 1.0, size * down * height / width + 0.7), layout="constrained"
    )
    axes = figure.subplots(down, across, squeeze=False)
    for i in range(down):
        for j in range(across):
            panel = axes[i, j]
            panel.imshow(images[i, j], cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
            panel.set(xticks=[], yticks=[])
            for spine in panel.spines.values():
                spine.set_edgecolor(FAINT)
        if rows is not None:
            axes[i, 0].set_ylabel(
                plain(rows[i]), rotation=0, ha="right", va="center", color=INK, fontsize=9
            )
    if columns is not None:
        for panel, name in zip(axes[0], columns, strict=True):
            panel.set_title(plain(name), color=INK, fontsize=9)
    if title:
        figure.suptitle(plain(title, 90), color=INK, fontsize=11)
    return figure
