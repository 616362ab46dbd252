import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from liouville.curves import AbstractCurve, shape_of, value_and_rate
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath
from liouville.paths._families import AbstractFamily, Gaussian
from liouville.paths._line import MixtureOnLine, attach
from liouville.paths._scales import Diagonal


class Factorised(AbstractPath):
    r"""Independent coordinates, each a mixture on the line whose parameters *all* move.

    $$\rho_t(x) = \prod_i f_i(t, x_i), \qquad f_i = \sum_k w_{ki}\, p(z_{ki}) / s_{ki}, \qquad
      u_i(t, x) = -\frac{\partial_t F_i(t, x_i)}{f_i(t, x_i)},$$

    with $z_{ki} = (x_i - \mu_{ki})/s_{ki}$ and $F_i$ the distribution function of coordinate $i$.
    The weights may move in time, which those of `LocationScale` may not: on the line there is one
    way only for mass to get from part to part, and $F_i$ knows it. As $u_i$ depends on $x_i$
    alone, it is a gradient field, the velocity of least energy for this density.

    The arrays have the shape `(parts, dim)`, as in `LocationScale`, so that curves and scales
    serve both; but the parts of a coordinate are its own and no points in space: `parts` of them
    in each coordinate make a density with `parts ** dim` bumps.

    The gradient of a draw with respect to the weights is implicit and unbiased. Where parts are
    far apart with nothing between them it varies as much as the velocity there does; a part that
    bridges the gap keeps both small.

    Attributes:
        location: curve of the locations $\mu$, shape `(parts, dim)`.
        raw_scale: curve of the log-scales before the floor of `scale`, shape `(parts, dim)`.
        logits: curve of $\log w$ up to a constant for each coordinate, shape `(parts, dim)`.
        family: the standard density $p$ of all parts.
        scale: the smooth floor of the log-scales, so that no part becomes a point.

    Raises:
        ValueError: on curves whose shapes differ.

    Source: the factorised density of Hua, Vanden-Eijnden and Chen (UAI 2025), with the velocity in
    place of the flux, formed so that it is finite in both tails.
    """

    location: AbstractCurve
    raw_scale: AbstractCurve
    logits: AbstractCurve
    family: AbstractFamily = Gaussian()
    scale: Diagonal = Diagonal()

    def __check_init__(self):
        shapes = [shape_of(c) for c in (self.location, self.raw_scale, self.logits)]
        if len(shapes[0]) != 2 or len(set(shapes)) != 1:
            raise ValueError(
                f"locations, raw scales and logits have shapes {shapes[0]}, {shapes[1]} and "
                f"{shapes[2]}; all must be (parts, dim)"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return shape_of(self.location)[1]

    def at(self, t: Scalar) -> "FactorisedMarginal":
        """The marginal at time `t` of shape `()`."""
        frames = self.scale.frames(
            *value_and_rate(self.location, t),
            *value_and_rate(self.raw_scale, t),
            is_rotation_invariant=False,
        )
        logits, logits_rate = value_and_rate(self.logits, t)
        log_weights, log_weights_rate = jax.jvp(
            lambda a: jax.nn.log_softmax(a, axis=0), (logits,), (logits_rate,)
        )
        return FactorisedMarginal(
            self._lines(frames.location, frames.log_scale, log_weights),
            self._lines(frames.location_rate, frames.log_scale_rate, log_weights_rate),
        )

    def _lines(self, *columns: Float[Array, "parts dim"]) -> MixtureOnLine:
        return jax.vmap(lambda m, s, w: MixtureOnLine(m, s, w, self.family), in_axes=1)(*columns)


class Coordinates(eqx.Module):
    r"""What a product density says of each coordinate of a point, in arrays of shape `(dim,)`.

    Attributes:
        log_density: $\log f_i$.
        log_left: $\log F_i$.
        log_right: $\log(1 - F_i)$.
        log_left_mills: $\log(F_i/f_i)$, with all its digits in the left tail.
        log_right_mills: $\log((1 - F_i)/f_i)$, with all its digits in the right tail.
    """

    log_density: Float[Array, "..."]
    log_left: Float[Array, "..."]
    log_right: Float[Array, "..."]
    log_left_mills: Float[Array, "..."]
    log_right_mills: Float[Array, "..."]


class FactorisedMarginal(AbstractMarginal):
    """A `Factorised` at one time: the densities of its coordinates, stacked, and their rates."""

    lines: MixtureOnLine
    rates: MixtureOnLine

    def log_density(self, x: Point) -> Scalar:
        r"""$\sum_i \log f_i(x_i)$."""
        return jax.vmap(lambda line, y: line.log_density(y))(self.lines, x).sum()

    def velocity(self, x: Point) -> Point:
        r"""$u_i = -\partial_t F_i / f_i$, see `MixtureOnLine.carry`."""
        return jax.vmap(lambda line, rate, y: line.carry(rate, y))(self.lines, self.rates, x)

    def sample(self, *, key: RandomKey) -> Point:
        """One draw of every coordinate; it moves with the parameters."""
        keys = jr.split(key, len(self.lines.location))
        return jax.vmap(lambda line, k: line.sample(key=k))(self.lines, keys)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """`n` points of equal weight; every part of every coordinate has its due number of them.

        A point carries no label that could be enumerated: `parts ** dim` would be too many. Its
        derivative is implicit instead, which needs none.
        """
        keys = jr.split(key, len(self.lines.location))
        points = jax.vmap(lambda line, k: _spread(line, n, k))(self.lines, keys).T
        return points, jnp.full((n,), 1.0 / n, points.dtype)

    def coordinates(self, x: Point) -> Coordinates:
        """Densities and distribution functions of the coordinates at `x`."""
        return jax.vmap(coordinate_values)(self.lines, x)


def _spread(line: MixtureOnLine, n: int, key: RandomKey) -> Float[Array, " n"]:
    """`n` draws in random order, spread over the parts more evenly than chance would."""
    part_key, point_key, order_key = jr.split(key, 3)
    part = _systematic(line.log_weights, n, part_key)
    z = _mirror(line, n, point_key)
    points = jax.lax.stop_gradient(line.location[part] + jnp.exp(line.log_scale[part]) * z)
    # The order makes coordinates independent of each other.
    points = jr.permutation(order_key, points)
    return jax.vmap(lambda x: attach(line, x))(points)


def _systematic(log_weights: Float[Array, " parts"], n: int, key: RandomKey) -> Int[Array, " n"]:
    """`n` parts in ascending order: part `k` comes `n` times its weight, rounded up or down.

    The levels $(j + U)/n$ share one uniform $U$; each by itself, in random order, is uniform.
    """
    ends = jnp.cumsum(jax.lax.stop_gradient(jnp.exp(log_weights)))
    levels = (jnp.arange(n) + jr.uniform(key, dtype=ends.dtype)) / n
    return jnp.searchsorted(ends[:-1], levels, side="right")


def _mirror(line: MixtureOnLine, n: int, key: RandomKey) -> Float[Array, " n"]:
    """Standard draws; neighbours, which mostly share a part, are mirror images if possible."""
    if line.family.is_symmetric:
        half = line.family.sample((-(-n // 2),), key=key)
        z = jnp.stack([half, -half], axis=1).reshape(-1)[:n]
    else:
        z = line.family.sample((n,), key=key)
    return z.astype(line.location.dtype)


def coordinate_values(line: MixtureOnLine, x: Scalar) -> Coordinates:
    """What one density on the line says of one number: `Coordinates` of shape `()`."""
    z, joint = line.standard(x), line.log_joint(x)
    log_density = jax.nn.logsumexp(joint)
    shares = joint - log_density + line.log_scale
    outward = jnp.abs(z)

    def mills(is_outside, log_ratio, log_tail):
        # In its own tail a part gives gamma_k F_k/f_k, elsewhere w_k F_k/f: see `carry`.
        crossed = line.log_weights + log_tail - log_density
        return jax.nn.logsumexp(jnp.where(is_outside, shares + log_ratio, crossed))

    left, right = line.family.log_tails(z)
    return Coordinates(
        log_density,
        jax.nn.logsumexp(line.log_weights + left),
        jax.nn.logsumexp(line.log_weights + right),
        mills(z < 0, line.family.log_mills(-outward)[0], left),
        mills(z > 0, line.family.log_mills(outward)[1], right),
    )
