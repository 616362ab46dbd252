import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liouville.curves import Constant, Knots
from liouville.data import Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model, load
from liouville.paths import LocationScale
from makers import INTERVAL
from registry import build
from test_storage import model_of
from tolerances import CENTRAL_DIFFERENCE, ROUNDING, STANDARD_ERRORS

SCALE, CENTER = np.array([2.0, 0.5]), np.array([10.0, -3.0])
ORIGIN, DURATION = 100.0, 20.0
START, END = ORIGIN + DURATION * INTERVAL[0], ORIGIN + DURATION * INTERVAL[1]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(
        path=build("gaussian-diagonal-monotone"),
        units=Standardisation(CENTER, SCALE, ORIGIN, DURATION),
        times=np.array([END, START, 112.0]),
        features=("length", "mass"),
        sigma=0.4,
    )


def points(n: int = 5) -> np.ndarray:
    return CENTER + SCALE * np.random.default_rng(0).normal(size=(n, 2))


T = 117.3


def test_interval_and_dimension(model):
    assert model.interval == (START, END)
    assert model.dim == 2


def test_the_density_integrates_to_one_in_the_user_s_units(model):
    axes = [np.linspace(c - 12 * s, c + 12 * s, 201) for c, s in zip(CENTER, SCALE)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    cell = np.prod([a[1] - a[0] for a in axes])
    values = model.log_density(T, grid)
    assert values.shape == (201, 201)
    assert np.isclose(np.exp(values).sum() * cell, 1.0, atol=1e-8)


def test_score_and_velocity_in_the_user_s_units(model):
    """By differences in the user's units: the score is the slope, and mass is conserved."""
    x, h = points(), 1e-4
    steps = h * SCALE * np.eye(2)
    slopes = np.stack(
        [
            (model.log_density(T, x + e) - model.log_density(T, x - e)) / (2 * e.sum())
            for e in steps
        ],
        axis=-1,
    )
    score = model.score(T, x)
    assert np.allclose(score * SCALE, slopes * SCALE, atol=CENTRAL_DIFFERENCE)
    r = h * DURATION
    rate = (model.log_density(T + r, x) - model.log_density(T - r, x)) / (2 * r)
    velocity = model.velocity(T, x)
    outflow = sum(
        (model.velocity(T, x + e)[:, i] - model.velocity(T, x - e)[:, i]) / (2 * e.sum())
        for i, e in enumerate(steps)
    )
    residual = rate + (velocity * score).sum(1) + outflow
    assert np.abs(rate).max() > 0.01
    assert np.allclose(DURATION * residual, 0.0, atol=10 * CENTRAL_DIFFERENCE)


def test_drift_in_the_user_s_units(model):
    """Noise is length per root of time, of all coordinates or of each."""
    x = points()
    for sigma in (None, 0.7, 0.0, [0.1, 0.9]):
        noise = 0.4 if sigma is None else np.asarray(sigma)
        expected = model.velocity(T, x) + 0.5 * noise**2 * model.score(T, x)
        assert np.allclose(model.drift(T, x, sigma=sigma), expected, rtol=1e-10)


def test_noise_of_each_coordinate_is_saved_and_carries_points(model, tmp_path):
    noise = np.array([0.3, 0.05])
    own = dataclasses.replace(model, sigma=noise)
    own.save(tmp_path / "model.lv")
    again = load(tmp_path / "model.lv")
    assert np.array_equal(again.sigma, noise)
    assert np.array_equal(again.drift(T, points()), model.drift(T, points(), sigma=noise))
    # Over a short while only the noise matters.
    h, start = 1e-4 * DURATION, np.broadcast_to(CENTER, (4000, 2))
    moved = again.trajectories(start, [T, T + h], stochastic=True)[-1]
    assert np.allclose(moved.std(axis=0), noise * np.sqrt(h), rtol=0.1)


def test_the_path_in_the_user_s_units(model):
    x, marginal = points(), model.path_in_user.at(jnp.asarray(T))
    densities, velocities = (
        jax.jit(jax.vmap(f)) for f in (marginal.log_density, marginal.velocity)
    )
    assert np.allclose(densities(x), model.log_density(T, x), rtol=1e-6)
    assert np.allclose(velocities(x), model.velocity(T, x), rtol=1e-6)
    assert model.path_in_user.units.to_dict() == model.units.to_dict()


def test_samples_follow_the_density(model):
    """Stein's identities with the model's own score, in the user's units."""
    drawn = model.sample(T, 5000, seed=1)
    assert drawn.shape == (5000, 2)
    score, z = model.score(T, drawn) * SCALE, (drawn - CENTER) / SCALE
    for values, expected in ((score, 0.0), (z * score, -1.0), (z[:, ::-1] * score, 0.0)):
        error = STANDARD_ERRORS * values.std(0) / np.sqrt(len(drawn))
        assert np.all(np.abs(values.mean(0) - expected) < error)


def test_samples_depend_on_the_seed_alone(model):
    assert np.array_equal(model.sample(T, 3, seed=5), model.sample(T, 10, seed=5)[:3])
    assert not np.any(model.sample(T, 3, seed=5) == model.sample(T, 3, seed=6))


def test_trajectories_follow_the_velocity(model):
    x = points(4)
    h = 1e-3 * DURATION
    path = model.trajectories(x, [T - h, T, T + h], steps=4)
    assert path.shape == (3, 4, 2)
    assert np.allclose(path[0], x, rtol=ROUNDING)
    slope = (path[2] - path[0]) / (2 * h)
    expected = model.velocity(T, path[1])
    assert np.allclose(slope * DURATION / SCALE, expected * DURATION / SCALE, atol=1e-4)


def test_trajectories_of_any_times_see_the_knots_between():
    """The velocity jumps at a time of the model, which is none of the times asked for."""
    places = jnp.asarray([[[0.0]], [[1.0]], [[-2.0]]])
    path = LocationScale(
        Knots((0.0, 0.3, 1.0), places, "linear"), Constant(jnp.zeros((1, 1))), jnp.zeros(1)
    )
    units = Standardisation(np.zeros(1), np.ones(1), 0.0, 1.0)
    model = Model(path, units, np.array([0.0, 0.3, 1.0]), ("x",))
    for clock in (np.linspace(0.0, 1.0, 5), np.linspace(1.0, 0.0, 4), np.array([0.1, 0.9])):
        found = model.trajectories(np.zeros((1, 1)), clock)[:, 0, 0]
        exact = np.interp(clock, [0.0, 0.3, 1.0], places[:, 0, 0])
        np.testing.assert_allclose(found, exact - exact[0], atol=ROUNDING)


def test_trajectories_keep_any_batch_shape_and_return(model):
    x = points(6).reshape(2, 3, 2)
    there = model.trajectories(x, [START, 92.0, 104.0])
    assert there.shape == (3, 2, 3, 2)
    back = model.trajectories(there[-1], [104.0, 92.0, START])
    assert np.allclose(back[::-1], there, atol=1e-4)
    assert model.trajectories(x[0, 0], [START, END]).shape == (2, 2)


def test_stochastic_trajectories_differ_by_seed_and_keep_the_law(model):
    start = model.sample(110.0, 4000, seed=2)
    moved = model.trajectories(start, [110.0, 120.0], stochastic=True, seed=3)[-1]
    other = model.trajectories(start[:5], [110.0, 120.0], stochastic=True, seed=4)[-1]
    assert not np.any(moved[:5] == other)
    fresh = model.sample(120.0, 4000, seed=5)
    error = STANDARD_ERRORS * np.hypot(moved.std(0), fresh.std(0)) / np.sqrt(4000)
    assert np.all(np.abs(moved.mean(0) - fresh.mean(0)) < error + 0.02 * SCALE)
    assert np.allclose(moved.std(0), fresh.std(0), rtol=0.1)


# Shapes.


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (0,), (3, 0)])
def test_batch_shapes(model, shape):
    x = np.broadcast_to(CENTER, (*shape, 2))
    density, velocity = model.log_density(T, x), model.velocity(T, x)
    assert isinstance(density, np.ndarray)
    assert density.shape == shape
    assert density.dtype == velocity.dtype == np.float64
    assert velocity.shape == model.score(T, x).shape == model.drift(T, x).shape == (*shape, 2)
    assert np.all(density == density.flat[0]) if density.size else True


def test_a_time_for_each_point(model):
    x = points(4).reshape(2, 2, 2)
    times = np.array([[110.0, 120.0], [120.0, 90.0]])
    whole = model.velocity(times, x)
    for place in np.ndindex(2, 2):
        assert np.allclose(whole[place], model.velocity(times[place], x[place]), rtol=ROUNDING)
    columns = model.velocity(times[0], x)
    assert np.array_equal(columns[1], model.velocity(np.stack([times[0]] * 2), x)[1])


def test_many_points_come_in_blocks(model):
    x = np.tile(points(5), (1000, 1))
    found = model.log_density(T, x)
    assert np.allclose(found, np.tile(model.log_density(T, x[:5]), 1000), rtol=ROUNDING)


def test_all_answers_in_one_pass(model):
    x, times = points(), np.array([90.0, T, T, 120.0, 90.0])
    found = model.answers(times, x, sigma=0.7)
    for name in ("log_density", "velocity", "score"):
        expected = getattr(model, name)(times, x)
        assert np.allclose(getattr(found, name), expected, rtol=ROUNDING), name
    assert np.allclose(found.drift, model.drift(times, x, sigma=0.7), rtol=ROUNDING)
    assert np.array_equal(model.answers(times, x).drift, model.drift(times, x))


@pytest.mark.parametrize(
    "repeats",
    [
        pytest.param([1] * 300, marks=pytest.mark.slow),
        [700, *[1] * 40],
        pytest.param([5, 3, 90, 2], marks=pytest.mark.slow),
        pytest.param([5000, 1, 130], marks=pytest.mark.slow),
    ],
)
def test_ragged_times_are_answered_as_one_by_one(model, repeats):
    times = np.random.default_rng(1).permutation(
        np.repeat(np.linspace(START, END, len(repeats)), repeats)
    )
    x = points(len(times))
    found = model.velocity(times, x)
    assert np.isfinite(found).all()
    for i in np.random.default_rng(2).choice(len(times), 4):
        assert np.allclose(found[i], model.velocity(times[i], x[i]), rtol=ROUNDING)


def test_no_points_have_no_answers(model):
    found = model.answers(T, np.zeros((0, 3, 2)))
    assert found.log_density.shape == (0, 3)
    assert found.drift.shape == (0, 3, 2)


def test_another_number_of_times_compiles_nothing(model):
    x = points(300)
    model.score(np.linspace(START, END, 300), x)
    with jax.no_tracing():
        model.score(np.linspace(START, END, 290), x[:290])


def test_lists_and_whole_numbers_will_do(model):
    assert np.array_equal(model.velocity(117, [[10, -3]]), model.velocity(117.0, CENTER[None]))


# Refusals, each one line that says what to do.


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda m: m.velocity(79.0, CENTER), "time 79 is outside the fitted range 80 to 150"),
        (lambda m: m.sample(151.0, 3), "time 151 is outside .*extrapolate"),
        (lambda m: m.trajectories(CENTER, [100.0, 160.0]), "time 160 is outside"),
        (lambda m: m.velocity(T, np.zeros(3)), r"shape \(3,\) do not fit a model of 2 .*length"),
        (lambda m: m.velocity(T, 1.0), r"shape \(\) do not fit"),
        (lambda m: m.velocity(T, [1.0, np.nan]), "NaN or infinite mass"),
        (lambda m: m.velocity(T, [np.inf, 1.0]), "NaN or infinite length"),
        (lambda m: m.velocity(np.nan, CENTER), "a time is NaN"),
        (lambda m: m.velocity([100.0, 101.0], points(3)), r"times of shape \(2,\) do not fit"),
        (lambda m: m.sample(T, 0), "0 samples were asked for"),
        (lambda m: m.sample([T, T], 3), "one time"),
        (lambda m: m.trajectories(CENTER, [100.0]), "two or more"),
        (lambda m: m.trajectories(CENTER, [100.0, 100.0]), "increasing"),
        (lambda m: m.trajectories(CENTER, [100.0, 120.0, 110.0]), "increasing"),
        (
            lambda m: m.trajectories(CENTER, [100.0, 110.0], stochastic=True, sigma=0.0),
            "need noise, got sigma 0",
        ),
        (lambda m: m.drift(T, CENTER, sigma=-0.5), "sigma is -0.5; give a positive noise"),
        (lambda m: m.drift(T, CENTER, sigma=[1.0] * 3), r"sigma has shape \(3,\); give a number"),
        (lambda m: m.drift(T, CENTER, sigma=np.nan), "sigma is nan"),
        (lambda m: m.drift(T, CENTER, sigma=1e200), "units of the model; check its unit"),
        (lambda m: m.log_density(T, [CENTER, [1e300, 0.0]]), r"length of point 1 is 1e\+300"),
        (lambda m: m.sample(1e300, 3, extrapolate=True), r"time 1e\+300 is more than"),
        (lambda m: m.sample(T, 3, seed=2**70), "give a whole number below"),
        (lambda m: m.trajectories(CENTER, [100.0, 110.0], steps=0), "steps is 0"),
    ],
)
def test_refusals(model, call, pattern):
    with pytest.raises(LiouvilleError, match=pattern) as caught:
        call(model)
    assert "\n" not in str(caught.value)


def test_answers_that_are_not_finite_name_their_point(model):
    broken = dataclasses.replace(
        model, path=eqx.tree_at(lambda p: p.logits, model.path, replace_fn=lambda a: a * jnp.nan)
    )
    x = np.tile(CENTER, (3, 1))
    for ask in (broken.log_density, broken.velocity, broken.score, broken.drift, broken.answers):
        with pytest.raises(LiouvilleError, match=r"of point 0 is .* at t = 117\.3, x = "):
            ask(T, x)
    # Pictures leave such places out.
    drawn = dataclasses.replace(broken, is_drawn=True)
    assert np.isnan(drawn.velocity(T, x)).all()


def test_a_bounded_density_is_zero_outside_its_support():
    path = build("bounded-exp")
    units = Standardisation(np.zeros(1), np.ones(1), 0.0, 1.0)
    bounded = Model(path, units, np.array([0.0, 1.0]), ("x1",))
    found = bounded.answers(0.5, [[-1.0], [1.0]])
    assert found.log_density[0] == -np.inf
    assert np.isfinite(found.log_density[1])
    assert found.velocity[0] == found.score[0] == found.drift[0] == 0.0


def test_extrapolation_is_allowed_on_request(model):
    assert np.isfinite(model.velocity(160.0, CENTER, extrapolate=True)).all()
    assert np.isfinite(model.log_density(70.0, CENTER, extrapolate=True))
    assert model.sample(160.0, 2, extrapolate=True).shape == (2, 2)
    assert model.trajectories(CENTER, [140.0, 160.0], extrapolate=True).shape == (2, 2)


def test_the_ends_themselves_are_inside(model):
    assert np.isfinite(model.velocity([START, END], points(2))).all()


def test_no_points_give_no_trajectories(model):
    assert model.trajectories(np.zeros((0, 2)), [100.0, 110.0]).shape == (2, 0, 2)


def test_a_model_of_one_coordinate():
    model = model_of(build("gaussian-diagonal-linear"))
    grid = np.linspace(-40.0, 40.0, 4001)[:, None]
    mass = np.exp(model.log_density(3.1, grid)).sum() * (grid[1, 0] - grid[0, 0])
    assert np.isclose(mass, 1.0, atol=1e-8)


# Mass that grows.


@pytest.fixture(scope="module")
def growing() -> Model:
    return Model(
        path=build("growing-full"),
        units=Standardisation(CENTER, SCALE, ORIGIN, DURATION),
        times=np.array([START, END]),
        features=("length", "mass"),
        sigma=0.1,
    )


def test_growth_in_the_user_s_units_balances_mass(growing):
    """By differences in the user's units: the law of continuity with its source."""
    x, h = points(), 1e-4
    steps = h * SCALE * np.eye(2)
    r = h * DURATION

    def log_measure(t):
        return growing.log_density(t, x) + growing.log_mass(t)

    rate = (log_measure(T + r) - log_measure(T - r)) / (2 * r)
    outflow = sum(
        (growing.velocity(T, x + e)[:, i] - growing.velocity(T, x - e)[:, i]) / (2 * e.sum())
        for i, e in enumerate(steps)
    )
    found = growing.answers(T, x)
    residual = rate + (found.velocity * found.score).sum(1) + outflow - found.growth
    assert np.abs(found.growth).max() * DURATION > 0.01
    assert np.allclose(DURATION * residual, 0.0, atol=10 * CENTRAL_DIFFERENCE)
    assert np.allclose(found.growth, growing.growth(T, x), rtol=ROUNDING)


def test_a_model_that_conserves_mass_says_no_growth(model):
    assert not model.growth(T, points()).any()
    assert not model.answers(T, points()).growth.any()
    assert model.log_mass([[START, T], [T, END]]).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert model.log_mass(T).shape == ()
    assert not model.weighted_trajectories(points(), [START, END]).log_weights.any()
    with pytest.raises(LiouvilleError, match="time 79 is outside"):
        model.log_mass(79.0)


@pytest.mark.parametrize(
    ("ends", "stochastic"),
    [
        ((START, END), True),
        ((END, START), False),
        pytest.param((START, END), False, marks=pytest.mark.slow),
        pytest.param((END, START), True, marks=pytest.mark.slow),
    ],
)
def test_weighted_trajectories_have_the_density_of_every_time(growing, stochastic, ends):
    n = 4096
    start = growing.sample(ends[0], n, seed=1)
    found = growing.weighted_trajectories(start, ends, stochastic=stochastic, seed=2)
    assert not found.log_weights[0].any()
    mass = np.exp(growing.log_mass(ends))
    weights, direct = np.exp(found.log_weights[1]) * mass[0] / mass[1], growing.sample(ends[1], n)
    for of in (lambda z: np.ones(len(z)), lambda z: z[:, 0], lambda z: np.tanh(z[:, 1])):
        carried, drawn = (of((x - CENTER) / SCALE) for x in (found.points[1], direct))
        spread = np.sqrt(((weights * carried).var() + drawn.var()) / n)
        assert abs((weights * carried).mean() - drawn.mean()) < STANDARD_ERRORS * spread
    moved = growing.trajectories(start, ends, stochastic=stochastic, seed=2)
    assert np.array_equal(moved, found.points)
