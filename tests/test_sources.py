"""Every kind of file and object that data come in, in every reader."""

import datetime
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import liouville
from liouville.data import Snapshots, points_of, read_cells, read_samples
from liouville.data._roles import ROLES, UNITS, plain, usual
from liouville.data._tables import LazyColumns, Table
from liouville.errors import LiouvilleError

pd = pytest.importorskip("pandas")
anndata = pytest.importorskip("anndata")

_X = np.random.default_rng(0).normal(size=(24, 3))
_DAYS = np.repeat([0.0, 1.0, 2.5], 8)
_CODES = np.array([f"AAC{i}-1" for i in range(24)])


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


def _frame(**more: Any) -> Any:
    return pd.DataFrame({"day": _DAYS, "a": _X[:, 0], "b": _X[:, 1], "c": _X[:, 2], **more})


def _cells(**obs: Any) -> Any:
    cells = anndata.AnnData(_X, pd.DataFrame({"day": _DAYS, **obs}, index=pd.Index(_CODES)))
    cells.obsm["X_pca"] = _X
    return cells


# Every way to hand over the same cells, with what it takes to read them.


def _files(path: Path) -> dict[str, Path]:
    """One file of each kind, all of the same cells."""
    frame = _frame()
    frame.to_csv(path / "a.csv", index=False)
    frame.to_csv(path / "a.tsv", index=False, sep="\t")
    frame.to_csv(path / "a.txt", index=False, sep=" ")
    frame.to_csv(path / "a.dat.gz", index=False, sep=";", decimal=",")
    frame.to_csv(path / "index.csv")
    frame.to_parquet(path / "a.parquet")
    frame.to_feather(path / "a.feather")
    np.savez(path / "a.npz", X=_X, t=_DAYS)
    np.save(path / "a.npy", np.column_stack([_DAYS, _X]))
    _cells().write_h5ad(path / "a.h5ad")
    _zarr(path)
    return {file.name: file for file in path.iterdir()}


def _zarr(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _cells().write_zarr(path / "a.zarr")
    return path / "a.zarr"


class _Exchange:
    """A frame of a library nobody knows, which gives itself away as arrow does."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        import pyarrow as pa

        return pa.Table.from_pandas(self.frame).__arrow_c_stream__(requested_schema)


class _Tensor:
    """What torch has in common with every library of arrays."""

    def __init__(self, array: Any) -> None:
        self.array, self.ndim = np.asarray(array), np.ndim(array)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


_OBJECTS = {
    "pandas": _frame,
    "pandas, nullable": lambda: _frame().convert_dtypes(),
    "pandas, arrow": lambda: _frame().convert_dtypes(dtype_backend="pyarrow"),
    "arrow": lambda: pytest.importorskip("pyarrow").Table.from_pandas(_frame()),
    "polars": lambda: pytest.importorskip("polars").DataFrame(_frame().to_dict("list")),
    "exchange": lambda: _Exchange(_frame()),
    "records": lambda: _frame().to_records(index=False).view(np.ndarray),
    "anndata": _cells,
    "anndata, view": lambda: _cells()[np.arange(24)],
    "array": lambda: np.column_stack([_DAYS, _X]),
    "list": lambda: np.column_stack([_DAYS, _X]).tolist(),
    "jax, pair": lambda: (jnp.asarray(_X), jnp.asarray(_DAYS)),
    "lists, triple": lambda: (_X.tolist(), _DAYS.tolist(), np.ones(24).tolist()),
    "tensors, pair": lambda: (_Tensor(_X), _Tensor(_DAYS)),
}


def _are_the_cells(cells: Snapshots) -> None:
    np.testing.assert_allclose(cells.points, _X, rtol=1e-6)
    np.testing.assert_array_equal(cells.times, _DAYS)


def test_files_of_cells(tmp_path: Path) -> None:
    for name, file in _files(tmp_path).items():
        cells = read_cells(file)
        _are_the_cells(cells)
        if name.endswith((".h5ad", ".zarr")):
            assert cells.identifiers is not None
            assert cells.identifiers.tolist() == _CODES.tolist()
        samples = read_samples(file, features=cells.features) if ".np" not in name else None
        if samples is not None:
            np.testing.assert_array_equal(samples.points, cells.points)
        if not name.endswith(".npy"):
            asked = points_of(file, cells.features, dim=3, time_name=cells.time_name)
            np.testing.assert_array_equal(asked.points, cells.points)
            np.testing.assert_array_equal(asked.times, cells.times)


@pytest.mark.parametrize("kind", _OBJECTS)
def test_objects_of_cells(kind: str) -> None:
    given = _OBJECTS[kind]()
    _are_the_cells(read_cells(given))
    if kind not in ("array", "list") and "triple" not in kind:
        features = read_cells(given).features
        asked = points_of(given, features, dim=3, time_name="day" if "pair" not in kind else None)
        np.testing.assert_allclose(asked.points, _X, rtol=1e-6)


@pytest.mark.parametrize("reader", [read_cells, read_samples])
@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        (None, "of type NoneType; give a path, an array"),
        (5, "of type int"),
        (1.5, "of type float"),
        (np.float64(2), "of type float64"),
        ({"x": [1]}, "of type dict"),
        ({1, 2}, "of type set"),
        ((i for i in range(3)), "batch 1 of .* is no array of rows"),
        (b"a.csv", "of type bytes"),
        (io.StringIO("a"), "of type StringIO"),
        (lambda: 0, "of type function"),
        ("no path", "suffix '' is not one of .csv"),
        ([[1, 2], [3]], "of type list cannot be an array"),
        ([["a", "b"]], "holds <U1 values; give real numbers"),
        (np.array([[1 + 2j, 3]]), "holds complex128 values"),
        (np.zeros((0, 2)), "has 0 |at least one|holds"),
        ((), "arrays|of them"),
    ],
)
def test_wrong_kinds(reader: Any, given: Any, pattern: str) -> None:
    with _raises(pattern) as info:
        reader(given)
    assert str(info.value).isprintable()


def test_frames_that_cannot_be_read() -> None:
    polars = pytest.importorskip("polars")
    with _raises("is not computed yet; collect it first"):
        read_cells(polars.LazyFrame({"t": [1], "x": [2]}))
    twice = pd.DataFrame([[0, 1.0, 2.0]], columns=["t", "a", "a"])
    with _raises("'a' 2 times"):
        read_cells(twice)


def test_frames_with_an_index_and_text() -> None:
    frame = _frame(barcode=_CODES)
    cells = read_cells(frame)
    assert cells.features == ("a", "b", "c")
    assert cells.identifiers is not None
    assert cells.identifiers.tolist() == _CODES.tolist()
    cells = read_cells(_frame().set_index(pd.Index(_CODES)))
    assert cells.identifiers is not None
    kept = cells.select(np.arange(24) % 2 == 0)
    assert kept.identifiers is not None
    assert kept.identifiers.tolist() == _CODES[::2].tolist()
    with _raises("column 'kind' of cells has 'u' on row 1, which is no number; .*--without kind"):
        read_cells(_frame(kind="u"))
    assert read_cells(_frame(kind="u"), without="kind").features == ("a", "b", "c")
    with _raises("no column 'kidn'.*did you mean 'kind'"):
        read_cells(_frame(kind="u"), without=["kidn"])


# AnnData


@pytest.mark.parametrize(
    ("days", "expected", "unit"),
    [
        (pd.Series([0, 1] * 12), [0.0, 1.0], ""),
        (pd.Series([0, 1] * 12, dtype="Int64"), [0.0, 1.0], ""),
        (pd.Series(["Day03", "Day10"] * 12, dtype="string"), [3.0, 10.0], "days"),
        (pd.Categorical(["E8.5", "E9"] * 12), [8.5, 9.0], "embryonic days"),
        (pd.Categorical(["P0", "P7"] * 12, ["P7", "P0"], ordered=True), [0.0, 7.0], "postnatal"),
        (pd.Categorical([3, 7] * 12), [3.0, 7.0], ""),
        (["12h", "24h"] * 12, [12.0, 24.0], "hours"),
        ([datetime.date(2020, 1, 1), datetime.date(2020, 1, 3)] * 12, [0.0, 2.0], "days"),
    ],
)
def test_times_of_obs(days: Any, expected: list[float], unit: str) -> None:
    cells = _cells()
    cells.obs["stage"] = getattr(days, "array", days)
    found = read_cells(cells, time_key="stage")
    assert found.times[:2].tolist() == expected
    assert found.time_unit.startswith(unit)
    if unit == "days" and isinstance(days, list):  # dates, which have no origin in a question
        return
    options: Any = {"time_key": "stage", "time_unit": found.time_unit}
    asked = points_of(cells, found.features, dim=3, **options)
    assert asked.times is not None
    assert asked.times[:2].tolist() == expected


def test_times_that_need_a_map(tmp_path: Path) -> None:
    cells = _cells(stage=["MEF", "iPSC"] * 12)
    with _raises(r"without exactly one number: 'MEF', 'iPSC'; .*--times 'MEF=0,\.\.\.'"):
        read_cells(cells, time_key="stage")
    found = read_cells(cells, time_key="stage", times="iPSC=18,MEF=0")
    assert found.times[:2].tolist() == [0, 18]
    assert read_cells(cells, time_key="stage", times={"iPSC": 18, "MEF": 0}).times[1] == 18
    asked = points_of(cells, found.features, dim=3, time_name="stage", times="iPSC=18,MEF=0")
    assert asked.times is not None
    assert asked.times[:2].tolist() == [0, 18]
    with _raises("has 'MEF', for which times gives none; add it, such as MEF=1. Given: iPSC"):
        read_cells(cells, time_key="stage", times="iPSC=18")
    with _raises("no value 'ips' in time column 'stage'"):
        read_cells(cells, time_key="stage", times="iPSC=18,MEF=0,ips=3")
    for wrong in ("iPSC", "iPSC=x", "=3", "MEF=1,MEF=2", "MEF=inf"):
        with _raises("times must give every label once and a number, such as"):
            read_cells(cells, time_key="stage", times=wrong)
    mixed = _cells(stage=["E18.5", "P0"] * 12)
    with _raises(r"words its values differently: 'E18.5', 'P0'; .*--times 'E18.5=0,\.\.\.'"):
        read_cells(mixed, time_key="stage")
    assert read_cells(mixed, time_key="stage", times="E18.5=18.5,P0=19.5").times[1] == 19.5
    with _raises("holds bool values"):
        read_cells(_cells(stage=[True, False] * 12), time_key="stage")
    with _raises("has 12 missing values"):
        read_cells(_cells(stage=pd.array([1, None] * 12, "Int64")), time_key="stage")


def test_pseudotime_needs_bins() -> None:
    values = np.linspace(0, 1, 24) ** 2
    cells = _cells(dpt_pseudotime=values)
    with _raises(r"'dpt_pseudotime' of cells has 24 different values in 24 cells, .*--bins 10"):
        read_cells(cells, time_key="dpt_pseudotime")
    found = read_cells(cells, time_key="dpt_pseudotime", bins=3)
    assert found.counts.tolist() == [8, 8, 8]
    expected = [np.median(part) for part in np.split(np.sort(values), 3)]
    np.testing.assert_allclose(found.distinct_times, expected)
    few = read_cells(_cells(pseudotime=_DAYS), time_key="pseudotime")
    assert few.distinct_times.size == 3
    many = {"t": np.random.default_rng(1).uniform(size=60), "x": np.arange(60) ** 0.5}
    with _raises("has 60 different values in 60 cells"):
        read_cells(pd.DataFrame(many))
    for bins in (1, 4):
        with _raises("into .* bins; ask for two or more, and no more than that"):
            read_cells(_cells(), bins=bins)


def test_matrices_of_anndata(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    cells = _cells(kind=["u", "v"] * 12)
    cells.var_names = ["g1", "g2", "g3"]
    cells.raw = cells.copy()
    cells.layers["counts"] = sparse.csr_matrix(2 * _X)
    cells.obsm["sparse"] = sparse.csr_matrix(3 * _X)
    cells.obsm["frame"] = pd.DataFrame(4 * _X, columns=["u", "v", "w"], index=cells.obs_names)
    cells.X = sparse.csr_matrix(5 * _X)
    cells.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    expected = {"X_pca": 1, "raw": 1, "layers/counts": 2, "sparse": 3, "frame": 4, "X": 5}
    for given in (cells, cells[:], tmp_path / "a.h5ad", backed):
        for basis, factor in expected.items():
            found = read_cells(given, basis=basis)
            np.testing.assert_allclose(found.points, factor * _X)
        assert read_cells(given, basis="X", features="g3,g1").features == ("g3", "g1")
        assert read_cells(given, basis="frame").features == ("u", "v", "w")
        np.testing.assert_allclose(read_cells(given, basis="X", without="g1").points, 5 * _X[:, 1:])
        np.testing.assert_allclose(read_samples(given, basis="X").points, 5 * _X)
        assert read_samples(given, label="kind").classes == ("u", "v")
        with _raises("no layer 'count'.*did you mean 'counts'"):
            read_cells(given, basis="layers/count")
    backed.file.close()
    with _raises("has no raw; name another basis: X_pca, X"):
        read_cells(_cells(), basis="raw")


@pytest.mark.parametrize(
    ("lost", "key", "left"), [("raw/X", "raw", "X_pca, X"), ("X", "X", "X_pca")]
)
def test_a_file_that_lost_a_matrix(tmp_path: Path, lost: str, key: str, left: str) -> None:
    h5py = pytest.importorskip("h5py")
    cells = _cells()
    cells.raw = cells.copy()
    cells.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        del file[lost]
    with _raises(f"has no {key}; name another basis: {left}"):
        read_cells(tmp_path / "a.h5ad", basis=key)


def test_a_heap_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The free space of a heap of texts that has no size: the library would go round forever."""
    monkeypatch.setattr("liouville.data._believable._SECONDS", 1)
    file = tmp_path / "a.h5ad"
    _cells().write_h5ad(file)
    read_cells(file)
    data = bytearray(file.read_bytes())
    start = data.index(b"GCOL")
    place = start + 16
    while data[place] or data[place + 1]:
        size = int.from_bytes(data[place + 8 : place + 16], "little")
        place += 16 + 8 * -(-size // 8)
    data[place + 8 : place + 16] = bytes(8)
    file.write_bytes(data)
    with _raises("is damaged: its library ended on it by signal"):
        read_cells(file)


def test_a_copy_of_metadata_that_says_more(tmp_path: Path) -> None:
    """The copy is what the library believes."""
    folder = _zarr(tmp_path)
    read_cells(folder, basis="X_pca")
    (copy,) = (name for name in (".zmetadata", "zarr.json") if (folder / name).exists())
    said = json.loads((folder / copy).read_text())
    arrays = said.get("consolidated_metadata", said)["metadata"]
    next(array for name, array in arrays.items() if "X_pca" in name and "shape" in array)[
        "shape"
    ] = [10**9, 2]
    (folder / copy).write_text(json.dumps(said))
    with _raises("unpacks to 16.* GB or more"):
        read_cells(folder, basis="X_pca")


def test_a_chunk_that_says_more_than_its_array(tmp_path: Path) -> None:
    """Texts of variable length begin with their number, for which memory is taken."""
    numcodecs = pytest.importorskip("numcodecs")
    folder, names = _zarr(tmp_path), np.array(["a", "b", "c"], dtype=object)
    texts = numcodecs.VLenUTF8()
    (chunk,) = (file for file in (folder / "obs" / "_index").iterdir() if file.name in ("0", "c"))
    packed = chunk / "0" if chunk.is_dir() else chunk
    packer = numcodecs.Zstd() if chunk.is_dir() else numcodecs.Blosc()
    lie = bytearray(texts.encode(names))
    lie[:4] = (2**31 - 1).to_bytes(4, "little")
    packed.write_bytes(packer.encode(bytes(lie)))
    with _raises("damaged .*Unable to allocate 16.0 GiB"):
        read_cells(folder, basis="X_pca")


def test_columns_that_are_shorter_than_their_table() -> None:
    lengths = {"day": 4, "a": 4, "b": 0}
    for batches in (lambda _: None, lambda names: iter([[np.zeros(lengths[n]) for n in names]])):
        columns = LazyColumns(tuple(lengths), 4, lambda name: np.arange(lengths[name]), batches)
        table = Table("t", columns, str)
        with _raises("the file is damaged"):
            table.matrix(["a", "b"])
        with _raises("column 'b' has 0 rows where its table has 4"):
            table.numbers("b")


def test_integers_beyond_the_digits_of_a_float(tmp_path: Path) -> None:
    frame = pd.DataFrame({"day": [0, 1], "a": [2**63 - 1, 3], "b": [0.5, 1.5]})
    frame.to_feather(tmp_path / "a.feather")
    frame.to_parquet(tmp_path / "a.parquet")
    for name in ("a.feather", "a.parquet"):
        assert read_cells(tmp_path / name, features="a").points[0, 0] == 2.0**63


def test_a_table_without_rows(tmp_path: Path) -> None:
    empty = pd.DataFrame({"a": np.zeros(0), "b": pd.to_datetime([])})
    empty.to_parquet(tmp_path / "a.parquet")
    with _raises("no rows"):
        read_samples(tmp_path / "a.parquet")


def test_mudata() -> None:
    mudata = pytest.importorskip("mudata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = mudata.MuData({"rna": _cells(), "atac": _cells()})
    both.obs["day"] = _DAYS
    for given in (both, both[:]):
        np.testing.assert_allclose(read_cells(given, basis="rna:X_pca").points, _X)
        np.testing.assert_allclose(read_cells(given, basis="atac:X").points, _X)
    with _raises("no obsm array 'rna:none'|no obsm array 'none'"):
        read_cells(both, basis="rna:none")


# Columns that are no coordinates


@pytest.mark.parametrize("reader", [read_cells, read_samples])
@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("leiden", _X[:, 0] > 0, "clusters"),
        ("Batch", np.arange(24) % 3, "batches"),
        ("n_counts", 100 + _X[:, 0], "counts"),
        ("cell id", _X[:, 1], "identifiers"),
        ("z", np.arange(24) + 7, "whole numbers that count the rows"),
        ("z", np.repeat([1, 5], 12), "2 whole numbers"),
    ],
)
def test_columns_that_look_like_no_coordinates(
    reader: Any, name: str, values: np.ndarray, kind: str
) -> None:
    frame = _frame(**{name: values.astype(float)})
    frame = frame if reader is read_cells else frame.drop(columns="day")
    with pytest.warns(UserWarning, match=rf"look like no coordinates: {name} \({kind}.*--without"):
        assert name in reader(frame).features
    assert reader(frame, without=name).features == ("a", "b", "c")
    assert reader(frame, features=["a", name]).features == ("a", name)


def test_counts_and_pixels_are_coordinates() -> None:
    pixels = pd.DataFrame(np.random.default_rng(0).integers(0, 17, size=(200, 8))).add_prefix("p")
    assert len(read_samples(pixels).features) == 8


# What readers share


def test_what_fits_can_be_asked_about(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pcs=_X, sample_labels=_DAYS)
    cells = read_cells(tmp_path / "a.npz", dims=2)
    asked = points_of(tmp_path / "a.npz", cells.features, dim=2, time_name=cells.time_name)
    np.testing.assert_array_equal(asked.points, cells.points)
    np.save(tmp_path / "a.npy", _X)
    samples = read_samples(tmp_path / "a.npy", without="x1")
    asked = points_of(tmp_path / "a.npy", samples.features, dim=2)
    np.testing.assert_array_equal(asked.points, samples.points)
    frame = _frame().rename(columns={"day": "Time (h)"})
    cells = read_cells(frame)
    assert cells.time_unit == "hours"
    asked = points_of(_frame()[["c", "a", "b"]], cells.features, dim=3)
    np.testing.assert_array_equal(asked.points, cells.points)
    frame = frame.rename(columns={"Time (h)": "when"})
    frame.to_csv(tmp_path / "when.csv", index=False)
    cells = read_cells(tmp_path / "when.csv", time_key="when")
    asked = points_of(tmp_path / "when.csv", cells.features, dim=3, time_name="when")
    np.testing.assert_array_equal(asked.times, cells.times)
    asked = points_of(_frame(), cells.features, dim=3, time_name="when")
    np.testing.assert_array_equal(asked.times, cells.times)
    with _raises("no column 'when' in points"):
        points_of(_frame().drop(columns="day"), cells.features, dim=3, time_name="when")
    with _raises("times 'day' are in days but those of the model in hours; convert them"):
        points_of(_frame(), cells.features, dim=3, time_unit="hours")
    with _raises("lacks the columns b of the model; it has: day, a, c"):
        points_of(_frame().drop(columns="b"), cells.features, dim=3)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Origin Time", "time"),
        ("origin-time", "time"),
        (" T ", "time"),
        ("Time [s]", "time"),
        ("Longitude", "longitude"),
        ("LAT", "latitude"),
        ("leiden", "cluster"),
        ("Unnamed: 0", "identifiers"),
        ("orig.ident", "batch"),
    ],
)
def test_names_of_roles(name: str, role: str) -> None:
    assert usual(role, ["other", name]) == [name]
    assert usual(role, ["other", name], [name]) == []


def test_no_name_has_two_roles_that_are_looked_for_together() -> None:
    for first, second in (("time", "points"), ("time", "mark"), ("time", "sequence")):
        assert not set(ROLES[first].names) & set(ROLES[second].names)
    words = [word for _, words in UNITS.values() for word in words]
    assert len(words) == len(set(words))
    assert all(plain(name) == name for role in ROLES.values() for name in role.names)


@pytest.mark.parametrize(
    ("name", "heavy"), [("a.csv", set()), ("large.csv", {"pyarrow"}), ("a.parquet", {"pyarrow"})]
)
def test_reading_imports_no_more_than_it_needs(tmp_path: Path, name: str, heavy: set[str]) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20_000, 3))).add_prefix("x")
    frame.loc[3, "x1"] = np.nan
    frame.to_csv(tmp_path / "large.csv", index=False)
    frame.head(9).to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    code = (
        "import sys, liouville.data; t = liouville.data.open_table(sys.argv[1]);"
        "t.matrix(t.names); t.numbers('x1');"
        "print(*{m for m in sys.modules if m in "
        "('pandas', 'pyarrow', 'jax', 'narwhals', 'anndata')})"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(liouville.__file__).parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path / name)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == heavy
