"""Bridges of linear diffusions between Gaussians, in closed form. NumPy and float64."""

import dataclasses

import numpy as np
from scipy.linalg import expm

from liouville.numerics.arguments import check_positive, check_shapes
from liouville.problems.gaussian import bridge_cross, check_ends

Array = np.ndarray


@dataclasses.dataclass(frozen=True)
class LinearBridge:
    r"""The least effort from $N(m_0, S_0)$ to $N(m_1, S_1)$ of a linear diffusion.

    $$\min E\int_0^T \tfrac12 |c_t|^2\,dt, \qquad dX = (A X + B c)\,dt + B\,dW.$$

    With the transition $\Phi_t = e^{At}$ and the Gramian $G_t = \int_0^t \Phi_s B B^\top
    \Phi_s^\top ds$ the points $G_T^{-1/2}\Phi_T X_0$ and $G_T^{-1/2} X_T$ are coupled as by the
    bridge of a Brownian motion over unit time, and between them the process is pinned:

    $$X_t \mid X_0, X_T \sim N\big(\Phi_t X_0 + K_t (X_T - \Phi_T X_0),\;
      G_t - K_t \Phi_{T-t} G_t\big), \qquad K_t = G_t \Phi_{T-t}^\top G_T^{-1}$$

    (Chen, Georgiou and Pavon, IEEE Trans. Automatic Control 2016). Noise may act on some
    coordinates only, if the others feel it in the end: positions and momenta are
    $A = (\begin{smallmatrix} 0 & I \\ 0 & 0\end{smallmatrix})$ and $B = (0, \sigma)$.

    Attributes:
        mean0: $m_0$, shape `(dim,)`.
        cov0: $S_0$, shape `(dim, dim)`, positive definite.
        mean1: $m_1$, shape `(dim,)`.
        cov1: $S_1$, shape `(dim, dim)`, positive definite.
        rate: $A$, shape `(dim, dim)`.
        noise: $B$, shape `(dim, noises)`.
        horizon: $T$.

    Raises:
        LiouvilleError: if shapes differ, a covariance is not symmetric and positive definite, or
            the horizon is not positive.
    """

    mean0: Array
    cov0: Array
    mean1: Array
    cov1: Array
    rate: Array
    noise: Array
    horizon: float = 1.0

    def __post_init__(self) -> None:
        ends = (self.mean0, self.cov0, self.mean1, self.cov1)
        check_ends("the bridge", *ends, may_be_singular=False)
        dim = len(self.mean0)
        noise = (self.noise, (dim, np.shape(self.noise)[-1] if np.ndim(self.noise) else 0))
        check_shapes("the bridge", rate=(self.rate, (dim, dim)), noise=noise)
        check_positive("the bridge", horizon=self.horizon)

    @staticmethod
    def of_momenta(
        mean0: Array, cov0: Array, mean1: Array, cov1: Array, sigma: Array, horizon: float = 1.0
    ) -> "LinearBridge":
        r"""That of $dq = p\,dt$, $dp = \sigma(c\,dt + dW)$ for $(q, p)$, $\sigma$ `(d, d)`."""
        zero, eye = np.zeros_like(sigma), np.eye(len(sigma))
        rate, noise = np.block([[zero, eye], [zero, zero]]), np.concatenate([zero, sigma])
        return LinearBridge(mean0, cov0, mean1, cov1, rate, noise, horizon)

    def effort(self) -> float:
        r"""The least effort: the relative entropy of the coupling to the free diffusion."""
        ahead, _, cross = self._coupled()
        gain = np.linalg.solve(self.cov0, cross).T
        given = self.cov1 - gain @ cross
        excess, shift = gain - ahead, self.mean1 - ahead @ self.mean0
        gram = self._gram(self.horizon)
        second = given + excess @ self.cov0 @ excess.T + np.outer(shift, shift)
        logs = np.linalg.slogdet(given)[1] - np.linalg.slogdet(gram)[1]
        return 0.5 * float(np.trace(np.linalg.solve(gram, second)) - len(shift) - logs)

    def moments(self, t: float) -> tuple[Array, Array]:
        """Mean and covariance at time `t`, shapes `(dim,)` and `(dim, dim)`."""
        ahead, gram, cross = self._coupled()
        own, rest = self._gram(t), expm(self.rate * (self.horizon - t))
        pull = np.linalg.solve(gram, rest @ own).T
        stay = expm(self.rate * t) - pull @ ahead
        mixed = stay @ cross @ pull.T
        cov = stay @ self.cov0 @ stay.T + pull @ self.cov1 @ pull.T + mixed + mixed.T
        return stay @ self.mean0 + pull @ self.mean1, cov + own - pull @ rest @ own

    def _coupled(self) -> tuple[Array, Array, Array]:
        """The transition and the Gramian of the whole, and the covariance between both ends."""
        ahead, gram = expm(self.rate * self.horizon), self._gram(self.horizon)
        factor = np.linalg.cholesky(gram)
        first = np.linalg.solve(factor, ahead)
        last = np.linalg.inv(factor)
        cross = bridge_cross(first @ self.cov0 @ first.T, last @ self.cov1 @ last.T, 1.0)
        return ahead, gram, np.linalg.solve(first, cross) @ factor.T

    def _gram(self, t: float) -> Array:
        """$G_t$ from one exponential (Van Loan, IEEE Trans. Automatic Control 1978)."""
        zero = np.zeros_like(self.rate)
        block = np.block([[-self.rate, self.noise @ self.noise.T], [zero, self.rate.T]])
        found, dim = expm(block * t), len(self.mean0)
        return found[dim:, dim:].T @ found[:dim, dim:]
