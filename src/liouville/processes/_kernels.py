import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.types import Scalar, as_float


class AbstractKernel(eqx.Module):
    r"""How the effect of an event spreads over the time after it: a density $g$ on $(0, \infty)$.

    Kernels are normalised, $\int_0^\infty g = 1$. All methods take a time since the event that is
    not negative.
    """

    @abc.abstractmethod
    def log_density(self, elapsed: Scalar) -> Scalar:
        r"""$\log g(\tau)$, per unit of time."""

    @abc.abstractmethod
    def mass(self, elapsed: Scalar, duration: Scalar) -> Scalar:
        r"""$\int_\tau^{\tau + d} g$ from an elapsed time on, for a duration, without cancellation.

        With the duration given instead of the end, short intervals long after the event keep
        their digits.
        """

    def cdf(self, elapsed: Scalar) -> Scalar:
        r"""$\int_0^\tau g$."""
        return self.mass(jnp.zeros_like(elapsed), elapsed)


class Exponentials(AbstractKernel):
    r"""A mixture of exponential densities, $g(\tau) = \sum_k w_k b_k e^{-b_k \tau}$.

    Attributes:
        log_rates: $\log b$, shape `(parts,)`, learned.
        logits: of all weights but the first, whose logit is zero, shape `(parts - 1,)`, learned.
    """

    log_rates: Float[Array, " parts"]
    logits: Float[Array, " rest"]

    @staticmethod
    def of(means: Sequence[float], weights: Sequence[float] | None = None) -> "Exponentials":
        """The mixture with given mean times $1/b_k$ and weights, equal ones by default.

        Raises:
            ValueError: if a mean or a weight is not positive.
        """
        _check_positive(means=means)
        return Exponentials(-jnp.log(as_float(means)), logits_of(weights, len(means)))

    def log_density(self, elapsed: Scalar) -> Scalar:
        r"""$\log g(\tau)$."""
        parts = self.log_rates - jnp.exp(self.log_rates) * elapsed
        return jax.nn.logsumexp(log_weights(self.logits) + parts)

    def mass(self, elapsed: Scalar, duration: Scalar) -> Scalar:
        r"""$\sum_k w_k e^{-b_k \tau} (1 - e^{-b_k d})$."""
        rates = jnp.exp(self.log_rates)
        left = jnp.exp(log_weights(self.logits) - rates * elapsed)
        return jnp.sum(left * -jnp.expm1(-rates * duration))


class PowerLaws(AbstractKernel):
    r"""A mixture of power laws, $g(\tau) = \sum_k w_k \frac{p_k - 1}{c_k} (1 + \tau/c_k)^{-p_k}$.

    One part is the law of Omori and Utsu of aftershocks, with $p > 1$ so that it has an integral.

    Attributes:
        log_offsets: $\log c$, shape `(parts,)`, learned.
        log_excesses: $\log(p - 1)$, shape `(parts,)`, learned.
        logits: of all weights but the first, whose logit is zero, shape `(parts - 1,)`, learned.
    """

    log_offsets: Float[Array, " parts"]
    log_excesses: Float[Array, " parts"]
    logits: Float[Array, " rest"]

    @staticmethod
    def of(
        offsets: Sequence[float], exponents: Sequence[float], weights: Sequence[float] | None = None
    ) -> "PowerLaws":
        """The mixture with given $c_k$, $p_k$ and weights, equal ones by default.

        Raises:
            ValueError: if an offset or a weight is not positive, or an exponent not above one.
        """
        excesses = [p - 1.0 for p in exponents]
        _check_positive(offsets=offsets, **{"exponents less one": excesses})
        if len(offsets) != len(excesses):
            raise ValueError(f"{len(offsets)} offsets but {len(excesses)} exponents; give as many")
        log_offsets, log_excesses = (jnp.log(as_float(a)) for a in (offsets, excesses))
        return PowerLaws(log_offsets, log_excesses, logits_of(weights, len(offsets)))

    def log_density(self, elapsed: Scalar) -> Scalar:
        r"""$\log g(\tau)$."""
        excess, spread = jnp.exp(self.log_excesses), self._log_spread(elapsed)
        parts = self.log_excesses - self.log_offsets - (1.0 + excess) * spread
        return jax.nn.logsumexp(log_weights(self.logits) + parts)

    def mass(self, elapsed: Scalar, duration: Scalar) -> Scalar:
        r"""$\sum_k w_k (1 + \tau/c_k)^{1 - p_k} [1 - (1 + d/(c_k + \tau))^{1 - p_k}]$."""
        excess = jnp.exp(self.log_excesses)
        left = jnp.exp(log_weights(self.logits) - excess * self._log_spread(elapsed))
        further = jnp.log1p(duration / (jnp.exp(self.log_offsets) + elapsed))
        return jnp.sum(left * -jnp.expm1(-excess * further))

    def _log_spread(self, elapsed: Scalar) -> Float[Array, " parts"]:
        return jnp.log1p(elapsed * jnp.exp(-self.log_offsets))


class KernelMixture(AbstractKernel):
    r"""A mixture of kernels of any kind, $g = \sum_k w_k g_k$.

    Attributes:
        kernels: the parts $g_k$.
        logits: of all weights but the first, whose logit is zero, shape `(parts - 1,)`, learned.
    """

    kernels: tuple[AbstractKernel, ...]
    logits: Float[Array, " rest"]

    @staticmethod
    def of(
        kernels: Sequence[AbstractKernel], weights: Sequence[float] | None = None
    ) -> "KernelMixture":
        """The mixture with given weights, equal ones by default."""
        return KernelMixture(tuple(kernels), logits_of(weights, len(kernels)))

    def log_density(self, elapsed: Scalar) -> Scalar:
        r"""$\log g(\tau)$."""
        parts = jnp.stack([kernel.log_density(elapsed) for kernel in self.kernels])
        return jax.nn.logsumexp(log_weights(self.logits) + parts)

    def mass(self, elapsed: Scalar, duration: Scalar) -> Scalar:
        r"""$\int_\tau^{\tau + d} g$."""
        parts = jnp.stack([kernel.mass(elapsed, duration) for kernel in self.kernels])
        return jnp.exp(log_weights(self.logits)) @ parts


def log_weights(logits: Float[Array, " rest"]) -> Float[Array, " parts"]:
    """Log-weights of sum one; the first logit is zero, so that every logit can be estimated."""
    return jax.nn.log_softmax(jnp.concatenate([jnp.zeros_like(logits, shape=(1,)), logits]))


def logits_of(weights: Sequence[float] | None, parts: int) -> Float[Array, " rest"]:
    """The logits of given positive weights, equal ones if there are none."""
    weights = [1.0] * parts if weights is None else weights
    _check_positive(weights=weights)
    if len(weights) != parts:
        raise ValueError(f"{len(weights)} weights for {parts} parts; give one each")
    logs = np.log(np.asarray(weights, float))
    return as_float(logs[1:] - logs[0])


def _check_positive(**values: Sequence[float]) -> None:
    for name, number in ((name, n) for name, numbers in values.items() for n in numbers):
        if not 0.0 < number < np.inf:
            raise ValueError(f"{name} has {number}; give positive numbers")
