import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liouville.data._quantisation import Quantisation, dequantise, quantisation
from liouville.data._records import split_rows
from liouville.data._sample_files import read_samples
from liouville.data._samples import Samples
from liouville.data._units import Standardisation
from liouville.errors import LiouvilleError

# A fraction of uniform draws, in standard errors; the seeds are fixed.
STANDARD_ERRORS = 5.0

_X = np.arange(24.0).reshape(12, 2) ** 2 / 7
_CLASS = np.array(["b", "a", "b", "c"] * 3)


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


def _text(folder: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "a.npz", allow_pickle=True, **arrays)
    return folder / "a.npz"


def _samples(n: int = 60, dim: int = 3, classes: int = 0, **options: Any) -> Samples:
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=n) if classes else None
    return Samples(rng.normal(size=(n, dim)), labels, **options)


# Reading


def test_text_tables_with_classes(tmp_path: Path) -> None:
    found = read_samples(_text(tmp_path, ",u,Class,v\nr1,1,cat,2\nr2,3,ant,4\nr3,5,cat,6\n"))
    np.testing.assert_array_equal(found.points, [[1, 2], [3, 4], [5, 6]])
    assert (found.features, found.classes, found.label_name) == (
        ("u", "v"),
        ("ant", "cat"),
        "Class",
    )
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0, 1]
    assert found.describe().endswith(
        "a.csv: 3 rows, 2 columns, 2 classes in column 'Class' (ant, cat)"
    )


@pytest.mark.parametrize(
    ("content", "features", "classes"),
    [
        ("u,v\n1,2\n3,4\n", ("u", "v"), ()),
        ("u,target\n1,10\n3,9\n4,9\n5,10\n6,9\n7,9\n", ("u",), ("9", "10")),
        ("u,target\n1,1.0\n3,0.0\n4,1.0\n", ("u",), ("0", "1")),
        # Numbers that are not whole or do not repeat are coordinates.
        ("u,target\n1,1.5\n3,0.5\n4,1.5\n", ("u", "target"), ()),
        ("u,y\n" + "".join(f"{i},{i}\n" for i in range(9)), ("u", "y"), ()),
        # A y beside an x is a coordinate.
        ("x,y\n1,0\n3,0\n4,1\n5,1\n6,0\n7,0\n", ("x", "y"), ()),
        ("a,y\n1,0\n3,0\n4,1\n5,1\n6,0\n7,0\n", ("a",), ("0", "1")),
    ],
)
def test_class_columns_are_found(
    tmp_path: Path, content: str, features: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    found = read_samples(_text(tmp_path, content))
    assert (found.features, found.classes) == (features, classes)


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = _text(tmp_path, "a\tkind\tnote\tb\n1\t7\tx\t2\n3\t8\ty\t4\n", "a.tsv")
    found = read_samples(path, label="kind", features="b,a", dims=1)
    assert (found.features, found.classes, found.points.tolist()) == (
        ("b",),
        ("7", "8"),
        [[2], [4]],
    )
    path = _text(tmp_path, "a,label\n1,0\n2,0\n3,1\n")
    assert read_samples(path, features=["label", "a"]).labels is None


def test_arrays(tmp_path: Path) -> None:
    found = read_samples(_npz(tmp_path, x=_X, y=_CLASS))
    assert (found.classes, found.features, found.label_name) == (("a", "b", "c"), ("x1", "x2"), "y")
    np.testing.assert_array_equal(found.counts, [3, 6, 3])
    images = np.arange(5 * 3 * 2).reshape(5, 3, 2)
    found = read_samples(_npz(tmp_path, images=images, target=[[3], [1], [3], [1], [1]]))
    np.testing.assert_array_equal(found.points, images.reshape(5, 6))
    assert found.labels is not None
    assert (found.classes, found.labels.tolist()) == (("1", "3"), [1, 0, 1, 0, 0])
    found = read_samples(_npz(tmp_path, anything=_X), dims=1)
    assert (found.points.tolist(), found.labels) == (_X[:, :1].tolist(), None)
    np.save(tmp_path / "b.npy", _X)
    np.testing.assert_array_equal(read_samples(tmp_path / "b.npy").points, _X)
    assert read_samples(_npz(tmp_path, X=_X, kind=np.array(_CLASS, "S")), label="kind").counts.size


@pytest.mark.parametrize(
    ("content", "options", "pattern"),
    [
        ("", {}, r"a\.csv is empty"),
        ("a,b\n", {}, r"has 0 rows and 2 columns"),
        ("1,2\n3,4\n", {}, r"starts with numbers, 1, 2; add a first line"),
        ("a,b\n1,red\n", {}, r"column 'b' of .* has 'red' on line 2, which is no number"),
        ("a,b\n1,nan\n2,\n3,1\n", {}, r"NaN or infinite values in .* by column: b \(2\); drop"),
        ("a,b\ninf,1\n", {}, r"by column: a \(1\)"),
        ("a,b c,d\n1,x,y\n2,x,z\n", {}, r"columns b c, d of .* hold text; .*--without 'b c,d'"),
        ("a,b\n1,2\n", {"label": "clas"}, r"no column 'clas' in .*It has: a, b"),
        ("a,b\n1,2\n", {"features": "a,B"}, r"no column 'B' .*did you mean|no column 'B'"),
        ("a,b\n1,2\n", {"features": "a,a"}, r"different names, such as 'a,b', got 'a,a'"),
        ("a,b\n1,2\n", {"dims": 3}, r"first 3 of 2 columns of .*; ask for 1 to 2"),
        ("a,class\n1,x\n2,\n3,NA\n", {}, r"classes 'class' of .* have 2 missing values"),
        ("a,class\n1,x\n2,\n", {"label": "a"}, r"column 'class' .* 'x' on line 2"),
        ("a,k\n1,0.5\n2,1\n", {"label": "k"}, r"hold the number 0\.5, which is not whole"),
        ("a,label,target\n1,u,u\n", {}, r"several class columns \(label, target\); name one"),
        ("class\nx\n", {}, r"no columns besides the classes 'class'"),
        (b"a,b\n1,\x00\n", {}, r"has the control character 0x00 on line 2"),
    ],
)
def test_wrong_text_tables(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], pattern: str
) -> None:
    with _raises(pattern) as info:
        read_samples(_text(tmp_path, content), **options)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("arrays", "options", "pattern"),
    [
        ({"u": _X, "v": _X}, {}, r"no array 'X' .*It has: u \(12, 2\), v \(12, 2\)"),
        ({"X": _X}, {"label": "kind"}, r"no array 'kind'"),
        ({"X": _X, "y": _CLASS[:3]}, {}, r"shape \(3,\) but there are 12 rows; it needs one"),
        ({"X": _CLASS}, {}, r"array 'X' of .* holds <U1 values; give real numbers"),
        ({"X": np.array([None])}, {}, r"holds Python objects"),
        ({"X": _X, "t": np.zeros(12, "M8[D]")}, {"label": "t"}, r"hold datetime64\[D\] values"),
        ({"X": np.zeros((0, 2))}, {}, r"has 0 rows and 2 columns"),
    ],
)
def test_wrong_archives(
    tmp_path: Path, arrays: dict[str, Any], options: dict[str, Any], pattern: str
) -> None:
    with _raises(pattern):
        read_samples(_npz(tmp_path, **arrays), **options)


def test_wrong_files(tmp_path: Path) -> None:
    with _raises(r"the suffix '\.xlsx' is not one of \.csv, \.tsv, .*\.npz, \.npy"):
        read_samples(tmp_path / "a.xlsx")
    with _raises(r"no file .*none\.csv"):
        read_samples(tmp_path / "none.csv")
    with _raises(r"not a \.npy file, or damaged"):
        read_samples(_text(tmp_path, "garbage", "a.npy"))
    np.save(tmp_path / "a.npy", _X)
    with _raises(r"one array, which has no classes 'k'"):
        read_samples(tmp_path / "a.npy", label="k")
    _npz(tmp_path, X=_X).rename(tmp_path / "b.npy")
    with _raises(r"name it \.npz"):
        read_samples(tmp_path / "b.npy")


# The record


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"points": np.zeros(3)}, r"shape \(rows, columns\), got \(3,\)"),
        ({"features": ("a", "a")}, r"2 different names, one per column, got a, a"),
        ({"labels": np.zeros(3, int)}, r"12 whole numbers, one per row, got shape \(3,\)"),
        ({"labels": np.zeros(12)}, r"got shape \(12,\) of float64"),
        ({"labels": np.full(12, -1), "classes": ("a",)}, r"got labels -1 to -1"),
        ({"labels": np.full(12, 2), "classes": ("a", "b")}, r"0 to 2 and classes a, b"),
        ({"labels": np.zeros(12, int), "classes": ("a", "a")}, r"indices of different classes"),
        ({"classes": ("a",)}, r"has classes a but no labels"),
    ],
)
def test_wrong_samples(options: dict[str, Any], pattern: str) -> None:
    with _raises(pattern):
        Samples(**{"points": _X, **options})


def test_unseen_classes() -> None:
    found = Samples(_X, np.arange(12) % 2, ("seven", "eight"), source="digits")
    assert found.class_number("eight") == 1
    assert len(found.of_class("seven")) == 6
    with _raises(r"no class 'sevn' in digits; did you mean 'seven'\? It has: seven, eight"):
        found.of_class("sevn")
    with _raises(r"digits has no classes; name a class column"):
        Samples(_X, source="digits").class_number("a")
    with _raises(r"does not fit the 12 rows"):
        found.select(np.array([12]))


def test_good_samples_give_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _samples(classes=3)
        assert found.check() is found
        pixels = np.random.default_rng(0).integers(17, size=(400, 4)).astype(float)
        pixels[:300, 0] = 0  # most pixels are black, which noise will spread
        Samples(pixels).check()


def _changed(**columns: Any) -> Samples:
    points = _samples().points
    for name, column in columns.items():
        points[:, int(name[1])] = column
    return Samples(points, source="here")


@pytest.mark.parametrize(
    ("samples", "pattern"),
    [
        (_changed(c1=4.0), r"constant columns in here: x2; noise of one unit, or a floor"),
        (_changed(c1=_samples().points[:, 0]), r"duplicated columns in here: x2 \(of x1\)"),
        (
            _changed(c2=np.where(np.arange(60) < 20, 0.5, _samples().points[:, 2])),
            r"x3 \(0\.5 in 33%",
        ),
        (_samples(n=4, dim=5, source="here"), r"here has 4 rows but 5 columns; covariances"),
        (
            Samples(_samples().points, weights=np.exp(-np.arange(60.0)), source="here"),
            r"the 60 weights of here are worth 2 equal rows, .*; give more rows, or weights",
        ),
    ],
)
def test_suspicious_samples(samples: Samples, pattern: str) -> None:
    with pytest.warns(UserWarning, match=pattern) as record:
        samples.check()
    assert len(record) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        samples.check()  # once is enough


def test_too_few_rows() -> None:
    with _raises(r"data has 60 rows but 61 are needed; give more rows$"):
        _samples().check(min_rows=61)
    with _raises(r"class '1' of data has 1 rows but 2 are needed; .* leave that class out"):
        Samples(_X, np.array([0] * 11 + [1])).check()
    points = _samples().points
    points[3, 1] = np.nan
    with _raises(r"NaN or infinite values in data, by column: x2 \(1\)"):
        Samples(points).check()


def test_standardisation() -> None:
    units = _samples().standardisation()
    np.testing.assert_allclose(units.to_model(_samples().points).std(axis=0), 1, rtol=1e-13)
    assert (units.time_origin, units.time_scale) == (0, 1)
    with pytest.warns(UserWarning, match=r"\(scale 1\): x2"):
        assert _changed(c1=4.0).standardisation().scale[1] == 1


def test_noise_of_whole_steps_is_not_their_spread() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 17, (400, 1)) * (rng.random((400, 1)) < 0.2)
    noisy = Samples(pixels.astype(float)).dequantise("uniform", seed=0)
    # Mostly zeros: quartiles are those of the noise, of which the pixels are twelve spreads away.
    assert noisy.standardisation().scale[0] == pytest.approx(noisy.points.std())
    assert Standardisation.fit(noisy.points, np.zeros(400)).scale[0] < 0.2 * noisy.points.std()
    # Outliers of counts still make no unit.
    counts = rng.poisson(3.0, (400, 1)).astype(float)
    counts[0] = 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Samples(counts).dequantise("uniform", seed=0).standardisation()
    assert found.scale[0] < 5.0


# Splitting


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_splits_are_exact_and_stratified(counts: list[int], share: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    room = len(labels) - len(counts)
    sizes = (int(share * room) // 2, int(share * room) // 3)
    parts = split_rows(labels, len(labels), sizes, seed)
    assert tuple(map(len, parts[1:])) == sizes
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    assert set(labels[parts[0]]) == set(range(len(counts)))
    assert all(np.all(np.diff(part) > 0) for part in parts)


def test_equal_rows_stay_on_one_side() -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=100), rng.integers(0, 3, 100)])
    samples = Samples(np.concatenate([rows, rows, rows[:50]]))
    parts = samples.split(0.2, 0.2, 3)
    assert sum(len(part) for part in parts) == 250
    seen = [set(part.points[:, 0].tolist()) for part in parts]
    assert min(len(s) for s in seen) >= 10
    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & seen[2]
    # Noise between whole steps, which differs, does not hide them.
    noisy = samples.dequantise().split(0.2, 0.2, 3)
    seen = [set(part.points[:, 0].tolist()) for part in noisy]
    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & seen[2]
    # Values of whole steps repeat by right.
    whole = Samples(rng.integers(0, 3, (250, 2)).astype(float))
    assert [len(part) for part in whole.split(0.2, 0.2, 3)] == [150, 50, 50]


def test_columns_that_others_determine_are_left_out() -> None:
    rng = np.random.default_rng(0)
    a, b, c, e = rng.normal(size=(4, 200)) * [[1.0], [1000.0], [1e-3], [1e-4]]
    columns = {"a": a, "b": b, "copy": a, "c": c, "sum": 2.0 * a - b + 3.0, "near": a + e}
    samples = Samples(np.column_stack([*columns.values()]), features=tuple(columns))
    with pytest.warns(UserWarning, match=r"copy is a, sum is 2 a - b \+ 3"):
        left = samples.without_dependent()
    assert left.features == ("a", "b", "c", "near")
    # Of whole steps there is noise between, and other columns stay as they are.
    counts = rng.integers(0, 4, 200).astype(float)
    whole = Samples(np.column_stack([counts, counts, a]))
    assert whole.without_dependent() is whole


def test_classes_keep_their_shares() -> None:
    labels = np.repeat([0, 1, 2], [100, 61, 39])
    for part, size in zip(split_rows(labels, 200, (40, 40), 3)[1:], (40, 40), strict=True):
        share = np.bincount(labels[part]) - size * np.array([100, 61, 39]) / 200
        assert np.abs(share).max() < 1
    # Negative control: a split that ignores the classes is off by more than one.
    part = np.arange(40)
    assert np.abs(np.bincount(labels[part], minlength=3) - 40 * 0.5).max() > 1


def test_splits_depend_on_the_seed_alone() -> None:
    found = _samples(classes=2)
    again = [part.points for part in found.split(10, 0.2, seed=4)]
    for part, points in zip(found.split(10, 0.2, seed=4), again, strict=True):
        np.testing.assert_array_equal(part.points, points)
    assert [len(points) for points in again] == [38, 10, 12]
    assert not np.array_equal(found.split(10, 0.2, seed=5)[1].points, again[1])
    assert len(found.split(0.25, 0)[2]) == 0


@pytest.mark.parametrize(
    ("sizes", "seed", "pattern"),
    [
        ((30, 30), 0, r"parts of 30, 30 rows from 60 rows of 2 classes"),
        ((1.5, 0), 0, r"a share below 1 or a whole number of rows, got 1\.5"),
        ((-1, 0), 0, r"got -1"),
        ((5, 5), -1, r"seed of a split must not be negative, got -1"),
    ],
)
def test_wrong_splits(sizes: tuple[float, float], seed: int, pattern: str) -> None:
    with _raises(pattern):
        _samples(classes=2).split(*sizes, seed=seed)


# Discrete columns


@pytest.mark.parametrize("origin", [0.0, -3.0, 1e6, 1700000000.0])
@pytest.mark.parametrize("step", [1.0, 0.01, 1 / 255, 17.0])
def test_lattices_are_found(origin: float, step: float) -> None:
    # 0, 2 and 5 steps: the smallest gap is not the step.
    column = origin + step * np.random.default_rng(0).choice([0, 2, 5, 11], size=100)
    found = quantisation(column[:, None])
    # Subtracting a large origin leaves its rounding.
    digits = 8 * np.finfo(float).eps * abs(origin) / step
    np.testing.assert_allclose(found.step, [step], rtol=1e-12 + digits)
    assert found.origin[0] == column.min()


def test_counts_of_any_size_have_unit_steps() -> None:
    column = np.random.default_rng(0).choice([0, 1, 2, 5_000_000], size=100).astype(float)
    assert quantisation(column[:, None]).step.tolist() == [1]


def test_pixels_in_single_precision_are_discrete() -> None:
    levels = np.random.default_rng(0).integers(256, size=(2000, 3))
    pixels = (levels.astype(np.float32) / np.float32(127.5) - np.float32(1)).astype(float)
    found = quantisation(pixels)
    np.testing.assert_allclose(found.step, 2 / 255, rtol=1e-6)
    values = found.remove_noise(found.add_noise(pixels, 1))
    np.testing.assert_allclose(values, pixels, atol=1e-6)


@pytest.mark.parametrize(
    "column",
    [
        np.random.default_rng(0).normal(size=300),
        np.random.default_rng(0).integers(200, size=300),  # few repeat
        np.random.default_rng(0).choice(np.random.default_rng(1).normal(size=9), size=300),
        np.where(np.arange(300) < 290, 0.0, np.random.default_rng(0).normal(size=300)),
        np.random.default_rng(0).choice([0.5, 1e7, 1e7 + 1], size=300),  # too many steps
    ],
)
def test_other_columns_are_continuous(column: np.ndarray) -> None:
    found = quantisation(np.asarray(column, float)[:, None])
    assert found.step.tolist() == [0]


def test_all_columns_on_lattices_on_request() -> None:
    points = np.stack([np.arange(9) / 10, np.random.default_rng(0).normal(size=9)], axis=1)
    assert quantisation(points).step.tolist() == [0, 0]
    np.testing.assert_allclose(quantisation(points, repeated=False).step, [0.1, 0], rtol=1e-12)
    found = Samples(points).dequantise("uniform")
    assert found.quantisation is not None
    assert found.quantisation.is_discrete.tolist() == [True, False]


@given(seed=st.integers(0, 1000), step=st.sampled_from([1.0, 0.1, 1 / 255, 3.0]))
def test_noise_fills_the_gaps_and_can_be_removed(seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.stack([step * rng.integers(17, size=200), rng.normal(size=200)], axis=1)
    found = Samples(values).dequantise(seed=seed)
    assert found.quantisation is not None
    noise = (found.points - values)[:, 0] / found.quantisation.step[0]
    assert noise.min() > -1e-9
    assert noise.max() < 1 + 1e-9
    assert abs(noise.mean() - 0.5) < STANDARD_ERRORS * np.sqrt(1 / 12 / 200)
    np.testing.assert_array_equal(found.points[:, 1], values[:, 1])
    np.testing.assert_allclose(found.quantisation.remove_noise(found.points), values, atol=1e-9)
    again = Samples(values).dequantise(seed=seed)
    np.testing.assert_array_equal(again.points, found.points)
    assert "1 columns dequantised" in found.describe()


def test_constant_columns_get_a_unit_of_noise() -> None:
    found = Samples(np.full((50, 1), 7.0)).dequantise()
    assert 7 <= found.points.min() < found.points.max() < 8


def test_values_can_be_left() -> None:
    values = np.random.default_rng(0).integers(4, size=(50, 2)).astype(float)
    with pytest.warns(UserWarning, match=r"discrete columns of here .*: a, b; the likelihood"):
        points, found = dequantise(values, ("a", "b"), mode="none", source="here")
    np.testing.assert_array_equal(points, values)
    assert not found.is_discrete.any()
    assert found.log_volume == 0


def test_bits_bound_the_code_length() -> None:
    """A density constant on each bin is exact; any other one gives more bits."""
    probabilities, step = np.array([0.5, 0.3, 0.2]), 0.25
    lattice = Quantisation(np.zeros(1), np.array([step]))
    entropy = -np.sum(probabilities * np.log2(probabilities))
    exact = np.sum(probabilities * np.log(probabilities / step))
    assert lattice.bits_per_dimension(exact) == pytest.approx(entropy, rel=1e-14)
    # Within each bin a slope: E log is less than log E.
    u = (np.arange(1000) + 0.5) / 1000
    tilted = np.log(probabilities[:, None] / step * (0.5 + u))
    assert lattice.bits_per_dimension(np.sum(probabilities * tilted.mean(axis=1))) > entropy + 0.01
    # Negative control: forgetting the steps gives a number below the entropy.
    assert -exact / np.log(2) < entropy - 1


def test_columns_without_steps_do_not_enter_the_volume() -> None:
    lattice = Quantisation(np.zeros(3), np.array([2.0, 0.0, 4.0]))
    assert lattice.log_volume == pytest.approx(np.log(8))
    assert lattice.bits_per_dimension(-np.log(8)) == pytest.approx(0)


def test_lattices_survive_a_file() -> None:
    lattice = Quantisation(np.array([0.1, 2.0]), np.array([0.0, 1 / 255]))
    again = Quantisation.from_dict(json.loads(json.dumps(lattice.to_dict())))
    assert again.to_dict() == lattice.to_dict()


@pytest.mark.parametrize(
    ("data", "pattern"),
    [
        ({}, r"has the fields origin and step; got none"),
        ({"origin": [0.0], "step": [1.0], "x": 1}, r"got origin, step, x"),
        ({"origin": [0.0], "step": [1.0, 2.0]}, r"got shapes \(1,\) and \(2,\)"),
        ({"origin": [0.0], "step": [-1.0]}, r"finite and not negative, got .*-1"),
        ({"origin": ["a"], "step": [1.0]}, r"must be lists of numbers"),
    ],
)
def test_wrong_lattices(data: dict[str, Any], pattern: str) -> None:
    with _raises(pattern):
        Quantisation.from_dict(data)


def test_wrong_dequantisation() -> None:
    found = _samples()
    with _raises(r"seed of the noise must not be negative, got -1"):
        found.dequantise(seed=-1)
    with _raises(r"noise was already added to data; do it once"):
        found.dequantise().dequantise()


def test_batches_are_one_table():
    rows = np.arange(12.0).reshape(6, 2)
    samples = read_samples(rows[i : i + 2] for i in (0, 2, 4))
    assert np.array_equal(samples.points, rows)
    pairs = [(rows[:2], rows[:2])]
    for batches, message in (
        ([rows, rows[:, :1]], "batch 2 of data is no array of rows"),
        (pairs, r"batch 1 .* tuple .*x for x, _ in loader"),
        ([], "no batches left"),
    ):
        with pytest.raises(LiouvilleError, match=message):
            read_samples(iter(batches))
