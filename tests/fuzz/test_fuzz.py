"""Thousands of wrong files: each is read or refused in one line, soon and in little memory."""

from importlib.util import find_spec

import pytest
from harness import FINE, Case, run, table


def check(cases: int, **options) -> list[Case]:
    found = list(run(cases, **options))
    print(table(found))
    assert [case for case in found if case.outcome not in FINE] == []
    return found


def test_some_wrong_files():
    check(100)


@pytest.mark.slow
def test_many_wrong_files():
    found = check(20_000, first=100_000)
    # What is never read is refused for a reason of its own, and says nothing of the changes.
    read = {case.target for case in found if case.outcome == "read"}
    absent = set() if find_spec("obspy") else {"events, QuakeML"}
    assert {case.target for case in found} - read <= {"run of control"} | absent
