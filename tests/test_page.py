"""The page of a report: what it says first, how large it is, and the colours of its pictures."""

import re
from pathlib import Path

import matplotlib.colors as mc
import numpy as np
import pytest
from matplotlib.figure import Figure

from liouville import plots
from liouville.plots import Answer, Film, Key, Page, Picture, Table, write_page
from liouville.plots._page import LARGEST_PAGE, flatten
from liouville.plots._style import PALETTE, SPEED, TIME

# Linear RGB of D65 to XYZ, and what is left of it for who has no L or no M cones (Machado, Oliveira
# and Fernandes, 2009, severity one).
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
SIGHTS = {
    "all cones": np.eye(3),
    "no L cones": np.array(
        [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]
    ),
    "no M cones": np.array(
        [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]
    ),
}


def linear(colour) -> np.ndarray:
    c = np.array(mc.to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(colour) -> float:
    """To white, as WCAG 2.1 defines it."""
    return 1.05 / (float(XYZ[1] @ linear(colour)) + 0.05)


def lab(colour, sight: np.ndarray) -> np.ndarray:
    xyz = XYZ @ np.clip(sight @ linear(colour), 0, 1) / XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_difference(colours) -> float:
    """The least difference of two colours in CIELAB, for any sight."""
    least = np.inf
    for sight in SIGHTS.values():
        places = np.array([lab(colour, sight) for colour in colours])
        apart = np.linalg.norm(places[:, None] - places, axis=-1)
        least = min(least, apart[np.triu_indices(len(colours), 1)].min())
    return float(least)


def test_every_colour_of_lines_and_dots_has_a_contrast_of_three_to_white():
    shades = [cmap(level) for cmap in (TIME, SPEED) for level in np.linspace(0, 1, 33)]
    for colour in (*PALETTE, *shades):
        assert contrast(colour) >= 3.0, mc.to_hex(colour)
    assert contrast("white") == pytest.approx(1.0, abs=1e-3)
    assert contrast("yellow") < 1.2  # the test can fail
    assert contrast("#e69f00") < 3.0


def test_colours_of_groups_are_apart_for_the_colour_blind_too():
    assert least_difference(plots.GROUPS[:8]) > 20
    assert least_difference(plots.GROUPS) > 14
    assert least_difference(["#d62728", "#2ca02c", "#8c564b"]) < 14  # red, green and brown


def noise(seed: int, size: float) -> Figure:
    figure = Figure(figsize=(size, size))
    axes = figure.subplots()
    axes.imshow(np.random.default_rng(seed).random((400, 400)), cmap="gray")
    return figure


@pytest.fixture
def page() -> Page:
    line = Picture("line.png", "A line", "It is 50 % of it.", lambda: Figure(figsize=(9, 2)))
    table = Table("Rows", "", [{"name": "ours", "nats": 1.234, "nats_error": 0.012}], own=(0,))
    answer = Answer(
        [Key("nats", 1.234, 0.012), Key("others", 12.0)],
        [(True, "It is near <truth>."), (False, "Few steps, 1.2 ± 0.1.")],
    )
    film = Film("film.gif", "A film", "It moves.", lambda path, _: path.write_bytes(b"GIF89a"))
    summary = {"energy": 2.0004, "energy, standard error": 0.0013, "name": "a, b", "rows": [{}]}
    made = {"date": "2026-01-02 03:04 UTC", "command": "liouville fit <cells>"}
    return Page("T", "S.", summary, [line], film, answer, [table], made, {"training": {"steps": 9}})


def test_a_page_says_the_answer_first_and_folds_the_details(tmp_path, page):
    text = write_page(tmp_path, page).read_text()
    order = ["1.234 <small>± 0.012", "What is good", "What is doubtful", "A line", "A film"]
    order += ["<summary>Rows", "<summary>All figures", "<summary>How this was made"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    for part in ("near &lt;truth&gt;", "1.2\u00a0±\u00a00.1", "50\u00a0%", "fit &lt;cells&gt;"):
        assert part in text
    assert "<td>training.steps</td><td class=number>9</td>" in text
    assert "<td class=number>1.234 ± 0.012</td>" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "<script" not in text


def test_numbers_are_never_broken(tmp_path, page):
    text = write_page(tmp_path, page).read_text()
    assert ".number { white-space: nowrap" in text
    assert "<td class=number>2.0004 ± 0.0013</td>" in text
    assert "<td>a, b</td>" in text
    assert flatten(page.summary) == [("energy", "2.0004 ± 0.0013"), ("name", "a, b")]


def test_a_page_of_large_pictures_is_small(tmp_path, monkeypatch):
    assert LARGEST_PAGE == 3_000_000
    monkeypatch.setattr("liouville.plots._page.LARGEST_PAGE", 400_000)
    pictures = [Picture(f"{i}.png", f"Noise {i}", "", lambda i=i: noise(i, 3.5)) for i in range(2)]
    file = write_page(tmp_path, Page("T", "S.", {}, pictures))
    whole = sum(path.stat().st_size for path in (tmp_path / "figures").iterdir())
    assert 4 / 3 * whole > 400_000 > file.stat().st_size


def test_no_picture_has_a_colour_of_the_library_that_draws_it():
    named = re.compile(r"cmap=\"|colormap=\"|\"tab:|\"C\d\"")
    for path in sorted(Path(plots.__file__).parents[1].rglob("*.py")):
        for line in path.read_text().splitlines():
            assert not named.search(line) or "gray_r" in line, (path.name, line)
