from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float
from scipy.stats import multivariate_normal, norm

from liouville.curves import AbstractCurve, Constant, Knots
from liouville.numerics.types import RandomKey, Scalar
from liouville.objectives import (
    AbstractTerm,
    JacobianAsymmetry,
    KineticEnergy,
    NegativeLogLikelihood,
    Objective,
    OverPieces,
    PerMember,
    StateCost,
    negative_log_likelihoods,
    stratified_times,
)
from liouville.paths import AbstractPath, Diagonal, Ensemble, Full, Joined, LocationScale, Mixture
from makers import INTERVAL
from registry import build
from test_problems import M0, M1, S0, S1, bridge
from tolerances import ROUNDING, STANDARD_ERRORS

KEY = jr.key(0)


def mean_of(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the first axis and five standard errors of it."""
    return draws.mean(0), STANDARD_ERRORS * draws.std(0) / np.sqrt(len(draws)) + ROUNDING


@eqx.filter_jit
def compiled(term: AbstractTerm, path: AbstractPath) -> Scalar:
    return term(path, key=KEY)


# Likelihood.

TIMES = (0.0, 1.0)
CLOUDS = [np.random.default_rng(0).normal(size=(5, 2)), np.array([[0.3, 1.0], [2.0, -1.0]])]


def moving() -> LocationScale:
    locations = jnp.asarray([[[0.2, -0.1]], [[1.0, 0.5]]])
    raw = jnp.asarray([[[-0.3, 0.1]], [[0.2, 0.4]]])
    return LocationScale(
        Knots(TIMES, locations, "linear"),
        Knots(TIMES, raw, "linear"),
        jnp.zeros(1),
        scale=Diagonal(floor=-40.0),
    )


def log_densities(i: int) -> np.ndarray:
    """Those of a snapshot's points, from SciPy."""
    path: Any = moving()
    location, raw = path.location(jnp.asarray(TIMES[i])), path.raw_scale(jnp.asarray(TIMES[i]))
    return norm.logpdf(CLOUDS[i], location[0], np.exp(raw[0])).sum(1)


def test_every_point_counts_the_same():
    term = NegativeLogLikelihood(TIMES, CLOUDS)
    expected = -np.concatenate([log_densities(0), log_densities(1)]).mean()
    assert np.isclose(compiled(term, moving()), expected, rtol=ROUNDING)


def test_weights_of_points():
    weights = [np.array([1.0, 2.0, 0.0, 0.5, 0.5]), np.array([3.0, 1.0])]
    term = NegativeLogLikelihood(TIMES, CLOUDS, weights=weights)
    expected = -(weights[0] @ log_densities(0) + weights[1] @ log_densities(1)) / 8.0
    assert np.isclose(compiled(term, moving()), expected, rtol=ROUNDING)
    found = eqx.filter_jit(negative_log_likelihoods)(moving(), term)
    assert np.isclose(found[0], -(weights[0] @ log_densities(0)) / 4.0, rtol=ROUNDING)
    assert np.isclose(found[1], -(weights[1] @ log_densities(1)) / 4.0, rtol=ROUNDING)


def test_a_batch_as_large_as_the_data_is_the_data():
    assert NegativeLogLikelihood(TIMES, CLOUDS, batch_size=5).clouds.batch_size is None


def test_many_points_are_asked_block_by_block(monkeypatch):
    whole = negative_log_likelihoods(moving(), NegativeLogLikelihood(TIMES, CLOUDS))
    monkeypatch.setattr("liouville.objectives._clouds._BLOCK", 2)
    term = NegativeLogLikelihood(TIMES, CLOUDS)
    assert term.clouds.blocks.shape[0] > len(TIMES)
    np.testing.assert_allclose(negative_log_likelihoods(moving(), term), whole, rtol=ROUNDING)


@pytest.mark.parametrize(
    ("times", "clouds"), [((0.0,), CLOUDS), (TIMES, [CLOUDS[0], np.zeros((0, 2))]), ((), [])]
)
def test_times_and_snapshots_must_fit(times, clouds):
    with pytest.raises(ValueError, match="one time for each snapshot"):
        NegativeLogLikelihood(times, clouds)


# Sums of terms.


class Size(AbstractTerm):
    """The sum of squares of a path's logits plus noise."""

    name: str = eqx.field(static=True)
    noise: float = eqx.field(static=True, default=0.0)

    def __call__(self, path: Any, *, key: RandomKey) -> Scalar:
        return jnp.sum((path.logits - 2.0) ** 2) + self.noise * jr.normal(key)


def test_algebra_of_terms():
    a, b, c = Size(name="a"), Size(name="b", noise=1.0), Size(name="c", noise=1.0)
    for objective, weights in [
        (0.1 * a + b, [0.1, 1.0]),
        (a + b * 3.0, [1.0, 3.0]),
        (2.0 * (a + 0.5 * b), [2.0, 1.0]),
        (a + (b + 0.25 * c), [1.0, 1.0, 0.25]),
        ((a + b) + (c * 2.0), [1.0, 1.0, 2.0]),
    ]:
        assert isinstance(objective, Objective)
        assert np.allclose(objective.weights, weights, atol=ROUNDING)
        total, values = objective(moving(), key=KEY)
        assert list(values) == [term.name for term in objective.terms]
        assert np.isclose(total, sum(w * v for w, v in zip(weights, values.values())))


def test_terms_draw_independently():
    _, values = (Size(name="a", noise=1.0) + Size(name="b", noise=1.0))(moving(), key=KEY)
    assert float(values["a"]) != float(values["b"])


def test_two_terms_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two terms are named 'energy'"):
        _ = KineticEnergy(interval=(0.0, 1.0)) + 0.5 * KineticEnergy(interval=(0.0, 2.0))


def test_stratified_times_lie_one_in_each_stratum(getkey):
    for _ in range(20):
        times = np.asarray(stratified_times(7, (-1.0, 2.5), key=getkey())[0])
        assert np.array_equal(np.floor((times + 1.0) / 0.5), np.arange(7))
    draws = jax.vmap(lambda k: stratified_times(3, (-1.0, 2.5), key=k)[0])(jr.split(getkey(), 2000))
    mean, slack = mean_of(np.asarray((draws**2).mean(1)))
    assert abs(mean - (2.5**3 + 1.0) / 3.0 / 3.5) < slack


# Transport.


class BridgeScale(AbstractCurve):
    """The Cholesky factor, with logarithms on its diagonal, of the bridge's covariance."""

    start: Float[Array, "dim dim"]
    end: Float[Array, "dim dim"]
    between: Float[Array, "dim dim"]

    def __call__(self, t: Scalar) -> Float[Array, "1 dim dim"]:
        cov = (1 - t) ** 2 * self.start + t**2 * self.end + t * (1 - t) * self.between
        return Full().from_covariance(cov)[None]


def bridge_path(sigma: float) -> LocationScale:
    problem = bridge(sigma)
    between = 4.0 * problem.cov(0.5) - S0 - S1
    path = LocationScale(
        Knots((0.0, 1.0), jnp.asarray([M0, M1])[:, None], "linear"),
        BridgeScale(jnp.asarray(S0), jnp.asarray(S1), jnp.asarray(between)),
        jnp.zeros(1),
        scale=Full(),
    )
    law: Any = multivariate_normal(problem.mean(0.3), problem.cov(0.3))  # pyright: ignore[reportArgumentType]
    expected = law.logpdf(M0)
    assert np.isclose(path.at(jnp.asarray(0.3)).log_density(jnp.asarray(M0)), expected)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.0])
def test_energy_of_a_bridge(sigma):
    of = "drift" if sigma else "velocity"
    term = KineticEnergy(interval=(0.0, 1.0), g=sigma, of=of, times=32, particles=64)
    path = bridge_path(sigma)
    keys = jr.split(jr.key(2), 200)
    mean, slack = mean_of(np.asarray(jax.jit(jax.vmap(lambda k: term(path, key=k)))(keys)))
    assert abs(mean - bridge(sigma).energy()) < slack
    assert slack < 0.03 * mean


@pytest.mark.slow
def test_energy_scales_with_the_length_of_the_interval():
    """The same way in three times the time costs a third."""
    path: Any = moving()
    slow = LocationScale(
        Knots((1.0, 4.0), path.location.values, "linear"),
        Knots((1.0, 4.0), path.raw_scale.values, "linear"),
        jnp.zeros(1),
        scale=path.scale,
    )
    quick_energy = KineticEnergy(interval=(0.0, 1.0))(path, key=KEY)
    assert np.isclose(
        KineticEnergy(interval=(1.0, 4.0))(slow, key=KEY), quick_energy / 3.0, rtol=1e-9
    )


@pytest.mark.parametrize(("of", "g"), [("drift", 0.0), ("drift", -1.0)])
def test_a_drift_needs_noise(of, g):
    with pytest.raises(ValueError, match="needs g > 0"):
        KineticEnergy(interval=(0.0, 1.0), of=of, g=g)


def test_one_full_part_moves_by_a_gradient():
    term = JacobianAsymmetry(interval=INTERVAL, times=4, particles=8)
    assert float(compiled(term, build("gaussian-full-cubic"))) < 1e-18


def test_one_part_along_the_axes_moves_by_a_gradient():
    path = LocationScale(
        Constant(jnp.zeros((1, 2))),
        Knots(TIMES, jnp.asarray([[[0.0, 1.0]], [[-1.0, 0.3]]])),
        jnp.zeros(1),
    )
    term = JacobianAsymmetry(interval=TIMES, times=4, particles=8)
    assert float(compiled(term, path)) < ROUNDING**2


def test_a_gauge_leaves_the_gradients():
    term = JacobianAsymmetry(interval=INTERVAL, times=4, particles=8)
    assert float(compiled(term, build("gauged"))) > 0.1


@eqx.filter_jit
def _many(term: AbstractTerm, path: AbstractPath, keys: Any) -> Float[Array, " n"]:
    return jax.vmap(lambda k: term(path, key=k))(keys)


def accelerated() -> LocationScale:
    """One Gaussian of scale one whose mean is t^2 (1, 2)."""
    return LocationScale(
        Square(jnp.asarray([[1.0, 2.0]])), Constant(jnp.zeros((1, 2))), jnp.zeros(1)
    )


class Square(AbstractCurve):
    direction: Float[Array, "parts dim"]

    def __call__(self, t: Scalar) -> Float[Array, "parts dim"]:
        return t**2 * self.direction


def shares_dropped(term: KineticEnergy, path: AbstractPath, *, key: RandomKey) -> Scalar:
    """The same with equal shares for crowded times, which is wrong."""
    times, shares = stratified_times(term.times, term.interval, key=key, crowding=term.crowding)
    velocities = jax.vmap(lambda t: path.at(t).velocity(jnp.zeros(path.dim)))(times)
    return 0.5 * jnp.sum(velocities**2) * jnp.sum(shares) / term.times


@pytest.mark.parametrize("crowding", [0.0, 0.5, 0.9])
def test_crowded_times_are_unbiased(crowding, getkey):
    # The mean moves by 2t (1, 2): half of 5 (2t)^2 is 10 t^2.
    term = KineticEnergy(interval=(1.0, 3.0), times=4, particles=2, crowding=crowding)
    least = 10.0 * (27.0 - 1.0) / 3.0
    path = accelerated()
    mean, slack = mean_of(np.asarray(_many(term, path, jr.split(getkey(), 4000))))
    assert abs(mean - least) < slack
    assert slack < 0.05 * least
    if crowding == 0.9:
        wrong = jax.jit(jax.vmap(lambda k: shares_dropped(term, path, key=k)))
        mean, slack = mean_of(np.asarray(wrong(jr.split(getkey(), 4000))))
        assert abs(mean - least) > slack


@pytest.mark.parametrize("crowding", [0.0, 0.9])
def test_crowded_times_are_denser_at_the_ends(crowding, getkey):
    times, shares = stratified_times(40, (-1.0, 2.5), key=getkey(), crowding=crowding)
    assert np.all(np.diff(times) > 0)
    assert float(times.min()) >= -1.0
    assert float(times.max()) <= 2.5
    assert np.isclose(shares.sum(), 3.5, rtol=1e-9)
    outer = np.mean((np.asarray(times) < -0.3) | (np.asarray(times) > 1.8))
    assert (outer > 0.55) == (crowding == 0.9)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.0, 0.8])
def test_energy_against_a_linear_reference(sigma):
    """Of b - f with f = F x + c, by quadrature over the Gaussian's exact moments."""
    matrix, shift = jnp.asarray([[-0.7, 0.4], [0.1, -0.2]]), jnp.asarray([0.5, -1.0])
    of = "drift" if sigma else "velocity"
    term = KineticEnergy(
        interval=(0.0, 1.0),
        g=sigma,
        of=of,
        reference=lambda t, x: matrix @ x + t * shift,
        times=16,
        particles=64,
    )
    path = bridge_path(sigma)

    @jax.jit
    @jax.vmap
    def power(t):
        marginal: Any = path.at(t)
        frames = marginal.frames
        mean, factor = frames.location[0], frames.factor[0]
        slope = frames.generator[0] - 0.5 * sigma**2 * jnp.linalg.inv(factor @ factor.T) - matrix
        offset = frames.location_rate[0] - matrix @ mean - t * shift
        return 0.5 * (offset @ offset + jnp.sum((slope @ factor) ** 2))

    nodes, weights = np.polynomial.legendre.leggauss(40)
    expected = 0.5 * weights @ np.asarray(power(jnp.asarray(0.5 * (nodes + 1.0))))
    draws = np.asarray(_many(term, path, jr.split(jr.key(3), 300)))
    mean, slack = mean_of(draws)
    assert abs(mean - expected) < slack
    assert slack < 0.03 * expected
    # The reference counts: without it the energy is another.
    assert abs(bridge(sigma).energy() - expected) > slack


def test_state_cost_of_a_moving_gaussian(getkey):
    """E|x|^2 + t x_0 of N(t^2 (1, 2), I): its integral from 1 to 3."""
    term = StateCost(interval=(1.0, 3.0), cost=lambda t, x: x @ x + t * x[0], times=8, particles=16)
    exact = 5.0 * (3.0**5 - 1.0) / 5.0 + 2.0 * 2.0 + (3.0**4 - 1.0) / 4.0
    mean, slack = mean_of(np.asarray(_many(term, accelerated(), jr.split(getkey(), 1000))))
    assert abs(mean - exact) < slack
    assert slack < 0.05 * exact
    assert term.name == "cost"


def test_over_pieces_is_the_sum_over_the_pieces():
    pieces = [build("gaussian-diagonal-linear", seed) for seed in (0, 1)]
    path = Joined(pieces, (-1.0, 0.5, 2.5))
    terms = tuple(
        KineticEnergy(interval=span, times=4, particles=8) for span in ((-1.0, 0.5), (0.5, 2.5))
    )
    found = compiled(OverPieces(terms=terms), path)
    one = eqx.filter_jit(lambda term, piece, key: term(piece, key=key))
    alone = [
        one(term, piece, jr.fold_in(KEY, i)) for i, (term, piece) in enumerate(zip(terms, pieces))
    ]
    assert np.isclose(found, sum(alone), rtol=ROUNDING)
    assert min(float(value) for value in alone) > 0
    assert OverPieces(terms=terms, name="all").name == "all"


def test_over_pieces_needs_as_many_pieces():
    terms = (KineticEnergy(interval=(-1.0, 0.5)),)
    pieces = [build("gaussian-diagonal-linear", seed) for seed in (0, 1)]
    for path in (pieces[0], Joined(pieces, (-1.0, 0.5, 2.5))):
        with pytest.raises(ValueError, match="1 terms need a Joined path of as many pieces"):
            OverPieces(terms=terms)(path, key=KEY)


# Ensembles.


def test_each_member_is_trained_as_if_alone():
    members = [build("gaussian-diagonal-linear", seed) for seed in (0, 1)]
    term = NegativeLogLikelihood((0.0, 1.0), [np.ones((3, 1)), np.zeros((2, 1))])
    alone = [compiled(term, member) for member in members]
    for whole in (Ensemble.of(members), Mixture(members, jnp.asarray([2.0, -1.0]))):
        assert np.isclose(compiled(PerMember(term), whole), np.mean(alone), rtol=ROUNDING)
    assert np.isclose(compiled(PerMember(term), members[0]), alone[0], rtol=ROUNDING)
    assert PerMember(term).name == "likelihood"


def test_an_ensemble_is_a_mixture_of_equal_weights():
    members = [build("gaussian-diagonal-linear", seed) for seed in (0, 1)]
    mixture = Mixture(members, jnp.zeros(2))

    @eqx.filter_jit
    def values(path):
        marginal, x = path.at(jnp.asarray(0.4)), jnp.asarray([0.7])
        return marginal.log_density(x), marginal.velocity(x)

    for one, other in zip(values(Ensemble.of(members)), values(mixture)):
        assert np.allclose(one, other, atol=ROUNDING)


def test_members_must_be_alike():
    with pytest.raises(ValueError, match="paths of one structure, got 2 structures"):
        Ensemble.of([build("gaussian-diagonal-linear"), build("product")])
    with pytest.raises(ValueError, match="paths of one structure, got 0"):
        Ensemble.of([])
