"""Fitting densities: what comes back, what is written, what is refused."""

import dataclasses
import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import liouville as lv
from density_cases import BRIEF, TINY, class_samples, log_normal, plane_points
from liouville.curves import Constant, Knots
from liouville.data import Samples
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.parameters import split
from liouville.paths import LocationScale
from liouville.runs.config import merge
from liouville.tasks.density._columns import columns_of
from liouville.tasks.density._families import initial_path, resolve_choices
from liouville.tasks.density._terms import training_likelihood
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.fit import TASK, fit_density
from liouville.tasks.density.measure import motion
from liouville.tasks.density.split import divide
from liouville.tasks.skeleton import evaluate_run, run_task
from tolerances import ROUNDING

# Means over a thousand draws with a relative spread near one, and a trapezoidal rule of 40 pieces.
MOTION = 0.15
# The exact assignment beats the displacement of an optimal map by rounding alone.
ASSIGNMENT = 1e-9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("density") / "RUN"


@pytest.fixture(scope="module")
def plane(folder):
    file = folder.parent / "plane.npy"
    np.save(file, plane_points())
    return run_task(TASK, folder, flags={"data.file": str(file), **BRIEF}, progress=False)


@pytest.fixture(scope="module")
def run(plane, folder):
    return folder


@pytest.fixture(scope="module")
def classes():
    """A model of classes before training: all that training changes is numbers."""
    samples = class_samples()
    units = samples.standardisation()
    settings = resolve_choices(merge(DensityConfig, flags=TINY), 4, len(samples), 30)
    points = units.to_model(samples.points)
    return Model(
        path=_moved(initial_path(points, samples, settings.path)),
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
    assert plane.config.path.model == "mixture"
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
    expected = {"samples", "coordinates", "model", "path energy", "straightness"}
    assert expected <= set(plane.summary)
    assert {"test nats per sample", "test bits per dimension"} <= set(plane.summary)


def test_the_start_of_a_fit_is_the_standard_normal_law(plane):
    model = plane.model
    x = model.units.to_user(np.random.default_rng(2).normal(size=(20, model.dim)))
    found = model.log_density(0.0, x)
    np.testing.assert_allclose(found, log_normal(model, x), rtol=0, atol=100 * ROUNDING)
    # The end is another density, or the test above says nothing.
    assert np.abs(model.log_density(1.0, x) - found).max() > 0.1


def test_the_likelihood_at_a_held_end_is_found_once(plane):
    logged = {row["likelihood"] for row in plane.history}
    assert len(logged) == 1
    # Nothing that is learned changes it, and it is that of the training rows.
    training = divide(plane.data, plane.config).training
    units = columns_of(training, plane.config.data)
    term = training_likelihood(training, units)
    path = _moved(plane.model.path)
    value = jax.jit(lambda path: term(path, key=jax.random.key(0)))
    assert np.isclose(float(value(path)), logged.pop(), rtol=0, atol=100 * ROUNDING)
    # Learned ends do change it, or the test above says nothing.
    held = dataclasses.replace(plane.config.path, start="fitted")
    free = initial_path(units.to_model(training.points), training, held)
    assert abs(float(value(free)) - float(value(_moved(free)))) > 0.01


def test_a_model_answers_for_all_classes_and_for_one(classes):
    x = class_samples(20).points
    ant, bee = (classes.given(name).log_density(1.0, x) for name in classes.classes)
    assert np.abs(ant - bee).max() > 0.1
    both = np.logaddexp(ant, bee) - math.log(2.0)  # as many of one class as of the other
    np.testing.assert_allclose(classes.log_density(1.0, x), both, atol=100 * ROUNDING)
    with pytest.raises(LiouvilleError, match="knows no class 'cow'; its classes: ant, bee"):
        classes.given("cow")


def test_a_model_without_classes_has_none_to_give(plane):
    with pytest.raises(LiouvilleError, match="fitted without classes"):
        plane.model.given("ant")


@pytest.mark.slow
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


@pytest.mark.slow
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


# Bad input


def _with_nan():
    points = plane_points()
    points[3, 1] = np.nan
    return points


@pytest.mark.parametrize(
    ("points", "settings", "message"),
    [
        (_with_nan(), {}, r"NaN or infinite values in data, by column: x2 \(1\)"),
        (plane_points(12), {}, "data has 12 rows but 20 are needed"),
        (plane_points(), {"path.model": "flow"}, "path.model"),
        (plane_points(), {"path.famly": "mixture"}, "did you mean 'family'"),
        (plane_points(), {"data.validation": 0.7, "data.test": 0.7}, "rows"),
    ],
)
def test_bad_input_is_refused(points, settings, message):
    with pytest.raises(LiouvilleError, match=message):
        fit_density(points, {**BRIEF, **settings})


def test_a_small_class_is_refused():
    labels = np.array([0] * 50 + [1] * 10)
    with pytest.raises(LiouvilleError, match="leave that class out"):
        fit_density(Samples(class_samples().points, labels), TINY)


# Runs


def test_a_run_fills_its_folder(run):
    for name in ("config.yaml", "model.lv", "metrics.jsonl", "summary.json", "report.html"):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "figures").glob("*.png"))
    # Automatic choices are written out.
    assert "model: mixture" in (run / "config.yaml").read_text()
    assert lv.load(run).dim == 2


def test_a_run_is_not_overwritten(run):
    before = (run / "model.lv").read_bytes()
    with pytest.raises(LiouvilleError, match="force"):
        run_task(TASK, run, given=Samples(plane_points()), flags=BRIEF)
    assert (run / "model.lv").read_bytes() == before


def test_evaluate_gives_the_figures_of_the_summary(run):
    summary, found = json.loads((run / "summary.json").read_text()), evaluate_run(run)
    assert "test nats per sample" in found
    assert found == {key: summary[key] for key in found}


@pytest.mark.parametrize(("image", "message"), [("3x3", "9 pixels"), ("square", "like 8x8")])
def test_images_of_another_shape_are_refused_before_anything_is_written(image, message, tmp_path):
    flags = {**BRIEF, "data.image": image}
    with pytest.raises(LiouvilleError, match=message):
        run_task(TASK, tmp_path / "RUN", given=Samples(plane_points()), flags=flags)
    assert not (tmp_path / "RUN").exists()


def test_a_run_needs_data(tmp_path):
    with pytest.raises(LiouvilleError, match="name a file"):
        run_task(TASK, tmp_path / "RUN")


def test_a_run_of_changed_data_is_not_evaluated(run):
    file = run.parent / "plane.npy"
    old = np.load(file)
    np.save(file, old + 1.0)
    try:
        with pytest.raises(LiouvilleError, match="has changed since"):
            evaluate_run(run)
    finally:
        np.save(file, old)


@pytest.mark.slow
def test_no_sample_is_kept_for_stopping_what_nothing_stops():
    x = np.random.default_rng(3).normal(size=(300, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    settings = {"path.model": "mixture", "path.parts": 1, "training.steps": 1}
    fitted = fit_density(x, settings, progress=False)
    test = divide(Samples(x), fitted.config).test
    assert test is not None
    known = x[~(x[:, None] == test.points).all(-1).any(1)]
    assert len(known) == 270
    # The score is zero at the mean of a Gaussian, and only there.
    score = fitted.model.score(1.0, np.stack([known.mean(0), known[:240].mean(0)]))
    np.testing.assert_allclose(score[0], 0.0, atol=100 * ROUNDING)
    assert np.abs(score[1]).max() > 100 * ROUNDING
