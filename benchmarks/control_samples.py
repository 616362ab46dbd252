"""Control between samples: the s-tunnel with both ends as 2,000 rows, beside its Gaussians.

    python benchmarks/control_samples.py [--seeds 1] [--rows 2000] [--set KEY=VALUE ...]
        [--save]

Each row is one `fit_control`, of the scene and of the scene whose source and target are draws of
its own; same seed and settings. The objectives (closed form with its error, and rollout) and how
far apart they are; the parts of the mixtures that stand for the draws; and W2 of where trajectories
end to fresh draws of the *true* target, beside W2 of two draws of it. The target of the difference
is one percent.
"""

import argparse
import dataclasses

import numpy as np
from results import Column, Table

from liouville.numerics.couplings import mean_distance
from liouville.runs.config import merge
from liouville.tasks.control import scenes
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.fit import fit_control

COLUMNS = (
    *(Column("ends"), Column("seed"), Column("parts fitted")),
    *(Column("closed form", ".2f", error="its error"), Column("its error", ".2f")),
    *(Column("rollout", ".2f"), Column("off, %", "+.2f")),
    *(Column("W2 to the truth", ".3f", error="of W2"), Column("of W2", ".3f")),
    *(Column("floor", ".3f", error="of floor"), Column("of floor", ".3f")),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    truth = scenes.s_tunnel()
    table = Table("control_samples", COLUMNS, keep=options.save)
    for seed in range(options.seeds):
        rows = {
            name: getattr(truth, name).sample(options.rows, seed=10 * seed + i)[0]
            for i, name in enumerate(("source", "target"))
        }
        known = None
        for name, problem in (
            ("Gaussians", truth),
            ("samples", dataclasses.replace(truth, **rows)),
        ):
            settings = merge(ControlConfig, settings=[*options.set, f"training.seed={seed}"])
            fitted = fit_control(problem, settings, progress=False)
            s = fitted.summary
            known = known or s["objective (closed form)"]
            parts = "+".join(str(len(end.weights)) for end in fitted.problem.ends)
            clouds = [truth.target.sample(1000, seed=100 + i)[0] for i in range(4)]
            arrived = np.asarray(fitted.rollout.points[-1], float)[:1000]
            ours = mean_distance([arrived] * 2, clouds[:2])
            floor = mean_distance(clouds[2:], clouds[:2])
            row = {"ends": name, "seed": seed, "parts fitted": parts}
            row |= {"closed form": s["objective (closed form)"]}
            row |= {"its error": s["objective (closed form), standard error"]}
            row |= {"rollout": s["objective (rollout)"]}
            row |= {"off, %": 100 * (s["objective (closed form)"] / known - 1)}
            row |= {"W2 to the truth": ours.value, "of W2": ours.error}
            table.add({**row, "floor": floor.value, "of floor": floor.error})


if __name__ == "__main__":
    main()
