"""Crowds past obstacles: the scenes of Generalized Schroedinger Bridge Matching (ICLR 2024).

    python benchmarks/control_scenes.py [--scenes s-tunnel v-neck gmm] [--sigmas 1] [--seeds 3]
        [--set KEY=VALUE ...] [--save]

Every row is one `fit_control` with its defaults, measured on fresh noise by 1,000 Euler-Maruyama
steps: the objective from the closed forms, along the rollout with the exact log-density, and as
the authors of the method report it (15 logged times, kernel density of width 0.2); W2 of where
trajectories end to the target, beside W2 between two draws of it; the share of path time inside
an obstacle. Published (sigma = 1, W2 / objective): s-tunnel .03 / 460.88, v-neck .01 / 155.53,
gmm 4.13 / 229.12; how their W2
is computed is not stated, so it does not compare.
"""

import argparse

import numpy as np
from results import Column, Table

from liouville.runs.config import merge
from liouville.tasks.control import scenes
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.fit import fit_control

PUBLISHED = {"s-tunnel": 460.88, "v-neck": 155.53, "gmm": 229.12}
FIGURES = {
    "closed form": "objective (closed form)",
    "rollout": "objective (rollout)",
    "logged": "objective (15 logged times, kernel density)",
    "W2": "W2 of arrival",
    "floor": "W2 of two draws of the target",
    "inside": "inside an obstacle (share of path time)",
}
COLUMNS = (
    *(Column("scene"), Column("sigma", "g"), Column("closed form", ".2f", error="closed form, sd")),
    *(Column("closed form, sd", ".2f"), Column("rollout", ".2f", error="rollout, sd")),
    *(Column("rollout, sd", ".2f"), Column("logged", ".1f", "min", "logged", "logged, sd")),
    *(Column("logged, sd", ".1f"), Column("GSBM, logged", ".2f", "min", "logged")),
    *(
        Column("W2", ".3f"),
        Column("floor", ".3f"),
        Column("path time inside an obstacle, %", ".3f"),
    ),
    *(Column("seconds of training", ".0f"), Column("seconds", ".0f")),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", nargs="+", default=list(PUBLISHED))
    parser.add_argument("--sigmas", nargs="+", type=float, default=[1.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    note = f"Mean and standard deviation over {options.seeds} seeds."
    table = Table("control_scenes", COLUMNS, keep=options.save, note=note)
    for name in options.scenes:
        for sigma in options.sigmas:
            rows = [figures(name, sigma, seed, options.set) for seed in range(options.seeds)]
            row = {key: float(np.mean([own[key] for own in rows])) for key in rows[0]}
            if len(rows) > 1:
                row |= {f"{k}, sd": float(np.std([r[k] for r in rows], ddof=1)) for k in rows[0]}
            row |= {"scene": name, "sigma": sigma}
            row["path time inside an obstacle, %"] = 100 * row["inside"]
            row["GSBM, logged"] = PUBLISHED.get(name) if sigma == 1 else None
            table.add(row)


def figures(name: str, sigma: float, seed: int, settings: list[str]) -> dict[str, float]:
    """What one fit finds."""
    config = merge(ControlConfig, settings=[*settings, f"training.seed={seed}"])
    found = fit_control(scenes.NAMES[name](sigma), config).summary
    row = {key: found.get(long, float("nan")) for key, long in FIGURES.items()}
    row["seconds of training"] = found["seconds"]["train"]
    return row | {"seconds": sum(found["seconds"].values())}


if __name__ == "__main__":
    main()
