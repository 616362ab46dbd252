"""What of a table of numbers is more than chance."""

import numpy as np

Array = np.ndarray


def bound(rows: int, columns: int) -> float:
    r"""The largest singular value of white noise of variance one, $\sqrt a + \sqrt b$."""
    return float(np.sqrt(rows) + np.sqrt(columns))


def signal(table: Array, rows: int, columns: int) -> Array:
    r"""A table of low rank that is seen in white noise of variance one.

    Noise of $a$ rows and $b$ columns has singular values up to its `bound`. Smaller ones are taken
    as noise, and larger ones as
    $$\sqrt{(y^2 - a - b)^2 - 4 a b} \,/\, y,$$
    which has the least squared error as the table grows (Gavish and Donoho, *Optimal Shrinkage of
    Singular Values*, 2017).

    Args:
        table: shape `(m, n)`.
        rows: of noise, $a$: fewer than `m` where means were taken off.
        columns: of noise, $b$, likewise.
    """
    if len(table) > table.shape[1]:
        return signal(table.T, columns, rows).T
    # Of wide tables, which those of covariances are, the singular vectors of one side are enough.
    squares, left = np.linalg.eigh(table @ table.T)
    is_more = squares > bound(rows, columns) ** 2
    kept = np.sqrt(np.maximum((squares - rows - columns) ** 2 - 4.0 * rows * columns, 0.0))
    factors = np.where(is_more, kept, 0.0) / np.where(is_more, squares, 1.0)
    return (left * factors) @ (left.T @ table)
