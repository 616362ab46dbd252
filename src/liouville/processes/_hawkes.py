import abc
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from liouville.numerics.types import Scalar, as_float
from liouville.processes._base import NEVER, AbstractHazard, AbstractIntensity, integrals
from liouville.processes._excerpts import Excerpts
from liouville.processes._history import History
from liouville.processes._kernels import AbstractKernel
from liouville.processes._rates import AbstractRate


class AbstractProductivity(eqx.Module):
    r"""How many events an event triggers directly on average, given its mark: $\kappa(m)$."""

    @abc.abstractmethod
    def log_mean(self, mark: Scalar) -> Scalar:
        r"""$\log\kappa(m)$."""


class Unmarked(AbstractProductivity):
    r"""Every event triggers the same number on average, $\kappa = e^a$.

    Attributes:
        log_level: $a$, shape `()`, learned.
    """

    log_level: Float[Array, ""]

    @staticmethod
    def of(mean: float) -> "Unmarked":
        """So many triggered events on average."""
        return Unmarked(as_float(math.log(mean)))

    def log_mean(self, mark: Scalar) -> Scalar:
        r"""$a$, whatever the mark."""
        return self.log_level + jnp.zeros_like(mark)


class ByMagnitude(AbstractProductivity):
    r"""The number grows exponentially with the magnitude, $\kappa(m) = e^{a + b(m - m_0)}$.

    Attributes:
        log_level: $a$, shape `()`, learned.
        slope: $b$, shape `()`, learned.
        reference: $m_0$.
    """

    log_level: Float[Array, ""]
    slope: Float[Array, ""]
    reference: float = eqx.field(static=True)

    @staticmethod
    def of(mean: float, slope: float, reference: float) -> "ByMagnitude":
        """`mean` triggered events on average at the reference magnitude."""
        return ByMagnitude(as_float(math.log(mean)), as_float(slope), float(reference))

    def log_mean(self, mark: Scalar) -> Scalar:
        r"""$a + b (m - m_0)$."""
        return self.log_level + self.slope * (mark - self.reference)


class ByKind(AbstractProductivity):
    r"""Every kind of event has its number, $\kappa(k) = e^{a_k}$.

    Attributes:
        log_levels: $a$, shape `(kinds,)`, learned. Marks are numbers of kinds from zero.
    """

    log_levels: Float[Array, " kinds"]

    @staticmethod
    def of(means: Sequence[float]) -> "ByKind":
        """So many triggered events on average for each kind."""
        return ByKind(as_float(np.log(means)))

    @property
    def unevenness(self) -> Scalar:
        r"""$\sum_k (r_k - 1 - \log r_k)$ of the numbers over their mean; zero if all are equal.

        Times $c\bar\kappa$ it is, up to a constant, the negative logarithm of a gamma prior: as if
        $c$ more events of each kind had been seen, with the mean number of children.
        """
        count = len(self.log_levels)
        logs = self.log_levels - jax.nn.logsumexp(self.log_levels) + math.log(count)
        return jnp.sum(jnp.exp(logs) - 1.0 - logs)

    def log_mean(self, mark: Scalar) -> Scalar:
        r"""$a_k$ for the mark $k$."""
        return self.log_levels[jnp.clip(jnp.round(mark).astype(int), 0, len(self.log_levels) - 1)]


class Poisson(AbstractIntensity):
    """A rate of the clock alone: what happened makes no difference."""

    rate: AbstractRate

    def after(self, history: History) -> AbstractHazard:
        """The rate, seen from the origin of the history."""
        return PoissonHazard(self.rate, history.origin)


class PoissonHazard(AbstractHazard):
    """A rate of the clock on local time, whose `origin` is a time on the clock."""

    rate: AbstractRate
    origin: Float[Array, ""]

    def log_rate(self, t: Scalar) -> Scalar:
        """The log-rate at local time `t`."""
        return self.rate.log_rate(t, self.origin)

    def integral(self, start: Scalar, end: Scalar) -> Scalar:
        """The integral between local times."""
        return self.rate.integral(start, end, self.origin)

    def total(self, excerpt: Excerpts) -> Scalar:
        """The sum of the integrals."""
        return integrals(self, excerpt).sum()


class Hawkes(AbstractIntensity):
    r"""A self-exciting process: a background, and every event triggers others.

    $$\lambda(t \mid H) = \mu(t) + \sum_{t_i < t} \kappa(m_i)\, g(t - t_i)$$

    With a power law in time and productivity exponential in magnitude this is the temporal part of
    the epidemic-type aftershock sequence (Ogata, J. Am. Stat. Assoc. 83, 1988).

    Attributes:
        background: $\mu$, a rate of the clock.
        productivity: $\kappa$, how many events an event triggers on average.
        kernel: $g$, when it triggers them.
        heredity: $\eta$: an event of log-odds $o$ that it was triggered itself has $e^{\eta o}$
            times as many, shape `()`; `None` if that does not matter.
    """

    background: AbstractRate
    productivity: AbstractProductivity
    kernel: AbstractKernel
    heredity: Float[Array, ""] | None = None

    def after(self, history: History) -> "HawkesHazard":
        """The hazard given a history."""
        log_means = self.log_means(history.marks, history.log_odds)
        return HawkesHazard(self.background, self.kernel, history, log_means)

    def log_means(
        self, marks: Float[Array, " n"], log_odds: Float[Array, " n"] | None = None
    ) -> Float[Array, " n"]:
        r"""$\log\kappa(m) + \eta o$ of events with these log-odds, zeros by default."""
        logs = jax.vmap(self.productivity.log_mean)(marks)
        if self.heredity is not None and log_odds is not None:
            logs = logs + self.heredity * log_odds
        return logs

    def branching_ratio(
        self, marks: Float[Array, " n"], log_odds: Float[Array, " n"] | None = None
    ) -> Scalar:
        r"""The mean of $\kappa(m)\, e^{\eta o}$ over given events: how many one triggers.

        Below one, clusters are finite; the long-run rate is that of the background divided by one
        minus the ratio.

        Args:
            marks: marks of all events, or draws from their law, shape `(n,)`.
            log_odds: that they were triggered themselves, shape `(n,)`; zeros by default.
        """
        return jnp.mean(jnp.exp(self.log_means(marks, log_odds)))


class HawkesHazard(AbstractHazard):
    r"""The hazard of `Hawkes` given a history, whose entries have $\log\kappa(m_i)$ log-means."""

    background: AbstractRate
    kernel: AbstractKernel
    history: History
    log_means: Float[Array, " n"]

    def log_rate(self, t: Scalar) -> Scalar:
        r"""$\log[\mu(t) + \sum_i \kappa_i g(t - t_i)]$ over the events strictly before `t`."""
        return jax.nn.logsumexp(self.log_parents(t))

    def log_parents(self, t: Scalar) -> Float[Array, " parents"]:
        r"""$\log\mu(t)$ and $\log[\kappa_i g(t - t_i)]$ of all entries."""
        background = self.background.log_rate(t, self.history.origin)
        return jnp.concatenate([background[None], self.log_triggered(t)])

    def integral(self, start: Scalar, end: Scalar) -> Scalar:
        r"""$\int\mu + \sum_i \kappa_i [G(end - t_i) - G(start - t_i)]$, without cancellation."""
        past = self.history.before(start, inclusive=True)
        elapsed, duration = self.history.elapsed(start), end - start
        masses = jax.vmap(lambda since: self.kernel.mass(since, duration))(elapsed)
        background = self.background.integral(start, end, self.history.origin)
        return background + self._triggered(past, masses)

    def total(self, excerpt: Excerpts) -> Scalar:
        """The sum with one mass an event: the intervals in which it is seen are consecutive."""
        background = PoissonHazard(self.background, self.history.origin).total(excerpt)
        since, until = excerpt.since[:, None], excerpt.until[:, None]
        seen = jax.vmap(lambda start: self.history.before(start, inclusive=True))(excerpt.since)
        seen = seen & excerpt.is_interval[:, None]
        past = seen.any(axis=0)
        begin = jnp.where(past, jnp.where(seen, since, jnp.inf).min(axis=0), 0.0)
        end = jnp.where(past, jnp.where(seen, until, -jnp.inf).max(axis=0), 0.0)
        elapsed = jnp.maximum(begin - self.history.times, 0.0)
        masses = jax.vmap(self.kernel.mass)(elapsed, end - begin)
        return background + self._triggered(past, masses)

    def log_triggered(self, t: Scalar) -> Float[Array, " n"]:
        r"""$\log[\kappa_i g(t - t_i)]$ of all entries, about $-10^{30}$ if not yet at `t`."""
        densities = jax.vmap(self.kernel.log_density)(self.history.elapsed(t))
        return jnp.where(self.history.before(t), self.log_means + densities, NEVER)

    def _triggered(self, past: Bool[Array, " n"], masses: Float[Array, " n"]) -> Scalar:
        r"""$\sum_i \kappa_i G_i$ over the events of the past, given the kernel's mass for each."""
        return jnp.sum(jnp.where(past, jnp.exp(jnp.where(past, self.log_means, 0.0)) * masses, 0.0))
