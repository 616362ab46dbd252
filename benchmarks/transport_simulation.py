"""Least-energy transport by simulation and without: the same problem, two ways to train.

    python benchmarks/transport_simulation.py [--seconds 60] [--batch 256] [--width 64]

From a standard normal law to eight Gaussians. The rival is a neural ODE (a continuous normalizing
flow): points of the target are carried back to the source by Diffrax (Tsit5, adaptive, tolerance
1e-4), the exact divergence and the energy are integrated along, and the loss is the energy plus
`WEIGHT` times the negative log-likelihood of the target, which is what holds its end. Ours
minimises the same energy; its ends are exact, so its likelihood is a constant. Equal numbers of
points a step, float32. Printed: compilation, milliseconds a step (median), and after equal
wall-clock time the energy over W2^2 between the true ends, the log-likelihood lost at the end
(nats, fresh draws) and W2 of carried points beside the floor. Needs Diffrax.
"""

import argparse
import platform
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from simulation import Velocity, simulated

from liouville.couplings import wasserstein
from liouville.parameters import split
from liouville.transport import TransportConfig
from liouville.transport._ends import read_ends
from liouville.transport._fit import initial_path
from liouville.transport._measure import measured
from liouville.transport._problem import energy_term, problem_of, resolved, units_of

WEIGHT = 10.0
ENDS = ("normal", "eight_gaussians")
CLOUD, REPEATS = 1024, 20


def trained(step, state, seconds):
    """The state after so many seconds of steps, their median time and number, compile time."""
    begun = time.perf_counter()
    jax.block_until_ready(step(state, jnp.asarray(0)))
    compiled, times, done = time.perf_counter() - begun, [], 0
    while sum(times) < seconds:
        begun = time.perf_counter()
        state = jax.block_until_ready(step(state, jnp.asarray(done)))
        times.append(time.perf_counter() - begun)
        done += 1
    return state, 1e3 * float(np.median(times)), done, compiled


def make_step(loss, rate):
    optimizer = optax.chain(optax.clip_by_global_norm(100.0), optax.adam(rate))

    @eqx.filter_jit
    def step(state, i):
        learned, inner = state
        gradient = jax.grad(loss)(learned, jr.fold_in(jr.key(0), i))
        updates, inner = optimizer.update(gradient, inner, learned)
        return optax.apply_updates(learned, updates), inner

    return step, optimizer


def arrival(carried, source, target):
    pairs = []
    for i in range(REPEATS):
        x, _ = source.sample(CLOUD, seed=3 * i)
        one, other = (target.sample(CLOUD, seed=3 * i + j)[0] for j in (1, 2))
        pairs.append((wasserstein(carried(x), one), wasserstein(other, one)))
    return np.sqrt(np.mean(np.square(pairs), axis=0))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    options = parser.parse_args()
    settings = TransportConfig()
    ends = read_ends(ENDS, settings.data, settings.ends)
    settings = resolved(settings, ends)
    units = units_of(ends, settings)
    problem = problem_of(ends, units, settings)
    source, target = (end.mixture for end in ends)
    distance = wasserstein(source.spread(2048), target.spread(2048, seed=1)) ** 2
    means, variance = jnp.asarray(target.means), float(target.covariances[0, 0, 0])

    def log_target(y):
        bells = -0.5 * ((y - means) ** 2).sum(-1) / variance
        return jax.nn.logsumexp(bells) - jnp.log(8.0 * 2.0 * jnp.pi * variance)

    def draw(key, n):
        keys = jr.split(key)
        part = jr.choice(keys[0], 8, (n,))
        return means[part] + variance**0.5 * jr.normal(keys[1], (n, 2))

    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    print(f"W2^2 of the ends {distance:.3f}; {options.batch} points a step")
    print(
        f"{'':<16}{'compile s':>10}{'ms a step':>11}{'steps':>7}{'energy/W2^2':>13}"
        f"{'nats lost':>11}{'W2':>7}{'floor':>7}"
    )

    def show(name, run, energy, lost, carried):
        _, ms, steps, compiled = run
        w2, floor = arrival(carried, source, target)
        print(
            f"{name:<16}{compiled:>10.1f}{ms:>11.2f}{steps:>7}{2 * energy / distance:>13.4f}"
            f"{lost:>11.4f}{w2:>7.3f}{floor:>7.3f}",
            flush=True,
        )

    # By simulation.
    model = Velocity(2, options.width, 3, jr.key(0))

    def loss(model, key):
        log_density, energy = jax.vmap(lambda y: simulated(model, y))(draw(key, options.batch))
        return energy.mean() - WEIGHT * log_density.mean()

    learned, rest = eqx.partition(model, eqx.is_inexact_array)
    step, optimizer = make_step(lambda p, k: loss(eqx.combine(p, rest), k), 3e-3)
    run = trained(step, (learned, optimizer.init(learned)), options.seconds)
    model = eqx.combine(run[0][0], rest)
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
        run,
        float(energy.mean()),
        lost,
        lambda x: np.asarray(forward(jnp.asarray(x, jnp.float32)), float),
    )

    # Without.
    begun = time.perf_counter()
    path = initial_path(problem, settings.path)
    print(f"(start found in {time.perf_counter() - begun:.1f} s)")
    learned, rest = split(path)
    per_time = max(1, options.batch // settings.objective.times)
    term = energy_term(problem, (0.0, 1.0), settings.objective.times, per_time)
    step, optimizer = make_step(
        lambda p, k: term(eqx.combine(p, rest).pieces[0], key=k), settings.training.rate
    )
    run = trained(step, (learned, optimizer.init(learned)), options.seconds)
    path = eqx.combine(run[0][0], rest)
    judge = energy_term(problem, (0.0, 1.0), 64, 512)
    energy = measured(judge, path.pieces[0]).value * problem.energy_scale
    own = jax.vmap(path.at(jnp.ones(())).log_density)(
        jnp.asarray(units.points_to_model(np.asarray(y)), jnp.float32)
    )
    lost = float(jnp.mean(jax.vmap(log_target)(y) - own) + units.log_volume)

    @jax.jit
    def moved(x):
        from liouville.dynamics import solve_ode

        clock = 0.5 - 0.5 * jnp.cos(jnp.pi * jnp.linspace(0.0, 1.0, 33))
        return solve_ode(path, x, clock, steps=4)[-1]

    def carried(x):
        z = moved(jnp.asarray(units.points_to_model(x), jnp.float32))
        return units.points_to_user(np.asarray(z))

    show("without", run, energy, lost, carried)


if __name__ == "__main__":
    main()
