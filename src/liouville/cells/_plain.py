"""Values as every file of AnnData can hold them."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Nested values without what HDF5 cannot hold: nothing is left out but what says nothing.

    Mappings keep their order; `None` and what is empty go. Lists of numbers or of text become
    arrays, and a list of rows (a table) becomes its columns. A slash in a name becomes a dash, as
    it would be a folder.
    """
    if isinstance(value, Mapping):
        every = {str(name).replace("/", "-"): plain(part) for name, part in value.items()}
        return {name: part for name, part in every.items() if _says(part)}
    if isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
        names = dict.fromkeys(name for row in value for name in row)
        return plain({name: [row.get(name, np.nan) for row in value] for name in names})
    if isinstance(value, list | tuple):
        if all(isinstance(part, int | float | np.number) for part in value):
            return np.asarray(value)
        return np.array([str(part) for part in value], object)
    return value if isinstance(value, np.ndarray | int | float | str | np.generic) else _text(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _says(value: Any) -> bool:
    return value is not None and not (isinstance(value, Mapping | np.ndarray) and not len(value))
