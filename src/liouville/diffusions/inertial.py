r"""Where training starts if noise and control act on momenta alone: $dq = p\,dt$.

Each pair of parts of the ends is joined by the path of its linear bridge
(`liouville.problems.LinearBridge`), and pairs are coupled by least effort. An `Inertial` path has
two derivatives of its positions at an end given by the end: the mean momentum is the rate of the
mean, and the covariance with the momenta that of the scale.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liouville.curves import Clamped
from liouville.numerics.couplings import transport_plan
from liouville.numerics.mixtures import GaussianMixture, log_floor
from liouville.numerics.parameters import Fixed
from liouville.numerics.weights import CoupledWeights
from liouville.paths import Full, Inertial
from liouville.problems import LinearBridge

Array = np.ndarray

_NO_PAIR = 1e-9  # shares of the coupling below this are none


def inertial_path(
    source: GaussianMixture,
    target: GaussianMixture,
    sigma: Array,
    *,
    clock: Sequence[float],
    min_scale: float = 1e-3,
    bend: Callable[[Array], Callable[[float], Array]] | None = None,
) -> Inertial:
    """A path over unit time that meets both ends exactly, one part for each pair of theirs.

    Args:
        source: of positions and as many momenta, in the model's units.
        target: likewise.
        sigma: the noise of the momenta, shape `(d, d)`.
        clock: the shares of the time at which curves have knots, inside of 0 to 1.
        min_scale: the smallest scale of a part, unless those of an end are narrower.
        bend: from the positions at both ends, shape `(2, parts, d)`, to how far at a share of the
            time the mean positions go from the bridge, shape `(parts, d)`; with slope zero at both
            ends, where momenta are given.
    """
    every = [
        [
            LinearBridge.of_momenta(m, s, n, c, sigma)
            for n, c in zip(target.means, target.covariances)
        ]
        for m, s in zip(source.means, source.covariances)
    ]
    cost = np.array([[bridge.effort() for bridge in row] for row in every])
    plan = transport_plan(cost, source.weights, target.weights)
    rows, columns = np.nonzero(plan > _NO_PAIR)
    chosen = [every[i][j] for i, j in zip(rows, columns)]
    # By shares of the time: means `(times, parts, dim)` and covariances.
    shares = np.concatenate([[0.0], clock, [1.0]])
    moments = [[bridge.moments(s) for bridge in chosen] for s in shares]
    means, covariances = (np.array([[m[k] for m in row] for row in moments]) for k in range(2))
    d = means.shape[-1] // 2
    places = means[..., :d].copy()
    if bend is not None:
        bent = bend(places[[0, -1]])
        places[1:-1] += np.stack([bent(s) for s in clock])
    scale = Full(log_floor(covariances[[0, -1]], min_scale))
    position, slope, momentum = _raw(covariances, scale)

    def clamped(values: Array, slopes: Any) -> Clamped:
        return Clamped(shares.tolist(), _array(values[[0, -1]]), slopes, _array(values[1:-1]))

    steps = np.diff(shares)[[0, -1], None, None, None]

    logits = CoupledWeights.of(plan[rows, columns], rows, columns, source.weights, target.weights)
    return Inertial(
        clamped(places, Fixed(_array(means[[0, -1], :, d:]))),
        clamped(position, Fixed(_array(slope[[0, -1]]))),
        clamped(momentum, _array((momentum[[1, -1]] - momentum[[0, -2]]) / steps)),
        logits,
        scale,
    )


def _raw(covariances: Array, scale: Full) -> tuple[Array, Array, Array]:
    r"""Unconstrained scales of the positions, their rates, and those of the momenta.

    With $S_{qq} = L L^\top$ and $S_{pq} = C L^\top$ the matrix $L^{-1}C$ has the antisymmetric $W$
    above its diagonal, and $L' = C - L W$; what is left of the momenta is $R R^\top = S_{pp} - C
    C^\top$. Covariances have the shape `(times, parts, dim, dim)`.
    """
    d = covariances.shape[-1] // 2
    factor = np.linalg.cholesky(covariances[..., :d, :d])
    carried = np.linalg.solve(factor, covariances[..., :d, d:]).swapaxes(-1, -2)
    above = np.triu(np.linalg.solve(factor, carried), 1)
    rate = carried - factor @ (above - above.swapaxes(-1, -2))
    left = covariances[..., d:, d:] - carried @ carried.swapaxes(-1, -2)
    dtype = jnp.zeros(()).dtype
    own, rates, rest = (
        jnp.asarray(a, dtype) for a in (factor, np.tril(rate), np.linalg.cholesky(left))
    )
    raw, slope = jax.jit(lambda f, r: jax.jvp(scale.from_factor, (f,), (r,)))(own, rates)
    momentum = np.asarray(jax.jit(scale.from_factor)(rest), float) + above
    return np.asarray(raw, float), np.asarray(slope, float), momentum


def _array(value: Array) -> jax.Array:
    return jnp.asarray(value, jnp.zeros(()).dtype)
