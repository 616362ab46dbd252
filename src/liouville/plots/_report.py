"""What the report of a density path holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from liouville.plots._clock import clock_of
from liouville.plots._density import density_panels
from liouville.plots._marginals import density_marginals
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._motion import trajectories, velocity_stream
from liouville.plots._movie import density_movie
from liouville.plots._page import Answer, Film, Page, Picture, Table
from liouville.plots._pairs import density_pairs
from liouville.plots._style import Scenery
from liouville.plots._training import held_out as held_out_figure
from liouville.plots._training import training_picture
from liouville.plots._view import FirstTwo, View, default_view


@dataclass(frozen=True)
class Words:
    """What the pictures of a moving density are called, and how they are read."""

    points: str = "points"
    density: str = "Density at the snapshots"
    velocity: str = "Velocity between the snapshots"
    paths: str = "Paths of single points"
    film: str = "The density as it moves"
    of_density: str = (
        "Blue is the density of the model, on one scale for all panels; thin lines enclose 50 % "
        "and 90 % of its mass. Dots are observed points: they should fill the lines evenly, with "
        "few outside."
    )
    of_velocity: str = (
        "Streamlines follow the velocity halfway between snapshots, darker where it is faster, "
        "over the points seen before and after. Regions with the last percent of the mass are "
        "left out."
    )
    of_paths: str = (
        "Points drawn from the model at the first time (rings) and carried along by its velocity "
        "to the last (dots). A path should pass through the observed points of its own colour."
    )
    of_film: str = (
        "Darker is denser, on one scale for the whole film. Observed points fade in around the "
        "time at which they were seen; in between, the model fills the gap."
    )


_DENSITY_LINE = (
    "Pale bars are the data, lines the density of the model. They should agree at every time."
)
_ESTIMATED = " The picture is a projection, so the density is estimated from samples of the model."
_PAIRS = (
    "The first coordinates in pairs: dots are observed points, and a line encloses 70 % of the "
    "model's mass, each time in its own colour. Dots should be where the line of their colour is."
)
_MARGINALS = (
    "Every coordinate by itself: pale bars are the data, lines the density of the model. They "
    "should agree."
)
_PLANE = " Of {count} coordinates these are {x} and {y}; the others are not seen."
_VELOCITY_LINE = (
    "Velocity at each position, halfway between snapshots; above zero the mass moves toward "
    "larger values. Regions with the last percent of the mass are left out."
)
_AVERAGED = (
    " Points that project to the same place can move differently; their mean velocity is shown."
)
_PATHS_LINE = (
    "Points drawn from the model at the first time and carried along by its velocity. The lines "
    "should be dense where the observed points are."
)
_HELD_OUT = (
    "Cells that were kept from training, at the times of the data. Further left is better; methods "
    "to the right of the dashed line predict the snapshot less well than the model."
)


def density_page(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    history: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    *,
    title: str = "A fitted moving density",
    subject: str | None = None,
    words: Words | None = None,
    answer: Answer | None = None,
    held_out: Mapping[str, Mapping[float, float]] | None = None,
    view: View | None = None,
    movie: bool = True,
    more: Sequence[Picture | Table] = (),
    after: Sequence[Picture | Table] = (),
    details: Sequence[Picture | Film | Table] = (),
    motion: bool = True,
    scenery: Scenery | None = None,
    ways: tuple[np.ndarray, np.ndarray] | None = None,
    paths_first: bool = False,
    of_times: Sequence[float] | None = None,
) -> Page:
    """The report of a density path: its density, velocity, paths and training; see ``write_page``.

    A model of many coordinates without an embedding is shown by the density of each coordinate and
    of pairs of them, and its motion in the plane of the first two is folded.

    Args:
        model: The fitted model.
        snapshots: Its data.
        history: What training logged, see ``loss_curves``.
        summary: Key numbers by name.
        title: Heading of the page.
        subject: What was fitted to what, in a sentence; by default of points and times.
        words: What the pictures are called and how they are read.
        answer: What stands above all pictures.
        held_out: Held-out likelihoods, see ``held_out``; without any the figure is left out.
        view: The plane to look at; by default as in ``density_panels``.
        movie: Whether to make the film, the slowest part.
        more: Further contents, shown before the others.
        after: Further contents, shown after density and motion.
        details: Further contents that are folded.
        motion: Whether to draw velocities and paths; they say little in a plane of many dimensions.
        scenery: Draws what stands in the plane, such as obstacles, on every panel.
        ways: Paths of single points that were simulated, see ``trajectories``; by default those of
            the velocity.
        paths_first: Whether the paths are the best picture.
        of_times: The times at which single coordinates and pairs are shown; by default those of
            the data.
    """
    words = words or Words()
    line, flat = model.dim == 1, model.dim <= 2
    view = None if line else view or default_view(model, snapshots)
    is_seen_in_part = not flat and isinstance(view, FirstTwo)
    plane = ""
    if is_seen_in_part and view is not None:
        plane = _PLANE.format(count=model.dim, x=view.labels[0], y=view.labels[1])
    density = Picture(
        "density.png",
        words.density,
        _DENSITY_LINE if line else words.of_density + ("" if flat else _ESTIMATED) + plane,
        lambda: density_panels(model, snapshots, view, scenery=scenery),
    )
    velocity = Picture(
        "velocity.png",
        words.velocity,
        _VELOCITY_LINE if line else words.of_velocity + ("" if flat else _AVERAGED) + plane,
        lambda: velocity_stream(model, snapshots, view, scenery=scenery),
    )
    paths = Picture(
        "trajectories.png",
        words.paths,
        _PATHS_LINE if line else words.of_paths + plane,
        lambda: trajectories(model, snapshots, view, ways=ways, scenery=scenery),
    )
    moving = [velocity, paths] if motion else []
    if is_seen_in_part:
        at = None if of_times is None else np.asarray(of_times, float)
        shown = [
            Picture(
                "marginals.png",
                "Coordinate by coordinate",
                _MARGINALS,
                lambda: density_marginals(model, snapshots, times=at),
            ),
            Picture(
                "pairs.png",
                "Pairs of coordinates",
                _PAIRS,
                lambda: density_pairs(model, snapshots, times=at),
            ),
        ]
        folded = [density, *moving]
    else:
        shown, folded = [density, *moving], []
        if paths_first and motion:
            shown = [paths, density, velocity]
    film = Film(
        "movie.gif",
        words.film,
        words.of_film + plane,
        lambda path, say: density_movie(model, path, snapshots, view, say=say, scenery=scenery),
    )
    own = [*details, *folded, *([film] if movie and is_seen_in_part else [])]
    own.append(training_picture(history))
    if held_out:
        names = {"time_name": model.time_name, "time_unit": model.time_unit}
        own.append(
            Picture(
                "held_out.png",
                "Likelihood of held-out cells",
                _HELD_OUT,
                lambda: held_out_figure(held_out, **names),
            )
        )
    own += [Table(name, "", rows) for name, rows in tables_of(summary)]
    return Page(
        title,
        _subject(model, snapshots, words.points) if subject is None else subject,
        summary,
        [*more, *shown, *after],
        film if movie and not is_seen_in_part else None,
        answer or Answer(),
        own,
    )


def tables_of(summary: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The lists of rows of a summary, by name."""
    return [
        (name, value)
        for name, value in summary.items()
        if isinstance(value, list) and value and isinstance(value[0], Mapping)
    ]


def _subject(model: DrawableModel, snapshots: DrawableSnapshots, points: str) -> str:
    """What was fitted to what, in a sentence."""
    known = [f"{t:.4g}" for t in snapshots.distinct_times]
    times = ", ".join(known) if len(known) <= 12 else f"{known[0]} to {known[-1]}"
    clock = clock_of(model, snapshots)
    names = ", ".join(model.features[:6]) + (", …" if len(model.features) > 6 else "")
    return (
        f"{len(snapshots.points):,} {points} in {model.dim} "
        f"dimension{'s' if model.dim > 1 else ''} ({names}), seen at {len(known)} "
        f"time{'s' if len(known) != 1 else ''}: {clock.name} {times} {clock.other_unit}".rstrip()
        + "."
    )
