"""Densities and velocities on a grid, ready to be drawn. Nothing here knows matplotlib."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import interp1d
from scipy.ndimage import gaussian_filter

from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._projection import Projection, is_identity, place_data

QUANTILES = (0.005, 0.995)
MARGIN = 0.08
SMOOTHING = 0.018  # standard deviation of the smoothing, as a part of the window


@dataclass(frozen=True)
class Window:
    """A rectangle of the plane.

    Args:
        x: Lower and upper end of the first axis.
        y: Lower and upper end of the second axis.
        equal: Whether one unit is to be drawn equally long on both axes.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    equal: bool = True

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
    """An interval that shows nearly all values of every time, whatever the outliers.

    Quantiles are taken time by time, so that a small snapshot far from the others is not
    mistaken for outliers.

    Args:
        values: One coordinate of all points, shape ``(n,)``.
        times: Their times, shape ``(n,)``.

    Returns:
        Lower and upper end, with a margin.
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


def data_window(
    model: DrawableModel, snapshots: DrawableSnapshots | None, projection: Projection
) -> Window:
    """The window of the data or, without data, of samples of the model."""
    if snapshots is not None:
        return window_of(place_data(snapshots, projection), np.asarray(snapshots.times))
    times = np.asarray(model.times, float)
    places = [projection.points(model.sample(float(t), 1000)) for t in times]
    return window_of(np.concatenate(places), np.repeat(times, 1000))


def line_density(model: DrawableModel, t: float, x: np.ndarray) -> np.ndarray:
    """Density of a one-dimensional model at time ``t`` and points ``x`` of shape ``(n,)``."""
    return _finite_exp(model.log_density(t, x[:, None]))


def plane_density(
    model: DrawableModel,
    t: float,
    window: Window,
    projection: Projection,
    cells: int = 120,
    samples: int = 5000,
) -> np.ndarray:
    """Density in the plane at time ``t``, shape ``(cells, cells)``.

    Exact for two-dimensional models in their own coordinates. Otherwise the projected
    density has no closed form and is estimated by a smoothed histogram of ``samples``
    points, always with the same seed so that films do not flicker.
    """
    if is_identity(model, projection):
        return _finite_exp(model.log_density(t, window.grid(cells)))
    return _density_of(projection.points(model.sample(t, samples)), window, cells)


def moving_density(
    model: DrawableModel, times: np.ndarray, window: Window, projection: Projection, cells: int
) -> np.ndarray:
    """Densities in the plane at many times, shape ``(len(times), cells, cells)``.

    Searching an embedding for every frame of a film would take minutes. There, one sample is
    carried along by the velocity, looked up at every third time and placed in between by
    linear interpolation.
    """
    if is_identity(model, projection) or projection.has_scale:
        fields = [plane_density(model, float(t), window, projection, cells) for t in times]
        return np.stack(fields)
    keys = np.unique([*range(0, len(times), 3), len(times) - 1])
    paths = carried(model, model.sample(float(times[0]), 3000), times[keys])
    places = projection.points(paths)
    if len(keys) > 1:
        places = interp1d(keys, places, axis=0)(np.arange(len(times)))
    return np.stack([_density_of(frame, window, cells) for frame in places])


def plane_velocity(
    model: DrawableModel,
    t: float,
    window: Window,
    projection: Projection,
    cells: int = 36,
    samples: int = 4000,
) -> tuple[np.ndarray, np.ndarray]:
    """Velocity in the plane at time ``t`` and where it may be shown.

    Exact for two-dimensional models in their own coordinates; otherwise the mean velocity
    of the points that project to the same place.

    Returns:
        Velocities ``(cells, cells, 2)`` and a mask ``(cells, cells)`` that is true on the
        smallest region with 99 % of the mass.
    """
    if is_identity(model, projection):
        grid = window.grid(cells)
        density = _finite_exp(model.log_density(t, grid))
        flow = np.asarray(model.velocity(t, grid), float)
    else:
        points = model.sample(t, samples)
        moves = projection.velocities(points, model.velocity(t, points))
        places = projection.points(points)
        density = _smooth_counts(places, np.ones(len(places)), window, cells)
        sums = [_smooth_counts(places, moves[:, i], window, cells) for i in range(2)]
        flow = np.stack(sums, axis=-1) / np.maximum(density, 1e-12)[..., None]
    shown = density >= mass_level(density, 0.99)
    shown &= np.isfinite(flow).all(axis=-1)
    return np.where(shown[..., None], flow, 0.0), shown


def _density_of(places: np.ndarray, window: Window, cells: int) -> np.ndarray:
    """Smoothed histogram of the places as a density."""
    counts = _smooth_counts(places, np.ones(len(places)), window, cells)
    return counts / (len(places) * window.cell_area(cells))


def carried(
    model: DrawableModel,
    start: np.ndarray,
    times: np.ndarray,
    *,
    seed: int = 0,
    stochastic: bool = False,
) -> np.ndarray:
    """Trajectories of the model; points stay where they are if it knows one time only."""
    if not times[-1] > times[0]:
        return np.repeat(start[None], len(times), axis=0)
    return np.asarray(model.trajectories(start, times, seed=seed, stochastic=stochastic))


def known_times(model: DrawableModel, snapshots: DrawableSnapshots) -> np.ndarray:
    """Snapshot times at which the model is defined, or the model's own if there are none."""
    first, last = model.interval
    times = np.asarray(snapshots.distinct_times, float)
    inside = times[(times >= first) & (times <= last)]
    return inside if len(inside) else np.asarray(model.times, float)


def mass_level(density: np.ndarray, mass: float) -> float:
    """The level above which the density on a regular grid holds the given part of its mass."""
    ordered = np.sort(density, axis=None)[::-1]
    held = np.cumsum(ordered)
    if held[-1] <= 0:
        return np.inf
    return float(ordered[np.searchsorted(held, mass * held[-1])])


def some_of(values: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of the values, spread evenly, with the first and the last."""
    if len(values) <= most:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]


def _smooth_counts(
    places: np.ndarray, weights: np.ndarray, window: Window, cells: int
) -> np.ndarray:
    """Sum of weights per cell of the window, smoothed, shape ``(cells, cells)``."""
    counts, _, _ = np.histogram2d(
        places[:, 1], places[:, 0], bins=cells, range=(window.y, window.x), weights=weights
    )
    return gaussian_filter(counts, max(SMOOTHING * cells, 0.8), mode="constant")


def _widen(limits: tuple[float, float], least: float) -> tuple[float, float]:
    """The interval, widened about its middle to at least the given length."""
    missing = max(0.0, least - (limits[1] - limits[0]))
    return (limits[0] - missing / 2, limits[1] + missing / 2)


def _finite_exp(log_density: np.ndarray) -> np.ndarray:
    """Density from its logarithm, zero where the model has no number to give."""
    density = np.exp(np.asarray(log_density, float))
    return np.where(np.isfinite(density), density, 0.0)
