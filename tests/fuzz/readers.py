"""What reads files, and right files for it to begin with: the targets of the harness."""

import contextlib
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mutations import (
    Change,
    archive_changed,
    array_changed,
    bytes_changed,
    json_changed,
    npy,
    npy_changed,
    table_changed,
    text_changed,
    tree_changed,
)

from liouville.data import Region, read_cells, read_events, read_points, read_samples
from liouville.runs.config import apply_settings, load_yaml, merge, to_dict
from liouville.tasks import TASKS


class Target(NamedTuple):
    """A reader of one kind of file.

    Attributes:
        seeds: right files by suffix.
        changes: what is done to them, besides to their bytes.
        read: reads the file; what it returns is of no interest.
    """

    seeds: Mapping[str, bytes]
    changes: tuple[Change, ...]
    read: Callable[[Path, random.Random], Any]


def _table(header: str, *columns: Any, rows: int = 30) -> bytes:
    lines = [",".join(str(column(i)) for column in columns) for i in range(rows)]
    return ("\n".join([header, *lines]) + "\n").encode()


def _number(i: int) -> str:
    return f"{np.sin(37.0 * i):.4f}"


def _archive(**arrays: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # pyright: ignore[reportArgumentType]
    return packed.getvalue()


_X = np.sin(np.arange(60.0)).reshape(30, 2)
_CELLS = _table(",day,a,b", lambda i: f"c{i}", lambda i: i % 3, _number, lambda i: _number(-i))
_SAMPLES = _table("a,b,label", _number, lambda i: _number(-i), lambda i: "uvw"[i % 3])
_POINTS = _table("a,b,day", _number, lambda i: _number(-i), lambda i: i % 3)
_STAMPS = _table(
    "time,latitude,longitude,magnitude,type",
    lambda i: f"2019-03-{i + 1:02d}T07:13:{i:02d}Z",
    lambda i: 30 + i / 10,
    lambda i: 130 - i / 10,
    lambda i: 2 + i % 4,
    lambda i: "earthquake",
)
_PLAIN = _table("t,x,y,mark,sequence", lambda i: i / 7, _number, _number, _number, lambda i: i % 2)
_SQUARE = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]]
_REGION = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": "a"},
            "geometry": {"type": "Polygon", "coordinates": [_SQUARE]},
        }
    ],
}
_TEXT = (text_changed, table_changed, table_changed)


def _events(path: Path, rng: random.Random) -> None:
    more: dict[str, Any] = {}
    if rng.random() < 0.3:
        more["window"] = rng.choice(
            ["0,100", "2019-01-01,2020-01-01", "x,y", "1e999,nan", ",", "5"]
        )
    if rng.random() < 0.3:
        more["missing"] = rng.choice(["drop", "refuse"])
    read_events(path, **more).check(min_events=1)


def _points(path: Path, rng: random.Random) -> None:
    read_points(path, ("a", "b"), dim=2, time_key=rng.choice([None, None, "day", "t"]))


def _yaml(task: str) -> bytes:
    import yaml

    return yaml.safe_dump(to_dict(TASKS[task].config()), sort_keys=False).encode()


def _config(path: Path, rng: random.Random) -> None:
    file = load_yaml(path)
    for name in TASKS:
        with contextlib.suppress(ValueError):
            merge(TASKS[name].config, file=file)
    kind = TASKS[rng.choice(list(TASKS))].config
    for line in path.read_text(errors="ignore").splitlines()[:5]:
        with contextlib.suppress(ValueError):
            apply_settings(kind(), [line.replace(":", "=", 1)])


def _yaml_changed(data: bytes, rng: random.Random) -> bytes:
    import yaml

    tree = tree_changed(yaml.safe_load(data), rng)
    return yaml.safe_dump(tree, sort_keys=False).encode("utf-8", "surrogatepass")


def plain_targets() -> dict[str, Target]:
    """Targets that need no JAX."""
    cells = {".csv": _CELLS, ".tsv": _CELLS.replace(b",", b"\t"), ".txt": _CELLS}
    return {
        "cells, text": Target(cells, _TEXT, lambda path, _: read_cells(path).check(min_cells=2)),
        "cells, arrays": Target(
            {".npz": _archive(X=_X, t=np.arange(30) % 3, w=np.ones(30))},
            (archive_changed,),
            lambda path, _: read_cells(path).check(min_cells=2),
        ),
        "samples, text": Target({".csv": _SAMPLES}, _TEXT, lambda path, _: read_samples(path)),
        "samples, arrays": Target(
            {".npz": _archive(X=_X, label=np.arange(30) % 3)},
            (archive_changed,),
            lambda path, _: read_samples(path),
        ),
        "one array": Target({".npy": npy(_X)}, (npy_changed,), lambda path, _: read_samples(path)),
        "points, text": Target({".csv": _POINTS, ".dat": _POINTS}, _TEXT, _points),
        "points, arrays": Target({".npz": _archive(X=_X)}, (archive_changed,), _points),
        "one array of points": Target({".npy": npy(_X)}, (npy_changed,), _points),
        "events, text": Target({".csv": _STAMPS, ".tsv": _PLAIN, "2.csv": _PLAIN}, _TEXT, _events),
        "events, arrays": Target(
            {
                ".npz": _archive(
                    times=np.arange(30.0),
                    places=_X,
                    marks=np.ones(30),
                    sequence=np.repeat([0, 1], 15),
                    windows=np.array([[0.0, 50.0], [0.0, 60.0]]),
                ),
                "2.npz": _archive(a=np.cumsum(np.ones((9, 3)), 0), b=np.cumsum(np.ones((5, 3)), 0)),
            },
            (archive_changed,),
            _events,
        ),
        "region": Target(
            {".geojson": json.dumps(_REGION).encode()},
            (json_changed, json_changed, text_changed),
            lambda path, _: Region.parse(path),
        ),
        "configuration": Target(
            {f"{name}.yaml": _yaml(name) for name in TASKS},
            (_yaml_changed, _yaml_changed, text_changed),
            _config,
        ),
    }


# Files of runs.


def resealed(members: Mapping[str, bytes]) -> bytes:
    """A sealed file of given members, as whoever knows the format can make it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = bytes(64)
    content = packed.getvalue()[:-64]
    return content + hashlib.sha256(content).hexdigest().encode()


def sealed_changed(data: bytes, rng: random.Random) -> bytes:
    """A sealed file whose manifest or arrays are changed, and that is sealed again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    entries = manifest["arrays"]
    if entries and rng.random() < 0.5:
        entry = rng.choice(list(entries.values()))
        array = array_changed(np.load(io.BytesIO(members[entry["member"]])), rng)
        members[entry["member"]] = npy(array)
        entry["shape"], entry["dtype"] = list(array.shape), array.dtype.str
        entry["sha256"] = hashlib.sha256(npy(array)).hexdigest()
    elif rng.random() < 0.9:
        manifest["content"] = tree_changed(manifest["content"], rng)
    else:
        manifest = tree_changed(manifest, rng)
    members["manifest.json"] = json.dumps(manifest).encode()
    return resealed(members)


class _Shop:
    """Runs in a folder, of which one file after another is replaced and read."""

    def __init__(self, folder: Path):
        self.cells, self.control, self.events = (folder / n for n in ("cells", "control", "events"))
        for run in (self.cells, self.control, self.events):
            run.mkdir(parents=True)
        _fill_cells(self.cells)
        _fill_control(self.control)
        _fill_events(self.events)

    def files(self, run: Path, *names: str) -> dict[str, bytes]:
        """Files of a run, by names that end as theirs."""
        return {name: (run / name).read_bytes() for name in names}

    def reader(self, run: Path, use: Callable[[Path], Any]) -> Callable[[Path, Any], Any]:
        """Puts a file in the place of that of the same name, and uses the run."""

        def read(path: Path, _: random.Random) -> None:
            place = run / path.name
            right = place.read_bytes()
            try:
                place.write_bytes(path.read_bytes())
                use(run)
            finally:
                place.write_bytes(right)

        return read


def _fill_cells(folder: Path) -> None:
    """A run of cells that nobody had to train."""
    from liouville.runs.folder import Run, fingerprint
    from liouville.tasks import load_task

    task = load_task("cells")
    (folder / "cells.csv").write_bytes(_CELLS)
    values = {"data.file": str(folder / "cells.csv"), "data.held_out": 0.0, "path.parts": 2}
    config = merge(task.config, values=values)
    data = task.read(config, None)
    Run(folder, "cells", to_dict(config), fingerprint(task.arrays(data)), True).write()
    _model("gaussian-diagonal-monotone").save(folder / "model.lv")
    rows = [{"step": i, "loss": 1.0 / i, "likelihood": 0.5, "gradient": 0.1} for i in range(1, 9)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = {
        "cells": 30,
        "steps": 8,
        "stopped": "finished",
        "held-out nats per cell by time": [
            {"time": 0.0, "liouville": 1.0, "mixture for each time": 2.0, "above": -1.0}
        ],
    }
    (folder / "summary.json").write_text(json.dumps(summary))


def _fill_control(folder: Path) -> None:
    from liouville.runs.folder import Run

    code = b"raise SystemExit('a run was executed')\n"
    (folder / "scene.py").write_bytes(code)
    values = {"problem.name": "scene.py", "problem.sha256": hashlib.sha256(code).hexdigest()}
    config = merge(TASKS["control"].config, values=values)
    Run(folder, "control", to_dict(config), "0" * 64, True).write()


def _fill_events(folder: Path) -> None:
    import jax.numpy as jnp

    from liouville.curves import Constant
    from liouville.paths import Full, LocationScale
    from liouville.processes import (
        ConstantRate,
        Exponentials,
        GutenbergRichter,
        Hawkes,
        HistoryFree,
        PointProcess,
        Reach,
        Unmarked,
    )
    from liouville.runs.folder import Run
    from liouville.tasks.events.model import EventModel
    from liouville.tasks.events.units import EventUnits

    one = Full().from_covariance(jnp.eye(2)[None])
    path = LocationScale(Constant(jnp.zeros((1, 2))), Constant(one), jnp.zeros(1), scale=Full())
    law = GutenbergRichter.of(2.0, 2.9)
    intensity = Hawkes(ConstantRate.of(1.0), Unmarked.of(0.5), Exponentials.of([0.25]))
    process = PointProcess(intensity, HistoryFree(path), law)
    units = EventUnits(np.zeros(2), np.ones(2))
    EventModel(process, units, Reach(16), ("x", "y"), mark_name="mark").save(folder / "model.lv")
    (folder / "history.csv").write_bytes(_PLAIN)
    config = merge(TASKS["events"].config, values={"data.file": str(folder / "history.csv")})
    Run(folder, "events", to_dict(config), "0" * 64, True).write()


def _model(name: str) -> Any:
    from liouville.data import Standardisation
    from liouville.model import Model
    from registry import build

    path = build(name)
    units = Standardisation(np.zeros(path.dim), np.ones(path.dim), 0.0, 2.0)
    features = tuple("abcdefgh"[: path.dim])
    return Model(path, units, np.array([0.0, 1.0, 2.0]), features, "day", "days", 0.3)


_PATHS = (
    *("gaussian-diagonal-monotone", "student-full-cubic", "contextual", "autoregressive"),
    *("factorised-gaussian-cubic-2d", "pushforward-flow-affine-2d"),
)


def run_targets(folder: Path) -> dict[str, Target]:
    """Targets that are files of runs; they are made in a folder."""
    import optax

    from liouville.model import load
    from liouville.numerics.parameters import split
    from liouville.tasks import load_model
    from liouville.tasks.control.fit import load_policy
    from liouville.tasks.events.ask import model_and_history
    from liouville.tasks.events.files import load_events
    from liouville.tasks.skeleton import redraw_run
    from liouville.training import initial_state, read_metrics, restore_state, save_state

    shop = _Shop(folder)
    models = {}
    for name in _PATHS:
        _model(name).save(folder / "model.lv")
        models[f"{name}.lv"] = (folder / "model.lv").read_bytes()
    state = initial_state(split(_model("student-full-cubic").path)[0], optax.adam(1e-2))
    save_state(folder / "checkpoint.lv", state, {"step": 1})
    checkpoint = {".lv": (folder / "checkpoint.lv").read_bytes()}
    sealed = (sealed_changed, sealed_changed, sealed_changed)

    def use_cells(run: Path) -> None:
        load_model(run, "cells").facts()
        redraw_run(run, movie=False)

    cells = shop.reader(shop.cells, use_cells)
    return {
        "model": Target(models, sealed, lambda path, _: load(path).facts()),
        "model of events": Target(
            shop.files(shop.events, "model.lv"), sealed, lambda path, _: load_events(path).facts()
        ),
        "checkpoint": Target(checkpoint, sealed, lambda path, _: restore_state(path, state)),
        "metrics": Target(
            shop.files(shop.cells, "metrics.jsonl"),
            (_lines_changed, text_changed),
            lambda path, _: read_metrics(path),
        ),
        "run, summary": Target(shop.files(shop.cells, "summary.json"), (json_changed,), cells),
        "run, metrics": Target(shop.files(shop.cells, "metrics.jsonl"), (_lines_changed,), cells),
        "run, configuration": Target(
            shop.files(shop.cells, "config.yaml"), (_yaml_changed, text_changed), cells
        ),
        "run, data": Target(shop.files(shop.cells, "cells.csv"), (table_changed,), cells),
        "run of control": Target(
            shop.files(shop.control, "config.yaml", "scene.py"),
            (_configuration_changed,),
            shop.reader(shop.control, load_policy),
        ),
        "history": Target(
            shop.files(shop.events, "history.csv"),
            (table_changed, text_changed),
            lambda path, _: model_and_history(shop.events, path, "0"),
        ),
        "run of events, configuration": Target(
            shop.files(shop.events, "config.yaml"),
            (_yaml_changed,),
            shop.reader(shop.events, lambda run: model_and_history(run, None, "0")),
        ),
    }


def _lines_changed(data: bytes, rng: random.Random) -> bytes:
    """Rows of JSON, of which one is changed."""
    lines = data.decode("latin-1").splitlines()
    place = rng.randrange(len(lines))
    with contextlib.suppress(ValueError):
        lines[place] = json.dumps(tree_changed(json.loads(lines[place]), rng))
    return "\n".join(lines).encode("latin-1", "replace")


def _configuration_changed(data: bytes, rng: random.Random) -> bytes:
    try:
        return _yaml_changed(data, rng)
    except Exception:  # the file is no configuration
        return bytes_changed(data, rng)
