"""Figures and the report, drawn from models whose density and velocity are known."""

import io
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from liouville import plots
from liouville.plots import Clock, mass_level, to_png
from liouville.plots._fields import plane_density, plane_velocity
from liouville.plots._page import flatten
from liouville.plots._plane import limits_of, window_of
from liouville.plots._style import plain
from liouville.plots._training import moving_average
from liouville.plots._view import place_data

PNG = b"\x89PNG"


@dataclass(frozen=True)
class FakeModel:
    """Two Gaussians that part; further coordinates are standard normal and at rest."""

    dim: int = 2
    times: np.ndarray = field(default_factory=lambda: np.array([0.0, 2.0, 4.0, 7.0]))
    features: tuple[str, ...] = ()
    time_name: str = "day"
    time_unit: str = "days"
    sigma: float = 0.3
    speed: float = 1.0

    def __post_init__(self) -> None:
        if not self.features:
            object.__setattr__(self, "features", tuple(f"PC{i + 1}" for i in range(self.dim)))

    @property
    def interval(self) -> tuple[float, float]:
        return float(self.times[0]), float(self.times[-1])

    @property
    def moving(self) -> int:
        return min(self.dim, 2)

    def _means(self, t: np.ndarray) -> np.ndarray:
        s = self.speed * t[..., None, None]
        base = np.array([[-0.2, 0.0], [0.2, 0.0]]) + s * np.array([[-0.28, 0.55], [0.5, 0.3]])
        base[..., 1, 1] -= 0.06 * (self.speed * t) ** 2
        return base[..., : self.moving]

    def _mean_rates(self, t: np.ndarray) -> np.ndarray:
        rates = np.broadcast_to(np.array([[-0.28, 0.55], [0.5, 0.3]]), (*t.shape, 2, 2)).copy()
        rates[..., 1, 1] -= 0.12 * self.speed * t
        return (self.speed * rates)[..., : self.moving]

    def _scales(self, t: np.ndarray) -> np.ndarray:
        return 0.5 + self.speed * t[..., None] * np.array([0.06, 0.03])

    def _parts(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint log-densities (..., 2) and standardised offsets (..., 2, moving)."""
        scales = self._scales(t)
        z = (x[..., None, : self.moving] - self._means(t)) / scales[..., None]
        logs = -0.5 * (z**2).sum(-1) - self.moving * np.log(scales * np.sqrt(2 * np.pi))
        return logs + np.log([0.6, 0.4]), z

    def log_density(self, t: float | np.ndarray, x: np.ndarray) -> np.ndarray:
        logs, _ = self._parts(np.broadcast_to(t, x.shape[:-1]).astype(float), x)
        rest = x[..., self.moving :]
        return np.logaddexp.reduce(logs, axis=-1) - 0.5 * (rest**2 + np.log(2 * np.pi)).sum(-1)

    def velocity(self, t: float | np.ndarray, x: np.ndarray) -> np.ndarray:
        t = np.broadcast_to(t, x.shape[:-1]).astype(float)
        logs, z = self._parts(t, x)
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=-1, keepdims=True))
        growth = self.speed * np.array([0.06, 0.03])[:, None]
        flow = (shares[..., None] * (self._mean_rates(t) + growth * z)).sum(-2)
        return np.concatenate([flow, np.zeros_like(x[..., self.moving :])], axis=-1)

    def sample(self, t: float, n: int, *, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        part = (rng.uniform(size=n) > 0.6).astype(int)
        time = np.asarray(float(t))
        noise = rng.normal(size=(n, self.dim))
        head = self._means(time)[part] + self._scales(time)[part, None] * noise[:, : self.moving]
        return np.concatenate([head, noise[:, self.moving :]], axis=1)

    def trajectories(
        self, x0: np.ndarray, times: np.ndarray, *, seed: int = 0, stochastic: bool = False
    ) -> np.ndarray:
        rng, paths = np.random.default_rng(seed), [np.asarray(x0, float)]
        for t, dt in zip(times[:-1], np.diff(times), strict=True):
            x = paths[-1]
            x = x + dt * self.velocity(float(t + dt / 2), x + dt / 2 * self.velocity(float(t), x))
            if stochastic:
                x = x + self.sigma * np.sqrt(dt) * rng.normal(size=x.shape)
            paths.append(x)
        return np.stack(paths)


@dataclass(frozen=True)
class FakeSnapshots:
    points: np.ndarray
    times: np.ndarray
    features: tuple[str, ...]
    time_name: str = "day"
    time_unit: str = "days"
    embedding: np.ndarray | None = None

    @property
    def distinct_times(self) -> np.ndarray:
        return np.unique(self.times)


def snapshots_of(model: FakeModel, each: int = 300, embed: bool = False) -> FakeSnapshots:
    points = np.concatenate(
        [model.sample(float(t), each, seed=9 + i) for i, t in enumerate(model.times)]
    )
    picture = None
    if embed:
        x, y = points[:, 0], points[:, 1]
        picture = np.stack([10 + 3 * np.arctan(x) + 0.5 * y, 4 * y - x], axis=1)
    return FakeSnapshots(
        points, np.repeat(model.times, each), model.features, model.time_name, model.time_unit,
        picture,
    )  # fmt: skip


def fake_history(count: int = 300) -> list[dict[str, Any]]:
    rng, history = np.random.default_rng(0), []
    for i in range(count):
        nll = 2.0 + 3.0 * np.exp(-i / 30) + 0.1 * rng.normal()
        action = 5.0 * np.exp(-i / 50) * np.exp(0.2 * rng.normal()) + 0.02
        entry = {"step": 10 * i, "loss": nll + action, "likelihood": nll, "action": action}
        if i % 20 == 0:
            entry["validation"] = 2.2 + 3 * np.exp(-i / 30) + 0.0008 * max(0, i - 150)
        history.append(entry)
    return history


HELD_OUT = {
    "liouville": {2.0: 1.932, 4.0: 2.411},
    "linear interpolation": {2.0: 2.305, 4.0: 2.95},
    "nearest snapshot": {2.0: 2.71, 4.0: 2.62},
    "conditional flow matching": {2.0: 2.04},
}


def frames_of(path: Path) -> list[Image.Image]:
    with Image.open(path) as film:
        return [(film.seek(i), film.convert("RGB"))[1] for i in range(getattr(film, "n_frames", 1))]


def check_png(data: bytes) -> np.ndarray:
    assert data.startswith(PNG)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert pixels.std() > 3, "the picture is empty"
    return pixels


# The fake model itself: a wrong fake would make all pictures wrong.


def test_fake_velocity_moves_the_fake_density() -> None:
    model, h, t = FakeModel(), 1e-4, 1.7
    x = model.sample(t, 50, seed=3)
    flux = [
        (
            np.exp(model.log_density(t, x + h * e)) * model.velocity(t, x + h * e)[:, i]
            - np.exp(model.log_density(t, x - h * e)) * model.velocity(t, x - h * e)[:, i]
        )
        / (2 * h)
        for i, e in enumerate(np.eye(2))
    ]
    rate = (np.exp(model.log_density(t + h, x)) - np.exp(model.log_density(t - h, x))) / (2 * h)
    np.testing.assert_allclose(rate, -sum(flux), atol=1e-6)


def test_importing_the_package_does_not_load_matplotlib() -> None:
    code = "import sys, liouville.plots; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_fakes_satisfy_the_protocols() -> None:
    model = FakeModel()
    assert isinstance(model, plots.DrawableModel)
    assert isinstance(snapshots_of(model), plots.DrawableSnapshots)


# Views.


def test_first_two_keeps_two_coordinates_and_any_batch_shape() -> None:
    x = np.arange(60.0).reshape(3, 4, 5)
    view = plots.FirstTwo()
    assert view.points(x).shape == (3, 4, 2)
    np.testing.assert_array_equal(view.velocities(x, 2 * x), 2 * x[..., :2])


def test_embedding_of_a_linear_picture_is_linear_inside_the_data() -> None:
    rng = np.random.default_rng(0)
    cells = rng.uniform(-1, 1, (4000, 3))
    matrix = rng.normal(size=(3, 2))
    view = plots.Embedding(cells, cells @ matrix, neighbours=15)
    x, u = rng.uniform(-0.6, 0.6, (5, 40, 3)), rng.normal(size=(5, 40, 3))
    assert np.abs(view.points(x) - x @ matrix).max() < 0.2
    errors = view.velocities(x, u) - u @ matrix
    assert np.sqrt((errors**2).mean()) < 0.4 * np.sqrt(((u @ matrix) ** 2).mean())


def test_embedding_is_continuous_and_survives_rest_and_repeated_cells() -> None:
    rng = np.random.default_rng(1)
    cells = np.repeat(rng.normal(size=(20, 4)), 30, axis=0)
    view = plots.Embedding(cells, cells[:, :2])
    np.testing.assert_allclose(view.points(cells), cells[:, :2], atol=1e-6)
    np.testing.assert_array_equal(view.velocities(cells, np.zeros_like(cells)), 0)
    cells = rng.normal(size=(500, 4))
    view = plots.Embedding(cells, rng.normal(size=(500, 2)))
    line = np.linspace(0, 1, 20001)[:, None] * np.ones(4)
    assert np.abs(np.diff(view.points(line), axis=0)).max() < 0.01


def test_embedding_rejects_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one pair of coordinates per cell"):
        plots.Embedding(np.zeros((5, 3)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="neighbours >= 1"):
        plots.Embedding(np.zeros((5, 3)), np.zeros((5, 2)), neighbours=0)


def test_default_view_uses_the_embedding_only_where_one_is_needed() -> None:
    high, flat = FakeModel(dim=5), FakeModel()
    data = snapshots_of(high, 50, embed=True)
    view = plots.default_view(high, data)
    assert isinstance(view, plots.Embedding)
    assert place_data(data, view) is view.coords
    assert isinstance(plots.default_view(high, snapshots_of(high, 50)), plots.FirstTwo)
    assert isinstance(plots.default_view(flat, snapshots_of(flat, 50, embed=True)), plots.FirstTwo)


# Numbers behind the figures.


def test_sampled_fields_agree_with_exact_ones() -> None:
    flat, high = FakeModel(), FakeModel(dim=5)
    data = snapshots_of(flat)
    window = window_of(data.points, data.times)
    view = plots.FirstTwo()
    exact = plane_density(flat, 3.0, window, view)
    rough = plane_density(high, 3.0, window, view, samples=40000)
    np.testing.assert_allclose(exact.sum() * window.cell_area(120), 1.0, atol=0.02)
    assert np.abs(exact - rough).max() < 0.12 * exact.max()
    u, shown = plane_velocity(flat, 3.0, window, view)
    v, seen = plane_velocity(high, 3.0, window, view, samples=40000)
    core = shown & seen
    assert core.sum() > 0.7 * shown.sum()
    assert np.abs(u - v)[core].mean() < 0.1 * np.abs(u[core]).mean()


def test_limits_ignore_outliers_but_not_small_snapshots() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=5000), [1e6], rng.normal(40, 1, 20)])
    low, high = limits_of(values, np.repeat([0.0, 1.0], [5001, 20]))
    assert -12 < low < -2
    assert 39 < high < 60
    assert limits_of(np.ones(5), np.zeros(5)) == (0.5, 1.5)


def test_mass_level_holds_the_mass() -> None:
    field = np.random.default_rng(0).exponential(size=(50, 50))
    held = field[field >= mass_level(field, 0.9)].sum() / field.sum()
    assert 0.9 <= held < 0.902
    assert mass_level(np.zeros((3, 3)), 0.9) == np.inf


def test_moving_average_of_a_constant_is_the_constant() -> None:
    np.testing.assert_allclose(moving_average(np.full(50, 3.0), 7.0), 3.0)


@pytest.mark.parametrize("days", [2.0 / 24, 71.0 / 24, 10.0, 100.0, 940.0, 1070.0, 9000.0])
def test_dates_of_any_length_have_ticks(days):
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    clock = Clock("days", name="time", origin="2015-09-02T00:00:00Z")
    clock.dress(axes)
    axes.set_xlim(*clock.values(np.array([0.0, days])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    assert 2 <= len(axes.get_xticks()) <= 8


def test_times_in_words() -> None:
    assert Clock("days", name="day").say(3.0) == "day 3"
    assert Clock("h", name="time").say(2.5) == "time 2.5 h"
    assert Clock("h", name="time").label == "time (h)"
    assert (Clock("h").say(1.5), Clock("h").label) == ("1.5 h", "time (h)")
    assert [Clock(unit).per for unit in ("days", "h", "s", "")] == ["day", "h", "s", "unit of time"]
    dated = Clock("days", "2020-01-01T00:00:00Z")
    assert (dated.say(1.5), dated.label, dated.per) == ("2020-01-02 12:00", "time (UTC)", "day")
    assert plain("$x$") == r"\$x\$"


def test_summary_is_flattened() -> None:
    rows = flatten({"a": {"b": 1.23456}, "n": 12345, "ok": True, "none": None, "l": [1, 2.5]})
    assert rows == [
        ("a: b", "1.235"),
        ("n", "12,345"),
        ("ok", "yes"),
        ("none", "–"),
        ("l", "1, 2.5"),
    ]


# Figures.

DRAWN: dict[str, Callable[[], tuple[FakeModel, FakeSnapshots]]] = {
    "1d": lambda: (m := FakeModel(dim=1), snapshots_of(m)),
    "2d": lambda: (m := FakeModel(), snapshots_of(m)),
    "5d": lambda: (m := FakeModel(dim=5), snapshots_of(m)),
    "embedding": lambda: (m := FakeModel(dim=5), snapshots_of(m, embed=True)),
}


@pytest.mark.parametrize("case", ["1d", "embedding"])
@pytest.mark.parametrize("draw", [plots.density_panels, plots.velocity_stream, plots.trajectories])
def test_figures_have_content(case: str, draw: Callable[..., Any]) -> None:
    check_png(to_png(draw(*DRAWN[case]()), dpi=50))


def test_ways_that_were_simulated_are_drawn_as_they_are() -> None:
    model, times = FakeModel(), np.linspace(0.0, 1.0, 7)
    places = np.random.default_rng(0).normal(size=(7, 5, 2))
    figure = plots.trajectories(model, snapshots_of(model), ways=(times, places))
    (lines,) = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    begins = np.array([piece[0] for piece in lines.get_segments()]).reshape(5, 6, 2)
    np.testing.assert_array_equal(begins, places[:-1].transpose(1, 0, 2))


def test_a_model_at_rest_is_drawn() -> None:
    model = FakeModel(speed=0.0)
    figure = plots.velocity_stream(model, snapshots_of(model))
    assert any("no motion" in text.get_text() for text in figure.axes[0].texts)
    check_png(to_png(figure, dpi=50))


def test_panels_share_limits_and_colours_and_wrap() -> None:
    model = FakeModel(times=np.linspace(0, 6, 11), features=("gene $a$", "b_$"))
    figure = plots.density_panels(model, snapshots_of(model, 60))
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 11
    assert len({(*axes.get_xlim(), *axes.get_ylim()) for axes in panels}) == 1
    assert len({axes.images[0].get_clim() for axes in panels}) == 1
    assert len({round(axes.get_position().y0, 2) for axes in panels}) >= 3
    check_png(to_png(figure, dpi=50))


def test_many_points_are_thinned_and_outliers_do_not_matter() -> None:
    model = FakeModel()
    data = snapshots_of(model, 20000)
    data.points[0] = 1e9
    figure = plots.density_panels(model, data)
    assert max(np.shape(c.get_offsets())[0] for c in figure.axes[0].collections) < 2000
    assert abs(figure.axes[0].get_xlim()[1]) < 20


@pytest.mark.parametrize("history", [[], [{"step": 0, "loss": 1.0}], fake_history(300)])
def test_loss_curves(history: list[dict[str, Any]]) -> None:
    check_png(to_png(plots.loss_curves(history), dpi=50))


def test_loss_curves_mark_the_best_validation_and_skip_what_is_not_finite() -> None:
    history = [*fake_history(), {"step": 3000, "loss": np.nan, "likelihood": np.inf}]
    figure = plots.loss_curves(history)
    titles = [axes.get_title(loc="right") for axes in figure.axes]
    assert any("lowest" in title for title in titles)


@pytest.mark.parametrize("table", [{}, {"a": {1.0: 2.0}}, HELD_OUT, {"a": {1.0: np.nan}}])
def test_held_out(table: dict[str, dict[float, float]]) -> None:
    check_png(to_png(plots.held_out(table), dpi=50))


def test_held_out_rows_keep_their_order_and_say_the_time() -> None:
    figure = plots.held_out(HELD_OUT, time_name="day")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["day 2", "day 4"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(HELD_OUT)


def test_snapshots_outside_the_interval_of_the_model_are_not_asked_for() -> None:
    model = FakeModel()
    data = snapshots_of(model, 60)
    asked = replace(data, times=np.where(data.times == 7.0, 9.0, data.times))
    figure = plots.density_panels(model, asked)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images]
    assert titles == ["day 0", "day 2", "day 4"]


# Film and report.


def test_film_moves_and_is_small(tmp_path: Path) -> None:
    model, data = DRAWN["2d"]()
    path = plots.density_movie(model, tmp_path / "film.gif", data, frames=5)
    frames = frames_of(path)
    assert len(frames) == 5
    assert np.abs(np.asarray(frames[0], float) - np.asarray(frames[-1], float)).mean() > 0.5
    assert path.stat().st_size < 3_000_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_film_shows_what_stands_and_moves_in_its_scene(tmp_path: Path) -> None:
    model, data = DRAWN["2d"]()
    first, last = model.interval

    def wall(axes: Any, times: np.ndarray) -> list[Any]:
        (left, right), at = axes.get_xlim(), (float(times[0]) - first) / (last - first)
        x = left + (right - left) * (0.25 + 0.5 * at)
        return [axes.axvline(x, color="red", linewidth=6, zorder=5)]

    path = plots.density_movie(model, tmp_path / "film.gif", data, frames=3, scenery=wall)
    middles = []
    for frame in frames_of(path):
        pixels = np.asarray(frame, int)
        red = np.argwhere((pixels[..., 0] > 200) & (pixels[..., 1:].max(axis=-1) < 80))
        assert len(red) > 200
        assert np.ptp(red[:, 1]) < 20  # one wall at a time
        middles.append(red[:, 1].mean())
    assert np.diff(middles) == pytest.approx([np.ptp(middles) / 2] * 2, abs=3)
    assert np.ptp(middles) > 100


@pytest.mark.parametrize("dim", [1, 3])
def test_film_without_data(tmp_path: Path, dim: int) -> None:
    told: list[str] = []
    model = FakeModel(dim=dim)
    path = plots.density_movie(model, tmp_path / "film.gif", frames=3, say=told.append)
    assert len(frames_of(path)) == 3
    assert told[-1] == "film: frame 3 of 3"


def check_report(folder: Path, names: set[str]) -> str:
    assert {path.name for path in (folder / "figures").iterdir()} == names
    page = (folder / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == len(names)
    assert all(source.startswith("data:image/") for source in sources)
    assert "http" not in re.sub(r'base64,[^"]*', "", page)
    assert "<script" not in page
    for path in (folder / "figures").glob("*.png"):
        check_png(path.read_bytes())
    return page


def test_report_is_self_contained_and_escapes(tmp_path: Path) -> None:
    model = FakeModel(features=("<script>alert(1)</script>", "b & c"), time_unit="<b>h</b>")
    summary = {"held-out <i>": {"nll": 1.5}, "points": 1200}
    page = plots.density_page(
        model, snapshots_of(model, 100), [], summary, title="A <script>", held_out=HELD_OUT,
        movie=False,
    )  # fmt: skip
    plots.write_page(tmp_path, page)
    names = {"density.png", "velocity.png", "trajectories.png", "loss.png", "held_out.png"}
    text = check_report(tmp_path, names)
    assert "&lt;script&gt;alert(1)" in text
    assert "<b>h" not in text
    assert "<i>" not in text
    assert "1,200" in text


def test_many_coordinates_are_shown_by_their_names() -> None:
    model, data = DRAWN["5d"]()
    page = plots.density_page(model, data, fake_history(20), {})
    assert [item.title for item in page.contents] == [
        "Coordinate by coordinate", "Pairs of coordinates"
    ]  # fmt: skip
    assert page.film is None
    assert {"The density as it moves", "Density at the snapshots"} <= {
        d.title for d in page.details
    }
    embedded = plots.density_page(*DRAWN["embedding"](), fake_history(20), {})
    assert embedded.contents[0].title == "Density at the snapshots"
    assert embedded.film is not None
    figure = plots.density_marginals(model, data, times=np.array([0.0, 7.0]))
    panels = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_xlabel() for axes in panels] == list(model.features)
    for axes in panels:
        assert len(axes.lines) == 2
        for line in axes.lines:
            x, y = (np.asarray(a, float) for a in line.get_data())
            assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.05)
    few = plots.density_marginals(model, data, most=2)
    assert [axes.get_xlabel() for axes in few.axes if axes.lines] == ["PC1", "PC2"]  # which move


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted(DRAWN))
def test_full_report(tmp_path: Path, case: str) -> None:
    model, data = DRAWN[case]()
    told: list[str] = []
    page = plots.density_page(model, data, fake_history(), {"points": 1})
    plots.write_page(tmp_path, page, say=told.append)
    names = {"density.png", "velocity.png", "trajectories.png", "loss.png", "movie.gif"}
    check_report(tmp_path, names | ({"marginals.png", "pairs.png"} if case == "5d" else set()))
    assert len(frames_of(tmp_path / "figures" / "movie.gif")) == 40
    assert len(told) > 40


@pytest.mark.slow
def test_one_snapshot_only(tmp_path: Path) -> None:
    model = replace(FakeModel(), times=np.array([1.0]))
    plots.write_page(tmp_path, plots.density_page(model, snapshots_of(model, 50), [], {}))
    assert (tmp_path / "report.html").stat().st_size > 10_000
