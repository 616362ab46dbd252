"""Milliseconds and memory of every family by dimension.

    python benchmarks/families.py [--dims 2 8 32 64 256 1024] [--points 64] [--repeats 7]

For a batch of points at one time: log-density, velocity, sample, and a training step (likelihood
at the end plus kinetic energy at 2 times, with gradient and Adam). `velocity/density` is the ratio
of medians. Memory is what XLA reserves for the temporaries of one compiled call of the velocity
and of the training step, in bytes per point and coordinate: a family of linear memory has a flat
column. Entries that would take more than `--limit` GiB are left out.
"""

import argparse
import platform
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.curves import Knots
from liouville.maps import coupling_flow
from liouville.objectives import KineticEnergy
from liouville.parameters import split
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
    "pushforward, affine": lambda d: Pushforward(
        Normal(d), coupling_flow(d, INTERVAL, kind="affine", key=jr.key(0))
    ),
    "pushforward, spline": lambda d: Pushforward(
        Normal(d), coupling_flow(d, INTERVAL, kind="spline", key=jr.key(0))
    ),
}
# A full covariance has d^2 numbers a part, and its inverse is found once a time.
MOST = {"mixture, 8 full parts": 64}


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


def measure(call, arguments, repeats):
    """Median milliseconds, and bytes of temporaries."""
    compiled = jax.jit(call).lower(*arguments).compile()
    memory = compiled.memory_analysis()
    taken = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        taken.append(1e3 * (time.perf_counter() - begun))
    return float(np.median(taken[1:])), getattr(memory, "temp_size_in_bytes", float("nan"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 8, 32, 64, 256, 1024])
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--families", nargs="*", help="those whose name begins so")
    options = parser.parse_args()
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    names = ("density", "velocity", "sample", "step")
    print(
        f"{'family':<27}{'dim':>5}"
        + "".join(f"{name:>10}" for name in names)
        + f"{'vel/dens':>9}{'B/pt/dim':>10}{'step B':>10}"
    )
    for name, make in FAMILIES.items():
        if options.families and not any(name.startswith(f) for f in options.families):
            continue
        for dim in options.dims:
            if dim > MOST.get(name, dim):
                continue
            learned, functions = calls(make(dim), dim, options.points)
            x = jr.normal(jr.key(1), (options.points, dim))
            found = {
                key: measure(call, (learned, x, jr.key(2)), options.repeats)
                for key, call in functions.items()
            }
            size = options.points * dim
            print(
                f"{name:<27}{dim:>5}"
                + "".join(f"{found[key][0]:>10.3g}" for key in names)
                + f"{found['velocity'][0] / found['density'][0]:>9.2f}"
                + f"{found['velocity'][1] / size:>10.0f}{found['step'][1] / size:>10.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
