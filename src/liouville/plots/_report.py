"""One HTML page about one fitted model, with everything inside it."""

import base64
import html
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from liouville.plots._density import density_panels
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._motion import trajectories, velocity_stream
from liouville.plots._movie import density_movie
from liouville.plots._projection import Projection, default_projection
from liouville.plots._style import (
    Scenery,
    time_scale,
)
from liouville.plots._training import explained, loss_curves
from liouville.plots._training import held_out as held_out_figure
from liouville.runs.files import write_bytes

DPI = 150

CSS = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f8fa; color: #1f2933;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 0 0 14px; color: #46525e; max-width: 74ch; overflow-wrap: anywhere; }
.first { display: flex; flex-wrap: wrap; gap: 28px; align-items: flex-start; margin: 26px 0 34px; }
.first > * { flex: 1 1 380px; min-width: 0; }
.card { background: #fff; border: 1px solid #e1e6eb; border-radius: 10px; padding: 20px 22px;
  margin: 0 0 22px; }
.first .card { margin: 0; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
td { padding: 6px 0; border-top: 1px solid #edf0f3; vertical-align: top;
  overflow-wrap: anywhere; }
tr:first-child td { border-top: 0; }
td:first-child { color: #5b6773; padding-right: 18px; }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Picture:
    """A picture of the report, before it is drawn.

    Args:
        name: File name.
        title: Heading above it.
        reading: How to read it, in a sentence or two.
        draw: Makes the figure.
    """

    name: str
    title: str
    reading: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class _Drawn:
    """A picture of the report.

    Args:
        name: File name.
        title: Heading above it.
        reading: How to read it, in a sentence or two.
        data: PNG or GIF bytes.
    """

    name: str
    title: str
    reading: str
    data: bytes

    @property
    def tag(self) -> str:
        """An image element that carries its own data."""
        kind = self.name.rsplit(".", 1)[-1]
        code = base64.b64encode(self.data).decode("ascii")
        return f'<img alt="{html.escape(self.title)}" src="data:image/{kind};base64,{code}">'


def write_report(
    folder: Path,
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    history: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    held_out: Mapping[str, Mapping[float, float]] | None = None,
    projection: Projection | None = None,
    movie: bool = True,
    more: Sequence[Picture] = (),
    motion: bool = True,
    progress: Callable[[str], None] | None = None,
    scenery: Scenery | None = None,
    stochastic: bool = False,
) -> Path:
    """Write ``report.html`` and its pictures.

    The page loads nothing from anywhere: pictures are inside it. The same pictures are in
    ``folder / "figures"``.

    Args:
        folder: Where to write; made if needed.
        model: The fitted model.
        snapshots: Its data.
        history: What training logged, see ``loss_curves``.
        summary: Key numbers by name; nested mappings are flattened. The entry ``"title"``,
            if there is one, becomes the heading of the page.
        held_out: Held-out likelihoods, see ``held_out``; ``None`` leaves the figure out.
        projection: The plane to look at; by default as in ``density_panels``.
        movie: Whether to make the film, the slowest part.
        more: Further pictures, shown before the others.
        motion: Whether to draw velocities and paths; they say little in a plane of many dimensions.
        progress: Told in words what is being drawn.
        scenery: Draws what stands in the plane, such as obstacles, on every panel.
        stochastic: Whether the paths of single points are those of the noisy process.

    Returns:
        Path of ``report.html``.
    """
    folder, tell = Path(folder), progress or (lambda _: None)
    if model.dim > 1:
        projection = projection or default_projection(model, snapshots)
    pictures = []
    usual = _figures(model, snapshots, history, held_out, projection, scenery, stochastic)
    for picture in [*more, *(p for p in usual if motion or p.name not in _MOTION)]:
        tell(f"drawing {picture.title.lower()}")
        data = to_png(picture.draw())
        pictures.append(_Drawn(picture.name, picture.title, picture.reading, data))
        write_bytes(folder / "figures" / picture.name, data)
    film = None
    if movie:
        path = folder / "figures" / "movie.gif"
        density_movie(model, path, snapshots, projection, progress=progress, scenery=scenery)
        film = _Drawn("movie.gif", "The density as it moves", _FILM, path.read_bytes())
    page = _page(model, snapshots, summary, pictures, film)
    return write_bytes(folder / "report.html", page.encode("utf-8"))


def to_png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG bytes, the same for the same figure.

    Args:
        figure: The figure.
        dpi: Dots per inch.

    Returns:
        The bytes of the file.
    """
    out = io.BytesIO()
    figure.savefig(
        out,
        format="png",
        dpi=dpi,
        facecolor="white",
        bbox_inches="tight",
        pad_inches=0.1,
        metadata={"Software": None},
    )
    return out.getvalue()


_MOTION = ("velocity.png", "trajectories.png")
_FILM = (
    "Darker is denser, on one scale for the whole film. Observed points fade in around the "
    "time at which they were seen; in between, the model fills the gap."
)
_DENSITY = (
    "Blue is the density of the model, on one scale for all panels; thin lines enclose 50 % and "
    "90 % of its mass. Dots are observed points: they should fill the lines evenly, with few "
    "outside."
)
_DENSITY_LINE = (
    "Pale bars are the data, lines the density of the model. They should agree at every time."
)
_ESTIMATED = " The picture is a projection, so the density is estimated from samples of the model."
_VELOCITY = (
    "Streamlines follow the velocity halfway between snapshots, darker where it is faster, over "
    "the points seen before and after. Regions with the last percent of the mass are left out."
)
_VELOCITY_LINE = (
    "Velocity at each position, halfway between snapshots; above zero the mass moves toward "
    "larger values. Regions with the last percent of the mass are left out."
)
_AVERAGED = (
    " Points that project to the same place can move differently; their mean velocity is shown."
)
_PATHS = (
    "Points drawn from the model at the first time (rings) and carried along by its velocity to "
    "the last (dots). A path should pass through the observed points of its own colour."
)
_NOISY_PATHS = (
    "Points drawn from the model at the first time (rings) and carried by its process, noise "
    "included, to the last (dots). A path should pass through the points of its own colour."
)
_PATHS_LINE = (
    "Points drawn from the model at the first time and carried along by its velocity. The lines "
    "should be dense where the observed points are."
)
_HELD_OUT = (
    "Cells that were kept from training, at the times of the data. Further left is better; methods "
    "to the right of the dashed line predict the snapshot less well than the model."
)


def _figures(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    history: Sequence[Mapping[str, Any]],
    held_out: Mapping[str, Mapping[float, float]] | None,
    projection: Projection | None,
    scenery: Scenery | None,
    stochastic: bool,
) -> list[Picture]:
    """Every figure, not yet drawn."""
    line, flat = model.dim == 1, model.dim <= 2
    density = _DENSITY_LINE if line else _DENSITY + ("" if flat else _ESTIMATED)
    velocity = _VELOCITY_LINE if line else _VELOCITY + ("" if flat else _AVERAGED)
    parts = [
        Picture(
            "density.png",
            "Density at the snapshots",
            density,
            lambda: density_panels(model, snapshots, projection, scenery=scenery),
        ),
        Picture(
            "velocity.png",
            "Velocity between the snapshots",
            velocity,
            lambda: velocity_stream(model, snapshots, projection, scenery=scenery),
        ),
        Picture(
            "trajectories.png",
            "Paths of single points",
            _PATHS_LINE if line else _NOISY_PATHS if stochastic else _PATHS,
            lambda: trajectories(
                model, snapshots, projection, stochastic=stochastic, scenery=scenery
            ),
        ),
        Picture("loss.png", "Training", explained(history), lambda: loss_curves(history)),
    ]
    if held_out is not None:
        parts.append(
            Picture(
                "held_out.png",
                "Likelihood of held-out cells",
                _HELD_OUT,
                lambda: held_out_figure(
                    held_out, time_name=model.time_name, time_unit=model.time_unit
                ),
            )
        )
    return parts


def _page(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    summary: Mapping[str, Any],
    pictures: Sequence[_Drawn],
    film: _Drawn | None,
) -> str:
    """The page as text."""
    title = html.escape(str(summary.get("title", "A fitted moving density")))
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in flatten(summary)
        if name != "title"
    )
    parts = [f'<div class="card"><h2>Key numbers</h2><table>{rows}</table></div>' if rows else ""]
    if film is not None:
        parts.append(_card(film))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head><body><main>"
        f"<h1>{title}</h1><p>{html.escape(_subject(model, snapshots))}</p>"
        f'<div class="first">{"".join(parts)}</div>'
        f"{''.join(_card(picture) for picture in pictures)}</main></body></html>\n"
    )


def _subject(model: DrawableModel, snapshots: DrawableSnapshots) -> str:
    """What was fitted to what, in a sentence."""
    known = [f"{t:.4g}" for t in snapshots.distinct_times]
    times = ", ".join(known) if len(known) <= 12 else f"{known[0]} to {known[-1]}"
    scale = time_scale(model, snapshots)
    names = ", ".join(model.features[:6]) + (", …" if len(model.features) > 6 else "")
    return (
        f"{len(snapshots.points):,} points in {model.dim} "
        f"dimension{'s' if model.dim > 1 else ''} ({names}), seen at {len(known)} "
        f"time{'s' if len(known) != 1 else ''}: {scale.name} {times} {scale.other_unit}".rstrip()
        + "."
    )


def _card(picture: _Drawn) -> str:
    """A picture with its heading and how to read it."""
    return (
        f'<section class="card"><h2>{html.escape(picture.title)}</h2>'
        f"<p>{html.escape(picture.reading)}</p>{picture.tag}</section>"
    )


def flatten(summary: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and values of a nested mapping as text, in order.

    Args:
        summary: The mapping.
        prefix: Put before every name.

    Returns:
        Pairs of name and value.
    """
    rows = []
    for name, value in summary.items():
        if isinstance(value, Mapping):
            rows += flatten(value, f"{prefix}{name}: ")
        else:
            rows.append((f"{prefix}{name}", say_value(value)))
    return rows


def say_value(value: object) -> str:
    """A value as a reader would like to see it: four digits, thousands separated."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    if isinstance(value, list | tuple):
        return ", ".join(say_value(item) for item in value)
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return str(value)
    if math.isfinite(number) and number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:.4g}"
