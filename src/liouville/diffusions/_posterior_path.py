r"""Curves whose slopes jump where something was observed."""

import jax.numpy as jnp
import numpy as np

from liouville.curves import AbstractCurve, Jumping, Kinked, Knots
from liouville.diffusions._free import least_squares, raw_of, spline_basis, turning_for, units_of
from liouville.diffusions._moments import Moments
from liouville.diffusions._posterior import Posterior
from liouville.diffusions._turning import steer_slopes
from liouville.paths import LocationScale, Rescaled, path_in_user


def smooth_path(
    moments: Moments, after: Posterior, parts: int, seen_at: np.ndarray, grid: np.ndarray
) -> Rescaled:
    """The path of the heaviest pieces of a posterior, with knots at `grid`, free at both ends."""
    dtype, clock = jnp.zeros(()).dtype, moments.times
    kept = np.sort(np.argsort(after.weights)[::-1][:parts])
    weights = np.maximum(after.weights[kept], 1e-4)
    weights = weights / weights.sum()
    means, covariances = after.means[:, kept], after.covariances[:, kept]
    units = units_of(means, covariances, weights, clock)
    width = units.scale
    slopes, noises = moments.slopes[:, kept], moments.noises[:, kept]
    rates = np.gradient(covariances, clock, axis=0)
    steered = steer_slopes(covariances, rates, slopes, noises)
    moments = moments._replace(slopes=steered, noises=noises)
    covariances = covariances / np.outer(width, width)
    scale = turning_for(covariances)
    share, knots = clock / clock[-1], grid / clock[-1]
    inner = np.unique(seen_at[(seen_at > 0) & (seen_at < clock[-1])]) / clock[-1]
    gaps = np.diff(np.concatenate([[0.0], inner, [1.0]]))
    widths = 0.5 * np.minimum(gaps[:-1], gaps[1:]) if inner.size else inner
    off = share[:, None] - inner
    near = np.exp(-np.abs(off) / widths)
    basis = np.concatenate([spline_basis(knots, share), near], axis=1)

    def continuous(found: np.ndarray) -> AbstractCurve:
        smooth = Knots(knots.tolist(), jnp.asarray(found[: len(knots)], dtype))
        if not inner.size:
            return smooth
        kinks = jnp.asarray(found[len(knots) : basis.shape[1]], dtype)
        return Kinked(smooth, kinks, tuple(inner.tolist()), tuple(widths.tolist()))

    raw = raw_of(scale, covariances, moments, width)
    whole = least_squares(np.concatenate([basis, np.sign(off) * near], axis=1), np.triu(raw, 1))
    shape = least_squares(basis, np.tril(raw)) + whole[: basis.shape[1]]
    scales = continuous(shape)
    if inner.size and raw.shape[-1] > 1:
        jumps = jnp.asarray(whole[basis.shape[1] :], dtype)
        scales = Jumping(scales, jumps, tuple(inner.tolist()), tuple(widths.tolist()))
    path = LocationScale(
        continuous(least_squares(basis, units.to_model(means))),
        scales,
        jnp.asarray(np.log(weights), dtype),
        scale=scale,
    )
    return path_in_user(path, units)
