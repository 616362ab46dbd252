import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from liouville.numerics.couplings._unbalanced import unbalanced_sinkhorn
from liouville.numerics.matching import matching
from liouville.numerics.shares import systematic

Array = np.ndarray

# The blur of couplings with growth, as a share of what growth costs. Only their sums are used, and
# these hardly depend on it.
_BLUR = 0.01
# Costs are cut off at so many times what growth costs.
_FARTHEST = 20.0
# Chains that cost so many squared deltas more than the coupling are left out, but no more of them
# than the rest.
_MOST_EXCESS, _LEAST_KEPT = 0.5, 0.95
# The share of steps that say how long they are; the others may end at outliers.
_NOT_FAR = 0.95
# What growth costs by default: shares of the step of chains and of the spread of all points.
_SHARE_OF_STEP, _SHARE_OF_DEVIATION, _SHORTEST = 0.75, 0.5, 1e-6


class Chains(NamedTuple):
    r"""Trajectories through snapshots, each with a mass that may change.

    At every time the points, weighted by the masses, stand for the snapshot.

    Attributes:
        points: shape `(chains, times, dim)`.
        masses: shape `(chains, times)`; their sum over the chains is about that of the
            snapshot.
        rows: which point of its snapshot each is, shape `(chains, times)`.
        error: the largest error of a coupling, see `unbalanced_sinkhorn`; zero without growth.
        converged: whether every coupling was solved.
    """

    points: Array
    masses: Array
    rows: Array
    error: float
    converged: bool


def chains(
    snapshots: Sequence[Array],
    n: int,
    seed: int = 0,
    *,
    masses: Sequence[Array] | None = None,
    delta: float | None = None,
    factors: Sequence[Array] | None = None,
    noise: float = 0.0,
) -> Chains:
    r"""Joins snapshots to trajectories by the best coupling of each one to the next.

    Every snapshot contributes `n` of its points: of equal masses all of them once before any of
    them twice. Without growth, chains are matched to the next points at least squared distance.
    With growth, the coupling of least $\tfrac12|x - y|^2$ that may fail the masses at the cost
    $2\delta^2\,\mathrm{KL}$ says which masses travel: points that leave more than they travel with
    are given to more chains, and the masses of the chains say how much of the snapshot each is.
    Travelling masses are met exactly, by a matching of chains drawn evenly from both sides; the few
    chains that would then travel where the coupling lets growth do it are left out.

    Args:
        snapshots: two or more clouds of shapes `(n_i, dim)`, in the order of time.
        n: the number of chains.
        seed: of the choice of points.
        masses: of the points of each snapshot, positive, shapes `(n_i,)`; by default equal, with
            the sum one.
        delta: $\delta$, a length: what growth costs. By default mass does not change on the way.
        factors: by which the points of every snapshot but the last are expected to grow until the
            next, shapes `(n_i,)`; up to one number a snapshot, as only proportions count. Growth
            then costs as far as it is another.
        noise: how far chance decides whom chains are matched to. Squared distances are lowered by
            $\varepsilon$ times Gumbel variables, much as a coupling with the entropy $\varepsilon$
            would be drawn (perturb and maximise: Papandreou and Yuille, ICCV 2011), where
            $\varepsilon$ is so many times the variance of the step: $\mathrm{tr}\,C^2 /
            \mathrm{tr}\,C$ of the second moment $C$ of $y - x$ at least displacement, without the
            twentieth of the longest. Coordinates that only add noise do not raise it.
    """
    rng = np.random.default_rng(seed)
    masses = [np.full(len(x), 1.0 / len(x)) for x in snapshots] if masses is None else masses
    rows = [_draw(x, n, rng) for x in snapshots]
    drawn = [(x[i], m[i] * (m.sum() / m[i].sum())) for x, m, i in zip(snapshots, masses, rows)]
    grown = [np.ones(len(i)) for i in rows]
    if factors is not None and delta is not None:
        grown = [f[i] for f, i in zip(factors, rows)]
    places, past, is_kept = np.empty((n, 0), int), np.empty((n, 0)), np.ones(n, bool)
    pairs = zip(itertools.pairwise(drawn), grown)
    legs = [_couple(x, _grown(a, f), y, b, delta) for ((x, a), (y, b)), f in pairs]
    chosen = systematic(legs[0].leaving, n, rng)
    for i, leg in enumerate(legs):
        (x, a), (y, _) = drawn[i : i + 2]
        if i > 0:
            # A chain whose end leaves more mass than arrived there is followed by several; what it
            # stood for before is shared among as many as are expected.
            share = leg.leaving[chosen] / legs[i - 1].arriving[chosen]
            share = share / share.sum()
            order = np.argsort(chosen)
            kept = order[systematic(share[order], n, rng)]
            past = past[kept] / (n * share[kept])[:, None]
            chosen, places, is_kept = chosen[kept], places[kept], is_kept[kept]
        places = np.column_stack([places, chosen])
        past = np.column_stack([past, a[chosen] / leg.leaving[chosen] / n])
        ends = rng.permutation(systematic(leg.arriving, n, rng))
        ends = ends[_matched(x[chosen], y[ends], noise, rng)]
        if leg.excess is not None:
            excess = leg.excess[chosen, ends]
            is_kept &= excess <= max(_MOST_EXCESS, float(np.quantile(excess, _LEAST_KEPT)))
        chosen = ends
    places = np.column_stack([places, chosen])
    past = np.column_stack([past, drawn[-1][1][chosen] / legs[-1].arriving[chosen] / n])
    points = np.stack([x[place] for (x, _), place in zip(drawn, places.T)], axis=1)
    numbers = np.stack([own[place] for own, place in zip(rows, places.T)], axis=1)
    if is_kept.any() and not is_kept.all():
        points, numbers, kept = points[is_kept], numbers[is_kept], past[is_kept]
        past = kept * (past.sum(axis=0) / kept.sum(axis=0))
    converged = all(leg.converged for leg in legs)
    return Chains(points, past, numbers, max(leg.error for leg in legs), converged)


def growth_length(clouds: Sequence[np.ndarray], conserved: Chains) -> float:
    r"""The length $\delta$ by default: what growth costs beside motion.

    It is the longer of .75 times the median step of chains that conserve mass, so that what moves
    as a whole is seen to move, and of half the widest standard deviation of all cells together, so
    that rest is not taken for growth where chains hardly move. Both follow the units; the second
    does not depend on coordinates that only add noise.

    Args:
        clouds: the snapshots.
        conserved: chains through them without growth.
    """
    steps = np.linalg.norm(np.diff(conserved.points, axis=1), axis=-1)
    covariance = np.atleast_2d(np.cov(np.concatenate(clouds).T))
    widest = np.sqrt(np.linalg.eigvalsh(covariance)[-1])
    step = np.median(steps, axis=0).max()
    return float(max(_SHARE_OF_STEP * step, _SHARE_OF_DEVIATION * widest, _SHORTEST))


class _Leg(NamedTuple):
    """From one snapshot to the next."""

    leaving: Array  # the share of the travelling mass that leaves each point, of sum one
    arriving: Array
    excess: Array | None  # by how many squared deltas a pair costs more than its potentials
    error: float = 0.0
    converged: bool = True


def _couple(x: Array, a: Array, y: Array, b: Array, delta: float | None) -> _Leg:
    if delta is None:
        return _Leg(a / a.sum(), b / b.sum(), None)
    relaxation = 2.0 * delta**2
    # An outlier farther than mass ever travels would leave no number in its row.
    cost = np.minimum(0.5 * cdist(x, y, "sqeuclidean"), _FARTHEST * relaxation)
    solved = unbalanced_sinkhorn(cost, relaxation, _BLUR * relaxation, a, b)
    rows, columns = solved.plan.sum(axis=1), solved.plan.sum(axis=0)
    potentials = np.add.outer(np.log(a / rows), np.log(b / columns))
    excess = cost / delta**2 - 2.0 * potentials
    return _Leg(rows / rows.sum(), columns / columns.sum(), excess, solved.error, solved.converged)


def _matched(x: Array, y: Array, noise: float, rng: np.random.Generator) -> Array:
    """For each point of `x` its partner in `y`, at least displacement but for the noise."""
    cost = cdist(x, y, "sqeuclidean")
    partner = matching(cost)
    if noise == 0.0:
        return partner
    length = cost[np.arange(len(x)), partner]
    step = (y[partner] - x)[length <= np.quantile(length, _NOT_FAR)]
    moment = step.T @ step / len(step)
    epsilon = noise * (moment**2).sum() / max(np.trace(moment), _SHORTEST**2)
    return matching(cost - epsilon * rng.gumbel(size=cost.shape))


def _grown(masses: Array, factors: Array) -> Array:
    """Masses as they are expected to be at the next snapshot, up to their total."""
    later = masses * factors
    return later * (masses.sum() / later.sum())


def _draw(x: Array, n: int, rng: np.random.Generator) -> Array:
    """The numbers of at most `n` of the points, chosen by chance."""
    kept = rng.permutation(len(x))[:n]
    # In an order in space, even draws are even in space too.
    return kept[np.argsort(x[kept, np.argmax(x.var(axis=0))])]
