"""Cells seen at a few times: the one record that readers produce and problems consume."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from liouville.errors import LiouvilleError

_ALWAYS_HELD_OUT_FROM = 10
"""A time with at least this many cells gives at least one of them to the held-out part."""


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Points observed at a few times, in the user's units.

    Attributes:
        points: Shape ``(n, d)``, float64.
        times: Time of each point, shape ``(n,)``, float64.
        features: Name of each column; ``x1``, ``x2``, … if none are given.
        time_name: Name of the time column.
        time_unit: Unit of time, empty if unknown.
        weights: Mass of each point, shape ``(n,)``, or None for equal masses.
        embedding: Two coordinates per point for pictures only, shape ``(n, 2)``, or None.
        source: Where the data came from, for messages and reports.
    """

    points: np.ndarray
    times: np.ndarray
    features: tuple[str, ...] = ()
    time_name: str = "time"
    time_unit: str = ""
    weights: np.ndarray | None = None
    embedding: np.ndarray | None = None
    source: str = "data"

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2:
            raise LiouvilleError(
                f"points of {self.source} must have shape (cells, columns), got {points.shape}"
            )
        object.__setattr__(self, "points", points)
        count, dim = points.shape
        for name, shape in (("times", (count,)), ("weights", (count,)), ("embedding", (count, 2))):
            value = getattr(self, name)
            if value is None and name != "times":
                continue
            value = np.asarray(value, dtype=np.float64)
            if value.shape != shape:
                raise LiouvilleError(
                    f"{name} of {self.source} must have shape {shape} to match {count} cells, "
                    f"got {value.shape}"
                )
            object.__setattr__(self, name, value)
        features = tuple(self.features) or tuple(f"x{i + 1}" for i in range(dim))
        if len(features) != dim or len(set(features)) != dim:
            raise LiouvilleError(
                f"features of {self.source} must be {dim} different names, one per column, "
                f"got {listed(features)}"
            )
        object.__setattr__(self, "features", features)

    def __len__(self) -> int:
        return self.points.shape[0]

    @property
    def dim(self) -> int:
        """Number of columns."""
        return self.points.shape[1]

    @property
    def distinct_times(self) -> np.ndarray:
        """The times at which there are cells, sorted, shape ``(k,)``."""
        return np.unique(self.times)

    @property
    def counts(self) -> np.ndarray:
        """Number of cells at each of `distinct_times`, shape ``(k,)``."""
        return np.unique(self.times, return_counts=True)[1]

    def at(self, time: float) -> np.ndarray:
        """Points observed at one time.

        Args:
            time: One of `distinct_times`, in the user's units.

        Returns:
            Shape ``(count, d)``.

        Raises:
            LiouvilleError: If there are no cells at that time.
        """
        chosen = self.times == time
        if not chosen.any():
            raise LiouvilleError(
                f"no cells at {self.time_name} {time:g} in {self.source}; "
                f"it has {listed([f'{t:g}' for t in self.distinct_times])}"
            )
        return self.points[chosen]

    def select(self, mask: np.ndarray) -> "Snapshots":
        """Keeps some of the cells.

        Args:
            mask: Booleans of shape ``(n,)``, or the indices of the cells to keep, in order.

        Returns:
            The chosen cells with all their columns.

        Raises:
            LiouvilleError: If a mask has the wrong length or an index is out of range.
        """
        mask = np.asarray(mask)
        if mask.size == 0 and mask.dtype != bool:
            mask = mask.astype(np.intp)
        if mask.ndim != 1 or mask.dtype.kind not in "biu":
            raise LiouvilleError(
                f"a selection of cells must be a list of booleans or indices, got shape "
                f"{mask.shape} of {mask.dtype}"
            )
        try:
            kept = np.arange(len(self))[mask]
        except IndexError as error:
            raise LiouvilleError(
                f"the selection does not fit the {len(self)} cells of {self.source}: {error}"
            ) from None
        return replace(
            self,
            points=self.points[kept],
            times=self.times[kept],
            weights=None if self.weights is None else self.weights[kept],
            embedding=None if self.embedding is None else self.embedding[kept],
        )

    def split(self, share: float, seed: int) -> tuple["Snapshots", "Snapshots"]:
        """Holds out a share of the cells of every time.

        Each time is split on its own, and its split depends only on the seed, the rank of the
        time and its number of cells. A time with ten cells or more always gives one; every time
        keeps one for training. The cells stay in their order.

        Args:
            share: Share to hold out, between 0 and 1, both excluded.
            seed: A whole number, not negative.

        Returns:
            The training part and the held-out part.

        Raises:
            LiouvilleError: If the share or the seed is out of range.
        """
        if not 0 < share < 1:
            raise LiouvilleError(f"the share to hold out must be between 0 and 1, got {share}")
        if seed < 0:
            raise LiouvilleError(f"the seed of a split must not be negative, got {seed}")
        held_out = np.zeros(len(self), dtype=bool)
        for rank, time in enumerate(self.distinct_times):
            cells = np.flatnonzero(self.times == time)
            count = _held_out_count(cells.size, share)
            order = np.random.default_rng([seed, rank]).permutation(cells.size)
            held_out[cells[order[:count]]] = True
        return self.select(~held_out), self.select(held_out)

    def check(self, *, min_cells: int = 1) -> "Snapshots":
        """Refuses data that cannot be fitted and warns about data that look wrong.

        Args:
            min_cells: Cells needed at every time.

        Returns:
            The same snapshots.

        Raises:
            LiouvilleError: If there are no cells, no columns, numbers that are not finite,
                negative weights, fewer than two times, or fewer cells than needed at a time.

        Warns:
            UserWarning: If columns are constant, or copies of another.
        """
        check_finite(self)
        times, counts = self.distinct_times, self.counts
        if times.size < 2:
            raise LiouvilleError(
                f"{self.source} has one {self.time_name} only, {times[0]:g}; "
                "at least two are needed to learn a motion"
            )
        short = np.flatnonzero(counts < min_cells)
        if short.size:
            others = f" (as do {short.size - 1} other times)" if short.size > 1 else ""
            raise LiouvilleError(
                f"{self.time_name} {times[short[0]]:g} of {self.source} has "
                f"{counts[short[0]]} cells but {min_cells} are needed{others}; "
                "drop that time, merge it with a neighbour or ask for fewer cells"
            )
        self._warn_about_columns()
        return self

    def _warn_about_columns(self) -> None:
        constant, copies = [], []
        seen: dict[bytes, str] = {}
        for name, column in zip(self.features, self.points.T, strict=True):
            if np.all(column == column[0]):
                constant.append(name)
                continue
            # Adding zero turns -0.0 into 0.0, so that equal columns have equal bytes.
            digest = hashlib.sha256(np.ascontiguousarray(column + 0.0).tobytes()).digest()
            first = seen.setdefault(digest, name)
            if first != name:
                copies.append(f"{name} (of {first})")
        if constant:
            _warn(f"constant columns in {self.source}: {listed(constant)}; they carry no motion")
        if copies:
            _warn(
                f"duplicated columns in {self.source}: {listed(copies)}; "
                "the points lie on a plane and their density is singular, drop the copies"
            )


def check_finite(snapshots: Snapshots) -> None:
    """Refuses snapshots that are empty or hold numbers that are not finite.

    Args:
        snapshots: The data.

    Raises:
        LiouvilleError: If so; the message names the columns and how many values are bad.
    """
    source = snapshots.source
    if not len(snapshots) or not snapshots.dim:
        raise LiouvilleError(
            f"{source} has {len(snapshots)} cells and {snapshots.dim} columns; "
            "at least one of each is needed"
        )
    columns: list[tuple[str, np.ndarray]] = [
        (snapshots.time_name, snapshots.times),
        *zip(snapshots.features, snapshots.points.T, strict=True),
    ]
    if snapshots.weights is not None:
        columns.append(("weights", snapshots.weights))
    if snapshots.embedding is not None:
        columns.append(("embedding", snapshots.embedding))
    bad = [(name, int(np.sum(~np.isfinite(column)))) for name, column in columns]
    bad = [f"{name} ({count})" for name, count in bad if count]
    if bad:
        raise LiouvilleError(
            f"NaN or infinite values in {source}, by column: {listed(bad)}; "
            "drop those cells or columns, or fill them in"
        )
    if snapshots.weights is not None and np.any(snapshots.weights < 0):
        raise LiouvilleError(
            f"weights of {source} include {snapshots.weights.min():g}; they must not be negative"
        )


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Names joined by commas, the rest counted: what a message can show of a long list."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) + more) if names else "none"


def _held_out_count(count: int, share: float) -> int:
    wanted = round(share * count)
    if count >= _ALWAYS_HELD_OUT_FROM:
        wanted = max(wanted, 1)
    return min(wanted, count - 1)


def _warn(message: str) -> None:
    # Level 4: the caller of `Snapshots.check`.
    warnings.warn(message, stacklevel=4)
