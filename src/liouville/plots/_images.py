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
    """Draws a table of grey images, dark on white.

    Args:
        images: Shape ``(rows, columns, height, width)``.
        rows: A name for each row.
        columns: A name for each column.
        title: Above the table.
        limits: Values drawn white and black; by default the ends of the data.

    Returns:
        The figure.
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
            panel.set_xticks([])
            panel.set_yticks([])
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


def image_shape(dim: int, text: str | None, is_discrete: bool) -> tuple[int, int] | None:
    """The height and width of samples that are images, or ``None`` if they are none.

    Args:
        dim: Number of coordinates of a sample.
        text: What the user says, such as ``"8x8"``; by default a square of 5 by 5 or more is
            assumed to be an image if all its coordinates are whole steps.
        is_discrete: Whether they are.

    Raises:
        ValueError: If the text is no such shape or does not fit.
    """
    if text is None:
        side = round(dim**0.5)
        return (side, side) if is_discrete and side * side == dim and side >= 5 else None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() for side in sides):
        raise ValueError(f"an image shape is like 8x8, got {text!r}")
    height, width = (int(side) for side in sides)
    if height * width != dim:
        raise ValueError(f"images of {text} have {height * width} pixels, the data {dim} columns")
    return height, width
