"""The terms of the objective of a fit to cells, and what each of them weighs."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from liouville.data import Snapshots, Standardisation
from liouville.numerics.couplings import Chains
from liouville.objectives import (
    GrowthDeviation,
    KineticEnergy,
    MassLikelihood,
    NegativeLogLikelihood,
    Objective,
    PerContext,
    PerMember,
)
from liouville.tasks.cells.bootstrap import Sample
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.growth import weights_by_time
from liouville.tasks.cells.initial import growth_of_groups

# What the growth along the chains costs, in nats for every rate there is to learn.
_NATS_A_RATE = 0.5
# The default noise, in spreads of the data over the root of the whole duration.
_NOISE_SHARE = 0.3
LARGEST_BATCH = 4096


class Known(NamedTuple):
    """What is known before training: the units and both parts of the cells."""

    units: Standardisation
    training: Snapshots
    held_out: Snapshots | None
    energy: Objective | None = None  # of motion and growth, as it counts in the objective


def training_likelihood(
    cells: NegativeLogLikelihood,
    drawn: Sequence[Sample],
    batch_size: int,
    factors: np.ndarray | None = None,
) -> Objective:
    """The likelihood of the cells, and of the bent chains half-way as snapshots of mean mass.

    Args:
        cells: their likelihood.
        drawn: what every member starts from.
        batch_size: cells drawn from each time.
        factors: by how much every member weighs the cells, shape `(members, n)`.
    """
    filled = drawn[0].filled
    between = np.flatnonzero(~filled.is_seen)
    objective = 1.0 * PerMember(cells, factors)
    if len(between):
        shares = [(m / m.sum(axis=0)).T for m in (own.filled.masses[:, between] for own in drawn)]
        mean = np.mean(shares, axis=0)
        term = NegativeLogLikelihood(
            filled.times[between],
            [filled.points[:, i] for i in between],
            weights=list(mean),
            batch_size=batch_size,
            name="gaps",
        )
        own = None if factors is None else (shares / mean).reshape(len(shares), -1)
        objective = objective + len(between) / filled.is_seen.sum() * PerMember(term, own)
    return objective


def energy_term(
    config: CellsConfig,
    known: Known,
    times: np.ndarray,
    clouds: list[np.ndarray],
    totals: np.ndarray,
    length: float,
    factors: np.ndarray | None,
) -> Objective:
    """What motion and growth cost, of a unit of mass.

    If rates are expected, growth costs as far as it is another, where cells are.
    """
    options, training, units = config.objective, known.training, known.units
    assert options.times is not None  # filled in before
    noise = units.noise_to_model(noise_of(config, units))
    energy = KineticEnergy(
        interval=(float(times[0]), float(times[-1])),
        g=jnp.asarray(noise, jnp.zeros(()).dtype),
        of=options.energy_of,
        delta=length if training.rates is None else 0.0,
        times=options.times,
        particles=options.particles,
    )
    objective = 1.0 / float(totals.mean()) * PerMember(PerContext(energy))
    if training.rates is None or not length:
        return objective
    rates = [
        units.time_scale * training.rates[training.times == t] for t in training.distinct_times
    ]
    term = GrowthDeviation(
        times,
        clouds,
        rates,
        weights=weights_by_time(training),
        batch_size=options.batch_size or LARGEST_BATCH,
    )
    return objective + length**2 * PerMember(term, factors)


def mass_term(times: np.ndarray, totals: np.ndarray, error: float) -> MassLikelihood:
    """The likelihood of total masses that are known to a relative error."""
    dtype = jnp.zeros(()).dtype
    logs = jnp.asarray(np.log(totals), dtype)
    return MassLikelihood(
        times=jnp.asarray(times, dtype), log_masses=logs, errors=jnp.full_like(logs, error)
    )


def weight_of_growth(
    times: np.ndarray, joined: Chains, label: np.ndarray, config: CellsConfig, cells: int
) -> float:
    """The length in the energy, such that the growth along the chains costs what it should.

    Motion and growth are weighed apart: growth is seen in the numbers of cells alone, which say far
    less a cell than its place, and would be pulled to zero at the weight that motion needs. With
    half a nat a rate, the energy is as a prior whose width is that of the rates.
    """
    parts, energy = config.path.parts, config.objective.energy
    assert parts is not None  # filled in before
    assert energy is not None
    growth = growth_of_groups(times, joined, label)
    share = _NATS_A_RATE * max(parts - 1, 1) * (len(times) - 1) / cells
    return float(np.sqrt(share / max(growth * energy, 1e-6)))


def noise_of(config: CellsConfig, units: Standardisation) -> float | np.ndarray:
    """The noise in the user's units; by default a share of the spread of each coordinate."""
    sigma = config.objective.sigma
    return units.noise_to_user(_NOISE_SHARE) if sigma is None else sigma
