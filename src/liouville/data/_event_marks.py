"""Marks of events: how large they are, or of which kind."""

import warnings

import numpy as np

from liouville.data._event_checks import Missing
from liouville.data._quantisation import rounding_width
from liouville.data._tables import Table, as_numbers, is_missing
from liouville.errors import LiouvilleError

# What catalogues write for a size that is unknown, if nothing else is near it.
_HOLDERS = (-9, -9.9, -9.99, -99, -99.9, -99.99, -999, -999.9, -9999, 9.99, 99, 99.9, 99.99, 999)
_PLACE_HOLDERS = np.array([*_HOLDERS, 999.9, 9999])
# Zero may be a size; where no other value is near, in steps and in shares of their range, it is
# asked whether it is one.
_STEPS_FROM_ZERO, _SHARE_FROM_ZERO = 5, 0.1


def marks_of(
    table: Table, name: str, missing: Missing, *, kinds: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of a column of marks, shape ``(n,)``, and the names of kinds if it holds text.

    Numbers are sizes unless `kinds` says that they are names. A few texts among numbers are no
    kinds.

    Raises:
        LiouvilleError: At a text among numbers, or at a place holder for an unknown size if
            `missing` events are refused; else these are NaN, with a warning.
    """
    cells = table.values(name)
    absent = is_missing(cells)
    if not kinds and table.is_numeric(name):
        sizes = _without_holders(table, name, missing)
        _say_lone_zeros(table, name, sizes)
        return sizes, ()
    if not kinds:
        _refuse_few(table, name, cells, absent)
    numbers = as_numbers(cells) if kinds else None
    if numbers is not None:  # kinds 2 and 10 in their order
        found, codes = np.unique(numbers[~absent], return_inverse=True)
        names = tuple(f"{value:.12g}" for value in found.tolist())
    else:
        found, codes = np.unique(cells[~absent], return_inverse=True)
        names = tuple(str(kind) for kind in found)
    marks = np.full(len(cells), np.nan)
    marks[~absent] = codes
    return marks, names


def _refuse_few(table: Table, name: str, cells: np.ndarray, absent: np.ndarray) -> None:
    """Refuses a column of which most cells are numbers, with the first that is none."""
    kinds, counts = np.unique(cells[~absent], return_counts=True)
    is_text = np.array([as_numbers(kinds[i : i + 1]) is None for i in range(len(kinds))])
    texts = int(counts[is_text].sum())
    if 2 * texts > counts.sum():
        return
    row = int(np.flatnonzero(~absent & np.isin(cells, kinds[is_text]))[0])
    raise LiouvilleError(
        f"column {name!r} of {table.source} has {str(cells[row])!r} on {table.where(row)} among "
        f"numbers ({texts} of {counts.sum()} cells are no numbers); correct it or leave it empty, "
        "or take the column as kinds (--mark-law kinds) or not at all (--mark none)"
    )


def _without_holders(table: Table, name: str, missing: Missing) -> np.ndarray:
    """Sizes, with NaN for place holders: such numbers as -9.9 far from all others."""
    sizes = table.numbers(name)
    held = np.isin(sizes, _PLACE_HOLDERS)
    others = sizes[~held & np.isfinite(sizes)]
    if not held.any() or not others.size:
        return sizes
    low, high = others.min(), others.max()
    far = held & ((sizes < low - (high - low)) | (sizes > high + (high - low)))
    far &= (sizes < low - 1) | (sizes > high + 1)
    if not far.any():
        return sizes
    row = int(np.argmax(far))
    said = (
        f"{int(far.sum())} values of {name!r} of {table.source} are place holders such as "
        f"{sizes[row]:g}, the first on {table.where(row)}, which stand for an unknown size"
    )
    if missing == "refuse":
        order = f"{name}>{sizes[row]:g}" if sizes[row] < low else f"{name}<{sizes[row]:g}"
        raise LiouvilleError(
            f"{said}; drop those events with missing='drop' (--set data.missing=drop) or "
            f"--select '{order}'"
        )
    warnings.warn(f"{said}: they count as missing", stacklevel=5)
    return np.where(far, np.nan, sizes)


def _say_lone_zeros(table: Table, name: str, sizes: np.ndarray) -> None:
    """Warns of several zeros that have no other value near, as those of an unknown size."""
    zeros, others = int((sizes == 0).sum()), sizes[np.isfinite(sizes) & (sizes != 0)]
    if zeros < 2 or len(others) < zeros:
        return
    low, high, step = others.min(), others.max(), rounding_width(others)
    if low > max(_STEPS_FROM_ZERO * step, _SHARE_FROM_ZERO * (high - low)):
        row = int(np.argmax(sizes == 0))
        warnings.warn(
            f"{zeros} values of {name!r} of {table.source} are 0, the first on {table.where(row)}, "
            f"and no other is below {low:g}; if 0 stands for an unknown size, leave those events "
            f"out: --select '{name}>0'",
            stacklevel=5,
        )
