"""Labels of cells, such as types or clusters, from a column."""

from typing import Any

from liouville.data._annotated import Annotated
from liouville.data._archives import Archive
from liouville.data._sources import ALL, Source, opened, source_of
from liouville.data._tables import Table
from liouville.errors import LiouvilleError


def labels_of(source: Source, key: str) -> Any:
    """A column of labels, shape ``(n,)``; `text_labels` gives their text.

    Args:
        source: a file of cells or an object in memory, as for `liouville.read_cells`.
        key: a column of ``obs`` or of a table, or an array of an archive.

    Returns:
        An array; that of ``obs`` has the ``categories`` of the column, if it has some.

    Raises:
        LiouvilleError: if there is no such column, or the source has no columns.
    """
    with opened(source, ALL, what="the cells") as found:
        if isinstance(found, Table):
            return found.values(key)
        if isinstance(found, Annotated):
            return found.labels(key)
        if isinstance(found, Archive):
            return found.array(key)
        where = source_of(found, source, "the cells")
        raise LiouvilleError(
            f"{where} has no columns, so no labels {key!r}; give a table, .npz or .h5ad"
        )
