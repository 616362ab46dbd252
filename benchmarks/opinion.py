"""Opinions that polarise, kept mixed at least effort: 2 and 1,000 dimensions.

    python benchmarks/opinion.py [--dims 2 1000] [--steps N] [--crowd N] [--picture FILE] [--save]

The problem of Generalized Schroedinger Bridge Matching (Liu et al., ICLR 2024) with its constants
and its topics. The objective from the closed forms of the model, which bounds the least objective
from above up to what a finite crowd leans to by chance (no lower bound is known to us, as the drift
depends on the law); and along a rollout on fresh noise, in which the crowd of the drift is the
trajectories themselves, in at least the steps of the topics. Beside it the start of training, a
bridge that knows no crowd; the effort of that bridge alone, in closed form; and the law without
control. The similarity of directions, 1 - angle/pi, is that of pairs of centred opinions: mean,
standard deviation, and the share of pairs beyond .9 or below .1. In two dimensions the law of the
model is compared with the rollout at five times: energy distance to draws of the model, and that of
two sets of draws.
"""

import argparse
import dataclasses
import resource
import time
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from results import Column, Table

from liouville.numerics.distances import Cloud, energy_distance
from liouville.objectives import MeanField, drift_among
from liouville.problems import GaussianBridge, directional_similarity
from liouville.runs.config import merge
from liouville.tasks.control import scenes
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.control.fit import TASK, objective_of, read
from liouville.tasks.control.measure import closed_form, of_rollout
from liouville.tasks.control.rollout import equal_particles, roll_out
from liouville.training import fit

SETTINGS = {
    2: ["training.steps=1500"],
    1000: ["training.steps=150", "objective.times=8", "objective.particles=1024"],
}
# In a thousand coordinates most of what is learned needs no change, and its slope is chance: Adam
# would move it as far as what needs it.
OPTIMIZERS = {2: 0.01, 1000: optax.chain(optax.clip_by_global_norm(100.0), optax.sgd(5e-4, 0.9))}
CROWDS, STEPS, EVEN = {2: 8192, 1000: 8192}, {2: 2000, 1000: 500}, 0.1
COSTS = [
    Column("law"),
    Column("objective", ",.3f", error="error"),
    Column("effort", ",.3f"),
    Column("congestion", ",.3f"),
]
CROWD = [
    Column("crowd"),
    Column("similarity of pairs, 1 - angle/π", ".3f"),
    Column("spread", ".4f"),
    Column("beyond .9 or below .1", ".1%"),
    Column("largest variance", ".2f"),
    Column("mean variance", ".2f"),
]


def bridge_effort(problem):
    """The least effort between the ends without any drift: coordinates are independent."""
    first, last = (np.diag(end.covariances[0]) for end in problem.ends)
    pairs, counts = np.unique(np.stack([first, last], axis=1), axis=0, return_counts=True)
    zero, noise = np.zeros(1), float(problem.sigma)
    energies = [
        GaussianBridge(zero, np.array([[a]]), zero, np.array([[b]]), noise).energy()
        for a, b in pairs
    ]
    return float(counts @ energies) / noise**2


def without_control(problem, x0, steps, key):
    """Where the crowd is in the end if nobody steers it."""
    h = problem.horizon / steps

    @jax.jit
    def run(x, key):
        def step(x, i):
            t = jnp.asarray(i * h, x.dtype)
            field = drift_among(problem.drift, *equal_particles(x))
            noise = jr.normal(jr.fold_in(key, i), x.shape, x.dtype)
            return x + h * jax.vmap(partial(field, t))(x) + problem.sigma * h**0.5 * noise, None

        return jax.lax.scan(step, x, jnp.arange(steps))[0]

    return np.asarray(run(x0, key))


def losses(history):
    """The mean of the first and of the last logged steps."""
    values = np.array([row["loss"] for row in history])
    few = max(1, len(values) // 5)
    return f"{values[:few].mean():.5g}, {values[-few:].mean():.5g}"


def figures_of(costs):
    """A row of the table of costs."""
    parts = {name: float(costs.parts[name]) for name in ("effort", "congestion")}
    return {"objective": float(costs.total), "error": float(costs.error), **parts}


def similarities(name, points, found):
    """A row of the table of crowds, whose similarities are found."""
    axes = np.linalg.eigvalsh(np.cov(points.T))
    extreme = np.mean((found < EVEN) | (found > 1.0 - EVEN))
    values = (name, *map(float, (found.mean(), found.std(), extreme, axes[-1], axes.mean())))
    return {column.name: value for column, value in zip(CROWD, values, strict=True)}


def against_rollout(path, rollout):
    """The law of the model beside the trajectories: energy distances at five times."""
    print("\n| time | energy distance of rollout and model | of two sets of draws |\n|---|---|---|")
    draw = jax.jit(lambda t, keys: jax.vmap(lambda k: path.at(t).sample(key=k))(keys))
    kept = len(rollout.times) - 1
    for i in np.linspace(0, kept, 6).round().astype(int)[1:]:
        t, n = rollout.times[i], 4000
        clouds = [Cloud.of(np.asarray(rollout.points[i][:n], float))]
        for seed in (0, 1):
            clouds.append(Cloud.of(np.asarray(draw(t, jr.split(jr.key(seed), n)), float)))
        ours, floor = energy_distance(clouds[0], clouds[1]), energy_distance(clouds[2], clouds[1])
        print(
            f"| {float(t):.1f} | {ours.value:.1e} ± {ours.error:.0e} "
            f"| {floor.value:.1e} ± {floor.error:.0e} |",
            flush=True,
        )


def one(dim, options, shown):
    begin, processor = time.perf_counter(), time.process_time()
    problem = scenes.opinion() if dim == 2 else scenes.opinion_1000()
    settings = [*SETTINGS[dim], *([f"training.steps={options.steps}"] if options.steps else [])]
    config = merge(ControlConfig, settings=settings)
    start = TASK.resolve(read(config, problem), config)
    config = start.config
    objective = objective_of(problem, config)
    fitted = fit(
        start.path,
        objective,
        steps=config.training.steps,
        optimizer=OPTIMIZERS[dim],
        average=config.training.average,
        chunk=10,
        validation=objective,
        validate_every=50,
        progress=options.progress,
    )
    seconds, spent = time.perf_counter() - begin, time.process_time() - processor
    print(
        f"\n{dim} dimensions: {seconds:.0f} s, {spent:.0f} of a processor, of training and before"
    )
    count = options.crowd or CROWDS[dim]
    wide = dataclasses.replace(problem, drift=MeanField(problem.drift.drift, count))
    print(f"training, first and last steps: {losses(fitted.history)}", flush=True)
    table = Table(f"opinion_{dim}", COSTS, keep=options.save)
    table.add({"law": "bridge without a drift, closed form", "effort": bridge_effort(problem)})
    for name, path in (("start of training", start.path), ("closed form", fitted.path)):
        table.add({"law": name, **figures_of(closed_form(path, wide))})
    x0 = jax.jit(lambda keys: jax.vmap(lambda k: fitted.path.at(jnp.zeros(())).sample(key=k))(keys))
    x0 = x0(jr.split(jr.key(2), count))
    rollout = roll_out(fitted.path, problem, x0, steps=STEPS[dim], key=jr.key(3))
    costs = of_rollout(rollout, problem)
    table.add({"law": f"rollout of {count:,}", **figures_of(costs), "error": None})
    print()
    crowds = Table(f"opinion_{dim}_crowd", CROWD, keep=options.save)
    clouds = {
        "at the start": np.asarray(x0, float),
        "in the end without control": without_control(problem, x0, STEPS[dim], jr.key(4)),
        "in the end with it": np.asarray(rollout.points[-1], float),
        "the target": problem.target.sample(count, seed=5)[0],
    }
    for name, points in clouds.items():
        found = shown[f"{dim} dimensions, {name}"] = directional_similarity(points)
        crowds.add(similarities(name, points, found))
    if dim == 2:
        against_rollout(fitted.path, rollout)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{time.perf_counter() - begin:.0f} s in all, at most {peak:.1f} GB")


def picture(shown, file):
    """Histograms of the similarities."""
    from liouville.plots import sheet

    figure, panels = sheet(3.0 * len(shown), 2.6, columns=len(shown))
    for axes, (name, values) in zip(panels, shown.items(), strict=True):
        axes.hist(values, 40, (0.0, 1.0), density=True)
        axes.set(title=name, xlabel="similarity", yticks=[])
    figure.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", nargs="+", type=int, default=[2, 1000], choices=[2, 1000])
    parser.add_argument("--steps", type=int, help="of training")
    parser.add_argument("--crowd", type=int, help="trajectories, and particles of the drift")
    parser.add_argument("--picture")
    parser.add_argument("--progress", action="store_true")
    parser.add_argument("--save", action="store_true", help="write the tables of the pages")
    options = parser.parse_args()
    shown = {}
    for dim in options.dims:
        one(dim, options, shown)
        eqx.clear_caches()
    if options.picture:
        picture(shown, options.picture)


if __name__ == "__main__":
    main()
