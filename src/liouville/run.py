"""A run: the folder a command fills with a model, its configuration, its log and its report."""

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from liouville import config as configuration
from liouville.data import Snapshots
from liouville.errors import LiouvilleError
from liouville.files import atomic_path

CONFIG_FILE = "config.yaml"
_OURS = (CONFIG_FILE, "checkpoint.lv", "model.lv", "metrics.jsonl", "summary.json", "report.html")


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder and what its `config.yaml` says.

    Attributes:
        folder: the folder.
        task: what was fitted, for instance `cells`.
        settings: the configuration as nested plain values.
        fingerprint: SHA-256 of the data.
    """

    folder: Path
    task: str
    settings: dict[str, Any]
    fingerprint: str

    def write(self) -> None:
        """Makes the folder and writes its `config.yaml`.

        Raises:
            LiouvilleError: if the folder cannot be made or written.
        """
        make_folder(self.folder)
        content = {
            "task": self.task,
            "data_sha256": self.fingerprint,
            "versions": versions(),
            "settings": self.settings,
        }
        write_text(self.folder / CONFIG_FILE, yaml.safe_dump(content, sort_keys=False))


def open_run(folder: Path) -> Run:
    """Reads what a run's `config.yaml` says.

    Raises:
        LiouvilleError: if the folder holds no run.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise LiouvilleError(f"{folder} holds no run (no {CONFIG_FILE}); fit a model first")
    content = configuration.load_yaml(file)
    try:
        return Run(folder, content["task"], content["settings"], content["data_sha256"])
    except KeyError as error:
        raise LiouvilleError(f"{file} has no {error}; it is not a run's configuration") from error


def claim(folder: Path, *, force: bool, resume: bool) -> None:
    """Checks that a folder may be filled; with `force`, removes the run it holds.

    Only files that a run writes are removed.

    Raises:
        LiouvilleError: if it holds a run and neither `force` nor `resume` is set, or it holds
            none and `resume` is.
    """
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
    """Makes a folder and its parents.

    Raises:
        LiouvilleError: if the system does not let us.
    """
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


def fingerprint(cells: Snapshots) -> str:
    """SHA-256 of points, times and weights."""
    digest = hashlib.sha256()
    for array in (cells.points, cells.times, cells.weights):
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
