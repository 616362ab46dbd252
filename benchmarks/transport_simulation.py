"""Least-energy transport by simulation and without: the same problem, two ways to train.

    python benchmarks/transport_simulation.py [--seconds 60] [--batch 256] [--width 64]
        [--save]

From a standard normal law to eight Gaussians. The rival is a neural ODE (a continuous normalizing
flow): points of the target are carried back to the source by Diffrax (Tsit5, adaptive, tolerance
1e-4), the exact divergence and the energy are integrated along, and the loss is the energy plus
`WEIGHT` times the negative log-likelihood of the target, which is what holds its end. Ours
minimises the same energy; its ends are exact, so its likelihood is a constant. Both: equal numbers
of points a step, Adam with clipped gradients whose rate falls by a cosine to a hundredth over the
steps it has, an average of the parameters (decay 0.99), float32. Each side's time a step is
estimate first (median of some steps after compilation), which fixes the number of steps that fill
the given seconds. Printed for the rival, for ours after equally many steps and for ours after equal
seconds: milliseconds a step, steps, seconds, the energy over W2^2 between the true ends, the
log-likelihood lost at the end (nats, fresh draws) and W2 of carried points beside the floor. Needs
Diffrax.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from results import Column, Table
from simulation import Velocity, simulated

from liouville.dynamics import solve_ode
from liouville.numerics.couplings import mean_distance, wasserstein
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import split
from liouville.tasks.transport.config import TransportConfig
from liouville.tasks.transport.ends import read_ends
from liouville.tasks.transport.fit import initial_path
from liouville.tasks.transport.measure import estimate
from liouville.tasks.transport.problem import (
    Given,
    energy_term,
    problem_of,
    resolve_times,
    units_of,
)

WEIGHT = 10.0
RATE = 3e-3
ENDS = ("normal", "eight_gaussians")
CLOUD, REPEATS = 1024, 20
DECAY = 0.99
WARM_UP = 10
COLUMNS = (
    *(Column("method"), Column("ms a step", ".2f", "min"), Column("steps", ",d")),
    *(Column("seconds", ".0f"), Column("energy / W2² of the ends", ".3f")),
    *(Column("nats lost at the end", ".3f", "min"), Column("W2 of arrival", ".3f")),
    Column("floor", ".3f"),
)


def make_step(loss, rate, steps):
    schedule = optax.cosine_decay_schedule(rate, steps, alpha=0.01)
    optimizer = optax.chain(optax.clip_by_global_norm(100.0), optax.adam(schedule))

    @eqx.filter_jit
    def step(state, i):
        learned, inner, average = state
        gradient = jax.grad(loss)(learned, jr.fold_in(jr.key(0), i))
        updates, inner = optimizer.update(gradient, inner, learned)
        learned = optax.apply_updates(learned, updates)
        # The weight of the start is divided out, so that few steps are averaged well, too.
        keep = DECAY * (1.0 - DECAY**i) / (1.0 - DECAY ** (i + 1))
        average = jax.tree.map(lambda a, p: keep * a + (1.0 - keep) * p, average, learned)
        return learned, inner, average

    return step, lambda learned: (learned, optimizer.init(learned), learned)


def pace(loss, rate, learned):
    """Seconds of a step: the median of some of them, after compilation."""
    step, begin = make_step(loss, rate, WARM_UP)
    state, times = begin(learned), []
    for i in range(WARM_UP + 1):
        begun = time.perf_counter()
        state = jax.block_until_ready(step(state, jnp.asarray(float(i))))
        times.append(time.perf_counter() - begun)
    return float(np.median(times[1:]))


def trained(loss, rate, learned, steps):
    """The averaged parameters after so many steps, and the seconds they took."""
    step, begin = make_step(loss, rate, steps)
    state = begin(learned)
    jax.block_until_ready(step(state, jnp.asarray(0.0)))
    begun = time.perf_counter()
    for i in range(steps):
        state = jax.block_until_ready(step(state, jnp.asarray(float(i))))
    return state[2], time.perf_counter() - begun


def arrival(carried, source, target):
    moved = [carried(source.sample(CLOUD, seed=3 * i)[0]) for i in range(REPEATS)]
    ones, others = (
        [target.sample(CLOUD, seed=3 * i + j)[0] for i in range(REPEATS)] for j in (1, 2)
    )
    return mean_distance(moved, ones).value, mean_distance(others, ones).value


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    settings = TransportConfig()
    ends = read_ends(ENDS, settings.data, settings.ends)
    settings = resolve_times(settings, ends)
    units = units_of(ends, settings)
    problem = problem_of(Given(ends), units, settings)
    source, target = (end.mixture for end in ends)
    assert isinstance(target, GaussianMixture)
    distance = wasserstein(source.spread(2048), target.spread(2048, seed=1)) ** 2
    means, variance = jnp.asarray(target.means), float(target.covariances[0, 0, 0])

    def log_target(y):
        bells = -0.5 * ((y - means) ** 2).sum(-1) / variance
        return jax.nn.logsumexp(bells) - jnp.log(8.0 * 2.0 * jnp.pi * variance)

    def draw(key, n):
        keys = jr.split(key)
        part = jr.choice(keys[0], 8, (n,))
        return means[part] + variance**0.5 * jr.normal(keys[1], (n, 2))

    note = f"{options.batch} points a step."
    table = Table("transport_simulation", COLUMNS, keep=options.save, note=note)

    def show(name, seconds, steps, energy, lost, carried):
        w2, floor = arrival(carried, source, target)
        row = {"method": name, "ms a step": 1e3 * seconds / steps, "steps": steps}
        row |= {"seconds": seconds, "energy / W2² of the ends": 2 * energy / distance}
        table.add({**row, "nats lost at the end": lost, "W2 of arrival": w2, "floor": floor})

    # By simulation.
    model = Velocity(2, options.width, 3, jr.key(0))

    def loss(model, key):
        log_density, energy = jax.vmap(lambda y: simulated(model, y))(draw(key, options.batch))
        return energy.mean() - WEIGHT * log_density.mean()

    learned, rest = eqx.partition(model, eqx.is_inexact_array)

    def rival_loss(learned, key, rest=rest):
        return loss(eqx.combine(learned, rest), key)

    steps = max(1, round(options.seconds / pace(rival_loss, RATE, learned)))
    learned, seconds = trained(rival_loss, RATE, learned, steps)
    model = eqx.combine(learned, rest)
    y = draw(jr.key(9), 4096)
    log_density, energy = eqx.filter_jit(jax.vmap(lambda y: simulated(model, y)))(y)
    lost = float(jnp.mean(jax.vmap(log_target)(y) - log_density))

    @jax.jit
    def forward(x):
        def small(x, t):
            half = x + 0.005 * jax.vmap(lambda z: model(t, z))(x)
            return x + 0.01 * jax.vmap(lambda z: model(t + 0.005, z))(half), None

        return jax.lax.scan(small, x, jnp.arange(100) / 100)[0]

    show(
        "by simulation",
        seconds,
        steps,
        float(energy.mean()),
        lost,
        lambda x: np.asarray(forward(jnp.asarray(x, jnp.float32)), float),
    )

    # Without.
    begun = time.perf_counter()
    path = initial_path(problem, settings.path)
    print(f"(start found in {time.perf_counter() - begun:.1f} s)")
    first, rest = split(path)
    per_time = max(1, options.batch // settings.objective.times)
    term = energy_term(problem, (0.0, 1.0), settings.objective.times, per_time)
    judge = energy_term(problem, (0.0, 1.0), 64, 512)
    clock = 0.5 - 0.5 * jnp.cos(jnp.pi * jnp.linspace(0.0, 1.0, 33))
    target_points = jnp.asarray(units.to_model(np.asarray(y)), jnp.float32)
    rate = settings.training.rate

    def own_loss(learned, key):
        return term(eqx.combine(learned, rest).pieces[0], key=key)

    @jax.jit
    def moved(learned, x):
        return solve_ode(eqx.combine(learned, rest), x, clock, steps=4)[-1]

    filling = max(1, round(options.seconds / pace(own_loss, rate, first)))
    for name, count in (("without, equal steps", steps), ("without, equal seconds", filling)):
        learned, seconds = trained(own_loss, rate, first, count)
        path = eqx.combine(learned, rest)
        energy = estimate(judge, path.pieces[0]).value * problem.energy_scale
        own = jax.vmap(path.at(jnp.ones(())).log_density)(target_points)
        lost = float(jnp.mean(jax.vmap(log_target)(y) - own - units.log_volume(y)))

        def carried(x, learned=learned):
            z = moved(learned, jnp.asarray(units.to_model(x), jnp.float32))
            return units.to_user(np.asarray(z))

        show(name, seconds, count, energy, lost, carried)


if __name__ == "__main__":
    main()
