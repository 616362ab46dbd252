from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from liouville.curves import Clamped, Constant, HardEnded, Knots, Network, value_and_rate
from liouville.curves._hard_ended import gate_value
from liouville.numerics.parameters import Fixed, learned_leaves
from makers import jolted
from tolerances import FINITE_DIFFERENCE, ROUNDING

# Steps between 0.3 and 1.6, a start below zero, no end that binary numbers hold exactly.
TIMES = (-1.1, 0.2, 0.5, 1.3, 2.9)
KINDS = ("linear", "cubic", "monotone")
SEEDS = st.integers(0, 2**31 - 1)
STEP = 1e-4


def values_of(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(len(TIMES), *shape)))


def knots(kind, seed: int = 0) -> Knots:
    return Knots(TIMES, values_of(seed, 2), kind)


def hard(gate, times: tuple[float, ...] = TIMES, seed: int = 0) -> HardEnded:
    values = values_of(seed, 2)[: len(times)]
    inside = Network(
        jnp.zeros(2), (times[0], times[-1]), width=8, depth=1, frequencies=2, key=jr.key(seed)
    )
    return jolted(HardEnded(times, values, inside, gate), jr.key(seed + 1))


@eqx.filter_jit
def at_times(curve, times):
    return jax.vmap(lambda t: value_and_rate(curve, t))(jnp.asarray(times))


@eqx.filter_jit
def differences(curve, times, steps):
    """Differences of four points on one side, exact for cubics, with steps of either sign."""

    def one(t, h):
        value = [curve(t + i * h) for i in range(4)]
        weights = (-11.0, 18.0, -9.0, 2.0)
        return sum(w * v for w, v in zip(weights, value)) / (6.0 * h)

    return jax.vmap(one)(jnp.asarray(times), jnp.asarray(steps))


# Knots.


@pytest.mark.parametrize("kind", KINDS)
def test_values_at_the_knots(kind):
    found, _ = at_times(knots(kind), TIMES)
    assert np.allclose(found, knots(kind).values, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("seed", range(20))
def test_linear_meets_every_knot_to_the_bit(seed):
    found, _ = at_times(knots("linear", seed), TIMES)
    assert np.array_equal(found, knots("linear", seed).values)


@pytest.mark.parametrize("kind", KINDS)
def test_rates_within_the_interval(kind):
    times = np.random.default_rng(0).uniform(-1.1, 2.9 - 4 * STEP, 50)
    times = times[np.min(np.abs(times[:, None] - np.array(TIMES)), axis=1) > 4 * STEP]
    _, rates = at_times(knots(kind), times)
    expected = differences(knots(kind), times, np.full(len(times), STEP))
    assert np.allclose(rates, expected, atol=FINITE_DIFFERENCE)


@pytest.mark.parametrize("kind", KINDS)
def test_rates_at_the_knots_and_at_both_ends(kind):
    """At a knot the rate is that of the piece that begins there, at the last one that ends."""
    _, rates = at_times(knots(kind), TIMES)
    steps = np.array([STEP] * (len(TIMES) - 1) + [-STEP])
    expected = differences(knots(kind), TIMES, steps)
    assert np.allclose(rates, expected, atol=FINITE_DIFFERENCE)
    if kind != "linear":
        before = differences(knots(kind), TIMES[1:], np.full(len(TIMES) - 1, -STEP))
        assert np.allclose(rates[1:], before, atol=FINITE_DIFFERENCE)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=SEEDS)
def test_straight_lines_are_reproduced(kind, seed):
    slope, start = values_of(seed, 2)[:2]
    line = start + jnp.asarray(TIMES)[:, None] * slope
    times = np.linspace(-3.0, 5.0, 41)
    found, rates = at_times(Knots(TIMES, line, kind), times)
    assert np.allclose(found, start + times[:, None] * slope, atol=ROUNDING)
    assert np.allclose(rates, np.broadcast_to(slope, found.shape), atol=ROUNDING)


@given(seed=SEEDS)
def test_cubic_is_the_natural_spline(seed):
    values, times = values_of(seed, 2), np.linspace(TIMES[0], TIMES[-1], 41)
    spline = CubicSpline(TIMES, values, bc_type="natural")
    found, rates = at_times(Knots(TIMES, values, "cubic"), times)
    assert np.allclose(found, spline(times), atol=ROUNDING)
    assert np.allclose(rates, spline(times, 1), atol=ROUNDING)


def test_cubic_bends_smoothly_and_not_at_all_at_its_ends():
    """Its second derivative has no jumps: no other curve through the knots bends less."""
    curve = knots("cubic")
    second = jax.vmap(jax.jacfwd(jax.jacfwd(curve)))
    nudge = 1e-9
    before, after = (second(jnp.asarray(TIMES) + s) for s in (-nudge, nudge))
    assert np.allclose(before, after, atol=1e-6)
    assert np.allclose(before[0], 0.0, atol=1e-6)
    assert np.allclose(after[-1], 0.0, atol=1e-6)
    assert np.abs(after[1:-1]).max() > 1.0


@given(seed=SEEDS)
def test_monotone_never_overshoots(seed):
    values = values_of(seed, 2)
    shares = np.linspace(0.0, 1.0, 21)
    for i in range(len(TIMES) - 1):
        times = TIMES[i] + shares * (TIMES[i + 1] - TIMES[i])
        found, _ = at_times(Knots(TIMES, values, "monotone"), times)
        low, high = np.minimum(values[i], values[i + 1]), np.maximum(values[i], values[i + 1])
        assert np.all(found >= low - ROUNDING)
        assert np.all(found <= high + ROUNDING)
        # And it turns nowhere within a piece.
        steps = np.diff(found, axis=0) * np.sign(values[i + 1] - values[i])
        assert np.all(steps >= -ROUNDING)


def test_cubic_overshoots_where_monotone_does_not():
    step = jnp.asarray([0.0, 0.0, 1.0, 1.0, 1.0])[:, None]
    times = np.linspace(0.5, 1.3, 20)
    assert np.max(at_times(Knots(TIMES, step, "cubic"), times)[0]) > 1.01
    assert np.max(at_times(Knots(TIMES, step, "monotone"), times)[0]) <= 1.0 + ROUNDING


@pytest.mark.parametrize("kind", KINDS)
def test_monotone_gradients_at_level_knots_are_finite(kind):
    def total(values):
        return Knots(TIMES, values, kind)(jnp.asarray(0.7)).sum()

    gradient = jax.grad(total)(jnp.ones((len(TIMES), 2)))
    assert np.isfinite(gradient).all()
    assert np.isclose(gradient.sum(), 2.0)


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_straight_outside(kind):
    curve = knots(kind)
    (first, last), (early, late) = at_times(curve, (TIMES[0], TIMES[-1]))
    ahead = np.array([0.1, 1.0, 30.0])
    found, rates = at_times(curve, TIMES[-1] + ahead)
    assert np.allclose(found, last + ahead[:, None] * late, atol=10 * ROUNDING)
    assert np.allclose(rates, np.broadcast_to(late, rates.shape), atol=ROUNDING)
    found, rates = at_times(curve, TIMES[0] - ahead)
    assert np.allclose(found, first - ahead[:, None] * early, atol=10 * ROUNDING)
    assert np.allclose(rates, np.broadcast_to(early, rates.shape), atol=ROUNDING)


@pytest.mark.parametrize("kind", KINDS)
def test_two_knots_make_a_straight_line(kind):
    found, rates = at_times(Knots((0.0, 2.0), jnp.asarray([[1.0], [5.0]]), kind), (0.0, 0.5, 2.0))
    assert np.allclose(found[:, 0], [1.0, 2.0, 5.0], atol=ROUNDING)
    assert np.allclose(rates, 2.0, atol=ROUNDING)


@pytest.mark.parametrize("kind", KINDS)
def test_knots_keep_single_precision(kind):
    curve = Knots(TIMES, values_of(0, 2).astype(jnp.float32), kind)
    found, rates = at_times(curve, jnp.asarray(TIMES, jnp.float32))
    assert found.dtype == rates.dtype == jnp.float32
    assert np.allclose(found, curve.values, atol=1e-6)


@given(seed=SEEDS, tension=st.sampled_from([0.0, 0.3, 1.0]))
def test_tension_takes_away_its_share_of_the_bend(seed, tension):
    """The curve and its rate lie between the cubic and the straight pieces, in that proportion."""
    values, times = values_of(seed, 2), np.linspace(-3.0, 5.0, 41)
    tense, cubic, straight = (
        at_times(curve, times)
        for curve in (
            Knots(TIMES, values, "cubic", tension),
            Knots(TIMES, values, "cubic"),
            Knots(TIMES, values, "linear"),
        )
    )
    for found, bent, pulled in zip(tense, cubic, straight):
        assert np.allclose(found, (1.0 - tension) * bent + tension * pulled, atol=10 * ROUNDING)


@pytest.mark.parametrize("tension", [-0.1, 1.5, float("nan")])
def test_impossible_tension_is_refused(tension):
    with pytest.raises(ValueError, match="tension is"):
        Knots((0.0, 1.0), jnp.zeros((2, 1)), "cubic", tension)


@pytest.mark.parametrize("times", [(0.0,), (0.0, 0.0), (1.0, 0.0), (), (0.0, float("nan"))])
def test_times_must_increase(times):
    with pytest.raises(ValueError, match="strictly increasing"):
        Knots(times, jnp.zeros((len(times), 1)))


def test_unknown_interpolation_is_refused(monkeypatch):
    with pytest.raises(Exception, match="quintic"):
        Knots((0.0, 1.0), jnp.zeros((2, 1)), "quintic")  # pyright: ignore[reportArgumentType]


def test_one_row_a_knot():
    with pytest.raises(ValueError, match=r"3 knot times but values of shape \(2, 1\)"):
        Knots((0.0, 1.0, 2.0), jnp.zeros((2, 1)))


# Hard ends.


@pytest.mark.parametrize("gate", ["smooth", "fast"])
@pytest.mark.parametrize("times", [TIMES, TIMES[:2], (0.1, 0.7)])
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 5))]
)
def test_hard_ends_are_exact_to_the_bit(gate, times, seed):
    curve = hard(gate, times, seed)
    found, _ = at_times(curve, times)
    assert np.array_equal(found, curve.skeleton.value.values)
    middle, _ = at_times(curve, [0.5 * (times[0] + times[1])])
    plain, _ = at_times(curve.skeleton.value, [0.5 * (times[0] + times[1])])
    assert np.abs(middle - plain).max() > 0.01, "the inside must take part"


@pytest.mark.parametrize("gate", ["smooth", "fast"])
def test_rates_at_hard_ends(gate):
    curve = hard(gate)
    _, rates = at_times(curve, TIMES)
    steps = np.array([STEP / 10] * (len(TIMES) - 1) + [-STEP / 10])
    assert np.allclose(rates, differences(curve, TIMES, steps), atol=10 * FINITE_DIFFERENCE)


@pytest.mark.parametrize("gate", ["smooth", "fast"])
def test_the_rate_at_an_end_survives_the_rounding_of_time(gate):
    """Solvers and clocks reach an end up to rounding; the velocity must not jump there."""
    curve = hard(gate, (0.1, 0.7))
    _, rates = at_times(curve, (0.1, np.nextafter(0.1, 0.0), 0.7, np.nextafter(0.7, 1.0)))
    assert np.allclose(rates[0], rates[1], atol=1e-9)
    assert np.allclose(rates[2], rates[3], atol=1e-9)


@pytest.mark.parametrize(("gate", "height"), [("smooth", 0.25), ("fast", 1.0 - np.exp(-5.0))])
def test_gate(gate, height):
    times = (0.0, 2.0, 3.0)
    values = [float(gate_value(times, jnp.asarray(t), gate)) for t in (0.0, 1.0, 2.0, 2.5, 3.0)]
    assert np.allclose(values, [0.0, height, 0.0, height, 0.0], atol=ROUNDING)
    assert float(gate_value(times, jnp.asarray(-0.5), gate)) == 0.0
    assert float(gate_value(times, jnp.asarray(3.5), gate)) == 0.0


@pytest.mark.parametrize("opening", [0.01, 0.05, 0.5])
def test_the_opening_says_how_soon_the_fast_gate_opens(opening):
    curve = HardEnded((0.0, 2.0), jnp.zeros((2, 1)), Constant(jnp.ones(1)), "fast", opening)
    times = 2.0 * np.array([0.0, opening / 2.0, 0.5, 1.0])
    found, rates = at_times(curve, times)
    shares = times / 2.0
    expected = -np.expm1(-shares * (1.0 - shares) / opening)
    assert np.allclose(found[:, 0], expected, atol=ROUNDING)
    assert found[0, 0] == found[-1, 0] == 0.0
    # At the ends the inside enters with the rate 1/opening per piece.
    assert np.allclose(np.abs(rates[[0, -1], 0]), 0.5 / opening, rtol=1e-9)


@pytest.mark.parametrize("opening", [0.0, -0.1, float("nan")])
def test_an_opening_is_positive(opening):
    with pytest.raises(ValueError, match="give a positive share of a piece"):
        HardEnded((0.0, 1.0), jnp.zeros((2, 1)), Constant(jnp.zeros(1)), "fast", opening)


def test_only_the_inside_of_hard_ends_is_learned():
    names = set(learned_leaves(hard("smooth")))
    assert names
    assert all(name.startswith(".inside") for name in names)


def test_unknown_gate_is_refused():
    with pytest.raises(Exception, match="slow"):
        HardEnded((0.0, 1.0), jnp.zeros((2, 1)), Constant(jnp.zeros(1)), "slow")  # pyright: ignore[reportArgumentType]


# Networks and constants.


def test_network_starts_as_its_offset_and_then_moves():
    offset = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
    curve = Network(offset, (-1.0, 3.0), width=8, depth=2, key=jr.key(0))
    found, rates = at_times(curve, (-1.0, 0.3, 3.0))
    assert np.array_equal(found, np.broadcast_to(offset, (3, 2, 2)))
    assert not np.any(rates)
    moved = jolted(curve, jr.key(1))
    _, rates = at_times(moved, (-1.0, 0.3, 2.9))
    expected = differences(moved, (-1.0, 0.3, 2.9), np.full(3, STEP))
    assert np.allclose(rates, expected, atol=10 * FINITE_DIFFERENCE)
    assert np.abs(rates).max() > 0.1


def test_network_needs_an_interval():
    with pytest.raises(ValueError, match="is empty"):
        Network(jnp.zeros(1), (1.0, 1.0), key=jr.key(0))


def test_constant_does_not_move():
    found, rates = at_times(Constant(jnp.asarray([1.0, 2.0])), (0.0, 5.0))
    assert np.array_equal(found, [[1.0, 2.0], [1.0, 2.0]])
    assert not np.any(rates)


def test_a_clamped_spline_is_that_of_others_and_keeps_its_ends():
    rng = np.random.default_rng(0)
    ends, slopes, inside = (rng.normal(size=(n, 3)) for n in (2, 2, len(TIMES) - 2))
    spline = Clamped(TIMES, jnp.asarray(ends), Fixed(jnp.asarray(slopes)), jnp.asarray(inside))
    values = np.concatenate([ends[:1], inside, ends[1:]])
    given: Any = ((1, slopes[0]), (1, slopes[1]))
    known = CubicSpline(TIMES, values, bc_type=given)
    for t in np.linspace(TIMES[0], TIMES[-1], 23):
        value, rate = value_and_rate(spline, jnp.asarray(t))
        assert np.allclose(value, known(t), atol=ROUNDING)
        assert np.allclose(rate, known(t, 1), atol=ROUNDING)
    moved = jolted(spline, jr.key(0))
    for t, value, slope in zip((TIMES[0], TIMES[-1]), ends, slopes):
        found = value_and_rate(moved, jnp.asarray(t))
        assert np.allclose(found[0], value, atol=ROUNDING)
        assert np.allclose(found[1], slope, atol=ROUNDING)


def test_clamped_splines_of_wrong_shapes_are_named():
    two, one = jnp.zeros((2, 1)), jnp.zeros((1, 1))
    with pytest.raises(ValueError, match=r"must be \(1, 1\)"):
        Clamped((0.0, 0.5, 1.0), two, two, two)
    with pytest.raises(ValueError, match="not strictly increasing"):
        Clamped((0.0, 0.0, 1.0), two, two, one)
