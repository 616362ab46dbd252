r"""Covariances of parts that are each known from few points, drawn toward what they share.

$$\Sigma_k = \frac{n_k S_k + \kappa d\, s_k \bar S}{n_k + \kappa d}, \qquad
  s_k = \tfrac1d \mathrm{tr}(\bar S^{-1} S_k),$$

with the scatter $S_k$ and the number $n_k$ of the points of a part, the shape $\bar S$ that is
common to all (the mean of $S_k / s_k$, weighted by $n_k$) and the part's own scale $s_k$, one
number that few points know. Neither the unit of a coordinate nor a rotation counts.
"""

import numpy as np

# The common scale counts as so few numbers in that of a part.
_SCALE_COUNT = 0.1
_TINY = 1e-15


def drawn_together(own: np.ndarray, mass: np.ndarray, strength: float) -> np.ndarray:
    r"""The covariances $\Sigma_k$ of all parts, shape `(parts, dim, dim)`.

    Args:
        own: those of the parts alone, $S_k$, likewise; not singular all together.
        mass: the number of points of each, $n_k$, shape `(parts,)`, positive.
        strength: $\kappa d$, as how many points what is common counts; the diagonal of the common
            shape counts as many in that.
    """
    dim, share = own.shape[1], mass / mass.sum()
    scale, shape = _common(own, share)
    # The scale of a part of very few points is not its own either.
    typical = np.exp(share @ np.log(scale))
    count = mass * dim
    scale = (count * scale + _SCALE_COUNT * typical) / (count + _SCALE_COUNT)
    # In few points the shape that is common to all is not well known off its diagonal.
    unsure = strength / (mass.sum() + strength)
    shape = np.where(np.eye(dim) > 0.0, shape, (1.0 - unsure) * shape)
    drawn = (strength / (mass + strength))[:, None, None]
    return (1.0 - drawn) * own + drawn * scale[:, None, None] * shape


def _common(own: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scale of each part and the shape of all, of covariances `(parts, dim, dim)`."""
    rows, dim = own.reshape(len(own), -1), own.shape[1]
    scale, shape = np.ones(len(own)), share @ rows
    for _ in range(2):
        # Of a symmetric inverse, the trace of a product is the sum of the products of entries.
        inverse = 1.0 / shape if dim == 1 else np.linalg.inv(shape.reshape(dim, dim)).ravel()
        # What rounding leaves may be below zero.
        scale = np.maximum(rows @ inverse / dim, _TINY)
        shape = (share / scale) @ rows
    return scale, shape.reshape(dim, dim)
