"""Columns that others determine: copies, sums and other affine images."""

from typing import NamedTuple

import numpy as np

# What is left of a column, as a share of its spread, below which it is an image of others: text
# keeps six digits, single precision seven.
_LEFT = 3e-6
# A factor of a standardised column below this is rounding.
_ROUNDING = 1e-5
# Found on so many rows, and looked at in all. In more columns there is too much chance.
_MOST_ROWS, _MOST_COLUMNS = 4000, 512


class Dependent(NamedTuple):
    """A column that is determined by others.

    Attributes:
        column: its number.
        formula: how, in names, such as ``2 a + b - 3``.
    """

    column: int
    formula: str


def dependent_columns(points: np.ndarray, features: tuple[str, ...]) -> list[Dependent]:
    r"""Finds the columns of points ``(n, d)`` that are affine images of columns before them.

    Each is compared with its least-squares image; it is one if no row differs by more than 3e-6 of
    its spread, ten times over. With twice as many columns as rows nothing is found.
    """
    n, dim = points.shape
    if dim > _MOST_COLUMNS or n < 2 * dim + 2:
        return []
    rows = points[np.linspace(0, n - 1, min(n, _MOST_ROWS)).astype(int)]
    center, scale = rows.mean(axis=0), rows.std(axis=0)
    found, kept = [], []
    basis = np.empty((len(rows), 0))
    for i in range(dim):
        if not scale[i] > 0:
            continue  # a constant is said elsewhere
        z = (rows[:, i] - center[i]) / scale[i]
        # Twice, as once leaves what rounding left.
        rest = z - basis @ (basis.T @ z)
        rest = rest - basis @ (basis.T @ rest)
        size = float(np.linalg.norm(rest)) / len(rest) ** 0.5
        if size > _LEFT:
            kept.append(i)
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            continue
        others = (rows[:, kept] - center[kept]) / scale[kept]
        factors = np.linalg.lstsq(others, z, rcond=None)[0]
        factors = np.where(np.abs(factors) > _ROUNDING, factors, 0.0) * scale[i] / scale[kept]
        constant = center[i] - factors @ center[kept]
        image = points[:, kept] @ factors + constant
        if np.abs(points[:, i] - image).max() > 10.0 * _LEFT * scale[i]:
            continue  # in some rows only
        if abs(constant) < _ROUNDING * max(scale[i], abs(center[i])):
            constant = 0.0
        found.append(Dependent(i, _formula(factors, [features[k] for k in kept], constant)))
    return found


def _formula(factors: np.ndarray, names: list[str], constant: float) -> str:
    terms = [(f, name) for f, name in zip(factors, names) if f] + [(constant, "")]
    words = []
    for factor, name in terms:
        if not factor:
            continue
        size = f"{abs(factor):.5g}"
        word = size if not name else name if size == "1" else f"{size} {name}"
        sign = "-" if factor < 0 else "+" if words else ""
        words.append(f"{sign} {word}" if words else f"{sign}{word}")
    return " ".join(words)
