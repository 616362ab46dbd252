"""Catalogues in the formats of services: GeoJSON, and what obspy reads (QuakeML and others)."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data._tables import Table, foreign
from liouville.errors import LiouvilleError
from liouville.runs.reading import parse_json, read_text

GEOJSON = (".geojson", ".json")
OBSPY = (".xml", ".quakeml", ".qml", ".sc3ml", ".scml", ".ndk", ".zmap", ".hyp", ".nordic")
"""Suffixes of catalogues that obspy reads; it looks at what is in them."""


_ENTITY = re.compile(rb"<!\s*(?:ENTITY|DOCTYPE)", re.IGNORECASE)


def read_geojson(path: Path) -> Table:
    """The points of a FeatureCollection, such as that of the USGS, with their properties.

    A ``time`` that is a number counts milliseconds since 1970, as there.

    Raises:
        LiouvilleError: If it is no such collection.
    """
    data = parse_json(read_text(path), path, "is it GeoJSON? CSV is read, too")
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list):
        raise LiouvilleError(
            f"{path} is no FeatureCollection of events; download the catalogue as GeoJSON or CSV"
        )
    rows = [_row(feature, i + 1, path) for i, feature in enumerate(features)]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    time = columns.get("time")
    if time is not None and time.dtype.kind == "f":
        columns["time"] = _stamps(time)
    return Table(str(path), columns, lambda row: f"feature {row + 1}")


def _row(feature: Any, number: int, path: Path) -> dict[str, Any]:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    place = geometry.get("coordinates") if isinstance(geometry, dict) else None
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    place = place if isinstance(place, list) and kind == "Point" else []
    if len(place) < 2 or not all(isinstance(x, int | float) or x is None for x in place[:3]):
        raise LiouvilleError(
            f"feature {number} of {path} is no point with a longitude and a latitude; events are "
            "points (a region is given with --region)"
        )
    own = feature.get("properties")
    own = own if isinstance(own, Mapping) else {}
    where: dict[str, Any] = dict(zip(("longitude", "latitude", "depth"), place, strict=False))
    return {**where, **{str(n): v for n, v in own.items() if str(n) not in where}}


def _column(cells: list[Any]) -> np.ndarray:
    """Numbers if all values are, otherwise text, with NaN or the empty text where there is none."""
    if all(cell is None or isinstance(cell, int | float) for cell in cells):
        return np.array([np.nan if cell is None else cell for cell in cells], np.float64)
    return np.array(["" if cell is None else str(cell).strip() for cell in cells], np.str_)


def _stamps(milliseconds: np.ndarray) -> np.ndarray:
    """Milliseconds since 1970 as ISO text in UTC, empty where there is none."""
    absent = ~np.isfinite(milliseconds)
    whole = np.where(absent, 0, np.rint(milliseconds)).astype("int64").astype("datetime64[ms]")
    return np.where(absent, "", np.char.add(np.datetime_as_string(whole), "Z"))


def read_with_obspy(path: Path) -> Table:
    """The preferred (else the first) origin and magnitude of every event of a catalogue.

    Raises:
        LiouvilleError: If obspy is not installed, or cannot read the file.
    """
    absent = (
        "it is a catalogue that obspy reads, such as QuakeML; install obspy, or download the "
        "catalogue as CSV (format=csv)"
    )
    with foreign(path, absent, "{}; is it QuakeML? CSV is read, too"):
        if _ENTITY.search(path.read_bytes()):  # they expand without bounds, and read other files
            raise ValueError("it defines entities of XML, which no catalogue needs")
        catalogue = importlib.import_module("obspy").read_events(str(path))
        rows = [_event(event) for event in catalogue]
    names = ("time", "longitude", "latitude", "depth", "magnitude", "magnitude_type", "type")
    columns = {name: _column([row[name] for row in rows]) for name in names}
    columns["depth"] = columns["depth"].astype(np.float64) / 1000.0  # obspy has metres
    return Table(str(path), columns, lambda row: f"event {row + 1}")


def _event(event: Any) -> dict[str, Any]:
    origin = event.preferred_origin() or next(iter(event.origins), None)
    size = event.preferred_magnitude() or next(iter(event.magnitudes), None)
    time = getattr(origin, "time", None)
    return {
        "time": "" if time is None else str(time),
        **{name: getattr(origin, name, None) for name in ("longitude", "latitude", "depth")},
        "magnitude": getattr(size, "mag", None),
        "magnitude_type": getattr(size, "magnitude_type", None) or "",
        "type": getattr(event, "event_type", None) or "",
    }
