"""The plain models whose figures stand beside those of a fit."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial import KDTree
from scipy.special import logsumexp

from liouville.data import Events
from liouville.numerics.mixtures import GaussianMixture, fit_mixture
from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.types import as_float
from liouville.objectives import AbstractEventTerm, TimeLikelihood, compensate
from liouville.paths import Normal
from liouville.processes import AbstractIntensity, Excerpts, Hawkes, HistoryFree, PointProcess
from liouville.tasks.events._initial import FLOOR, initial_intensity, parts_for, static_density
from liouville.tasks.events.config import EventsConfig, TimesConfig
from liouville.tasks.events.measure import standard_shift
from liouville.tasks.events.split import Split
from liouville.tasks.events.units import EventUnits
from liouville.training import fit

_STEPS = 400
_MOST_KERNELS = 20_000
_MOST_PARTS = 100
_BLOCK = 500


class Etas(eqx.Module):
    r"""The plain space-time epidemic-type model.

    $$\lambda(t, x \mid H) = \mu f(x) + \sum_{t_i < t} \kappa(m_i)\, g(t - t_i)\, q(x - x_i), \qquad
      q(y) = \frac{\nu - 1}{\pi D^2} \Bigl(1 + \frac{|y|^2}{D^2}\Bigr)^{-\nu},$$

    with one law of Omori and Utsu $g$ and one power law $q$ in the plane: time and space share
    their parameters. Source: Ogata (1998), Space-time point-process models for earthquake
    occurrences.
    """

    times: Hawkes  # mu, kappa and g
    background: Fixed  # f
    log_distance: Float[Array, ""]  # log D
    log_excess: Float[Array, ""]  # log(nu - 1)

    def log_displacement(self, y: Float[Array, " dim"]) -> Float[Array, ""]:
        r"""$\log q$, in any dimension $d$ normalised with exponent $\nu - 1 + d/2$."""
        half, excess = 0.5 * y.shape[0], jnp.exp(self.log_excess)
        volume = jax.lax.lgamma(excess) - jax.lax.lgamma(excess + half) + half * jnp.log(jnp.pi)
        square = jnp.sum(y**2) * jnp.exp(-2.0 * self.log_distance)
        return -volume - y.shape[0] * self.log_distance - (excess + half) * jnp.log1p(square)


class EtasLikelihood(AbstractEventTerm):
    """Nats per event of an `Etas`, time and space together; see `AbstractEventTerm`."""

    excerpts: Excerpts
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="etas")

    def each(self, process: Etas, excerpt: Excerpts) -> Float[Array, " targets"]:
        """The logarithms of the intensity at the targets less the integrals between them."""
        own, hazard = excerpt.history, process.times.after(excerpt.history)
        background = value_of(process.background).at(jnp.zeros(()))

        def one(t: Array, x: Array) -> Array:
            displaced = jax.vmap(process.log_displacement)(x - own.places)
            triggered = jnp.where(own.before(t), hazard.log_triggered(t) + displaced, -1e30)
            rate = process.times.background.log_rate(t, own.origin)
            return jnp.logaddexp(rate + background.log_density(x), jax.nn.logsumexp(triggered))

        times, places, _ = excerpt.predicted
        values = jnp.where(excerpt.is_event, jax.vmap(one)(times, places), 0.0)
        return compensate(values, hazard, excerpt)


class _Plain(NamedTuple):
    """What every plain model is fitted to and judged on, in the units of the model beside."""

    parts: Split
    kept: dict[str, Events]
    units: EventUnits
    settings: EventsConfig

    def term(self, kind: type[AbstractEventTerm], events: Events, **options: Any) -> Any:
        own = self.settings.objective
        return kind(excerpts=self.units.excerpts(events, own.reach, own.targets), **options)

    def fitted(self, start: Any, kind: type[AbstractEventTerm]) -> Any:
        size = self.settings.objective.batch_size
        term = self.term(kind, self.parts.training, batch_size=size)
        fitted = fit(start, term, steps=_STEPS, optimizer=0.03, progress=False)
        if fitted.reason == "interrupted":
            raise KeyboardInterrupt
        return fitted.path

    def nats(self, model: Any, kind: type[AbstractEventTerm]) -> dict[str, float]:
        value = eqx.filter_jit(lambda model, term: term(model, key=jax.random.key(0)))
        return {name: float(value(model, self.term(kind, e))) for name, e in self.kept.items()}

    def in_time(self, intensity: AbstractIntensity) -> PointProcess:
        """A process whose places do not matter."""
        return PointProcess(intensity, HistoryFree(Normal(self.parts.training.dim)))

    def seen(self, events: Events) -> np.ndarray:
        return self.units.to_model(events.places[~events.is_history])

    def log_volume(self, events: Events) -> np.ndarray:
        """What log-densities of the places seen lack to be standardised, but for a constant."""
        return self.units.log_volume(events.places[~events.is_history])


def baselines(
    parts: Split, settings: EventsConfig, units: EventUnits
) -> list[dict[str, float | str]]:
    """Nats per event of plain models, in time and in space (standardised units).

    All are fitted to the training events; those with a width or a rate to choose end where the
    validation events like it best.
    """
    kept = {"validation": parts.validation, "test": parts.test}
    kept = {name: e for name, e in kept.items() if e is not None and e.counts.sum()}
    if not kept:
        return []
    plain = _Plain(parts, kept, units, settings)
    mixture = _mixture(plain)
    time, space = _etas(plain, mixture)
    options = TimesConfig(exponentials=1, powers=0)
    start = plain.in_time(initial_intensity(options, parts.training, units))
    hawkes = plain.nats(plain.fitted(start, TimeLikelihood), TimeLikelihood)
    return [
        {"model": "homogeneous Poisson", **_figures(_poisson(plain), "time")},
        {"model": "Hawkes, one exponential", **_figures(hawkes, "time")},
        {"model": "static mixture", **_figures(_static(plain, mixture.log_density), "space")},
        {"model": "kernel density", **_figures(_static(plain, _kernels(plain)), "space")},
        {"model": "space-time ETAS", **_figures(time, "time"), **_figures(space, "space")},
    ]


def _figures(values: dict[str, float], where: str) -> dict[str, float]:
    suffix = "" if where == "time" else ", standardised"
    return {f"{name} nats in {where}{suffix}": round(v, 4) for name, v in values.items()}


def _poisson(plain: _Plain) -> dict[str, float]:
    training = plain.parts.training
    rate = training.counts.sum() / training.durations.sum()
    return {
        name: float(rate * e.durations.sum() / e.counts.sum() - np.log(rate))
        for name, e in plain.kept.items()
    }


def _etas(plain: _Plain, mixture: GaussianMixture) -> tuple[dict[str, float], dict[str, float]]:
    options = TimesConfig(exponentials=0, powers=1)
    times = initial_intensity(options, plain.parts.training, plain.units)
    assert isinstance(times, Hawkes)
    start = (times, Fixed(static_density(mixture)), as_float(np.log(0.03)), as_float(0.0))
    law = plain.fitted(Etas(*start), EtasLikelihood)
    time = plain.nats(plain.in_time(law.times), TimeLikelihood)
    shift = standard_shift(plain.parts)
    space = {
        name: both - time[name] - float(plain.log_volume(plain.kept[name]).mean()) - shift
        for name, both in plain.nats(law, EtasLikelihood).items()
    }
    return time, space


def _mixture(plain: _Plain) -> GaussianMixture:
    places = plain.seen(plain.parts.training)
    chosen = np.random.default_rng(0).permutation(len(places))[:_MOST_KERNELS]
    # As many whatever the model has, so that the row is the same beside any.
    number, seed = parts_for(places, _MOST_PARTS), plain.settings.training.seed
    return fit_mixture(places[chosen], number, seed=seed, iterations=50, floor=FLOOR)


def _kernels(plain: _Plain) -> Callable[[np.ndarray], np.ndarray]:
    """A Gaussian kernel estimate; its width is the best for validation, or for held-out rows."""
    own = np.unique(plain.seen(plain.parts.training), axis=0)
    own = own[np.random.default_rng(0).permutation(len(own))[:_MOST_KERNELS]]
    if plain.parts.validation is not None:
        judge, base = plain.seen(plain.parts.validation), own
    else:
        judge, base = own[: len(own) // 10], own[len(own) // 10 :]
    widths = np.geomspace(0.01, 0.5, 12).tolist()
    best = max(widths, key=lambda width: _kernel_density(base, judge[:2000], width).mean())
    return lambda x: _kernel_density(own, x, best)


def _kernel_density(centers: np.ndarray, x: np.ndarray, width: float) -> np.ndarray:
    """Log-densities; kernels farther than eight widths are left out where there are nearer ones."""
    dim, tree = centers.shape[1], KDTree(centers)
    constant = np.log(len(centers)) + dim * np.log(width) + 0.5 * dim * np.log(2.0 * np.pi)
    found = np.empty(len(x))
    for begin in range(0, len(x), _BLOCK):
        block = x[begin : begin + _BLOCK]
        near = tree.query_ball_point(block, 8.0 * width)
        for row, (point, rows) in enumerate(zip(block, near, strict=True)):
            own = centers[rows] if rows else centers
            square = ((own - point) ** 2).sum(1) / width**2
            found[begin + row] = logsumexp(-0.5 * square) - constant
    return found


def _static(plain: _Plain, log_density: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    shift = standard_shift(plain.parts)
    return {
        name: -float((log_density(plain.seen(e)) + plain.log_volume(e)).mean()) - shift
        for name, e in plain.kept.items()
    }
