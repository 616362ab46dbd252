"""Where a control problem comes from: a name, or a Python file, which is run.

A file that the user names to fit is run as it is. A run keeps a copy of it beside its digest; that
copy is run only if the user trusts it, since a run may come from anybody.
"""

import dataclasses
import hashlib
from pathlib import Path

from liouville.errors import LiouvilleError, one_line
from liouville.runs.reading import ordinary
from liouville.tasks.control import scenes
from liouville.tasks.control.problem import ControlProblem

SCENE_FILE = "scene.py"
_MOST_BYTES = 2**24


def is_code(name: str) -> bool:
    """Whether a problem's name is that of a Python file."""
    return name.endswith(".py")


def digest(source: bytes) -> str:
    """SHA-256 of a Python file."""
    return hashlib.sha256(source).hexdigest()


def source_of(name: str) -> bytes:
    """What a problem is recognised by: the content of its Python file, or its name."""
    return _content(Path(name)) if is_code(name) else name.encode(errors="surrogatepass")


def problem_of(source: bytes, name: str) -> ControlProblem:
    """The problem of a name, or the one that the content of a Python file makes when it is run.

    Raises:
        LiouvilleError: if there is none, or the code fails.
    """
    if not is_code(name):
        if name not in scenes.NAMES:
            raise LiouvilleError(
                f"there is no problem {name!r}; the names are: {', '.join(scenes.NAMES)}; or give "
                "a Python file"
            )
        return scenes.NAMES[name]()
    made = {"__name__": "scene", "__file__": name}
    try:
        # What was looked at is what is run: the file is not read a second time.
        exec(compile(source, name, "exec"), made)
    except Exception as error:
        raise LiouvilleError(
            f"{name} cannot be run: {type(error).__name__}: {one_line(error)}; correct it"
        ) from error
    problem = made.get("problem")
    if not isinstance(problem, ControlProblem):
        raise LiouvilleError(
            f"{name} makes no `problem = ControlProblem(...)`; see docs/control.md"
        )
    is_named = problem.name != "problem"
    return problem if is_named else dataclasses.replace(problem, name=Path(name).stem)


def kept_source(folder: Path, wanted: str | None, trust: bool) -> bytes:
    """The Python file that a run kept, if it is the one that was fitted to and is trusted."""
    file = folder / SCENE_FILE
    source = _content(file)
    if digest(source) != wanted:
        raise LiouvilleError(
            f"{file} has changed since {folder} was fitted to it: its SHA-256 is {digest(source)}; "
            "restore it or fit again"
        )
    if not trust:
        raise LiouvilleError(
            f"the problem of {folder} is Python code: {file} ({source.count(10)} lines, SHA-256 "
            f"{digest(source)}) would be run; read it, and if you trust it add --trust (trust=True "
            "in Python)"
        )
    return source


def _content(file: Path) -> bytes:
    if not file.exists():
        raise LiouvilleError(f"there is no file {file}; check the path")
    if ordinary(file).stat().st_size > _MOST_BYTES:
        raise LiouvilleError(f"{file} is too long for a Python file; check the path")
    return file.read_bytes()
