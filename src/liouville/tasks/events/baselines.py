"""The plain models whose figures stand beside those of a fit."""

from typing import Any

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
from liouville.objectives import TimeLikelihood
from liouville.objectives._events import AbstractEventTerm, compensated
from liouville.paths import Normal
from liouville.processes import Excerpts, Hawkes, HistoryFree, PointProcess
from liouville.tasks.events._initial import FLOOR, initial_intensity, parts_for, static_density
from liouville.tasks.events.config import EventsConfig, TimesConfig
from liouville.tasks.events.measure import standard_shift
from liouville.tasks.events.parts import Parts
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

    Attributes:
        times: $\mu$, $\kappa$ and $g$.
        background: $f$, not learned.
        log_distance: $\log D$, shape `()`.
        log_excess: $\log(\nu - 1)$, shape `()`.
    """

    times: Hawkes
    background: Fixed
    log_distance: Float[Array, ""]
    log_excess: Float[Array, ""]

    def log_displacement(self, y: Float[Array, " dim"]) -> Float[Array, ""]:
        r"""$\log q$, in any dimension $d$ normalised with exponent $\nu - 1 + d/2$."""
        half, excess = 0.5 * y.shape[0], jnp.exp(self.log_excess)
        volume = jax.lax.lgamma(excess) - jax.lax.lgamma(excess + half) + half * jnp.log(jnp.pi)
        square = jnp.sum(y**2) * jnp.exp(-2.0 * self.log_distance)
        return -volume - y.shape[0] * self.log_distance - (excess + half) * jnp.log1p(square)


class EtasLikelihood(AbstractEventTerm):
    """Nats per event of an `Etas`, time and space together.

    Attributes:
        excerpts: the events.
        batch_size: excerpts drawn a call; `None` uses all of them.
        name: under which the term is logged.
    """

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
        return compensated(values, hazard, excerpt)


def baselines(
    parts: Parts, settings: EventsConfig, units: EventUnits
) -> list[dict[str, float | str]]:
    """Nats per event of plain models, in time and in space (standardised units).

    All are fitted to the training events; those with a width or a rate to choose end where the
    validation events like it best.
    """
    kept = {"validation": parts.validation, "test": parts.test}
    kept = {name: e for name, e in kept.items() if e is not None and e.counts.sum()}
    if not kept:
        return []
    mixture, kernels = _mixture(parts, units, settings), _kernels(parts, units)
    rows: list[dict[str, float | str]] = []
    rows.append(_row("homogeneous Poisson", _poisson(parts.training, kept), "time"))
    rows.append(_row("Hawkes, one exponential", _hawkes(parts, kept, units, settings), "time"))
    for name, density in (("static mixture", mixture.log_density), ("kernel density", kernels)):
        rows.append(_row(name, _static(density, kept, units, parts), "space"))
    etas = _fitted_etas(parts, kept, units, settings, mixture)
    rows.append(_row("space-time ETAS", etas["time"], "time"))
    rows[-1] |= _row("space-time ETAS", etas["space"], "space")
    return rows


def _row(model: str, values: dict[str, float], where: str) -> dict[str, float | str]:
    suffix = "" if where == "time" else ", standardised"
    figures = {f"{name} nats in {where}{suffix}": round(v, 4) for name, v in values.items()}
    return {"model": model, **figures}


def _poisson(training: Events, kept: dict[str, Events]) -> dict[str, float]:
    rate = training.counts.sum() / training.durations.sum()
    return {
        name: float(rate * e.durations.sum() / e.counts.sum() - np.log(rate))
        for name, e in kept.items()
    }


def _hawkes(
    parts: Parts, kept: dict[str, Events], units: EventUnits, settings: EventsConfig
) -> dict[str, float]:
    intensity = initial_intensity(TimesConfig(exponentials=1, powers=0), parts.training, units)
    process = fit(
        PointProcess(intensity, HistoryFree(Normal(parts.training.dim))),
        TimeLikelihood(
            excerpts=_excerpts(parts.training, units, settings),
            batch_size=settings.objective.batch_size,
        ),
        steps=_STEPS,
        optimizer=0.03,
        progress=False,
    ).path
    value = eqx.filter_jit(lambda process, term: term(process, key=jax.random.key(0)))
    terms = {n: TimeLikelihood(excerpts=_excerpts(e, units, settings)) for n, e in kept.items()}
    return {name: float(value(process, term)) for name, term in terms.items()}


def _excerpts(events: Events, units: EventUnits, settings: EventsConfig) -> Excerpts:
    return units.excerpts(events, settings.objective.reach, settings.objective.targets)


def _mixture(parts: Parts, units: EventUnits, settings: EventsConfig) -> GaussianMixture:
    places = _seen(parts.training, units)
    chosen = np.random.default_rng(0).permutation(len(places))[:_MOST_KERNELS]
    # As many whatever the model has, so that the row is the same beside any.
    number = parts_for(places, _MOST_PARTS)
    return fit_mixture(
        places[chosen], number, seed=settings.training.seed, iterations=50, floor=FLOOR
    )


def _kernels(parts: Parts, units: EventUnits) -> Any:
    """A Gaussian kernel estimate; its width is the best for validation, or for held-out rows."""
    own = np.unique(_seen(parts.training, units), axis=0)
    own = own[np.random.default_rng(0).permutation(len(own))[:_MOST_KERNELS]]
    if parts.validation is not None:
        judge, base = _seen(parts.validation, units), own
    else:
        judge, base = own[: len(own) // 10], own[len(own) // 10 :]
    widths = np.geomspace(0.01, 0.5, 12)
    judge = judge[:2000]
    values = [_kernel_density(base, judge, width).mean() for width in widths]
    best = float(widths[int(np.argmax(values))])
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


def _seen(events: Events, units: EventUnits) -> np.ndarray:
    return units.to_model(events.places[~events.is_history])


def _static(
    density: Any, kept: dict[str, Events], units: EventUnits, parts: Parts
) -> dict[str, float]:
    shift = standard_shift(parts)
    found = {}
    for name, events in kept.items():
        places = events.places[~events.is_history]
        nats = -(density(units.to_model(places)) + units.log_volume(places))
        found[name] = float(nats.mean()) - shift
    return found


def _fitted_etas(
    parts: Parts,
    kept: dict[str, Events],
    units: EventUnits,
    settings: EventsConfig,
    mixture: GaussianMixture,
) -> dict[str, dict[str, float]]:
    times = initial_intensity(TimesConfig(exponentials=0, powers=1), parts.training, units)
    assert isinstance(times, Hawkes)
    dtype = jnp.zeros(()).dtype
    law = fit(
        Etas(
            times,
            Fixed(static_density(mixture)),
            jnp.asarray(np.log(0.03), dtype),
            jnp.asarray(0.0, dtype),
        ),
        EtasLikelihood(
            excerpts=_excerpts(parts.training, units, settings),
            batch_size=settings.objective.batch_size,
        ),
        steps=_STEPS,
        optimizer=0.03,
        progress=False,
    ).path
    value = eqx.filter_jit(lambda law, term: term(law, key=jax.random.key(0)))
    shift, time, space = standard_shift(parts), {}, {}
    for name, events in kept.items():
        process = PointProcess(law.times, HistoryFree(Normal(parts.training.dim)))
        excerpts = _excerpts(events, units, settings)
        time[name] = float(value(process, TimeLikelihood(excerpts=excerpts)))
        both = float(value(law, EtasLikelihood(excerpts=excerpts)))
        places = events.places[~events.is_history]
        space[name] = both - time[name] - float(units.log_volume(places).mean()) - shift
    return {"time": time, "space": space}
