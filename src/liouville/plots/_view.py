"""How to look at points with more than two coordinates: maps onto a plane."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from liouville.numerics.neighbourhoods import Neighbourhoods
from liouville.plots._model import DrawableModel, DrawableSnapshots

MOST_CELLS = 6000
_NEAR = 30  # cells by which a velocity is seen, at least


@runtime_checkable
class View(Protocol):
    """A map from points to a plane, and of velocities along with them."""

    @property
    def labels(self) -> tuple[str, str]:
        """Names of the two axes of the plane."""
        ...

    @property
    def has_scale(self) -> bool:
        """Whether the numbers along the axes mean something to a reader."""
        ...

    def points(self, x: np.ndarray) -> np.ndarray:
        """Places in the plane of points ``(..., dim)``, shape ``(..., 2)``."""
        ...

    def velocities(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Velocities in the plane, shape ``(..., 2)``, of points ``x`` that move with ``u``."""
        ...


@dataclass(frozen=True)
class FirstTwo:
    """The first two coordinates; for two-dimensional models this is the identity."""

    labels: tuple[str, str] = ("x1", "x2")
    has_scale = True  # the axes carry the user's units

    def points(self, x: np.ndarray) -> np.ndarray:
        """First two coordinates of points ``(..., dim)``, shape ``(..., 2)``."""
        return np.asarray(x)[..., :2]

    def velocities(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """First two parts of the velocities ``u``, shape ``(..., 2)``."""
        del x
        return np.asarray(u)[..., :2]


class Embedding:
    """A given two-dimensional picture of the cells, extended to all points.

    A point goes to the weighted mean of the pictures of its $k$ nearest cells. The weight of
    a cell at distance $r$ is $(1 - r^2/r_{k+1}^2)^2$, where $r_{k+1}$ is the distance of the
    first cell left out: a cell fades out before it leaves the neighbourhood, so the map is
    continuous. Velocities go through the linear map that fits the nearest cells best, see
    `liouville.numerics.neighbourhoods.Neighbourhoods`.

    Beyond six thousand cells a random part of them is searched: searches in many dimensions
    are slow, and no picture shows the difference.

    Args:
        cells: Cells in the coordinates of the model, shape ``(n, dim)``.
        coords: Their places in the picture, shape ``(n, 2)``.
        neighbours: Number $k$ of cells to average over.
    """

    labels = ("embedding 1", "embedding 2")
    has_scale = False  # distances in such pictures have no unit

    def __init__(self, cells: np.ndarray, coords: np.ndarray, neighbours: int = 15) -> None:
        cells, coords = np.asarray(cells, float), np.asarray(coords, float)
        if cells.ndim != 2 or coords.shape != (len(cells), 2) or len(cells) < 2:
            raise ValueError(
                "Embedding expects cells of shape (n, dim) and coords of shape (n, 2) with n > 1, "
                f"got {cells.shape} and {coords.shape}. Pass one pair of coordinates per cell."
            )
        if neighbours < 1:
            raise ValueError(f"Embedding expects neighbours >= 1, got {neighbours}.")
        self.cells = cells
        self.coords = coords
        chosen = thin(len(cells), MOST_CELLS)
        self.neighbours = min(neighbours, len(chosen) - 1)
        self._known = Neighbourhoods(cells[chosen], coords[chosen], max(neighbours, _NEAR))

    def points(self, x: np.ndarray) -> np.ndarray:
        """Places in the picture of points ``(..., dim)``, shape ``(..., 2)``."""
        x = np.asarray(x, float)
        distance, index = self._known.tree.query(
            x.reshape(-1, x.shape[-1]), k=self.neighbours + 1, workers=-1
        )
        edge = np.maximum(distance[:, -1:], np.finfo(float).tiny)
        weight = (1.0 - np.minimum(distance[:, :-1] / edge, 1.0) ** 2) ** 2
        # Neighbours that are all equally far share the weight instead of dividing zero by zero.
        weight = weight + 1e-9
        weight /= weight.sum(axis=1, keepdims=True)
        chosen = self._known.places[np.asarray(index)[:, :-1]]
        placed = np.einsum("nk,nkc->nc", weight, chosen)
        return placed.reshape(*x.shape[:-1], 2)

    def velocities(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Velocities in the picture, shape ``(..., 2)``, of points ``x`` that move with ``u``."""
        x, u = np.asarray(x, float), np.asarray(u, float)
        flat, moves = (a.reshape(-1, x.shape[-1]) for a in (x, u))
        return self._known.velocities(flat, moves).reshape(*x.shape[:-1], 2)


def thin(count: int, most: int) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` items, at random but always the same."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def default_view(model: DrawableModel, snapshots: DrawableSnapshots | None = None) -> View:
    """The embedding of the snapshots if the model has more than two coordinates and there is one.

    Otherwise the first two coordinates.
    """
    if model.dim > 2 and snapshots is not None and snapshots.embedding is not None:
        return Embedding(snapshots.points, snapshots.embedding)
    names = (*model.features, "x1", "x2")
    return FirstTwo((names[0], names[1] if model.dim > 1 else "x2"))


def is_identity(model: DrawableModel, view: View) -> bool:
    """Whether the plane is the space of the model, so that nothing needs to be estimated."""
    return model.dim == 2 and isinstance(view, FirstTwo)


def place_data(snapshots: DrawableSnapshots, view: View) -> np.ndarray:
    """Places of the data, shape ``(n, 2)``; cells the embedding was made of keep their own."""
    if isinstance(view, Embedding) and np.array_equal(view.cells, snapshots.points):
        return view.coords
    return view.points(snapshots.points)
