"""Regions of the plane: polygons that contain points, have an area, and carry integrals."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._records import from_plain, plain_numbers, put, reals
from liouville.errors import LiouvilleError
from liouville.runs.reading import parse_json, read_text

# Points this close to an edge, relative to the size of the region, are on it.
_ON_EDGE = 1e-12


@dataclass(frozen=True, eq=False)
class Region:
    """A simple polygon in the plane, its boundary included.

    Attributes:
        vertices: Corners in order, counter-clockwise (turned if they come clockwise), shape
            ``(k, 2)``; the first is not repeated at the end. For geography, longitude and latitude
            in degrees; a region across the date line has longitudes beyond 180.
    """

    vertices: np.ndarray

    def __post_init__(self) -> None:
        vertices = np.asarray(self.vertices, np.float64)
        if vertices.ndim != 2 or vertices.shape[1:] != (2,) or not np.all(np.isfinite(vertices)):
            raise LiouvilleError(
                "vertices of a region must be finite and of shape (k, 2), got "
                f"{'NaN or infinite values' if vertices.shape[1:] == (2,) else vertices.shape}"
            )
        if len(vertices):
            vertices = vertices[np.any(vertices != np.roll(vertices, 1, axis=0), axis=1)]
        if len(vertices) < 3:
            raise LiouvilleError(
                f"a region needs three different vertices or more, got {len(vertices)}"
            )
        if _signed_area(vertices) < 0:
            vertices = vertices[::-1]
        put(self, vertices=np.ascontiguousarray(vertices))
        extent = np.ptp(vertices, axis=0)
        if self.area <= _ON_EDGE * extent.max() ** 2:
            raise LiouvilleError(
                f"a region must have an area, but its {len(vertices)} vertices lie on a line or "
                "its loops cancel; give the corners in order"
            )
        crossing = _crossing(self.vertices)
        if crossing is not None:
            raise LiouvilleError(
                f"edges {crossing[0]} and {crossing[1]} of a region cross; "
                "give the corners in order around it"
            )

    @classmethod
    def box(
        cls, west: int | float, south: int | float, east: int | float, north: int | float
    ) -> "Region":
        """A rectangle with sides along the axes; refuses an empty one.

        In degrees `west` may be greater than `east`: the box then crosses the date line, and
        `east` is moved by 360.
        """
        corners = [float(value) for value in (west, south, east, north)]
        if corners[0] > corners[2] and -180 <= corners[2] < 0 < corners[0] <= 180:
            corners[2] += 360
        if not (corners[0] < corners[2] and corners[1] < corners[3]):
            raise LiouvilleError(
                f"a box is west,south,east,north with west < east and south < north, got "
                f"{west:g},{south:g},{east:g},{north:g}"
            )
        west, south, east, north = corners
        return cls(np.array([[west, south], [east, south], [east, north], [west, north]]))

    @classmethod
    def parse(cls, given: "Region | str | Path | Sequence[int | float]") -> "Region":
        """A region, four numbers or their text ``"122,22,150,46"``, or the path of GeoJSON."""
        if isinstance(given, Region):
            return given
        parts = given.split(",") if isinstance(given, str) else given
        if not isinstance(parts, Path) and len(parts) == 4:
            try:
                return cls.box(*(float(part) for part in parts))
            except LiouvilleError:
                raise
            except (TypeError, ValueError):
                pass
        if isinstance(given, str | Path):
            return cls.from_file(given)
        raise LiouvilleError(
            f"a region is a box west,south,east,north or a GeoJSON file, got {given!r}"
        )

    @classmethod
    def from_file(cls, file: str | Path) -> "Region":
        """The outer ring of the first polygon in a GeoJSON geometry, feature or collection.

        Raises:
            LiouvilleError: If there is no such file, or it has no polygon.

        Warns:
            UserWarning: If there are holes or other polygons; they are left out.
        """
        path = Path(file)
        remedy = "give a GeoJSON file, or a box such as '122,22,150,46' (west,south,east,north)"
        data = parse_json(read_text(path, "region"), f"the region {path}", remedy)
        try:
            polygons = list(_polygons(data))
        except (TypeError, AttributeError, RecursionError):
            polygons = []
        if not polygons or not all(isinstance(p, list) and p for p in polygons):
            raise LiouvilleError(f"{path} has no polygon; draw the region as a GeoJSON Polygon")
        left_out = len(polygons) - 1, len(polygons[0]) - 1
        if any(left_out):
            warnings.warn(
                f"the region is the outer ring of the first polygon of {path}; "
                f"{left_out[0]} other polygons and {left_out[1]} holes are left out",
                stacklevel=2,
            )
        ring = polygons[0][0]
        is_list = isinstance(ring, list)
        if not is_list or not all(isinstance(point, list) and len(point) >= 2 for point in ring):
            raise LiouvilleError(f"a ring of {path} is no list of positions; check the file")
        return cls(_corners([point[:2] for point in ring]))

    @property
    def area(self) -> float:
        """In squared units of the coordinates."""
        return abs(_signed_area(self.vertices))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north: the smallest box around it."""
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def is_box(self) -> bool:
        """Whether it is a rectangle with sides along the axes."""
        west, south, east, north = self.bounds
        return len(self.vertices) == 4 and self.area == (east - west) * (north - south)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Which points, shape ``(..., 2)``, lie inside or on the boundary; False for NaN."""
        points = np.asarray(points, np.float64)
        x, y = np.moveaxis(points, -1, 0)
        inside, on_edge = np.zeros(x.shape, bool), np.zeros(x.shape, bool)
        slack = _ON_EDGE * max(np.ptp(self.vertices, axis=0).max(), np.abs(self.vertices).max())
        for (x0, y0), (x1, y1) in zip(
            self.vertices, np.roll(self.vertices, -1, axis=0), strict=True
        ):
            dx, dy = x1 - x0, y1 - y0
            side = dx * (y - y0) - dy * (x - x0)
            # A ray to the east crosses an edge that goes up to the right, down to the left.
            crosses = ((y0 <= y) & (y < y1) & (side > 0)) | ((y1 <= y) & (y < y0) & (side < 0))
            inside ^= crosses
            length = np.hypot(dx, dy)
            along = dx * (x - x0) + dy * (y - y0)
            on_edge |= (
                (np.abs(side) <= slack * length)
                & (along >= -slack * length)
                & (along <= length * (length + slack))
            )
        return np.asarray(inside | on_edge)

    def transformed(self, fn: Callable[[np.ndarray], np.ndarray], *, density: int = 64) -> "Region":
        """The image under a map of the plane, such as `Projection.to_model`.

        Edges become curves; each is replaced by a polygon through `density` + 1 of its points, so
        the area is off by a share of order ``density**-2``. The map takes and returns points, shape
        ``(m, 2)``, and is one-to-one on the region; an image that is no simple polygon is refused.
        """
        if density < 1:
            raise LiouvilleError(f"density must be at least 1 piece per edge, got {density}")
        share = np.arange(density)[:, None] / density
        ends = np.roll(self.vertices, -1, axis=0)
        points = self.vertices[:, None] + share * (ends - self.vertices)[:, None]
        return Region(fn(points.reshape(-1, 2)))

    def boundary_nodes(
        self, n: int, *, longest: int | float | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Coordinates and weights, shape ``(m,)``, of integrals around the boundary.

        By Green's theorem, with $f = \partial F/\partial x$ and the boundary counter-clockwise,

        $$\int_A f\,dx\,dy = \oint_{\partial A} F\,dy \approx \sum_i F(x_i, y_i)\,\delta_i.$$

        For a normal density with independent coordinates $F = \Phi(x)\phi(y)$, up to scales. The
        rule is Gauss-Legendre's with `n` nodes on every piece of an edge, exact for polynomials
        of degree 2n - 1 along it. Edges are cut in equal pieces not longer than `longest`, if
        given: one or two widths of the narrowest density. Edges at constant y have weight zero.
        """
        if n < 1 or (longest is not None and not longest > 0):
            raise LiouvilleError(
                f"boundary nodes need n >= 1 and longest > 0, got n {n} and longest {longest}"
            )
        nodes, weights = np.polynomial.legendre.leggauss(n)
        nodes, weights = (nodes + 1) / 2, weights / 2
        points, deltas = [], []
        for start, end in zip(self.vertices, np.roll(self.vertices, -1, axis=0), strict=True):
            edge = end - start
            if edge[1] == 0:
                continue
            length = np.hypot(edge[0], edge[1])
            pieces = 1 if longest is None else max(1, int(np.ceil(length / longest)))
            shares = ((np.arange(pieces)[:, None] + nodes) / pieces).ravel()
            points.append(start + shares[:, None] * edge)
            deltas.append(np.tile(weights, pieces) * (edge[1] / pieces))
        x, y = np.concatenate(points).T
        return np.ascontiguousarray(x), np.ascontiguousarray(y), np.concatenate(deltas)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python numbers; through JSON and back they return bit for bit."""
        return plain_numbers(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Region":
        """Inverse of `to_dict`; refuses other fields."""
        return from_plain(cls, data, lambda _, value: _corners(value))


def _corners(vertices: Any) -> np.ndarray:
    return reals(vertices, "vertices of a region must be pairs of numbers")


def _signed_area(vertices: np.ndarray) -> float:
    """Positive if counter-clockwise."""
    x, y = (vertices - vertices[0]).T  # no cancellation far from the origin
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _crossing(vertices: np.ndarray) -> tuple[int, int] | None:
    """Numbers of two edges that have a point in common besides a shared vertex, or None."""
    starts, ends = vertices, np.roll(vertices, -1, axis=0)
    count = len(vertices)
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    for i in range(count - 2):
        # The last edge is a neighbour of the first. Few edges have boxes that meet.
        later = slice(i + 2, count - (i == 0))
        near = (low[later] <= high[i]) & (high[later] >= low[i])
        j = i + 2 + np.flatnonzero(near[:, 0] & near[:, 1])
        if not j.size:
            continue
        one = _side(starts[i], ends[i], starts[j]) * _side(starts[i], ends[i], ends[j])
        two = _side(starts[j], ends[j], starts[i]) * _side(starts[j], ends[j], ends[i])
        # Edges on one line give zeros, and meet since their boxes do.
        meet = (one <= 0) & (two <= 0)
        if meet.any():
            return i, int(j[meet.argmax()])
    return None


def _side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Sign of the side of a line on which points lie."""
    along, to = end - start, point - start
    return np.sign(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])


def _polygons(data: Any) -> list[list[Any]]:
    """The rings of all polygons in GeoJSON data."""
    if not isinstance(data, dict):
        return []
    if data.get("type") == "Polygon":
        return [data.get("coordinates") or []]
    if data.get("type") == "MultiPolygon":
        return list(data.get("coordinates") or [])
    if data.get("type") == "Feature":
        return _polygons(data.get("geometry"))
    inner = data.get("features") or data.get("geometries") or []
    return [polygon for item in inner for polygon in _polygons(item)]
