r"""A mixture on the line: density, distribution function, quantiles, and what carries it.

Everything about a distribution on the line that moves follows from one formula. If the parameters
change at the rate $\dot\theta$, the point at a fixed level $F(x) = q$ moves at

$$c(x) = -\frac{\partial_\theta F(x)\,\dot\theta}{f(x)}
       = \sum_k \gamma_k (\dot\mu_k + \dot s_k z_k) - \sum_k \dot w_k \frac{F_k(x)}{f(x)}.$$

With $\dot\theta$ the rate in time, $c$ is the velocity of the path. With $\dot\theta$ any other
direction, $c$ is the derivative of a draw with respect to the parameters (implicit
reparameterisation, Figurnov, Mohamed and Mnih, NeurIPS 2018). Both are `MixtureOnLine.carry`.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.types import RandomKey, Scalar
from liouville.paths._families import AbstractFamily

# Newton's steps, each kept inside a bracket that bisection halves: 64 of them reach the rounding
# of double precision even without Newton.
_MOST_STEPS = 64
_MOST_DOUBLINGS = 128


class MixtureOnLine(eqx.Module):
    r"""The density $f(x) = \sum_k w_k\, p((x - \mu_k)/s_k)/s_k$ on the line.

    Attributes:
        location: $\mu$, shape `(parts,)`.
        log_scale: $\log s$, shape `(parts,)`.
        log_weights: $\log w$, normalised, shape `(parts,)`.
        family: the standard density $p$.
    """

    location: Float[Array, " parts"]
    log_scale: Float[Array, " parts"]
    log_weights: Float[Array, " parts"]
    family: AbstractFamily

    def log_density(self, x: Scalar) -> Scalar:
        r"""$\log f(x)$."""
        return jax.nn.logsumexp(self.log_joint(x))

    def log_tails(self, x: Scalar) -> tuple[Scalar, Scalar]:
        r"""$\log F(x)$ and $\log(1 - F(x))$."""
        left, right = self.family.log_tails(self.standard(x))
        return (
            jax.nn.logsumexp(self.log_weights + left),
            jax.nn.logsumexp(self.log_weights + right),
        )

    def carry(self, rate: "MixtureOnLine", x: Scalar) -> Scalar:
        r"""How fast the point of level $F(x)$ moves at `x` if the parameters change at `rate`.

        The formula is that of the module.

        Args:
            rate: the rates of location, log-scale and log-weights; its family is not used.
            x: the point.
        """
        return self.leverage(x).paired(rate)

    def leverage(self, x: Scalar, *, crossing: bool = True) -> "MixtureOnLine":
        r"""What a unit rate of each parameter adds to `carry`, which is linear in the rate.

        As $\sum_k \dot w_k = 0$, $F_k$ may be replaced by $F_k - 1$, which is done on the right of
        the median; every term is then a product of factors of moderate size, in both tails.

        Args:
            x: the point.
            crossing: whether the weights may change, so that mass crosses from part to part;
                without it their numbers are zero, and no distribution function is evaluated.
        """
        z = self.standard(x)
        joint = self.log_joint(x)
        log_density = jax.nn.logsumexp(joint)
        share = jnp.exp(joint - log_density)
        # Not by way of z: it would bring the scale in and cancel it again.
        by_scale = share * (x - self.location)
        if not crossing:
            return MixtureOnLine(share, by_scale, jnp.zeros_like(share), self.family)
        return MixtureOnLine(share, by_scale, self._crossed(z, share, log_density), self.family)

    def quantile(self, level: Scalar) -> Scalar:
        r"""The point with $\log F(x) - \log(1 - F(x)) =$ `level`, to rounding.

        Newton's method on that equation, which is a straight line for a logistic density, within
        a bracket. Not to be differentiated: see `attached`.

        Args:
            level: the level as a logit, any real number, so that both tails are resolved.
        """
        scale = jnp.exp(self.log_scale)

        def height(x):
            left, right = self.log_tails(x)
            return left - right - level

        def widen(state):
            _, _, width, n = state
            width = 2.0 * width
            return (
                jnp.min(self.location - width * scale),
                jnp.max(self.location + width * scale),
                width,
                n + 1,
            )

        def is_narrow(state):
            low, high, _, n = state
            return ((height(low) > 0) | (height(high) < 0)) & (n < _MOST_DOUBLINGS)

        one = jnp.ones_like(level)
        first = (jnp.min(self.location - scale), jnp.max(self.location + scale), one, 0)
        low, high, _, _ = jax.lax.while_loop(is_narrow, widen, first)

        def step(state):
            low, high, x, _, n = state
            left, right = self.log_tails(x)
            error = left - right - level
            low, high = jnp.where(error < 0, x, low), jnp.where(error < 0, high, x)
            slope = jnp.exp(jnp.clip(self.log_density(x) - left - right, -80.0, 80.0))
            newton = x - error / slope
            middle = low + 0.5 * (high - low)
            is_inside = (newton > low) & (newton < high)
            # Every third step bisects, so that the bracket shrinks whatever Newton does.
            following = jnp.where(is_inside & (n % 3 != 2), newton, middle)
            return low, high, following, jnp.abs(following - x), n + 1

        def is_open(state):
            low, high, x, change, n = state
            rounding = 2.0 * jnp.finfo(x.dtype).eps * (jnp.abs(x) + jnp.finfo(x.dtype).tiny)
            return (change > rounding) & (high - low > rounding) & (n < _MOST_STEPS)

        start = low + 0.5 * (high - low)
        return jax.lax.while_loop(is_open, step, (low, high, start, high - low, 0))[2]

    def sample(self, *, key: RandomKey) -> Scalar:
        """One draw that moves with the parameters: its derivative is `carry`."""
        part_key, point_key = jr.split(key)
        part = jr.categorical(part_key, self.log_weights)
        z = self.family.sample((), key=point_key).astype(self.location.dtype)
        drawn = self.location[part] + jnp.exp(self.log_scale[part]) * z
        return attach(self, jax.lax.stop_gradient(drawn))

    def paired(self, other: "MixtureOnLine") -> Scalar:
        """The sum of the products of all parameters: of a `leverage` and a rate."""
        return (
            jnp.sum(self.location * other.location)
            + jnp.sum(self.log_scale * other.log_scale)
            + jnp.sum(self.log_weights * other.log_weights)
        )

    def _crossed(
        self, z: Float[Array, " parts"], share: Float[Array, " parts"], log_density: Scalar
    ) -> Float[Array, " parts"]:
        r"""$-w_k F_k / f$ left of the median, $w_k (1 - F_k) / f$ on the right of it."""
        is_negative = z < 0
        # Not the absolute value, whose derivative at zero would be zero.
        outward = jnp.where(is_negative, -z, z)
        # The probability on the far side of x, as seen from the part's own centre: one evaluation
        # serves both tails.
        log_mills = jnp.where(
            is_negative, self.family.log_mills(-outward)[0], self.family.log_mills(outward)[1]
        )
        beyond = jnp.exp(log_mills + self.family.log_density(z))
        left = jnp.where(is_negative, beyond, 1.0 - beyond)
        is_left = jnp.exp(self.log_weights) @ left < 0.5
        # In its own tail a part gives gamma_k F_k/f_k, a bounded ratio; a part on the other side
        # of x gives w_k F_k / f, whose F_k is of order one.
        outside = jnp.where(is_left, is_negative, z > 0)
        ceiling = 0.9 * math.log(float(jnp.finfo(z.dtype).max))
        across = jnp.where(outside, 0.0, self.log_weights + jnp.log1p(-beyond) - log_density)
        crossed = jnp.where(
            outside,
            share * jnp.exp(log_mills + self.log_scale),
            jnp.exp(jnp.minimum(across, ceiling)),
        )
        return jnp.where(is_left, -crossed, crossed)

    def standard(self, x: Scalar) -> Float[Array, " parts"]:
        r"""$z_k = (x - \mu_k)/s_k$, shape `(parts,)`."""
        return (x - self.location) * jnp.exp(-self.log_scale)

    def log_joint(self, x: Scalar) -> Float[Array, " parts"]:
        r"""$\log(w_k f_k(x))$, shape `(parts,)`."""
        return self.log_weights - self.log_scale + self.family.log_density(self.standard(x))


@jax.custom_jvp
def attach(line: MixtureOnLine, x: Scalar) -> Scalar:
    """The point `x` itself, with the derivative of the point at its level in `line`.

    Args:
        line: the distribution; any rate of its parameters carries the point along.
        x: a point that does not depend on the parameters.
    """
    return x


@attach.defjvp
def _attached_jvp(primals: Any, tangents: Any) -> tuple[Scalar, Scalar]:
    (line, x), (rate, x_rate) = primals, tangents
    return x, line.carry(rate, x) + x_rate
