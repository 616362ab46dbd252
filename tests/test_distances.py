"""Distances between clouds, against closed forms, slow sums and repeated draws."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import norm

from liouville.numerics.couplings import wasserstein
from liouville.numerics.distances import Cloud, energy_distance, first_wasserstein
from tolerances import OTHER_LIBRARY, ROUNDING, STANDARD_ERRORS


def mean_distance(shift: float, spread: float) -> float:
    """The mean of $|Z|$ for a Gaussian of mean `shift` and deviation `spread`."""
    a = shift / spread
    return float(spread * (2.0 * norm.pdf(a) + a * (2.0 * norm.cdf(a) - 1.0)))


def closed_form(shift: float, one: float, other: float) -> float:
    """The energy distance of two Gaussians on the line."""
    within = sum(mean_distance(0.0, np.sqrt(2.0) * s) for s in (one, other))
    return 2.0 * mean_distance(shift, np.hypot(one, other)) - within


@pytest.mark.parametrize(("shift", "one", "other"), [(1.0, 1.0, 2.0), (0.0, 1.0, 1.5)])
def test_energy_distance_of_gaussians_on_a_line(shift, one, other):
    rng, n = np.random.default_rng(0), 2500
    x, y = one * rng.normal(size=(n, 1)), shift + other * rng.normal(size=(n, 1))
    found = energy_distance(Cloud.of(x), Cloud.of(y))
    assert abs(found.value - closed_form(shift, one, other)) < STANDARD_ERRORS * found.error
    assert found.error < 0.1


def test_energy_distance_has_no_bias_and_says_its_error():
    """Over many small draws, in ten coordinates, where sums over all pairs are far too large."""
    rng = np.random.default_rng(1)
    found, biased = [], []
    for _ in range(400):
        x, y = rng.normal(size=(20, 10)), rng.normal(size=(30, 10)) + 0.5
        found.append(energy_distance(Cloud.of(x), Cloud.of(y)))
        biased.append(2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())
    values, errors = np.transpose(found)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2000, 10)), rng.normal(size=(2000, 10)) + 0.5
    truth = energy_distance(Cloud.of(x), Cloud.of(y))
    away = np.hypot(values.std() / 20.0, truth.error)
    assert abs(values.mean() - truth.value) < STANDARD_ERRORS * away
    assert np.mean(biased) - truth.value > 2.0 * STANDARD_ERRORS * away
    assert np.isclose(np.sqrt(np.mean(errors**2)), values.std(), rtol=0.2)


def test_weighted_energy_distance_against_a_slow_sum():
    rng = np.random.default_rng(3)
    clouds = [Cloud(rng.normal(size=(n, 2)), rng.uniform(size=n)) for n in (1500, 40)]

    def mean(one: Cloud, other: Cloud) -> float:
        both = np.outer(one.weights, other.weights)
        if one is other:
            np.fill_diagonal(both, 0.0)
        return float((both * cdist(one.points, other.points)).sum() / both.sum())

    x, y = clouds
    expected = 2.0 * mean(x, y) - mean(x, x) - mean(y, y)
    assert np.isclose(energy_distance(x, y).value, expected, rtol=OTHER_LIBRARY)
    # Masses of nothing, and their unit, do not count.
    more = Cloud(
        np.concatenate([x.points, 1e3 * np.ones((5, 2))]), np.append(7 * x.weights, [0] * 5)
    )
    assert np.isclose(energy_distance(more, y).value, expected, rtol=OTHER_LIBRARY)
    assert np.isclose(energy_distance(more, y).error, energy_distance(x, y).error)


def test_first_wasserstein_is_exact_and_says_its_error():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(80, 3)), 0.5 + rng.normal(size=(80, 3))
    assert np.isclose(first_wasserstein(x, y).value, wasserstein(x, y, 1), rtol=OTHER_LIBRARY)
    # Far apart on a line it is the difference of the means, and its error that of theirs.
    x, y = rng.normal(size=(50, 1)), 20.0 + 2.0 * rng.normal(size=(50, 1))
    found = first_wasserstein(x, y)
    assert np.isclose(found.value, y.mean() - x.mean(), rtol=OTHER_LIBRARY)
    assert np.isclose(found.error, np.sqrt((x.var() + y.var()) / 50.0), rtol=OTHER_LIBRARY)


def test_the_error_of_first_wasserstein_is_its_spread_over_draws():
    rng = np.random.default_rng(5)
    found = [
        first_wasserstein(rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) * 2.0 + 1.0)
        for _ in range(200)
    ]
    values, errors = np.transpose(found)
    assert np.isclose(np.sqrt(np.mean(errors**2)), values.std(), rtol=0.25)


def test_equal_points_stand_for_their_masses():
    cloud = Cloud(np.arange(4.0)[:, None], np.array([0.0, 1.0, 2.0, 5.0]))
    counts = np.bincount(cloud.equal(16, np.random.default_rng(0))[:, 0].astype(int), minlength=4)
    assert counts.tolist() == [0, 2, 4, 10]
    plain = Cloud.of(np.arange(10.0)[:, None])
    assert len(np.unique(plain.equal(7, np.random.default_rng(1)))) == 7
    assert (
        np.unique(plain.equal(20, np.random.default_rng(1)), return_counts=True)[1].tolist()
        == [2] * 10
    )


def test_total_variance_is_weighted():
    rng = np.random.default_rng(6)
    points, counts = rng.normal(size=(9, 3)), rng.integers(1, 4, 9)
    repeated = np.repeat(points, counts, axis=0)
    found = Cloud(points, counts.astype(float)).total_variance
    assert abs(found - repeated.var(axis=0).sum()) < ROUNDING


def test_of_one_point_no_error_is_known():
    one, many = Cloud.of(np.zeros((1, 2))), Cloud.of(np.ones((5, 2)))
    assert np.isnan(energy_distance(one, many)).all()
    found = first_wasserstein(one.points, one.points + 3.0)
    assert found.value == pytest.approx(3.0 * np.sqrt(2.0))
    assert np.isnan(found.error)
