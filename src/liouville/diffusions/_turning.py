import numpy as np


def spins(covariances: np.ndarray, slopes: np.ndarray, noises: np.ndarray) -> np.ndarray:
    r"""The antisymmetric $W$ with which Gaussian parts follow a linear drift exactly.

    The velocity of $dX = J X\,dt + \sigma\,dW$ has the matrix $A = J + \tfrac12 D S^{-1}$; with the
    symmetric $A_*$ of the same $A_* S + S A_* = A S + S A^\top$, $W = L^{-1}(A - A_*) L$. All have
    the shape `(..., dim, dim)`: covariances $S = L L^\top$, slopes $J$ and noises $D$.
    """
    generator = slopes + 0.5 * noises @ np.linalg.inv(covariances)
    rate = generator @ covariances
    symmetric = _lyapunov(covariances, rate + rate.swapaxes(-1, -2))
    factor = np.linalg.cholesky(covariances)
    spin = np.linalg.solve(factor, (generator - symmetric) @ factor)
    return 0.5 * (spin - spin.swapaxes(-1, -2))


def steer_slopes(
    covariances: np.ndarray, rates: np.ndarray, slopes: np.ndarray, noises: np.ndarray
) -> np.ndarray:
    r"""The linear drift that a control by a gradient makes of another one.

    A posterior process has the drift $f + D\nabla\psi$. With $\nabla^2\psi = K$ a part has $S' = (J
    + D K) S + S (J + D K)^\top + D$; this gives $J + D K$ from $S$, $S'$, $J$ and $D$, all of shape
    `(..., dim, dim)`.
    """
    factor = np.linalg.cholesky(noises)
    inverse = np.linalg.inv(factor)
    carried = slopes @ covariances
    missing = rates - carried - carried.swapaxes(-1, -2) - noises
    white = inverse @ missing @ inverse.swapaxes(-1, -2)
    control = _lyapunov(inverse @ covariances @ inverse.swapaxes(-1, -2), white)
    return slopes + factor @ control @ inverse


def _lyapunov(covariances: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The symmetric $X$ of $X S + S X = R$."""
    values, vectors = np.linalg.eigh(covariances)
    turned = vectors.swapaxes(-1, -2)
    sums = values[..., :, None] + values[..., None, :]
    return vectors @ ((turned @ rates @ vectors) / sums) @ turned
