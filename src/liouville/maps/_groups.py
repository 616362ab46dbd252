r"""Coordinates in two groups, taken apart and put together without gathers.

A gather is a scatter on the way back, and one scatter of 1024 coordinates costs more on CPU than
the matrix products of a whole layer. A group is therefore a union of a few arithmetic
progressions: strided slices take it out, padding puts it back, and each is the other's transpose.
"""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.types import Point

# A progression is (start, stop, step) and not a range, so that a file can hold it.
Progression = tuple[int, int, int]
Group = tuple[Progression, ...]

# Groups of level j have up to 2^j progressions; five levels separate 1024 coordinates.
_LEVELS = 5


def group_of(progressions: Sequence[range]) -> Group:
    """A group as plain data, from ranges; empty ranges are left out."""
    return tuple((r.start, r.stop, r.step) for r in progressions if len(r))


def members(group: Group) -> list[int]:
    """The coordinates of a group, in the order in which `picked` returns them."""
    return [i for progression in group for i in range(*progression)]


def pick(x: Point, group: Group) -> Float[Array, " picked"]:
    """The coordinates of one group."""
    if not group:
        return x[:0]
    return jnp.concatenate([x[start:stop:step] for start, stop, step in group])


def join(
    first: tuple[Float[Array, " a"], Group], second: tuple[Float[Array, " b"], Group]
) -> Point:
    """The point whose two groups of coordinates have the given values: the inverse of `picked`."""
    dim = len(first[0]) + len(second[0])
    placed = []
    for values, group in (first, second):
        sizes = [len(range(*progression)) for progression in group]
        pieces = jnp.split(values, np.cumsum(sizes)[:-1]) if group else []
        placed += [_place(piece, run, dim) for piece, run in zip(pieces, group)]
    return sum(placed[1:], start=placed[0])


def partitions(dim: int) -> list[tuple[Group, Group]]:
    """Ways to halve the coordinates, from the finest and the coarsest pattern to those between.

    Even and odd coordinates, first and second half, even and odd pairs, odd and even quarters,
    and so on. They are the bits of a coordinate's number: any two coordinates of up to 1024 are
    on different sides of one of the partitions.
    """
    found: list[tuple[Group, Group]] = []
    for level in range(_LEVELS):
        step, blocks = 2 ** (level + 1), 2 ** (level + 1)
        fine = [range(r, dim, step) for r in range(min(step, dim))]
        edges = np.round(np.linspace(0, dim, blocks + 1)).astype(int).tolist()
        coarse = [range(a, b) for a, b in itertools.pairwise(edges)]
        half = step // 2
        for pair in (
            (group_of(fine[:half]), group_of(fine[half:])),
            (group_of(coarse[::2]), group_of(coarse[1::2])),
        ):
            sides = {frozenset(members(side)) for side in pair}
            known = [{frozenset(members(side)) for side in other} for other in found]
            if all(pair) and sides not in known:
                found.append(pair)
    return found


def _place(values: Float[Array, " n"], progression: Progression, dim: int) -> Point:
    """Values at the places of a progression, zeros elsewhere."""
    start, _, step = progression
    last = start + (len(values) - 1) * step
    zero = jnp.zeros((), values.dtype)
    return jax.lax.pad(values, zero, [(start, dim - 1 - last, step - 1)])
