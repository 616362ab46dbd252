"""What the report of a fit to cells holds."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from liouville.data import Snapshots
from liouville.plots import Answer, Key, Page, Words, density_page
from liouville.runs.words import in_words, is_noise
from liouville.tasks.cells.fit import CellsFit
from liouville.tasks.cells.measure import ABOVE, GAIN
from liouville.tasks.cells.pictures import group_pictures

_OURS, _THEIRS = ("held-out nats per cell, " + n for n in ("liouville", "mixture for each time"))
_WORDS = Words(
    points="cells",
    density="The cells and the density of the model",
    velocity="Where cells move",
    paths="Paths of single cells",
    film="The population as it moves",
)


def contents(fitted: CellsFit, cells: Snapshots) -> Page:
    """The moving density over the cells, their groups, and the likelihood of those held out."""
    has_errors = fitted.config.path.has_errors
    return density_page(
        fitted.model,
        cells,
        fitted.history,
        fitted.summary,
        title=f"Cells: {Path(cells.source).name}",
        words=_WORDS,
        answer=answer(fitted.summary),
        held_out=fitted.held_out,
        movie=fitted.config.report.movie,
        after=group_pictures(fitted.model, cells, errors=has_errors),
    )


def answer(summary: Mapping[str, Any]) -> Answer:
    """The nats of held-out cells beside the mixture, and what a known truth or a condition adds."""
    if ABOVE not in summary:
        return Answer((), [(False, "No cells were held out, so nothing says how good the fit is.")])
    value, error = summary[ABOVE], summary.get(f"{ABOVE}, standard error", math.nan)
    difference = in_words((value, error), "nats a cell")
    keys = [
        Key("nats per held-out cell; less is better", summary[_OURS]),
        Key("of a mixture fitted to each time alone", summary[_THEIRS]),
        Key("nats above that mixture", value, error),
    ]
    told = "Held-out cells are {} under a mixture fitted to each time alone (difference {})."
    if is_noise(value, error):
        said = [(True, told.format("as likely as", difference))]
    elif value < 0:
        said = [(True, told.format("more likely than", difference))]
    else:
        said = [(False, told.format("less likely than", difference))]
    for name, text in summary.items():
        if name.startswith("liouville above the truth"):
            is_near = "clearly more" not in text
            said.append((is_near, f"Above the truth, which is known here: {text}."))
    if GAIN in summary:
        gain, error = summary[GAIN], summary.get(f"{GAIN}, standard error", math.nan)
        is_clear = gain > 0 and not is_noise(gain, error)
        said.append((is_clear, f"The condition gains {in_words((gain, error), 'nats a cell')}."))
    return Answer(keys, said)
