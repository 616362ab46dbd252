"""The moving picture of README: snapshots, density and streamlines of a run, side by side.

`python benchmarks/hero.py RUN` writes docs/images/moving.gif from a run of cells in the plane, such
as the one that `liouville demo` leaves, and the data in it.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

import liouville as lv
from liouville.plots import DENSITY, INK, MUTED, sheet

PLACE = Path(__file__).parents[1] / "docs" / "images" / "moving.gif"
FRAMES, MILLISECONDS, GRID, COLOURS = 36, 130, 120, 48
TITLES = ("snapshots", "density", "streamlines")


def field(model, t: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Density and velocity at points."""
    return np.exp(model.log_density(t, x)), model.velocity(t, x)


def draw(cells, grid, t: float, density, velocity, step: float) -> Image.Image:
    """One frame."""
    figure, (left, middle, right) = sheet(9.6, 3.5, 1, 3, sharex=True, sharey=True)
    extent = (*grid[0][[0, -1]], *grid[1][[0, -1]])
    away = np.abs(cells.times - t)
    for axes, title in zip((left, middle, right), TITLES, strict=True):
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
        axes.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[])
    for own in np.unique(cells.times):
        near = float(np.clip(1.0 - np.abs(own - t) / 0.7, 0.06, 1.0))
        x = cells.points[cells.times == own]
        left.scatter(x[:, 0], x[:, 1], s=3, c="#0072b2", alpha=near, linewidths=0)
    image = {"extent": extent, "origin": "lower", "aspect": "auto", "cmap": DENSITY}
    middle.imshow(np.sqrt(density), vmin=0.0, **image)
    right.imshow(np.sqrt(density), vmin=0.0, alpha=0.4, **image)
    hidden = density < 0.02 * density.max()
    u, v = (np.where(hidden, np.nan, velocity[..., i]) for i in range(2))
    right.streamplot(*grid, u, v, color=INK, density=1.1, linewidth=0.8, arrowsize=0.8)
    nearest = cells.times[away.argmin()]
    seen = "seen" if away.min() < step else f"not seen: nearest snapshot {nearest:g}"
    figure.suptitle(f"day {t:.1f}", x=0.99, ha="right", fontsize=11, color=INK)
    middle.set_xlabel(seen, fontsize=9, color=MUTED)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100, facecolor="white")
    return Image.open(out).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    model = lv.load(options.run)
    cells = lv.read_cells(options.run / "cells.csv")
    low, high = cells.points.min(axis=0), cells.points.max(axis=0)
    room = 0.06 * (high - low)
    grid = [np.linspace(a, b, GRID) for a, b in zip(low - room, high + room, strict=True)]
    x = np.stack(np.meshgrid(*grid), axis=-1)
    times = np.linspace(*model.interval, FRAMES)
    found = [field(model, t, x) for t in times]
    step = 0.5 * (times[1] - times[0])
    frames = [draw(cells, grid, t, *each, step) for t, each in zip(times, found, strict=True)]
    frames = [frame.quantize(COLOURS, dither=Image.Dither.NONE) for frame in frames]
    pause = [MILLISECONDS] * (FRAMES - 1) + [1500]
    frames[0].save(PLACE, save_all=True, append_images=frames[1:], duration=pause, loop=0)
    print(f"{PLACE.name} {frames[0].size} {PLACE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
