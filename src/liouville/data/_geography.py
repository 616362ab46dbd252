"""Geography on the sphere: an equal-area projection to kilometres, distances, longitudes.

The Earth is the sphere of its own area (authalic), and latitudes are taken as those of the sphere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from liouville.data._records import from_plain, plain_numbers, reals
from liouville.data._units import AbstractUnits
from liouville.errors import LiouvilleError

EARTH_RADIUS = 6371.0072
"""Radius in kilometres of the sphere that has the area of the Earth."""

# Of earthquakes the deepest known are at 700 to 750 kilometres.
_DEEPEST = 1000.0
# This close to the antipode of the centre, relative, the projection has no digits left.
_ANTIPODE = 1e-9


def great_circle_km(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    r"""Distance on the sphere, $2R\arcsin\sqrt h$ with the haversine $h$, in kilometres.

    Places are longitude and latitude in degrees; their shapes ``(..., 2)`` broadcast. With depths,
    ``(..., 3)``, it is the distance of the places below the ground, as in the plane.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    longitude, latitude = np.moveaxis(np.radians(first[..., :2]), -1, 0)
    other_longitude, other_latitude = np.moveaxis(np.radians(second[..., :2]), -1, 0)
    haversine = (
        np.sin((other_latitude - latitude) / 2) ** 2
        + np.cos(latitude) * np.cos(other_latitude) * np.sin((other_longitude - longitude) / 2) ** 2
    )
    along = 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(haversine, 0.0, 1.0)))
    below = np.linalg.norm(first[..., 2:] - second[..., 2:], axis=-1)
    return np.asarray(np.hypot(along, below))


def near_longitude(longitudes: np.ndarray, center: int | float) -> np.ndarray:
    """Longitudes moved by whole turns to within 180 degrees of a center; others keep all digits."""
    longitudes = np.asarray(longitudes, np.float64)
    turns = np.round((longitudes - center) / 360.0)
    return np.where(np.abs(longitudes - center) > 180.0, longitudes - 360.0 * turns, longitudes)


def mean_place(longitudes: np.ndarray, latitudes: np.ndarray) -> tuple[float, float]:
    """The direction of the mean of unit vectors: its longitude and latitude in degrees.

    The longitude is given on the turn that is nearest to the mean of `longitudes`. Places without a
    mean direction, such as none or all around the globe, are refused.
    """
    lonlat = np.stack([np.asarray(longitudes, float), np.asarray(latitudes, float)], axis=-1)
    check_places(lonlat.reshape(-1, 2))
    longitude, latitude = np.radians(lonlat.reshape(-1, 2)).T
    flat = np.cos(latitude)
    vectors = np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)])
    x, y, z = vectors.mean(axis=1) if lonlat.size else np.zeros(3)
    if np.sqrt(x * x + y * y + z * z) < _ANTIPODE:
        raise LiouvilleError(
            f"{lonlat.size // 2} places have no mean direction; give the center of the map"
        )
    mean = float(np.degrees(np.arctan2(y, x)))
    turns = round((float(lonlat[..., 0].mean()) - mean) / 360.0)
    return mean + 360.0 * turns, float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def check_places(lonlat: np.ndarray, source: str = "the places") -> None:
    """Refuses what cannot be longitudes (to 360) and latitudes in degrees, shape ``(n, 2)``."""
    if not np.all(np.isfinite(lonlat)):
        raise LiouvilleError(f"longitudes or latitudes of {source} are NaN or infinite; drop them")
    for name, values, limit in zip(("longitude", "latitude"), lonlat.T, (360.0, 90.0), strict=True):
        bad = np.flatnonzero(np.abs(values) > limit)
        if bad.size:
            raise LiouvilleError(
                f"{name} {values[bad[0]]:g} of {source} is beyond {limit:g} degrees ({bad.size} "
                "in all); are longitude and latitude swapped, or the coordinates not in degrees?"
            )


def check_depths(depths: np.ndarray, source: str = "the places") -> None:
    """Refuses what cannot be kilometres below the ground, shape ``(n,)``."""
    bad = np.flatnonzero(np.abs(depths) > _DEEPEST)
    if bad.size:
        raise LiouvilleError(
            f"depth {depths[bad[0]]:g} of {source} is beyond {_DEEPEST:g} km ({bad.size} in all); "
            "give kilometres, not metres, or leave the depth out"
        )


@dataclass(frozen=True)
class Projection(AbstractUnits):
    r"""Lambert's azimuthal equal-area projection of the sphere to kilometres.

    A third coordinate, a depth in kilometres, stays as it is.

    With longitude $\lambda$ and latitude $\varphi$, the center $(\lambda_0,\varphi_0)$ and
    $k = \sqrt{2/(1+\sin\varphi_0\sin\varphi+\cos\varphi_0\cos\varphi\cos(\lambda-\lambda_0))}$:

    $$x = Rk\cos\varphi\sin(\lambda-\lambda_0),\qquad
      y = Rk\,[\cos\varphi_0\sin\varphi-\sin\varphi_0\cos\varphi\cos(\lambda-\lambda_0)].$$

    Areas are those on the sphere, so a density per km² on the map is one on the Earth. Distances
    from the center are true to $1 - (r/R)^2/24$. Only the antipode of the center has no image.
    Snyder (1987), Map Projections, equations 24-2 to 24-4 and 24-14 to 24-16.

    Attributes:
        longitude: Of the center, in degrees.
        latitude: Of the center, in degrees, from -90 to 90.
        radius: Of the sphere, in kilometres.
    """

    longitude: float
    latitude: float
    radius: float = EARTH_RADIUS

    def __post_init__(self) -> None:
        for name in ("longitude", "latitude", "radius"):
            value = getattr(self, name)
            if not np.isfinite(value):
                raise LiouvilleError(f"{name} of a projection must be finite, got {value}")
        check_places(np.array([[self.longitude, self.latitude]]), "the center of a projection")
        if self.radius <= 0:
            raise LiouvilleError(f"radius of a projection must be positive, got {self.radius:g}")

    @classmethod
    def of(cls, longitudes: np.ndarray, latitudes: np.ndarray) -> "Projection":
        """The projection centered on the mean direction of places in degrees; see `mean_place`."""
        return cls(*mean_place(longitudes, latitudes))

    def to_model(self, lonlat: np.ndarray) -> np.ndarray:
        """Longitude and latitude to kilometres east and north of the center, ``(..., 2 or 3)``.

        Raises:
            LiouvilleError: If a place is the antipode of the center.
        """
        longitude, latitude, *depth = np.moveaxis(np.asarray(lonlat, np.float64), -1, 0)
        turn, latitude = np.radians(longitude - self.longitude), np.radians(latitude)
        pole = np.radians(self.latitude)
        # The vector to the place in axes (east, north, up) of the center, of length 1.
        east = np.cos(latitude) * np.sin(turn)
        north = np.cos(pole) * np.sin(latitude) - np.sin(pole) * np.cos(latitude) * np.cos(turn)
        up = np.sin(pole) * np.sin(latitude) + np.cos(pole) * np.cos(latitude) * np.cos(turn)
        if np.any(1 + up < _ANTIPODE):
            raise LiouvilleError(
                f"a place is opposite to the center ({self.longitude:g}, {self.latitude:g}) of "
                "the map; choose another center or drop it"
            )
        stretch = self.radius * np.sqrt(2 / (1 + up))
        return np.stack([stretch * east, stretch * north, *depth], axis=-1)

    def to_user(self, km: np.ndarray) -> np.ndarray:
        """Kilometres east and north of the center to longitude and latitude, ``(..., 2 or 3)``.

        Longitudes are within 180 degrees of the center's.

        Raises:
            LiouvilleError: If a point is off the map, ``2 radius`` or more from its middle.
        """
        east, north, *depth = np.moveaxis(np.asarray(km, np.float64), -1, 0)
        x, y = east / self.radius, north / self.radius
        square = x * x + y * y
        if np.any(square >= 4):
            raise LiouvilleError(
                f"a point is {self.radius * np.sqrt(square.max()):g} km from the middle of the "
                f"map, which ends at {2 * self.radius:g} km; drop it"
            )
        shrink, up = np.sqrt(1 - square / 4), 1 - square / 2
        east, north = x * shrink, y * shrink
        pole = np.radians(self.latitude)
        # To the axes of the globe, with the meridian of the center as the first.
        outward = up * np.cos(pole) - north * np.sin(pole)
        axis = up * np.sin(pole) + north * np.cos(pole)
        latitude = np.arctan2(axis, np.hypot(outward, east))
        longitude = self.longitude + np.degrees(np.arctan2(east, outward))
        return np.stack([longitude, np.degrees(latitude), *depth], axis=-1)

    def log_volume(self, lonlat: np.ndarray) -> np.ndarray:
        r"""$\log(R^2\cos\varphi\,(\pi/180)^2)$: km² of the map per square degree, shape ``(...)``.

        A density per square degree is one per km² times its exponential. It is -inf at the poles.
        """
        cosine = np.cos(np.radians(np.asarray(lonlat, np.float64)[..., 1]))
        with np.errstate(divide="ignore"):
            log_cosine = np.log(np.maximum(cosine, 0.0))
        return np.asarray(2 * np.log(np.radians(self.radius)) + log_cosine)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python numbers; through JSON and back they return bit for bit."""
        return plain_numbers(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Projection":
        """Inverse of `to_dict`; refuses fields that are missing, unknown or out of range."""
        claim = "fields of a projection are numbers"
        return from_plain(cls, data, lambda _, value: float(reals(value, claim)))
