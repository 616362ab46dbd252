"""Archives of arrays, ``.npz`` and ``.npy``: read with errors that name file and array."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liouville.data._names import not_found, one_line, usual
from liouville.errors import LiouvilleError


@dataclass(frozen=True)
class Archive:
    """Arrays of a ``.npz`` file; each is read when asked for, never unpickled."""

    path: Path
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "Archive":
        """Opens a file; refuses one that is no archive, or holds no arrays."""
        # NumPy leaves a damaged archive open that it opened itself.
        with readable(path), path.open("rb") as stream:
            file = np.load(stream)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it is one array, not an archive")
            names = tuple(file.files)
        if not names:
            raise LiouvilleError(f"{path} holds no arrays; save points as X and times as t")
        return cls(path, names)

    def array(self, name: str) -> np.ndarray:
        """One array; refuses one that is missing, damaged, or made of Python objects."""
        if name not in self.names:
            raise not_found("array", name, self.described(), str(self.path))
        with readable(self.path, f"array {name!r} of "), np.load(self.path) as file:
            return file[name]

    def column(self, name: str, count: int, one: str) -> np.ndarray:
        """An array of one value for each of `count` rows, each of which is `one`."""
        array = self.array(name)
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if array.shape != (count,):
            raise LiouvilleError(
                f"array {name!r} of {self.path} has shape {array.shape} but there are {count} "
                f"{one}s; it needs one value per {one}"
            )
        return array

    def usual(self, role: str, *apart: str) -> str | None:
        """The first array, besides some, whose name is usual for a role."""
        return next(iter(usual(role, self.names, apart)), None)

    def points(self, label: str | None = None) -> str:
        """The array of points: one with a usual name, or the only one besides the classes."""
        others = [name for name in self.names if name != label]
        found = usual("points", others) or others
        if len(found) != 1 and found == others:
            raise not_found("array", "X", self.described(), str(self.path))
        return found[0]

    def described(self) -> list[str]:
        """Name and shape of every array, such as ``pcs (500, 5)``."""
        described = []
        for name in self.names:
            try:
                described.append(f"{name} {self.array(name).shape}")
            except LiouvilleError:
                described.append(f"{name} (unreadable)")
        return described


def load_array(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file; refuses any other."""
    with readable(path):
        array = np.load(path)
    if not isinstance(array, np.ndarray):
        raise LiouvilleError(f"{path} is an archive of arrays; name it .npz")
    return array


@contextlib.contextmanager
def readable(path: Path, part: str = "") -> Iterator[None]:
    """Turns the many errors of a damaged array file into one of ours."""
    try:
        yield
    except LiouvilleError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if part and "allow_pickle" in str(error):
            raise LiouvilleError(
                f"{part}{path} holds Python objects, which are not read for safety; "
                "save it as numbers or text (array.astype(float) or .astype(str))"
            ) from None
        # NumPy takes any file that it does not know for a pickle, which says little to a reader.
        cause = "" if "pickle" in str(error) else f" ({one_line(error)})"
        raise LiouvilleError(
            f"cannot read {part}{path}: not a {path.suffix} file, or damaged{cause}; save it again"
        ) from None
