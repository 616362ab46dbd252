"""The population with known fates: its parts agree with each other."""

import numpy as np
import pytest

from liouville.errors import LiouvilleError
from liouville.problems import BranchingCells


@pytest.fixture(scope="module")
def population():
    return BranchingCells()


def test_growth_is_that_of_the_population(population):
    # Each founder leaves exp of the growth along its way, on average.
    x = population.founders(1500)
    end = population.grow(x, 0.0, 2.0, seed=1)
    small = population.growth(x).mean()
    assert small == pytest.approx(0.4, abs=0.01)
    assert len(end.points) / 1500 == pytest.approx(np.exp(2.0 * 0.35), abs=0.2)


@pytest.mark.slow
def test_fates_with_descendants_are_those_by_lineage(population):
    start = population.grow(population.founders(600), 0.0, 2.0).points
    table = population.transitions(2.0, 4.0, n=1500)
    assert np.allclose(table[[0, 1, 2, 3]].sum(1), 1.0)
    young = start[population.types(start) == 0]
    counts = population.descendants(2.0, young, draws=50)
    assert np.allclose(counts.sum(0) / counts.sum(), table[0], atol=0.06)
    alone = population.descendants(2.0, young, draws=50, growth=False)
    assert np.allclose(alone.sum(1), 1.0)
    assert not np.allclose(alone.mean(0), table[0], atol=0.06)
    fates = population.fates(2.0, young, draws=50)
    assert np.allclose(fates, counts / counts.sum(1, keepdims=True))


def test_a_knock_out_halves_one_branch(population):
    x = population.founders(300)
    plain = population.fates(0.0, x, draws=30, growth=False).mean(0)
    for fate in range(3):
        other = BranchingCells(knockout=fate)
        found = other.fates(0.0, x, draws=30, growth=False).mean(0)
        assert found[1 + fate] / plain[1 + fate] == pytest.approx(0.5, abs=0.08)
    with pytest.raises(LiouvilleError, match="knockout is 7"):
        BranchingCells(knockout=7)


def test_snapshots_are_the_same_for_a_seed(population):
    one, same = (population.sample(50, seed=3, founders=200) for _ in range(2))
    assert np.array_equal(one.points, same.points)
    assert (np.bincount(one.types[one.times == 4.0], minlength=4)[1:] > 0).all()
    assert set(one.types[one.times == 0.0].tolist()) == {0}


def test_the_annotated_form_has_counts_and_known_drivers(population):
    pytest.importorskip("anndata")
    cells = population.annotated(population.sample(100, founders=500))
    counts = cells.layers["counts"]
    assert cells.shape == (500, 200)
    assert (counts == np.round(counts)).all()
    assert (cells.var["drives"] == "alpha").sum() == 10
    # The scores and loadings are those of the centred matrix.
    assert np.allclose(
        (cells.X - cells.X.mean(0)) @ cells.varm["PCs"], cells.obsm["X_pca"], atol=1e-3
    )
    # Drivers of a fate are higher in it.
    last = cells[cells.obs["day"] == 4.0]
    own = last[last.obs["type"] == "alpha", last.var["drives"] == "alpha"].X.mean()
    other = last[last.obs["type"] == "beta", last.var["drives"] == "alpha"].X.mean()
    assert own > other + 0.5
