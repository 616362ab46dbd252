r"""Velocities seen in a picture of points that was made by an unknown map.

Of the map from coordinates $x$ to places $y$ (UMAP, t-SNE, a force-directed layout) only its values
at the points are known. What it does to velocities is estimated from the $k$ nearest points.
"""

from typing import Literal, get_args

import numpy as np
from scipy.spatial import KDTree

from liouville.errors import LiouvilleError

Method = Literal["map", "cosines"]

_RIDGE = 0.1  # of the mean variance of a coordinate among the neighbours
_SHARPNESS = 10.0  # of the probabilities of the neighbours, as scVelo has it
_NUMBERS = 2**24  # in a block of neighbours


class Neighbourhoods:
    r"""The nearest of some points with known places, and how velocities look there.

    With the centred displacements $\Delta x_j$ and $\Delta y_j$ to the $k$ neighbours of a point:

    * `map`: the velocity is $J u$ with the linear map that fits the displacements best,
      $J = \arg\min \sum_j |\Delta y_j - J\Delta x_j|^2 + \lambda |J|^2$, where $\lambda$ is a tenth
      of the mean sum of squares of a coordinate. It has the unit of the picture over time.
    * `cosines`: the convention of scVelo (Bergen et al. 2020). The point moves to neighbour $j$
      with probability $p_j \propto \exp(10 \cos(u, x_j - x))$, and the velocity is the expected
      direction less that of equal probabilities,
      $\sum_j (p_j - 1/k)\,(y_j - y)/|y_j - y|$. We give it the length $|u|$ times the ratio of
      the median distances to the neighbours in the picture and in the coordinates.

    Args:
        points: coordinates, shape `(n, dim)`.
        places: where they are in the picture, shape `(n, c)`.
        neighbours: the number $k$.

    Attributes:
        tree: searches among the points.
    """

    def __init__(self, points: np.ndarray, places: np.ndarray, neighbours: int) -> None:
        self.points, self.places = np.asarray(points, float), np.asarray(places, float)
        self.neighbours = min(neighbours, len(self.points) - 1)
        self.tree = KDTree(self.points)

    def velocities(
        self,
        x: np.ndarray,
        u: np.ndarray,
        y: np.ndarray | None = None,
        method: Method = "map",
    ) -> np.ndarray:
        """Velocities in the picture, shape `(m, c)`.

        Args:
            x: points, shape `(m, dim)`, which may be among the known ones.
            u: their velocities, shape `(m, dim)`.
            y: their places, shape `(m, c)`, which `cosines` needs and `map` does not.
            method: `map` or `cosines`.
        """
        if method not in get_args(Method):
            valid = " or ".join(get_args(Method))
            raise LiouvilleError(f"there is no projection {method!r}; choose {valid}")
        seen = {"map": _by_map, "cosines": _by_cosines}[method]
        found = np.zeros((len(x), self.places.shape[1]))
        if not self.neighbours:
            return found
        block = max(1, _NUMBERS // (self.neighbours * self.points.shape[1]))
        for begin in range(0, len(x), block):
            rows = slice(begin, begin + block)
            near = self._near(x[rows])
            place = 0.0 if y is None else y[rows, None]
            found[rows] = seen(
                self.points[near] - x[rows, None], self.places[near] - place, u[rows]
            )
        return found

    def _near(self, x: np.ndarray) -> np.ndarray:
        """The numbers of the nearest points other than the point itself, shape `(m, k)`."""
        distance, index = self.tree.query(x, k=self.neighbours + 1, workers=-1)
        # The point itself is the first, if it is one of them.
        first = (np.asarray(distance)[:, :1] == 0).astype(int)
        return np.take_along_axis(np.asarray(index), first + np.arange(self.neighbours), axis=1)


def _by_map(dx: np.ndarray, dy: np.ndarray, u: np.ndarray) -> np.ndarray:
    dx, dy = (a - a.mean(axis=1, keepdims=True) for a in (dx, dy))
    count, dim = dx.shape[1:]
    gram = dx @ dx.swapaxes(1, 2)
    total = np.trace(gram, axis1=1, axis2=2)
    ridge = np.where(total > 0, _RIDGE * total / min(count, dim), 1.0)
    shares = np.linalg.solve(gram + ridge[:, None, None] * np.eye(count), dx @ u[:, :, None])
    return (dy.swapaxes(1, 2) @ shares)[:, :, 0]


def _by_cosines(dx: np.ndarray, dy: np.ndarray, u: np.ndarray) -> np.ndarray:
    far, apart = (np.linalg.norm(a, axis=2) for a in (dx, dy))
    speed = np.linalg.norm(u, axis=1)
    cosine = _ratio((dx @ u[:, :, None])[:, :, 0], far * speed[:, None])
    shares = np.exp(_SHARPNESS * (cosine - cosine.max(axis=1, keepdims=True)))
    shares = shares / shares.sum(axis=1, keepdims=True) - 1.0 / far.shape[1]
    direction = np.einsum("nk,nkc->nc", shares, _ratio(dy, apart[:, :, None]))
    stretch = _ratio(np.median(apart, axis=1), np.median(far, axis=1))
    return direction * (speed * stretch)[:, None]


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
