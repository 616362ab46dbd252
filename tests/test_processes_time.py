"""Rates, kernels and intensities in time: closed forms against quadrature, and causality."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.numerics.parameters import learned_leaves, split
from liouville.processes import (
    ConstantRate,
    Piecewise,
    PiecewiseLinear,
    WithCovariates,
)
from liouville.processes._excerpts import Excerpts
from liouville.processes._history import History
from liouville.processes._kernels import Exponentials, PowerLaws
from liouville.processes._marks import DetectedMagnitudes, GutenbergRichter, MixtureMarks
from liouville.processes._neural import Neural
from liouville.processes._next import rescale_times
from makers import cast
from processes_cases import (
    INTENSITIES,
    KERNELS,
    QUADRATURE,
    RATES,
    history,
    integral,
    moved,
    panels,
    series,
    total,
)
from tolerances import OTHER_LIBRARY, ROUNDING

# Single precision: 24 bits, and exponents of up to thirty in the far tail, relatively.
FAR_TAIL = 2e-5


# Rates of the clock.


# A neural intensity around a Hawkes process has all that a plain one has, and a process without
# marks is simpler than one with them.
_DEAR = ("neural", "neural kinds", "unmarked")
EACH = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in _DEAR else ()) for name in INTENSITIES],
)


@pytest.mark.parametrize("name", RATES)
def test_the_integral_of_a_rate(name, getkey):
    rate, breaks = RATES[name]
    rate = moved(rate, getkey())
    origin = jnp.asarray(0.3)

    @eqx.filter_jit
    def integrals(rate, a, b, origin):
        return rate.integral(a, b, origin), rate.integral(a + 0.3, b + 0.3)

    for start, end in [(-3.1, 9.7), (0.05, 0.06), (1.0, 4.5), (2.0, 2.0)]:
        a, b = jnp.asarray(start), jnp.asarray(end)
        x, w = panels(start, end, sorted([*(t - 0.3 for t in breaks), *np.arange(-3.0, 10.0)]))
        wanted = total(lambda t: rate.log_rate(t, origin), x, w)
        found, shifted = integrals(rate, a, b, origin)
        assert abs(found - wanted) <= QUADRATURE * max(1.0, wanted)
        # The origin is a shift of the clock.
        assert jnp.allclose(found, shifted, rtol=ROUNDING, atol=ROUNDING)
        assert jnp.allclose(rate.log_rate(a + 0.3), rate.log_rate(a, origin), rtol=ROUNDING)


@pytest.mark.parametrize("name", RATES)
def test_short_integrals_late_on_the_clock_keep_their_digits(name, getkey):
    rate = moved(RATES[name][0], getkey())
    short, origin = jnp.asarray(1e-6), jnp.asarray(6000.0)
    start = jnp.asarray(0.01)
    exact = rate.integral(start, start + short, origin)
    single = eqx.filter_jit(cast(rate, jnp.float32).integral)(
        jnp.float32(0.0), jnp.float32(1e-6), jnp.float32(6000.01)
    )
    # The instant is rounded, which moves the rate a little; the duration is not.
    assert single.dtype == jnp.float32
    assert abs(single / exact - 1.0) < 1e-2


@pytest.mark.parametrize("name", ["steps", "series"])
def test_a_periodic_rate_has_its_level_as_mean(name, getkey):
    rate = moved(RATES[name][0], getkey(), 1.0)
    for start in (-1.7, 0.0, 0.33):
        a = jnp.asarray(start)
        mean = rate.integral(a, a + 3 * 2.0) / 6.0
        assert jnp.allclose(mean, jnp.exp(rate.log_level), rtol=ROUNDING)
    # Negative control: half a period does not.
    assert abs(rate.integral(a, a + 1.0) / jnp.exp(rate.log_level) - 1.0) > 0.01


def test_a_covariate_multiplies_the_rate():
    rate = WithCovariates.of(ConstantRate.of(2.0), [1.0], [[0.0], [1.0]])
    rate = eqx.tree_at(lambda r: r.coefficients, rate, jnp.asarray([np.log(3.0)]))
    assert jnp.allclose(rate.integral(jnp.asarray(0.5), jnp.asarray(2.0)), 1.0 + 6.0)
    assert ".values" not in "".join(learned_leaves(rate))


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: ConstantRate.of(0.0), "positive number of events"),
        (lambda: Piecewise.of(1.0, [2.0, 1.0]), "do not increase"),
        (lambda: Piecewise((1.0,), jnp.zeros(3)), "one piece more"),
        (lambda: PiecewiseLinear.of(1.0, [2.0, 1.0]), "knots .* do not increase"),
        (lambda: PiecewiseLinear((1.0, 2.0), jnp.zeros(3)), "2 knots but 3 levels"),
        (lambda: series(-1.0), "the period is -1.0"),
        (lambda: PowerLaws.of([0.1], [1.0]), "exponents less one"),
        (lambda: PowerLaws.of([0.1, 1.0], [1.5]), "2 offsets but 1 exponents"),
        (lambda: Exponentials.of([1.0, 2.0], [1.0]), "1 weights for 2 parts"),
        (lambda: Neural(2, rate=0.0, key=jr.key(0)), "the rate is 0.0"),
        (lambda: Neural(2, rate=1.0, width=10, heads=4, key=jr.key(0)), "do not divide"),
        (lambda: GutenbergRichter.of(-1.0, 3.0), "b_value -1.0"),
        (lambda: GutenbergRichter.fitted(np.zeros(3), 0.0), "above the minimum"),
        (lambda: DetectedMagnitudes.spread(np.ones(3)), "all the same"),
        (lambda: MixtureMarks.spread(np.ones(3), 2), "all the same"),
    ],
)
def test_errors_name_the_value_and_the_remedy(call, pattern):
    with pytest.raises(ValueError, match=pattern):
        call()


# Kernels.


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_densities(name, getkey):
    kernel = moved(KERNELS[name], getkey())
    slope_of_cdf = jax.jit(jax.grad(kernel.cdf))
    for start, end in [(0.0, 3.0), (0.2, 50.0), (100.0, 100.1), (0.0, 1e4)]:
        x, w = panels(start, end)
        a, b = jnp.asarray(start), jnp.asarray(end)
        mass = eqx.filter_jit(kernel.mass)(a, b - a)
        assert abs(mass - total(kernel.log_density, x, w)) <= QUADRATURE
        assert jnp.allclose(mass, kernel.cdf(b) - kernel.cdf(a), atol=ROUNDING)
        slope = slope_of_cdf(b)
        assert jnp.allclose(slope, jnp.exp(kernel.log_density(b)), rtol=OTHER_LIBRARY)
    assert kernel.cdf(jnp.asarray(1e300)) > 1.0 - QUADRATURE


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "mixture" else pytest.mark.slow) for n in KERNELS],
)
def test_kernels_in_single_precision(name):
    kernel, single = KERNELS[name], cast(KERNELS[name], jnp.float32)
    elapsed = np.concatenate([[0.0], np.logspace(-8, 6, 29)]).astype(np.float32)
    duration = np.logspace(-8, 6, 15).astype(np.float32)
    a, d = (jnp.asarray(x.ravel()) for x in np.meshgrid(elapsed, duration))
    wanted = jax.jit(jax.vmap(kernel.mass))(a.astype(float), d.astype(float))
    found = jax.jit(jax.vmap(single.mass))(a, d)
    seen = wanted > 1e-30
    assert jnp.all(jnp.abs(found - wanted)[seen] <= FAR_TAIL * wanted[seen])
    wanted = jax.jit(jax.vmap(kernel.log_density))(a.astype(float))
    found = jax.jit(jax.vmap(single.log_density))(a)
    assert jnp.allclose(found, wanted, rtol=FAR_TAIL, atol=FAR_TAIL)
    # Negative control: a difference of distribution functions loses short intervals far out.
    naive = single.cdf(jnp.float32(100.01)) - single.cdf(jnp.float32(100.0))
    exact = kernel.mass(jnp.asarray(100.0), jnp.asarray(0.01))
    assert abs(naive / exact - 1.0) > FAR_TAIL or exact < 1e-30


# Intensities.


@EACH
def test_compensators(name):
    hazard = INTENSITIES[name].after(history(name))
    times = np.asarray(hazard_times(name))
    # Before all events, between two of them, after the tie, and after all events.
    for start, end in [
        (0.0, times[0]),
        (times[1] + 0.05, times[3]),
        (times[5], times[6]),
        (times[-2], 20.0),
    ]:
        x, w = panels(float(start), float(end))
        # Right after an event that happened at the start: the history holds it.
        wanted = total(hazard.log_rate, jnp.maximum(x, np.nextafter(start, np.inf)), w)
        found = integral(hazard, jnp.asarray(start), jnp.asarray(end))
        assert abs(found - wanted) <= QUADRATURE * max(1.0, wanted)


def hazard_times(name):
    events = history(name)
    return events.times


@EACH
def test_integrals_add_up(name):
    hazard = INTENSITIES[name].after(history(name))
    last = hazard_times(name)[-2]
    a, b, c = last + 0.1, last + 0.4, last + 7.0
    parts = integral(hazard, a, b) + integral(hazard, b, c)
    assert jnp.allclose(parts, integral(hazard, a, c), rtol=ROUNDING)
    assert integral(hazard, a, a) == 0.0
    # A short interval has the length times the rate.
    short = jnp.asarray(1e-9)
    rate = jnp.exp(eqx.filter_jit(hazard.log_rate)(b))
    assert jnp.allclose(integral(hazard, b, b + short) / ((b + short) - b), rate, rtol=1e-6)


@eqx.filter_jit
def answers(intensity, events, t, start, end):
    hazard = intensity.after(events)
    return hazard.log_rate(t), hazard.integral(start, end)


@EACH
def test_causality(name):
    intensity, events = INTENSITIES[name], history(name)
    # Only the events up to entry 7 are in the past.
    t = events.times[8]
    start, end = events.times[7], events.times[8]
    before = answers(intensity, events, t, start, end)
    changed = eqx.tree_at(
        lambda h: (h.times, h.places, h.marks, h.valid),
        events,
        (
            events.times.at[9:].add(0.25),
            events.places.at[8:].add(3.0),
            events.marks.at[8:].set(0.0),
            events.valid.at[8:].set(False),
        ),
    )
    after = answers(intensity, changed, t, start, end)
    assert before[0] == after[0]
    assert before[1] == after[1]
    # Negative control: an event in the past makes a difference, except to a Poisson process.
    fewer = eqx.tree_at(lambda h: h.valid, events, events.valid.at[7].set(False))
    other = answers(intensity, fewer, t, start, end)
    assert (other[0] == before[0]) == (name == "poisson")
    assert (other[1] == before[1]) == (name == "poisson")
    # What is no event is not seen, whatever its entries say.
    padded = eqx.tree_at(lambda h: h.marks, events, events.marks.at[2].set(1.0))
    assert answers(intensity, padded, t, start, end) == before


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "hawkes" else pytest.mark.slow) for n in INTENSITIES],
)
def test_no_events_at_all(name):
    empty = History.of(np.zeros(0), np.zeros((0, 2)), np.zeros(0))
    padded = eqx.tree_at(
        lambda h: h.valid, History.of(np.ones(2), np.zeros((2, 2))), jnp.zeros(2, bool)
    )
    t, start, end = jnp.asarray(0.7), jnp.asarray(0.2), jnp.asarray(1.9)
    found = answers(INTENSITIES[name], empty, t, start, end)
    assert jnp.allclose(
        jnp.stack(found), jnp.stack(answers(INTENSITIES[name], padded, t, start, end))
    )
    assert jnp.all(jnp.isfinite(jnp.stack(found)))


def test_a_neural_intensity_contains_its_base():
    base = INTENSITIES["hawkes"]
    neural = Neural(2, rate=1.0, base=base, key=jr.key(0))
    off = eqx.tree_at(
        lambda n: (n.log_weights, n.log_first),
        neural,
        (neural.log_weights - 60.0, jnp.asarray(-60.0)),
    )
    t, start, end = jnp.asarray(9.0), jnp.asarray(8.5), jnp.asarray(10.0)
    events = history("hawkes")
    found, wanted = (jnp.stack(answers(i, events, t, start, end)) for i in (off, base))
    assert jnp.allclose(found, wanted, rtol=ROUNDING)
    # As it starts, it is near.
    near = jnp.stack(answers(neural, events, t, start, end))
    assert 0.0 < jnp.max(jnp.abs(near - wanted)) < 0.05


def test_the_context_of_a_neural_intensity_is_frozen_between_events():
    intensity, events = INTENSITIES["neural"], history("neural")
    hazard = intensity.after(events)
    last = float(events.times[-2])
    states = [hazard._state(events.before(jnp.asarray(last + d)))[2] for d in (0.1, 5.0)]
    assert jnp.array_equal(*states)


def test_every_parameter_of_a_neural_intensity_has_a_gradient():
    intensity, events = INTENSITIES["neural hawkes"], history("neural hawkes")

    def objective(intensity):
        hazard = intensity.after(events)
        logs = jax.vmap(hazard.log_rate)(events.times)
        return jnp.sum(logs) - jnp.sum(rescale_times(hazard, events.times, jnp.zeros(())))

    gradient = eqx.filter_jit(eqx.filter_grad(objective))(intensity)
    idle = [n for n, g in learned_leaves(gradient).items() if g.size and not jnp.any(g != 0.0)]
    assert idle == []


# Single precision at extremes.


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "hawkes" else pytest.mark.slow) for n in INTENSITIES],
)
def test_gradients_are_finite_in_single_precision(name):
    intensity, events = (cast(x, jnp.float32) for x in (INTENSITIES[name], history(name)))

    def shifted(intensity, change):
        learned, rest = split(intensity)
        return eqx.combine(jax.tree.map(lambda x: x + change, learned), rest)

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def log_rate(intensity, events, t):
        return intensity.after(events).log_rate(t)

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def integral(intensity, events, start, end):
        return intensity.after(events).integral(start, end)

    last = events.times[-2]
    for change in (0.0, 8.0, -8.0):
        far = shifted(intensity, jnp.float32(change))
        for later in (0.0, 1e-30, 1e-6, 1.0, 1e6):
            t = last + jnp.float32(later)
            for found in (log_rate(far, events, t), integral(far, events, last, t)):
                for leaf in jax.tree.leaves(eqx.filter(found, eqx.is_inexact_array)):
                    assert leaf.dtype == jnp.float32
                    assert jnp.all(jnp.isfinite(leaf)), (change, later)


@EACH
def test_the_total_is_the_sum_of_the_integrals(name):
    events = history(name)
    hazard = INTENSITIES[name].after(events)
    # Two intervals of padding, as in an excerpt that ends before its last target.
    cuts = jnp.concatenate([jnp.asarray([1.0]), events.times[5:9], jnp.asarray([9.0])])
    since, until = cuts[:-1], cuts[1:]
    since = jnp.concatenate([since[:-1], jnp.zeros(2), since[-1:]])
    until = jnp.concatenate([until[:-1], jnp.full(2, 0.5), until[-1:]])
    is_interval = jnp.asarray([True] * 4 + [False] * 2 + [True])
    each = jax.jit(jax.vmap(hazard.integral))(since, until)
    wanted = float(jnp.where(is_interval, each, 0.0).sum())
    excerpt = Excerpts(events, since, until, is_interval, 4)
    assert float(eqx.filter_jit(hazard.total)(excerpt)) == pytest.approx(wanted, rel=ROUNDING)
    assert float(each.sum()) != pytest.approx(wanted, rel=1e-3)
