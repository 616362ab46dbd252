"""Masses of snapshots, and what growth costs."""

import re

import numpy as np

from liouville.data import Snapshots
from liouville.errors import LiouvilleError
from liouville.numerics.couplings import Chains
from liouville.tasks.cells.measure import weights_by_time

_SHARE_OF_STEP, _SHARE_OF_DEVIATION, _LEAST = 0.75, 0.5, 1e-6
_TOTAL = re.compile(r"\s*([^=,\s]+)\s*=\s*([^=,\s]+)\s*")


def totals_by_time(cells: Snapshots, mass: str) -> np.ndarray:
    """The mass of each snapshot, shape `(times,)`.

    Args:
        cells: the snapshots.
        mass: `relative` for one at all times, `counts` for the number of cells or the sum of their
            weights, or the total at every time, such as `0=400,1=442`.

    Raises:
        LiouvilleError: if `mass` is none of these, or a time has no total.
    """
    times = cells.distinct_times
    if mass == "relative":
        return np.ones(len(times))
    if mass == "counts":
        return np.array([own.sum() for own in _weights(cells)])
    return _totals(mass, times)


def masses_by_time(cells: Snapshots, totals: np.ndarray) -> list[np.ndarray]:
    """The mass of every cell of each snapshot, in proportion to its weight."""
    return [own * (total / own.sum()) for own, total in zip(_weights(cells), totals)]


def _weights(cells: Snapshots) -> list[np.ndarray]:
    return weights_by_time(cells) or [np.ones(n) for n in cells.counts]


def _totals(text: str, times: np.ndarray) -> np.ndarray:
    """The total of each time from `TIME=TOTAL,...`."""
    found = [_TOTAL.fullmatch(pair) for pair in text.split(",")]
    try:
        table = {float(pair[1]): float(pair[2]) for pair in found if pair is not None}
    except ValueError:
        table = {}
    if None in found or not table:
        raise LiouvilleError(
            f"--mass is {text!r}; give relative, counts, or the total at every time: "
            + ",".join(f"{t:g}=1" for t in times[:3])
        )
    totals = []
    for t in times.tolist():
        near = [total for known, total in table.items() if np.isclose(known, t)]
        if not near or not (0 < near[0] < np.inf):
            said = f"the total {near[0]:g}" if near else "no total"
            raise LiouvilleError(f"--mass has {said} at time {t:g}; give a positive one: {t:g}=1")
        totals.append(near[0])
    return np.array(totals)


def growth_length(clouds: list[np.ndarray], conserved: Chains) -> float:
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
    return float(max(_SHARE_OF_STEP * step, _SHARE_OF_DEVIATION * widest, _LEAST))
