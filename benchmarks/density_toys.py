"""Fits toys of the plane whose density is known: likelihood, distance to the target, path energy.

    python benchmarks/density_toys.py [NAME ...] [--samples 20000] [--model auto] [--seed 0]

For each toy the table has the least negative log-likelihood of any model (the entropy, truth) and
ours on fresh draws of the truth; W2 between 2,000 draws of the model and of the truth beside the
floor, W2 between two sets of 2,000 true draws (root mean squares over ten pairs); and the energy
of the path beside the squared W2 between its own ends. The configuration is the same for all, the
default.
"""

import argparse
import platform
import time

import jax
import numpy as np

from liouville.data import Samples
from liouville.numerics.couplings import wasserstein
from liouville.problems import toys
from liouville.tasks.density.fit import fit_density

NAMES = ("eight_gaussians", "two_moons", "circles", "pinwheel", "swiss_roll", "checkerboard")
FRESH, PAIRS, REPEATS = 20_000, 2000, 10


def rms(values: list[float]) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def row(name: str, samples: int, model: str, seed: int) -> dict[str, float]:
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
        "truth": truth,
        "ours": float(ours),
        "gap": float(ours - truth),
        "W2": rms(distances),
        "floor": rms(floors),
        "ratio": rms(distances) / rms(floors),
        "energy": result.summary["path energy"],
        "W2^2 of ends": result.summary["squared distance of its ends"],
        "straightness": result.summary["straightness"],
        "steps": result.summary["steps"],
        "seconds": seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    for number, name in enumerate(options.names):
        found = row(name, options.samples, options.model, options.seed)
        if not number:
            print(f"{'toy':<14}" + "".join(f"{key:>13}" for key in found))
        print(f"{name:<14}" + "".join(f"{value:>13.4g}" for value in found.values()), flush=True)


if __name__ == "__main__":
    main()
