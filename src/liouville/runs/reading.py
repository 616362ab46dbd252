"""Reading text and JSON from files that anybody may have made."""

import json
import os
import stat
from pathlib import Path
from typing import Any

from liouville.errors import LiouvilleError

MOST_TEXT = 2**28
"""Bytes of a text that is read whole."""


def ordinary(path: str | Path, what: str = "file") -> Path:
    """The path, if it leads to an ordinary file: what is a pipe or a device has no end.

    Args:
        path: the path.
        what: what the file is, in a word or two.

    Raises:
        LiouvilleError: if there is nothing, or something else.
        OSError: if the system refuses to say.
    """
    path = Path(path)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise LiouvilleError(
            f"no {what} {path}; check the path (working directory: {Path.cwd()})"
        ) from None
    except ValueError:  # a NUL in it
        raise LiouvilleError(f"{str(path)!r} is no name of a file; check the path") from None
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "no ordinary file but a pipe or a device"
        raise LiouvilleError(f"cannot read the {what} {path}: it is {kind}; name a file")
    return path


def is_file(text: str) -> bool:
    """Whether a text that may be something else is the path of a file."""
    try:
        return bool(text) and Path(text).is_file()
    except (OSError, ValueError):  # longer than a name can be, or with a null
        return False


def read_text(path: str | Path, what: str = "file", *, most: int = MOST_TEXT) -> str:
    """The text of an ordinary file in UTF-8, of at most so many bytes.

    Args:
        path: the file.
        what: what it is, in a word or two.
        most: the bytes.

    Raises:
        LiouvilleError: if it cannot be read, is longer, or is no text.
    """
    try:
        path = ordinary(path, what)
        size = path.stat().st_size
        if size > most:
            raise LiouvilleError(f"{path} has {size:,} bytes; at most {most:,} are read")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise LiouvilleError(f"{path} is not text in UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise LiouvilleError(
            f"cannot read the {what} {path}: {error.strerror}; name a file that can be read"
        ) from None


def parse_json(text: str | bytes, source: object, remedy: str = "correct it") -> Any:
    """The value of a JSON text; errors name its `source`.

    Raises:
        LiouvilleError: if it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = str(error)
    raise LiouvilleError(f"cannot read {source} as JSON: {reason}; {remedy}")
