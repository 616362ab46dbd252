"""Numbers, counts, weights and covariances that a user gave, looked at before they are used."""

from typing import Any

import numpy as np

from liouville.errors import LiouvilleError

# Relative rounding that is no fault: of a sum of weights, and of a covariance and its transpose.
_ROUNDING = 1e-6


def check_weights(what: str, weights: Any, count: int, *, of_sum_one: bool = True) -> np.ndarray:
    """The weights of so many things, shape `(count,)`.

    Args:
        what: whose weights they are in messages, such as `the source`.
        weights: what the user gave.
        count: how many there must be.
        of_sum_one: whether they are shares, which are positive and of sum one; masses may be zero,
            but not all of them.

    Raises:
        LiouvilleError: if they are not as many, not finite, negative or of another sum.
    """
    found = numbers(f"the weights of {what}", weights)
    if found.shape != (count,):
        raise LiouvilleError(
            f"the weights of {what} have shape {found.shape} for {count}; give one for each"
        )
    bad = np.flatnonzero(~(np.isfinite(found) & ((found > 0) if of_sum_one else (found >= 0))))
    if bad.size:
        must = "positive, of sum one" if of_sum_one else "zero or more"
        raise LiouvilleError(
            f"weight {bad[0]} of {what} is {found[bad[0]]:g}; weights must be {must}, and finite"
        )
    total = float(found.sum())
    if of_sum_one and not np.isclose(total, 1.0, atol=_ROUNDING):
        raise LiouvilleError(
            f"the weights of {what} sum to {total:.6g}; they must be positive, of sum one: divide "
            "them by their sum"
        )
    if not total > 0:
        raise LiouvilleError(f"the weights of {what} are all zero; give some of them mass")
    return found


def check_covariance(
    what: str, matrix: Any, dim: int | None = None, *, may_be_singular: bool = False
) -> np.ndarray:
    """A covariance `(dim, dim)`, or several `(..., dim, dim)`.

    Args:
        what: its name in messages, such as `the covariance of the source`.
        matrix: what the user gave.
        dim: the number of coordinates it must have; by default any.
        may_be_singular: whether an eigenvalue may be zero.

    Raises:
        LiouvilleError: if it is not square, not finite, not symmetric or not positive definite.
    """
    found = numbers(what, matrix)
    size = found.shape[-1] if found.ndim else 0
    if found.ndim < 2 or found.shape[-2] != size or size != (size if dim is None else dim):
        want = f"({dim}, {dim})" if dim is not None else "(dim, dim)"
        raise LiouvilleError(f"{what} has shape {found.shape}; give {want}")
    for index in np.ndindex(found.shape[:-2]):
        name = f"{what}{'' if not index else f' number {index[0]}'}"
        _check_one(name, found[index], may_be_singular)
    return found


def check_symmetric(what: str, matrix: np.ndarray) -> None:
    """Refuses a square matrix that is not its own transpose, up to rounding."""
    off, size = np.abs(matrix - matrix.T), float(np.abs(matrix).max())
    if off.max() > _ROUNDING * size:
        i, j = (int(k) for k in np.unravel_index(off.argmax(), off.shape))
        raise LiouvilleError(
            f"{what} is not symmetric: entry ({i}, {j}) is {matrix[i, j]:.6g} but ({j}, {i}) is "
            f"{matrix[j, i]:.6g}; make them equal"
        )


def _check_one(what: str, matrix: np.ndarray, may_be_singular: bool) -> None:
    if not np.isfinite(matrix).all():
        raise LiouvilleError(
            f"{what} has the entry {matrix[~np.isfinite(matrix)][0]:g}; make it finite"
        )
    check_symmetric(what, matrix)
    size = float(np.abs(matrix).max())
    least = float(np.linalg.eigvalsh(0.5 * (matrix + matrix.T)).min())
    rounding = len(matrix) * np.finfo(float).eps * size
    if least < -_ROUNDING * size if may_be_singular else not least > rounding:
        kind = "without negative eigenvalues" if may_be_singular else "positive definite"
        raise LiouvilleError(
            f"{what} has the eigenvalue {least:.3g}; it must be {kind}: widen that direction"
        )


def numbers(what: str, value: Any) -> np.ndarray:
    """Anything as a float64 array; refuses what is not made of real numbers."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):  # ragged lists
        found = np.empty(0, object)
    # Texts that look like numbers are none.
    if found.dtype.kind not in "biuf":
        raise LiouvilleError(f"{what} must be made of real numbers, got {str(value)[:80]!r}")
    return found.astype(float)


def numbers_of_text(text: str) -> list[float] | str:
    """Numbers that are written with commas between them, `0.3,1`; other text as it is."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text


def number(what: str, value: Any) -> float:
    """One finite number; refuses everything else."""
    found = numbers(what, value)
    if found.shape or not np.isfinite(found):
        raise LiouvilleError(f"{what} is {str(value)[:80]}; give one finite number")
    return float(found)


def check_counts(least: int = 1, **counts: Any) -> None:
    """Refuses options, by name, that are no whole numbers or below the least."""
    for name, count in counts.items():
        is_whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not (is_whole and least <= count < 2**63):
            raise LiouvilleError(f"{name} is {count!r}; give a whole number, {least} or more")


def check_shapes(what: str, **arrays: tuple[Any, tuple[int, ...]]) -> None:
    """Refuses arrays, by name with the shape of each, of another shape or not finite."""
    for name, (value, shape) in arrays.items():
        found = numbers(f"{name} of {what}", value)
        if found.shape != shape or not np.isfinite(found).all():
            raise LiouvilleError(
                f"{name} of {what} has shape {found.shape} or is not finite; give finite {shape}"
            )


def check_positive(what: str, *, least: float | None = None, **values: Any) -> None:
    """Refuses numbers, by name, that are not positive, or below the least if there is one."""
    for name, value in values.items():
        found = number(f"{name} of {what}", value)
        if not (found > 0 if least is None else found >= least):
            want = "a positive number" if least is None else f"{least:g} or more"
            raise LiouvilleError(f"{name} of {what} is {value}; give {want}")
