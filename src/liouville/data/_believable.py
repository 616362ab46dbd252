"""Whether files of annotated matrices hold what they say, before a library reads them."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from liouville.errors import LiouvilleError
from liouville.runs.archives import check_unpacked
from liouville.runs.reading import parse_json, read_text

# What says in a folder of zarr which arrays there are.
_METADATA = (".zarray", ".zmetadata", "zarr.json")
# What looks runs in a process of its own, in so many seconds of the processor and bytes of memory;
# for each gigabyte of the file, so many seconds more.
_LIMITED = """
import sys
try:
    import resource
    for kind, most in ((resource.RLIMIT_CPU, sys.argv[2]), (resource.RLIMIT_AS, sys.argv[3])):
        resource.setrlimit(kind, (int(most), int(most)))
except (ImportError, ValueError):
    pass
"""
_SECONDS, _SECONDS_A_GB, _BYTES = 10, 30, 4 * 2**30
# Prints the bytes of all arrays, having met all that the file says of them.
_LOOK_HDF5 = """
import h5py
sizes = [0]
def look(_, item):
    sizes.append(getattr(item, "nbytes", 0))
    dict(item.attrs)
with h5py.File(sys.argv[1]) as file:
    look("", file)
    file.visititems(look)
print(sum(sizes))
"""
# Unpacks every array, chunk by chunk along its first axis: a chunk may say that it is larger than
# the array.
_LOOK_ZARR = """
import zarr
zarr.config.set({"threading.max_workers": 1})
size = 0
def look(group):
    global size
    for _, array in group.arrays():
        size += array.nbytes
        if not array.shape:
            array[()]
            continue
        step = max(1, array.chunks[0])
        for start in range(0, array.shape[0], step):
            array[start : start + step]
    for _, inner in group.groups():
        look(inner)
look(zarr.open_group(sys.argv[1], mode="r"))
print(int(size))
"""
# Many threads would reserve more memory than they use.
_ONE_THREAD = dict.fromkeys(
    ("MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLOSC_NTHREADS"), "1"
)
_DIGITS = re.compile(r"[0-9]+")


def check_h5ad(path: Path) -> None:
    """Refuses an HDF5 file that is damaged, or unpacks to much more than it is: `check_unpacked`.

    The library walks some damaged files forever, fills the memory, or ends the process. It looks
    through the file in a process of its own first, which takes a quarter of a second.
    """
    import h5py  # noqa: F401 - if it is absent, that is no fault of the file

    check_unpacked(path, _looked_at(_LOOK_HDF5, path, path.stat().st_size))


def check_zarr(path: Path) -> None:
    """Refuses a folder of zarr whose arrays are pickled, or unpack to much more than its size.

    To unpickle an array runs whatever code its author wrote in it. What the metadata say is
    believed only after all chunks have been unpacked in a process of its own.
    """
    import zarr  # noqa: F401 - as above

    files = [file for file in path.rglob("*") if file.is_file()]
    arrays, most = 0, 0
    for file in files:
        if file.name not in _METADATA:
            continue
        text = read_text(file)
        if "pickle" in text:
            raise LiouvilleError(
                f"{file} says that an array is pickled, which is not read for safety; save it as "
                "numbers or text"
            )
        said = parse_json(text, file)
        arrays += _size(said)
        most = max(most, _sizes(said))  # a copy of what others say is believed in their stead
    packed = sum(file.stat().st_size for file in files)
    check_unpacked(path, max(arrays, most), packed)
    _looked_at(_LOOK_ZARR, path, packed)


def _looked_at(look: str, path: Path, packed: int) -> int:
    """The bytes of all arrays of a file, by a program that prints them.

    Raises:
        LiouvilleError: if the program was ended.
        OSError: if it failed, with its last line.
    """
    seconds = _SECONDS + int(_SECONDS_A_GB * packed / 1e9)
    given = (str(path), str(seconds), str(_BYTES))
    command = [sys.executable, "-P", "-W", "ignore", "-c", _LIMITED + look, *given]
    # It finds the library where this process does, and nothing in the working directory.
    places = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": places}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if found.returncode < 0:
        raise LiouvilleError(
            f"{path} is damaged: its library ended on it by signal {-found.returncode}; save it "
            "again"
        )
    if found.returncode:
        raise OSError((found.stderr.strip().splitlines() or ["it cannot be opened"])[-1])
    return int(found.stdout)


def _sizes(said: Any) -> int:
    """The bytes of all arrays that metadata describe, at any depth."""
    within = sum(map(_sizes, said.values())) if isinstance(said, dict) else 0
    return _size(said) + within


def _size(said: Any) -> int:
    """The bytes of the array that metadata describe, with one chunk of it if that is more."""
    if not isinstance(said, dict):
        return 0
    kind = json.dumps(said.get("dtype") or said.get("data_type"))
    # Such as "<f8", which counts bytes, or "float64", which counts bits.
    digits = int(next(iter(_DIGITS.findall(kind)), "8")[:6])
    chunks = said.get("chunks") or _configured(said.get("chunk_grid"))
    entries = max(_count(said.get("shape")), _count(chunks))
    return entries * (digits if digits <= 8 else max(1, digits // 8))


def _configured(grid: Any) -> Any:
    settings = grid.get("configuration") if isinstance(grid, dict) else None
    return settings.get("chunk_shape") if isinstance(settings, dict) else None


def _count(shape: Any) -> int:
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        return 0
    return math.prod(shape)
