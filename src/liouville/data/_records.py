"""What the records of samples, snapshots and events have in common: checks, choices and splits."""

import abc
import hashlib
import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

import numpy as np

from liouville.data._names import listed
from liouville.errors import LiouvilleError, shown
from liouville.numerics.robust import robust_spread

T = TypeVar("T")

# Rows further out than so many robust spreads are outliers; they are said if they make a column's
# standard deviation so many times its robust spread.
_FAR, _TAKEN = 20.0, 5.0
# More of all rows than this share are no outliers but a cluster of their own.
_MOST_OUTLIERS = 0.05
# So many rows are looked at for values that they share, and from this share on they are many.
_LOOKED_AT, _MANY = 2000, 0.1
# From so many columns on, whole numbers in most of them are counts.
_FEWEST_COUNTS = 5
# A column follows from others if no more of its spread is its own; numbers in single precision
# that sum to one leave a tenth of that.
_OWN = 1e-6


class AbstractRecord(abc.ABC):
    """What was read. A console and a notebook show what that is, not all of its numbers."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What was read, in one line."""

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self.describe()}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


def put(record: Any, **values: Any) -> None:
    """Sets fields of a frozen record while it is made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


def plain_numbers(record: Any) -> dict[str, Any]:
    """The fields of a record of numbers as plain Python ones."""
    return {
        field.name: np.asarray(getattr(record, field.name)).tolist() for field in fields(record)
    }


def from_plain(cls: type[T], data: Any, read: Callable[[str, Any], Any]) -> T:
    """Inverse of `plain_numbers`, each field read on its own; refuses missing and unknown ones."""
    expected = [field.name for field in fields(cast(Any, cls))]
    if set(data) != set(expected):
        got = ", ".join(sorted(map(str, data))) or "none"
        field = "fields" if len(expected) > 1 else "field"
        has = (", " if len(expected) > 2 else " and ").join(expected)
        raise LiouvilleError(f"a {cls.__name__.lower()} has the {field} {has}; got {got}")
    return cls(**{name: read(name, data[name]) for name in expected})


def reals(value: Any, claim: str) -> np.ndarray:
    """A value as float64; one that is not is refused with what is claimed of it."""
    try:
        found = np.asarray(value)
        if found.dtype.kind in "cmM":  # their real parts, or nanoseconds, would be taken
            raise TypeError
        return found.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise LiouvilleError(f"{claim}, got {shown(value, 80)}") from None


def matrix_of(record: Any, name: str, axes: str) -> np.ndarray:
    """A field with two axes as float64."""
    array = reals(getattr(record, name), f"{name} of {record.source} must be real numbers")
    if array.ndim != 2:
        raise LiouvilleError(
            f"{name} of {record.source} must have shape ({axes}), got {array.shape}"
        )
    return array


def put_columns(record: Any, count: int, rows: str, **columns: tuple[int, ...]) -> None:
    """Makes fields float64 of shape ``(count, *columns[name])``; those that are None stay."""
    for name, rest in columns.items():
        value, shape = getattr(record, name), (count, *rest)
        if value is None:
            continue
        value = reals(value, f"{name} of {record.source} must be real numbers")
        if value.shape != shape:
            raise LiouvilleError(
                f"{name} of {record.source} must have shape {shape} to match {count} {rows}, "
                f"got {value.shape}"
            )
        put(record, **{name: value})


def put_names(record: Any, name: str, default: Iterable[str], what: str) -> None:
    """Makes a field as many different names as there are by default, which are taken if none."""
    default = tuple(default)
    names = tuple(getattr(record, name)) or default
    if len(names) != len(default) or len(set(names)) != len(names):
        raise LiouvilleError(
            f"{name} of {record.source} must be {len(default)} different {what}, "
            f"got {listed(names)}"
        )
    put(record, **{name: names})


def number_values(count: int, stem: str = "x") -> tuple[str, ...]:
    """The names ``x1``, ``x2``, …."""
    return tuple(f"{stem}{i + 1}" for i in range(count))


def chosen_rows(selection: np.ndarray | Sequence[int], count: int, what: str) -> np.ndarray:
    """Numbers of the chosen rows, from booleans or numbers in order."""
    selection = np.asarray(selection)
    if not selection.size and selection.dtype != bool:
        selection = selection.astype(np.intp)
    if selection.ndim != 1 or selection.dtype.kind not in "biu":
        raise LiouvilleError(
            f"a selection of {what} must be a list of booleans or indices, got shape "
            f"{selection.shape} of {selection.dtype}"
        )
    try:
        return np.arange(count)[selection]
    except IndexError as error:
        raise LiouvilleError(f"the selection does not fit the {count} {what}: {error}") from None


def take(record: T, rows: np.ndarray, *names: str) -> T:
    """A record with some rows of the fields named; those that are None stay."""
    values = ((name, getattr(record, name)) for name in names)
    taken = {name: value[rows] for name, value in values if value is not None}
    return replace(cast(Any, record), **taken)


def check_finite(points: np.ndarray, columns: Iterable[tuple[str, Any]], rows: str, source: str):
    """Refuses points ``(n, d)`` without rows or columns, and named columns that are not finite."""
    if not points.size:
        raise LiouvilleError(
            f"{source} has {points.shape[0]} {rows} and {points.shape[1]} columns; "
            "at least one of each is needed"
        )
    columns = list(columns)
    if np.isfinite(points).all() and len(columns) == points.shape[1]:
        return
    counts = [(name, int(np.sum(~np.isfinite(a)))) for name, a in columns if a is not None]
    bad = [f"{name} ({count})" for name, count in counts if count]
    if bad:
        raise LiouvilleError(
            f"NaN or infinite values in {source}, by column: {listed(bad)}; "
            f"drop those {rows} or columns, or fill them in"
        )


def column_warnings(
    points: np.ndarray, features: Sequence[str], source: str, *, constant: str
) -> list[str]:
    """What looks wrong with columns: outliers, no spread (what that means), copies or sums."""
    still, copies = [], []
    others: list[int] = []
    seen: dict[bytes, str] = {}
    for i, (name, column) in enumerate(zip(features, points.T, strict=True)):
        if np.all(column == column[0]):
            still.append(name)
            continue
        # Adding zero turns -0.0 into 0.0, so that equal columns have equal bytes.
        digest = hashlib.sha256(np.ascontiguousarray(column + 0.0).tobytes()).digest()
        first = seen.setdefault(digest, name)
        if first != name:
            copies.append(f"{name} (of {first})")
        else:
            others.append(i)
    found = _outliers(points, features, source)
    if still:
        found.append(f"constant columns in {source}: {listed(still)}; {constant}")
    if copies:
        found.append(
            f"duplicated columns in {source}: {listed(copies)}; "
            "the points lie on a plane and their density is singular, drop the copies"
        )
    return found + _sums(points[:, others], [features[i] for i in others], source)


def _sums(points: np.ndarray, features: Sequence[str], source: str) -> list[str]:
    """Says columns that are weighted sums of others, as shares of one are, by some rows."""
    from scipy.linalg import qr

    some = _some(points)
    if len(some) <= 2 * len(features) or len(features) < 2:
        return []  # few rows lie on a plane by chance
    scaled = some - some.mean(axis=0)
    scaled /= np.maximum(np.linalg.norm(scaled, axis=0), np.finfo(float).tiny)
    factors: Any = qr(scaled, mode="r", pivoting=True)
    own, order = np.abs(np.diag(factors[0])), factors[1]
    names = [features[int(i)] for i in np.sort(order[own < _OWN])]
    if not names:
        return []
    return [
        f"columns of {source} that are sums of others: {listed(names)}; the points lie on a plane "
        "and their density is singular, so that nats only say how narrow it may be: leave them out "
        "with --without"
    ]


def _some(points: np.ndarray) -> np.ndarray:
    """Rows at equal distances, of which something is looked for."""
    return points[:: max(1, len(points) // _LOOKED_AT)]


def raw_counts(points: np.ndarray, features: Sequence[str], source: str) -> list[str]:
    """Says columns of whole numbers, by some rows of each, where these are most of many."""
    some = _some(points)
    whole = np.all((some >= 0) & (some == np.round(some)), axis=0) & (np.ptp(some, axis=0) > 0)
    if len(features) < _FEWEST_COUNTS or 2 * whole.sum() < len(features):
        return []
    return [
        f"{whole.sum()} of {len(features)} columns of {source} are whole numbers, as raw counts "
        "are, whose distances are mostly noise and depth: normalise them, take logarithms and give "
        "principal components"
    ]


def shared_values(points: np.ndarray, features: Sequence[str], source: str) -> list[str]:
    """Says columns of which many rows have the very same value, by some rows of each.

    Where most columns are so, as of raw genes, to leave them out is no remedy.
    """
    some = _some(points)
    found, names = [], []
    for name, column in zip(features, some.T, strict=True):
        values, counts = np.unique(column, return_counts=True)
        share = counts.max() / len(some)
        if len(values) > 1 and counts.max() > max(2, _MANY * len(some)):
            found.append(f"{name} ({values[counts.argmax()]:g} in {share:.0%})")
            names.append(name)
    if not found:
        return []
    left_out = f"leave them out with --without {','.join(names)}, or "
    remedy = f"{left_out if 2 * len(names) <= len(features) else ''}give principal components"
    return [
        f"columns of {source} of which many rows have the very same value: {listed(found)}; a "
        f"density has no such values, and nats only say how narrow it may be: {remedy}"
    ]


def _outliers(points: np.ndarray, features: Sequence[str], source: str) -> list[str]:
    """Says rows so far out that a standard deviation is theirs: the worst of each column."""
    with np.errstate(over="ignore", invalid="ignore"):
        robust, spread = robust_spread(points), points.std(axis=0)
    taken = []
    for i in np.flatnonzero((robust > 0) & ~(spread <= _TAKEN * robust)).tolist():
        away = np.abs(points[:, i] - np.median(points[:, i])) / robust[i]
        worst, count = int(away.argmax()), int(np.sum(away > _FAR))
        if 0 < count <= max(1, _MOST_OUTLIERS * len(points)):
            more = f" and {count - 1} more" if count > 1 else ""
            taken.append(
                f"{features[i]} is {points[worst, i]:g} in row {worst}{more} "
                f"({away[worst]:.3g} spreads of the others away)"
            )
    if not taken:
        return []
    return [
        f"rows far from all others in {source}: {listed(taken, 4)}; they take a standard deviation "
        "for themselves, leave them out or choose --scaling robust"
    ]


def shuffle(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """The rows of every label, from 0, each in the order of ``default_rng([seed, label])``."""
    if seed < 0:
        raise LiouvilleError(f"the seed of a split must not be negative, got {seed}")
    orders = []
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        orders.append(rows[np.random.default_rng([seed, label]).permutation(rows.size)])
    return orders


def split_rows(
    labels: np.ndarray | None, n: int, sizes: Sequence[int], seed: int
) -> tuple[np.ndarray, ...]:
    """Draws parts of given sizes from every class in proportion, the rest is for training.

    Each class is shuffled by ``numpy.random.default_rng([seed, class])``. Parts are filled one
    after another; the share of each class is rounded so that the sizes hold exactly (largest
    remainders first, then the smaller class number), and every class keeps a row for training.
    Labels are class numbers, shape ``(n,)``, or None for one class.

    Returns:
        Row numbers in increasing order: the training part, then the parts of `sizes`.
    """
    orders = shuffle(np.zeros(n, dtype=np.intp) if labels is None else labels, seed)
    counts = np.array([order.size for order in orders], dtype=np.intp)
    if min(sizes, default=0) < 0 or sum(sizes) > n - len(orders):
        raise LiouvilleError(
            f"cannot draw parts of {listed([str(s) for s in sizes])} rows from {n} rows of "
            f"{len(orders)} classes; every class must keep a row for training"
        )
    taken, parts = np.zeros_like(counts), []
    for size in sizes:
        share = _shares(size, counts, counts - 1 - taken)
        rows = [order[a : a + m] for order, a, m in zip(orders, taken, share, strict=True)]
        parts.append(np.sort(np.concatenate(rows)))
        taken = taken + share
    rest = [order[a:] for order, a in zip(orders, taken, strict=True)]
    return (np.sort(np.concatenate(rest)), *parts)


def _shares(size: int, counts: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Whole numbers of a given sum, near `size` in proportion to `counts`, at most `room`."""
    quota = size * counts / counts.sum()
    share = np.minimum(np.floor(quota).astype(np.intp), room)
    while share.sum() < size:
        remainder = np.where(share < room, quota - share, -np.inf)
        share[np.argmax(remainder)] += 1
    return share
