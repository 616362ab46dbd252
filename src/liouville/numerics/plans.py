r"""Entropic plans in closed form: the law of one end of a diffusion given the other.

Of all laws with given ends the Schrödinger bridge is the nearest to Brownian motion. Its plan is

$$\pi(y \mid x) \propto e^{x \cdot y / \varepsilon}\, v(y),$$

and where the potential $v$ is a Gaussian mixture, so is the law of $y$ given $x$ (Korotin, Gushchin
and Burnaev, arXiv 2310.01174). NumPy and float64 throughout.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from liouville.errors import LiouvilleError
from liouville.numerics.arguments import check_counts

Array = np.ndarray

# All parts at all points of a block together hold so many numbers.
_NUMBERS = 2**22


@dataclass(frozen=True, eq=False)
class ConditionalLaw:
    r"""A mixture for each of many points: the law of $Y$ given $X = x$.

    Its shapes begin with that of the points, `...` below. Parts without covariance are draws, which
    have moments and no density.

    Attributes:
        weights: shape `(..., parts)`, of sum one.
        means: shape `(..., parts, dim)`.
        covariances: those of the parts, the same at all points, shape `(parts, dim, dim)`; `None`
            for parts that are points.
    """

    weights: Array
    means: Array
    covariances: Array | None

    @property
    def mean(self) -> Array:
        r"""$E[Y \mid x]$, the barycentric map, shape `(..., dim)`."""
        return np.einsum("...k,...ki->...i", self.weights, self.means)

    @property
    def covariance(self) -> Array:
        r"""$\operatorname{Cov}[Y \mid x]$, shape `(..., dim, dim)`."""
        centred = self.means - self.mean[..., None, :]
        between = np.einsum("...ki,...kj->...ij", self.weights[..., None] * centred, centred)
        if self.covariances is None:
            return between
        return between + np.tensordot(self.weights, self.covariances, axes=1)

    def sample(self, n: int, *, seed: int = 0) -> Array:
        """Independent draws at every point, shape `(n, ..., dim)`.

        Raises:
            LiouvilleError: if less than one is asked for.
        """
        check_counts(n=n)
        rng = np.random.default_rng(seed)
        weights, parts = self.weights, self.weights.shape[-1]
        level = rng.random((n, *weights.shape[:-1], 1))
        part = np.minimum((np.cumsum(weights, axis=-1) < level).sum(axis=-1), parts - 1)
        means = np.broadcast_to(self.means, (n, *self.means.shape))
        found = np.take_along_axis(means, part[..., None, None], axis=-2)[..., 0, :].copy()
        if self.covariances is not None:
            factors = np.linalg.cholesky(self.covariances)
            z = rng.normal(size=found.shape)
            for k in range(parts):
                rows = part == k
                found[rows] += z[rows] @ factors[k].T
        return found

    def log_density(self, y: Array) -> Array:
        r"""$\log\pi(y \mid x)$ in nats, one `y` of shape `(..., dim)` for every point.

        Raises:
            LiouvilleError: if the law is one of draws.
        """
        if self.covariances is None:
            raise LiouvilleError(
                "this law is known by its draws, which have no density; ask for mean and covariance"
            )
        factors = np.linalg.cholesky(self.covariances)
        inverse = np.linalg.inv(factors)
        z = np.einsum("kij,...kj->...ki", inverse, np.asarray(y)[..., None, :] - self.means)
        log_volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(-1)
        dim = self.means.shape[-1]
        each = -0.5 * (z**2).sum(-1) - log_volume - 0.5 * dim * np.log(2.0 * np.pi)
        with np.errstate(divide="ignore"):  # a part may have no weight
            return np.asarray(logsumexp(np.log(self.weights) + each, axis=-1))

    def rescaled(self, center: Array, scale: Array) -> "ConditionalLaw":
        """The law of `center + scale * Y`, both of shape `(dim,)`."""
        wide = self.covariances
        wide = None if wide is None else wide * (scale[:, None] * scale)
        return ConditionalLaw(self.weights, center + scale * self.means, wide)


@dataclass(frozen=True, eq=False)
class Plan:
    r"""The law of the end given the start, for a potential that is a Gaussian mixture.

    With $v = \sum_k \alpha_k N(r_k, \varepsilon A_k)$ it is

    $$\pi(y \mid x) = \sum_k g_k(x)\, N(y \mid r_k + A_k x,\, \varepsilon A_k), \qquad
      g_k(x) \propto \alpha_k \exp\frac{x^\top A_k x + 2 r_k^\top x}{2\varepsilon}.$$

    The plan determines a diffusion of noise $\sqrt\varepsilon$ over unit time, the Schrödinger
    bridge of every start with the end it leads to: given both ends it is a Brownian bridge. So the
    law of every later place given every earlier one is such a mixture as well.

    Attributes:
        noise: $\varepsilon$, the variance that the diffusion adds from end to end.
        logits: $\log\alpha$ up to a constant, shape `(parts,)`.
        shifts: $r$, shape `(parts, dim)`.
        slopes: $A$, symmetric and positive definite, shape `(parts, dim, dim)`.
    """

    noise: float
    logits: Array
    shifts: Array
    slopes: Array

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.shifts.shape[1]

    def given(self, x: Array, start: float = 0.0, end: float = 1.0) -> ConditionalLaw:
        """The law of the place at one share of the time, given that at an earlier one.

        Args:
            x: places at `start`, shape `(..., dim)`.
            start: from 0 to below 1.
            end: above `start`, at most 1.
        """
        rest = self if start == 0.0 else self.after(start)
        x = np.asarray(x, float)
        flat = x.reshape(-1, self.dim)
        weights = softmax(rest.log_joint_start(flat), axis=1)
        means = rest.shifts + np.einsum("kij,nj->nki", rest.slopes, flat)
        covariances = rest.noise * rest.slopes
        if end < 1.0:
            # Between start and end it is a Brownian bridge.
            u = (end - start) / (1.0 - start)
            means = (1.0 - u) * flat[:, None] + u * means
            loose = u * (1.0 - u) * rest.noise * np.eye(self.dim)
            covariances = u**2 * covariances + loose
        batch, parts = x.shape[:-1], len(self.logits)
        return ConditionalLaw(
            weights.reshape(*batch, parts), means.reshape(*batch, parts, self.dim), covariances
        )

    def after(self, share: float) -> "Plan":
        r"""The plan of the rest of the way, from a share $s$ of the time to the end.

        Given $X_s = x$ the end has a density proportional to
        $e^{x \cdot y / \varepsilon'} e^{-\kappa|y|^2/2} v(y)$ with $\varepsilon' = (1 - s)
        \varepsilon$ and $\kappa = 1/\varepsilon' - 1/\varepsilon$.
        """
        noise = (1.0 - share) * self.noise
        kappa, eye = 1.0 / noise - 1.0 / self.noise, np.eye(self.dim)
        precision = np.linalg.inv(self.noise * self.slopes)
        narrow = np.linalg.inv(precision + kappa * eye)
        pulled = np.einsum("kij,kj->ki", precision, self.shifts)
        shifts = np.einsum("kij,kj->ki", narrow, pulled)
        # The integral of each part of the potential times the factor that does not depend on x.
        lost = 0.5 * np.linalg.slogdet(eye + kappa * self.noise * self.slopes)[1]
        lost += 0.5 * ((self.shifts - shifts) * pulled).sum(-1)
        return Plan(noise, self.logits - lost, shifts, narrow / noise)

    def rescaled(self, center0: Array, center1: Array, scale: float) -> "Plan":
        """The plan between `center0 + scale * X` and `center1 + scale * Y`.

        One scale for all coordinates: the noise is the same in all of them.
        """
        noise = scale**2 * self.noise
        bent = np.einsum("kij,j->ki", self.slopes, center0)
        shifts = center1 + scale * self.shifts - bent
        tilt = (0.5 * bent - scale * self.shifts) @ center0
        return Plan(noise, self.logits + tilt / noise, shifts, self.slopes)

    def log_joint_start(self, x: Array) -> Array:
        r"""$\log\int e^{x \cdot y / \varepsilon}\, \alpha_k N(y)\,dy$ of every part.

        Its softmax is $g(x)$, its log-sum-exp the logarithm of what normalises the plan.

        Args:
            x: shape `(n, dim)`.

        Returns:
            Shape `(n, parts)`.
        """
        factors = np.linalg.cholesky(self.slopes)
        linear = self.logits + x @ self.shifts.T / self.noise
        return linear + 0.5 / self.noise * _squares(x, factors.swapaxes(1, 2))

    def log_joint_end(self, y: Array) -> Array:
        r"""$\log\alpha_k N(y \mid r_k, \varepsilon A_k)$ of every part, shape `(n, parts)`."""
        factors = np.linalg.cholesky(self.slopes)
        inverse = np.linalg.inv(factors)
        squares = _squares(y, inverse, np.einsum("kij,kj->ki", inverse, self.shifts))
        log_volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(-1)
        constant = self.logits - log_volume - 0.5 * self.dim * np.log(2.0 * np.pi * self.noise)
        return constant - 0.5 / self.noise * squares

    def gain(self, x: Array, y: Array) -> float:
        r"""$E\log v(Y) - E\log\int e^{X \cdot y / \varepsilon} v(y)\,dy$ between draws of the ends.

        It is largest for the plan between these ends, below which it stays by the relative entropy
        of that plan to this one; so it is what a plan is fitted and judged by.

        Args:
            x: draws of the start, shape `(n, dim)`.
            y: draws of the end, shape `(m, dim)`.
        """
        ends = self.log_joint_end(y), self.log_joint_start(x)
        reached, started = (np.asarray(logsumexp(joint, axis=1)).mean() for joint in ends)
        return float(reached - started)

    def least_energy(self, x: Array, y: Array) -> float:
        r"""A lower bound on $\int_0^1 \tfrac12 E|b|^2\,dt$ of every diffusion between the ends.

        It is $\varepsilon$ times `gain`, plus $\tfrac12 E|Y|^2 + \tfrac12 E|X|^2$ and what
        normalises the Brownian kernel; for the best plan it is the least energy itself.
        """
        ends = 0.5 * float((x**2).sum(-1).mean() + (y**2).sum(-1).mean())
        volume = 0.5 * self.dim * self.noise * np.log(2.0 * np.pi * self.noise)
        return self.noise * self.gain(x, y) + ends + volume


def _squares(x: Array, matrices: Array, shifts: Array | float = 0.0) -> Array:
    """The squared norm of `B x - b` of every part, shape `(n, parts)`."""
    parts, dim, _ = matrices.shape
    found, rows = np.empty((len(x), parts)), max(_NUMBERS // (parts * dim), 1)
    flat = matrices.reshape(parts * dim, dim).T
    for i in range(0, len(x), rows):
        z = (x[i : i + rows] @ flat).reshape(-1, parts, dim) - shifts
        found[i : i + rows] = (z**2).sum(-1)
    return found
