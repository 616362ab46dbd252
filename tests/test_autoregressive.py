"""Masked networks and the autoregressive path: structure, laws, oracles, negative controls."""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float

import registry
from liouville import checks
from liouville.numerics.conditioning import given
from liouville.numerics.networks import MaskedNetwork, MaskedSpaceNetwork
from liouville.numerics.parameters import split
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths import AbstractMarginal, AbstractPath
from liouville.paths._autoregressive import Autoregressive
from liouville.paths._line import MixtureOnLine
from makers import FAMILIES, INTERVAL, autoregressive, jolted
from test_laws import assert_passes, everything, points_of
from tolerances import ROUNDING, STANDARD_ERRORS

# Levels are found to the rounding of the point; with densities above e^-10 at moderate levels the
# level loses no more than five of sixteen digits.
LEVEL = 1e-10
# Central differences with step 1e-5 in units where third derivatives are of order a hundred, of
# numbers with the rounding of a root finder.
DIFFERENCE = 1e-7
# A wrong velocity misses by the size of its terms.
WRONG = 1e-3


def example(dim: int, parts: int, *, seed: int = 0, **options: Any) -> Autoregressive:
    return autoregressive(dim, parts, **options)(jr.key(seed))


def _awaiting() -> Autoregressive:
    return example(2, 2, family="logistic", context=3)


def build(name: str) -> AbstractPath:
    return registry.build(f"autoregressive-{name}")


# The masked network.


@functools.cache
def network(depth: int = 2) -> MaskedNetwork:
    made = MaskedNetwork(4, 5, units=3, depth=depth, frequencies=2, key=jr.key(0))
    return jolted(made, jr.key(1), 0.4)


@pytest.mark.parametrize("depth", [1, 3])
def test_outputs_depend_on_earlier_coordinates_only(depth):
    x = jnp.asarray([0.3, -1.0, 0.7, 2.0])
    jacobian = jax.jit(jax.jacfwd(network(depth).at(jnp.asarray(0.4))))(x)
    size = np.abs(jacobian).max(1)
    assert np.all(np.triu(size) == 0.0)
    assert np.all(np.tril(size, -1)[np.tril_indices(4, -1)] > 0.0)


def test_a_network_starts_at_zero():
    made = MaskedNetwork(3, 2, units=4, depth=2, key=jr.key(0))
    assert np.all(made.at(jnp.asarray(0.3))(jnp.ones(3)) == 0.0)


@pytest.mark.parametrize("dim", [4, pytest.param(5, marks=pytest.mark.slow)])
def test_one_pass_and_block_by_block_agree(dim):
    made = MaskedNetwork(dim, 5, units=3, depth=2, frequencies=2, key=jr.key(0))
    net = jolted(made, jr.key(1), 0.4).at(jnp.asarray(0.4))

    def choose(g, outputs):
        return g + jnp.tanh(outputs @ jnp.arange(1.0, 6.0))

    wanted = jnp.asarray([0.1, -0.5, 1.0, 0.2, -0.3])[:dim]
    x = jax.jit(lambda g: net.filled(choose, g))(wanted)
    assert np.allclose(x, jax.vmap(choose)(wanted, net(x)), rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("dim", [3, pytest.param(6, marks=pytest.mark.slow)])
def test_forward_substitution_solves_the_dense_equation(dim):
    """Written out and in a loop, with the gradients of everything learned."""
    rng = np.random.default_rng(0)
    x, b, c = (jnp.asarray(rng.normal(size=s)) for s in ((dim,), (dim,), (dim, 5)))
    rate = jnp.asarray(rng.normal(size=(dim, 3)))

    def dense(net: MaskedSpaceNetwork, x, c, b, rate):
        _, drift = jax.jvp(
            lambda s: eqx.tree_at(lambda n: n.shift, net, s)(x), (net.shift,), (rate,)
        )
        matrix = jnp.eye(dim) - jnp.einsum("io,iom->im", c, jax.jacfwd(net)(x))
        return jnp.linalg.solve(matrix, b + jnp.sum(c * drift, axis=-1))

    def swift(net: MaskedSpaceNetwork, x, c, b, rate):
        return net.solve(x, c, b, rate)

    def value_and_gradients(solve):
        def value(net, *given):
            return jnp.sum(jnp.sin(solve(net.at(jnp.asarray(0.4)), *given)))

        made = MaskedNetwork(dim, 5, units=3, depth=3, frequencies=2, key=jr.key(0))
        learned = (jolted(made, jr.key(1), 0.4), x, c, b, rate)
        return eqx.filter_jit(eqx.filter_value_and_grad(lambda a: value(*a)))(learned)

    for found, wanted in zip(*(jax.tree.leaves(value_and_gradients(f)) for f in (swift, dense))):
        assert np.allclose(found, wanted, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("name", ["dim", "outputs", "units", "depth"])
def test_sizes_below_one_are_refused(name):
    sizes: Any = {"dim": 2, "outputs": 2, "units": 2, "depth": 1} | {name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0"):
        MaskedNetwork(**sizes, key=jr.key(0))


# The order.


def _influences(path: Autoregressive, order: tuple[int, ...]) -> np.ndarray:
    """How much the mixtures in their order depend on the coordinates in a given order."""
    marginal = path.at(jnp.asarray(0.8))

    def parameters(x):
        lines = marginal.lines(x[path.order])
        return jnp.stack([lines.location, lines.log_scale, lines.log_weights], 1)

    jacobian = jax.jit(jax.jacfwd(parameters))(jnp.asarray([0.3, -0.4, 0.9]))
    return np.abs(jacobian).max((1, 2))[:, list(order)]


def test_a_mixture_depends_on_what_comes_before_it():
    path = example(3, 2, order=(2, 0, 1))
    assert np.all(np.triu(_influences(path, (2, 0, 1))) == 0.0)
    # Negative control: read in another order, the parameters are not causal.
    assert np.any(np.triu(_influences(path, (0, 2, 1))) > WRONG)


# The laws.


def test_weights_that_stay_carry_nothing_across_gaps():
    """Between two narrow parts far apart the velocity is that of the parts."""
    path = example(1, 2, moving_weights=False, family="logistic")
    apart = eqx.tree_at(
        lambda p: p.offset, path, jnp.asarray([[0.0, -9.0, 9.0, -4.0, -4.0, 1.0, -1.0]])
    )
    moving = dataclasses.replace(apart, moving_weights=True)

    @eqx.filter_jit
    def speed(path):
        return jnp.abs(path.at(jnp.asarray(INTERVAL[1])).velocity(jnp.zeros(1))[0])

    fast, slow = speed(moving), speed(apart)
    assert slow < 10.0
    # Negative control: weights that move do.
    assert fast > 1e3


@pytest.mark.slow
def test_gradients_reach_the_context():
    context = jnp.asarray([0.3, -1.0, 0.5])
    path = _awaiting()
    assert_passes(checks.gradients(path, lambda p: everything(given(p, context))))
    with pytest.raises(ValueError, match="awaits a context"):
        path.at(jnp.asarray(0.0)).log_density(jnp.zeros(2))


# Oracles.


@eqx.filter_jit
def _dense(path: Autoregressive, t: Scalar, x: Point) -> tuple[Point, Point]:
    """The velocity, and the solution of J u = -dF/dt with derivatives by autodiff."""

    def chances(t, x):
        marginal = path.at(t)
        y = x[path.order]
        left, _ = jax.vmap(MixtureOnLine.log_tails)(marginal.lines(y), y)
        return jnp.exp(left)

    rate, jacobian = jax.jacfwd(chances, argnums=(0, 1))(t, x)
    return path.at(t).velocity(x), -jnp.linalg.solve(jacobian, rate)


@pytest.mark.parametrize(
    "name", ["free-logistic-3d", pytest.param("hard-gaussian-4d", marks=pytest.mark.slow)]
)
def test_velocity_is_the_triangular_solution(name):
    path: Any = build(name)
    times, points = points_of(path, 16)
    # Where the distribution function is resolved: the oracle has no tails.
    found, wanted = jax.vmap(lambda t, x: _dense(path, t, x))(times, points.clip(-1.5, 1.5))
    assert np.allclose(found, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["free-logistic-3d", "hard-gaussian-2d"])
def test_levels_and_their_points(name):
    path: Any = build(name)
    levels = 6.0 * jr.normal(jr.key(0), (16, path.dim))

    @jax.jit
    def there_and_back(levels):
        marginal = path.at(jnp.asarray(1.3))
        points = jax.vmap(marginal.from_levels)(levels)
        back = jax.vmap(marginal.levels)(points)
        return points, back, jax.vmap(marginal.from_levels)(back)

    points, back, again = there_and_back(levels)
    assert np.allclose(back, levels, rtol=LEVEL, atol=LEVEL)
    assert np.allclose(again, points, rtol=LEVEL, atol=LEVEL)


def _direction(path: AbstractPath) -> Any:
    """A random direction of all that is learned."""
    learned, _ = split(path)
    return jax.tree.map(lambda a, b: a - b, split(jolted(path, jr.key(5), 1.0))[0], learned)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["free-logistic-3d", "hard-gaussian-2d"])
def test_points_of_given_levels_move_with_parameters_and_levels(name):
    path = build(name)
    learned, rest = split(path)
    levels = jnp.linspace(-2.0, 3.0, path.dim)
    way = (_direction(path), jnp.cos(jnp.arange(1.0, path.dim + 1)))

    @jax.jit
    def point(learned, levels):
        marginal: Any = eqx.combine(learned, rest).at(jnp.asarray(1.3))
        return marginal.from_levels(levels)

    def moved(step):
        return point(*jax.tree.map(lambda a, b: a + step * b, (learned, levels), way))

    _, found = jax.jit(lambda *now: jax.jvp(point, now, way))(learned, levels)
    assert np.allclose(found, (moved(1e-5) - moved(-1e-5)) / 2e-5, rtol=1e-6, atol=DIFFERENCE)
    # Reverse mode is the transpose of forward mode.
    ones = jnp.arange(1.0, path.dim + 1)
    gradient = jax.jit(jax.grad(lambda *now: ones @ point(*now), argnums=(0, 1)))(learned, levels)
    products = jax.tree.map(lambda g, w: jnp.sum(g * w), gradient, way)
    assert np.isclose(sum(jax.tree.leaves(products)), ones @ found, rtol=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["free-logistic-3d", "hard-gaussian-2d"])
def test_draws_keep_their_levels(name):
    path = build(name)
    learned, rest = split(path)

    def levels(learned):
        marginal: Any = eqx.combine(learned, rest).at(jnp.asarray(1.3))
        points = marginal.particles(6, key=jr.key(0))[0]
        points = jnp.concatenate([points, marginal.sample(key=jr.key(1))[None]])
        return jax.vmap(marginal.levels)(points), points

    _, (rates, moves) = jax.jit(lambda *a: jax.jvp(levels, *a))((learned,), (_direction(path),))
    assert np.abs(moves).min() > WRONG
    assert np.abs(rates).max() <= LEVEL


@pytest.mark.slow
def test_particle_gradients_are_unbiased(getkey):
    """The mean of x_1 x_2, against its derivative by quadrature."""
    path = example(2, 2, family="logistic")
    learned, rest = split(path)

    def estimate(learned, key):
        points, weights = eqx.combine(learned, rest).at(jnp.asarray(1.3)).particles(4, key=key)
        return weights @ points.prod(1)

    axis = jnp.linspace(-15.0, 15.0, 301)
    grid = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)

    def quadrature(learned):
        marginal = eqx.combine(learned, rest).at(jnp.asarray(1.3))
        density = jnp.exp(jax.vmap(marginal.log_density)(grid))
        return density @ grid.prod(1) * (axis[1] - axis[0]) ** 2

    way = (_direction(path),)
    _, wanted = jax.jit(lambda *a: jax.jvp(quadrature, *a))((learned,), way)

    def rate(key):
        return jax.jvp(lambda p: estimate(p, key), (learned,), way)[1]

    found = jax.jit(jax.vmap(rate))(jr.split(getkey(), 4096))
    assert abs(found.mean() - wanted) <= STANDARD_ERRORS * found.std() / np.sqrt(len(found))


@pytest.mark.parametrize("family", ["gaussian", "logistic"])
def test_a_hard_start_is_exact(family):
    path = example(3, 4, order=(1, 2, 0), family=family)
    _, points = points_of(path)
    marginal = path.at(jnp.asarray(INTERVAL[0]))
    found = jax.jit(jax.vmap(marginal.log_density))(points)
    wanted = FAMILIES[family].log_density(points).sum(1)
    assert np.allclose(found, wanted, rtol=1e-14, atol=1e-14)


def test_another_order_compiles_nothing():
    def value(path, t, x):
        marginal = path.at(t)
        return marginal.velocity(x) + marginal.sample(key=jr.key(0))

    counted = eqx.filter_jit(eqx.debug.assert_max_traces(value, max_traces=1))
    first, second = (
        counted(
            example(2, 2, order=order, family="logistic", seed=i),
            jnp.asarray(0.3 + i),
            jnp.full(2, 0.1),
        )
        for i, order in enumerate([(0, 1), (1, 0)])
    )
    assert not np.allclose(first, second)


# Negative controls.


class Steady(AbstractMarginal):
    """An autoregressive marginal whose velocity forgets that the earlier coordinates move."""

    marginal: Any

    def log_density(self, x: Point) -> Scalar:
        return self.marginal.log_density(x)

    def velocity(self, x: Point) -> Point:
        y = x[self.marginal.order]
        rate = self.marginal.line_rates(y)
        mixtures = self.marginal.lines(y)
        moved = jax.vmap(MixtureOnLine.carry)(mixtures, rate, y)
        return jnp.zeros_like(x).at[self.marginal.order].set(moved)

    def sample(self, *, key: RandomKey) -> Point:
        return self.marginal.sample(key=key)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        return self.marginal.particles(n, key=key)


class SteadyPath(AbstractPath):
    """A path whose velocity has the rates in time alone."""

    path: Autoregressive

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t: Scalar) -> AbstractMarginal:
        return Steady(self.path.at(t))


def test_continuity_refuses_rates_in_time_alone():
    path: Any = build("hard-logistic-2d")
    report = checks.continuity(SteadyPath(path), *points_of(path))
    assert not report.passed
    assert report.value > WRONG


def test_a_draw_that_does_not_move_is_refused():
    """Negative control of the derivative of draws: without it, levels change."""
    path = build("hard-logistic-2d")
    learned, rest = split(path)
    x = jnp.asarray([0.3, -0.5])

    def levels(learned):
        marginal: Any = eqx.combine(learned, rest).at(jnp.asarray(1.3))
        return marginal.levels(x)

    _, rates = jax.jit(lambda *a: jax.jvp(levels, *a))((learned,), (_direction(path),))
    assert np.abs(rates).max() > WRONG


# Errors.


def test_an_order_must_be_a_permutation():
    with pytest.raises(ValueError, match=r"\[0, 0\] is no permutation of 0 to 1"):
        Autoregressive.standard(2, 1, INTERVAL, order=(0, 0), key=jr.key(0))


def test_shapes_interval_and_floor_are_checked():
    path = example(2, 2)
    fields = (path.network, path.offset, path.start, path.order)
    with pytest.raises(ValueError, match=r"offset must be \(2, 7\)"):
        Autoregressive(path.network, path.offset[:, 1:], path.start, path.order, INTERVAL)
    with pytest.raises(ValueError, match="is empty"):
        Autoregressive(*fields, (1.0, 1.0))
    with pytest.raises(ValueError, match=r"floor is 0\.0"):
        Autoregressive(*fields, INTERVAL, floor=0.0)
