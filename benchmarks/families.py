"""Milliseconds and memory of every family by dimension.

    python benchmarks/families.py [--dims 2 8 32 64 256 1024] [--numbers 8192] [--seconds 0.5]
        [--save]

For a batch of points at one time: log-density, velocity, sample, and a training step (likelihood
at the end plus kinetic energy at 2 times, with gradient and Adam). A batch has `--numbers` numbers
in all, at least 16 and at most 128 points, so that every row takes a moderate time; the column
`points` says how many. Milliseconds are medians over calls by turns, for the whole batch;
`velocity/density` is the ratio of medians. Memory is what XLA reserves for the temporaries of one
compiled call of the velocity and of the training step, in bytes per point and coordinate: a family
of linear memory has a flat column. The last column is the seconds it took to compile all four.
What a family cannot do in a dimension is left out, with the reason in its place; so is a row whose
smaller neighbour needed more than `--limit` seconds for one round of the four calls.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from results import Column, Table

from liouville.curves import Knots
from liouville.maps import coupling_flow
from liouville.numerics.parameters import split
from liouville.objectives import KineticEnergy
from liouville.paths import (
    Autoregressive,
    Factorised,
    Full,
    LocationScale,
    Normal,
    Pushforward,
)

INTERVAL = (0.0, 1.0)


def draw(*shape):
    return jnp.asarray(0.3 * np.random.default_rng(0).normal(size=shape), jnp.float32)


def knots(*shape):
    return Knots(INTERVAL, draw(2, *shape), "linear")


FAMILIES = {
    "mixture, 8 diagonal parts": lambda d: LocationScale(knots(8, d), knots(8, d), jnp.zeros(8)),
    "mixture, 8 full parts": lambda d: LocationScale(
        knots(8, d), knots(*Full().raw_shape(8, d)), jnp.zeros(8), scale=Full()
    ),
    "factorised, 8 parts": lambda d: Factorised(knots(8, d), knots(8, d), knots(8, d)),
    "autoregressive, 8 parts": lambda d: Autoregressive.standard(
        d, 8, INTERVAL, units=max(1, min(16, 512 // d)), depth=2, key=jr.key(0)
    ),
    "pushforward, 4 affine": lambda d: Pushforward(
        Normal(d), coupling_flow(d, INTERVAL, layers=4, kind="affine", key=jr.key(0))
    ),
    "pushforward, 4 splines": lambda d: Pushforward(
        Normal(d), coupling_flow(d, INTERVAL, layers=4, kind="spline", key=jr.key(0))
    ),
}
# Why a family stops at some dimension.
MOST = {
    "mixture, 8 full parts": (64, "d x d matrices of 8 parts are inverted and diagonalised a time"),
}
NAMES = {
    "density": "log-density, ms",
    "velocity": "velocity, ms",
    "sample": "draw, ms",
    "step": "step, ms",
}
COLUMNS = (
    *(Column("family"), Column("dimension"), Column("points")),
    *(Column(name, ".3g") for name in NAMES.values()),
    *(Column("velocity / density", ".2f"), Column("bytes, velocity", ".0f")),
    *(Column("bytes, step", ".0f"), Column("compile, s", ".1f")),
)


def calls(path, dim, points):
    """The four calls, each a function of (learned arrays, points, key)."""
    learned, rest = split(path)

    def pointwise(method):
        def call(learned, x, key):
            del key
            return jax.vmap(getattr(eqx.combine(learned, rest).at(jnp.asarray(0.6)), method))(x)

        return call

    def sample(learned, x, key):
        marginal = eqx.combine(learned, rest).at(jnp.asarray(0.6))
        return jax.vmap(lambda k: marginal.sample(key=k))(jr.split(key, len(x)))

    def step(learned, x, key):
        def loss(learned):
            path = eqx.combine(learned, rest)
            nll = -jax.vmap(path.at(jnp.asarray(1.0)).log_density)(x).mean()
            energy = KineticEnergy(INTERVAL, times=2, particles=points // 2)
            return nll + 0.01 * energy(path, key=key)

        return jax.tree.map(lambda a, g: a - 1e-4 * g, learned, jax.grad(loss)(learned))

    return learned, {
        "density": pointwise("log_density"),
        "velocity": pointwise("velocity"),
        "sample": sample,
        "step": step,
    }


def measure(functions, arguments, seconds):
    """Of each call by turns the median milliseconds, and bytes of temporaries; compile seconds."""
    begun = time.perf_counter()
    compiled = {n: jax.jit(call).lower(*arguments).compile() for n, call in functions.items()}
    compiling = time.perf_counter() - begun
    memory = {
        name: getattr(call.memory_analysis(), "temp_size_in_bytes", float("nan"))
        for name, call in compiled.items()
    }
    taken = {name: [] for name in compiled}
    begun = time.perf_counter()
    # The first round warms up; at least two more are counted.
    while len(taken["step"]) < 3 or time.perf_counter() - begun < seconds:
        for name, call in compiled.items():
            started = time.perf_counter()
            jax.block_until_ready(call(*arguments))
            taken[name].append(1e3 * (time.perf_counter() - started))
    return {name: float(np.median(values[1:])) for name, values in taken.items()}, memory, compiling


def row(name, dim, points, seconds):
    """One row of the table, and the seconds that one round of all calls takes."""
    learned, functions = calls(FAMILIES[name](dim), dim, points)
    x = jr.normal(jr.key(1), (points, dim))
    found, memory, compiling = measure(functions, (learned, x, jr.key(2)), seconds)
    size = points * dim
    cells = {"points": points, **{NAMES[key]: value for key, value in found.items()}}
    cells |= {"velocity / density": found["velocity"] / found["density"], "compile, s": compiling}
    cells |= {f"bytes, {key}": memory[key] / size for key in ("velocity", "step")}
    return cells, 1e-3 * sum(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 8, 32, 64, 256, 1024])
    parser.add_argument("--numbers", type=int, default=8192, help="points times coordinates")
    parser.add_argument("--seconds", type=float, default=0.5, help="of timing, for each row")
    parser.add_argument("--limit", type=float, default=5.0, help="seconds of a round of calls")
    parser.add_argument("--families", nargs="*", help="those whose name begins so")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    device = jax.devices()[0]
    note = "" if device.platform == "cpu" else f"{device.device_kind}."
    table = Table("families", COLUMNS, keep=options.save, note=note)
    for name in FAMILIES:
        if options.families and not any(name.startswith(f) for f in options.families):
            continue
        spent, before = 0.0, 1
        for dim in options.dims:
            most, reason = MOST.get(name, (dim, ""))
            cells = {"points": f"left out: {reason}"}
            if dim <= most and spent > options.limit:
                reason = f"one round of calls took {spent:.0f} s for {before} coordinates"
                cells = {"points": f"left out: {reason}"}
            elif dim <= most:
                points = int(np.clip(options.numbers // dim, 16, 128))
                cells, spent = row(name, dim, points, options.seconds)
                before = dim
            table.add({"family": name, "dimension": dim, **cells})


if __name__ == "__main__":
    main()
