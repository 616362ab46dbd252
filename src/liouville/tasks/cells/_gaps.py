r"""Where cells were between two snapshots: chains of least action through the data.

Straight chains cut corners: half-way between two snapshots they run through regions where no cell
was ever seen, and turn abruptly at every snapshot. Here each chain minimises

$$\int \tfrac12 |\dot x|^2 + \tfrac12 \alpha^2 |\ddot x|^2 - \mu \log p(x)\,dt$$

with its points at the snapshots held. The first term is the kinetic energy, the second is inertia,
and $p$ is a kernel estimate from the cells of all snapshots: cells move along the manifold of
states that cells have. The points half-way then serve as a snapshot of their own.

The mean of two positions that know little of each other is narrower than both, in each of many
coordinates. Within a group of chains the points half-way therefore keep, in each coordinate, the
mean of the standard deviations before and after: what optimal transport between two Gaussians of
the same axes would give.
"""

import itertools
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.couplings import Chains
from liouville.tasks.cells.config import GapsConfig
from liouville.tasks.cells.groups import moments

# Nodes a gap of each chain; half-way is one of them.
_PIECES = 8
_ITERATIONS = 40
# The kernel estimate needs no more cells; its bandwidth is that of all of them.
_MOST_POOLED = 2000
_BLOCK = 4096
# Squared shifts above so many variances leave a gap as it is.
_MOST_SHIFT = 2.0
_TINY = 1e-300


class Filled(NamedTuple):
    """Chains with a point half-way between snapshots that overlap."""

    times: np.ndarray  # of the snapshots and of the points half-way, increasing
    points: np.ndarray  # (chains, n, dim), at the snapshots what they were
    masses: np.ndarray  # (chains, n), half-way the geometric mean of those before and after
    is_seen: np.ndarray  # (n,), whether it is the time of a snapshot

    def weighted(self, factors: list[np.ndarray]) -> "Filled":
        """The same chains with masses times factors `(chains,)` of every snapshot.

        Half-way they are times the geometric mean of the factors before and after.
        """
        factor = np.ones_like(self.masses)
        factor[:, self.is_seen] = np.stack(factors, axis=1)
        half = np.flatnonzero(~self.is_seen)
        factor[:, half] = np.sqrt(factor[:, half - 1] * factor[:, half + 1])
        return self._replace(masses=self.masses * factor)


def fill_gaps(
    times: np.ndarray,
    chains: Chains,
    config: GapsConfig,
    *,
    energy: float,
    label: np.ndarray | None = None,
    seed: int = 0,
) -> Filled:
    r"""Bends chains of optimal transport toward least action, and adds the points half-way.

    The inertia $\alpha$ is `config.inertia` mean gaps, and $\mu$ is `config.pull` times the mean
    kinetic energy a coordinate, so neither depends on units. The quadratic part of the action is
    minimised exactly; the pull enters by fixed-point steps with the inverse of the quadratic part
    plus half the largest curvature of the kernel along each coordinate. No step can then raise the
    action, however different the spreads of the coordinates are.

    Args:
        times: of the snapshots.
        chains: through them.
        config: of the action.
        energy: of the chains.
        label: the group of each chain, within which spreads are kept; by default all are one.
        seed: of the cells in the kernel.
    """
    joined = chains.points
    n, m, dim = joined.shape
    nodes = np.concatenate(
        [np.linspace(a, b, _PIECES + 1)[:-1] for a, b in itertools.pairwise(times)] + [times[-1:]]
    )
    held = np.arange(m) * _PIECES
    free = np.setdiff1d(np.arange(len(nodes)), held)
    span = float(times[-1] - times[0])
    action, mass = _quadratic(nodes, config.inertia * span / (m - 1))
    inner = action[np.ix_(free, free)]
    x = np.zeros((len(nodes), n * dim))
    x[held] = joined.transpose(1, 0, 2).reshape(m, -1)
    force = action[np.ix_(free, held)] @ x[held]
    x[free] = -np.linalg.solve(inner, force)
    if config.pull > 0:
        pool, width = _kernel(joined.reshape(-1, dim), seed)
        strength = config.pull * energy / span / dim * mass[free][:, None]
        curvature = [np.diag(0.5 * strength[:, 0] / w**2) for w in width]
        # One matrix a coordinate, of shape (dim, free, free).
        preconditioner = np.linalg.inv(inner + np.stack(curvature))
        for _ in range(_ITERATIONS):
            pull = np.asarray(_gradient(x[free].reshape(-1, dim), pool, width), float)
            pull = pull.reshape(len(free), -1)
            slope = inner @ x[free] + force + strength * pull
            slope = slope.reshape(len(free), n, dim).transpose(2, 0, 1)
            x[free] -= (preconditioner @ slope).transpose(1, 2, 0).reshape(len(free), -1)
    half = held[:-1][_overlap(joined)] + _PIECES // 2
    kept = np.sort(np.concatenate([held, half]))
    place, between = np.divmod(kept, _PIECES)
    after = np.minimum(place + (between > 0), m - 1)
    masses = np.sqrt(chains.masses[:, place] * chains.masses[:, after])
    points = x[kept].reshape(len(kept), n, dim).transpose(1, 0, 2)
    label = np.zeros(n, int) if label is None else label
    _keep_spread(points, masses, np.flatnonzero(between), label)
    return Filled(nodes[kept], points, masses, between == 0)


def unfilled(times: np.ndarray, chains: Chains) -> Filled:
    """The chains as they are."""
    return Filled(times, chains.points, chains.masses, np.ones(len(times), bool))


def _keep_spread(
    points: np.ndarray, masses: np.ndarray, half: np.ndarray, label: np.ndarray
) -> None:
    """Scales the points half-way, in place, about the means of their groups."""
    means, spread = moments(points, masses, label)
    wanted = 0.5 * (spread[:, half - 1] + spread[:, half + 1])
    factor = np.where(spread[:, half] > 0, wanted / np.maximum(spread[:, half], _TINY), 1.0)
    centre = means[label][:, half]
    points[:, half] = centre + factor[label] * (points[:, half] - centre)


def _overlap(joined: np.ndarray) -> np.ndarray:
    r"""Whether the snapshots on both sides of each gap overlap, shape `(m - 1,)`.

    They do if the squared shift of the mean is at most twice the variance within a snapshot.
    Where a cloud has moved on altogether, cells seen at other times say nothing about the gap.
    """
    shift = (np.diff(joined.mean(axis=0), axis=0) ** 2).sum(axis=-1)
    spread = joined.var(axis=0).sum(axis=-1)
    return shift <= _MOST_SHIFT * 0.5 * (spread[1:] + spread[:-1])


def _quadratic(nodes: np.ndarray, inertia: float) -> tuple[np.ndarray, np.ndarray]:
    """The matrix of kinetic energy plus inertia, and the time that belongs to each node."""
    gaps = np.diff(nodes)
    mass = np.zeros(len(nodes))
    mass[:-1] += gaps / 2
    mass[1:] += gaps / 2
    slope = np.diff(np.eye(len(nodes)), axis=0) / gaps[:, None]
    bend = np.diff(slope, axis=0) / mass[1:-1, None]
    matrix = slope.T @ (gaps[:, None] * slope)
    return matrix + inertia**2 * bend.T @ (mass[1:-1, None] * bend), mass


def _kernel(cells: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres and bandwidths (Scott's rule) of a Gaussian kernel estimate."""
    n, dim = cells.shape
    width = cells.std(axis=0) * n ** (-1.0 / (dim + 4)) + 1e-9
    return cells[np.random.default_rng(seed).permutation(n)[:_MOST_POOLED]], width


@jax.jit
def _gradient(
    x: Float[Array, "n dim"], pool: Float[Array, "m dim"], width: Float[Array, " dim"]
) -> Float[Array, "n dim"]:
    """The gradient of minus the logarithm of the kernel estimate, in blocks of points."""
    centres = pool / width
    heights = 0.5 * (centres**2).sum(axis=1)

    def at(point):
        place = point / width
        return (place - jax.nn.softmax(centres @ place - heights) @ centres) / width

    return jax.lax.map(at, x, batch_size=_BLOCK)
