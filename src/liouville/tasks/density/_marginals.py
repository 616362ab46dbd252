r"""A fixed map under which every coordinate of the samples has about a normal distribution.

With noise between its whole steps a column has edges: where it starts, where it ends, and around
each value that is frequent. Gaussian parts blur an edge, at a tenth of a nat and more each. Seen
through $T_i = F_i^{-1} \circ \Phi$, with the distribution function $F_i$ of the column, a normal
law has the edges of the column, and what is left to learn is smooth.
"""

import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from liouville.curves import Constant, Knots
from liouville.maps import LEAST_SIDE, LOG_SLOPE_BOUND, Elementwise, Spline
from liouville.numerics.parameters import Fixed
from liouville.paths import Opened

BINS, BOX = 32, 6.0
# The outermost levels of the distribution function that samples say.
_TAIL = 2e-3
# Room between the outermost knots and the box, beyond which the map is the identity.
_MARGIN = 0.5
# The least share of the box a bin has above the least that a spline can say, and the largest
# logarithm of a slope as a share of the largest it can say.
_LEAST_SHARE, _MOST_SLOPE = 1e-4, 0.95

# The heights go from those of the identity to the columns' in straight lines between these times.
_CLOCK = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)


def marginal_map(points: np.ndarray, interval: tuple[float, float]) -> Opened:
    """A map that is the identity at the start and makes normal laws the marginals at the end.

    It is not learned, and beyond six units it is the identity. Where many samples share a narrow
    range the bins of the spline are too wide to follow all of it, which keeps slopes moderate.
    """
    widths, heights = _sides(points)
    raw = np.stack([_raw(widths, (1.0 - s) * widths + s * heights) for s in _CLOCK])
    times = [interval[0] + s * (interval[1] - interval[0]) for s in _CLOCK]
    curve = Knots(times, jnp.asarray(raw, jnp.zeros(()).dtype), "linear")
    return Opened(Fixed(Elementwise(curve, Spline(BINS, BOX))), Fixed(Constant(jnp.ones(()))))


def _sides(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths and heights of the bins as shares of the box, each of shape `(bins, dim)`."""
    levels = np.concatenate([[_TAIL], np.arange(1, BINS - 2) / (BINS - 2), [1.0 - _TAIL]])
    x = np.tile(ndtri(levels)[:, None], (1, points.shape[1]))
    y = np.clip(np.quantile(points, levels, axis=0), _MARGIN - BOX, BOX - _MARGIN)
    return _shares(x), _shares(y)


def _raw(widths: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The unconstrained parameters of the splines, shape `(3 * bins - 1, dim)`."""
    chords = heights / widths
    # The harmonic mean of the slopes of both sides is near the smaller one.
    slopes = np.log(2.0 / (1.0 / chords[1:] + 1.0 / chords[:-1]))
    slopes = np.arctanh(np.clip(slopes / LOG_SLOPE_BOUND, -_MOST_SLOPE, _MOST_SLOPE))
    logits = [
        np.log((share - LEAST_SIDE / BINS) / (1.0 - LEAST_SIDE)) for share in (widths, heights)
    ]
    return np.concatenate([*logits, LOG_SLOPE_BOUND * slopes])


def _shares(knots: np.ndarray) -> np.ndarray:
    """The shares of the box between its sides and the knots, as a spline can say them."""
    ends = [np.full((1, knots.shape[1]), side) for side in (-BOX, BOX)]
    shares = np.diff(np.concatenate([ends[0], knots, ends[1]]), axis=0) / (2.0 * BOX)
    least = LEAST_SIDE / BINS
    free = np.maximum(shares - least, _LEAST_SHARE)
    return least + (1.0 - LEAST_SIDE) * free / free.sum(axis=0)
