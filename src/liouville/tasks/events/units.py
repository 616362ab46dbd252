"""The map between a user's events and the model's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from liouville.data import AbstractUnits, Events, Projection, Region, rounding_width
from liouville.errors import LiouvilleError
from liouville.numerics.types import as_float
from liouville.processes import (
    AbstractMagnitudes,
    Excerpts,
    GutenbergRichter,
    Polygon,
    Reach,
    Rounded,
    Seen,
)
from liouville.tasks.events.config import EventsConfig

# Of the influence of past events: the slope over that of their law, the offset in mean gaps.
_SLOPE, _OFFSET = 0.8, 0.05
_LARGEST = 10.0  # no magnitude is above
# The border of a region: pieces an edge on a map, nodes a piece, and the longest piece.
_EDGE_PIECES, _EDGE_NODES, _LONGEST = 16, 8, 0.1


@dataclass(frozen=True, eq=False)
class EventUnits(AbstractUnits):
    r"""Places go to an equal-area map if they are geographic, then to standardised coordinates.

    Times keep their unit: rates are per user's unit of time. Marks are counted from their least,
    which the model's reference is, in the power of ten next to twice their standard deviation: one
    for magnitudes, a thousand or more for amounts of money.
    """

    center: np.ndarray  # of the coordinates, on the map if there is one, (dim,)
    scale: np.ndarray  # likewise; on a map all coordinates have one
    mark_origin: float = 0.0  # the mark that the model calls zero
    mark_scale: float = 1.0  # the difference of marks that the model calls one
    # How fast events become fewer with the mark, by which the share that is seen falls with the
    # completeness; zero if that does not change.
    decay: float = 0.0
    projection: Projection | None = None  # the equal-area map

    @classmethod
    def of(cls, events: Events, *, geographic: bool) -> "EventUnits":
        """Measures the map on events."""
        projection, places = None, events.places
        if geographic:
            projection = Projection.of(*places[:, :2].T)
            places = projection.to_model(places)
        scale = places.std(axis=0)
        if geographic:
            scale = np.full_like(scale, np.sqrt(np.mean(scale**2)))
        least, one, decay = 0.0, 1.0, 0.0
        if events.marks is not None and not events.kinds:
            least, spread = float(events.marks.min()), float(events.marks.std())
            one = 10.0 ** round(np.log10(2.0 * spread)) if spread > 0.0 else 1.0
        if events.completeness is not None:
            slope = seen_magnitudes(events, one).b_value
            assert slope is not None  # of an exponential law
            decay = float(slope) * float(np.log(10.0))
        widths = np.where(scale > 0, scale, 1.0)
        return cls(places.mean(axis=0), widths, least, one, decay, projection)

    @classmethod
    def chosen(cls, settings: EventsConfig, events: Events) -> "EventUnits":
        """Measures the map of a configuration on its training events."""
        is_map = {"geographic": True, "plain": False}.get(settings.data.space, events.is_geographic)
        return cls.of(events, geographic=is_map)

    @property
    def surface(self) -> "EventUnits":
        """The units of longitude and latitude alone, of places with a depth; else these."""
        if self.projection is None:
            return self
        return replace(self, center=self.center[:2], scale=self.scale[:2])

    @property
    def spaces(self) -> tuple[str, str]:
        """What densities are per: of the user's coordinates, and on the map if there is one."""
        if self.projection is None:
            return "area", ""
        return ("degree2", "km2") if len(self.center) == 2 else ("degree2 km", "km3")

    def to_model(self, places: np.ndarray) -> np.ndarray:
        """Places in the user's coordinates, shape `(n, dim)`, to the model's."""
        on_map = places if self.projection is None else self.projection.to_model(places)
        return (on_map - self.center) / self.scale

    def to_user(self, points: np.ndarray) -> np.ndarray:
        """Inverse of `to_model`."""
        on_map = points * self.scale + self.center
        return on_map if self.projection is None else self.projection.to_user(on_map)

    def marks(self, events: Events) -> np.ndarray:
        """Marks as the model counts them; zeros without marks."""
        if events.marks is None:
            return np.zeros(len(events))
        return self.marks_to_model(events.marks)

    def marks_to_model(self, marks: np.ndarray) -> np.ndarray:
        """Marks in the user's unit to the model's."""
        return (marks - self.mark_origin) / self.mark_scale

    def marks_to_user(self, marks: np.ndarray) -> np.ndarray:
        """Inverse of `marks_to_model`."""
        return marks * self.mark_scale + self.mark_origin

    @property
    def largest_mark(self) -> float:
        """Where bins of marks end: what no magnitude exceeds, of others ten units of the model."""
        if self.mark_scale == 1.0:
            return _LARGEST
        return self.mark_origin + _LARGEST * self.mark_scale

    def reach(self, events: Events, most: int) -> Reach:
        r"""Which past events count, by what is usual.

        The slope is $.8 \beta$, with $\beta$ of the law of the greater half of the marks; they fade
        by the law of Omori with $p = 1$.
        """
        offset = _OFFSET * events.mean_gap
        if events.marks is None or events.kinds:
            return Reach(most, offset=offset)
        marks = self.marks(events)
        great = marks[marks >= np.median(marks)]
        excess = float(great.mean() - great.min())
        return Reach(most, _SLOPE / excess if excess > 0 else 0.0, offset)

    def excerpts(
        self,
        events: Events,
        reach: Reach | None,
        targets: int,
        log_odds: np.ndarray | None = None,
        **options: Any,
    ) -> Excerpts:
        """Events in the model's units, in pieces, with their log-odds; see `Excerpts`."""
        ends = np.searchsorted(events.sequence, np.arange(1, len(events.windows)))
        log_odds = np.zeros(len(events)) if log_odds is None else log_odds
        columns = (events.times, self.to_model(events.places), self.marks(events), log_odds)
        times, places, marks, odds = (np.split(column, ends) for column in columns)
        more: Any = {"targets": targets, "reach": reach, "log_odds": odds, **options}
        if events.completeness is not None:
            known = events.completeness
            least = np.maximum(self.marks_to_model(known.least), 0.0)
            more["seen"] = Seen(known.times, least, self.decay)
        return Excerpts.of(times, places, marks, events.windows, **more)

    @overload
    def region(self, region: Region) -> Region: ...

    @overload
    def region(self, region: None) -> None: ...

    def region(self, region: Region | None) -> Region | None:
        """A region of the user in the model's units, edges on a map as lines of many pieces."""
        dense = 1 if self.projection is None else _EDGE_PIECES
        return None if region is None else region.transformed(self.to_model, density=dense)

    def polygon(self, region: Region) -> Polygon:
        """A region in the model's units."""
        own = self.region(region)
        # Along the first coordinate, which the parts' distribution functions begin with.
        turned = own.transformed(lambda places: places[:, ::-1], density=1)
        second, first, step = turned.boundary_nodes(_EDGE_NODES, longest=_LONGEST)
        edges = np.stack(own.edges, axis=1)
        return Polygon(*map(as_float, (edges, np.column_stack([first, second]), step)))

    def log_volume(self, places: np.ndarray) -> np.ndarray:
        """The log of the model's area per user's area, such as degree², at places, `(n,)`."""
        constant = np.full(len(places), -np.log(self.scale).sum())
        if self.projection is None:
            return constant
        return constant + self.projection.log_volume(places)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "mark_origin": self.mark_origin,
            "mark_scale": self.mark_scale,
            "decay": self.decay,
            "projection": None if self.projection is None else self.projection.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "EventUnits":
        """Inverse of `to_dict`."""
        projection = data["projection"]
        return cls(
            np.asarray(data["center"], float),
            np.asarray(data["scale"], float),
            float(data["mark_origin"]),
            float(data.get("mark_scale", 1.0)),
            float(data["decay"]),
            None if projection is None else Projection.from_dict(projection),
        )


def exponential_law(excess: np.ndarray, width: float) -> AbstractMagnitudes:
    """The law of Gutenberg and Richter from zero on, in bins of a width unless that is zero."""
    if width:
        return Rounded.exponential(excess, 0.0, width)
    return GutenbergRichter.fitted(excess, 0.0)


def seen_magnitudes(events: Events, one: float = 1.0) -> AbstractMagnitudes:
    """The law of magnitudes above their least one, of events that were seen from others on.

    It is that of magnitudes counted in `one`.
    """
    assert events.completeness is not None
    assert events.marks is not None
    excess = events.marks - events.completeness.at(events.times)
    if not excess.max() > 0:
        raise LiouvilleError(
            f"no magnitude of {events.source} is above the completeness of its time; check --mc"
        )
    width = rounding_width(events.marks)
    return exponential_law(excess.clip(0.0) / one, width / one)
