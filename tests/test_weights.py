"""Coupled weights: both marginals whatever the logits, and gradients through the constraint."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liouville.numerics.parameters import Fixed, learned_leaves
from liouville.numerics.weights import CoupledWeights
from makers import cast

SEEDS = st.integers(0, 2**31 - 1)

# Sums of at most a dozen numbers of order a tenth, after Newton's iteration has converged.
MARGINALS = {jnp.float64: 1e-12, jnp.float32: 1e-6}
# The ridge of the last Newton step is a millionth of the masses, and so is its share of a gradient.
GRADIENTS = 1e-5

# Pairs of end parts: all; all of them twice; those of a corner of the polytope, a tree; three sets
# that share no end part, one of them with a pair seen twice.
SUPPORTS: dict[str, tuple[list[int], list[int]]] = {
    "all": ([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], [0, 1, 2] * 4),
    "twice": ([0, 0, 1, 1, 2, 2] * 2, [0, 1, 0, 1, 0, 1] * 2),
    "tree": ([0, 1, 1, 2, 3, 3], [0, 0, 1, 1, 1, 2]),
    "disconnected": ([0, 0, 1, 2, 2, 2, 3], [0, 1, 2, 3, 3, 4, 4]),
    "one": ([0], [0]),
    "star": ([0] * 5, list(range(5))),
}


def masses(name: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Masses that weights on a support do couple: the marginals of random ones."""
    sources, targets = (np.array(side) for side in SUPPORTS[name])
    weights = np.random.default_rng([seed, 7]).dirichlet(np.full(len(sources), 2.0))
    return np.bincount(sources, weights), np.bincount(targets, weights)


def with_logits(name: str, logits: np.ndarray, seed: int = 0) -> CoupledWeights:
    sources, targets = SUPPORTS[name]
    a, b = masses(name, seed)
    return CoupledWeights(
        jnp.asarray(logits),
        jnp.asarray(sources),
        jnp.asarray(targets),
        Fixed(jnp.asarray(a)),
        Fixed(jnp.asarray(b)),
    )


@eqx.filter_jit
def marginals(weights: CoupledWeights, log_weights: Any) -> tuple[jax.Array, jax.Array]:
    pi = jnp.exp(log_weights)
    a, b = weights.source_weights.value, weights.target_weights.value
    return (
        jnp.zeros_like(a).at[weights.sources].add(pi),
        jnp.zeros_like(b).at[weights.targets].add(pi),
    )


def largest_miss(weights: CoupledWeights, log_weights: Any) -> float:
    rows, columns = marginals(weights, log_weights)
    misses = (rows - weights.source_weights.value, columns - weights.target_weights.value)
    return max(float(jnp.abs(miss).max()) for miss in misses)


@eqx.filter_jit
def value(weights: CoupledWeights) -> jax.Array:
    return weights.value


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=() if name == "all" or is_double else pytest.mark.slow)
        for name in SUPPORTS
        for dtype, is_double in ((jnp.float64, True), (jnp.float32, False))
    ],
)
def test_marginals_are_met_to_rounding(name, dtype):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        size = [0.0, 1.0, 3.0, 6.0][seed % 4]
        logits = size * rng.normal(size=len(SUPPORTS[name][0])) + 10.0 * rng.normal()
        weights = cast(with_logits(name, logits, seed), dtype)
        found = value(weights)
        assert found.dtype == dtype
        assert largest_miss(weights, found) < MARGINALS[dtype]


@given(seed=SEEDS)
def test_marginals_whatever_the_logits(seed):
    rng = np.random.default_rng(seed)
    weights = with_logits("all", 5.0 * rng.normal(size=12), seed)
    assert largest_miss(weights, value(weights)) < MARGINALS[jnp.float64]


def test_a_plain_softmax_misses_the_marginals():
    """The negative control of the tests above."""
    weights = with_logits("all", np.random.default_rng(0).normal(size=12))
    assert largest_miss(weights, jax.nn.log_softmax(weights.logits)) > 0.01


@pytest.mark.parametrize("name", ["tree", "star"])
def test_a_tree_leaves_no_choice(name):
    """On a tree the weights follow from the masses, so the logits and their gradients are idle."""
    weights = [
        value(with_logits(name, np.random.default_rng(seed).normal(size=len(SUPPORTS[name][0]))))
        for seed in (1, 2)
    ]
    assert np.allclose(*weights, atol=1e-10)

    @jax.jit
    def total(logits):
        fresh = eqx.tree_at(lambda w: w.logits, with_logits(name, np.zeros(len(logits))), logits)
        return jnp.sum(jnp.arange(1.0, 1.0 + len(logits)) * fresh.value)

    assert np.allclose(jax.grad(total)(jnp.ones(len(SUPPORTS[name][0]))), 0.0, atol=GRADIENTS)


def test_pairs_seen_twice_share_by_their_logits():
    weights = with_logits("twice", np.concatenate([np.zeros(6), np.full(6, np.log(3.0))]))
    found = np.exp(value(weights))
    assert np.allclose(found[6:], 3.0 * found[:6], rtol=1e-10)


def test_logits_that_couple_are_kept():
    rng = np.random.default_rng(3)
    sources, targets = SUPPORTS["all"]
    pi = rng.dirichlet(np.ones(12))
    a, b = np.bincount(sources, pi), np.bincount(targets, pi)
    weights = CoupledWeights.of(pi, sources, targets, a, b)
    assert np.allclose(np.exp(value(weights)), pi, rtol=1e-9)
    # Potentials of the ends change nothing.
    moved = eqx.tree_at(
        lambda w: w.logits,
        weights,
        weights.logits + jnp.asarray(rng.normal(size=4))[jnp.asarray(sources)],
    )
    assert np.allclose(value(moved), value(weights), atol=1e-9)


@pytest.mark.parametrize("name", ["all", "twice", "disconnected"])
def test_gradients_are_those_of_finite_differences(name):
    rng = np.random.default_rng(5)
    logits = rng.normal(size=len(SUPPORTS[name][0]))
    weights = with_logits(name, logits)
    direction = jnp.asarray(rng.normal(size=len(logits)))

    @jax.jit
    def total(logits):
        found = eqx.tree_at(lambda w: w.logits, weights, logits).value
        return jnp.sum(direction * found) + jnp.sum(jnp.exp(found) ** 2)

    step = 1e-5
    found = jax.jit(jax.grad(total))(jnp.asarray(logits))
    shifts = step * np.eye(len(logits))
    expected = [(total(logits + s) - total(logits - s)) / (2.0 * step) for s in shifts]
    assert np.allclose(found, expected, rtol=GRADIENTS, atol=GRADIENTS)
    assert np.abs(expected).max() > 0.01


def test_gradients_keep_the_marginals():
    """A step along any gradient leaves both sums where they are, to first order and in fact."""
    weights = with_logits("all", np.random.default_rng(6).normal(size=12))

    def rows(logits):
        found = jnp.exp(eqx.tree_at(lambda w: w.logits, weights, logits).value)
        return jnp.zeros(4).at[weights.sources].add(found)

    assert np.allclose(jax.jit(jax.jacobian(rows))(weights.logits), 0.0, atol=GRADIENTS)


def test_only_the_logits_are_learned():
    assert list(learned_leaves(with_logits("all", np.zeros(12)))) == [".logits"]


def test_of_normalises_and_takes_its_weights_as_a_start():
    sources, targets = SUPPORTS["all"]
    a, b = masses("all")
    weights = CoupledWeights.of(np.ones(12), sources, targets, 2.0 * a, 3.0 * b)
    assert largest_miss(weights, value(weights)) < MARGINALS[jnp.float64]
    assert np.isclose(float(weights.source_weights.value.sum()), 1.0)


@pytest.mark.parametrize(("side", "message"), [(0, "source part 1"), (1, "target part 1")])
def test_a_part_in_no_pair_is_refused(side, message):
    sources, targets = ([0, 0], [0, 1]) if side == 0 else ([0, 1], [0, 0])
    with pytest.raises(ValueError, match=f"{message} belongs to no pair; add one"):
        CoupledWeights.of(np.full(2, 0.5), sources, targets, np.full(2, 0.5), np.full(2, 0.5))


def test_pairs_that_cannot_couple_the_ends_are_refused():
    with pytest.raises(ValueError, match="no weights on these pairs couple the ends"):
        CoupledWeights.of(
            np.full(2, 0.5), [0, 1], [0, 1], np.array([0.3, 0.7]), np.array([0.6, 0.4])
        )
