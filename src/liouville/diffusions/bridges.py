r"""Where training starts: parts that open at no cost and follow a discrete coupling.

A part of an end is cut into smaller ones without changing the density. If $m$ is drawn from
$N(0, S - C)$ then $h m + N(0, (1 - h^2) S + h^2 C)$ has the law $N(0, S)$ for every $h$ in
$[0, 1]$: opening $h$ separates the parts, and the velocity of the mixture is zero. With finitely
many parts this holds nearly, so that the path costs what the parts cost after they separated.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from liouville.curves import AbstractCurve, HardEnded, Knots
from liouville.numerics.couplings import assignment, sinkhorn, transport_plan
from liouville.numerics.mixtures import GaussianMixture, log_floor
from liouville.numerics.parameters import Fixed
from liouville.numerics.robust import bounded_variance
from liouville.numerics.weights import CoupledWeights
from liouville.paths import Full, Leading, LocationScale
from liouville.problems import bridge_cross, bures

Array = np.ndarray
Moments = tuple[Array, Array]
"""Means `(parts, dim)` and covariances `(parts, dim, dim)`."""
Interpolation = Literal["linear", "cubic", "monotone"]

_DRAWS = 2000
_CLOCK = (0.15, 0.3, 0.5, 0.7, 0.85)
# Pairs of end parts with fewer of the draws than this share are noise at first, and then, if the
# others cannot couple the ends without them, are kept.
_SHARES = (4e-3, 1e-3, 0.0)
# How much slower than a bridge parts may leave an end, and the least share of the time.
_SLOWER, _LEAST_OPENING = 10.0, 1e-5
# What covariances of few draws are drawn toward, see `group_moments`.
_PRIOR_DRAWS, _PRIOR_SHARE = 3.0, 0.05


class Parts(NamedTuple):
    """Moving parts between two ends, before they have curves."""

    sources: Array  # the source part of each, shape `(parts,)`
    targets: Array  # the target part of each
    weights: Array  # they couple the ends' weights
    means: Array  # where each leaves from and arrives once separated, shape `(2, parts, dim)`
    covariances: Array  # likewise, shape `(2, parts, dim, dim)`


def whole_parts(source: GaussianMixture, target: GaussianMixture) -> Parts:
    """One part for each pair of the best coupling of end parts, which stay whole.

    The cost of a pair is the squared Wasserstein distance of its Gaussians; the value is an upper
    bound on that of the mixtures (Delon and Desolneux, SIAM J. Imaging Sci. 2020).
    """
    cost = np.array(
        [
            [bures(m, s, n, c) for n, c in zip(target.means, target.covariances)]
            for m, s in zip(source.means, source.covariances)
        ]
    )
    plan = transport_plan(cost, source.weights, target.weights)
    rows, columns = np.nonzero(plan > 1e-9)
    return Parts(
        rows,
        columns,
        plan[rows, columns],
        np.stack([source.means[rows], target.means[columns]]),
        np.stack([source.covariances[rows], target.covariances[columns]]),
    )


def split_parts(
    source: GaussianMixture, target: GaussianMixture, parts: int, noise: float, *, seed: int = 0
) -> Parts | None:
    """Parts cut along the optimal coupling of draws of both ends, about as many as are wanted.

    The noise, the variance the diffusion adds from end to end, makes the coupling entropic. `None`
    if no weights on the pairs that were seen couple the ends.
    """
    x, row = source.sample(_DRAWS, seed=seed)
    y, column = target.sample(_DRAWS, seed=seed + 1)
    partner = _partners(x, y, noise, seed)
    y, column = y[partner], column[partner]
    pair = row * len(target.weights) + column
    for share in _SHARES:
        kept = np.flatnonzero(
            np.bincount(pair, minlength=len(source.weights) * len(target.weights)) > share * _DRAWS
        )
        label = clusters_of_pairs(np.concatenate([x, y], axis=1), pair, kept, parts, seed)
        count = label.max() + 1
        first = np.array([np.flatnonzero(label == j)[0] for j in range(count)])
        sources, targets = row[first], column[first]
        seen = np.bincount(label[label >= 0]) / _DRAWS
        weights = _balance(seen, sources, targets, source.weights, target.weights)
        if weights is not None:
            break
    else:
        return None
    moments = [group_moments(z, label, _PRIOR_DRAWS, _PRIOR_SHARE) for z in (x, y)]
    means = [
        centred(m, weights, own, end.means)
        for (m, _), own, end in zip(moments, (sources, targets), (source, target))
    ]
    return Parts(sources, targets, weights, np.stack(means), np.stack([c for _, c in moments]))


def opening_between(source: GaussianMixture, target: GaussianMixture, noise: float) -> float:
    r"""The share of the time in which parts may leave the narrowest end.

    Next to an end of variance $s^2$ the bridge to one of variance $S^2$ has the variance
    $s^2 + u(\varepsilon + 2sS)$ at a small share $u$ of the time, where $\varepsilon$ is what the
    noise adds. A part that leaves in no more than ten times the share in which that is twice $s^2$
    costs no more than the bridge.
    """
    scales = [np.sqrt(np.linalg.eigvalsh(end.covariances)) for end in (source, target)]
    least, most = (np.array([f(s) for s in scales]) for f in (np.min, np.max))
    shares = least**2 / (noise + 2.0 * least * most[::-1])
    return float(np.maximum(_SLOWER * shares.min(), _LEAST_OPENING))


def path_along(
    parts: Parts,
    source: GaussianMixture,
    target: GaussianMixture,
    times: tuple[float, float],
    sigma: float,
    *,
    opening: float = 0.02,
    min_scale: float = 1e-3,
    weights: Literal["learned", "fixed"] = "learned",
    clock: Sequence[float] = _CLOCK,
    bend: Callable[[float], Array] | None = None,
    leading: int | None = None,
) -> LocationScale:
    """A path whose parts open, follow Gaussian bridges and close again on the ends' parts.

    Both ends are met exactly, also if the weights of the parts are learned. All is in the model's
    units. The parts leave their common start in the share `opening` of the time; `clock` are the
    shares at which the curves have knots, and `bend` is how far from the bridges the means go at
    a share, shape `(parts, dim)`. Beyond so many `leading` coordinates, by default all, covariances
    are diagonal, as those of both ends must be.
    """
    dim = source.dim
    leading = dim if leading is None else min(leading, dim)
    ends = (
        (source.means[parts.sources], _blocks(source.covariances, leading, parts.sources)),
        (target.means[parts.targets], _blocks(target.covariances, leading, parts.targets)),
    )
    inner, knots = clock_of(opening, clock)
    noise = sigma**2 * (times[1] - times[0])
    every = np.arange(len(parts.weights))
    own = [_blocks(covariances, leading, every) for covariances in parts.covariances]
    # Each block moves as if it were all there is.
    alone = [
        (
            parts._replace(covariances=np.stack([blocks[n] for blocks in own])),
            [(means, blocks[n]) for means, blocks in ends],
        )
        for n in range(len(own[0]))
    ]

    def state(s: float) -> tuple[Array, list[Array]]:
        found = [between(*opened(*block, s, opening), s, noise) for block in alone]
        means = found[0][0] if bend is None else found[0][0] + bend(s)
        return means, [block for _, block in found]

    states = [state(s) for s in inner]
    if weights == "learned":
        logits = CoupledWeights.of(
            parts.weights, parts.sources, parts.targets, source.weights, target.weights
        )
    else:
        logits = Fixed(jnp.asarray(np.log(parts.weights), jnp.zeros(()).dtype))
    return path_through(ends, states, times, (inner, knots), logits, opening, min_scale)


def _blocks(covariances: Array, leading: int, owners: Array) -> list[Array]:
    """Of some covariances the leading block, and the variances beyond as matrices of one number.

    Their shapes are `(parts, leading, leading)` and `(parts, dim - leading, 1, 1)`.
    """
    beyond = np.einsum("kii->ki", covariances)[:, leading:, None, None]
    blocks = [covariances[owners, :leading, :leading], beyond[owners]]
    return [block for block in blocks if block.size]


def _raw(of_block: list[Array], floor: float) -> Array:
    """Unconstrained scales of the blocks of covariances, each of shape `(times, parts, ...)`."""
    full, dtype = Full(floor), jnp.zeros(()).dtype
    factors = [jnp.asarray(np.linalg.cholesky(block), dtype) for block in of_block]
    raw = [np.asarray(jax.jit(full.from_factor)(factor), float) for factor in factors]
    if len(raw) == 1:
        return raw[0]
    return np.concatenate([block.reshape(*block.shape[:2], -1) for block in raw], axis=-1)


def _listed(covariances: Any) -> list[Array]:
    """The blocks of covariances, one if they are whole."""
    return covariances if isinstance(covariances, list) else [covariances]


def clock_of(opening: float, clock: Sequence[float] = _CLOCK) -> tuple[Array, Array]:
    """Shares of a piece: those at which states are asked, and those of the knots they are put at.

    Next to the ends, where the gate is zero, the inside is the limit of what it should be. After a
    short opening bridges still widen by shares of the time, so knots are twice as far from the end
    each time, up to those of the clock.
    """
    doublings = max(2, int(np.ceil(np.log2(min(clock) / opening))) - 1)
    near = opening * np.array([0.0, 0.25, 0.5, *2.0 ** np.arange(doublings + 1)])
    knots = np.unique(np.concatenate([near, clock, 1.0 - near]))
    knots = knots[np.append(True, np.diff(knots) > 0.1 * opening)]
    return np.clip(knots, 1e-2 * opening, 1.0 - 1e-2 * opening), knots


def path_through(
    ends: Sequence[Any],
    states: Sequence[Any],
    times: tuple[float, float],
    clock: tuple[Array, Array],
    logits: Any,
    opening: float,
    min_scale: float,
    interpolation: Interpolation = "cubic",
) -> LocationScale:
    """The path whose parts have given moments at both ends, exactly, and at knots at first.

    Args:
        ends: means `(parts, dim)` and covariances `(parts, dim, dim)` at both ends, or instead of
            these their blocks, as `_blocks` has them.
        states: the same at the knots.
        times: of both ends.
        clock: what `clock_of` says.
        logits: the weights of the parts, or their masses.
        opening: the share of the time in which the gate opens.
        min_scale: the smallest scale, unless those of an end are narrower.
        interpolation: between the knots.
    """
    (m0, c0), (m1, c1) = ends
    floor = min(log_floor(block, min_scale) for c in (c0, c1) for block in _listed(c))
    dtype = jnp.zeros(()).dtype

    def curve(first: Array, last: Array, values: Sequence[Array]) -> AbstractCurve:
        skeleton = jnp.asarray(np.stack([first, last]), dtype)
        inside = inside_of(first, last, values, times, clock, opening, interpolation)
        return HardEnded(times, skeleton, inside, "fast", opening)

    every = [_listed(c) for c in (c0, c1, *(c for _, c in states))]
    blocks = [np.stack(block) for block in zip(*every)]
    raw0, raw1, *raws = _raw(blocks, floor)
    scale = Full(floor) if len(blocks) == 1 else Leading(blocks[0].shape[-1], floor)
    location = curve(m0, m1, [m for m, _ in states])
    return LocationScale(location, curve(raw0, raw1, raws), logits, scale=scale)


def inside_of(
    first: Array,
    last: Array,
    values: Sequence[Array],
    times: tuple[float, float],
    clock: tuple[Array, Array],
    opening: float,
    interpolation: Interpolation = "cubic",
) -> Knots:
    """What a hard-ended curve has inside that goes through values at the knots of `clock_of`."""
    inner, knots = clock
    gate = gate_at(inner, opening)
    inside = [(v - (1.0 - s) * first - s * last) / g for v, s, g in zip(values, inner, gate)]
    places = (times[0] + (times[1] - times[0]) * knots).tolist()
    return Knots(places, jnp.asarray(np.stack(inside), jnp.zeros(()).dtype), interpolation)


def opened(
    parts: Parts, ends: Sequence[Moments], s: float, opening: float
) -> tuple[Moments, Moments]:
    """Means and covariances of all parts at both ends, as far as they opened at a share `s`."""
    h = gate_at(s, opening)

    def at(i: int) -> Moments:
        mean, covariance = ends[i]
        own = (1.0 - h**2) * covariance + h**2 * parts.covariances[i]
        return mean + h * (parts.means[i] - mean), own

    return at(0), at(1)


def between(first: Moments, last: Moments, s: Any, noise: float = 0.0) -> Moments:
    """Means and covariances of Gaussian bridges at a share `s`, one of all or one of each part."""
    (m0, c0), (m1, c1) = first, last
    cross = bridge_cross(c0, c1, noise)
    spread = cross + cross.swapaxes(-1, -2) + noise * np.eye(cross.shape[-1])
    u, v = (np.reshape(s, (-1, *[1] * (a.ndim - 1))) for a in (m0, c0))
    covariance = (1.0 - v) ** 2 * c0 + v**2 * c1 + v * (1.0 - v) * spread
    return (1.0 - u) * m0 + u * m1, covariance


def gate_at(s: Any, opening: float) -> Any:
    """The fast gate of hard-ended curves at a share `s` of the piece."""
    return -np.expm1(-s * (1.0 - s) / opening)


def _partners(x: Array, y: Array, noise: float, seed: int) -> Array:
    """For each row of `x` a row of `y`: the optimal one, or one drawn from the entropic plan."""
    if noise == 0.0:
        return assignment(x, y)
    plan = sinkhorn(0.5 * cdist(x, y, "sqeuclidean"), noise, tolerance=1e-3).plan
    level = np.random.default_rng(seed).random((len(x), 1))
    rising = np.cumsum(plan, axis=1)
    return np.minimum((rising < level * rising[:, -1:]).sum(axis=1), len(y) - 1)


def clusters_of_pairs(joined: Array, pair: Array, kept: Array, parts: int, seed: int) -> Array:
    """The part of every draw, -1 for none: each kept pair gets parts by its share."""
    label, count = np.full(len(pair), -1), 0
    for one in kept:
        rows = np.flatnonzero(pair == one)
        wanted = int(np.clip(round(parts * len(rows) / len(pair)), 1, max(1, len(rows) // 5)))
        own = np.zeros(len(rows), int)
        if wanted > 1:
            _, own = kmeans2(joined[rows], wanted, minit="++", rng=seed)
            _, own = np.unique(own, return_inverse=True)
        label[rows] = count + own
        count += own.max() + 1
    return label


def _balance(
    weights: Array, sources: Array, targets: Array, rows: Array, columns: Array
) -> Array | None:
    """The nearest weights that couple the ends, or `None` if there are none on these pairs."""
    if len(np.unique(sources)) < len(rows) or len(np.unique(targets)) < len(columns):
        return None
    for _ in range(2000):
        weights = weights * (rows / np.bincount(sources, weights, len(rows)))[sources]
        before = np.bincount(targets, weights, len(columns))
        weights = weights * (columns / before)[targets]
        if np.abs(before - columns).max() < 1e-12:
            return weights
    error = np.abs(np.bincount(sources, weights, len(rows)) - rows).max()
    return weights if error < 1e-7 and weights.min() > 1e-8 else None


def group_moments(
    x: Array, label: Array, prior_draws: float, prior_share: float
) -> tuple[Array, Array]:
    """Means `(groups, ..., dim)` and covariances of the groups of points `(n, ..., dim)`.

    A covariance of few points is drawn toward a share of the variances of the whole cloud, as if
    so many more points with these had been seen.
    """
    prior = prior_share * (bounded_variance(x) + 1e-12)[..., None] * np.eye(x.shape[-1])
    groups = [x[label == j] for j in range(label.max() + 1)]
    means = [group.mean(axis=0) for group in groups]
    covariances = [
        (np.einsum("n...i,n...j->...ij", g - m, g - m) + prior_draws * prior)
        / (len(g) + prior_draws)
        for g, m in zip(groups, means)
    ]
    return np.stack(means), np.stack(covariances)


def centred(means: Array, weights: Array, own: Array, ends: Array) -> Array:
    """The means shifted so that the parts of each end part separate about its mean."""
    mass = np.bincount(own, weights, len(ends))
    shift = [np.bincount(own, weights * column, len(ends)) / mass for column in means.T]
    return means - (np.stack(shift, axis=1) - ends)[own]
