"""Resolves the dependencies anew and writes `uv.lock` without the address of any index.

    python tools/lock.py            needs uv on the path

The lock names versions, hashes and file names. Files are looked for in the folder `wheelhouse`,
so nothing in the repository says where they come from; CONTRIBUTING.md has the commands.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHEELHOUSE = "wheelhouse"


def without_addresses(lock: str) -> str:
    """Replaces indexes by the wheelhouse and addresses of files by the files' names."""
    lock = re.sub(r'registry = "[^"]*"', f'registry = "{WHEELHOUSE}"', lock)
    lock = re.sub(r'\burl = "[^"]*/([^"/]+)"', r'path = "\1"', lock)
    return re.sub(r', upload-time = "[^"]*"', "", lock)


def main() -> None:
    """Locks in a copy of the metadata, so that no earlier lock has a say."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        shutil.copytree(ROOT / "tools", copy / "tools")
        (copy / "src" / "liouville").mkdir(parents=True)
        (copy / "src" / "liouville" / "__init__.py").touch()
        subprocess.run(["uv", "lock"], cwd=copy, check=True)
        lock = without_addresses((copy / "uv.lock").read_text())
    if "://" in lock:
        raise SystemExit("the lock still holds an address; look at the form of its entries")
    (ROOT / "uv.lock").write_text(lock)


if __name__ == "__main__":
    main()
