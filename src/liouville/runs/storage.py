r"""Files that cannot lie: one zip of plain arrays and a manifest.

A file holds one `.npy` member for each array and `manifest.json` with the format version, a
description of the tree, and for every array its name, shape, dtype and SHA-256. A member
`manifest.sha256` seals the manifest. Reading checks every digest and never runs code: no pickle,
and classes are looked up by name among those that public namespaces hold.

Writing goes to a temporary file in the same folder, is flushed to disk and renamed: a crash
leaves the old file or the new one, never half of one.
"""

import dataclasses
import hashlib
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from liouville.errors import LiouvilleError
from liouville.runs.files import atomic_path

FORMAT = 2
Arrays = Mapping[str, np.ndarray]

# What reading a damaged file can raise; a flipped bit may ask for a password (RuntimeError) or for
# another compression.
_DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    RuntimeError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def write(path: Path, arrays: Arrays, content: Any, *, kind: str) -> None:
    """Writes arrays by name and a description that JSON can hold in one sealed file.

    Args:
        path: the file; its folder must exist.
        arrays: the arrays by name.
        content: kept in the manifest.
        kind: what the file is, for instance `model` or `checkpoint`.
    """
    members, entries = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array), allow_pickle=False)
        member = f"arrays/{number:05d}.npy"
        members[member] = buffer.getvalue()
        entries[name] = {
            "member": member,
            "shape": list(np.shape(array)),
            "dtype": np.asarray(array).dtype.str,
            "sha256": hashlib.sha256(members[member]).hexdigest(),
        }
    manifest = {"format": FORMAT, "kind": kind, "content": content, "arrays": entries}
    text = json.dumps(manifest, indent=1, allow_nan=False).encode()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("manifest.json", text)
        archive.writestr("manifest.sha256", hashlib.sha256(text).hexdigest())
        for member, data in members.items():
            archive.writestr(member, data)


def read(path: Path, *, kind: str) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays and the content of a file made by `write`; every byte of it is checked.

    Raises:
        LiouvilleError: if the file is missing, damaged, altered, of another kind, or of a format
            other than this version's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _read_manifest(archive, path)
            _check_header(manifest, path, kind)
            arrays = {
                name: _read_array(archive, name, entry, path)
                for name, entry in manifest["arrays"].items()
            }
    except FileNotFoundError as error:
        raise LiouvilleError(f"there is no file {path}; fit a model first") from error
    except LiouvilleError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise LiouvilleError(
            f"{path} is damaged or not a liouville file ({reason}); restore it or fit again"
        ) from error
    return arrays, manifest["content"]


def _read_manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    text = archive.read("manifest.json")
    seal = archive.read("manifest.sha256").decode()
    if hashlib.sha256(text).hexdigest() != seal:
        raise LiouvilleError(f"{path}: the manifest was altered; restore the file or fit again")
    return json.loads(text)


def _check_header(manifest: dict[str, Any], path: Path, kind: str) -> None:
    if manifest["format"] > FORMAT:
        raise LiouvilleError(
            f"{path} has format {manifest['format']}, this version reads {FORMAT}; "
            "upgrade liouville"
        )
    if manifest["format"] < FORMAT:
        raise LiouvilleError(f"{path} was made by an earlier version of liouville; fit again")
    if manifest["kind"] != kind:
        raise LiouvilleError(f"{path} holds a {manifest['kind']}, not a {kind}")


def _read_array(
    archive: zipfile.ZipFile, name: str, entry: dict[str, Any], path: Path
) -> np.ndarray:
    data = archive.read(entry["member"])
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise LiouvilleError(f"{path}: array {name} was altered; restore the file or fit again")
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if list(array.shape) != entry["shape"] or array.dtype.str != entry["dtype"]:
        raise LiouvilleError(
            f"{path}: array {name} is {array.dtype.str}{list(array.shape)}, the manifest says "
            f"{entry['dtype']}{entry['shape']}; restore the file or fit again"
        )
    return array


# Trees. A tree is described by JSON: a module by its class name and fields, an array by the name
# of a member, everything else by itself.


def describe(tree: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """A description of a tree that JSON can hold, and the arrays it refers to by name.

    A tree is made of dataclasses, containers, arrays and plain values; a value that cannot be
    described, such as a function, raises TypeError.
    """
    arrays: dict[str, np.ndarray] = {}
    return _describe(tree, "", arrays), arrays


def _describe(node: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    if node is None or isinstance(node, bool | int | float | str):
        return node
    if isinstance(node, tuple | list):
        kind = "tuple" if isinstance(node, tuple) else "list"
        return {kind: [_describe(item, f"{place}[{i}]", arrays) for i, item in enumerate(node)]}
    if isinstance(node, dict):
        return {"dict": {k: _describe(v, f"{place}[{k!r}]", arrays) for k, v in node.items()}}
    if dataclasses.is_dataclass(node):
        fields = {
            field.name: _describe(getattr(node, field.name), f"{place}.{field.name}", arrays)
            for field in dataclasses.fields(node)
        }
        return {"class": _class_name(type(node)), "fields": fields}
    if hasattr(node, "__array__"):
        arrays[place] = np.asarray(node)
        return {"array": place}
    raise TypeError(
        f"{place or 'the tree'} is a {type(node).__name__}, which has no plain description; "
        "hold it by name or leave it out of the model"
    )


def rebuild(
    description: Any, arrays: Arrays, classes: Mapping[str, type], *, to_array=np.asarray
) -> Any:
    """Builds the tree that `describe` described, its arrays turned by `to_array`.

    Raises:
        LiouvilleError: on a class that is not in `classes` (see `class_table`) or whose fields
            have changed.
    """

    def build(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if "array" in node:
            return to_array(arrays[node["array"]])
        if "tuple" in node:
            return tuple(build(item) for item in node["tuple"])
        if "list" in node:
            return [build(item) for item in node["list"]]
        if "dict" in node:
            return {key: build(value) for key, value in node["dict"].items()}
        return _instance(node, {name: build(value) for name, value in node["fields"].items()})

    def _instance(node: dict[str, Any], values: dict[str, Any]) -> Any:
        name = node["class"]
        if name not in classes:
            raise LiouvilleError(
                f"the file names the class {name}, which this version does not know; upgrade "
                "liouville, or pass your own class: load(..., classes=[MyPath])"
            )
        cls = classes[name]
        wanted = {field.name for field in dataclasses.fields(cls)}
        if wanted != set(values):
            raise LiouvilleError(
                f"{name} has fields {sorted(wanted)}, the file has {sorted(values)}; it was "
                "written by another version of liouville: fit again or install that version"
            )
        # Constructors draw initial values and check arguments; here the fields are known.
        made = object.__new__(cls)
        for field, value in values.items():
            object.__setattr__(made, field, value)
        return made

    return build(description)


def class_table(*sources: ModuleType | type) -> dict[str, type]:
    """The classes a file may name, by their full names; namespaces stand for all they hold."""
    found = (
        item
        for source in sources
        for item in (vars(source).values() if isinstance(source, ModuleType) else [source])
    )
    return {
        _class_name(item): item
        for item in found
        if dataclasses.is_dataclass(item)
        and isinstance(item, type)
        and not item.__name__.startswith(("_", "Abstract"))
    }


def _class_name(cls: type) -> str:
    # Private modules are not part of the name, so that files survive a move between them.
    module = ".".join(part for part in cls.__module__.split(".") if not part.startswith("_"))
    return f"{module}.{cls.__qualname__}"
