r"""Opinions that polarise, as Generalized Schrödinger Bridge Matching asks to undo it.

Whoever is on one side of a topic $\xi_t$ is drawn to where that side is (Schweighofer, Schweitzer
and Garcia 2020; with the constants of Liu et al., ICLR 2024):

$$dX = \alpha\,m(t)\,s(X)\,\bar B_t\,dt + \sigma\,dW, \quad s(x) = \mathrm{sign}\,x\cdot\xi_t,
  \quad B_t = E\,\frac{s(X)\,X}{|X|^{1/2}}, \quad \bar B_t = \frac{B_t}{|B_t|^{1/2}},$$

$m(t) = \mathrm{clip}(1 - e^{8(t-1)} + 10^{-5}, 10^{-4}, 1)^5$. NumPy and float64 throughout.
"""

import numpy as np

from liouville.numerics.arguments import check_counts

Array = np.ndarray

_MOMENTS, _SEED = 500, 4078213
_PULL, _NOISE = 2.0, 0.4


def topics(dim: int) -> Array:
    r"""The topics $\xi$ at 500 equally spaced times of the unit interval, shape `(500, dim)`.

    $\xi \leftarrow \xi - 2\xi\,dt + .4\sqrt{dt}\,N(0, I)$ from $N(0, I)$ with the published seed,
    then of length one. After the first, in which opinions differ most at the start, coordinates
    are the topics' principal axes: neither ends nor dynamics look different along these.
    """
    check_counts(2, dim=dim)
    draws = np.random.default_rng(_SEED).standard_normal((_MOMENTS, dim))
    walk = [draws[0]]
    for draw in draws[1:]:
        walk.append(walk[-1] * (1.0 - _PULL / _MOMENTS) + _NOISE * _MOMENTS**-0.5 * draw)
    found = np.stack(walk)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    left, scales, _ = np.linalg.svd(found[:, 1:], full_matrices=False)
    found[:, 1:] = 0.0
    found[:, 1 : 1 + len(scales)] = left * scales
    return found


def directional_similarity(points: Array, *, pairs: int = 20_000, seed: int = 0) -> Array:
    r"""$1 - \angle(x, y)/\pi$ of random pairs of centred points, shape `(pairs,)`.

    It is one for opinions that agree and zero for opposite ones; in a polarised crowd it is near
    one of both, in a mixed crowd of many coordinates a half.

    Args:
        points: shape `(n, dim)`, two or more.
        pairs: of different points, drawn with replacement.
        seed: of the pairs.
    """
    check_counts(2, points=len(points))
    rng = np.random.default_rng(seed)
    first = rng.integers(len(points), size=pairs)
    second = (first + rng.integers(1, len(points), size=pairs)) % len(points)
    centred = points - points.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    cosine = np.einsum("ij,ij->i", unit[first], unit[second])
    return 1.0 - np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi
