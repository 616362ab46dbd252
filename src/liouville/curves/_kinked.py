import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.curves._base import AbstractCurve
from liouville.numerics.types import Scalar


class Kinked(AbstractCurve):
    r"""A smooth curve with kinks, $\theta(t) = \eta(t) + \sum_k e^{-|t - t_k|/\tau_k}\,\kappa_k$.

    An observation changes the drift of a posterior process from one moment to the next.

    Attributes:
        smooth: $\eta$.
        kinks: $\kappa$, shape `(kinks, ...)`, learned.
        times: $t_k$.
        widths: $\tau_k$.
    """

    smooth: AbstractCurve
    kinks: Float[Array, "kinks ..."]
    times: tuple[float, ...] = eqx.field(static=True)
    widths: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        """The value at time `t` of shape `()`."""
        away = jnp.abs(t - jnp.asarray(self.times, t.dtype)) / jnp.asarray(self.widths, t.dtype)
        return self.smooth(t) + jnp.tensordot(jnp.exp(-away), self.kinks, axes=1)


class Jumping(AbstractCurve):
    r"""A curve of matrices that may jump above the diagonal and nowhere else.

    $$\theta(t) = \eta(t) + \mathrm{triu}\Big(\sum_k \mathrm{sign}(t - t_k)\,
      e^{-|t - t_k|/\tau_k} J_k\Big).$$

    There stand the turns of `Turning`, which are rates: they jump when the drift does.

    Attributes:
        continuous: $\eta$.
        jumps: $J$, shape `(jumps, parts, dim, dim)`, learned.
        times: $t_k$.
        widths: $\tau_k$.
    """

    continuous: AbstractCurve
    jumps: Float[Array, "jumps parts dim dim"]
    times: tuple[float, ...] = eqx.field(static=True)
    widths: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, t: Scalar) -> Float[Array, "parts dim dim"]:
        """The value at time `t` of shape `()`."""
        off = t - jnp.asarray(self.times, t.dtype)
        shape = jnp.sign(off) * jnp.exp(-jnp.abs(off) / jnp.asarray(self.widths, t.dtype))
        return self.continuous(t) + jnp.triu(jnp.tensordot(shape, self.jumps, axes=1), 1)
