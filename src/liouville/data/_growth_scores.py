r"""How fast cells grow by what they express: scores of division and death, and rates.

The rates are those of Waddington-OT (Schiebinger et al., Cell 2019): births and deaths a day are
logistic functions of the scores,

$$b(s) = b_0 + \frac{b_1 - b_0}{1 + e^{-4 (s - c)/w}},$$

between .3 and 1.7, with centre .25 and width .5 for births, and .1 and .2 for deaths.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from liouville.data._names import listed, not_found
from liouville.data._roles import seconds_of
from liouville.errors import LiouvilleError, shown
from liouville.runs.reading import is_file, read_text

_DAY = 86400.0
_SLOWEST, _FASTEST = 0.3, 1.7  # births or deaths a day
# By kind: the score at which the rate is half-way, the width of the rise, and the sign.
_RISES = {"proliferation": (0.25, 0.5, 1.0), "apoptosis": (0.1, 0.2, -1.0)}
_MOST_DEVIATIONS = 5.0  # of one gene, by which one cell is told from the others


class Expressed(NamedTuple):
    """What a file tells of its cells.

    Attributes:
        columns: the names of the columns of a number a cell.
        column: reads one of them, shape `(n,)`.
        genes: the names of the genes.
        matrix: reads some of them, shape `(n, genes)`.
        source: for messages.
    """

    columns: Sequence[str]
    column: Callable[[str], np.ndarray]
    genes: Sequence[str]
    matrix: Callable[[Sequence[str]], np.ndarray]
    source: str


def score_of(kind: str, text: str, cells: Expressed) -> np.ndarray:
    """The score of each cell, shape `(n,)`.

    It is a column of scores, such as scanpy's or moscot's, or the mean over genes of their
    expression in standard deviations over all cells, no more than five of them.

    Args:
        kind: `proliferation` or `apoptosis`.
        text: the column; a file with the name of a gene on each line; or genes separated by commas.
        cells: what there is.

    Raises:
        LiouvilleError: if none of the genes is there, or the column holds no numbers.

    Warns:
        UserWarning: If some genes are not there, or the expression is one of counts.
    """
    if text in cells.columns:
        return np.asarray(cells.column(text), float)
    names = _genes(text)
    known = {gene.casefold(): gene for gene in reversed(cells.genes)}
    found = [known[name.casefold()] for name in names if name.casefold() in known]
    if not found and len(names) == 1:
        raise not_found(f"column or gene of {kind}", text, cells.columns, cells.source)
    if not found:
        raise LiouvilleError(
            f"none of the {len(names)} genes of {kind} ({listed(names, 3)}) is in {cells.source}, "
            f"which has {listed(cells.genes, 3)}; give genes by the names that it uses"
        )
    if len(found) < len(names):
        absent = [name for name in names if name.casefold() not in known]
        warnings.warn(
            f"{len(absent)} of {len(names)} genes of {kind} are not in {cells.source} and left "
            f"out: {listed(absent, 3)}",
            stacklevel=2,
        )
    values = cells.matrix(found)
    if np.all(values == np.rint(values)) and values.min() >= 0:
        warnings.warn(
            f"the genes of {kind} in {cells.source} are counts; their logarithms are taken, but "
            "cells read deeper look as if they grew more: normalise them before",
            stacklevel=2,
        )
        values = np.log1p(values)
    deviation = values.std(axis=0)
    away = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return np.clip(away, -_MOST_DEVIATIONS, _MOST_DEVIATIONS).mean(axis=1)


def rates_of(scores: Mapping[str, np.ndarray], unit: str) -> np.ndarray:
    """Births less deaths in one over the unit of time, shape `(n,)`; days, if none is known.

    Args:
        scores: of each cell by kind, `proliferation`, `apoptosis` or both.
        unit: the name of the unit of time.
    """
    rates = sum(
        sign * (_SLOWEST + (_FASTEST - _SLOWEST) / (1.0 + np.exp(-4.0 * (score - center) / width)))
        for (center, width, sign), score in ((_RISES[kind], s) for kind, s in scores.items())
    )
    return np.asarray(rates) * ((seconds_of(unit) or _DAY) / _DAY)


def _genes(text: str) -> list[str]:
    """The names in a file, or those given."""
    names = read_text(text).splitlines() if is_file(text) else text.split(",")
    names = [name.strip() for name in names if name.strip() and not name.startswith("#")]
    if not names:
        raise LiouvilleError(f"no genes in {shown(text)!r}; give one on each line")
    return list(dict.fromkeys(names))
