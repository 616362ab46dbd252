"""What of cells is doubtful before they are fitted, and is said."""

import warnings
from collections.abc import Sequence

import numpy as np

from liouville.data import Snapshots, listed
from liouville.numerics.couplings import Chains
from liouville.tasks.cells.groups import enough, moments
from liouville.tasks.cells.initial import chains_through

# Squared steps of less than so many times those within a snapshot are chance.
_MORE_THAN_CHANCE = 1.1
# Batches: groups of chains step alike if their mean step has so much of their squared steps, and by
# so many times more than the errors of means; and back, by the mean cosine of steps that follow.
_ALIKE, _BEYOND_CHANCE, _BACK = 0.7, 9.0, -0.2


def say_steps_of_chance(
    snapshots: Sequence[np.ndarray], conserved: Chains, *, noise: float = 0.0, seed: int = 0
) -> None:
    """Warns if cells step hardly farther than between two halves of one snapshot.

    In many coordinates they do even at rest, and then steps do not tell what is far.

    Args:
        snapshots: clouds `(n_i, dim)`.
        conserved: chains through them without growth.
        noise: how far chance decides whom chains join.
        seed: of the chains.
    """
    if min(map(len, snapshots)) < 2:
        return
    halves = [[x[::2], x[1::2]] for x in snapshots]
    rest = [_median_steps(chains_through(pair, noise=noise, seed=seed))[0] for pair in halves]
    steps, least = _median_steps(conserved), np.sqrt(np.square(rest).mean())
    if steps.max() ** 2 < _MORE_THAN_CHANCE * least**2:
        fewer = ", and with fewer coordinates (--dims)" if snapshots[0].shape[1] > 2 else ""
        warnings.warn(
            f"cells step from one snapshot to the next as far as between two halves of one "
            f"({steps.max():.3g} and {least:.3g} in scaled units): such steps are chance, and "
            "types whose shares change may be seen to turn into one another; compare with --growth "
            f"none{fewer}: what differs is not told by the cells",
            stacklevel=2,
        )


def say_few_cells(cells: Snapshots) -> None:
    """Warns of times whose cells are too few to tell the shape of their cloud.

    Args:
        cells: of training.
    """
    few = np.flatnonzero(cells.counts < enough(cells.dim))
    if few.size:
        name, times = cells.time_name, cells.distinct_times[few]
        shown = listed([f"{n} at {name} {t:g}" for t, n in zip(times, cells.counts[few])], 4)
        warnings.warn(
            f"few cells for {cells.dim} coordinates: {shown} in training, and it takes "
            f"{enough(cells.dim)} to tell the shape of a cloud; it is taken in part from other "
            "times, and velocities there are doubtful: give fewer coordinates (--dims), or leave "
            f"{name} {times[0]:g} out and compare",
            stacklevel=2,
        )


def say_batches(joined: Chains, label: np.ndarray) -> None:
    """Warns if all groups of chains step alike from each snapshot to the next, and back again.

    So do snapshots that were measured in batches, each with a shift of its own. What moves on its
    own does not turn back at every step, nor do all types move alike.

    Args:
        joined: the chains.
        label: the group of each, shape `(chains,)`.
    """
    share = np.bincount(label) / len(label)
    means, spreads = moments(joined.points, joined.masses, label)
    steps = np.diff(means, axis=1)
    if steps.shape[1] < 2:
        return
    common = np.einsum("k,kid->id", share, steps)
    squares = np.square(common).sum(axis=1)
    within = share @ np.square(spreads).sum(axis=2) / len(label)
    if not np.all(squares > _BEYOND_CHANCE * (within[1:] + within[:-1])):
        return
    alike = (squares / np.einsum("k,kid->i", share, np.square(steps))).min()
    length = np.sqrt(squares)
    turns = float(np.mean((common[1:] * common[:-1]).sum(axis=1) / (length[1:] * length[:-1])))
    if alike > _ALIKE and turns < _BACK:
        warnings.warn(
            f"all cells step alike from each snapshot to the next and back again (they share "
            f"{alike:.0%} of their squared steps at least): so do batches of measurement, whose "
            "shifts are then taken for motion; give coordinates that are corrected for them "
            "(--basis), or leave one snapshot out and compare",
            stacklevel=2,
        )


def _median_steps(joined: Chains) -> np.ndarray:
    """The median step of chains to each next snapshot, shape `(times - 1,)`."""
    return np.median(np.linalg.norm(np.diff(joined.points, axis=1), axis=-1), axis=0)
