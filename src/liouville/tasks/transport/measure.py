"""How good a transport path is: its energy, the least there can be, and where samples arrive."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.spatial.distance import cdist

from liouville.model import Model
from liouville.numerics.compiled import quickly
from liouville.numerics.couplings import mean_distance, sinkhorn, wasserstein
from liouville.numerics.distances import Estimate
from liouville.numerics.mixtures import GaussianMixture
from liouville.objectives import AbstractTerm, ContextLikelihood, JacobianAsymmetry, StateCost
from liouville.paths import AbstractPath, Joined
from liouville.problems import GaussianBridge, bures
from liouville.tasks.task import Start
from liouville.tasks.transport._growth import growth_figures
from liouville.tasks.transport._images import Density, mixture_at
from liouville.tasks.transport.answers import arrived
from liouville.tasks.transport.config import TransportConfig
from liouville.tasks.transport.ends import Contexts, End
from liouville.tasks.transport.judge import along, clouds_of, judge_ends, name_of_end
from liouville.tasks.transport.problem import Given, energy_term, problem_of

_REPLICATES = 16
# Classes of which figures are shown.
_MOST_SHOWN = 6


def estimate(term: AbstractTerm, path: AbstractPath, *, seed: int = 0) -> Estimate:
    """A term from independent random numbers: mean and standard error of 16 replicates."""
    values = np.asarray(_replicates(term, path, jr.split(jr.key(seed), _REPLICATES)), float)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(_REPLICATES)))


@quickly
def _replicates(term: AbstractTerm, path: AbstractPath, keys: jax.Array) -> jax.Array:
    return jax.lax.map(lambda key: term(path, key=key), keys)


class Bounds(NamedTuple):
    r"""What the energy between two ends is compared with.

    `gaussian` is without noise half the squared distance of the Gaussians with the ends' moments,
    which is never more than the least energy (Gelbrich, Math. Nachr. 1990); `None` with noise, or
    if an end is seen through maps. If both ends are Gaussian, it is the least energy itself.
    `discrete` is the least energy from the discrete problem between draws of the ends, its bias
    taken away; the error is that of the repeats.
    """

    gaussian: float | None
    discrete: Estimate
    is_exact: bool  # whether `gaussian` is the least energy

    @property
    def least(self) -> float:
        """The best estimate of the least energy there is.

        A heavy tail or an outlier hides from draws, but not from the moments of the mixture.
        """
        if self.gaussian is None:
            return self.discrete.value
        return self.gaussian if self.is_exact else max(self.gaussian, self.discrete.value)


def bounds(
    source: Density, target: Density, sigma: float, *, points: int, repeats: int, seed: int = 0
) -> Bounds:
    r"""Bounds of the least energy $\int_0^1 \tfrac12 E|b|^2\,dt$ between two mixtures.

    Without noise the discrete problem is $\tfrac12 W_2^2$ between points that are spread over the
    ends. It is too large by the distance of the points from what they stand for, of which half the
    squared distance between two independent clouds of one end is an estimate, for each end. With
    noise it is, with the cost $\tfrac12|x-y|^2$ and $\varepsilon = \sigma^2$,

    $$\min_\pi \sum \pi c + \varepsilon\,\mathrm{KL}(\pi | \rho_0 \otimes \rho_1)
      + \varepsilon E_{\rho_1} \log\rho_1 + \tfrac{d}{2} \varepsilon \log 2\pi\varepsilon,$$

    whose bias is extrapolated from problems of half the size, as if it fell like one over it.
    """
    plain = isinstance(source, GaussianMixture) and isinstance(target, GaussianMixture)
    is_exact = plain and len(source.weights) == len(target.weights) == 1
    # The moments of a density seen through maps are not known in closed form.
    ends = (source, target) if plain else ()
    moments: list[Any] = [m for end in ends for m in (end.mean, end.covariance)]
    seeds = range(seed, seed + 10 * repeats, 10)
    if sigma > 0:
        gaussian = GaussianBridge(*moments, sigma=sigma).energy() if is_exact else None
        values = [_with_noise(source, target, sigma, points, own) for own in seeds]
    else:
        gaussian = 0.5 * bures(*moments) if plain else None
        values = [_without_noise(source, target, points, own) for own in seeds]
    error = float(np.std(values, ddof=1) / np.sqrt(repeats)) if repeats > 1 else float("nan")
    return Bounds(gaussian, Estimate(float(np.mean(values)), error), is_exact)


def _without_noise(source: Density, target: Density, points: int, seed: int) -> float:
    x, y, x2, y2 = (
        end.spread(points, seed=seed + i) for i, end in enumerate((source, target, source, target))
    )
    excess = 0.5 * (wasserstein(x, x2) ** 2 + wasserstein(y, y2) ** 2)
    return 0.5 * (wasserstein(x, y) ** 2 - excess)


def _with_noise(source: Density, target: Density, sigma: float, points: int, seed: int) -> float:
    epsilon = sigma**2

    def solved(n: int, seed: int) -> float:
        x, y = source.spread(n, seed=seed), target.spread(n, seed=seed + 1)
        return sinkhorn(0.5 * cdist(x, y, "sqeuclidean"), epsilon, tolerance=1e-4).dual

    halves = 0.5 * (solved(points // 2, seed) + solved(points // 2, seed + 4))
    value = 2.0 * solved(points, seed) - halves
    log_density = target.log_density(target.spread(20_000, seed=seed)).mean()
    constant = log_density + 0.5 * target.dim * np.log(2.0 * np.pi * epsilon)
    return float(value + epsilon * constant)


def measure(model: Model, start: Start, given: Given) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures of a fit, with the seed that all fits of it share."""
    config: TransportConfig = start.config
    return certify(model, given, config, seed=config.training.seed + 1000), {}


def evaluate(model: Model, given: Given, config: TransportConfig) -> dict[str, Any]:
    """The figures of a run again, with other random numbers."""
    return certify(model, given, config, seed=config.training.seed + 2000)


def certify(
    model: Model, given: Given, settings: TransportConfig, *, seed: int = 1000
) -> dict[str, Any]:
    """The figures of a fitted path: energy, the least there can be, arrival, asymmetry."""
    assert isinstance(model.path, Joined)
    if given.ends[0].contexts is not None:
        return _in_contexts(model, given, settings, seed)
    problem = problem_of(given, model.units, settings)
    figures: dict[str, Any] = {}
    clock = np.asarray(settings.data.times)
    for number, (source, target, times) in enumerate(problem.pieces):
        piece = model.path.pieces[number]
        prefix = "" if len(problem.pieces) == 1 else f"{clock[number]:g} to {clock[number + 1]:g}: "
        energy = estimate(energy_term(problem, times, 64, 512), piece, seed=seed)
        scale, length = problem.energy_scale, times[1] - times[0]
        found: dict[str, Any] = {
            "energy": energy.value * scale,
            "energy, standard error": energy.error * scale,
        }
        if problem.masses:
            found |= growth_figures(problem, number, piece, energy, settings.certificate, seed)
        elif problem.cost is not None:
            term = StateCost(interval=times, cost=problem.cost, times=64, particles=512)
            found["cost"] = estimate(term, piece, seed=seed).value * scale
        elif problem.reference is None:
            least = bounds(
                source,
                target,
                problem.sigma * np.sqrt(length),
                points=settings.certificate.points,
                repeats=settings.certificate.repeats,
                seed=seed,
            )
            found |= _compare(energy, least, length, scale)
            if problem.sigma == 0:
                user_length = length * model.units.time_scale
                found["W2"] = float(np.sqrt(2.0 * energy.value * scale * user_length))
        asymmetry = estimate(
            JacobianAsymmetry(interval=times, times=16, particles=64), piece, seed=seed
        )
        found["Jacobian asymmetry"] = asymmetry.value / model.units.time_scale
        found |= _arrivals(
            model, given.ends, number, settings.certificate.points, seed, problem.masses
        )
        figures |= {prefix + name: value for name, value in _round(found).items()}
    return figures | _round(judge_ends(given.ends, along(model, seed), seed=seed))


def _in_contexts(
    model: Model, given: Given, settings: TransportConfig, seed: int
) -> dict[str, Any]:
    """The figures of some contexts, each alone, and what is gained by knowing them."""
    path = model.path
    assert isinstance(path, Joined)
    contexts = given.ends[0].contexts
    assert contexts is not None
    figures: dict[str, Any] = {}
    for name, asked in _shown(contexts):
        number = contexts.names.index(asked) if contexts.has_classes else None
        one = model.given(asked)
        assert isinstance(one.path, Joined)
        spans = zip(one.path.pieces, zip(one.path.times, one.path.times[1:]))
        met = [mixture_at(piece, t) for piece, span in spans for t in span]  # pyright: ignore[reportArgumentType]
        met = [met[0], *met[1::2]]  # what one piece arrives at the next one leaves
        units = model.units
        ends = [
            end.given(mixture.rescaled(units.center, units.scale), number)
            for end, mixture in zip(given.ends, met)
        ]
        found = certify(one, given._replace(ends=ends), settings, seed=seed)
        figures |= {f"{name}: {key}": value for key, value in found.items()}
    for number, end in enumerate(given.ends):
        if end.test is None or end.contexts is None:
            continue
        piece, time = path.pieces[max(number - 1, 0)], path.times[number]
        dtype = jnp.zeros(()).dtype
        term = ContextLikelihood(
            time=jnp.asarray(time, dtype),
            points=jnp.asarray(model.units.to_model(end.test), dtype),
            contexts=jnp.asarray(end.contexts.test, dtype),
        )
        nats = float(term(piece, key=jr.key(0))) + float(np.log(model.units.scale).sum())
        name = name_of_end(number, len(given.ends))
        figures |= _round(
            {
                f"held-out nats of {name} given the context": nats,
                f"held-out nats of {name} without it": float(
                    -end.mixture.log_density(end.test).mean()
                ),
            }
        )
    return figures


def _shown(contexts: Contexts) -> list[tuple[str, Any]]:
    """Contexts of which figures are shown: classes, or the quantiles of numbers."""
    if contexts.has_classes:
        return [(name, name) for name in contexts.names[:_MOST_SHOWN]]
    return [
        (f"at {', '.join(f'{v:.3g}' for v in values)}", values)
        for values in np.quantile(contexts.rows, (0.2, 0.5, 0.8), axis=0)
    ]


def _compare(energy: Estimate, least: Bounds, length: float, scale: float) -> dict[str, Any]:
    # The bounds are for unit time; over another the energy is in inverse proportion to it.
    factor = scale / length
    found: dict[str, Any] = {}
    if least.gaussian is not None:
        name = "least energy (closed form)" if least.is_exact else "lower bound (moments)"
        found[name] = least.gaussian * factor
    if not least.is_exact:
        found["least energy (discrete problem)"] = least.discrete.value * factor
        # A single discrete problem says nothing about its error.
        if np.isfinite(least.discrete.error):
            found["least energy, standard error"] = least.discrete.error * factor
    if least.least > 0:
        # Between two equal ends nothing need move, and no share of nothing is left.
        found["gap"] = energy.value * length / least.least - 1.0
    return found


def _arrivals(
    model: Model,
    ends: Sequence[End],
    number: int,
    points: int,
    seed: int,
    masses: tuple[float, ...] = (),
) -> dict[str, Any]:
    """Where draws of one end arrive along the velocity and the diffusion, at the next one."""
    first, last = (float(t) for t in model.times[number : number + 2])
    clouds = clouds_of(*ends[number : number + 2])
    x, _ = ends[number].mixture.sample(points * clouds, seed=seed + 7)
    target, seeds = ends[number + 1].mixture, range(seed + 8, seed + 8 + 2 * clouds)
    drawn = [target.sample(points, seed=own)[0] for own in seeds]
    ones, others = drawn[::2], drawn[1::2]
    kinds = [False, True] if np.any(model.sigma) else [False]
    found: dict[str, Any] = {}
    for stochastic in kinds:
        moved, mass = arrived(model, x, first, last, draws=int(stochastic), seed=seed)
        w2 = mean_distance(np.split(moved, clouds), ones)
        name = "diffusion" if stochastic else "velocity"
        found[f"W2 of arrival ({name})"] = w2.value
        found[f"W2 of arrival ({name}), standard error"] = w2.error
        if masses:
            found["mass of arrival"] = mass
    found["W2 of two draws of the end"] = mean_distance(others, ones).value
    return found


def _round(values: dict[str, Any]) -> dict[str, Any]:
    """Floats to six significant digits, for a summary."""
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()}
