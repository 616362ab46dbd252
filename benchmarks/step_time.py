"""Milliseconds of a training step, by components, dimension and points.

    python benchmarks/step_time.py [--quick] [--scale full] [--save]

A step is likelihood plus kinetic energy with its gradient and the Adam update, on five snapshots.
Median over chunks of 20 steps after compilation; float32.
"""

import argparse
import itertools
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from results import Column, Table

from liouville.curves import Knots
from liouville.numerics.parameters import split
from liouville.objectives import KineticEnergy, NegativeLogLikelihood
from liouville.paths import Diagonal, Full, LocationScale
from liouville.training import Stepper, default_optimizer, initial_state

CHUNK = 20
SCALES = {"diagonal": Diagonal(), "full": Full()}
COLUMNS = (
    *(Column("scale"), Column("parts"), Column("dimension"), Column("points a snapshot")),
    Column("ms", ".2f"),
)


def step_milliseconds(parts: int, dim: int, points: int, scale: str, repeats: int) -> float:
    rng = np.random.default_rng(0)
    times = np.linspace(0.0, 1.0, 5)
    clouds = [rng.normal(size=(points, dim)) + t for t in times]
    kind = SCALES[scale]
    covariances = np.broadcast_to(np.eye(dim), (len(times), parts, dim, dim))
    knots = times.tolist()
    path = LocationScale(
        location=Knots(knots, jnp.stack([cloud[:parts] for cloud in clouds])),
        raw_scale=Knots(knots, kind.from_covariance(jnp.asarray(covariances))),
        logits=jnp.zeros(parts),
        scale=kind,
    )
    objective = NegativeLogLikelihood(times, clouds) + 0.01 * KineticEnergy(
        (0.0, 1.0), times=32, particles=128
    )
    optimizer = default_optimizer(1e-2, 1000)
    stepper = Stepper(split(path)[1], objective, jr.key(0), 0.99, optimizer, CHUNK)
    state = initial_state(path, optimizer)
    taken = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        state, values = stepper.run(state, jnp.asarray(10**6))
        jax.block_until_ready(values)
        taken.append((time.perf_counter() - begun) / CHUNK * 1e3)
    return float(np.median(taken[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a corner of the table")
    parser.add_argument("--scale", choices=("diagonal", "full"), help="one kind of scale only")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    quick = options.quick
    device = jax.devices()[0]
    note = "" if device.platform == "cpu" else f"{device.device_kind}."
    table = Table("step_time", COLUMNS, keep=options.save, note=note)
    scales = (options.scale,) if options.scale else ("diagonal", "full")
    parts = (16, 64) if quick else (16, 64, 256)
    dims = (2, 5) if quick else (2, 5, 20, 50)
    points = (500,) if quick else (500, 4000)
    for scale, k, d, n in itertools.product(scales, parts, dims, points):
        if scale == "full" and k * d * d > 64 * 400:
            continue
        ms = step_milliseconds(k, d, n, scale, 3 if quick else 5)
        table.add({"scale": scale, "parts": k, "dimension": d, "points a snapshot": n, "ms": ms})


if __name__ == "__main__":
    main()
