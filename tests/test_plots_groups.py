"""Figures of groups of cells, genes and many coordinates."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liouville import plots
from liouville.cells import trends
from liouville.errors import LiouvilleError
from liouville.plots import to_png
from test_plots import FakeModel, check_png, snapshots_of

NAMES = ("stem", "left", "right $x$")
_FIVE = FakeModel(dim=5)
_CELLS = snapshots_of(_FIVE, 100, embed=True)
_COUNT = len(_CELLS.points)
_GROUPS = np.array(NAMES)[np.arange(_COUNT) % 3]
_FATES = np.random.default_rng(0).dirichlet(np.ones(3), _COUNT)
_RATES = np.linspace(-1.0, 1.0, _COUNT)
_SHARES = np.random.default_rng(1).dirichlet(np.ones(3), 4)
_FLOWS = [np.random.default_rng(i).random((3, 3)) for i in range(3)]
_TIMES = np.linspace(0.0, 7.0, 12)
_GENES = tuple(f"gene {i}" for i in range(5))
_TREND = trends(np.random.default_rng(2).normal(size=(60, 5)), np.repeat(_TIMES, 5), genes=_GENES)

DRAWN: dict[str, Callable[..., Any]] = {
    "cells by group": lambda **more: plots.group_stream(_FIVE, _CELLS, _GROUPS, **more),
    "growth": lambda: plots.growth_map(_FIVE, _CELLS, _RATES, errors=np.full(_COUNT, 0.1)),
    "fates": lambda: plots.fate_maps(_FIVE, _CELLS, _FATES, NAMES, errors=0.2 * _FATES),
    "composition": lambda **more: plots.composition(
        _FIVE.times, _SHARES, NAMES, errors=0.1 * _SHARES, **more
    ),
    "sankey": lambda **more: plots.sankey(_SHARES, _FLOWS, [NAMES] * 4, _FIVE.times, **more),
    "trends": lambda: plots.gene_trends({"a": _TREND, "b": _TREND}),
    "heat map": lambda **more: plots.gene_heat_map(_TREND, **more),
    "pairs": lambda: plots.density_pairs(_FIVE, _CELLS),
}
_ON_AXES = ("cells by group", "composition", "sankey", "heat map")


@pytest.mark.parametrize("name", DRAWN)
def test_figures_have_content(name: str) -> None:
    drawn = DRAWN[name]()
    figure: Any = drawn.figure if isinstance(drawn, Axes) else drawn
    check_png(to_png(figure, dpi=50))


@pytest.mark.parametrize("name", _ON_AXES)
def test_the_axes_that_are_given_are_drawn_on(name: str) -> None:
    axes = Figure().subplots()
    assert DRAWN[name](axes=axes) is axes
    assert axes.has_data()


def test_notebooks_show_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    shell = SimpleNamespace(has_trait=lambda name: name == "kernel")
    display = SimpleNamespace(display=seen.append)
    notebook = SimpleNamespace(get_ipython=lambda: shell, display=display)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    axes = DRAWN["composition"]()
    assert seen == [axes.figure]
    assert check_png(seen[0]._repr_png_()).size
    DRAWN["composition"](axes=Figure().subplots())
    assert len(seen) == 1


def test_colours_are_those_given_and_others_of_a_fixed_order() -> None:
    found = plots.group_colours(NAMES, {"left": "#123456"})
    assert found["left"] == "#123456"
    assert len({found[name] for name in NAMES}) == 3
    assert plots.group_colours(NAMES)["stem"] == found["stem"]


def test_bars_are_stacked_to_one() -> None:
    axes = plots.composition(_FIVE.times, _SHARES, NAMES)
    tops = [patch.get_extents().ymax for patch in axes.patches[-4:]]
    whole = axes.transData.transform([0.0, 1.0])[1]
    assert np.allclose(tops, whole)


def test_ribbons_leave_and_arrive_as_wide_as_the_groups() -> None:
    """Cells that double arrive on a ribbon that is wider than the one they left on."""
    shares = [np.array([0.5, 0.5]), np.array([2 / 3, 1 / 3])]
    axes = plots.sankey(shares, [np.diag([2.0, 1.0])], [("a", "b")] * 2, [0.0, 1.0])
    widths = []
    for band in axes.collections:
        x, y = np.asarray(band.get_paths()[0].vertices).T
        widths.append([np.ptp(y[x == end]) for end in (x.min(), x.max())])
    assert np.allclose(widths, [[0.5, 2 / 3], [0.5, 1 / 3]])


def test_pairs_name_the_first_coordinates_once() -> None:
    figure = plots.density_pairs(_FIVE, _CELLS, first=3)
    visible = [axes for axes in figure.axes if axes.get_visible() and axes.get_xlabel()]
    assert [axes.get_xlabel() for axes in visible] == ["PC1", "PC2"]


def test_the_legend_of_a_composition_stands_in_the_order_of_its_bars() -> None:
    legend = plots.composition(_FIVE.times, _SHARES, ("a", "b", "c")).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["c", "b", "a"]


def test_tall_panels_are_narrower_and_more_of_them_stand_in_a_row() -> None:
    (wide, _), (tall, axes) = plots.panels(5, 0.8), plots.panels(5, 2.0)
    place = axes[0].get_subplotspec()
    assert place is not None
    assert place.get_gridspec().nrows == 1
    assert tall.get_figwidth() / 5 < wide.get_figwidth() / 3


def test_on_an_embedding_fewer_paths_are_drawn() -> None:
    found = [plots.trajectories(_FIVE, cells) for cells in (_CELLS, snapshots_of(_FIVE, 100))]
    assert [f.axes[0].get_title(loc="right") for f in found] == ["30 paths", "80 paths"]


def test_arrays_of_another_shape_are_refused() -> None:
    shares = [np.ones(1), np.full(2, 0.5)]
    for ask, message in [
        (lambda: plots.composition([0, 1], np.ones((2, 3)), ["a"]), r"\(2, 3\) but \(2, 1\)"),
        (
            lambda: plots.sankey(shares, [np.full((1, 1), 0.5)], [["a"], ["b", "c"]], [0, 1]),
            r"flows of a gap have shape \(1, 1\) but \(1, 2\) is drawn",
        ),
    ]:
        with pytest.raises(LiouvilleError, match=message):
            ask()
    plots.sankey(shares, [np.full((1, 2), 0.5)], [["a"], ["b", "c"]], [0, 1])
