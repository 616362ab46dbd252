"""Optimal transport between toys in the plane, beside flow matching on minibatch couplings.

    python benchmarks/transport_toys.py [--seeds 1] [--thorough] [--rival] [--target NAME]
        [--save]

Ours: `fit_transport` with its defaults. The ends are frozen mixtures (exact for a normal law and
the eight Gaussians, fitted to 20,000 samples for the moons) and are met exactly. `--thorough` adds
a fit of twice the parts that never stops early. `--rival` trains
OT-CFM under the protocol of TorchCFM: minibatches of 256 coupled by exact assignment, a network of
three layers of 64 SELU units, Adam at 1e-3, straight lines without noise; its end is an ODE solved
by 100 Euler steps.

For both: W2 between 1,024 points carried along the velocity from fresh draws of the source and
fresh draws of the true target, beside the floor, the W2 between two such draws of the target (root
mean squares of `--repeats`, because the numbers of draws in each mode fluctuate; ratio at most 1.1
wanted); the energy E int |u|^2; its relative difference to W2^2 between the model's own two
ends, at most 2 % wanted (ours: points spread evenly over the frozen mixtures, for a small bias; the
rival's: the source and what it carries there); and the normalised path energy, its relative
difference to W2^2 between the true distributions, from exact assignments of true draws.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from results import Column, Table
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from liouville.numerics.couplings import mean_distance
from liouville.problems import toys
from liouville.tasks.transport.answers import transport_map
from liouville.tasks.transport.fit import fit_transport

CLOUD = 1024
THOROUGH = {"path.parts": 64, "training.steps": 1500, "training.patience": None}
PAIRS = (
    ("normal", "torchcfm_eight_gaussians"),
    ("torchcfm_eight_gaussians", "torchcfm_moons"),
    ("normal", "torchcfm_moons"),
)


def columns(methods):
    """Each figure of all methods side by side."""

    def of(figure, *more):
        return [Column(f"{figure}, {name}", *more) for name in methods]

    known = [Column("W2² of the ends", ".3f", error="its error"), Column("its error", ".3f")]
    return [
        *(Column("ends"), Column("floor of W2", ".3f"), *of("W2 over it", ".2f", "min", "W2")),
        *(*known, *of("path, %", "+.1f"), *of("excess, %", "+.1f"), *of("seconds", ".0f")),
    ]


def squared_distance(x, y):
    cost = cdist(x, y, "sqeuclidean")
    return float(cost[linear_sum_assignment(cost)].mean())


def end_point(clouds, target, seed):
    """W2 of carried points to fresh draws of the true target, and the floor of it."""
    draws = [target.sample(len(clouds[0]), seed=seed + i) for i in range(2 * len(clouds))]
    ones, others = draws[::2], draws[1::2]
    return mean_distance(clouds, ones).value, mean_distance(others, ones).value


def true_square(source, target, points, repeats=8):
    """W2^2 between the true distributions, and its standard error.

    A sample's distance is too large by about a constant over its size, which cancels between
    samples of `points` and their halves.
    """
    found = []
    for i in range(repeats):
        x = toys.named(source).sample(points, seed=500 + i)
        y = toys.named(target).sample(points, seed=600 + i)
        halves = [slice(0, points // 2), slice(points // 2, None)]
        half = np.mean([squared_distance(x[h], y[h]) for h in halves])
        found.append(2.0 * squared_distance(x, y) - half)
    return np.mean(found), np.std(found, ddof=1) / np.sqrt(repeats)


def ours(source, target, points, repeats, seed, settings):
    begun = time.perf_counter()
    fitted = fit_transport(
        source,
        target,
        settings={"training.seed": seed, "certificate.points": 500, **settings},
        progress=False,
    )
    seconds = time.perf_counter() - begun
    a, b = (end.mixture for end in fitted.ends)
    own = squared_distance(a.spread(points, seed=seed), b.spread(points, seed=seed + 100))
    x = toys.named(source).sample(CLOUD * repeats, seed=seed + 1000)
    moved = transport_map(fitted.model, x).reshape(repeats, CLOUD, 2)
    energy = 2.0 * fitted.summary["energy"]
    return moved, energy, own, seconds


class FlowMatching:
    """OT-CFM: regression of straight lines between minibatches matched exactly."""

    def __init__(self, dim, seed):
        keys = jr.split(jr.key(seed), 5)
        sizes = (dim + 1, 64, 64, 64, dim)
        self.net = [
            (jr.normal(k, (i, o)) / np.sqrt(i), jnp.zeros(o))
            for k, i, o in zip(keys, sizes, sizes[1:], strict=False)
        ]
        optimizer = optax.adam(1e-3)
        self.state = optimizer.init(self.net)

        @jax.jit
        def step(net, state, t, x, y):
            def loss(net):
                z = (1 - t[:, None]) * x + t[:, None] * y
                u = jax.vmap(lambda t, z: self.velocity(net, t, z))(t, z)
                return ((u - (y - x)) ** 2).sum(-1).mean()

            updates, state = optimizer.update(jax.grad(loss)(net), state)
            return optax.apply_updates(net, updates), state

        @jax.jit
        def carried(net, x):
            def small(carry, t):
                x, energy = carry
                u = jax.vmap(lambda z: self.velocity(net, t, z))(x)
                return (x + u / 100, energy + (u**2).sum(-1).mean() / 100), None

            return jax.lax.scan(small, (x, 0.0), jnp.arange(100) / 100)[0]

        self._step, self._carried = step, carried

    @staticmethod
    def velocity(net, t, x):
        h = jnp.append(x, t)
        for w, b in net[:-1]:
            h = jax.nn.selu(h @ w + b)
        return h @ net[-1][0] + net[-1][1]

    def step(self, rng, x, y, *, is_matched=False):
        """One step on pairs, or on two batches that are matched first."""
        if not is_matched:
            y = y[linear_sum_assignment(cdist(x, y, "sqeuclidean"))[1]]
        rows = (jnp.asarray(v, jnp.float32) for v in (rng.random(len(x)), x, y))
        self.net, self.state = self._step(self.net, self.state, *rows)

    def carried(self, x):
        """Where points end, and the energy of the way, by 100 Euler steps."""
        return self._carried(self.net, jnp.asarray(x, jnp.float32))


def rival(source, target, points, repeats, seed, steps):
    begun = time.perf_counter()
    matching, rng = FlowMatching(2, seed), np.random.default_rng(seed)
    a, b = toys.named(source), toys.named(target)
    for _ in range(steps):
        matching.step(rng, a.draw(rng, 256), b.draw(rng, 256))
    seconds = time.perf_counter() - begun
    x = a.sample(CLOUD * repeats, seed=seed + 1000)
    moved, energy = matching.carried(x)
    moved = np.asarray(moved, float).reshape(repeats, CLOUD, 2)
    own = squared_distance(x[:points], moved.reshape(-1, 2)[:points])
    return moved, float(energy), own, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--points", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=40)
    ends = sorted({target for _, target in PAIRS})
    parser.add_argument("--target", choices=ends, help="only pairs that end there")
    parser.add_argument("--thorough", action="store_true")
    parser.add_argument("--rival", action="store_true")
    parser.add_argument("--rival-steps", type=int, default=10_000)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    methods = {"ours": lambda *given: ours(*given, {})}
    if options.thorough:
        methods["ours, more work"] = lambda *given: ours(*given, THOROUGH)
    if options.rival:
        methods["OT-CFM"] = lambda *given: rival(*given, options.rival_steps)
    table = Table("transport_toys", columns(methods), keep=options.save)
    for source, target in PAIRS:
        if options.target not in (None, target):
            continue
        truth, error = true_square(source, target, options.points // 2)
        ends = f"{source} to {target}".replace("torchcfm_", "").replace("_", " ")
        for seed in range(options.seeds):
            row = {"ends": ends, "W2² of the ends": truth, "its error": error}
            for name, method in methods.items():
                size = (options.points, options.repeats)
                moved, energy, own, seconds = method(source, target, *size, seed)
                w2, floor = end_point(moved, toys.named(target), 2000 + 10 * seed)
                row |= {"floor of W2": floor, f"W2 over it, {name}": w2 / floor}
                row |= {f"path, %, {name}": 100 * (energy / truth - 1)}
                row |= {f"excess, %, {name}": 100 * (energy / own - 1), f"seconds, {name}": seconds}
            table.add(row)


if __name__ == "__main__":
    main()
