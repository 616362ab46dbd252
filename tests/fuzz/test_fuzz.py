"""Thousands of wrong files: each is read or refused in one line, soon and in little memory."""

import pytest
from harness import FINE, run, table


def check(cases: int, **options) -> None:
    found = list(run(cases, **options))
    print(table(found))
    assert [case for case in found if case.outcome not in FINE] == []


def test_some_wrong_files():
    check(500)


@pytest.mark.slow
def test_many_wrong_files():
    check(20_000, first=100_000)
