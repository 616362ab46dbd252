"""Likelihood plus kinetic energy by simulation and without: the same problem, two ways to train.

    python benchmarks/simulation.py [--toy two_moons] [--batch 512] [--seconds 60] [--width 64]

The rival is a continuous normalizing flow: a network velocity u(t, x), samples carried back from
t = 1 to the standard normal law by Diffrax (Tsit5, adaptive, tolerance 1e-4; the exact divergence
is integrated along), trained by the likelihood plus the same weight of kinetic energy along the
trajectories. Ours is the autoregressive path of the same width and depth, whose density needs no
solver. Both: batches of one size, Adam, rate 3e-3, float32. Printed: milliseconds a step (median
after compilation, chunk by chunk), their ratio, and the negative log-likelihood on fresh draws
after equal wall-clock time, beside the entropy of the truth. Needs Diffrax.
"""

import argparse
import platform
import time

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from liouville.objectives import KineticEnergy
from liouville.parameters import split
from liouville.paths import Autoregressive
from liouville.problems import toys

ENERGY = 0.01
CHUNK = 10


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
    energy = KineticEnergy((0.0, 1.0), times=4, particles=max(1, len(x) // 4))
    nll = -jax.vmap(path.at(jnp.asarray(1.0)).log_density)(x).mean()
    return nll + ENERGY * energy(path, key=key)


def train(model, loss, data, batch, seconds):
    """Trains for a wall-clock time after compilation; returns the model and ms a step."""
    learned, rest = split(model)
    optimizer = optax.chain(optax.clip_by_global_norm(100.0), optax.adam(3e-3))

    @jax.jit
    def chunk(learned, state, average, number):
        def step(carry, i):
            learned, state, average = carry
            keys = jr.split(jr.fold_in(jr.key(0), i))
            x = data[jr.randint(keys[0], (batch,), 0, len(data))]
            gradient = jax.grad(lambda a: loss(eqx.combine(a, rest), x, keys[1]))(learned)
            updates, state = optimizer.update(gradient, state)
            learned = optax.apply_updates(learned, updates)
            average = jax.tree.map(lambda a, b: 0.99 * a + 0.01 * b, average, learned)
            return (learned, state, average), None

        steps = number * CHUNK + jnp.arange(CHUNK)
        return jax.lax.scan(step, (learned, state, average), steps)[0]

    carry = (learned, optimizer.init(learned), learned)
    jax.block_until_ready(chunk(*carry, 0))  # compiles
    taken, begun = [], time.perf_counter()
    while time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        carry = jax.block_until_ready(chunk(*carry, len(taken)))
        taken.append(1e3 * (time.perf_counter() - started) / CHUNK)
    return eqx.combine(carry[2], rest), float(np.median(taken)), len(taken) * CHUNK


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", default="two_moons")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=3)
    options = parser.parse_args()
    toy = toys.named(options.toy)
    raw = toy.sample(20_000, seed=0)
    center, scale = raw.mean(0), raw.std(0)
    fresh = toy.sample(5000, seed=1)
    truth = float("nan") if toy.log_density is None else -toy.log_density(fresh).mean()
    data, test = ((jnp.asarray((x - center) / scale, jnp.float32)) for x in (raw, fresh))
    volume = float(np.log(scale).sum())
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    print(f"{options.toy}, batches of {options.batch}, entropy of the truth {truth:.4f}")
    print(f"{'method':<22}{'parameters':>11}{'ms a step':>11}{'steps':>8}{'test nats':>11}")
    times = {}
    models = {
        "by simulation": (
            Velocity(toy.dim, options.width, options.depth, jr.key(0)),
            loss_by_simulation,
        ),
        "without (ours)": (
            Autoregressive.standard(
                toy.dim,
                16,
                (0.0, 1.0),
                units=options.width // toy.dim,
                depth=options.depth,
                key=jr.key(0),
            ),
            loss_of_path,
        ),
    }
    for name, (model, loss) in models.items():
        fitted, times[name], steps = train(model, loss, data, options.batch, options.seconds)
        if isinstance(fitted, Velocity):
            values = jax.jit(jax.vmap(lambda x, m=fitted: simulated(m, x)[0]))(test)
        else:
            values = jax.jit(jax.vmap(fitted.at(jnp.asarray(1.0)).log_density))(test)
        nats = -float(values.mean()) + volume
        size = sum(leaf.size for leaf in jax.tree.leaves(split(model)[0]))
        print(f"{name:<22}{size:>11}{times[name]:>11.3g}{steps:>8}{nats:>11.4f}", flush=True)
    print(f"ratio of step times {times['by simulation'] / times['without (ours)']:.1f}")


if __name__ == "__main__":
    main()
