"""Text tables in every dialect, and both ways to read them."""

import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liouville.data import Table, read_table
from liouville.data import _text_tables as text_tables
from liouville.errors import LiouvilleError


def _read(path: Path, content: str | bytes, name: str = "a.csv", **options: Any) -> Table:
    file = path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, **options)


_ROWS = "time,lon,mag\n2019-03-01,141.5,4\n2019-03-02,142.25,5.5\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (_ROWS, "a.csv"),
        (_ROWS.replace(",", "\t"), "a.csv"),
        (_ROWS.replace(",", "\t"), "a.tsv"),
        (_ROWS, "a.tsv"),
        (_ROWS.replace(",", ";"), "a.csv"),
        (_ROWS.replace(",", "|"), "a.txt"),
        (_ROWS.replace(",", "   "), "a.dat"),
        (_ROWS.replace(",", " \t ").replace("\n", "  \n"), "a.txt"),
        (_ROWS.replace(",", "  "), "a.csv"),
        (_ROWS.replace(",", ";").replace(".", ","), "a.csv"),
        (_ROWS.replace(",", "\t").replace(".", ","), "a.txt"),
        ('time,lon,mag\n2019-03-01,"141,5","4"\n2019-03-02,"142,25","5,5"\n', "a.csv"),
        (f"# from X\n#  of 2019, at noon\n\n{_ROWS}", "a.csv"),
        (f"# an event a line\n#{_ROWS.replace(',', '|')}", "a.txt"),
        (_ROWS.replace("\n", "\r\n"), "a.csv"),
        (_ROWS.replace("\n", "\r"), "a.csv"),
        (_ROWS.replace("\n", "\n\n"), "a.csv"),
        (f"\ufeff{_ROWS}", "a.csv"),
        (_ROWS.encode("utf-16"), "a.csv"),
        (gzip.compress(_ROWS.encode(), mtime=0), "a.csv.gz"),
        (gzip.compress(_ROWS.replace(",", " ").encode(), mtime=0), "a.txt.gz"),
        ('"time" "lon" "mag"\n"1" 2019-03-01 141.5 4\n"2" 2019-03-02 142.25 5.5\n', "a.txt"),
    ],
)
@pytest.mark.parametrize("large", [0, text_tables.LARGE])
def test_dialects(
    tmp_path: Path, content: Any, name: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_tables, "LARGE", large)
    table = _read(tmp_path, content, name)
    assert table.names == ("time", "lon", "mag")
    np.testing.assert_array_equal(table.matrix(["lon", "mag"]), [[141.5, 4], [142.25, 5.5]])
    assert table.values("time").tolist() == ["2019-03-01", "2019-03-02"]
    assert table.values("lon").tolist() == ["141.5", "142.25"]
    assert len(table) == 2
    assert [table.is_numeric(name) for name in table.names] == [False, True, True]
    number = table.where(1).split()[-1]
    lines = (tmp_path / name).read_bytes()
    lines = gzip.decompress(lines) if name.endswith(".gz") else lines
    encoding = "utf-16" if lines.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    assert "2019-03-02" in lines.decode(encoding).splitlines()[int(number) - 1]


def test_comments_that_name_the_columns(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.txt", [[1.5, 2], [3, 4]], header="t x")
    table = read_table(tmp_path / "a.txt")
    assert table.names == ("t", "x")
    np.testing.assert_array_equal(table.matrix(["t", "x"]), [[1.5, 2], [3, 4]])


def test_words_are_no_columns(tmp_path: Path) -> None:
    table = _read(tmp_path, "stage\nday 1\nday 2\n")
    assert table.values("stage").tolist() == ["day 1", "day 2"]
    table = _read(tmp_path, "a name,b\n1,x; y\n2,z\n")
    assert table.names == ("a name", "b")


def test_latin_1_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"a\.csv is not UTF-8 and is read as Latin-1"):
        table = _read(tmp_path, "place,x\nDüzce,1\n".encode("latin-1"))
    assert table.values("place").tolist() == ["Düzce"]


def test_commas_that_may_mark_thousands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LiouvilleError, match=r"'1,234' on line 2, which is no number \(is its"):
        _read(tmp_path, 'a,b\n"1,234",2\n').numbers("a")
    for large in (0, text_tables.LARGE):
        monkeypatch.setattr(text_tables, "LARGE", large)
        with pytest.warns(UserWarning, match=r"column 'a' .* such as '1,234', read as 1\.234"):
            table = _read(tmp_path, "a;b\n1,234;2\n")
        assert table.numbers("a").tolist() == [1.234]
    assert _read(tmp_path, "a;b\n1,234;2\n12,5;3\n").numbers("a").tolist() == [1.234, 12.5]


@pytest.mark.parametrize("large", [0, text_tables.LARGE])
@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("a,b\n1,2\n1_0,3\n", r"column 'a' of .* has '1_0' on line 3, which is no number"),
        ("a,b\n1,2\n\n１,3\n", r"has '１' on line 4"),
        ("a;b\n1,5;2\n1.5;3\n", r"has '1,5' on line 2"),
        ("a,b\n1,nan(2)\n3,4\n", r"has 'nan\(2\)' on line 2"),
        ('a,b\n1,2\n"3"4,5\n', r"cannot read"),
        ("a,b\n1,2\n3,4,5\n", r"line 3 of .* has 3 values .* 2 columns, separated by commas"),
        ("a,b\x00\n1,2\n", r"has the control character 0x00 on line 1, so it is no table"),
        ("a,b\n1,\x1b[31m\n", r"has the control character 0x1b on line 2"),
        ("a,b,\n1,2,3\n", r"column 3 of .* has no name"),
        (b"\xff\xfea", r"marked as UTF-16 but is not"),
    ],
)
def test_wrong_tables(
    tmp_path: Path, content: Any, pattern: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_tables, "LARGE", large)
    with pytest.raises(LiouvilleError, match=pattern) as info:
        _read(tmp_path, content).matrix(["a", "b"])
    assert str(info.value).isprintable()


_ODD_CELLS = ["+1", "1.", ".5", "-.5e3", "1E+5", "1_0", "NA", "na", "NaN", "<NA>", "None"]
_ODD_CELLS += ["nan(1)", "-nan", "inf", "-INF", "Infinity", "0x1", "-", ".", "e5"]
_CELLS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(_ODD_CELLS),
    st.sampled_from(["", " ", "  7 ", " NA", "1 2", "1e400", "-0", "007", "9007199254740993"]),
    st.sampled_from(["1,5", "1,234", "-,5", "1,5e3", "1.234,5", "12,345,678"]),
    st.text("ab1. ;|é'", max_size=4),
    st.sampled_from(['a"b', 'a""b', "a\nb", '"', "#1"]),
)


@given(
    rows=st.lists(st.lists(_CELLS, min_size=3, max_size=3), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t|"),
    quote=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_both_ways_agree(
    tmp_path: Path, rows: list[list[str]], separator: str, quote: bool, end: str
) -> None:
    def cell(text: str) -> str:
        unsafe = quote or any(sign in text for sign in (separator, "\n", '"'))
        return '"' + text.replace('"', '""') + '"' if unsafe else text

    lines = [separator.join(map(cell, row)) for row in (["a", "b", "c"], *rows)]
    content = end.join(lines) + end
    found = []
    for large in (0, 1 << 40):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            patch.setattr(text_tables, "LARGE", large)
            try:
                table = _read(tmp_path, content)
                columns = [table.typed(name) for name in table.names]
                texts = [table.values(name) for name in table.names]
                places = [table.where(i) for i in range(len(table))]
                found.append([columns, texts, table.names, places])
            except LiouvilleError as error:
                found.append([str(error)])
        found[-1].append({str(one.message) for one in said})
    np.testing.assert_equal(found[0], found[1])
    for one, other in zip(found[0][0], found[1][0], strict=True):
        if isinstance(one, np.ndarray) and one.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(one), np.signbit(other))
