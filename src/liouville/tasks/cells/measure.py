"""How good a model of cells is: on held-out cells, and on a whole time that was left out."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from liouville.data import Snapshots, Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.couplings import wasserstein
from liouville.numerics.mixtures import fit_by_bic
from liouville.objectives import NegativeLogLikelihood, negative_log_likelihoods
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.task import Rows, Start

# Exact distances cost the number of cells cubed; larger snapshots are thinned to this many.
MOST_MATCHED = 2000
_OURS, _MIXTURE = "liouville", "mixture for each time (BIC)"
_HELD_OUT = "held-out nats per cell by time"


def measure(
    model: Model, start: Start, cells: Snapshots
) -> tuple[dict[str, Any], dict[str, dict[str, dict[float, float]]]]:
    """The likelihood of held-out cells, beside a mixture for each time."""
    held_out = start.known.held_out
    if held_out is None:
        return {}, {}
    scores = compare_held_out(model, start.known.training, held_out)
    means = {
        f"held-out nats per cell, {name}": round(
            float(np.average(list(values.values()), weights=held_out.counts)), 4
        )
        for name, values in scores.items()
    }
    rows = [{"time": t, **{name: scores[name][t] for name in scores}} for t in scores[_OURS]]
    return {**means, _HELD_OUT: rows}, {"held_out": scores}


def recall(
    model: Model, cells: Snapshots, config: CellsConfig, summary: Mapping[str, Any]
) -> dict[str, Any]:
    """The held-out likelihoods of an earlier run, from its summary."""
    rows = summary.get(_HELD_OUT, [])
    names = [name for row in rows[:1] for name in row if name != "time"]
    return {"held_out": {name: {row["time"]: row[name] for row in rows} for name in names}}


def compare_held_out(
    model: Model, training: Snapshots, held_out: Snapshots
) -> dict[str, dict[float, float]]:
    """Negative log-likelihood per held-out cell by time: the model and a mixture for each time.

    The baseline is a full-covariance Gaussian mixture fitted to each time by itself, its number
    of parts chosen by the Bayesian information criterion on the training cells.
    """
    term = likelihood(held_out, model.units, "held out")
    times = [float(t) for t in held_out.distinct_times]
    volume = float(model.units.log_volume(held_out.points).mean())
    ours = np.asarray(negative_log_likelihoods(model.path, term)) - volume
    baseline = {}
    for t in times:
        mixture = fit_by_bic(model.units.to_model(training.at(t)))
        nats = -mixture.log_density(model.units.to_model(held_out.at(t))).mean()
        baseline[t] = float(nats - volume)
    return {_OURS: dict(zip(times, ours.tolist(), strict=True)), _MIXTURE: baseline}


def likelihood(cells: Snapshots, units: Standardisation, name: str) -> NegativeLogLikelihood:
    """The likelihood of all cells at once, in the model's units."""
    return NegativeLogLikelihood(
        np.asarray(units.time_to_model(cells.distinct_times)),
        [units.to_model(cells.at(t)) for t in cells.distinct_times],
        weights=weights_by_time(cells),
        name=name,
    )


def weights_by_time(cells: Snapshots) -> list[np.ndarray] | None:
    """The masses of the cells of each time, or `None` if all are equal."""
    if cells.weights is None:
        return None
    return [cells.weights[cells.times == t] for t in cells.distinct_times]


def evaluate(model: Model, cells: Snapshots, config: CellsConfig) -> Rows:
    """A run on its held-out cells: distances and likelihoods, time by time.

    W1 and W2 are between as many draws of the model as there are held-out cells and these cells,
    the floors between as many training cells and them, in the user's units.

    Raises:
        LiouvilleError: if it held no cells out.
    """
    training, held_out = cells.split(config.data.held_out, config.training.seed)
    if not len(held_out):
        raise LiouvilleError("the run held no cells out; fit with --held-out 0.1")
    nats = compare_held_out(model, training, held_out)
    rng, rows = np.random.default_rng(0), []
    for t in held_out.distinct_times.tolist():
        y = thin(held_out.at(t), MOST_MATCHED, rng)
        x = model.sample(t, len(y), seed=0)
        pool = training.at(t)
        z = pool[rng.permutation(len(pool))[: len(y)]]
        row = {"time": t, "cells": len(y)}
        for order in (1, 2):
            row[f"w{order}"] = wasserstein(x, y, order)
            row[f"floor_w{order}"] = wasserstein(z, y, order)
        rows.append(row | {"nats": nats[_OURS][t], "baseline_nats": nats[_MIXTURE][t]})
    headings = {
        "time": model.time_name,
        "cells": "held-out cells",
        "w1": "W1",
        "floor_w1": "W1 floor",
        "w2": "W2",
        "floor_w2": "W2 floor",
        "nats": f"nats, {_OURS}",
        "baseline_nats": "nats, BIC mixture",
    }
    return Rows("rows", "Held-out cells", rows, headings)


def thin(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many of the points, chosen by chance."""
    return x if len(x) <= most else x[rng.permutation(len(x))[:most]]
