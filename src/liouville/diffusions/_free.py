r"""Where training starts when the end is free: the source's parts, cut and carried by the drift."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from liouville.curves import AbstractCurve, HardStarted, Knots
from liouville.data import Standardisation
from liouville.diffusions._moments import Moments, Pieces, cut, grade_clock, whole_moments
from liouville.diffusions._turning import spins
from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture, log_floor
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import Scalar
from liouville.numerics.weights import GroupedWeights
from liouville.objectives import Drift, Field, MeanField, Noise
from liouville.paths import AbstractPath, LocationScale, Rescaled, Turning, path_in_user

_STEPS = 400
# Shares of the time after which pieces are told apart; the best is chosen.
_UNTIL = (0.06, 0.2, 0.5, 1.0)
# The share of the time in which pieces leave their common start.
_OPENING = 0.02
_MIN_SCALE = 1e-3
# So often the source is carried in the presence of itself as it was carried before.
_PICARD = 3


def free_paths(
    source: GaussianMixture,
    sigma: Noise,
    horizon: float,
    drift: Drift | None = None,
    *,
    parts: int = 16,
    knots: int = 17,
    is_cut: bool = False,
) -> list[Rescaled]:
    r"""Paths that start in a mixture exactly and then about follow $dX = f\,dt + \sigma\,dW$.

    Nothing is simulated: parts are cut and carried by their moments, in several ways. All paths
    have the same structure, so that one compiled function judges them: `best_of`. A linear drift
    needs no more parts than the source has; `is_cut` cuts also there, for costs that bend the way.
    A mean field meets the source's parts, carried as Gaussians.
    """
    clock = grade_clock(source, sigma, horizon, _STEPS)
    if isinstance(drift, MeanField):
        drift = _frozen(drift, source, sigma, clock)
    whole, found = free_pieces(source, sigma, clock, drift, parts=parts, is_cut=is_cut)
    grid = grade_clock(source, sigma, 1.0, knots - 1)
    paths = []
    for pieces in found:
        gate = -np.expm1(-clock / horizon / _OPENING)[:, None, None]
        means = whole.means[:, pieces.owners]
        means = means + gate * (pieces.moments.means - means)
        wide = whole.covariances[:, pieces.owners]
        covariances = wide + gate[..., None] ** 2 * (pieces.covariances - wide)
        if np.isfinite(means).all() and np.isfinite(covariances).all():
            paths.append(_start_hard(source, pieces, clock, means, covariances, grid))
    return paths


def _frozen(drift: MeanField, source: GaussianMixture, sigma: Noise, clock: np.ndarray) -> Field:
    """The drift in the presence of the source's parts, as they are carried by it."""
    even, dtype = _even(source.dim), jnp.zeros(()).dtype
    count = len(even)
    weights = jnp.asarray(np.repeat(source.weights, count) / count, dtype)
    times = jnp.asarray(clock, dtype)

    def among(means: np.ndarray, covariances: np.ndarray) -> Field:
        factors = np.linalg.cholesky(covariances + 1e-12 * np.eye(source.dim))
        crowds = means[:, :, None] + np.einsum("tpij,nj->tpni", factors, even)
        crowds = jnp.asarray(crowds.reshape(len(clock), -1, source.dim), dtype)

        def field(t, x):
            later = jnp.clip(jnp.searchsorted(times, t), 1, len(clock) - 1)
            share = (t - times[later - 1]) / (times[later] - times[later - 1])
            crowd = (1.0 - share) * crowds[later - 1] + share * crowds[later]
            return drift.among(crowd, weights)(t, x)

        return field

    field = among(*(np.stack([a] * len(clock)) for a in (source.means, source.covariances)))
    for _ in range(_PICARD):
        moments, _ = whole_moments(source, field, sigma, clock)
        field = among(moments.means, moments.covariances)
    return field


def _even(dim: int) -> np.ndarray:
    """Points of unit covariance and mean zero that stand for a normal law."""
    eye = np.sqrt(dim) * np.eye(dim)
    return np.concatenate([eye, -eye])


def free_pieces(
    source: GaussianMixture,
    sigma: Noise,
    clock: np.ndarray,
    drift: Field | None = None,
    *,
    parts: int,
    is_cut: bool = False,
) -> tuple[Moments, list[Pieces]]:
    """The moments of the uncut parts of a source, and the pieces of several ways to cut them."""
    field = drift or (lambda t, x: jnp.zeros_like(x))
    whole, is_linear = whole_moments(source, field, sigma, clock)
    # Every part gets its share of the pieces, at least one.
    counts = np.maximum(1, np.round(parts * source.weights).astype(int))
    if counts.max() == 1 or (is_linear and not is_cut):
        count = len(counts)
        return whole, [Pieces(np.arange(count), source.weights, whole, np.ones((count, 1, 1)))]
    return whole, [
        cut(source, field, sigma, whole, counts, share * clock[-1], axes)
        for axes in range(1, min(source.dim, 2) + 1)
        for share in _UNTIL
    ]


def best_of(paths: list[Rescaled], judge: Callable[[AbstractPath], Scalar]) -> Rescaled:
    """The path for which a compiled figure is least."""
    figures = np.array([float(judge(path)) for path in paths])
    if not np.isfinite(figures).any():  # nor if there is no path
        raise LiouvilleError(
            "the moments of the diffusion leave all bounds before the horizon; shorten the "
            "horizon or look at the drift"
        )
    return paths[int(np.nanargmin(np.where(np.isfinite(figures), figures, np.nan)))]


def units_of(
    means: np.ndarray, covariances: np.ndarray, weights: np.ndarray, clock: np.ndarray
) -> Standardisation:
    """Units in which a moving mixture is of order one: one scale for all coordinates."""
    share = np.gradient(clock) / np.gradient(clock).sum()
    mass = share[:, None] * weights
    center = np.einsum("tp,tpi->i", mass, means)
    variance = np.einsum("tpii->tpi", covariances) + (means - center) ** 2
    scale = float(np.sqrt(np.einsum("tp,tpi->i", mass, variance).mean()))
    return Standardisation(center, np.full(len(center), scale), 0.0, float(clock[-1]))


def spline_basis(knots: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The natural cubic splines that are one at one knot each, shape `(times, knots)`."""
    return CubicSpline(knots, np.eye(len(knots)), bc_type="natural")(times)


def least_squares(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients of the nearest curve, shape `(coefficients, ...)`."""
    flat = values.reshape(len(values), -1)
    found = np.linalg.lstsq(basis, flat, rcond=None)[0]
    return found.reshape(basis.shape[1], *values.shape[1:])


def turning_for(covariances: np.ndarray) -> Turning:
    """Scales with a floor below all that is met."""
    return Turning(log_floor(covariances, _MIN_SCALE))


def raw_of(scale: Turning, covariances: np.ndarray, moments: Moments, width: np.ndarray):
    """Unconstrained scales of covariances, in units of `width`, that turn as a drift does.

    The covariances have the shape `(times, parts, dim, dim)`; slopes and noises of the moments are
    in the user's space and time.
    """
    dtype, area = jnp.zeros(()).dtype, np.outer(width, width)
    raw = jax.jit(scale.from_covariance)(jnp.asarray(covariances, dtype))
    slopes = moments.slopes * (width[None, :] / width[:, None])
    horizon = moments.times[-1] - moments.times[0]
    turn = spins(covariances, horizon * slopes, horizon * moments.noises / area)
    return np.asarray(raw, float) + np.triu(turn, 1)


def _start_hard(
    source: GaussianMixture,
    pieces: Pieces,
    clock: np.ndarray,
    means: np.ndarray,
    covariances: np.ndarray,
    knots: np.ndarray,
) -> Rescaled:
    units = units_of(means, covariances, pieces.weights, clock)
    dtype, horizon, width = jnp.zeros(()).dtype, units.time_scale, units.scale
    # The start to the last digit, not as it was carried.
    means = np.concatenate([source.means[pieces.owners][None], means[1:]])
    covariances = np.concatenate([source.covariances[pieces.owners][None], covariances[1:]])
    covariances = covariances / np.outer(width, width)
    scale = turning_for(covariances)
    basis = spline_basis(knots, clock / horizon)[1:]
    gate = np.expm1(-clock / horizon / 0.05) / np.expm1(-20.0)

    def curve(values: np.ndarray) -> AbstractCurve:
        first, moved = values[0], values[1:] - values[0]
        inside = moved / gate[1:].reshape(-1, *[1] * (values.ndim - 1))
        found = jnp.asarray(least_squares(basis, inside), dtype)
        start = jnp.asarray(first, dtype)
        return HardStarted(start, Knots(knots.tolist(), found), (0.0, 1.0), "fast")

    weights = GroupedWeights(
        jnp.asarray(np.log(pieces.weights), dtype),
        jnp.asarray(pieces.owners),
        Fixed(jnp.asarray(source.weights, dtype)),
    )
    inner = LocationScale(
        curve(units.to_model(means)),
        curve(raw_of(scale, covariances, pieces.moments, width)),
        weights,
        scale=scale,
    )
    return path_in_user(inner, units)
