"""Cells seen at a few times: the one record that readers produce and problems consume."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from liouville.data._names import listed
from liouville.data._records import (
    AbstractRecord,
    check_finite,
    chosen_rows,
    column_warnings,
    matrix_of,
    number_values,
    put,
    put_columns,
    put_names,
    raw_counts,
    shared_values,
    shuffle,
    take,
)
from liouville.data._units import check_times
from liouville.errors import LiouvilleError
from liouville.numerics.repeats import first_equals, twins

_ALWAYS_HELD_OUT_FROM = 10
"""A time with at least this many cells gives at least one of them to the held-out part."""

_CROWDED = 0.05
"""A place that this share of the cells of a time has is said."""

# Fields with one number a cell, and with one text a cell, that need not be there.
_NUMBERS = ("weights", "totals", "rates")
_TEXTS = ("identifiers", "donors", "condition", "groups")

NO_GROUP = "-"
"""What cells without a group are called."""


@dataclass(frozen=True, eq=False, repr=False)
class Snapshots(AbstractRecord):
    """Points observed at a few times, in the user's units.

    Attributes:
        points: Shape ``(n, d)``, float64.
        times: Time of each point, shape ``(n,)``, float64.
        features: Name of each column; ``x1``, ``x2``, … if none are given.
        time_name: Name of the time column.
        time_unit: Unit of time, empty if unknown.
        weights: Mass of each point, shape ``(n,)``, or None for equal masses.
        totals: Mass of the whole population at the time of each point, shape ``(n,)``, the same
            for all points of a time, or None.
        rates: Expected rate of growth (of divisions less deaths) of each point, in one over the
            unit of time, shape ``(n,)``, or None.
        embedding: Two coordinates per point for pictures only, shape ``(n, 2)``, or None.
        identifiers: Name of each cell, such as its barcode, shape ``(n,)``, or None.
        donors: Who each cell came from (donor, animal, batch), shape ``(n,)``, or None.
        condition: The condition of each cell, such as its genotype, shape ``(n,)``, or None.
        groups: The group of each cell, such as its type, for pictures, shape ``(n,)``, or None.
        colours: The colours of groups in pictures, those that are known.
        source: Where the data came from, for messages and reports.
        is_checked: Whether `check` has said what looks wrong.
    """

    points: np.ndarray
    times: np.ndarray
    features: tuple[str, ...] = ()
    time_name: str = "time"
    time_unit: str = ""
    weights: np.ndarray | None = None
    totals: np.ndarray | None = None
    rates: np.ndarray | None = None
    embedding: np.ndarray | None = None
    source: str = "data"
    identifiers: np.ndarray | None = None
    donors: np.ndarray | None = None
    condition: np.ndarray | None = None
    groups: np.ndarray | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    is_checked: bool = field(default=False, init=False)

    @staticmethod
    def of(
        clouds: Sequence[np.ndarray], times: Sequence[float] | np.ndarray, **more: Any
    ) -> "Snapshots":
        """One cloud ``(n, d)`` at each of some times; `more` are the other attributes."""
        repeated = np.repeat(np.asarray(times, float), [len(cloud) for cloud in clouds])
        return Snapshots(np.concatenate(clouds), repeated, **more)

    def __post_init__(self) -> None:
        points = matrix_of(self, "points", "cells, columns")
        put(self, points=points)
        if np.asarray(self.times).dtype.kind in "iu":
            check_times(self.times, self.time_name, self.source)
        shapes = {"times": (), "embedding": (2,), **dict.fromkeys(_NUMBERS, ())}
        put_columns(self, len(points), "cells", **shapes)
        for name in _TEXTS:
            texts = getattr(self, name)
            if texts is not None and np.shape(texts) != (len(points),):
                raise LiouvilleError(
                    f"{name} of {self.source} must have shape ({len(points)},), one for each "
                    f"cell, got {np.shape(texts)}"
                )
            if texts is not None and name != "identifiers":
                put(self, **{name: np.asarray(texts, dtype=str)})
        put_names(self, "features", number_values(points.shape[1]), "names, one per column")

    def __len__(self) -> int:
        return self.points.shape[0]

    @property
    def dim(self) -> int:
        """Number of columns."""
        return self.points.shape[1]

    def describe(self) -> str:
        """What was read, in one line."""
        pairs = zip(self.distinct_times, self.counts)
        cells = listed([f"{n} at {self.time_name} {t:g}" for t, n in pairs])
        return f"{self.source}: {self.dim} columns ({listed(self.features)}), cells {cells}"

    @property
    def distinct_times(self) -> np.ndarray:
        """The times at which there are cells, sorted, shape ``(k,)``."""
        return np.unique(self.times)

    @property
    def counts(self) -> np.ndarray:
        """Number of cells at each of `distinct_times`, shape ``(k,)``."""
        return np.unique(self.times, return_counts=True)[1]

    def at(self, time: float) -> np.ndarray:
        """Points observed at one of `distinct_times`, shape ``(count, d)``; refuses other times."""
        chosen = self.times == time
        if not chosen.any():
            raise LiouvilleError(
                f"no cells at {self.time_name} {time:g} in {self.source}; "
                f"it has {listed([f'{t:g}' for t in self.distinct_times])}"
            )
        return self.points[chosen]

    def select(self, mask: np.ndarray) -> "Snapshots":
        """Keeps some of the cells, by booleans of shape ``(n,)`` or their numbers in order."""
        kept = chosen_rows(mask, len(self), f"cells of {self.source}")
        return take(self, kept, "points", "times", *_NUMBERS, "embedding", *_TEXTS)

    def split(self, share: float, seed: int) -> tuple["Snapshots", "Snapshots"]:
        """Holds out a share of the cells of every time: the training part and the held-out part.

        Each time is split on its own, and its split depends only on the seed, the rank of the
        time, its number of cells, and which of them are equal in all coordinates: those stay
        together, as they would be known from training when they judge. A time with ten cells or
        more gives one, unless all are equal; every time keeps one for training. The cells stay in
        their order.

        Raises:
            LiouvilleError: If the share is not between 0 and 1, or the seed is negative.
        """
        if not 0 < share < 1:
            raise LiouvilleError(f"the share to hold out must be between 0 and 1, got {share}")
        held_out, first = np.zeros(len(self), dtype=bool), twins(self._columns())
        for cells in shuffle(np.unique(self.times, return_inverse=True)[1], seed):
            least = int(cells.size >= _ALWAYS_HELD_OUT_FROM)
            count = min(max(round(share * cells.size), least), cells.size - 1)
            if count:
                held_out[_together(cells, first[cells], count)] = True
        return self.select(~held_out), self.select(held_out)

    def check(self, *, min_cells: int = 1) -> "Snapshots":
        """Refuses data that cannot be fitted and warns about data that look wrong, once.

        Raises:
            LiouvilleError: If there are no cells, no columns, numbers that are not finite,
                negative weights, totals that differ within a time, fewer than two times, times
                that a model cannot tell apart, or fewer than `min_cells` or no mass at a time.

        Warns:
            UserWarning: If columns are constant, or copies of another, or cells are.
        """
        self.check_numbers()
        times, counts = self.distinct_times, self.counts
        if times.size < 2:
            raise LiouvilleError(
                f"{self.source} has one {self.time_name} only, {times[0]:g}; "
                "at least two are needed to learn a motion"
            )
        check_times(times, self.time_name, self.source)
        self._check_masses()
        short = np.flatnonzero(counts < min_cells)
        if short.size:
            others = f" (as do {short.size - 1} other times)" if short.size > 1 else ""
            raise LiouvilleError(
                f"{self.time_name} {times[short[0]]:g} of {self.source} has "
                f"{counts[short[0]]} cells but {min_cells} are needed{others}; "
                "drop that time, merge it with a neighbour or ask for fewer cells"
            )
        self._check_conditions(min_cells)
        if not self.is_checked:
            put(self, is_checked=True)
            still = "they carry no motion, leave them out with --without"
            given = (self.points, self.features, self.source)
            values = raw_counts(*given) or shared_values(*given)
            said = (*column_warnings(*given, constant=still), *values)
            for message in (*said, *self._crowded()):
                warnings.warn(message, stacklevel=2)
            repeated = np.flatnonzero(twins(self._columns()) < np.arange(len(self)))
            if repeated.size:
                warnings.warn(
                    f"{repeated.size} cells of {self.source} repeat another's {self.time_name} and "
                    f"coordinates, the first in row {repeated[0]}; if it lists cells twice, drop "
                    "the copies",
                    stacklevel=2,
                )
        return self

    def _columns(self) -> list[np.ndarray]:
        """What tells cells apart."""
        return [*self.points.T, self.times]

    def _crowded(self) -> list[str]:
        """Says the place that the most cells of a time share, if they are many."""
        first = first_equals(self._columns())
        cell = int(np.bincount(first).argmax())
        own, time = int(np.sum(first == cell)), float(self.times[cell])
        share = own / int(np.sum(self.times == time))
        if own <= 2 or share <= _CROWDED:
            return []
        return [
            f"{own} cells of {self.source} ({share:.0%} of {self.time_name} {time:g}) are at one "
            f"place, that of row {cell}, as where numbers are clipped; a density has no such "
            "places, and nats only say how narrow it may be"
        ]

    def _check_conditions(self, min_cells: int) -> None:
        """Refuses conditions that cannot be compared; one may lack cells at some of the times."""
        if self.condition is None:
            return
        names = np.unique(self.condition).tolist()
        if len(names) < 2:
            raise LiouvilleError(
                f"all cells of {self.source} have the condition {names[0]!r}; name a column "
                "with two conditions or more, or leave the condition out"
            )
        for name in names:
            times, counts = np.unique(self.times[self.condition == name], return_counts=True)
            if times.size < 2:
                raise LiouvilleError(
                    f"condition {name!r} of {self.source} has cells at {self.time_name} "
                    f"{times[0]:g} only; at least two times are needed to learn how it moves, "
                    "leave that condition out"
                )
            if counts.min() < min_cells:
                raise LiouvilleError(
                    f"condition {name!r} of {self.source} has {counts.min()} cells at "
                    f"{self.time_name} {times[counts.argmin()]:g} but {min_cells} are needed; "
                    "leave them out or ask for fewer cells (data.min_cells)"
                )

    def _check_masses(self) -> None:
        if self.totals is not None:
            for t in self.distinct_times:
                own = np.unique(self.totals[self.times == t])
                if own.size > 1 or not own[0] > 0:
                    said = f"{own[0]:g}" + (f" and {own[1]:g}" if own.size > 1 else "")
                    raise LiouvilleError(
                        f"the total mass at {self.time_name} {t:g} of {self.source} is {said}; "
                        "give all cells of a time the same positive one"
                    )
        if self.weights is None:
            return
        masses = np.bincount(np.unique(self.times, return_inverse=True)[1], self.weights)
        empty = self.distinct_times[masses <= 0]
        if empty.size:
            raise LiouvilleError(
                f"all weights at {self.time_name} {empty[0]:g} of {self.source} are zero; give "
                "some cell mass, or leave that time out"
            )

    def check_numbers(self) -> None:
        """Refuses snapshots that are empty, not finite, or with negative weights."""
        columns = [
            (self.time_name, self.times),
            *zip(self.features, self.points.T, strict=True),
            *((name, getattr(self, name)) for name in _NUMBERS),
            ("embedding", self.embedding),
        ]
        check_finite(self.points, columns, "cells", self.source)
        if self.weights is not None and np.any(self.weights < 0):
            raise LiouvilleError(
                f"weights of {self.source} include {self.weights.min():g}; they must not be "
                "negative"
            )


def _together(cells: np.ndarray, first: np.ndarray, count: int) -> np.ndarray:
    """About the first `count` of some cells, of equal ones all or none, and never all of them.

    Args:
        cells: shuffled.
        first: for each, which cell is the first that equals it.
        count: one or more.
    """
    place, group = np.unique(first, return_index=True, return_inverse=True)[1:]
    rank = place[group]
    last = np.partition(rank, count - 1)[count - 1]
    chosen = rank <= last
    return cells[rank < last] if chosen.all() else cells[chosen]
