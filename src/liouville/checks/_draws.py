"""Samples and particles against the density, by Stein's identities."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from liouville.checks._report import Report, report_of
from liouville.numerics.types import Points, RandomKey, Scalar
from liouville.paths import AbstractPath
from liouville.quantities import score


def sampler(path: AbstractPath, t: Scalar, *, n: int = 4096, key: RandomKey) -> Report:
    r"""Measures whether samples have the density, by Stein's identities.

    For every density that decays, $E[s] = 0$ and $E[x_i s_j] = -\delta_{ij}$ with the score $s$;
    samples of another law break them. Coordinates are centred and scaled first.

    Args:
        path: the path.
        t: time, shape `()`.
        n: the number of samples.
        key: random key.
    """
    identities = _sample_identities(path, t, jr.split(key, n))
    error = jnp.sqrt(n) * jnp.abs(identities.mean(0)) / identities.std(0)
    detail = f"standard errors off Stein's identities, {n} samples at t = {float(t):.3g}"
    return report_of("sampler", float(error.max()), detail, identities)


def particles(
    path: AbstractPath, t: Scalar, *, n: int = 256, repeats: int = 64, key: RandomKey
) -> Report:
    r"""Measures whether weighted particles are unbiased, by Stein's identities.

    Args:
        path: the path.
        t: time, shape `()`.
        n: the number of particles of a draw.
        repeats: the number of independent draws, from which the standard error is taken.
        key: random key.
    """
    draws = _particle_identities(path, t, jr.split(key, repeats), n)
    # Where every draw is exact up to rounding there is no standard error to divide by.
    floor = 1e3 * jnp.finfo(draws.dtype).eps
    error = jnp.sqrt(repeats) * jnp.abs(draws.mean(0)) / jnp.maximum(draws.std(0), floor)
    detail = f"standard errors off Stein's identities, {repeats} draws at t = {float(t):.3g}"
    return report_of("particles", float(error.max()), detail, draws)


@eqx.filter_jit
def _sample_identities(
    path: AbstractPath, t: Scalar, keys: Key[Array, " n"]
) -> Float[Array, "n identities"]:
    marginal = path.at(t)
    return _stein(marginal, jax.vmap(lambda k: marginal.sample(key=k))(keys))


@eqx.filter_jit
def _particle_identities(
    path: AbstractPath, t: Scalar, keys: Key[Array, " repeats"], n: int
) -> Float[Array, "repeats identities"]:
    marginal = path.at(t)

    def once(key):
        points, weights = marginal.particles(n, key=key)
        # The weights join the identities: they must sum to one on average.
        return jnp.append(weights @ _stein(marginal, points), weights.sum() - 1.0)

    return jax.vmap(once)(keys)


def _stein(marginal, points: Points) -> Float[Array, "n identities"]:
    scores = jax.vmap(lambda x: score(marginal, x))(points)
    middle, spread = points.mean(0), points.std(0) + 1e-12
    z, s = (points - middle) / spread, scores * spread
    products = z[:, :, None] * s[:, None, :] + jnp.eye(points.shape[1], dtype=s.dtype)
    return jnp.concatenate([s, products.reshape(len(points), -1)], axis=1)
