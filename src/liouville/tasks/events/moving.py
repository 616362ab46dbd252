"""Mixtures whose parts go on in straight lines, by expectation maximisation."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from liouville.numerics.mixtures import GaussianMixture

# As if so many points more of each part, a coordinate, had the covariance from before it moved, and
# so many had no velocity.
_STILL_COVARIANCES, _STILL_VELOCITIES = 1.0, 10.0


class Moving(NamedTuple):
    r"""A density of places that changes in time, $\sum_k w_k N(x; m_k + v_k t, \Sigma_k)$.

    Attributes:
        mixture: the density at time zero.
        velocities: $v_k$, shape `(parts, dim)`.
    """

    mixture: GaussianMixture
    velocities: np.ndarray

    @staticmethod
    def still(mixture: GaussianMixture) -> "Moving":
        """A density that does not change."""
        return Moving(mixture, np.zeros_like(mixture.means))

    @property
    def is_still(self) -> bool:
        """Whether it does not change."""
        return not self.velocities.any()

    def log_density(self, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The log-density at times `(n,)` and places `(n, dim)`, shape `(n,)`."""
        if self.is_still:
            return self.mixture.log_density(x)
        return np.asarray(logsumexp(self.log_joint(t, x), axis=1))

    def log_joint(self, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Log-weight plus log-density of every part, shape `(n, parts)`."""
        own, parts = self.mixture, range(len(self.mixture.weights))
        each = (GaussianMixture(*(a[[k]] for a in vars(own).values())) for k in parts)
        moved = (x - t[:, None] * velocity for velocity in self.velocities)
        return np.hstack([one.log_joint(y) for one, y in zip(each, moved, strict=True)])


def set_in_motion(
    start: GaussianMixture, t: np.ndarray, x: np.ndarray, weights: np.ndarray, iterations: int
) -> Moving:
    r"""The moving mixture under which weighted points of some times are the likeliest.

    By expectation maximisation from a mixture that is still: $m_k + v_k t$ is the regression of a
    part's points on their times, $\Sigma_k$ the covariance of what is left.

    Args:
        start: fitted to the same points.
        t: times, shape `(n,)`.
        x: places, shape `(n, dim)`.
        weights: of the points, shape `(n,)`.
        iterations: how often all is bettered.
    """
    own, dim = Moving.still(start), x.shape[1]
    design = np.column_stack([np.ones_like(t), t])
    spread = np.average((t - np.average(t, weights=weights)) ** 2, weights=weights)
    prior = np.diag([1e-9, _STILL_VELOCITIES * spread])
    for _ in range(iterations):
        joint = own.log_joint(t, x)
        share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True)) * weights[:, None]
        mass = share.sum(axis=0) + 1e-12
        lines, covariances = [], []
        for k, column in enumerate(share.T):
            weighted = column * design.T
            line = np.linalg.solve(weighted @ design + prior, weighted @ x)
            left = x - design @ line
            scatter = (column * left.T) @ left + _STILL_COVARIANCES * dim * start.covariances[k]
            lines.append(line)
            covariances.append(scatter / (mass[k] + _STILL_COVARIANCES * dim))
        means, velocities = np.stack(lines, axis=1)
        mixture = GaussianMixture(mass / mass.sum(), means, np.stack(covariances))
        own = Moving(mixture, velocities)
    return own
