"""A branching, growing population whose density and velocity are known at every time."""

import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liouville.curves import Knots
from liouville.data import Snapshots, Standardisation
from liouville.model import Model
from liouville.paths import Full, Gaussian, LocationScale
from liouville.tasks.task import Demo, Rows

DAYS = (0.0, 1.0, 2.0, 3.0, 4.0)
COUNTS = (250, 350, 500, 700, 1000)


@dataclass(frozen=True)
class Truth:
    """The population: its cells, and the exact density and velocity they were drawn from."""

    cells: Snapshots
    model: Model


def demo_cells(seed: int = 0) -> Truth:
    """Draws the population: one cloud that drifts, divides at day 1 into two branches, and grows.

    The upper branch splits once more at day 2.5. The numbers of cells grow with time; all
    branches grow at the same rate, so the shares of the branches stay as they are. In float64
    this is exact; the velocity is the mean of the branches' affine velocities, weighted by the
    chance of each branch. The seed is that of the cells.
    """
    clock = (0.0, 1.0, 2.5, 4.0)
    # (days, branches, 2): three branches that start as one cloud.
    middle = np.array(
        [
            [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
            [[1.5, 0.15], [1.5, 0.15], [1.5, -0.15]],
            [[3.5, 1.7], [3.5, 1.7], [3.6, -1.7]],
            [[5.2, 3.4], [6.2, 1.6], [5.6, -2.6]],
        ]
    )
    spread = np.array(
        [
            [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]],
            [[0.5, 0.55], [0.5, 0.55], [0.5, 0.55]],
            [[0.55, 0.45], [0.55, 0.45], [0.7, 0.45]],
            [[0.45, 0.4], [0.4, 0.45], [0.75, 0.5]],
        ]
    )
    dtype, scale = jnp.zeros(()).dtype, Full()
    covariance = jnp.asarray(spread[..., None] ** 2 * np.eye(2), dtype)
    raw = jax.jit(scale.from_covariance)(covariance)
    path = LocationScale(
        location=Knots(clock, jnp.asarray(middle, dtype), "monotone"),
        raw_scale=Knots(clock, raw, "monotone"),
        logits=jnp.log(jnp.asarray([0.25, 0.25, 0.5], dtype)),
        family=Gaussian(),
        scale=scale,
    )
    features = ("gene A", "gene B")
    units = Standardisation(np.zeros(2), np.ones(2), 0.0, 1.0)
    model = Model(path, units, np.array(DAYS), features, "day", sigma=0.3)
    points = [model.sample(t, n, seed=seed + i) for i, (t, n) in enumerate(zip(DAYS, COUNTS))]
    source = "branching population (embedded)"
    cells = Snapshots.of(points, DAYS, features=features, time_name="day", source=source)
    return Truth(cells, model)


def distance_to_truth(model: Model, truth: Model, *, n: int = 4000, seed: int = 1) -> list[dict]:
    r"""How far a model is from the truth, at the snapshots' days and half-way between them.

    A row says whether its time was `seen`, the Kullback-Leibler divergence $E[\log\rho^* -
    \log\rho]$ in nats with its standard error, and the relative error $(E|u - u^*|^2 /
    E|u^*|^2)^{1/2}$ of the velocity, over `n` draws from the truth with another seed than that of
    the cells.
    """
    rows = []
    for day in sorted({*DAYS, *(0.5 * (a + b) for a, b in itertools.pairwise(DAYS))}):
        x = truth.sample(day, n, seed=seed)
        ratio = truth.log_density(day, x) - model.log_density(day, x)
        right = truth.velocity(day, x)
        error = ((model.velocity(day, x) - right) ** 2).sum(1).mean() / (right**2).sum(1).mean()
        rows.append(
            {
                "time": day,
                "seen": day in DAYS,
                "divergence": float(ratio.mean()),
                "standard_error": float(ratio.std() / np.sqrt(n)),
                "velocity_error": float(np.sqrt(error)),
            }
        )
    return rows


def demonstration(seed: int) -> Demo:
    """The population, and how far a model that was fitted to it is from the truth."""
    truth = demo_cells(seed)
    headings = {
        "time": "day",
        "seen": "in the data",
        "divergence": "KL to the truth (nats)",
        "standard_error": "± standard error",
        "velocity_error": "relative velocity error",
    }

    def compare(fitted: Any) -> list[Rows]:
        rows = distance_to_truth(fitted.model, truth.model)
        return [Rows("truth", "Distance between the model and the truth", rows, headings)]

    return Demo(truth.cells, {"training.seed": seed}, compare)
