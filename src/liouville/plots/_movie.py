"""A film of the moving density."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image
from scipy.spatial import KDTree

from liouville.plots._density import density_norm, draw_histogram
from liouville.plots._fields import (
    data_window,
    limits_of,
    line_density,
    moving_density,
)
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._projection import Projection, default_projection, place_data, thin
from liouville.plots._style import (
    DENSITY,
    FAINT,
    INK,
    MUTED,
    Scenery,
    TimeScale,
    name_axes,
    scatter_size,
    set_scene,
    tidy,
    time_scale,
)
from liouville.runs.files import write_bytes

LARGEST_FILE = 3_000_000
DPI = 110
# Margins in inches; a layout engine would make every frame several times slower.
LEFT, RIGHT, TOP, BOTTOM, STRIP = 0.62, 0.2, 0.42, 1.02, 0.5


@dataclass(frozen=True)
class _Stage:
    """A figure whose moving parts follow a time.

    Args:
        figure: The figure.
        show: Moves all parts to the frame with this number and time.
    """

    figure: Figure
    show: Callable[[int, float], None]


def density_movie(
    model: DrawableModel,
    path: Path,
    snapshots: DrawableSnapshots | None = None,
    projection: Projection | None = None,
    *,
    frames: int = 40,
    seconds: float = 5.0,
    most_cells: int = 1200,
    progress: Callable[[str], None] | None = None,
    scenery: Scenery | None = None,
) -> Path:
    """Write a GIF of the density from the first time to the last.

    One colour scale holds for all frames. Data fade in and out around their own time; the
    strip at the foot shows where the frame stands between the snapshots.

    Args:
        model: The model.
        path: File to write.
        snapshots: Data to show, if any.
        projection: The plane to look at; by default as in ``density_panels``.
        frames: Number of frames.
        seconds: Length of the film.
        most_cells: Most data points to draw from one snapshot.
        progress: Told in words how far the work has come.
        scenery: Draws what stands in the plane.

    Returns:
        The path.
    """
    scale = time_scale(model, snapshots)
    times = np.linspace(model.interval[0], model.interval[1], frames)
    if model.dim == 1:
        stage = _line_stage(model, snapshots, times, scale)
    else:
        projection = projection or default_projection(model, snapshots)
        stage = _plane_stage(model, snapshots, projection, times, scale, most_cells, scenery)
    pictures = []
    for index, t in enumerate(times):
        stage.show(index, float(t))
        pictures.append(_picture(stage.figure))
        if progress is not None:
            progress(f"film: frame {index + 1} of {frames}")
    step = max(20, round(1000 * seconds / max(frames, 1)))
    return write_bytes(Path(path), _gif(pictures, [step] * (frames - 1) + [step + 1200]))


def _plane_stage(
    model: DrawableModel,
    snapshots: DrawableSnapshots | None,
    projection: Projection,
    times: np.ndarray,
    scale: TimeScale,
    most_cells: int,
    scenery: Scenery | None,
) -> _Stage:
    """The density as an image with the data on top."""
    window = data_window(model, snapshots, projection)
    fields = moving_density(model, times, window, projection, 100)
    figure, axes, strip = _sheet(window.ratio)
    image = axes.imshow(
        fields[0],
        origin="lower",
        extent=window.extent,
        norm=density_norm(fields),
        cmap=DENSITY,
        interpolation="bilinear",
        aspect="auto",
    )
    axes.set(xlim=window.x, ylim=window.y)
    set_scene([axes], scenery)
    if not projection.has_scale:
        axes.set(xticks=[], yticks=[])
    name_axes([axes], *projection.labels)
    crowds = _crowds(axes, snapshots, projection, scale, most_cells)
    move_strip = _clock(axes, strip, scale, np.asarray(model.times, float))

    def show(index: int, t: float) -> None:
        image.set_data(fields[index])
        for seen, crowd in crowds:
            crowd.set_alpha(_nearness(t, seen, [s for s, _ in crowds]))
        move_strip(t)

    return _Stage(figure, show)


def _line_stage(
    model: DrawableModel,
    snapshots: DrawableSnapshots | None,
    times: np.ndarray,
    scale: TimeScale,
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
    figure, axes, strip = _sheet(0.6)
    (line,) = axes.plot(x, curves[0], linewidth=2.0, zorder=2)
    top = float(curves.max(initial=0.0))
    bars = []
    for s in np.unique(seen) if snapshots is not None else []:
        heights = draw_histogram(axes, values[seen == s], limits, scale.colour(float(s)))
        bars.append((float(s), axes.patches[-1]))
        top = max(top, float(heights.max(initial=0.0)))
    axes.set(xlim=limits, ylim=(0.0, 1.06 * top if top > 0 else 1.0))
    name_axes([axes], model.features[0], "density")
    move_strip = _clock(axes, strip, scale, np.asarray(model.times, float))

    def show(index: int, t: float) -> None:
        line.set_ydata(curves[index])
        line.set_color(scale.colour(t))
        for s, bar in bars:
            bar.set_alpha(0.35 * _nearness(t, s, [q for q, _ in bars]))
        move_strip(t)

    return _Stage(figure, show)


def _sheet(ratio: float) -> tuple[Figure, Axes, Axes]:
    """A figure with one panel of the given shape and a strip below it, at fixed places."""
    width = min(4.6, 4.6 / ratio**0.5)
    height = width * ratio
    across, up = LEFT + width + RIGHT, BOTTOM + height + TOP
    figure = Figure(figsize=(across, up), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((LEFT / across, BOTTOM / up, width / across, height / up))
    strip = figure.add_axes((LEFT / across, (STRIP - 0.1) / up, width / across, 0.12 / up))
    tidy(axes)
    return figure, axes, strip


def _clock(axes: Axes, strip: Axes, scale: TimeScale, known: np.ndarray) -> Callable[[float], None]:
    """A strip of time with a mark per snapshot; returns what moves its hand."""
    strip.set(xlim=(scale.first, scale.norm.vmax), ylim=(-1, 1), yticks=[])
    for side in strip.spines.values():
        side.set_visible(False)
    strip.tick_params(labelsize=8, color=MUTED, labelcolor=INK, length=0, pad=4)
    strip.set_xlabel(scale.label, fontsize=9, color=INK)
    strip.axhline(0.0, color=FAINT, linewidth=2.0, zorder=0)
    few = known if len(known) <= 12 else known[[0, -1]]
    strip.set_xticks([float(t) for t in few], [f"{t:.4g}" for t in few])
    colours = [scale.colour(float(t)) for t in known]
    strip.scatter(known, np.zeros(len(known)), s=22, color=colours, clip_on=False, zorder=1)
    (hand,) = strip.plot([scale.first], [0.0], "o", markersize=9, clip_on=False, zorder=2)
    hand.set(markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.6)
    title = axes.set_title("", loc="left", fontsize=11, color=INK, fontweight="bold")
    digits = _decimals(scale.last - scale.first)

    def move(t: float) -> None:
        hand.set_xdata([t])
        title.set_text(scale.say(t, f".{digits}f"))

    return move


def _crowds(
    axes: Axes,
    snapshots: DrawableSnapshots | None,
    projection: Projection,
    scale: TimeScale,
    most: int,
) -> list[tuple[float, PathCollection]]:
    """One invisible scatter per snapshot."""
    if snapshots is None:
        return []
    places, seen = place_data(snapshots, projection), np.asarray(snapshots.times)
    crowds = []
    for t in np.asarray(snapshots.distinct_times, float):
        own = places[seen == t]
        own = own[thin(len(own), most)]
        dots = axes.scatter(
            own[:, 0],
            own[:, 1],
            s=scatter_size(len(own)) + 1.0,
            color=scale.colour(float(t)),
            edgecolors="white",
            linewidths=0.25,
            alpha=0.0,
        )
        crowds.append((float(t), dots))
    return crowds


def _nearness(t: float, seen: float, known: Sequence[float]) -> float:
    """How visible data of time ``seen`` are at time ``t``, from 0 to 0.85.

    Data are gone before half the way to the next snapshot, so two never mix.
    """
    others = [abs(seen - s) for s in known if s != seen]
    reach = 0.45 * min(others) if others else np.inf
    return 0.85 * max(0.0, 1.0 - (abs(t - seen) / reach) ** 2)


def _picture(figure: Figure) -> Image.Image:
    """The figure as it stands, as an image."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _gif(pictures: list[Image.Image], durations: list[int]) -> bytes:
    """An endless GIF with one palette, made smaller until it is small enough to mail."""
    data = _encode(pictures, durations)
    for _ in range(6):
        if len(data) <= LARGEST_FILE:
            break
        size = tuple(int(0.85 * side) for side in pictures[0].size)
        pictures = [p.resize((size[0], size[1]), Image.Resampling.LANCZOS) for p in pictures]
        data = _encode(pictures, durations)
    return data


def _encode(pictures: list[Image.Image], durations: list[int]) -> bytes:
    """GIF bytes; one palette for all frames, so that colours stand still."""
    palette = _palette(pictures[:: max(1, len(pictures) // 8)])
    nearest = KDTree(palette)
    frames = [_indexed(picture, palette, nearest) for picture in pictures]
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


def _palette(pictures: list[Image.Image]) -> np.ndarray:
    """Up to 256 colours: the scale of the density, and what lies apart from it, ``(n, 3)``.

    A palette made from frequent colours alone would leave rings in the smooth density, tint
    the white and lose the colours of the few pixels that show data.
    """
    ramp = (255 * np.asarray(DENSITY(np.linspace(0, 1, 96)))[:, :3]).round()
    colours = np.unique(np.concatenate([_packed(picture) for picture in pictures]))
    used = _unpacked(colours)
    apart = used[KDTree(ramp).query(used)[0] > 4.0].astype(np.uint8)
    if len(apart) == 0:
        return ramp
    strip = Image.fromarray(apart[None])
    others = strip.quantize(160, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    return np.concatenate([ramp, np.reshape(others, (-1, 3))[:160]])


def _indexed(picture: Image.Image, palette: np.ndarray, nearest: KDTree) -> Image.Image:
    """The picture in colours of the palette, each pixel in the nearest one."""
    colours, inverse = np.unique(_packed(picture), return_inverse=True)
    index = np.asarray(nearest.query(_unpacked(colours))[1], np.uint8)
    image = Image.fromarray(index[inverse].reshape(picture.height, picture.width))
    image.putpalette(palette.astype(int).ravel().tolist())
    return image


def _packed(picture: Image.Image) -> np.ndarray:
    """One number per pixel instead of three, shape ``(pixels,)``."""
    pixels = np.asarray(picture, np.uint32).reshape(-1, 3)
    return (pixels[:, 0] << 16) | (pixels[:, 1] << 8) | pixels[:, 2]


def _unpacked(colours: np.ndarray) -> np.ndarray:
    """Red, green and blue of packed colours, shape ``(n, 3)``."""
    return np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=-1).astype(float)


def _decimals(span: float) -> int:
    """Decimals that show the steps of a clock over ``span``."""
    return int(np.clip(np.ceil(1.3 - np.log10(max(span, 1e-12))), 0, 6))
