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
# Looks at all that a file says of its arrays, and prints their bytes, in so many seconds of the
# processor and bytes of memory.
_LOOK = """
import sys
try:
    import resource
    for kind, most in ((resource.RLIMIT_CPU, sys.argv[2]), (resource.RLIMIT_AS, sys.argv[3])):
        resource.setrlimit(kind, (int(most), int(most)))
except (ImportError, ValueError):
    pass
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
_SECONDS, _BYTES = 10, 4 * 2**30
_DIGITS = re.compile(r"[0-9]+")


def check_h5ad(path: Path) -> None:
    """Refuses an HDF5 file that is damaged, or unpacks to much more than it is: `check_unpacked`.

    The library walks some damaged files forever, fills the memory, or ends the process. It looks
    through the file in a process of its own first, which takes a quarter of a second.
    """
    import h5py  # noqa: F401 - if it is absent, that is no fault of the file

    command = [sys.executable, "-P", "-c", _LOOK, str(path), str(_SECONDS), str(_BYTES)]
    # It finds the library where this process does, and nothing in the working directory.
    places = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "PYTHONPATH": places}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if found.returncode < 0:
        raise LiouvilleError(
            f"{path} is damaged: the HDF5 library ended on it by signal {-found.returncode}; save "
            "it again"
        )
    if found.returncode:
        raise OSError((found.stderr.strip().splitlines() or ["it cannot be opened"])[-1])
    check_unpacked(path, int(found.stdout))


def check_zarr(path: Path) -> None:
    """Refuses a folder of zarr whose arrays are pickled, or unpack to much more than its size.

    To unpickle an array runs whatever code its author wrote in it.
    """
    files = [file for file in path.rglob("*") if file.is_file()]
    size = 0
    for file in files:
        if file.name not in _METADATA:
            continue
        text = read_text(file)
        if "pickle" in text:
            raise LiouvilleError(
                f"{file} says that an array is pickled, which is not read for safety; save it as "
                "numbers or text"
            )
        if file.name != ".zmetadata":  # a copy of the others
            size += _size(parse_json(text, file))
    check_unpacked(path, size, sum(file.stat().st_size for file in files))


def _size(array: Any) -> int:
    """The bytes of the array that metadata describe."""
    shape = array.get("shape") if isinstance(array, dict) else None
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        return 0
    kind = json.dumps(array.get("dtype") or array.get("data_type"))
    # Such as "<f8", which counts bytes, or "float64", which counts bits.
    digits = int(next(iter(_DIGITS.findall(kind)), "8")[:6])
    return math.prod(shape) * (digits if digits <= 8 else max(1, digits // 8))
