"""Groups of cells: what is known of the types at one time."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from liouville.data import AbstractUnits, numbers_of, text_labels
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.arguments import check_counts, check_weights

# Points whose neighbours are looked for at once.
_BLOCK = 2**14
# Parts that are chosen together by so much (the cosine of their shares) are one group.
_TOGETHER = 0.3


@dataclass(frozen=True, eq=False)
class Groups:
    """Cells of one time, each of one of several groups, such as cell types.

    Attributes:
        points: the cells, in the user's units, shape `(n, dim)`.
        codes: the number of the group of each, shape `(n,)`.
        names: the names of the groups; all have cells.
        weights: the mass of each cell, shape `(n,)`, of sum one.
    """

    points: np.ndarray
    codes: np.ndarray
    names: tuple[str, ...]
    weights: np.ndarray

    @classmethod
    def of(cls, points: Any, labels: Any, weights: Any = None) -> "Groups":
        """The groups of labelled cells.

        Args:
            points: cells of one time, in the user's units, shape `(n, dim)`.
            labels: the label of each, text or numbers; the groups are in the order of their names,
                or of the categories. Cells without a label are left out.
            weights: the mass of each cell; equal by default.

        Raises:
            LiouvilleError: if numbers do not fit, or no group has mass.

        Warns:
            UserWarning: if cells have no label.
        """
        x = numbers_of(points, "the cells of groups")
        texts = text_labels(labels)
        if x.ndim != 2 or texts.shape != x.shape[:1]:
            raise LiouvilleError(
                f"labels of shape {texts.shape} do not fit cells of shape {x.shape}; give one "
                "label for each row of (cells, dim)"
            )
        mass = np.ones(len(x)) if weights is None else numbers_of(weights, "weights")
        mass = check_weights("the cells of groups", mass, len(x), of_sum_one=False)
        if not (texts != "").any():
            raise LiouvilleError(f"none of the {len(x)} cells of groups has a label; give labels")
        if (texts == "").any():
            warnings.warn(
                f"{(texts == '').sum()} of {len(x)} cells have no label; they are left out",
                stacklevel=2,
            )
        kept = (texts != "") & (mass > 0)
        present = np.unique(texts[kept])
        known = [name for name in _categories(labels) if name in present] or present.tolist()
        codes = np.searchsorted(present, texts[kept])
        rank = np.array([known.index(name) for name in present.tolist()])
        return cls(x[kept], rank[codes], tuple(known), mass[kept] / mass[kept].sum())

    @classmethod
    def found(cls, model: Model, t: float, *, n: int = 2000, seed: int = 0) -> "Groups":
        r"""The groups that a model shows by itself: its parts, those that overlap as one.

        Of draws $x$ from the density, each is of parts with the shares $\gamma(x)$; parts are
        joined if the cosine of their shares over all draws is large. Names are `part 1`, `part 2`,
        ... by mass.

        Args:
            model: the model.
            t: the time.
            n: the number of draws.
            seed: of the draws.

        Raises:
            LiouvilleError: if all parts overlap at that time.
        """
        check_counts(n=n)
        x = model.sample(t, n, seed=seed)
        shares = np.exp(model.log_shares(t, x))
        length = np.sqrt((shares**2).sum(0))
        # What no draw is of, is no group.
        scaled = shares / np.where(length > 0, length, 1.0)
        count, label = connected_components(csr_matrix(scaled.T @ scaled > _TOGETHER))
        joint = np.stack([shares[:, label == i].sum(1) for i in range(count)], axis=1)
        winner = joint.argmax(1)
        present, code = np.unique(winner, return_inverse=True)
        if len(present) < 2:
            raise LiouvilleError(
                f"all {shares.shape[1]} parts of the model overlap at {model.time_name} {t:g}; "
                "give labels of groups"
            )
        order = np.argsort(-np.bincount(code), kind="stable")
        rank = np.argsort(order)
        names = tuple(f"part {i + 1}" for i in range(len(order)))
        return cls(x, rank[code], names, np.full(n, 1.0 / n))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shares(self) -> np.ndarray:
        """The share of each group in the mass, shape `(groups,)`."""
        return np.bincount(self.codes, self.weights, len(self.names))

    @property
    def one_hot(self) -> np.ndarray:
        """One at the group of each cell, shape `(n, groups)`."""
        return np.eye(len(self.names))[self.codes]

    def memberships(
        self, x: Any, units: AbstractUnits | None = None, *, neighbours: int = 15
    ) -> np.ndarray:
        """The share of each group among the cells nearest to each point, by mass.

        Memory is bounded whatever the number of points.

        Args:
            x: points, in the user's units, shape `(n, dim)`.
            units: those in which distances are taken, such as `model.units`; the user's by default.
            neighbours: how many cells vote.

        Returns:
            Shape `(n, groups)`; rows sum to one.
        """
        check_counts(neighbours=neighbours)
        points = numbers_of(x, "points")
        if points.ndim != 2 or points.shape[1] != self.points.shape[1]:
            raise LiouvilleError(
                f"points of shape {points.shape} do not fit groups of {self.points.shape[1]} "
                f"coordinates; give shape (n, {self.points.shape[1]})"
            )
        cells = self.points
        if units is not None:
            points, cells = units.to_model(points), units.to_model(cells)
        found = np.empty((len(points), len(self.names)))
        mass, tree = self.one_hot * self.weights[:, None], KDTree(cells)
        nearest: Any = np.arange(1, min(neighbours, len(cells)) + 1)
        for begin in range(0, len(points), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            found[rows] = mass[tree.query(points[rows], nearest, workers=-1)[1]].sum(1)
        return found / found.sum(1, keepdims=True)


def _categories(labels: Any) -> list[str]:
    """The categories of labels in their order, if they have some."""
    found = getattr(getattr(labels, "cat", labels), "categories", None)
    return [] if found is None else text_labels(found).tolist()
