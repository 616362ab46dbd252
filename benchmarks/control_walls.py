"""A wall that is an indicator, without a gradient, and lengths over which it may be smoothed.

    python benchmarks/control_walls.py [--steps 1000] [--smoothings 0.05 0.2] [--save]

From N((-3, 0), .2 I) to N((3, 0), .2 I) at noise one past a disc of radius one, which costs 100 a
unit of time inside. Every row is one `fit_control`: the cost as it is, whose slope of zero training
does not see; the same by default; and smoothed over given lengths. All figures are of the cost as
it is: the objective by the rollout on fresh noise, and the share of path time inside the disc.
"""

import argparse

import jax.numpy as jnp
import numpy as np
from results import Column, Table

from liouville.numerics.mixtures import gaussian
from liouville.objectives import Potential
from liouville.tasks.control.fit import fit_control
from liouville.tasks.control.problem import ControlProblem

COLUMNS = (
    *(Column("wall in training"), Column("smoothed over", "g")),
    Column("objective (rollout)", ".2f", best="min"),
    Column("effort", ".2f"),
    Column("path time inside, %", ".2f", best="min"),
    Column("objective (closed form)", ".2f", error="error"),
    Column("error", ".2f"),
)


def inside(t, x):
    return jnp.where(jnp.sum(x**2) < 1.0, 1.0, 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--smoothings", nargs="*", type=float, default=[0.05, 0.2])
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    # A slope that moves nothing, so that the cost is not taken for one without a slope.
    rows = {"no gradient": Potential(lambda t, x: inside(t, x) + 1e-9 * x[0])}
    rows["default"] = Potential(inside)
    rows |= {f"smoothed, {s:g}": Potential(inside, s) for s in options.smoothings}
    table = Table("control_walls", COLUMNS, keep=options.save)
    for name, wall in rows.items():
        problem = ControlProblem(
            gaussian(np.array([-3.0, 0.0]), 0.2 * np.eye(2)),
            gaussian(np.array([3.0, 0.0]), 0.2 * np.eye(2)),
            costs={"wall": wall},
            weights={"wall": 100.0},
            obstacle=lambda t, x: 1.0 - jnp.sqrt(jnp.sum(x**2) + 1e-12),
        )
        settings = {"path.parts": 16, "training.steps": options.steps, "objective.times": 32}
        s = fit_control(problem, settings, progress=False).summary
        length = s.get("smoothed in training", {}).get("wall", 0.0)
        table.add(
            {
                "wall in training": name,
                "smoothed over": length,
                "objective (rollout)": s["objective (rollout)"],
                "effort": s["effort (rollout)"],
                "path time inside, %": 100 * s["inside an obstacle (share of path time)"],
                "objective (closed form)": s["objective (closed form)"],
                "error": s["objective (closed form), standard error"],
            }
        )


if __name__ == "__main__":
    main()
