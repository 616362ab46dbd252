"""Files that libraries read for us: columns of Parquet and Feather, AnnData, catalogues in XML."""

import contextlib
import io
import random
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from mutations import array_changed, bytes_changed, json_changed, text_changed
from readers import Target

from liouville.data import read_cells, read_events, read_points, read_samples

_ROWS = 30
_QUAKEML = """<?xml version="1.0" encoding="UTF-8"?>
<q:quakeml xmlns="http://quakeml.org/xmlns/bed/1.2" xmlns:q="http://quakeml.org/xmlns/quakeml/1.2">
<eventParameters publicID="smi:local/a">{events}</eventParameters></q:quakeml>
"""
_EVENT = """<event publicID="smi:local/e{i}"><type>earthquake</type>
<origin publicID="smi:local/o{i}"><time><value>2019-03-{day:02d}T07:13:00Z</value></time>
<latitude><value>{i}.5</value></latitude><longitude><value>-{i}.25</value></longitude></origin>
<magnitude publicID="smi:local/m{i}"><mag><value>{i}.1</value></mag></magnitude></event>
"""


def _frame() -> pd.DataFrame:
    i = np.arange(_ROWS)
    return pd.DataFrame(
        {"day": i % 3, "a": np.sin(37.0 * i), "b": np.cos(17.0 * i), "label": i % 2}
    )


def _catalogue() -> pd.DataFrame:
    i = np.arange(_ROWS)
    times = pd.Timestamp("2019-03-01") + pd.to_timedelta(i * 7, unit="h")
    places = {"latitude": 30.0 + i / 10, "longitude": 130.0 - i / 10}
    return pd.DataFrame({"time": times, **places, "magnitude": 2.0 + i % 4})


def _columns(given: pd.DataFrame, rng: random.Random) -> pa.Table:
    """A table with columns of kinds that nobody expects, with other names, or with too few rows."""
    n = len(given) if rng.random() < 0.9 else rng.choice([0, 1, 2])
    columns: dict[str, Any] = {name: pa.array(given[name].to_numpy()[:n]) for name in given}
    for name in rng.sample(list(columns), rng.choice([0, 1, 1, 2])):
        own = given[name].to_numpy()[:n]
        columns[name] = rng.choice(
            [
                lambda own=own: pa.array([str(v) for v in own]),
                lambda own=own: pa.array([None if i % 3 else float(v) for i, v in enumerate(own)]),
                lambda n=n: pa.nulls(n),
                lambda n=n: pa.array([[1.0, 2.0]] * n),
                lambda n=n: pa.array([{"x": 1.0}] * n),
                lambda n=n: pa.array([b"\xff\x00"] * n),
                lambda n=n: pa.array([True, None] * (n // 2) + [False] * (n % 2)),
                lambda own=own: pa.array([str(v) for v in own]).dictionary_encode(),
                lambda own=own: pa.array(own.astype("datetime64[ns]")),
                lambda own=own: pa.array(own.astype("timedelta64[s]")),
                lambda n=n: pa.array([np.inf, np.nan, -np.inf] * n)[:n],
                lambda n=n: pa.array([2**63 - 1] * n),
                lambda n=n: pa.array([1e308] * n),
                lambda n=n: pa.array(["E8.5", "12h", "", "=1+1", "\x1b[31m"] * n)[:n],
            ]
        )()
    names = list(columns)
    if rng.random() < 0.3:
        place = rng.randrange(len(names))
        names[place] = rng.choice(["", "time", "a", "\n", "x" * 300, "0", "label", "é\u202e"])
    return pa.Table.from_arrays(list(columns.values()), names=names)


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def _feather(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.feather.write_feather(table, buffer)
    return buffer.getvalue()


def _parquet_changed(data: bytes, rng: random.Random) -> bytes:
    return _parquet(_columns(pd.read_parquet(io.BytesIO(data)), rng))


def _feather_changed(data: bytes, rng: random.Random) -> bytes:
    return _feather(_columns(pd.read_feather(io.BytesIO(data)), rng))


def _annotated() -> Any:
    import anndata

    frame = _frame()
    frame.index = pd.Index([f"cell{i}" for i in range(_ROWS)])
    frame["stage"] = pd.Categorical([f"E{i % 3}.5" for i in range(_ROWS)])
    points = frame[["a", "b"]].to_numpy()
    cells = anndata.AnnData(points, obs=frame.filter(["day", "stage"]))
    cells.obsm["X_pca"] = points
    return cells


def _h5ad() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.h5ad")
        _annotated().write_h5ad(file)
        return file.read_bytes()


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return buffer.getvalue()


def _zarr() -> bytes:
    """A folder of zarr, packed to be one file for the harness."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _annotated().write_zarr(Path(name, "a.zarr"))
        return _packed(Path(name, "a.zarr"))


def _zarr_changed(data: bytes, rng: random.Random) -> bytes:
    """The folder with a file that is missing, damaged, or says something else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        for file in rng.sample(files, rng.choice([1, 1, 2])):
            fate, content = rng.random(), file.read_bytes()
            if fate < 0.2:
                file.unlink()
            elif content.startswith(b"{") and fate < 0.8:
                file.write_bytes(json_changed(content, rng))
            else:
                file.write_bytes(bytes_changed(content, rng))
        return _packed(folder)


def _h5ad_changed(data: bytes, rng: random.Random) -> bytes:
    """An AnnData file with a key, an attribute or an array that is not what it should be."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for name in rng.sample(names, rng.choice([1, 1, 2])):
            if name not in file:
                continue
            node, fate = file[name], rng.random()
            if fate < 0.2:
                del file[name]
            elif fate < 0.5 and len(node.attrs):
                key = rng.choice(list(node.attrs))
                if rng.random() < 0.4:
                    del node.attrs[key]
                else:
                    node.attrs[key] = rng.choice(["", "9.9.9", "array", "dataframe", 7, [1, 2]])
            elif isinstance(node, h5py.Dataset):
                value, attributes = node[()], dict(node.attrs)
                del file[name]
                other = array_changed(np.asarray(value), rng)
                if other.dtype.kind in "OUSVM":
                    other = rng.choice([np.zeros(0), np.zeros((2, 3, 4)), np.array(1.0)])
                file[name] = other
                for key, given in attributes.items():
                    file[name].attrs[key] = given
    return buffer.getvalue()


def _cells(path: Path, rng: random.Random) -> None:
    more: dict[str, Any] = {}
    if path.suffix in (".h5ad", ".zarr"):
        more["time_key"] = rng.choice(["day", "day", "stage", "stage", None, "none"])
        more["basis"] = rng.choice([None, None, "X_pca", "pca", "X", "raw", "layers/a"])
    read_cells(path, **more).check(min_cells=2)


def _zarr_cells(path: Path, rng: random.Random) -> None:
    folder = path.with_name("a.zarr")
    try:
        # Only folders that can be: what is damaged as a whole is no case of this reader.
        not_whole = (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError)
        with contextlib.suppress(*not_whole), zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        _cells(folder, rng)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def container_targets() -> dict[str, Target]:
    """Targets whose files are read by pyarrow, h5py, anndata and obspy."""
    whole = pa.Table.from_pandas(_frame(), preserve_index=False)
    columns = {".parquet": _parquet(whole)}
    events = "".join(_EVENT.format(i=i, day=i + 1) for i in range(9))
    return {
        "cells, Parquet": Target(columns, (_parquet_changed, _parquet_changed), _cells),
        "cells, Feather": Target(
            {".feather": _feather(whole)}, (_feather_changed, _feather_changed), _cells
        ),
        "samples, Parquet": Target(
            columns, (_parquet_changed, _parquet_changed), lambda path, _: read_samples(path)
        ),
        "points, Parquet": Target(
            columns,
            (_parquet_changed, _parquet_changed),
            lambda path, _: read_points(path, ("a", "b"), dim=2),
        ),
        "events, Parquet": Target(
            {".parquet": _parquet(pa.Table.from_pandas(_catalogue(), preserve_index=False))},
            (_parquet_changed, _parquet_changed),
            lambda path, _: read_events(path).check(min_events=1),
        ),
        "cells, AnnData": Target({".h5ad": _h5ad()}, (_h5ad_changed,) * 3, _cells),
        "cells, zarr": Target({".zip": _zarr()}, (_zarr_changed,) * 9, _zarr_cells),
        "events, QuakeML": Target(
            {".xml": _QUAKEML.format(events=events).encode()},
            (text_changed, text_changed),
            lambda path, _: read_events(path).check(min_events=1),
        ),
    }
