"""Processor milliseconds of a gradient beside the same written by hand for one purpose.

    python benchmarks/step_by_hand.py [--quick] [--before FOLDER] [--save]

64 parts along five knots, 500 points at each: the velocity at all 2,500 points, the gradient of
their likelihood, and that of the kinetic energy at 16 times of 64 particles each; float32. All
stand by hand as well, for this density alone: squared distances are plain matrix products from the
middle of the parts, which keep fewer digits, full parts are one product by triangular inverses.
Milliseconds are medians of what the processors spent on calls by turns, after compilation, so that
another job on the machine counts little. `--before` names the `src` folder of another version,
which is measured in a process of its own, row after row by turns with this one. The floor is what
the operations, counted by hand, take at the rates of a large matrix product and of a vector of
exponentials that this machine shows. The last column compares results.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from results import Column, Table

from liouville.curves import Knots
from liouville.objectives import KineticEnergy, NegativeLogLikelihood
from liouville.paths import AbstractScale, Diagonal, Full, LocationScale

PARTS, KNOTS, POINTS, TIMES = 64, 5, 500, 16
# A floor that is never met, so that raw scales are log-scales.
FLOOR = -40.0
COLUMNS = [
    Column("scale"),
    Column("dimension", "d"),
    Column("of"),
    Column("floor", ".2f"),
    *(Column(name, ".2f") for name in ("by hand", "before", "ours", "ours / by hand")),
    Column("ours / floor", ".1f"),
    Column("difference", ".0e"),
]


def make_path(dim: int, scale: AbstractScale) -> LocationScale:
    rng = np.random.default_rng(0)
    clock = np.linspace(0.0, 1.0, KNOTS).tolist()
    location = 2.0 * rng.normal(size=(KNOTS, PARTS, dim))
    raw = 0.1 * rng.normal(size=(KNOTS, *scale.raw_shape(PARTS, dim)))
    return LocationScale(
        Knots(clock, jnp.asarray(location, jnp.float32), "linear"),
        Knots(clock, jnp.asarray(raw, jnp.float32), "linear"),
        jnp.zeros(PARTS),
        scale=scale,
    )


# By hand: `log_joint(location, raw, x)` of the parts without their weights, shape `(n, parts)`;
# `place(location, raw, z)`, one particle of each part; and the velocity by the shares of the parts.


def log_joint_diagonal(location, raw, x):
    middle = location.mean(0)
    x, offset, precision = x - middle, location - middle, jnp.exp(-2.0 * raw)
    weighted = precision * offset
    squares = (x * x) @ precision.T - 2.0 * x @ weighted.T + (weighted * offset).sum(-1)
    return -0.5 * squares - raw.sum(-1) - 0.5 * x.shape[1] * jnp.log(2.0 * jnp.pi)


def place_diagonal(location, raw, z):
    return location + jnp.exp(raw) * z


def velocity_diagonal(location, raw, location_rate, raw_rate, x, shares):
    return shares @ (location_rate - raw_rate * location) + shares @ raw_rate * x


def factor_of(raw):
    diagonal = jnp.diagonal(raw, axis1=-2, axis2=-1)
    return jnp.tril(raw, -1) + jnp.exp(diagonal)[..., None] * jnp.eye(raw.shape[-1])


def inverse_of(factor):
    """By halves: XLA's batched solve waits for ever beside its `eigh` on two cores."""
    dim = factor.shape[-1]
    if dim == 1:
        return 1.0 / factor
    half = dim // 2
    first, second = inverse_of(factor[..., :half, :half]), inverse_of(factor[..., half:, half:])
    corner = -second @ factor[..., half:, :half] @ first
    upper = jnp.concatenate([first, jnp.zeros_like(corner).mT], -1)
    return jnp.concatenate([upper, jnp.concatenate([corner, second], -1)], -2)


def log_joint_full(location, raw, x):
    (parts, dim), middle = location.shape, location.mean(0)
    inverse = inverse_of(factor_of(raw))
    shift = jnp.einsum("kij,kj->ki", inverse, location - middle)
    z = ((x - middle) @ inverse.reshape(-1, dim).T).reshape(-1, parts, dim) - shift
    log_volume = jnp.diagonal(raw, axis1=-2, axis2=-1).sum(-1)
    return -0.5 * (z * z).sum(-1) - log_volume - 0.5 * dim * jnp.log(2.0 * jnp.pi)


def place_full(location, raw, z):
    return location + jnp.einsum("kij,kj->ki", factor_of(raw), z)


def velocity_full(location, raw, location_rate, raw_rate, x, shares):
    factor, rate = jax.jvp(factor_of, (raw,), (raw_rate,))
    turned = jax.vmap(_symmetric)(factor @ factor.mT, rate @ factor.mT + factor @ rate.mT)
    start = location_rate - jnp.einsum("kij,kj->ki", turned, location)
    moved = jnp.einsum("nk,kij,nj->ni", shares, turned, x, optimize="optimal")
    return shares @ start + moved


def _symmetric(covariance, rate):
    """`A` with `A S + S A = S'`."""
    values, vectors = jnp.linalg.eigh(covariance)
    inner = (vectors.T @ rate @ vectors) / (values[:, None] + values)
    return vectors @ inner @ vectors.T


BY_HAND = {
    "diagonal": (log_joint_diagonal, place_diagonal, velocity_diagonal),
    "full": (log_joint_full, place_full, velocity_full),
}
KINDS = {"diagonal": Diagonal(FLOOR), "full": Full(FLOOR)}


def by_hand(kind, x):
    log_joint, place, velocity = BY_HAND[kind]

    def at(path, t):
        i = jnp.minimum((t * (KNOTS - 1)).astype(int), KNOTS - 2)
        s = t * (KNOTS - 1) - i
        curves = path.location.values, path.raw_scale.values
        values = [(1 - s) * a[i] + s * a[i + 1] for a in curves]
        return values, [(a[i + 1] - a[i]) * (KNOTS - 1) for a in curves]

    def moves(path, t, x):
        values, rates = at(path, t)
        shares = jax.nn.softmax(path.logits + log_joint(*values, x), axis=-1)
        return velocity(*values, *rates, x, shares)

    def likelihood(path, _):
        def of_knot(location, raw, x):
            joint = jax.nn.log_softmax(path.logits) + log_joint(location, raw, x)
            return jax.nn.logsumexp(joint, axis=-1).mean()

        return -jax.vmap(of_knot)(path.location.values, path.raw_scale.values, x).mean()

    def energy(path, key):
        def of_time(t, key):
            values, _ = at(path, t)
            particles = place(*values, jr.normal(key, values[0].shape))
            u = moves(path, t, particles)
            return 0.5 * jax.nn.softmax(path.logits) @ (u * u).sum(-1)

        times = (jnp.arange(TIMES) + jr.uniform(key, (TIMES,))) / TIMES
        return jax.vmap(of_time)(times, jr.split(key, TIMES)).mean()

    clock = jnp.linspace(0.0, 1.0, KNOTS)
    return [
        lambda path, _: jax.vmap(lambda t, x: moves(path, t, x))(clock, x),
        eqx.filter_grad(likelihood),
        eqx.filter_grad(energy),
    ]


def by_library(x):
    clock = np.linspace(0.0, 1.0, KNOTS)
    term = NegativeLogLikelihood(clock, list(np.asarray(x)))
    energy = KineticEnergy((0.0, 1.0), times=TIMES, particles=PARTS)

    def velocities(path, _):
        at_knot = jax.vmap(lambda t, x: jax.vmap(path.at(t).velocity)(x))
        return at_knot(jnp.asarray(clock, x.dtype), x)

    return [
        velocities,
        eqx.filter_grad(lambda path, key: term(path, key=key)),
        eqx.filter_grad(lambda path, key: energy(path, key=key)),
    ]


def operations(kind, dim):
    """Those of matrix products, a multiplication and an addition each, and the exponentials.

    Of a gradient there are two products more for each product of what is learned, and one if the
    points are data. Eigenvalues and inverses of the parts are not counted.
    """
    data, moving = KNOTS * POINTS * PARTS, TIMES * PARTS * PARTS
    # Two products for the squares and two for the velocity, or one by matrices each.
    size = 2 * dim if kind == "diagonal" else dim * dim
    return [
        (2 * 2 * data * size, data),
        (2 * 2 * data * size, data),
        (3 * 4 * moving * size, moving),
    ]


def rates():
    """Operations of a large matrix product and exponentials, a processor millisecond."""
    a = jr.normal(jr.key(0), (1024, 1024))
    product, exponentials = jax.jit(lambda a: a @ a), jax.jit(lambda a: jnp.exp(a).sum())
    spent = measure([lambda: product(a), lambda: exponentials(a)], 9)
    return 2 * 1024**3 / spent[0], 1024**2 / spent[1]


def measure(calls, repeats):
    """Median processor milliseconds of calls by turns, the first one not counted."""
    spent = []
    for _ in range(repeats + 1):
        spent.append([])
        for call in calls:
            begun = time.process_time()
            jax.block_until_ready(call())
            spent[-1].append(1e3 * (time.process_time() - begun))
    return np.median(spent[1:], axis=0).tolist()


def row(kind, dim, repeats):
    """For velocity, likelihood and energy: by hand, ours, and the difference of the results."""
    path, key = make_path(dim, KINDS[kind]), jr.key(0)
    x = jr.normal(jr.key(1), (KNOTS, POINTS, dim))
    calls = [eqx.filter_jit(f) for f in (*by_hand(kind, x), *by_library(x))]
    spent = measure([lambda f=f: f(path, key) for f in calls], repeats)
    # Particles of both are drawn in ways of their own, so energies are not compared.
    differences = []
    for hand, ours in zip(calls[:2], calls[3:5], strict=True):
        pairs = zip(jax.tree.leaves(hand(path, key)), jax.tree.leaves(ours(path, key)), strict=True)
        pairs = [(np.asarray(a), np.asarray(b)) for a, b in pairs]
        differences.append(max(np.abs(a - b).max() / (np.abs(b).max() + 1e-30) for a, b in pairs))
    return {"by hand": spent[:3], "ours": spent[3:], "difference": float(max(differences))}


def before(folder, *arguments):
    """The row of another version, in a process of its own."""
    command = [sys.executable, __file__, "--row", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.path.abspath(folder)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(found.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer coordinates and repetitions")
    parser.add_argument("--before", metavar="FOLDER", help="the src folder of another version")
    parser.add_argument("--row", nargs=3, help="scale, coordinates, repetitions: one row as JSON")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    if options.row:
        kind, *numbers = options.row
        print(json.dumps(row(kind, *map(int, numbers))))
        return
    of_product, of_exponential = rates()
    rate = f"{of_product / 1e6:.0f} GFlop and {of_exponential / 1e6:.1f} G exponentials a second."
    table = Table("step_by_hand", COLUMNS, keep=options.save, note=f"Floor: {rate}")
    repeats = 9 if options.quick else 41
    for kind in KINDS:
        for dim in (2, 10) if options.quick else (2, 10, 50):
            few = max(repeats // 4, 5) if kind == "full" and dim > 10 else repeats
            found = row(kind, dim, few)
            old = before(options.before, kind, dim, few) if options.before else None
            for i, name in enumerate(("velocity", "likelihood", "energy")):
                products, exponentials = operations(kind, dim)[i]
                floor = products / of_product + exponentials / of_exponential
                hand, ours = found["by hand"][i], found["ours"][i]
                # By hand is the same in both, and tells how busy the machine was.
                was = old["ours"][i] * hand / old["by hand"][i] if old else None
                values = (kind, dim, name, floor, hand, was, ours, ours / hand, ours / floor)
                heads = [column.name for column in COLUMNS]
                table.add(dict(zip(heads, (*values, found["difference"]), strict=True)))


if __name__ == "__main__":
    main()
