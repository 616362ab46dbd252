"""What can be wrong with a model that a file describes, each said in one line."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.errors import LiouvilleError, one_line


@contextlib.contextmanager
def refused_as(file: Path, kind: str) -> Iterator[None]:
    """Turns whatever goes wrong while a file is made into a model into one of our errors.

    A file names classes and what is in them, so any of their operations can fail.
    """
    try:
        yield
    except Exception as error:
        raise LiouvilleError(
            f"{file} is not {kind} of this version: {one_line(error)}; fit again"
        ) from error


def check_leaves(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses arrays of a model that are not finite, or of a precision that no model has."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
            raise LiouvilleError(f"{file}: {name} has the type {array.dtype}; fit again")
        if not np.isfinite(array).all():
            raise LiouvilleError(f"{file}: {name} holds NaN or infinite values; fit again")


def check_claims(claims: Mapping[str, bool]) -> None:
    """Refuses a model of which a claim is not true."""
    for claim, is_true in claims.items():
        if not is_true:
            raise LiouvilleError(f"it is not so that {claim}")


def check_shapes(found: Any, wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Refuses answers by name, of which only shapes are known, that have other shapes."""
    for name, shape in wanted.items():
        answer = getattr(found, name)
        if answer.shape != shape or answer.dtype.kind != "f":
            raise LiouvilleError(
                f"its {name} is {answer.dtype}{answer.shape}, not of shape {shape}"
            )
