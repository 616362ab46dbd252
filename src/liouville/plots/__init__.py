"""Figures of a fitted model: densities, velocities, paths, training, and a report of them all.

Every function takes a model with the NumPy interface of ``DrawableModel`` and returns a
matplotlib ``Figure`` (or writes a file); nothing here uses or changes the state of pyplot.
Matplotlib is loaded when the first drawing function is looked up, so that importing this
package costs nothing to those who do not draw.

One colour map stands for time in all figures, from dark violet (first) to orange (last).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liouville.plots._clock import Clock as Clock
    from liouville.plots._density import density_panels as density_panels
    from liouville.plots._events import Ground as Ground
    from liouville.plots._events import event_maps as event_maps
    from liouville.plots._events import forecast_figure as forecast_figure
    from liouville.plots._events import rate_over_time as rate_over_time
    from liouville.plots._events_checks import event_likelihoods as event_likelihoods
    from liouville.plots._events_checks import kinds_figure as kinds_figure
    from liouville.plots._events_checks import magnitude_figure as magnitude_figure
    from liouville.plots._events_checks import residual_figure as residual_figure
    from liouville.plots._events_checks import triggering_figure as triggering_figure
    from liouville.plots._events_movie import event_movie as event_movie
    from liouville.plots._fields import mass_level as mass_level
    from liouville.plots._images import image_grid as image_grid
    from liouville.plots._model import DrawableModel as DrawableModel
    from liouville.plots._model import DrawableSnapshots as DrawableSnapshots
    from liouville.plots._motion import trajectories as trajectories
    from liouville.plots._motion import velocity_stream as velocity_stream
    from liouville.plots._movie import density_movie as density_movie
    from liouville.plots._page import Film as Film
    from liouville.plots._page import Page as Page
    from liouville.plots._page import Picture as Picture
    from liouville.plots._page import Table as Table
    from liouville.plots._page import to_png as to_png
    from liouville.plots._page import write_page as write_page
    from liouville.plots._plane import Window as Window
    from liouville.plots._report import density_page as density_page
    from liouville.plots._style import DENSITY as DENSITY
    from liouville.plots._style import INK as INK
    from liouville.plots._style import MARK as MARK
    from liouville.plots._style import MODEL as MODEL
    from liouville.plots._style import MUTED as MUTED
    from liouville.plots._style import Scenery as Scenery
    from liouville.plots._style import headline as headline
    from liouville.plots._style import label as label
    from liouville.plots._style import name_axes as name_axes
    from liouville.plots._style import panels as panels
    from liouville.plots._style import sheet as sheet
    from liouville.plots._style import tidy as tidy
    from liouville.plots._training import explained as explained
    from liouville.plots._training import held_out as held_out
    from liouville.plots._training import loss_curves as loss_curves
    from liouville.plots._training import training_picture as training_picture
    from liouville.plots._view import Embedding as Embedding
    from liouville.plots._view import FirstTwo as FirstTwo
    from liouville.plots._view import View as View
    from liouville.plots._view import default_view as default_view

# The same names by the file they are from.
_FILES = {
    "_clock": "Clock",
    "_density": "density_panels",
    "_events": "Ground event_maps forecast_figure rate_over_time",
    "_events_checks": "event_likelihoods kinds_figure magnitude_figure residual_figure "
    "triggering_figure",
    "_events_movie": "event_movie",
    "_fields": "mass_level",
    "_images": "image_grid",
    "_model": "DrawableModel DrawableSnapshots",
    "_motion": "trajectories velocity_stream",
    "_movie": "density_movie",
    "_page": "Film Page Picture Table to_png write_page",
    "_plane": "Window",
    "_report": "density_page",
    "_style": "DENSITY INK MARK MODEL MUTED Scenery headline label name_axes panels sheet tidy",
    "_training": "explained held_out loss_curves training_picture",
    "_view": "Embedding FirstTwo View default_view",
}
_HOMES = {name: file for file, names in _FILES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
