"""Transport between densities of fitted models: their ends are met exactly, the law is kept."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville as lv
from liouville import checks
from liouville.curves import Knots
from liouville.data import Samples, Standardisation
from liouville.errors import LiouvilleError
from liouville.maps import Chain, Permutation, coupling_flow
from liouville.model import Model
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.numerics.parameters import Fixed
from liouville.paths import (
    AbstractPath,
    Autoregressive,
    Contextual,
    Ensemble,
    Full,
    LocationScale,
    Logistic,
    Mixture,
    Normal,
    Opened,
    Pushforward,
    Rosenblatt,
)
from liouville.problems import toys
from liouville.tasks.density._marginals import marginal_map
from liouville.tasks.settings import settings_of
from liouville.tasks.transport import measure as measures
from liouville.tasks.transport._crossing import piece_between
from liouville.tasks.transport._images import Image, as_image, density_of
from liouville.tasks.transport.answers import _without_lost
from liouville.tasks.transport.config import EndsConfig, PathConfig, TransportConfig
from liouville.tasks.transport.ends import end_of
from liouville.tasks.transport.fit import fit_transport
from liouville.tasks.transport.laws import law_of
from liouville.tasks.transport.problem import Problem
from makers import jolted
from registry import build

UNIT = (0.0, 1.0)
TIMES = (0.2, 1.5)
# A log-density through a chain of maps in double precision, at draws of the end.
EXACT = 1e-9
# A path there and back, root finding included.
INVERSE = 1e-10
# Mean and covariance of some thousand evenly spread points.
MOMENTS = 0.05
EASY = PathConfig(parts=4, layers=2, width=8)


def autoregressive(seed: int, *, moving_weights: bool = True, **more: Any) -> Autoregressive:
    """Two coordinates in an order of their own, with two parts each."""
    path = Autoregressive.standard(
        2, 2, UNIT, order=[1, 0], units=4, moving_weights=moving_weights, key=jr.key(seed), **more
    )
    return jolted(path, jr.key(seed + 50), 0.3)


def pushforward(seed: int, base: AbstractPath | None = None, **more: Any) -> Pushforward:
    flow = coupling_flow(2, UNIT, layers=2, width=8, key=jr.key(seed), **more)
    return Pushforward(Normal(2) if base is None else base, jolted(flow, jr.key(seed + 50), 0.3))


def moving_parts() -> AbstractPath:
    """Two Gaussian parts of full covariance."""
    rng = np.random.default_rng(0)
    ends = jnp.asarray(rng.normal(size=(2, 2, 2)))
    raw = jnp.asarray(0.3 * rng.normal(size=(2, 2, 2, 2)))
    return LocationScale(
        Knots(UNIT, ends, "linear"),
        Knots(UNIT, raw, "linear"),
        jnp.asarray([0.2, -0.3]),
        scale=Full(),
    )


PATHS: dict[str, Any] = {
    "mixture": moving_parts,
    "warped": lambda: pushforward(1, moving_parts(), kind="spline"),
    "pushforward": lambda: pushforward(2),
    "fitted start": lambda: pushforward(3, hard_start=False),
    "autoregressive": lambda: autoregressive(4),
    "columns": lambda: Pushforward(
        autoregressive(7),
        marginal_map(np.random.default_rng(1).poisson(2.0, (300, 2)) - 2.0, UNIT),
    ),
    "average": lambda: Ensemble.of([autoregressive(5), autoregressive(6)]),
}


def model(path: AbstractPath, shift: float = 0.0) -> Model:
    """A model in the user's units, of another spread in every coordinate."""
    units = Standardisation(np.array([1.0, -2.0]) + shift, np.array([2.0, 0.5]), 0.0, 1.0)
    return Model(path, units, np.array(UNIT), ("x1", "x2"))


def frozen(name: str, shift: float = 0.0) -> Any:
    return density_of(model(PATHS[name](), shift), name)


def crossing(source: Any, target: Any, sigma: float = 0.0) -> AbstractPath:
    """A path between two ends whose learned numbers are all moved, as by any training."""
    problem = Problem([source, target], TIMES, sigma, None, None, 1.0)
    return jolted(piece_between(source, target, TIMES, problem, EASY), jr.key(7), 0.2)


@eqx.filter_jit
def densities(path: Any, t: Any, x: Any) -> jax.Array:
    marginal = path.at(t)
    return jax.vmap(marginal.log_density)(x)


def largest_error(path: Any, ends: Any) -> float:
    errors = []
    for t, end in zip(TIMES, ends):
        x, _ = end.sample(60, seed=3)
        found = densities(path, jnp.asarray(t), jnp.asarray(x))
        errors.append(np.abs(np.asarray(found) - end.log_density(x)).max())
    return max(errors)


# Densities of models.


@pytest.mark.parametrize(
    "name",
    [
        "mixture",
        "fitted start",
        pytest.param("warped", marks=pytest.mark.slow),
        pytest.param("autoregressive", marks=pytest.mark.slow),
        pytest.param("columns", marks=pytest.mark.slow),
    ],
)
def test_the_density_of_a_model_is_its_own(name):
    whole = model(PATHS[name]())
    end = density_of(whole, name)
    assert isinstance(end, GaussianMixture if name == "mixture" else Image)
    x, _ = end.sample(60, seed=1)
    assert np.allclose(end.log_density(x), whole.log_density(1.0, x), atol=EXACT)
    moved = end.rescaled(np.array([1.0, 2.0]), np.array([3.0, 0.5]))
    y = np.array([1.0, 2.0]) + np.array([3.0, 0.5]) * x
    assert np.allclose(moved.log_density(y), end.log_density(x) - np.log(1.5), atol=EXACT)
    if isinstance(end, Image):
        drawn, _ = end.sample(20_000, seed=2)
        assert np.abs((drawn.mean(0) - end.mean) / end.scale).max() < MOMENTS
        spread = np.sqrt(np.diag(end.covariance))
        error = (np.cov(drawn.T) - end.covariance) / (spread[:, None] * spread)
        assert np.abs(error).max() < MOMENTS


def test_a_mixture_as_an_image_is_the_same():
    end = gaussian(np.array([3.0, -1.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))
    image = as_image(end)
    x, _ = end.sample(20)
    assert np.allclose(image.log_density(x), end.log_density(x), atol=EXACT)
    assert np.allclose(image.members[0].base.mean, 0.0)
    assert np.allclose(np.diag(image.members[0].base.covariance), 1.0)


# Maps that open.


@pytest.mark.slow
@pytest.mark.parametrize("moving_weights", [True, False])
def test_the_rosenblatt_map_is_inverted_and_differentiated(moving_weights):
    mapping = Rosenblatt(autoregressive(1, moving_weights=moving_weights))
    opened = Opened(mapping, Fixed(Knots(UNIT, jnp.asarray([0.0, 1.0]), "linear")), 1.0)
    x = jnp.asarray([0.3, -1.2])

    @jax.jit
    def found(x):
        def image(z):
            return opened.at(jnp.asarray(0.7)).forward(z)[0]

        transform = opened.at(jnp.asarray(0.7))
        y, log_det = transform.forward(x)
        closed = opened.at(jnp.asarray(0.0)).forward(x)[0]
        return closed, transform.inverse(y), log_det, jax.jacrev(image)(x)

    closed, (back, again), log_det, jacobian = found(x)
    assert np.allclose(closed, x, atol=INVERSE)
    assert np.allclose(back, x, atol=INVERSE)
    assert np.allclose([again, np.linalg.slogdet(jacobian)[1]], log_det, atol=INVERSE)


def test_maps_that_are_never_the_identity_are_refused():
    gate = Fixed(Knots(UNIT, jnp.asarray([0.0, 1.0]), "linear"))
    with pytest.raises(ValueError, match="cannot be opened by a gate"):
        Opened(Chain([Permutation([1, 0])]), gate)
    with pytest.raises(ValueError, match="the parts are Logistic"):
        Rosenblatt(autoregressive(1, family=Logistic()))


# Paths between them.

PAIRS = [
    pytest.param("mixture", "fitted start", marks=pytest.mark.slow),
    pytest.param("warped", "pushforward", marks=pytest.mark.slow),
    pytest.param("autoregressive", "mixture", marks=pytest.mark.slow),
    pytest.param("autoregressive", "columns", marks=pytest.mark.slow),
    pytest.param("average", "average", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_ends_seen_through_maps_are_met_and_mass_is_kept(source, target):
    ends = frozen(source), frozen(target, 1.0)
    path = crossing(*ends)
    assert largest_error(path, ends) < EXACT
    # In between a point of the path, moved a little beyond where most of the mass is.
    keys = jr.split(jr.key(1), 6)
    draw = eqx.filter_jit(lambda p, t: jax.vmap(lambda k: p.at(t).sample(key=k))(keys))
    x = 1.5 * draw(path, jnp.asarray(0.8))
    report = checks.continuity(path, jnp.linspace(0.25, 1.45, 6), x)
    assert report.passed, report
    assert report.value < EXACT


@pytest.mark.slow
def test_an_end_that_is_learned_is_missed():
    """The negative control: a gate that stays open, and a map that is not frozen."""
    ends = frozen("pushforward"), gaussian(np.zeros(2), np.eye(2))
    path: Any = crossing(*ends)
    assert largest_error(path, ends) < EXACT
    ajar = Fixed(Knots(TIMES, jnp.asarray([1.0, 0.2]), "linear"))
    loose = eqx.tree_at(lambda p: p.map.maps[0].gate, path, ajar)
    assert largest_error(loose, ends) > 0.01


def test_too_many_members_are_refused():
    many = Ensemble.of([autoregressive(seed) for seed in range(17)])
    source = gaussian(np.zeros(2), np.eye(2))
    target = density_of(model(many), "many")
    problem = Problem([source, target], TIMES, 0.0, None, None, 1.0)
    with pytest.raises(LiouvilleError, match=r"has 17 members.*path.members=1"):
        piece_between(source, target, TIMES, problem, EASY)


@pytest.mark.slow
def test_classes_and_mixtures_are_members():
    counts = jnp.asarray([1.0, 3.0])
    flow = coupling_flow(2, UNIT, layers=2, width=8, context=2, key=jr.key(0))
    path = Contextual.of_classes(jolted(Pushforward(Normal(2), flow), jr.key(1), 0.3), counts)
    for whole in (path, Mixture([pushforward(1), moving_parts()], Fixed(jnp.log(counts)))):
        end = density_of(model(whole), "members")
        assert isinstance(end, Image)
        assert np.allclose(end.weights, [0.25, 0.75])
        x, _ = end.sample(30)
        assert np.allclose(end.log_density(x), model(whole).log_density(1.0, x), atol=EXACT)


def test_a_model_of_another_kind_names_the_remedy():
    with pytest.raises(LiouvilleError, match=r"Autoregressive of Logistic parts.*draw from it"):
        end_of(model(autoregressive(1, family=Logistic())), *_defaults())
    with pytest.raises(LiouvilleError, match="holds a Product"):
        end_of(build("product"), *_defaults())


def test_a_folder_without_a_model_names_the_remedy(tmp_path):
    with pytest.raises(LiouvilleError, match="holds no fitted density"):
        end_of(str(tmp_path), *_defaults())


def _defaults() -> Any:
    from liouville.tasks.transport.config import DataConfig, EndsConfig

    return DataConfig(), EndsConfig()


# Fits.


@pytest.mark.slow
def test_a_fit_between_models_meets_their_densities(monkeypatch, tmp_path):
    monkeypatch.setattr(measures, "certify", lambda *_, **__: {})
    models = model(pushforward(2)), model(PATHS["warped"](), 1.0)
    models[0].save(tmp_path / "model.lv")
    settings = {
        "training.steps": 10,
        "training.chunk": 10,
        "training.validate_every": 10,
        "training.checkpoint_every": 10,
        "objective.times": 4,
        "objective.particles": 16,
        "path.parts": 4,
    }
    fit = fit_transport(tmp_path, models[1], settings=settings, progress=False)
    fit.model.save(tmp_path / "moved.lv")
    again = lv.load(tmp_path / "moved.lv")
    for t, end in zip(UNIT, models):
        x = end.sample(1.0, 50)
        expected = end.log_density(1.0, x)
        assert np.allclose(fit.model.log_density(t, x), expected, atol=EXACT)
        assert np.array_equal(again.log_density(t, x), fit.model.log_density(t, x))
        # As a consequence the held-out likelihood of an end is that of the frozen density.
        assert np.isclose(fit.model.log_density(t, x).mean(), expected.mean(), atol=EXACT)


@pytest.mark.slow
def test_a_richer_law_stands_for_samples_where_it_says_more_of_them():
    sharp = toys.named("checkerboard")
    x, held_out = sharp.sample(4000, seed=1), sharp.sample(2000, seed=2)
    laws = [law_of(Samples(x), EndsConfig(model), seed=0) for model in ("mixture", "auto")]
    assert isinstance(laws[0], GaussianMixture)
    assert isinstance(laws[1], Image)
    mixture, richer = (law.log_density(held_out).mean() for law in laws)
    assert richer > mixture + 0.02


@pytest.mark.slow
def test_a_mixture_stays_where_nothing_says_more():
    x = np.random.default_rng(0).normal(size=(400, 2))
    assert isinstance(law_of(Samples(x), EndsConfig("auto"), seed=0), GaussianMixture)


@pytest.mark.slow
def test_columns_that_others_determine_have_no_richer_law():
    x = np.random.default_rng(0).normal(size=(300, 2))
    copied = Samples(np.column_stack([x, x[:, 0]]), features=("a", "b", "c"))
    with pytest.raises(LiouvilleError, match=r"determined by others.*leave out --ends"):
        law_of(copied, EndsConfig("pushforward"), seed=0)


@pytest.mark.parametrize("more", [{"data.label": "kind"}, {"objective.unbalanced": True}])
def test_richer_laws_go_with_plain_transport_alone(more):
    with pytest.raises(LiouvilleError, match="--ends warped is met by transport of equal masses"):
        settings_of(TransportConfig, {"ends.model": "warped", **more}, {})


def test_points_that_are_lost_are_no_figure():
    moved = np.arange(8.0).reshape(4, 2)
    moved[1] = np.nan
    with pytest.warns(UserWarning, match="1 of 4 points are lost on the way from 0 to 1"):
        found = _without_lost(moved, 0.0, 1.0, seed=0)
    assert np.isfinite(found).all()
    assert np.array_equal(found[[0, 2, 3]], moved[[0, 2, 3]])
