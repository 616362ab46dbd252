"""A branching population whose density, velocity and growth are known at every time."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.curves import Knots
from liouville.data import Snapshots, Standardisation
from liouville.model import Model
from liouville.numerics.distances import Estimate
from liouville.paths import Full, Gaussian, LocationScale, Masses
from liouville.runs.words import in_words
from liouville.tasks.cells.judge import figure, mean
from liouville.tasks.cells.measure import mixture_nats
from liouville.tasks.task import Demo

DAYS = (0.0, 1.0, 2.0, 3.0, 4.0)
# Days at which the branches are where they are.
_TURNS = (0.0, 2.0, 4.0)
# The cells of the three branches at these days.
_CELLS = ((150, 150, 200), (190, 190, 250), (700, 320, 180))


@dataclass(frozen=True)
class Truth:
    """The population: its cells, and the exact density and velocity they were drawn from."""

    cells: Snapshots
    model: Model


def demo_cells(seed: int = 0) -> Truth:
    """Draws the population: one cloud that drifts, parts into three branches, and grows.

    At first all branches grow alike; where they have parted, the upper one soon doubles in a day,
    the middle one grows half as fast, and the lower one dies out slowly. There are as many cells as
    the population has at that day. In float64 this is exact; velocity and growth rate are the
    means of those of the branches, weighted by the chance of each branch. The seed is that of the
    cells.
    """
    # (days, branches, 2): three branches that start as one cloud.
    middle = np.array(
        [
            [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
            [[2.8, 1.5], [3.2, 0.3], [2.9, -1.3]],
            [[5.2, 3.6], [6.4, 1.0], [5.6, -2.8]],
        ]
    )
    spread = np.array(
        [
            [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]],
            [[0.5, 0.45], [0.5, 0.45], [0.6, 0.45]],
            [[0.45, 0.4], [0.5, 0.4], [0.7, 0.45]],
        ]
    )
    dtype, scale = jnp.zeros(()).dtype, Full()
    covariance = jnp.asarray(spread[..., None] ** 2 * np.eye(2), dtype)
    raw = jax.jit(scale.from_covariance)(covariance)
    path = LocationScale(
        location=Knots(_TURNS, jnp.asarray(middle, dtype)),
        raw_scale=Knots(_TURNS, raw),
        logits=Masses(Knots(_TURNS, jnp.log(jnp.asarray(_CELLS, dtype)))),
        family=Gaussian(),
        scale=scale,
    )
    features = ("gene A", "gene B")
    units = Standardisation(np.zeros(2), np.ones(2), 0.0, 1.0)
    model = Model(path, units, np.array(DAYS), features, "day", sigma=0.3)
    counts = np.rint(np.exp(model.log_mass(DAYS))).astype(int).tolist()
    points = [model.sample(t, n, seed=seed + i) for i, (t, n) in enumerate(zip(DAYS, counts))]
    source = "branching population (embedded)"
    cells = Snapshots.of(points, DAYS, features=features, time_name="day", source=source)
    return Truth(cells, model)


def demo_conditions(seed: int = 0, *, cells: int = 200, left: float = 0.5) -> list[Truth]:
    """The population as it is, and with a knock-out that leaves a share of its upper branch.

    Args:
        seed: of the cells.
        cells: of each condition at each day; their numbers say nothing of growth.
        left: the share of the upper branch that the knock-out leaves; with 1 nothing differs.

    Returns:
        The truth of `wild` and of `knock-out`; the cells of the first are those of both.
    """
    wild, names = demo_cells(seed).model, ("wild", "knock-out")
    logs = jnp.log(jnp.asarray([left, 1.0, 1.0]))
    path = eqx.tree_at(
        lambda path: path.logits.log_mass.values, wild.path, replace_fn=lambda values: values + logs
    )
    models = [wild, dataclasses.replace(wild, path=path)]
    clouds, labels = [], []
    for i, day in enumerate(DAYS):
        for j, (model, name) in enumerate(zip(models, names)):
            clouds.append(model.sample(day, cells, seed=1000 * seed + 10 * i + j))
            labels += [name] * cells
    both = Snapshots.of(
        clouds,
        np.repeat(DAYS, 2),
        features=wild.features,
        time_name=wild.time_name,
        condition=np.array(labels),
        source="branching population with a knock-out",
    )
    return [Truth(both, model) for model in models]


def distance_to_truth(model: Model, truth: Model, *, n: int = 4000, seed: int = 1) -> list[dict]:
    r"""How far a model is from the truth, at the snapshots' days and half-way between them.

    A row says whether its time was `seen`, the Kullback-Leibler divergence $E[\log\rho^* -
    \log\rho]$ in nats with its standard error, and the relative errors $(E|u - u^*|^2 /
    E|u^*|^2)^{1/2}$ of the velocity and likewise of the growth rate, over `n` draws from the truth
    with another seed than that of the cells.
    """
    rows = []
    for day in sorted({*DAYS, *(0.5 * (a + b) for a, b in itertools.pairwise(DAYS))}):
        x = truth.sample(day, n, seed=seed)
        ratio = truth.log_density(day, x) - model.log_density(day, x)
        velocity, growth = truth.velocity(day, x), truth.growth(day, x)
        rows.append(
            {
                "time": day,
                "seen": day in DAYS,
                "divergence": float(ratio.mean()),
                "error": float(ratio.std() / np.sqrt(n)),
                "velocity_error": _relative_error(model.velocity(day, x), velocity),
                "growth_error": _relative_error(model.growth(day, x), growth),
            }
        )
    return rows


def _relative_error(found: np.ndarray, right: np.ndarray) -> float:
    return float(np.sqrt(((found - right) ** 2).sum() / (right**2).sum()))


def demonstration(seed: int) -> Demo:
    """The population, and how far a model that was fitted to it is from the truth."""
    truth = demo_cells(seed)
    cells = truth.cells
    columns = {name: cells.points[:, i] for i, name in enumerate(cells.features)}

    def compare(fitted: Any) -> dict[str, Any]:
        named = [
            {
                "day": row["time"],
                "in the data": "yes" if row["seen"] else "no",
                **figure("KL to the truth (nats)", Estimate(row["divergence"], row["error"])),
                "relative error of the velocity": row["velocity_error"],
                "relative error of the growth": row["growth_error"],
            }
            for row in distance_to_truth(fitted.model, truth.model)
        ]
        return {"distance to the truth": named, **beside_truth(fitted, truth.model)}

    return Demo(
        "cells.csv",
        {"day": cells.times, **columns},
        {"training.seed": seed, "growth.mass": "counts", "data.time_key": "day"},
        compare,
        (
            "liouville evaluate {run}",
            "liouville query {run} {run}/cells.csv --out answers.csv",
            "liouville fates {run} {run}/cells.csv --out fates.csv",
        ),
    )


def beside_truth(fitted: Any, truth: Model) -> dict[str, Any]:
    """Nats of the truth, a fit and the mixtures on the same held-out cells, with their differences.

    A difference of two methods is the mean over the cells, and has the standard error of this mean.
    """
    config = fitted.config
    training, held_out = fitted.data.split(config.data.held_out, config.training.seed)
    if not len(held_out):
        return {}
    nats = {
        "the truth": -truth.log_density(held_out.times, held_out.points),
        "liouville": -fitted.model.log_density(held_out.times, held_out.points),
        "a mixture for each time": mixture_nats(training, held_out),
    }
    exact = nats["the truth"]
    shares = np.full(len(exact), 1.0 / len(exact))
    rows = [
        {"method": name, "nats per held-out cell": float(own.mean())}
        | ({} if own is exact else figure("above the truth", mean(own - exact, shares)))
        for name, own in nats.items()
    ]
    ours, mixture = nats["liouville"], nats["a mixture for each time"]
    return {
        "held-out cells beside the truth": rows,
        "liouville above the mixture": in_words(mean(ours - mixture, shares), "nats a cell"),
        "liouville above the truth": in_words(mean(ours - exact, shares), "nats a cell"),
    }
