r"""Moments of pieces of a diffusion after noisy observations: where smoothing starts.

Given its piece, $X$ is nearly Gaussian with the covariances $\mathrm{Cov}(X_s, X_t) =
\Phi(s, t) P_t - B_s (I - C) B_t^\top$ for $s \ge t$, and conditioning on observations is linear
algebra over their times. For one piece of a linear diffusion this is the smoother of Rauch, Tung
and Striebel (AIAA Journal 3, 1965). Other likelihoods are replaced by the parabola that touches
them at the posterior mean, found in a few rounds.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from liouville.diffusions._moments import Pieces, step_matrices

Array = np.ndarray

_ROUNDS = 4


class Posterior(NamedTuple):
    """Pieces after the observations."""

    weights: Array  # of sum one
    means: Array  # (times, pieces, dim)
    covariances: Array  # (times, pieces, dim, dim)


def posterior(
    pieces: Pieces,
    seen: Array,
    values: Array,
    log_likelihood: Callable[[jax.Array, jax.Array], jax.Array],
) -> Posterior:
    r"""Conditions every piece on all observations.

    `seen` are their places on the clock, shape `(n,)`, `values` has the shape `(n, ...)`, and
    `log_likelihood` takes a value and a point to $\log p(y \mid x)$.
    """
    means, covariances = pieces.moments.means.swapaxes(0, 1), pieces.covariances.swapaxes(0, 1)
    count, times, dim = means.shape
    cross = _covariances(pieces, seen)
    # Of the places at all observations together.
    joint = cross[:, seen].reshape(count, len(seen) * dim, len(seen) * dim)
    joint = 0.5 * (joint + joint.swapaxes(-1, -2))
    push, root, evidence = _condition(means[:, seen], joint, _expansion(values, log_likelihood))
    whole = cross.reshape(count, times, dim, len(seen) * dim)
    gain = whole @ root[:, None]
    inner = np.eye(joint.shape[-1]) + root @ joint @ root
    taken = gain @ (np.linalg.inv(inner)[:, None] @ gain.swapaxes(-1, -2))
    logits = np.log(pieces.weights) + evidence
    weights = np.exp(logits - logits.max())
    return Posterior(
        weights / weights.sum(),
        (means + np.einsum("ptij,pj->pti", whole, push)).swapaxes(0, 1),
        _positive(covariances - taken, covariances).swapaxes(0, 1),
    )


def _condition(before: Array, joint: Array, expand: Callable) -> tuple[Array, Array, Array]:
    """How each piece is pushed, the root of what was learned of it, and its log-evidence.

    The prior means at the observations have the shape `(pieces, n, dim)`, their covariances
    `(pieces, n dim, n dim)`; `expand` is an `_expansion`.
    """
    count, size = len(before), joint.shape[-1]
    off, eye = np.zeros((count, size)), np.eye(size)
    height, slope, precision = expand(before)
    for _ in range(_ROUNDS):
        root = _block_diagonal(_roots(precision))
        pull = slope.reshape(count, -1) + _times(root @ root, off)
        off = _times(joint, _solve(eye + root @ root @ joint, pull))
        height, slope, precision = expand(before + off.reshape(before.shape))
    root = _block_diagonal(_roots(precision))
    slope = slope.reshape(count, -1)
    pull = slope + _times(root @ root, off)
    push = _solve(eye + root @ root @ joint, pull)
    # The parabola at the prior mean, then the Gaussian integral over the rest.
    evidence = height.sum(1) - (slope * off).sum(1) - 0.5 * (off * _times(root @ root, off)).sum(1)
    evidence += 0.5 * (pull * _times(joint, push)).sum(1)
    evidence -= 0.5 * np.linalg.slogdet(eye + root @ joint @ root)[1]
    return push, root, evidence


def _covariances(pieces: Pieces, seen: Array) -> Array:
    """Covariances of $X_t$ and the places at observations, `(pieces, times, dim, n, dim)`."""
    moments = pieces.moments
    flow = step_matrices(moments)
    times, count, dim = moments.means.shape
    cut = np.eye(pieces.within.shape[-1]) - pieces.within
    found = np.zeros((len(seen), times, count, dim, dim))
    for k, j in enumerate(seen):
        found[k, j] = moments.covariances[j]
        for i in range(j, times - 1):
            found[k, i + 1] = flow[i] @ found[k, i]
        back = np.broadcast_to(np.eye(dim), (count, dim, dim))
        for i in range(j - 1, -1, -1):
            back = back @ flow[i]
            found[k, i] = moments.covariances[i] @ back.swapaxes(-1, -2)
        taken = np.einsum(
            "tpia,pab,pjb->tpij", moments.loadings, cut, moments.loadings[j], optimize=True
        )
        found[k] -= (1.0 - 1e-4) * taken
    return found.transpose(2, 1, 3, 0, 4)


def _expansion(values: Array, log_likelihood: Callable) -> Callable:
    """Height, slope and precision of all log-likelihoods at points `(pieces, n, dim)`."""
    dtype = jnp.zeros(()).dtype

    def one(y, x):
        def of(place):
            return log_likelihood(y, place)

        return of(x), jax.grad(of)(x), -jax.hessian(of)(x)

    expand = jax.jit(jax.vmap(jax.vmap(one), (None, 0)))
    seen = jnp.asarray(values, dtype)
    return lambda points: [np.asarray(a, float) for a in expand(seen, jnp.asarray(points, dtype))]


def _roots(matrices: Array) -> Array:
    """Roots of symmetric matrices, negative eigenvalues taken for zero."""
    values, vectors = np.linalg.eigh(0.5 * (matrices + matrices.swapaxes(-1, -2)))
    return (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ vectors.swapaxes(-1, -2)


def _block_diagonal(blocks: Array) -> Array:
    """Matrices `(pieces, n, dim, dim)` as `(pieces, n dim, n dim)`."""
    count, n, dim, _ = blocks.shape
    whole = np.zeros((count, n, dim, n, dim))
    whole[:, np.arange(n), :, np.arange(n)] = blocks.swapaxes(0, 1)
    return whole.reshape(count, n * dim, n * dim)


def _times(matrices: Array, vectors: Array) -> Array:
    return np.einsum("pij,pj->pi", matrices, vectors)


def _solve(matrices: Array, vectors: Array) -> Array:
    return np.linalg.solve(matrices, vectors[..., None])[..., 0]


def _positive(matrices: Array, wide: Array) -> Array:
    """Symmetric matrices with eigenvalues of at least 1e-6 of those of wider ones."""
    values, vectors = np.linalg.eigh(0.5 * (matrices + matrices.swapaxes(-1, -2)))
    least = 1e-6 * np.einsum("...ii->...", wide)[..., None]
    return (vectors * np.maximum(values, least)[..., None, :]) @ vectors.swapaxes(-1, -2)
