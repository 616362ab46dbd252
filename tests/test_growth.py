"""Paths whose mass is born and dies: what the laws of all paths do not say of them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville import checks
from liouville.curves import HardEnded, Knots
from liouville.dynamics import solve_growing
from liouville.numerics.types import Point, Scalar
from liouville.objectives import KineticEnergy
from liouville.paths import (
    AbstractMarginal,
    AbstractPath,
    Exchanged,
    Full,
    LocationScale,
    Masses,
    Mixture,
    Product,
    TimeChange,
)
from liouville.problems import GaussianBridge
from liouville.training import default_optimizer, fit
from registry import build
from test_laws import assert_fails, assert_passes, points_of
from tolerances import ROUNDING, STANDARD_ERRORS

T = jnp.asarray(0.55)
X = jnp.asarray([0.3, -0.8])


class Misgrown(AbstractPath):
    """A path whose growth rate is multiplied by a factor."""

    path: AbstractPath
    factor: float = eqx.field(static=True)

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t: Scalar) -> AbstractMarginal:
        return MisgrownMarginal(self.path.at(t), self.factor)


class MisgrownMarginal(AbstractMarginal):
    marginal: AbstractMarginal
    factor: float = eqx.field(static=True)

    def log_density(self, x: Point) -> Scalar:
        return self.marginal.log_density(x)

    def velocity(self, x: Point) -> Point:
        return self.marginal.velocity(x)

    def growth(self, x: Point) -> Scalar:
        return self.factor * self.marginal.growth(x)

    @property
    def log_mass(self) -> Scalar:
        return self.marginal.log_mass

    def sample(self, *, key: Any) -> Point:
        return self.marginal.sample(key=key)

    def particles(self, n: int, *, key: Any) -> Any:
        return self.marginal.particles(n, key=key)


# The laws that cost a second.
QUICK = (("continuity", 0.0), ("growth", 0.0))
LAWS = {
    "continuity": lambda path, key: checks.continuity(path, *points_of(path)),
    "fokker-planck": lambda path, key: checks.fokker_planck(path, *points_of(path)),
    "growth": lambda path, key: checks.growth(path, T),
    "transport": lambda path, key: checks.transport(path, (0.25, 0.85), key=key),
}


@pytest.mark.parametrize(
    ("law", "factor"),
    [
        pytest.param(law, factor, marks=() if (law, factor) in QUICK else pytest.mark.slow)
        for law in LAWS
        for factor in (0.0, 1.05)
    ],
)
def test_a_wrong_growth_rate_breaks_its_laws(law, factor, getkey):
    right = build("growing-linear-1d")
    wrong = Misgrown(right, factor)
    key = getkey()
    assert_passes(LAWS[law](right, key))
    assert_fails(LAWS[law](wrong, key))


def _answers(path: AbstractPath):
    marginal = path.at(T)
    return marginal.log_density(X), marginal.velocity(X), marginal.growth(X)


def test_a_part_grows_at_the_rate_of_its_mass():
    path = build("growing-full")
    assert isinstance(path, LocationScale)
    assert isinstance(path.logits, Masses)
    curve = path.logits.log_mass
    answers = eqx.filter_jit(_answers)
    masses = eqx.filter_jit(lambda path: (path.at(T).log_mass, jax.nn.logsumexp(curve(T))))
    assert np.isclose(*masses(path), atol=ROUNDING)
    one = LocationScale(
        path.location, path.raw_scale, Masses(lambda_curve(curve)), path.family, path.scale
    )
    rate = jax.jit(jax.grad(lambda t: curve(t)[0]))(T)
    density, velocity, growth = answers(one)
    assert np.isclose(growth, rate, atol=ROUNDING)
    # Masses that grow alike change no density and no velocity.
    still = eqx.tree_at(lambda p: p.logits, one, jnp.zeros(3), is_leaf=lambda x: x is one.logits)
    same, carried, _ = answers(still)
    assert np.isclose(density, same, atol=ROUNDING)
    assert np.allclose(velocity, carried, atol=ROUNDING)


def lambda_curve(curve: Any) -> Knots:
    """The curve of the first mass for all parts."""
    values = jnp.broadcast_to(curve.values[:, :1], curve.values.shape)
    return Knots(curve.times, values, curve.interpolation)


def test_the_algebra_of_growth():
    one, other = build("growing-full"), build("exchanged")
    pair = jnp.concatenate([X, -X])
    clock = Knots((-1.0, 2.5), jnp.asarray([-0.5, 6.5]), "linear")

    @eqx.filter_jit
    def answers(one, other):
        first, second, later = one.at(T), other.at(T), one.at(clock(T))
        both = Product([one, other]).at(T)
        mixed = Mixture([one, other], jnp.log(jnp.asarray([0.3, 0.7]))).at(T)
        fast = TimeChange(one, clock).at(T)
        growth = [first.growth(X), second.growth(X), second.growth(-X), later.growth(X)]
        wholes = [both.growth(pair), mixed.growth(X), fast.growth(X)]
        masses = [marginal.log_mass for marginal in (first, second, later, both, mixed, fast)]
        return growth, wholes, masses, [first.log_density(X), second.log_density(X)]

    growth, wholes, log_masses, log_densities = jax.device_get(answers(one, other))
    first, second, away, later = growth
    both, mixed, fast = wholes
    assert np.isclose(both, first + away, atol=ROUNDING)
    assert np.isclose(log_masses[3], log_masses[0] + log_masses[1], atol=ROUNDING)
    masses = [0.3 * np.exp(log_masses[0]), 0.7 * np.exp(log_masses[1])]
    assert np.isclose(np.exp(log_masses[4]), sum(masses), rtol=ROUNDING)
    share = masses[0] * np.exp(log_densities[0])
    share /= share + masses[1] * np.exp(log_densities[1])
    assert np.isclose(mixed, share * first + (1.0 - share) * second, atol=ROUNDING)
    assert np.isclose(fast, 2.0 * later, atol=ROUNDING)
    assert np.isclose(log_masses[5], log_masses[2], atol=ROUNDING)


def test_paths_that_do_not_grow_have_no_rate():

    @eqx.filter_jit
    def growth_and_mass(path):
        marginal = path.at(T)
        return marginal.growth(X), marginal.log_mass

    growth, log_mass = growth_and_mass(build("mixture"))
    assert float(growth) == 0.0
    assert abs(float(log_mass)) < ROUNDING


def test_an_exchange_keeps_density_and_mass():
    path = build("exchanged")
    assert isinstance(path, Exchanged)
    answers = eqx.filter_jit(_answers)
    (density, velocity, growth), plain = answers(path), answers(path.path)
    assert float(density) == float(plain[0])
    log_mass = eqx.filter_jit(lambda path: path.at(T).log_mass)
    assert float(log_mass(path)) == float(log_mass(path.path))
    assert float(jnp.abs(velocity - plain[1]).max()) > 1e-3
    assert abs(float(growth - plain[2])) > 1e-3


def test_weighted_particles_have_the_law_of_the_path():
    """Means over weighted rollouts are those of the path; without weights they are not."""
    path, n = build("growing-full"), 4096
    times = jnp.asarray([0.1, 1.4])
    start, end = (eqx.filter_jit(lambda p, t: p.at(t))(path, t) for t in times)
    draw = eqx.filter_jit(lambda law, keys: jax.vmap(lambda k: law.sample(key=k))(keys))
    x0 = draw(start, jr.split(jr.key(1), n))
    moved, log_weights = solve_growing(path, x0, times, steps=60)
    weights = np.exp(np.asarray(log_weights[1] + start.log_mass))
    assert np.all(np.asarray(log_weights[0]) == 0.0)
    direct = np.asarray(draw(end, jr.split(jr.key(2), n)))
    mass = float(np.exp(end.log_mass))
    for of in (lambda x: np.ones(len(x)), lambda x: x[:, 0], lambda x: np.tanh(x[:, 1])):
        carried, drawn = weights * of(np.asarray(moved[1])), mass * of(direct)
        spread = np.sqrt((carried.var() + drawn.var()) / n)
        assert abs(carried.mean() - drawn.mean()) < STANDARD_ERRORS * spread
    assert abs(weights.mean() / np.exp(float(start.log_mass)) - 1.0) > 0.05


@pytest.mark.slow
def test_growth_that_costs_more_is_used_less():
    path = build("growing-full")
    key = jr.key(0)
    energies = [
        float(KineticEnergy(interval=(-1.0, 2.5), delta=d)(path, key=key)) for d in (0.0, 1.0, 2.0)
    ]
    # Quadratic in the length, and paid by mass.
    assert np.isclose((energies[2] - energies[0]) / (energies[1] - energies[0]), 4.0, rtol=1e-6)
    assert energies[1] > energies[0] > 0.0


def between(masses, means, covariances, knots=9, parts=1) -> LocationScale:
    """Gaussian parts between two ends, whose masses share one curve."""
    scale = Full()
    clock = np.linspace(0.0, 1.0, knots).tolist()

    def curve(ends):
        ends = jnp.asarray(ends, jnp.zeros(()).dtype)
        values = jnp.repeat(ends[:, None], parts, axis=1)
        share = jnp.asarray(clock).reshape(-1, *[1] * (values.ndim - 1))
        return HardEnded(
            (0.0, 1.0), values, Knots(clock, values[0] + share * (values[1] - values[0]))
        )

    logs = jnp.log(jnp.asarray(masses) / parts)
    return LocationScale(
        curve(means), curve(scale.from_covariance(jnp.asarray(covariances))), Masses(curve(logs)),
        scale=scale,
    )  # fmt: skip


def least_energy(path: LocationScale, delta: float, particles: int) -> float:
    term = KineticEnergy(interval=(0.0, 1.0), delta=delta, times=16, particles=particles)
    found = fit(path, term * 1.0, steps=1500, optimizer=default_optimizer(1e-2, 1500), seed=0)
    fine = KineticEnergy(interval=(0.0, 1.0), delta=delta, times=64, particles=1024)
    return float(np.mean([fine(found.path, key=jr.key(i)) for i in range(8)]))


def cone(masses: tuple[float, float], distance: float, delta: float) -> float:
    """The least energy on the cone over a space, for masses that stay together."""
    angle = min(distance / (2.0 * delta), np.pi / 2)
    return 2.0 * delta**2 * (sum(masses) - 2.0 * np.sqrt(np.prod(masses)) * np.cos(angle))


@pytest.mark.slow
def test_two_narrow_gaussians_cost_the_distance_of_the_cone():
    path = between((1.0, 2.0), [[0.0], [1.0]], np.stack([1e-6 * np.eye(1)] * 2))
    answer = cone((1.0, 2.0), 1.0, 1.0)
    assert np.isclose(answer, 1.0356434, atol=1e-7)
    assert np.isclose(least_energy(path, 1.0, 2), answer, rtol=1e-3)


@pytest.mark.slow
def test_growth_that_is_constant_in_space_costs_the_cone_over_transport():
    means = np.array([[-2.0, 0.0], [2.0, 1.0]])
    covariances = np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.2], [-0.2, 1.2]]])
    squared = 2.0 * GaussianBridge(means[0], covariances[0], means[1], covariances[1], 0.0).energy()
    answer = cone((1.0, 0.5), squared**0.5, 2.0)
    assert np.isclose(answer, 6.320871, atol=1e-6)
    found = least_energy(between((1.0, 0.5), means, covariances), 2.0, 64)
    assert np.isclose(found, answer, rtol=1e-3)
