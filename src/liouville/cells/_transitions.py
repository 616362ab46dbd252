"""Tables of transitions between groups of two times."""

from typing import Any, NamedTuple

import numpy as np

from liouville.cells._fates import By, Way, descendants_of
from liouville.cells._groups import Groups
from liouville.model import Model
from liouville.numerics.arguments import number


class Transitions(NamedTuple):
    """What becomes of the groups of one time at another.

    Attributes:
        sources: the names of the groups of the cells that are followed, one for each row.
        targets: the names of the groups at the other time, one for each column.
        table: the share of each target in what each source becomes, or came from, shape
            `(sources, targets)`; rows sum to one.
        masses: the share of each source in the whole that the table divides, shape `(sources,)`,
            of sum one: with `descendants` as they are at the other time. `masses @ table` are the
            shares of the targets.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    table: np.ndarray
    masses: np.ndarray


def transitions(
    model: Model,
    x: Any,
    labels: Any,
    t: float,
    groups: Groups,
    t1: float | None = None,
    *,
    weights: Any = None,
    by: By = "parts",
    descendants: bool = True,
    draws: int = 64,
    sigma: Any = None,
    seed: int = 0,
) -> Transitions:
    r"""What becomes of each type of cells at another time.

    The row of a type is the mean of its cells' fates (`liouville.cells.fates`), weighted by mass
    and, with `descendants`, by how many descendants each cell has:

    $$T_{ag} = \frac{\sum_{i \in a} w_i N_i F_{ig}}{\sum_{i \in a} w_i N_i}.$$

    If the other time is earlier, a row says where the type came from (`liouville.cells.ancestors`).

    Args:
        model: the model.
        x: cells of one time, in the user's units, shape `(n, dim)`.
        labels: the type of each; cells without one are left out.
        t: the time of these cells.
        groups: the groups at the other time.
        t1: the other time, by default the model's last.
        weights: the mass of each cell; equal by default.
        by: how cells are followed.
        descendants: whether growth counts, where the other time is later.
        draws: paths a cell, of the diffusion.
        sigma: its noise; by default the model's.
        seed: of the draws.

    Returns:
        The table with its names.

    Raises:
        LiouvilleError: as `liouville.cells.fates` and `Groups.of` do.
    """
    sources = Groups.of(x, labels, weights)
    start, end = number("t", t), model.interval[1] if t1 is None else number("t1", t1)
    back = end < start
    way = Way(by, descendants and not back, draws, sigma, seed)
    counts = descendants_of(model, sources.points, start, groups, end, way, back=back)
    if not way.descendants:
        counts /= counts.sum(1, keepdims=True)
    flows = (sources.one_hot * sources.weights[:, None]).T @ counts
    masses = flows.sum(1)
    return Transitions(sources.names, groups.names, flows / masses[:, None], masses / masses.sum())
