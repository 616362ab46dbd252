"""Motion and growth at least action, beside the distances that are known on paper.

    python benchmarks/growth.py [--steps 1500] [--seeds 1] [--save]

The action 1/2 int int (|u|^2 + delta^2 h^2) d(M rho) dt between two ends, learned by one Gaussian
part whose location, scale and mass run along curves of nine knots that start straight. Two narrow
Gaussians (standard deviation 0.001, masses 1 and 2, one apart, delta = 1) cost the distance of two
points on the cone; Gaussians of different shape (masses 1 and 1/2, delta = 2), whose growth one
part keeps constant in space, the cone over their Wasserstein distance. Straight curves are what
the start costs.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from results import Column, Table

from liouville.curves import HardEnded, Knots
from liouville.objectives import KineticEnergy
from liouville.paths import Full, LocationScale, Masses
from liouville.problems import GaussianBridge
from liouville.training import default_optimizer, fit

NARROW = ("two narrow Gaussians", (1.0, 2.0), [[0.0], [1.0]], [[[1e-6]], [[1e-6]]], 1.0)
WIDE = (
    "growth constant in space",
    (1.0, 0.5),
    [[-2.0, 0.0], [2.0, 1.0]],
    [[[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.2], [-0.2, 1.2]]],
    2.0,
)
KNOTS = np.linspace(0.0, 1.0, 9).tolist()
COLUMNS = (
    *(Column("problem"), Column("answer", ".6f"), Column("start", ".6f"), Column("ours", ".6f")),
    Column("relative error", "+.1e", error="evaluation"),
    *(Column("evaluation", ".0e"), Column("seconds", ".0f")),
)


def straight(ends) -> HardEnded:
    """A curve of one part between two values that starts straight."""
    ends = jnp.asarray(ends)[:, None]
    share = jnp.asarray(KNOTS).reshape(-1, *[1] * (ends.ndim - 1))
    return HardEnded((0.0, 1.0), ends, Knots(KNOTS, ends[0] + share * (ends[1] - ends[0])))


def answer(masses, means, covariances, delta) -> float:
    bridge = GaussianBridge(means[0], covariances[0], means[1], covariances[1], 0.0)
    angle = min((2.0 * bridge.energy()) ** 0.5 / (2.0 * delta), np.pi / 2)
    return 2.0 * delta**2 * (sum(masses) - 2.0 * np.prod(masses) ** 0.5 * np.cos(angle))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    table = Table("growth", COLUMNS, keep=options.save, note=f"{options.steps} steps.")
    for name, masses, means, covariances, delta in (NARROW, WIDE):
        scale = Full()
        term = KineticEnergy((0.0, 1.0), delta=delta, times=16, particles=64)
        judge = KineticEnergy((0.0, 1.0), delta=delta, times=64, particles=2000)
        known = answer(masses, np.asarray(means), np.asarray(covariances), delta)
        start = LocationScale(
            straight(means),
            straight(scale.from_covariance(jnp.asarray(covariances))),
            Masses(straight(jnp.log(jnp.asarray(masses)))),
            scale=scale,
        )

        def figure(path, judge=judge):
            keys = jr.split(jr.key(1000), 20)
            values = np.asarray(
                jax.jit(lambda k: jax.lax.map(lambda a: judge(path, key=a), k))(keys)
            )
            return values.mean(), values.std() / len(values) ** 0.5

        before, _ = figure(start)
        for seed in range(options.seeds):
            begun = time.perf_counter()
            optimizer = default_optimizer(1e-2, options.steps)
            found = fit(start, term * 1.0, steps=options.steps, optimizer=optimizer, seed=seed)
            seconds = time.perf_counter() - begun
            ours, noise = figure(found.path)
            row = {"problem": name, "answer": known, "start": before, "ours": ours}
            row |= {"relative error": ours / known - 1.0, "evaluation": noise / known}
            table.add({**row, "seconds": seconds})


if __name__ == "__main__":
    main()
