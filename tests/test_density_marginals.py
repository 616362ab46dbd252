"""The fixed map that gives columns of whole steps a normal distribution."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import ndtri

from liouville import checks
from liouville.data import Samples
from liouville.numerics.parameters import learned_leaves
from liouville.paths import Normal, Pushforward
from liouville.runs.config import merge
from liouville.tasks.density._families import initial_path, resolve_choices
from liouville.tasks.density._marginals import BINS, _sides, marginal_map
from liouville.tasks.density.config import DensityConfig
from tolerances import ROUNDING

# Mean distance of quantiles, in standardised units: what thirty knots of a curve leave.
QUANTILES = 0.05
# An inverse through bins of slope twenty, in double precision.
INVERSE = 1e-9


def _columns(n=1000):
    """Counts, a value that is nearly always zero, a constant, a normal column, heavy tails."""
    rng = np.random.default_rng(0)
    noise = rng.random((n, 3))
    whole = np.stack([rng.poisson(3.0, n), 16.0 * (rng.random(n) < 0.1), np.zeros(n)], axis=1)
    points = np.concatenate(
        [whole + noise, rng.normal(size=(n, 1)), rng.normal(size=(n, 1)) ** 5], 1
    )
    return (points - points.mean(0)) / points.std(0)


def _images(mapping, t, x):
    return jax.jit(lambda t, x: jax.vmap(mapping.at(t).forward)(x))(jnp.asarray(t), jnp.asarray(x))


def test_it_starts_as_the_identity_and_ends_with_the_columns_own_laws():
    points = _columns()
    mapping = marginal_map(points, (0.0, 1.0))
    z = np.tile(ndtri((np.arange(4000) + 0.5) / 4000)[:, None], (1, 5))
    still, volume = _images(mapping, 0.0, z)
    np.testing.assert_allclose(still, z, atol=INVERSE)
    np.testing.assert_allclose(volume, 0.0, atol=INVERSE)
    y = np.asarray(_images(mapping, 1.0, z)[0])
    levels = (np.arange(400) + 0.5) / 400
    inside = slice(2, -2)  # beyond the outermost knots nothing is promised

    def off(found):
        pair = (np.quantile(a, levels[inside], axis=0) for a in (found, points))
        return np.abs(np.subtract(*pair)).mean(0)

    wide, narrow = [0, 2, 3], [1, 4]
    assert off(y)[wide].max() < QUANTILES
    # Where nearly all samples share a narrow range, the bins are too wide to follow it.
    assert (off(y) / off(z))[narrow].max() < 0.5
    # The negative control: a normal law is none of these but one.
    assert (off(z) > QUANTILES).tolist() == [True, True, True, False, True]


def test_there_and_back():
    mapping, x = (
        marginal_map(_columns(), (0.0, 1.0)),
        np.random.default_rng(2).normal(size=(200, 5)),
    )
    for t in (0.3, 1.0):
        y, volume = _images(mapping, t, x)
        back, again = jax.jit(jax.vmap(mapping.at(jnp.asarray(t)).inverse))(y)
        np.testing.assert_allclose(back, x, atol=INVERSE)
        np.testing.assert_allclose(again, volume, atol=1e3 * INVERSE)


@pytest.mark.slow
def test_a_path_seen_through_it_keeps_its_mass_and_nothing_of_it_is_learned():
    path = Pushforward(Normal(5), marginal_map(_columns(), (0.0, 1.0)))
    assert not learned_leaves(path)
    x = jax.vmap(lambda k: path.at(jnp.asarray(0.6)).sample(key=k))(jr.split(jr.key(0), 64))
    report = checks.continuity(path, jr.uniform(jr.key(1), (64,)), x)
    assert report.passed, report


def test_bins_are_as_wide_as_a_spline_can_say_where_columns_have_few_values():
    points = np.tile([[0.0, -7.0], [1.0, 9.0]], (50, 1))
    for sides in _sides(points):
        assert sides.shape == (BINS, 2)
        assert np.allclose(sides.sum(0), 1.0, atol=ROUNDING)
        assert sides.min() > 0.05 / BINS


@pytest.mark.parametrize(
    ("flags", "dim", "whole", "expected"),
    [
        ({}, 8, 1.0, True),
        ({}, 8, 0.4, False),
        ({}, 2, 1.0, False),  # a mixture has its own edges
        ({"path.marginals": True}, 8, 0.0, True),
        ({"path.marginals": False}, 8, 1.0, False),
    ],
)
def test_columns_of_whole_steps_are_seen_through_it(flags, dim, whole, expected):
    settings = resolve_choices(merge(DensityConfig, flags=flags), dim, 500, 500, whole)
    assert settings.path.marginals is expected
    if dim == 8 and expected and not flags:
        brief = merge(DensityConfig, flags={"path.members": 1, "path.marginals": True})
        points, chosen = _columns(), resolve_choices(brief, 5, 500, 500).path
        path = initial_path(points, Samples(points), chosen)
        assert isinstance(path, Pushforward)
