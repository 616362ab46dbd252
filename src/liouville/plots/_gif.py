"""Films: a figure with a strip of time below it, frame by frame into a GIF."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from liouville.plots._clock import Clock
from liouville.plots._palette import Palette
from liouville.plots._style import FAINT, INK, MUTED, tidy
from liouville.runs.files import write_bytes

LARGEST_FILE = 1_200_000
DPI = 110
# Margins in inches; a layout engine would make every frame several times slower.
LEFT, RIGHT, TOP, BOTTOM, STRIP = 0.62, 0.2, 0.42, 1.02, 0.5


def film_sheet(ratio: float) -> tuple[Axes, Axes]:
    """A figure's panel of the given shape and a strip below it, at fixed places."""
    width = min(4.6, 4.6 / ratio**0.5)
    height = width * ratio
    across, up = LEFT + width + RIGHT, BOTTOM + height + TOP
    figure = Figure(figsize=(across, up), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((LEFT / across, BOTTOM / up, width / across, height / up))
    strip = figure.add_axes((LEFT / across, (STRIP - 0.1) / up, width / across, 0.12 / up))
    tidy(axes)
    return axes, strip


def film_clock(
    axes: Axes, strip: Axes, clock: Clock, ends: np.ndarray, form: str = ".4g"
) -> Callable[[float], None]:
    """Makes a strip, with its marks drawn, a line of time from the first of `ends` to the last.

    Returns what moves its hand and says the time, in the given form, on the panel.
    """
    ends = clock.values(ends)
    strip.set(xlim=ends, ylim=(-1, 1), yticks=[])
    for side in strip.spines.values():
        side.set_visible(False)
    strip.tick_params(labelsize=8, color=MUTED, labelcolor=INK, length=0, pad=4)
    strip.axhline(0.0, color=FAINT, linewidth=2.0, zorder=0)
    clock.dress(strip)
    (hand,) = strip.plot(ends[:1], [0.0], "o", markersize=9, clip_on=False, zorder=2)
    hand.set(markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.6)
    title = axes.set_title("", loc="left", fontsize=11, color=INK, fontweight="bold")

    def move(t: float) -> None:
        hand.set_xdata([clock.value(t)])
        title.set_text(clock.say(t, form))

    return move


def write_film(
    path: Path,
    axes: Axes,
    times: np.ndarray,
    show: Callable[[int, float], None],
    seconds: float,
    say: Callable[[str], None] | None,
) -> Path:
    """Writes a GIF that rests on its last frame; `show` moves all to a frame and its time."""
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    paint, pictures = _painter(canvas), []
    for index, t in enumerate(times.tolist()):
        show(index, t)
        pictures.append(paint())
        if say is not None:
            say(f"film: frame {index + 1} of {len(times)}")
    step = max(20, round(1000 * seconds / max(len(times), 1)))
    durations = [step] * (len(times) - 1) + [step + 1200]
    data = _encode(pictures, durations)
    for _ in range(6):
        if len(data) <= LARGEST_FILE:
            break
        # Small enough to mail.
        width, height = (int(0.85 * side) for side in pictures[0].size)
        pictures = [p.resize((width, height), Image.Resampling.LANCZOS) for p in pictures]
        data = _encode(pictures, durations)
    return write_bytes(Path(path), data)


def _painter(canvas: FigureCanvasAgg) -> Callable[[], Image.Image]:
    """What paints a frame: ticks and their labels, most of the work, are drawn once for all."""
    still: set[Artist] = set()
    for panel in canvas.figure.axes:
        still |= {panel.patch, panel.xaxis, panel.yaxis}
        if not (panel.axison and panel.get_frame_on()):
            still |= set(panel.spines.values())

    def moving() -> list[Artist]:
        """All others, the lowest of a panel first; a frame may have some that the last had not."""
        return [
            artist
            for panel in canvas.figure.axes
            for artist in sorted(panel.get_children(), key=lambda artist: artist.get_zorder())
            if artist not in still
        ]

    for artist in moving():
        artist.set_animated(True)
    canvas.draw()
    ground = canvas.copy_from_bbox(canvas.figure.bbox)

    def paint() -> Image.Image:
        canvas.restore_region(ground)
        for artist in moving():
            artist.draw(canvas.get_renderer())
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())

    return paint


def _encode(pictures: list[Image.Image], durations: list[int]) -> bytes:
    """GIF bytes; one palette for all frames, so that colours stand still."""
    palette = Palette.of(pictures[:: max(1, len(pictures) // 8)])
    frames = [palette.index(picture) for picture in pictures]
    out = io.BytesIO()
    frames[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        optimize=False,
    )
    return out.getvalue()
