"""Scales of parts: the one between diagonal and full, and squared distances with their digits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liouville.curves import Knots
from liouville.paths import AbstractScale, Diagonal, Full, Leading, LocationScale
from liouville.quantities import score
from makers import cast
from tolerances import NARROW, ROUNDING

PARTS, DIM, LEADING = 3, 5, 2


def moving(scale: AbstractScale, covariances: np.ndarray, locations: np.ndarray) -> LocationScale:
    """Parts between two times, from arrays `(2, parts, dim, dim)` and `(2, parts, dim)`."""
    raw = scale.from_covariance(jnp.asarray(covariances))
    return LocationScale(
        Knots((0.0, 1.0), jnp.asarray(locations), "linear"),
        Knots((0.0, 1.0), raw, "linear"),
        jnp.asarray(np.linspace(-0.3, 0.4, locations.shape[1])),
        scale=scale,
    )


@eqx.filter_jit
def answers(path: LocationScale, x):
    marginal = path.at(jnp.zeros((), x.dtype))
    return jax.vmap(lambda y: (marginal.log_density(y), marginal.velocity(y), score(marginal, y)))(
        x
    )


def block_covariances(rng: np.random.Generator) -> np.ndarray:
    factor = np.tril(rng.normal(size=(2, PARTS, DIM, DIM)), -1) + 2.0 * np.eye(DIM)
    factor[..., LEADING:, :] *= np.eye(DIM)[LEADING:]
    return factor @ factor.swapaxes(-1, -2)


@pytest.mark.parametrize(
    ("scale", "same"),
    [
        (Leading(LEADING), Full()),
        pytest.param(Leading(LEADING + 100), Full(), marks=pytest.mark.slow),
    ],
)
def test_leading_parts_are_full_ones_with_independent_coordinates_beyond(scale, same):
    rng = np.random.default_rng(0)
    covariances, locations = block_covariances(rng), rng.normal(size=(2, PARTS, DIM))
    x = jnp.asarray(rng.normal(size=(5, DIM)))
    both = [answers(moving(s, covariances, locations), x) for s in (scale, same)]
    for one, other in zip(*both, strict=True):
        assert np.allclose(one, other, rtol=ROUNDING, atol=ROUNDING)


def test_leading_parts_need_a_leading_coordinate():
    with pytest.raises(ValueError, match="0 leading coordinates; give one or more"):
        Leading(0)


# Squared distances.


def plain(x, location, log_scale):
    return jnp.sum(((x - location) * jnp.exp(-log_scale)) ** 2, axis=-1)


def of_frames(x, location, log_scale):
    still = jnp.zeros_like(location)
    raw = log_scale + jnp.log(-jnp.expm1(-(log_scale + 12.0)))  # above the floor of -12
    frames = Diagonal().frames(location, still, raw, still, is_rotation_invariant=True)
    return frames.squares(x)


@pytest.mark.parametrize("moved", [(0,), (1,), (2,), (0, 1, 2)])
def test_derivatives_of_squared_distances(moved):
    rng = np.random.default_rng(1)
    values = [jnp.asarray(rng.normal(size=s)) for s in ((DIM,), (PARTS, DIM), (PARTS, DIM))]

    def derivatives(function):
        def of(*some):
            return function(*(some[moved.index(i)] if i in moved else values[i] for i in range(3)))

        numbers = tuple(range(len(moved)))
        kinds = [make(of, numbers) for make in (jax.jacfwd, jax.jacrev, jax.hessian)]
        return jax.jit(lambda *some: [kind(*some) for kind in kinds])(*(values[i] for i in moved))

    both = [jax.tree.leaves(derivatives(function)) for function in (plain, of_frames)]
    for one, other in zip(*both, strict=True):
        assert np.allclose(one, other, rtol=ROUNDING, atol=ROUNDING)


def narrow_parts(scale: AbstractScale, dim: int) -> LocationScale:
    """Pairs of parts that overlap, a hundred times as far from other pairs as they are wide."""
    rng = np.random.default_rng(2)
    locations = np.repeat(rng.normal(size=(2, 8, dim)), 2, axis=1)
    locations[:, ::2] += 0.007 * rng.normal(size=(2, 8, dim)) / np.sqrt(dim)
    covariances = 1e-4 * np.exp(0.6 * rng.normal(size=(2, 16, dim)))[..., None] * np.eye(dim)
    return moving(scale, covariances, locations)


@eqx.filter_jit
@eqx.filter_grad
def slopes(path: LocationScale, x):
    return jax.vmap(path.at(jnp.zeros((), x.dtype)).log_density)(x).mean()


@pytest.mark.parametrize(
    ("scale", "dim"),
    [
        pytest.param(Diagonal(), 2, id="diagonal-2", marks=pytest.mark.slow),
        pytest.param(Diagonal(), 8, id="diagonal-8"),
        pytest.param(Diagonal(), 50, id="diagonal-50", marks=pytest.mark.slow),
        pytest.param(Leading(2), 2, id="leading-2", marks=pytest.mark.slow),
        pytest.param(Leading(2), 50, id="leading-50", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("scales_out", [pytest.param(0.0, marks=pytest.mark.slow), 20.0])
def test_narrow_parts_keep_their_digits_in_single_precision(scale, dim, scales_out):
    # The numbers of both precisions are the same: rounding them moves narrow parts by itself.
    single = cast(narrow_parts(scale, dim), jnp.float32)
    path, rng = cast(single, jnp.float64), np.random.default_rng(3)
    x, _ = path.at(jnp.asarray(0.0)).particles(256, key=jax.random.key(0))
    away = rng.normal(size=x.shape)
    away *= 0.01 * scales_out / np.linalg.norm(away, axis=1, keepdims=True)
    rounded = (x + away).astype(jnp.float32)
    x = rounded.astype(jnp.float64)
    close = [answers(single, rounded), jax.tree.leaves(slopes(single, rounded))]
    exact = [answers(path, x), jax.tree.leaves(slopes(path, x))]
    for one, other in zip(jax.tree.leaves(close), jax.tree.leaves(exact), strict=True):
        assert one.dtype == jnp.float32
        assert np.abs(one - other).max() < NARROW * np.abs(other).max()
