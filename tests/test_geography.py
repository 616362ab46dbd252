import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from liouville.data import (
    Projection,
    Region,
    great_circle_km,
    read_lines,
)
from liouville.errors import LiouvilleError

# Degrees: a handful of trigonometric functions of numbers up to 360, in double precision.
DEGREES = 1e-9
# Masses: sums of some thousand terms of order one against quadrature that has converged.
MASS = 1e-8
# Chords of a curve of curvature one in n pieces miss an area of order 1/n^2, here n = 1,024.
CHORDS = 1e-5
# Central differences of step 1e-4 degrees on the scale of a radian: the square of the step.
DIFFERENCES = 1e-7


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


def _text(folder: Path, content: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


# Geography.

TURN = np.array([360.0, 0.0])
PLACES = ("longitude", "latitude", "radius")


@pytest.mark.parametrize("center", [(140.0, 35.0), (0.0, 0.0), (179.0, -60.0), (20.0, 90.0)])
def test_the_projection_returns(center: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    projection = Projection(*center)
    lonlat = np.stack([center[0] + rng.uniform(-179, 179, 500), rng.uniform(-89, 89, 500)], axis=-1)
    km = projection.to_model(lonlat)
    np.testing.assert_allclose(projection.to_user(km), lonlat, rtol=0, atol=DEGREES)
    # Turns make no difference going in.
    np.testing.assert_allclose(projection.to_model(lonlat + TURN), km, rtol=0, atol=1e-7)
    # Distances from the center: the chord, 2 R sin(c / 2).
    arc = great_circle_km(np.array(center), lonlat) / projection.radius
    chord = 2 * projection.radius * np.sin(arc / 2)
    np.testing.assert_allclose(np.hypot(*km.T), chord, rtol=1e-9, atol=1e-6)


def test_the_projection_keeps_areas() -> None:
    rng = np.random.default_rng(2)
    projection = Projection(140.0, 35.0)
    lonlat = np.stack([rng.uniform(100, 180, 200), rng.uniform(-60, 80, 200)], axis=-1)
    step = 1e-4
    columns = [
        (projection.to_model(lonlat + step * e) - projection.to_model(lonlat - step * e))
        / (2 * step)
        for e in np.eye(2)
    ]
    jacobian = columns[0][:, 0] * columns[1][:, 1] - columns[0][:, 1] * columns[1][:, 0]
    np.testing.assert_allclose(
        np.log(jacobian), projection.log_volume(lonlat), rtol=0, atol=DIFFERENCES
    )
    # Negative control: a plain stretching of degrees does not keep areas.
    plain = np.log(np.radians(projection.radius) ** 2 * np.cos(np.radians(35.0)))
    assert np.abs(plain - projection.log_volume(lonlat)).max() > 0.1
    # The area of a large box on the sphere, R^2 dlon (sin north - sin south).
    box = Region.box(122, 22, 150, 46)
    sines = np.sin(np.radians([22, 46]))
    on_sphere = projection.radius**2 * np.radians(28) * (sines[1] - sines[0])
    mapped = box.transformed(projection.to_model, density=1024)
    np.testing.assert_allclose(mapped.area, on_sphere, rtol=CHORDS)
    coarse = box.transformed(projection.to_model, density=1)
    assert abs(coarse.area / on_sphere - 1) > 1e-3


def test_the_center_of_a_projection() -> None:
    projection = Projection.of(np.array([170.0, -170.0, 190.0, 170.0]), np.zeros(4))
    assert projection.longitude == pytest.approx(180 - 360 * (projection.longitude < 0))
    assert projection.latitude == pytest.approx(0)
    unwrapped = Projection.of(np.array([175.0, 185.0, 195.0]), np.full(3, 10.0))
    assert unwrapped.longitude == pytest.approx(185)
    assert Projection.from_dict(json.loads(json.dumps(projection.to_dict()))) == projection
    for call, pattern in [
        (lambda: Projection.of(np.array([0.0, 180]), np.zeros(2)), "no mean direction"),
        (lambda: Projection.of(np.zeros(0), np.zeros(0)), "0 places have no mean"),
        (lambda: Projection.of(np.array([np.nan]), np.zeros(1)), "NaN"),
        (lambda: Projection(0.0, 91.0), "latitude 91"),
        (lambda: Projection(np.nan, 0.0), "must be finite"),
        (lambda: Projection(0.0, 0.0, -1.0), "positive"),
        (lambda: Projection.from_dict({"longitude": 1}), "got longitude"),
        (lambda: Projection.from_dict(dict.fromkeys(PLACES, "east")), "are numbers"),
        (lambda: Projection.from_dict(dict.fromkeys(PLACES, np.nan)), "must be finite"),
        (lambda: Projection(0.0, 0.0).to_model(np.array([180.0, 0])), "opposite to the center"),
        (lambda: Projection(0.0, 0.0).to_user(np.array([13000.0, 0])), "ends at 12742"),
    ]:
        with _raises(pattern):
            call()


def test_great_circles() -> None:
    tokyo, osaka = np.array([139.6917, 35.6895]), np.array([135.5023, 34.6937])
    quarter = np.pi / 2 * 6371.0072
    pole, equator = np.array([77.0, 90]), np.array([[0.0, 0], [123, 0]])
    np.testing.assert_allclose(great_circle_km(pole, equator), quarter, rtol=1e-12)
    assert great_circle_km(tokyo, tokyo + TURN) == pytest.approx(0, abs=1e-6)
    # Against the angle between vectors.
    lon, lat = np.radians(np.stack([tokyo, osaka])).T
    vectors = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    angle = np.arccos(vectors[:, 0] @ vectors[:, 1])
    assert great_circle_km(tokyo, osaka) == pytest.approx(6371.0072 * angle, rel=1e-9)


# Regions.

_STAR = np.array([[0, 2.0], [0.5, 0.6], [2, 0.5], [0.7, -0.5], [1, -2], [-0.2, -0.9], [-1.5, -1.2]])


def test_regions() -> None:
    box = Region.box(-1, 0, 2, 5)
    assert (box.area, box.bounds, box.is_box) == (15, (-1, 0, 2, 5), True)
    star = Region(_STAR)
    assert not star.is_box
    assert star.area == Region(_STAR[::-1]).area
    again = Region.from_dict(json.loads(json.dumps(star.to_dict())))
    np.testing.assert_array_equal(again.rings, star.rings)
    closed = Region(np.concatenate([_STAR, _STAR[:1]]))
    assert [len(ring) for ring in closed.rings] == [len(_STAR)]
    assert Region.box(170, -50, -170, -30).bounds == (170, -50, 190, -30)


def test_points_in_regions() -> None:
    box = Region.box(0, 0, 2, 1)
    points = np.array([[1, 0.5], [0, 0], [2, 1], [2, 0.3], [1, 0], [2.001, 0.5], [1, -1], [3, 1]])
    expected = [True] * 5 + [False] * 3
    assert box.contains(points).tolist() == expected
    assert not box.contains(np.array([np.nan, 0.5]))
    # Against the angle that the boundary turns around a point.
    rng = np.random.default_rng(3)
    points = rng.uniform(-2, 2, (2000, 2))
    rays = _STAR - points[:, None]
    angles = np.arctan2(rays[..., 1], rays[..., 0])
    turns = np.angle(np.exp(1j * (np.roll(angles, -1, axis=1) - angles))).sum(axis=1)
    inside = np.abs(turns) > np.pi
    np.testing.assert_array_equal(Region(_STAR).contains(points), inside)
    assert 0.2 < inside.mean() < 0.6
    assert Region(_STAR).area == pytest.approx(16 * inside.mean(), abs=1)


def test_regions_in_words_and_files(tmp_path: Path) -> None:
    for given in ("122,22,150,46", [122, 22, 150, 46], Region.box(122, 22, 150, 46)):
        assert Region.parse(given).bounds == (122, 22, 150, 46)
    ring = [[0, 0], [4, 0], [4, 3], [0, 0]]
    polygon = {"type": "Polygon", "coordinates": [ring]}
    hole = [[1, 0.1], [2, 0.1], [2, 1, 7.5], [1, 0.1]]
    many = {"type": "MultiPolygon", "coordinates": [[ring, hole], [[[x + 9, y] for x, y in ring]]]}
    feature = {"type": "Feature", "geometry": polygon}
    for data in (polygon, feature, {"type": "FeatureCollection", "features": [feature]}):
        path = _text(tmp_path, json.dumps(data), "a.geojson")
        assert Region.parse(str(path)).area == 6
    islands = Region.parse(_text(tmp_path, json.dumps(many), "a.json"))
    assert islands.area == pytest.approx(11.55)
    assert islands.contains(np.array([[1.8, 0.2], [2.5, 0.2], [12, 1], [7, 1]])).tolist() == [
        *(False, True, True, False)
    ]
    for content, pattern in [
        ("{", "cannot read the region"),
        ("[]", "has no polygon"),
        (json.dumps({"type": "Point", "coordinates": [1, 2]}), "has no polygon"),
        (json.dumps({"type": "Polygon", "coordinates": [[1, 2, 3]]}), "no list of positions"),
        (json.dumps({"type": "Polygon", "coordinates": {"a": 1}}), "no lists of rings"),
        (json.dumps({"type": "Polygon", "coordinates": [3]}), "no list of positions"),
        (json.dumps({"type": "MultiPolygon", "coordinates": 3}), "no lists of rings"),
        (json.dumps({"type": "Polygon", "coordinates": [[["a", 1]] * 4]}), "pairs of numbers"),
        (json.dumps({"features": 3}), "are no list"),
        ("[[[1, 2]]]", "has no polygon"),
        ("[" * 100_000, "cannot read the region"),
    ]:
        with _raises(pattern):
            Region.parse(_text(tmp_path, content, "b.geojson"))
    with _raises("no file of the region"):
        Region.parse("japan")

    class Shape:
        __geo_interface__ = {  # noqa: RUF012 - as libraries have it
            "type": "Polygon",
            "coordinates": (((0, 0), (4, 0), (4, 3), (0, 0)), ((1, 0.1), (2, 0.1), (2, 1))),
        }

    assert Region.parse(Shape()).area == pytest.approx(5.55)
    with _raises("a region is a box"):
        Region.parse([1, 2, 3])


def test_regions_of_cells(tmp_path: Path) -> None:
    # Around a hole that touches the outside in a corner.
    ring = [(0, 0), (1, 1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (-1, 2), (0, 2), (1, 2)]
    middles = [(142.05 + 0.1 * i, -3.95 + 0.1 * j) for i, j in ring]
    corners = [(142.0 + 0.1 * i, -4.0 + 0.1 * j) for i, j in ring]
    for places in (middles, corners):
        text = "\n".join(f"{x:.8e}\t{y:.8e}" for x, y in places)
        found = Region.parse(_text(tmp_path, text, "cells.dat"))
        assert found.area == pytest.approx(0.09)
        assert found.contains(np.array(middles)).all()
        assert found.contains(np.array([[142.05, -3.85], [142.15, -3.95]])).tolist() == [False] * 2
    apart = Region.parse(_text(tmp_path, "0.5,0.5\n1.5,1.5\n", "cells.txt"))
    assert (len(apart.rings), apart.area) == (2, 2.0)
    for text, pattern in [
        ("lon lat\n0.5 0.5", "neither GeoJSON nor lines"),
        ("0.5\n1.5", "neither GeoJSON nor lines"),
        ("0.5 0.5", "tell no size"),
        ("0.03 0.5\n1.03 0.5\n2.1 1.5", "on multiples of it"),
        ("0.5 0.5\n1.5 100000000.5", "give larger cells"),
    ]:
        with _raises(pattern):
            Region.parse(_text(tmp_path, text, "bad.dat"))


def test_lines_of_a_file(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1, 5]]}
    ring = {"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]]]}
    for data, count in [
        (line, 1),
        ({"type": "Feature", "geometry": ring}, 1),
        ({"type": "GeometryCollection", "geometries": [line, ring]}, 2),
    ]:
        found = read_lines(Path(_text(tmp_path, json.dumps(data), "c.geojson")))
        assert [len(a) for a in found][:count] == [len(a) for a in found]
        assert found[0].shape[1] == 2
    for content in ("[]", "{}", json.dumps({"type": "LineString", "coordinates": [1]})):
        with _raises("no lines"):
            read_lines(Path(_text(tmp_path, content, "c.geojson")))


@pytest.mark.parametrize(
    ("vertices", "pattern"),
    [
        ([[0, 0], [1, 1]], "three different"),
        ([[0, 0], [0, 0], [0, 0]], "three different"),
        ([[0, 0], [1, 1], [2, 2]], "on a line"),
        ([[0, 0], [2, 2], [2, 0], [0, 1]], "edges 0 and 2 of a region cross"),
        ([[0, 0], [2, 0], [2, 1], [1, 0], [0, 1]], "cross"),
        ([[0, 0], [1, np.nan], [1, 1]], "NaN"),
        ([[0, 0, 0]], "shape"),
    ],
)
def test_what_is_no_region(vertices: Any, pattern: str) -> None:
    with _raises(pattern):
        Region(np.array(vertices, float))


def test_boxes_that_are_none() -> None:
    with _raises("west,south,east,north"):
        Region.box(1, 0, 0, 1)
    with _raises("west,south,east,north"):
        Region.parse("0,1,1,1")
    with _raises("density"):
        Region.box(0, 0, 1, 1).transformed(lambda x: x, density=0)
    with _raises("n >= 1"):
        Region.box(0, 0, 1, 1).boundary_nodes(0)
    with _raises("longest > 0"):
        Region.box(0, 0, 1, 1).boundary_nodes(3, longest=0)
    with _raises("has the field rings; got corners"):
        Region.from_dict({"corners": []})
    with _raises("pairs of numbers"):
        Region.from_dict({"rings": [[[1, 2], [3]]]})


_FRAME = np.array([[-2.0, -2], [2, -2], [2, 2], [-2, 2]])


def test_regions_of_several_polygons() -> None:
    hole = 0.5 * _FRAME[::-1]
    region = Region((_FRAME, hole, _FRAME + np.array([4, 0])))
    assert (region.area, region.bounds, region.is_box) == (28, (-2, -2, 6, 2), False)
    points = np.array([[0, 0], [1, 0], [1.5, 0], [2, 0], [4, 1], [7, 0]])
    # The boundary of the hole, and the edge that two polygons share, belong to the region.
    assert region.contains(points).tolist() == [False, True, True, True, True, False]
    again = Region.from_dict(json.loads(json.dumps(region.to_dict())))
    assert all(np.array_equal(a, b) for a, b in zip(again.rings, region.rings, strict=True))
    inner = ndtr(1) - ndtr(-1)
    outer = (ndtr(6) - ndtr(-2)) * (ndtr(2) - ndtr(-2))
    assert _normal_mass(region, 20, longest=1.0) == pytest.approx(outer - inner**2, abs=MASS)
    mirrored = region.transformed(lambda x: x[:, ::-1], density=2)
    assert (mirrored.area, mirrored.bounds) == (28, (-2, -2, 2, 6))
    for rings, pattern in [
        ((_FRAME, _FRAME + 1), "cross"),
        ((_FRAME, 0.5 * _FRAME), "polygons overlap: ring 2"),
        ((_FRAME, _FRAME), "polygons overlap"),
        ((_FRAME, hole + 9), "hole is outside"),
        ((), "got none"),
    ]:
        with _raises(pattern):
            Region(rings)


def _normal_mass(region: Region, n: int, **options: Any) -> float:
    """Mass of the standard normal by the boundary alone: F = Phi(x) phi(y)."""
    x, y, dy = region.boundary_nodes(n, **options)
    return float(np.sum(ndtr(x) * np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi) * dy))


def test_masses_by_the_boundary() -> None:
    # A box is a product of intervals.
    box = Region.box(-0.3, -1.2, 1.7, 0.4)
    product = (ndtr(1.7) - ndtr(-0.3)) * (ndtr(0.4) - ndtr(-1.2))
    assert _normal_mass(box, 20) == pytest.approx(product, abs=1e-14)
    # All of the plane, with edges cut in pieces.
    assert _normal_mass(Region.box(-50, -50, 50, 50), 8, longest=2.0) == pytest.approx(1, abs=MASS)
    # Few nodes on a long edge do not see the density.
    assert abs(_normal_mass(Region.box(-50, -50, 50, 50), 4) - 1) > 0.1
    # A polygon against quadrature over its triangles.
    triangles = np.array([[[0, 0], _STAR[i], _STAR[(i + 1) % len(_STAR)]] for i in range(7)])
    t, w = np.polynomial.legendre.leggauss(40)
    t, w = (t + 1) / 2, w / 2
    dense = 0.0
    for origin, a, b in triangles:
        u, v = a - origin, b - origin
        jacobian = u[0] * v[1] - u[1] * v[0]
        # (r, s) -> r ((1 - s) u + s v), whose Jacobian is r times that of the triangle.
        r, s = np.meshgrid(t, t, indexing="ij")
        x = (r * (1 - s))[..., None] * u + (r * s)[..., None] * v
        density = np.exp(-np.sum(x**2, axis=-1) / 2) / (2 * np.pi)
        dense += jacobian * np.sum(density * r * np.outer(w, w))
    # The sum is signed: turning the star makes it positive, as `Region` turns its vertices.
    assert _normal_mass(Region(_STAR), 30) == pytest.approx(abs(dense), abs=MASS)
    # An area is the mass of the constant, F = x.
    x, _, dy = Region(_STAR).boundary_nodes(2)
    assert np.sum(x * dy) == pytest.approx(Region(_STAR).area, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("1e300 0\n0 0\n", "reach to 1e[+]300"),
        ("0.1 0.1\n0.2 0.1\n99999999999 0.1\n", "one square grid"),
        ("0 0\n0.1 0\n0 999999\n", "span a grid of"),
        ("1 2\n1 2\n", "tell no size"),
        ("", "neither GeoJSON nor lines"),
    ],
)
def test_cells_that_are_no_grid(tmp_path: Path, text: str, pattern: str) -> None:
    (tmp_path / "cells.dat").write_text(text)
    with pytest.raises(LiouvilleError, match=pattern):
        Region.parse(str(tmp_path / "cells.dat"))
