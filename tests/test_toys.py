from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from liouville.errors import LiouvilleError
from liouville.problems import toys

# The grid holds all but 1e-6 of the mass, and its rule is exact for bells three spacings wide.
MASS = 1e-4

# The log-density in the corners of the picture, where bells are narrower along the curve than their
# standard deviation; near the curve the quadrature is exact to rounding.
QUADRATURE = 1e-5

# The sum of squares over the cells of a grid, as a standard normal number.
CHI_SQUARE = 5.0

# Averages in standard errors.
STANDARD_ERRORS = 5.0

WITH_DENSITY = [name for name in toys.NAMES if toys.named(name).log_density is not None]


def log_density(toy: toys.Toy, x: np.ndarray) -> np.ndarray:
    assert toy.log_density is not None
    return toy.log_density(x)


def grid(reach: float, cells: int) -> tuple[np.ndarray, float]:
    """Centres of square cells that fill the square, and the area of a cell."""
    side = 2.0 * reach / cells
    centre = (np.arange(cells) + 0.5) * side - reach
    return np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2), side**2


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_densities_integrate_to_one(name):
    toy = toys.named(name)
    x, area = grid(toy.reach, 160)
    log_rho = log_density(toy, x)
    assert abs(np.exp(log_rho).sum() * area - 1.0) < MASS
    # Negative control: one per mille more mass is seen.
    assert abs(np.exp(log_rho + 1e-3).sum() * area - 1.0) > MASS


def chi_square(x: np.ndarray, log_rho, reach: float, bins: int = 24, fine: int = 6) -> float:
    """How far counts in cells are from the density, as about a standard normal number."""
    points, area = grid(reach, bins * fine)
    share = np.exp(log_rho(points)).reshape(bins, fine, bins, fine).sum(axis=(1, 3)) * area
    edges = np.linspace(-reach, reach, bins + 1)
    count = np.histogram2d(x[:, 0], x[:, 1], [edges, edges])[0]
    expected, is_full = len(x) * share, len(x) * share >= 5.0
    rest = len(x) - expected[is_full].sum()
    total = ((count - expected)[is_full] ** 2 / expected[is_full]).sum()
    freedom = int(is_full.sum()) - 1
    if rest >= 5.0:
        total += (len(x) - count[is_full].sum() - rest) ** 2 / rest
        freedom += 1
    return float((total - freedom) / np.sqrt(2.0 * freedom))


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_draws_follow_the_density(name):
    toy = toys.named(name)
    x = toy.sample(40_000, seed=1)
    assert x.shape == (40_000, 2)
    assert np.abs(x).max() < 1.05 * toy.reach
    assert abs(chi_square(x, lambda y: log_density(toy, y), toy.reach)) < CHI_SQUARE
    # Negative control: the density of the same toy, shifted by a tenth of a unit.
    assert chi_square(x, lambda y: log_density(toy, y - 0.1), toy.reach) > CHI_SQUARE


def test_a_neighbouring_density_is_told_apart():
    x = toys.eight_gaussians(variance=0.1).sample(40_000, seed=2)
    wrong = toys.eight_gaussians(variance=0.12)
    assert chi_square(x, lambda y: log_density(wrong, y), wrong.reach) > CHI_SQUARE


@pytest.mark.parametrize(
    ("name", "entropy"),
    [
        ("normal", np.log(2.0 * np.pi * np.e)),
        ("checkerboard", np.log(32.0)),
        # The parts are twelve standard deviations apart.
        ("eight_gaussians", np.log(8.0) + np.log(0.1 * 2.0 * np.pi * np.e)),
    ],
)
def test_entropies_on_paper(name, entropy):
    found, error = toys.named(name).entropy(n=20_000, seed=0)
    assert abs(found - entropy) < STANDARD_ERRORS * error + 1e-6
    assert error < 0.02


def test_the_normal_in_more_coordinates():
    x = toys.normal(5).sample(10, seed=0)
    expected = multivariate_normal(np.zeros(5)).logpdf(x)
    assert np.allclose(log_density(toys.normal(5), x), expected, rtol=1e-13)


@pytest.mark.parametrize("name", ["two_moons", "swiss_roll"])
def test_the_quadrature_along_curves_has_converged(name, monkeypatch):
    toy = toys.named(name)
    x, _ = grid(toy.reach, 30)
    before = log_density(toy, x)
    parts = toys._curve_parts
    monkeypatch.setattr(toys, "_curve_parts", lambda curve, panels: parts(curve, 2 * panels))
    assert np.allclose(log_density(toys.named(name), x), before, rtol=0, atol=QUADRATURE)
    # Negative control: a quarter of the panels is too few.
    monkeypatch.setattr(toys, "_curve_parts", lambda curve, panels: parts(curve, panels // 4))
    assert not np.allclose(log_density(toys.named(name), x), before, rtol=0, atol=QUADRATURE)


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_densities_are_never_nan(name):
    x = np.array([[0.0, 0.0], [1e3, -1e3], [1e-300, 0.0], [1e6, 1e6]])
    assert not np.isnan(log_density(toys.named(name), x)).any()
    assert log_density(toys.named(name), np.zeros((0, 2))).shape == (0,)


def test_draws_depend_on_the_seed_alone():
    for name in toys.NAMES:
        toy = toys.named(name)
        assert toy.name == name
        assert np.array_equal(toy.sample(7, seed=3), toy.sample(7, seed=3))
        assert not np.array_equal(toy.sample(7, seed=3), toy.sample(7, seed=4))


def test_the_moons_of_torchcfm_are_half_circles_moved_along_the_diagonal():
    x = (toys.torchcfm_moons().sample(500, seed=0) + 1.0) / 3.0
    # Somewhere on the diagonal, up to .2 back, is one of the half circles.
    back = x[:, None] - np.linspace(0.0, 0.2, 2001)[:, None]
    upper = np.hypot(*np.moveaxis(back, -1, 0)) - 1.0
    lower = np.hypot(*np.moveaxis(back - np.array([1.0, 0.5]), -1, 0)) - 1.0
    assert np.minimum(np.abs(upper), np.abs(lower)).min(axis=1).max() < 2e-4
    with pytest.raises(LiouvilleError, match="density of torchcfm_moons is not known"):
        toys.torchcfm_moons().entropy()


def test_wrong_toys():
    with pytest.raises(LiouvilleError, match="no toy called 'moons'; choose one of checkerboard"):
        toys.named("moons")
    cases: list[tuple[Callable[..., toys.Toy], dict[str, Any]]] = [
        (toys.eight_gaussians, {"variance": 0.0}),
        (toys.two_moons, {"noise": -1.0}),
        (toys.checkerboard, {"scale": float("nan")}),
        (toys.circles, {"inner": 0.0}),
        (toys.pinwheel, {"arms": 0}),
        (toys.swiss_roll, {"noise": 0.0}),
    ]
    for make, options in cases:
        (name,) = options
        with pytest.raises(ValueError, match=f"{name} of a toy must be positive, got"):
            make(**options)
    with pytest.raises(ValueError, match="one coordinate or more, got 0"):
        toys.normal(0)
