import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.types import RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.processes import AbstractHazard, Excerpts, PointProcess, log_rates


class AbstractEventTerm(AbstractTerm):
    """Nats per event of one factor of a point process, from excerpts drawn at random.

    Attributes:
        excerpts: the events.
        batch_size: excerpts drawn a call; `None` uses all of them.
    """

    excerpts: eqx.AbstractVar[Excerpts]
    batch_size: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def each(self, process: Any, excerpt: Excerpts) -> Float[Array, " targets"]:
        """Numbers whose sum is the log-likelihood of what one excerpt predicts."""

    def __call__(self, path: Any, *, key: RandomKey) -> Scalar:
        """The negative log-likelihood per event, or an unbiased estimate from a batch."""
        total = len(self.excerpts)
        chosen = self.excerpts
        if self.batch_size is not None and self.batch_size < total:
            picks = jr.choice(key, total, (self.batch_size,), replace=False)
            chosen = jax.tree.map(lambda a: a[picks], self.excerpts)
        return -_sum(path, self.each, chosen) * (total / len(chosen) / self.excerpts.number)


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
    total = hazard.total(excerpt)
    return log_values.at[-1].add(-total)


class PlaceLikelihood(AbstractEventTerm):
    r"""$-\sum_i \log\rho_{t_i}(x_i \mid H_i)$, nats per event."""

    excerpts: Excerpts
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="places")

    def each(self, process: PointProcess, excerpt: Excerpts) -> Float[Array, " targets"]:
        """The log-densities of the places of the targets."""
        return process.log_places(excerpt)


class TimeLikelihood(AbstractEventTerm):
    r"""$-\sum_i \log\lambda(t_i \mid H_i) + \int\lambda$, nats per event."""

    excerpts: Excerpts
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="times")

    def each(self, process: PointProcess, excerpt: Excerpts) -> Float[Array, " targets"]:
        """Log-rates at the targets, less the integral over the excerpt."""
        hazard = process.intensity.after(excerpt.history)
        return compensate(log_rates(hazard, excerpt), hazard, excerpt)


class MarkLikelihood(AbstractEventTerm):
    r"""$-\sum_i \log f(m_i)$, nats per event."""

    excerpts: Excerpts
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="marks")

    def each(self, process: PointProcess, excerpt: Excerpts) -> Float[Array, " targets"]:
        """The log-densities of the marks of the targets."""
        return process.log_marks(excerpt)
