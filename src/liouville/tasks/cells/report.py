"""What the report of a fit to cells holds."""

from pathlib import Path

from liouville.data import Snapshots
from liouville.plots import Page, density_page
from liouville.tasks.cells.fit import CellsFit


def contents(fitted: CellsFit, cells: Snapshots) -> Page:
    """The moving density over the cells, and the likelihood of those that were held out."""
    return density_page(
        fitted.model,
        cells,
        fitted.history,
        fitted.summary,
        title=f"Cells: {Path(cells.source).name}",
        held_out=fitted.held_out,
        movie=fitted.config.report.movie,
    )
