r"""Transport and Schrödinger bridges between Gaussians, in closed form.

NumPy and float64 throughout: these are answers, not models.
"""

import dataclasses

import numpy as np
from scipy.linalg import solve_continuous_lyapunov

from liouville.numerics.arguments import check_covariance, check_positive, check_shapes, numbers

Array = np.ndarray


def _root(matrix: Array) -> Array:
    """The root of symmetric matrices `(..., dim, dim)` without negative eigenvalues."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.swapaxes(-1, -2)))
    roots = np.sqrt(np.maximum(values, 0.0))[..., None, :]
    return (vectors * roots) @ vectors.swapaxes(-1, -2)


def bures(mean0: Array, cov0: Array, mean1: Array, cov1: Array) -> float:
    r"""The squared Wasserstein distance between two Gaussians.

    $$W_2^2 = |m_0 - m_1|^2 + \operatorname{tr}(S_0 + S_1 - 2 (S_0^{1/2} S_1 S_0^{1/2})^{1/2})$$

    Args:
        mean0: $m_0$, shape `(dim,)`.
        cov0: $S_0$, shape `(dim, dim)`, positive definite.
        mean1: $m_1$, shape `(dim,)`.
        cov1: $S_1$, shape `(dim, dim)`, positive definite.

    Raises:
        LiouvilleError: if shapes differ, or a covariance is not symmetric or has a negative
            eigenvalue.
    """
    check_ends("two Gaussians", mean0, cov0, mean1, cov1, may_be_singular=True)
    root = _root(cov0)
    cross = _root(root @ cov1 @ root)
    return float(np.sum((mean0 - mean1) ** 2) + np.trace(cov0 + cov1 - 2.0 * cross))


def check_ends(
    what: str, mean0: Array, cov0: Array, mean1: Array, cov1: Array, *, may_be_singular: bool
) -> None:
    """Refuses means and covariances of two Gaussians that are none, or of another dimension."""
    shape = numbers(f"mean0 of {what}", mean0).shape
    check_shapes(what, mean0=(mean0, (np.size(mean0),)), mean1=(mean1, shape))
    for name, covariance in (("cov0", cov0), ("cov1", cov1)):
        what_of = f"{name} of {what}"
        check_covariance(what_of, covariance, shape[0], may_be_singular=may_be_singular)


def bridge_cross(cov0: Array, cov1: Array, noise: float) -> Array:
    r"""The covariance $C$ between both ends of the bridge of `GaussianBridge`.

    `noise` is $\sigma^2$ over unit time, zero for optimal transport; $S_0$ is positive definite.
    Covariances have the shape `(..., dim, dim)`.
    """
    root, eye = _root(cov0), np.eye(cov0.shape[-1])
    middle = _root(4.0 * root @ cov1 @ root + noise**2 * eye)
    return 0.5 * (root @ middle @ np.linalg.inv(root) - noise * eye)


@dataclasses.dataclass(frozen=True)
class GaussianBridge:
    r"""The Schrödinger bridge from $N(m_0, S_0)$ to $N(m_1, S_1)$ over $[0, 1]$.

    The reference is $dX = \sigma\,dW$ (Bunne, Hsieh, Cuturi and Krause, arXiv 2202.05722). With
    $D = (4 S_0^{1/2} S_1 S_0^{1/2} + \sigma^4 I)^{1/2}$ and
    $C = \tfrac12 (S_0^{1/2} D S_0^{-1/2} - \sigma^2 I)$,

    $$m_t = (1-t) m_0 + t m_1, \qquad
      S_t = (1-t)^2 S_0 + t^2 S_1 + t(1-t)(C + C^\top) + \sigma^2 t (1-t) I.$$

    With `sigma = 0` it is the optimal transport path.

    Attributes:
        mean0: $m_0$, shape `(dim,)`.
        cov0: $S_0$, shape `(dim, dim)`.
        mean1: $m_1$, shape `(dim,)`.
        cov1: $S_1$, shape `(dim, dim)`.
        sigma: the noise, zero or more.

    Raises:
        LiouvilleError: if shapes differ, a covariance is not symmetric and positive definite, or
            the noise is negative or not finite.
    """

    mean0: Array
    cov0: Array
    mean1: Array
    cov1: Array
    sigma: float

    def __post_init__(self) -> None:
        ends = (self.mean0, self.cov0, self.mean1, self.cov1)
        check_ends("the bridge", *ends, may_be_singular=False)
        check_positive("the bridge", least=0.0, sigma=self.sigma)

    def mean(self, t: float) -> Array:
        """The mean at time `t`, shape `(dim,)`."""
        return (1.0 - t) * self.mean0 + t * self.mean1

    def cov(self, t: float) -> Array:
        """The covariance at time `t`, shape `(dim, dim)`."""
        return (1.0 - t) ** 2 * self.cov0 + t**2 * self.cov1 + t * (1.0 - t) * self._middle()

    def energy(self) -> float:
        r"""$\int_0^1 \tfrac12 E|b|^2\,dt$ of the drift, by Gauss-Legendre quadrature in time.

        Divided by $\sigma^2$ it is the relative entropy to the reference, given the same start.
        """
        nodes, weights = np.polynomial.legendre.leggauss(200)
        return float(sum(0.25 * w * self._power(0.5 * (s + 1.0)) for s, w in zip(nodes, weights)))

    def _middle(self) -> Array:
        r"""$C + C^\top + \sigma^2 I$."""
        cross = bridge_cross(self.cov0, self.cov1, self.sigma**2)
        return cross + cross.T + self.sigma**2 * np.eye(len(self.mean0))

    def _power(self, t: float) -> float:
        r"""$E|b|^2$ at one time: the drift is $m' + (A - \sigma^2 S^{-1}/2)(x - m)$."""
        cov = self.cov(t)
        rate = -2.0 * (1.0 - t) * self.cov0 + 2.0 * t * self.cov1
        rate = rate + (1.0 - 2.0 * t) * self._middle()
        # The gradient field with the right rate: A S + S A = S'.
        generator = solve_continuous_lyapunov(cov, rate)
        slope = generator - 0.5 * self.sigma**2 * np.linalg.inv(cov)
        return float(np.sum((self.mean1 - self.mean0) ** 2) + np.trace(slope @ cov @ slope.T))
