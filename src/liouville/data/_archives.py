"""Archives of arrays, ``.npz`` and ``.npy``: read with errors that name file and array."""

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liouville.data._names import not_found
from liouville.data._roles import usual
from liouville.errors import LiouvilleError, one_line
from liouville.runs.archives import DAMAGE, ObjectsError, open_archive, read_member, read_npy
from liouville.runs.archives import shape_of_member as shape_of

_END = ".npy"


@dataclass(frozen=True)
class Archive:
    """Arrays of a ``.npz`` file; each is read when asked for, never unpickled."""

    path: Path
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "Archive":
        """Opens a file; refuses one that is no archive, or holds no arrays."""
        with readable(path), open_archive(path) as file:
            names = tuple(name.removesuffix(_END) for name in file.namelist())
        if not names:
            raise LiouvilleError(f"{path} holds no arrays; save points as X and times as t")
        return cls(path, names)

    def array(self, name: str) -> np.ndarray:
        """One array; refuses one that is missing, damaged, or made of Python objects."""
        if name not in self.names:
            raise not_found("array", name, self.described(), str(self.path))
        return self.arrays(name)[0]

    def arrays(self, *names: str) -> list[np.ndarray]:
        """Some of its arrays, for which the file is opened once."""
        found = []
        with readable(self.path), open_archive(self.path) as file:
            for name in names:
                with readable(self.path, f"array {name!r} of "):
                    found.append(read_member(file, _member(file, name)))
        return found

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
        with readable(self.path), open_archive(self.path) as file:
            shapes = [shape_of(file, _member(file, name)) for name in self.names]
        return [
            f"{name} {'(unreadable)' if shape is None else shape}"
            for name, shape in zip(self.names, shapes, strict=True)
        ]


def _member(file: zipfile.ZipFile, name: str) -> str:
    """The member that holds an array; what is no array has no name that ends in ``.npy``."""
    return name if name in file.NameToInfo else name + _END


def load_array(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file; refuses any other."""
    with readable(path):
        return read_npy(path)


@contextlib.contextmanager
def readable(path: Path, part: str = "") -> Iterator[None]:
    """Turns the many errors of a damaged array file into one of ours."""
    try:
        yield
    except LiouvilleError:
        raise
    except ObjectsError:
        raise LiouvilleError(
            f"{part}{path} holds Python objects, which are not read for safety; "
            "save it as numbers or text (array.astype(float) or .astype(str))"
        ) from None
    except DAMAGE as error:
        raise LiouvilleError(
            f"cannot read {part}{path}: not a {path.suffix} file, or damaged ({one_line(error)}); "
            "save it again"
        ) from None
