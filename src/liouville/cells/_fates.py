"""Where cells end, and where they came from."""

import itertools
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import logsumexp

from liouville.cells._groups import Groups
from liouville.data import numbers_of, points_among
from liouville.errors import LiouvilleError
from liouville.model import Model, WeightedTrajectories
from liouville.numerics.arguments import check_counts, number

By = Literal["parts", "flow", "diffusion"]
# Numbers that are held at once: points times parts, or draws times coordinates.
_BLOCK = 2**22


@dataclass(frozen=True)
class Way:
    """How cells are followed; see `fates`."""

    by: By = "parts"
    descendants: bool = True
    draws: int = 64
    sigma: Any = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            choices = ", ".join(get_args(By))
            raise LiouvilleError(f"fates are told by {choices}, not by {self.by!r}")
        check_counts(draws=self.draws)


def fates(
    model: Model,
    x: Any,
    t: Any,
    groups: Groups,
    t1: float | None = None,
    *,
    by: By = "parts",
    descendants: bool = True,
    draws: int = 64,
    sigma: Any = None,
    seed: int = 0,
) -> np.ndarray:
    r"""The probability that a cell ends in each group.

    * `by="parts"`, in closed form: a cell is of part $k$ with the chance $\gamma_k(x, t)$ and
      stays in it, and $S_{kg}$ is the share of group $g$ in the part at the end $T$:
      $$F_g \propto \sum_k \gamma_k(x,t) \frac{m_k(T)}{m_k(t)} S_{kg}.$$
      Right where cells that look alike decide differently.
    * `by="flow"`: the cell is carried along the velocity to $T$, and the cells near its end vote.
      The flow is deterministic: a cell that is undecided gets one fate. Right where a cell's place
      says all about its fate.
    * `by="diffusion"`: so are `draws` paths of the diffusion with the noise `sigma`, weighted by
      $e^{w}$, their gain of mass. The most accurate if the noise is known; snapshots do not tell
      it, so parts are the default (figures: `docs/fates.md`).

    Memory is bounded whatever the number of cells, besides the answer.

    Args:
        model: the model.
        x: cells, in the user's units, shape `(n, dim)`.
        t: their time, or one for each, not after the end.
        groups: the groups at the end.
        t1: the end $T$, the time of the groups; by default the model's last.
        by: how it is found out.
        descendants: whether descendants count, who are more if the cell's line divides: the answer
            is then the share of each group among the cell's descendants. Otherwise the cell is
            followed as if none divided or died.
        draws: paths a cell, of the diffusion.
        sigma: its noise; by default the model's.
        seed: of the draws.

    Returns:
        Shape `(n, groups)`; rows sum to one.

    Raises:
        LiouvilleError: if there is one group only, a cell is from after the end, a time is outside
            the model's, or, by parts, the model has one part only.
    """
    end = model.interval[1] if t1 is None else number("t1", t1)
    way = Way(by, descendants, draws, sigma, seed)
    _check_several(groups, model, end)
    return _shares(descendants_of(model, x, t, groups, end, way))


def ancestors(
    model: Model,
    y: Any,
    t1: Any,
    groups: Groups,
    t0: float | None = None,
    *,
    by: By = "parts",
    draws: int = 64,
    sigma: Any = None,
    seed: int = 0,
) -> np.ndarray:
    r"""The probability that a cell came from each group of an earlier time.

    By parts it is $A_g = \sum_k \gamma_k(y, t_1) S_{kg}$ with the shares $S_{kg}$ at $t_0$: every
    cell has one ancestor, so masses do not count. By the flow and by the diffusion the cell is
    carried back; the others see `fates`.

    Args:
        model: the model.
        y: cells, in the user's units, shape `(n, dim)`.
        t1: their time, or one for each, not before `t0`.
        groups: the groups at the earlier time.
        t0: the time of the groups; by default the model's first.
        by: how it is found out.
        draws: paths a cell, of the diffusion.
        sigma: its noise; by default the model's.
        seed: of the draws.

    Returns:
        Shape `(n, groups)`; rows sum to one.

    Raises:
        LiouvilleError: as `fates` does.
    """
    start = model.interval[0] if t0 is None else number("t0", t0)
    way = Way(by, False, draws, sigma, seed)
    _check_several(groups, model, start)
    return _shares(descendants_of(model, y, t1, groups, start, way, back=True))


def push(
    model: Model,
    x: Any,
    t0: float,
    t1: float,
    *,
    stochastic: bool = False,
    sigma: Any = None,
    seed: int = 0,
) -> WeightedTrajectories:
    """Where selected cells are at a later time, and what mass they have gained.

    Args:
        model: the model.
        x: cells at `t0`, in the user's units, shape `(n, dim)`.
        t0: their time.
        t1: a later time.
        stochastic: along the diffusion, not the velocity.
        sigma: the noise of the diffusion; by default the model's.
        seed: of the noise.

    Returns:
        Points of shape `(n, dim)` and log-weights of shape `(n,)` at `t1`: of a cell there are
        `exp(log_weight)` descendants.
    """
    return _carried(model, x, t0, number("t1", t1), stochastic, sigma, seed, back=False)


def pull(
    model: Model,
    y: Any,
    t1: float,
    t0: float,
    *,
    stochastic: bool = False,
    sigma: Any = None,
    seed: int = 0,
) -> WeightedTrajectories:
    """Where selected cells came from: `push` backward, from `t1` to the earlier `t0`.

    Log-weights are minus what the line has gained since: a cell had `exp(log_weight)` ancestors.
    """
    return _carried(model, y, t1, number("t0", t0), stochastic, sigma, seed, back=True)


def descendants_of(
    model: Model, x: Any, t: Any, groups: Groups, end: float, way: Way, *, back: bool = False
) -> np.ndarray:
    """The expected number of descendants of each cell in each group, shape `(n, groups)`.

    The numbers are relative to the whole population if the model's masses are. Without
    `way.descendants`, and backward, rows sum to one.
    """
    _check_groups(groups)
    x, t = _cells(model, x, t, end, back)
    if groups.points.shape[1] != model.dim:
        raise LiouvilleError(
            f"groups have {groups.points.shape[1]} coordinates and the model {model.dim}; take "
            "cells in the coordinates of the fit"
        )
    if way.by == "parts":
        return _by_parts(model, x, t, groups, end, way)
    if way.by == "flow":
        moved = _carried(model, x, t, end, False, None, way.seed, back=back)
        return _arrived(model, groups, moved, way)
    found = np.empty((len(x), len(groups)))
    size = max(_BLOCK // (way.draws * model.dim * 4), 1)
    for block, begin in enumerate(range(0, len(x), size)):
        rows = slice(begin, begin + size)
        start, times = (np.repeat(a[rows], way.draws, axis=0) for a in (x, t))
        seed = _seed(way.seed, block)
        moved = _carried(model, start, times, end, True, way.sigma, seed, back=back)
        arrived = _arrived(model, groups, moved, way)
        found[rows] = arrived.reshape(-1, way.draws, len(groups)).mean(1)
    return found


def _by_parts(
    model: Model, x: np.ndarray, t: np.ndarray, groups: Groups, end: float, way: Way
) -> np.ndarray:
    masses = model.log_part_masses(end)
    if len(masses) < 2:
        raise LiouvilleError(
            f"the model, a {type(model.path).__name__}, has no parts that keep their mass; use "
            "by='flow' or by='diffusion'"
        )
    ends = _groups_of_parts(model, groups, end)
    found = np.empty((len(x), len(groups)))
    size = max(_BLOCK // len(masses), 1)
    for begin in range(0, len(x), size):
        rows = slice(begin, begin + size)
        weights = np.exp(model.log_shares(t[rows], x[rows]))
        if way.descendants:
            times, place = np.unique(t[rows], return_inverse=True)
            weights *= np.exp(masses - model.log_part_masses(times))[place]
        found[rows] = weights @ ends
    return found


def _groups_of_parts(model: Model, groups: Groups, t: float) -> np.ndarray:
    r"""$S_{kg}$: the share of each group in each part at the groups' time, `(parts, groups)`.

    Summed as logarithms, so that a part without cells takes the nearest ones in its own scale.
    """
    joint = model.log_shares(t, groups.points) + np.log(groups.weights)[:, None]
    own = [logsumexp(joint[groups.codes == g], axis=0) for g in range(len(groups))]
    log_shares = np.stack(own, axis=1)
    # Of a part that has bounds no cell may be at all.
    log_shares = np.where(
        np.isneginf(log_shares).all(1)[:, None], np.log(groups.shares), log_shares
    )
    return np.exp(log_shares - logsumexp(log_shares, axis=1, keepdims=True))


def _arrived(model: Model, groups: Groups, moved: WeightedTrajectories, way: Way) -> np.ndarray:
    found = groups.memberships(moved.points, model.units)
    return found * np.exp(moved.log_weights)[:, None] if way.descendants else found


def _carried(
    model: Model,
    x: Any,
    t: Any,
    end: float,
    stochastic: bool,
    sigma: Any,
    seed: int,
    *,
    back: bool,
) -> WeightedTrajectories:
    """Cells of any times at one, all of one time in one sweep with those that started earlier.

    So the steps between two times are compiled once, whatever the number of times.
    """
    x, t = _cells(model, x, t, end, back)
    places, gains = x.copy(), np.zeros(len(x))
    stops = np.append(np.unique(t[t != end])[:: -1 if back else 1], end)
    for leg, (now, then) in enumerate(itertools.pairwise(stops.tolist())):
        rows = np.flatnonzero((t >= now) if back else (t <= now))
        moved = model.weighted_trajectories(
            places[rows], [now, then], stochastic=stochastic, sigma=sigma, seed=_seed(seed, leg)
        )
        places[rows] = moved.points[-1]
        gains[rows] += moved.log_weights[-1]
    return WeightedTrajectories(places, gains)


def _cells(model: Model, x: Any, t: Any, end: float, back: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cells and the time of each, on the right side of the end."""
    found = points_among(x, model.features)
    model.points_to_model(found)  # refuses what the model cannot be asked
    if found.ndim != 2:
        raise LiouvilleError(
            f"cells have shape {found.shape}; give shape (n, {model.dim}), one row for each"
        )
    times = numbers_of(t, "times")
    if times.shape not in ((), found.shape[:1]):
        raise LiouvilleError(
            f"times of shape {times.shape} do not fit {len(found)} cells; give one time, or one "
            "for each"
        )
    times = np.broadcast_to(times, found.shape[:1])
    model.log_mass(end)  # refuses an end outside the model's times
    wrong = np.flatnonzero(times < end if back else times > end)
    if len(wrong):
        side, other = ("before", "fates or push") if back else ("after", "ancestors or pull")
        raise LiouvilleError(
            f"cell {wrong[0]} is from {model.time_name} {times[wrong[0]]:g}, {side} {end:g}; "
            f"leave it out, or ask for {other}"
        )
    return found, times


def _check_groups(groups: Any) -> None:
    if not isinstance(groups, Groups):
        raise LiouvilleError(
            f"groups cannot be of type {type(groups).__name__}; give liouville.Groups.of(points, "
            "labels) of the cells at their time"
        )


def _check_several(groups: Groups, model: Model, time: float) -> None:
    _check_groups(groups)
    if len(groups) < 2:
        raise LiouvilleError(
            f"all labelled cells are of the group {groups.names[0]} at {model.time_name} {time:g}; "
            "fates need two groups or more: name another column, or another time"
        )


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(1, keepdims=True)


def _seed(seed: int, number: int) -> int:
    """A seed of its own for each piece of work."""
    if number == 0:
        return seed
    return int(np.random.SeedSequence([abs(seed), number]).generate_state(1)[0])
