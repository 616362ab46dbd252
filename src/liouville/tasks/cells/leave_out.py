"""Whole times left out, one after the other, and predicted."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from liouville.data import Snapshots, Standardisation
from liouville.dynamics import solve_ode
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.couplings import assignment, wasserstein
from liouville.runs import config as configuration
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.fit import fit_cells, read
from liouville.tasks.cells.measure import MOST_MATCHED, thin
from liouville.tasks.settings import settings_of
from liouville.tasks.task import Rows, Say


def leave_out_table(config: CellsConfig, times: Sequence[float], seeds: int, say: Say) -> Rows:
    """The rows of `leave_out`, by default of all times but the ends, and their mean."""
    cells = read(config)
    chosen = list(times) or cells.distinct_times[1:-1].tolist()
    rows = leave_out(cells, chosen, config, seeds=range(seeds), say=say)
    distances = {
        "push": "W1 push",
        "direct": "W1 direct",
        "floor": "floor",
        "midpoint": "midpoint",
        "no_motion": "no motion",
    }
    means = {name: sum(row[name] for row in rows) / len(rows) for name in distances}
    headings = {"time": "left out", "seed": "seed", **distances, "nats": "nats"}
    headings |= {"baseline_nats": "BIC mixture", "seconds": "seconds"}
    title = f"Times left out of {cells.source}"
    return Rows("rows", title, [*rows, {"time": "mean", **means}], headings)


def leave_out(
    cells: Snapshots,
    times: Sequence[float],
    settings: CellsConfig | Mapping[str, Any] | None = None,
    *,
    seeds: Sequence[int] = (0,),
    say: Say = lambda _: None,
) -> list[dict[str, Any]]:
    r"""Leaves whole times out, one after the other, and predicts them.

    The protocol of Tong et al. (TMLR 2024, torchcfm): coordinates are scaled over all cells, by
    default each by its standard deviation; the model is fitted without time $t$; all true cells of
    the time before are carried to $t$ along the velocity (Euler, 100 steps); $W_1$ is the exact
    Euclidean transport distance to all true cells at $t$. Nothing of the left-out time is seen,
    except in the scaling.

    Args:
        cells: the snapshots.
        times: the times to leave out in turn, neither the first nor the last.
        settings: of the fits; their cells are standardised, and so is the length in
            `objective.sigma`.
        seeds: every time is fitted once a seed.
        say: told what is going on.

    Returns:
        A row for each time and seed. Distances, in standardised units: `push` of the true cells
        of the time before; `direct` for draws from the density; `floor` between two halves of
        the true cells; `midpoint` for the optimal-transport interpolation between the neighbours;
        `no_motion` for the cells of the time before. Besides `nats` and `baseline_nats` per
        held-out cell at the training times, in the user's units, and `seconds` of the fit.

    Raises:
        LiouvilleError: if a time is not among the cells' or is the first or last.
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
    units = Standardisation.fit(
        cells.points, cells.times, mode=settings.data.scaling, features=cells.features
    )
    scaled = dataclasses.replace(cells, points=units.to_model(cells.points), embedding=None)
    rows = []
    for t in times:
        place = int(np.argmin(np.abs(known - t)))
        before, left_out, after = known[place - 1 : place + 2].tolist()
        bounds = _bounds(scaled, before, left_out, after)
        for seed in seeds:
            say(f"time {left_out:g} left out, seed {seed}")
            chosen = configuration.apply_settings(
                settings, [f"training.seed={seed}", "data.scaling=none"]
            )
            begun = time.monotonic()
            result = fit_cells(scaled.select(scaled.times != left_out), chosen, progress=False)
            if result.reason == "interrupted":
                raise KeyboardInterrupt
            seconds = time.monotonic() - begun
            found = result.summary
            nats = [value for name, value in found.items() if name.startswith("held-out nats")]
            rows.append(
                {
                    "time": left_out,
                    "seed": seed,
                    **_predictions(result.model, scaled, before, left_out, seed),
                    **bounds,
                    **dict(zip(("nats", "baseline_nats"), nats)),
                    "parts": found["parts"],
                    "steps": found["steps"],
                    "seconds": seconds,
                }
            )
    return rows


def _predictions(
    model: Model, cells: Snapshots, before: float, t: float, seed: int
) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    start = thin(cells.at(before), MOST_MATCHED, rng)
    target = thin(cells.at(t), MOST_MATCHED, rng)
    ends = jnp.asarray(model.units.time_to_model(np.array([before, t])), jnp.zeros(()).dtype)
    moved = solve_ode(model.path, jnp.asarray(start, ends.dtype), ends, steps=100, method="euler")
    drawn = model.sample(t, len(target), seed=seed)
    return {
        "push": wasserstein(np.asarray(moved[-1], float), target, 1),
        "direct": wasserstein(drawn, target, 1),
    }


def _bounds(cells: Snapshots, before: float, t: float, after: float) -> dict[str, float]:
    """What costs no model: the sampling floor, the transport midpoint, and no motion."""
    rng = np.random.default_rng(0)
    old, target, new = (thin(cells.at(s), MOST_MATCHED, rng) for s in (before, t, after))
    half = rng.permutation(len(target))
    middle = len(target) // 2
    n = min(len(old), len(new))
    x, y = old[rng.permutation(len(old))[:n]], new[rng.permutation(len(new))[:n]]
    share = (t - before) / (after - before)
    between = (1.0 - share) * x + share * y[assignment(x, y)]
    return {
        "floor": wasserstein(target[half[:middle]], target[half[middle : 2 * middle]], 1),
        "midpoint": wasserstein(between, target, 1),
        "no_motion": wasserstein(old, target, 1),
    }
