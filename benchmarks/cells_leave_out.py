"""Leaves times out of snapshots of cells: ours beside flow matching and what needs no model.

    python benchmarks/cells_leave_out.py DATA [--dims 5] [--times 1 2 3] [--seeds 3] [--units data]
    python benchmarks/cells_leave_out.py DATA --times 1 2 3 --save  # writes the table of the pages

The protocol is that of `liouville evaluate cells`, with `--units standard` (the default) that of
Tong et al. (TMLR 2024): standardised coordinates, the true cells of the time before carried to the
time left out. `w1_all` is the published figure, exact W1 among all true cells (2,000 at most).
Ours has one configuration, the default. The rival is optimal-transport conditional flow matching:
a network of three layers of 64 SELU units, sigma .1, batches of 256 pairs a piece, Adam, 10,000
steps, with the optimal plan of *all* cells instead of plans of minibatches.
"""

import argparse
import itertools
import platform
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from results import Column, save

from liouville.data import Standardisation, read_cells
from liouville.numerics.couplings import assignment
from liouville.numerics.distances import Cloud
from liouville.runs.config import apply_settings
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.judge import Judge, Prediction, cloud_at, ranking_remarks
from liouville.tasks.cells.leave_out import leave_out, means_of, standardised

# What the pages show: of W1 among all cells, and of the nats of the cells left out.
W1 = {
    "floor": "other true cells",
    "no motion": "no motion",
    "midpoint": "midpoint",
    "OT-CFM": "OT-CFM, full plan",
    "push": "ours, push",
    "draws": "ours, draws",
}
NATS = {"both neighbours": "nats, both neighbours", "draws": "nats, ours"}
COLUMNS = [
    Column("left out"),
    Column(W1["floor"], ".3f"),
    *(Column(name, ".3f", "min", "W1") for key, name in W1.items() if key != "floor"),
    *(Column(name, ".2f", "min", "nats", f"{name}, error") for name in NATS.values()),
]
# What they show in the units of the data, where W1 no longer ranks: means over the times.
EACH = ("push", "draws", "midpoint", "both neighbours", "no motion", "floor")
FIGURES = {"W1": "w1_all", "energy": "energy", "nats": "nats", "spread": "variance"}
COLUMNS_EACH = [
    Column("prediction"),
    Column("W1", ".2f"),
    *(
        Column(name, form, error=f"{name}, error")
        for name, form in (("energy", ".3f"), ("nats", ".2f"))
    ),
    Column("spread", ".2f"),
]


class Field(eqx.Module):
    net: eqx.nn.MLP

    def __init__(self, dim, key):
        self.net = eqx.nn.MLP(dim + 1, dim, 64, 3, activation=jax.nn.selu, key=key)

    def __call__(self, t, x):
        return self.net(jnp.append(x, t))


def flow_matching(clouds, times, seed, steps=10_000, batch=256, sigma=0.1, rate=1e-3):
    """Fits the field to straight lines between optimally matched cells of neighbouring times."""
    rng = np.random.default_rng(seed)
    pairs = []
    for x, y in itertools.pairwise(clouds):
        n = min(len(x), len(y))
        x, y = x[rng.permutation(len(x))[:n]], y[rng.permutation(len(y))[:n]]
        pairs.append(np.stack([x, y[assignment(x, y)]]))
    pairs = [jnp.asarray(p, jnp.float32) for p in pairs]
    spans = [(float(a), float(b)) for a, b in itertools.pairwise(times)]
    field = Field(clouds[0].shape[1], jr.key(seed))
    optimizer = optax.adam(rate)

    def loss(field, key):
        total = 0.0
        for i, (pair, (a, b)) in enumerate(zip(pairs, spans, strict=True)):
            keys = jr.split(jr.fold_in(key, i), 3)
            pick = jr.randint(keys[0], (batch,), 0, pair.shape[1])
            s = jr.uniform(keys[1], (batch, 1))
            x, y = pair[0, pick], pair[1, pick]
            z = (1 - s) * x + s * y + sigma * jr.normal(keys[2], x.shape)
            wanted = (y - x) / (b - a)
            total += jnp.mean((jax.vmap(field)(a + (b - a) * s[:, 0], z) - wanted) ** 2)
        return total / len(pairs)

    @eqx.filter_jit
    def run(field):
        arrays, static = eqx.partition(field, eqx.is_inexact_array)

        def step(carry, i):
            arrays, state = carry
            key = jr.fold_in(jr.key(seed), i)
            gradient = jax.grad(lambda a: loss(eqx.combine(a, static), key))(arrays)
            updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(arrays, updates), state), None

        (arrays, _), _ = jax.lax.scan(step, (arrays, optimizer.init(arrays)), jnp.arange(steps))
        return eqx.combine(arrays, static)

    return run(field)


@eqx.filter_jit
def push(field, x, start, end, steps=100):
    h = (end - start) / steps

    def step(x, i):
        return x + h * jax.vmap(lambda y: field(start + i * h, y))(x), None

    return jax.lax.scan(step, x, jnp.arange(steps))[0]


def rival(cells, t, seed):
    """The rival's push, and its seconds; distances of the network are standardised in any case."""
    units = Standardisation.fit(cells.points, cells.times)
    clouds = {s: units.to_model(cells.at(s)) for s in cells.distinct_times}
    known = [float(s) for s in cells.distinct_times if s != t]
    before = max(s for s in known if s < t)
    begun = time.perf_counter()
    field = flow_matching([clouds[s] for s in known], known, seed)
    jax.block_until_ready(jax.tree.leaves(eqx.filter(field, eqx.is_array)))
    seconds = time.perf_counter() - begun
    moved = push(field, jnp.asarray(clouds[before], jnp.float32), before, t)
    return Prediction(Cloud.of(units.to_user(np.asarray(moved, float)))), seconds


def table(rows):
    """A row for each time and one for the mean, over the seeds."""
    found = []
    for t in dict.fromkeys(row["time"] for row in rows):
        line: dict[str, float | str | None] = {"left out": t if isinstance(t, str) else f"{t:g}"}

        def mean(prediction, figure, t=t):
            own = [r for r in rows if r["time"] == t and r["prediction"] == prediction]
            given = [r[figure] for r in own if r.get(figure) is not None]
            return float(np.mean(given)) if given else None

        for key, name in W1.items():
            line[name] = mean(key, "w1" if key == "floor" else "w1_all")  # half of the cells
        for key, name in NATS.items():
            line[name], line[f"{name}, error"] = mean(key, "nats"), mean(key, "nats_error")
        found.append(line)
    return found


def by_prediction(means):
    """A row for each prediction, the mean over times and seeds."""
    found = []
    for key in EACH:
        (own,) = [row for row in means if row["prediction"] == key]
        line: dict[str, float | str | None] = {"prediction": W1.get(key, key)}
        for head, figure in FIGURES.items():
            line[head], line[f"{head}, error"] = own.get(figure), own.get(f"{figure}_error")
        if key == "floor":  # half of the cells
            line["W1"] = None
        found.append(line)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--dims", type=int, default=5)
    parser.add_argument("--times", type=float, nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--units", choices=["standard", "data"], default="standard")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c")
    options = parser.parse_args()
    cells = read_cells(options.data, dims=options.dims)
    if options.units == "standard":
        cells = standardised(cells)
    times = options.times or cells.distinct_times[1:-1].tolist()
    settings = apply_settings(CellsConfig(), options.set)
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    names = ("w1", "w1_all", "energy", "variance", "nats", "above", "above_seen", "seconds")
    print(f"{'time':>4} {'prediction':>16} " + " ".join(f"{name:>17}" for name in names))

    def show(row):
        def cell(name):
            value, error = row.get(name), row.get(f"{name}_error")
            text = "" if value is None else f"{value:.4f}"
            return f"{text if error is None else f'{text} ± {error:.4f}':>17}"

        print(
            f"{row['time']!s:>4} {row['prediction']:>16} " + " ".join(map(cell, names)), flush=True
        )

    rows = []
    for t in times:
        own = leave_out(cells, [t], settings, seeds=range(options.seeds))
        if not options.no_rival:
            clouds = {s: cloud_at(cells, s) for s in cells.distinct_times.tolist()}
            before, after = max(s for s in clouds if s < t), min(s for s in clouds if s > t)
            judge = Judge(clouds[t], clouds[before], clouds[after], (t - before) / (after - before))
            for seed in range(options.seeds):
                found, seconds = rival(cells, t, seed)
                row = {"time": t, "seed": seed, "prediction": "OT-CFM", "seconds": seconds}
                own.append(row | judge.figures(found))
        rows += own
        for row in (*own, *ranking_remarks(own)):
            show(row) if isinstance(row, dict) else print(row)
    means = means_of(rows)
    for row in means:
        show(row)
    if options.save:
        said = f"Mean of {options.seeds} seeds; W1 among all cells, {options.units} units."
        if options.units == "standard":
            save("cells_left_out", COLUMNS, table([*rows, *means]), said)
        else:
            save(f"cells_left_out_{options.dims}", COLUMNS_EACH, by_prediction(means), said)
    for name in ("push", "draws", *(() if options.no_rival else ("OT-CFM",))):
        own = [row for row in rows if row["prediction"] == name]
        each = [
            np.mean([row["w1_all"] for row in own if row["seed"] == seed])
            for seed in range(options.seeds)
        ]
        print(f"{name}: W1 among all {np.mean(each):.4f}, sd over seeds {np.std(each):.4f}")


if __name__ == "__main__":
    main()
