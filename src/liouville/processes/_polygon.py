import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from liouville.numerics.types import Point, RandomKey, Scalar
from liouville.paths import AbstractMarginal, LocationScaleMarginal

_MOST_DRAWS = 10_000


class Polygon(eqx.Module):
    r"""A region of the plane, and the mass of a mixture in it.

    By Green's theorem a double integral is one along the border, counter-clockwise,

    $$\int_P \rho = \oint \sum_k w_k f_{k1}(x_1)\, F_{k2}(x_2 \mid x_1)\, dx_1 \cdot (-1),$$

    whose integrand is smooth along every edge: Gauss-Legendre nodes make it exact to rounding if
    an edge's pieces are not much longer than a part is wide.

    Attributes:
        edges: begin and end of each edge of the border, holes included, shape `(edges, 2, 2)`.
        nodes: on the border, shape `(nodes, 2)`.
        weights: $-dx_1$ at the nodes, shape `(nodes,)`.
    """

    edges: Float[Array, "edges 2 2"]
    nodes: Float[Array, "nodes 2"]
    weights: Float[Array, " nodes"]

    def contains(self, x: Point) -> Bool[Array, ""]:
        """Whether a point is inside: a ray from it meets the border an odd number of times."""
        a, b = self.edges[:, 0], self.edges[:, 1]
        spans = (a[:, 1] > x[1]) != (b[:, 1] > x[1])
        slope = (b[:, 0] - a[:, 0]) / jnp.where(spans, b[:, 1] - a[:, 1], 1.0)
        return jnp.sum(spans & (x[0] < a[:, 0] + slope * (x[1] - a[:, 1]))) % 2 == 1

    def mass(self, marginal: AbstractMarginal) -> Scalar:
        r"""$\int_P \rho$ of a mixture of parts in the plane.

        Raises:
            TypeError: if the marginal is no such mixture.
        """
        if not isinstance(marginal, LocationScaleMarginal):
            name = type(marginal).__name__
            raise TypeError(f"a {name} has no conditional distribution functions")

        def integrand(x: Point) -> Scalar:
            at_x = marginal.coordinates(x)
            parts = marginal.log_weights + at_x.log_density[:, 0] + at_x.log_left[:, 1]
            return jax.nn.logsumexp(parts)

        return self.weights @ jnp.exp(jax.lax.map(integrand, self.nodes, batch_size=16))

    def sample(self, marginal: AbstractMarginal, *, key: RandomKey) -> Point:
        """One draw from a density given that it is inside, by rejection."""

        def again(state):
            number, x = state
            return (number < _MOST_DRAWS) & ~self.contains(x)

        def draw(state):
            number, _ = state
            return number + 1, marginal.sample(key=jax.random.fold_in(key, number))

        first = marginal.sample(key=key)
        return jax.lax.while_loop(again, draw, (jnp.zeros((), int), first))[1]
