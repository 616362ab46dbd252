"""Tables of README and the documentation are those that benchmarks left."""

import ast
import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _loaded(file: Path):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # its records look for their own module
    spec.loader.exec_module(module)
    return module


results = _loaded(ROOT / "benchmarks" / "results.py")
readme = _loaded(ROOT / "tools" / "readme.py")


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


def test_a_table_is_printed_and_kept_row_by_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    columns = [results.Column("who"), results.Column("nats", ".1f", best="min")]
    for keep in (False, True):
        table = results.Table("two", columns, keep=keep, note="Two rows.")
        table.add({"who": "ours", "nats": 1.26})
        assert capsys.readouterr().out == "| who | nats |\n|---|---|\n| ours | 1.3 |\n"
        assert (tmp_path / "two.json").exists() == keep
    table.add({"who": "theirs", "nats": 1.0})
    page = results.filled("<!-- result: two -->\n<!-- end -->", tmp_path)
    assert "| ours | 1.3 |\n| theirs | **1.0** |\n" in page
    assert "*Two rows.`" in page.replace(". `", ".`")


def test_a_figure_in_a_sentence_is_that_of_the_table(tmp_path):
    _write(tmp_path)
    text = "It has <!-- figure: one; ours; nats -->9<!-- end --> nats, not 9."
    assert " -->1.23<!-- end --> nats, not 9." in results.filled(text, tmp_path)


def test_what_was_not_measured_yet_stays_as_it_is_typed(tmp_path):
    page = "<!-- result: three -->\n| typed |\n<!-- end -->"
    assert results.filled(page, tmp_path) == page


def test_a_planted_figure_is_found(tmp_path):
    page = _write(tmp_path)
    assert results.filled(page, tmp_path) == page
    assert results.filled(page.replace("1.23", "1.29"), tmp_path) == page


def test_readme_has_whole_addresses_in_an_index():
    source = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    text = (ROOT / "README.md").read_text()
    shown = re.findall(r'(?:\]\(|src=")([^)"]+)', readme.absolute(text, source))
    ours = [address.removeprefix(source) for address in shown if address.startswith(source)]
    assert len(ours) > 10
    assert [address for address in shown if not address.startswith(("https://", "#"))] == []
    for address in ours:
        kind, place = re.fullmatch(r"/(raw|blob)/main/(.*)", address).groups()  # pyright: ignore
        assert (ROOT / place).is_file()
        assert (kind == "raw") == (Path(place).suffix in (".png", ".gif", ".svg"))


def test_no_page_names_a_picture_that_is_missing():
    for page in results.pages():
        for place in re.findall(r'(?:!\[[^\]]*\]\(|src=")(?!https?:)([^)"]+)', page.read_text()):
            assert (page.parent / place).is_file(), f"{page.name}: {place}"


def test_pictures_are_small():
    pictures = [f for f in (ROOT / "docs" / "images").rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in pictures) < 4_000_000
    named = "".join(page.read_text() for page in results.pages())
    assert [f.name for f in pictures if f.name not in named] == []


def _texts() -> str:
    """All text in the source, with … for what is filled in."""
    found = []
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def _unsaid(page: str, texts: str) -> list[str]:
    """Messages of a page, the first cells of its tables, that the source does not have."""
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert messages
    return [message for message in messages if message not in texts]


def test_errors_of_the_page_are_those_of_the_source():
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert _unsaid(page, _texts()) == []
    assert _unsaid(page.replace("already holds a run", "holds a run already"), _texts())
