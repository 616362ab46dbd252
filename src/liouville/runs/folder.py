"""A run: the folder a command fills with a model, its configuration, its log and its report."""

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from liouville.errors import LiouvilleError
from liouville.runs import config as configuration
from liouville.runs.files import atomic_path, made_folder
from liouville.runs.interruption import command
from liouville.runs.locks import LOCK_FILE, only_writer

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
# Where a new run grows while the folder keeps its old one, and where it waits, finished, until all
# of its files have taken the places of the old ones.
_NEW, _NEXT = ".new", ".next"


# What the configuration of a run holds, in the order of `Run`.
_CONTENT = {"task": str, "settings": dict, "data_sha256": str, "finished": bool}


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder and what its `config.yaml` says."""

    folder: Path
    task: str
    settings: dict[str, Any]  # the configuration as nested plain values
    fingerprint: str  # of the data
    is_finished: bool = False  # all files are there, and the settings have no open choices

    def write(self) -> None:
        """Writes `config.yaml`; the folder must exist."""
        content = {
            "task": self.task,
            "data_sha256": self.fingerprint,
            "finished": self.is_finished,
            "made": made(),
            "versions": versions(),
            "settings": self.settings,
        }
        write_text(self.folder / CONFIG_FILE, yaml.safe_dump(content, sort_keys=False))


def made() -> dict[str, str]:
    """When a run is written, and by which command."""
    now = datetime.datetime.now(datetime.UTC)
    is_command = Path(sys.argv[0]).name in ("liouville", "__main__.py")
    return {
        "date": f"{now:%Y-%m-%d %H:%M} UTC",
        "command": command() if is_command else "a program in Python",
    }


def made_of(folder: Path) -> dict[str, str]:
    """When, by which command and by which versions the run in a folder was made, as far as said."""
    content = configuration.load_yaml(file_of(folder, CONFIG_FILE))
    found: dict[str, str] = {}
    for name in ("made", "versions"):
        told = content.get(name)
        found |= {k: str(v) for k, v in told.items()} if isinstance(told, Mapping) else {}
    return found


def open_run(folder: Path) -> Run:
    """Reads what a run's `config.yaml` says; refuses a folder without."""
    file = file_of(folder, CONFIG_FILE)
    if not file.is_file():
        raise LiouvilleError(f"{folder} holds no run (no {CONFIG_FILE}); fit a model first")
    content = configuration.load_yaml(file)
    for key, kind in _CONTENT.items():
        if not isinstance(content.get(key), kind):
            found = repr(content[key]) if key in content else "missing"
            raise LiouvilleError(
                f"{file} is not a run's configuration: {key} is {found}; restore it or fit again"
            )
    return Run(folder, *(content[key] for key in _CONTENT))


def file_of(folder: Path, name: str) -> Path:
    """Where a file of the run in a folder is, for reading.

    That is `folder / name`, unless a process was killed in the moment in which a new run took the
    place of the old one, and the file still waits for it.
    """
    waiting = folder / _NEXT / name
    return waiting if waiting.exists() else folder / name


def is_unfinished(folder: Path) -> bool:
    """Whether there is a run in the folder to resume: one that broke off."""
    if (folder / _NEW / CONFIG_FILE).is_file():
        return True
    return file_of(folder, CONFIG_FILE).is_file() and not open_run(folder).is_finished


@contextlib.contextmanager
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
) -> Iterator[tuple[Run, Config, Data]]:
    """Opens a new run, or an old one to go on with, and is its only writer in the block.

    Settings are checked before anything is touched, and all input before a file is written. The
    run may lie in a hidden folder of `folder`; `finish` brings it to its place.

    Args:
        folder: the folder to fill.
        task: what is fitted, for instance `cells`.
        kind: the class of the configuration, merged from `file`, `flags` and then `settings`.
        load: reads and checks the data of a configuration.
        arrays: the arrays of the data, by which they are recognised on resuming.
        file: the values of a YAML file.
        flags: values by dotted key; `None` for not given.
        settings: `key=value` strings.
        force: put a new run in the place of the one the folder holds, which stays until then.
        resume: go on with the run, or with the new one of a `force` that broke off. The
            configuration is then the run's own.
    """
    settings = list(settings)
    chosen = configuration.merge(kind, file=file, flags=flags, settings=settings)
    with writing(folder):
        place = _claim(folder, force=force, resume=resume)
        before = open_run(place) if resume else None
        if before is not None:
            chosen = _resume(before, task, kind, file, flags, settings)
        data = load(chosen)
        run = Run(place, task, configuration.to_dict(chosen), fingerprint(arrays(data)))
        if before is None:
            if place != folder:
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
            run.write()
        elif before.fingerprint != run.fingerprint:
            raise LiouvilleError(
                f"the data are not those {folder} was fitted to; resume with the same file, or fit "
                "anew in another --out"
            )
        else:
            run = dataclasses.replace(run, is_finished=before.is_finished)
        yield run, chosen, data


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Makes a folder if need be, and is the only writer in it; see `only_writer`."""
    _refuse_links(folder)
    with made_folder(folder), only_writer(folder):
        _settle(folder)
        yield


def _refuse_links(folder: Path) -> None:
    """Refuses a folder in which a name of ours is a link, as a run may come from anybody.

    Through it files elsewhere would be written, moved or emptied.
    """
    for place in (folder, folder / _NEW, folder / _NEXT):
        for name in (*_OURS, "figures", _NEW, _NEXT, LOCK_FILE):
            if (place / name).is_symlink():
                raise LiouvilleError(
                    f"{place / name} is a link to another place, which would be written; remove it"
                )


def finish(folder: Path, run: Run, settings: dict[str, Any]) -> None:
    """Writes that a run is finished, with its settings, and brings it to its place in a folder."""
    dataclasses.replace(run, settings=settings, is_finished=True).write()
    if run.folder != folder:
        # From this moment on the folder holds the new run.
        os.replace(run.folder, folder / _NEXT)
        _settle(folder)


def _settle(folder: Path) -> None:
    """Moves a new run that waits to the place of the old one, or goes on moving it.

    Other files in the folder stay. The configuration moves first: while it waits, nothing has
    moved, and what the old run has beyond the new one can be told.
    """
    waiting = folder / _NEXT
    if not waiting.is_dir():
        return
    try:
        if (waiting / CONFIG_FILE).exists():
            for name in (*_OURS, "figures"):
                if not (waiting / name).exists():
                    _remove(folder / name)
            os.replace(waiting / CONFIG_FILE, folder / CONFIG_FILE)
        for file in sorted(waiting.iterdir()):
            if file.is_dir():
                _remove(folder / file.name)
            os.replace(file, folder / file.name)
        waiting.rmdir()
    except OSError as error:
        raise LiouvilleError(
            f"cannot move the new run from {waiting} to {folder}: {error.strerror}; change the "
            "permissions and try again"
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
    task: str,
    kind: type[Config],
    file: Mapping[str, Any] | None,
    flags: Mapping[str, Any] | None,
    settings: list[str],
) -> Config:
    """The run's own configuration; other wishes are refused, not silently dropped."""
    if run.task != task:
        raise LiouvilleError(f"the run is one of {run.task}, not of {task}; resume it as such")
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


def _claim(folder: Path, *, force: bool, resume: bool) -> Path:
    """Where the run is to be written: in the folder, or hidden in it beside the run it holds."""
    if force and resume:
        raise LiouvilleError(
            "--force and --resume contradict each other; --resume alone goes on with either run"
        )
    beside = folder / _NEW
    taken = (folder / CONFIG_FILE).exists()
    if resume:
        if (beside / CONFIG_FILE).exists():
            return beside
        if not taken:
            raise LiouvilleError(f"{folder} holds no run to resume; leave --resume out")
    elif taken and not force:
        raise LiouvilleError(
            f"{folder} already holds a run; go on with --resume, replace it with --force, or "
            "choose another --out"
        )
    return beside if taken and not resume else folder


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
