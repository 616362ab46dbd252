"""The laws of a path, over the registry; and for each law something wrong that must break it."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float

from liouville import checks
from liouville.checks._equations import continuity_terms, terms_at
from liouville.curves import AbstractCurve, Constant, Knots, value_and_rate
from liouville.gauges import AbstractGauge, AbstractGaugeField, FullGauge
from liouville.numerics.parameters import learned_leaves, split
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths import (
    AbstractMarginal,
    AbstractPath,
    Full,
    Gauged,
    Gaussian,
    LocationScale,
    Mixture,
    Product,
    Reversed,
)
from liouville.quantities import score
from makers import INTERVAL, TIMES, cast
from registry import ENTRIES, Bounds, build, entries
from tolerances import ROUNDING, STANDARD_ERRORS, TAIL_RESIDUAL, TAIL_TERMS

FEW = pytest.mark.parametrize("name", entries("low"))
MOST = pytest.mark.parametrize("name", entries("low", "middle"))


def points_of(
    path: AbstractPath, n: int = 64, tails: float = 60.0
) -> tuple[Float[Array, " n"], Points]:
    """Times over the interval with both ends, and points near the centre and far in the tails."""
    rng = np.random.default_rng(0)
    times = np.append(rng.uniform(*INTERVAL, n - 2), INTERVAL)
    directions = rng.normal(size=(n, path.dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.where(np.arange(n) % 2, rng.uniform(0.0, 3.0, n), tails)
    return jnp.asarray(times), jnp.asarray(directions * radii[:, None])


def within(points: Points, support: Bounds | None) -> Points:
    """Points of the line folded into the bounds of their coordinates."""
    if support is None:
        return points

    def fold(x, bounds):
        if bounds is None:
            return x
        low, high = bounds
        if np.isinf(low):
            return x
        if np.isinf(high):
            return low + jnp.abs(x)
        return low + 0.5 * (high - low) * (1.0 + x / (1.0 + jnp.abs(x)))

    return jnp.stack([fold(x, b) for x, b in zip(points.T, support, strict=True)], axis=1)


def asked_at(name: str, n: int = 64) -> tuple[Float[Array, " n"], Points]:
    """The times and points at which an entry is asked."""
    times, points = points_of(build(name), n, ENTRIES[name].tails)
    return times, within(points, ENTRIES[name].support)


def assert_passes(report: checks.Report) -> None:
    assert report.passed, str(report)


def assert_fails(report: checks.Report) -> None:
    assert not report.passed, str(report)


# The laws, on every entry.


@MOST
def test_continuity(name):
    path = build(name)
    assert path.dim == ENTRIES[name].dim
    times, points = asked_at(name)
    assert_passes(checks.continuity(path, times, points))
    # The same residual not divided by its terms, which hides no small error among large terms.
    terms = terms_at(path, continuity_terms, times, points)
    # Terms larger than the tolerance is made for (maps out of their box) cancel to as many digits.
    size = jnp.maximum(jnp.abs(terms).max(-1) / TAIL_TERMS, 1.0)
    assert float((jnp.abs(terms.sum(-1)) / size).max()) < TAIL_RESIDUAL
    assert float(jnp.abs(terms).max()) > 1.0, "the points are too tame to show anything"


@FEW
def test_fokker_planck(name):
    assert_passes(checks.fokker_planck(build(name), *asked_at(name), g=0.8))


@pytest.mark.parametrize("name", entries("low", at_most=2))
def test_mass(name):
    path, entry = build(name), ENTRIES[name]
    box: Any = {"box": entry.box, "nodes": entry.nodes, "support": entry.support}
    for t in (TIMES[0], 0.55):
        assert_passes(checks.mass(path, jnp.asarray(t), tolerance=entry.mass, **box))


@pytest.mark.parametrize("name", entries("low", at_most=2))
def test_growth(name):
    path, entry = build(name), ENTRIES[name]
    box: Any = {"box": entry.box, "nodes": entry.nodes, "support": entry.support}
    assert_passes(checks.growth(path, jnp.asarray(0.55), tolerance=entry.mass, **box))


@FEW
def test_sampler(name, getkey):
    assert_passes(checks.sampler(build(name), jnp.asarray(0.55), key=getkey()))


@FEW
def test_particles(name, getkey):
    # A number that no number of parts divides.
    assert_passes(checks.particles(build(name), jnp.asarray(0.55), n=131, key=getkey()))


@FEW
def test_transport(name, getkey):
    steps = ENTRIES[name].steps
    assert_passes(checks.transport(build(name), (0.25, 0.85), n=64, steps=steps, key=getkey()))


# What is exchanged grows where it moved, whatever its part; and a product is one part, which grows
# as unevenly as its blocks.
UNEVEN = ("exchanged", "exchanged-gated", "moved-ensemble-of-growing-full")


class PartsGap(NamedTuple):
    """How far parts are from what they should be: see `parts_gap`."""

    density: Any
    mass: Any
    shares: Any
    growth: Any


def parts_gap(path: AbstractPath, t: float, key: RandomKey) -> PartsGap:
    """How far the parts are from making up the density, the mass and the growth.

    `shares` is the largest difference between a part's share of the mass and its mean share in the
    points of the density, in standard errors of the latter.
    """

    def gap(path, t, key):
        marginal = path.at(t)
        x = jax.vmap(lambda k: marginal.sample(key=k))(jr.split(key, 4096))
        joint = jax.vmap(marginal.log_parts)(x)
        masses, rates = jax.jvp(lambda s: path.at(s).log_part_masses, (t,), (jnp.ones_like(t),))
        shares = jax.nn.softmax(joint, axis=-1)
        off = shares.mean(0) - jnp.exp(masses - marginal.log_mass)
        return PartsGap(
            jnp.abs(jax.nn.logsumexp(joint, axis=-1) - jax.vmap(marginal.log_density)(x)).max(),
            jnp.abs(jax.nn.logsumexp(masses) - marginal.log_mass),
            jnp.abs(off / jnp.maximum(shares.std(0) / 64.0, 1e-5)).max(),
            jnp.abs(jax.vmap(marginal.growth)(x) - shares @ rates).max(),
        )

    return PartsGap(*map(float, eqx.filter_jit(gap)(path, jnp.asarray(t), key)))


@FEW
def test_parts_make_up_the_density_the_mass_and_the_growth(name, getkey):
    path = build(name)
    gap = parts_gap(path, 0.55, getkey())
    assert gap.density < 1e-3
    assert gap.mass < 1e-5
    assert gap.shares < STANDARD_ERRORS
    assert gap.growth < 1e-4 or name in UNEVEN


class Passed(AbstractPath):
    """Parts that pass their mass to each other: no parts in the sense of `log_parts`."""

    path: LocationScale

    @property
    def dim(self):
        return self.path.dim

    def at(self, t):
        return PassedMarginal(self.path.at(t))


class PassedMarginal(AbstractMarginal):
    """Says that the parts of a flux are its own."""

    marginal: Any

    def log_density(self, x):
        return self.marginal.log_density(x)

    def sample(self, *, key):
        return self.marginal.sample(key=key)

    def particles(self, n, *, key):
        return self.marginal.particles(n, key=key)

    def velocity(self, x):
        return self.marginal.velocity(x)

    def log_parts(self, x):
        return self.marginal._log_joint(x)

    @property
    def log_part_masses(self):
        return self.marginal.log_weights


def test_parts_whose_mass_passes_on_are_none(getkey):
    path = LocationScale(
        Constant(jnp.asarray([[-2.0], [2.0]])),
        Constant(jnp.zeros((2, 1))),
        Knots((0.0, 1.0), jnp.asarray([[0.0, 0.0], [0.0, 2.0]])),
    )
    assert parts_gap(path, 0.5, getkey()).growth < 1e-6
    assert parts_gap(Passed(path), 0.5, getkey()).growth > 0.3


@eqx.filter_jit
def everything(path: AbstractPath, support: Bounds | None = None) -> Scalar:
    """A number that depends on the density and on the velocity, so on all that is learned."""
    rng = np.random.default_rng(1)
    times = jnp.asarray(rng.uniform(*INTERVAL, 8))
    points = within(jnp.asarray(rng.normal(size=(8, path.dim))), support)

    def at(t, x):
        marginal = path.at(t)
        return marginal.log_density(x) + jnp.sum(jnp.sin(marginal.velocity(x)))

    return jax.vmap(at)(times, points).sum()


@FEW
def test_gradients(name):
    path, entry = build(name), ENTRIES[name]
    report = checks.gradients(path, lambda path: everything(path, entry.support))
    lone = {
        place
        for place, leaf in learned_leaves(path).items()
        if place.endswith((".logits", ".logits.values")) and leaf.shape[-1:] == (1,)
    }
    reported = set(report.detail.partition(": ")[2].split(", ")) - {""}
    assert len(reported) == report.value
    assert report.passed == (not reported)
    assert all(any(part in place for part in entry.idle) for place in reported - lone), str(report)


# Transformations, dtypes, single precision.


@eqx.filter_jit
def _batch(path: AbstractPath, times: Float[Array, " n"], points: Points):
    def at(t, x):
        marginal = path.at(t)
        return marginal.log_density(x), marginal.velocity(x), score(marginal, x)

    return jax.vmap(at)(times, points)


@pytest.mark.parametrize(
    "name",
    ["gaussian-diagonal-linear", pytest.param("logistic-diagonal-network", marks=pytest.mark.slow)],
)
def test_eager_jit_and_vmap_agree(name):
    path = build(name)
    times, points = points_of(path, 4)
    whole = _batch(path, times, points)
    alone = _batch(path, times[1:2], points[1:2])
    marginal = path.at(times[1])
    eager = (marginal.log_density(points[1]), marginal.velocity(points[1]))
    for many, one, plain in zip(whole, alone, eager):
        assert np.allclose(one[0], many[1], rtol=ROUNDING, atol=ROUNDING)
        assert np.allclose(plain, many[1], rtol=ROUNDING, atol=ROUNDING)


@FEW
def test_other_values_compile_nothing(name):
    def value(path, t, x):
        return path.at(t).velocity(x)

    counted = eqx.filter_jit(eqx.debug.assert_max_traces(value, max_traces=1))
    point = within(jnp.full((1, ENTRIES[name].dim), 0.1), ENTRIES[name].support)[0]
    first, second = (counted(build(name, seed), jnp.asarray(0.3 + seed), point) for seed in (0, 1))
    assert not np.allclose(first, second)


@FEW
def test_single_precision(name):
    path, entry = cast(build(name), jnp.float32), ENTRIES[name]
    times, points = points_of(path, 16)
    # From the centre out to a million scale units.
    radii = jnp.geomspace(0.01, entry.far, 16)
    points = radii[:, None] * points / jnp.linalg.norm(points, axis=1, keepdims=True)
    points = within(points, entry.support).astype(jnp.float32)
    for value in _batch(path, times.astype(jnp.float32), points):
        assert value.dtype == jnp.float32
        assert np.isfinite(value).all()

    def draw(path, t, key):
        marginal = path.at(t)
        return marginal.sample(key=key), *marginal.particles(8, key=key)

    shapes = eqx.filter_eval_shape(draw, path, jnp.float32(0.3), jr.key(0))
    assert [shape.dtype for shape in shapes] == ["float32"] * 3


@pytest.mark.parametrize(
    "name", [pytest.param("gaussian-full-network", marks=pytest.mark.slow), "gauged"]
)
def test_continuity_in_single_precision(name):
    times, points = (a.astype(jnp.float32) for a in points_of(build(name)))
    assert_passes(checks.continuity(cast(build(name), jnp.float32), times, points.clip(-5.0, 5.0)))


# Closed forms.


def test_density_score_and_velocity_of_one_gaussian():
    location = jnp.asarray([[0.3, -1.0], [1.1, 0.4]])
    raw = jnp.asarray([[[-0.2, 9.0], [0.5, 0.1]], [[0.3, -9.0], [-0.4, 0.2]]])
    path = LocationScale(
        Knots((0.0, 2.0), location[:, None], "linear"),
        Knots((0.0, 2.0), raw[:, None], "linear"),
        jnp.zeros(1),
        Gaussian(),
        Full(floor=-40.0),
    )
    t, x = 0.7, np.array([0.9, -0.2])
    mix = 1.0 - t / 2.0
    mean = mix * location[0] + (1.0 - mix) * location[1]
    p = np.asarray(mix * raw[0] + (1.0 - mix) * raw[1])
    p_rate = np.asarray(raw[1] - raw[0]) / 2.0
    factor = np.tril(p, -1) + np.diag(np.exp(np.diag(p)))
    factor_rate = np.tril(p_rate, -1) + np.diag(np.exp(np.diag(p)) * np.diag(p_rate))
    cov, cov_rate = factor @ factor.T, factor_rate @ factor.T + factor @ factor_rate.T

    @jax.jit
    def answers(x):
        marginal = path.at(jnp.asarray(t))
        slope = jax.jacfwd(marginal.velocity)(x)
        return marginal.log_density(x), score(marginal, x), marginal.velocity(x), slope

    log_density, slope_of_log, _, found = answers(jnp.asarray(x))
    difference = x - np.asarray(mean)
    inverse = np.linalg.inv(cov)
    expected = -0.5 * difference @ inverse @ difference - 0.5 * np.log(
        np.linalg.det(2.0 * np.pi * cov)
    )
    assert np.isclose(log_density, expected, rtol=ROUNDING)
    assert np.allclose(slope_of_log, -inverse @ difference, rtol=ROUNDING)
    # The velocity is m' + A (x - m) with A symmetric and A S + S A = S'.
    assert np.allclose(found, found.T, atol=ROUNDING)
    assert np.allclose(found @ cov + cov @ found, cov_rate, atol=ROUNDING)
    centre = answers(mean)[2]
    assert np.allclose(centre, (location[1] - location[0]) / 2.0, atol=ROUNDING)


@pytest.mark.parametrize(
    "interval", [(0.1, 0.7), pytest.param((-1.0, 2.5), marks=pytest.mark.slow), (0.3, 1.1)]
)
def test_reversal_takes_each_end_to_the_other(interval):
    path = build("gaussian-diagonal-linear")
    backwards = Reversed(path, interval)

    @eqx.filter_jit
    def values(path, t):
        marginal, x = path.at(t), jnp.asarray([0.4])
        return marginal.log_density(x), marginal.velocity(x)

    for t, mirrored in (interval, interval[::-1]):
        (density, velocity), (wanted, carried) = (
            values(backwards, jnp.asarray(t)),
            values(path, jnp.asarray(mirrored)),
        )
        assert np.isclose(density, wanted, rtol=ROUNDING)
        assert np.allclose(velocity, -carried, rtol=ROUNDING)


def _still(parts: int, dim: int, seed: int) -> LocationScale:
    rng = np.random.default_rng(seed)
    return LocationScale(
        Constant(jnp.asarray(rng.normal(size=(parts, dim)))),
        Constant(jnp.asarray(0.4 * rng.normal(size=(parts, dim, dim)))),
        jnp.asarray(rng.normal(size=parts)),
        Gaussian(),
        Full(),
    )


def _moments(path: Any) -> tuple[Array, Scalar]:
    """The mean and the mean square of a mixture of Gaussians, from its parameters."""
    weights = jax.nn.softmax(path.logits)
    location, raw = path.location(jnp.zeros(())), path.raw_scale(jnp.zeros(()))
    floor = path.scale.floor
    scales = jnp.exp(floor + jax.nn.softplus(jnp.diagonal(raw, axis1=1, axis2=2) - floor))
    squares = (location**2).sum(1) + (jnp.tril(raw, -1) ** 2).sum((1, 2)) + (scales**2).sum(1)
    return weights @ location, weights @ squares


def _closed(path: Any) -> Scalar:
    """E[|x|^2 + x_0 x_last] of a mixture, of a mixture of mixtures, or of a product of both."""
    if isinstance(path, Product):
        first, second = path.parts
        (mean_a, square_a), (mean_b, square_b) = _moments(first), _moments(second)
        return square_a + square_b + mean_a[0] * mean_b[-1]
    if isinstance(path, Mixture):
        squares = [_moments(part)[1] for part in path.parts]
        logits: Any = path.logits
        return jax.nn.softmax(logits) @ jnp.stack(squares)
    return _moments(path)[1]


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.slow) for k in ("location-scale", "product")] + ["mixture"],
)
def test_particle_gradients_are_unbiased(kind, getkey):
    if kind == "location-scale":
        path, f = _still(3, 2, 0), lambda x: x @ x
    elif kind == "mixture":
        path = Mixture([_still(2, 2, 1), _still(1, 2, 2)], jnp.asarray([0.4, -0.3]))
        f = lambda x: x @ x  # noqa: E731
    else:
        path = Product([_still(2, 1, 3), _still(3, 1, 4)])
        f = lambda x: x @ x + x[0] * x[-1]  # noqa: E731
    learned, rest = split(path)

    def estimate(learned, key):
        points, weights = eqx.combine(learned, rest).at(jnp.zeros(())).particles(5, key=key)
        return weights @ jax.vmap(f)(points)

    keys = jr.split(getkey(), 4096)
    draws = jax.jit(jax.vmap(jax.value_and_grad(estimate), (None, 0)))(learned, keys)
    answer = jax.jit(jax.value_and_grad(lambda p: _closed(eqx.combine(p, rest))))(learned)
    for found, wanted in zip(jax.tree.leaves(draws), jax.tree.leaves(answer)):
        error = np.abs(found.mean(0) - wanted)
        spread = found.std(0) / np.sqrt(len(keys))
        assert np.all(error <= STANDARD_ERRORS * spread + ROUNDING)


# Negative controls: every law refuses something.


class Altered(AbstractMarginal):
    """A marginal made wrong in one way."""

    marginal: AbstractMarginal
    fault: str = eqx.field(static=True)

    def log_density(self, x: Point) -> Scalar:
        extra = jnp.log(1.01) if self.fault == "mass" else 0.0
        return self.marginal.log_density(x) + extra

    def velocity(self, x: Point) -> Point:
        return self.marginal.velocity(x)

    def sample(self, *, key: RandomKey) -> Point:
        return self._drawn().sample(key=key)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        return self._drawn().particles(n, key=key)

    def _drawn(self) -> AbstractMarginal:
        if self.fault != "weights":
            return self.marginal
        return eqx.tree_at(lambda m: m.log_weights, self.marginal, replace_fn=_even)


def _even(log_weights: Array) -> Array:
    return jnp.full_like(log_weights, -jnp.log(len(log_weights)))


class Wrong(AbstractPath):
    """A path whose marginals are made wrong in one way."""

    path: AbstractPath
    fault: str = eqx.field(static=True)

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t: Scalar) -> AbstractMarginal:
        marginal: Any = self.path.at(t)
        if self.fault == "scales":
            rates = jnp.zeros_like(marginal.frames.log_scale_rate)
            return eqx.tree_at(lambda m: m.frames.log_scale_rate, marginal, rates)
        return Altered(marginal, self.fault)


class MovingWeights(AbstractPath):
    """The rule of constant weights with weights that move: mass must travel, and does not."""

    path: LocationScale
    logits: AbstractCurve

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t: Scalar) -> AbstractMarginal:
        logits, _ = value_and_rate(self.logits, t)
        return eqx.tree_at(lambda p: p.logits, self.path, logits).at(t)


class SymmetricGauge(AbstractGauge):
    """A gauge whose matrices are symmetric."""

    gauge: FullGauge

    def at(self, t: Scalar) -> AbstractGaugeField:
        return SymmetricField(self.gauge.at(t))


class SymmetricField(AbstractGaugeField):
    field: AbstractGaugeField

    def velocity(self, x: Point, score: Point) -> Point:
        return jnp.asarray([1.0, -1.0]) * self.field.velocity(x, score)


class Idle(AbstractPath):
    """A path with a learned number that nothing uses."""

    path: AbstractPath
    unused: Array

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t: Scalar) -> AbstractMarginal:
        return self.path.at(t)


def test_continuity_refuses_moving_weights():
    base = build("gaussian-diagonal-linear")
    assert isinstance(base, LocationScale)
    path = MovingWeights(base, Knots(TIMES, 1.5 * jnp.eye(4)[:, :3], "cubic"))
    report = checks.continuity(path, *points_of(path))
    assert_fails(report)
    assert report.value > 0.1
    assert_fails(checks.fokker_planck(path, *points_of(path)))


def test_continuity_refuses_a_symmetric_gauge():
    path = build("gauged")
    assert isinstance(path, Gauged)
    assert isinstance(path.gauge, FullGauge)
    wrong = Gauged(path.path, SymmetricGauge(path.gauge))
    assert_fails(checks.continuity(wrong, *points_of(wrong)))


def test_mass_refuses_one_percent():
    report = checks.mass(Wrong(build("gaussian-diagonal-linear"), "mass"), jnp.asarray(0.3))
    assert_fails(report)
    assert np.isclose(report.value, 0.01, atol=1e-6)


@pytest.mark.parametrize("law", [checks.sampler, checks.particles])
def test_draws_with_wrong_weights_are_refused(law, getkey):
    right = build("gaussian-diagonal-linear")
    right = eqx.tree_at(lambda p: p.logits, right, jnp.asarray([1.0, -1.0, 0.0]))
    assert_passes(law(right, jnp.asarray(0.3), key=getkey()))
    assert_fails(law(Wrong(right, "weights"), jnp.asarray(0.3), key=getkey()))


def test_transport_refuses_a_velocity_that_forgets_the_scales(getkey):
    right = build("gaussian-diagonal-linear")
    assert_fails(checks.transport(Wrong(right, "scales"), (0.25, 0.85), key=getkey()))
    assert_fails(checks.continuity(Wrong(right, "scales"), *points_of(right)))


def test_gradients_refuse_an_idle_parameter():
    path = Idle(build("gaussian-diagonal-linear"), jnp.ones(2))
    report = checks.gradients(path, everything)
    assert_fails(report)
    assert report.value == 1
    assert ".unused" in report.detail


def test_gradients_refuse_one_that_is_no_number():
    path = build("gaussian-diagonal-linear")

    def spoiled(path: Any) -> Scalar:
        return everything(path) + jnp.sqrt(path.logits[0] - path.logits[0])

    report = checks.gradients(path, spoiled)
    assert_fails(report)
    assert ".logits" in report.detail


def test_mass_needs_few_dimensions():
    with pytest.raises(ValueError, match="one or two dimensions, got 3"):
        checks.mass(build("gauged-gated-3d"), jnp.asarray(0.0))


def test_a_residual_that_is_no_number_fails():
    path = build("gaussian-diagonal-linear")
    bad = eqx.tree_at(lambda p: p.logits, path, jnp.full(3, jnp.nan))
    assert_fails(checks.continuity(bad, *points_of(bad)))
