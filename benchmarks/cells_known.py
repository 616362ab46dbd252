"""Fits to cells beside the laws they were drawn from: what is told from chance, and what is not.

    python benchmarks/cells_known.py [--seeds 2] [--save]

Populations are types, Gaussian or of Student's law, that rest, move along lines and grow at
constant rates. Default settings, whole fits. `divergence` is the mean over the snapshots of
log p - log q at 2,000 fresh cells of each, in nats: of a mixture fitted to each snapshot alone, of
fits whose parts follow their cells (`more_than_chance` taken out, nothing else), of fits by
Gaussian parts, and of ours. `velocity` is the root of the
mean squared error of the velocity at fresh cells half-way between the snapshots, where types are .5
to 1.5 wide; `growth` that of the growth rate there, less its mean.
"""

import argparse
import warnings
from typing import NamedTuple
from unittest import mock

import numpy as np
from results import Column, Table
from scipy.special import logsumexp, softmax

from liouville.data import Snapshots
from liouville.model import Model
from liouville.numerics.mixtures import log_radial
from liouville.numerics.shrunken import fit_shrunken_by_validation
from liouville.tasks.cells import groups
from liouville.tasks.cells.fit import fit_cells

FRESH = 2000
COLUMNS = (
    *(Column("population"), Column("cells"), Column("divergence, mixture for each time", ".3f")),
    *(
        Column("divergence, parts as their cells", ".3f"),
        Column("divergence, Gaussian parts", ".3f"),
    ),
    Column("divergence, ours", ".3f"),
    *(Column("velocity (true)", ".2f"), Column("velocity, parts as their cells", ".2f")),
    *(Column("velocity, ours", ".2f"), Column("growth, parts as their cells", ".2f")),
    Column("growth, ours", ".2f"),
)


class Population(NamedTuple):
    """Types .5 to 1.5 wide: where they are at time 0, how fast they move and grow."""

    name: str
    counts: tuple[int, ...]
    means: np.ndarray
    velocities: np.ndarray
    rates: np.ndarray
    roots: np.ndarray  # of the covariances, shape (types, dim, dim)
    degrees: float  # of freedom; infinitely many of Gaussian types

    @property
    def times(self) -> np.ndarray:
        return np.arange(len(self.counts), dtype=float)

    def draw(self, t: float, n: int, rng: np.random.Generator) -> np.ndarray:
        kind = rng.choice(len(self.rates), n, p=softmax(self.rates * t))
        z = rng.normal(size=(n, self.means.shape[1]))
        if np.isfinite(self.degrees):
            z *= np.sqrt(self.degrees / rng.chisquare(self.degrees, size=(n, 1)))
        return (self.means + t * self.velocities)[kind] + np.einsum(
            "nij,nj->ni", self.roots[kind], z
        )

    def log_joint(self, t: float, x: np.ndarray) -> np.ndarray:
        gap = x[:, None] - self.means - t * self.velocities
        z = np.einsum("kij,nkj->nki", np.linalg.inv(self.roots), gap)
        shapes = log_radial((z**2).sum(-1), x.shape[1], self.degrees)
        log_shares = self.rates * t - logsumexp(self.rates * t)
        return shapes - np.linalg.slogdet(self.roots)[1] + log_shares


def population(
    name: str,
    counts: tuple[int, ...],
    types: int,
    dim: int,
    speed: float,
    growth: float,
    degrees: float = np.inf,
) -> Population:
    """Types some deviations apart, every other of which moves."""
    rng = np.random.default_rng(0)
    means, velocities = 3.0 * rng.normal(size=(types, dim)), rng.normal(size=(types, dim))
    velocities *= speed / np.linalg.norm(velocities, axis=1, keepdims=True)
    velocities[::2] = 0.0
    turns = np.linalg.qr(rng.normal(size=(types, dim, dim)))[0]
    roots = turns * rng.uniform(0.5, 1.5, size=(types, 1, dim))
    rates = growth * rng.normal(size=types)
    return Population(name, counts, means, velocities, rates, roots, degrees)


POPULATIONS = (
    population("three at rest", (150,) * 5, 3, 2, 0.0, 0.0),
    population("three, one of which moves", (150,) * 5, 3, 2, 2.0, 0.0),
    population("eight at rest, which grow", (300,) * 5, 8, 10, 0.0, 0.1),
    population("eight, half of which move", (300,) * 5, 8, 10, 1.0, 0.1),
    population("two snapshots of eight at rest", (400, 400), 8, 10, 0.0, 0.0),
    population("a snapshot of twenty cells", (300, 20, 300), 4, 5, 0.5, 0.0),
    population("six at rest in thirty coordinates", (400,) * 4, 6, 30, 0.0, 0.0),
    population("three of five degrees, one of which moves", (150,) * 5, 3, 2, 2.0, 0.0, 5.0),
    population("eight of five degrees, half of which move", (300,) * 5, 8, 10, 1.0, 0.1, 5.0),
    population("six of ten degrees at rest in thirty", (400,) * 4, 6, 30, 0.0, 0.0, 10.0),
)


def errors(model: Model, truth: Population) -> tuple[float, float, float]:
    """The divergence, and the errors of velocity and growth."""
    rng = np.random.default_rng(1)
    lost, off, grown = [], [], []
    for t in truth.times:
        x = truth.draw(t, FRESH, rng)
        lost.append(np.mean(logsumexp(truth.log_joint(t, x), axis=1) - model.log_density(t, x)))
    for t in truth.times[:-1] + 0.5:
        x = truth.draw(t, FRESH, rng)
        say = softmax(truth.log_joint(t, x), axis=1)
        off.append(((model.velocity(t, x) - say @ truth.velocities) ** 2).sum(-1).mean())
        grown.append(np.var(model.growth(t, x) - say @ truth.rates))
    return float(np.mean(lost)), float(np.sqrt(np.mean(off))), float(np.sqrt(np.mean(grown)))


def measured(truth: Population, seeds: int) -> dict[str, float | str | int]:
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng([5, seed])
        clouds = [truth.draw(t, n, rng) for t, n in zip(truth.times, truth.counts)]
        cells = Snapshots.of(clouds, truth.times)
        alone = []
        for t, x in zip(truth.times, clouds):
            fresh, mixture = truth.draw(t, FRESH, rng), fit_shrunken_by_validation(x)
            gap = logsumexp(truth.log_joint(t, fresh), axis=1) - mixture.log_density(fresh)
            alone.append(gap.mean())
        found.setdefault("divergence, mixture for each time", []).append(float(np.mean(alone)))
        given = {"training.seed": seed}
        with mock.patch.object(groups, "more_than_chance", lambda mixtures, *_: mixtures):
            before = fit_cells(cells, given, progress=False).model
        normal = fit_cells(cells, {**given, "path.family": "gaussian"}, progress=False).model
        found.setdefault("divergence, Gaussian parts", []).append(errors(normal, truth)[0])
        ours = fit_cells(cells, given, progress=False).model
        for name, model in (("parts as their cells", before), ("ours", ours)):
            for what, value in zip(("divergence", "velocity", "growth"), errors(model, truth)):
                found.setdefault(f"{what}, {name}", []).append(value)
    speed = np.sqrt((truth.velocities**2).sum(-1).mean())
    row = {name: float(np.mean(values)) for name, values in found.items()}
    counts = ", ".join(dict.fromkeys(map(str, truth.counts)))
    return {
        "population": truth.name,
        "cells": f"{counts} at {len(truth.counts)} times",
        "velocity (true)": speed,
        **row,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # few cells, which is what is measured
    note = f"Means of {options.seeds} draws."
    table = Table("cells_known", COLUMNS, keep=options.save, note=note)
    for truth in POPULATIONS:
        table.add(measured(truth, options.seeds))


if __name__ == "__main__":
    main()
