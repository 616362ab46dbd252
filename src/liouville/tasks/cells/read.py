"""Reads and checks cells; nothing here imports JAX, so that bad files are refused at once."""

from typing import Any

from liouville.data import Snapshots, read_cells
from liouville.errors import LiouvilleError
from liouville.tasks.cells.config import CellsConfig


def read(config: CellsConfig, given: Any = None) -> Snapshots:
    """The cells of a configuration, or those given, checked."""
    options = config.data
    source = options.file if given is None else given
    if source is None:
        raise LiouvilleError("no data: name a file")
    if not isinstance(source, Snapshots):
        names = ("time_key", "times", "bins", "basis", "features", "without", "dims")
        names += ("embedding", "weights")
        source = read_cells(source, **{name: getattr(options, name) for name in names})
    return source.check(min_cells=options.min_cells)
