"""Factorised densities, their mixtures with moving weights, and families of one's own."""

import importlib
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array

from liouville import checks
from liouville.curves import Constant, Knots
from liouville.numerics.parameters import Fixed, split
from liouville.paths import AbstractFamily, AbstractMarginal, AbstractPath
from liouville.paths._factorised import Factorised, FactorisedMarginal, _systematic
from liouville.paths._functions import FromFunctions
from liouville.paths._transfer import FactorisedMixture
from makers import FAMILIES, GUMBEL, INTERVAL, LAPLACE, TIMES, factorised
from registry import build
from test_laws import (
    assert_fails,
    assert_passes,
    points_of,
)
from tolerances import ROUNDING, STANDARD_ERRORS

# Two sums over the same 4001 nodes, one of them at a height where a few parts in 10^10 are missing.
QUADRATURE = 1e-6

# Factorised densities.


def test_parts_come_as_often_as_they_weigh():
    weights = np.array([0.503, 0.297, 0.0, 0.2])
    with np.errstate(divide="ignore"):
        parts = jax.vmap(lambda key: _systematic(jnp.asarray(np.log(weights)), 37, key))(
            jr.split(jr.key(0), 200)
        )
    counts = (np.asarray(parts)[:, :, None] == np.arange(4)).sum(1)
    assert np.all(np.abs(counts - 37 * weights) < 1.0)
    assert np.all(np.abs(counts.mean(0) - 37 * weights) < 0.2)


@pytest.mark.slow
def test_gradients_of_particles_are_unbiased(getkey):
    rng = np.random.default_rng(3)
    # Parts that overlap: between parts far apart the implicit gradient varies without bound.
    location, raw, logits = (Constant(jnp.asarray(a)) for a in 0.5 * rng.normal(size=(3, 2, 2)))
    path = Factorised(location, raw, logits)
    learned, rest = split(path)

    def closed(learned):
        lines = eqx.combine(learned, rest).at(jnp.zeros(())).lines
        weights = jnp.exp(lines.log_weights)
        means = (weights * lines.location).sum(-1)
        squares = (weights * (lines.location**2 + jnp.exp(2.0 * lines.log_scale))).sum(-1)
        return squares.sum() + means[0] * means[1]

    def estimate(learned, key):
        marginal = eqx.combine(learned, rest).at(jnp.zeros(()))
        points, weights = marginal.particles(5, key=key)
        return weights @ ((points**2).sum(1) + points[:, 0] * points[:, 1])

    keys = jr.split(getkey(), 2048)
    draws = jax.jit(jax.vmap(jax.value_and_grad(estimate), (None, 0)))(learned, keys)
    answer = jax.value_and_grad(closed)(learned)
    for found, wanted in zip(jax.tree.leaves(draws), jax.tree.leaves(answer), strict=True):
        spread = found.std(0) / np.sqrt(len(keys))
        assert np.all(np.abs(found.mean(0) - wanted) <= STANDARD_ERRORS * spread + ROUNDING)


class WithoutWeights(AbstractPath):
    """A path that forgets, in its velocity, that weights move."""

    path: Factorised | FactorisedMixture

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t) -> AbstractMarginal:
        marginal = self.path.at(t)
        if isinstance(marginal, FactorisedMarginal):
            zeros = jnp.zeros_like(marginal.rates.log_weights)
            return eqx.tree_at(lambda m: m.rates.log_weights, marginal, zeros)
        zeros = jnp.zeros_like(marginal.log_weights_rate)
        return eqx.tree_at(lambda m: m.log_weights_rate, marginal, zeros)


@pytest.mark.parametrize(
    "name",
    [
        "factorised-logistic-cubic-1d",
        pytest.param("factorised-mixture-logistic-cubic-1d", marks=pytest.mark.slow),
    ],
)
def test_continuity_refuses_weights_that_move_without_mass(name):
    path = build(name)
    assert isinstance(path, Factorised | FactorisedMixture)
    report = checks.continuity(WithoutWeights(path), *points_of(path))
    assert_fails(report)
    assert report.value > 0.01


def test_curves_of_factorised_have_one_shape():
    matrix = jnp.zeros((2, 3))
    with pytest.raises(ValueError, match=r"shapes \(2, 3\), \(2, 3\) and \(2,\)"):
        Factorised(Constant(matrix), Constant(matrix), Constant(jnp.zeros(2)))


# Mixtures whose weights move.


def _lone_parts(path: Factorised, family: AbstractFamily) -> FactorisedMixture:
    """The same density on the line as a mixture of lone parts."""
    location, raw, logits = path.location, path.raw_scale, path.logits
    assert isinstance(location, Knots)
    assert isinstance(raw, Knots)
    assert isinstance(logits, Knots)

    def knots(values: Array) -> Knots:
        return Knots(TIMES, values, "cubic")

    made = [
        Factorised(
            knots(location.values[:, k : k + 1]),
            knots(raw.values[:, k : k + 1]),
            knots(jnp.zeros((len(TIMES), 1, 1))),
            family,
        )
        for k in range(3)
    ]
    return FactorisedMixture.of(made, knots(logits.values[:, :, 0]))


@eqx.filter_jit
def _values(path, t, points):
    marginal = path.at(t)
    return jax.vmap(marginal.log_density)(points), jax.vmap(marginal.velocity)(points)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["logistic", pytest.param("gaussian", marks=pytest.mark.slow)])
def test_on_the_line_there_is_one_velocity_only(family):
    path = factorised(family, "cubic", 3, 1)(jr.key(0))
    points = jnp.linspace(-60.0, 60.0, 41)[:, None]
    found = _values(_lone_parts(path, FAMILIES[family]), jnp.asarray(0.4), points)
    wanted = _values(path, jnp.asarray(0.4), points)
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one, other, rtol=1e-9, atol=1e-9)


def _trade(reference_scale: float | None) -> FactorisedMixture:
    """Two round parts at rest that trade weight, with a reference of a given scale."""

    def still(value: float) -> Constant:
        return Constant(jnp.full((1, 2), value))

    family = FAMILIES["logistic"]
    parts = [Factorised(still(m), still(0.0), still(0.0), family) for m in (-0.7, 0.7)]
    reference = None
    if reference_scale is not None:
        reference = Fixed(
            Factorised(still(0.1), still(float(np.log(reference_scale))), still(0.0), family)
        )
    weights = Knots(INTERVAL, jnp.asarray([[1.0, -1.0], [-1.0, 1.0]]), "linear")
    return FactorisedMixture.of(parts, weights, reference)


@pytest.mark.slow
def test_any_reference_will_do_but_a_wide_one_is_fast_in_the_tails():
    angles = jnp.linspace(0.0, 2.0 * jnp.pi, 33)[:-1]
    circle = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)
    near, far = (jnp.asarray(r) * circle for r in (2.0, 20.0))
    t = jnp.asarray(0.4)
    densities, fastest = [], {}
    for scale in (None, 0.5, 2.0):
        path = _trade(scale)
        if scale is not None:
            assert_passes(checks.continuity(path, jnp.full(32, t), near))
        densities.append(_values(path, t, near)[0])
        fastest[scale] = float(jnp.abs(_values(path, t, far)[1]).max())
    assert np.allclose(densities[0], densities[1], rtol=ROUNDING)
    assert np.allclose(densities[0], densities[2], rtol=ROUNDING)
    assert fastest[None] < 10.0
    assert fastest[0.5] < 10.0
    assert fastest[2.0] > 1e3


def test_a_mixture_is_built_from_parts_of_one_kind():
    parts = [factorised("gaussian", "linear", 2, 2)(jr.key(seed)) for seed in range(2)]
    with pytest.raises(ValueError, match=r"logits have shape \(3,\)"):
        FactorisedMixture.of(parts, Constant(jnp.zeros(3)))
    with pytest.raises(ValueError, match="paths of one structure"):
        FactorisedMixture.of(
            [*parts, factorised("gaussian", "linear", 3, 2)(jr.key(0))], Constant(jnp.zeros(3))
        )
    reference = factorised("gaussian", "linear", 1, 1)(jr.key(0))
    with pytest.raises(ValueError, match="the reference has dimension 1, the parts have 2"):
        FactorisedMixture.of(parts, Constant(jnp.zeros(2)), reference)


# Families of one's own.


def test_draws_of_a_family_of_ones_own():
    z = np.asarray(GUMBEL.sample((3, 4000), key=jr.key(0)))
    assert z.shape == (3, 4000)
    moments = (np.euler_gamma, np.pi**2 / 6.0)
    assert abs(z.mean() - moments[0]) < STANDARD_ERRORS * np.sqrt(moments[1] / z.size)
    # The kurtosis of the Gumbel density is 5.4.
    assert abs(z.var() - moments[1]) < STANDARD_ERRORS * moments[1] * np.sqrt(4.4 / z.size)
    assert not GUMBEL.is_symmetric
    assert LAPLACE.is_symmetric
    assert not GUMBEL.is_rotation_invariant


def test_functions_that_do_not_belong_together_are_refused():
    wrong = FromFunctions(GUMBEL.log_p, LAPLACE.log_cdf, LAPLACE.log_survival)
    path: Any = build("functions-gumbel-factorised")
    path = Factorised(path.location, path.raw_scale, path.logits, wrong)
    assert_fails(checks.continuity(path, *points_of(path, tails=1.2)))


# The spurious flux.


@pytest.mark.slow
def test_the_one_coordinate_rule_loses_mass_through_infinity(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    benchmark = importlib.import_module("spurious_flux")
    path = benchmark.example(FAMILIES["logistic"])
    t = jnp.asarray(benchmark.TIME)

    # Both rules obey the equation.
    @eqx.filter_jit
    def residual(path, x):
        def flux(y):
            density = jnp.exp(path.at(t).log_density(y))
            return density * benchmark.one_coordinate_velocity(path, t, y)

        rate = jax.grad(lambda s: jnp.exp(path.at(s).log_density(x)))(t)
        return rate + jnp.trace(jax.jacfwd(flux)(x))

    points = jnp.asarray(np.random.default_rng(0).normal(size=(16, 2)))
    residuals = jax.jit(jax.vmap(lambda x: residual(path, x)))(points)
    assert np.abs(residuals).max() < ROUNDING

    # Far out the first one lets through what the density of the other coordinate changes by.
    @eqx.filter_jit
    def change(path, nodes):
        marginal = path.at(t)
        line, rate = jax.tree.map(lambda a: a[0], (marginal.lines, marginal.rates))

        def at(y):
            def density(e):
                moved = jax.tree.map(lambda a, b: a + e * b, line, rate)
                return jnp.exp(moved.log_density(y))

            return jnp.abs(jax.jvp(density, (0.0,), (1.0,))[1])

        return jax.vmap(at)(nodes)

    nodes = jnp.linspace(-30.0, 30.0, 4001)
    wanted = float(change(path, nodes).sum() * (nodes[1] - nodes[0]))
    through = benchmark.outflow(path, benchmark.TIME, 30.0)
    assert wanted > 0.5
    assert np.isclose(through["one coordinate"], wanted, rtol=QUADRATURE)
    assert through["ours"] < 1e-12
