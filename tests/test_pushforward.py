"""The pushforward path: the laws with bases at rest and in motion, and what must break them."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville
from liouville import checks
from liouville.checks._equations import continuity_terms, terms_at
from liouville.maps import AbstractTransform, Elementwise, Permutation, coupling_flow
from liouville.numerics.types import Point, Scalar
from liouville.paths._normal import Normal
from liouville.paths._pushforward import Pushforward, PushforwardMarginal
from makers import INTERVAL, curve, jolted
from registry import PUSHED, build
from test_laws import assert_fails, assert_passes, points_of
from tolerances import ROUNDING, TAIL_RESIDUAL

# Rounding relative to the terms: an affine flow is a product of scales, and sixty units out its
# density is exp(-1e8), whose terms leave more than the absolute residual. The divergence is the
# trace of J A J^{-1}, which forms and cancels numbers as much larger as the Jacobian J of the map
# is ill-conditioned: up to 3e6 there, so that relative errors of 1e-10 are rounding as well. Each
# of the two products sums as many terms as there are coordinates.
RELATIVE = 1e-13
EPSILON = float(np.finfo(np.float64).eps)

TIME = 0.37
HEAVY = pytest.mark.slow


def _still(mapping: str) -> Pushforward:
    path: Any = build(f"pushforward-{mapping}")
    return Pushforward(Normal(path.dim), path.map)


@pytest.mark.parametrize(
    "name", ["pushforward-flow-affine-1d", *(pytest.param(n, marks=HEAVY) for n in PUSHED)]
)
def test_continuity_far_out_is_as_exact_as_the_map(name):
    path: Any = build(name)
    times, points = points_of(path)
    terms = terms_at(path, continuity_terms, times, points)
    residual, size = jnp.abs(terms.sum(-1)), jnp.abs(terms).sum(-1)
    conditions = _conditions(path, times, points)
    relative = jnp.maximum(RELATIVE, path.dim**2 * EPSILON * conditions)
    assert float((residual - relative * size).max()) < TAIL_RESIDUAL


@eqx.filter_jit
def _conditions(path: Pushforward, times, points):
    """The condition numbers of the Jacobian of the map at points of its image."""

    def at(t, x):
        transform = path.map.at(t)
        return jax.jacfwd(lambda y: transform.inverse(y)[0])(x)

    return jnp.linalg.cond(jax.vmap(at)(times, points))


def _flow(dim: int, kind: str, **options):
    options = {"layers": 2, "width": 8, "depth": 1, "bins": 4, **options}
    return coupling_flow(dim, INTERVAL, kind=kind, key=jr.key(0), **options)  # pyright: ignore[reportArgumentType]


# The hard start.


@pytest.mark.parametrize(
    ("kind", "gate"), [("spline", "fast"), pytest.param("affine", "linear", marks=HEAVY)]
)
def test_hard_start_is_the_base(kind, gate, getkey):
    flow = jolted(_flow(2, kind, linear=True, gate=gate), getkey())
    x = jnp.asarray(np.random.default_rng(0).normal(size=(16, 2)) * 3.0)

    @eqx.filter_jit
    def values(path, t):
        marginal = path.at(t)
        densities = jax.vmap(lambda y: (marginal.log_density(y), marginal.base.log_density(y)))(x)
        return *densities, jax.vmap(marginal.velocity)(x)

    found, wanted, velocity = values(Pushforward(Normal(2), flow), jnp.asarray(INTERVAL[0]))
    assert np.allclose(found, wanted, rtol=1e-13, atol=1e-13)
    assert np.isfinite(velocity).all()
    assert float(jnp.abs(velocity).max()) > 0.01


# Closed form.


def test_a_normal_density_through_an_affine_map():
    raw = curve("cubic", (2, 1), jr.key(0))
    path = Pushforward(Normal(1), Elementwise(raw))

    def mean_and_log_scale(t):
        values = raw(t)[:, 0]
        return values[1], 3.0 * jnp.tanh(values[0] / 3.0)

    t, x = jnp.asarray(TIME), jnp.asarray([0.9])
    (mean, log_scale), (mean_rate, rate) = jax.jvp(mean_and_log_scale, (t,), (jnp.ones(()),))
    z = (x[0] - mean) * np.exp(-log_scale)
    marginal = path.at(t)
    density = -0.5 * z**2 - 0.5 * np.log(2.0 * np.pi) - log_scale
    assert np.isclose(marginal.log_density(x), density, rtol=ROUNDING)
    assert np.isclose(marginal.velocity(x)[0], mean_rate + rate * (x[0] - mean), rtol=ROUNDING)


def test_particles_are_mirrored():
    points, weights = Normal(3).at(jnp.asarray(0.0)).particles(10, key=jr.key(0))
    assert np.allclose(weights @ points, 0.0, atol=ROUNDING)
    assert np.isclose(weights.sum(), 1.0)


# Contexts, dtypes, compilation, errors.


def test_context(getkey):
    path = Pushforward(Normal(2), jolted(_flow(2, "affine", context=2), getkey()))
    first, second = (liouville.given(path, jnp.asarray(c)) for c in ([0.0, 1.0], [1.0, 0.0]))
    log_density = eqx.filter_jit(lambda path: path.at(jnp.asarray(TIME)).log_density(jnp.ones(2)))
    assert not np.isclose(log_density(first), log_density(second))
    with pytest.raises(ValueError, match="awaits a context"):
        path.at(jnp.asarray(TIME))


def test_base_and_map_must_fit():
    with pytest.raises(ValueError, match="the base has 3 coordinates and the map 2"):
        Pushforward(Normal(3), Permutation((1, 0)))
    with pytest.raises(ValueError, match="0 coordinates"):
        Normal(0)


# Negative controls.


class Altered(liouville.paths.AbstractPath):
    """A pushforward whose marginals are made wrong in one way."""

    path: Pushforward
    alter: Callable = eqx.field(static=True)

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t: Scalar) -> PushforwardMarginal:
        return self.alter(self.path.at(t))


class AtRest(liouville.paths.AbstractMarginal):
    """A marginal that has forgotten its velocity."""

    marginal: liouville.paths.AbstractMarginal

    def log_density(self, x: Point) -> Scalar:
        return self.marginal.log_density(x)

    def velocity(self, x: Point) -> Point:
        return jnp.zeros_like(x)

    def sample(self, *, key):
        return self.marginal.sample(key=key)

    def particles(self, n, *, key):
        return self.marginal.particles(n, key=key)


class WrongSign(AbstractTransform):
    """A transform whose log-determinant has the wrong sign on the way back."""

    transform: AbstractTransform

    def forward(self, x):
        return self.transform.forward(x)

    def inverse(self, y):
        x, log_det = self.transform.inverse(y)
        return x, -log_det

    def inverse_and_push(self, rate, y):
        return self.transform.inverse_and_push(rate.transform, y)


def _forgotten(marginal):
    return eqx.tree_at(lambda m: m.base, marginal, AtRest(marginal.base))


def _turned(marginal):
    return PushforwardMarginal(
        marginal.base, WrongSign(marginal.transform), WrongSign(marginal.rate)
    )


def _stopped(marginal):
    return eqx.tree_at(lambda m: m.rate, marginal, jax.tree.map(jnp.zeros_like, marginal.rate))


@pytest.mark.parametrize(
    "alter", [_forgotten, *(pytest.param(fault, marks=HEAVY) for fault in (_turned, _stopped))]
)
def test_continuity_refuses(alter):
    path: Any = build("pushforward-coupling-affine")
    report = checks.continuity(Altered(path, alter), *points_of(path))
    assert_fails(report)
    assert report.value > 0.01


def test_a_base_at_rest_needs_no_velocity():
    path = Altered(_still("coupling-affine"), _forgotten)
    assert_passes(checks.continuity(path, *points_of(path, 16)))


def test_mass_refuses_the_wrong_sign():
    path = _still("flow-affine-1d")
    report = checks.mass(Altered(path, _turned), jnp.asarray(TIME), nodes=4001)
    assert_fails(report)
    assert report.value > 0.01


@pytest.mark.slow
def test_transport_refuses_a_map_that_stands_still(getkey):
    path: Any = build("pushforward-coupling-affine")
    path = Altered(path, _stopped)
    assert_fails(checks.transport(path, (0.25, 0.85), n=64, steps=50, key=getkey()))
