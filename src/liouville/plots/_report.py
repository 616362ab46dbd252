"""What the report of a density path holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from liouville.plots._clock import clock_of
from liouville.plots._density import density_panels
from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._motion import trajectories, velocity_stream
from liouville.plots._movie import density_movie
from liouville.plots._page import Film, Page, Picture, Table
from liouville.plots._pairs import density_pairs
from liouville.plots._style import Scenery
from liouville.plots._training import held_out as held_out_figure
from liouville.plots._training import training_picture
from liouville.plots._view import FirstTwo, View, default_view

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
_PAIRS = (
    "The first coordinates in pairs: dots are observed points, and a line encloses 70 % of the "
    "model's mass, each time in its own colour. Dots should be where the line of their colour is."
)
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


def density_page(
    model: DrawableModel,
    snapshots: DrawableSnapshots,
    history: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    *,
    title: str = "A fitted moving density",
    held_out: Mapping[str, Mapping[float, float]] | None = None,
    view: View | None = None,
    movie: bool = True,
    more: Sequence[Picture | Table] = (),
    after: Sequence[Picture | Table] = (),
    motion: bool = True,
    scenery: Scenery | None = None,
    stochastic: bool = False,
) -> Page:
    """The report of a density path: its density, velocity, paths and training; see ``write_page``.

    Args:
        model: The fitted model.
        snapshots: Its data.
        history: What training logged, see ``loss_curves``.
        summary: Key numbers by name.
        title: Heading of the page.
        held_out: Held-out likelihoods, see ``held_out``; without any the figure is left out.
        view: The plane to look at; by default as in ``density_panels``.
        movie: Whether to make the film, the slowest part.
        more: Further contents, shown before the others.
        after: Further contents, shown after density and motion.
        motion: Whether to draw velocities and paths; they say little in a plane of many dimensions.
        scenery: Draws what stands in the plane, such as obstacles, on every panel.
        stochastic: Whether the paths of single points are those of the noisy process.
    """
    line, flat = model.dim == 1, model.dim <= 2
    view = None if line else view or default_view(model, snapshots)
    contents = [
        *more,
        Picture(
            "density.png",
            "Density at the snapshots",
            _DENSITY_LINE if line else _DENSITY + ("" if flat else _ESTIMATED),
            lambda: density_panels(model, snapshots, view, scenery=scenery),
        ),
    ]
    if not flat and isinstance(view, FirstTwo):
        contents.append(
            Picture(
                "pairs.png", "Pairs of coordinates", _PAIRS, lambda: density_pairs(model, snapshots)
            )
        )
    if motion:
        contents += [
            Picture(
                "velocity.png",
                "Velocity between the snapshots",
                _VELOCITY_LINE if line else _VELOCITY + ("" if flat else _AVERAGED),
                lambda: velocity_stream(model, snapshots, view, scenery=scenery),
            ),
            Picture(
                "trajectories.png",
                "Paths of single points",
                _PATHS_LINE if line else _NOISY_PATHS if stochastic else _PATHS,
                lambda: trajectories(
                    model, snapshots, view, stochastic=stochastic, scenery=scenery
                ),
            ),
        ]
    contents += [*after, training_picture(history)]
    if held_out:
        names = {"time_name": model.time_name, "time_unit": model.time_unit}
        contents.append(
            Picture(
                "held_out.png",
                "Likelihood of held-out cells",
                _HELD_OUT,
                lambda: held_out_figure(held_out, **names),
            )
        )
    film = Film(
        "movie.gif",
        "The density as it moves",
        _FILM,
        lambda path, say: density_movie(model, path, snapshots, view, say=say, scenery=scenery),
    )
    subject = _subject(model, snapshots)
    return Page(title, subject, summary, contents, film if movie else None)


def _subject(model: DrawableModel, snapshots: DrawableSnapshots) -> str:
    """What was fitted to what, in a sentence."""
    known = [f"{t:.4g}" for t in snapshots.distinct_times]
    times = ", ".join(known) if len(known) <= 12 else f"{known[0]} to {known[-1]}"
    clock = clock_of(model, snapshots)
    names = ", ".join(model.features[:6]) + (", …" if len(model.features) > 6 else "")
    return (
        f"{len(snapshots.points):,} points in {model.dim} "
        f"dimension{'s' if model.dim > 1 else ''} ({names}), seen at {len(known)} "
        f"time{'s' if len(known) != 1 else ''}: {clock.name} {times} {clock.other_unit}".rstrip()
        + "."
    )
