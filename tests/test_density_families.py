"""Families of densities: where they start, how they are chosen, that they can be fitted."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from density_cases import BRIEF, TINY, class_samples, log_normal, plane_points
from liouville.data import Samples
from liouville.paths import LocationScale, Pushforward
from liouville.runs.config import merge
from liouville.tasks.density import _choose
from liouville.tasks.density._columns import Columns
from liouville.tasks.density._families import _order, initial_path, resolve_choices
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.fit import fit_density
from tolerances import ROUNDING


@pytest.mark.parametrize(
    "family",
    [
        pytest.param("mixture", marks=pytest.mark.slow),
        "warped",
        "autoregressive",
        "pushforward",
    ],
)
def test_every_family_can_start_as_the_standard_normal_law(family):
    samples = class_samples()
    wished = {**TINY, "path.model": family, "path.family": "gaussian", "path.layers": 2}
    settings = resolve_choices(merge(DensityConfig, flags=wished), 4, len(samples), 30)
    path = initial_path(samples.points, samples, settings.path)
    x = np.random.default_rng(2).normal(size=(5, 4))
    expected = -0.5 * (x**2).sum(-1) - 2.0 * math.log(2.0 * math.pi)
    found = _log_density(path, jnp.asarray(0.0), jnp.asarray(x))
    np.testing.assert_allclose(found, expected, atol=100 * ROUNDING)


@eqx.filter_jit
def _log_density(path, t, x):
    return jax.vmap(path.at(t).log_density)(x)


@pytest.mark.slow
def test_all_classes_have_one_autoregressive_path():
    found = fit_density(class_samples(), {**TINY, "path.model": "autoregressive"})
    assert found.model.classes == ("ant", "bee")
    assert "test nats per sample, class given" in found.summary
    x = found.model.units.to_user(np.random.default_rng(2).normal(size=(20, 4)))
    for model in (found.model, found.model.given("bee")):
        start = model.log_density(0.0, x)
        np.testing.assert_allclose(start, log_normal(model, x), atol=100 * ROUNDING)


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
    assert resolve_choices(DensityConfig(), dim, 1000, 1000).path.model == family


def test_automatic_choices_leave_what_the_user_said():
    wished = {"path.model": "pushforward", "path.width": 7, "training.weight_decay": 0.0}
    settings = merge(DensityConfig, flags=wished)
    found = resolve_choices(settings, 2, 1000, 1000)
    assert (found.path.model, found.path.width, found.training.weight_decay) == (
        "pushforward",
        7,
        0.0,
    )
    assert found.training.steps is not None


def _pretended(monkeypatch, gains):
    """Trials whose outcome is given: what the maps gain at each validation sample."""
    monkeypatch.setattr(_choose, "_try_out", lambda *given: given[-2] - gains)


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
    assert found.config.path.model == family
    assert (found.config.path.bins, found.config.path.layers) == (
        (32, 2) if family == "warped" else (8, 2)
    )
    assert isinstance(found.path, Pushforward if family == "warped" else LocationScale)


def _choice(settings, kept):
    samples = Samples(plane_points(300))
    validation = samples.select(np.arange(kept))
    return _choose.choose(settings, samples, validation, Columns(samples.standardisation()))


@pytest.mark.parametrize(
    ("flags", "kept"), [({}, 199), ({"path.model": "mixture"}, 200)], ids=["few rows", "told"]
)
def test_there_is_no_trial_where_nothing_can_be_said_or_is_asked(flags, kept, monkeypatch):
    _pretended(monkeypatch, np.ones(kept))
    found = _choice(merge(DensityConfig, flags=flags), kept)
    assert found.gain is None
    assert found.config.path.model == "mixture"


@pytest.mark.parametrize(
    ("gains", "settled"),
    [
        ({150: -0.03, 300: -0.019}, False),  # two doublings more and it wins
        ({150: -0.03, 300: -0.026}, True),  # it never would
        ({150: -0.005, 300: -0.007}, True),  # it falls
        ({150: 0.02, 300: 0.031}, True),  # it has won
        ({150: 0.005, 300: 0.02}, False),  # it has not, but will
        ({150: -0.5}, False),  # nothing is known of a doubling
        ({150: -0.5, 300: -0.4, 450: -0.39}, False),
    ],
)
def test_a_trial_goes_on_as_long_as_there_is_hope(gains, settled):
    assert _choose._is_settled(gains, 2400) is settled


def test_an_interrupted_trial_is_an_interrupted_fit(monkeypatch):
    monkeypatch.setattr(_choose, "_try_out", lambda *_: None)
    monkeypatch.setattr(_choose, "_FEWEST_KEPT", 5)
    found = fit_density(plane_points(), BRIEF)
    assert found.reason == "interrupted"
    assert found.summary["steps"] == 0


@pytest.mark.slow
def test_sharp_edges_are_seen_through_maps():
    # Four Gaussians alone blur all sides of a square.
    square = Samples(np.random.default_rng(0).uniform(size=(5000, 2)))
    parts = square.split(0.1, 0.0, 0)
    settings = merge(DensityConfig, flags={"path.parts": 4})
    found = _choose.choose(settings, parts[0], parts[1], Columns(square.standardisation()))
    assert found.config.path.model == "warped"
    assert found.gain is not None
    assert found.gain > 0.05


@pytest.mark.slow
def test_a_pushforward_can_be_fitted():
    pushed = fit_density(plane_points(), {**TINY, "path.model": "pushforward", "path.layers": 2})
    x = pushed.model.sample(0.0, 10)
    found = pushed.model.log_density(0.0, x)
    np.testing.assert_allclose(found, log_normal(pushed.model, x), atol=1e-8)


@pytest.mark.slow
def test_a_mixture_for_each_class():
    samples = class_samples()
    found = fit_density(samples, {**BRIEF, "path.model": "mixture", "data.dims": None})
    assert found.model.given("bee").log_density(1.0, [3.0] * 4) > -8.0
    assert found.model.given("ant").log_density(1.0, [3.0] * 4) < -10.0


@pytest.mark.slow
@pytest.mark.parametrize("law", ["factors", "chain"])
def test_of_many_columns_the_family_is_what_samples_kept_apart_say(law):
    rng = np.random.default_rng(0)
    if law == "factors":  # a Gaussian of four factors, which few rows know
        x = rng.normal(size=(2400, 4)) @ rng.normal(size=(4, 30)) + rng.normal(size=(2400, 30))
        wished, other, rows = "mixture", "autoregressive", 400
    else:  # each column about a wave of the one before, which no part follows
        x = rng.normal(size=(23000, 6))
        for i in range(1, 6):
            x[:, i] = np.cos(2.0 * x[:, i - 1]) + 0.5 * x[:, i]
        wished, other, rows = "autoregressive", "mixture", 3000
    chosen = fit_density(x[:rows], progress=False)
    assert chosen.config.path.model == wished
    against = fit_density(x[:rows], {"path.model": other}, progress=False)
    one, two = (fit.model.log_density(1.0, x[rows:]) for fit in (chosen, against))
    gain = one - two
    assert gain.mean() > 2.0 * gain.std() / np.sqrt(len(gain))


@pytest.mark.slow
def test_a_trial_has_a_pace_of_its_own():
    x = np.random.default_rng(0).normal(size=(200, 4))
    pace = dict.fromkeys(("steps", "chunk", "validate_every", "checkpoint_every"), 2)
    own = {f"training.{name}": value for name, value in pace.items()}
    fitted = fit_density(x, {**own, "path.members": 1, "path.parts": 2}, progress=False)
    assert "validation nats gained in the trial of a richer family" in fitted.summary
