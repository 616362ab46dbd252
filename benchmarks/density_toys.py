"""Fits toys of the plane whose density is known: likelihood, distance to the target, path energy.

    python benchmarks/density_toys.py [NAME ...] [--samples 20000] [--model auto] [--seed 0]
        [--save]

For each toy the table has the least negative log-likelihood of any model (the entropy, truth) and
ours on fresh draws of the truth; W2 between 2,000 draws of the model and of the truth beside the
floor, W2 between two sets of 2,000 true draws (root mean squares over ten pairs); and the energy
of the path beside the squared W2 between its own ends. The configuration is the same for all, the
default.
"""

import argparse
import time

import numpy as np
from results import Column, Table

from liouville.data import Samples
from liouville.numerics.couplings import wasserstein
from liouville.problems import toys
from liouville.tasks.density.fit import fit_density

NAMES = ("eight_gaussians", "two_moons", "circles", "pinwheel", "swiss_roll", "checkerboard")
FRESH, PAIRS, REPEATS = 20_000, 2000, 10

COLUMNS = (
    *(Column("toy"), Column("truth", ".3f"), Column("ours", ".3f"), Column("gap", ".3f")),
    *(Column("W2", ".3f"), Column("floor", ".3f"), Column("ratio", ".2f")),
    *(Column("path energy", ".2f"), Column("W2² of its ends", ".2f"), Column("steps")),
    Column("seconds", ".0f"),
)


def rms(values: list[float]) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def row(name: str, samples: int, model: str, seed: int) -> dict[str, float | str]:
    """One fit and its figures."""
    toy = toys.named(name)
    data = Samples(toy.sample(samples, seed=seed), source=name)
    begun = time.monotonic()
    result = fit_density(
        data, {"path.model": model, "training.seed": seed, "data.test": 0.0}, progress=False
    )
    seconds = time.monotonic() - begun
    fresh = toy.sample(FRESH, seed=10**6 + seed)
    truth = float("nan") if toy.log_density is None else -toy.log_density(fresh).mean()
    ours = -result.model.log_density(1.0, fresh).mean()
    distances, floors = [], []
    for i in range(REPEATS):
        target = toy.sample(PAIRS, seed=2 * 10**6 + 3 * i + seed)
        distances.append(wasserstein(result.model.sample(1.0, PAIRS, seed=i), target, 2))
        floors.append(wasserstein(toy.sample(PAIRS, seed=3 * 10**6 + 3 * i), target, 2))
    return {
        "toy": name.replace("_", " "),
        "truth": truth,
        "ours": float(ours),
        "gap": float(ours - truth),
        "W2": rms(distances),
        "floor": rms(floors),
        "ratio": rms(distances) / rms(floors),
        "path energy": result.summary["path energy"],
        "W2² of its ends": result.summary["squared distance of its ends"],
        "steps": result.summary["steps"],
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    note = f"{options.samples:,} samples."
    table = Table("density_toys", COLUMNS, keep=options.save, note=note)
    for name in options.names:
        table.add(row(name, options.samples, options.model, options.seed))


if __name__ == "__main__":
    main()
