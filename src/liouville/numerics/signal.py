"""What of a table of numbers is more than chance."""

import numpy as np

Array = np.ndarray


def signal(table: Array, rows: int, columns: int, *, is_shrunken: bool = True) -> Array:
    r"""A table of low rank that is seen in white noise of variance one.

    Noise alone has singular values up to $\sqrt a + \sqrt b$ in $a$ rows and $b$ columns. Smaller
    ones are taken as noise, and larger ones as
    $$\sqrt{(y^2 - a - b)^2 - 4 a b} \,/\, y,$$
    which has the least squared error as the table grows (Gavish and Donoho, *Optimal Shrinkage of
    Singular Values*, 2017).

    Args:
        table: shape `(m, n)`.
        rows: of noise, $a$: fewer than `m` where means were taken off.
        columns: of noise, $b$, likewise.
        is_shrunken: else the larger ones stay as they are, of more error and hardly any bias.
    """
    if len(table) > table.shape[1]:
        return signal(table.T, columns, rows, is_shrunken=is_shrunken).T
    # Of wide tables, which those of covariances are, the singular vectors of one side are enough.
    squares, left = np.linalg.eigh(table @ table.T)
    factors = (squares > (np.sqrt(rows) + np.sqrt(columns)) ** 2).astype(float)
    if is_shrunken:
        kept = np.maximum((squares - rows - columns) ** 2 - 4.0 * rows * columns, 0.0)
        factors *= np.sqrt(kept) / np.where(factors > 0.0, squares, 1.0)
    return (left * factors) @ (left.T @ table)
