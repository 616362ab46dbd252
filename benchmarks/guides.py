"""The pictures of the guides and of README's table, from runs on data that everybody has.

`python benchmarks/guides.py` fits a density, a transport, a control, a catalogue and a diffusion,
and writes docs/images/guides; names behind it make some of them alone. Cells are those of the
demonstration; the pictures of cells that were measured are in `gallery.py`.
"""

import argparse
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gallery import write
from matplotlib.figure import Figure
from PIL import Image

import liouville as lv
from liouville.diffusions import solve_fokker_planck
from liouville.numerics.mixtures import GaussianMixture
from liouville.plots import GROUPS, MUTED, Picture, headline, name_axes, panels, to_png
from liouville.problems.toys import named
from liouville.tasks import load_task, pages
from liouville.tasks.cells.demo import demo_cells
from liouville.tasks.control.scenes import NAMES as SCENES
from liouville.tasks.events.demo import SETTINGS, demo_events

PLACE = Path(__file__).parents[1] / "docs" / "images" / "guides"
SMALL = 330  # pixels of the pictures of README's table
Pictures = Mapping[str, Figure]


def drawn(fitted: Any, whole: str, small: str, panel: int = 0) -> Pictures:
    """Two pictures of the report of a fit: for its guide, and a panel of one for README."""
    name = fitted.model.notes["task"]
    contents = load_task(name).contents(pages.drawn(fitted), fitted.data).contents
    found = {Path(item.name).stem: item for item in contents if isinstance(item, Picture)}
    return {name: found[whole].draw(), f"{name}-small": only(found[small].draw(), panel)}


def only(figure: Figure, panel: int) -> Figure:
    """One panel of a picture, without words."""
    kept = figure.axes[panel]
    for axes in figure.axes:
        if axes is not kept:
            axes.remove()
    for text in list(kept.texts):
        text.remove()
    for place in ("left", "center", "right"):
        kept.set_title("", loc=place)
    kept.set(xlabel="", ylabel="")
    kept.tick_params(which="both", bottom=False, left=False, labelbottom=False, labelleft=False)
    figure.set_size_inches(2.4, 2.0)
    return figure


def cells() -> Pictures:
    """The branching population of the demonstration."""
    return drawn(lv.fit_cells(demo_cells().cells), "velocity", "trajectories")


def density() -> Pictures:
    """The pinwheel from 2,000 samples."""
    return drawn(lv.fit_density(named("pinwheel").sample(2000, seed=0)), "density", "density", 1)


def transport() -> Pictures:
    """A Gaussian to eight."""
    return drawn(lv.fit_transport("gaussian", "8gaussians"), "density", "trajectories")


def control() -> Pictures:
    """The S-tunnel."""
    return drawn(lv.fit_control(SCENES["s-tunnel"]()), "density", "trajectories")


def events() -> Pictures:
    """The catalogue of the demonstration, whose process is known."""
    return drawn(lv.fit_events(demo_events().events, SETTINGS), "rate", "rate")


def matching() -> Pictures:
    """A double well, beside a histogram of 100,000 simulated trajectories."""

    def pull(t, x):
        return -4.0 * x * (x**2 - 1.0)

    mean, variance, sigma, horizon = 0.1, 0.04, 0.7, 2.0
    source = GaussianMixture(np.ones(1), np.array([[mean]]), np.array([[[variance]]]))
    found = solve_fokker_planck(pull, source, sigma, horizon=horizon)
    rng, steps = np.random.default_rng(0), 1000
    x = mean + np.sqrt(variance) * rng.normal(size=100_000)
    h, shown, crowd = horizon / steps, (0.1, 0.3, 0.6, 2.0), {}
    for step in range(1, steps + 1):
        x = x + h * pull(0.0, x) + sigma * np.sqrt(h) * rng.normal(size=x.shape)
        if any(step == round(t / h) for t in shown):
            crowd[step] = x
    grid = np.linspace(-1.9, 1.9, 300)
    figure, axes = panels(len(shown), 0.8, width=2.6)
    for panel, t in zip(axes, shown, strict=True):
        panel.hist(
            crowd[round(t / h)], 95, range=(-1.9, 1.9), density=True, color=MUTED, alpha=0.35
        )
        value = jax.vmap(found.path.at(jnp.asarray(t)).log_density)(jnp.asarray(grid)[:, None])
        panel.plot(grid, np.exp(value), color=GROUPS[0], linewidth=1.8)
        headline(panel, f"time {t:g}")
        panel.set_yticks([])
    name_axes(axes, "x", "density")
    print(f"bound {found.bound:.4f} ± {found.bound_error:.4f}", flush=True)
    return {"matching": figure}


def python() -> Pictures:
    """The path of the tutorial, made by hand."""
    page = PLACE.parents[1] / "python.md"
    names: dict[str, Any] = {}
    exec(page.read_text("utf-8").split("```python\n")[1].split("```")[0], names)
    units = lv.data.Standardisation(np.zeros(2), np.ones(2), 0.0, 1.0)
    model = lv.Model(names["path"], units, np.array([0.0, 1.0, 3.0]), ("x", "y"))
    clouds = [model.sample(t, 300, seed=0) for t in model.times]
    drawn = lv.data.Snapshots.of(clouds, model.times, features=("x", "y"))
    return {"python": lv.plots.density_panels(model, drawn)}


def choose() -> Pictures:
    """The same five knots, joined by the curves there are."""
    knots, values = (0.0, 1.0, 2.0, 3.0, 4.0), jnp.array([0.0, 0.2, 2.0, 2.2, 1.0])
    times = jnp.linspace(0.0, 4.0, 400)
    figure, axes = panels(3, 0.75, width=3.0)
    for panel, kind in zip(axes, ("linear", "monotone", "cubic"), strict=True):
        curve = lv.curves.Knots(knots, values[:, None, None], kind)
        panel.plot(times, jax.vmap(curve)(times)[:, 0, 0], color=GROUPS[0], linewidth=1.8)
        panel.plot(knots, values, "o", color=GROUPS[1], markersize=5)
        headline(panel, kind)
    name_axes(axes, "time", "location")
    return {"choose": figure}


GUIDES: dict[str, Callable[[], Pictures]] = {
    made.__name__: made
    for made in (cells, density, transport, control, events, matching, python, choose)
}


def write_small(figure: Figure, file: Path) -> None:
    """A picture for a table."""
    image = Image.open(io.BytesIO(to_png(figure))).convert("RGB")
    image.thumbnail((SMALL, SMALL), Image.Resampling.LANCZOS)
    few = image.quantize(96, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(file, optimize=True)
    print(
        f"{file.name} {image.width}x{image.height} {file.stat().st_size / 1e3:.0f} kB", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="*", choices=[[], *GUIDES])
    for name in parser.parse_args().name or GUIDES:
        for made, figure in GUIDES[name]().items():
            (write_small if made.endswith("-small") else write)(figure, PLACE / f"{made}.png")


if __name__ == "__main__":
    main()
