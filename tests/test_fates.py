"""Fates, ancestors, transitions and couplings against what is known on paper."""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import liouville as lv
from liouville.cells import Groups, ancestors, coupling, fates, pull, push, transitions
from liouville.curves import Constant, Knots
from liouville.data import Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.paths import Ensemble, LocationScale, Masses
from registry import ENTRIES, build

START, END = 0.0, 2.0
# Apart at the end, together at the start: where the two parts are, and their masses.
PLACES = np.array([[[-0.5, 0.0], [0.5, 0.0]], [[-4.0, 1.0], [4.0, -1.0]]])
MASSES = np.array([[0.5, 0.5], [0.4, 1.6]])


def moving(places: Any = PLACES, masses: Any = MASSES) -> LocationScale:
    """Two unit Gaussians that move and grow."""
    times = (0.0, 1.0)
    places = jnp.asarray(places, jnp.float32)
    log_masses = jnp.log(jnp.asarray(masses, jnp.float32))
    return LocationScale(
        Knots(times, places),
        Constant(jnp.zeros(places.shape[1:])),
        Masses(Knots(times, log_masses)),
    )


def model_of(path: Any, sigma: float = 0.3) -> Model:
    """In the user's units a unit of space is 3 and one of time 2."""
    units = Standardisation(np.array([1.0, -1.0]), np.full(2, 3.0), START, END - START)
    return Model(path, units, np.array([START, END]), ("a", "b"), sigma=sigma)


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(moving())


def ends(model: Model, t: float, n: int = 400) -> Groups:
    """Labelled draws of one time: left or right of the middle."""
    x = model.sample(t, n, seed=3)
    return Groups.of(x, np.where(x[:, 0] > 1.0, "right", "left"))


def bayes(model: Model, x: np.ndarray, t: float, factors: Any = (1.0, 1.0)) -> np.ndarray:
    """The shares of the parts at points of the user's units, each times a factor."""
    share = (t - START) / (END - START)
    z = model.units.to_model(x)
    middles = (1 - share) * PLACES[0] + share * PLACES[1]
    masses = np.exp((1 - share) * np.log(MASSES[0]) + share * np.log(MASSES[1]))
    joint = masses * np.exp(norm.logpdf(z[:, None] - middles).sum(-1)) * factors
    return joint / joint.sum(1, keepdims=True)


def growth_factors(t: float) -> np.ndarray:
    share = (t - START) / (END - START)
    return (MASSES[1] / MASSES[0]) ** (1 - share)


@pytest.mark.parametrize("t", [0.0, 0.5])
def test_fates_by_parts_are_those_of_bayes(model, t):
    x, groups = model.sample(t, 200), ends(model, END)
    found = fates(model, x, t, groups)
    assert groups.names == ("left", "right")
    assert np.allclose(found.sum(1), 1.0)
    assert np.allclose(found, bayes(model, x, t, growth_factors(t)), atol=1e-3)
    alone = fates(model, x, t, groups, descendants=False)
    assert np.allclose(alone, bayes(model, x, t), atol=1e-3)


def test_descendants_count_and_do_matter(model):
    x, groups = model.sample(0.0, 200), ends(model, END)
    gap = fates(model, x, 0.0, groups) - fates(model, x, 0.0, groups, descendants=False)
    assert gap[:, 1].mean() > 0.2


def test_cells_may_have_different_times(model):
    groups = ends(model, END)
    t = np.array([0.5, 2.0])
    x = np.concatenate([model.sample(time, 1, seed=int(10 * time)) for time in t])
    for by in ("parts", "flow", "diffusion"):
        each = [fates(model, x[i : i + 1], t[i], groups, by=by, draws=1000) for i in range(len(t))]
        found = fates(model, x, t, groups, by=by, draws=1000)
        assert np.allclose(found, np.concatenate(each), atol=0.06)


def test_all_ways_agree_where_parts_are_far_apart(model):
    # Half-way the parts are so far apart that a place says all.
    t = 1.6
    x, groups = model.sample(t, 100), ends(model, END)
    x = x[np.abs(x[:, 0] - 1.0) > 3.0]
    found = fates(model, x, t, groups)
    assert np.allclose(found, fates(model, x, t, groups, by="flow"), atol=0.02)
    assert np.allclose(found, fates(model, x, t, groups, by="diffusion", draws=16), atol=0.1)
    assert (found.max(1) > 0.98).all()


@pytest.mark.slow
def test_the_diffusion_conserves_what_the_groups_have(model):
    # The mean over the start, weighted by descendants, is the share at the end, by any way.
    x, groups = model.sample(START, 2000), ends(model, END, 4000)
    labels = np.repeat(["one", "other"], 1000)
    for by in ("parts", "flow", "diffusion"):
        found = transitions(model, x, labels, START, groups, by=by, draws=8)
        assert np.allclose(found.table.sum(1), 1.0)
        assert np.allclose(found.masses @ found.table, groups.shares, atol=0.03)


def test_an_undecided_cell_has_one_fate_by_the_flow(model):
    # The negative control: half the cells of the start are undecided, and the flow decides them.
    x, groups = model.sample(START, 300), ends(model, END)
    assert (fates(model, x, START, groups, by="flow").max(1) > 0.95).mean() > 0.9
    assert (fates(model, x, START, groups, by="parts").max(1) > 0.95).mean() < 0.5


@pytest.mark.parametrize("by", ["parts", "flow", pytest.param("diffusion", marks=pytest.mark.slow)])
def test_ancestors_undo_fates_where_parts_are_far_apart(by):
    far = PLACES + np.array([[-6.0, 0.0], [6.0, 0.0]])
    model = model_of(moving(far))
    x, y = model.sample(START, 200), model.sample(END, 200)
    first, last = ends(model, START), ends(model, END)
    ahead, back = fates(model, x, START, last, by=by), ancestors(model, y, END, first, by=by)
    assert np.allclose(ahead, np.eye(2)[(x[:, 0] > 1.0).astype(int)], atol=1e-6)
    assert np.allclose(back, np.eye(2)[(y[:, 0] > 1.0).astype(int)], atol=1e-6)


def test_ancestors_by_parts_are_those_of_bayes(model):
    # Groups of the start overlap: the shares of a part in them are known from the normal law.
    y, groups = model.sample(0.8, 100), ends(model, START, 20000)
    found = ancestors(model, y, 0.8, groups)
    right = norm.cdf(np.array([-0.5, 0.5]))
    assert np.allclose(found[:, 1], bayes(model, y, 0.8) @ right, atol=0.02)


def test_members_of_ensembles_are_parts():
    apart = PLACES * np.array([1.0, 2.0])
    paths = [moving(), moving(apart)]
    both = model_of(Ensemble.of(paths))
    x, groups = both.sample(START, 200), ends(both, END)
    assert both.log_shares(START, x).shape == (200, 4)
    assert np.exp(both.log_shares(START, x)).sum(1) == pytest.approx(1.0)
    masses = both.log_part_masses([START, END])
    assert np.exp(masses).sum(1) == pytest.approx(np.exp(both.log_mass([START, END])))
    # At the start both members say the same.
    found = fates(both, x, START, groups)
    assert np.allclose(found, bayes(both, x, START, growth_factors(0.0)), atol=1e-3)


def test_push_and_pull_undo_each_other(model):
    x = model.sample(START, 50)
    there = push(model, x, START, END)
    back = pull(model, there.points, END, START)
    assert np.allclose(back.points, x, atol=1e-3)
    assert np.allclose(back.log_weights, -there.log_weights, atol=1e-3)
    assert np.allclose(push(model, x, START, START).points, x)


def test_couplings_have_the_sums_they_should(model):
    # The later cells of each side are as many as they should be.
    x = model.sample(START, 300)
    there = push(model, x, START, END)
    gains = np.exp(there.log_weights) / np.exp(there.log_weights).sum()
    y = model.sample(END, 500, seed=2)
    right, y_right = there.points[:, 0] > 1.0, y[:, 0] > 1.0
    q = np.where(
        y_right, gains[right].sum() / y_right.sum(), gains[~right].sum() / (~y_right).sum()
    )
    plan = coupling(model, x, START, y, END, weights1=q)
    assert plan.shape == (300, 500)
    assert plan.nnz < 0.2 * 300 * 500
    assert np.allclose(np.asarray(plan.sum(0)).ravel(), q / q.sum(), rtol=1e-6)
    assert np.abs(np.asarray(plan.sum(1)).ravel() - gains).sum() < 3e-3
    # And cells are coupled on their own side alone.
    assert plan[right][:, ~y_right].sum() < 1e-3


def test_couplings_say_when_sums_are_not_met(model):
    # Half the cells of one side are lost.
    x, y = model.sample(START, 300), model.sample(END, 900)
    y = y[(y[:, 0] > 1.0) | (np.arange(900) % 4 > 0)]
    y = y[(y[:, 0] < 1.0) | (np.arange(len(y)) % 2 > 0)]
    with pytest.warns(UserWarning, match=r"has \d+\.\d% of the mass in other earlier cells"):
        plan = coupling(model, x, START, y, END)
    assert np.allclose(np.asarray(plan.sum(0)).ravel(), 1.0 / len(y), rtol=1e-6)


def test_groups_found_are_the_islands_of_the_density(model):
    found = Groups.found(model_of(Ensemble.of([moving(), moving()])), END)
    assert found.names == ("part 1", "part 2")
    # The right one has four fifths of the mass.
    assert found.shares[0] == pytest.approx(0.8, abs=0.03)
    assert (found.points[found.codes == 0, 0] > 1.0).mean() > 0.99
    with pytest.raises(LiouvilleError, match="overlap at time 0; give labels"):
        Groups.found(model, START)


def test_memberships_are_a_vote_by_mass():
    x = np.array([[0.0], [1.0], [10.0], [11.0]])
    groups = Groups.of(x, ["a", "b", "b", "c"], [3.0, 1.0, 1.0, 1.0])
    assert np.allclose(groups.memberships([[0.4]], neighbours=2), [[0.75, 0.25, 0.0]])
    assert np.allclose(groups.memberships([[0.4]]), [[0.5, 2 / 6, 1 / 6]])
    with pytest.raises(LiouvilleError, match=r"shape \(1, 2\) do not fit groups of 1"):
        groups.memberships(np.zeros((1, 2)))


def test_labels_keep_the_order_of_categories_and_may_be_missing():
    pd = pytest.importorskip("pandas")
    labels = pd.Series(pd.Categorical(["b", None, "a", "b"], categories=["c", "b", "a"]))
    with pytest.warns(UserWarning, match="1 of 4 cells have no label"):
        groups = Groups.of(np.arange(4.0)[:, None], labels)
    assert groups.names == ("b", "a")
    assert groups.codes.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, None, 1],
        [0.0, 1.0, np.nan, 1.0],
        ["0", "1", " ", "1"],
        np.array(["0", "1", "NA", "1"]),
    ],
)
def test_whole_numbers_are_names_without_a_point(labels):
    with pytest.warns(UserWarning, match="1 of 4 cells have no label"):
        groups = Groups.of(np.arange(4.0)[:, None], labels)
    assert groups.names == ("0", "1")
    assert groups.codes.tolist() == [0, 1, 1]


def test_all_of_one_type_become_others(model):
    x, groups = model.sample(START, 50, seed=3), ends(model, END)
    found = transitions(model, x, ["stem"] * 50, START, groups)
    assert found.sources == ("stem",)
    assert found.table.shape == (1, len(groups))
    assert found.masses == pytest.approx(1.0)
    alone = transitions(
        model, x, ["stem"] * 50, START, Groups.of(groups.points, ["end"] * len(groups.points))
    )
    assert alone.table == pytest.approx(np.ones((1, 1)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["", None, "nan"], "none of the 3 cells"),
        (["a", "b"], r"labels of shape \(2,\)"),
    ],
)
def test_groups_refuse(labels, message):
    with warnings.catch_warnings(), pytest.raises(LiouvilleError, match=message):
        Groups.of(np.zeros((3, 2)), labels)


def test_refusals_are_one_line(model):
    x, groups = model.sample(END, 5), ends(model, END)
    for message, ask in {
        r"cell 0 is from time 2, after 1; leave": lambda: fates(model, x, END, groups, 1.0),
        r"cell 0 is from time 0, before 1; ": lambda: ancestors(model, x, 0.0, groups, 1.0),
        "cannot be of type list; give liouville.Groups.of": lambda: fates(
            model,
            x,
            START,
            ["left", "right"],  # pyright: ignore
        ),
        "time 3 is outside": lambda: fates(model, x, START, groups, 3.0),
        "not by 'magic'": lambda: fates(model, x, START, groups, by="magic"),  # pyright: ignore
        "are of the group left at time 0; fates need two": lambda: ancestors(
            model, x, END, Groups.of(x, ["left"] * 5)
        ),
        r"give one time, or one for each": lambda: fates(model, x, [0.0, 1.0], groups),
    }.items():
        with pytest.raises(LiouvilleError, match=message):
            ask()


def test_paths_without_parts_say_so():
    path = build(next(name for name in ENTRIES if "factorised-mixture" in name))
    units = Standardisation(np.zeros(path.dim), np.ones(path.dim), 0.0, 1.0)
    names = tuple(f"x{i}" for i in range(path.dim))
    model = Model(path, units, np.array([0.0, 1.0]), names)
    x = model.sample(0.0, 4)
    groups = Groups.of(x, list("aabb"))
    with pytest.raises(LiouvilleError, match="FactorisedMixture, has no parts that keep"):
        fates(model, x, 0.0, groups)
    assert fates(model, x, 0.0, groups, by="flow").shape == (4, 2)


def test_names_are_public():
    assert lv.fates is fates
    assert lv.coupling is coupling


@pytest.mark.slow
def test_fates_of_a_fitted_population_are_near_the_truth():
    from liouville.problems import BranchingCells

    truth = BranchingCells()
    cells = truth.sample(400, founders=2000)
    settings = {"path.members": 3, "training.steps": 60, "report.movie": False}
    model = lv.fit_cells((cells.points, cells.times), settings, progress=False).model
    last = (cells.times == 4.0) & (cells.types > 0)
    groups = Groups.of(cells.points[last], cells.names[last])
    off: dict[str, list[float]] = {"parts": [], "flow": []}
    for t in (0.0, 1.0, 2.0, 3.0):
        x = cells.points[cells.times == t][:100]
        right = truth.fates(t, x, draws=200)[:, 1:]
        for by, errors in off.items():
            errors.append(np.abs(fates(model, x, t, groups, by=by) - right).mean())  # pyright: ignore
    # Where cells have decided all agree; before, the flow says too much.
    assert off["parts"][3] < 0.03
    assert np.mean(off["parts"]) < 0.13
    assert np.mean(off["flow"]) > np.mean(off["parts"]) + 0.03
