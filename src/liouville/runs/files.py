"""Writing files whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from liouville.errors import LiouvilleError


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path to write, which takes the place of `path` when the block succeeds.

    The temporary file lies in the same directory and has the same suffix. It reaches the disk
    before it is renamed, so `path` holds either the old content or all of the new; if the block
    fails it is removed. A killed process leaves it behind under a fixed hidden name, which the
    next writing of `path` takes over.

    Raises:
        LiouvilleError: if the directory is missing, `path` is no ordinary file, or the system
            refuses to write (no permission, disk full).
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise LiouvilleError(f"cannot write {path}: no directory {path.parent}; make it first")
    if path.exists() and not path.is_file():
        raise LiouvilleError(f"cannot write {path}: it is no ordinary file; choose another name")
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        with contextlib.suppress(OSError):  # some systems cannot open a directory
            _flush(path.parent)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise LiouvilleError(
            f"cannot write {path}: {reason}; check permissions and free space, or choose another "
            "place"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> Path:
    """Writes a file as `atomic_path` does, and makes its folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
