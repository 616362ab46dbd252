"""What the report of a fit to cells holds."""

from pathlib import Path

from liouville.data import Snapshots
from liouville.plots import Page, density_page
from liouville.tasks.cells.fit import CellsFit
from liouville.tasks.cells.pictures import group_pictures


def contents(fitted: CellsFit, cells: Snapshots) -> Page:
    """The moving density over the cells, their groups, and the likelihood of those held out."""
    has_errors = fitted.config.path.bootstrap != "none"
    return density_page(
        fitted.model,
        cells,
        fitted.history,
        fitted.summary,
        title=f"Cells: {Path(cells.source).name}",
        held_out=fitted.held_out,
        movie=fitted.config.report.movie,
        after=group_pictures(fitted.model, cells, errors=has_errors),
    )
