"""Regions given as cells of a grid, as the files of CSEP's testing regions are."""

from pathlib import Path

import numpy as np

from liouville.errors import LiouvilleError

# How far from a line of the grid a number may be, in cells: files hold a few digits.
_OFF_GRID = 0.01
_MOST_CELLS = 1_000_000
# In cells, up to which the numbers of lines of the grid are exact.
_FARTHEST = 1e9


def outline_of_cells(text: str, path: Path) -> list[np.ndarray]:
    """The outline of all cells of a file, rings counter-clockwise around what is inside.

    A line is the longitude and the latitude of one cell: of its middle, or of its lower left corner
    if all numbers are multiples of the size of a cell. The size is the least distance of two lines
    of cells. Other columns than the first two are passed over.

    Raises:
        LiouvilleError: if lines hold no two numbers, or cells do not lie on one square grid.
    """
    places = _numbers(text, path)
    farthest = float(np.abs(places).max())
    size = min(map(_spacing, places.T)) if farthest < _FARTHEST else 1.0
    if not np.isfinite(size):
        raise LiouvilleError(
            f"{path} has {len(places)} different cells, which tell no size; give the middles of "
            "two neighbours or more, or a box"
        )
    if not farthest / size < _FARTHEST:
        raise LiouvilleError(
            f"cells of {path} are {size:g} apart or more and reach to {farthest:g}; they must lie "
            "on one square grid, such as degrees"
        )
    shares = places / size
    # Middles lie half a cell off the multiples of the size, corners on them.
    for shift in (0.5, 0.0):
        numbers = np.round(shares - shift)
        if np.abs(shares - shift - numbers).max() < _OFF_GRID:
            break
    else:
        raise LiouvilleError(
            f"cells of {path} are {size:g} apart, and neither their middles nor their corners are "
            f"on multiples of it; give the middle of each, such as {0.5 * size:g}"
        )
    numbers = numbers.astype(int)
    low = numbers.min(axis=0)
    shape = numbers.max(axis=0) - low + 1
    if np.prod(shape.astype(float)) > _MOST_CELLS:
        raise LiouvilleError(
            f"cells of {path} span a grid of {shape[0]} by {shape[1]} of size {size:g}; give "
            "larger cells, or a box"
        )
    inside = np.zeros(shape, bool)
    inside[tuple((numbers - low).T)] = True
    return [np.round(size * (ring + low), 9) for ring in _rings(inside)]


def _numbers(text: str, path: Path) -> np.ndarray:
    rows = [line.replace(",", " ").split() for line in text.splitlines()]
    try:
        numbers = np.array([[float(word) for word in row[:2]] for row in rows if row])
        if numbers.ndim != 2 or numbers.shape[1] != 2 or not np.isfinite(numbers).all():
            raise ValueError
    except ValueError:
        raise LiouvilleError(
            f"{path} is neither GeoJSON nor lines of the longitude and latitude of a cell; give "
            "one of them, or a box such as '122,22,150,46' (west,south,east,north)"
        ) from None
    return np.unique(numbers, axis=0)


def _spacing(values: np.ndarray) -> float:
    """The least distance of different numbers, infinite if there is one number only."""
    gaps = np.diff(np.unique(np.round(values, 9)))
    return float(np.round(gaps.min(), 9)) if gaps.size else np.inf


def _rings(inside: np.ndarray) -> list[np.ndarray]:
    """The corners of the border of cells, what is inside to the left, in numbers of cells.

    Each cell brings its four sides, and those that two cells share cancel. The rest are joined to
    rings, which are cut where they touch themselves.
    """
    along: dict[tuple[int, int], list[tuple[int, int]]] = {}
    padded = np.pad(inside, 1)
    own = padded[1:-1, 1:-1]
    # Of each side: the neighbour across it, and the two ends seen from the corner of the cell.
    sides = (
        (padded[1:-1, :-2], (0, 0), (1, 0)),
        (padded[2:, 1:-1], (1, 0), (1, 1)),
        (padded[1:-1, 2:], (1, 1), (0, 1)),
        (padded[:-2, 1:-1], (0, 1), (0, 0)),
    )
    for neighbour, begin, end in sides:
        for i, j in np.argwhere(own & ~neighbour).tolist():
            start = (i + begin[0], j + begin[1])
            along.setdefault(start, []).append((i + end[0], j + end[1]))
    rings = []
    while along:
        walked = [next(iter(along))]
        seen = {walked[0]: 0}
        while walked:
            here = walked[-1]
            if here not in along:
                break
            there = along[here].pop()
            if not along[here]:
                del along[here]
            if there not in seen:
                seen[there] = len(walked)
                walked.append(there)
                continue
            first = seen[there]
            rings.append(_corners(np.array(walked[first:])))
            for corner in walked[first + 1 :]:
                del seen[corner]
            del walked[first + 1 :]
    return rings


def _corners(ring: np.ndarray) -> np.ndarray:
    """A ring without the points on straight pieces."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]].astype(float)
