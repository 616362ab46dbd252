"""How good a path is on which mass grows: what it moves and grows, and the least there can be."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.numerics.couplings import growing_coupling
from liouville.numerics.distances import Estimate
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.potentials import growing_bound
from liouville.paths import AbstractPath
from liouville.tasks.transport.config import CertificateConfig
from liouville.tasks.transport.problem import Problem, energy_term

# Points of the discrete problem, at most.
_MOST_POINTS = 600
_TIMES, _PARTICLES = 256, 512


def growth_figures(
    problem: Problem,
    number: int,
    piece: AbstractPath,
    energy: Estimate,
    config: CertificateConfig,
    seed: int,
) -> dict[str, Any]:
    """Figures of one piece, in the user's units: what moves and grows, and bounds of the energy."""
    source, target, times = problem.pieces[number]
    assert isinstance(source, GaussianMixture)
    assert isinstance(target, GaussianMixture)
    masses, delta = problem.masses[number : number + 2], problem.delta
    length = times[1] - times[0]
    factor, both = problem.energy_scale / length, (masses[0], masses[1])
    moves, born, lost = (float(a) for a in _kinds(problem, number, piece, jr.key(seed)))
    values = [
        discrete_energy(source, target, both, delta, points=config.points, seed=own)
        for own in range(seed, seed + 10 * config.repeats, 10)
    ]
    least = float(np.mean(values))
    found: dict[str, Any] = {
        "energy of motion, share": moves / energy.value if energy.value > 0 else 0.0,
        "mass born": born,
        "mass lost": lost,
        "lower bound (potentials)": growing_bound(source, target, both, delta) * factor,
        "least energy (discrete problem)": least * factor,
    }
    if config.repeats > 1:
        error = float(np.std(values, ddof=1) / np.sqrt(config.repeats))
        found["least energy, standard error"] = error * factor
    if least > 0:
        found["gap"] = energy.value * length / least - 1.0
    return found


def discrete_energy(
    source: GaussianMixture,
    target: GaussianMixture,
    masses: tuple[float, float],
    delta: float,
    *,
    points: int,
    seed: int = 0,
) -> float:
    r"""An estimate of the least $\tfrac12\int_0^1\int |u|^2 + \delta^2 h^2$ by points of both ends.

    It is the value of the problem of `growing_coupling`, less half of that between two independent
    clouds of each end, which takes away most of what the points and the noise add. Masses are in
    units of their geometric mean, which the noise prefers.
    """
    n = min(points, _MOST_POINTS)
    x, y, x2, y2 = (
        end.spread(n, seed=seed + i) for i, end in enumerate((source, target, source, target))
    )
    unit = float(np.sqrt(masses[0] * masses[1]))

    def solved(a: np.ndarray, b: np.ndarray, first: float, last: float) -> float:
        return growing_coupling(a, b, np.full(n, first / n), np.full(n, last / n), delta).dual

    value = unit * solved(x, y, masses[0] / unit, masses[1] / unit)
    own = masses[0] * solved(x, x2, 1.0, 1.0) + masses[1] * solved(y, y2, 1.0, 1.0)
    return value - 0.5 * own


@eqx.filter_jit
def _kinds(problem: Problem, number: int, piece: AbstractPath, key: jax.Array) -> tuple[Any, ...]:
    r"""$\tfrac12\int\int |u|^2$, $\int\int h_+$ and $\int\int h_-$ over the mass of a piece."""
    (*_, times), first = problem.pieces[number], problem.pieces[number][2][0]
    still = dataclasses.replace(energy_term(problem, times, _TIMES, _PARTICLES), delta=0.0)
    clock = first + (times[1] - first) * (jnp.arange(_TIMES) + 0.5) / _TIMES

    def rates(t: jax.Array) -> jax.Array:
        marginal = piece.at(t)
        points, weights = marginal.particles(_PARTICLES, key=key)
        growth = jnp.exp(marginal.log_mass) * jax.vmap(marginal.growth)(points)
        return jnp.stack([weights @ jnp.maximum(growth, 0.0), weights @ jnp.maximum(-growth, 0.0)])

    born, lost = (times[1] - first) * jax.lax.map(rates, clock).mean(axis=0)
    return still(piece, key=key), born, lost
