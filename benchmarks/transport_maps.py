"""Transport between densities seen through maps: exact ends, and how far the energy is from least.

    python benchmarks/transport_maps.py [--cases flows 0 ...] [--gauge] [--steps 600]
        [--save]

Ends are pushforwards with random parameters in the plane (`flows N`, by seed), or densities fitted
to 3,000 draws of toys (`moons pinwheel`). The energy of `fit_transport` with its defaults beside
the least energy of the discrete problem between draws of both ends, as the run prints it, and
beside what the path has after one step. W2 of arrival is to draws of the end, its floor
that of two draws.
"""

import argparse
import time
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from results import Column, Table

import liouville as lv
from liouville.data import Standardisation
from liouville.maps import coupling_flow
from liouville.model import Model
from liouville.paths import Normal, Pushforward
from liouville.problems import toys

COLUMNS = (
    *(
        Column("ends"),
        Column("energy after a step", ".3f"),
        Column("energy", ".3f", error="its error"),
    ),
    *(Column("its error", ".3f"), Column("least", ".3f"), Column("ratio", ".3f")),
    *(Column("arrival, W2", ".3f"), Column("floor", ".3f"), Column("seconds", ".0f")),
)


def flow(seed: int, shift: tuple[float, float] = (0.0, 0.0)) -> Model:
    """The normal law through two couplings of which every parameter is random."""
    path = Pushforward(Normal(2), coupling_flow(2, (0.0, 1.0), layers=2, width=8, key=jr.key(seed)))
    rng = np.random.default_rng(seed)
    learned, rest = eqx.partition(path, eqx.is_inexact_array)
    moved = jax.tree.map(
        lambda a: a + jnp.asarray(0.3 * rng.normal(size=a.shape), a.dtype), learned
    )
    units = Standardisation(np.array(shift), np.ones(2), 0.0, 1.0)
    return Model(eqx.combine(moved, rest), units, np.array([0.0, 1.0]), ("x1", "x2"))


def fitted(name: str) -> Model:
    """A warped mixture fitted to draws of a toy."""
    x = toys.named({"moons": "two_moons"}.get(name, name)).sample(3000, seed=1)
    return lv.fit_density(x, model="warped", steps=600, progress=False).model


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=["1", "2", "3", "moons-pinwheel"])
    parser.add_argument("--gauge", action="store_true", help="with path.gauge")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    note = f"{options.steps} steps."
    table = Table("transport_maps", COLUMNS, keep=options.save, note=note)
    for case in options.cases:
        first, _, last = case.partition("-")
        name = f"flows {first}" if not last else f"{first}, {last}"
        ends = (
            (fitted(first), fitted(last))
            if last
            else (
                flow(int(first)),
                flow(int(first) + 10, (3.0, 1.0)),
            )
        )
        found, begin = [], time.perf_counter()
        for steps in (1, options.steps):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                begin = time.perf_counter()
                settings = {"path.gauge": options.gauge}
                found.append(
                    lv.fit_transport(*ends, settings=settings, steps=steps, progress=False)
                )
        before, after = (f.summary for f in found)
        least = after["least energy (discrete problem)"]
        row = {"ends": name, "energy after a step": before["energy"], "energy": after["energy"]}
        row |= {"its error": after["energy, standard error"], "least": least}
        row |= {"ratio": after["energy"] / least, "arrival, W2": after["W2 of arrival (velocity)"]}
        row |= {"floor": after["W2 of two draws of the end"]}
        table.add({**row, "seconds": time.perf_counter() - begin})


if __name__ == "__main__":
    main()
