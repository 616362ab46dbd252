import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.types import Point, RandomKey, Scalar
from liouville.paths import AbstractPath
from liouville.processes._excerpts import Excerpts
from liouville.processes._history import History

# Instead of minus infinity, whose derivatives and differences are not numbers.
NEVER = -1e30


class AbstractHazard(eqx.Module):
    r"""When the next event comes, given the events so far.

    The hazard $\lambda(t)$ is the rate of events at a time $t$ given those before it. Its integral
    is known in closed form, so the time of the next event after $a$ is exact: it solves
    $\int_a^t \lambda = E$ with $E$ exponential.
    """

    @abc.abstractmethod
    def log_rate(self, t: Scalar) -> Scalar:
        r"""$\log\lambda(t)$ given the events strictly before `t`, per unit of time."""

    @abc.abstractmethod
    def integral(self, start: Scalar, end: Scalar) -> Scalar:
        r"""$\int_{start}^{end} \lambda$ given the events up to and with `start`, none after it."""

    @abc.abstractmethod
    def total(self, excerpt: Excerpts) -> Scalar:
        """The sum of `integrals`, which may be cheaper together than one by one."""

    def log_parents(self, t: Scalar) -> Float[Array, " parents"] | None:
        """Log-chances, up to a constant, that an event at `t` has no parent, and of each parent.

        Shape `(events + 1,)`; `None` if events have no parents.
        """
        del t
        return None


def integrals(hazard: AbstractHazard, excerpt: Excerpts) -> Float[Array, " intervals"]:
    r"""$\int\lambda$ over the intervals of an excerpt, zero on padding.

    The last one is from the last event of a sequence to the end of its observation. Where not all
    events were seen it is that of the rate of those that were.
    """
    pieces = excerpt.pieces
    if pieces is not None:
        values = pieces.share * jax.vmap(hazard.integral)(pieces.since, pieces.until)
        whole = excerpt.since.shape[0]
        return jax.ops.segment_sum(values, pieces.interval, whole)
    values = jax.vmap(hazard.integral)(excerpt.since, excerpt.until)
    return jnp.where(excerpt.is_interval, values, 0.0)


class AbstractIntensity(eqx.Module):
    r"""The intensity in time, $\lambda(t \mid \text{history})$, of events per unit of time."""

    @abc.abstractmethod
    def after(self, history: History) -> AbstractHazard:
        """The hazard given a history; all work that depends on the past alone is here."""


class AbstractPlaces(eqx.Module):
    r"""Where events happen: a path $\rho_t(x \mid \text{history})$ of densities in space."""

    @abc.abstractmethod
    def after(self, history: History) -> AbstractPath:
        """The path given a history; all work that depends on the past alone is here.

        Its marginal at `t` knows the events strictly before `t`. Between two events it obeys the
        continuity equation; at an event it jumps.
        """

    def log_odds(self, history: History, t: Scalar, x: Point) -> Scalar:
        """The log-odds that an event is triggered rather than background; zero if it never is."""
        del history, x
        return jnp.zeros_like(t)


class AbstractMarks(eqx.Module):
    """The law of the mark of an event, such as its magnitude or its kind."""

    def of_children(self, parent: Scalar) -> "AbstractMarks":
        """The law of the children of an event with this mark: the same, unless it is inherited."""
        del parent
        return self

    @abc.abstractmethod
    def log_density(self, mark: Scalar) -> Scalar:
        """The log-density of a mark, or the log-probability of a kind."""

    @abc.abstractmethod
    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """One draw."""


class AbstractMagnitudes(AbstractMarks):
    """The law of a mark that is a real number, such as a magnitude."""

    @property
    @abc.abstractmethod
    def b_value(self) -> Scalar | None:
        """The slope of the law of Gutenberg and Richter, if great marks follow it."""

    @abc.abstractmethod
    def log_survival(self, mark: Scalar) -> Scalar:
        r"""$\log P(M \ge m)$."""

    def log_tails(self, mark: Scalar) -> tuple[Scalar, Scalar]:
        r"""$\log P(M < m)$, about -1e30 where nothing is below, and $\log P(M \ge m)$."""
        right = self.log_survival(mark)
        is_above = right < 0.0
        left = jnp.log(-jnp.expm1(jnp.where(is_above, right, -1.0)))
        return jnp.where(is_above, left, NEVER), right
