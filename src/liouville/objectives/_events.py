import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.types import RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.processes import (
    AbstractHazard,
    ByKind,
    Excerpts,
    InheritedKinds,
    PointProcess,
    integrals,
    log_rates,
)


class AbstractEventTerm(AbstractTerm):
    """Nats per event of one factor of a point process, from excerpts drawn at random.

    Attributes:
        excerpts: the events.
        batch_size: excerpts drawn a call; `None` uses all of them.
    """

    excerpts: eqx.AbstractVar[Excerpts]
    batch_size: eqx.AbstractVar[int | None]

    @property
    def items(self) -> Any:
        """What `each` is given one of: the excerpts, or these and what else is known of them."""
        return self.excerpts

    @abc.abstractmethod
    def each(self, process: Any, item: Any) -> Float[Array, " targets"]:
        """Numbers whose sum is the log-likelihood of what one excerpt predicts."""

    def __call__(self, path: Any, *, key: RandomKey) -> Scalar:
        """The negative log-likelihood per event, or an unbiased estimate from a batch."""
        total = number = len(self.excerpts)
        chosen = self.items
        if self.batch_size is not None and self.batch_size < total:
            number = self.batch_size
            picks = jr.choice(key, total, (number,), replace=False)
            chosen = jax.tree.map(lambda a: a[picks], chosen)
        return -_sum(path, self.each, chosen) * (total / number / self.excerpts.number)


@eqx.filter_custom_vjp
def _sum(path: Any, each: Callable[[Any, Any], Array], items: Any) -> Scalar:
    """The sum of `each(path, item)`, one item after the other: memory is that of one.

    Its gradient is found with the value, so that no item is computed twice.
    """
    return jax.lax.map(lambda item: each(path, item).sum(), items).sum()


@_sum.def_fwd
def _summed_forward(_: Any, path: Any, each: Callable[[Any, Any], Array], items: Any) -> Any:
    value_and_gradient = eqx.filter_value_and_grad(lambda path, item: each(path, item).sum())

    def add(total: Any, item: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, value_and_gradient(path, item)), None

    zeros = jax.tree.map(jnp.zeros_like, eqx.filter(path, eqx.is_inexact_array))
    first = jax.tree.map(lambda a: a[0], items)
    dtype = jax.eval_shape(lambda: each(path, first)).dtype
    return jax.lax.scan(add, (jnp.zeros((), dtype), zeros), items)[0]


@_sum.def_bwd
def _summed_backward(gradient: Any, cotangent: Scalar, *_: Any) -> Any:
    return jax.tree.map(lambda g: cotangent * g, gradient)


def compensate(
    log_values: Float[Array, " targets"], hazard: AbstractHazard, excerpt: Excerpts
) -> Float[Array, " targets"]:
    """Logarithms at the events; the last one less the integral of the hazard over all of them.

    Only their sum means something: integrals are cheaper together than one by one.
    """
    # Where shares of the events are seen, intervals are in pieces.
    is_whole = excerpt.pieces is None
    total = hazard.total(excerpt) if is_whole else integrals(hazard, excerpt).sum()
    return log_values.at[-1].add(-total)


class WithBackground(NamedTuple):
    """Excerpts, and what is known of the background at their targets, same leading axis."""

    excerpts: Excerpts
    log_background: Float[Array, "*excerpts targets"] | None


class PlaceLikelihood(AbstractEventTerm):
    r"""$-\sum_i \log\rho_{t_i}(x_i \mid H_i)$, nats per event.

    Attributes:
        log_background: what the background of triggered places is at every target when it has not
            seen it, shape `(excerpts, targets)`; by default what the process says.
    """

    excerpts: Excerpts
    log_background: Float[Array, "excerpts targets"] | None = None
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="places")

    @property
    def parts(self) -> tuple[str, ...]:
        """The factor of the process that it depends on."""
        return ("places",)

    @property
    def items(self) -> WithBackground:
        """The excerpts with the density of the background, if it is given."""
        return WithBackground(self.excerpts, self.log_background)

    def each(self, process: PointProcess, item: WithBackground) -> Float[Array, " targets"]:
        """The log-densities of the places of the targets."""
        return process.log_places(item.excerpts, item.log_background)


class TimeLikelihood(AbstractEventTerm):
    r"""$-\sum_i \log\lambda(t_i \mid H_i) + \int\lambda$, nats per event."""

    excerpts: Excerpts
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="times")

    @property
    def parts(self) -> tuple[str, ...]:
        """The factor of the process that it depends on."""
        return ("intensity",)

    def each(self, process: PointProcess, item: Excerpts) -> Float[Array, " targets"]:
        """Log-rates at the targets, less the integral over the excerpt."""
        hazard = process.intensity.after(item.history)
        return compensate(log_rates(hazard, item), hazard, item)


class MarkLikelihood(AbstractEventTerm):
    r"""$-\sum_i \log f(m_i \mid t_i, x_i, H_i)$, nats per event.

    Attributes:
        log_background: as for `PlaceLikelihood`.
        parents: the factor that inherited marks ask for the parents of an event, which is learned
            with them; `None` for marks that ask none. See `PointProcess.parents`.
    """

    excerpts: Excerpts
    log_background: Float[Array, "excerpts targets"] | None = None
    batch_size: int | None = eqx.field(static=True, default=None)
    parents: str | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="marks")

    @property
    def parts(self) -> tuple[str, ...]:
        """The factors of the process that it depends on."""
        return ("marks",) if self.parents is None else (self.parents, "marks")

    @property
    def items(self) -> WithBackground:
        """The excerpts with the density of the background, if it is given."""
        return WithBackground(self.excerpts, self.log_background)

    def each(self, process: PointProcess, item: WithBackground) -> Float[Array, " targets"]:
        """The log-densities of the marks of the targets."""
        return process.log_marks(item.excerpts, item.log_background)


class InheritancePrior(AbstractTerm):
    r"""What draws inherited kinds to a guess, and numbers of children to their mean, per event.

    $$-\sum_{jk} c_{jk} \log B_{jk} + w \sum_j (r_j - 1 - \log r_j),$$

    as if $c_{jk}$ more children of kind $k$ of events of kind $j$ had been seen; $r$ are the
    numbers of children by kind over their mean, see `ByKind.unevenness`.

    Attributes:
        counts: $c$ over the number of events, shape `(kinds, kinds)`.
        evenness: $w$, likewise, shape `()`.
    """

    counts: Float[Array, "kinds kinds"]
    evenness: Float[Array, ""]
    name: str = eqx.field(static=True, default="prior")

    def __call__(self, path: PointProcess, *, key: RandomKey) -> Scalar:
        """The negative logarithm of the prior per event."""
        del key
        assert isinstance(path.marks, InheritedKinds)
        found = jax.tree.leaves(path, is_leaf=lambda node: isinstance(node, ByKind))
        uneven = sum(node.unevenness for node in found if isinstance(node, ByKind))
        return self.evenness * uneven - jnp.sum(self.counts * path.marks.log_shares)
