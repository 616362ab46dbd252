"""Maps: both ways, the log-determinant, how velocities are carried, the start, and the tails."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.curves import Constant, HardStarted, Network
from liouville.maps import (
    AbstractMap,
    Affine,
    Chain,
    Coupling,
    Elementwise,
    Exp,
    Linear,
    Logit,
    Permutation,
    Sinh,
    Softplus,
    Spline,
    coupling_flow,
    transform_and_rate,
)
from liouville.maps._groups import join, members, partitions, pick
from liouville.numerics.conditioning import given
from liouville.paths import Mixture, Normal, Pushforward
from liouville.runs.storage import class_table, describe, rebuild
from makers import INTERVAL, cast, curve, jolted
from maps_cases import BOUNDED, MAPS, flow

# Sums and products of some tens of numbers of order one to a hundred, relative.
ROUND_TRIP = 1e-10

# In single precision 24 bits, of which a layer's slopes of up to a hundred cost two digits.
SINGLE = 2e-4

TIME = 0.37


def build(name: str) -> AbstractMap:
    key = jr.key(sorted(MAPS).index(name))
    return jolted(MAPS[name](key), jr.fold_in(key, 1), 0.3)


def points_of(dim: int, n: int = 32):
    """Points near the centre, and every fourth one far outside every box."""
    rng = np.random.default_rng(0)
    scale = np.where(np.arange(n) % 4 == 3, 20.0, 1.5)[:, None]
    return jnp.asarray(scale * rng.normal(size=(n, dim)))


@eqx.filter_jit
def everything(mapping, t, points):
    transform, rate = transform_and_rate(mapping, t)

    def at(x):
        y, log_det = transform.forward(x)
        back, same = transform.inverse(y)
        origin, push = transform.inverse_and_push(rate, y)
        v = jnp.cos(jnp.arange(len(x)) + x)
        carried = jax.jvp(lambda t, x: mapping.at(t).forward(x)[0], (t, x), (jnp.ones_like(t), v))
        jacobian = jax.jacfwd(lambda x: transform.forward(x)[0])(x)
        return {
            "back": (back, x),
            "origin": (origin, x),
            "same": (same, log_det),
            "log_det": (log_det, jnp.linalg.slogdet(jacobian)[1]),
            "push": (push(v), carried[1]),
            "at_rest": (push(jnp.zeros_like(x)), carried[1] - jacobian @ v),
        }

    return jax.vmap(at)(points)


# Chains of maps that are tested one by one.
_DEAR = (
    "coupling-spline",
    "flow-affine-5d",
    "flow-spline-1d",
    "flow-spline-2d-linear",
    "bounded-flow",
)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in _DEAR else ()) for n in MAPS]
)
def test_both_ways_log_determinant_and_push(name):
    mapping = build(name)
    # A point a hundred units out is, after rounding, on its bound.
    reach = 0.1 if name in BOUNDED else 1.0
    found = everything(mapping, jnp.asarray(TIME), reach * points_of(mapping.dim))
    for what, (value, wanted) in found.items():
        assert np.allclose(value, wanted, rtol=ROUND_TRIP, atol=ROUND_TRIP), what
    at_rest = {"permutation", "exp", "softplus", "logit", "sinh"}
    assert name in at_rest or float(jnp.abs(found["at_rest"][0]).max()) > 0.01


def images(mapping, t, points):
    compiled = eqx.filter_jit(lambda mapping, t: jax.vmap(mapping.at(t).forward)(points))
    return compiled(mapping, jnp.asarray(t))


@pytest.mark.parametrize(
    "name",
    [
        "coupling-spline",
        pytest.param("flow-affine-5d", marks=pytest.mark.slow),
        pytest.param("flow-spline-2d-linear", marks=pytest.mark.slow),
    ],
)
def test_hard_start_is_the_identity(name):
    mapping = build(name)
    x = points_of(mapping.dim)
    y, log_det = images(mapping, INTERVAL[0], x)
    assert np.allclose(y, x, rtol=1e-14, atol=1e-14)
    assert np.allclose(log_det, 0.0, atol=1e-13)
    assert not np.allclose(images(mapping, TIME, x)[0], x, atol=0.01)


def test_every_map_is_the_identity_before_training():
    mapping = flow(2, "spline", hard_start=False, linear=True)(jr.key(0))
    x = points_of(2)
    assert np.allclose(images(mapping, TIME, x)[0], x, rtol=1e-14, atol=1e-14)


# Splines.


def _splines(bins=6, n=200, spread=2.0):
    raw = spread * jr.normal(jr.key(3), (3 * bins - 1, n))
    return Spline(bins).of(raw)


def test_spline_passes_through_its_knots():
    splines = _splines()
    left, bottom = splines.table[0], splines.table[1]
    for k in range(6):
        y, log_slope = splines.forward(left[k])
        assert np.allclose(y, bottom[k], atol=1e-12)
        x, _ = splines.inverse(bottom[k])
        assert np.allclose(x, left[k], atol=1e-12)
        if k > 0:
            assert np.allclose(log_slope, jnp.log(splines.table[4, k]), atol=1e-9)
        before = splines.forward(left[k] - 1e-9)
        assert np.allclose(before[0], y, atol=1e-6)
        assert np.allclose(before[1], log_slope, atol=1e-4)


def test_spline_is_the_identity_outside_its_box_and_increases_inside():
    splines = _splines(n=1)
    x = jnp.linspace(-6.0, 6.0, 4001)
    many = jax.tree.map(lambda table: jnp.broadcast_to(table, (6, 6, 4001)), splines)
    y, log_slope = many.forward(x)
    outside = np.abs(x) >= 4.0
    assert np.array_equal(y[outside], x[outside])
    assert np.all(log_slope[outside] == 0.0)
    assert np.all(np.diff(y) > 0.0)


def test_spline_in_single_precision():
    splines = cast(_splines(spread=1.0), jnp.float32)
    edges = jnp.asarray([-4.0, 4.0, -3.9999998, 3.9999998, 0.0, 1e6, -1e6, 1e30], jnp.float32)

    @jax.jit
    def round_trip(splines, x):
        y, log_slope = splines.forward(x)
        return y, log_slope, *splines.inverse(y)

    for value in [*edges, *splines.table[0, 1:, 0]]:
        x = jnp.full(200, value, jnp.float32)
        y, log_slope, back, same = round_trip(splines, x)
        assert y.dtype == back.dtype == jnp.float32
        assert np.allclose(back, x, rtol=SINGLE, atol=SINGLE)
        assert np.allclose(log_slope, same, atol=0.02)
    gradient = jax.jit(jax.grad(lambda s, x: sum(v.sum() for v in s.inverse(x)), argnums=(0, 1)))
    for value in edges:
        found = jax.tree.leaves(gradient(splines, jnp.full(200, value, jnp.float32)))
        assert all(np.isfinite(g).all() for g in found)


@pytest.mark.parametrize("kind", ["affine", pytest.param("spline", marks=pytest.mark.slow)])
def test_single_precision_in_the_tails(kind):
    mapping = jolted(flow(3, kind)(jr.key(1)), jr.key(2), 0.3)
    rng = np.random.default_rng(0)
    radii = 10.0 ** np.linspace(-2.0, 6.0, 17)
    points = jnp.asarray(radii[:, None] * rng.normal(size=(17, 3)))

    @eqx.filter_jit
    def value_and_slope(mapping, t, points):
        transform = mapping.at(t)

        def density(y):
            x, log_det = transform.inverse(y)
            return -0.5 * (x @ x) - log_det

        return jax.vmap(jax.value_and_grad(density))(points)

    exact = value_and_slope(mapping, jnp.asarray(TIME), points)
    single = value_and_slope(
        cast(mapping, jnp.float32), jnp.float32(TIME), points.astype(jnp.float32)
    )
    for rough, fine in zip(single, exact):
        assert rough.dtype == jnp.float32
        assert np.isfinite(rough).all()
        # Relative to the size of the whole vector.
        size = np.abs(fine).max(axis=-1, keepdims=True) if fine.ndim > 1 else np.abs(fine)
        assert np.all(np.abs(rough - fine) <= 20 * SINGLE * (1.0 + size))


# Bounds.


@pytest.mark.parametrize("mapping", [Exp((0.5,)), Softplus((0.5,)), Logit((0.5,), (1.5,))])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_images_stay_within_their_bounds_and_their_densities_are_finite(mapping, dtype):
    path = Pushforward(Normal(1), mapping)
    marginal = path.at(jnp.zeros((), dtype))
    low, high = mapping.bounds[0]

    @jax.jit
    def value(x):
        y, log_det = marginal.transform.forward(x)
        return y, log_det, jax.value_and_grad(marginal.log_density)(y)

    for x in (-80.0, -20.0, 0.0, 20.0, 80.0):
        y, log_det, (density, slope) = value(jnp.full(1, x, dtype))
        assert low < y[0] < high
        assert np.isfinite([log_det, density, slope[0]]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param(Exp((0.5,)), marks=pytest.mark.slow),
        pytest.param(Softplus((0.5,)), marks=pytest.mark.slow),
        Logit((0.5,), (1.5,)),
    ],
)
def test_outside_there_is_nothing(mapping):
    moving = Elementwise(curve("cubic", (2, 1), jr.key(0)))
    path = Pushforward(Pushforward(Normal(1), moving), mapping)
    for around in (path, Mixture([path, path], jnp.zeros(2))):

        def values(path, t, x):
            return path.at(t).log_density(x), path.at(t).velocity(x)

        answers = eqx.filter_jit(values)
        derivatives = eqx.filter_jit(jax.jacrev(values, argnums=(0, 1, 2)))
        for place in (0.5, 0.3, -7.0):
            x = jnp.full(1, place)
            density, velocity = answers(around, jnp.asarray(TIME), x)
            assert density == -jnp.inf
            assert velocity == 0.0
            slopes = derivatives(*eqx.filter((around, jnp.asarray(TIME), x), eqx.is_inexact_array))
            assert all(np.all(slope == 0.0) for slope in jax.tree.leaves(slopes))


# Groups of coordinates.


@pytest.mark.parametrize("dim", [2, 3, 5, 8, 13, 64, 100, 1024])
def test_partitions_are_fair_and_tell_every_two_coordinates_apart(dim):
    sides = np.zeros((len(partitions(dim)), dim), int)
    for row, (first, second) in zip(sides, partitions(dim)):
        assert sorted([*members(first), *members(second)]) == list(range(dim))
        row[members(second)] = 1
    assert len(np.unique(sides, axis=1).T) == dim
    assert abs(2 * sides[0].sum() - dim) <= 1


@pytest.mark.parametrize("dim", [3, 13])
def test_groups_are_put_back(dim):
    @jax.jit
    def values(x):
        picks = [(pick(x, a), pick(x, b)) for a, b in partitions(dim)]
        return picks, [join((u, a), (v, b)) for (u, v), (a, b) in zip(picks, partitions(dim))]

    x = jnp.arange(float(dim))
    for (u, v), again, (a, b) in zip(*values(x), partitions(dim)):
        assert np.array_equal(u, members(a))
        assert np.array_equal(v, members(b))
        assert np.array_equal(again, x)


def test_couplings_use_no_gather():
    mapping = flow(16, "spline")(jr.key(0))

    def value(x):
        return jnp.sum(mapping.at(jnp.asarray(TIME)).inverse(x)[0] ** 2)

    text = str(jax.make_jaxpr(jax.grad(value))(jnp.ones(16)))
    assert "gather" not in text
    assert "scatter" not in text


# Contexts, files, errors.


@pytest.mark.parametrize("dim", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_context(dim):
    mapping = jolted(flow(dim, "spline", context=2, linear=dim > 1)(jr.key(0)), jr.key(1))
    x = points_of(dim)
    first, second = (
        images(given(mapping, jnp.asarray(context)), TIME, x)[0]
        for context in ([0.0, 1.0], [1.0, -1.0])
    )
    assert not np.allclose(first, second, atol=1e-3)
    with pytest.raises(ValueError, match="awaits a context"):
        mapping.at(jnp.asarray(TIME))


CLASSES = (
    Affine,
    Chain,
    Coupling,
    Elementwise,
    Exp,
    Linear,
    Logit,
    Permutation,
    Sinh,
    Softplus,
    Spline,
)


def test_maps_have_a_plain_description():
    from liouville.numerics.networks import MLP, SpaceTimeNetwork
    from liouville.numerics.parameters import Fixed

    mapping = jolted(flow(3, "spline", linear=True)(jr.key(0)), jr.key(1))
    description, arrays = describe(mapping)
    others = (HardStarted, Network, MLP, SpaceTimeNetwork, Fixed, eqx.nn.Linear)
    again = rebuild(description, arrays, class_table(*CLASSES, *others), to_array=jnp.asarray)
    x = points_of(3)
    assert np.array_equal(images(again, TIME, x)[0], images(mapping, TIME, x)[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Chain([]), "got dimensions"),
        (lambda: Chain([Permutation((0, 1)), Permutation((0,))]), r"dimensions \[2, 1\]"),
        (lambda: Permutation((0, 2)), "every coordinate"),
        (lambda: Spline(1), "got 1 bins"),
        (lambda: Logit((0.0, None), (None, 1.0)), "both or neither"),
        (lambda: Sinh((0.0,)), "a width is 0.0"),
        (lambda: Logit((1.0,), (0.0,)), "from 1.0 to 0.0 is empty"),
        (lambda: Elementwise(Constant(jnp.zeros((3, 2)))), r"needs \(2, dim\)"),
        (lambda: Linear(Constant(jnp.zeros((2, 3))), Constant(jnp.zeros(2))), r"\(dim, dim\)"),
        (
            lambda: Coupling(((0, 1, 1),), ((0, 2, 1),), (0.0, 1.0), key=jr.key(0)),
            "every coordinate once",
        ),
        (
            lambda: Coupling(((0, 1, 1),), ((1, 2, 1),), (1.0, 1.0), key=jr.key(0)),
            "interval .* is empty",
        ),
        (lambda: coupling_flow(2, (0.0, 1.0), layers=1, key=jr.key(0)), "in 1 layers"),
    ],
)
def test_errors_name_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
