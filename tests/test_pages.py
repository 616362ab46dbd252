"""Tables of README and the documentation are those that benchmarks left."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("results", ROOT / "benchmarks" / "results.py")
assert _spec is not None
assert _spec.loader is not None
results = importlib.util.module_from_spec(_spec)
sys.modules["results"] = results  # its records look for their own module
_spec.loader.exec_module(results)


@pytest.mark.parametrize("page", list(results.pages()), ids=lambda page: page.name)
def test_pages_have_the_tables_that_were_measured(page):
    text = page.read_text()
    assert results.filled(text) == text, "python benchmarks/results.py"


def test_every_result_stands_on_a_page():
    shown = {name for page in results.pages() for name in results.named(page.read_text())}
    assert {file.stem for file in results.FOLDER.glob("*.json")} <= shown


def _write(folder: Path) -> str:
    columns = [
        results.Column("who"),
        results.Column("nats", ".2f", best="max", error="its error"),
        results.Column("its error", ".2f"),
        results.Column("a", ".1f", best="min", among="s"),
        results.Column("b", ".1f", best="min", among="s"),
    ]
    rows = [
        {"who": "ours", "nats": 1.234, "its error": 0.01, "a": 2.0, "b": 1.0},
        {"who": "theirs", "nats": 1.3, "a": 1.0, "b": 1.04},
    ]
    facts = {"command": "c", "commit": "abc", "machine": "m", "date": "d", "note": ""}
    found = {**facts, "columns": [c._asdict() for c in columns], "rows": rows}
    (folder / "one.json").write_text(json.dumps(found))
    return results.filled("<!-- result: one -->\n<!-- end -->", folder)


def test_the_best_of_each_comparison_is_bold_whoever_it_is(tmp_path):
    page = _write(tmp_path)
    assert "| ours | 1.23 ± 0.01 | 2.0 | **1.0** |" in page
    # Level at the digits that are shown is level.
    assert "| theirs | **1.30** | **1.0** | **1.0** |" in page
    assert "`c`; m, d, commit abc." in page


def test_a_planted_figure_is_found(tmp_path):
    page = _write(tmp_path)
    assert results.filled(page, tmp_path) == page
    assert results.filled(page.replace("1.23", "1.29"), tmp_path) == page
