"""Drifts that depend on the law, and diffusions in other coordinates."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.diffusions import solve_fokker_planck
from liouville.diffusions._coordinates import pulled_back
from liouville.errors import LiouvilleError
from liouville.maps import Chain, Exp, Logit, Softplus
from liouville.numerics.mixtures import gaussian
from liouville.objectives import Crowd, Effort, MeanField, drift_among

QUICK = {"steps": 60, "parts": 4, "progress": False}
# Moments of 20,000 draws, by five standard errors.
MOMENTS = 0.05


def moments(path, t: float) -> tuple[float, float]:
    keys = jr.split(jr.key(0), 20_000)
    x = np.asarray(jax.jit(jax.vmap(lambda k: path.at(jnp.asarray(t)).sample(key=k)))(keys))
    return float(x.mean()), float(x.var())


def test_a_crowd_is_its_points_and_weights():
    points, weights = jnp.asarray([[0.0], [2.0]]), jnp.asarray([0.25, 0.75])
    crowd = Crowd(points, weights)
    assert float(crowd.mean()[0]) == 1.5
    assert float(crowd.mean(lambda y: y[0] ** 2)) == 3.0
    pull = MeanField(lambda t, x, crowd: crowd.mean() - x)
    assert float(pull.among(points, weights)(jnp.asarray(0.0), jnp.asarray([1.0]))[0]) == 0.5
    plain = lambda t, x: -x  # noqa: E731
    assert drift_among(plain, points, weights) is plain
    assert drift_among(None, points, weights) is None


@pytest.mark.slow
def test_a_linear_mean_field_has_its_closed_form():
    """dX = -a (X - b E X) dt + s dW; the drift among the start for ever is the control."""
    a, b, s = 1.5, 0.5, 0.7
    source = gaussian(np.array([2.0]), np.array([[0.25]]))
    mean = 2.0 * np.exp(-a * (1.0 - b))
    variance = 0.25 * np.exp(-2.0 * a) + s**2 / (2.0 * a) * (1.0 - np.exp(-2.0 * a))

    pull = MeanField(lambda t, x, crowd: -a * (x - b * crowd.mean()))
    found = solve_fokker_planck(pull, source, s, 1.0, **QUICK)
    ours = moments(found.path, 1.0)
    assert found.bound < 1e-3
    assert abs(ours[0] / mean - 1.0) < 0.01
    assert abs(ours[1] / variance - 1.0) < MOMENTS
    alone = solve_fokker_planck(lambda t, x: -a * (x - b * 2.0), source, s, 1.0, **QUICK)
    assert abs(moments(alone.path, 1.0)[0] / mean - 1.0) > 0.1


@pytest.mark.slow
def test_the_effort_meets_its_own_particles():
    """Of a law with the mean m, pulled to it, and one pulled to zero: half the square of m / s."""
    from liouville.curves import Constant
    from liouville.paths import Full, LocationScale

    path = LocationScale(
        Constant(jnp.asarray([[3.0]])),
        Constant(jnp.zeros((1, 1, 1))),
        jnp.zeros(1),
        scale=Full(-10.0),
    )
    marginal = path.at(jnp.asarray(0.0))
    points, weights = marginal.particles(512, key=jr.key(0))
    # Rest of N(m, 1) under noise 1 needs the drift (m - x) / 2.
    own = Effort(1.0, MeanField(lambda t, x, crowd: 0.5 * (crowd.mean() - x)))
    away = Effort(1.0, lambda t, x: -0.5 * x)
    value = [
        float(cost(jnp.asarray(0.0), marginal, points, weights, key=jr.key(1)))
        for cost in (own, away)
    ]
    assert value[0] < 1e-2
    assert abs(value[1] - 0.5 * 1.5**2) < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(
    "mapping",
    [
        Exp((0.0, None)),
        Softplus((0.0, 1.0)),
        Chain([Exp((0.0, None)), Logit((None, -1.0), (None, 1.0))]),
    ],
)
def test_itos_formula_is_that_of_the_generator(mapping):
    """L_X (g o T) = (L_Y g) o T for any function g."""

    def drift(t, y):
        return jnp.stack([0.5 * y[0] - y[1], jnp.sin(y[0])])

    def sigma(t, y):
        return jnp.asarray([[1.0, 0.3], [0.0, 0.5]]) * (1.0 + 0.1 * y[0] ** 2)

    def g(y):
        return jnp.sin(y[0]) * y[1] + y[1] ** 3

    def generator(f, s, g, x):
        spread = s(0.0, x) @ s(0.0, x).T
        return jax.grad(g)(x) @ f(0.0, x) + 0.5 * jnp.sum(jax.hessian(g)(x) * spread)

    image = lambda x: mapping.at(jnp.asarray(0.0)).forward(x)[0]  # noqa: E731
    own_drift, own_sigma = pulled_back(mapping, drift, sigma)
    for x in jnp.asarray([[0.3, -0.2], [-0.7, 0.4]]):
        ours = generator(own_drift, own_sigma, lambda x: g(image(x)), x)
        assert np.isclose(float(ours), float(generator(drift, sigma, g, image(x))), rtol=1e-4)
        # Without the bend of the map it is another process.
        bare = lambda t, x: jnp.linalg.solve(jax.jacfwd(image)(x), drift(t, image(x)))  # noqa: E731
        assert not np.isclose(
            float(generator(bare, own_sigma, lambda x: g(image(x)), x)), float(ours), rtol=1e-2
        )


def _growth(t, x):
    return 0.5 * x


def _noise(t, x):
    return 0.5 * jnp.diag(x)


@pytest.mark.slow
def test_geometric_brownian_motion_through_a_map():
    source = gaussian(np.array([-0.02]), np.array([[0.04]]))
    found = solve_fokker_planck(_growth, source, _noise, 1.0, map=Exp((0.0,)), **QUICK)
    mean, variance = moments(found.path, 1.0)
    assert found.bound < 1e-4
    assert abs(mean / np.exp(0.5) - 1.0) < 0.02
    assert abs(variance / (np.e * np.expm1(0.29)) - 1.0) < 0.1


@pytest.mark.slow
def test_a_bound_that_says_nothing_is_said():
    source = gaussian(np.array([1.0]), np.array([[0.04]]))
    with pytest.warns(UserWarning, match="says next to nothing.*map of the support"):
        found = solve_fokker_planck(_growth, source, _noise, 1.0, **QUICK)
    assert found.total_variation <= 1.0


@pytest.mark.slow
def test_a_square_root_process_through_a_map():
    """Its start left all bounds, as noise grows toward zero in its coordinate."""
    source = gaussian(np.array([-0.7]), np.array([[0.04]]))
    root = lambda t, x: 0.5 * jnp.diag(jnp.sqrt(x))  # noqa: E731
    found = solve_fokker_planck(
        lambda t, x: 1.0 - x, source, root, 1.0, map=Exp((0.0,)), steps=300, progress=False
    )
    start, e = np.exp(-0.68), np.exp(-1.0)
    spread = start**2 * np.expm1(0.04)
    variance = spread * e**2 + start * 0.25 * (e - e**2) + 0.125 * (1.0 - e) ** 2
    mean, ours = moments(found.path, 1.0)
    assert abs(mean / (1.0 + (start - 1.0) * e) - 1.0) < 0.01
    assert abs(ours / variance - 1.0) < MOMENTS


@pytest.mark.parametrize(
    ("drift", "message"),
    [
        (MeanField(cast(Any, lambda t, x: -x)), "the drift"),
        (MeanField(lambda t, x, crowd: crowd.mean(lambda y: y[0])), "returns shape"),
        (MeanField(lambda t, x, crowd: x / (crowd.mean() - crowd.mean())), "make it finite"),
    ],
)
def test_mean_fields_that_are_none(drift, message):
    source = gaussian(np.array([1.0]), np.array([[0.04]]))
    with pytest.raises(LiouvilleError, match=message):
        solve_fokker_planck(drift, source, 1.0, 1.0, **QUICK)
