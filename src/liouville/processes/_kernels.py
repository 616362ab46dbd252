import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.types import Scalar, as_float
from liouville.processes._base import NEVER

# Below it the series of (1 - exp(-x)) / x is good to its fourth term, 1e-8 of it.
_SMALL = 5e-3


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


class FinitePowerLaw(AbstractKernel):
    r"""The law of Omori and Utsu up to a longest time $T$, with any exponent.

    $$g(\tau) = \frac{(1 + \tau/c)^{-1-\omega}}{c\, I(T)}, \qquad
      I(\tau) = \frac{1 - (1 + \tau/c)^{-\omega}}{\omega}, \qquad 0 < \tau < T.$$

    Catalogues often have $p = 1 + \omega$ at or below one, where the law has no integral on the
    half line: up to a longest time it has one, $\omega = 0$ included.

    Attributes:
        log_offset: $\log c$, shape `()`, learned.
        excess: $\omega$, shape `()`, learned.
        longest: $T$, in units of time.
    """

    log_offset: Float[Array, ""]
    excess: Float[Array, ""]
    longest: float = eqx.field(static=True)

    @staticmethod
    def of(offset: float, exponent: float, longest: float) -> "FinitePowerLaw":
        r"""The law with given $c$, $p = 1 + \omega$ and $T$.

        Raises:
            ValueError: if the offset or the longest time is not positive.
        """
        _check_positive(offset=[offset], longest=[longest])
        return FinitePowerLaw(as_float(np.log(offset)), as_float(exponent - 1.0), float(longest))

    def log_density(self, elapsed: Scalar) -> Scalar:
        r"""$\log g(\tau)$, about $-10^{30}$ after the longest time."""
        logs = -(1.0 + self.excess) * self._log_spread(elapsed) - self.log_offset - self._log_all()
        return jnp.where(elapsed < self.longest, logs, NEVER)

    def mass(self, elapsed: Scalar, duration: Scalar) -> Scalar:
        r"""$(1 + \tau/c)^{-\omega} I\bigl(c\, d/(c + \tau)\bigr) / I(T)$, cut at $T$."""
        inside = jnp.clip(self.longest - elapsed, 0.0, duration)
        left = -self.excess * self._log_spread(elapsed) - self._log_all()
        further = jnp.log1p(inside / (jnp.exp(self.log_offset) + elapsed))
        return jnp.exp(left) * _power_integral(self.excess, further)

    def _log_spread(self, elapsed: Scalar | float) -> Scalar:
        return jnp.log1p(elapsed * jnp.exp(-self.log_offset))

    def _log_all(self) -> Scalar:
        return jnp.log(_power_integral(self.excess, self._log_spread(self.longest)))


def _power_integral(excess: Scalar, log_spread: Scalar) -> Scalar:
    r"""$(1 - e^{-\omega s})/\omega$, its series where $\omega s$ is too small for a quotient."""
    product = excess * log_spread
    is_small = jnp.abs(product) < _SMALL
    series = log_spread * (1.0 - 0.5 * product + product**2 / 6.0)
    safe = jnp.where(is_small, 1.0, excess)
    return jnp.where(is_small, series, -jnp.expm1(-safe * log_spread) / safe)


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
