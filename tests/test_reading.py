"""Archives, text, YAML and JSON that anybody may have made: believed or refused in one line."""

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from liouville.data import Region, read_cells, read_points, read_samples
from liouville.errors import LiouvilleError, one_line, shown
from liouville.runs.config import load_yaml
from liouville.runs.reading import parse_json, read_text


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def saying(header: str, data: bytes = b"") -> bytes:
    """An array that says of itself what is given."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def huge(shape: str, kind: str = "<f8") -> bytes:
    return saying(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}", bytes(64))


X, T = npy(np.arange(12.0).reshape(6, 2)), npy(np.arange(6) % 2)


def archive(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


def patched(path: Path, field: int, value: bytes) -> Path:
    """Changes a field of the first entry of the directory of a zip."""
    data = bytearray(path.read_bytes())
    place = data.find(b"PK\x01\x02") + field
    data[place : place + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (huge("(1000000000000,)"), "which it does not hold"),
        (huge("(1000000000000,)", "<U0"), "its header says"),
        (huge("(0, 1000000000000)"), "holds no values"),
        (huge("(-4, 2)"), "its header says"),
        (huge("(1,)", "<U100000000"), "which it does not hold"),
        (saying("[" * 800), "no array as NumPy writes it"),
        (b"no array", "no array as NumPy writes it"),
        (npy(np.zeros(6, [("a", "<f8")])), "records"),
        (npy(np.array([None] * 6), pickled=True), "Python objects"),
    ],
)
def test_arrays_that_lie(tmp_path: Path, member: bytes, says: str) -> None:
    with pytest.raises(LiouvilleError, match=says):
        read_cells(archive(tmp_path / "a.npz", X=member, t=T))
    (tmp_path / "a.npy").write_bytes(member)
    with pytest.raises(LiouvilleError, match=says):
        read_samples(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        (8, b"\x01\x00", "encrypted"),
        (10, b"\x63\x00", "unknown method 99"),
        (24, b"\xff\xff\xff\x7f", "is a lie"),
        (42, b"\xff\xff\xff\x7f", "is a lie|damaged"),
    ],
)
def test_directories_that_lie(tmp_path: Path, field: int, value: bytes, says: str) -> None:
    file = patched(archive(tmp_path / "a.npz", X=X, t=T), field, value)
    with pytest.raises(LiouvilleError, match=says):
        read_cells(file)


def test_what_unpacks_to_much_needs_leave(tmp_path: Path, monkeypatch) -> None:
    zeros = npy(np.zeros((6, 3_000_000)))  # 144 MB in 140 kB
    file = archive(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, X=zeros, t=T)
    with pytest.raises(LiouvilleError, match="LIOUVILLE_UNPACKED_GB=1"):
        read_samples(file)
    monkeypatch.setenv("LIOUVILLE_UNPACKED_GB", "much")
    with pytest.raises(LiouvilleError, match="give a number of GB"):
        read_samples(file)
    monkeypatch.setenv("LIOUVILLE_UNPACKED_GB", "0.2")
    with pytest.raises(LiouvilleError, match="no array 'y'"):  # it is opened
        read_samples(file, label="y")


READERS: dict[str, Callable[[Path], object]] = {
    ".npz": read_cells,
    ".npy": read_samples,
    ".csv": lambda path: read_points(path, ("a",), dim=1),
    ".geojson": Region.from_file,
    ".yaml": load_yaml,
}


@pytest.mark.parametrize("suffix", READERS)
def test_pipes_are_not_waited_for(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"a{suffix}")
    with pytest.raises(LiouvilleError, match=r"no file|no ordinary file"):
        READERS[suffix](tmp_path / f"a{suffix}")
    (tmp_path / f"b{suffix}").symlink_to("/dev/zero")
    with pytest.raises(LiouvilleError, match=r"no file|no ordinary file"):
        READERS[suffix](tmp_path / f"b{suffix}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [1, 2]\nb: *x\n", "line 2 .*refers to another value"),
        ("a: &x\n  b: *x\n", "refers to another value"),
        ('a: "\\ud800"', "half a character"),
        ("[" * 500, "nested more than 32"),
        ("- " * 500 + "1", "nested more than 32"),
        ("a: " + "1" * 5000, "more than 40 digits"),
        ("a: !!int abc", "not of the type that its tag"),
        ("a: !!bool abc", "not of the type that its tag"),
        ("a: !!timestamp x", "not of the type that its tag"),
        ("[1, 2]: 3", "unhashable"),
        ("a: " + "b" * 300_000, "at most"),
    ],
)
def test_yaml_that_expands(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(LiouvilleError, match=says):
        load_yaml(tmp_path / "a.yaml")


def test_json_that_is_deep(tmp_path: Path) -> None:
    with pytest.raises(LiouvilleError, match="nested too deeply"):
        parse_json("[" * 100_000, "it")
    with pytest.raises(LiouvilleError, match="as JSON"):
        parse_json("1" * 5000, "it")
    (tmp_path / "a.txt").write_text("x" * 11)
    with pytest.raises(LiouvilleError, match="has 11 bytes; at most 10"):
        read_text(tmp_path / "a.txt", most=10)


@pytest.mark.parametrize(
    "value",
    ["\x1b[31mred\x1b[0m", "a\nb\rc\td", "\x00", "\u202eabc", "\ud800", "\x9b31m", "\u2028"],
)
def test_messages_are_one_harmless_line(value: str) -> None:
    text = str(LiouvilleError(f"column '{value}' is wrong; correct it"))
    assert text.isprintable()
    assert text.startswith("column '")
    assert text.endswith("' is wrong; correct it")
    assert str(LiouvilleError(text)) == text


@pytest.mark.parametrize("shape", ["column '{}' is", 'column "{}" is', "no file {}; look", "({})"])
def test_messages_cut_long_values(shape: str) -> None:
    text = str(LiouvilleError(shape.format("x" * 5000) + " wrong"))
    assert text.count("x") < 200
    assert text.endswith(" wrong")
    words = str(LiouvilleError(shape.format("'" + "x y " * 2000 + "'") + "; the user's remedy"))
    assert len(words) <= 800
    assert words.endswith("the user's remedy")


def test_short_values_stay_as_they_are() -> None:
    for text in ("", "µm²/h", "the file's column 'a b' is \"c\"", "x" * 200):
        assert shown(text) == one_line(text) == text
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
