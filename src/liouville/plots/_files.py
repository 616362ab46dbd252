"""Writing files so that a reader never finds half of one."""

import os
from pathlib import Path


def write_bytes(path: Path, data: bytes) -> Path:
    """Write a file under a temporary name and move it into place.

    Args:
        path: File to write; its folder is made if needed.
        data: What to write.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path
