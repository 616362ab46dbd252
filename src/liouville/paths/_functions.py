from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.types import RandomKey
from liouville.paths._families import AbstractFamily
from liouville.paths._line import MixtureOnLine

Function = Callable[[Float[Array, "..."]], Float[Array, "..."]]


class FromFunctions(AbstractFamily):
    r"""A standard density given by three functions of one's own.

    For instance the Laplace density:

        FromFunctions(
            log_p=lambda z: -jnp.abs(z) - jnp.log(2.0),
            log_cdf=lambda z: jnp.where(
                z < 0, z - jnp.log(2.0), jnp.log1p(-0.5 * jnp.exp(-jnp.abs(z)))
            ),
            log_survival=lambda z: jnp.where(
                z > 0, -z - jnp.log(2.0), jnp.log1p(-0.5 * jnp.exp(-jnp.abs(z)))
            ),
            symmetric=True,
        )

    All work on arrays of any shape, element by element, and are differentiable. They must belong
    together: $p$ integrates to one, `log_cdf` is its integral from the left and `log_survival`
    from the right, each with its digits in its own tail. Where `log_p` is minus infinity, so far
    out that it leaves the range of floats, velocities are not numbers.

    Define the functions once: new ones, even if they say the same, are compiled anew. A model with
    functions of one's own cannot be written to a file, which holds no code.

    Attributes:
        log_p: $\log p(z)$.
        log_cdf: $\log F(z)$.
        log_survival: $\log(1 - F(z))$.
        symmetric: whether $p(-z) = p(z)$, so that draws may be mirrored.
    """

    log_p: Function = eqx.field(static=True)
    log_cdf: Function = eqx.field(static=True)
    log_survival: Function = eqx.field(static=True)
    symmetric: bool = eqx.field(static=True, default=False)

    def log_density(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The log-density of each coordinate."""
        return self.log_p(z)

    def log_tails(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The logarithms of the distribution function and of its complement."""
        return self.log_cdf(z), self.log_survival(z)

    def log_mills(self, z: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Differences of the logarithms, which lose digits where these are large and curved."""
        log_density = self.log_p(z)
        return self.log_cdf(z) - log_density, self.log_survival(z) - log_density

    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        """Independent draws: the distribution function, inverted numerically at uniform levels."""
        zero = jnp.zeros(1)
        line = MixtureOnLine(zero, zero, zero, self)
        # The logit of a uniform number is logistic, and resolves both tails.
        levels = jr.logistic(key, (*shape,), dtype=zero.dtype)
        return jax.vmap(line.quantile)(levels.reshape(-1)).reshape(shape)

    @property
    def is_symmetric(self) -> bool:
        """What the caller said."""
        return self.symmetric

    @property
    def is_rotation_invariant(self) -> bool:
        """No: of all product densities only the Gaussian is."""
        return False
