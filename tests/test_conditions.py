"""One model of cells of several conditions, and whether these differ."""

import numpy as np
import pytest

from liouville.data import Snapshots, Standardisation, read_cells
from liouville.errors import LiouvilleError
from liouville.model import Model, load
from liouville.numerics.conditioning import Choice
from liouville.numerics.distances import Cloud
from liouville.tasks.cells import conditions, differences
from liouville.tasks.cells._gaps import unfilled
from liouville.tasks.cells.bootstrap import factors_by_time, samples
from liouville.tasks.cells.config import PathConfig
from liouville.tasks.cells.demo import demo_conditions
from liouville.tasks.cells.fit import fit_cells
from liouville.tasks.cells.initial import chains_through, initial_path, total_curves
from liouville.tasks.cells.measure import CHANCE, compare_held_out

TIMES = np.array([0.0, 1.0, 2.0])
SMALL = {
    "path.bootstrap": "cells",
    "path.members": 8,
    "path.parts": 3,
    "path.prior": 4.0,
    "gaps.fill": False,
    "training.steps": 20,
    "objective.times": 8,
    "objective.particles": 32,
}


def snapshots(here: tuple[int, ...] = (30, 30, 30), there: tuple[int, ...] = (20, 40, 10)):
    """Cells near two places; of condition `b` most are at the second one at the end."""
    rng, clouds, times, labels = np.random.default_rng(0), [], [], []
    for t, *counts in zip(TIMES, here, there):
        for name, n, share in zip("ab", counts, (0.5, 0.5 + 0.2 * t)):
            centre = np.where(rng.permutation(n) < share * n, 4.0, 0.0)[:, None]
            clouds.append(centre + rng.normal(size=(n, 2)))
            times += [t] * n
            labels += [name] * n
    order = rng.permutation(len(times))
    cells = Snapshots(np.concatenate(clouds), np.array(times), condition=np.array(labels))
    return cells.select(order)


def model_of(cells: Snapshots, members: int = 4) -> tuple[Model, conditions.Totals]:
    """The start of a fit in the cells' own units, which is a model already."""
    cells = conditions.ordered(cells)
    names = conditions.names_of(cells)
    totals = conditions.totals(cells, "counts")
    masses = conditions.masses_by_time(cells, totals)
    clouds = [cells.at(t) for t in cells.distinct_times]
    joined = chains_through(clouds, masses, delta=2.0)
    number = conditions.numbers_of(cells, names)
    drawn = samples(
        unfilled(cells.distinct_times, joined),
        joined.rows,
        list(map(Cloud, clouds, masses)),
        [number[cells.times == t] for t in cells.distinct_times],
        factors_by_time(cells, "cells", members, 0),
        members,
    )
    path = initial_path(
        drawn,
        PathConfig(parts=2, prior=3.0),
        totals=total_curves(cells.distinct_times, totals.each),
        shares=totals.shares,
    )
    units = Standardisation(np.zeros(2), np.ones(2), 0.0, 1.0)
    notes = {"bootstrap": "cells"}
    return Model(path, units, TIMES, ("x1", "x2"), classes=names, notes=notes), totals


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(snapshots())[0]


def test_strata_are_cells_of_a_time_and_a_condition_in_order():
    cells = conditions.ordered(snapshots(there=(20, 0, 10)))
    found = conditions.strata(cells, ("a", "b"))
    assert [(g.time, g.condition, len(g.rows)) for g in found] == [
        (0.0, 0, 30),
        (0.0, 1, 20),
        (1.0, 0, 30),
        (2.0, 0, 30),
        (2.0, 1, 10),
    ]
    np.testing.assert_array_equal(np.concatenate([g.rows for g in found]), np.arange(len(cells)))


def test_totals_of_counts_are_those_of_each_condition():
    known = conditions.totals(snapshots(there=(20, 0, 10)), "counts")
    np.testing.assert_allclose(known.each, [[30, 30, 30], [20, np.sqrt(200), 10]])
    np.testing.assert_allclose(known.whole, known.each.mean(axis=0))
    relative = conditions.totals(snapshots(), "relative")
    np.testing.assert_allclose(relative.each, 1.0)
    np.testing.assert_allclose(relative.shares, [90 / 160, 70 / 160])


def test_a_condition_keeps_its_share_however_many_of_its_cells_were_seen():
    cells = conditions.ordered(snapshots())
    known = conditions.totals(cells, "relative")
    for t, mass in zip(TIMES, conditions.masses_by_time(cells, known)):
        assert cells.condition is not None
        own = cells.condition[cells.times == t] == "a"
        np.testing.assert_allclose([mass[own].sum(), mass.sum()], [90 / 160, 1.0])


def test_bootstrap_keeps_the_mass_of_every_condition_at_every_time():
    cells = conditions.ordered(snapshots())
    factors = factors_by_time(cells, "cells", 3, 0)
    assert factors is not None
    assert cells.condition is not None
    for t, own in zip(TIMES, factors):
        is_a = cells.condition[cells.times == t] == "a"
        np.testing.assert_allclose(own[:, is_a].mean(axis=1), 1.0)
        np.testing.assert_allclose(own[:, ~is_a].mean(axis=1), 1.0)


@pytest.mark.slow
def test_parts_are_where_they_are_in_all_conditions_and_have_their_masses(model):
    logits = model.path.members.path.logits
    assert isinstance(logits, Choice)
    one, two = model.given("a"), model.given("b")
    np.testing.assert_allclose(np.exp(one.log_mass(TIMES)), [30, 30, 30], rtol=1e-5)
    np.testing.assert_allclose(np.exp(two.log_mass(TIMES)), [20, 40, 10], rtol=1e-5)
    # At the end most of the second are at the second place, whose density differs by that.
    there = np.array([[4.0, 4.0]])
    ratio, error = model.log_ratio(2.0, there, "b", "a", std=True)
    np.testing.assert_allclose(ratio, two.log_density(2.0, there) - one.log_density(2.0, there))
    np.testing.assert_allclose(ratio, np.log(0.9 / 0.5), atol=0.2)
    each = [m.log_ratio(2.0, there, "b", "a") for m in model.members]
    np.testing.assert_allclose(
        error, np.std(each, axis=0, ddof=1) * 1.197 * np.sqrt(1.25), rtol=0.01
    )


@pytest.mark.slow
def test_a_model_of_conditions_is_kept_in_a_file(model, tmp_path):
    model.save(tmp_path / "m.lv")
    found = load(tmp_path / "m.lv")
    assert found.classes == ("a", "b")
    x = np.zeros((3, 2))
    a, b = (m.given("b").growth(1.0, x, std=True) for m in (model, found))
    np.testing.assert_allclose(a, b)


def test_held_out_cells_are_asked_for_given_their_condition(model):
    cells = snapshots()
    given = differences.log_density_given(model, cells)
    assert cells.condition is not None
    is_b = cells.condition == "b"
    wanted = model.given("b").log_density(cells.times[is_b], cells.points[is_b])
    np.testing.assert_allclose(given[is_b], wanted)
    rows = compare_held_out(model, cells, cells).rows
    assert [row["time"] for row in rows] == TIMES.tolist()


def test_what_a_condition_tells_is_the_nats_above_the_mixture_of_all(model):
    cells = snapshots(there=(30, 30, 30))
    value, error = differences.gain(model, cells, cells)
    one, two = (model.given(c).log_density(cells.times, cells.points) for c in "ab")
    whole = np.logaddexp(one, two) - np.log(2.0)
    assert cells.condition is not None
    wanted = np.where(cells.condition == "a", one, two) - whole
    assert value == pytest.approx(wanted.mean())
    assert error == pytest.approx(wanted.std() / np.sqrt(len(cells)))
    # Of three donors that agree to the last digit the error is none.
    same = np.tile(np.arange(len(cells)), 3)
    donors = np.repeat(["d1", "d2", "d3"], len(cells))
    thrice = Snapshots(
        cells.points[same], cells.times[same], condition=cells.condition[same], donors=donors
    )
    assert differences.gain(model, thrice, thrice).error == pytest.approx(0.0, abs=1e-9)


def test_shares_of_parts_are_compared_with_errors(model):
    rows = differences.compare_regions(model, snapshots((90, 90, 90), (90, 90, 90)))
    assert [(row["time"], row["part"]) for row in rows] == [(t, k) for t in TIMES for k in (1, 2)]
    last = rows[-1]
    assert last["condition"] == "b"
    assert abs(last["share"] - 0.9) < 3 * last["share_error"]
    assert abs(last["reference"] - 0.5) < 3 * last["reference_error"]
    assert last["log_ratio"] == pytest.approx(np.log(last["share"] / last["reference"]), abs=0.05)
    assert last["differs"]
    assert last["chance"] < 0.01
    assert not rows[0]["differs"]


@pytest.mark.slow
def test_where_nothing_differs_something_is_said_to_once_in_twenty_tables():
    rng, claims = np.random.default_rng(0), 0
    times = np.repeat(TIMES, 60)
    regions = rng.dirichlet([0.3, 0.3, 0.3], size=180)
    asked = [[t, k, 1] for t in TIMES for k in range(3)]
    for _ in range(100):
        labels = np.array(["a", "b"])[rng.integers(0, 2, 180)]
        cells = Snapshots(np.zeros((180, 2)), times, condition=labels)
        chances = differences._chances(cells, ("a", "b"), regions, asked, rng)
        claims += min(chances) < 0.05
    assert 1 <= claims <= 12


def test_labels_are_dealt_to_whole_donors():
    rng, donors = np.random.default_rng(0), np.repeat(list("uvwxyz"), 10)
    number = np.repeat([0, 1], 30)
    cells = Snapshots(np.zeros((60, 1)), np.zeros(60), donors=donors)
    for _ in range(5):
        dealt = differences._dealt(cells, number, [np.arange(60)], rng)
        assert all(len(np.unique(dealt[donors == name])) == 1 for name in "uvwxyz")
        assert dealt.sum() == 30
    # Donors of both conditions keep their halves, which are swapped or not.
    both = np.tile(np.repeat([0, 1], 5), 6)
    dealt = differences._dealt(cells, both, [np.arange(60)], rng)
    assert set(np.abs(dealt - both).reshape(6, 10).sum(axis=1).tolist()) <= {0, 10}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (lambda: snapshots(there=(0, 0, 0)), "all cells of data have the condition 'a'"),
        (lambda: snapshots(there=(20, 0, 0)), "condition 'b' of data has cells at time 0 only"),
        (lambda: snapshots(there=(20, 0, 5)), "condition 'b' of data has 5 cells at time 2 but 10"),
    ],
)
def test_conditions_that_cannot_be_compared_are_refused(cells, said):
    with pytest.raises(LiouvilleError, match=said):
        cells().check(min_cells=10)


def test_a_condition_may_lack_cells_at_a_time():
    cells = snapshots(there=(20, 0, 10)).check(min_cells=10)
    found = model_of(cells)[0].given("b").answers(1.0, np.zeros((1, 2)))
    assert all(np.isfinite(answer).all() for answer in found)


def test_a_condition_is_asked_for_that_cells_have():
    cells = Snapshots.of([np.zeros((12, 2))] * 2, (0.0, 1.0))
    with pytest.raises(LiouvilleError, match="no conditions for --condition genotype"):
        fit_cells(cells, {"data.condition": "genotype"})


def test_conditions_and_donors_are_read_from_anndata():
    anndata, pd = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    obs = pd.DataFrame(
        {
            "day": [0, 0, 1, 1],
            "genotype": pd.Categorical(["ko", "wt", "ko", "wt"]),
            "mouse": [1, 2, 1, 2],
        },
        index=list("abcd"),
    )
    adata = anndata.AnnData(np.zeros((4, 2)), obs=obs, obsm={"X_pca": np.eye(4, 2)})
    cells = read_cells(adata, time_key="day", condition="genotype", donors="mouse")
    assert conditions.names_of(cells) == ("ko", "wt")
    assert cells.donors is not None
    assert cells.donors.tolist() == ["1", "2", "1", "2"]
    with pytest.raises(LiouvilleError, match="no obs column 'sex'"):
        read_cells(adata, time_key="day", condition="sex")


@pytest.mark.slow
@pytest.mark.parametrize("left", [0.5, 1.0])
def test_a_knock_out_is_found_and_only_where_it_is(left):
    truth = demo_conditions(3, cells=300, left=left)
    fitted = fit_cells(truth[0].cells, SMALL, progress=False)
    assert (fitted.summary[CHANCE] < 0.05) == (left < 1.0)
    rows = fitted.summary["shares of the parts by condition"]
    assert any(row["differs"] for row in rows if row["time"] == 4.0) == (left < 1.0)
    assert not any(row["differs"] for row in rows if row["time"] == 0.0)
