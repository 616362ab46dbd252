"""A film of the moving density."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from liouville.plots._clock import Clock, clock_of
from liouville.plots._density import density_norm, draw_cells, draw_histogram
from liouville.plots._fields import line_density, moving_density
from liouville.plots._gif import film_clock, film_sheet, write_film
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._plane import limits_of, plane_of
from liouville.plots._style import Scenery, frame_plane, name_axes, show_field
from liouville.plots._view import View

_MOST_CELLS = 1200  # of one snapshot

# A panel, and what moves all its parts to the frame with this number and time.
_Stage = tuple[Axes, Callable[[int, float], None]]


def density_movie(
    model: DrawableModel,
    path: Path,
    snapshots: DrawableSnapshots | None = None,
    view: View | None = None,
    *,
    frames: int = 40,
    say: Callable[[str], None] | None = None,
    scenery: Scenery | None = None,
) -> Path:
    """Writes a GIF of the density from the first time to the last.

    One colour scale holds for all frames. Data, if any, fade in and out around their own time; the
    strip at the foot shows where the frame stands between the snapshots. `view` and `scenery`
    are as in ``density_panels``; `say` is told in words how far the work has come.
    """
    clock = clock_of(model, snapshots)
    times = np.linspace(model.interval[0], model.interval[1], frames)
    if model.dim == 1:
        axes, show = _line_stage(model, snapshots, times, clock)
    else:
        axes, show = _plane_stage(model, snapshots, view, times, clock, scenery)
    return write_film(path, axes, times, show, 5.0, say)


def _plane_stage(
    model: DrawableModel,
    snapshots: DrawableSnapshots | None,
    view: View | None,
    times: np.ndarray,
    clock: Clock,
    scenery: Scenery | None,
) -> _Stage:
    """The density as an image with the data on top."""
    plane = plane_of(model, snapshots, view)
    fields = moving_density(model, times, plane.window, plane.view, 100)
    axes, strip = film_sheet(plane.window.ratio)
    image = show_field(axes, fields[0], plane.window.extent, density_norm(fields))
    frame_plane([axes], plane, None, times[:1])
    axes.set_aspect("auto")
    seen = [] if snapshots is None else np.asarray(snapshots.distinct_times, float).tolist()
    crowds = [
        draw_cells(axes, plane.seen(t), clock, t, _MOST_CELLS, alpha=0.0, larger=1.0, zorder=1)
        for t in seen
    ]
    move = _hand(axes, strip, clock, np.asarray(model.times, float))
    standing: list[Artist] = []

    def show(index: int, t: float) -> None:
        image.set_data(fields[index])
        if scenery is not None:
            for artist in standing:
                artist.remove()
            standing[:] = scenery(axes, np.array([t]))
        for own, crowd in zip(seen, crowds, strict=True):
            alpha = _nearness(t, own, seen)
            crowd.set(alpha=alpha, visible=alpha > 0.0)  # what nobody sees takes as long to draw
        move(t)

    return axes, show


def _line_stage(
    model: DrawableModel, snapshots: DrawableSnapshots | None, times: np.ndarray, clock: Clock
) -> _Stage:
    """The density of a one-dimensional model as a curve over fading histograms."""
    if snapshots is not None:
        values, seen = np.asarray(snapshots.points, float)[:, 0], np.asarray(snapshots.times, float)
    else:
        values = np.concatenate([model.sample(float(t), 500)[:, 0] for t in times[[0, -1]]])
        seen = np.repeat(times[[0, -1]], 500)
    limits = limits_of(values, seen)
    x = np.linspace(*limits, 300)
    curves = np.stack([line_density(model, float(t), x) for t in times])
    axes, strip = film_sheet(0.6)
    (line,) = axes.plot(x, curves[0], linewidth=2.0, zorder=2)
    top = float(curves.max(initial=0.0))
    bars = []
    for s in np.unique(seen).tolist() if snapshots is not None else []:
        heights = draw_histogram(axes, values[seen == s], limits, clock.colour(s))
        bars.append((s, axes.patches[-1]))
        top = max(top, float(heights.max(initial=0.0)))
    axes.set(xlim=limits, ylim=(0.0, 1.06 * top if top > 0 else 1.0))
    name_axes([axes], model.features[0], "density")
    move = _hand(axes, strip, clock, np.asarray(model.times, float))

    def show(index: int, t: float) -> None:
        line.set_ydata(curves[index])
        line.set_color(clock.colour(t))
        for s, bar in bars:
            bar.set_alpha(0.35 * _nearness(t, s, [q for q, _ in bars]))
        move(t)

    return axes, show


def _hand(axes: Axes, strip: Axes, clock: Clock, known: np.ndarray) -> Callable[[float], None]:
    """A strip of time with a mark per snapshot; returns what moves its hand."""
    colours = [clock.colour(float(t)) for t in known]
    strip.scatter(known, np.zeros(len(known)), s=22, color=colours, clip_on=False, zorder=1)
    # As many decimals as show the steps of the hand.
    span = max(clock.last - clock.first, 1e-12)
    digits = int(np.clip(np.ceil(1.3 - np.log10(span)), 0, 6))
    ends = np.array([clock.first, clock.norm.vmax], float)
    move = film_clock(axes, strip, clock, ends, f".{digits}f")
    few = known if len(known) <= 12 else known[[0, -1]]
    strip.set_xticks([float(t) for t in few], [f"{t:.4g}" for t in few])
    return move


def _nearness(t: float, seen: float, known: Sequence[float]) -> float:
    """How visible data of time ``seen`` are at time ``t``, from 0 to 0.85.

    Data are gone before half the way to the next snapshot, so two never mix.
    """
    others = [abs(seen - s) for s in known if s != seen]
    reach = 0.45 * min(others) if others else np.inf
    return 0.85 * max(0.0, 1.0 - (abs(t - seen) / reach) ** 2)
