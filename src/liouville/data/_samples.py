"""Samples without times: the record that density models are fitted to."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np

from liouville.data._dependent import dependent_columns
from liouville.data._names import listed, not_found
from liouville.data._quantisation import DequantisationMode, Quantisation, dequantise, quantisation
from liouville.data._records import (
    AbstractRecord,
    check_finite,
    chosen_rows,
    column_warnings,
    matrix_of,
    number_values,
    put,
    put_names,
    shared_values,
    split_rows,
    take,
)
from liouville.data._units import Standardisation, StandardisationMode
from liouville.errors import LiouvilleError
from liouville.numerics.repeats import twins
from liouville.numerics.shares import worth

# Weights that are worth fewer rows than a density needs tell no law.
_FEWEST_WORTH = 20


@dataclass(frozen=True, eq=False, repr=False)
class Samples(AbstractRecord):
    """Rows drawn from one distribution, or from one for each class, in the user's units.

    Attributes:
        points: Shape ``(n, d)``, float64.
        labels: Class number of each row, shape ``(n,)``, whole numbers, or None without classes.
        classes: Name of each class, shape ``(k,)``; a label is an index into it.
        features: Name of each column; ``x1``, ``x2``, … if none are given.
        label_name: Name of the class column, empty without classes.
        quantisation: Lattices of the columns that noise was added to, or None before.
        source: Where the data came from, for messages and reports.
        weights: How much each row counts, shape ``(n,)``, positive, of any sum; None for all alike.
        contexts: Numbers on which the distribution depends, shape ``(n, size)``, float64, or None.
        context_names: Name of each of their columns; ``c1``, ``c2``, … if none are given.
        is_checked: Whether `check` has said what looks wrong.
    """

    points: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    label_name: str = ""
    quantisation: Quantisation | None = None
    source: str = "data"
    weights: np.ndarray | None = None
    contexts: np.ndarray | None = None
    context_names: tuple[str, ...] = ()
    is_checked: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        points = matrix_of(self, "points", "rows, columns")
        put(self, points=points)
        put_names(self, "features", number_values(points.shape[1]), "names, one per column")
        if self.weights is not None:
            weights = np.asarray(self.weights, np.float64)
            sound = weights.shape == (len(points),) and bool(np.all(weights > 0))
            if not (sound and np.isfinite(weights).all()):
                raise LiouvilleError(
                    f"weights of {self.source} must be {len(points)} positive numbers, one for "
                    f"each row, got shape {weights.shape}; leave out rows that count nothing"
                )
            put(self, weights=weights)
        if self.contexts is not None:
            self._check_contexts(np.asarray(self.contexts, np.float64), len(points))
        if self.labels is None:
            if self.classes:
                raise LiouvilleError(
                    f"{self.source} has classes {listed(self.classes)} but no labels; give both"
                )
            return
        self._check_labels(np.asarray(self.labels), len(points))

    def _check_contexts(self, contexts: np.ndarray, count: int) -> None:
        is_table = contexts.ndim == 2 and contexts.shape[0] == count and contexts.shape[1] > 0
        names = self.context_names or tuple(f"c{i + 1}" for i in range(contexts.shape[-1]))
        if not (is_table and len(names) == contexts.shape[1] and np.isfinite(contexts).all()):
            raise LiouvilleError(
                f"contexts of {self.source} must be {count} rows of finite numbers with a name for "
                f"each column, got shape {contexts.shape} and names {listed(names)}"
            )
        put(self, contexts=contexts, context_names=names)

    def _check_labels(self, labels: np.ndarray, count: int) -> None:
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise LiouvilleError(
                f"labels of {self.source} must be {count} whole numbers, one per row, got shape "
                f"{labels.shape} of {labels.dtype}"
            )
        labels = labels.astype(np.intp)
        most = int(labels.max(initial=-1)) + 1
        classes = tuple(self.classes) or tuple(str(i) for i in range(most))
        if labels.min(initial=0) < 0 or most > len(classes) or len(set(classes)) < len(classes):
            raise LiouvilleError(
                f"labels of {self.source} must be indices of different classes, got labels "
                f"{labels.min(initial=0)} to {most - 1} and classes {listed(classes)}"
            )
        put(self, labels=labels, classes=classes)

    def __len__(self) -> int:
        return self.points.shape[0]

    @property
    def dim(self) -> int:
        """Number of columns."""
        return self.points.shape[1]

    @property
    def counts(self) -> np.ndarray:
        """Number of rows of each class, shape ``(k,)``; all rows, shape ``(1,)``, without."""
        if self.labels is None:
            return np.array([len(self)])
        return np.bincount(self.labels, minlength=len(self.classes))

    @property
    def masses(self) -> np.ndarray:
        """What the rows of each class weigh, shape ``(k,)``; their number without weights."""
        if self.labels is None or self.weights is None:
            return self.counts.astype(float)
        return np.bincount(self.labels, self.weights, len(self.classes))

    def describe(self) -> str:
        """What was read, in one line: rows, columns, classes, and which columns have noise."""
        parts = [f"{len(self)} rows", f"{self.dim} columns"]
        if self.labels is not None:
            column = f" in column {self.label_name!r}" if self.label_name else ""
            parts.append(f"{len(self.classes)} classes{column} ({listed(self.classes)})")
        if self.quantisation is not None:
            parts.append(f"{int(self.quantisation.is_discrete.sum())} columns dequantised")
        return f"{self.source}: {', '.join(parts)}"

    def class_number(self, name: str) -> int:
        """The label of a class; refuses one that no row has."""
        if name in self.classes:
            return self.classes.index(name)
        if not self.classes:
            raise LiouvilleError(
                f"no class {name!r}: {self.source} has no classes; name a class column with label"
            )
        raise not_found("class", name, self.classes, self.source)

    def of_class(self, name: str) -> "Samples":
        """The rows of one class, with all classes still named."""
        number = self.class_number(name)
        assert self.labels is not None  # there are classes
        return self.select(np.flatnonzero(self.labels == number))

    def select(self, rows: np.ndarray) -> "Samples":
        """Keeps some of the rows, by booleans of shape ``(n,)`` or their numbers in order."""
        kept = chosen_rows(rows, len(self), f"rows of {self.source}")
        return take(self, kept, "points", "labels", "weights", "contexts")

    def join(self, other: "Samples") -> "Samples":
        """These rows and those of another part of the same table behind them."""
        fields = ("points", "labels", "weights", "contexts")
        both = {name: (getattr(self, name), getattr(other, name)) for name in fields}
        return replace(
            self,
            **{
                name: None if own is None else np.concatenate([own, more])
                for name, (own, more) in both.items()
            },
        )

    @property
    def shares(self) -> np.ndarray | None:
        """The weights, of sum one, shape ``(n,)``; None if all rows count the same."""
        return None if self.weights is None else self.weights / self.weights.sum()

    @property
    def context_rows(self) -> np.ndarray | None:
        """What each row's distribution depends on, shape ``(n, size)``; None if on nothing.

        Of classes these are unit vectors.
        """
        if self.labels is None:
            return self.contexts
        return np.eye(len(self.classes))[self.labels]

    def with_contexts(self, names: tuple[str, ...]) -> "Samples":
        """The same rows, some of whose columns are contexts instead of coordinates.

        Raises:
            LiouvilleError: If there is no such column, or no other one.
        """
        for name in names:
            if name not in self.features:
                raise not_found("column", name, self.features, self.source)
        own = np.isin(self.features, names)
        if own.all():
            raise LiouvilleError(f"{self.source} has no columns besides its contexts; add some")
        return replace(
            self,
            points=self.points[:, ~own],
            features=tuple(name for name, is_own in zip(self.features, own) if not is_own),
            contexts=self.points[:, [self.features.index(name) for name in names]],
            context_names=names,
        )

    def without_dependent(self) -> "Samples":
        """The columns that no others before them determine.

        Warns:
            UserWarning: If one is left out; it says how it follows from the others.
        """
        whole = quantisation(self.points).is_discrete  # between whole steps there is noise
        free = np.flatnonzero(~whole)
        found = dependent_columns(self.points[:, free], tuple(self.features[i] for i in free))
        if not found:
            return self
        left = free[[one.column for one in found]]
        names = [f"{self.features[i]} is {one.formula}" for i, one in zip(left, found)]
        warnings.warn(
            f"columns of {self.source} that others determine have no density of their own and are "
            f"left out: {listed(names, 4)}",
            stacklevel=2,
        )
        kept = np.setdiff1d(np.arange(self.dim), left)
        features = tuple(self.features[i] for i in kept)
        return replace(self, points=self.points[:, kept], features=features)

    def split(
        self, validation: int | float = 0.15, test: int | float = 0.15, seed: int = 0
    ) -> tuple["Samples", "Samples", "Samples"]:
        """Draws training, validation and test rows, in their order, in proportion from classes.

        Rows that are equal in all columns without whole steps would be known from training when
        they judge: they go to the part of the first of them, so that sizes hold but for these.

        Args:
            validation: Share of the rows, below 1, or a whole number of rows.
            test: Likewise; 0 for none.
            seed: A whole number, not negative. The rows depend on it, on the labels and on the
                two sizes alone; see `split_rows`.

        Raises:
            LiouvilleError: If a size or the seed is out of range.
        """
        sizes = [self._rows(size) for size in (validation, test)]
        parts = split_rows(self.labels, len(self), sizes, seed)
        train, *others = (self.select(rows) for rows in self._with_equals(parts))
        return train, others[0], others[1]

    def _with_equals(self, parts: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """The same rows, copies of one (`twins`) in the part of the first of them."""
        lattice = self.quantisation
        points = self.points if lattice is None else self.points[:, ~lattice.is_discrete]
        # A column whose values are all different has no whole steps, and tells all rows apart.
        if any(len(np.unique(column)) == len(self) for column in points.T):
            return parts
        if lattice is None:
            points = points[:, ~quantisation(points).is_discrete]
        if not points.size:
            return parts
        own = np.empty(len(self), np.intp)
        for number, rows in enumerate(parts):
            own[rows] = number
        own = own[twins(points.T)]
        return tuple(np.flatnonzero(own == number) for number in range(len(parts)))

    def _rows(self, size: int | float) -> int:
        if size < 0 or (size >= 1 and size != int(size)):
            raise LiouvilleError(
                f"a part must be a share below 1 or a whole number of rows, got {size}"
            )
        return round(size * len(self)) if size < 1 else int(size)

    def dequantise(self, mode: DequantisationMode = "auto", *, seed: int = 0) -> "Samples":
        """Fills the gaps of discrete columns with uniform noise of one step.

        Do it before splitting, so that one seed gives the same numbers to all parts. The record
        of the lattices is in `quantisation`; it turns nats into bits per dimension, and samples
        of a model into values.

        Args:
            mode: ``"auto"`` for columns of whole steps whose values repeat, ``"uniform"`` for all
                columns of whole steps, ``"none"`` to leave all values, with a warning.
            seed: Of the noise, a whole number, not negative.
        """
        if self.quantisation is not None:
            raise LiouvilleError(f"noise was already added to {self.source}; do it once")
        self.check_numbers()
        points, found = dequantise(
            self.points, self.features, mode=mode, seed=seed, source=self.source
        )
        return replace(self, points=points, quantisation=found)

    def standardisation(self, mode: StandardisationMode = "standard") -> Standardisation:
        """The map from the user's units to the model's, measured on these rows.

        Time, which samples do not have, stays as it is. See `Standardisation.fit`.
        """
        points, times, lattice = self.points, np.zeros(len(self)), self.quantisation
        values = None if lattice is None else lattice.remove_noise(points)
        return Standardisation.fit(points, times, mode=mode, features=self.features, values=values)

    def check(self, *, min_rows: int = 2) -> "Samples":
        """Refuses data that cannot be fitted and warns about data that look wrong, once.

        Raises:
            LiouvilleError: If there are no rows or columns, numbers that are not finite, or fewer
                than `min_rows` rows, of any class if there are classes.

        Warns:
            UserWarning: If columns are constant, copies of another, or have one value in many
                rows, if there are fewer rows than columns, or weights are worth fewer than 20 rows.
        """
        self.check_numbers()
        for name, count in zip(self.classes or ("",), self.counts, strict=True):
            if count < min_rows:
                whose = f"class {name!r} of {self.source}" if name else self.source
                raise LiouvilleError(
                    f"{whose} has {count} rows but {min_rows} are needed; "
                    f"give more rows{', or leave that class out' if name else ''}"
                )
        if not self.is_checked:
            put(self, is_checked=True)
            for message in _warnings(self):
                warnings.warn(message, stacklevel=2)
        return self

    def check_numbers(self) -> None:
        """Refuses samples that are empty or hold numbers that are not finite."""
        columns = zip(self.features, self.points.T, strict=True)
        check_finite(self.points, columns, "rows", self.source)


def _warnings(samples: Samples) -> list[str]:
    source, n = samples.source, len(samples)
    still = "noise of one unit, or a floor of the scale, keeps their density finite"
    found = column_warnings(samples.points, samples.features, source, constant=still)
    left = np.zeros(samples.dim, dtype=bool)
    if samples.quantisation is None:  # noise is still to be added to the discrete columns
        left = quantisation(samples.points).is_discrete
    names = [name for name, discrete in zip(samples.features, left, strict=True) if not discrete]
    found += shared_values(samples.points[:, ~left], names, source)
    if n < samples.dim:
        found.append(
            f"{source} has {n} rows but {samples.dim} columns; covariances are regularised, and "
            "fewer columns (dims) may do better"
        )
    count = n if samples.weights is None else worth(samples.weights)
    if count < min(_FEWEST_WORTH, n):
        found.append(
            f"the {n} weights of {source} are worth {count} equal rows, as a few are most of "
            "their sum: no law can be told from so few; give more rows, or weights that differ less"
        )
    return found
