"""The pictures of a report that are of cells and their groups."""

import dataclasses
import itertools
import warnings

import numpy as np

from liouville.cells import Groups, fates, transitions
from liouville.data import NO_GROUP, Snapshots
from liouville.model import Model
from liouville.numerics.shares import effective
from liouville.plots import (
    Clock,
    Picture,
    Sheet,
    composition,
    fate_maps,
    group_colours,
    group_stream,
    growth_map,
    sankey,
)

_MOST = 1500  # cells of a time that are asked and drawn
_MOST_GROUPS = 16  # of which pictures can be read
_AT_REST = 1e-9  # rates below are those of a path that does not grow

_STREAM = (
    "Every cell in the colour of its group. Lines follow the velocity that the cells have at their "
    "own times, averaged over near cells, and fade out where there are few."
)
_GROWTH = (
    "The rate at which each cell's surroundings gain mass at its own time: divisions less deaths. "
    "Growth can be told from motion only where groups keep apart."
)
_FADED = " Pale cells have a rate that is smaller than its standard error."
_COMPOSITION = (
    "The share of each group among the observed cells, with the standard error of so many draws. "
    "Shares that change where no cell moves are growth."
)
_FATES = (
    "The probability that a descendant of a cell at the last time is of each group there, from the "
    "parts of the model. Cells that are of two colours are undecided."
)
_SANKEY = (
    "What becomes of each group at the next time. Ribbons leave as wide as the part of the mass "
    "that goes there and arrive as wide as the part that came from there, so that they widen where "
    "cells divide."
)


def group_pictures(model: Model, cells: Snapshots, *, errors: bool) -> list[Picture]:
    """Growth by cell, and what is known of the groups of cells, if they have any.

    Args:
        model: the model.
        cells: the snapshots.
        errors: whether the model's members say how wrong it is.
    """
    some = _thinned(cells)
    pictures = _of_growth(model, some, errors)
    if some.groups is None or model.dim < 2:
        return pictures
    groups, names = some.groups, np.unique(some.groups).tolist()
    if not 2 <= len(names) <= _MOST_GROUPS:
        warnings.warn(
            f"cells are of {len(names)} groups, and pictures of 2 to {_MOST_GROUPS} can be read; "
            "none of groups is drawn: name a column of that many with --color",
            stacklevel=2,
        )
        return pictures
    colours = group_colours(names, cells.colours)
    some, cells = (dataclasses.replace(c, colours=colours) for c in (some, cells))
    pictures = [
        Picture(
            "groups.png",
            "Cells by group",
            _STREAM,
            lambda: _sheet(group_stream(model, some, groups, colours=colours)),
        ),
        Picture(
            "composition.png", "Composition by time", _COMPOSITION, lambda: _composition(cells)
        ),
        *pictures,
    ]
    ends = [_groups_at(some, float(t)) for t in some.distinct_times]
    last = ends[-1]
    if last is not None and len(last) > 1:
        pictures.append(Picture("fates.png", "Fates", _FATES, lambda: _fates(model, some, last)))
    known = [end for end in ends if end is not None]
    if len(known) == len(ends):
        pictures.append(
            Picture(
                "sankey.png", "From group to group", _SANKEY, lambda: _sankey(model, some, known)
            )
        )
    return pictures


def _of_growth(model: Model, cells: Snapshots, errors: bool) -> list[Picture]:
    if model.dim < 2:
        return []
    found = model.growth(cells.times, cells.points, std=errors)
    rates, own = found if errors else (found, None)
    if not np.abs(rates).max(initial=0.0) > _AT_REST:
        return []
    reading = _GROWTH + (_FADED if errors else "")
    return [
        Picture(
            "growth.png",
            "Growth rate of cells",
            reading,
            lambda: growth_map(model, cells, rates, errors=own),
        )
    ]


def _thinned(cells: Snapshots) -> Snapshots:
    """At most so many cells of each time, always the same."""
    rng, rows = np.random.default_rng(0), []
    for t in cells.distinct_times:
        own = np.flatnonzero(cells.times == t)
        rows.append(np.sort(rng.permutation(own)[:_MOST]))
    return cells.select(np.concatenate(rows))


def _groups_at(cells: Snapshots, t: float) -> Groups | None:
    """The groups of the cells of a time, or `None` if no cell is of any."""
    assert cells.groups is not None
    own = (cells.times == t) & (cells.groups != NO_GROUP)
    if not own.any():
        return None
    weights = None if cells.weights is None else cells.weights[own]
    return Groups.of(cells.points[own], cells.groups[own], weights)


def _composition(cells: Snapshots) -> Sheet:
    assert cells.groups is not None
    times, names = cells.distinct_times, np.unique(cells.groups)
    weights = np.ones(len(cells)) if cells.weights is None else cells.weights
    is_of = cells.groups[:, None] == names
    shares, counts = [], []
    for t in times:
        own = weights * (cells.times == t)
        shares.append(own @ is_of / own.sum())
        counts.append(effective(own))
    found = np.stack(shares)
    errors = np.sqrt(found * (1.0 - found) / np.array(counts)[:, None])
    more = {"errors": errors, "colours": cells.colours, "clock": _clock(cells)}
    return _sheet(composition(times, found, names.tolist(), **more))


def _fates(model: Model, cells: Snapshots, end: Groups) -> Sheet:
    found = np.zeros((len(cells), len(end)))
    for t in cells.distinct_times:
        own = cells.times == t
        found[own] = fates(model, cells.points[own], t, end)
    return _sheet(fate_maps(model, cells, found, end.names))


def _sankey(model: Model, cells: Snapshots, ends: list[Groups]) -> Sheet:
    flows = []
    for (t0, before), (t1, after) in itertools.pairwise(zip(cells.distinct_times.tolist(), ends)):
        labels = np.array(before.names)[before.codes]
        found = transitions(model, before.points, labels, t0, after, t1, weights=before.weights)
        flows.append(found.masses[:, None] * found.table)
    shares, names = [end.shares for end in ends], [end.names for end in ends]
    more = {"colours": cells.colours, "clock": _clock(cells)}
    return _sheet(sankey(shares, flows, names, cells.distinct_times, **more))


def _clock(cells: Snapshots) -> Clock:
    return Clock(cells.time_unit, name=cells.time_name)


def _sheet(drawn: object) -> Sheet:
    """The figure of axes."""
    found = getattr(drawn, "figure", drawn)
    assert isinstance(found, Sheet)
    return found
