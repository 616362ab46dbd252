"""Densities and velocities on a grid, ready to be drawn. Nothing here knows matplotlib."""

import numpy as np
from scipy.interpolate import interp1d
from scipy.ndimage import gaussian_filter

from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._plane import Window
from liouville.plots._view import View, is_identity

SMOOTHING = 0.018  # standard deviation of the smoothing, as a part of the window


def line_density(model: DrawableModel, t: float, x: np.ndarray) -> np.ndarray:
    """Density of a one-dimensional model at time ``t`` and points ``x`` of shape ``(n,)``."""
    return _finite_exp(model.log_density(t, x[:, None]))


def plane_density(
    model: DrawableModel,
    t: float,
    window: Window,
    view: View,
    cells: int = 120,
    samples: int = 5000,
) -> np.ndarray:
    """Density in the plane at time ``t``, shape ``(cells, cells)``.

    Exact for two-dimensional models in their own coordinates. Otherwise the projected
    density has no closed form and is estimated by a smoothed histogram of ``samples``
    points, always with the same seed so that films do not flicker.
    """
    if is_identity(model, view):
        return _finite_exp(model.log_density(t, window.grid(cells)))
    return density_of(view.points(model.sample(t, samples)), window, cells)


def moving_density(
    model: DrawableModel, times: np.ndarray, window: Window, view: View, cells: int
) -> np.ndarray:
    """Densities in the plane at many times, shape ``(len(times), cells, cells)``.

    Searching an embedding for every frame of a film would take minutes. There, one sample is
    carried along by the velocity, looked up at every third time and placed in between by
    linear interpolation.
    """
    if is_identity(model, view) or view.has_scale:
        return np.stack([plane_density(model, float(t), window, view, cells) for t in times])
    keys = np.unique([*range(0, len(times), 3), len(times) - 1])
    paths = carry(model, model.sample(float(times[0]), 3000), times[keys])
    places = view.points(paths)
    if len(keys) > 1:
        places = interp1d(keys, places, axis=0)(np.arange(len(times)))
    return np.stack([density_of(frame, window, cells) for frame in places])


def plane_velocity(
    model: DrawableModel, t: float, window: Window, view: View, cells: int = 36, samples: int = 4000
) -> tuple[np.ndarray, np.ndarray]:
    """Velocity in the plane at time ``t``, shape ``(cells, cells, 2)``, and where it may be shown.

    Exact for two-dimensional models in their own coordinates; otherwise the mean velocity of the
    points that project to the same place. It is shown on the smallest region with 99 % of the mass.
    """
    if is_identity(model, view):
        grid = window.grid(cells)
        density = _finite_exp(model.log_density(t, grid))
        flow = np.asarray(model.velocity(t, grid), float)
    else:
        points = model.sample(t, samples)
        moves = view.velocities(points, model.velocity(t, points))
        places = view.points(points)
        density, flow = mean_velocity(places, moves, window, cells)
    shown = density >= mass_level(density, 0.99)
    shown &= np.isfinite(flow).all(axis=-1)
    return np.where(shown[..., None], flow, 0.0), shown


def mean_velocity(
    places: np.ndarray, moves: np.ndarray, window: Window, cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """How many points are near each cell of the window, and their mean velocity ``(..., 2)``."""
    count = _smooth_counts(places, np.ones(len(places)), window, cells)
    sums = [_smooth_counts(places, moves[:, i], window, cells) for i in range(2)]
    return count, np.stack(sums, axis=-1) / np.maximum(count, 1e-12)[..., None]


def density_of(places: np.ndarray, window: Window, cells: int) -> np.ndarray:
    """Smoothed histogram of the places as a density."""
    counts = _smooth_counts(places, np.ones(len(places)), window, cells)
    return counts / (len(places) * window.cell_area(cells))


def carry(
    model: DrawableModel, start: np.ndarray, times: np.ndarray, *, stochastic: bool = False
) -> np.ndarray:
    """Trajectories of the model; points stay where they are if it knows one time only."""
    if not times[-1] > times[0]:
        return np.repeat(start[None], len(times), axis=0)
    return np.asarray(model.trajectories(start, times, stochastic=stochastic))


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


def _finite_exp(log_density: np.ndarray) -> np.ndarray:
    """Density from its logarithm, zero where the model has no number to give."""
    density = np.exp(np.asarray(log_density, float))
    return np.where(np.isfinite(density), density, 0.0)
