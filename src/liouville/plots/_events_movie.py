"""A film of a moving intensity, with events as they happen."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from liouville.plots._clock import Clock
from liouville.plots._events import Ground, log_norm, logarithm, mark_sizes, show_logarithm
from liouville.plots._gif import film_clock, film_sheet, write_film
from liouville.plots._style import MARK, MUTED

_FADING = 8.0
"""Frames until an event is as pale as the old ones."""


def event_movie(
    path: Path,
    ground: Ground,
    clock: Clock,
    frames: np.ndarray,
    fields: np.ndarray,
    times: np.ndarray,
    places: np.ndarray,
    marks: np.ndarray | None = None,
    *,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Writes a GIF of the intensity at given times, one log scale of colours for all frames.

    Events are rings that fade in the frames after theirs; the strip below shows all of them and
    where the frame stands. `frames` are rising times, shape ``(f,)``, and `fields` intensities on
    the grid of the plane, shape ``(f, rows, columns)``; `marks` make rings larger.
    """
    axes, strip = film_sheet(ground.ratio)
    norm = log_norm(fields)
    image = show_logarithm(axes, ground, fields[0], norm)
    place = axes.get_position()
    ground.dress(axes)
    axes.set_aspect("auto")
    axes.set_position(place)
    sizes = mark_sizes(marks, len(times)) + 6.0
    old = axes.scatter([], [], s=4.0, color=MUTED, linewidths=0, alpha=0.5)
    rings = axes.scatter([], [], facecolors="none", linewidths=1.1, zorder=3)
    shown = times[(times >= frames[0]) & (times <= frames[-1])]
    strip.vlines(clock.values(shown), -0.9, 0.9, color=MUTED, linewidth=0.6, alpha=0.6)
    move = film_clock(axes, strip, clock, frames[[0, -1]])
    step = float(frames[1] - frames[0]) if len(frames) > 1 else 1.0

    def show(index: int, t: float) -> None:
        image.set_data(logarithm(fields[index], norm))
        past = times <= t
        age = (t - times) / (step * _FADING)
        fresh = past & (age < 1.0)
        old.set_offsets(places[past & ~fresh])
        rings.set_offsets(places[fresh])
        rings.set_sizes(sizes[fresh])
        rings.set_edgecolor([(MARK, 1.0 - 0.8 * share) for share in age[fresh].tolist()])
        move(t)

    return write_film(path, axes, frames, show, 8.0, say)
