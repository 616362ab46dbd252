r"""Control problems and diffusions with answers on paper.

NumPy and float64 throughout: these are answers, not models. Efforts are $\tfrac12 E|c|^2$ for
$dX = (f + \sigma c)\,dt + \sigma\,dW$. Matrices and numbers that are none raise `LiouvilleError`.
"""

import dataclasses

import numpy as np
from scipy.integrate import quad, solve_bvp, solve_ivp
from scipy.linalg import expm

from liouville.numerics.arguments import check_positive, check_shapes, check_symmetric
from liouville.numerics.mixtures import GaussianMixture
from liouville.problems.gaussian import bridge_cross, check_ends

Array = np.ndarray


@dataclasses.dataclass(frozen=True)
class PotentialBridge:
    r"""The bridge from $N(m_0, S_0)$ to $N(m_1, S_1)$ over unit time in a potential $q|x|^2/2$.

    $$J = \min E \int_0^1 \tfrac12 |c_t|^2 + \tfrac q2 |X_t|^2\,dt, \qquad dX = \sigma c\,dt +
      \sigma\,dW.$$

    Brownian motion weighted by $e^{-\int q|X|^2/2}$ has Mehler's kernel: with
    $\omega = \sigma\sqrt q$

    $$k(x, y) = \Big(\frac{\omega}{2\pi\sigma^2\sinh\omega}\Big)^{d/2} \exp\Big(-\frac{\omega}
      {2\sigma^2}\Big[(|x|^2 + |y|^2)\coth\omega - \frac{2 x\cdot y}{\sinh\omega}\Big]\Big),$$

    and $J = \min_\pi E_\pi \log\big(\pi(x, y)/(\rho_0(x)\,k(x, y))\big)$ over couplings
    $\pi$. The best one is Gaussian, with the cross-covariance of the bridge of noise
    $\sigma^2\sinh(\omega)/\omega$ (the closed form of Teter, Chen and Halder, arXiv 2406.00503).

    Attributes:
        mean0: $m_0$, shape `(dim,)`.
        cov0: $S_0$, shape `(dim, dim)`, positive definite.
        mean1: $m_1$, shape `(dim,)`.
        cov1: $S_1$, shape `(dim, dim)`, positive definite.
        q: the strength of the potential, positive.
        sigma: the noise, positive.
    """

    mean0: Array
    cov0: Array
    mean1: Array
    cov1: Array
    q: float
    sigma: float = 1.0

    def __post_init__(self) -> None:
        ends = (self.mean0, self.cov0, self.mean1, self.cov1)
        check_ends("the bridge", *ends, may_be_singular=False)
        check_positive("the bridge", q=self.q, sigma=self.sigma)

    def cost(self, cross: Array | None = None) -> float:
        r"""$J$, or the cost of the coupling with another cross-covariance, shape `(dim, dim)`."""
        dim, noise = len(self.mean0), self.sigma**2
        omega = self.sigma * float(np.sqrt(self.q))
        wide = noise * np.sinh(omega) / omega
        if cross is None:
            cross = bridge_cross(self.cov0, self.cov1, wide)
        given = self.cov1 - cross.T @ np.linalg.solve(self.cov0, cross)
        entropy = 0.5 * dim * np.log(2.0 * np.pi * np.e) + 0.5 * np.linalg.slogdet(given)[1]
        square = self.mean0 @ self.mean0 + self.mean1 @ self.mean1
        square += np.trace(self.cov0) + np.trace(self.cov1)
        product = self.mean0 @ self.mean1 + np.trace(cross)
        logarithm = 0.5 * dim * np.log(1.0 / (2.0 * np.pi * wide))
        logarithm -= 0.5 * omega / noise / np.tanh(omega) * square - product / wide
        return float(-entropy - logarithm)


@dataclasses.dataclass(frozen=True)
class MeanFieldBridge:
    r"""The bridge on the line from $N(m_0, v_0)$ to $N(m_1, v_1)$ over unit time in a crowd.

    $$\min \int_0^1 \tfrac12 E|c|^2 + \lambda E\log\rho + \tfrac q2 E x^2 + \tfrac\kappa2 E|x - y|^2
      \,dt, \qquad dX = \sigma c\,dt + \sigma\,dW,$$

    with $y$ an independent copy of $x$. The best path is Gaussian, with mean $m$ and standard
    deviation $s$ from the Euler-Lagrange equations

    $$m'' = \sigma^2 q\,m, \qquad
      s'' = -\frac{\sigma^4}{4 s^3} + \sigma^2\Big((q + 2\kappa)\,s - \frac\lambda s\Big),$$

    because $E|c|^2 = (m'^2 + (s' - \sigma^2/2s)^2)/\sigma^2$.

    Attributes:
        mean0: $m_0$.
        variance0: $v_0$.
        mean1: $m_1$.
        variance1: $v_1$.
        sigma: the noise, positive.
        entropy: $\lambda$.
        q: the strength of the potential, at least zero.
        attraction: $\kappa$.
    """

    mean0: float
    variance0: float
    mean1: float
    variance1: float
    sigma: float = 1.0
    entropy: float = 0.0
    q: float = 0.0
    attraction: float = 0.0

    def __post_init__(self) -> None:
        positive = {"variance0": self.variance0, "variance1": self.variance1, "sigma": self.sigma}
        check_positive("the bridge", **positive)
        check_positive("the bridge", least=0.0, q=self.q)

    def moments(self, times: Array) -> Array:
        """Mean, its rate, standard deviation and its rate at given times, shape `(4, times)`.

        Raises:
            RuntimeError: if the boundary-value problem was not solved.
        """
        noise, ends = self.sigma**2, np.sqrt([self.variance0, self.variance1])

        def slope(_, y):
            m, m_rate, s, s_rate = y
            force = noise * ((self.q + 2.0 * self.attraction) * s - self.entropy / s)
            return np.stack([m_rate, noise * self.q * m, s_rate, force - 0.25 * noise**2 / s**3])

        def miss(a, b):
            return np.array([a[0] - self.mean0, b[0] - self.mean1, a[2] - ends[0], b[2] - ends[1]])

        clock = np.linspace(0.0, 1.0, 101)
        bump = np.sqrt(noise * clock * (1.0 - clock) + (ends @ [0.5, 0.5]) ** 2)
        line = self.mean0 + clock * (self.mean1 - self.mean0)
        rates = [np.gradient(line, clock), bump, np.gradient(bump, clock)]
        guess = np.stack([line, *rates])
        found = solve_bvp(slope, miss, clock, guess, tol=1e-10, max_nodes=100_000)
        if not found.success:
            raise RuntimeError(f"the moments of {self} were not found: {found.message}")
        return found.sol(times)

    def cost(self) -> float:
        """The least cost."""
        edges = np.linspace(0.0, 1.0, 65)
        nodes, shares = np.polynomial.legendre.leggauss(8)
        half = 0.5 * np.diff(edges)[:, None]
        clock = (edges[:-1, None] + half * (nodes + 1.0)).ravel()
        m, m_rate, s, s_rate = self.moments(clock)
        noise = self.sigma**2
        rate = 0.5 * (m_rate**2 + (s_rate - 0.5 * noise / s) ** 2) / noise
        rate -= self.entropy * (np.log(s) + 0.5 * np.log(2.0 * np.pi * np.e))
        rate += 0.5 * self.q * (m**2 + s**2) + self.attraction * s**2
        return float(rate @ (half * shares).ravel())


@dataclasses.dataclass(frozen=True)
class LinearQuadratic:
    r"""Linear dynamics, quadratic costs and a free end.

    $$\min E \int_0^T \tfrac12 |c|^2 + X^\top P X\,dt + X_T^\top Q X_T, \qquad
      dX = (A X + \sigma c)\,dt + \sigma\,dW.$$

    The value is $V(t, x) = x^\top F x + \int_t^T \operatorname{tr}(\sigma\sigma^\top F)$ with
    Riccati's equation $-F' = A^\top F + F A + P - 2 F\sigma\sigma^\top F$, $F_T = Q$, and the best
    control is $c = -2\sigma^\top F x$ (Yong and Zhou, Stochastic Controls, 1999, chapter 6).

    Attributes:
        drift: $A$, shape `(dim, dim)`.
        running: $P$, shape `(dim, dim)`, symmetric.
        final: $Q$, shape `(dim, dim)`, symmetric.
        sigma: shape `(dim, dim)`.
        horizon: $T$.
    """

    drift: Array
    running: Array
    final: Array
    sigma: Array
    horizon: float = 1.0

    def __post_init__(self) -> None:
        dim = len(np.atleast_1d(self.drift))
        matrices = {name: getattr(self, name) for name in ("drift", "running", "final", "sigma")}
        square = {name: (matrix, (dim, dim)) for name, matrix in matrices.items()}
        check_shapes("the problem", **square)
        for name in ("running", "final"):
            check_symmetric(f"{name} of the problem", matrices[name])
        check_positive("the problem", horizon=self.horizon)

    def riccati(self, t: float) -> tuple[Array, float]:
        r"""$F_t$, shape `(dim, dim)`, and $\int_t^T \operatorname{tr}(\sigma\sigma^\top F)$."""
        dim, noise = len(self.drift), self.sigma @ self.sigma.T

        def slope(_, y):
            f = y[:-1].reshape(dim, dim)
            rate = self.drift.T @ f + f @ self.drift + self.running - 2.0 * f @ noise @ f
            return np.append(rate.ravel(), np.sum(noise * f))

        # In the time that is left.
        span = (0.0, self.horizon - t)
        start = np.append(self.final.ravel(), 0.0)
        last = solve_ivp(slope, span, start, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
        return last[:-1].reshape(dim, dim), float(last[-1])

    def value(self, mean: Array, covariance: Array) -> float:
        """The least cost from a start of given moments, shapes `(dim,)` and `(dim, dim)`."""
        f, noise = self.riccati(0.0)
        return float(mean @ f @ mean + np.sum(f * covariance) + noise)

    def control(self, t: float, x: Array) -> Array:
        """The best control at time `t` and a point, shape `(dim,)`."""
        return -2.0 * self.sigma.T @ self.riccati(t)[0] @ x


@dataclasses.dataclass(frozen=True)
class OrnsteinUhlenbeck:
    r"""$dX = -A (X - b)\,dt + G\,dW$: Gaussians stay Gaussian.

    $$m_t = b + e^{-A t}(m_0 - b), \qquad
      S_t = e^{-A t} S_0 e^{-A^\top t} + \int_0^t e^{-A s} G G^\top e^{-A^\top s}\,ds,$$

    the integral from one matrix exponential (Van Loan, IEEE Trans. Automatic Control 23, 1978).

    Attributes:
        rate: $A$, shape `(dim, dim)`.
        center: $b$, shape `(dim,)`.
        noise: $G$, shape `(dim, dim)`.
    """

    rate: Array
    center: Array
    noise: Array

    def __post_init__(self) -> None:
        dim = np.size(self.center)
        square = {"rate": (self.rate, (dim, dim)), "noise": (self.noise, (dim, dim))}
        check_shapes("the process", center=(self.center, (dim,)), **square)

    def transition(self, t: float) -> tuple[Array, Array]:
        r"""$e^{-A t}$ and the covariance that a point gathers in time $t$."""
        dim, spread = len(self.center), self.noise @ self.noise.T
        block = np.block([[self.rate, spread], [np.zeros((dim, dim)), -self.rate.T]])
        whole = expm(t * block)
        carried = whole[dim:, dim:].T
        gathered = carried @ whole[:dim, dim:]
        return carried, 0.5 * (gathered + gathered.T)

    def moments(self, t: float, mean: Array, covariance: Array) -> tuple[Array, Array]:
        """Mean and covariance at time `t` of a start with the given ones."""
        carried, gathered = self.transition(t)
        moved = self.center + carried @ (mean - self.center)
        return moved, carried @ covariance @ carried.T + gathered

    def law(self, t: float, source: GaussianMixture) -> GaussianMixture:
        """The law at time `t` of a start in a mixture: every part moves by itself."""
        moved = [self.moments(t, m, s) for m, s in zip(source.means, source.covariances)]
        means, covariances = (np.stack(a) for a in zip(*moved))
        return GaussianMixture(source.weights, means, covariances)


@dataclasses.dataclass(frozen=True)
class DoubleWell:
    r"""$dX = -U'(X)\,dt + \sigma\,dW$ in the potential $U = \kappa (x^2 - 1)^2$.

    In the long run $\rho \propto e^{-2U/\sigma^2}$, and $E x^4 = E x^2 + \sigma^2/8\kappa$ (the
    mean rate of $x^2$ is zero).

    Attributes:
        kappa: the height of the barrier.
        sigma: the noise, positive.
    """

    kappa: float = 1.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        check_positive("the double well", kappa=self.kappa, sigma=self.sigma)

    def drift(self, x: Array) -> Array:
        """$-U'(x)$, element by element."""
        return -4.0 * self.kappa * x * (x**2 - 1.0)

    def moment(self, power: int) -> float:
        """The mean of a power of $x$ in the long run, by quadrature."""

        def weigh(x, n):
            return x**n * np.exp(-2.0 * self.kappa * (x**2 - 1.0) ** 2 / self.sigma**2)

        far = 2.0 + (6.0 * self.sigma / np.sqrt(self.kappa)) ** 0.5
        options = {"epsabs": 1e-13, "limit": 200}
        above, below = (quad(weigh, -far, far, args=(n,), **options)[0] for n in (power, 0))
        return above / below
