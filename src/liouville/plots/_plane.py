"""The plane of a picture: which part of it is shown, and where the data lie."""

from dataclasses import dataclass

import numpy as np

from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._view import View, default_view, place_data

QUANTILES = (0.005, 0.995)
MARGIN = 0.08


@dataclass(frozen=True)
class Window:
    """A rectangle of the plane."""

    x: tuple[float, float]  # lower and upper end
    y: tuple[float, float]
    equal: bool = True  # one unit is to be drawn equally long on both axes

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top."""
        return (*self.x, *self.y)

    @property
    def ratio(self) -> float:
        """Height over width on paper."""
        if not self.equal:
            return 0.85
        return (self.y[1] - self.y[0]) / (self.x[1] - self.x[0])

    def centres(self, cells: int) -> tuple[np.ndarray, np.ndarray]:
        """Midpoints of ``cells`` equal cells along each axis."""
        return centres(self.x, cells), centres(self.y, cells)

    def grid(self, cells: int) -> np.ndarray:
        """Midpoints of all cells, shape ``(cells, cells, 2)``, rows along the second axis."""
        return np.stack(np.meshgrid(*self.centres(cells)), axis=-1)

    def cell_area(self, cells: int) -> float:
        """Area of one of ``cells`` times ``cells`` equal cells."""
        return (self.x[1] - self.x[0]) * (self.y[1] - self.y[0]) / cells**2


def centres(limits: tuple[float, float], cells: int) -> np.ndarray:
    """Midpoints of ``cells`` equal parts of an interval."""
    edges = np.linspace(*limits, cells + 1)
    return 0.5 * (edges[1:] + edges[:-1])


def limits_of(values: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """An interval with a margin that shows nearly all values of every time, whatever the outliers.

    Quantiles are taken time by time, so that a small snapshot far from the others is not
    mistaken for outliers. Values and times have shape ``(n,)``.
    """
    finite = np.isfinite(values)
    values, times = values[finite], times[finite]
    if len(values) == 0:
        return (-1.0, 1.0)
    ends = np.array([np.quantile(values[times == t], QUANTILES) for t in np.unique(times)])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    span = high - low
    if span <= 1e-12 * max(1.0, abs(low), abs(high)):
        return (low - 0.5, high + 0.5)
    return (low - MARGIN * span, high + MARGIN * span)


def window_of(places: np.ndarray, times: np.ndarray) -> Window:
    """The window that shows the points at ``places``, shape ``(n, 2)``, of all times.

    Axes with spans of the same order are taken as comparable and get equal scales; the
    shorter one is then widened so that no panel becomes a narrow strip.
    """
    x, y = limits_of(places[:, 0], times), limits_of(places[:, 1], times)
    wide, high = x[1] - x[0], y[1] - y[0]
    if max(wide / high, high / wide) > 5.0:
        return Window(x, y, equal=False)
    return Window(_widen(x, 0.6 * high), _widen(y, 0.6 * wide))


@dataclass(frozen=True)
class Plane:
    """What all panels of one figure share."""

    view: View
    window: Window
    places: np.ndarray  # of the data, shape ``(n, 2)``
    times: np.ndarray  # of the data, shape ``(n,)``

    def seen(self, t: float) -> np.ndarray:
        """Places of the data of one time."""
        return self.places[self.times == t]


def plane_of(
    model: DrawableModel, snapshots: DrawableSnapshots | None, view: View | None = None
) -> Plane:
    """The plane that shows the data or, without data, samples of the model."""
    view = view or default_view(model, snapshots)
    if snapshots is not None:
        places, seen = place_data(snapshots, view), np.asarray(snapshots.times)
        return Plane(view, window_of(places, seen), places, seen)
    times = np.asarray(model.times, float)
    places = np.concatenate([view.points(model.sample(float(t), 1000)) for t in times])
    window = window_of(places, np.repeat(times, 1000))
    return Plane(view, window, np.empty((0, 2)), np.empty(0))


def _widen(limits: tuple[float, float], least: float) -> tuple[float, float]:
    """The interval, widened about its middle to at least the given length."""
    missing = max(0.0, least - (limits[1] - limits[0]))
    return (limits[0] - missing / 2, limits[1] + missing / 2)
