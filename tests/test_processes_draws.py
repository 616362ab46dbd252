"""Processes in time: the next event, simulation, rescaled times, recovery, and marks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from jax.flatten_util import ravel_pytree

from liouville.numerics.parameters import learned_leaves, split
from liouville.paths import Logistic
from liouville.problems.events import HawkesProcess, Sequences
from liouville.processes import ConstantRate
from liouville.processes._hawkes import ByMagnitude, Hawkes, Poisson, Unmarked
from liouville.processes._history import History
from liouville.processes._kernels import Exponentials, PowerLaws
from liouville.processes._marks import (
    DetectedMagnitudes,
    GutenbergRichter,
    Kinds,
    MixtureMarks,
    Rounded,
)
from liouville.processes._next import inverse_integral, next_time, rescale_times, simulate_times
from makers import cast
from processes_cases import (
    FAR_P,
    INTENSITIES,
    LEAST_P,
    QUADRATURE,
    history,
    integral,
    moved,
    panels,
    total,
)
from tolerances import OTHER_LIBRARY, ROUNDING, STANDARD_ERRORS

# The next event.


@eqx.filter_jit
def inverted(hazard, start, limit, targets):
    return jax.vmap(lambda e: inverse_integral(hazard, start, limit, e))(targets)


@eqx.filter_jit
def integrals(hazard, start, ends):
    return jax.vmap(lambda end: hazard.integral(start, end))(ends)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("float64", "hawkes"),
        *(
            pytest.param(dtype, name, marks=pytest.mark.slow)
            for dtype, name in [
                ("float32", "neural hawkes"),
                ("float32", "poisson"),
                ("float32", "hawkes"),
                ("float64", "poisson"),
                ("float64", "neural hawkes"),
            ]
        ),
    ],
)
def test_the_integral_is_inverted_to_the_last_digit(name, dtype):
    intensity, events = (cast(x, dtype) for x in (INTENSITIES[name], history(name)))
    hazard, start = intensity.after(events), events.times[-2]
    limit = start + jnp.asarray(50.0, dtype)
    most = integral(hazard, start, limit)
    targets = jnp.asarray(np.logspace(-3, 0, 9), dtype) * most
    t = inverted(hazard, start, limit, targets * (1.0 - 4.0 * jnp.finfo(dtype).eps))
    assert t.dtype == dtype
    assert jnp.all((t > start) & (t <= limit))
    assert jnp.all(jnp.diff(t) > 0.0)
    # Neighbouring times have integrals on both sides.
    below, above = jnp.nextafter(jnp.nextafter(t, start), start), jnp.nextafter(t, limit + 1.0)
    slack = 1.0 + 64.0 * jnp.finfo(dtype).eps
    assert jnp.all(integrals(hazard, start, below) <= targets * slack)
    assert jnp.all(integrals(hazard, start, above) * slack >= targets)
    assert jnp.all(
        jnp.isinf(inverted(hazard, start, limit, most * jnp.asarray([1.01, 50.0], dtype)))
    )


def draws(hazard, start, limit, key, n):
    @eqx.filter_jit
    def drawn(hazard, keys):
        return jax.vmap(lambda k: next_time(hazard, start, limit, key=k))(keys)

    return np.asarray(drawn(hazard, jr.split(key, n)))


def test_next_times_follow_the_law(getkey):
    # The children of one event alone: with some probability there is none.
    kernel = PowerLaws.of([0.1], [1.5])
    hawkes = Hawkes(ConstantRate.of(1e-12), Unmarked.of(2.0), kernel)
    events = History.of(np.array([3.0]), np.zeros((1, 2)))
    start, limit = jnp.asarray(3.0), jnp.asarray(1003.0)
    t = draws(hawkes.after(events), start, limit, getkey(), 4000) - 3.0

    def cdf(t):
        return -np.expm1(-2.0 * (1.0 - (1.0 + t / 0.1) ** -0.5))

    happens = cdf(1000.0)
    assert abs(np.isfinite(t).mean() - happens) < STANDARD_ERRORS * (happens / 4000) ** 0.5
    t = t[np.isfinite(t)]
    assert scipy.stats.kstest(t, lambda t: cdf(t) / happens).pvalue > LEAST_P
    # Negative control: without the lasting effect.
    wrong = scipy.stats.kstest(t, lambda t: -np.expm1(-t / np.mean(t))).pvalue
    assert wrong < FAR_P


def test_nothing_happens_in_no_time(getkey):
    hazard = INTENSITIES["poisson"].after(history("poisson"))
    for limit in (2.0, 1.0):
        t = next_time(hazard, jnp.asarray(2.0), jnp.asarray(limit), key=getkey())
        assert jnp.isinf(t)


# Simulation and rescaled times.


def true_process() -> tuple[HawkesProcess, Hawkes]:
    """The same process in NumPy and in JAX."""
    process = HawkesProcess(
        rate=0.4, children=0.3, kernel=("omori", 0.05, 1.6), decay=2.0, slope=0.8, minimum=3.0
    )
    return process, Hawkes(
        ConstantRate.of(0.4), ByMagnitude.of(0.3, 0.8, 3.0), PowerLaws.of([0.05], [1.6])
    )


def stacked(events: Sequences) -> History:
    """One history a sequence, with padding at the end of the window."""
    n = int(np.bincount(events.sequence).max())
    rows = [np.flatnonzero(events.sequence == s) for s in range(len(events.windows))]
    ends = events.windows[:, 1]

    def padded(values, fill):
        return np.stack([np.r_[values[r], np.full(n - len(r), f)] for r, f in zip(rows, fill)])

    zeros = np.zeros(len(rows))
    times, marks = padded(events.times, ends), padded(events.marks, zeros + 3.0)
    valid = padded(np.ones(len(events.times)), zeros) > 0

    def one(times, marks, valid):
        return History(times, jnp.zeros((n, 2)), marks, jnp.zeros(n), valid, jnp.zeros(()))

    return jax.vmap(one)(jnp.asarray(times), jnp.asarray(marks), jnp.asarray(valid))


@eqx.filter_jit
def rescaled(intensity, histories, end):
    """The integrals between events, and those after the last ones, of every sequence."""

    def one(events):
        hazard = intensity.after(events)
        times = jnp.append(events.times, end)
        return rescale_times(hazard, times, jnp.zeros(()))

    return jax.vmap(one)(histories)


def p_value(increments, valid) -> float:
    """Whether integrals between events are exponential, all windows joined to one."""
    # What is left of a window runs on into the next one.
    heights = np.cumsum(np.asarray(increments), axis=1)
    starts = np.r_[0.0, np.cumsum(heights[:, -1])[:-1]]
    joined = (starts[:, None] + heights[:, :-1])[np.asarray(valid)]
    return scipy.stats.kstest(np.diff(joined), "expon").pvalue


def test_the_oracle_and_the_process_agree():
    process, hawkes = true_process()
    events = process.sample(40.0, 6, seed=3)
    histories = stacked(events)
    increments = rescaled(hawkes, histories, jnp.asarray(40.0))
    assert np.allclose(jnp.sum(increments, axis=1), process.integrals(events), rtol=ROUNDING)
    rates = jax.vmap(lambda h: jax.vmap(hawkes.after(h).log_rate)(h.times))
    hazards = jax.jit(rates)(histories)
    found = np.asarray(hazards)[np.asarray(histories.valid)]
    assert np.allclose(found, process.log_rates(events), rtol=0.0, atol=1e-10)
    marks = jnp.asarray(events.marks)
    assert abs(hawkes.branching_ratio(marks) - process.branching_ratio) < 0.2


def test_rescaled_times_are_exponential():
    process, hawkes = true_process()
    events = process.sample(60.0, 40, seed=4)
    histories = stacked(events)
    end = jnp.asarray(60.0)
    assert p_value(rescaled(hawkes, histories, end), histories.valid) > LEAST_P
    # Negative controls: the wrong decay, and no triggering at the same mean rate.
    slow = eqx.tree_at(lambda h: h.kernel, hawkes, Exponentials.of([5.0]))
    assert p_value(rescaled(slow, histories, end), histories.valid) < FAR_P
    flat = Poisson(ConstantRate.of(len(events.times) / (40 * 60.0)))
    assert p_value(rescaled(flat, histories, end), histories.valid) < FAR_P


def simulated(intensity, marks, sequences, horizon, room, key, events=None):
    @eqx.filter_jit
    def one(intensity, marks, key):
        empty = History.of(np.zeros(0), np.zeros((0, 2))) if events is None else events
        start, end = jnp.zeros(()), jnp.asarray(horizon)
        return simulate_times(intensity, marks, empty, start, end, room, key=key)

    return eqx.filter_vmap(one, in_axes=(None, None, 0))(intensity, marks, jr.split(key, sequences))


def test_simulated_sequences_follow_the_process(getkey):
    process, hawkes = true_process()
    marks = GutenbergRichter.of(2.0 / np.log(10.0), 3.0)
    histories, is_complete = simulated(hawkes, marks, 60, 20.0, 80, getkey())
    assert jnp.all(is_complete)
    valid = np.asarray(histories.valid)
    times = np.where(valid, np.asarray(histories.times), 20.0)
    assert np.all(np.diff(times, axis=1) >= 0.0)
    assert np.all(times <= 20.0)
    histories = eqx.tree_at(lambda h: h.times, histories, jnp.asarray(times))
    end = jnp.asarray(20.0)
    assert p_value(rescaled(hawkes, histories, end), valid) > LEAST_P
    # As many events as the cluster simulation has, which knows nothing of intensities.
    counts = valid.sum(axis=1)
    other = process.sample(20.0, 2000, seed=5)
    expected = np.bincount(other.sequence, minlength=2000)
    error = (counts.var() / 60 + expected.var() / 2000) ** 0.5
    assert abs(counts.mean() - expected.mean()) < STANDARD_ERRORS * error
    drawn = np.asarray(histories.marks)[valid]
    assert scipy.stats.kstest(drawn, "expon", (3.0, 0.5)).pvalue > LEAST_P


def test_a_simulation_says_when_its_room_was_too_small(getkey):
    poisson = Poisson(ConstantRate.of(2.0))
    histories, is_complete = simulated(poisson, None, 400, 3.0, 6, getkey())
    count = np.asarray(histories.valid).sum(axis=1)
    # With exactly six events the room was just enough.
    share = scipy.stats.poisson.cdf(6, 6.0)
    assert abs(np.mean(is_complete) - share) < STANDARD_ERRORS * (share * (1 - share) / 400) ** 0.5
    assert np.all(count[~np.asarray(is_complete)] == 6)


def test_a_simulation_goes_on_from_a_history(getkey):
    events = History.of(np.array([-1.0]), np.zeros((1, 2)), np.array([6.0]))
    _, hawkes = true_process()
    histories, _ = simulated(hawkes, None, 200, 1.0, 30, getkey(), events)
    assert jnp.all(histories.times[:, 0] == -1.0)
    assert histories.times.shape == (200, 31)
    first = jnp.where(histories.valid[:, 1], histories.times[:, 1], jnp.inf)
    expected = eqx.filter_jit(hawkes.after(events).integral)(jnp.zeros(()), jnp.ones(()))
    wanted = -np.expm1(-float(expected))
    error = (wanted * (1 - wanted) / 200) ** 0.5
    assert abs(float(jnp.mean(first < 1.0)) - wanted) < STANDARD_ERRORS * error


@pytest.mark.slow
def test_a_hawkes_process_is_recovered():
    process, truth = true_process()
    process = HawkesProcess(0.4, 0.3, ("exponential", 0.5), 2.0, 0.8, 3.0)
    truth = eqx.tree_at(lambda h: h.kernel, truth, Exponentials.of([0.5]))
    histories = stacked(process.sample(60.0, 20, seed=7))
    end = jnp.asarray(60.0)
    learned, rest = split(truth)
    wanted, unravel = ravel_pytree(learned)

    def loss(theta):
        hawkes = eqx.combine(unravel(theta), rest)

        def one(events):
            logs = jax.vmap(hawkes.after(events).log_rate)(events.times)
            return jnp.sum(jnp.where(events.valid, logs, 0.0))

        return jnp.sum(rescaled(hawkes, histories, end)) - jnp.sum(jax.vmap(one)(histories))

    start = np.asarray(wanted) + np.array([0.5, -0.7, -0.5, 0.9])
    done = scipy.optimize.minimize(
        jax.jit(jax.value_and_grad(loss)), start, jac=True, method="BFGS"
    )
    errors = np.sqrt(np.diag(np.linalg.inv(jax.jit(jax.hessian(loss))(jnp.asarray(done.x)))))
    assert np.all(errors < 0.3)
    assert np.all(np.abs(done.x - wanted) < 2.0 * errors)
    # Negative control: where the fit began is far away.
    assert np.all(np.abs(start - wanted) > 2.0 * errors)


# Marks.


def sampled(law, key, n):
    @eqx.filter_jit
    def drawn(law, keys):
        return jax.vmap(lambda k: law.sample(key=k))(keys)

    return np.asarray(drawn(law, jr.split(key, n)))


def test_magnitudes_have_their_law(getkey):
    law = GutenbergRichter.of(1.1, 2.5)
    x, w = panels(2.5, 40.0)
    assert abs(total(law.log_density, x, w) - 1.0) < QUADRATURE
    drawn = sampled(law, getkey(), 4000)
    beta = 1.1 * np.log(10.0)
    assert scipy.stats.kstest(drawn - 2.5, "expon", args=(0.0, 1.0 / beta)).pvalue > LEAST_P
    assert law.log_density(jnp.asarray(2.4)) < -1e29
    fitted = GutenbergRichter.fitted(drawn, 2.5)
    assert abs(fitted.b_value / 1.1 - 1.0) < STANDARD_ERRORS / 4000**0.5
    # In single precision the minimum itself is allowed.
    assert cast(law, jnp.float32).log_density(jnp.float32(2.5) - 2e-7) > -10.0


@pytest.mark.parametrize("is_halved", [pytest.param(False, marks=pytest.mark.slow), True])
def test_rounded_magnitudes_have_their_law(getkey, is_halved):
    exponential = GutenbergRichter.of(1.1, 2.5 if is_halved else 2.45)
    law = Rounded(exponential, 0.1, 2.5)
    bins = jnp.asarray(2.5 + 0.1 * np.arange(300))
    shares = 0.1 * jnp.exp(jax.vmap(law.log_density)(bins))
    assert abs(jnp.sum(shares) - 1.0) < ROUNDING
    drawn = sampled(law, getkey(), 4000)
    number = np.round((drawn - 2.5) / 0.1).astype(int)
    assert np.allclose(drawn, 2.5 + 0.1 * number)
    counts = np.bincount(np.minimum(number, 12), minlength=13)
    expected = 4000 * np.r_[shares[:12], 1.0 - jnp.sum(shares[:12])]
    assert scipy.stats.chisquare(counts, expected).pvalue > LEAST_P
    above = np.exp(jax.vmap(law.log_survival)(bins[:12]))
    assert np.allclose(above, 1.0 - np.r_[0.0, np.cumsum(shares[:11])], atol=ROUNDING)
    # The closed form is where the likelihood is greatest.
    fitted = Rounded.exponential(drawn, 2.5, 0.1)
    assert isinstance(fitted.law, GutenbergRichter)
    assert fitted.law.minimum == exponential.minimum
    assert abs(fitted.law.b_value / 1.1 - 1.0) < STANDARD_ERRORS / 4000**0.5

    def loss(law):
        return -jnp.mean(jax.vmap(law.log_density)(jnp.asarray(drawn)))

    assert abs(eqx.filter_grad(loss)(fitted).law.log_decay) < OTHER_LIBRARY
    # Negative control: as if they were not rounded.
    wrong = GutenbergRichter.fitted(drawn, 2.5)
    wrong = Rounded(GutenbergRichter(wrong.log_decay, exponential.minimum), 0.1, 2.5)
    assert abs(eqx.filter_grad(loss)(wrong).law.log_decay) > 1e-3


@pytest.mark.slow
def test_detected_magnitudes_have_their_law(getkey):
    law = DetectedMagnitudes(
        jnp.asarray(np.log(2.5)),
        jnp.asarray([3.8, 4.3]),
        jnp.log(jnp.asarray([0.3, 0.2])),
        jnp.asarray([0.7]),
    )
    x, w = panels(-10.0, 60.0, np.arange(-10.0, 60.0) + 0.5)
    assert abs(total(law.log_density, x, w) - 1.0) < QUADRATURE
    drawn = sampled(law, getkey(), 4000)
    grid = np.linspace(-10.0, 60.0, 14_001)
    density = np.exp(np.asarray(jax.jit(jax.vmap(law.log_density))(jnp.asarray(grid))))
    cdf = np.r_[0.0, np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))]
    assert scipy.stats.kstest(drawn, lambda m: np.interp(m, grid, cdf)).pvalue > LEAST_P
    assert scipy.stats.kstest(drawn + 0.1, lambda m: np.interp(m, grid, cdf)).pvalue < FAR_P
    # Where all is detected the law is Gutenberg's and Richter's, and scipy's where nothing is.
    slope = jax.grad(law.log_density)
    assert abs(slope(jnp.asarray(9.0)) + 2.5) < ROUNDING
    one = DetectedMagnitudes(law.log_decay, law.half[:1], law.log_width[:1], law.logits[:0])
    shape, mean = 1.0 / (2.5 * 0.3), 3.8 - 2.5 * 0.3**2
    for m in (1.0, 3.0, 5.0):
        wanted = scipy.stats.exponnorm.logpdf(m, shape, mean, 0.3)
        assert abs(one.log_density(jnp.asarray(m)) - wanted) < OTHER_LIBRARY * abs(wanted)
    # Far below, in single precision, values and derivatives are still numbers.
    single = cast(law, jnp.float32)
    value, gradient = eqx.filter_value_and_grad(lambda law: law.log_density(jnp.float32(-100.0)))(
        single
    )
    assert value < -1e3
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    "law",
    [
        GutenbergRichter.of(1.1, 2.0),
        DetectedMagnitudes.spread(np.linspace(2.0, 5.0, 30)),
        MixtureMarks.spread(np.linspace(2.0, 5.0, 30), 3, family=Logistic(), minimum=2.0),
        MixtureMarks.spread(np.linspace(2.0, 5.0, 30), 3),
    ],
    ids=lambda law: type(law).__name__,
)
def test_the_survival_of_a_mark_is_the_mass_above_it(law):
    log_survival = eqx.filter_jit(law.log_survival)
    for mark in (2.0, 3.1, 6.0):
        x, w = panels(mark, 80.0, np.arange(mark, 80.0) + 0.5)
        wanted = total(law.log_density, x, w)
        found = jnp.exp(log_survival(jnp.asarray(mark)))
        assert abs(found - wanted) < QUADRATURE * wanted
        left, right = eqx.filter_jit(law.log_tails)(jnp.asarray(mark))
        assert abs(right - log_survival(jnp.asarray(mark))) < ROUNDING
        assert abs(jnp.exp(left) + jnp.exp(right) - 1.0) < ROUNDING
    if getattr(law, "minimum", None) is not None:
        assert law.log_survival(jnp.asarray(1.0)) == 0.0


@pytest.mark.parametrize(
    ("family", "minimum"),
    [
        pytest.param(None, None, id="gaussian"),
        pytest.param(None, 1.0, id="gaussian-above", marks=pytest.mark.slow),
        pytest.param(Logistic(), None, id="logistic", marks=pytest.mark.slow),
        pytest.param(Logistic(), 1.0, id="logistic-above"),
    ],
)
def test_mixtures_of_marks(minimum, family, getkey):
    marks = 1.0 + np.random.default_rng(0).gamma(2.0, size=200)
    law = MixtureMarks.spread(marks, 3, family=family, minimum=minimum)
    law = moved(law, getkey())
    low = -60.0 if minimum is None else minimum
    x, w = panels(low, 80.0, np.arange(low, 80.0) + 0.5)
    assert abs(total(law.log_density, x, w) - 1.0) < QUADRATURE
    drawn = sampled(law, getkey(), 400)
    grid = np.linspace(low, 80.0, 8_001)
    density = np.exp(np.asarray(jax.jit(jax.vmap(law.log_density))(jnp.asarray(grid))))
    cdf = np.r_[0.0, np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))]
    assert scipy.stats.kstest(drawn, lambda m: np.interp(m, grid, cdf)).pvalue > LEAST_P
    assert scipy.stats.kstest(drawn + 1.0, lambda m: np.interp(m, grid, cdf)).pvalue < FAR_P
    if minimum is not None:
        assert drawn.min() >= minimum
        assert law.log_density(jnp.asarray(0.5)) < -1e29
    gradient = eqx.filter_jit(eqx.filter_grad(lambda law: law.log_density(jnp.asarray(2.0))))(law)
    assert all(jnp.any(g != 0.0) for g in learned_leaves(gradient).values())


def test_kinds(getkey):
    law = Kinds.of([1.0, 2.0, 5.0])
    logs = jax.vmap(law.log_density)(jnp.arange(3.0))
    assert jnp.allclose(jnp.exp(logs), jnp.asarray([0.125, 0.25, 0.625]), rtol=ROUNDING)
    for mark in (-1.0, 3.0):
        assert law.log_density(jnp.asarray(mark)) < -1e29
    drawn = sampled(law, getkey(), 2000)
    counts = np.bincount(drawn.astype(int), minlength=3)
    assert scipy.stats.chisquare(counts, 2000 * np.exp(np.asarray(logs))).pvalue > LEAST_P
