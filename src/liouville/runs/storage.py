r"""Files that cannot lie: one zip of plain arrays and a manifest.

A file holds one `.npy` member for each array and `manifest.json` with the format version, a
description of the tree, and for every array its name, member, shape, dtype and SHA-256. The comment
of the zip, its last bytes, is the SHA-256 of all before. Reading checks the seal, every digest and
every size, and never runs code: no pickle, and classes are looked up by name among those that
public namespaces hold.

Writing goes to a temporary file in the same folder, is flushed to disk and renamed: a crash
leaves the old file or the new one, never half of one.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from liouville.errors import LiouvilleError, one_line
from liouville.runs.archives import DAMAGE, open_archive, read_member
from liouville.runs.files import atomic_path
from liouville.runs.reading import ordinary, parse_json

FORMAT = 3
Arrays = Mapping[str, np.ndarray]

# A whole number in the description of a model is a count: of steps, coordinates, layers.
_MOST_COUNT = 10**6

_MANIFEST = "manifest.json"
_SEAL = hashlib.sha256().digest_size * 2
_AGAIN = "restore the file or fit again"


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
        member, array = f"arrays/{number:05d}.npy", np.asarray(array)
        members[member] = _npy(array)
        entries[name] = {
            "member": member,
            "shape": list(array.shape),
            "dtype": array.dtype.str,
            "sha256": hashlib.sha256(members[member]).hexdigest(),
        }
    manifest = {"format": FORMAT, "kind": kind, "content": content, "arrays": entries}
    text = json.dumps(manifest, indent=1, allow_nan=False).encode()
    with atomic_path(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for member, data in {_MANIFEST: text, **members}.items():
                # A date would make equal files differ.
                archive.writestr(zipfile.ZipInfo(member), data)
            archive.comment = bytes(_SEAL)
        with open(temporary, "r+b") as file:
            digest, end = _digest(file), file.tell()
            file.seek(end)
            file.write(digest.encode())


def read(path: Path, *, kind: str) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays and the content of a file made by `write`; every byte of it is checked.

    Raises:
        LiouvilleError: if the file is missing, damaged, altered, of another kind, or of a format
            other than this version's.
    """
    if not path.exists():
        raise LiouvilleError(f"there is no file {path}; fit a model first")
    try:
        with ordinary(path).open("rb") as file:
            is_whole = _digest(file).encode() == file.read()
        with open_archive(path) as archive:
            manifest = parse_json(archive.read(_MANIFEST), f"the manifest of {path}", _AGAIN)
            _check_header(manifest, path, kind)
            if not is_whole:
                raise LiouvilleError(f"{path}: the file was altered or damaged; {_AGAIN}")
            entries = _checked_entries(manifest, archive, path)
            arrays = {name: _read_array(archive, name, entries[name], path) for name in entries}
    except LiouvilleError:
        raise
    except DAMAGE as error:
        raise LiouvilleError(
            f"{path} is damaged or not a liouville file ({one_line(error)}); restore it or fit "
            "again"
        ) from error
    return arrays, manifest["content"]


def _digest(file: io.BufferedIOBase) -> str:
    """SHA-256 of a file up to its seal, where the file then stands."""
    digest, left = hashlib.sha256(), max(file.seek(0, io.SEEK_END) - _SEAL, 0)
    file.seek(0)
    while left:
        block = file.read(min(left, 2**20))
        if not block:
            break
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def _check_header(manifest: Any, path: Path, kind: str) -> None:
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if type(found) is not int:
        raise LiouvilleError(f"{path}: the manifest names no format; {_AGAIN}")
    if found > FORMAT:
        raise LiouvilleError(
            f"{path} has format {found}, this version reads {FORMAT}; upgrade liouville"
        )
    if found < FORMAT:
        raise LiouvilleError(f"{path} was made by an earlier version of liouville; fit again")
    if manifest.get("kind") != kind:
        raise LiouvilleError(f"{path} holds a {manifest.get('kind')}, not a {kind}")


def _checked_entries(
    manifest: dict[str, Any], archive: zipfile.ZipFile, path: Path
) -> dict[str, dict[str, Any]]:
    """What a manifest says of its arrays: of every one all there is to say, and no more."""
    types = {"member": str, "shape": list, "dtype": str, "sha256": str}
    entries: Any = manifest.get("arrays")
    fits = set(manifest) == {"format", "kind", "content", "arrays"} and isinstance(entries, dict)
    fits = fits and all(
        isinstance(entry, dict) and {key: type(value) for key, value in entry.items()} == types
        for entry in entries.values()
    )
    members = [entry["member"] for entry in entries.values()] if fits else []
    if not fits or sorted([_MANIFEST, *members]) != sorted(archive.namelist()):
        raise LiouvilleError(f"{path} is damaged: its manifest does not fit it; {_AGAIN}")
    return entries


def _read_array(
    archive: zipfile.ZipFile, name: str, entry: dict[str, Any], path: Path
) -> np.ndarray:
    array = read_member(archive, entry["member"])
    if array.dtype.kind not in "biuf":
        raise LiouvilleError(f"{path}: array {name} is {array.dtype}, which no model has; {_AGAIN}")
    if hashlib.sha256(_npy(array)).hexdigest() != entry["sha256"]:
        raise LiouvilleError(f"{path}: array {name} was altered; {_AGAIN}")
    if list(array.shape) != entry["shape"] or array.dtype.str != entry["dtype"]:
        raise LiouvilleError(
            f"{path}: array {name} is {array.dtype.str}{list(array.shape)}, the manifest says "
            f"{entry['dtype']}{entry['shape']}; {_AGAIN}"
        )
    return array


def _npy(array: np.ndarray) -> bytes:
    """An array as the bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


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
            have changed, and on what `describe` does not write.
    """
    used: set[str] = set()

    def build(node: Any) -> Any:
        if not isinstance(node, dict):
            if isinstance(node, int) and abs(node) > _MOST_COUNT:
                raise LiouvilleError(f"the number {node} in it is too large")
            return node
        if "array" in node:
            used.add(node["array"])
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
                f"{name} has fields {sorted(wanted)}, the file has {sorted(values)} as another "
                "version of liouville wrote them"
            )
        # Constructors draw initial values and check arguments; here the fields are known.
        made = object.__new__(cls)
        for field, value in values.items():
            object.__setattr__(made, field, value)
        return made

    try:
        tree = build(description)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LiouvilleError(f"it describes no model ({one_line(error)})") from error
    if len(used) < len(arrays):
        extra = min(set(arrays) - used)
        raise LiouvilleError(f"its array {extra} belongs to nothing")
    return tree


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
