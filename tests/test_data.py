import datetime
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liouville.data import (
    Snapshots,
    Standardisation,
    read_cells,
    read_points,
    write_table,
)
from liouville.data._times import numbers_from_times
from liouville.errors import LiouvilleError
from liouville.numerics.repeats import dealt, first_equals, twins
from liouville.runs.files import atomic_path

_REAL = Path(__file__).parents[2] / "shared" / "data" / "cells" / "embryoid_body.npz"


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


def _snapshots(counts: tuple[int, ...] = (20, 5, 12), dim: int = 3, **options: Any) -> Snapshots:
    times = np.repeat(np.arange(len(counts), dtype=float), counts)
    points = np.random.default_rng(0).normal(size=(times.size, dim))
    return Snapshots(points, times, **options)


# Units


@given(
    seed=st.integers(0, 2**31),
    origin=st.floats(-1e9, 1e9),
    spread=st.sampled_from([1e-6, 1.0, 1e7]),
    mode=st.sampled_from(["standard", "global", "none"]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_units_round_trip(seed: int, origin: float, spread: float, mode: Any) -> None:
    rng = np.random.default_rng(seed)
    points, times = origin + spread * rng.normal(size=(20, 3)), origin + rng.uniform(size=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        units = Standardisation.fit(points, times, mode=mode)
    # Adding the centre back rounds at its own size.
    atol = 1e-14 * (abs(origin) + spread)
    np.testing.assert_allclose(units.to_user(units.to_model(points)), points, rtol=0, atol=atol)
    np.testing.assert_allclose(
        units.time_to_user(units.time_to_model(times)),
        times,
        rtol=0,
        atol=1e-14 * (abs(origin) + 1),
    )
    again = Standardisation.from_dict(json.loads(json.dumps(units.to_dict())))
    assert again.to_dict() == units.to_dict()


def test_modes_of_standardisation() -> None:
    rng = np.random.default_rng(1)
    points, times = rng.normal(size=(500, 2)) * [3.0, 1.0] + [5.0, -2.0], np.arange(500.0) + 7
    model = Standardisation.fit(points, times).to_model(points)
    np.testing.assert_allclose(model.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(model.std(axis=0), 1, rtol=1e-13)
    units = Standardisation.fit(points, times, mode="global")
    assert units.scale[0] == units.scale[1]
    np.testing.assert_allclose(np.mean(units.to_model(points).var(axis=0)), 1, rtol=1e-13)
    units = Standardisation.fit(points, times, mode="none")
    np.testing.assert_array_equal(units.to_model(points), points)
    assert (units.time_to_model(7.0), units.time_to_model(506.0)) == (0, 1)
    assert units.dim == 2


def test_derivatives_change_units_by_the_chain_rule() -> None:
    units = Standardisation(np.array([1.0, 2.0]), np.array([2.0, 5.0]), 3.0, 4.0)
    ones = np.ones((7, 2))
    np.testing.assert_array_equal(units.velocity_to_user(ones)[0], [0.5, 1.25])
    np.testing.assert_array_equal(units.score_to_user(ones)[0], [0.5, 0.2])
    assert units.log_volume(ones) == pytest.approx(np.full(7, -np.log(10)))
    noise = np.array([3.0, 0.0])
    np.testing.assert_array_equal(units.noise_to_model(3.0), [3.0, 1.2])
    np.testing.assert_array_equal(units.noise_to_user(units.noise_to_model(noise)), noise)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300, -123456.789])
def test_constant_columns_keep_their_units(constant: float) -> None:
    points = np.stack([np.arange(30.0), np.full(30, constant)], axis=1)
    with pytest.warns(UserWarning, match=r"\(scale 1\): gene"):
        units = Standardisation.fit(points, np.arange(30.0), features=["a", "gene"])
    assert units.scale[1] == 1
    with pytest.warns(UserWarning, match="scale 1"):
        Standardisation.fit(points[:, 1:], np.arange(30.0), mode="global")


def test_extreme_columns_have_finite_scales() -> None:
    points = np.stack([np.arange(9.0) * 1e200, np.arange(9.0) * 1e-200], axis=1)
    units = Standardisation.fit(points, np.zeros(9))
    np.testing.assert_allclose(units.to_model(points).std(axis=0), 1, rtol=1e-12)
    assert units.time_scale == 1


@pytest.mark.parametrize(
    ("points", "times", "pattern"),
    [
        (np.zeros((0, 2)), np.zeros(0), r"n and d at least 1, got \(0, 2\)"),
        (np.zeros(3), np.zeros(3), r"got \(3,\) and \(3,\)"),
        (np.zeros((3, 2)), np.zeros(2), r"got \(3, 2\) and \(2,\)"),
        (np.array([[np.nan], [1.0]]), np.zeros(2), r"1 points or times are NaN"),
    ],
)
def test_data_that_cannot_be_standardised(
    points: np.ndarray, times: np.ndarray, pattern: str
) -> None:
    with _raises(pattern):
        Standardisation.fit(points, times)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"center": [1.0]}, r"as many scales as centers, got shapes \(1,\) and \(2,\)"),
        ({"center": [1.0, float("nan")]}, r"center .* must be finite"),
        ({"scale": [1.0, 0.0]}, r"scale .* finite and positive"),
        ({"scale": [1.0, "a"]}, r"scale .* made of numbers"),
        ({"scale": [1.0, None]}, r"scale .* made of numbers"),
        ({"time_scale": -1.0}, r"time_scale .* finite and positive, got -1"),
        ({"time_scale": [1.0]}, r"time_scale .* has shape \(1,\); give one number"),
        ({"time_origin": "a"}, r"time_origin .* made of numbers, got 'a'"),
        ({"time_origin": float("inf")}, r"time_origin .* must be finite, got inf"),
        ({"extra": 1}, r"has the fields center, scale, time_origin, time_scale; got"),
    ],
)
def test_wrong_standardisations(change: dict[str, Any], pattern: str) -> None:
    good = {"center": [0.0, 1.0], "scale": [1.0, 2.0], "time_origin": 0.0, "time_scale": 1.0}
    with _raises(pattern):
        Standardisation.from_dict({**good, **change})
    with _raises("got none"):
        Standardisation.from_dict({})


# Times

_T = datetime.datetime


@pytest.mark.parametrize(
    ("values", "expected", "unit"),
    [
        (np.array([0, 3]), [0, 3], ""),
        (np.array([0, 3], dtype=object), [0, 3], ""),
        (["0", "1e1"], [0, 10], ""),
        (["day 3", "Day 10"], [3, 10], "days"),
        (["D7.5", "D0"], [7.5, 0], "days"),
        (["3h", "24 h"], [3, 24], "hours"),
        (["E8.5", "E9"], [8.5, 9], "embryonic days"),
        (["t2", "t3"], [2, 3], ""),
        (["day-3", "day-4"], [3, 4], "days"),
        (["day -3", "day 4"], [-3, 4], "days"),
        (["t=-1", "t=.5"], [-1, 0.5], ""),
        (["Day 00-03", "Day 06-09", "Day 12"], [1.5, 7.5, 12], "days"),
        (["0 to 4 weeks", "5 weeks"], [2, 5], "weeks"),
        (np.array([b"d1", b"d2"]), [1, 2], "days"),
        (["2021-03-01", "2021-03-04T12:00"], [0, 3.5], "days"),
        (["2021-03-01T00:00+00:00", "2021-03-01T00:00-12:00"], [0, 0.5], "days"),
        (np.array([3600, 86400], dtype="timedelta64[s]"), [1 / 24, 1], "days"),
        (np.array(["2021-01", "2021-02"], dtype="datetime64[M]"), [0, 31], "days"),
        (np.array(["2021-03-02", "2021-03-01"], dtype="datetime64[ns]"), [1, 0], "days"),
        (np.array([datetime.timedelta(hours=12)], dtype=object), [0.5], "days"),
        (np.array([_T(2021, 1, 1), _T(2021, 1, 2)], dtype=object), [0, 1], "days"),
        (np.array([_T(2021, 1, 1, tzinfo=datetime.UTC)], dtype=object), [0], "days"),
    ],
)
def test_times_that_can_be_read(values: Any, expected: list[float], unit: str) -> None:
    times, found = numbers_from_times(np.asarray(values))
    np.testing.assert_allclose(times, expected, rtol=1e-14)
    assert times.dtype == np.float64
    assert found == unit


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        (["day 1 rep 2", "day 2"], r"without exactly one number: 'day 1 rep 2'"),
        (["early", "late"], r"'early', 'late'; write numbers"),
        (["day 9-6", "day 1"], r"exactly one number: 'day 9-6'"),
        (["day 3", "hour 4"], r"words its values differently: 'day 3', 'hour 4'"),
        (["3", "day 4"], r"words its values differently: '3', 'day 4'"),
        (["day 3", "", "NA"], r"has 2 missing values"),
        (["2021-03-99", "2021-03-01"], r"unreadable date"),
        (np.array([1, None], dtype=object), r"has 1 missing values"),
        (np.array([1, "day 2"], dtype=object), r"mixes or holds values of type int, str"),
        (np.array([True, False]), r"holds bool values"),
        (np.array([1 + 2j]), r"holds complex128 values"),
        (np.array([1, "NaT"], dtype="timedelta64[s]"), r"has 1 missing values"),
        (np.array([1], dtype="timedelta64[Y]"), r"no fixed number of days"),
        ([f"a{i}b{i}" for i in range(9)], r"'a4b4' and 4 more"),
    ],
)
def test_times_that_cannot_be_read(values: Any, pattern: str) -> None:
    with _raises(pattern) as info:
        numbers_from_times(np.asarray(values), name="stage")
    assert "'stage'" in str(info.value)
    assert "\n" not in str(info.value)


def test_pandas_times() -> None:
    pd = pytest.importorskip("pandas")
    days = pd.Series(["day 1", "day 2"], dtype="category")
    np.testing.assert_array_equal(numbers_from_times(np.asarray(days))[0], [1, 2])
    spans = pd.Series(pd.to_timedelta(["1D", "36h"]))
    np.testing.assert_array_equal(numbers_from_times(np.asarray(spans))[0], [1, 1.5])
    zoned = pd.Series(pd.to_datetime(["2021-01-01", "2021-01-03"], utc=True))
    np.testing.assert_array_equal(numbers_from_times(np.asarray(zoned))[0], [0, 2])
    for column in (
        pd.array([1, None], dtype="Int64"),
        pd.Series([_T(2021, 1, 1), pd.NaT], dtype=object),
    ):
        with _raises("1 missing"):
            numbers_from_times(np.asarray(column, dtype=object))


# Snapshots


def test_snapshots_answer_questions() -> None:
    cells = _snapshots(weights=np.ones(37, np.float32), embedding=np.zeros((37, 2)))
    assert (len(cells), cells.dim, cells.features) == (37, 3, ("x1", "x2", "x3"))
    np.testing.assert_array_equal(cells.distinct_times, [0, 1, 2])
    np.testing.assert_array_equal(cells.counts, [20, 5, 12])
    np.testing.assert_array_equal(cells.at(1.0), cells.points[20:25])
    with _raises(r"no cells at time 1\.5 in data; it has 0, 1, 2"):
        cells.at(1.5)
    part = cells.select(np.array([3, 1]))
    np.testing.assert_array_equal(part.points, cells.points[[3, 1]])
    assert part.weights is not None
    assert part.weights.dtype == np.float64
    assert len(cells.select(np.array([]))) == 0


@pytest.mark.parametrize(
    ("mask", "pattern"),
    [
        (np.ones(3, bool), r"does not fit the 37 cells"),
        (np.array([99]), r"does not fit the 37 cells"),
        (np.array([0.5]), r"booleans or indices, got shape \(1,\) of float64"),
        (np.ones((37, 1), bool), r"booleans or indices"),
    ],
)
def test_wrong_selections(mask: np.ndarray, pattern: str) -> None:
    with _raises(pattern):
        _snapshots().select(mask)


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"points": np.zeros(3)}, r"shape \(cells, columns\), got \(3,\)"),
        ({"times": np.zeros(2)}, r"times of data must have shape \(3,\) .* got \(2,\)"),
        ({"weights": np.zeros(2)}, r"weights of data must have shape \(3,\)"),
        ({"embedding": np.zeros((3, 3))}, r"embedding of data must have shape \(3, 2\)"),
        ({"features": ("a",)}, r"2 different names, one per column, got a"),
        ({"features": ("a", "a")}, r"2 different names"),
    ],
)
def test_misshapen_snapshots(options: dict[str, Any], pattern: str) -> None:
    with _raises(pattern):
        Snapshots(**{"points": np.zeros((3, 2)), "times": np.zeros(3), **options})


def test_split_is_stratified_and_reproducible() -> None:
    cells = _snapshots((100, 10, 9, 1))
    train, held_out = cells.split(0.02, 5)
    held_at = {t: np.sum(held_out.times == t) for t in cells.distinct_times}
    assert held_at == {0: 2, 1: 1, 2: 0, 3: 0}
    both = np.concatenate([train.points, held_out.points])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(cells.points, axis=0))
    again = cells.split(0.02, 5)[1]
    np.testing.assert_array_equal(again.points, held_out.points)
    assert not np.array_equal(cells.split(0.02, 6)[1].points, held_out.points)
    train, _ = cells.split(0.99, 0)
    assert train.counts.min() >= 1
    assert train.distinct_times.size == 4


def test_equal_cells_are_on_one_side_of_a_split() -> None:
    """A cell that training knows would judge nothing."""
    own = _snapshots((100, 60))
    points, times = np.repeat(own.points, 3, axis=0), np.repeat(own.times, 3)
    train, held_out = Snapshots(points, times).split(0.1, 5)
    assert not {tuple(x) for x in held_out.points} & {tuple(x) for x in train.points}
    assert held_out.counts.tolist() == [30, 18]
    # All cells of a time are one: they are for training.
    few = Snapshots(np.repeat([[0.0], [1.0]], 10, axis=0), np.repeat([0.0, 1.0], 10))
    train, held_out = few.split(0.1, 5)
    assert (train.counts.tolist(), len(held_out)) == ([10, 10], 0)


def test_first_equals_are_those_of_whole_rows() -> None:
    x = np.random.default_rng(0).integers(3, size=(500, 4)).astype(float)
    _, first, group = np.unique(x, axis=0, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(first_equals(x.T), first[group.ravel()])
    different = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_array_equal(first_equals(different.T), np.arange(50))
    hands = dealt(x, 3)
    assert all(np.ptp(hands[group.ravel() == i]) == 0 for i in range(len(first)))
    assert np.bincount(hands).min() > 100
    assert dealt(np.zeros((4, 2)), 3).tolist() == [0, 1, 2, 0]


def test_where_numbers_are_clipped_is_no_cell_that_is_listed_often() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(120, 2)), np.zeros((20, 2))])
    found = twins(np.concatenate([points, points[:1]]).T)
    assert (found[-1], found[120:-1].tolist()) == (0, list(range(120, 140)))
    # The place keeps its share on both sides of a split.
    cells = Snapshots(np.concatenate([points, points + 1.0]), np.repeat([0.0, 1.0], 140))
    for seed in range(20):
        kept = cells.split(0.25, seed)[1].at(0.0)
        assert 1 <= np.sum((kept == 0.0).all(axis=1)) <= 12
    with pytest.warns(UserWarning, match=r"20 cells of data \(14% of time 0\) are at one place"):
        cells.check()
    # A table that lists every cell twenty times lists cells.
    often = np.repeat(rng.normal(size=(30, 2)), 20, axis=0)
    np.testing.assert_array_equal(twins(often.T), np.arange(600) // 20 * 20)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_wrong_shares(share: float) -> None:
    with _raises("between 0 and 1"):
        _snapshots().split(share, 0)
    with _raises("seed of a split must not be negative, got -1"):
        _snapshots().split(0.5, -1)


def test_check_refuses() -> None:
    cells = _snapshots(features=("a", "b", "c"), source="f.csv")
    assert cells.check(min_cells=5) is cells
    with _raises(r"time 1 of f\.csv has 5 cells but 6 are needed;"):
        cells.check(min_cells=6)
    with _raises(r"time 1 of f\.csv has 5 cells but 13 are needed \(as do 1 other times\)"):
        cells.check(min_cells=13)
    with _raises(r"f\.csv has one time only, 1"):
        cells.select(cells.times == 1).check()
    with _raises(r"f\.csv has 0 cells and 3 columns"):
        cells.select(cells.times == 7).check()
    with _raises(r"has 2 cells and 0 columns"):
        Snapshots(np.zeros((2, 0)), np.arange(2.0)).check()
    points = cells.points.copy()
    points[0, 1], points[1, 1], points[2, 2] = np.nan, np.inf, np.nan
    with _raises(r"NaN or infinite values in data, by column: x2 \(2\), x3 \(1\)"):
        Snapshots(points, cells.times).check()
    times = cells.times.copy()
    times[0] = np.nan
    with _raises(r"by column: time \(1\)"):
        Snapshots(cells.points, times).check()
    extras: Any
    for extras, pattern in (
        ({"weights": np.full(37, np.nan)}, r"weights \(37\)"),
        ({"embedding": np.full((37, 2), np.inf)}, r"embedding \(74\)"),
        ({"weights": np.full(37, -1.0)}, r"include -1; they must not be negative"),
    ):
        with _raises(pattern):
            Snapshots(cells.points, cells.times, **extras).check()


def test_check_warns_about_columns() -> None:
    base = _snapshots().points[:, 0]
    zeros = np.zeros_like(base)
    points = np.stack([base, zeros, base, -zeros], axis=1)
    cells = Snapshots(points, _snapshots().times, features=("a", "b", "c", "d"))
    with pytest.warns(UserWarning, match="columns in data") as caught:
        cells.check()
    texts = [str(warning.message) for warning in caught]
    assert "constant columns in data: b, d;" in texts[0]
    assert "duplicated columns in data: c (of a);" in texts[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cells.check() is cells  # once is enough
    with _raises("cells but 99 are needed"):
        cells.check(min_cells=99)
    with pytest.warns(UserWarning, match="columns in data"):
        cells.select(cells.times > 0).check()  # other cells, another check


def test_check_warns_of_cells_that_are_listed_twice_and_of_values_that_many_share() -> None:
    rng = np.random.default_rng(0)
    points, times = rng.normal(size=(60, 2)), np.arange(60) % 2.0
    Snapshots(points, times).check()
    twice = Snapshots(np.concatenate([points, points[:6]]), np.concatenate([times, times[:6]]))
    with pytest.warns(UserWarning, match="6 cells of data repeat another's time and .* in row 60;"):
        twice.check()
    later = Snapshots(twice.points, np.concatenate([times, times[:6] + 2.0]))
    later.check()  # the same place at another time is another cell
    genes = np.column_stack([points, np.maximum(points[:, 0], 0.0)])
    cells = Snapshots(genes, times, features=("a", "b", "c"))
    with pytest.warns(UserWarning, match=r"very same value: c \(0 in 5.%\);.*--without c,"):
        cells.check()
    # Where most columns are so, nothing would be left.
    counts = rng.poisson(1.0, (60, 30)) + 0.0
    genes = Snapshots(np.log1p(counts), times)
    with pytest.warns(UserWarning, match=r"18 more; .* narrow it may be: give principal comp"):
        genes.check()
    with pytest.warns(UserWarning, match=r"^30 of 30 columns of data are whole numbers, as raw"):
        Snapshots(counts, times).check()


def test_columns_that_are_sums_of_others_are_said() -> None:
    rng = np.random.default_rng(0)
    points, times = rng.normal(size=(100, 3)) * [1e-4, 1.0, 1e5], np.arange(100) % 2.0
    total = points @ [3e4, -1.0, 2e-5]
    for seen in (total, total.astype(np.float32)):
        cells = Snapshots(np.column_stack([points, seen]), times, features=("a", "b", "c", "d"))
        with pytest.warns(UserWarning, match=r"sums of others: [abcd]; .* plane .* --without"):
            cells.check()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noisy = total + 1e-4 * rng.normal(size=100)
        Snapshots(np.column_stack([points, noisy]), times).check()
        Snapshots(rng.normal(size=(4, 3)).cumsum(axis=1)[:, [0, 1, 2]], np.arange(4) % 2.0).check()


def test_a_cluster_is_no_outlier() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 2)) * 0.01
    points[:5] += 30.0
    with pytest.warns(UserWarning, match=r"rows far from all others in data: x1 is .* 4 more"):
        Snapshots(points, np.arange(400) % 2.0).check()
    points[:80] += 30.0  # a wide type beside a tight one
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Snapshots(points, np.arange(400) % 2.0).check()


# Cells: archives


def _npz(path: Path, **arrays: Any) -> Path:
    path = path / "cells.npz"
    np.savez(path, allow_pickle=True, **arrays)
    return path


def test_archives(tmp_path: Path) -> None:
    points, days = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([0, 0, 1, 1])
    cells = read_cells(_npz(tmp_path, X=points, t=days))
    np.testing.assert_array_equal(cells.points, points)
    np.testing.assert_array_equal(cells.times, [0, 0, 1, 1])
    assert (cells.features, cells.time_name) == (("x1", "x2", "x3"), "t")
    labels = np.array(["Day 00-03", "Day 00-03", "Day 06-09", "Day 06-09"])
    path = _npz(tmp_path, pcs=points, phate=points[:, :2], sample_labels=labels, w=days)
    cells = read_cells(str(path), dims=2, embedding="phate", weights="w")
    np.testing.assert_array_equal(cells.times, [1.5, 1.5, 7.5, 7.5])
    assert (cells.features, cells.time_unit) == (("PC1", "PC2"), "days")
    assert cells.embedding is not None
    assert cells.weights is not None
    np.testing.assert_array_equal(cells.weights, days)
    cells = read_cells(path, basis="phate", time_key="w", features="phate2")
    np.testing.assert_array_equal(cells.points, points[:, 1:2])
    path = _npz(tmp_path, X=points[:, 0], t=days[:, None])
    assert read_cells(path).points.shape == (4, 1)


_X, _DAYS = np.arange(8.0).reshape(4, 2), np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("arrays", "options", "pattern"),
    [
        ({"a": _X, "t": _DAYS}, {}, r"no array of points .* with basis\. It has: a \(4, 2\), t"),
        ({"X": _X, "b": _DAYS}, {}, r"no array of times .* time_key\. It has: X \(4, 2\), b \(4,"),
        ({"X": _X, "t": _DAYS}, {"basis": "Y"}, r"no array 'Y' in .*It has: X \(4, 2\), t"),
        ({"X": _X, "t": _DAYS[:3]}, {}, r"array 't' .* has shape \(3,\) but there are 4 cells"),
        ({"X": _X, "t": _DAYS}, {"weights": "X"}, r"array 'X' .* has shape \(4, 2\)"),
        ({"X": _X, "t": _DAYS.astype(object)}, {}, r"array 't' of .* holds Python objects"),
        ({"X": _X.astype(object), "q": _X}, {}, r"no array of times .*X \(unreadable\), q"),
        ({"X": _X + 1j, "t": _DAYS}, {}, r"holds complex128 values; give real numbers"),
        ({"X": _X[..., None], "t": _DAYS}, {}, r"shape \(cells, columns\), got \(4, 2, 1\)"),
        ({"X": _X, "t": _DAYS}, {"dims": 3}, r"first 3 of 2 columns .* ask for 1 to 2"),
        ({"X": _X, "t": _DAYS}, {"dims": 0}, r"first 0 of 2 columns"),
        ({"X": _X, "t": _DAYS}, {"features": "x1,x9"}, r"no column 'x9' .* It has: x1, x2"),
        ({"X": _X, "t": _DAYS}, {"features": "x1,x1"}, r"features must be different names"),
        ({"X": _X, "t": _DAYS}, {"features": ","}, r"features must be different names"),
        ({"X": _X, "t": _DAYS}, {"embedding": "t"}, r"embedding 't' .* one column"),
        ({"X": _X, "t": _DAYS}, {"embedding": "umap"}, r"no array 'umap'"),
        ({"X": _X * np.nan, "t": _DAYS}, {}, r"NaN or infinite .* x1 \(4\), x2 \(4\)"),
        ({"X": _X[:0], "t": _DAYS[:0]}, {}, r"has 0 cells and 2 columns"),
        ({}, {}, r"holds no arrays"),
    ],
)
def test_wrong_archives(
    tmp_path: Path, arrays: dict[str, Any], options: dict[str, Any], pattern: str
) -> None:
    path = _npz(tmp_path, **arrays)
    with _raises(pattern) as info:
        read_cells(path, **options)
    assert "\n" not in str(info.value)


def test_real_archive() -> None:
    if not _REAL.is_file():
        pytest.skip(f"no file {_REAL}")
    cells = read_cells(_REAL).check(min_cells=550)
    assert cells.points.shape == (2750, 100)
    np.testing.assert_array_equal(cells.distinct_times, [0, 1, 2, 3, 4])


# Cells: text tables


def _text(path: Path, content: str | bytes, name: str = "cells.csv") -> Path:
    path = path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("Day,a,b\n0,1,2\n1,3,4\n", "cells.csv"),
        ("Day\ta\tb\n0\t1\t2\n1\t3\t4\n", "cells.TSV"),
        ('\ufeff"Day", a ,"b"\r\n\r\n"0","1",2\r\n\n1,3, 4 \n   \n', "cells.csv"),
        (",Day,a,b\ncell1,0,1,2\ncell2,1,3,4\n", "cells.csv"),
        ("a,b,Day\n1,2,day 0\n3,4,day 1\n", "cells.csv"),
    ],
)
def test_text_tables(tmp_path: Path, content: str, name: str) -> None:
    cells = read_cells(_text(tmp_path, content, name))
    np.testing.assert_array_equal(cells.points, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(cells.times, [0, 1])
    assert (cells.features, cells.time_name, cells.time_unit) == (("a", "b"), "Day", "days")


def test_columns_of_text_tables(tmp_path: Path) -> None:
    path = _text(tmp_path, "t,kind,a,b,u1,u2,w\n0,x,1,2,5,6,9\n3,y,3,4,7,8,1\n")
    cells = read_cells(path, features=["b", "a"], embedding="u1,u2", weights="w")
    np.testing.assert_array_equal(cells.points, [[2, 1], [4, 3]])
    assert cells.embedding is not None
    np.testing.assert_array_equal(cells.embedding, [[5, 6], [7, 8]])
    assert cells.weights is not None
    np.testing.assert_array_equal(cells.weights, [9, 1])
    cells = read_cells(path, time_key="w", features="a,b", dims=1)
    assert (cells.features, cells.time_name, cells.time_unit) == (("a",), "w", "")


@pytest.mark.parametrize(
    ("content", "options", "pattern"),
    [
        ("", {}, r"is empty"),
        ("\n  \n", {}, r"is empty"),
        ("t,a\n", {}, r"has 0 cells"),
        ("0,1\n2,3\n", {}, r"starts with numbers, 0, 1; add a first line"),
        ("a,b\n1,2\n", {}, r"has no time column; name one with time_key\. It has: a, b"),
        ("t,Day,a\n1,2,3\n", {}, r"has several time columns \(t, Day\); name one"),
        ("t,a\n1,2\n", {"time_key": "tt"}, r"no column 'tt' .*did you mean 't'\? It has: t, a"),
        ("t,gene\n1,2\n", {"features": "gine"}, r"no column 'gine' .*did you mean 'gene'"),
        ("t,a\n1,2\n", {"weights": "w"}, r"no column 'w'"),
        ("t,a\n1,2\n", {"embedding": "a"}, r"embedding 'a' .* must name two columns"),
        ("t,a\n1,2\n", {"embedding": "a,z"}, r"no column 'z'"),
        ("t,a\n1,2\n", {"basis": "X_pca"}, r"basis 'X_pca' has no meaning for the table"),
        ("t\n1\n", {}, r"no columns besides t"),
        ("t,a,a\n1,2,3\n", {}, r"several columns named 'a'"),
        ("t,a\n1,2\n\n1,2,3\n", {}, r"line 4 of .* has 3 values but there are 2 columns"),
        ("t,a\n1,2\n3\n", {}, r"line 3 of .* has 1 values"),
        ("t,a\n1,2\n1,x y\n1,z\n", {}, r"column 'a' of .* has 'x y' on line 3"),
        ("t,a\n1,\n1,NA\n2,3\n", {}, r"NaN or infinite values .* a \(2\)"),
        ("t,a\n1,inf\n2,3\n", {}, r"NaN or infinite values .* a \(1\)"),
        ("t,a\nearly,1\n", {}, r"'early'; write numbers"),
        ("t,a\n,1\n", {}, r"time column 't' has 1 missing"),
        ('t,a\n1,"2\n', {}, r"cannot read .*unexpected end of data"),
        (b"\xff\xfet,a\n1,2\n\n", {}, r"marked as UTF-16 but is not; save it as UTF-8"),
    ],
)
def test_wrong_text_tables(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], pattern: str
) -> None:
    path = _text(tmp_path, content)
    with _raises(pattern) as info:
        read_cells(path, **options)
    assert "\n" not in str(info.value)


# Cells: files


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".h5ad"])
def test_missing_and_wrong_files(tmp_path: Path, suffix: str) -> None:
    with _raises(r"no file .*none\."):
        read_cells(tmp_path / f"none{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with _raises(r"is a directory; name a file \(\.csv, \.tsv, .*\.npz, .*\.h5ad, .*\)"):
        read_cells(tmp_path / f"folder{suffix}")
    with _raises(r"the suffix '\.xlsx' is not one of \.csv, \.tsv, .*\.npz, .*\.h5ad"):
        read_cells(tmp_path / "a.xlsx")


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("suffix", [".npz", ".h5ad"])
def test_damaged_files(tmp_path: Path, content: bytes, suffix: str) -> None:
    if suffix == ".h5ad":
        pytest.importorskip("anndata")
    with _raises(rf"cannot read .*cells{suffix}: not an? {suffix} file, or damaged") as info:
        read_cells(_text(tmp_path, content, f"cells{suffix}"))
    assert "\n" not in str(info.value)


def test_damaged_archives(tmp_path: Path) -> None:
    content = bytearray(_npz(tmp_path, X=_X, t=_DAYS).read_bytes())
    content[200] ^= 1  # inside the numbers of X, so that its checksum fails
    with _raises(r"cannot read array 'X' of .* or damaged \(Bad CRC"):
        read_cells(_text(tmp_path, bytes(content), "bad.npz"))
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, _X)
    with _raises(r"it is one array, not an archive"):
        read_cells(tmp_path / "one.npz")


# Cells: AnnData


@pytest.fixture(name="h5ad")
def _h5ad(tmp_path: Path) -> Path:
    anndata = pytest.importorskip("anndata")
    pd = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    obs = pd.DataFrame(
        {
            "day": pd.Categorical(["D0", "D0", "D7.5", "D7.5"]),
            "hours": pd.to_timedelta([0, 12, 24, 48], unit="h").to_numpy().astype("int64"),
            "mass": [1.0, 2.0, 3.0, 4.0],
        },
        index=[f"cell{i}" for i in range(4)],
    )
    cells = anndata.AnnData(
        X=sparse.csr_matrix(np.eye(4, 3)),
        obs=obs,
        var=pd.DataFrame(index=["g1", "g2", "g3"]),
        obsm={
            "X_pca": np.arange(12.0).reshape(4, 3),
            "X_umap": np.arange(8.0).reshape(4, 2),
            "named": pd.DataFrame(
                np.arange(8.0).reshape(4, 2), index=obs.index, columns=["p", "q"]
            ),
        },
    )
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    return path


def test_anndata(h5ad: Path) -> None:
    cells = read_cells(h5ad, embedding="X_umap", weights="mass", dims=2)
    np.testing.assert_array_equal(cells.points, np.arange(12.0).reshape(4, 3)[:, :2])
    np.testing.assert_array_equal(cells.times, [0, 0, 7.5, 7.5])
    assert (cells.features, cells.time_name, cells.time_unit) == (("PC1", "PC2"), "day", "days")
    assert cells.embedding is not None
    assert cells.weights is not None
    np.testing.assert_array_equal(cells.weights, [1, 2, 3, 4])
    np.testing.assert_array_equal(read_cells(h5ad, basis="X").points, np.eye(4, 3))
    assert read_cells(h5ad, basis="X", features="g3").features == ("g3",)
    assert read_cells(h5ad, basis="named", time_key="mass").features == ("p", "q")
    assert read_cells(h5ad, basis="X_umap").features == ("umap1", "umap2")


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"time_key": "dya"}, r"no column 'dya' in obs of .*did you mean 'day'\? It has: day, ho"),
        ({"basis": "X_pac"}, r"no obsm array 'X_pac' .*did you mean 'X_pca'\? It has:"),
        ({"embedding": "tsne"}, r"no obsm array 'tsne'"),
        ({"weights": "w"}, r"no obs column 'w' .*It has: day, hours, mass"),
        ({"features": "PC9"}, r"no column 'PC9'"),
        ({"weights": "day"}, r"weights 'day' .* give real numbers"),
    ],
)
def test_wrong_names_in_anndata(h5ad: Path, options: dict[str, Any], pattern: str) -> None:
    with _raises(pattern):
        read_cells(h5ad, **options)


def test_default_basis_of_anndata(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    path = tmp_path / "cells.h5ad"
    cells = anndata.AnnData(X=np.eye(4, 3, dtype=np.float32), obsm={"X_phate": _X})
    cells.obs["t"] = _DAYS
    cells.write_h5ad(path)
    assert read_cells(path).features == ("phate1", "phate2")
    np.testing.assert_array_equal(read_cells(path, basis="X").points, np.eye(4, 3))
    cells.obsm["X_umap"] = _X
    cells.write_h5ad(path)
    with _raises(r"no X_pca among several obsm arrays; name one .*It has: X_phate, X_umap"):
        read_cells(path)
    del cells.obsm["X_umap"], cells.obsm["X_phate"]
    cells.write_h5ad(path)
    with _raises(r"no obsm arrays; name one with basis, or basis='X'"):
        read_cells(path)


def test_missing_anndata_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    with _raises(r"needs anndata; install it with: pip install 'liouville\[cells\]'"):
        read_cells(_text(tmp_path, "", "cells.h5ad"))


# Query points and tables


@pytest.mark.parametrize(
    ("content", "times"),
    [
        ("a,b\n1,2\n3,4\n", None),
        ("b,note,a\n2,x,1\n4,y,3\n", None),
        ("u,v\n1,2\n3,4\n", None),
        ("u,note,v,time\n1,x,2,5\n3,y,4,6\n", [5, 6]),
        ("1,2\n3,4\n", None),
        ("Day,b,a\nday 5,2,1\nday 6,4,3\n", [5, 6]),
    ],
)
def test_points_from_text(tmp_path: Path, content: str, times: list[float] | None) -> None:
    points, found = read_points(_text(tmp_path, content), ("a", "b"), dim=2)
    np.testing.assert_array_equal(points, [[1, 2], [3, 4]])
    assert (None if found is None else found.tolist()) == times


def test_points_from_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1, 2]))
    points, times = read_points(tmp_path / "a.npy", ("a", "b"), dim=2)
    assert (points.tolist(), times) == ([[1, 2]], None)
    points, _ = read_points(tmp_path / "a.npy", ("a",), dim=1)
    assert points.tolist() == [[1], [2]]
    points, times = read_points(_npz(tmp_path, X=_X, t=_DAYS), ("a", "b"), dim=2)
    assert times is not None
    assert times.tolist() == [0, 0, 1, 1]
    points, times = read_points(_npz(tmp_path, anything=_X), ("a", "b"), dim=2)
    assert (points.shape, times) == ((4, 2), None)
    path = _npz(tmp_path, X=_X, when=_DAYS)
    assert read_points(path, ("a", "b"), dim=2, time_key="when")[1] is not None


@pytest.mark.parametrize(
    ("name", "content", "pattern"),
    [
        ("a.csv", "a,c,d\n1,2,3\n", r"lacks the columns b of the model; it has: a, c, d"),
        ("a.csv", "u,v,w\n1,2,3\n", r"has 3 numeric columns \(u, v, w\) .* has 2 \(a, b\)"),
        ("a.csv", "u,v\n1,x\n", r"has 1 numeric columns \(u\)"),
        ("a.csv", "a,b\n1,x\n", r"column 'b' of .* has 'x' on line 2"),
        ("a.csv", "a,b\n1,nan\n", r"has 1 values that are NaN or infinite"),
        ("a.csv", "a,b\n", r"has no points"),
        ("a.csv", "a,b,t\n1,2,2020-01-01\n", r"holds dates, whose first day is unknown"),
        ("a.npy", np.zeros((2, 3)), r"has 3 columns but the model has 2 \(a, b\)"),
        ("a.npy", "garbage", r"not a \.npy file, or damaged"),
        ("a.npy", np.array([None]), r"a\.npy holds Python objects"),
        ("a.npz", {"u": _X, "v": _X}, r"no array 'X' .*It has: u \(4, 2\), v \(4, 2\)"),
        ("a.npz", {"X": _X, "t": _DAYS[:1]}, r"has 4 points but times of shape \(1,\)"),
        ("a.xlsx", "", r"suffix '\.xlsx' is not one of \.csv, \.tsv, .*\.npz, \.npy"),
    ],
)
def test_wrong_points(tmp_path: Path, name: str, content: Any, pattern: str) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, dict):
        np.savez(path, allow_pickle=True, **content)
    else:
        np.save(path, content)
    with _raises(pattern) as info:
        read_points(path, ("a", "b"), dim=2)
    assert "\n" not in str(info.value)


def test_wrong_time_of_points(tmp_path: Path) -> None:
    with _raises(r"no column 'tt' .*did you mean 't'"):
        read_points(_text(tmp_path, "a,t\n1,2\n"), ("a",), dim=1, time_key="tt")
    with _raises(r"no array 'tt'"):
        read_points(_npz(tmp_path, X=_X), ("a", "b"), dim=2, time_key="tt")
    path = _npz(tmp_path, X=_X)
    path.rename(tmp_path / "a.npy")
    with _raises(r"is an archive of arrays; name it \.npz"):
        read_points(tmp_path / "a.npy", ("a", "b"), dim=2)


@given(seed=st.integers(0, 2**31), suffix=st.sampled_from([".csv", ".tsv", ".npz"]))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_tables_keep_every_digit(
    seed: int, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tables") / f"a{suffix}"
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(5, 2)) * 10.0 ** rng.integers(-200, 200, size=(5, 2))
    columns = {"time": np.arange(5), "a,b": points[:, 0], "c": points[:, 1]}
    if suffix == ".npz":
        write_table(path, columns)
        with np.load(path) as file:
            np.testing.assert_array_equal(file["a,b"], points[:, 0])
        return
    write_table(path, columns)
    found, times = read_points(path, ("a,b", "c"), dim=2)
    np.testing.assert_array_equal(found, points)
    np.testing.assert_array_equal(times, np.arange(5))


@pytest.mark.parametrize(
    ("name", "columns", "pattern"),
    [
        ("a.txt", {"a": np.zeros(2)}, r"suffix '\.txt' is not one of \.csv, \.tsv, \.npz"),
        ("a.csv", {"a": np.zeros(2), "b": np.zeros(3)}, r"one length, got a \(2,\), b \(3,\)"),
        ("a.csv", {"a": np.zeros((2, 2))}, r"lists of one length, got a \(2, 2\)"),
        ("a.csv", {}, r"lists of one length, got none"),
        ("no/a.csv", {"a": np.zeros(2)}, r"no directory .*no; make it first"),
    ],
)
def test_wrong_tables(tmp_path: Path, name: str, columns: Any, pattern: str) -> None:
    with _raises(pattern):
        write_table(tmp_path / name, columns)
    assert list(tmp_path.iterdir()) == []


def test_atomic_path(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_text("old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        assert (temporary.parent.parent, temporary.name) == (tmp_path, "a.npz")
        raise KeyError
    assert path.read_text() == "old"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    with _raises(r"cannot write .*a\.npz: No space left on device"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, os.strerror(28))
    with _raises(r"cannot write .*: No such file"), atomic_path(path):
        pass
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    with _raises("is no ordinary file"), atomic_path(tmp_path):
        pass


def test_no_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with _raises(r"Permission denied"):
        write_table(tmp_path / "a.csv", {"a": np.zeros(1)})


def test_heavy_packages_are_not_imported() -> None:
    source = Path(__file__).parents[1] / "src"
    code = (
        "import sys, liouville.data, liouville.runs.config;"
        "print([m for m in ('pandas', 'anndata') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(source)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
    package = source / "liouville"
    for path in (package / "runs" / "config.py", *(package / "data").glob("_*.py")):
        assert not re.search(r"^\s*(import|from) jax\b", path.read_text(), re.MULTILINE), path
