"""The same control problem with simulation inside training and without.

    python benchmarks/control_simulation.py [--scene v-neck] [--seconds 120] [--batch 256]
        [--save]

The rival is a network control c(t, x) (three layers of 64 units), trained by the adjoint through
its own rollout: 100 Euler-Maruyama steps of a batch, effort and running costs along it, the
entropy by a Gaussian kernel density of width 0.2 over the batch, and the target by the relative
entropy of that kernel density at the end, `--penalty` times. Adam at 1e-3 with cosine decay.

Both are measured alike on fresh noise: 1,000 Euler-Maruyama steps, 2,000 trajectories, the
objective at 15 logged times with the kernel density, and W2 to the target beside the floor; ours
with the exact log-density as well. An evaluation is one control at one point (of the network, or
of density and velocity). Seconds are those of training; for the rival without compiling, while
every row of ours is a fit of its own, start and compilation included.
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

from liouville.numerics.couplings import wasserstein
from liouville.tasks.control import scenes
from liouville.tasks.control.fit import fit_control
from liouville.tasks.control.measure import KernelMarginal, of_log
from liouville.tasks.control.rollout import Rollout

STEPS, MEASURED, CROWD = 100, 1000, 2000
OURS = (250, 1000, 4000)
COLUMNS = (
    *(Column("method"), Column("steps", ",d"), Column("evaluations", ".1e")),
    *(Column("seconds", ".0f"), Column("logged", ".1f", "min"), Column("exact", ".1f")),
    *(Column("W2", ".3f", "min"), Column("floor", ".3f")),
)


class Control(eqx.Module):
    net: eqx.nn.MLP

    def __init__(self, dim, key):
        self.net = eqx.nn.MLP(dim + 1, dim, 64, 3, activation=jax.nn.silu, key=key)

    def __call__(self, t, x):
        return self.net(jnp.append(x / 8.0, t)) * 10.0


def rolled(control, problem, x0, steps, key, is_paid=True):
    """Places, mean effort and running costs at every step; costs ask a kernel density."""
    h, sigma = problem.horizon / steps, problem.noise
    costs = list(problem.running.items())[1:] if is_paid else []
    equal = jnp.full((x0.shape[0],), 1.0 / x0.shape[0])

    @jax.checkpoint
    def step(x, i):
        t = i * h
        c = jax.vmap(lambda y: control(t, y))(x)
        crowd, k = KernelMarginal(x), jr.fold_in(key, i)
        paid = [problem.weights.get(n, 1.0) * cost(t, crowd, x, equal, key=k) for n, cost in costs]
        effort = 0.5 * jnp.mean(jnp.sum(c**2, axis=-1))
        moved = x + sigma * (h * c + jnp.sqrt(h) * jr.normal(k, x.shape))
        return moved, (x, jnp.stack([effort, *paid]))

    last, (places, rates) = jax.lax.scan(step, x0, jnp.arange(steps))
    return jnp.concatenate([places, last[None]]), rates


def target_density(problem):
    end = problem.target
    precisions = jnp.asarray(np.linalg.inv(end.covariances), jnp.float32)
    means = jnp.asarray(end.means, jnp.float32)
    constants = np.log(end.weights) - 0.5 * np.linalg.slogdet(2 * np.pi * end.covariances)[1]
    shifts = jnp.asarray(constants, jnp.float32)

    def log_density(x):
        z = x - means
        return jax.nn.logsumexp(shifts - 0.5 * jnp.einsum("ki,kij,kj->k", z, precisions, z))

    return log_density


def rival(problem, batch, seconds, penalty, seed=0):
    """Trains the rival and yields (seconds, evaluations, control) while it goes."""
    control = Control(problem.dim, jr.key(seed))
    log_target = target_density(problem)
    optimizer = optax.chain(
        optax.clip_by_global_norm(100.0), optax.adam(optax.cosine_decay_schedule(1e-3, 4000))
    )
    state = optimizer.init(eqx.filter(control, eqx.is_inexact_array))

    def loss(control, x0, key):
        places, rates = rolled(control, problem, x0, STEPS, key)
        end = places[-1]
        gap = jax.vmap(KernelMarginal(end).log_density)(end) - jax.vmap(log_target)(end)
        return problem.horizon * rates.sum(axis=-1).mean() + penalty * gap.mean()

    @eqx.filter_jit
    def step(control, state, x0, key):
        gradient = eqx.filter_grad(loss)(control, x0, key)
        updates, state = optimizer.update(gradient, state)
        return eqx.apply_updates(control, updates), state

    # Compiled first, and the time of measuring between the steps is not its own.
    x0 = jnp.asarray(problem.source.sample(batch, seed=0)[0], jnp.float32)
    jax.block_until_ready(step(control, state, x0, jr.key(0)))
    spent, done, marks = 0.0, 0, list(np.geomspace(seconds / 8, seconds, 4))
    while marks:
        begun = time.perf_counter()
        x0 = jnp.asarray(problem.source.sample(batch, seed=done)[0], jnp.float32)
        control, state = step(control, state, x0, jr.key(done))
        jax.block_until_ready(control)
        spent, done = spent + time.perf_counter() - begun, done + 1
        if spent > marks[0]:
            marks.pop(0)
            yield spent, done, done * batch * STEPS, control


def measured(control, problem):
    """The objective by the logged definition, and W2 to the target."""
    x0 = jnp.asarray(problem.source.sample(CROWD, seed=77)[0], jnp.float32)
    places, rates = eqx.filter_jit(lambda c: rolled(c, problem, x0, MEASURED, jr.key(77), False))(
        control
    )
    times = jnp.linspace(0.0, problem.horizon, MEASURED + 1)
    found = of_log(Rollout(times, places, rates, rates[:, 0]), problem)
    arrived = problem.target.sample(CROWD, seed=78)[0]
    return found.total, wasserstein(np.asarray(places[-1], float), arrived)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", default="v-neck")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--penalty", type=float, default=50.0)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    problem = scenes.NAMES[options.scene]()
    clouds = [problem.target.sample(CROWD, seed=s)[0] for s in (78, 79)]
    floor = wasserstein(*clouds)
    note = f"{options.scene}; seconds are of training."
    table = Table("control_simulation", COLUMNS, keep=options.save, note=note)
    for steps in OURS:
        fitted = fit_control(problem, {"training.steps": steps, "rollout.trajectories": CROWD})
        s, o = fitted.summary, fitted.config.objective
        row = {"method": "without simulation", "steps": steps, "floor": floor}
        row["evaluations"] = steps * o.times * max(o.particles, s["moving parts"])
        row["seconds"] = sum(s["seconds"][phase] for phase in ("start", "compile", "train"))
        row["logged"] = s["objective (15 logged times, kernel density)"]
        table.add({**row, "exact": s["objective (rollout)"], "W2": s["W2 of arrival"]})
    for seconds, steps, evaluations, control in rival(
        problem, options.batch, options.seconds, options.penalty
    ):
        total, distance = measured(control, problem)
        row = {"method": "by simulation", "steps": steps, "evaluations": evaluations}
        table.add({**row, "seconds": seconds, "logged": total, "W2": distance, "floor": floor})


if __name__ == "__main__":
    main()
