"""Archives of arrays that anybody may have made: nothing is unpacked before its size is believed.

A file of a few bytes can say that it holds a trillion numbers, and a small zip can unpack to any
size. So the directory of a zip is compared with the size of the file, every array with the size of
its member, and what unpacks to much more than the file is refused unless the user allows it.

Functions raise ValueError with the reason alone; whoever knows what the file should be says the
rest.
"""

import contextlib
import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from liouville.errors import LiouvilleError
from liouville.runs.reading import ordinary

MOST_VARIABLE = "LIOUVILLE_UNPACKED_GB"
"""The variable of the environment with the most gigabytes to which a file may unpack."""

# What a file may unpack to, if nothing else is said: so many bytes, or so many times its own size.
_MOST_BYTES = 2**27
_MOST_RATIO = 50

# No deflated byte becomes more than so many.
_DEFLATE = 1032
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x41

DAMAGE = (
    *(OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, OverflowError),
    *(lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged archive can raise."""

# The longest axis of an array without values.
_MOST_EMPTY = 2**20
_BLOCK = 2**20
_ARRAY, _ZIP = b"\x93NUMPY", b"PK"


class ObjectsError(ValueError):
    """An array holds Python objects, which would have to be unpickled: that runs code."""


def most_unpacked(path: Path, packed: int | None = None) -> int:
    """The bytes to which a file may unpack.

    Up to 128 MiB or 50 times the size of the file are usual. The variable `LIOUVILLE_UNPACKED_GB`
    of the environment allows more.

    Args:
        path: the file.
        packed: its own bytes, if they are not those of one file.

    Raises:
        LiouvilleError: if the variable is no number.
    """
    allowed = os.environ.get(MOST_VARIABLE, "0")
    packed = path.stat().st_size if packed is None else packed
    try:
        return int(max(_MOST_BYTES, _MOST_RATIO * packed, 1e9 * float(allowed)))
    except (ValueError, OverflowError):
        raise LiouvilleError(f"{MOST_VARIABLE} is {allowed!r}; give a number of GB") from None


def check_unpacked(path: Path, size: int | float, packed: int | None = None) -> None:
    """Refuses a file that unpacks to more bytes than `most_unpacked` says.

    Raises:
        LiouvilleError: if it does.
    """
    if not size <= most_unpacked(path, packed):
        raise LiouvilleError(
            f"{path} unpacks to {size / 1e9:.3g} GB or more, which a file of its size seldom does; "
            f"if you trust it, allow as much by {MOST_VARIABLE}={max(1, math.ceil(size / 1e9))}"
        )


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens a zip whose directory is believable.

    Raises:
        ValueError: with the reason, if it is not.
        LiouvilleError: if it unpacks to too much.
        Exception: one of `DAMAGE`.
    """
    if begins_with(path, _ARRAY):
        raise ValueError("it is one array, not an archive")
    with zipfile.ZipFile(path) as archive:
        members, size = archive.infolist(), path.stat().st_size
        for member in members:
            _check_member(member, size)
        if len({member.filename for member in members}) < len(members):
            raise ValueError("a name stands twice in it")
        if sum(member.compress_size for member in members) > size:
            raise ValueError("its members overlap")
        check_unpacked(path, sum(member.file_size for member in members))
        yield archive


def begins_with(path: Path, mark: bytes) -> bool:
    """Whether an ordinary file begins with some bytes."""
    with ordinary(path).open("rb") as stream:
        return stream.read(len(mark)) == mark


def _check_member(member: zipfile.ZipInfo, size: int) -> None:
    if member.flag_bits & _ENCRYPTED:
        raise ValueError(f"its member {member.filename!r} is encrypted")
    if member.compress_type not in _METHODS:
        raise ValueError(
            f"its member {member.filename!r} is compressed by the unknown method "
            f"{member.compress_type}"
        )
    is_stored = member.compress_type == zipfile.ZIP_STORED
    most = member.compress_size * (1 if is_stored else _DEFLATE)
    if member.header_offset + member.compress_size > size or member.file_size > most:
        raise ValueError(f"the size of its member {member.filename!r} is a lie")


def read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array of an archive, by the name of its member; raises as `open_archive`, and KeyError."""
    with archive.open(name) as stream:
        return _read_array(stream, archive.getinfo(name).file_size)


def shape_of_member(archive: zipfile.ZipFile, name: str) -> tuple[int, ...] | None:
    """The shape that an array says it has, or `None` if it is no array."""
    try:
        with archive.open(name) as stream:
            return _read_header(stream)[0]
    except DAMAGE:
        return None


def read_npy(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file; raises ValueError with the reason."""
    if begins_with(path, _ZIP):
        raise ValueError("it is an archive of arrays; name it .npz")
    with path.open("rb") as stream:
        return _read_array(stream, path.stat().st_size)


def _read_array(stream: Any, size: int) -> np.ndarray:
    """An array of numbers or text, allocated once its size is that of what is left to read."""
    shape, is_fortran, dtype = _read_header(stream)
    count = math.prod(shape)
    if min(shape, default=0) < 0 or (count and not dtype.itemsize):
        raise ValueError(f"its header says shape {shape} and type {dtype}")
    if not count and max(shape) > _MOST_EMPTY:
        raise ValueError(f"its header says shape {shape}, which holds no values")
    if count * dtype.itemsize != size - stream.tell():
        raise ValueError(f"its header says shape {shape} and type {dtype}, which it does not hold")
    values = np.empty(count, dtype)
    held = values.view(np.uint8) if count else values
    for begin in range(0, held.size if count else 0, _BLOCK):
        part = stream.read(min(_BLOCK, held.size - begin))
        held[begin : begin + len(part)] = np.frombuffer(part, np.uint8)
        if len(part) < min(_BLOCK, held.size - begin):
            raise ValueError("it ends too early")
    return values.reshape(shape, order="F" if is_fortran else "C")


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type that an array says it has; refuses what is not of numbers or text."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, is_fortran, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error):
        raise
    except Exception:  # the header is Python text, which fails in any way
        raise ValueError("it is no array as NumPy writes it") from None
    if dtype.hasobject:
        raise ObjectsError("it holds Python objects")
    if dtype.names is not None or dtype.kind == "V":
        raise ValueError(f"it holds records ({dtype}), not numbers or text")
    return shape, is_fortran, dtype
