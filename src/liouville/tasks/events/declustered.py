"""Where events happen that no other triggered: kernels of adaptive width, judged across folds."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from liouville.data import Region
from liouville.numerics.expectation import fit_mixture
from liouville.numerics.mixtures import GaussianMixture
from liouville.tasks.events._kernels import Centers, Ways, merged_kernels
from liouville.tasks.events.edges import mass_inside, mirrored, nearly_uniform
from liouville.tasks.events.moving import Moving, set_in_motion

# A kernel is as wide as the way to its neighbour of one of these numbers, and no narrower than one
# of these widths, in standardised units: where events crowd, their places are not that exact.
_NEIGHBOURS = (2, 3, 5, 8, 13, 21, 34, 55)
_WIDTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
# By how many folds away an event counts less by a factor of e.
# To forget or to move must win by so many standard errors.
_MEMORIES, _ERRORS = (np.inf, 10.0, 5.0, 2.5, 1.25), 2.0
# Smooth mixtures are fitted to so many of the events, by so many steps.
_FITTED_TO, _STEPS = 6000, 40
_LEAST_WEIGHT = 1e-3  # over the greatest; what weighs less is left out of them
# The share of the parts that are no kernels, so that no place is impossible, and how often shares
# are bettered.
_BROAD, _ITERATIONS = (0.01, 0.999), 60
# Events on which the number of neighbours is chosen, of so many folds.
_SAMPLE, _SOME_FOLDS = 3000, 3
_SWEEPS = 2  # over the numbers and the widths
_TINY = 1e-300


class Choice(NamedTuple):
    """What is chosen of a density.

    Attributes:
        neighbours: whose distance is a kernel's width.
        narrowest: the least width.
        memory: an event so many folds away weighs less by a factor of e.
        moves: whether the smooth mixtures move.
    """

    neighbours: int
    narrowest: float
    memory: float = np.inf
    moves: bool = False


class Declustered(NamedTuple):
    """A density of places, and what it says of each event when it did not see its time.

    Attributes:
        density: all kernels, near ones merged, and the other parts, on the whole plane. Its time
            zero is that of the last event.
        log_density: of every event's place, by the kernels of the other folds, shape `(n,)`.
        choice: its widths.
        shares: of the kernels, of a Gaussian as wide as all events, of smooth mixtures if there
            are some and, in a region, of a part that is about uniform there.
        inside: the mass of the mixture in the region: the density is the mixture divided by it.
    """

    density: Moving
    log_density: np.ndarray
    choice: Choice
    shares: np.ndarray
    inside: float = 1.0

    @property
    def mixture(self) -> GaussianMixture:
        """The density at the time of the last event."""
        return self.density.mixture


def declustered(
    places: np.ndarray,
    weights: np.ndarray,
    fold: np.ndarray,
    *,
    repeated: bool = False,
    like: Choice | None = None,
    region: Region | None = None,
    times: np.ndarray | None = None,
    mixtures: Sequence[int] = (),
) -> Declustered:
    r"""The density $f(x) \propto \sum_j p_j N(x; x_j, h_j^2 I)$ of events of the weights $p_j$.

    The width $h_j$ is the distance to the neighbour of a number, and at least a narrowest one; both
    are chosen by the weighted log-likelihood of events under the kernels of the other folds, whose
    widths do not know the event either. Folds are stretches of time: an event's own cluster does
    not speak for it. So are the shares of one Gaussian as wide as all, of `mixtures` and, in a
    region, of a part that is about uniform, by expectation maximisation. Source: Zhuang, Ogata and
    Vere-Jones (2002), Stochastic declustering of space-time earthquake occurrences, with their
    probabilities of being background as weights; there are kernels alone.

    With `times` the background may change. Old events may say less of it: one that is $a$ folds
    away weighs $e^{-a/M}$ as much; and the parts that are no kernels may go on in straight lines.
    The memory $M$, and whether they move, are those by which events of the later half are the
    likeliest given earlier folds alone, if by more than chance.

    In a region the density is that given the region. Events were seen on one side of its border
    alone: a kernel that reaches across has a mirror image, without which densities at the border
    are half of what they are inside.

    Args:
        places: standardised, shape `(n, dim)`.
        weights: the chance $p$ that an event is background, shape `(n,)`.
        fold: the number of the fold of every event, shape `(n,)`.
        repeated: the same place in another fold may be the same event.
        like: what is taken if nothing is to be chosen.
        region: where events are observed, in the coordinates of `places`; `None` for everywhere.
        times: of the events, ascending, if the background may change; shape `(n,)`. Folds are to be
            stretches of this time, one after the other. In a region, where the mass inside would
            change, nothing moves.
        mixtures: the numbers of parts of the smooth mixtures beside the kernels: where a density is
            smooth, and in its tails, they are nearer to it.
    """
    found, of = np.unique(places, axis=0, return_inverse=True)
    of = of.ravel()
    own = np.zeros((len(found), int(fold.max()) + 1))
    np.add.at(own, (of, fold), weights)
    none = found, np.full(len(found), np.inf)
    images = none if region is None else mirrored(found, region)
    centers = Centers(found, own, of, *images)
    most = min(max(_NEIGHBOURS), len(found) - 1)
    if most < 1:
        covariance = np.full((1, found.shape[1], found.shape[1]), np.eye(found.shape[1]))
        alone = GaussianMixture(np.ones(1), found, covariance)
        inside = mass_inside(alone, region)
        still = Moving.still(alone)
        return Declustered(still, np.zeros(len(of)), Choice(0, 1.0), np.ones(1), inside)
    without = [Ways.of(centers, number, most) for number in range(own.shape[1])]

    ages = np.zeros(len(places)) if times is None else times - times.max()

    @functools.cache
    def others(say: tuple[float, ...], left: int | None, moves: bool) -> list[_Other]:
        heard = weights * np.array(say)[fold]
        if repeated and left is not None:
            alone = heard * ~np.isin(of, of[fold == left])
            heard = alone if alone.any() else heard
        return _others(places, ages if moves else None, heard, mixtures, region)

    count = 1 + len(mixtures) + (region is not None)
    folds = _Folds(centers, without, places, ages, weights, fold, repeated, count, others)
    changes = times is not None and own.shape[1] > 1
    if like is None or changes:
        numbers = [k for k in _NEIGHBOURS if k <= most] or [most]
        like = _chosen(folds, numbers, like, changes, (False, True) if region is None else (False,))
    like = like._replace(neighbours=min(like.neighbours, most))
    parts = folds.densities(np.arange(len(places)), like)
    # At the end.
    late = np.exp((np.arange(own.shape[1]) - own.shape[1] + 1) / like.memory)
    widths = Ways.of(centers, None, most).widths(like.neighbours, like.narrowest)
    at, weight, width, _ = centers.with_images(np.arange(len(found)), own @ late, widths)
    merged = merged_kernels(at, width, weight)
    inside = mass_inside(merged, region)
    # The mass of a kernel and its image is about one inside.
    parts[0] /= inside * weight.sum() / (own @ late).sum()
    shares = _shares(parts, weights)
    every = [(Moving.still(merged), inside), *others(tuple(late), None, like.moves)]
    density, total = _together(every, shares)
    return Declustered(density, np.log(shares @ parts + _TINY), like, shares, total)


# A part that is no kernel, and its mass in the region.
_Other = tuple[Moving, float]


class _Folds(NamedTuple):
    """Events in folds, and what the other folds say of each."""

    centers: Centers
    without: list[Ways]
    places: np.ndarray
    ages: np.ndarray
    weights: np.ndarray
    fold: np.ndarray
    repeated: bool
    number: int  # of the parts that are no kernels
    # These parts by how much every fold says, by the fold that asks, and by whether they move.
    others: Callable[[tuple[float, ...], int | None, bool], list[_Other]]

    def densities(self, rows: np.ndarray, like: Choice, *, ahead: bool = False) -> np.ndarray:
        """The densities of all parts at some events, the kernels first, shape `(parts, n)`.

        They are those given all other folds, or `ahead` of the later ones.
        """
        found = np.zeros((1 + self.number, len(rows)))
        for left, ways in enumerate(self.without):
            here = np.flatnonzero(self.fold[rows] == left)
            if not len(here):
                continue
            x, ages = self.places[rows[here]], self.ages[rows[here]]
            number = np.arange(len(self.without))
            say = np.exp(-np.abs(number - left) / like.memory) * (number != left)
            say = say * (number < left) if ahead else say
            twins = self.centers.of[rows[here]] if self.repeated else None
            widths = ways.widths(like.neighbours, like.narrowest)
            found[0, here] = ways.sums(self.centers, say, widths, x, twins)
            # Of one fold alone nobody else can speak.
            say = say if say.any() else np.ones(len(say))
            for row, (part, mass) in enumerate(self.others(tuple(say), left, like.moves)):
                found[1 + row, here] = np.exp(part.log_density(ages, x)) / mass
        return found


def _chosen(
    folds: _Folds, numbers: list[int], like: Choice | None, changes: bool, moves: Sequence[bool]
) -> Choice:
    """The widths, if none are given, and how it changes, by which events are the likeliest."""
    fold, count = folds.fold, len(folds.without)
    # Of some folds only, as each has its own kernels.
    some = np.flatnonzero(np.isin(fold, np.unique(fold)[:: max(1, count // _SOME_FOLDS)]))
    rng = np.random.default_rng(0)
    rows = rng.permutation(some)[:_SAMPLE]

    def logs(rows: np.ndarray, like: Choice, **options: bool) -> np.ndarray:
        parts, weights = folds.densities(rows, like, **options), folds.weights[rows]
        return np.log(_shares(parts, weights) @ parts + _TINY)

    @functools.cache
    def best(like: Choice) -> float:
        return float(folds.weights[rows] @ logs(rows, like))

    def widths(like: Choice) -> Choice:
        like = max((like._replace(neighbours=k) for k in numbers), key=best)
        return max((like._replace(narrowest=width) for width in _WIDTHS), key=best)

    if like is None:
        like = Choice(numbers[0], _WIDTHS[len(_WIDTHS) // 2])
        for _ in range(_SWEEPS):
            like = widths(like)
    if not changes:
        return like
    late = rng.permutation(np.flatnonzero(fold >= count // 2))[:_SAMPLE]
    weights, found = folds.weights[late], like
    best_logs = logs(late, like, ahead=True)
    # What stays is preferred to what forgets, and this to what moves.
    for is_moving in moves:
        # Few events do not say where they go.
        memories = _MEMORIES[:1] if is_moving else _MEMORIES
        ways = [like._replace(memory=memory, moves=is_moving) for memory in memories]
        ahead = {way: logs(late, way, ahead=True) for way in ways if way != like}
        way = max(ahead, key=lambda way: float(weights @ ahead[way]))
        gains = weights * (ahead[way] - best_logs)
        # By chance one of several is ahead.
        if gains.sum() > _ERRORS * np.sqrt(len(late)) * gains.std():
            found, best_logs = way, ahead[way]
    return found if found == like else widths(found)


def _others(
    places: np.ndarray,
    ages: np.ndarray | None,
    weights: np.ndarray,
    mixtures: Sequence[int],
    region: Region | None,
) -> list[_Other]:
    """The parts that are no kernels, which move if ages are given."""
    share = weights / weights.sum()
    mean = share @ places
    spread = (share[:, None] * (places - mean)).T @ (places - mean)
    covariance = spread + _WIDTHS[0] ** 2 * np.eye(len(spread))
    own = [GaussianMixture(np.ones(1), mean[None], covariance[None])]
    # Rows that are drawn twice would be the narrowest part of all.
    rows = np.flatnonzero(weights > _LEAST_WEIGHT * weights.max())
    rows = np.random.default_rng(0).permutation(rows)[:_FITTED_TO]
    x, weights = places[rows], weights[rows]
    own += [fit_mixture(x, weights, parts=parts, iterations=_STEPS) for parts in mixtures]
    if region is not None:
        own.append(nearly_uniform(region))
    if ages is None:
        return [(Moving.still(part), mass_inside(part, region)) for part in own]
    return [(set_in_motion(part, ages[rows], x, weights, _STEPS), 1.0) for part in own]


def _shares(parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The shares of parts, the kernels first, under which weighted events are the likeliest.

    By expectation maximisation, shape `(parts,)`.
    """
    shares = np.full(len(parts), 1.0 / len(parts))
    for _ in range(_ITERATIONS):
        joint = shares[:, None] * parts
        shares = joint / np.maximum(joint.sum(axis=0), _TINY) @ weights + 1e-9
        # What are no kernels keep a least share together, and leave one.
        broad = shares[1:] / shares[1:].sum()
        share = np.clip(1.0 - shares[0] / shares.sum(), *_BROAD)
        shares = np.concatenate([[1.0 - share], share * broad])
    return shares


def _together(parts: list[_Other], shares: np.ndarray) -> _Other:
    """Mixtures as one on the plane, and its mass in the region where each has its share."""
    of_each = [share / mass for share, (_, mass) in zip(shares, parts, strict=True)]
    total = sum(of_each)
    mixtures = [part.mixture for part, _ in parts]
    weights = [w / total * m.weights for w, m in zip(of_each, mixtures, strict=True)]
    joined = GaussianMixture(
        np.concatenate(weights),
        np.concatenate([m.means for m in mixtures]),
        np.concatenate([m.covariances for m in mixtures]),
    )
    return Moving(joined, np.concatenate([part.velocities for part, _ in parts])), 1.0 / total
