"""Reads and checks cells; nothing here imports JAX, so that bad files are refused at once."""

from typing import Any

from liouville.data import Snapshots, read_cells
from liouville.errors import LiouvilleError
from liouville.tasks.cells.config import CellsConfig, donors_column
from liouville.tasks.cells.growth import column_of


def read(config: CellsConfig, cells: Any = None) -> Snapshots:
    """The cells of a configuration, or those there are, checked."""
    options, growth = config.data, config.growth
    source = options.file if cells is None else cells
    if source is None:
        raise LiouvilleError("no data: name a file")
    if not isinstance(source, Snapshots):
        names = ("time_key", "times", "bins", "basis", "features", "without", "dims")
        names += ("embedding", "weights", "condition", "memory")
        given = {name: getattr(options, name) for name in names}
        given |= {name: getattr(growth, name) for name in ("rates", "proliferation", "apoptosis")}
        donors = donors_column(config.path.bootstrap)
        given |= {"totals": column_of(growth.mass), "donors": donors, "groups": options.color}
        source = read_cells(source, **given)
    if options.condition is not None and source.condition is None:
        raise LiouvilleError(
            f"the cells have no conditions for --condition {options.condition}; give Snapshots "
            "their condition, or leave it out"
        )
    return source.check(min_cells=options.min_cells)
