"""Labels of cells, such as types or clusters, from a column."""

import numpy as np

from liouville.data._annotated import Annotated
from liouville.data._archives import Archive
from liouville.data._sources import ALL, Source, opened, source_of
from liouville.data._tables import Table
from liouville.errors import LiouvilleError

# What tables write where a cell has no label.
_NONE = ("", "nan", "na", "none", "<na>")


def labels_of(source: Source, key: str) -> np.ndarray:
    """A column of labels as text, empty where a cell has none, shape ``(n,)``.

    Args:
        source: a file of cells or an object in memory, as for `liouville.read_cells`.
        key: a column of ``obs`` or of a table, or an array of an archive.

    Raises:
        LiouvilleError: if there is no such column, or the source has no columns.
    """
    with opened(source, ALL, what="the cells") as found:
        where = source_of(found, source, "the cells")
        if isinstance(found, Table):
            values = found.values(key)
        elif isinstance(found, Annotated):
            values = found.column(key)
        elif isinstance(found, Archive):
            values = found.array(key)
        else:
            raise LiouvilleError(
                f"{where} has no columns, so no labels {key!r}; give a table, .npz or .h5ad"
            )
    return text_labels(values)


def text_labels(values: object) -> np.ndarray:
    """Labels of any kind as text, empty where there is none."""
    texts = np.array([str(value).strip() for value in np.asarray(values).tolist()], np.str_)
    return np.where(np.isin(np.char.lower(texts), _NONE), "", texts)
