"""One writer at a time in a folder of a run."""

import contextlib
import datetime
import json
import os
import platform
import warnings
from collections.abc import Iterator
from pathlib import Path

from liouville.errors import LiouvilleError
from liouville.runs.files import leftover, lock

LOCK_FILE = ".lock"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, which must exist; reading needs no lock.

    The kernel keeps the lock (`flock` on a small file) and releases it when the process ends,
    however it ends. The file says who holds it, and is removed at the end. A system without such
    locks is told of by a warning.

    Raises:
        LiouvilleError: if another process holds the lock, or the folder cannot be written.
    """
    file = folder / LOCK_FILE
    try:
        descriptor = lock(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0))
    except PermissionError as error:
        raise _refused(folder, error) from error
    except OSError as error:
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise _refused(folder, error) from error
        warnings.warn(
            f"no lock can be held in {folder} ({error.strerror or error}); see to it that no other "
            "command writes there",
            stacklevel=3,
        )
        yield
        return
    if descriptor is None:
        raise LiouvilleError(
            f"{folder} is being written by {_holder(file)}; wait for it, end it, or choose "
            "another folder"
        )
    try:
        now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
        known = {"pid": os.getpid(), "host": platform.node(), "since": now}
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(known).encode(), 0)
        with leftover(file, os.unlink):
            yield
    finally:
        os.close(descriptor)


def _refused(folder: Path, error: OSError) -> LiouvilleError:
    return LiouvilleError(
        f"cannot write in {folder}: {error.strerror or error}; change its permissions, or choose "
        "another folder"
    )


def _holder(file: Path) -> str:
    """Who holds a lock, as far as its file says."""
    try:
        known = json.loads(file.read_bytes()[:1000])
        host = str(known["host"])[:60]
        return f"process {int(known['pid'])} on {host!r} since {str(known['since'])[:30]!r}"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
