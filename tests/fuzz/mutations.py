"""Changes of files, each decided by a random generator: bytes, tables, trees and archives."""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Change = Callable[[bytes, random.Random], bytes]

TOKENS = [
    *("", " ", "0", "-0", "1", "-1", "nan", "inf", "-inf", "NA", "None", "1e308", "1e999"),
    *("1_0", "0x10", "1,5", "1.234,5", "١٢", "9" * 30, "9" * 5000, "1e-400", "2**3", "true", "off"),
    *("2019-03-01", "20190301", "2019-13-45", "2019-03-01T25:61:61Z", "0000-00-00", "9999999-1-1"),
    *(
        "day 3",
        "E8.5",
        "Day 00-03",
        "1 week",
        "-3h",
        "12:30",
        "\x00",
        "\x1b[31mred",
        "a\nb",
        "a\rb",
    ),
    *("=1+1", "@x", "+x", "'=x", '"', "'", '""', "\\", "{", "}", "[", "]", ":", "#", "%s%n"),
    *("\u202eabc", "\ud800", "x" * 5000, "é", "🜂", "$\\frac{", "-1e999", "<b>&amp;"),
    *("!!int abc", "!!python/name:os.system", "*a", "&a [*a]", "<<: 1", "? [1]: 2", "- - - -", "~"),
    *("time", "t", "x", "y", "longitude", "latitude", "label", "mark", "sequence", "X", "weights"),
    *("../../etc/passwd", "/dev/zero", "file\x00name", "a/b", ".", "os.system"),
    "liouville.paths.Mixture",
]

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), 10**9),
    *(2**31, 2**63, 2**64, 10**40, "", "x", "1e999", [], {}, [[]], [1], [None], {"a": 1}),
    *([[1, 2], [3]], [0.0] * 3, [1e308] * 2, ["a"] * 3, "x" * 3000, "\x1b[31m", "=1+1", "\ud800"),
]


def bytes_changed(given: bytes, rng: random.Random) -> bytes:
    """Flips, cuts, repeats and insertions, wherever they fall."""
    data = bytearray(given)
    for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
        a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        b = min(b, a + rng.choice([1, 4, 40, 400, 10**9]))
        kind = rng.randrange(9)
        if kind <= 1 and data:
            data[min(a, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[a:]
        elif kind == 3:
            del data[a:b]
        elif kind == 4:
            data[a:a] = data[a:b]
        elif kind == 5:
            data[a:a] = bytes(rng.randrange(256) for _ in range(rng.choice([1, 2, 8, 64])))
        elif kind == 6:
            data[a:b] = rng.choice(TOKENS).encode("utf-8", "surrogatepass")
        elif kind == 7:
            data[a:b] = bytes(reversed(data[a:b]))
        else:
            data[a:b] = rng.choice([b"\x00", b"\xff", b"\n", b",", b"0"]) * (b - a)
    return bytes(data)


def text_changed(data: bytes, rng: random.Random) -> bytes:
    """A text in other encodings, with other ends of lines and separators, or nested deeply."""
    text = data.decode("latin-1")
    kind = rng.randrange(10)
    if kind == 0:
        return b"\xff\xfe" + text.encode("utf-16-le")
    if kind == 1:
        return text.encode("utf-16-be")
    if kind == 2:
        return b"\xef\xbb\xbf" + data
    if kind == 3:
        return text.replace("\n", rng.choice(["\r\n", "\r", "\n\n", "\x0b", "\u2028"])).encode()
    if kind == 4:
        return text.replace(",", rng.choice([";", "\t", "|", " ", ",,", ", "])).encode("latin-1")
    if kind == 5:
        return text.replace(".", rng.choice([",", "..", "", "'"])).encode("latin-1")
    if kind == 6:
        return rng.choice([b"[", b"{", b'[{"a":', b"- ", b"'", b'"', b"(", b"\t"]) * rng.choice(
            [10, 1000, 100_000]
        )
    if kind == 7:
        return data * rng.choice([2, 50])
    if kind == 8:
        return text.replace("\n", "", 1).encode("latin-1")
    return b"# " + rng.choice(TOKENS).encode("utf-8", "surrogatepass") + b"\n" + data


def table_changed(data: bytes, rng: random.Random) -> bytes:
    """A table of text with other cells, rows and columns."""
    rows = [line.split(",") for line in data.decode("latin-1").split("\n")]
    for _ in range(rng.choice([1, 1, 2, 5])):
        i = rng.choice([0, 0, rng.randrange(len(rows))])
        row = rows[i]
        j = rng.randrange(len(row)) if row else 0
        kind = rng.randrange(10)
        if kind <= 2 and row:
            row[j] = rng.choice(TOKENS)
        elif kind == 3:
            for other in rows:
                if len(other) > j:
                    other[j] = rng.choice(TOKENS)
        elif kind == 4:
            token = rng.choice(TOKENS)
            for other in rows[1:]:
                if len(other) > j:
                    other[j] = token
        elif kind == 5 and row:
            del row[j]
        elif kind == 6:
            for other in rows:
                other[j : j + 1] = [] if rng.random() < 0.5 else other[j : j + 1] * 2
        elif kind == 7:
            rng.shuffle(rows)
        elif kind == 8:
            rows[0] = rows[rng.randrange(len(rows))][:]
        else:
            del rows[rng.randrange(len(rows)) :]
            rows = rows or [[""]]
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def tree_changed(tree: Any, rng: random.Random) -> Any:
    """A tree of JSON with other values, keys and branches."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        node = tree
        for _ in range(rng.choice([1, 2, 3, 4, 6, 9, 12])):
            inner = _inner(node)
            if not inner:
                break
            key = rng.choice(inner)
            if not _inner(node[key]) or rng.random() < 0.1:
                break
            node = node[key]
        keys = _inner(node)
        if not keys:
            return rng.choice(VALUES)
        key = rng.choice(keys)
        kind = rng.randrange(8)
        if kind <= 2:
            node[key] = rng.choice(VALUES)
        elif kind == 3:
            del node[key]
        elif kind == 4:
            other = node[rng.choice(keys)]
            node[key] = json.loads(json.dumps(other))
        elif kind == 5 and isinstance(node, dict):
            node[rng.choice(TOKENS)] = node.pop(key)
        elif kind == 6:
            value = node[key]
            for _ in range(rng.choice([1, 30, 300])):
                value = [value] if rng.random() < 0.5 else {"a": value}
            node[key] = value
        elif isinstance(node[key], int | float) and not isinstance(node[key], bool):
            node[key] = node[key] * rng.choice([-1, 2, 0, 1000, 10**7]) + rng.choice([0, 1, -1])
        else:
            node[key] = rng.choice(TOKENS)
    return tree


def _inner(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node))) * isinstance(node, list)


def json_changed(data: bytes, rng: random.Random) -> bytes:
    """A text of JSON whose tree is changed."""
    return json.dumps(tree_changed(json.loads(data), rng)).encode()


def array_changed(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """An array of another type, shape or content."""
    kind = rng.randrange(10)
    if kind == 0:
        return array.astype(rng.choice(["<f2", "<f4", ">f8", "<i8", "?", "<c16", "<U8", "S4"]))
    if kind == 1:
        return array[..., None]
    if kind == 2:
        return array.reshape(-1)
    if kind == 3:
        return array[: rng.choice([0, 1, 2])]
    if kind == 4:
        return array.T
    if kind == 5:
        return np.asarray(rng.choice([0, 1e308, -1, "x", np.nan, np.datetime64("NaT")]))
    if kind == 6:
        return np.zeros((0, rng.choice([0, 1, 3])))
    if kind == 7:
        return np.concatenate([array, array]) if array.ndim else array[None]
    if kind == 8:
        return np.zeros(3, [("a", "<f8"), ("b", "<U3")])
    changed = np.array(array)
    if changed.size and changed.dtype.kind in "fi":
        place = rng.randrange(changed.size)
        wild = [0, -1, 1e18, np.nan, np.inf, 1e308] if changed.dtype.kind == "f" else [0, -1, 2**62]
        changed.reshape(-1)[place] = rng.choice(wild)
    return changed


def archive_changed(data: bytes, rng: random.Random) -> bytes:
    """A zip of arrays with other arrays, names, members, headers and flags."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    kind = rng.randrange(10)
    if kind <= 3:
        members[name] = npy(array_changed(np.load(io.BytesIO(members[name])), rng))
    elif kind == 4:
        members.pop(name)
    elif kind == 5:
        token = rng.choice(TOKENS).replace("\x00", "") or "x"
        members[token + rng.choice(["", ".npy"])] = members.pop(name)
    elif kind == 6:
        members[name] = header_lies(members[name], rng)
    elif kind == 7:
        members[name] = bytes_changed(members[name], rng)
    elif kind == 8:
        members["extra.npy"] = npy(np.zeros(rng.choice([1, 10**6])))
    packed = io.BytesIO()
    method = rng.choice([0, 0, 8, 12, 14])
    with zipfile.ZipFile(packed, "w", method) as archive:
        for member, content in members.items():
            archive.writestr(member.encode("utf-8", "replace").decode(), content)
    changed = packed.getvalue()
    return flags_changed(changed, rng) if kind == 9 else changed


def header_lies(data: bytes, rng: random.Random) -> bytes:
    """An ``.npy`` file that says another shape, type or order of the same bytes."""
    header = rng.choice(
        [
            "{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-4, 2)}",
            "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1000000000000)}",
            "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f8', 'fortran_order': 1, 'shape': 3}",
            "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '<f8', 'shape': ()}",
            "[" * 900,
            "{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}",
        ]
    )
    text = header.encode() + b" " * rng.choice([0, 1, 16]) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data[128:]


def flags_changed(data: bytes, rng: random.Random) -> bytes:
    """A zip with other flags, methods and sizes in its directory."""
    changed = bytearray(data)
    place = changed.find(b"PK\x01\x02")
    field, size = rng.choice([(8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (42, 4)])
    value = rng.choice([0, 1, 9, 12, 14, 99, 2**16 - 1, 2**31, 2**32 - 1]) % 2 ** (8 * size)
    changed[place + field : place + field + size] = value.to_bytes(size, "little")
    return bytes(changed)


def npy(array: np.ndarray) -> bytes:
    """An array as the bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_changed(data: bytes, rng: random.Random) -> bytes:
    """An ``.npy`` file with another array or header."""
    if rng.random() < 0.3:
        return header_lies(data, rng)
    return npy(array_changed(np.load(io.BytesIO(data)), rng))
