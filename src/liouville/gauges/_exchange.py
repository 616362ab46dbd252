from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.gauges._base import Potentials
from liouville.numerics.networks import SpaceTimeNetwork
from liouville.numerics.types import Point, RandomKey, Scalar


class Exchange(eqx.Module):
    r"""Motion in place of growth: $u \mapsto u + w$ and $h \mapsto h + \nabla\cdot w +
    w\cdot\nabla\log\rho$ with $w = \nabla\varphi$ leave density and mass as they are.

    What a density gains at a point may have come there or grown there, and snapshots cannot tell
    which; a cost of both can (see `liouville.objectives.KineticEnergy`). With the antisymmetric
    gauges beside, these are all velocities and growth rates of one density.

    Attributes:
        potentials: the learned field $\varphi$, one output of a network.
    """  # noqa: D205

    potentials: Potentials

    def __init__(
        self,
        dim: int,
        interval: tuple[float, float],
        *,
        width: int = 64,
        depth: int = 2,
        gated: bool = False,
        key: RandomKey,
    ):
        network = SpaceTimeNetwork(dim, 1, width=width, depth=depth, key=key)
        self.potentials = Potentials(network, (float(interval[0]), float(interval[1])), gated)

    def at(self, t: Scalar) -> "ExchangeField":
        """The field at time `t` of shape `()`."""
        return ExchangeField(self.potentials.at(t))


class ExchangeField(eqx.Module):
    """An `Exchange` at one time."""

    potentials: Callable[[Point], Float[Array, " potentials"]]

    def velocity(self, x: Point) -> Point:
        r"""$w = \nabla\varphi$ at one point."""
        return jax.grad(lambda y: self.potentials(y)[0])(x)

    def growth(self, x: Point, score: Point) -> Scalar:
        r"""$\nabla\cdot w + w\cdot\nabla\log\rho$ at one point with the score of the density."""
        return jnp.trace(jax.jacfwd(self.velocity)(x)) + self.velocity(x) @ score
