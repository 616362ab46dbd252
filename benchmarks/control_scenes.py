"""Crowds past obstacles: the scenes of Generalized Schroedinger Bridge Matching (ICLR 2024).

    python benchmarks/control_scenes.py [--scenes s-tunnel v-neck gmm] [--sigmas 1] [--seeds 3]
        [--set KEY=VALUE ...]

Every row is one `fit_control` with its defaults, measured on fresh noise by 1,000 Euler-Maruyama
steps: the objective from the closed forms, along the rollout with the exact log-density, and as
the authors of the method report it (15 logged times, kernel density of width 0.2); W2 of where
trajectories end to the target, beside W2 between two draws of it; the share of path time inside
an obstacle. Published (sigma = 1, W2 / objective): s-tunnel .03 / 460.88, v-neck .01 / 155.53,
gmm 4.13 / 229.12; how their W2
is computed is not stated, so it does not compare.
"""

import argparse
import platform
import time

import numpy as np

from liouville.runs.config import merge
from liouville.tasks.control import scenes
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.fit import fit_control

PUBLISHED = {"s-tunnel": 460.88, "v-neck": 155.53, "gmm": 229.12}
COLUMNS = (
    ("closed form", "objective (closed form)"),
    ("rollout", "objective (rollout)"),
    ("logged", "objective (15 logged times, kernel density)"),
    ("W2", "W2 of arrival"),
    ("floor", "W2 of two draws of the target"),
    ("inside", "inside an obstacle (share of path time)"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", nargs="+", default=list(PUBLISHED))
    parser.add_argument("--sigmas", nargs="+", type=float, default=[1.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    print(f"{platform.machine()}, {time.strftime('%Y-%m-%d')}")
    print(
        f"{'scene':10s}{'sigma':>6s}{'seed':>6s}"
        + "".join(f"{c:>13s}" for c in (*dict(COLUMNS), "seconds"))
    )
    for name in options.scenes:
        for sigma in options.sigmas:
            rows = []
            for seed in range(options.seeds):
                settings = [*options.set, f"training.seed={seed}"]
                fitted = fit_control(
                    scenes.NAMES[name](sigma), merge(ControlConfig, settings=settings)
                )
                row = [fitted.summary.get(key, float("nan")) for _, key in COLUMNS]
                rows.append([*row, sum(fitted.summary["seconds"].values())])
                show(name, sigma, str(seed), rows[-1])
                if seed == 0:
                    parts = {k: v for k, v in fitted.summary.items() if "(rollout)" in k}
                    print("    " + ", ".join(f"{k} {v:.4g}" for k, v in parts.items()), flush=True)
            show(name, sigma, "mean", np.mean(rows, axis=0))
            if len(rows) > 1:
                show(name, sigma, "sd", np.std(rows, axis=0, ddof=1))
        if name in PUBLISHED:
            print(f"{name}: published at sigma = 1, logged: {PUBLISHED[name]}", flush=True)


def show(name, sigma, seed, row):
    print(f"{name:10s}{sigma:6.3g}{seed:>6s}" + "".join(f"{v:13.5g}" for v in row), flush=True)


if __name__ == "__main__":
    main()
