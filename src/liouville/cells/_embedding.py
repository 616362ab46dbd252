"""Velocities of cells on a picture of them."""

import numpy as np

from liouville.errors import LiouvilleError
from liouville.numerics.neighbourhoods import Method, Neighbourhoods

NEIGHBOURS = 30
# Searches in many coordinates are slow, and no picture shows the difference.
_MOST = 10_000


def projected(
    points: np.ndarray,
    velocities: np.ndarray,
    places: np.ndarray,
    *,
    method: Method = "map",
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
) -> np.ndarray:
    """The velocities of cells on an embedding that was made by an unknown map.

    By the linear map that fits the displacements to the nearest cells best, or by scVelo's
    convention; both are told at `liouville.numerics.neighbourhoods.Neighbourhoods`. Of more than
    ten thousand cells the neighbours are searched among so many, drawn at random.

    Args:
        points: cells in the basis, shape `(n, dim)`.
        velocities: there, shape `(n, dim)`.
        places: of the cells on the embedding, shape `(n, c)`.
        method: `map` or `cosines`.
        neighbours: cells nearby that count.
        seed: of the draw.

    Returns:
        Shape `(n, c)`, length on the embedding over the unit of time.

    Raises:
        LiouvilleError: if the shapes do not agree or there is one cell alone.
    """
    points, velocities, places = (np.asarray(a, float) for a in (points, velocities, places))
    if places.ndim != 2 or len(places) != len(points) or velocities.shape != points.shape:
        raise LiouvilleError(
            f"velocities of shape {velocities.shape} and places of shape {places.shape} do not fit "
            f"points of shape {points.shape}; give one row for each cell"
        )
    if neighbours < 1 or len(points) < 2:
        raise LiouvilleError(
            f"{len(points)} cells and {neighbours} neighbours were given; a velocity on an "
            "embedding needs two cells and one neighbour"
        )
    chosen = np.arange(len(points))
    if len(chosen) > _MOST:
        chosen = np.sort(np.random.default_rng(seed).choice(len(chosen), _MOST, replace=False))
    known = Neighbourhoods(points[chosen], places[chosen], neighbours)
    return known.velocities(points, velocities, places, method)
