"""Likelihood plus kinetic energy by simulation and without: the same problem, two ways to train.

    python benchmarks/simulation.py [--toy two_moons] [--batch 256] [--seconds 30] [--width 64]
        [--save]

The rival is a continuous normalizing flow: a network velocity u(t, x), samples carried back from
t = 1 to the standard normal law by Diffrax (Tsit5, adaptive, tolerance 1e-4; the exact divergence
is integrated along), trained by the likelihood plus the same weight of kinetic energy along the
trajectories. It is trained with the common batch and, to show it at its best, with those of
`--rival-batches` as well. Ours are all families with networks of the same width and depth, whose
density needs no solver; each starts from the standard normal law without having seen the data, and
its energy is estimated with as many particles as the batch has points. All: Adam,
rate 3e-3, float32. Printed: seconds to compile, milliseconds a step (median after compilation,
chunk by chunk, the methods by turns), how many of our steps one step of the rival with the same
batch takes, and the negative log-likelihood on fresh draws after equal wall-clock time, beside
the entropy of the truth. Needs Diffrax.
"""

import argparse
import time

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from results import Column, Table

from liouville.curves import HardStarted, Network
from liouville.maps import coupling_flow
from liouville.numerics.parameters import split
from liouville.objectives import KineticEnergy
from liouville.paths import Autoregressive, Full, LocationScale, Normal, Pushforward
from liouville.problems import toys

INTERVAL = (0.0, 1.0)
ENERGY = 0.01
CHUNK = 10
COLUMNS = (
    *(Column("method"), Column("batch"), Column("parameters"), Column("compilation, s", ".1f")),
    *(Column("ms a step", ".3g", "min"), Column("times faster", ".1f"), Column("steps")),
    *(Column("nats over the truth", ".3f", "min"), Column("test nats", ".3f")),
)


class Velocity(eqx.Module):
    net: eqx.nn.MLP

    def __init__(self, dim, width, depth, key):
        self.net = eqx.nn.MLP(dim + 1, dim, width, depth, activation=jax.nn.silu, key=key)

    def __call__(self, t, x):
        return self.net(jnp.append(x, t))


def simulated(model, x):
    """Log-density of the flow at `x` and the energy of its trajectory, by solving backwards."""

    def slope(t, state, _):
        x = state[0]
        u, jacobian = model(t, x), jax.jacfwd(model, argnums=1)(t, x)
        return u, jnp.trace(jacobian), 0.5 * u @ u

    zero = jnp.zeros(())
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Tsit5(),
        1.0,
        0.0,
        -0.05,
        (x, zero, zero),
        stepsize_controller=diffrax.PIDController(rtol=1e-4, atol=1e-4),
        max_steps=512,
    )
    start, volume, energy = (leaf[0] for leaf in solution.ys)
    # The solver integrates downwards: both integrals come with a minus sign.
    base = -0.5 * start @ start - 0.5 * len(start) * jnp.log(2 * jnp.pi)
    return base + volume, -energy


def loss_by_simulation(model, x, key):
    del key
    log_density, energy = jax.vmap(lambda point: simulated(model, point))(x)
    return -log_density.mean() + ENERGY * energy.mean()


def loss_of_path(path, x, key):
    energy = KineticEnergy(INTERVAL, times=4, particles=max(1, len(x) // 4))
    nll = -jax.vmap(path.at(jnp.asarray(1.0)).log_density)(x).mean()
    return nll + ENERGY * energy(path, key=key)


class Training:
    """One model in training, chunk by chunk of steps; `spent` counts its seconds but compiling."""

    def __init__(self, model, loss, data, batch, rate=3e-3):
        learned, self.rest = split(model)
        self.size = sum(leaf.size for leaf in jax.tree.leaves(learned))
        optimizer = optax.chain(optax.clip_by_global_norm(100.0), optax.adam(rate))

        def chunk(carry, number):
            def step(carry, i):
                learned, state, average = carry
                keys = jr.split(jr.fold_in(jr.key(0), i))
                x = data[jr.randint(keys[0], (batch,), 0, len(data))]
                gradient = jax.grad(lambda a: loss(eqx.combine(a, self.rest), x, keys[1]))(learned)
                updates, state = optimizer.update(gradient, state)
                learned = optax.apply_updates(learned, updates)
                average = jax.tree.map(lambda a, b: 0.99 * a + 0.01 * b, average, learned)
                return (learned, state, average), None

            return jax.lax.scan(step, carry, number * CHUNK + jnp.arange(CHUNK))[0]

        self.batch, self.taken = batch, []
        self.carry = (learned, optimizer.init(learned), learned)
        begun = time.perf_counter()
        self.chunk = jax.jit(chunk).lower(self.carry, 0).compile()
        self.compiling = time.perf_counter() - begun

    @property
    def spent(self):
        return sum(self.taken)

    @property
    def milliseconds(self):
        return 1e3 * float(np.median(self.taken)) / CHUNK

    @property
    def fitted(self):
        return eqx.combine(self.carry[2], self.rest)

    def run(self):
        begun = time.perf_counter()
        self.carry = jax.block_until_ready(self.chunk(self.carry, len(self.taken)))
        self.taken.append(time.perf_counter() - begun)


def mixture(dim, parts, width, depth):
    """Split that leave the standard normal law for places spread at random."""
    keys = jr.split(jr.key(0), 3)
    scale = Full()
    shapes = (parts, dim), scale.raw_shape(parts, dim)
    start = scale.from_covariance(jnp.tile(jnp.eye(dim), (parts, 1, 1)))
    places = jr.normal(keys[0], shapes[0]), jnp.tile(-jnp.eye(dim), (parts, 1, 1))
    curves = [
        HardStarted(
            value, Network(place, INTERVAL, width=width, depth=depth, key=key), INTERVAL, "linear"
        )
        for value, place, key in zip((jnp.zeros(shapes[0]), start), places, keys[1:])
    ]
    return LocationScale(*curves, jnp.zeros(parts), scale=scale)


def families(dim, width, depth):
    """Ours by name, each with networks of one width and depth."""

    def conditional(**options):
        return Autoregressive.standard(
            dim, 16, INTERVAL, units=width // dim, depth=depth, key=jr.key(0), **options
        )

    def warped(kind):
        flow = coupling_flow(
            dim, INTERVAL, layers=4, width=width, depth=depth, kind=kind, key=jr.key(0)
        )
        return Pushforward(Normal(dim), flow)

    return {
        "mixture, 32 full parts": mixture(dim, 32, width, depth),
        "autoregressive": conditional(moving_weights=False),
        "autoregressive, moving": conditional(),
        "pushforward, affine": warped("affine"),
        "pushforward, spline": warped("spline"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", default="two_moons")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rival-batches", type=int, nargs="*", default=[64, 1024])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--families", nargs="*", help="those of ours whose name begins so")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    toy = toys.named(options.toy)
    raw = toy.sample(20_000, seed=0)
    center, scale = raw.mean(0), raw.std(0)
    fresh = toy.sample(5000, seed=1)
    truth = float("nan") if toy.log_density is None else -toy.log_density(fresh).mean()
    data, test = ((jnp.asarray((x - center) / scale, jnp.float32)) for x in (raw, fresh))
    volume = float(np.log(scale).sum())
    rival = Velocity(toy.dim, options.width, options.depth, jr.key(0))
    ours = families(toy.dim, options.width, options.depth)
    runs = {
        ("by simulation", batch): Training(rival, loss_by_simulation, data, batch)
        for batch in (options.batch, *options.rival_batches)
    }
    for name, path in ours.items():
        if options.families and not any(name.startswith(f) for f in options.families):
            continue
        runs[name, options.batch] = Training(path, loss_of_path, data, options.batch)
    # By turns, so that whatever else the machine does slows all of them alike.
    while (least := min(runs.values(), key=lambda run: run.spent)).spent < options.seconds:
        least.run()
    reference = runs["by simulation", options.batch].milliseconds
    name = options.toy.replace("_", " ")
    note = f"{name.capitalize()}, {options.seconds:g} s of training each, by turns."
    table = Table("simulation", COLUMNS, keep=options.save, note=note)
    for (name, batch), run in runs.items():
        fitted = run.fitted
        if isinstance(fitted, Velocity):
            values = jax.jit(jax.vmap(lambda x, m=fitted: simulated(m, x)[0]))(test)
        else:
            values = jax.jit(jax.vmap(fitted.at(jnp.asarray(1.0)).log_density))(test)
        nats = -float(values.mean()) + volume
        row = {"method": name, "batch": batch, "parameters": run.size, "test nats": nats}
        row |= {"compilation, s": run.compiling, "ms a step": run.milliseconds}
        row |= {"steps": len(run.taken) * CHUNK, "nats over the truth": nats - truth}
        if batch == options.batch:
            row["times faster"] = reference / run.milliseconds
        table.add(row)


if __name__ == "__main__":
    main()
