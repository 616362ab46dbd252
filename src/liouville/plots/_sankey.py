"""What becomes of groups from time to time, as ribbons between columns."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from liouville.plots._clock import Clock
from liouville.plots._groups import LONGEST, Colours, group_colours
from liouville.plots._shapes import array_of
from liouville.plots._style import INK, canvas, plain, shown

_GAP = 0.03  # between the blocks of a column, as a part of its height
_BLOCK = 0.16  # width of a column, in gaps between two
_RIBBON = 40  # points along the edge of a ribbon
_LEAST = 1e-3  # a flow below this part of all is not drawn


def sankey(
    shares: Sequence[np.ndarray] | np.ndarray,
    flows: Sequence[np.ndarray],
    names: Sequence[Sequence[str]],
    times: Sequence[float] | np.ndarray,
    *,
    colours: Colours | None = None,
    clock: Clock | None = None,
    axes: Axes | None = None,
) -> Axes:
    """What becomes of the groups of each time at the next, as ribbons between columns.

    A ribbon leaves as wide as the part of the mass that goes there and arrives as wide as the part
    that came from there: it widens where cells divide, and thins where they die.

    Args:
        shares: For each time the share of each group, shape ``(groups,)``, of sum one.
        flows: For each gap the mass after it by group before and group after, shape
            ``(before, after)``, in any unit.
        names: Of the groups at each of the times.
        times: One more than gaps.
        colours: By name of a group; by default a fixed order.
        clock: How times are said.
        axes: Where to draw; by default a new figure, which a notebook shows.
    """
    sizes = [len(own) for own in names]
    gaps = itertools.pairwise(sizes)
    whole = zip(shares, sizes, strict=True)
    shares = [array_of(own, (size,), "shares of a time") for own, size in whole]
    flows = [array_of(f, pair, "flows of a gap") for f, pair in zip(flows, gaps, strict=True)]
    every = list(dict.fromkeys(name for own in names for name in own))
    palette, clock = group_colours(every, colours), clock or Clock()
    width = 1.9 * len(times) + 1.4
    place = canvas(axes, width, 3.9 / width)
    for gap, flow in enumerate(np.asarray(f, float) for f in flows):
        leaving = shares[gap][:, None] * _parts_of(flow, axis=1)
        arriving = shares[gap + 1] * _parts_of(flow, axis=0)
        _ribbons(place, gap, leaving, arriving, [palette[name] for name in names[gap]])
    for i, own in enumerate(names):
        side = {0: -1, len(names) - 1: 1}.get(i, 0)
        for bottom, height, name in zip(_column(shares[i]), shares[i], own, strict=True):
            if height < _LEAST:
                continue
            corner = (i - _BLOCK / 2, bottom)
            place.add_patch(Rectangle(corner, _BLOCK, height, color=palette[name], zorder=3))
            if side:
                place.annotate(
                    plain(name, LONGEST),
                    (i + side * 0.7 * _BLOCK, bottom + height / 2),
                    **{"ha": "right" if side < 0 else "left", "va": "center"},
                    **{"fontsize": 8, "color": INK},
                )
    place.set(xlim=(-0.7, len(times) - 0.3), ylim=(-0.02, 1.0 + _GAP * max(map(len, names))))
    place.set_xticks(range(len(times)), [clock.say(float(t)) for t in times])
    place.set_yticks([])
    for edge in ("left", "bottom"):
        place.spines[edge].set_visible(False)
    place.tick_params(length=0)
    return shown(place, axes)


def _parts_of(flow: np.ndarray, axis: int) -> np.ndarray:
    """A table as parts of its rows or columns; those without any mass have none."""
    total = flow.sum(axis=axis, keepdims=True)
    return flow / np.where(total > 0, total, 1.0)


def _column(heights: np.ndarray) -> np.ndarray:
    """Where the blocks of a column begin."""
    return np.cumsum(heights) - heights + _GAP * np.arange(len(heights))


def _ribbons(
    axes: Axes, gap: int, leaving: np.ndarray, arriving: np.ndarray, colours: Sequence[str]
) -> None:
    """Bands between two columns, each leaving and arriving in the order of the groups."""
    start = _column(leaving.sum(axis=1))[:, None] + np.cumsum(leaving, axis=1) - leaving
    end = _column(arriving.sum(axis=0)) + np.cumsum(arriving, axis=0) - arriving
    s = np.linspace(0.0, 1.0, _RIBBON)
    bend = s**2 * (3.0 - 2.0 * s)
    x = gap + _BLOCK / 2 + (1.0 - _BLOCK) * s
    for i, j in np.argwhere(np.maximum(leaving, arriving) > _LEAST):
        low = (1.0 - bend) * start[i, j] + bend * end[i, j]
        high = low + (1.0 - bend) * leaving[i, j] + bend * arriving[i, j]
        axes.fill_between(x, low, high, color=colours[i], alpha=0.4, linewidth=0, zorder=2)
