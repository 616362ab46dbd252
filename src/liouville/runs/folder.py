"""A run: the folder a command fills with a model, its configuration, its log and its report."""

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from liouville.errors import LiouvilleError
from liouville.runs import config as configuration
from liouville.runs.files import atomic_path

Config = TypeVar("Config")
Data = TypeVar("Data")

CONFIG_FILE = "config.yaml"
_OURS = (
    CONFIG_FILE,
    "checkpoint.lv",
    "model.lv",
    "metrics.jsonl",
    "summary.json",
    "report.html",
    "scene.py",
)


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder and what its `config.yaml` says."""

    folder: Path
    task: str
    settings: dict[str, Any]  # the configuration as nested plain values
    fingerprint: str  # of the data

    def write(self) -> None:
        """Makes the folder and writes its `config.yaml`."""
        make_folder(self.folder)
        content = {
            "task": self.task,
            "data_sha256": self.fingerprint,
            "versions": versions(),
            "settings": self.settings,
        }
        write_text(self.folder / CONFIG_FILE, yaml.safe_dump(content, sort_keys=False))


def open_run(folder: Path) -> Run:
    """Reads what a run's `config.yaml` says; refuses a folder without."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise LiouvilleError(f"{folder} holds no run (no {CONFIG_FILE}); fit a model first")
    content = configuration.load_yaml(file)
    try:
        return Run(folder, content["task"], content["settings"], content["data_sha256"])
    except KeyError as error:
        raise LiouvilleError(f"{file} has no {error}; it is not a run's configuration") from error


def begin(
    folder: Path,
    task: str,
    kind: type[Config],
    load: Callable[[Config], Data],
    arrays: Callable[[Data], Iterable[np.ndarray | None]],
    *,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    force: bool = False,
    resume: bool = False,
) -> tuple[Run, Config, Data]:
    """Opens a new run, or an old one to go on with; all input is checked before a file is written.

    Args:
        folder: the folder to fill.
        task: what is fitted, for instance `cells`.
        kind: the class of the configuration, merged from `file`, `flags` and then `settings`.
        load: reads and checks the data of a configuration.
        arrays: the arrays of the data, by which they are recognised on resuming.
        file: the values of a YAML file.
        flags: values by dotted key; `None` for not given.
        settings: `key=value` strings.
        force: replace the run the folder holds.
        resume: go on with it. The configuration is then the run's own.
    """
    settings = list(settings)
    chosen = configuration.merge(kind, file=file, flags=flags, settings=settings)
    if resume:
        claim(folder, force=force, resume=True)
        chosen = _resume(open_run(folder), kind, file, flags, settings)
    data = load(chosen)
    run = Run(folder, task, configuration.to_dict(chosen), fingerprint(arrays(data)))
    if not resume:
        claim(folder, force=force, resume=False)
        run.write()
    elif open_run(folder).fingerprint != run.fingerprint:
        raise LiouvilleError(
            f"the data are not those {folder} was fitted to; resume with the same file, or fit "
            "anew in another --out"
        )
    return run, chosen, data


def data_of(
    run: Run,
    kind: type[Config],
    read: Callable[[Config], Data],
    arrays: Callable[[Data], Iterable[np.ndarray | None]],
) -> tuple[Data, Config]:
    """Reads again the data a run was fitted to, by its own configuration; see `begin`.

    Raises:
        LiouvilleError: if a file is gone or its content has changed, or there was none.
    """
    settings = configuration.from_dict(kind, run.settings)
    named = {**run.settings.get("data", {}), **run.settings.get("problem", {})}
    source = named.get("file") or named.get("ends") or named.get("name")
    if not source:
        raise LiouvilleError(
            f"{run.folder} was fitted to data in memory, whose file is not known; fit from a file"
        )
    data = read(settings)
    if fingerprint(arrays(data)) != run.fingerprint:
        raise LiouvilleError(f"{source} has changed since {run.folder} was fitted to it; fit again")
    return data, settings


def _resume(
    run: Run,
    kind: type[Config],
    file: Mapping[str, Any] | None,
    flags: Mapping[str, Any] | None,
    settings: list[str],
) -> Config:
    """The run's own configuration; other wishes are refused, not silently dropped."""
    saved = configuration.from_dict(kind, run.settings)
    wished = configuration.merge(
        kind,
        file=configuration.to_dict(saved),
        flags={**dict(_flat(file or {})), **dict(flags or {})},
        settings=settings,
    )
    before, after = (dict(_flat(configuration.to_dict(c))) for c in (saved, wished))
    changed = [key for key in before if before[key] != after[key] and key != "data.file"]
    if changed:
        key = changed[0]
        raise LiouvilleError(
            f"{key} is {before[key]} in the run and {after[key]} now; a resumed run keeps its "
            "configuration: leave the option out, or fit anew in another --out"
        )
    return wished


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def claim(folder: Path, *, force: bool, resume: bool) -> None:
    """Checks that a folder may be filled; with `force`, removes the files of the run it holds."""
    if force and resume:
        raise LiouvilleError("--force and --resume contradict each other; give one of them")
    if folder.exists() and not folder.is_dir():
        raise LiouvilleError(f"{folder} is a file; choose another --out")
    taken = (folder / CONFIG_FILE).exists()
    if resume and not taken:
        raise LiouvilleError(f"{folder} holds no run to resume; leave --resume out")
    if taken and not (force or resume):
        raise LiouvilleError(
            f"{folder} already holds a run; go on with --resume, replace it with --force, or "
            "choose another --out"
        )
    if taken and force:
        for name in _OURS:
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "figures", ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents, and tries whether it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A read-only folder exists and cannot be written: better known now than after training.
        with atomic_path(folder / "probe.txt") as probe:
            probe.write_text("")
        (folder / "probe.txt").unlink()
    except OSError as error:
        raise LiouvilleError(
            f"cannot write in {folder}: {error.strerror}; choose another --out"
        ) from error


def write_text(file: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    with atomic_path(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(file: Path, content: Any) -> None:
    """Writes a JSON file whole or not at all."""
    write_text(file, json.dumps(content, indent=1) + "\n")


def fingerprint(arrays: Iterable[np.ndarray | None]) -> str:
    """SHA-256 of arrays of numbers; those that are `None` are left out."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """The versions a result depends on, and the commit if we run from a checkout."""
    found = {"python": platform.python_version()}
    for name in ("liouville", "jax", "equinox", "optax", "numpy", "scipy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    commit = (
        subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
        if shutil.which("git")
        else None
    )
    if commit is not None and commit.returncode == 0:
        found["commit"] = commit.stdout.strip()
    return found
