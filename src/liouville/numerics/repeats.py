"""Rows that are equal, which must not be on both sides where some judge what others taught."""

from collections.abc import Sequence

import numpy as np

_COPIES = 10


def first_equals(columns: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The first row that equals each row in all columns, shape ``(n,)``; mostly its own number.

    Column after column leaves only rows that have others like them, which are soon few.

    Args:
        columns: one or more, each of shape ``(n,)``.
    """
    found = np.arange(len(columns[0]))
    rows, group = found.copy(), np.zeros(len(found), np.intp)
    for column in columns:
        value = np.unique(column[rows], return_inverse=True)[1]
        joint = group * (value.max(initial=0) + 1) + value
        _, group, counts = np.unique(joint, return_inverse=True, return_counts=True)
        shared = counts[group] > 1
        rows, group = rows[shared], group[shared]
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    found[rows] = rows[first[group]]
    return found


def twins(columns: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The first row that equals each as a copy of it would, shape ``(n,)``; see `first_equals`.

    A place that very many rows share, more than ten times as many as others, is where numbers were
    clipped: its rows are not one that is listed again, and each is its own.
    """
    found = first_equals(columns)
    sizes = np.bincount(found, minlength=len(found))
    crowded = sizes > _COPIES * np.median(sizes[sizes > 0])
    return np.where(crowded[found], np.arange(len(found)), found)


def dealt(points: np.ndarray, hands: int) -> np.ndarray:
    """The hand, 0 to `hands - 1`, that each row is dealt to in turn, shape ``(n,)``.

    Copies of a row (`twins`) are in one hand, unless fewer differ than there are hands.
    """
    _, group = np.unique(twins(points.T), return_inverse=True)
    if group.max() + 1 < hands:
        group = np.arange(len(points))
    return group % hands
