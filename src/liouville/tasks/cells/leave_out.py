"""Whole times left out, one after the other, and predicted."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Snapshots, Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.distances import Cloud
from liouville.runs import config as configuration
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.fit import fit_cells, read
from liouville.tasks.cells.growth import totals_by_time
from liouville.tasks.cells.judge import (
    MOST_MATCHED,
    Judge,
    Prediction,
    cloud_at,
    ranking_remarks,
    thin,
)
from liouville.tasks.cells.measure import ABOVE
from liouville.tasks.settings import settings_of
from liouville.tasks.task import Rows, Say

# Figures of the fit, and what they are called in a row.
_SEEN = {ABOVE: "above_seen", f"{ABOVE}, standard error": "above_seen_error"}
_FIGURES = ("w1", "w1_all", "energy", "variance", "mass", "nats", "above", "above_seen", "seconds")
_HEADINGS = {
    "time": "left out",
    "prediction": "prediction",
    "cells": "cells",
    "w1": "W1",
    "w1_all": "W1, all",
    "energy": "energy",
    "variance": "spread",
    "mass": "mass",
    "nats": "nats",
    "above": "above neighbours",
}


def leave_out_table(
    config: CellsConfig, times: Sequence[float], seeds: int, say: Say, *, standard: bool = False
) -> Rows:
    """The rows of `leave_out`, by default of all times but the ends, and their means."""
    cells = read(config)
    chosen = list(times) or cells.distinct_times[1:-1].tolist()
    rows = leave_out(cells, chosen, config, seeds=range(seeds), say=say, standard=standard)
    remarks = []
    for t in dict.fromkeys(row["time"] for row in rows):
        own, when = [row for row in rows if row["time"] == t], f"{cells.time_name} {t:g}"
        remarks += [f"{when}: {line}" for line in (*_fits(own), *ranking_remarks(own))]
    headings = {**_HEADINGS, **({"seed": "seed"} if seeds > 1 else {})}
    if config.growth.mass == "relative":
        del headings["mass"]
    unit = "standard deviations" if standard else "the units of the data"
    title = f"Times left out of {cells.source}, in {unit}"
    means = means_of(rows) if len({(row["time"], row["seed"]) for row in rows}) > 2 else []
    return Rows("rows", title, [*rows, *means], headings, remarks)


def _fits(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each fit: what it took, and how it does at the times it saw."""
    lines = []
    for row in (row for row in rows if row["prediction"] == "push"):
        line = f"seed {row['seed']}: {row['parts']} parts, {row['steps']} steps"
        line += f", {row['seconds']:.0f} s"
        if row["above_seen"] is not None:
            line += (
                f"; held-out nats {row['above_seen']:.3f} ± {row['above_seen_error']:.3f} above "
            )
            line += "a mixture for each time it saw"
        lines.append(line)
    return lines


def leave_out(
    cells: Snapshots,
    times: Sequence[float],
    settings: CellsConfig | Mapping[str, Any] | None = None,
    *,
    seeds: Sequence[int] = (0,),
    standard: bool = False,
    say: Say = lambda _: None,
) -> list[dict[str, Any]]:
    r"""Leaves whole times out, one after the other, and predicts them.

    The model is fitted to the other times. It predicts by `push`, the true (weighted) cells of the
    time before carried along the velocity with the mass they gain, and by `draws` from its density.
    Beside them stand the `floors` and `rivals` without a model of
    `liouville.tasks.cells.judge.Judge`. Nothing of the left-out time is seen, except in the scaling
    of `standard`.

    Args:
        cells: the snapshots.
        times: the times to leave out in turn, neither the first nor the last.
        settings: of the fits.
        seeds: every time is fitted once a seed.
        standard: divide each coordinate by its standard deviation over all cells first, as the
            protocol of Tong et al. (TMLR 2024, torchcfm) does; else all is in the user's units.
        say: told what is going on.

    Returns:
        A row for each time and `prediction`, of `push` and `draws` for each seed, too: the figures
        of `Judge.figures`; if there are totals, the predicted `mass` over the true one; and for
        `push` the `parts`, `steps` and `seconds` of the fit and how far its held-out nats are above
        the mixtures of the times it saw, `above_seen`.

    Raises:
        LiouvilleError: if a time is not among the cells' or is the first or last, or has fewer than
            four cells with mass, or a neighbour has.
        KeyboardInterrupt: if a fit was told to stop.
    """
    known = cells.distinct_times
    for t in times:
        if not np.isclose(known, t).any():
            raise LiouvilleError(f"no cells at time {t:g}; the times are {known.tolist()}")
        if np.isclose(known[[0, -1]], t).any():
            raise LiouvilleError(
                f"time {t:g} is the first or the last; leave out one in between: "
                f"{known[1:-1].tolist()}"
            )
    settings = settings_of(CellsConfig, settings)
    cells = standardised(cells) if standard else cells
    mass, rows = settings.growth.mass, []
    totals = totals_by_time(cells, mass)
    for t in times:
        place = int(np.argmin(np.abs(known - t)))
        before, left_out, after = known[place - 1 : place + 2].tolist()
        old, truth, new = (cloud_at(cells, s) for s in (before, left_out, after))
        judge = Judge(truth, old, new, (left_out - before) / (after - before))
        about = {"time": left_out, "seed": None, "cells": judge.size}
        for seed in seeds:
            say(f"{cells.time_name} {left_out:g} left out, seed {seed}")
            chosen = configuration.apply_settings(settings, [f"training.seed={seed}"])
            begun = time.monotonic()
            result = fit_cells(cells.select(cells.times != left_out), chosen, progress=False)
            if result.reason == "interrupted":
                raise KeyboardInterrupt
            facts = {key: result.summary.get(key) for key in ("parts", "steps", *_SEEN)}
            facts = {_SEEN.get(key, key): value for key, value in facts.items()}
            facts["seconds"] = time.monotonic() - begun
            own = about | {"seed": seed}
            pushed, drawn = _predictions(result.model, old, before, left_out, len(truth), seed)
            push = own | {"prediction": "push"} | judge.figures(pushed.prediction) | facts
            draws = own | {"prediction": "draws"} | judge.figures(drawn)
            if mass != "relative":
                push["mass"] = float(totals[place - 1] * pushed.gain / totals[place])
                draws["mass"] = float(np.exp(result.model.log_mass(left_out)) / totals[place])
            rows += [push, draws]
        for name, figures in judge.floors().items():
            rows.append(about | {"prediction": name} | figures)
        for name, rival in judge.rivals.items():
            rows.append(about | {"prediction": name} | judge.figures(rival))
    return rows


def standardised(cells: Snapshots) -> Snapshots:
    """The cells with each coordinate divided by its standard deviation over all of them."""
    units = Standardisation.fit(cells.points, cells.times, features=cells.features)
    return dataclasses.replace(cells, points=units.to_model(cells.points), embedding=None)


def means_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean over times and seeds for each prediction, with its standard error.

    Seeds share their cells: of several the errors are averaged, and times are independent.
    """
    found = []
    for name in dict.fromkeys(row["prediction"] for row in rows):
        own = [row for row in rows if row["prediction"] == name]
        times = len({row["time"] for row in own})
        mean: dict[str, Any] = {"time": "mean", "prediction": name}
        for key in _FIGURES:
            values = [row[key] for row in own if row.get(key) is not None]
            if len(values) < len(own):
                continue
            mean[key] = float(np.mean(values))
            if f"{key}_error" in own[0]:
                squares = [row[f"{key}_error"] ** 2 for row in own]
                mean[f"{key}_error"] = float(np.sqrt(np.mean(squares) / times))
        found.append(mean)
    return found


class _Pushed(NamedTuple):
    """Cells that were carried, and the factor by which their mass grew."""

    prediction: Prediction
    gain: float


def _predictions(
    model: Model, old: Cloud, before: float, t: float, n: int, seed: int
) -> tuple[_Pushed, Prediction]:
    """The cells of the time before, carried with their mass, and draws from the density."""
    start = thin(old, MOST_MATCHED, np.random.default_rng(seed))
    moved = model.weighted_trajectories(start.points, [before, t])
    factors = np.exp(moved.log_weights[-1])
    pushed = Prediction(Cloud(moved.points[-1], start.weights * factors))
    drawn = model.sample(t, min(n, MOST_MATCHED), seed=seed)
    density = partial(model.log_density, t)
    return _Pushed(pushed, float(start.shares @ factors)), Prediction(Cloud.of(drawn), density)
