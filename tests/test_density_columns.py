"""Columns as they come: outliers, heavy tails, bounds, copies; each against the truth."""

from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import liouville as lv
from liouville.data import Samples
from liouville.maps import Sinh
from liouville.tasks.density._columns import Columns, _margin, columns_of
from liouville.tasks.density.config import DataConfig
from tolerances import SINGLE

QUICK = {"training.steps": 25, "training.chunk": 25, "objective.energy": 0.0}
RNG = np.random.default_rng(0)
N = 4000


def _positive():
    x = RNG.exponential(size=(N, 1))
    return x, lambda y: stats.expon.logpdf(y[:, 0])


def _share():
    x = RNG.uniform(size=(N, 1))
    return x, lambda y: stats.uniform.logpdf(y[:, 0])


def _cauchy():
    x = RNG.standard_cauchy((N, 2))
    return x, lambda y: stats.cauchy.logpdf(y).sum(1)


def _student():
    law = cast(Any, stats.multivariate_t)(np.zeros(2), np.eye(2), df=2)
    return law.rvs(N, random_state=1), law.logpdf


def _outliers():
    x = RNG.normal(size=(N, 2))
    x[:3] = 1e6
    return x, lambda y: stats.norm.logpdf(y).sum(1)


def _tight():
    x = 0.01 * RNG.normal(size=(N, 2)) + np.outer(RNG.integers(2, size=N), [10.0, 0.0])

    def law(y):
        each = [stats.norm.logpdf(y, [m, 0.0], 0.01).sum(1) for m in (0.0, 10.0)]
        return np.logaddexp(*each) - np.log(2.0)

    return x, law


def _scales():
    scale = np.array([1000.0, 1.0])
    return RNG.normal(size=(N, 2)) * scale, lambda y: stats.norm.logpdf(y, 0.0, scale).sum(1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:rows far", "ignore:columns of")
@pytest.mark.parametrize(
    "law",
    [_positive, _share, _cauchy, _student, _outliers, _tight, _scales],
    ids=lambda f: f.__name__,
)
def test_nats_are_those_of_the_truth(law):
    """Of 800 rows; on fresh ones, clean of outliers."""
    x, log_density = law()
    fit = lv.fit_density(x[:1000], QUICK, model="mixture", progress=False)
    fresh = x[1000:]
    lost = float((log_density(fresh) - fit.model.log_density(1.0, fresh)).mean())
    assert lost < 0.06, lost
    assert abs(fit.summary["test gain over the plain mixture"]) < 1.0


@pytest.mark.filterwarnings("ignore:rows far")
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda r: r.standard_cauchy((800, 1)), "heavy tails"),
        (lambda r: r.exponential(size=(3000, 1)), "positive"),
        pytest.param(lambda r: r.uniform(size=(800, 1)), "between bounds", marks=pytest.mark.slow),
    ],
)
def test_maps_are_said_and_can_be_left(make, kind):
    samples = Samples(make(np.random.default_rng(3)))
    with pytest.warns(UserWarning, match=kind):
        columns = columns_of(samples, DataConfig())
    x = samples.points
    assert np.allclose(columns.to_user(columns.to_model(x)), x, rtol=1e-4, atol=1e-5)
    assert columns_of(samples, DataConfig(maps="none")).map is None


def test_a_bound_that_is_a_value_lies_half_the_way_to_the_next_one_farther_out():
    z = np.array([0.0, 0.0, 0.04, 0.5, 0.98])
    assert _margin(z, 0.0) == pytest.approx(0.02)
    # One that is none lies where it is, up to rounding.
    assert 0.0 < _margin(z, 1.0) < 1e-5
    assert 0.0 < _margin(np.zeros(3), 0.0) < 1e-5


@pytest.mark.slow
def test_values_at_a_bound_and_tails_above_one():
    """Shares with a few whole ones, and incomes, which have far tails and are positive."""
    rng = np.random.default_rng(0)
    share = np.round(100.0 * rng.beta(0.7, 0.5, 400), 2)
    share[:12] = 0.0
    income = np.exp(10.0 + 1.1 * rng.normal(size=400))
    samples = Samples(np.column_stack([share, income]), features=("share", "income"))
    with pytest.warns(UserWarning, match=r"share \(between bounds.*income \(positive"):
        columns = columns_of(samples, DataConfig())
    drawn = columns.to_user(4.0 * rng.normal(size=(1000, 2)))
    # A bound that is a value lies half the way to the next value farther out.
    assert drawn[:, 0].min() > -0.501 * share[share > 0.0].min()
    assert drawn[:, 0].max() < 100.0 + 0.501 * (100.0 - share[share < 100.0].max()) + 1e-3
    assert drawn[:, 1].min() > -1e-3 * income.min()
    assert np.isfinite(columns.to_model(samples.points)).all()


def test_columns_that_need_no_map_get_none():
    rng = np.random.default_rng(0)
    columns = [
        rng.normal(size=1000),
        rng.normal(5.0, 1.0, 1000),
        np.concatenate([rng.normal(size=500), rng.normal(30.0, 1.0, 500)]),
        rng.integers(0, 5, 1000).astype(float),
    ]
    samples = Samples(np.column_stack(columns)).dequantise()
    assert columns_of(samples, DataConfig()).map is None


def test_the_volume_is_that_of_the_map():
    samples = Samples(np.random.default_rng(0).normal(size=(100, 1)) * 3.0)
    columns = Columns(samples.standardisation(), Sinh((0.5,)))
    x, h = np.linspace(-2.0, 2.0, 9)[:, None], 1e-2
    slope = (columns.to_model(x + h) - columns.to_model(x - h))[:, 0] / (2.0 * h)
    assert np.allclose(np.log(slope), columns.log_volume(x), atol=1e-3)


def test_heavy_tails_in_single_precision():
    transform = Sinh((1.0,)).at(jnp.ones(()))
    y = jnp.asarray([3e6], jnp.float32)
    x, volume = transform.inverse(y)
    assert np.allclose(transform.forward(x)[0], y, rtol=SINGLE)
    assert np.isclose(float(volume), np.log(3e6), rtol=SINGLE)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:rows far", "ignore:columns of")
def test_classes_of_heavy_tails():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=1200)
    x = rng.standard_cauchy((1200, 1)) + 6.0 * labels[:, None]
    samples = Samples(x, labels, classes=("left", "right"))
    fit = lv.fit_density(samples, QUICK, progress=False)
    fresh = rng.standard_cauchy((2000, 1))
    own = fit.model.given("left").log_density(1.0, fresh)
    assert stats.cauchy.logpdf(fresh[:, 0]).mean() - own.mean() < 0.1
    # Draws have tails, too.
    drawn = fit.model.given("left").sample(1.0, 4000, seed=1)[:, 0]
    assert 0.02 < np.mean(np.abs(drawn) > 10.0) < 0.12
