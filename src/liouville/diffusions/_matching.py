"""Drift matching: Fokker-Planck equations solved by minimisation."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.diffusions._coordinates import pulled_back
from liouville.diffusions._free import best_of, free_paths
from liouville.diffusions._moments import grade_clock
from liouville.diffusions._process import DRAWS, check_noise
from liouville.maps import AbstractMap
from liouville.numerics.arguments import check_counts, check_positive
from liouville.numerics.functions import check_values
from liouville.numerics.mixtures import GaussianMixture, check_mixture
from liouville.numerics.types import RandomKey
from liouville.objectives import Drift, Effort, Objective, Running, drift_within
from liouville.paths import AbstractPath, Pushforward, Rescaled
from liouville.training import Fit, fit

# Cells in time and particles in each with which results are measured, and independent repeats.
_CELLS, _PARTICLES, _REPEATS = 128, 512, 24
_CROWDING = 0.5
# A bound of so many nats is a total variation of one half.
_MOST_BOUND = 0.5


class FokkerPlanck(NamedTuple):
    r"""A solved Fokker-Planck equation and how far it can be from the truth.

    With $\rho_t$ the density of the path and $\rho^*_t$ the law of the diffusion,
    $\mathrm{KL}(\rho_t \| \rho^*_t) \le \tfrac12 \int_0^t E|\sigma^{-1}(b - f)|^2$: Girsanov's
    theorem and the data processing inequality. With a drift that depends on the law,
    $\rho^*_t$ is the law of the diffusion among the population of the path, which is that of the
    McKean-Vlasov equation where the bound is zero.

    Attributes:
        path: the path, in the user's units; it starts as the source exactly.
        bound: the bound at the horizon, in nats.
        bound_error: its standard error.
        times: shape `(times,)`.
        bounds: the bound up to each of these times, shape `(times,)`.
        history: of training.
    """

    path: Rescaled | Pushforward
    bound: float
    bound_error: float
    times: np.ndarray
    bounds: np.ndarray
    history: list[dict[str, float]]

    @property
    def total_variation(self) -> float:
        r"""No event's chance is wrong by more than this, $\sqrt{\text{bound}/2}$ (Pinsker) or 1."""
        return float(min(np.sqrt(0.5 * max(self.bound, 0.0)), 1.0))


def solve_fokker_planck(
    drift: Drift,
    source: GaussianMixture,
    sigma: Any,
    horizon: float,
    *,
    map: AbstractMap | None = None,
    parts: int = 16,
    steps: int = 1500,
    seed: int = 0,
    knots: int = 17,
    rate: float = 1e-2,
    times: int = 16,
    particles: int = 128,
    progress: bool | None = None,
) -> FokkerPlanck:
    r"""Solves a Fokker-Planck equation from a mixture.

    $$\partial_t\rho = -\nabla\cdot(\rho f) + \tfrac12\sum_{ij}\partial_i\partial_j
      \big((\sigma\sigma^\top)_{ij}\,\rho\big).$$

    Among all paths of moving Gaussian parts that start as the source it looks for the one whose
    own drift $b$ is $f$: it minimises $\tfrac12\int E|\sigma^{-1}(b - f)|^2$, which is at the same
    time the bound on the error. Nothing is simulated and nothing is discretised in space.

    Args:
        drift: $f(t, x)$, written with `jax.numpy`, or a `liouville.objectives.MeanField` of a
            function $f(t, x, \rho)$ that meets the population too.
        source: the density at time 0, before the map if there is one.
        sigma: the noise: a positive number, one for each coordinate, an invertible matrix, or a
            function of time and place that returns one of these.
        horizon: the last time, positive.
        map: a fixed map $T$ from the line onto the support, such as `liouville.maps.Exp((0.0,))`
            where noise vanishes at zero: the path is that of $T^{-1}(X)$, by Itô's formula, seen
            through $T$, and its source is the given mixture seen through $T$.
        parts: the number of Gaussian parts. A linear drift needs those of the source alone.
        steps: of training.
        seed: of training and measurement.
        knots: the number of knots of the curves of the parts.
        rate: the learning rate.
        times: at which the drift is compared at each step.
        particles: at each of these times.
        progress: show a progress bar; by default on a terminal and in a notebook.

    Raises:
        LiouvilleError: if the source is no mixture with shares and covariances, horizon or noise is
            not positive, or noise or drift have the wrong signature or shape, are not written for
            JAX, or are not finite where the population is; it names the point.
        TrainingError: if the mismatch is not finite at some step.

    Warns:
        UserWarning: if the bound says next to nothing.
    """
    check_mixture("the source", source)
    if map is not None:
        drift, sigma = pulled_back(map, drift, sigma)
    check_counts(parts=parts, steps=steps, knots=knots, times=times, particles=particles)
    check_counts(0, seed=seed)
    check_positive("training", rate=rate)
    noise = check_noise(source.sample(DRAWS)[0], drift, sigma, horizon)
    starts = free_paths(source, noise, float(horizon), drift, parts=parts, knots=knots)
    cost, interval = Effort(noise, drift), (0.0, float(horizon))
    running = partial(Running, interval, {"mismatch": cost}, crowding=_CROWDING, name="mismatch")

    def term(times: int, particles: int) -> Objective:
        return 1.0 * running(times=times, particles=particles)

    sizes = (times, max(particles, 4 * parts))
    options = {"steps": steps, "optimizer": rate, "seed": seed, "progress": progress}
    fitted = trained(starts, term, sizes, drift, horizon, **options)
    edges = grade_clock(source, noise, float(horizon), _CELLS)
    rates = _rates(fitted.path, cost, jnp.asarray(edges), jr.key(seed + 1))
    cells = np.asarray(rates, float) * np.diff(edges)
    totals = cells.sum(axis=1)
    bound = float(totals.mean())
    if not bound < _MOST_BOUND:
        warnings.warn(
            f"the law of this path and that of the diffusion may differ by {bound:.3g} nats, which "
            "says next to nothing: give more parts or steps, or, where the noise vanishes (sigma "
            "near zero at a bound), a map of the support, such as map=Exp((0.0,))",
            stacklevel=2,
        )
    return FokkerPlanck(
        fitted.path if map is None else Pushforward(fitted.path, map),
        bound,
        float(totals.std(ddof=1) / np.sqrt(len(totals))),
        edges,
        np.append(0.0, np.cumsum(cells.mean(axis=0))),
        fitted.history,
    )


def trained(
    starts: list[Rescaled],
    objective: Callable[[int, int], Objective],
    sizes: tuple[int, int],
    drift: Drift,
    horizon: float,
    **options: Any,
) -> Fit:
    """Trains the best start, after a look at the drift wherever it goes.

    An objective is of so many times and particles at each, in training of `sizes`.
    """
    rough = objective(32, 256)

    @eqx.filter_jit
    def judge(path):
        return rough(path, key=jr.key(0))[0]

    @eqx.filter_jit
    def cloud(path, t):
        return path.at(t).particles(256, key=jr.key(1))

    start = best_of(starts, judge)
    for t in jnp.linspace(0.0, horizon, 5):
        points, weights = cloud(start, t)
        field = drift_within(drift, start.at(t), points, weights, key=jr.key(2))
        check_values("the drift", field, points, points.shape[1:], float(t))
    return fit(start, objective(*sizes), **options)


@eqx.filter_jit
def _rates(
    path: AbstractPath, cost: Effort, edges: Float[Array, " edges"], key: RandomKey
) -> Float[Array, "repeats cells"]:
    """The mismatch at one random time of every cell, in independent repeats."""
    begin, widths = edges[:-1], jnp.diff(edges)

    def cell(start, width, key):
        keys = jr.split(key, 3)
        dtype = jnp.zeros(()).dtype
        t = (start + width * jr.uniform(keys[0])).astype(dtype)
        marginal = path.at(t)
        points, weights = marginal.particles(_PARTICLES, key=keys[1])
        return cost(t, marginal, points, weights, key=keys[2])

    def once(key):
        return jax.vmap(cell)(begin, widths, jr.split(key, begin.shape[0]))

    return jax.lax.map(once, jr.split(key, _REPEATS))
