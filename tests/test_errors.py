"""Standard errors: from the members of an average, each fitted to cells drawn anew."""

import dataclasses
import itertools
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import t as student

from commands import call, draw_nothing, error_of
from liouville.data import Snapshots, Standardisation, read_cells
from liouville.errors import LiouvilleError
from liouville.model import Model, load
from liouville.numerics.averages import error_of_average
from liouville.numerics.distances import Cloud
from liouville.objectives import NegativeLogLikelihood, PerMember
from liouville.paths import Ensemble
from liouville.tasks.cells._gaps import Filled
from liouville.tasks.cells.bootstrap import factors_by_time, samples
from makers import INTERVAL
from terms import line
from tolerances import ROUNDING

SCALE, CENTER = np.array([2.0]), np.array([10.0])
ORIGIN, DURATION = 100.0, 20.0
T = 109.0
BEFORE = ORIGIN + DURATION * INTERVAL[0] - 1.0


def average(members: int = 3, **more) -> Model:
    """A model of members that differ, in units of its own."""
    return Model(
        path=Ensemble.of([line(i) for i in range(members)]),
        units=Standardisation(CENTER, SCALE, ORIGIN, DURATION),
        times=ORIGIN + DURATION * np.array(INTERVAL),
        features=("length",),
        sigma=0.4,
        **{"notes": {"bootstrap": "cells"}, **more},
    )


def points(n: int = 6) -> np.ndarray:
    return CENTER + SCALE * np.random.default_rng(0).normal(size=(n, 1))


@pytest.mark.parametrize(
    "names",
    [
        ("velocity", "log_density"),
        pytest.param(("score", "drift", "growth"), marks=pytest.mark.slow),
    ],
)
def test_errors_are_the_spread_of_the_members_in_the_user_s_units(names):
    model, x = average(), points()
    logs = np.stack([m.log_density(T, x) for m in model.members])
    say = np.exp(logs) / np.exp(logs).sum(0)
    found = model.answers(T, x, sigma=0.7, std=True)
    asked = {"velocity": {}, "score": {}, "drift": {"sigma": 0.7}, "growth": {}, "log_density": {}}
    for name in names:
        more = asked[name]
        each = np.stack([getattr(m, name)(T, x, **more) for m in model.members])
        value, error = getattr(found, name)
        shares = np.full_like(say, 1 / 3) if name == "log_density" else say
        shares = shares if each.ndim == 2 else shares[..., None]
        spread = (shares * (each - (shares * each).sum(0)) ** 2).sum(0)
        squares = (shares**2).sum(0)
        wanted = student.ppf(student.cdf(1.0, 1e9), 2) * np.sqrt(
            (1 + squares) * spread / (1 - squares)
        )
        np.testing.assert_allclose(error, wanted, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(value, getattr(model, name)(T, x, **more))
        alone = getattr(model, name)(T, x, std=True, **more)
        np.testing.assert_allclose(alone, getattr(found, name), rtol=1e-6, atol=1e-9)


def test_the_error_covers_a_mean_as_often_as_it_should():
    # A member is the mean of a sample drawn anew: the truth is zero.
    rng, covered, most = np.random.default_rng(0), {4: 0, 8: 0}, 3000
    x = rng.normal(size=(most, 50))
    for members in covered:
        weights = rng.dirichlet(np.full(50, 48 / 50), size=(members, most))
        each = np.einsum("mrn,rn->mr", weights, x)
        error = error_of_average(jnp.asarray(each), jnp.full(members, 1 / members))
        covered[members] = np.mean(np.abs(each.mean(0)) < np.asarray(error))
    assert all(0.66 < share < 0.72 for share in covered.values()), covered


def test_without_members_and_without_a_bootstrap_it_is_said():
    with pytest.raises(LiouvilleError, match=r"no members.*--bootstrap cells"):
        dataclasses.replace(average(), path=line(0)).velocity(T, points(), std=True)
    with pytest.raises(LiouvilleError, match="1 members only"):
        average(1).velocity(T, points(), std=True)
    with pytest.warns(UserWarning, match="leave out that of the sample"):
        average(notes={}).velocity(T, points(), std=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        average().velocity(T, points(), std=True)


def test_errors_are_asked_for_at_allowed_times_only():
    with pytest.raises(LiouvilleError, match="outside the fitted range"):
        average().growth(BEFORE, points(), std=True)
    assert average().growth(BEFORE, points(), std=True, extrapolate=True).shape == (2, 6)


def test_members_see_their_own_weights():
    rng = np.random.default_rng(0)
    clouds = [rng.normal(size=(n, 1)) for n in (4, 7)]
    weights = [rng.uniform(size=n) for n in (4, 7)]
    factors = rng.uniform(size=(2, 11))
    path, key = Ensemble.of([line(0), line(1)]), jr.key(0)

    def term(own):
        return NegativeLogLikelihood((0.0, 1.0), clouds, weights=own)

    value = eqx.filter_jit(lambda asked, p: asked(p, key=key))
    slope = eqx.filter_jit(eqx.filter_grad(lambda p, asked: asked(p, key=key)))
    each = []
    for i, row in enumerate(factors):
        own = [weights[0] * row[:4], weights[1] * row[4:]]
        each.append(value(term(own), path.member(i)))
    found = value(PerMember(term(weights), factors), path)
    np.testing.assert_allclose(found, np.mean(each), rtol=ROUNDING)
    same = PerMember(term(weights), np.ones((2, 11)))
    np.testing.assert_allclose(
        value(same, path), value(PerMember(term(weights)), path), rtol=ROUNDING
    )
    # The gradient of one member knows nothing of the other's cells.
    whole = slope(path, PerMember(term(weights), factors))
    other = np.stack([factors[0], rng.uniform(size=11)])
    changed = slope(path, PerMember(term(weights), other))
    for a, b in zip(jax.tree.leaves(whole.members), jax.tree.leaves(changed.members)):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-6)
    with pytest.raises(ValueError, match="Ensemble of as many"):
        PerMember(term(weights), factors)(line(0), key=key)


def snapshots(n: int = 30, **more) -> Snapshots:
    rng = np.random.default_rng(1)
    clouds = [rng.normal(size=(n, 2)) + t for t in (0.0, 1.0, 2.0)]
    return Snapshots.of(clouds, (0.0, 1.0, 2.0), **more)


def test_weights_of_members_keep_the_mass_of_every_time_and_have_the_spread_of_a_sample():
    weights = np.random.default_rng(0).uniform(0.5, 2.0, size=90)
    cells = snapshots(weights=weights)
    factors = factors_by_time(cells, "cells", 4000, 0)
    assert factors is not None
    for t, own in zip(cells.distinct_times, factors):
        w = weights[cells.times == t]
        np.testing.assert_allclose(own @ w, w.sum())
        assert (own > 0).all()
    plain = factors_by_time(snapshots(), "cells", 4000, 0)
    assert plain is not None
    x = snapshots().at(0.0)[:, 0]
    np.testing.assert_allclose((plain[0] @ x / 30).var(), x.var(ddof=1) / 30, rtol=0.06)
    assert factors_by_time(cells, "none", 4, 0) is None


def test_whole_donors_are_drawn():
    donors = np.tile(np.repeat(["a", "b", "c", "d"], [10, 8, 7, 5]), 3)
    cells = snapshots(donors=donors)
    factors = factors_by_time(cells, "animal", 4000, 0)
    assert factors is not None
    for t, own in zip(cells.distinct_times, factors):
        label = donors[cells.times == t]
        for name in "abcd":
            assert np.ptp(own[:, label == name], axis=1).max() < 1e-12
    # Of one number a donor the mean has the error of four numbers.
    cells = snapshots(28, donors=np.tile(np.repeat(list("abcd"), 7), 3))
    values = np.repeat(np.array([0.0, 1.0, 3.0, 5.0]), 7)
    (first, *_) = factors_by_time(cells, "animal", 20_000, 0) or []
    wanted = np.var([0.0, 1.0, 3.0, 5.0], ddof=1) / 4
    np.testing.assert_allclose((first @ values / 28).var(), wanted, rtol=0.06)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(LiouvilleError, match=r"path\.members is 1"):
        factors_by_time(snapshots(), "cells", 1, 0)
    with pytest.raises(LiouvilleError, match="no donors for --bootstrap animal"):
        factors_by_time(snapshots(), "animal", 4, 0)
    with pytest.raises(LiouvilleError, match=r"time 0 has 2 of the 2 donors.*--bootstrap cells"):
        factors_by_time(snapshots(donors=np.tile(["a", "b"], 45)), "animal", 4, 0)


def test_chains_weigh_as_their_cells_do():
    times, points = np.array([0.0, 0.5, 1.0]), np.zeros((2, 3, 1))
    filled = Filled(times, points, np.ones((2, 3)), np.array([True, False, True]))
    rows = np.array([[0, 1], [2, 1]])
    cells = [Cloud.of(np.zeros((3, 1))), Cloud.of(np.zeros((2, 1)))]
    factors = [np.array([[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]]), np.array([[5.0, 9.0], [1.0, 1.0]])]
    one, other = samples(filled, rows, cells, [], factors, 2)
    np.testing.assert_allclose(one.filled.masses, [[1.0, 3.0, 9.0], [4.0, 6.0, 9.0]])
    np.testing.assert_allclose(one.cells[0].weights, [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(other.filled.masses, filled.masses)
    assert samples(filled, rows, cells, [], None, 3) == [(filled, cells, [])] * 3


def _list(texts: np.ndarray | None) -> list[str]:
    assert texts is not None
    return texts.tolist()


def test_donors_and_conditions_are_read_as_text(tmp_path):
    file = tmp_path / "cells.csv"
    file.write_text("day,x,y,animal,genotype\n0,1,2,1,wt\n1,2,3,2,ko\n")
    cells = read_cells(file, donors="animal", condition="genotype")
    assert cells.features == ("x", "y")
    assert _list(cells.donors) == ["1", "2"]
    assert _list(cells.condition) == ["wt", "ko"]
    assert _list(cells.select(np.array([1])).condition) == ["ko"]
    with pytest.raises(LiouvilleError, match="no column 'sex'"):
        read_cells(file, condition="sex")
    file.write_text("day,x,animal\n0,1,m1\n1,2,NA\n")
    with pytest.raises(LiouvilleError, match=r"donors 'animal'.*missing for 1 cells.*row 1"):
        read_cells(file, donors="animal")
    np.savez(tmp_path / "a.npz", X=np.ones((2, 2)), t=[0, 1], who=np.array(["a", "b"]))
    assert _list(read_cells(tmp_path / "a.npz", donors="who").donors) == ["a", "b"]
    with pytest.raises(LiouvilleError, match="condition 'who' has no meaning for arrays"):
        read_cells((np.ones((2, 2)), np.arange(2)), condition="who")


@pytest.mark.slow
def test_a_fit_with_conditions_and_donors_is_asked_for_errors(tmp_path, monkeypatch, capsys):
    draw_nothing(monkeypatch)
    rng = np.random.default_rng(0)
    rows = ["day,x,y,genotype,animal"]
    for t, genotype in itertools.product((0, 1, 3), ("wt", "ko")):
        for i, (x, y) in enumerate(rng.normal(size=(30, 2)) + t):
            rows.append(f"{t},{x},{y},{genotype},{genotype}{i % 3}")
    data, run, out = tmp_path / "cells.csv", tmp_path / "run", tmp_path / "out.npz"
    data.write_text("\n".join(rows))
    sizes = ("path.parts=1", "path.prior=3", "training.steps=2", "training.chunk=1")
    sizes += ("training.validate_every=2", "training.checkpoint_every=2", "objective.particles=8")
    brief = [f"--set={setting}" for setting in sizes]
    flags = ("--condition", "genotype", "--bootstrap", "animal", "--members", "2")
    assert call("fit", "cells", data, "--out", run, *flags, *brief) == 0
    assert "shares of the parts by condition" in capsys.readouterr().out
    asked = ("query", run, data, "-o", out, "--std", "--given", "ko")
    assert call(*asked, "--against", "wt") == 0
    with np.load(out) as table:
        model = load(run)
        x, t = np.stack([table["x"], table["y"]], axis=1), table["day"]
        ratio, error = model.log_ratio(t, x, "ko", "wt", std=True)
        np.testing.assert_allclose(table["log_ratio"], ratio, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(table["log_ratio_error"], error, rtol=1e-4, atol=1e-6)
        velocity, error = model.given("ko").velocity(t, x, std=True)
        np.testing.assert_allclose(table["velocity y"], velocity[:, 1], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(table["velocity y_error"], error[:, 1], rtol=1e-3, atol=1e-6)
    assert call("query", run, data, "-o", tmp_path / "b.csv", "--against", "wt") == 2
    assert "name the first: --given" in error_of(capsys)
    assert call("evaluate", run) == 0
