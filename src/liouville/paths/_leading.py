import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.paths._frames import BlockFrames
from liouville.paths._scales import AbstractScale, Diagonal, Full, Locations


class Leading(AbstractScale):
    r"""Lower triangular scales in the leading $r$ coordinates, scales along the axes beyond.

    For many coordinates that come ordered, as principal components do: a part costs $r^2 + d$
    numbers, and a point as much work. In each of the two blocks a part moves as parts of
    `liouville.paths.Full` and of `liouville.paths.Diagonal` do, so its motion is still the one of
    least energy.

    The raw shape is `(parts, r * r + d - r)`: the rows of the triangular block, then log-scales.

    Attributes:
        leading: $r$; where there are no more coordinates, all are in the first block.
        floor: the smallest log-scale.

    Raises:
        ValueError: on fewer than one leading coordinate.
    """

    leading: int = eqx.field(static=True)
    floor: float = eqx.field(static=True, default=-12.0)

    def __check_init__(self):
        if self.leading < 1:
            raise ValueError(
                f"{self.leading} leading coordinates; give one or more, or use Diagonal"
            )

    def raw_shape(self, parts: int, dim: int) -> tuple[int, ...]:
        """`(parts, r * r + dim - r)`."""
        leading = min(self.leading, dim)
        return (parts, leading**2 + dim - leading)

    def from_covariance(self, covariance: Float[Array, "*n dim dim"]) -> Float[Array, "*n raw"]:
        """What `Full` makes of the leading block, and `Diagonal` of the rest."""
        r = min(self.leading, covariance.shape[-1])
        first = Full(self.floor).from_covariance(covariance[..., :r, :r])
        rest = Diagonal(self.floor).from_covariance(covariance[..., r:, r:])
        return jnp.concatenate([first.reshape(*first.shape[:-2], r * r), rest], axis=-1)

    def frames(
        self,
        location: Locations,
        location_rate: Locations,
        raw: Float[Array, "parts raw"],
        raw_rate: Float[Array, "parts raw"],
        *,
        is_rotation_invariant: bool,
    ) -> BlockFrames:
        """The frames at one time."""
        parts, dim = location.shape
        r = min(self.leading, dim)
        first, rest = (
            scale.frames(
                location[:, columns],
                location_rate[:, columns],
                raw[:, own].reshape(parts, *shape),
                raw_rate[:, own].reshape(parts, *shape),
                is_rotation_invariant=is_rotation_invariant,
            )
            for scale, columns, own, shape in (
                (Full(self.floor), slice(r), slice(r * r), (r, r)),
                (Diagonal(self.floor), slice(r, dim), slice(r * r, None), (dim - r,)),
            )
        )
        return BlockFrames.of([first, rest] if r < dim else [first])
