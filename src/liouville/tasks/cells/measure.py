"""How good a model of cells is on held-out cells of the times it has seen."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Snapshots, Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.distances import Cloud, Estimate, energy_distance, first_wasserstein
from liouville.objectives import NegativeLogLikelihood
from liouville.tasks.cells.conditions import names_of, numbers_of, strata
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.differences import compare_regions, gain, log_density_given
from liouville.tasks.cells.initial import FEW_COORDINATES
from liouville.tasks.cells.judge import (
    MOST_FITTED,
    MOST_MATCHED,
    cloud_at,
    figure,
    mean,
    mixture_of,
    thin,
)
from liouville.tasks.task import Rows, Start

_OURS, _MIXTURE = "liouville", "mixture for each time"
_PARTS = "shares of the parts by condition"
CHANCE = "chance of such a difference where there is none"
GAIN = "held-out nats gained by the condition"
_HELD_OUT = "held-out nats per cell by time"
ABOVE = "held-out nats above the mixture"
_GAINED = ("held-out nats gained by training", "held-out nats gained by training, standard error")
_KEPT = "kept"
# A fit is said to be above the mixture from so many nats and so many standard errors on.
_CLEARLY, _ERRORS = 0.02, 2.0


class HeldOut(NamedTuple):
    """Negative log-likelihoods per held-out cell, in nats and the user's units.

    Attributes:
        rows: for each time `time`, those of the model and of the mixture, and how far the first is
            `above` the second on the same cells, with `above_error`.
        above: the mean of `above`, in which each cell counts the same.
    """

    rows: list[dict[str, Any]]
    above: Estimate

    def of(self, name: str) -> dict[float, float]:
        """One figure by time."""
        return {row["time"]: row[name] for row in self.rows}


def measure(
    model: Model, start: Start, cells: Snapshots
) -> tuple[dict[str, Any], dict[str, dict[str, dict[float, float]]]]:
    """The likelihood of held-out cells, beside a mixture for each time.

    Warns:
        UserWarning: If the model is clearly worse: by more than two standard errors of the paired
            difference, and more than 0.02 nats.
    """
    training, held_out = start.known.training, start.known.held_out
    if held_out is None:
        return _differences(model, cells), {}
    found = compare_held_out(model, training, held_out)
    if not found.rows:  # no held-out cell has mass
        return _differences(model, cells), {}
    scores = {name: found.of(name) for name in (_OURS, _MIXTURE)}
    counts = [float(np.sum(held_out.times == row["time"])) for row in found.rows]
    figures: dict[str, Any] = {
        f"held-out nats per cell, {name}": round(
            float(np.average(list(values.values()), weights=counts)), 4
        )
        for name, values in scores.items()
    }
    value, error = found.above
    figures[ABOVE] = round(value, 4)
    if not np.isnan(error):
        figures[f"{ABOVE}, standard error"] = round(error, 4)
    figures |= {name: model.notes[name] for name in (_KEPT, *_GAINED) if name in model.notes}
    if training.counts.max() > MOST_FITTED:
        figures["cells a time of the mixture"] = MOST_FITTED
    if value > _CLEARLY and value > _ERRORS * error:
        worst = max(found.rows, key=lambda row: row["above"])
        # In many coordinates training hardly leaves its start.
        few = "more parts (--parts), more steps or less --energy"
        remedy = few if model.dim <= FEW_COORDINATES else "fewer coordinates (--dims) or more parts"
        warnings.warn(
            f"the held-out nats are {value:.3f} ± {error:.3f} above those of a mixture fitted to "
            f"each time alone ({worst['above']:.3f} at {model.time_name} {worst['time']:g}): the "
            f"densities are not fitted well; give {remedy}",
            stacklevel=2,
        )
    if model.classes:
        known = gain(dataclasses.replace(model, is_drawn=True), training, held_out)
        figures[GAIN], figures[f"{GAIN}, standard error"] = (round(v, 4) for v in known)
    return {**figures, _HELD_OUT: found.rows, **_differences(model, cells)}, {"held_out": scores}


def _differences(model: Model, cells: Snapshots) -> dict[str, Any]:
    """The table of the parts of each condition and its least chance, if there are any."""
    rows = compare_regions(model, cells) if model.classes else []
    return {CHANCE: min(row["chance"] for row in rows), _PARTS: rows} if rows else {}


def recall(
    model: Model, cells: Snapshots, config: CellsConfig, summary: Mapping[str, Any]
) -> dict[str, Any]:
    """The held-out likelihoods of an earlier run, from its summary."""
    rows = summary.get(_HELD_OUT, [])
    names = (_OURS, _MIXTURE) if rows else ()
    return {"held_out": {name: {row["time"]: row[name] for row in rows} for name in names}}


def compare_held_out(model: Model, training: Snapshots, held_out: Snapshots) -> HeldOut:
    """Scores held-out cells by the model and by a mixture for each time, weights included.

    The baseline is a Gaussian mixture of shrunken covariances that is fitted to each time by
    itself, see `liouville.numerics.shrunken.fit_shrunken_by_validation`.
    """
    ours = -_log_density(model, held_out)
    mixtures = mixture_nats(training, held_out)
    share = _shares(held_out, ~np.isnan(mixtures))
    counted, rows = share > 0, []
    for t in held_out.distinct_times.tolist():
        chosen = (held_out.times == t) & counted
        if not chosen.any():
            continue
        own = share[chosen] / share[chosen].sum()
        row = {"time": t, _OURS: float(own @ ours[chosen]), _MIXTURE: float(own @ mixtures[chosen])}
        rows.append(row | figure("above", mean(ours[chosen] - mixtures[chosen], own)))
    return HeldOut(rows, mean(ours[counted] - mixtures[counted], share[counted]))


def gain_over(first: Model, second: Model, cells: Snapshots) -> Estimate:
    """By how many nats a cell the second model is likelier, with the error of the difference."""
    before, after = (_log_density(model, cells) for model in (first, second))
    return mean(after - before, _shares(cells))


def _log_density(model: Model, cells: Snapshots) -> np.ndarray:
    """That of each cell; a bad figure must not lose the fit, so no draw is refused."""
    return log_density_given(dataclasses.replace(model, is_drawn=True), cells)


def _shares(cells: Snapshots, is_counted: np.ndarray | bool = True) -> np.ndarray:
    """Shares of the cells: at a time by their weights, and of times by how many cells they have."""
    weights = np.ones(len(cells)) if cells.weights is None else cells.weights
    shares = np.where(is_counted, weights, 0.0)
    for t in cells.distinct_times.tolist():
        own = cells.times == t
        shares[own] *= own.sum() / max(shares[own].sum(), np.finfo(float).tiny)
    return shares / max(shares.sum(), 1.0)


def gained(found: Estimate, *, is_kept: bool) -> dict[str, Any]:
    """What training gained, and which of both states is kept, as a summary has it."""
    kept = "what was trained" if is_kept else "the start"
    return {_KEPT: kept} | {n: round(v, 4) for n, v in zip(_GAINED, found) if np.isfinite(v)}


def mixture_nats(training: Snapshots, held_out: Snapshots) -> np.ndarray:
    """Nats of each held-out cell by the mixture of its time and condition; NaN without such."""
    found, names = np.full(len(held_out), np.nan), names_of(training)
    number = numbers_of(training, names)
    for group in strata(held_out, names):
        pool = cloud_at(training.select(number == group.condition), group.time)
        if len(pool):
            found[group.rows] = -mixture_of(pool).log_density(held_out.points[group.rows])
    return found


def likelihood(
    cells: Snapshots, units: Standardisation, name: str, batch_size: int | None = None
) -> NegativeLogLikelihood:
    """The likelihood of cells in the model's units, of each given its condition."""
    names = names_of(cells)
    groups = strata(cells, names)
    points = units.to_model(cells.points)
    return NegativeLogLikelihood(
        np.asarray(units.time_to_model(np.array([group.time for group in groups]))),
        [points[group.rows] for group in groups],
        weights=None if cells.weights is None else [cells.weights[g.rows] for g in groups],
        contexts=[group.condition for group in groups] if names else None,
        batch_size=batch_size,
        name=name,
    )


def _draws(model: Model, cells: Snapshots, t: float) -> np.ndarray:
    """Draws at a time, of each condition in proportion to its cells."""
    if not model.classes:
        return model.sample(t, MOST_MATCHED, seed=0)
    number = numbers_of(cells, model.classes)[cells.times == t]
    counts = np.rint(MOST_MATCHED * np.bincount(number) / len(number)).astype(int).tolist()
    known = [(model.given(name), n) for name, n in zip(model.classes, counts) if n]
    return np.concatenate([own.sample(t, n, seed=i) for i, (own, n) in enumerate(known)])


def evaluate(model: Model, cells: Snapshots, config: CellsConfig) -> Rows:
    """A run on its held-out cells: distances and likelihoods, time by time.

    W1 is between as many draws of the model as there are held-out cells and these cells, its floor
    between as many training cells and them; the energy distance has no bias, and is to all draws
    and training cells. All are in the user's units, and weights count.

    Raises:
        LiouvilleError: if it held no cells out.
    """
    training, held_out = cells.split(config.data.held_out, config.training.seed)
    if not len(held_out):
        raise LiouvilleError("the run held no cells out; fit with --held-out 0.1")
    scores = compare_held_out(model, training, held_out)
    rng, rows = np.random.default_rng(0), []
    for score in scores.rows:
        t = score["time"]
        truth = thin(cloud_at(held_out, t), MOST_MATCHED, rng)
        drawn = Cloud.of(_draws(model, held_out, t))
        others = {"": drawn, "floor_": thin(cloud_at(training, t), MOST_MATCHED, rng)}
        n = min(len(truth), *map(len, others.values()))
        row: dict[str, Any] = {**score, "cells": n}
        for name, other in others.items():
            pair = other.equal(n, rng), truth.equal(n, rng)
            row |= figure(f"{name}w1", first_wasserstein(*pair))
            row |= figure(f"{name}energy", energy_distance(other, truth))
        rows.append(row)
    headings = {
        "time": model.time_name,
        "cells": "held-out cells",
        "w1": "W1",
        "floor_w1": "W1 floor",
        "energy": "energy distance",
        "floor_energy": "its floor",
        _OURS: f"nats, {_OURS}",
        _MIXTURE: "nats, mixture",
        "above": "above it",
    }
    return Rows("rows", "Held-out cells", rows, headings)
