"""Figures of a fitted model: densities, velocities, paths, training, and a report of them all.

Every function takes a model with the NumPy interface of ``DrawableModel`` and returns a
matplotlib ``Figure`` (or writes a file); nothing here uses or changes the state of pyplot.
Matplotlib is loaded when the first drawing function is looked up, so that importing this
package costs nothing to those who do not draw.

One colour map stands for time in all figures, from dark violet (first) to orange (last).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from liouville.plots._model import DrawableModel as DrawableModel
from liouville.plots._model import DrawableSnapshots as DrawableSnapshots
from liouville.plots._projection import Embedding as Embedding
from liouville.plots._projection import FirstTwo as FirstTwo
from liouville.plots._projection import Projection as Projection
from liouville.plots._projection import default_projection as default_projection

if TYPE_CHECKING:
    from liouville.plots._density import density_panels as density_panels
    from liouville.plots._events import Clock as Clock
    from liouville.plots._events import Ground as Ground
    from liouville.plots._events import event_maps as event_maps
    from liouville.plots._events import rate_over_time as rate_over_time
    from liouville.plots._events_checks import residual_figure as residual_figure
    from liouville.plots._events_movie import event_movie as event_movie
    from liouville.plots._images import image_grid as image_grid
    from liouville.plots._images import image_shape as image_shape
    from liouville.plots._motion import trajectories as trajectories
    from liouville.plots._motion import velocity_stream as velocity_stream
    from liouville.plots._movie import density_movie as density_movie
    from liouville.plots._report import Picture as Picture
    from liouville.plots._report import write_report as write_report
    from liouville.plots._training import held_out as held_out
    from liouville.plots._training import loss_curves as loss_curves

_DRAWING = {
    "Clock": "_events",
    "Ground": "_events",
    "event_maps": "_events",
    "event_movie": "_events_movie",
    "rate_over_time": "_events",
    "residual_figure": "_events_checks",
    "density_panels": "_density",
    "velocity_stream": "_motion",
    "image_grid": "_images",
    "image_shape": "_images",
    "Picture": "_report",
    "trajectories": "_motion",
    "loss_curves": "_training",
    "held_out": "_training",
    "density_movie": "_movie",
    "write_report": "_report",
}


def __getattr__(name: str) -> object:
    if name not in _DRAWING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_DRAWING[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_DRAWING})
