import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.gauges import AbstractGauge, FullGauge, LowRankGauge
from liouville.numerics.parameters import learned_leaves
from makers import INTERVAL, jolted
from tolerances import ROUNDING


def full(dim: int = 3, gated: bool = False) -> FullGauge:
    return FullGauge(dim, INTERVAL, width=8, depth=2, gated=gated, key=jr.key(0))


def low_rank(dim: int = 3, gated: bool = False) -> LowRankGauge:
    return LowRankGauge(dim, 2, INTERVAL, width=8, depth=2, gated=gated, key=jr.key(1))


GAUGES = {"full": full, "low-rank": low_rank}


@pytest.fixture(params=GAUGES)
def gauge(request):
    return jolted(GAUGES[request.param](), jr.key(2))


def generators(gauge: AbstractGauge) -> np.ndarray:
    """The constant matrices, written out one by one."""
    if isinstance(gauge, FullGauge):
        planes = [(i, j) for i in range(3) for j in range(i + 1, 3)]
        made = np.zeros((3, 3, 3))
        for r, (i, j) in enumerate(planes):
            made[r, i, j], made[r, j, i] = 1.0, -1.0
        return made
    assert isinstance(gauge, LowRankGauge)
    pairs = zip(np.asarray(gauge.left), np.asarray(gauge.right))
    return np.stack([np.outer(c, q) - np.outer(q, c) for c, q in pairs])


@eqx.filter_jit
def _velocity(gauge, t, x, score):
    return gauge.at(t).velocity(x, score)


def test_velocity_is_the_divergence_of_the_field_and_its_pull_on_the_score(gauge):
    matrices = generators(gauge)
    assert np.array_equal(matrices, -matrices.swapaxes(1, 2))
    t, x, score = jnp.asarray(0.4), jnp.asarray([0.3, -1.2, 0.7]), jnp.asarray([1.0, -0.5, 2.0])

    @jax.jit
    def field(y):
        return jnp.tensordot(gauge.potentials.at(t)(y), matrices, 1)

    divergence = np.einsum("ijj->i", jax.jit(jax.jacfwd(field))(x))
    expected = divergence + field(x) @ score
    found = _velocity(gauge, t, x, score)
    assert np.abs(found).max() > 0.05
    assert np.allclose(found, expected, atol=ROUNDING)


@pytest.mark.parametrize("make", GAUGES.values(), ids=GAUGES)
def test_a_new_gauge_does_nothing(make):
    found = _velocity(make(), jnp.asarray(0.4), jnp.ones(3), jnp.ones(3))
    assert not np.any(found)


@pytest.mark.parametrize("make", GAUGES.values(), ids=GAUGES)
def test_a_gate_closes_both_ends(make):
    gauge = jolted(make(gated=True), jr.key(3))
    x, score = jnp.asarray([0.3, -1.2, 0.7]), jnp.ones(3)
    for t in INTERVAL:
        assert not np.any(_velocity(gauge, jnp.asarray(t), x, score))
    assert np.any(_velocity(gauge, jnp.asarray(0.75), x, score))
    # In the middle the gate is one.
    free = eqx.tree_at(
        lambda g: g.potentials,
        gauge,
        eqx.tree_at(lambda p: p.network, make().potentials, gauge.potentials.network),
    )
    middle = jnp.asarray(0.75)
    assert np.allclose(
        _velocity(gauge, middle, x, score), _velocity(free, middle, x, score), atol=ROUNDING
    )


def test_two_dimensions_are_the_stream_function():
    gauge = jolted(full(2), jr.key(4))
    t, x = jnp.asarray(0.1), jnp.asarray([0.2, 0.9])
    slope = jax.jit(jax.grad(lambda y: gauge.potentials.at(t)(y)[0]))(x)
    found = _velocity(gauge, t, x, jnp.zeros(2))
    assert np.allclose(found, [slope[1], -slope[0]], atol=ROUNDING)


def test_low_rank_vectors_are_learned():
    assert {".left", ".right"} <= set(learned_leaves(low_rank()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: full(1), "two or more dimensions, got 1"),
        (lambda: low_rank(1), "dim >= 2 and rank >= 1, got 1 and 2"),
        (lambda: LowRankGauge(3, 0, INTERVAL, key=jr.key(0)), "got 3 and 0"),
    ],
)
def test_impossible_gauges_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
