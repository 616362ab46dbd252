"""Writing files whole or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from liouville.errors import LiouvilleError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_PARTIAL = ".partial-"
# What a process that ends now would leave behind, and how to remove it.
_leftovers: dict[Path, Callable[[Path], object]] = {}


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path to write, which takes the place of `path` when the block succeeds.

    The temporary file has the same name and lies in a hidden folder of its own beside `path`, so
    two writers never share one: the last to finish wins. It reaches the disk before it is renamed,
    so `path` holds either the old content or all of the new; if the block fails it is removed. The
    kernel keeps a lock on the hidden folder while its writer lives. What a killed process leaves
    behind is thereby known to be dead, and the next writing in the same directory removes it; on
    Windows, and where the file system has no locks, it stays.

    Raises:
        LiouvilleError: if the directory is missing, `path` is no ordinary file, or the system
            refuses to write (no permission, disk full).
    """
    path = Path(path)
    with _beside(path, Path.is_file, "it is no ordinary file") as folder:
        temporary = folder / path.name
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        with contextlib.suppress(OSError):  # some systems cannot open a directory
            _flush(path.parent)


@contextlib.contextmanager
def atomic_folder(path: Path, *, like: Sequence[str]) -> Iterator[Path]:
    """As `atomic_path` for a folder, which may take the place of one that has a file of `like`.

    Raises:
        LiouvilleError: as `atomic_path`, or if there is something else at `path`.
    """

    def is_alike(there: Path) -> bool:
        return any((there / name).is_file() for name in like)

    with _beside(path, is_alike, "something else is there") as folder:
        temporary = folder / path.name
        yield temporary
        for file in temporary.rglob("*"):
            _flush(file)
        if path.exists():
            os.replace(path, folder / "before")
        os.replace(temporary, path)


@contextlib.contextmanager
def _beside(path: Path, may_go: Callable[[Path], bool], wrong: str) -> Iterator[Path]:
    """A hidden folder beside what is to be written; what the system refuses is told of `path`.

    What is there already is `wrong` unless it `may_go`.
    """
    try:
        if not path.parent.is_dir():
            raise LiouvilleError(f"cannot write {path}: no directory {path.parent}; make it first")
        if path.exists() and not may_go(path):
            raise LiouvilleError(f"cannot write {path}: {wrong}; choose another name")
        with hidden_folder(path.parent) as folder:
            yield folder
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise LiouvilleError(
            f"cannot write {path}: {reason}; check permissions and free space, or choose another "
            "place"
        ) from error


def write_bytes(path: Path, data: bytes) -> Path:
    """Writes a file as `atomic_path` does, and makes its folder if needed."""
    with made_folder(path.parent, keep=True), atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


@contextlib.contextmanager
def made_folder(folder: Path, *, keep: bool = False) -> Iterator[None]:
    """Makes a folder and its parents, and removes what it made if it is left empty.

    Args:
        folder: which may exist.
        keep: leave it even if it is empty.

    Raises:
        LiouvilleError: if it cannot be made, or is a file.
    """
    made = []
    try:
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            made.append(place)
        if not folder.is_dir():
            raise LiouvilleError(f"{folder} is a file; choose another --out")
    except OSError as error:
        raise LiouvilleError(
            f"cannot make the folder {folder}: {error.strerror}; choose another --out"
        ) from error
    with contextlib.ExitStack() as stack:
        for place in made if not keep else ():
            stack.enter_context(leftover(place, os.rmdir))
        yield


@contextlib.contextmanager
def leftover(path: Path, remove: Callable[[Path], object]) -> Iterator[None]:
    """Removes a path at the end of the block, or when `clear_leftovers` is called in it.

    A removal that the system refuses is passed over: a folder that is not empty stays.
    """
    _leftovers[path] = remove
    try:
        yield
    finally:
        _leftovers.pop(path, None)
        with contextlib.suppress(OSError):
            remove(path)


def clear_leftovers() -> None:
    """Removes what this process would leave behind; called right before it ends in mid-work."""
    for path, remove in reversed(list(_leftovers.items())):
        with contextlib.suppress(OSError):
            remove(path)


def lock(path: Path, flags: int = os.O_RDONLY) -> int | None:
    """Opens a file or folder and locks it until its descriptor is closed or the process dies.

    Returns:
        The descriptor, or `None` if another process, or this one elsewhere, has locked it.

    Raises:
        OSError: if it cannot be opened, or the system has no such locks.
    """
    if fcntl is None:
        raise OSError("this system has no locks that end with a process")
    descriptor = os.open(path, flags, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have removed it, and another may have made it anew since.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextlib.contextmanager
def hidden_folder(parent: Path) -> Iterator[Path]:
    """A new hidden folder in another, removed at the end, and known to be alive until then."""
    _clear_dead(parent)
    descriptor = None
    while True:
        folder = parent / f"{_PARTIAL}{secrets.token_hex(6)}"
        folder.mkdir()
        try:
            descriptor = lock(folder)
        except FileNotFoundError:  # another took it for dead before it was opened
            continue
        except OSError:  # no locks here, so nobody will take it for dead either
            break
        if descriptor is not None:  # otherwise another took it for dead before it was locked
            break
    try:
        with leftover(folder, shutil.rmtree):
            yield folder
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _clear_dead(parent: Path) -> None:
    """Removes the hidden folders of writers that were killed."""
    for folder in parent.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            descriptor = lock(folder)
            if descriptor is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
