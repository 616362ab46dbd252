"""The space-time epidemic-type law, and that of greatest likelihood."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.optimize import minimize

from liouville.data import Events
from liouville.numerics.parameters import Fixed, split
from liouville.numerics.types import as_float
from liouville.objectives import AbstractEventTerm, WithBackground, compensate
from liouville.processes import (
    AbstractProductivity,
    ByKind,
    ByMagnitude,
    ConstantRate,
    Excerpts,
    FinitePowerLaw,
    Hawkes,
    InheritedKinds,
    Unmarked,
    log_power_law,
)

_SHARE_TRIGGERED = 0.5
_DISTANCE, _EXCESS, _OFFSET = 0.02, 0.6, 0.02  # where the search begins; the last in mean gaps
_MOST_EXCESS, _LEAST_FADING = 3.0, -0.5
# By what exponent the largest mark has more children where the search begins, at most; of an
# exponential law, whose largest of a million is 14 means, it is less.
_MOST_GROWTH = 7.0
# As if so many more events of each kind had the mean number of children.
_MORE_PARENTS = 10.0


class Etas(eqx.Module):
    r"""The space-time epidemic-type law.

    $$\lambda(t, x \mid H) = \mu f(x) + \sum_{t_i < t} \kappa(m_i)\, g(t - t_i)\, q(x - x_i; m_i),
      \qquad q(y; m) \propto \bigl(|y|^2 + D^2 e^{2\gamma m}\bigr)^{-(\rho + \dim/2)},$$

    with one law of Omori and Utsu $g$ and one power law $q$, normalised on the plane: time and
    space share their parameters. Source: Ogata (1998), Space-time point-process models for
    earthquake occurrences; the width that grows with the magnitude is that of Zhuang, Ogata and
    Vere-Jones (2005). Of events that have kinds, $\mu$ is multiplied by the share $b_k$ of the
    event's kind, and $\kappa$ by that of the children of its parent's kind, $B_{jk}$: a
    multivariate law. Of events in time alone, $f = q = 1$.
    """

    times: Hawkes  # mu, kappa and g
    log_distance: Float[Array, ""]  # log D
    log_excess: Float[Array, ""]  # log rho
    growth: Float[Array, ""] | None  # gamma
    kinds: Fixed[InheritedKinds] | None = None  # b and B, by expectation maximisation

    def log_displacement(self, y: Float[Array, " dim"], mark: Float[Array, ""]) -> Array:
        r"""$\log q$."""
        log_distance, dim = self.log_distance, y.shape[0]
        if self.growth is not None:
            log_distance = log_distance + self.growth * mark
        square = jnp.sum(y**2) * jnp.exp(-2.0 * log_distance)
        return log_power_law(square, jnp.exp(self.log_excess), dim) - dim * log_distance

    def log_parts(self, item: WithBackground) -> tuple[Array, Array]:
        r"""The logarithms of $\mu f(x)$ and of the sum over past events, at the targets."""
        parents, (_, _, marks) = self.log_parents(item), item.excerpts.predicted
        if self.kinds is not None:
            law, own = self.kinds.value, item.excerpts.history
            parents = parents + jax.vmap(lambda mark: law.log_parts(own, mark))(marks)
        return parents[:, 0], jax.nn.logsumexp(parents[:, 1:], axis=1)

    def log_parents(self, item: WithBackground) -> Float[Array, "targets parents"]:
        r"""The logarithms of $\mu f(x)$ and of each term of the sum, whatever the kinds."""
        excerpt = item.excerpts
        own, hazard = excerpt.history, self.times.after(excerpt.history)

        def one(t: Array, x: Array, log_background: Array) -> Array:
            displaced = jax.vmap(self.log_displacement)(x - own.places, own.marks)
            return hazard.log_parents(t) + jnp.concatenate([log_background[None], displaced])

        times, places, _ = excerpt.predicted
        assert item.log_background is not None
        found = jax.vmap(one)(times, places, item.log_background)
        return found if excerpt.pieces is None else found + excerpt.pieces.log_share[:, None]


class EtasLikelihood(AbstractEventTerm):
    """Nats per event of an `Etas`, time and space together; see `AbstractEventTerm`."""

    excerpts: Excerpts
    log_background: Float[Array, "excerpts targets"]
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="etas")

    @property
    def items(self) -> WithBackground:
        """The excerpts with the density of the background."""
        return WithBackground(self.excerpts, self.log_background)

    def each(self, process: Etas, item: WithBackground) -> Float[Array, " targets"]:
        """The logarithms of the intensity at the targets less the integrals between them."""
        values = jnp.where(item.excerpts.is_event, jnp.logaddexp(*process.log_parts(item)), 0.0)
        return compensate(values, process.times.after(item.excerpts.history), item.excerpts)


def start_of(events: Events, marks: np.ndarray) -> Etas:
    """The law where the search begins."""
    gap = events.mean_gap
    longest = float(events.windows[:, 1].max() - events.times.min())
    productivity = initial_productivity(events, marks)
    kernel = FinitePowerLaw.of(_OFFSET * gap, 1.2, longest)
    times = Hawkes(ConstantRate.of((1.0 - _SHARE_TRIGGERED) / gap), productivity, kernel)
    growth = as_float(0.0) if isinstance(productivity, ByMagnitude) else None
    kinds = None
    if len(events.kinds) > 1:
        shares = np.bincount(marks.astype(int), minlength=len(events.kinds)) + 1.0
        kinds = Fixed(InheritedKinds.of(shares, np.tile(shares, (len(shares), 1))))
    return Etas(times, as_float(np.log(_DISTANCE)), as_float(np.log(_EXCESS)), growth, kinds)


def initial_productivity(events: Events, marks: np.ndarray) -> AbstractProductivity:
    """Half an event for each on average: more for great ones, the same for all kinds."""
    if events.kinds:
        return ByKind.of([_SHARE_TRIGGERED] * len(events.kinds))
    if events.marks is None:
        return Unmarked.of(_SHARE_TRIGGERED)
    slope = min(
        0.5 / max(float(np.mean(marks)), 1e-3), _MOST_GROWTH / max(float(marks.max()), 1e-3)
    )
    return ByMagnitude.of(_SHARE_TRIGGERED / float(np.exp(slope * marks).mean()), slope, 0.0)


def maximised(law: Etas, known: WithBackground, iterations: int) -> Etas:
    """The law of greatest likelihood, by steps of L-BFGS on all excerpts."""
    term = _likelihood(known)
    learned, rest = split(law)
    start, unravel = ravel_pytree(learned)

    def asked(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _value_and_slope(unravel(jnp.asarray(numbers, start.dtype)), rest, term)
        return float(value), np.asarray(ravel_pytree(slope)[0], np.float64)

    options = {"maxiter": iterations, "gtol": 1e-4}
    first = np.asarray(start, np.float64)
    found = minimize(asked, first, jac=True, method="L-BFGS-B", options=options)
    return eqx.combine(unravel(jnp.asarray(found.x, start.dtype)), rest)


def log_likelihood(law: Etas, known: WithBackground) -> float:
    """Of all events of the excerpts, times and places together."""
    term = _likelihood(known)
    return -term.excerpts.number * float(eqx.filter_jit(term)(law, key=jax.random.key(0)))


def _likelihood(known: WithBackground) -> EtasLikelihood:
    number = int(np.asarray(known.excerpts.is_event).sum())
    excerpts = dataclasses.replace(known.excerpts, number=number)
    assert known.log_background is not None
    return EtasLikelihood(excerpts=excerpts, log_background=known.log_background)


@eqx.filter_jit
@eqx.filter_value_and_grad
def _value_and_slope(learned: Any, rest: Any, term: EtasLikelihood) -> Array:
    law = eqx.combine(learned, rest)
    # A tail so light that it says nothing would go on to be lighter for ever.
    excess = jnp.maximum(law.log_excess - np.log(_MOST_EXCESS), 0.0)
    value, own = term(law, key=jax.random.key(0)) + excess**2, law.times.productivity
    if isinstance(law.times.kernel, FinitePowerLaw):
        # What hardly fades is a background, which has a place of its own.
        value += jnp.minimum(law.times.kernel.excess - _LEAST_FADING, 0.0) ** 2
    if isinstance(own, ByKind):
        value += evenness(law, term.excerpts.number) * own.unevenness
    return value


def evenness(law: Etas, events: int) -> Array:
    """How much the numbers of children by kind are drawn to their mean, per event; else zero."""
    own = law.times.productivity
    mean = jnp.mean(jnp.exp(own.log_levels)) if isinstance(own, ByKind) else jnp.zeros(())
    return jax.lax.stop_gradient(_MORE_PARENTS * mean / events)


@eqx.filter_jit
def chances_by_kind(law: Etas, known: WithBackground) -> Array:
    """The chances of each target to have no parent and one of each kind, whatever its own."""
    assert law.kinds is not None
    kinds = law.kinds.value

    def one(item: WithBackground) -> Array:
        own = item.excerpts.history
        return jax.vmap(lambda parents: kinds.by_kind(own, parents))(law.log_parents(item))

    return jax.lax.map(one, known)


@eqx.filter_jit
def chances(law: Etas, known: WithBackground) -> Array:
    """The chance that each target is background, shape `(excerpts, targets)`."""

    def one(item: WithBackground) -> Array:
        background, triggered = law.log_parts(item)
        return jax.nn.sigmoid(background - triggered)

    return jax.lax.map(one, known)
