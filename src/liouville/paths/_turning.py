import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.paths._scales import AbstractScale, Full, FullFrames


class Turning(AbstractScale):
    r"""Lower triangular scales that also turn: raw shape `(parts, dim, dim)`.

    Below and on the diagonal they are those of `liouville.paths.Full`; above it stands an
    antisymmetric $W$, and the generator of a part is $A = A_* + L W L^{-1}$ with the symmetric
    $A_*$. A Gaussian that turns in its own frame keeps its density, so nothing but the velocity
    depends on $W$: a drift that rotates needs it, a motion of least energy does not.

    Attributes:
        floor: the smallest log-scale on the diagonal.
    """

    floor: float = eqx.field(static=True, default=-12.0)

    def raw_shape(self, parts: int, dim: int) -> tuple[int, ...]:
        """`(parts, dim, dim)`."""
        return (parts, dim, dim)

    def from_covariance(self, covariance: Float[Array, "*n dim dim"]) -> Float[Array, "*n dim dim"]:
        """The Cholesky factor, with the logarithm of its diagonal and without a turn."""
        return jnp.tril(Full(self.floor).from_covariance(covariance))

    def frames(
        self,
        location: Float[Array, "parts dim"],
        location_rate: Float[Array, "parts dim"],
        raw: Float[Array, "parts dim dim"],
        raw_rate: Float[Array, "parts dim dim"],
        *,
        is_rotation_invariant: bool,
    ) -> FullFrames:
        """The frames at one time.

        Raises:
            ValueError: for a family whose density changes when it turns.
        """
        if not is_rotation_invariant:
            raise ValueError("parts that turn must be Gaussian; use Full for other families")
        frames = Full(self.floor).frames(
            location, location_rate, raw, raw_rate, is_rotation_invariant=True
        )
        above = jnp.triu(raw, 1)
        turn = frames.factor @ (above - above.swapaxes(-1, -2)) @ frames.inverse
        return eqx.tree_at(lambda f: f.generator, frames, frames.generator + turn)
