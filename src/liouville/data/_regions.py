"""Regions of the plane: polygons that contain points, have an area, and carry integrals."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._cell_regions import outline_of_cells
from liouville.data._records import from_plain, put, reals
from liouville.errors import LiouvilleError
from liouville.runs.reading import parse_json, read_text

# Points this close to an edge, relative to the size of the region, are on it.
_ON_EDGE = 1e-12

# So many corners of a ring tell in which others it is, as rings do not cross.
_CORNERS = 16


@dataclass(frozen=True, eq=False)
class Region:
    """Polygons in the plane, their boundaries included, perhaps with holes.

    Attributes:
        rings: Corners of every ring in order, shapes ``(k, 2)``; the first is not repeated at the
            end. The outer rings of polygons are counter-clockwise, holes clockwise; one array is
            one outer ring, whichever way it turns. For geography, longitude and latitude in
            degrees; a region across the date line has longitudes beyond 180.
    """

    rings: Sequence[np.ndarray] | np.ndarray

    def __post_init__(self) -> None:
        given = (self.rings,) if isinstance(self.rings, np.ndarray) else self.rings
        rings = tuple(map(_ring, given))
        if len(rings) == 1 and _signed_area(rings[0]) < 0:
            rings = (rings[0][::-1],)
        put(self, rings=tuple(np.ascontiguousarray(ring) for ring in rings))
        if not rings:
            raise LiouvilleError("a region needs a ring of corners, got none")
        starts, ends = self.edges
        ring_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
        crossing = _crossing(starts, ends, ring_of)
        if crossing is not None:
            raise LiouvilleError(
                f"edges {crossing[0]} and {crossing[1]} of a region cross; "
                "give the corners in order around it, and polygons that do not overlap"
            )
        self._check_nesting()

    def _check_nesting(self) -> None:
        """Refuses polygons inside of others, which would count twice, and holes outside of all."""
        for i, ring in enumerate(self.rings if len(self.rings) > 1 else ()):
            some = ring[:: max(1, len(ring) // _CORNERS)]
            turns = np.zeros(len(some))
            is_free = np.ones(len(some), bool)  # corners on no other ring
            for other in (r for j, r in enumerate(self.rings) if j != i):
                inside, on_edge = _inside(other, some)
                turns += np.sign(_signed_area(other)) * (inside & ~on_edge)
                is_free &= ~on_edge
            is_hole = _signed_area(ring) < 0
            same = any(_same(ring, other) for other in self.rings[:i])
            if same or (is_free.any() and turns[np.argmax(is_free)] != is_hole):
                what = "a hole is outside of all polygons" if is_hole else "polygons overlap"
                raise LiouvilleError(
                    f"{what}: ring {i + 1} of a region of {len(self.rings)} rings; merge the "
                    "polygons into one, with holes inside"
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
    def parse(cls, given: Any) -> "Region":
        """A region, four numbers or their text ``"122,22,150,46"``, or the path of a file.

        Anything with a ``__geo_interface__`` is one, too, such as a polygon of shapely or a frame
        of geopandas. Files are those of `from_file`.
        """
        if isinstance(given, Region):
            return given
        shape = getattr(given, "__geo_interface__", None)
        if shape is not None:  # its tuples become lists
            return cls._of_geometry(json.loads(json.dumps(shape)), f"the {type(given).__name__}")
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
            "a region is a box west,south,east,north, a file of GeoJSON or of cells, or has a "
            f"__geo_interface__, got {given!r}"
        )

    @classmethod
    def from_file(cls, file: str | Path) -> "Region":
        """All polygons of a GeoJSON geometry, feature or collection, with their holes.

        Or the cells of a grid, as CSEP's testing regions are given: a line is the longitude and
        latitude of the middle of a cell, or of its lower left corner if that is on a multiple of
        the size.

        Raises:
            LiouvilleError: If there is no such file, or it has no polygons.
        """
        path = Path(file)
        remedy = "give a GeoJSON file, or a box such as '122,22,150,46' (west,south,east,north)"
        text = read_text(path, "file of the region")
        if text.lstrip()[:1] not in ("{", "["):
            return cls(tuple(outline_of_cells(text, path)))
        return cls._of_geometry(parse_json(text, f"the region {path}", remedy), str(path))

    @classmethod
    def _of_geometry(cls, data: Any, source: str) -> "Region":
        rings = [
            _oriented(ring, number > 0, source)
            for polygon in _polygons(data, source)
            for number, ring in enumerate(polygon)
        ]
        if not rings:
            raise LiouvilleError(f"{source} has no polygon; draw the region as a GeoJSON Polygon")
        return cls(tuple(rings))

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Begins and ends of all edges, shapes ``(k, 2)``."""
        ends = [np.roll(ring, -1, axis=0) for ring in self.rings]
        return np.concatenate(self.rings), np.concatenate(ends)

    @property
    def area(self) -> float:
        """In squared units of the coordinates."""
        return sum(map(_signed_area, self.rings))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north: the smallest box around it."""
        starts, _ = self.edges
        low, high = starts.min(axis=0), starts.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def is_box(self) -> bool:
        """Whether it is a rectangle with sides along the axes."""
        west, south, east, north = self.bounds
        is_one = len(self.rings) == 1 and len(self.rings[0]) == 4
        return is_one and self.area == (east - west) * (north - south)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Which points, shape ``(..., 2)``, lie inside or on the boundary; False for NaN."""
        points = np.asarray(points, np.float64)
        inside, on_edge = np.zeros(points.shape[:-1], bool), np.zeros(points.shape[:-1], bool)
        for ring in self.rings:
            is_in, is_on = _inside(ring, points)
            inside, on_edge = inside ^ is_in, on_edge | is_on
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
        starts, ends = self.edges
        points = starts[:, None] + share * (ends - starts)[:, None]
        cuts = np.cumsum([len(ring) * density for ring in self.rings])[:-1]
        rings = np.split(fn(points.reshape(-1, 2)), cuts)
        if _signed_area(rings[0]) * _signed_area(self.rings[0]) < 0:  # the map mirrors
            rings = [ring[::-1] for ring in rings]
        return Region(tuple(rings))

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
        for start, end in zip(*self.edges, strict=True):
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
        return {"rings": [ring.tolist() for ring in self.rings]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Region":
        """Inverse of `to_dict`; refuses other fields."""
        return from_plain(cls, data, lambda _, value: tuple(_corners(ring) for ring in value))


def _corners(ring: Any) -> np.ndarray:
    return reals(ring, "rings of a region must be lists of pairs of numbers")


def _ring(given: Any) -> np.ndarray:
    """A ring without corners that repeat the one before; refuses one without an area."""
    ring = np.asarray(given, np.float64)
    if ring.ndim != 2 or ring.shape[1:] != (2,) or not np.all(np.isfinite(ring)):
        raise LiouvilleError(
            "rings of a region must be finite and of shape (k, 2), got "
            f"{'NaN or infinite values' if ring.shape[1:] == (2,) else ring.shape}"
        )
    if len(ring):
        ring = ring[np.any(ring != np.roll(ring, 1, axis=0), axis=1)]
    if len(ring) < 3:
        raise LiouvilleError(f"a region needs three different vertices or more, got {len(ring)}")
    if abs(_signed_area(ring)) <= _ON_EDGE * np.ptp(ring, axis=0).max() ** 2:
        raise LiouvilleError(
            f"a region must have an area, but its {len(ring)} vertices lie on a line or "
            "its loops cancel; give the corners in order"
        )
    return ring


def _oriented(ring: Any, is_hole: bool, source: str) -> np.ndarray:
    """A ring of GeoJSON, perhaps with heights: clockwise if it is a hole."""
    if not isinstance(ring, list) or not all(
        isinstance(point, list) and len(point) >= 2 for point in ring
    ):
        raise LiouvilleError(f"a ring of {source} is no list of positions; check the file")
    corners = _ring(_corners([point[:2] for point in ring]))
    return corners[::-1] if (_signed_area(corners) < 0) != is_hole else corners


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two rings have the same corners."""
    return np.array_equal(np.unique(one, axis=0), np.unique(other, axis=0))


def _signed_area(ring: np.ndarray) -> float:
    """Positive if counter-clockwise."""
    x, y = (ring - ring[0]).T  # no cancellation far from the origin
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _inside(ring: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which points, shape ``(..., 2)``, are inside of a ring and which on its edges."""
    x, y = np.moveaxis(points, -1, 0)
    inside, on_edge = np.zeros(x.shape, bool), np.zeros(x.shape, bool)
    slack = _ON_EDGE * max(np.ptp(ring, axis=0).max(), np.abs(ring).max())
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
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
    return inside, on_edge


def _crossing(starts: np.ndarray, ends: np.ndarray, ring_of: np.ndarray) -> tuple[int, int] | None:
    """Numbers of two edges that cross, or None.

    Edges of one ring may have no point in common besides a shared corner; those of two rings may
    touch, as those of neighbouring countries do.
    """
    count = len(starts)
    begins = np.flatnonzero(np.diff(ring_of, prepend=-1))
    lasts = dict(zip(begins.tolist(), [*(begins[1:] - 1).tolist(), count - 1], strict=True))
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    for i in range(count - 1):
        # Few edges have boxes that meet.
        near = (low[i + 1 :] <= high[i]) & (high[i + 1 :] >= low[i])
        j = i + 1 + np.flatnonzero(near[:, 0] & near[:, 1])
        same = ring_of[j] == ring_of[i]
        # The next edge is a neighbour, and the last one of a ring is that of its first.
        apart = ~same | ((j > i + 1) & (j != lasts.get(i, -1)))
        j, same = j[apart], same[apart]
        if not j.size:
            continue
        one = _side(starts[i], ends[i], starts[j]) * _side(starts[i], ends[i], ends[j])
        two = _side(starts[j], ends[j], starts[i]) * _side(starts[j], ends[j], ends[i])
        # Edges on one line give zeros, and meet since their boxes do.
        meet = np.where(same, (one <= 0) & (two <= 0), (one < 0) & (two < 0))
        if meet.any():
            return i, int(j[meet.argmax()])
    return None


def _side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Sign of the side of a line on which points lie."""
    along, to = end - start, point - start
    return np.sign(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])


def _polygons(data: Any, source: str) -> list[list[Any]]:
    """The rings of all polygons in GeoJSON data."""
    if not isinstance(data, Mapping):
        return []
    kind, inner = data.get("type"), data.get("coordinates")
    if kind in ("Polygon", "MultiPolygon"):
        found: Any = [inner] if kind == "Polygon" else inner
        if not isinstance(found, list) or not all(isinstance(p, list) and p for p in found):
            raise LiouvilleError(f"a {kind} of {source} has no lists of rings; check the file")
        return found
    if kind == "Feature":
        return _polygons(data.get("geometry"), source)
    items = data.get("features") or data.get("geometries") or []
    if not isinstance(items, list):
        raise LiouvilleError(f"features of {source} are no list; check the file")
    return [polygon for item in items for polygon in _polygons(item, source)]
