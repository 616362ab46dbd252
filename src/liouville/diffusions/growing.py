r"""Where training starts if mass may grow: parts that travel, and parts that die and are born.

The least energy $\tfrac12\int\int |u|^2 + \delta^2 h^2$ between two measures is that of a coupling
of points with masses (Chizat, Peyre, Schmitzer and Vialard, J. Funct. Anal. 2018): what leaves
$x$ with the mass $m_0$ arrives at $y$ with $m_1$ along a straight line of the cone over space,

$$\sqrt{m_t}\,e^{i\theta_t} = (1 - t)\sqrt{m_0} + t\sqrt{m_1}\,e^{i\phi}, \qquad
  \phi = \frac{|x - y|}{2\delta}, \qquad x_t = x + \frac{\theta_t}{\phi}(y - x),$$

and what has no partner nearer than $\pi\delta$ dies where it is, or is born there. A part that dies
ends as a mass of next to nothing in a part of the other end, so that this end is met exactly.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from liouville.curves import Tied
from liouville.diffusions.bridges import (
    Moments,
    Parts,
    between,
    centred,
    clock_of,
    clusters_of_pairs,
    group_moments,
    inside_of,
    opened,
    path_through,
)
from liouville.numerics.couplings import growing_coupling
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed
from liouville.numerics.shares import systematic
from liouville.numerics.weights import GroupedWeights
from liouville.paths import LocationScale, Masses
from liouville.problems import bures

Array = np.ndarray

# Draws of each end that are coupled, and draws of the coupling that are grouped.
_DRAWS, _PAIRS = 1000, 2000
# Pairs of end parts with less of the coupling than this share are noise.
_SHARE = 4e-3
# A draw of which so little travels dies, and with it so much of its part must, to be worth a part.
_TRAVELS, _DIES = 0.03, 0.01
# What is left of the mass of a part that dies, as a share of the part where it ends.
_LEFT = 1e-6
# Draws toward which covariances of few draws are drawn, and their spread, as in `bridges`.
_PRIOR = (3.0, 0.05)
# Parts that travel farther than this angle on the cone are let off with it.
_MOST_ANGLE = 1.5
# Shares of the time at which curves have knots, besides those near the ends. The logarithms of
# masses that vanish fall without limit, and what goes through them must not overshoot.
_CLOCK = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85)
# In so many openings before the end what is left of a part goes where it must.
_LAST = 1.0


class GrowingParts(NamedTuple):
    """Moving parts with a mass at both ends.

    Attributes:
        parts: their end parts and their moments once they are separated; the weights are those of
            the start.
        masses: at both ends, shape `(2, parts)`; those of every end part have its mass as sum.
        rest: 0 for a part that travels, 1 for one that dies, 2 for one that is born, shape
            `(parts,)`.
    """

    parts: Parts
    masses: Array
    rest: Array


def growing_parts(
    source: GaussianMixture,
    target: GaussianMixture,
    masses: tuple[float, float],
    delta: float,
    parts: int,
    *,
    seed: int = 0,
) -> GrowingParts:
    """Parts along the best coupling of draws of both ends, of which mass may grow on the way.

    Args:
        source: where mass starts.
        target: where it ends.
        masses: of both.
        delta: what growth costs, a length.
        parts: about how many are wanted of those that travel.
        seed: of the draws.
    """
    ends = (source, target)
    unit = float(np.mean(masses))
    drawn = [end.sample(_DRAWS, seed=seed + i) for i, end in enumerate(ends)]
    points, labels = [x for x, _ in drawn], [own for _, own in drawn]
    each = [np.full(_DRAWS, mass / unit / _DRAWS) for mass in masses]
    plan = growing_coupling(points[0], points[1], each[0], each[1], delta, tolerance=1e-2).plan
    travels = [plan.sum(axis=1 - i) / mass for i, mass in enumerate(each)]
    groups = _travelling(plan, points, labels, travels, ends, parts, seed)
    for i in range(2):
        is_still = travels[i] < _TRAVELS
        groups += _resting(i, points, labels[i], is_still, each[i], ends, groups)
    mass = np.array([group.masses for group in groups]).T
    sources, targets = (np.array([group.ends[i] for group in groups]) for i in range(2))
    balanced = [
        value * (own_mass * end.weights / np.bincount(own, value, len(end.weights)))[own]
        for value, own, end, own_mass in zip(mass, (sources, targets), ends, masses)
    ]
    means, covariances = (
        np.stack([[group.moments[i][k] for group in groups] for i in range(2)]) for k in range(2)
    )
    # Where they separate, the parts of an end part stay about its mean.
    means = np.stack(
        [
            centred(mean, own_mass, own, end.means)
            for mean, own_mass, own, end in zip(means, balanced, (sources, targets), ends)
        ]
    )
    whole = Parts(sources, targets, balanced[0], means, covariances)
    return GrowingParts(whole, np.stack(balanced), np.array([group.rest for group in groups]))


def growing_path(
    found: GrowingParts,
    source: GaussianMixture,
    target: GaussianMixture,
    totals: tuple[float, float],
    delta: float,
    times: tuple[float, float],
    *,
    opening: float = 0.02,
    min_scale: float = 1e-3,
) -> LocationScale:
    """A path whose parts open, follow lines of the cone and close again on the ends' parts.

    Densities and masses of both ends are met exactly, whatever is learned: the shares of the parts
    at the start, those at the end, and the masses between.
    """
    parts, (start, end) = found.parts, found.masses
    ends: tuple[Moments, Moments] = (
        (source.means[parts.sources], source.covariances[parts.sources]),
        (target.means[parts.targets], target.covariances[parts.targets]),
    )
    clock = clock_of(opening, _CLOCK)
    both = zip(*(zip(m, c) for m, c in zip(parts.means, parts.covariances)))
    angles = np.sqrt([bures(*first, *last) for first, last in both]) / (2.0 * delta)
    logs, states = [], []
    for s in clock[0]:
        share, log_mass = _on_cone(found, angles, float(s), opening)
        logs.append(log_mass)
        states.append(between(*opened(parts, ends, float(s), opening), share))
    dtype = jnp.zeros(()).dtype

    def tied(mass: Array, own: Array, of: GaussianMixture, whole: float) -> GroupedWeights:
        logits = jnp.asarray(np.log(mass), dtype)
        return GroupedWeights(
            logits, jnp.asarray(own), Fixed(jnp.asarray(whole * of.weights, dtype))
        )

    log_mass = Tied(
        tied(start, parts.sources, source, totals[0]),
        tied(end, parts.targets, target, totals[1]),
        inside_of(np.log(start), np.log(end), logs, times, clock, opening, "monotone"),
        times,
        "fast",
        opening,
    )
    masses = Masses(log_mass)
    return path_through(ends, states, times, clock, masses, opening, min_scale, "monotone")


def _on_cone(found: GrowingParts, angles: Array, s: float, opening: float) -> tuple[Array, Array]:
    """How far the parts are on their way at a share of the time, and the logarithms of masses."""
    start, end = np.sqrt(found.masses)
    angle = np.clip(angles, 1e-6, _MOST_ANGLE)
    place = (1.0 - s) * start + s * end * np.exp(1j * angle)
    share, root = np.angle(place) / angle, np.abs(place)
    # What dies rests, and goes when next to nothing is left of it; what is born the same backwards.
    late = 1.0 - _LAST * opening
    for rest, own in ((1, s), (2, 1.0 - s)):
        more, less = (start, end) if rest == 1 else (end, start)
        gone = np.clip((own - late) / (1.0 - late), 0.0, 1.0)
        gone = gone**2 * (3.0 - 2.0 * gone)
        is_own = found.rest == rest
        share = np.where(is_own, gone if rest == 1 else 1.0 - gone, share)
        root = np.where(is_own, np.maximum(more * (1.0 - own / late), less), root)
    return share, 2.0 * np.log(root)


class _Group(NamedTuple):
    ends: tuple[int, int]
    masses: tuple[float, float]
    moments: tuple[tuple[Array, Array], tuple[Array, Array]]  # mean and covariance at both ends
    rest: int


def _travelling(
    plan: Array,
    points: list[Array],
    labels: list[Array],
    travels: list[Array],
    ends: tuple[GaussianMixture, GaussianMixture],
    parts: int,
    seed: int,
) -> list[_Group]:
    """Groups of what has a partner, each between two parts of the ends."""
    alive = np.outer(*(share >= _TRAVELS for share in travels))
    moving = np.where(alive, plan, 0.0)
    if not moving.sum() > _SHARE * plan.sum():
        return []
    rng = np.random.default_rng(seed)
    cells = systematic(moving.ravel() / moving.sum(), _PAIRS, rng)
    rows = np.unravel_index(cells, moving.shape)
    x, y = (cloud[own] for cloud, own in zip(points, rows))
    row, column = (label[own] for label, own in zip(labels, rows))
    # What leaves a point and travels stands for all of its mass, and so at the other end.
    one = moving.sum() / _PAIRS
    mass = [one / share[own] for share, own in zip(travels, rows)]
    pair = row * len(ends[1].weights) + column
    count = np.bincount(pair, minlength=len(ends[0].weights) * len(ends[1].weights))
    kept = np.flatnonzero(count > _SHARE * _PAIRS)
    label = clusters_of_pairs(np.concatenate([x, y], axis=1), pair, kept, parts, seed)
    moments = [group_moments(z, label, *_PRIOR) for z in (x, y)]
    found = []
    for j in range(label.max() + 1):
        own = label == j
        first = int(np.flatnonzero(own)[0])
        found.append(
            _Group(
                (int(row[first]), int(column[first])),
                (float(mass[0][own].sum()), float(mass[1][own].sum())),
                tuple((m[j], c[j]) for m, c in moments),  # pyright: ignore[reportArgumentType]
                0,
            )
        )
    return found


def _resting(
    side: int,
    points: list[Array],
    label: Array,
    is_still: Array,
    mass: Array,
    ends: tuple[GaussianMixture, GaussianMixture],
    others: list[_Group],
) -> list[_Group]:
    """Groups of what has no partner: at the start (`side` 0) they die, at the end they are born."""
    here, there, found = ends[side], ends[1 - side], []
    for k in range(len(here.weights)):
        own = (label == k) & is_still
        known = any(group.ends[side] == k and group.rest == 0 for group in others)
        whole = max(float(mass[label == k].sum()), float(mass[0]))
        if known and mass[own].sum() < _DIES * whole:
            continue
        if own.sum() > points[side].shape[1]:
            group = np.where(own, 0, -1)
            means, covariances = group_moments(points[side], group, *_PRIOR)
            moments = (means[0], covariances[0])
        else:
            moments = (here.means[k], here.covariances[k])
        nearest = int(np.argmin(((there.means - here.means[k]) ** 2).sum(axis=1)))
        left = (there.means[nearest], there.covariances[nearest])
        amount = float(mass[own].sum()) if known else whole
        small = _LEFT * amount
        pairs = [(k, nearest), (amount, small), (moments, left)]
        if side:
            pairs = [pair[::-1] for pair in pairs]
        found.append(_Group(*pairs, 1 + side))  # pyright: ignore[reportArgumentType]
    return found
