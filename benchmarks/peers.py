"""What a user would pick instead: quality at equal time, and time to equal quality.

    python benchmarks/peers.py [--problems moons chain] [--seconds 180] [--save]

On every problem all see the same rows, on one machine in one run; seconds are those from rows in
memory to a fitted model, compilation included. Ours is one call with defaults. Each peer is asked
on its way, at times that grow by a fifth, and its state of least loss on the validation rows
counts from then on (of transport the latest). Seconds that it takes to ask are left out.

Densities, nats per fresh row (smaller is better; 5,000 rows, of which peers are chosen by the last
500): `moons`, `checkerboard`, and `chain` of ten columns, x_1 normal and each next one normal about
a wave of the one before, cos(2 x). The peers: a mixture of scikit-learn with more and more parts,
the masked autoregressive flow and the coupling flow of FlowJAX (rational splines, batches of 256,
Adam at 1e-3), and a continuous normalizing flow through Diffrax (that of `simulation.py`).

Transport between 2,000 rows each, W2 of carried fresh rows to fresh rows of the target over its
floor, the W2 of two sets of fresh rows: from the normal law to `eight` Gaussians, and `between`
those and moons. The peer: optimal-transport flow matching (OT-CFM) by the protocol of TorchCFM
(`transport_toys.py`), with plans of minibatches and with the plan of all rows.

`reaches ours` is when a peer is no worse than ours by two standard errors of the difference, and
`-` if it never was. Needs scikit-learn, FlowJAX and Diffrax.
"""

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import paramax
from flowjax.bijections import RationalQuadraticSpline
from flowjax.distributions import Normal
from flowjax.flows import coupling_flow, masked_autoregressive_flow
from results import Column, save
from simulation import Training, Velocity, loss_by_simulation, simulated
from sklearn.mixture import GaussianMixture
from transport_toys import CLOUD, FlowMatching

from liouville import fit_density, fit_transport, transport_map
from liouville.numerics.couplings import assignment, wasserstein
from liouville.problems import toys

ROWS, KEPT, FRESH, ENDS, CLOUDS = 5000, 500, 10_000, 2000, 10
GROWTH = 1.2  # of the time from one question to the next
COLUMNS = (
    *(Column("problem"), Column("peer"), Column("least possible", ".3f")),
    *(Column("ours", ".3f", "min", "end"), Column("its own at the end", ".3f", "min", "end")),
    *(Column("at our time", ".3f"), Column("our seconds", ".0f"), Column("reaches ours after, s")),
    Column("trained for, s", ".0f"),
)


class Told(NamedTuple):
    """What a peer had reached after so many seconds."""

    seconds: float
    choice: float  # the state of the least counts
    losses: np.ndarray  # of fresh rows, or of clouds


def raced(new: Callable[[], Any], limit: float) -> list[Told]:
    """Trains a peer, which has `run()`, `told() -> (choice, losses)` and may say `is_over`."""
    begun = time.perf_counter()
    peer = new()
    spent, due, found = time.perf_counter() - begun, 0.0, []
    while spent < limit and not getattr(peer, "is_over", False):
        begun = time.perf_counter()
        peer.run()
        spent += time.perf_counter() - begun
        if spent >= due or spent >= limit:
            found.append(Told(spent, *peer.told()))
            due = GROWTH * spent
    return found


def row(told: list[Told], ours: np.ndarray, seconds: float) -> dict[str, Any]:
    """How a race ended, was at the time of ours, and when it reached ours."""
    best, reached, at_ours = told[0], None, None
    for state in told:
        best = min(state, best, key=lambda s: s.choice)
        behind = best.losses - ours
        if reached is None and behind.mean() <= 2 * behind.std() / np.sqrt(len(behind)):
            reached = state.seconds
        if state.seconds <= seconds:
            at_ours = best.losses.mean()
    return {
        "its own at the end": best.losses.mean(),
        "at our time": at_ours,
        "reaches ours after, s": "-" if reached is None else f"{reached:.0f}",
        "trained for, s": told[-1].seconds,
    }


class Mixtures:
    """Mixtures of scikit-learn with one part, two, four, six, ... up to sixty."""

    def __init__(self, train, kept, fresh):
        self.parts, self.rows, self.model = iter([1, *range(2, 61, 2)]), (train, kept, fresh), None
        self.is_over = False

    def run(self):
        parts = next(self.parts)
        self.is_over = parts == 60
        self.model = GaussianMixture(parts, random_state=0).fit(self.rows[0])

    def told(self):
        return -self.model.score(self.rows[1]), -self.model.score_samples(self.rows[2])


class Flow:
    """A model trained by its own log-density, or by a loss, with the loop of `simulation.py`."""

    def __init__(self, model, train, kept, fresh, *, loss=None, log_density=None, rate=1e-3):
        log_density = log_density or (lambda model, x: paramax.unwrap(model).log_prob(x))

        def nats(model, x, key):
            return -jax.vmap(lambda row: log_density(model, row))(x).mean()

        self.center, self.scale = train.mean(0), train.std(0)
        self.rows = [self.scaled(x) for x in (kept, fresh)]
        self.training = Training(model, loss or nats, self.scaled(train), 256, rate=rate)
        self.losses = eqx.filter_jit(jax.vmap(lambda m, x: -log_density(m, x), in_axes=(None, 0)))

    def scaled(self, x):
        return jnp.asarray((x - self.center) / self.scale, jnp.float32)

    def run(self):
        self.training.run()

    def told(self):
        kept, fresh = (
            np.concatenate(
                [self.losses(self.training.fitted, x[i : i + 500]) for i in range(0, len(x), 500)]
            )
            for x in self.rows
        )
        return float(kept.mean()), np.asarray(fresh, float) + np.log(self.scale).sum()


def density_peers(dim: int) -> dict[str, Callable]:
    """A peer of each kind, made of training rows, rows for choices and fresh ones."""
    base = {"base_dist": Normal(jnp.zeros(dim)), "nn_width": 64}
    base["transformer"] = RationalQuadraticSpline(knots=8, interval=4)
    flows = {
        "FlowJAX, autoregressive": masked_autoregressive_flow,
        "FlowJAX, coupling": coupling_flow,
    }
    made: dict[str, Callable] = {"scikit-learn, mixture": Mixtures}
    for name, make in flows.items():
        made[name] = lambda *rows, make=make: Flow(make(jr.key(0), **base), *rows)
    made["Diffrax, continuous flow"] = lambda *rows: Flow(
        Velocity(dim, 64, 3, jr.key(0)),
        *rows,
        loss=loss_by_simulation,
        log_density=lambda model, x: simulated(model, x)[0],
        rate=3e-3,
    )
    return made


def chain(rng, n, dim=10):
    """Rows of `chain`."""
    x = np.empty((n, dim))
    x[:, 0] = rng.normal(size=n)
    for i in range(1, dim):
        x[:, i] = np.cos(2.0 * x[:, i - 1]) + 0.5 * rng.normal(size=n)
    return x


def chain_log_density(x):
    """Of `chain`."""
    noise = np.column_stack([x[:, 0], (x[:, 1:] - np.cos(2.0 * x[:, :-1])) / 0.5])
    dim = x.shape[1]
    return -0.5 * (noise**2).sum(1) - 0.5 * dim * np.log(2 * np.pi) - (dim - 1) * np.log(0.5)


def density(name: str, limit: float):
    """A row for each peer."""
    if name == "chain":
        x, log_density = chain(np.random.default_rng(0), ROWS + FRESH), chain_log_density
    else:
        toy = toys.named({"moons": "two_moons"}.get(name, name))
        x, log_density = toy.sample(ROWS + FRESH, seed=0), toy.log_density
    x, fresh = x[:ROWS], x[ROWS:]
    begun = time.perf_counter()
    fitted = fit_density(x, progress=False)
    seconds = time.perf_counter() - begun
    ours = -fitted.model.log_density(fitted.model.times[-1], fresh)
    for peer, new in density_peers(x.shape[1]).items():
        told = raced(lambda new=new: new(x[:-KEPT], x[-KEPT:], fresh), limit)
        least = -log_density(fresh).mean()
        yield {
            "peer": peer,
            "least possible": least,
            "ours": ours.mean(),
            "our seconds": seconds,
        } | row(told, ours, seconds)


class Carried:
    """Flow matching between rows, judged by what it carries to the target."""

    def __init__(self, x, y, judged, is_full):
        if is_full:
            y = y[assignment(x, y)]
        self.matching = FlowMatching(x.shape[1], 0)
        self.rng, self.rows, self.judged, self.is_full = (
            np.random.default_rng(0),
            (x, y),
            judged,
            is_full,
        )
        self.steps = 0

    def run(self):
        for _ in range(10):
            x, y = self.rows
            ones = self.rng.integers(len(x), size=256)
            others = ones if self.is_full else self.rng.integers(len(y), size=256)
            self.matching.step(self.rng, x[ones], y[others], is_matched=self.is_full)
        self.steps += 10

    def told(self):
        return -self.steps, self.judged(lambda x: self.matching.carried(x)[0])


def transport(name: str, limit: float):
    """A row for each peer."""
    a, b = {
        "eight": ("normal", "torchcfm_eight_gaussians"),
        "between": ("torchcfm_eight_gaussians", "torchcfm_moons"),
    }[name]
    source, target = toys.named(a), toys.named(b)
    x, y = source.sample(ENDS, seed=0), target.sample(ENDS, seed=1)
    starts = source.sample(CLOUD * CLOUDS, seed=2)
    ends = target.sample(2 * CLOUD * CLOUDS, seed=3).reshape(2, CLOUDS, CLOUD, -1)
    floor = np.array([wasserstein(p, q) for p, q in zip(*ends, strict=True)])

    def judged(carry):
        moved = np.asarray(carry(starts), float).reshape(CLOUDS, CLOUD, -1)
        return (
            np.array([wasserstein(p, q) for p, q in zip(moved, ends[0], strict=True)])
            / floor.mean()
        )

    begun = time.perf_counter()
    fitted = fit_transport(x, y, progress=False)
    seconds = time.perf_counter() - begun
    ours = judged(lambda points: transport_map(fitted.model, points))
    for is_full, peer in ((False, "OT-CFM, minibatches"), (True, "OT-CFM, plan of all rows")):
        told = raced(lambda is_full=is_full: Carried(x, y, judged, is_full), limit)
        yield {
            "peer": peer,
            "least possible": 1.0,
            "ours": ours.mean(),
            "our seconds": seconds,
        } | row(told, ours, seconds)


PROBLEMS = {
    "moons": density,
    "checkerboard": density,
    "chain": density,
    "eight": transport,
    "between": transport,
}


def main() -> None:
    """Prints a row for each problem and peer."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    options.add_argument("--seconds", type=float, default=180.0, help="for each peer")
    options.add_argument("--save", action="store_true", help="write the table of the pages")
    chosen = options.parse_args()
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    rows = []
    for name in chosen.problems:
        for found in PROBLEMS[name](name, chosen.seconds):
            rows.append({"problem": name, **found})
            cells = [(c.name, rows[-1].get(c.name), c.format) for c in COLUMNS]
            told = [
                f"{n} {v if isinstance(v, str) or v is None else format(v, f)}" for n, v, f in cells
            ]
            print("  ".join(told), flush=True)
    if chosen.save:
        save("peers", COLUMNS, rows, "Densities in nats per row, transport in W2 over its floor.")


if __name__ == "__main__":
    main()
