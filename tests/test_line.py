"""Mixtures on the line: tails, quantiles, and what carries a point of a fixed level."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats

from liouville.paths._line import MixtureOnLine, attach
from makers import FAMILIES, cast
from tolerances import CENTRAL_DIFFERENCE, ROUNDING, SINGLE, STANDARD_ERRORS

# Levels are logits of up to a hundred, in double precision.
LEVEL = 1e-12
LEVELS = jnp.asarray([-80.0, -30.0, -5.0, -1.0, 0.0, 0.3, 2.0, 10.0, 40.0, 70.0])
SCIPY = {
    "gaussian": scipy.stats.norm,
    "logistic": scipy.stats.logistic,
    "laplace": scipy.stats.laplace,
    "gumbel": scipy.stats.gumbel_r,
}


def line_and_rate(family: str, seed: int = 0) -> tuple[MixtureOnLine, MixtureOnLine]:
    """A random mixture and random rates that keep the sum of its weights."""
    rng = np.random.default_rng(seed)
    location, log_scale, logits = rng.normal(size=(3, 5)) * np.array([[2.0], [0.4], [1.0]])
    weights = np.exp(logits) / np.exp(logits).sum()
    rates = rng.normal(size=(3, 5)) * np.array([[1.0], [0.4], [1.0]])
    rates[2] -= weights @ rates[2]

    def made(*rows: np.ndarray) -> MixtureOnLine:
        location, log_scale, log_weights = (jnp.asarray(row) for row in rows)
        return MixtureOnLine(location, log_scale, log_weights, FAMILIES[family])

    return made(location, log_scale, np.log(weights)), made(*rates)


def moved(line: MixtureOnLine, rate: MixtureOnLine, step) -> MixtureOnLine:
    return jax.tree.map(lambda a, b: a + step * b, line, rate)


@eqx.filter_jit
def quantiles(line, levels):
    return jax.vmap(line.quantile)(levels)


@eqx.filter_jit
def carried(line, rate, x):
    return jax.vmap(lambda y: line.carry(rate, y))(x)


@eqx.filter_jit
def level_rates(line, rate, x):
    """The velocity of a level, by autodiff of the smaller of the two tails."""

    def at(y):
        tails, rates = jax.jvp(lambda e: moved(line, rate, e).log_tails(y), (0.0,), (1.0,))
        left, right = (
            r * jnp.exp(tail - line.log_density(y)) for tail, r in zip(tails, rates, strict=True)
        )
        return jnp.where(tails[0] < tails[1], -left, right)

    return jax.vmap(at)(x)


ONE = ["logistic", pytest.param("gaussian", marks=pytest.mark.slow)]


@pytest.mark.parametrize("family", FAMILIES)
def test_density_and_tails(family):
    line, _ = line_and_rate(family)
    x = np.linspace(-30.0, 30.0, 41)
    law = SCIPY[family](np.asarray(line.location)[:, None], np.exp(line.log_scale)[:, None])
    weights = np.exp(line.log_weights)
    tails = jax.vmap(line.log_tails)(jnp.asarray(x))
    for found, wanted in zip(
        (jax.vmap(line.log_density)(jnp.asarray(x)), *tails),
        (law.pdf(x), law.cdf(x), law.sf(x)),
        strict=True,
    ):
        assert np.allclose(np.exp(found), weights @ wanted, rtol=1e-10, atol=0.0)


@pytest.mark.parametrize("family", ONE)
def test_quantile_inverts_the_distribution_function(family):
    line, _ = line_and_rate(family)
    left, right = jax.vmap(line.log_tails)(quantiles(line, LEVELS))
    assert np.all(np.abs(left - right - LEVELS) <= LEVEL * (1.0 + np.abs(LEVELS)))


@pytest.mark.parametrize("family", FAMILIES)
def test_carry_is_the_velocity_of_a_level(family):
    line, rate = line_and_rate(family)
    x = quantiles(line, LEVELS)
    found, wanted = carried(line, rate, x), level_rates(line, rate, x)
    assert np.allclose(found, wanted, rtol=ROUNDING, atol=ROUNDING)
    step = 1e-4
    above, below = (quantiles(moved(line, rate, e), LEVELS) for e in (step, -step))
    difference = (above - below) / (2.0 * step)
    assert np.allclose(found, difference, rtol=CENTRAL_DIFFERENCE, atol=CENTRAL_DIFFERENCE)
    # Without the flow of weight between the parts it is another number.
    still = eqx.tree_at(lambda r: r.log_weights, rate, jnp.zeros(5))
    assert np.abs(carried(line, still, x) - wanted).max() > 0.1


def test_carry_has_no_step_at_the_median_if_the_weights_keep_their_sum():
    line, rate = line_and_rate("gaussian")
    median = float(quantiles(line, jnp.zeros(1))[0])
    beside = jnp.asarray([median - 1e-9, median + 1e-9])
    assert np.ptp(carried(line, rate, beside)) < 1e-7
    growing = eqx.tree_at(lambda r: r.log_weights, rate, rate.log_weights + 1.0)
    assert np.ptp(carried(line, growing, beside)) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision_far_out(family):
    # As users run it: the sums of a program that is not optimised cancel where x is 10^3 scales
    # away, and its gradients with respect to the scales are then rounding.
    is_plain = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        check_far_out(family)
    finally:
        jax.config.update("jax_disable_most_optimizations", is_plain)


def check_far_out(family):
    line, rate = line_and_rate(family)
    # A density that falls doubly exponentially is asked where it is a number.
    x = 10.0 ** np.linspace(-2.0, 0.4 if family == "gumbel" else 6.5, 16)
    x = jnp.asarray(np.concatenate([-x, x]))

    @eqx.filter_jit
    def values(line, rate, x):
        one = jax.value_and_grad(lambda q, y: q[0].carry(q[1], y), argnums=(0, 1))
        return jax.vmap(lambda y: one((line, rate), y))(x)

    double = values(line, rate, x)
    single = values(*cast((line, rate, x), jnp.float32))
    for found, wanted in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        assert found.dtype == jnp.float32
        assert np.isfinite(found).all()
        size = np.abs(np.asarray(wanted)).max(axis=tuple(range(1, wanted.ndim)), keepdims=True)
        error = np.abs(found - wanted) / (1.0 + size)
        assert error.max() <= SINGLE, error


@pytest.mark.parametrize("family", ONE)
def test_gradients_of_draws_are_unbiased(family, getkey):
    line, _ = line_and_rate(family)
    variance = float(SCIPY[family].var())

    def named(parameters):
        location, log_scale, logits = parameters
        return MixtureOnLine(location, log_scale, jax.nn.log_softmax(logits), FAMILIES[family])

    def closed(parameters):
        one = named(parameters)
        squares = one.location**2 + variance * jnp.exp(2.0 * one.log_scale)
        return jnp.exp(one.log_weights) @ squares

    def estimate(parameters, key):
        return named(parameters).sample(key=key) ** 2

    parameters = (line.location, line.log_scale, line.log_weights)
    keys = jr.split(getkey(), 4096)
    draws = jax.jit(jax.vmap(jax.value_and_grad(estimate), (None, 0)))(parameters, keys)
    answer = jax.jit(jax.value_and_grad(closed))(parameters)
    for found, wanted in zip(jax.tree.leaves(draws), jax.tree.leaves(answer), strict=True):
        spread = found.std(0) / np.sqrt(len(keys))
        assert np.all(np.abs(found.mean(0) - wanted) <= STANDARD_ERRORS * spread)


def test_a_point_that_is_attached_keeps_its_value_and_its_own_rate():
    line, rate = line_and_rate("gaussian")
    x = jnp.asarray(0.4)
    value, derivative = jax.jvp(attach, (line, x), (rate, jnp.asarray(2.0)))
    assert value == x
    assert np.isclose(derivative, line.carry(rate, x) + 2.0, rtol=ROUNDING)
