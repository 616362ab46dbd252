"""Whether files of annotated matrices hold what they say, before a library reads them."""

import json
import math
import re
from pathlib import Path
from typing import Any

from liouville.errors import LiouvilleError
from liouville.runs.archives import check_unpacked
from liouville.runs.reading import parse_json, read_text

# What says in a folder of zarr which arrays there are.
_METADATA = (".zarray", ".zmetadata", "zarr.json")
_DIGITS = re.compile(r"[0-9]+")


def check_h5ad(path: Path) -> None:
    """Refuses an HDF5 file whose arrays unpack to much more than its size; see `check_unpacked`."""
    import h5py

    sizes = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: sizes.append(getattr(item, "nbytes", 0)))
    check_unpacked(path, sum(sizes))


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
