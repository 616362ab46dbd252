"""The cells application: its start, its baseline, its truth and its protocol."""

import jax
import numpy as np
import pytest

from liouville.cells import CellsConfig, demo_cells, leave_out
from liouville.cells._config import PathConfig
from liouville.cells._demo import distance_to_truth
from liouville.cells._initial import chains_through, energy_of_chains, initial_path
from liouville.config import apply_settings
from liouville.data import Snapshots
from liouville.errors import LiouvilleError
from liouville.mixtures import GaussianMixture, fit_by_bic


@pytest.fixture(scope="module")
def clouds() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 2)) + 2.0 * t for n, t in ((40, 0.0), (50, 1.0), (60, 3.0))]


TIMES = np.array([0.0, 1.0, 3.0]) / 3.0


def test_energy_of_chains_is_that_of_a_shift():
    # Clouds that only move by (3, 4) in time 2: every chain is straight and has that speed.
    x = np.random.default_rng(1).normal(size=(30, 2))
    joined = chains_through([x, x + np.array([3.0, 4.0])])
    assert energy_of_chains(np.array([0.0, 2.0]), joined) == pytest.approx(0.5 * 25.0 / 2.0)


def test_initial_path_matches_the_moments_of_the_snapshots(clouds):
    joined = chains_through(clouds)
    path = initial_path(TIMES, joined, PathConfig(components=5, members=2), seed=1)
    draw = jax.jit(lambda t: path.at(t).particles(8_000, key=jax.random.key(0)))
    for t, cells in zip(TIMES, joined.swapaxes(0, 1), strict=True):
        x, w = draw(t)
        np.testing.assert_allclose(w @ x, cells.mean(0), atol=0.03)
        np.testing.assert_allclose(w @ (x - cells.mean(0)) ** 2, cells.var(0), rtol=0.15)


def test_initial_path_needs_the_number_of_components(clouds):
    with pytest.raises(ValueError, match=r"path\.components"):
        initial_path(TIMES, chains_through(clouds), PathConfig())


def test_mixture_by_bic_finds_the_parts_and_their_density():
    rng = np.random.default_rng(0)
    truth = GaussianMixture(
        np.array([0.3, 0.7]),
        np.array([[-3.0, 0.0], [3.0, 1.0]]),
        np.array([[[1.0, 0.5], [0.5, 1.0]], [[0.5, 0.0], [0.0, 2.0]]]),
    )
    part = rng.random(4000) < 0.3
    draws = [rng.multivariate_normal(m, c, 4000) for m, c in zip(truth.means, truth.covariances)]
    x = np.where(part[:, None], draws[0], draws[1])
    found = fit_by_bic(x[:2000])
    assert len(found.weights) == 2
    # Kullback-Leibler divergence of eleven fitted numbers: about 11 / (2 n) nats.
    assert (truth.log_density(x[2000:]) - found.log_density(x[2000:])).mean() < 0.02


def test_the_truth_of_the_demo_is_at_no_distance_from_itself():
    truth = demo_cells(3)
    assert truth.cells.counts.tolist() == [250, 350, 500, 700, 1000]
    rows = distance_to_truth(truth.model, truth.model, n=100)
    assert max(abs(row["divergence"]) + row["velocity_error"] for row in rows) == 0.0


def test_times_that_cannot_be_left_out():
    x = np.random.default_rng(0).normal(size=(30, 2))
    cells = Snapshots(points=x, times=np.repeat([0.0, 1.0, 2.0], 10))
    with pytest.raises(LiouvilleError, match="no cells at time 5"):
        leave_out(cells, [5.0])
    with pytest.raises(LiouvilleError, match="first or the last"):
        leave_out(cells, [2.0])


@pytest.mark.slow
def test_a_straight_motion_is_predicted_at_the_time_left_out():
    # A cloud that moves at constant speed: the push must come as close as sampling allows.
    rng = np.random.default_rng(0)
    times = np.repeat([0.0, 1.0, 2.0, 3.0], 150)
    points = rng.normal(size=(600, 2)) + 3.0 * times[:, None] * np.array([1.0, -0.5])
    settings = apply_settings(CellsConfig(), ["path.components=4", "path.members=2"])
    (row,) = leave_out(Snapshots(points=points, times=times), [2.0], settings)
    assert row["push"] < 1.3 * row["floor"] < row["no_motion"]
