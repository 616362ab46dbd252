import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville._types import Point, Points, RandomKey, Scalar
from liouville.conditioning import is_conditional
from liouville.curves import AbstractCurve, value_and_rate
from liouville.parameters import AbstractParameter, Fixed, value_of
from liouville.paths._base import AbstractMarginal, AbstractPath
from liouville.paths._families import AbstractFamily, Gaussian
from liouville.paths._scales import AbstractFrames, AbstractScale, Diagonal


class LocationScale(AbstractPath):
    r"""A mixture of parts $x = \mu_k(t) + L_k(t) z$ with constant weights; one part is allowed.

    $$\rho_t(x) = \sum_k w_k \, |L_k|^{-1} \prod_i p(z_{ki}), \qquad
      u_t(x) = \sum_k \gamma_k(x) \left( \mu_k' + L_k' L_k^{-1} (x - \mu_k) \right),$$

    with $z_k = L_k^{-1}(x - \mu_k)$ and $\gamma_k$ the chance that $x$ came from part $k$. Every
    part carries its own mass, so the sum obeys the continuity equation.

    Attributes:
        location: curve of the locations $\mu$, shape `(parts, dim)`.
        raw_scale: curve of the unconstrained scales, shape `scale.raw_shape(parts, dim)`.
        logits: $\log w$ up to a constant, shape `(parts,)`, learned; in a
            `liouville.parameters.Fixed` they stay, as hard ends of several parts need, or they
            are computed from others (`liouville.weights.CoupledWeights`).
        family: the standard density $p$ of a coordinate.
        scale: how unconstrained scales become $L$: `Diagonal` or `Full`.

    Raises:
        ValueError: on curves whose shapes do not belong together.
    """

    location: AbstractCurve
    raw_scale: AbstractCurve
    logits: Float[Array, " parts"] | Fixed | AbstractParameter
    family: AbstractFamily = Gaussian()
    scale: AbstractScale = Diagonal()

    def __check_init__(self):
        """The curves must agree on the number of parts and of coordinates."""
        if is_conditional((self.location, self.raw_scale)):
            return  # without their context these curves have no value to look at
        time = jax.ShapeDtypeStruct((), jnp.zeros(()).dtype)
        location = jax.eval_shape(lambda c, t: c(t), self.location, time).shape
        raw = jax.eval_shape(lambda c, t: c(t), self.raw_scale, time).shape
        logits = jax.eval_shape(value_of, self.logits).shape
        if len(location) != 2 or logits != location[:1]:
            raise ValueError(
                f"locations have shape {location} and logits {logits}; "
                "they must be (parts, dim) and (parts,)"
            )
        if raw != self.scale.raw_shape(*location):
            raise ValueError(
                f"raw scales have shape {raw}, but {type(self.scale).__name__} needs "
                f"{self.scale.raw_shape(*location)} for locations of shape {location}"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        time = jax.ShapeDtypeStruct((), jnp.zeros(()).dtype)
        return jax.eval_shape(lambda c, t: c(t), self.location, time).shape[1]

    def at(self, t: Scalar) -> "LocationScaleMarginal":
        """The marginal at time `t` of shape `()`."""
        location, location_rate = value_and_rate(self.location, t)
        raw, raw_rate = value_and_rate(self.raw_scale, t)
        frames = self.scale.frames(
            location,
            location_rate,
            raw,
            raw_rate,
            is_rotation_invariant=self.family.is_rotation_invariant,
        )
        return LocationScaleMarginal(frames, jax.nn.log_softmax(value_of(self.logits)), self.family)


class LocationScaleMarginal(AbstractMarginal):
    """A `LocationScale` at one time."""

    frames: AbstractFrames
    log_weights: Float[Array, " parts"]
    family: AbstractFamily

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.frames.location.shape[1]

    def log_density(self, x: Point) -> Scalar:
        r"""$\log\sum_k w_k \rho_k(x)$."""
        return jax.nn.logsumexp(self._log_joint(x))

    def velocity(self, x: Point) -> Point:
        r"""$\sum_k \gamma_k (\mu_k' + A_k (x - \mu_k))$."""
        return self.frames.velocity(x, jax.nn.softmax(self._log_joint(x)))

    def sample(self, *, key: RandomKey) -> Point:
        """One draw: a part by its weight, then a point of it."""
        part_key, point_key = jr.split(key)
        part = jr.categorical(part_key, self.log_weights)
        z = self.family.sample((self.dim,), key=point_key).astype(self.log_weights.dtype)
        chosen: AbstractFrames = jax.tree.map(lambda array: array[part][None], self.frames)
        return chosen.from_standard(z[None])[0]

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The same number of points in every part, mirrored if possible, weighted by the part."""
        parts = self.log_weights.shape[0]
        each = -(-n // parts)
        if self.family.is_symmetric:
            # Points and their mirror images: exact for odd moments, and no less unbiased.
            half = self.family.sample((-(-each // 2), parts, self.dim), key=key)
            z = jnp.concatenate([half, -half])[:each]
        else:
            z = self.family.sample((each, parts, self.dim), key=key)
        z = z.astype(self.log_weights.dtype)
        points = jax.vmap(self.frames.from_standard)(z).reshape(each * parts, self.dim)
        return points, jnp.tile(jnp.exp(self.log_weights) / each, each)

    def _log_joint(self, x: Point) -> Float[Array, " parts"]:
        z = self.frames.to_standard(x)
        return self.log_weights - self.frames.log_volumes + self.family.log_density(z).sum(-1)
