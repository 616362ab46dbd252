from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville import checks
from liouville.checks import _equations
from liouville.curves import Constant, HardEnded, Knots
from liouville.dynamics import (
    control,
    diffrax_terms,
    drift,
    matrix_drift,
    reverse_drift,
    solve_ode,
    solve_sde,
)
from liouville.paths import Full, LocationScale
from liouville.quantities import (
    divergence,
    flux,
    jacobian,
    jacobian_asymmetry,
    kinetic_energy,
    score,
)
from makers import jolted
from registry import build
from tolerances import EULER_MARUYAMA, ORDER, ROUNDING, STANDARD_ERRORS

# No binary number holds these ends, so sums of steps miss the last one by rounding.
ENDS = (0.1, 0.7)


def gaussian(kind: str = "cubic") -> LocationScale:
    """One moving Gaussian in two dimensions, axis-parallel: its flow is known."""
    rng = np.random.default_rng(0)
    values = [jnp.asarray(rng.normal(size=(3, 1, 2))) for _ in range(2)]
    times = (ENDS[0], 0.3, ENDS[1])
    curves = [Knots(times, 0.6 * v, "cubic") for v in values]
    if kind == "hard":
        inner = [Knots(ENDS, v[1:], "cubic") for v in values]
        curves = [HardEnded(ENDS, 0.6 * v[:2], i, "fast") for v, i in zip(values, inner)]
    return LocationScale(curves[0], curves[1], jnp.zeros(1))


def flow(path: LocationScale, x0: jax.Array, start: float, end: float) -> np.ndarray:
    """Along the flow of one axis-parallel part the standardised coordinate stays."""
    first, last = path.at(jnp.asarray(start)), path.at(jnp.asarray(end))
    z = jax.vmap(first.frames.to_standard)(x0)
    return np.asarray(jax.vmap(last.frames.from_standard)(z))[:, 0]


POINTS = jnp.asarray(np.random.default_rng(1).normal(size=(6, 2)))


@pytest.mark.parametrize(
    ("method", "order", "kind"),
    [
        ("euler", 1, "cubic"),
        pytest.param("heun", 2, "cubic", marks=pytest.mark.slow),
        ("rk4", 4, "cubic"),
        pytest.param("rk4", 4, "hard", marks=pytest.mark.slow),
    ],
)
def test_order_of_convergence(method, order, kind):
    path = gaussian(kind)
    # Within one piece of the cubic, where it is smooth.
    start, end = (0.3, ENDS[1]) if kind == "cubic" else ENDS
    exact = flow(path, POINTS, start, end)
    counts = (24, 48) if kind == "cubic" else (96, 192)
    errors = [
        np.abs(
            solve_ode(path, POINTS, jnp.asarray([start, end]), steps=n, method=method)[-1] - exact
        ).max()
        for n in counts
    ]
    assert abs(np.log2(errors[0] / errors[1]) - order) < ORDER
    assert errors[1] < 0.5 * np.abs(exact - POINTS).max()


@pytest.mark.parametrize("method", ["heun", "rk4"])
def test_steps_that_end_at_a_knot_do_not_see_beyond(method):
    """The velocity jumps at a knot; steps on either side meet it exactly, there and back."""
    places = jnp.asarray([[[0.0]], [[1.0]], [[-1.0]]])
    times = (0.1, 1.1, 2.1)
    path = LocationScale(Knots(times, places, "linear"), Constant(jnp.zeros((1, 1))), jnp.zeros(1))
    x = jnp.asarray([[0.5]])
    for clock, moved in ((times, [0.5, 1.5, -0.5]), (times[::-1], [0.5, 2.5, 1.5])):
        found = solve_ode(path, x, jnp.asarray(clock), steps=3, method=method)
        np.testing.assert_allclose(found[:, 0, 0], moved, rtol=ROUNDING)


def test_the_flow_returns():
    path = build("gauged")
    times = jnp.asarray([-0.9, 0.0, 0.1])
    there = solve_ode(path, POINTS, times, steps=200)
    assert np.array_equal(there[0], POINTS)
    back = solve_ode(path, there[-1], times[::-1], steps=200)
    assert np.abs(there[-1] - POINTS).max() > 0.5
    assert np.allclose(back[-1], POINTS, atol=1e-6)
    assert np.allclose(back[1], there[1], atol=1e-6)


def _check_moments(points: np.ndarray, path: LocationScale, t: float) -> None:
    marginal: Any = path.at(jnp.asarray(t))
    mean, scale = marginal.frames.location[0], jnp.exp(marginal.frames.log_scale[0])
    count = len(points)
    slack = STANDARD_ERRORS * scale / np.sqrt(count) + EULER_MARUYAMA
    assert np.all(np.abs(points.mean(0) - mean) < slack)
    cov = np.cov(points.T)
    slack = STANDARD_ERRORS * np.sqrt(2.0 / count) * np.outer(scale, scale) + EULER_MARUYAMA
    assert np.all(np.abs(cov - np.diag(scale**2)) < slack)


def _start(path: LocationScale, t: float, key) -> jax.Array:
    marginal = path.at(jnp.asarray(t))
    return jax.jit(jax.vmap(lambda k: marginal.sample(key=k)))(jr.split(key, 10_000))


NOISES = {"one": lambda t: 0.8 + t, "one of each": lambda t: jnp.stack([0.8 + t, 0.3 * t])}


@pytest.mark.parametrize(
    ("way", "noise"),
    [
        pytest.param("forward", "one", marks=pytest.mark.slow),
        pytest.param("forward", "one of each", marks=pytest.mark.slow),
        pytest.param("backward", "one", marks=pytest.mark.slow),
        ("backward", "one of each"),
    ],
)
def test_euler_maruyama_has_the_path_s_laws(way, noise, getkey):
    path = gaussian()
    times = np.array([ENDS[0], 0.4, ENDS[1]])[:: 1 if way == "forward" else -1]

    start = _start(path, times[0], getkey())
    found = solve_sde(path, start, jnp.asarray(times), g=NOISES[noise], steps=200, key=getkey())
    assert np.array_equal(found[0], start)
    for points, t in zip(np.asarray(found[1:]), times[1:]):
        _check_moments(points, path, t)
    # The noise was there: the points have forgotten part of where they were.
    z = [(p - p.mean(0)) / p.std(0) for p in (found[0], found[-1])]
    kept = (z[0] * z[1]).mean(0)
    assert kept[0] < 0.8
    assert bool(kept[1] < 0.8) is (noise == "one")


def test_the_wrong_drift_has_other_laws(getkey):
    """The control of the rollout: the velocity alone, with noise, widens the law."""
    path = gaussian()
    times = jnp.asarray(ENDS)
    start = _start(path, ENDS[0], getkey())
    moved = solve_ode(path, start, times, steps=50)[-1]
    blurred = moved + 0.8 * jnp.sqrt(0.6) * jr.normal(getkey(), moved.shape)
    with pytest.raises(AssertionError):
        _check_moments(np.asarray(blurred), path, ENDS[1])


def test_noise_is_a_number_or_a_function(getkey):
    path, times, key = gaussian(), jnp.asarray(ENDS), getkey()
    one = solve_sde(path, POINTS, times, g=0.5, steps=3, key=key)
    other = solve_sde(path, POINTS, times, g=lambda t: jnp.full_like(t, 0.5), steps=3, key=key)
    assert np.allclose(one, other, atol=ROUNDING)


# Drifts.


def test_drifts_are_velocity_and_score():
    reference = jnp.asarray([1.0, -2.0])

    @eqx.filter_jit
    def everything(path, t, x):
        m = path.at(t)
        pair = (m.velocity(x), score(m, x))
        drifts = (drift(m, x, 0.6), reverse_drift(m, x, 0.6), drift(m, x, 0.0))
        return *pair, *drifts, control(m, x, reference, 0.6)

    found = everything(build("mixture"), jnp.asarray(0.2), jnp.asarray([0.4, -0.3]))
    velocity, s, forward, backward, still, steering = found
    assert np.abs(s).max() > 0.1
    assert np.allclose(forward, velocity + 0.18 * s, atol=ROUNDING)
    assert np.allclose(backward, velocity - 0.18 * s, atol=ROUNDING)
    assert np.allclose(still, velocity, atol=ROUNDING)
    assert np.allclose(reference + 0.6 * steering, velocity + 0.18 * s, atol=ROUNDING)


def test_constant_matrix_diffusion_is_plain_noise():
    path, t, x = build("gaussian-diagonal-monotone"), jnp.asarray(0.2), jnp.asarray([0.4, -0.3])

    @eqx.filter_jit
    def both(path, t, x):
        matrix = matrix_drift(path, t, x, lambda t, x: 0.36 * jnp.eye(2))
        return matrix, drift(path.at(t), x, 0.6)

    matrix, plain = both(path, t, x)
    assert np.allclose(matrix, plain, atol=ROUNDING)


@pytest.mark.slow
def test_noise_of_each_coordinate_satisfies_the_fokker_planck_equation(monkeypatch):
    path, noise = build("mixture"), jnp.asarray([0.3, 1.4])
    rng = np.random.default_rng(0)
    times, places = jnp.asarray(rng.uniform(-0.9, 2.4, 40)), jnp.asarray(rng.normal(size=(40, 2)))
    assert checks.fokker_planck(path, times, places, g=noise).passed
    # The drift of the noise of the other coordinate, which the law must not accept.
    wrong = lambda marginal, x, g: drift(marginal, x, g[::-1])  # noqa: E731
    monkeypatch.setattr(_equations, "drift", wrong)
    # Another number of points, for which the law is compiled anew.
    assert not checks.fokker_planck(path, times[1:], places[1:], g=noise).passed


def _diffusion(t, x):
    a = jnp.sin(x[0] + t) + 0.3 * x[1]
    b = jnp.cos(x[0] * x[1])
    root = jnp.array([[1.0 + 0.2 * a, 0.3 * b], [0.1 * a * b, 0.8]])
    return root @ root.T


@pytest.mark.parametrize("fault", [False, True])
def test_matrix_drift_satisfies_the_fokker_planck_equation(fault):
    path = build("gaussian-diagonal-monotone")

    def moved(t, x):
        b = matrix_drift(path, t, x, _diffusion)
        if not fault:
            return b
        # Without the divergence of D: the negative control.
        columns = jax.jacfwd(lambda y: _diffusion(t, y))(x)
        return b - 0.5 * jnp.einsum("ijj->i", columns)

    def density(t, x):
        return jnp.exp(path.at(t).log_density(x))

    @jax.jit
    @jax.vmap
    def residual(t, x):
        rate = jax.grad(density)(t, x)
        outflow = jnp.trace(jax.jacfwd(lambda y: density(t, y) * moved(t, y))(x))
        second = jax.hessian(lambda y: density(t, y) * _diffusion(t, y))(x)
        return jnp.stack([rate, outflow, -0.5 * jnp.einsum("ijij->", second)])

    rng = np.random.default_rng(0)
    terms = residual(jnp.asarray(rng.uniform(-0.9, 2.4, 40)), jnp.asarray(rng.normal(size=(40, 2))))
    relative = jnp.abs(terms.sum(1)) / (1e-3 + jnp.abs(terms).sum(1))
    assert float(jnp.abs(terms).max()) > 0.05
    assert (float(relative.max()) < ROUNDING) is not fault


# Quantities.


def test_quantities_of_a_marginal():
    x, step = jnp.asarray([0.4, -0.3]), 1e-6
    places = jnp.stack([x, *(x + s * step * e for e in jnp.eye(2) for s in (1, -1))])

    @eqx.filter_jit
    def everything(path, x):
        m = path.at(jnp.asarray(0.2))
        derived = (jacobian(m, x), divergence(m, x), jacobian_asymmetry(m, x), score(m, x))
        return m.log_density(x), m.velocity(x), flux(m, x), *derived

    found = jax.vmap(lambda y: everything(build("gauged"), y))(places)
    density, velocity, flow, *derived = (np.asarray(value) for value in found)
    derivative = np.stack([velocity[i] - velocity[i + 1] for i in (1, 3)], -1) / (2 * step)
    slope = np.stack([density[i] - density[i + 1] for i in (1, 3)]) / (2 * step)
    swirl = derivative[0, 1] - derivative[1, 0]
    for value, expected in zip(derived, (derivative, np.trace(derivative), swirl**2, slope)):
        assert np.allclose(value[0], expected, rtol=1e-6, atol=1e-7)
    assert np.allclose(flow[0], np.exp(density[0]) * velocity[0], atol=ROUNDING)


def test_kinetic_energy_is_half_the_weighted_mean_square():
    velocities, weights = jnp.asarray([[3.0, 4.0], [1.0, 0.0]]), jnp.asarray([0.25, 0.75])
    assert float(kinetic_energy(velocities, weights)) == 0.5 * (0.25 * 25.0 + 0.75)


# Diffrax.


@pytest.mark.slow
def test_diffrax_agrees_with_the_own_solver():
    diffrax = pytest.importorskip("diffrax")
    path = build("gaussian-full-cubic")
    x0 = jnp.asarray([0.5, -0.5])
    solution = diffrax.diffeqsolve(
        diffrax_terms(path),
        diffrax.Tsit5(),
        t0=-1.0,
        t1=0.2,
        dt0=0.01,
        y0=x0,
        stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-9),
        max_steps=10_000,
    )
    own = solve_ode(path, x0[None], jnp.asarray([-1.0, 0.2]), steps=300)
    assert np.allclose(solution.ys[0], own[-1, 0], atol=1e-6)


@pytest.mark.slow
def test_diffrax_terms_of_the_stochastic_equation(getkey):
    pytest.importorskip("diffrax")
    path, x = build("gaussian-full-cubic"), jnp.asarray([0.5, -0.5])
    terms: Any = diffrax_terms(path, g=0.7, key=getkey(), interval=(-1.0, 2.5))
    drift_term, noise_term = terms.terms
    t = jnp.asarray(0.3)
    assert np.allclose(drift_term.vf(t, x, None), drift(path.at(t), x, 0.7), atol=ROUNDING)
    assert np.allclose(noise_term.vf(t, x, None), 0.7 * np.eye(2), atol=ROUNDING)
    assert noise_term.contr(0.0, 0.1).shape == (2,)


@pytest.mark.parametrize("missing", ["key", "interval"])
def test_diffrax_noise_needs_key_and_interval(missing, getkey):
    pytest.importorskip("diffrax")
    given = {"key": getkey(), "interval": (0.0, 1.0)}
    given.pop(missing)
    with pytest.raises(ValueError, match="needs key and interval"):
        diffrax_terms(gaussian(), g=0.5, **given)


def test_hard_ended_full_path_starts_and_ends_where_it_must(getkey):
    """Points of the first law, carried by the flow, have the last law."""
    rng = np.random.default_rng(3)
    locations = jnp.asarray(rng.normal(size=(2, 1, 2)))
    covs = jnp.asarray([[[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.2], [-0.2, 1.2]]])
    raw = Full().from_covariance(covs)[:, None]
    path = jolted(
        LocationScale(
            HardEnded(ENDS, locations, Knots(ENDS, 0.0 * locations)),
            HardEnded(ENDS, raw, Knots(ENDS, 0.0 * raw)),
            jnp.zeros(1),
            scale=Full(),
        ),
        getkey(),
        0.3,
    )
    # Three points carried by an affine map fix it; it must take the first covariance to the last.
    corners = jnp.concatenate([locations[0], locations[0] + jnp.eye(2)])
    carried = np.asarray(solve_ode(path, corners, jnp.asarray(ENDS), steps=200)[-1])
    matrix = (carried[1:] - carried[0]).T
    assert np.allclose(carried[0], locations[1, 0], atol=1e-7)
    assert np.allclose(matrix @ covs[0] @ matrix.T, covs[1], atol=1e-7)
