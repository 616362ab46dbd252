"""Lines of GeoJSON, such as coasts and borders, to be drawn on a map."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.errors import LiouvilleError
from liouville.runs.reading import parse_json, read_text

# How deep the lists of positions of a geometry lie.
_DEPTHS = {"LineString": 0, "MultiLineString": 1, "Polygon": 1, "MultiPolygon": 2}


def read_lines(file: Path) -> list[np.ndarray]:
    """The lines and the borders of all polygons of a GeoJSON file, shapes ``(n, 2)``.

    Raises:
        LiouvilleError: If there is no such file, or it has no lines.
    """
    remedy = "give a GeoJSON file with lines or polygons"
    data = parse_json(read_text(file, "file of lines"), f"the lines {file}", remedy)
    try:
        found = [np.array([p[:2] for p in line], np.float64) for line in _lines(data)]
        if not found or not all(line.shape[1:] == (2,) for line in found):
            raise ValueError
    except (TypeError, ValueError, KeyError, AttributeError):
        raise LiouvilleError(f"{file} has no lines of longitude and latitude; {remedy}") from None
    return found


def _lines(data: Mapping[str, Any]) -> Iterator[list[Any]]:
    kind = data["type"]
    if kind in _DEPTHS:
        lines = [data["coordinates"]]
        for _ in range(_DEPTHS[kind]):
            lines = [line for several in lines for line in several]
        yield from lines
    elif kind == "Feature":
        if data.get("geometry"):
            yield from _lines(data["geometry"])
    else:
        for item in data.get("features") or data.get("geometries") or ():
            yield from _lines(item)
