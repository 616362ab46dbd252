import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.special import log_gamma_ratio
from liouville.numerics.types import RandomKey
from liouville.paths._families import AbstractShape


class Student(AbstractShape):
    r"""The multivariate Student density with $\nu$ degrees of freedom: tails of any weight.

    $$p(z) = \frac{\Gamma(\frac{\nu + d}2)}{\Gamma(\frac\nu2) (\nu\pi)^{d/2}}
      \left(1 + \frac{|z|^2}{\nu}\right)^{-\frac{\nu + d}2}$$

    falls as $|z|^{-\nu - d}$, so moments below $\nu$ are finite; for many degrees of freedom it
    is the normal density. It looks the same from all directions, and its coordinates depend on
    each other. The degrees of freedom are learned unless they are in a
    `liouville.numerics.parameters.Fixed`, but do not depend on time: then the parts move as all
    parts in moving frames do, and no mass has to travel between the bulk and the tails.

    Attributes:
        log_degrees: $\log\nu$, shape `()` for one number of all parts, or `(parts,)`.
    """

    log_degrees: Float[Array, "..."] | Fixed

    @staticmethod
    def of(degrees: Float[Array, "..."] | np.ndarray | float) -> "Student":
        """The density with given degrees of freedom, learned from there.

        Raises:
            ValueError: if they are not above zero.
        """
        degrees = np.asarray(degrees, float)
        if not (degrees > 0).all():
            raise ValueError(f"degrees of freedom {degrees.tolist()}; give numbers above zero")
        return Student(jnp.log(jnp.asarray(degrees)))

    def log_joint(self, z: Float[Array, "*n dim"]) -> Float[Array, "*n"]:
        """The log-density of points."""
        return self.log_radial(jnp.sum(z * z, axis=-1), z.shape[-1])

    def log_radial(self, squares: Float[Array, "*n"], dim: int) -> Float[Array, "*n"]:
        """The log-density by the squared norm."""
        log_degrees = value_of(self.log_degrees)
        degrees = jnp.exp(log_degrees)
        constant = log_gamma_ratio(0.5 * degrees, dim) - 0.5 * dim * float(np.log(2.0 * np.pi))
        return constant - 0.5 * (degrees + dim) * jnp.log1p(squares * jnp.exp(-log_degrees))

    def sample(self, shape: tuple[int, ...], *, key: RandomKey) -> Float[Array, "..."]:
        r"""$\sqrt{\nu/2g}\,n$ with $n$ normal and $g$ from the Gamma law of shape $\nu/2$."""
        log_degrees = value_of(self.log_degrees)
        normal_key, gamma_key = jr.split(key)
        log_half = jnp.broadcast_to(log_degrees - float(np.log(2.0)), shape[:-1])
        log_g = jr.loggamma(gamma_key, jnp.exp(log_half))
        normal = jr.normal(normal_key, shape, log_degrees.dtype)
        return normal * jnp.exp(0.5 * (log_half - log_g))[..., None]

    def of_part(self, part: Int[Array, ""]) -> "Student":
        """The density of one part."""
        log_degrees = value_of(self.log_degrees)
        return Student(log_degrees if log_degrees.ndim == 0 else log_degrees[part])

    @property
    def is_symmetric(self) -> bool:
        """Yes."""
        return True

    @property
    def is_rotation_invariant(self) -> bool:
        """Yes."""
        return True
