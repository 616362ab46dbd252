r"""Entropic plans between draws of two laws, by maximum likelihood without simulation.

A plan with the potential $v$ has, up to a constant, the relative entropy

$$E_{\rho_0} \log\int e^{x \cdot y / \varepsilon} v(y)\,dy - E_{\rho_1} \log v(y)$$

from the plan between the ends (Korotin, Gushchin and Burnaev, arXiv 2310.01174). Here all rows are
used at once, and the way to small noise leads through larger noise: there every part sees all
points, so that a coarse start finds where parts belong, and each level starts from the moments that
the parts have at the one before. A single part is the bridge between Gaussians of the moments.

Part $k$ is told by where it starts and ends, $c_k$ and $s_k$, and its slope $A_k$, as $r_k = s_k -
A_k c_k$: then its potentials are quadratic about these places on both sides,

$$\beta_k + \frac{|x - c_k|^2_{A_k}}{2\varepsilon} + \frac{s_k \cdot (x - c_k)}{\varepsilon},
  \qquad \beta_k - \frac{|y - s_k|^2_{A_k^{-1}}}{2\varepsilon} - \frac{c_k \cdot y}{\varepsilon}
  - \tfrac12 \log\det(2\pi\varepsilon A_k).$$
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.optimize import minimize

from liouville.errors import LiouvilleError
from liouville.numerics.plans import Plan
from liouville.problems import bridge_cross

Array = np.ndarray

# Numbers of parts that are tried until so many in a row are no better, each part of so many rows
# for a coordinate. More must be worth so many nats, and that share of what rows not seen are short
# of.
_LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_WORSE, _ROWS_A_PART = 2, 10
_WORTH, _WORTH_OF_SHORT = 2e-3, 0.1
# Rows of an end on which numbers of parts are compared: more for more numbers in a slope.
_ROWS, _ROWS_A_COORDINATE, _HELD_OUT = 4000, 100, 0.25
# Noise falls by this factor from level to level, from the noise at which parts are all alike.
_FALL = 3.0
# Steps end when one gains less than this share of what so many free numbers gain by chance, and
# after so many at the levels and at the end.
_SHARE_OF_CHANCE, _STEPS, _FINE_STEPS = 0.02, 40, 200
# As if so many draws for each coordinate had the mean moments of all parts: none can collapse.
_PRIOR = 1.0
# All parts at all rows of a block together hold so many numbers.
_NUMBERS = 2**21


class _Parts(NamedTuple):
    """The parts of a plan: heights, places at both ends, slopes."""

    heights: Array  # shape `(parts,)`
    starts: Array  # shape `(parts, dim)`
    ends: Array
    slopes: Array  # shape `(parts, dim, dim)`

    def plan(self, noise: float) -> Plan:
        """The plan that they make."""
        bent = np.einsum("kij,kj->ki", self.slopes, self.starts)
        tilt = ((self.ends - 0.5 * bent) * self.starts).sum(-1)
        return Plan(noise, self.heights - tilt / noise, self.ends - bent, self.slopes)


class _Shares(NamedTuple):
    """What the parts have of the rows of one end."""

    value: float  # the mean log-sum-exp of their potentials
    masses: Array
    sums: Array  # of coordinates, shape `(parts, dim)`
    squares: Array  # of products of coordinates, shape `(parts, dim, dim)`

    def about(self, places: Array) -> tuple[Array, Array]:
        """Sums of differences from places of the parts, and of their products."""
        m, c = self.sums, places
        cross = m[:, :, None] * c[:, None]
        flat = self.masses[:, None, None] * c[:, :, None] * c[:, None]
        return m - self.masses[:, None] * c, self.squares - cross - cross.mT + flat

    def moments(self) -> tuple[Array, Array]:
        """Means and covariances of the parts."""
        masses = self.masses + 1e-12
        means = self.sums / masses[:, None]
        found = self.squares / masses[:, None, None]
        return means, found - means[:, :, None] * means[:, None]


def entropic_plan(
    x: Array, y: Array, noise: float, *, parts: int | None = None, most: int = 64, seed: int = 0
) -> Plan:
    r"""The plan of the Schrödinger bridge between two laws, from draws of both.

    Args:
        x: draws of the start, shape `(n, dim)`.
        y: draws of the end, shape `(m, dim)`; no row belongs to one of `x`.
        noise: $\varepsilon = \sigma^2 T > 0$.
        parts: the number of parts of the potential; by default that of the largest `Plan.gain` to
            be expected on rows not seen, for as many rows as there are.
        most: the most parts that are tried.
        seed: of the starts, and of which rows are used first.

    Raises:
        LiouvilleError: if there are more parts than rows.
    """
    if parts is not None and parts > min(len(x), len(y)):
        raise LiouvilleError(
            f"{parts} parts for {min(len(x), len(y))} samples; give fewer parts or more samples"
        )
    center0, center1 = x.mean(axis=0), y.mean(axis=0)
    variance = 0.5 * float(((x - center0) ** 2).mean() + ((y - center1) ** 2).mean())
    scale = float(np.sqrt(max(variance, np.finfo(float).tiny)))
    rng = np.random.default_rng(seed)
    x, y = rng.permutation((x - center0) / scale), rng.permutation((y - center1) / scale)
    level, few = noise / scale**2, _ROWS + _ROWS_A_COORDINATE * x.shape[1]
    if parts is not None:
        best = _annealed(x[:few], y[:few], level, parts, seed)
    else:
        best = _chosen(x[:few], y[:few], (len(x), len(y)), level, most, seed)
    if len(best.heights) == 1:
        best = _bridge(x, y, level)
    else:
        best = _climbed(x, y, level, best, _FINE_STEPS)
    return best.plan(level).rescaled(center0, center1, scale)


def _chosen(
    x: Array, y: Array, whole: tuple[int, int], noise: float, most: int, seed: int
) -> _Parts:
    r"""Parts whose number promises the largest gain on rows not seen.

    Parts fitted to $n$ rows have about $B - C/n$ nats on others and $B + C/n$ on their own, so that
    both together tell what they would have if they were fitted to all rows.
    """
    kept = [max(int(_HELD_OUT * len(z)), 1) for z in (x, y)]
    held, seen = (x[: kept[0]], y[: kept[1]]), (x[kept[0] :], y[kept[1] :])
    share = 0.5 * sum(len(z) / n for z, n in zip(seen, whole))
    most = min(most, *(len(z) // (_ROWS_A_PART * z.shape[1]) for z in seen))
    best, best_score, worse = _bridge(seen[0], seen[1], noise), -np.inf, 0
    for count in _LADDER:
        if count > max(most, 1):
            break
        found = best if count == 1 else _annealed(seen[0], seen[1], noise, count, seed)
        plan = found.plan(noise)
        own, other = plan.gain(*seen), plan.gain(*held)
        short = max(0.5 * (own - other), 0.0)
        score = 0.5 * (own + other) - short * share
        if score > best_score + max(_WORTH, _WORTH_OF_SHORT * short):
            best, best_score, worse = found, score, 0
        else:
            worse += 1
        if worse == _WORSE:
            break
    return best


def _bridge(x: Array, y: Array, noise: float) -> _Parts:
    """One part: the plan between the Gaussians of the moments, for which it is exact."""
    cov0, cov1 = (np.cov(z.T, bias=True).reshape(1, z.shape[1], -1) for z in (x, y))
    starts, ends = x.mean(axis=0)[None], y.mean(axis=0)[None]
    return _Parts(np.zeros(1), starts, ends, _slopes(cov0, cov1, noise))


def _slopes(before: Array, after: Array, noise: float) -> Array:
    r"""$A = S_0^{-1} C$ of the Gaussian bridges between covariances, `(parts, dim, dim)`."""
    found = []
    for cov0, cov1 in zip(before, after):
        # Directions in which all rows are equal have no inverse.
        wide = cov0 + 1e-9 * np.trace(cov0 + cov1) * np.eye(len(cov0))
        slope = np.linalg.solve(wide, bridge_cross(wide, cov1, noise))
        values, vectors = np.linalg.eigh(0.5 * (slope + slope.T))
        floor = 1e-9 * max(float(values[-1]), 1e-9)
        found.append((vectors * np.maximum(values, floor)) @ vectors.T)
    return np.stack(found)


def _annealed(x: Array, y: Array, noise: float, count: int, seed: int) -> _Parts:
    """Parts fitted at falling noise, the last of which is the noise wanted."""
    shares = _first_shares(x, y, count, seed)
    for level in _levels(x, y, noise):
        parts = _balanced(x, y, level, _restarted(shares, level, len(x)))
        shares = _shares_of(x, y, level, _climbed(x, y, level, parts, _STEPS))
    parts = _balanced(x, y, noise, _restarted(shares, noise, len(x)))
    return _climbed(x, y, noise, parts, _STEPS)


def _levels(x: Array, y: Array, noise: float) -> Iterator[float]:
    """Noises from that of the size of the ends' widest spreads down, above the one wanted."""
    widest = [float(np.linalg.eigvalsh(np.cov(z.T).reshape(z.shape[1], -1))[-1]) for z in (x, y)]
    level = float(np.sqrt(widest[0] * widest[1]))
    while level > 1.01 * noise:
        yield level
        level /= _FALL


def _first_shares(x: Array, y: Array, count: int, seed: int) -> tuple[_Shares, _Shares]:
    """Rows shared among parts by clusters of the end, to which the Gaussian map takes the start."""
    means = x.mean(axis=0), y.mean(axis=0)
    moved = means[1] + (x - means[0]) @ _bridge(x, y, 0.0).slopes[0]
    places, label = kmeans2(y, count, minit="++", rng=seed)
    squares = ((places**2).sum(-1) - 2.0 * moved @ places.T).argmin(axis=1)
    # Every part keeps a little of every row, so none is empty.
    soft = (0.95 * np.eye(count)[own] + 0.05 / count for own in (squares, label))
    first, last = (_shared(z, own) for z, own in zip((x, y), soft))
    return first, last


def _shared(z: Array, share: Array) -> _Shares:
    squares = np.stack([(z * own[:, None]).T @ z for own in share.T])
    return _Shares(0.0, share.mean(0), share.T @ z / len(z), squares / len(z))


def _shares_of(x: Array, y: Array, noise: float, parts: _Parts) -> tuple[_Shares, _Shares]:
    plan = parts.plan(noise)
    joints = plan.log_joint_start(x), plan.log_joint_end(y)
    first, last = (_shared(z, _softmax(joint)) for z, joint in zip((x, y), joints))
    return first, last


def _restarted(shares: tuple[_Shares, _Shares], noise: float, rows: int) -> _Parts:
    """Every part becomes the bridge, at this noise, between what it has of both ends."""
    (starts, before), (ends, after) = (own.moments() for own in shares)
    prior = _PRIOR * starts.shape[1] / rows
    masses = shares[1].masses
    before, after = (_pooled(c, masses, prior) for c in (before, after))
    slopes = _slopes(before, after, noise)
    heights = np.log(masses) - 0.5 / noise * np.einsum("kij,kij->k", slopes, before)
    return _Parts(heights, starts, ends, slopes)


def _pooled(covariances: Array, masses: Array, prior: float) -> Array:
    """Covariances drawn toward their mean, as if a share `prior` of the rows had it."""
    mean = np.tensordot(masses / masses.sum(), covariances, axes=1)
    own = masses[:, None, None]
    return (own * covariances + prior * mean) / (own + prior)


def _balanced(x: Array, y: Array, noise: float, parts: _Parts) -> _Parts:
    """Heights at which every part has the same mass of both ends, by Sinkhorn's iteration."""
    plan = parts.plan(noise)
    joints = plan.log_joint_start(x), plan.log_joint_end(y)
    heights = np.zeros(len(parts.heights))
    for _ in range(100):
        first, last = (_softmax(joint + heights).mean(axis=0) for joint in joints)
        if np.abs(first - last).max() < 1e-3:
            break
        heights += np.log(last + 1e-6) - np.log(first + 1e-6)
    return parts._replace(heights=parts.heights + heights)


def _softmax(joint: Array) -> Array:
    found = np.exp(joint - joint.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def _climbed(x: Array, y: Array, noise: float, parts: _Parts, steps: int) -> _Parts:
    """Parts after quasi-Newton steps on the likelihood of all rows."""
    loss, values = _Loss(x, y, noise, parts), []
    theta = loss.packed(parts)
    least = _SHARE_OF_CHANCE * len(theta) / (2 * min(len(x), len(y)))

    def watch(intermediate_result: Any) -> None:
        values.append(intermediate_result.fun)
        if len(values) > 5 and values[-6] - values[-1] < 5 * least:
            raise StopIteration

    found = minimize(
        loss,
        theta,
        jac=True,
        method="L-BFGS-B",
        callback=watch,
        options={"maxiter": steps, "maxcor": 20, "ftol": 0.0, "gtol": 1e-8},
    )
    return loss.unpacked(found.x)


class _Loss:
    """The negative likelihood and its gradient by numbers without constraints.

    Rows are in single precision, of which products of matrices take half the time.
    """

    def __init__(self, x: Array, y: Array, noise: float, parts: _Parts) -> None:
        self.rows = x.astype(np.float32), y.astype(np.float32)
        self.noise, self.starts = noise, parts.starts
        self.parts, self.dim = parts.starts.shape
        self.lower = np.tril_indices(self.dim)
        shares = _shares_of(x[: 2 * _ROWS], y[: 2 * _ROWS], noise, parts)
        self.prior = _PRIOR * self.dim / min(len(x), len(y))
        self.pool = [
            np.tensordot(own.masses, own.moments()[1], axes=1) / own.masses.sum() for own in shares
        ]
        # Places move about as far as the curvature on either side lets them.
        stiff = np.mean(1.0 / np.linalg.eigvalsh(parts.slopes)) / noise
        self.reach = 1.0 / np.sqrt(stiff + np.mean(x**2) / noise**2)

    def packed(self, parts: _Parts) -> Array:
        """Numbers without constraints."""
        factors = np.linalg.cholesky(parts.slopes)
        i = np.arange(self.dim)
        factors[:, i, i] = np.log(factors[:, i, i])
        lower = factors[:, *self.lower]
        return np.concatenate([parts.heights, *(parts.ends / self.reach), *lower])

    def unpacked(self, theta: Array) -> _Parts:
        """The parts of such numbers."""
        heights, ends, factors = self._taken(theta)
        return _Parts(heights, self.starts, ends, factors @ factors.mT)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """The loss and its gradient."""
        noise, starts = self.noise, self.starts
        heights, ends, factors = self._taken(theta)
        inverses, i = np.linalg.inv(factors), np.arange(self.dim)
        log_volume = np.log(factors[:, i, i]).sum(-1)
        constant = 0.5 * self.dim * np.log(2.0 * np.pi * noise)
        first = self._shares(
            0, factors.mT, starts, ends, heights - (ends * starts).sum(-1) / noise, 1.0
        )
        last = self._shares(1, inverses, ends, -starts, heights - log_volume - constant, -1.0)
        x, xx = first.about(starts)
        y, yy = last.about(ends)
        precision = inverses.mT @ inverses
        by_ends = (x - np.einsum("kij,kj->ki", precision, y)) / noise
        after = precision @ yy @ precision
        mass = last.masses[:, None, None]
        by_slopes = 0.5 * ((xx - after) / noise + mass * precision)
        # A prior is that many draws of every part, with the mean moments of all.
        before, beyond = self.pool
        pulled = precision @ beyond @ precision
        by_slopes += 0.5 * self.prior * ((before - pulled) / noise + precision)
        slopes = factors @ factors.mT
        spread = np.einsum("kij,ij->", slopes, before) + np.einsum("kij,ij->", precision, beyond)
        prior = 0.5 * self.prior * (spread / noise + 2.0 * log_volume.sum())
        by_factors = 2.0 * by_slopes @ factors
        by_factors[:, i, i] *= factors[:, i, i]
        gradient = [first.masses - last.masses, *(by_ends * self.reach)]
        gradient += [*by_factors[:, *self.lower]]
        return first.value - last.value + prior, np.concatenate(gradient)

    def _taken(self, theta: Array) -> tuple[Array, Array, Array]:
        count, dim = self.parts, self.dim
        heights, ends = theta[:count], theta[count : count + count * dim].reshape(count, dim)
        factors, i = np.zeros((count, dim, dim)), np.arange(dim)
        factors[:, *self.lower] = theta[count + count * dim :].reshape(count, -1)
        # A step too long is a large loss, not an overflow.
        factors[:, i, i] = np.exp(np.clip(factors[:, i, i], -30.0, 30.0))
        return heights, ends * self.reach, factors

    def _shares(
        self, end: int, matrices: Array, places: Array, slopes: Array, heights: Array, sign: float
    ) -> _Shares:
        """Shares by potentials `height + sign |B (z - place)|^2 / 2 eps + slope z / eps`."""
        rows, (count, dim) = self.rows[end], places.shape
        flat = matrices.reshape(count * dim, dim).T.astype(np.float32)
        shifts = np.einsum("kij,kj->ki", matrices, places).astype(np.float32)
        linear = (slopes.T / self.noise).astype(np.float32)
        block = max(_NUMBERS // (count * dim), 1)
        value, masses = 0.0, np.zeros(count)
        sums, squares = np.zeros((count, dim)), np.zeros((count, dim, dim))
        for begin in range(0, len(rows), block):
            z = rows[begin : begin + block]
            away = (z @ flat).reshape(-1, count, dim) - shifts
            joint = heights + sign * 0.5 / self.noise * np.einsum("nki,nki->nk", away, away)
            joint += z @ linear
            highest = joint.max(axis=1)
            share = np.exp((joint - highest[:, None]).astype(np.float32))
            total = share.sum(axis=1)
            share /= total[:, None]
            value += (highest + np.log(total)).sum()
            masses += share.sum(axis=0)
            sums += share.T @ z
            for k in range(count):
                squares[k] += (z * share[:, k : k + 1]).T @ z
        n = len(rows)
        return _Shares(float(value / n), masses / n, sums / n, squares / n)
