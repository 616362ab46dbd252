r"""Measures the flux that a one-coordinate rule sends through a far boundary, and draws it.

    python benchmarks/spurious_flux.py [--image docs/images/spurious_flux.png]

On a density of two independent coordinates that move, two fluxes obey the continuity equation:
the one-coordinate rule $j = (0, -\int_{-\infty}^{x_2} \partial_t\rho(x_1, s)\, ds)$, and ours. The
first tends to $-\partial_t f_1(x_1)$ as $x_2$ grows: it does not vanish at infinity, and the
energy that its velocity costs in a box grows without bound with the box.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from results import Column, save

from liouville.curves import Constant, Knots
from liouville.numerics.types import Point, Scalar
from liouville.paths import AbstractFamily, Factorised, Gaussian
from liouville.plots import (
    DENSITY,
    INK,
    MARK,
    Window,
    headline,
    mass_level,
    name_axes,
    panels,
)

TIME = 0.5
_MASS, _ENERGY = (
    "mass through $x_2=h$ a unit of time",
    r"energy in $\lvert x_1\rvert,\lvert x_2\rvert\le h$",
)
COLUMNS = (
    Column("$h$", "g"),
    *(Column(f"{_MASS}: (13)", ".4f"), Column(f"{_MASS}: ours", ".1e")),
    *(Column(f"{_ENERGY}: (13)", ".3g"), Column(f"{_ENERGY}: ours", ".4f")),
)


def example(family: AbstractFamily) -> Factorised:
    """Two parts in each coordinate: in the first they move, in the second they trade weight."""
    locations = jnp.asarray([[[-2.0, -1.0], [-0.5, 1.2]], [[-0.5, -1.0], [2.0, 1.2]]])
    logits = jnp.asarray([[[0.4, 0.7], [0.0, 0.0]], [[-0.4, -0.7], [0.0, 0.0]]])
    scales = jnp.log(jnp.asarray([[0.6, 0.6], [0.7, 0.7]]))
    return Factorised(
        Knots((0.0, 1.0), locations, "linear"),
        Constant(scales),
        Knots((0.0, 1.0), logits, "linear"),
        family,
    )


def one_coordinate_velocity(path: Factorised, t: Scalar, x: Point) -> Point:
    r"""$(0, \dots, 0, j_d/\rho)$, $j_d = -\int^{x_d} \partial_t\rho\,ds$: it solves the equation.

    Args:
        path: the path.
        t: time, shape `()`.
        x: the point, shape `(dim,)`.
    """

    def log_integral(time):
        at_x = path.at(time).coordinates(x)
        return at_x.log_density[:-1].sum() + at_x.log_left[-1]

    value, rate = jax.jvp(log_integral, (t,), (jnp.ones_like(t),))
    last = -rate * jnp.exp(value - path.at(t).log_density(x))
    return jnp.zeros_like(x).at[-1].set(last)


def velocities(
    path: Factorised, t: Scalar, points: Float[Array, "n dim"]
) -> dict[str, Float[Array, "n dim"]]:
    """The velocities of both rules."""
    return {
        "one coordinate": jax.vmap(lambda x: one_coordinate_velocity(path, t, x))(points),
        "ours": jax.vmap(path.at(t).velocity)(points),
    }


@eqx.filter_jit
def _fields(path, t, points):
    log_density = jax.vmap(path.at(t).log_density)(points)
    return jnp.exp(log_density), velocities(path, t, points)


def outflow(path: Factorised, t: float, height: float, nodes: int = 4001) -> dict[str, float]:
    r"""$\int |j_2(x_1, h)|\,dx_1$: the mass that crosses the line $x_2 = h$ per unit of time."""
    line = jnp.linspace(-30.0, 30.0, nodes)
    points = jnp.stack([line, jnp.full_like(line, height)], axis=1)
    density, fields = _fields(path, jnp.asarray(t), points)
    step = float(line[1] - line[0])
    return {name: float(jnp.abs(density * u[:, 1]).sum()) * step for name, u in fields.items()}


def energy(path: Factorised, t: float, half: float, nodes: int = 401) -> dict[str, float]:
    r"""$\tfrac12\int\rho|u|^2$ over the square of the given half width."""
    line = jnp.linspace(-half, half, nodes)
    points = jnp.stack(jnp.meshgrid(line, line), axis=-1).reshape(-1, 2)
    density, fields = _fields(path, jnp.asarray(t), points)
    cell = float(line[1] - line[0]) ** 2
    return {
        name: 0.5 * float((density * (u**2).sum(-1)).sum()) * cell for name, u in fields.items()
    }


def draw(path: Factorised, t: float, file: Path) -> None:
    """Both fluxes on the density, as arrows of one scale; what leaves the mass is in colour."""
    window = Window((-4.2, 4.2), (-3.6, 5.4))
    cells, arrows = 160, 22
    grid, places = (jnp.asarray(window.grid(n).reshape(-1, 2)) for n in (cells, arrows))
    density = np.asarray(_fields(path, jnp.asarray(t), grid)[0]).reshape(cells, cells)
    at_places, fields = _fields(path, jnp.asarray(t), places)
    level = mass_level(density, 0.99)
    is_outside = np.asarray(at_places) < level
    figure, axes = panels(2, window.ratio, width=3.4)
    notes = {"one coordinate": "flux leaves through the top", "ours": "flux stays with the mass"}
    titles = {"one coordinate": "One-coordinate rule", "ours": "Ours"}
    fluxes = {name: np.asarray(at_places[:, None] * u) for name, u in fields.items()}
    longest = max(np.linalg.norm(flux, axis=1).max() for flux in fluxes.values())
    for panel, (name, flux) in zip(axes, fluxes.items(), strict=True):
        panel.imshow(
            density,
            origin="lower",
            extent=window.extent,
            cmap=DENSITY,
            interpolation="bilinear",
            aspect="auto",
            zorder=0,
        )
        is_seen = np.linalg.norm(flux, axis=1) > 0.015 * longest
        for chosen, colour in ((~is_outside, INK), (is_outside, MARK)):
            shown = chosen & is_seen
            panel.quiver(
                *np.asarray(places)[shown].T,
                *flux[shown].T,
                color=colour,
                angles="xy",
                scale_units="xy",
                scale=longest / 1.1,
                width=0.0045,
                headwidth=4.0,
                headlength=4.5,
                headaxislength=4.0,
                zorder=2,
            )
        headline(panel, titles[name], notes[name])
        panel.set(xlim=window.x, ylim=window.y)
        panel.set_aspect("equal", adjustable="box")
    name_axes(axes, "first coordinate", "second coordinate")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=160)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--image", type=Path, default=Path("docs/images/spurious_flux.png"))
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    path = example(Gaussian())
    print("mass through x2 = h a unit of time   energy in |x1|, |x2| <= h")
    print("     h  one coordinate       ours      one coordinate       ours")
    rows = []
    for height in (3.0, 4.0, 6.0, 8.0):
        through, cost = outflow(path, TIME, height), energy(path, TIME, height)
        print(
            f"{height:>6} {through['one coordinate']:>15.4f} {through['ours']:>10.1e}"
            f" {cost['one coordinate']:>19.4g} {cost['ours']:>10.6f}"
        )
        values = (height, through["one coordinate"], through["ours"], cost["one coordinate"])
        names = (column.name for column in COLUMNS)
        rows.append(dict(zip(names, map(float, (*values, cost["ours"])), strict=True)))
    if options.save:
        save("spurious_flux", COLUMNS, rows)
    draw(path, TIME, options.image)
    print(f"wrote {options.image}")


if __name__ == "__main__":
    main()
