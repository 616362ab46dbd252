import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.curves import AbstractCurve, shape_of
from liouville.numerics.parameters import AbstractParameter, Fixed, value_of
from liouville.numerics.types import Scalar
from liouville.paths._base import AbstractPath
from liouville.paths._families import Gaussian
from liouville.paths._location_scale import LocationScaleMarginal
from liouville.paths._scales import Full, FullFrames, inverse_of_triangular


class Inertial(AbstractPath):
    r"""A mixture of Gaussians of positions and momenta whose positions move as the momenta say.

    Points are $x = (q, p)$ with $d$ positions and as many momenta, and the velocity of the
    positions is the momentum, $u_q(t, q, p) = p$ exactly, whatever was learned: the law of
    $dq = p\,dt$, $dp = b\,dt + \sigma\,dW$, where noise and force act on the momenta alone. A part
    is

    $$q = \mu + L\xi, \qquad p = \mu' + (L' + L W)\xi + R\eta, \qquad (\xi, \eta) \sim N(0, I),$$

    with lower triangular $L$, $R$ and an antisymmetric $W$ on curves. In its own frame it turns,

    $$\xi' = W\xi + L^{-1}R\,\eta, \qquad \eta' = -(L^{-1}R)^\top \xi,$$

    which keeps the standard normal law and makes $q' = p$. Parts have constant weights, so the
    velocity is an average of theirs, and that of $p$ is $p$. Velocities take two derivatives of
    the curves, which should have them (`Knots` of cubic pieces).

    Attributes:
        location: curve of $\mu$, shape `(parts, dim / 2)`.
        position: curve of unconstrained $L$, shape `(parts, dim / 2, dim / 2)`, see `Full`.
        momentum: curve of unconstrained $R$, likewise, with $W$ above the diagonal.
        logits: logarithms of the weights up to a constant, shape `(parts,)`, as those of
            `LocationScale` that stay.
        scale: how unconstrained scales become $L$ and $R$.

    Raises:
        ValueError: on curves whose shapes do not belong together.
    """

    location: AbstractCurve
    position: AbstractCurve
    momentum: AbstractCurve
    logits: Float[Array, " parts"] | Fixed | AbstractParameter
    scale: Full = Full()

    def __check_init__(self):
        """One matrix of each kind for each location."""
        location, weights = shape_of(self.location), value_of(self.logits).shape
        wanted = self.scale.raw_shape(*location) if len(location) == 2 else None
        found = shape_of(self.position), shape_of(self.momentum)
        if weights != location[:1] or found != (wanted, wanted):
            raise ValueError(
                f"locations have shape {location}, logits {weights}, scales {found[0]} and "
                f"{found[1]}; they must be (parts, d), (parts,) and twice (parts, d, d)"
            )

    @property
    def dim(self) -> int:
        """Positions and momenta together."""
        return 2 * shape_of(self.location)[1]

    def at(self, t: Scalar) -> LocationScaleMarginal:
        """The marginal at time `t` of shape `()`."""
        one = jnp.ones_like(t)
        (location, factor), (location_rate, rate) = jax.jvp(self._frame, (t,), (one,))
        inverse, d = inverse_of_triangular(factor), self.dim // 2
        along = inverse[:, :d, :d] @ factor[:, d:, d:]
        raw = self.position(t), self.momentum(t)
        spin, back = _antisymmetric(raw[1]), -along.swapaxes(-1, -2)
        generator = (rate + factor @ _blocks(spin, along, back, jnp.zeros_like(spin))) @ inverse
        log_scale = jnp.concatenate([self.scale.log_scale(r) for r in raw], axis=-1)
        frames = FullFrames(location, location_rate, factor, inverse, generator, log_scale)
        weights = jax.nn.log_softmax(value_of(self.logits))
        return LocationScaleMarginal(frames, weights, None, Gaussian())

    def _frame(self, t: Scalar) -> tuple[Float[Array, "parts dim"], Float[Array, "parts dim dim"]]:
        """The means of positions and momenta, and the triangular factor of their covariance."""

        def of_positions(t):
            return self.location(t), self.scale.factor(self.position(t))

        one = jnp.ones_like(t)
        (place, factor), (speed, rate) = jax.jvp(of_positions, (t,), (one,))
        raw = self.momentum(t)
        carried = rate + factor @ _antisymmetric(raw)
        whole = _blocks(factor, jnp.zeros_like(factor), carried, self.scale.factor(raw))
        return jnp.concatenate([place, speed], axis=-1), whole


def _antisymmetric(raw: Float[Array, "parts d d"]) -> Float[Array, "parts d d"]:
    above = jnp.triu(raw, 1)
    return above - above.swapaxes(-1, -2)


def _blocks(
    first: Float[Array, "parts d d"],
    above: Float[Array, "parts d d"],
    below: Float[Array, "parts d d"],
    last: Float[Array, "parts d d"],
) -> Float[Array, "parts dim dim"]:
    """One matrix of four blocks."""
    return jnp.block([[first, above], [below, last]])
