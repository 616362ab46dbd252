"""Tables that we write are no programs for a spreadsheet, and come back as they were."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liouville.data import read_table, write_table
from liouville.data._formulas import guarded, unguarded

NAMES = ("=cmd|' /C calc'!A0", "+a", "-b", "@SUM(1)", "'=c", "''@d", "'quoted'", "plain", "-1.5x")


@pytest.mark.parametrize("suffix", [".csv", pytest.param(".tsv", marks=pytest.mark.slow)])
@pytest.mark.parametrize("rows", [3, 60_000])  # read row by row, and by pyarrow
def test_names_and_texts_come_back(tmp_path: Path, suffix: str, rows: int) -> None:
    file = tmp_path / f"a{suffix}"
    numbers = np.linspace(-1.5, 2.0, rows)
    texts = np.resize(np.array(NAMES), rows)
    write_table(file, {"time": numbers, **dict.fromkeys(NAMES, numbers), "=kind": texts})
    with file.open(newline="") as lines:
        header, first = list(csv.reader(lines, delimiter={".csv": ",", ".tsv": "\t"}[suffix]))[:2]
    assert first[:-1] == ["-1.5"] * (len(NAMES) + 1)
    assert not [cell for cell in (*header, first[-1]) if cell[0] in "=+-@"]
    table = read_table(file)
    assert table.names == ("time", *NAMES, "=kind")
    assert table.values("=kind").tolist() == texts.tolist()
    np.testing.assert_array_equal(table.numbers("-b"), numbers)


@given(st.text("'=+-@\t\r a1.e", max_size=6))
def test_every_text_comes_back(text: str) -> None:
    (again,) = unguarded([guarded(text)])
    assert again == text
    if guarded(text)[:1] in ("=", "@", "\t", "\r"):
        pytest.fail(f"{text!r} is written as {guarded(text)!r}")


@pytest.mark.parametrize("text", ["-1.5", "+2e-3", ".5", "-0", "2019-01-01", "nan"])
def test_numbers_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text
