"""Fitting densities: what comes back, what is written, what is refused."""

import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville as lv
from liouville.config import merge
from liouville.curves import Constant, Knots
from liouville.data import Samples
from liouville.density import DensityConfig, _choose, fit_density
from liouville.density._evaluate import motion
from liouville.density._families import _order, automatic, initial_path
from liouville.density._run import evaluate, run_density
from liouville.density._terms import Renoised, training_likelihood
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.objectives import NegativeLogLikelihood
from liouville.parameters import split
from liouville.paths import LocationScale, Normal, Pushforward
from tolerances import ROUNDING, STANDARD_ERRORS

# Means over a thousand draws with a relative spread near one, and a trapezoidal rule of 40 pieces.
MOTION = 0.15
# The exact assignment beats the displacement of an optimal map by rounding alone.
ASSIGNMENT = 1e-9
# Share of drawn digits that a judge knows: 0.94 for the whole table; 256 draws scatter by 0.02.
READ = 0.85
BRIEF = {
    "training.steps": 25,
    "training.validate_every": 25,
    "training.checkpoint_every": 25,
    "path.parts": 3,
    "report.movie": False,
}
TINY = {**BRIEF, "path.parts": 2, "path.width": 3, "path.members": 1, "path.depth": 1}


def _plane(n=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) * [1.0, 3.0] + np.where(rng.random((n, 1)) < 0.5, 4.0, -4.0)


def _classes(n=60):
    rng = np.random.default_rng(1)
    labels = np.arange(n) % 2
    points = rng.normal(size=(n, 4)) + 3.0 * labels[:, None]
    return Samples(points, labels, classes=("ant", "bee"))


def _log_normal(model, x):
    """The standard normal law of the model's own units, in the user's."""
    z = model.units.points_to_model(x)
    constant = 0.5 * model.dim * math.log(2.0 * math.pi) + model.units.log_volume
    return -0.5 * (z**2).sum(-1) - constant


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("density") / "RUN"


@pytest.fixture(scope="module")
def plane(folder):
    file = folder.parent / "plane.npy"
    np.save(file, _plane())
    return run_density(folder, flags={"data.file": str(file), **BRIEF}, progress=False)


@pytest.fixture(scope="module")
def run(plane, folder):
    return folder


@pytest.fixture(scope="module")
def classes():
    """A model of classes before training: all that training changes is numbers."""
    samples = _classes()
    units = samples.standardisation()
    settings = automatic(merge(DensityConfig, flags=TINY), 4, len(samples), 30)
    points = units.points_to_model(samples.points)
    return Model(
        path=_moved(initial_path(points, samples.labels, settings.path)),
        units=units,
        times=np.array([0.0, 1.0]),
        features=samples.features,
        classes=samples.classes,
    )


def _moved(path):
    """The path with its learned numbers moved, so that its classes differ."""
    learned, _ = split(path)
    leaves, structure = jax.tree.flatten(learned)
    rng = np.random.default_rng(5)
    steps = [jnp.asarray(0.2 * rng.normal(size=a.shape), a.dtype) for a in leaves]
    return eqx.apply_updates(path, jax.tree.unflatten(structure, steps))


def test_few_coordinates_get_a_mixture(plane):
    assert plane.config.path.family == "mixture"
    assert isinstance(plane.model.path, LocationScale)
    assert plane.model.interval == (0.0, 1.0)
    assert plane.reason == "finished"
    assert plane.model.sample(1.0, 10).shape == (10, 2)
    # In the user's units: the two clouds are found, and what lies between them is rarer.
    at_cloud, between = plane.model.log_density(1.0, [[4.0, 4.0], [0.0, 0.0]])
    assert at_cloud > between + 1.0


def test_summary_can_be_written_and_is_finite(plane):
    json.dumps(plane.summary, allow_nan=False)
    numbers = [v for v in plane.summary.values() if isinstance(v, int | float)]
    assert np.isfinite(numbers).all()
    expected = {"samples", "coordinates", "family", "path energy", "straightness"}
    assert expected <= set(plane.summary)
    assert {"test nats per sample", "test bits per dimension"} <= set(plane.summary)


@pytest.mark.parametrize("family", ["mixture", "warped", "autoregressive", "pushforward"])
def test_every_family_can_start_as_the_standard_normal_law(family):
    samples = _classes()
    wished = {**TINY, "path.family": family, "path.kernel": "gaussian", "path.layers": 2}
    settings = automatic(merge(DensityConfig, flags=wished), 4, len(samples), 30)
    path = initial_path(samples.points, samples.labels, settings.path)
    x = np.random.default_rng(2).normal(size=(5, 4))
    expected = -0.5 * (x**2).sum(-1) - 2.0 * math.log(2.0 * math.pi)
    found = _log_density(path, jnp.asarray(0.0), jnp.asarray(x))
    np.testing.assert_allclose(found, expected, atol=100 * ROUNDING)


@eqx.filter_jit
def _log_density(path, t, x):
    return jax.vmap(path.at(t).log_density)(x)


def test_the_start_of_a_fit_is_the_standard_normal_law(plane):
    model = plane.model
    x = model.units.points_to_user(np.random.default_rng(2).normal(size=(20, model.dim)))
    found = model.log_density(0.0, x)
    np.testing.assert_allclose(found, _log_normal(model, x), rtol=0, atol=100 * ROUNDING)
    # The end is another density, or the test above says nothing.
    assert np.abs(model.log_density(1.0, x) - found).max() > 0.1


def test_a_model_answers_for_all_classes_and_for_one(classes):
    x = _classes(20).points
    ant, bee = (classes.given(name).log_density(1.0, x) for name in classes.classes)
    assert np.abs(ant - bee).max() > 0.1
    both = np.logaddexp(ant, bee) - math.log(2.0)  # as many of one class as of the other
    np.testing.assert_allclose(classes.log_density(1.0, x), both, atol=100 * ROUNDING)
    with pytest.raises(LiouvilleError, match="knows no class 'cow'; its classes: ant, bee"):
        classes.given("cow")


@pytest.mark.slow
def test_more_coordinates_get_an_autoregressive_path_of_all_classes():
    found = fit_density(_classes(), TINY)
    assert found.config.path.family == "autoregressive"
    assert found.model.classes == ("ant", "bee")
    assert "test nats per sample, class given" in found.summary
    x = found.model.units.points_to_user(np.random.default_rng(2).normal(size=(20, 4)))
    for model in (found.model, found.model.given("bee")):
        start = model.log_density(0.0, x)
        np.testing.assert_allclose(start, _log_normal(model, x), atol=100 * ROUNDING)


def test_a_model_without_classes_has_none_to_give(plane):
    with pytest.raises(LiouvilleError, match="fitted without classes"):
        plane.model.given("ant")


def test_saved_models_give_the_same_answers(plane, classes, tmp_path):
    for number, model in enumerate((plane.model, classes)):
        model.save(tmp_path / f"{number}.lv")
        again = lv.load(tmp_path / f"{number}.lv")
        x = model.sample(0.5, 5)
        np.testing.assert_array_equal(again.log_density(0.5, x), model.log_density(0.5, x))
        assert again.classes == model.classes


def test_motion_of_a_known_path():
    # The standard normal law moves by (2, 0) and doubles in scale: the optimal map, in a line,
    # x1 - x0 = (2, 0) + x0, whose squared length is 4 + 2 on average; so is the energy.
    locations = Knots((0.0, 1.0), jnp.asarray([[[0.0, 0.0]], [[2.0, 0.0]]]), "linear")
    # Scales are exponentials of their parameters, so the pace is not even: more energy.
    scales = Knots((0.0, 1.0), jnp.asarray([[[0.0, 0.0]], [[math.log(2.0)] * 2]]), "linear")
    path = LocationScale(locations, scales, jnp.zeros(1))
    found = motion(path, n=400)
    assert found.energy >= found.displacement >= found.distance - ASSIGNMENT
    assert found.displacement == pytest.approx(6.0, rel=MOTION)
    assert found.energy > found.displacement
    assert found.straightness < 1.0


def test_motion_of_a_shift_is_straight():
    locations = Knots((0.0, 1.0), jnp.asarray([[[0.0, 0.0]], [[3.0, 4.0]]]), "linear")
    found = motion(LocationScale(locations, Constant(jnp.zeros((1, 2))), jnp.zeros(1)), n=100)
    assert found == pytest.approx((25.0, 25.0, 25.0, 0.0), rel=1e-6)
    assert found.straightness == pytest.approx(1.0, abs=1e-6)


def test_trajectories_that_leap_out_of_a_gap_are_counted_and_left_out():
    # Of two parts one moves a short way; the other leaves the plane.
    ends = jnp.asarray([[[0.0, 0.0], [99.0, 0.0]], [[3.0, 4.0], [99.0, 1e9]]])
    still = Constant(jnp.zeros((2, 2)))
    found = motion(LocationScale(Knots((0.0, 1.0), ends, "linear"), still, jnp.zeros(2)), n=100)
    assert 0.2 < found.lost < 0.8
    assert found.energy < 1e3
    # Negative control: were all kept, the mean would be astronomical.
    lost = motion(
        LocationScale(
            Knots((0.0, 1.0), ends[:, 1:], "linear"), Constant(jnp.zeros((1, 2))), jnp.zeros(1)
        ),
        n=10,
    )
    assert lost.lost == 1.0
    assert not np.isfinite(lost.energy)


def test_members_read_the_columns_from_different_places_both_ways():
    assert [_order(6, number, 4).tolist() for number in range(4)] == [
        [0, 1, 2, 3, 4, 5],
        [5, 4, 3, 2, 1, 0],
        [3, 4, 5, 0, 1, 2],
        [2, 1, 0, 5, 4, 3],
    ]
    assert _order(3, 0, 1).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("dim", "family"),
    [(1, "mixture"), (3, "mixture"), (4, "autoregressive"), (256, "autoregressive"),
     (257, "pushforward")],
)  # fmt: skip
def test_the_family_follows_the_number_of_coordinates(dim, family):
    assert automatic(DensityConfig(), dim, 1000, 1000).path.family == family


def test_automatic_choices_leave_what_the_user_said():
    wished = {"path.family": "pushforward", "path.width": 7, "training.decay": 0.0}
    settings = merge(DensityConfig, flags=wished)
    found = automatic(settings, 2, 1000, 1000)
    assert (found.path.family, found.path.width, found.training.decay) == ("pushforward", 7, 0.0)
    assert found.training.steps is not None


def _pretended(monkeypatch, gains):
    """Trials whose outcome is given: what the maps gain at each validation sample."""

    def tried(path, settings, *_):
        return gains * (settings.path.family == "mixture")

    monkeypatch.setattr(_choose, "_tried", tried)


@pytest.mark.parametrize(
    ("gain", "noise", "family"),
    [
        (0.2, 0.1, "warped"),
        (0.2, 3.0, "mixture"),  # by chance: the standard error is 0.2
        (0.005, 0.0, "mixture"),  # too little for the cost
        (-0.2, 0.1, "mixture"),
    ],
)
def test_maps_must_win_the_trial(gain, noise, family, monkeypatch):
    rng = np.random.default_rng(0)
    _pretended(monkeypatch, gain + noise * rng.normal(size=200))
    found = _choice(merge(DensityConfig, flags={"path.layers": 2}), 200)
    assert found.settings.path.family == family
    assert (found.settings.path.bins, found.settings.path.layers) == (
        (32, 2) if family == "warped" else (8, 2)
    )
    assert isinstance(found.path, Pushforward if family == "warped" else LocationScale)


def _choice(settings, kept):
    samples = Samples(_plane(300))
    validation = samples.select(np.arange(kept))
    return _choose.chosen(settings, samples, validation, samples.standardisation())


@pytest.mark.parametrize(
    ("flags", "kept"), [({}, 199), ({"path.family": "mixture"}, 200)], ids=["few rows", "told"]
)
def test_there_is_no_trial_where_nothing_can_be_said_or_is_asked(flags, kept, monkeypatch):
    _pretended(monkeypatch, np.ones(kept))
    found = _choice(merge(DensityConfig, flags=flags), kept)
    assert found.gain is None
    assert found.settings.path.family == "mixture"


def test_an_interrupted_trial_is_an_interrupted_fit(monkeypatch):
    monkeypatch.setattr(_choose, "_tried", lambda *_: None)
    monkeypatch.setattr(_choose, "_FEWEST_KEPT", 5)
    found = fit_density(_plane(), BRIEF)
    assert found.reason == "interrupted"
    assert found.summary["steps"] == 0


@pytest.mark.slow
def test_sharp_edges_are_seen_through_maps():
    # Four Gaussians alone blur all sides of a square.
    square = Samples(np.random.default_rng(0).uniform(size=(5000, 2)))
    parts = square.split(0.1, 0.0, 0)
    settings = merge(DensityConfig, flags={"path.parts": 4})
    found = _choose.chosen(settings, parts[0], parts[1], square.standardisation())
    assert found.settings.path.family == "warped"
    assert found.gain is not None
    assert found.gain > 0.05


@pytest.mark.slow
def test_a_pushforward_can_be_fitted():
    pushed = fit_density(_plane(), {**TINY, "path.family": "pushforward", "path.layers": 2})
    x = pushed.model.sample(0.0, 10)
    found = pushed.model.log_density(0.0, x)
    np.testing.assert_allclose(found, _log_normal(pushed.model, x), atol=1e-8)


@pytest.mark.slow
def test_a_mixture_for_each_class():
    samples = _classes()
    found = fit_density(samples, {**BRIEF, "path.family": "mixture", "data.dims": None})
    assert found.model.given("bee").log_density(1.0, [3.0] * 4) > -8.0
    assert found.model.given("ant").log_density(1.0, [3.0] * 4) < -10.0


# Columns of whole steps


def _counts(n=50, labels=None):
    rng = np.random.default_rng(3)
    points = np.stack([2.0 * rng.poisson(3.0, n), rng.normal(size=n)], axis=1)
    samples = Samples(points, labels)
    return points, samples.dequantise("auto", seed=0)


@pytest.mark.parametrize("batch_size", [None, 20])
def test_noise_between_whole_steps_is_drawn_anew(batch_size):
    """The mean over calls, against the expectation of a standard normal law by hand."""
    points, samples = _counts()
    units = samples.standardisation()
    term = training_likelihood(samples, units, batch_size, noise=0.2)
    values = jax.jit(jax.vmap(lambda k: term(Normal(2), key=k)))(jr.split(jr.key(0), 2000))
    error = STANDARD_ERRORS * values.std() / np.sqrt(len(values))
    middle = units.points_to_model(points + np.array([1.0, 0.0]))
    uniform = (2.0 / units.scale[0]) ** 2 / 12.0
    squares = (middle**2).sum(1).mean() + uniform + 0.2**2
    assert abs(values.mean() - math.log(2.0 * math.pi) - 0.5 * squares) <= error
    # Negative control: of the whole table the error is small enough to see the bells.
    assert batch_size is not None or error < 0.5 * 0.2**2 / 2.0


def test_bells_are_half_a_step_wide_at_most():
    _, samples = _counts()
    units = samples.standardisation()
    term = training_likelihood(samples, units, noise=100.0)
    assert isinstance(term, Renoised)
    np.testing.assert_allclose(term.width, [1.0 / units.scale[0], 0.0])
    assert term.contexts.shape == (50, 0)


def test_a_class_keeps_its_context():
    labels = np.arange(50) % 2
    _, samples = _counts(labels=labels)
    term = training_likelihood(samples, samples.standardisation())
    assert isinstance(term, Renoised)
    np.testing.assert_array_equal(term.contexts, np.eye(2)[labels])


def test_continuous_columns_get_no_noise():
    samples = Samples(_plane()).dequantise("auto", seed=0)
    term = training_likelihood(samples, samples.standardisation(), noise=0.1)
    assert isinstance(term, NegativeLogLikelihood)


def test_whole_steps_need_less_decay_and_few_samples_more_noise():
    def found(n, whole, dim=64):
        training = automatic(DensityConfig(), dim, n, n, whole).training
        assert training.decay is not None
        assert training.noise is not None
        return training.decay, training.noise

    assert found(1200, 1.0)[0] < found(1200, 0.0)[0]
    assert found(100, 1.0)[1] == 0.1 > found(10_000, 1.0)[1] > 0.0
    assert found(100, 1.0, dim=2) == (0.0, 0.0)


@pytest.mark.slow
def test_a_judge_of_true_digits_knows_the_drawn_ones():
    data = pytest.importorskip("sklearn.datasets").load_digits(n_class=4)
    machine = pytest.importorskip("sklearn.svm").SVC
    samples = Samples(data.data, data.target)
    brief = {"path.members": 1, "objective.times": 1, "objective.particles": 2}
    model = fit_density(samples, brief).model
    judge = machine(C=10.0).fit(data.data, data.target)
    drawn = [judge.predict(model.given(str(c)).sample(1.0, 64, seed=c)) for c in range(4)]
    read = np.mean([found == c for c, found in enumerate(drawn)])
    assert read > READ
    # Negative control: half-way on the way from noise they are not known.
    noise = [judge.predict(model.given(str(c)).sample(0.2, 64, seed=c)) for c in range(4)]
    assert np.mean([found == c for c, found in enumerate(noise)]) < READ - 0.2


# Bad input


def _with_nan():
    points = _plane()
    points[3, 1] = np.nan
    return points


@pytest.mark.parametrize(
    ("points", "settings", "message"),
    [
        (_with_nan(), {}, r"NaN or infinite values in data, by column: x2 \(1\)"),
        (_plane(12), {}, "data has 12 rows but 20 are needed"),
        (np.zeros(12), {}, "must have shape"),
        (_plane(), {"path.family": "flow"}, "path.family"),
        (_plane(), {"path.famly": "mixture"}, "did you mean 'family'"),
        (_plane(), {"data.validation": 0.7, "data.test": 0.7}, "rows"),
    ],
)
def test_bad_input_is_refused(points, settings, message):
    with pytest.raises(LiouvilleError, match=message):
        fit_density(points, {**BRIEF, **settings})


def test_a_small_class_is_refused():
    labels = np.array([0] * 50 + [1] * 10)
    with pytest.raises(LiouvilleError, match="leave that class out"):
        fit_density(Samples(_classes().points, labels), TINY)


# Runs


def test_a_run_fills_its_folder(run):
    for name in ("config.yaml", "model.lv", "metrics.jsonl", "summary.json", "report.html"):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "figures").glob("*.png"))
    # Automatic choices are written out.
    assert "family: mixture" in (run / "config.yaml").read_text()
    assert lv.load(run).dim == 2


def test_a_run_is_not_overwritten(run):
    before = (run / "model.lv").read_bytes()
    with pytest.raises(LiouvilleError, match="force"):
        run_density(run, samples=Samples(_plane()), flags=BRIEF)
    assert (run / "model.lv").read_bytes() == before


def test_evaluate_gives_the_figures_of_the_summary(run):
    summary, found = json.loads((run / "summary.json").read_text()), evaluate(run)
    assert "test nats per sample" in found
    assert found == {key: summary[key] for key in found}


@pytest.mark.parametrize(("image", "message"), [("3x3", "9 pixels"), ("square", "like 8x8")])
def test_images_of_another_shape_are_refused_before_anything_is_written(image, message, tmp_path):
    flags = {**BRIEF, "report.image": image}
    with pytest.raises(LiouvilleError, match=message):
        run_density(tmp_path / "RUN", samples=Samples(_plane()), flags=flags)
    assert not (tmp_path / "RUN").exists()


def test_a_run_needs_data(tmp_path):
    with pytest.raises(LiouvilleError, match="name a file"):
        run_density(tmp_path / "RUN")


def test_a_run_of_changed_data_is_not_evaluated(run):
    file = run.parent / "plane.npy"
    old = np.load(file)
    np.save(file, old + 1.0)
    try:
        with pytest.raises(LiouvilleError, match="has changed since"):
            evaluate(run)
    finally:
        np.save(file, old)
